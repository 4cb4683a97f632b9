# The lab measures right: loss, duplicates and order as they are made, and cleartext where there is some
# lab: without

# Between n1 and s in clear, over ordinary routes; their protocol is the one that a reset takes away.
for pair in "h1 2" "h2 1"; do
  on ${pair% *} ip route add 10.9.${pair#* }.0/24 via 192.0.2.${pair#* } proto 118
  on ${pair% *} ip -6 route add fd00:9:${pair#* }::/64 via 2001:db8::${pair#* } proto 118
done
answering n1
expect_soon "s reaches n1" reaches s n1

capture_stop
capture_start
traffic s n1 200
traffic6 s n1 50
sleep 3
traffic_stop
expect sent -gt 400
expect lost -eq 0
expect duplicated -eq 0
expect reordered -eq 0
expect dropped -eq 0
clear=$(measure cleartext)
expect_ok "every packet and every answer was seen in clear" test "$clear" -ge $((2 * $(measure sent)))

# Every tenth numbered packet (kind 2, little-endian, in the meter's header) is dropped on its way there, every fifth answer on its
# way back; nft says how many.
on h1 nft -f - << 'X'
table inet lab {
  counter there { }
  counter back { }
  chain forward {
    type filter hook forward priority 0
    udp dport 9009 @ih,32,32 0x02000000 numgen inc mod 10 0 counter name there drop
    udp sport 9009 @ih,32,32 0x02000000 numgen inc mod 5 0 counter name back drop
  }
}
X
dropped() { on h1 nft -j list counter inet lab "$1" | jq '.nftables[1].counter.packets'; }
traffic s n1 200
sleep 3
traffic_stop
expect there.lost -eq "$(dropped there)"
expect back.lost -eq "$(dropped back)"
expect lost -eq $(($(dropped there) + $(dropped back)))
expect there.lost -gt 20
on h1 nft delete table inet lab

# A cut is a gap, and ends.
traffic s n1 200
sleep 1
cut h1 h2
sleep 2
mend h1 h2
sleep 1
traffic_stop
expect gap_ms -ge 1900
expect lost -ge 300
expect received -ge 200
