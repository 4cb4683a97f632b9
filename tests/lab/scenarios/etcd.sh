# The log in etcd: a migration under traffic; etcd dies while memory is copied: the switch happens, what is new waits, and is written when etcd is back
# lab: etcd
boot d h1
expect_soon "T1 is up" tunnel_up h2 h1
traffic s d 50
migrate d h1 h3
expect_owner d h3
for h in h2 h3; do expect_soon "$h agrees" owner_is $h d h3; done
expect_soon "the sender goes straight" path_is h2 d vr-h3
traffic_stop
expect lost -eq 0
migrate d h3 h1
expect_owner d h1

traffic s d 50
migrate_start d h1 h3
expect_soon "T2 is up" tunnel_up h1 h3
expect_soon "h1 says that d leaves" record_is d state leaving
etcd_stop
virsh_on h1 migrate-setspeed d 500
migrate_end
expect_ok "d runs on h3" runs d h3
for h in h1 h3; do expect_soon "$h says since when etcd is away" says $h "etcd is away since $(date +%F)"; done
expect_soon "h1's word that d moved waits on its disk" waiting h1 '"state":"moved"'
expect_soon "h3's word that d runs waits on its disk" waiting h3 '"state":"running"'
sleep 1
traffic_stop
expect lost -eq 0
expect relayed -gt 0

etcd_start
for h in h1 h2 h3; do expect_soon "$h knows that d is on h3" owner_is $h d h3; done
for h in h1 h3; do expect_soon "nothing waits on $h any more" not waiting $h state; done
expect_soon "h1's word is in etcd" in_etcd h1 '"state":"moved"'
expect_soon "h3's word is in etcd" in_etcd h3 '"state":"running"'
for h in h1 h2 h3; do expect_soon "nothing troubles $h" untroubled $h; done
expect_ok "s reaches d" reaches s d
expect cleartext -eq 0
