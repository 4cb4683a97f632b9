# A guest that moved goes on with what it knows: its gateway's old MAC, and no question before its first answers; its neighbours find it at once
rate=100
[ "$LAB_TUNNEL" = plain ] || rate=10
boot d h1
expect_soon "T1 is up" tunnel_up h2 h1

# What a guest asks everybody on h3's bridge for its gateway, and what it sends to the MAC that its gateway had at home, before virt-relay sees it
on h3 nft -f - << X
table bridge lab-guest {
  chain prerouting {
    type filter hook prerouting priority -500
    iifname "vnet*" ether daddr ff:ff:ff:ff:ff:ff arp operation request arp daddr ip 10.9.1.1 counter comment "asked4"
    iifname "vnet*" ether daddr & ff:ff:00:00:00:00 == 33:33:00:00:00:00 icmpv6 type nd-neighbor-solicit @th,64,128 0xfd000009000100000000000000000001 counter comment "asked6"
    iifname "vnet*" ether daddr 02:00:00:09:01:01 counter comment "old"
  }
}
X
counted() { on h3 nft list table bridge lab-guest | sed -n "s/.*counter packets \([0-9]*\) .*\"$1\".*/\1/p"; }
knows() { ip -n "$1" neigh show "$(addr d)" | grep -q "lladdr $2 " && ip -n "$1" neigh show "$(addr6 d)" | grep -q "lladdr $2 "; }
gateway_known() { in_guest d "ip neigh show $2" | grep -q "lladdr $1 "; }

# The answers go through the gateway, so the guest knows it; n1 knows the guest
traffic s d $((rate / 2))
traffic6 s d $((rate / 2))
traffic n1 d $((rate / 2))
traffic6 n1 d $((rate / 2))
expect_ok "d knows its gateway" gateway_known 02:00:00:09:01:01 10.9.1.1
expect_ok "and its gateway for IPv6" gateway_known 02:00:00:09:01:01 fd00:9:1::1
expect_ok "n1 knows d itself" knows n1 "$(guest_mac d h1)"
expect_ok "d does not heed who tells it of another, for IPv4" in_guest d "arp -s 10.9.1.1 02:00:00:09:01:01"
sleep 1
migrate d h1 h3
expect_owner d h3
expect_soon "n1 was told that d is behind h1 now" knows n1 02:00:00:09:01:01
sleep 1
traffic_stop
for flow in s-d s-d-6 n1-d n1-d-6; do
  expect "there.lost@$flow" -eq 0
  expect "lost@$flow" -eq 0
done
mark "frames that d sent to the old gateway's MAC: $(counted old)" # its answers over IPv4: none was lost, so all were taken
expect_ok "d asked nobody for its gateway" test "$(counted asked4)" = 0
expect_ok "nor for IPv6" test "$(counted asked6)" = 0
expect_ok "n3 reaches d" reaches n3 d 20
on h3 nft delete table bridge lab-guest

traffic n1 d $((rate / 2))
traffic6 n1 d $((rate / 2))
migrate d h3 h1
expect_owner d h1
expect_soon "n1 was told that d is here again" knows n1 "$(guest_mac d h1)"
sleep 1
traffic_stop
expect there.lost -eq 0
expect lost -eq 0
in_guest d "arp -d 10.9.1.1"
expect cleartext -eq 0
