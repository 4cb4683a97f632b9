# d migrates h1 -> h3 under traffic from s behind h2, and back: it stays reachable, nothing is in clear, and at home nothing is left
boot d h1
expect_soon "T1 is up" tunnel_up h2 h1
remember h1 h3
expect_fail "T2 is not up before anybody migrates" tunnel_up h1 h3

traffic s d 10
traffic6 s d 5
migrate d h1 h3
expect_owner d h3
expect_ok "T2 was up before QEMU stopped" tunnel_before_stop h1 h3 d
traffic_stop
expect relayed -gt 0
expect cleartext -eq 0

traffic s d 10
traffic6 s d 5
sleep 3
traffic_stop
expect lost -eq 0
expect duplicated -eq 0

traffic s d 10
migrate d h3 h1
expect_owner d h1
traffic_stop
expect cleartext -eq 0
traffic s d 10
sleep 2
traffic_stop
expect lost -eq 0
expect_as_remembered h1 h3
expect_soon "T2 is down again" not tunnel_up h1 h3
for h in h1 h2 h3; do expect_soon "nothing troubles $h" untroubled $h; done
