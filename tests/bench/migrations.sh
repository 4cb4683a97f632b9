# Ten migrations h1 -> h3 under traffic from s; sourced by migrations-with.sh and migrations-without.sh. One line of figures each.
# A guest that is emulated twice answers some tens of packets a second: of more the rest waits in its tap's queue, which overflows. And it
# sometimes comes out of a migration with damaged memory and panics, whatever its network does: such a run says so and does not count.
bench_rate=20 bench_runs=10 crashes=0
[ "$LAB_TUNNEL" != plain ] || bench_rate=500

# h1's daemon says when it flipped, when the event came, when QEMU stopped: microseconds of one clock
flip_us() { grep "guest d: flipped" "$LAB_RUN/h1/log/virt-relayd.out" | tail -1 | sed -E 's/.*flipped at ([0-9]+), event ([0-9]+), stop ([0-9]+) us, took ([0-9]+) ns.*/\1 \2 \3 \4/'; }

boot d h1
if [ "$BENCH_FORM" = with ]; then expect_soon "T1 is up" tunnel_up h2 h1; fi
for ((run = 1; run <= bench_runs; run++)); do
  resets=$(resets d)
  traffic s d $bench_rate --report 5
  sleep 2
  migrate d h1 h3
  early=-
  if [ "$BENCH_FORM" = with ]; then
    expect_owner d h3 > /dev/null
    if tunnel_before_stop h1 h3 d; then early=yes; else early=no; fi
  fi
  sleep 3
  traffic_stop
  if [ "$(resets d)" -gt "$resets" ]; then
    echo "bench: $BENCH_FORM $run: the guest's kernel panicked; once more"
    ((++crashes < bench_runs)) || die "the guest panicked $crashes times"
    gone d
    boot d h1
    run=$((run - 1))
    continue
  fi
  figures=$(jq -r '[.sent, .lost, .duplicated, .reordered, .gap_ms, (.there.lost // "-"), .back.lost] | map(tostring) | join(" ")' "$RESULT/traffic-s-d.json")
  flip='- - - -'
  [ "$BENCH_FORM" != with ] || flip=$(flip_us)
  echo "bench: $BENCH_FORM $run $figures $(measure qemu_pause_ms) $early $flip" | tee -a "$RESULT/rows"
  migrate d h3 h1
  if [ "$BENCH_FORM" = with ]; then
    expect_owner d h1 > /dev/null
    expect_soon "T2 is down again" not tunnel_up h1 h3 > /dev/null
  fi
done
expect cleartext -eq 0
