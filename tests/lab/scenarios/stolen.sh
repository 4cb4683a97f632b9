# Whoever steals h4's credential for etcd writes in h4's name and in no other, and what it writes brings nobody's packets anywhere
# lab: etcd
boot d h1
etcd_users h1 h2 h3 h4
for h in h1 h2 h3; do relay_again $h; done
expect_soon "T1 is up" tunnel_up h2 h1
expect_soon "h1's word is in etcd" in_etcd h1 '"state":"running"'
uuid=$(record d uuid)
truth=$(etcd_as h4 get --print-value-only "/virt-relay/now/h1/guest/$uuid")
h2_host=$(etcd_as h4 get --print-value-only /virt-relay/now/h2/host)
now=$(date +%s%3N)

# lie PART JSON-FILTER [HOST]: what h1 says of d, changed, in h4's own place, or in HOST's; lie_of_itself NETWORK...: h4 is a host with these
lie() {
  now=$((now + 1))
  etcd_as h4 put "/virt-relay/now/${3:-h4}/$1/$uuid" "$(jq -c ".seq = $now | $2" <<< "$truth")"
}
lie_of_itself() {
  now=$((now + 1))
  etcd_as h4 put /virt-relay/now/h4/host "$(jq -c --argjson seq $now '.seq = $seq | .name = "h4" | .identity = "h4" | .underlay = ["192.0.2.254"]
    | .macs = [] | .networks = $ARGS.positional' --args "$@" <<< "$h2_host")"
}
ways() { on "$1" bash -c 'for f in -4 -6; do ip $f route show table all proto 118; ip $f rule; done'; }
to_d() { path_is h2 d vr-h1 && path_is h1 d br0; }
refuses() { on "$1" virt-relay log --refused --json | jq -e --arg s "$2" '.records | any(.writer == "h4" and (.state // "host") == $s)' > /dev/null; }

traffic s d 50
before=$(ways h2)
expect_fail "it cannot write in h1's name" lie guest '.epoch = 9 | .owner = "h4"' h1
expect_fail "nor in h3's" lie intent '.state = "incoming" | .writer = "h3" | .target = "h3"' h3
expect_fail "nor remove what h1 wrote" etcd_as h4 del "/virt-relay/now/h1/guest/$uuid"

expect_ok "it writes that h4 is a host with h1's network" lie_of_itself 10.9.1.9/24
for h in h1 h2 h3; do expect_soon "$h does not believe it" refuses $h host; done
expect_ok "it writes that h4 is a host, and no more" lie_of_itself
expect_soon "that is believed" eval 'on h1 virt-relay hosts --names | grep -qx h4'

expect_ok "it writes that d runs on h4" lie guest '.epoch = 9 | .owner = "h4" | .writer = "h4"'
for h in h1 h2 h3; do expect_soon "$h does not believe it" refuses $h running; done
expect_ok "it writes that d moved to h4" lie guest '.epoch = 10 | .owner = "h4" | .writer = "h4" | .state = "moved" | .origin = "h4" | .target = "h4"'
expect_ok "it announces d" lie intent '.state = "incoming" | .writer = "h4" | .origin = "h1" | .target = "h4"'
expect_soon "h1 wants a tunnel to h4 for that, and no more" eval 'on h1 virt-relay hosts --json | jq -e ".[] | select(.name == \"h4\") | .wanted" > /dev/null'
expect_ok "h2 sends to h1, and h1 to its bridge" to_d
expect_ok "h2's routes are what they were" test "$(ways h2)" = "$before"
for h in h1 h2 h3; do expect_ok "$h knows that d is on h1" owner_is $h d h1; done
expect_soon "h1 says who writes what it does not believe" says h1 "records of h4"
traffic_stop
expect lost -eq 0
expect cleartext -eq 0

migrate d h1 h2
expect_owner d h2
expect_ok "s reaches d on h2, announced later and truly" reaches s d
