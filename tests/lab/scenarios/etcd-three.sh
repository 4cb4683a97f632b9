# The log on three members of etcd, one on each host: the leader dies while d migrates, then the quorum while it migrates again, and while it comes home: nothing is lost
# lab: etcd h1 h2 h3
another_leads() { [[ $(etcd_leader) == h[23] ]]; }

# moves_without MEMBER: d migrates to h3, and that member dies while its memory is copied
moves_without() {
  traffic s d 50
  migrate_start d h1 h3
  expect_soon "T2 is up" tunnel_up h1 h3
  expect_soon "h1 says that d leaves" record_is d state leaving
  etcd_stop "$1"
  virsh_on h1 migrate-setspeed d 500
  expect_ok "d migrates to h3 while $1's member dies" migrate_end
}

# etcd and all hosts have it that d is on h3, and the traffic lost nothing
all_know() {
  for h in h1 h2 h3; do expect_soon "$h knows that d is on h3" owner_is $h d h3; done
  expect_soon "h1's word that d moved is in etcd" in_etcd h1 '"state":"moved"'
  expect_soon "h3's word that d runs is in etcd" in_etcd h3 '"state":"running"'
  for h in h1 h2 h3; do expect_soon "nothing troubles $h" untroubled $h; done
  expect_soon "the sender goes straight" path_is h2 d vr-h3
  traffic_stop
  expect lost -eq 0
}

# nobody_decides: one member is left, which may not decide anything; all say so
nobody_decides() {
  for h in h1 h2 h3; do expect_soon "$h says since when etcd is away" says $h "etcd is away since $(date +%F)"; done
}

# etcd_again: the others are back, and what waited is in etcd
etcd_again() {
  etcd_start h1 h2
  for h in h1 h2 h3; do expect_soon "nothing waits on $h any more" not waiting $h state; done
}

LAB_LINGER=15 # the default: longer than it takes to notice that etcd is away
for h in h1 h3; do relay_again $h; done
boot d h1
expect_soon "T1 is up" tunnel_up h2 h1
etcd_lead h1
expect_ok "h1's member, the first endpoint of all, leads" test "$(etcd_leader)" = h1
moves_without h1
expect_soon "another member leads" another_leads
all_know
migrate d h3 h1
for h in h1 h2 h3; do expect_soon "$h knows that d is at home" owner_is $h d h1; done

# One member is left, which may not decide anything: what was prepared happens, what is new waits, and h2 does not hear of it
moves_without h2
expect_ok "d runs on h3" runs d h3
nobody_decides
expect_soon "h1's word that d moved waits on its disk" waiting h1 '"state":"moved"'
expect_soon "h3's word that d runs waits on its disk" waiting h3 '"state":"running"'
for h in h1 h3; do expect_soon "$h knows that d is on h3" owner_is $h d h3; done
expect_ok "h2 does not" owner_is h2 d h1
relayed=$(measure relayed)
expect_soon "h1 relays what h2 sends" at_least relayed $((relayed + 50))

etcd_again
all_know

# It comes home, and h2, which sends straight to h3, does not hear of it: h3 relays it until h2 has
traffic s d 50
migrate_start d h3 h1
expect_soon "h3 says that d leaves" record_is d state leaving
etcd_stop h1 h2
virsh_on h3 migrate-setspeed d 500
expect_ok "d migrates home" migrate_end
expect_ok "d runs on h1" runs d h1
nobody_decides
expect_soon "h1's word that d runs waits on its disk" waiting h1 '"state":"running"'
for h in h1 h3; do expect_soon "$h knows that d is on h1" owner_is $h d h1; done
expect_ok "h2 does not, and sends to h3" path_is h2 d vr-h3
relayed=$(measure tunnelled:h3:h1)
expect_soon "h3 relays it" at_least tunnelled:h3:h1 $((relayed + 500))
etcd_again
for h in h1 h2 h3; do expect_soon "$h knows that d is at home" owner_is $h d h1; done
expect_soon "the sender sends to h1" path_is h2 d vr-h1
expect_soon "h3 relays nothing any more" not tunnel_up h3 h1
traffic_stop
expect lost -eq 0
expect cleartext -eq 0
