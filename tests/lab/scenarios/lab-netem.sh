# The meter counts duplicates and packets out of order, each way apart
# lab: without
on h1 tc qdisc add dev eth0 root netem duplicate 20% 2> /dev/null || skip "this kernel has no netem"
on h1 tc qdisc del dev eth0 root

# Between n1 and s in clear, over ordinary routes; their protocol is the one that a reset takes away.
for pair in "h1 2" "h2 1"; do
  on ${pair% *} ip route add 10.9.${pair#* }.0/24 via 192.0.2.${pair#* } proto 118
  on ${pair% *} ip -6 route add fd00:9:${pair#* }::/64 via 2001:db8::${pair#* } proto 118
done
answering n1
expect_soon "s reaches n1" reaches s n1

on h1 tc qdisc add dev eth0 root netem duplicate 20%
traffic s n1 200
sleep 3
traffic_stop
expect back.duplicated -gt 20
expect there.duplicated -eq 0
expect lost -eq 0

on h1 tc qdisc replace dev eth0 root netem delay 20ms reorder 75%
traffic s n1 200
sleep 3
traffic_stop
expect back.reordered -gt 20
expect there.reordered -eq 0
expect lost -eq 0
on h1 tc qdisc del dev eth0 root
