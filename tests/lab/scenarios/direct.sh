# d migrates h1 -> h3 under traffic from s: T3 is built, answers go straight, then everything does; T3 lost and back; home again
boot d h1
expect_soon "T1 is up" tunnel_up h2 h1
remember h2
expect_fail "T3 is not up before anybody migrates" tunnel_up h2 h3

traffic s d 50
traffic6 s d 20
migrate d h1 h3
expect_owner d h3
expect_soon "h2 brought T3 up" tunnel_up h2 h3
expect_soon "h2 sends straight" path_is h2 d vr-h3
traffic_stop
expect cleartext -eq 0

mark "all direct"
traffic s d 50
traffic6 s d 20
sleep 2
relayed=$(measure relayed) straight=$(measure tunnelled:h2:h3)
sleep 2
expect_ok "nothing is relayed any more" [ "$(measure relayed)" -le $((relayed + 5)) ]
expect_ok "h2 sends through T3" [ "$(measure tunnelled:h2:h3)" -gt $((straight + 40)) ]

mark "T3 down"
tunnel_down h2 h3
expect_soon "h2 sends to the relay again" path_is h2 d vr-h1
sleep 2
mark "T3 back"
tunnel_back h2 h3
expect_soon "and straight again" path_is h2 d vr-h3
traffic_stop
expect lost -le 20
expect duplicated -eq 0
expect cleartext -eq 0

traffic s d 50
migrate d h3 h1
expect_owner d h1
traffic_stop
traffic s d 50
sleep 2
traffic_stop
expect lost -eq 0
expect_as_remembered h2
expect_soon "T3 is down again" not tunnel_up h2 h3
for h in h1 h2 h3; do expect_soon "nothing troubles $h" untroubled $h; done
