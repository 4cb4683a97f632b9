# A guest that migrates under traffic loses no packet, in either family, and none overtakes another on its way there: by the relay, nor when the path becomes direct,
# nor when it goes home
# The rates are for guests that are emulated once: one that is emulated twice answers a few packets a second while it migrates, and the others later
rates=(200 500) patience=()
[ "$LAB_TUNNEL" = plain ] || rates=(6) patience=(--settle 60 --report 120)

boot d h1
expect_soon "T1 is up" tunnel_up h2 h1
for rate in "${rates[@]}"; do
  traffic s d $((rate / 2)) "${patience[@]}"
  traffic6 s d $((rate / 2)) "${patience[@]}"
  sleep 2
  migrate d h1 h3
  expect_owner d h3
  sleep 12 # nor later, by anything that is taken back after a move
  migrate d h3 h1
  expect_owner d h1
  expect_soon "h2 sends home" path_is h2 d vr-h1
  sleep 1
  traffic_stop
  mark "$rate packets/s there: $(grep 'guest d: ' "$LAB_RUN/h1/log/virt-relayd.out" | grep -E 'flipped|sent after' | tail -2 | tr '\n' ' ')"
  expect sent -gt $((2 * rate))
  expect lost -eq 0
  expect there.reordered -eq 0
  expect duplicated -le 8
  expect_ok "by QEMU's queues" switched_by queues h1 d
  expect_soon "T2 is down again" not tunnel_up h1 h3
done
expect cleartext -eq 0
for h in h1 h2 h3; do expect_soon "nothing troubles $h" untroubled $h; done
