# A packet now and then, some of them while hosts write their ledgers: none is taken for one that was lost, or that nobody sent
moves=8
[ "$LAB_TUNNEL" = plain ] || moves=2
ledger() { on h1 virt-relay migrations d --newest 1 --json | jq -r ".[0] | $1"; }
complete() { [ "$(ledger ".complete and .epoch > $1")" = true ]; }

boot d h1
LAB_DIRECT_h2=never relay_again h2 # all is relayed
expect_soon "T1 is up" tunnel_up h2 h1
from=h1 to=h3
on s bash -c 'echo $$ > "$1"; exec busybox ping -i 3 "$2"' - "$LAB_RUN/ping.pid" "$(addr d)" > "$RESULT/ping" 2>&1 &
for ((move = 1; move <= moves; move++)); do
  epoch=$(record d epoch)
  migrate d $from $to
  expect_soon "move $move: the ledger is complete" complete "$epoch"
  expect_ok "it adds up" test "$(ledger '.faults | length')" = 0
  expect_ok "and nothing is lost" test "$(ledger .lost)" = 0
  read -r from to <<< "$to $from"
done
on s kill "$(< "$LAB_RUN/ping.pid")"
