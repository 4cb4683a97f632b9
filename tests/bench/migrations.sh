# Migrations h1 -> h3 and home again under traffic from s; sourced by migrations-with.sh and migrations-without.sh, which boot d (tests/lab/run looks there
# for the guests that it boots outside the VM). One line of figures each as they come, and a row of a Markdown table for docs/benchmarks.md at the end.
# BENCH_RUNS (10), BENCH_RATE (20 packets/s; natively 500).
# A guest that is emulated twice answers some tens of packets a second: of more the rest waits in its tap's queue, which overflows. And it
# sometimes comes out of a migration with damaged memory and panics, whatever its network does: such a run says so and does not count.
bench_rate=20 bench_runs=${BENCH_RUNS:-10} crashes=0
[ "$LAB_TUNNEL" != plain ] || bench_rate=500
bench_rate=${BENCH_RATE:-$bench_rate}
rows=$RESULT/rows
: > "$rows"

# h1's daemon says when it flipped, when the event came, when QEMU stopped: microseconds of one clock
flip_us() { grep "guest d: flipped" "$LAB_RUN/h1/log/virt-relayd.out" | tail -1 | sed -E 's/.*flipped at ([0-9]+), event ([0-9]+), stop ([0-9]+) us, took ([0-9]+) ns.*/\1 \2 \3 \4/'; }

# d anew at home; the next run is this one again
once_more() { # WHY
  echo "bench: $BENCH_FORM $run: $1; once more"
  ((++crashes <= bench_runs)) || die "the guest failed $crashes times"
  traffic_kill
  gone d
  boot d h1
  run=$((run - 1))
}

# one: there; a row "FORM RUN sent lost duplicated reordered gap there.lost back.lost pause T2-before-stop flip event stop took-ns"
one() {
  local early=- flip='- - - -' figures
  migrate d h1 h3 || return
  if [ "$BENCH_FORM" = with ]; then
    expect_owner d h3 > /dev/null
    if tunnel_before_stop h1 h3 d; then early=yes; else early=no; fi
    flip=$(flip_us)
  fi
  sleep 3
  traffic_stop
  [ "$(resets d)" = "$1" ] || return
  figures=$(jq -r '[.sent, .lost, .duplicated, .reordered, .gap_ms, (.there.lost // "-"), .back.lost] | map(tostring) | join(" ")' "$RESULT/traffic-s-d.json")
  echo "$BENCH_FORM $run $figures $(measure qemu_pause_ms) $early $flip" | tee -a "$rows" | sed 's/^/bench: /'
}

# home again, and what the way there made is gone
home() {
  migrate d h3 h1 || return
  [ "$BENCH_FORM" = with ] || return 0
  expect_owner d h1 > /dev/null
  expect_soon "T2 is down again" not tunnel_up h1 h3 > /dev/null
}

if [ "$BENCH_FORM" = with ]; then expect_soon "T1 is up" tunnel_up h2 h1; fi
for ((run = 1; run <= bench_runs; run++)); do
  began=$SECONDS resets=$(resets d)
  if ! wait_for 120 guest_answers d h1; then
    once_more "the guest does not answer"
    continue
  fi
  traffic s d $bench_rate --report 5
  sleep 2
  if ! one "$resets"; then
    once_more "the migration failed, or the guest's kernel panicked"
  elif ! home || [ "$(resets d)" -gt "$resets" ]; then
    echo "bench: $BENCH_FORM: on its way home the guest panicked; it starts anew"
    gone d
    boot d h1
  fi
  echo "bench: $BENCH_FORM $run took $((SECONDS - began)) s"
done
expect cleartext -eq 0

python3 - "$rows" $bench_rate << 'X' | tee "$RESULT/table.md"
import sys
rows = [line.split() for line in open(sys.argv[1])]
def spread(values):
    values = sorted(float(v) for v in values if v not in ("-", "null"))
    return f"{values[len(values) // 2]:.0f}, {values[0]:.0f} to {values[-1]:.0f}" if values else "-"
print("| virt-relay | migrations | packets/s | sent | lost in each | of it on the way back | duplicated | reordered | longest gap, ms | QEMU's pause, ms | T2 up before STOP | STOP to flip, ms | flip, us |")
print("|---|---|---|---|---|---|---|---|---|---|---|---|---|")
for form in dict.fromkeys(r[0] for r in rows):
    mine = [r for r in rows if r[0] == form]
    total = lambda i: sum(int(r[i]) for r in mine)
    print(f"| {form} | {len(mine)} | {sys.argv[2]} | {total(2)} | {' '.join(r[3] for r in mine)} | {' '.join(r[8] for r in mine)} | {total(4)} | {total(5)} | "
          f"{spread(r[6] for r in mine)} | {spread(r[9] for r in mine)} | {sum(r[10] == 'yes' for r in mine)} | "
          f"{spread((int(r[11]) - int(r[13])) / 1000 for r in mine if r[11].isdigit() and r[13].isdigit())} | {spread(int(r[14]) / 1000 for r in mine if r[14].isdigit())} |")
print("\nTimes: median, range.")
X
