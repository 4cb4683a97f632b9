# [path] direct = existing uses a tunnel that is there, and makes none; never goes through the home, whatever is there
boot d h1
LAB_DIRECT_h2=existing relay_again h2
expect_soon "T1 is up" tunnel_up h2 h1
traffic s d 50
traffic6 s d 20
migrate d h1 h3
expect_owner d h3
expect_soon "h1 relays" at_least relayed 100
expect_ok "h2 relays" path_is h2 d vr-h1
expect_fail "h2 did not make T3" tunnel_up h2 h3

mark "T3 exists for another reason"
LAB_REACH_h2='h1 h3' LAB_DIRECT_h2=existing relay_again h2
expect_soon "T3 is up" tunnel_up h2 h3
expect_soon "h2 sends straight" path_is h2 d vr-h3

mark "never"
LAB_REACH_h2='h1 h3' LAB_DIRECT_h2=never relay_again h2
expect_soon "h2 relays" path_is h2 d vr-h1
expect_soon "through h1" at_least relayed $(($(measure relayed) + 100))
expect_ok "and goes on doing so" path_is h2 d vr-h1
expect_ok "T3 is up" tunnel_up h2 h3
traffic_stop
expect cleartext -eq 0
