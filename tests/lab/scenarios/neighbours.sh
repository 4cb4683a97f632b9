# The neighbours that d left on h1's bridge reach it on h3, those on h3's bridge do too, and both again when it is home
LAB_REACH_h3=h1
relay_again h3
boot d h1
expect_soon "h3 reaches h1's network" reaches n3 d
remember h1 h3

traffic n1 d 25
traffic6 n1 d 25
traffic n3 d 25
traffic6 n3 d 25
migrate d h1 h3
expect_owner d h3
traffic_stop
expect cleartext -eq 0

for n in n1 n3; do
  expect_ok "$n reaches d on h3" reaches $n d 20
  expect_ok "d on h3 reaches $n" in_guest d "ping -c 1 -w 20 $(addr $n) && ping -c 1 -w 20 $(addr6 $n)"
done
expect_ok "d still reaches its gateway" in_guest d "ping -c 1 -w 20 10.9.1.1 && ping -c 1 -w 20 fd00:9:1::1"

migrate d h3 h1
expect_owner d h1
for n in n1 n3; do
  expect_ok "$n reaches d at home" reaches $n d 20
done
expect_as_remembered h1 h3
expect cleartext -eq 0
