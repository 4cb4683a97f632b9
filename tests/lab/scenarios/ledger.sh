# The ledger of a migration under traffic: all hosts tell the same, it adds up, and it agrees with what the meter saw
rate=500
[ "$LAB_TUNNEL" = plain ] || rate=10

# ledger_of H: the newest migration of d, as host H tells it
ledger_of() { on "$1" virt-relay migrations d --newest 1 --json; }
counted() { ledger_of "$1" | jq -e '.[0].complete and (.[0].hosts | map(.role) | contains(["origin", "target"]))' > /dev/null; }
# ledger FILTER: of h1's
ledger() { ledger_of h1 | jq -r ".[0] | $1"; }
sum() { ledger "[.hosts[] | select(.role == \"$1\") | .nics[].counts.\"$2\" // 0] | add"; }

boot d h1
expect_soon "T1 is up" tunnel_up h2 h1
traffic s d $rate --report 5
traffic6 s d 50 --report 5
sleep 2
migrate d h1 h3
expect_soon "the sender goes straight" path_is h2 d vr-h3
for h in h1 h2 h3; do expect_soon "$h has the whole ledger" counted $h; done
sleep 2
traffic_stop
for h in h2 h3; do expect_ok "$h tells what h1 tells" test "$(ledger_of $h | jq -S '.[0] | del(.hosts)')" = "$(ledger_of h1 | jq -S '.[0] | del(.hosts)')"; done
ledger_of h1 > "$RESULT/ledger.json"
on h1 virt-relay migrations d --newest 1 | tee "$RESULT/ledger.txt" | sed 's/^/    # /'
expect_ok "it adds up" test "$(ledger '.faults | length')" = 0
expect_ok "what was relayed arrived" test "$(sum origin relayed)" -gt 0
expect_ok "the guest's queue was long enough" test "$(sum target tap-dropped)" = 0
expect_ok "packets waited for the guest" test "$(sum target queued)" -gt 0
expect_ok "h2's markers came to h3, and no farther" test "$(sum target expired)" -gt 0
expect_ok "h3 sent all else on" test $(($(sum target came) - $(sum target handed) - $(sum target relayed))) -le "$(sum target expired)"
expect_ok "nothing was refused: $(ledger .verdict)" test "$(ledger .refused)" = 0
# what the meter's own count on the way there lacks, the ledger places, but for the two that QEMU may swallow a queue
lost=$(ledger .lost) there=$(measure there.lost)
expect_ok "the ledger lost $lost, the meter $there on the way there" test "$there" -le $((lost + 2)) -a "$lost" -le "$there"
expect_ok "the origin saw stop, flip and moved in order" test "$(ledger '.phases | .stop < .flip and .flip <= .moved and .armed < .stop')" = true
on h1 virt-relay migrations d --html /run/report.html
cp "$(root_of h1)/run/report.html" "$RESULT/report.html"
queue_is() { on "$1" sh -c 'cat /sys/class/net/vnet*/tx_queue_len' | sort -u | grep -qx "$2"; }
expect_ok "the tap's queue stays as long as it was made" queue_is h3 "$(sum target queue)"

# The origin's daemon is killed when the guest has stopped; started anew when it runs at its target, it says what it knows, and that this is not all
partial() { ledger_of h1 | jq -e --argjson before "$1" '.[0].epoch > $before and .[0].complete and (.[0].hosts[] | select(.role == "origin") | .partial != null)' > /dev/null; }
before=$(ledger .epoch)
shape h3 8mbit
migrate_start d h3 h1
expect_soon "memory is being copied" migrating d h3
virsh_on h3 migrate-setmaxdowntime d 200000 # it stops early, and its memory takes a while
expect_soon "d belongs to h1 once its CPUs stopped" record_is d owner h1
stop_relay h3 KILL
shape h3 off
migrate_end
start_relay h3
expect_soon "h3's part says that it did not count all" partial "$before"
expect_ok "what it did not count is no fault" test "$(ledger '.faults | length')" = 0
