# Migrations to and fro under traffic, and what the ledger says of each: a Markdown table for docs/benchmarks.md. Natively:
#   tests/lab/run --native --keep --limit 7200 tests/bench/switchover.sh
# BENCH_RUNS each way (20), at each of BENCH_RATES packets/s and for TCP bulk; BENCH_FORMS: with the switchover's lossless part and without it.
runs=${BENCH_RUNS:-20} rates=${BENCH_RATES:-500 2000 5000 bulk} forms=${BENCH_FORMS:-yes no}
rows=$RESULT/rows
: > "$rows"

ledger() { on "$1" virt-relay migrations d --newest 1 --json | jq -r ".[0] | $2"; }
# The ledger of the migration to epoch E is whole
counted() { [ "$(ledger "$1" 'if .complete then .epoch else 0 end')" = "$2" ]; }
epoch() { on h1 virt-relay guests --json | jq '.[] | select(.name == "d") | .epoch'; }

bulk_start() { on s python3 "$LAB_SRC/probe.py" stream "$(addr d)" > "$RESULT/bulk" 2>&1 & bulk=$!; }
bulk_stop() { kill -TERM $bulk; wait $bulk || true; } # it says how many bytes came back, and the longest gap in ms

# one FORM RATE FROM TO: a row "FORM RATE sent lost duplicated reordered gap pause stop-to-flip-us critical-us memory ledger-lost ledger-duplicates"
one() {
  local form=$1 rate=$2 from=$3 to=$4 next traffic='- - - - -'
  next=$(($(epoch) + 1))
  if [ "$rate" = bulk ]; then bulk_start; else traffic s d "$rate" --report 5; fi
  sleep 2
  migrate d "$from" "$to"
  expect_owner d "$to" > /dev/null
  sleep 3
  if [ "$rate" = bulk ]; then
    bulk_stop
    traffic="$(jq -r '"\(.bytes) 0 0 0 \(.gap_ms)"' "$RESULT/bulk")"
  else
    traffic_stop
    traffic=$(jq -r '[.sent, .there.lost, .there.duplicated, .there.reordered, .gap_ms] | map(tostring) | join(" ")' "$RESULT/traffic-s-d.json")
  fi
  expect_soon "the ledger is whole" counted "$from" "$next" > /dev/null
  echo "$form $rate $traffic $(measure qemu_pause_ms) $(ledger "$from" '[(.phases.flip - .phases.stop), ((.critical_ns // 0) / 1000 | floor),
    ([.hosts[] | select(.role == "origin") | .nics[].counts.memory // 0] | add), .lost, .duplicates] | map(tostring) | join(" ")')" | tee -a "$rows" | sed 's/^/bench: /'
  [ "$(ledger "$from" '.faults | length')" = 0 ] || not_ok "the ledger adds up: $(ledger "$from" '.faults[0]')"
}

boot d h1
in_guest d 'nc -ll -p 7007 -e cat > /dev/null 2>&1 < /dev/null &'
for form in $forms; do
  for h in h1 h3; do LAB_LOSSLESS=$form relay_again $h; done
  expect_soon "T1 is up" tunnel_up h2 h1
  for rate in $rates; do
    for ((run = 1; run <= runs; run++)); do
      one "$form" "$rate" h1 h3
      one "$form" "$rate" h3 h1
    done
  done
done

python3 - "$rows" > "$RESULT/table.md" << 'X'
import sys
rows = [line.split() for line in open(sys.argv[1])]
def spread(values):
    values = sorted(float(v) for v in values if v != "null")
    if not values:
        return "-"
    at = lambda share: values[min(len(values) - 1, int(share * len(values)))]
    return f"{at(.5):.0f}, {at(.99):.0f}, {values[-1]:.0f}"
print("| lossless | packets/s | migrations | sent | lost (ledger) | duplicated, most in one | reordered | added to QEMU's pause, ms | STOP to flip, us | critical section, us | memory, KiB |")
print("|---|---|---|---|---|---|---|---|---|---|---|")
for key in dict.fromkeys((r[0], r[1]) for r in rows):
    mine = [r for r in rows if (r[0], r[1]) == key]
    total = lambda i: sum(int(float(r[i])) for r in mine if r[i] not in ("-", "null"))
    print(f"| {key[0]} | {key[1]} | {len(mine)} | {total(2)} | {total(3)} ({total(11)}) | {total(4)}, {max(int(r[4]) for r in mine)} | {total(5)} | "
          f"{spread([float(r[6]) - float(r[7]) for r in mine])} | {spread([r[8] for r in mine])} | {spread([r[9] for r in mine])} | "
          f"{spread([float(r[10]) / 1024 for r in mine if r[10] != 'null'])} |")
print("\nTimes and memory: median, p99, most.")
X
cat "$RESULT/table.md"
