# Multicast and broadcast are left alone: what a guest away from home sends stays on the bridge that it is on; what is sent there it hears
LAB_REACH_h3=h1
relay_again h3
boot d h1
expect_soon "T1 is up" tunnel_up h2 h1
expect_soon "h3 reaches h1's network" reaches n3 d
remember h1 h3

groups4=239.9.9.9,224.0.0.251,10.9.1.255,10.9.3.255 groups6=ff05::9,ff02::fb
count_anew() { # on the hosts and at the neighbours: packets to these groups as they come in, and as they would leave by a tunnel
  local where
  for where in n1 n3 s h1 h2 h3; do
    on $where nft -f - << X
table inet lab
delete table inet lab
table inet lab {
  counter in { }
  counter out { }
  chain in { type filter hook prerouting priority -300; ip daddr { $groups4 } counter name in; ip6 daddr { $groups6 } counter name in; }
  chain out { type filter hook postrouting priority 300; oifname "vr-*" ip daddr { $groups4 } counter name out; oifname "vr-*" ip6 daddr { $groups6 } counter name out; }
}
X
  done
}
came() { on $1 nft -j list counter inet lab ${2:-in} | jq '.nftables[] | .counter? // empty | .packets'; } # WHERE [out]
all_came() { [ "$(came $1)" -ge 10 ]; }                                                                 # WHERE: two to each of five
no_tunnel_took_any() { [ "$(came h1 out) $(came h2 out) $(came h3 out)" = "0 0 0" ]; }
guest_sends() { in_guest d "(for to in 239.9.9.9 224.0.0.251 10.9.1.255 ff05::9 ff02::fb; do ping -c 2 -w 2 -I eth0 \$to; done) > /dev/null 2>&1 &"; }
neighbour_sends() { # NEIGHBOUR
  local to
  for to in 239.9.9.9 224.0.0.251 10.9.${1#n}.255 ff05::9 ff02::fb; do
    on $1 busybox ping -c 2 -w 2 -I eth0 $to > /dev/null 2>&1 || true # nobody has to answer
  done
}
# The all-hosts groups are in every guest; that d heard them its answers say, the one of IPv6 from its link-local address
link_local=$(in_guest d 'ip -6 -o addr show dev eth0 scope link' | awk '{sub("/.*", "", $4); print $4}')
hears4() { on $1 busybox ping -c 3 -w 5 -I eth0 224.0.0.1 | grep "from $(addr d)"; }
hears6() { on $1 busybox ping -c 3 -w 5 -I eth0 ff02::1 | grep "from $link_local"; }
in_guest d 'echo 0 > /proc/sys/net/ipv4/icmp_echo_ignore_broadcasts'

count_anew
guest_sends
expect_soon "at home, n1 gets what d sends to all" all_came n1
expect_ok "and d hears n1 (IPv4)" hears4 n1
expect_ok "and d hears n1 (IPv6)" hears6 n1

migrate d h1 h3
expect_owner d h3
expect_soon "n1 reaches d" reaches n1 d
count_anew
guest_sends
expect_soon "away, n3 gets what d sends to all" all_came n3
expect_ok "nobody elsewhere does" [ "$(came n1) $(came s) $(came h1) $(came h2)" = "0 0 0 0" ]
expect_ok "and d hears n3 (IPv4)" hears4 n3
expect_ok "and d hears n3 (IPv6)" hears6 n3
expect_fail "d does not hear n1, and nobody answers for it (IPv4)" hears4 n1
expect_fail "d does not hear n1, and nobody answers for it (IPv6)" hears6 n1
expect_ok "none left by a tunnel" no_tunnel_took_any
count_anew
neighbour_sends n1
expect_ok "what n1 sends to all still reaches those on its bridge" all_came h1
expect_ok "and nobody elsewhere" [ "$(came n3) $(came s) $(came h2) $(came h3)" = "0 0 0 0" ]
expect_ok "none left by a tunnel then" no_tunnel_took_any

migrate d h3 h1
expect_owner d h1
expect_soon "s reaches d at home" reaches s d
expect_ok "d hears n1 again (IPv4)" hears4 n1
expect_ok "d hears n1 again (IPv6)" hears6 n1
for where in n1 n3 s h1 h2 h3; do on $where nft delete table inet lab; done
expect_as_remembered h1 h3
expect cleartext -eq 0
gone d
