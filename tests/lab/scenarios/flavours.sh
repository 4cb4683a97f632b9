# Every way to call virsh migrate: peer to peer, tunnelled, persistent, not live
boot d h1
expect_soon "T1 is up" tunnel_up h2 h1
for options in --p2p "--p2p --tunnelled" "--persistent --undefinesource" --cold; do
  traffic s d 50
  migrate d h1 h3 $options
  expect_owner d h3
  traffic_stop
  expect_ok "s reaches d on h3 ($options)" reaches s d 30
  migrate d h3 h1 $options
  expect_owner d h1
  expect_ok "s reaches d on h1 ($options)" reaches s d 30
done
expect cleartext -eq 0
