# d is saved on h1 and restored on h3, where h1 relays to it; and home again likewise
boot d h1
expect_soon "T1 is up" tunnel_up h2 h1
remember h1 h3
holds_d() { ours $1 | grep -E '10\.9\.1\.100|fd00:9:1::100'; }
move_saved() { # FROM TO
  virsh_on $1 save d $LAB_RUN/d.saved
  expect_soon "the log says that d is stopped" record_is d state stopped
  for h in h1 h3; do expect_soon "$h holds nothing for d" not holds_d $h; done
  virsh_on $2 restore $LAB_RUN/d.saved
  rm $LAB_RUN/d.saved
  expect_owner d $2
}
traffic s d 10
move_saved h1 h3
expect_soon "s reaches d on h3" reaches s d
expect_soon "h1 relays to h3" path_is h1 d vr-h3
traffic_stop
expect relayed -gt 0

traffic s d 50
traffic6 s d 20
sleep 1
traffic_stop
expect lost -eq 0

move_saved h3 h1
expect_soon "s reaches d at home" reaches s d
expect_as_remembered h1 h3
expect cleartext -eq 0
