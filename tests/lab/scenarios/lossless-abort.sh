# A migration that fails after QEMU stopped the guest: what left for the target comes back, and no packet is lost
# What is kept for it ([migration] kept-memory) has room for six minutes of this rate, should a busy machine hold the guest so long. The target dies: QEMU
# would heed an abort only once all memory had gone through the shaped link.
rate=20
boot d h1
expect_soon "T1 is up" tunnel_up h2 h1
remember h1 h3
traffic s d $((rate / 2)) --settle 10 --report 60
traffic6 s d $((rate / 2)) --settle 10 --report 60

shape h1 8mbit
migrate_start d h1 h3
expect_soon "memory is being copied" migrating d h1
virsh_on h1 migrate-setmaxdowntime d 200000
expect_soon "d belongs to h3 once its CPUs stopped" record_is d owner h3
expect_soon "h1 relays" at_least relayed 20
kill_qemu d h3
expect_fail "virsh says that it failed" migrate_end
expect_soon "the record says that it came back" record_is d state returned
sleep 3
traffic_stop
shape h1 off # not before: what waits for the link then would be dropped
mark "$(grep 'guest d: ' "$LAB_RUN/h1/log/virt-relayd.out" | grep 'sent after' | tail -1)"
expect there.lost -eq 0 # the answers wait behind the memory in the shaped link, and some are dropped there
expect there.reordered -eq 0
expect_ok "packets came back" came_back h1 d
all_there() { on h1 virt-relay migrations d --newest 1 --json | jq -e '.[0] | .returned and .complete and .lost == 0 and .refused == 0' > /dev/null; }
expect_soon "the ledger knows of it, and of none lost or refused" all_there
expect cleartext -eq 0
expect_as_remembered h1 h3
