# Migrations to and fro under traffic, what the meter counts and what the ledger says of each: a Markdown table for docs/benchmarks.md. Natively:
#   BENCH_RUNS=10 tests/lab/run --native --keep --limit 7200 tests/bench/switchover.sh
# BENCH_RUNS each way (10), at each of BENCH_RATES packets/s (500 2000 5000) and for TCP bulk; BENCH_FORMS: with the switchover's lossless part (yes) and
# without it (no). About 10 s a migration. A row is written for each as it ends, a failed one too, and the table anew after each: $RESULT/rows, $RESULT/table.md.
#
# An emulated guest takes thousands of packets a second, but cannot answer as many: so one in several is answered, 500 a second, and the guest counts
# them all. What its own socket had no room for is counted apart: nobody else lost that; and what was sent more than a second before QEMU stopped the guest and
# did not come: the guest was too slow for this machine and its tap's queue full, long before the switchover. So the tap that a guest gets when it is booted has
# as long a queue as virt-relay gives to one that comes. A guest whose kernel panicked (the emulator sometimes brings its memory over damaged) starts anew and
# says so in its row.
runs=${BENCH_RUNS:-10} rates=${BENCH_RATES:-500 2000 5000 bulk} forms=${BENCH_FORMS:-yes no}
answers=500 # a second
rows=$RESULT/rows
: > "$rows"

ledger() { on "$1" virt-relay migrations d --newest 1 --json | jq ".[0] | $2"; }
# counted HOST EPOCH: the ledger of that migration is whole
counted() { [ "$(ledger "$1" 'if .complete then .epoch else 0 end')" = "$2" ]; }
epoch() { on "$1" virt-relay guests --json | jq '.[] | select(.name == "d") | .epoch'; }
belongs_to() { [ "$(on "$1" virt-relay guests --json | jq -r '.[] | select(.name == "d") | .owner')" = "$1" ]; }

bulk_start() {
  on s bash -c 'echo $$ > "$1.pid"; exec python3 "$2" stream "$3"' - "$LAB_RUN/bulk" "$LAB_SRC/probe.py" "$(addr d)" > "$LAB_RUN/bulk.json" 2> "$LAB_RUN/bulk.error" &
  bulk=$!
}
bulk_stop() {
  on s kill -TERM "$(< "$LAB_RUN/bulk.pid")" || true # it ended by itself
  wait "$bulk" || die "TCP: $(tail -1 "$LAB_RUN/bulk.error")"
}

# a guest that answers, and echoes TCP
fresh() {
  boot d h1
  on h1 sh -c 'for tap in /sys/class/net/vnet*; do ip link set "${tap##*/}" txqueuelen 10000; done'
  in_guest d 'nc -ll -p 7007 -e cat > /dev/null 2>&1 < /dev/null &' # if it runs already, a second one ends at once
}

