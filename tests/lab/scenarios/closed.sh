# No tunnel, no packet: with h1 and h3 cut off for IKE the migration goes on, and what cannot be relayed is dropped, not sent in clear
boot d h1
expect_soon "T1 is up" tunnel_up h2 h1
on h3 nft 'table inet lab { chain input { type filter hook input priority 0; udp dport { 500, 4500 } drop; } }'
traffic s d 50
migrate d h1 h3
expect_owner d h3
sleep 2
says_trouble() { on h1 virt-relay status --json | jq -e '.troubles | map(select(test("h3"))) | length > 0'; }
expect_soon "status says what is wrong with the tunnel" says_trouble
expect cleartext -eq 0
on h3 nft delete table inet lab
expect_soon "the tunnel comes up when it can" tunnel_up h1 h3
expect_ok "and s reaches d" reaches s d 60
traffic_stop
expect lost -gt 0
expect cleartext -eq 0
