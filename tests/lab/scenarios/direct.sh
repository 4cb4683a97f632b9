# d migrates h1 -> h3 under traffic from s: T3 is built, answers go straight, then everything does; T3 lost and back; home again
boot d h1
expect_soon "T1 is up" tunnel_up h2 h1
remember h2
expect_fail "T3 is not up before anybody migrates" tunnel_up h2 h3

traffic s d 10
traffic6 s d 5
migrate d h1 h3
expect_owner d h3
expect_soon "h2 brought T3 up" tunnel_up h2 h3
expect_soon "h2 sends straight" path_is h2 d vr-h3
traffic_stop
expect cleartext -eq 0
# the markers by which h2 changed its path end at d's host: they are virt-relay's own, and no packet of anybody's was refused
refused_none() { on h1 virt-relay migrations d --newest 1 --json | jq -e '.[0].complete and .[0].refused == 0 and ([.[0].hosts[].nics[].counts.expired // 0] | add) > 0' > /dev/null; }
expect_soon "the ledger tells h2's markers from packets that were refused" refused_none

mark "all direct"
traffic s d 10
traffic6 s d 5
sleep 2
relayed=$(measure relayed)
expect_soon "h2 sends through T3" at_least tunnelled:h2:h3 $(($(measure tunnelled:h2:h3) + 50))
expect_ok "nothing is relayed any more" [ "$(measure relayed)" -le $((relayed + 5)) ]

mark "T3 down"
tunnel_down h2 h3
expect_soon "h2 sends to the relay again" path_is h2 d vr-h1
sleep 2
without_sa=$(without_sa h2)
mark "T3 back"
tunnel_back h2 h3
expect_soon "and straight again" path_is h2 d vr-h3
expect_ok "h3 sent nothing by it before h2 had it" [ "$(without_sa h2)" = "$without_sa" ]
traffic_stop
expect lost -le 10 # what was in T3 when it went down
expect duplicated -le 4 # two a move: what QEMU may have given to it already
expect cleartext -eq 0

traffic s d 10
migrate d h3 h1
expect_owner d h1
expect_soon "h2 sends home" path_is h2 d vr-h1
traffic_stop
traffic s d 10
sleep 2
traffic_stop
expect lost -eq 0
expect_as_remembered h2
expect_soon "T3 is down again" not tunnel_up h2 h3
for h in h1 h2 h3; do expect_soon "nothing troubles $h" untroubled $h; done
