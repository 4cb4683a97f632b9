# A guest with two NICs, addresses of both families on each: away and home, all of them answer, relayed and straight
boot d h1 --nics 2
guest_addresses d h1 --nics 2
all=("${ADDRESSES4[@]}" "${ADDRESSES6[@]}")
expect_answers() { # TEXT
  local address
  for address in "${all[@]}"; do
    expect_ok "$address answers s $1" on s $LAB_BIN/meter ask --to $address --wait 30
  done
}
expect_soon "T1 is up" tunnel_up h2 h1
remember h1 h2 h3
expect_answers "at home"

mark "away"
traffic s d 20
migrate d h1 h3
expect_owner d h3
expect_answers "through h1"
expect_soon "h2 sends straight" path_is h2 d vr-h3
expect_answers "straight"
for address in "${all[@]}"; do
  expect_ok "a neighbour left on h1 reaches $address" on n1 $LAB_BIN/meter ask --to $address --wait 30
done
expect_ok "what d sends with its second NIC's address arrives" in_guest d "ping -c 1 -w 20 -I ${ADDRESSES4[1]} 10.9.1.1 && ping -c 1 -w 20 -I ${ADDRESSES6[1]} $(addr6 s)"

mark "home"
migrate d h3 h1
expect_owner d h1
expect_answers "at home again"
traffic_stop
expect duplicated -le 8 # two a queue, two NICs, there and home
expect cleartext -eq 0
expect_as_remembered h1 h2 h3
gone d
