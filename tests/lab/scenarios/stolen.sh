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
    | .macs = [] | .reach = [] | .networks = $ARGS.positional' --args "$@" <<< "$h2_host")"
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
# announce [PROOF]: h4's clock is a day ahead
announce() { lie intent ".state = \"incoming\" | .writer = \"h4\" | .origin = \"h1\" | .target = \"h4\" | .time_us += 86400000000 | .proof = ${1:-null}"; }
wants_h4() { on h1 virt-relay hosts --json | jq -e '.[] | select(.name == "h4") | .wanted' > /dev/null; }
expect_soon "d carries a token" has_token d h1
first=$(token_of d h1)
expect_ok "it announces d" announce
expect_soon "h1, whose d it is, does not believe it" refuses h1 incoming
expect_fail "and wants no tunnel to it" wants_h4
expect_ok "h2 sends to h1, and h1 to its bridge" to_d
expect_ok "h2's routes are what they were" test "$(ways h2)" = "$before"
for h in h1 h2 h3; do expect_ok "$h knows that d is on h1" owner_is $h d h1; done
expect_soon "h1 says who writes what it does not believe" says h1 "records of h4"
traffic_stop
expect lost -eq 0
expect cleartext -eq 0

# d really migrates, and h4 says that it comes to it: from before on; while memory is copied, with the true target's proof; and with one of its own
named_h4() { on h1 virt-relay log d --json | jq -e 'any(.writer == "h1" and .target == "h4")' > /dev/null; }
names() { on h1 virt-relay log d --json | jq -e --arg t "$1" 'any(.writer == "h1" and .state == "leaving" and .target == $t)' > /dev/null; }
traffic s d 50
expect_ok "it announces d again" announce
migrate_start d h1 h3
expect_soon "d is being copied" migrating d h1
expect_soon "h1 names h3, which proves it" names h3
proof=$(etcd_as h4 get --print-value-only "/virt-relay/now/h3/intent/$uuid" | jq .proof)
expect_ok "h3's proof is there for all to read" test "${#proof}" -eq 66
expect_ok "h4 announces it with h3's proof" announce "$proof"
expect_ok "and with one of its own" announce "\"$(printf '%064d' 1)\""
virsh_on h1 migrate-setspeed d 500
expect_ok "the migration succeeds" migrate_end
expect_owner d h3
for h in h2 h3; do expect_soon "$h knows that d is on h3" owner_is $h d h3; done
expect_fail "h1 never named h4" named_h4
expect_ok "h1 refuses what h4 announces" refuses h1 incoming
traffic_stop
expect lost -le 2
expect cleartext -eq 0

# The next migration has another token, and neither stands anywhere but in the XML
expect_soon "d has another token on h3" eval 'has_token d h3 && [ "$(token_of d h3)" != "$first" ]'
second=$(token_of d h3)
etcd_ctl get --prefix /virt-relay > "$LAB_RUN/all-records"
for h in h1 h2 h3; do
  for what in status guests hosts "log d" "log --refused" migrations; do on $h virt-relay $what --json; done > "$LAB_RUN/said-$h"
  cat "$LAB_RUN/$h"/log/*.{out,log} >> "$LAB_RUN/said-$h" 2> /dev/null || true # natively no *.log is there
done
expect_ok "records and what is said name d" grep -q "$uuid" "$LAB_RUN/all-records" "$LAB_RUN/said-h1"
expect_fail "but no token" grep -q -e "$first" -e "$second" "$LAB_RUN/all-records" "$LAB_RUN"/said-h[123]

migrate d h3 h2
expect_owner d h2
expect_ok "s reaches d on h2" reaches s d
