# Addresses change while their guest is away: by its agent's word, then by its administrator's; its home, its owner and its peer follow
boot d h1 --agent --unannounced
guest_addresses d h1
told() { on $1 virt-relay guests --json | jq -r '.[] | select(.name == "d") | .. | strings'; }
knows() { told $1 | grep -qxF $2; }    # HOST ADDRESS
forgot() { ! told $1 | grep -qxF $2; } # HOST ADDRESS
answers() { on s $LAB_BIN/meter ask --to $1 --wait 5; }
expect_soon "T1 is up" tunnel_up h2 h1
LAB_SOON=100
for address in $(addr d) $(addr6 d); do expect_soon "d's agent tells h1 of $address" knows h1 $address; done
remember h1 h2 h3
migrate d h1 h3
expect_owner d h3
expect_soon "s reaches d" reaches s d

mark "the agent says another address"
in_guest d 'ip addr del 10.9.1.100/24 dev eth0; ip addr add 10.9.1.200/24 dev eth0; ip route add default via 10.9.1.1'
for h in h1 h2 h3; do
  expect_soon "$h knows d's new address" knows $h 10.9.1.200
  expect_soon "$h forgot the old one" forgot $h 10.9.1.100
  expect_ok "$h still knows the one that stayed" knows $h $(addr6 d)
done
expect_soon "the new address answers s" answers 10.9.1.200
expect_soon "h2 sends straight" path_is h2 d vr-h3
expect_ok "and d answers there" answers 10.9.1.200

mark "the administrator says another one"
virsh_on h3 metadata d --live --uri urn:virt-relay:guest:1 --key virt-relay --set \
  "<guest><nic mac='$(guest_mac d h1)'><address>10.9.1.201</address></nic></guest>" > /dev/null
in_guest d 'ip addr del 10.9.1.200/24 dev eth0; ip addr add 10.9.1.201/24 dev eth0; ip route add default via 10.9.1.1'
for h in h1 h2 h3; do
  expect_soon "$h knows d's new address" knows $h 10.9.1.201
  expect_soon "$h forgot the old one" forgot $h 10.9.1.200
done
expect_soon "the new address answers s" answers 10.9.1.201
expect_ok "d belongs to h3, and its home is h1" record_is d home h1

mark "back to the first address, and home"
in_guest d 'ip addr del 10.9.1.201/24 dev eth0; ip addr add 10.9.1.100/24 dev eth0; ip route add default via 10.9.1.1'
virsh_on h3 metadata d --live --uri urn:virt-relay:guest:1 --key virt-relay --set \
  "<guest><nic mac='$(guest_mac d h1)'><address>10.9.1.100</address></nic></guest>" > /dev/null
expect_soon "h1 knows d's first address" knows h1 10.9.1.100
expect_soon "s reaches d" reaches s d
migrate d h3 h1
expect_owner d h1
expect_soon "s reaches d at home" reaches s d
expect_as_remembered h1 h2 h3
expect cleartext -eq 0
gone d
