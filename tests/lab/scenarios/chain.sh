# d migrates h1 -> h3 -> h4 -> h1 -> h3 under traffic from s: one relay hop at most, peers end at the newest owner, and no packet circles
# lab: hosts 4
boot d h1
expect_soon "T1 is up" tunnel_up h2 h1
remember h1 h2 h3 h4
rate=50
[ "$LAB_TUNNEL" = plain ] || rate=10 # a guest that is emulated twice answers no more

traffic s d $rate
traffic6 s d $((rate / 2))
migrate d h1 h3
expect_owner d h3
expect_soon "h2 sends straight to h3" path_is h2 d vr-h3

migrate d h3 h4
expect_owner d h4
expect_ok "h1 relays to h4" path_is h1 d vr-h4
expect_soon "h2 sends straight to h4" path_is h2 d vr-h4
expect_ok "h3 relays what still comes there" path_is h3 d vr-h4

mark "all at h4"
sleep 1
stray=$(measure tunnelled:h3:h4) relayed=$(measure tunnelled:h1:h4)
sleep 2
expect_ok "nobody sends through h3 any more" [ "$(measure tunnelled:h3:h4)" -le $((stray + 3)) ]
expect_ok "nobody sends through h1 any more" [ "$(measure tunnelled:h1:h4)" -le $((relayed + 3)) ]

migrate d h4 h1
expect_owner d h1
expect_soon "h2 sends to its home" path_is h2 d vr-h1
expect_soon "h4 holds nothing of it" as_remembered h4
migrate d h1 h3
expect_owner d h3
expect_soon "h2 sends straight to h3 again" path_is h2 d vr-h3
traffic_stop
expect duplicated -le 8 # two a move of the four: what QEMU may have given to it already
expect expired -eq 0
expect cleartext -eq 0

traffic s d $rate
traffic6 s d $((rate / 2))
sleep 2
traffic_stop
expect lost -eq 0
migrate d h3 h1
expect_owner d h1
expect_as_remembered h1 h2 h3 h4
