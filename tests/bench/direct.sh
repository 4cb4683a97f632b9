# Ten migrations h1 -> h3 -> h1 under traffic from s: when answers, and then all, go straight. One line of figures each
# A guest whose kernel panicked after the migration says nothing of the path: such a run says so and does not count.
bench_rate=20 bench_runs=${BENCH_RUNS:-10} crashes=0
[ "$LAB_TUNNEL" != plain ] || bench_rate=500

last() { guest_events d | awk -v kind="$1" -v what="$2" '$4 == kind && $5 == what {at = $1} END {print at}'; }
# h2's daemon says when a path became direct: microseconds of the events' clock
direct_us() { grep "path to $(addr d) on h3: direct" "$LAB_RUN/h2/log/virt-relayd.out" | tail -1 | sed -E 's/.* at ([0-9]+) us, ([0-9]+) answers.*/\1 \2/'; }
first_straight() { jq '[.flows[] | select(.source == "192.0.2.3" and .target == "192.0.2.2" and (.kind == "plain" or .kind == "esp"))] | first | .first // 0' "$RESULT/capture.json"; }

boot d h1
expect_soon "T1 is up" tunnel_up h2 h1
for ((run = 1; run <= bench_runs; run++)); do
  resets=$(resets d)
  capture_stop
  capture_start
  traffic s d $bench_rate --report 5
  migrate d h1 h3
  expect_soon "straight" path_is h2 d vr-h3 > /dev/null
  sleep 2
  traffic_stop
  captured
  if [ "$(resets d)" -gt "$resets" ]; then
    echo "bench: direct $run: the guest's kernel panicked; once more"
    ((++crashes <= bench_runs)) || die "the guest panicked $crashes times"
    gone d
    boot d h1
    run=$((run - 1))
    continue
  fi
  resumed=$(last qemu RESUME)
  read -r direct answers <<< "$(direct_us)"
  figures=$(jq -r '[.sent, .lost, .duplicated, .reordered, .gap_ms] | map(tostring) | join(" ")' "$RESULT/traffic-s-d.json")
  echo "bench: direct $run $figures $(measure qemu_pause_ms) relayed $(measure relayed) straight-ms $(awk -v a="$(first_straight)" -v b="$resumed" 'BEGIN {printf "%.0f", (a - b) * 1000}') direct-ms $(awk -v a="$direct" -v b="$resumed" 'BEGIN {printf "%.0f", a / 1000 - b * 1000}') answers $answers" | tee -a "$RESULT/rows"
  migrate d h3 h1
  expect_owner d h1 > /dev/null
  expect_soon "T3 is down again" not tunnel_up h2 h3 > /dev/null
done
expect cleartext -eq 0
