# The demonstration that ./demo shows: one migration under the same traffic twice, without virt-relay and with it
# lab: without
say() { echo "demo: $*"; }
rate=100
[ -z "${LAB_IN_VM:-}" ] || rate=10 # a guest that is emulated twice drowns in more

# hops FROM TO: the hosts whose forwarding FROM's packets to TO pass, found by their ICMP time exceeded, and where they end
hops() {
  local hop name list=() end=nobody
  reaches "$1" "$2" 10 && end=$2
  for hop in $(on "$1" busybox traceroute -n -q 2 -w 2 -m 5 "$(addr "$2")" 2> /dev/null | grep -oE ' (10\.9|192\.0)\.[0-9]+\.[0-9]+' | awk '!seen[$1]++ {print $1}'); do
    case $hop in
      "$(addr "$2")") continue ;;
      192.0.2.*) name=h${hop##*.} ;;
      *) name=${hop#10.9.} name=h${name%%.*} ;;
    esac
    [[ " ${list[*]} " == *" $name "* ]] || list+=("$name")
  done
  # the last host may have no way back to FROM for its ICMP error; libvirt says where the guest runs
  if [ "$end" = "$2" ] && [[ " ${list[*]} " != *" $(where "$2") "* ]]; then list+=("$(where "$2")"); fi
  printf '%s\n' "$1" "${list[@]}" "$end" | jq -R . | jq -cs .
}

# one_that_counts NAME: again if the guest's kernel panicked meanwhile (resets says why that happens); three times at most
one_that_counts() {
  local try resets
  for try in 1 2 3; do
    resets=$(resets d)
    one "$1"
    [ "$(resets d)" -gt "$resets" ] || return 0
    [ $try -lt 3 ] || return 0
    say "$1: the guest, emulated within an emulated machine, panicked during the migration: once more"
    gone d
    boot d h1
  done
}

# one NAME: the same each time: traffic, migration, some seconds more, and the counts into $RESULT/NAME.json
one() {
  local name=$1 before after all=$RESULT
  RESULT=$all/$name
  mkdir -p "$RESULT"
  capture_stop
  capture_start
  before=$(hops s d)
  say "$name: traffic s -> d, $rate packets/s, each answered; then virsh migrate --live d qemu+tcp://h3/system on h1"
  traffic s d "$rate" --report 5
  sleep 3
  migrate d h1 h3
  say "$name: migrated; the traffic goes on for a while"
  sleep 6
  if [ "$name" = with ]; then
    wait_for 60 reaches s d || true # a guest that is emulated twice is deaf for a while after it resumes
    wait_for 30 path_is h2 d vr-h3 || true
    sleep 3
  fi
  traffic_stop
  after=$(hops s d)
  captured
  echo '[]' > "$RESULT/ledger.json"
  [ "$name" != with ] || keep_ledger
  jq -n --slurpfile ledger "$RESULT/ledger.json" --argjson before "$before" --argjson after "$after" --argjson pause "$(measure qemu_pause_ms)" \
    --argjson relayed "$(relayed_packets "$name")" --argjson cleartext "$(measure cleartext)" --slurpfile t "$RESULT/traffic-s-d.json" \
    '$t[0] | {sent, received, lost, duplicated, reordered, gap_ms, there, back, qemu_pause_ms: $pause, relayed: $relayed,
      cleartext: $cleartext, ledger: $ledger[0], path: {before: $before, after: $after}}' > "$all/$name.json"
  RESULT=$all
}

# What the hosts wrote into the migration log of this migration, and the same as a page
ledger_is_whole() { on h1 virt-relay migrations d --newest 1 --json | jq -e '.[0].complete' > /dev/null; }
keep_ledger() {
  wait_for 120 ledger_is_whole || true
  on h1 virt-relay migrations d --newest 1 --json > "$RESULT/ledger.json"
  on h1 virt-relay migrations d --newest 1 --html /run/migrations.html
  cp "$(root_of h1)/run/migrations.html" "$all/migrations.html"
}

# What h1's own counters say that it relayed to d; without virt-relay nobody counts, and the capture says what went that way
relayed_packets() {
  if [ "$1" = with ]; then
    on h1 virt-relay guests --json | jq '[.[] | select(.name == "d") | .relayed] | add // 0'
  else
    measure relayed
  fi
}

say "three hosts are up: h1, h2, h3, each with its libvirtd, strongSwan and bridge; an ordinary site-to-site IPsec joins h1 and h2"
tunnel h1 h2
say "booting the guest d on h1; s is a machine behind h2"
boot d h1
one_that_counts without
say "taking d back to h1, and starting virt-relay on the hosts"
migrate d h3 h1
for h in h1 h2; do host_clean $h; done
relay_on
expect_soon "h2 and h1 are joined by virt-relay's tunnel" reaches s d 5
one_that_counts with
relay_off
