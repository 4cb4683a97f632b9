# No tunnel, no packet: with h1 and h3 cut off for IKE the migration goes on, and what cannot be relayed is dropped, not sent in clear
boot d h1
expect_soon "T1 is up" tunnel_up h2 h1
no_ike h1 h3
no_ike h2 h3
traffic s d 10
migrate d h1 h3
expect_owner d h3
sleep 2
says_trouble() { on h1 virt-relay status --json | jq -e '.troubles | map(select(test("h3"))) | length > 0'; }
expect_soon "status says what is wrong with the tunnel" says_trouble
expect cleartext -eq 0
ike_again h1 h3
ike_again h2 h3
expect_soon "the tunnel comes up when it can" tunnel_up h1 h3
expect_ok "and s reaches d" reaches s d 60
traffic_stop
expect lost -gt 0
expect cleartext -eq 0
