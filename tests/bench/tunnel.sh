# From an intent in the log to the tunnel to the target, with both engines: milliseconds from `incoming` written on h3 until h1 says that T2 is up
#   tests/lab/run --native --keep --limit 900 tests/bench/tunnel.sh    without IKE: a plain interface is in the tunnel's place
#   tests/lab/run --vm --keep --limit 3000 tests/bench/tunnel.sh       with IKE and ESP
# BENCH_RUNS (50) of each. The intent is brought about by libvirt's hook, called as libvirt calls it, without QEMU behind it; both hosts have one clock.
# As no guest comes, h3 takes its intent back after 10 s: where IKE takes longer (an emulated VM on a busy machine), that run is made once more.
runs=${BENCH_RUNS:-50}

hook() { on h3 /etc/libvirt/hooks/qemu.d/virt-relay d "$@" - < "$RESULT/d.xml"; }
# h1's word on its tunnel to h3: since when it is up; nothing if it is not
up_since() { up=$(on h1 virt-relay hosts --json | jq '.[] | select(.name == "h3" and .up) | .since') && [ -n "$up" ]; }
written_us() { on h1 virt-relay log d --json | jq '[.[] | select(.state == "incoming")] | last | .time'; }

# h1 makes a new token when an announced guest does not come: what is announced next has to have that
carries_another() {
  virsh_on h1 dumpxml d > "$RESULT/d.xml"
  token=$(grep -o "token=.[0-9a-f]*" "$RESULT/d.xml")
  [ -n "$token" ] && [ "$token" != "$used" ]
}

boot d h1
used=
for engine in file etcd; do
  LAB_LOG=$engine
  if [ $engine = etcd ]; then
    etcd_start
    for h in h1 h2 h3; do relay_again $h; done
  fi
  expect_soon "T1 is up" tunnel_up h2 h1
  expect_owner d h1
  : > "$RESULT/$engine"
  late=0
  for ((run = 0; run < runs; run++)); do
    wait_for 60 carries_another || die "no token"
    used=$token
    hook migrate begin
    if wait_for 10 up_since; then
      echo "$(written_us) $up" >> "$RESULT/$engine"
    else
      ((++late <= runs)) || die "no tunnel"
      run=$((run - 1))
    fi
    hook release end
    wait_for 60 not tunnel_up h1 h3 || die "the tunnel stays"
  done
  [ $late = 0 ] || echo "bench: $engine: $late intents were taken back before their tunnel was up; not counted"
  awk '{print ($2 - $1) / 1000}' "$RESULT/$engine" | sort -n | awk -v e=$engine '{v[NR] = $1} END {
    printf "bench: %s: %d intents, incoming to T2 up: median %.1f ms, p90 %.1f, p99 %.1f, max %.1f\n", e, NR, v[int((NR + 1) / 2)], v[int(NR * .9 + .5)], v[int(NR * .99 + .5)], v[NR]}'
done
