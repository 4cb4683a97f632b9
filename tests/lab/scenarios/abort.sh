# Migrations that do not happen, aborted before and after QEMU stops the guest: as before, and nothing left
boot d h1
expect_soon "T1 is up" tunnel_up h2 h1
expect_soon "d carries a token" has_token d h1
first=$(token_of d h1)
remember h1 h3
traffic s d 50

migrate_start d h1 h3
expect_soon "memory is being copied" migrating d h1
expect_soon "the target announced d" record_is d incoming h3
abort d h1
expect_fail "virsh says that it was aborted" migrate_end
expect_soon "the intent is withdrawn" record_is d incoming null
expect_as_remembered h1 h3
expect_soon "h3 knows that token: d has another" eval 'has_token d h1 && [ "$(token_of d h1)" != "$first" ]'

shape h1 8mbit
migrate_start d h1 h3
expect_soon "memory is being copied" migrating d h1
virsh_on h1 migrate-setmaxdowntime d 200000
expect_soon "d belongs to h3 once its CPUs stopped" record_is d owner h3
# QEMU is deaf until all is sent, and libvirt may give up asking it: then the other end of the migration goes. All goes faster once it was asked, or should
# have been: two calls after this one were answered; and not so fast that the target has all before the origin's QEMU listens.
abort d h1 & request=$!
for i in 1 2; do virsh_on h1 list > /dev/null; done
shape h1 64mbit
wait $request || kill_qemu d h3
expect_fail "virsh says that it was aborted" migrate_end
shape h1 off
expect_soon "d is h1's again" record_is d owner h1
expect_soon "the record says that it came back" record_is d state returned
expect_ok "it had been given to h3 by the proof of that token" proven d h1 h3
expect_as_remembered h1 h3
traffic_stop
expect cleartext -eq 0
expect_ok "s reaches d" reaches s d 20
