# Every kind of packet through the relay and through the direct path: full size with DF, fragments, TCP bulk, ICMP errors
boot d h1
expect_soon "T1 is up" tunnel_up h2 h1
probe() { on s python3 $LAB_SRC/probe.py $*; }
# IPv6: of the first answer that is too big the guest learns how large a packet may be
fragments() { { on s busybox ping -c 3 -w 30 -s 3000 $1 || true; } | grep 'bytes from'; }
expect_passes() { # TEXT
  local address
  for address in $(addr d) $(addr6 d); do
    expect_ok "$address: TCP bulk in both directions ($1)" probe bulk $address
    expect_ok "$address: a packet too big for the tunnel is refused with its size ($1)" probe mtu $address
    expect_ok "$address: fragments arrive, and their answers ($1)" fragments $address
    expect_ok "$address: port unreachable comes back ($1)" probe refused $address
  done
}
in_guest d 'nc -ll -p 7007 -e cat > /dev/null 2>&1 < /dev/null &'
expect_passes "at home"

LAB_DIRECT_h2=never relay_again h2
expect_soon "T1 is up again" tunnel_up h2 h1
migrate d h1 h3
expect_owner d h3
expect_passes "relayed"
expect_ok "h2 sends to the relay" path_is h2 d vr-h1

relay_again h2
expect_soon "T1 is up again" tunnel_up h2 h1
traffic s d 50
expect_soon "h2 sends straight" path_is h2 d vr-h3
traffic_stop
expect_passes "direct"
expect cleartext -eq 0