# of the latest migration, as the host that the guest left tells it
ledger_part() {
  ledger "$1" '{stop_to_flip_us: (.phases.flip - .phases.stop), critical_us: ((.critical_ns // 0) / 1000), ledger_lost: .lost, ledger_duplicates: .duplicates,
    memory: ([.hosts[] | select(.role == "origin") | .nics[].counts.memory // 0] | add), way,
    waited: ([.hosts[] | select(.role == "target") | .nics[].counts.queued // 0] | add), resent: ([.hosts[] | select(.role == "origin") | .nics[].counts.resent // 0] | add),
    faults: .faults}'
}

# one RATE FROM TO: migrates under traffic, and leaves what there is to say in $LAB_RUN/row
one() {
  local rate=$1 from=$2 to=$3 next resets
  next=$(($(epoch "$from") + 1)) resets=$(resets d || true) # no event of it is none that it was reset
  if [ "$rate" = bulk ]; then bulk_start; else traffic s d "$rate" --report 10 --settle 1 --lead 2 --answer $((rate > answers ? rate / answers : 1)); fi
  sleep 1
  migrate d "$from" "$to" || die "virsh migrate failed"
  wait_for 30 belongs_to "$to" || die "the log does not say that d belongs to $to"
  sleep 1.5
  if [ "$rate" = bulk ]; then bulk_stop; else traffic_stop; fi
  [ "$(resets d || true)" = "$resets" ] || die "panicked"
  [ "$rate" = bulk ] || jq -e .there "$RESULT/traffic-s-d.json" > /dev/null || die "the guest hangs: it gave no report"
  wait_for 40 counted "$from" "$next" || die "the ledger is not whole within 40 s"
  if [ "$rate" = bulk ]; then cat "$LAB_RUN/bulk.json"; else
    jq --argjson stop "$(guest_events d | awk '$5 == "STOP" {at = $1} END {print at}')" '
      ([.there.missing, .there.missing_at] | transpose | map({n: (.[0][1] - .[0][0] + 1), first: (.[1][0] - $stop), last: (.[1][1] - $stop)})) as $gaps |
      {sent, lost: .there.lost, early: ($gaps | map(select(.last < -1).n) | add // 0), overflowed: .there.overflowed, duplicated: .there.duplicated,
       reordered: .there.reordered, gap_ms, lost_ms_after_stop: ($gaps | map([.first, .last] | map(. * 1000 | round)) | .[:10])}' "$RESULT/traffic-s-d.json"
  fi > "$LAB_RUN/row.traffic"
  jq -s -c 'add' "$LAB_RUN/row.traffic" <(ledger_part "$from") <(echo "{\"pause_ms\": $(measure qemu_pause_ms)}") > "$LAB_RUN/row"
}

# row FORM RATE: one migration from where the guest is; whatever happens there is a row of it, and a guest for the next
row() {
  local form=$1 rate=$2 from to pid status=0 end=$((SECONDS + 180)) why
  from=$(where d) || { gone d; fresh; from=h1; }
  to=h3
  [ "$from" = h1 ] || to=h1
  echo '{}' > "$LAB_RUN/row"
  (set -eE; trap - ERR; one "$rate" "$from" "$to") > "$LAB_RUN/row.out" 2>&1 &
  pid=$!
  while kill -0 $pid 2> /dev/null; do
    ((SECONDS < end)) || { echo "it took more than 180 s" >> "$LAB_RUN/row.out"; kill -KILL $pid; }
    nap 0.3
  done
  wait $pid || status=$?
  why=$(tail -1 "$LAB_RUN/row.out")
  [ $status = 0 ] || echo '{}' > "$LAB_RUN/row"
  jq -c --arg form "$form" --arg rate "$rate" --arg from "$from" --arg failed "$([ $status = 0 ] || echo "${why:-status $status}")" \
    '{form: $form, rate: $rate, from: $from} + . + if $failed == "" then {} else {failed: $failed} end' "$LAB_RUN/row" | tee -a "$rows" | sed 's/^/bench: /'
  python3 "$VR_SRC/tests/bench/switchover-table.py" "$rows" > "$RESULT/table.md" || echo "no table: see $rows"
  [ $status != 0 ] || return 0
  traffic_kill
  on s pkill -KILL -f "probe.py stream" || true
  gone d
  (fresh) || { gone d; fresh; } # it may panic while it boots, too
}

fresh
for form in $forms; do
  for h in h1 h3; do LAB_LOSSLESS=$form relay_again $h; done
  expect_soon "T1 is up" tunnel_up h2 h1
  for rate in $rates; do
    for ((run = 0; run < 2 * runs; run++)); do
      row "$form" "$rate"
    done
  done
done
cat "$RESULT/table.md"
expect_ok "the ledger adds up in each" test "$(jq -s '[.[] | select(.faults != null and .faults != [])] | length' "$rows")" = 0
yes() { jq -s "[.[] | select(.form == \"yes\" and .failed == null)] | $1" "$rows"; }
expect_ok "with the lossless part nothing is lost" test "$(yes 'map([0, (.lost // 0) - ([.overflowed // 0, .early // 0] | max)] | max) | add // 0')" = 0
expect_ok "nor more than two in one duplicated" test "$(yes 'map(.duplicated // 0) | max // 0')" -le 2
expect_ok "nor reordered" test "$(yes 'map(.reordered // 0) | add // 0')" = 0
expect_ok "packets were held while a path changed" grep -qE ' [1-9][0-9]* packets held' "$LAB_RUN/h2/log/virt-relayd.out"
