# The log moves from files to etcd on a running cluster, and back, with a guest away from home and traffic to it: no packet is lost, no guest restarted
boot d h1
expect_soon "T1 is up" tunnel_up h2 h1
migrate d h1 h3
expect_owner d h3
qemu=$(cat "$(root_of h3)/run/libvirt/qemu/d.pid")

# moves_to ENGINE: as docs/etcd.md says it. All that is known is there before the first daemon that asks for it.
moves_to() {
  local h
  on h1 virt-relay log export /run/lab/log.jsonl || return
  LAB_LOG=$1
  for h in h1 h2 h3; do relay_config $h; done
  on h1 virt-relayd --check-log || return
  on h1 virt-relay log import /run/lab/log.jsonl || return
  for h in h3 h1 h2; do stop_relay $h; start_relay $h; done
}

traffic s d 50
traffic6 s d 20
expect_soon "h2 sends straight" paths_are h2 d vr-h3
remember h1 h2 h3
etcd_start
expect_ok "the log moves to etcd" moves_to etcd
for h in h1 h2 h3; do expect_soon "$h knows where d is" owner_is $h d h3; done
expect_as_remembered h1 h2 h3
expect_ok "h2 still sends straight" paths_are h2 d vr-h3
expect_ok "imported again, nothing is written" eval 'on h1 virt-relay log import /run/lab/log.jsonl | grep -q " 0 written"'

# Back: the files of before are old, and are moved away, as the import asks for
mkdir "$LAB_RUN/old-log" && mv "$LAB_RUN"/log/* "$LAB_RUN/old-log/"
expect_ok "the log moves back to files" moves_to file
for h in h1 h2 h3; do expect_soon "$h knows where d is" owner_is $h d h3; done
expect_as_remembered h1 h2 h3
expect_ok "h2 still sends straight" paths_are h2 d vr-h3
expect_ok "h1's word is in its file" grep -q '"state":"moved"' "$LAB_RUN/log/h1.log"
rm -r "$LAB_RUN/old-log" "$LAB_RUN"/log/*
expect_ok "and to etcd once more" moves_to etcd
for h in h1 h2 h3; do expect_soon "$h knows where d is" owner_is $h d h3; done
traffic_stop
expect lost -eq 0
expect_ok "d is the same QEMU" test "$(cat "$(root_of h3)/run/libvirt/qemu/d.pid")" = "$qemu"
for h in h1 h2 h3; do expect_soon "nothing troubles $h" untroubled $h; done

migrate d h3 h1
expect_owner d h1
for h in h2 h3; do expect_soon "$h agrees, by etcd" owner_is $h d h1; done
expect_soon "h1's word is in etcd" in_etcd h1 '"state":"running"'
expect_ok "s reaches d at home" reaches s d
expect cleartext -eq 0
