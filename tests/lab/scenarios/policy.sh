# h2 runs no virt-relay, and T1 is the administrator's own, subnet to subnet: d is relayed and answers as long as it is away
relay_off
rm -f "$LAB_RUN"/log/*
each host_clean
tunnel h1 h2 --policy
LAB_REACH_h1='' host_relay_on h1
host_relay_on h3
boot d h1
expect_soon "s reaches d" reaches s d
conns() { for h in h1 h2; do on $h swanctl --list-conns 2> /dev/null | awk '/^[^ ]/ {show = /^site-/} show'; done; }
conns > "$LAB_RUN/conns"

traffic s d 10
traffic6 s d 5
migrate d h1 h3
expect_owner d h3
traffic_stop
traffic s d 10
traffic6 s d 5
sleep 5
traffic_stop
expect lost -eq 0
expect relayed -gt 0
expect_ok "answers go through h1" at_least tunnelled:h3:h1 50
expect tunnelled:h3:h2 -eq 0
expect_ok "the administrator's connections are as they were" diff "$LAB_RUN/conns" <(conns)

migrate d h3 h1
expect_owner d h1
expect_soon "s reaches d at home" reaches s d
expect cleartext -eq 0
