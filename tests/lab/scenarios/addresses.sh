# Guests of every kind, away and home: six addresses on one NIC, IPv6 alone, and addresses told while it runs
expect_answers() { # TEXT: each address answers s
  local address
  for address in "${ADDRESSES4[@]}" "${ADDRESSES6[@]}"; do
    expect_ok "$address answers s ($1)" on s $LAB_BIN/meter ask --to $address --wait 30
  done
}
known() { # GUEST: h1's daemon knows each address
  local address told
  told=$(on h1 virt-relay guests --json | jq -r --arg g $1 '.[] | select(.name == $g) | .. | strings')
  for address in "${ADDRESSES4[@]}" "${ADDRESSES6[@]}"; do
    grep -qxF "$address" <<< "$told" || return 1
  done
}
expect_soon "T1 is up" tunnel_up h2 h1
tell() { # GUEST: its metadata name its addresses now
  virsh_on h1 metadata $1 --live --uri urn:virt-relay:guest:1 --key virt-relay --set "<guest><nic mac='$(guest_mac $1 h1)'>$(
    printf '<address>%s</address>' "${ADDRESSES4[@]}" "${ADDRESSES6[@]}")</nic></guest>" > /dev/null
}
kind() { # GUEST BOOT-OPTION...
  local g=$1 options="${*:2}"
  boot $g h1 $options
  guest_addresses $g h1 $options
  [ "$options" != --unannounced ] || tell $g
  expect_soon "all its addresses are known ($options)" known $g
  remember h1 h3
  migrate $g h1 h3
  expect_owner $g h3
  expect_answers "$options, away"
  migrate $g h3 h1
  expect_owner $g h1
  expect_answers "$options, home"
  expect_as_remembered h1 h3
}
kind d --addresses 6
kind e --only6
kind f --unannounced
gone f
expect cleartext -eq 0
