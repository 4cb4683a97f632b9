# Packets too large for the tunnel, that their sender lets nobody cut, come all through a migration: the sender is told, and the ledger calls them refused, not lost
rate=500
[ "$LAB_TUNNEL" = plain ] || rate=5
boot d h1
expect_soon "T1 is up" tunnel_up h2 h1
senders=()
large() { # NAME ADDRESS: from a neighbour on the origin's bridge, where they fit until the guest has left
  on n1 bash -c 'echo $$ > "$1.pid"; exec python3 "$2" large "$3" "$4"' - "$LAB_RUN/$1" "$LAB_SRC/probe.py" "$2" $rate > "$RESULT/$1.json" &
  senders+=($!)
}
counted() { on h1 virt-relay migrations d --newest 1 --json | jq -e '.[0].complete' > /dev/null; }
ledger() { on h1 virt-relay migrations d --newest 1 --json | jq -r ".[0] | $1"; }
sum() { ledger "[.hosts[] | select(.role == \"$1\") | .nics[].counts.\"$2\" // 0] | add"; }

traffic s d 10
large large4 "$(addr d)"
large large6 "$(addr6 d)"
sleep 2
migrate d h1 h3
expect_soon "the ledger is complete" counted
on n1 kill "$(cat "$LAB_RUN/large4.pid")" "$(cat "$LAB_RUN/large6.pid")"
wait "${senders[@]}"
traffic_stop
ledger . > "$RESULT/ledger.json"
on h1 virt-relay migrations d --newest 1 | sed 's/^/    # /'
for family in 4 6; do
  expect_ok "IPv$family: $(cat "$RESULT/large$family.json"); the sender was told" test "$(jq .mtu "$RESULT/large$family.json")" -lt 1500
done
expect_ok "it adds up" test "$(ledger '.faults | length')" = 0
expect_ok "nothing is called lost: $(ledger .verdict)" test "$(ledger .lost)" = 0
expect_ok "packets were refused" test "$(ledger .refused)" -gt 0
expect_ok "all of them because they were too large" test "$(ledger '[.refusals[] | select(.where | contains("too large for the tunnel") | not)] | length')" = 0
expect_ok "as many as the kernel did not take on, and the switchover could not send" \
  test "$(ledger .refused)" -le $(($(sum origin large) - $(sum origin large-relayed) + $(sum origin too-large)))
[ "$(sum origin too-large)" = 0 ] ||
  expect_ok "senders of what was in the tap were told" grep -q "guest d: 2 senders told that their packets are too large" "$LAB_RUN/h1/log/virt-relayd.out"
expect lost -eq 0
