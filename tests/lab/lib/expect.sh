# SPDX-License-Identifier: GPL-2.0-or-later
# What a scenario says with: marks, expectations. Each expectation prints one line, ok or not ok, and the scenario goes on.

mark() { echo "$EPOCHREALTIME $*" >> "$LAB_RUN/marks"; }
ok() { echo "    ok - $*"; }
not_ok() { echo "    not ok - $*"; echo "$*" >> "$RESULT/failed"; }
skip() { echo "    skip - $*"; echo "$*" > "$RESULT/skipped"; exit 0; } # the rest of the scenario

# measure NAME: a number (or null): one of the capture's, one of the migration's, or one of the traffic's
measure() {
  local kind=esp
  [ "$LAB_TUNNEL" != plain ] || kind=plain
  case $1 in
    frames | dropped | esp | ike | plain | cleartext) captured && jq ".$1" "$RESULT/capture.json" ;;
    relayed) captured && capture_flow "$kind" h1 h3 ;;
    tunnelled:*) captured && capture_flow "$kind" "$(cut_field 2 "$1")" "$(cut_field 3 "$1")" ;;
    expired) expired ;;
    qemu_pause_ms) qemu_pause_ms "${LAB_GUEST:-d}" ;;
    *@*) traffic_value "${1%@*}" "${1#*@}" ;;
    *) traffic_value "$1" ;;
  esac
}
cut_field() { command cut -d: -f"$1" <<< "$2"; }

# packets that circled until the hosts dropped them (watch_for_circles)
expired() {
  local h
  for h in $(hosts); do
    on "$h" nft list table inet lab-circles
  done | awk '/counter packets/ {for (i = 1; i < NF; i++) if ($i == "packets") sum += $(i + 1)} END {print sum + 0}'
}

compare() { # VALUE OPERATOR NUMBER, with the operators of test and decimal numbers
  awk -v a="$1" -v o="$2" -v b="$3" 'BEGIN {if (a == "null" || a == "") exit 1
    exit !(o == "-eq" ? a == b : o == "-ne" ? a != b : o == "-lt" ? a < b : o == "-le" ? a <= b : o == "-gt" ? a > b : o == "-ge" ? a >= b : 0)}'
}

# expect NAME OPERATOR NUMBER: compares a measure, e.g. expect lost -le 0, expect back.lost@s-d -eq 0, expect tunnelled:h1:h3 -gt 0
# expect that WORDS... is/: COMMAND..: see expect_that
expect() {
  local value
  value=$(measure "$1")
  if compare "$value" "$2" "$3"; then ok "$1 $2 $3 ($value)"; else not_ok "$1 $2 $3: it is $value"; fi
}

# kept COMMAND...: what it says is kept. last_words: the end of that, for the line that says that it failed; the whole goes into $RESULT/failed.out
kept() { "$@" > "$LAB_RUN/expect.out" 2>&1; }
last_words() {
  cat "$LAB_RUN/expect.out" >> "$RESULT/failed.out"
  tail -2 "$LAB_RUN/expect.out"
}

# expect_ok TEXT COMMAND..., expect_fail TEXT COMMAND...: the command succeeds, or fails
expect_ok() {
  local text=$1
  shift
  if kept "$@"; then ok "$text"; else not_ok "$text: $(last_words)"; fi
}
expect_fail() {
  local text=$1
  shift
  if kept "$@"; then not_ok "$text: it succeeded"; else ok "$text"; fi
}

# expect_soon TEXT COMMAND...: the command succeeds within LAB_SOON seconds (60)
expect_soon() {
  local text=$1
  shift
  if wait_for "${LAB_SOON:-60}" kept "$@"; then ok "$text"; else not_ok "$text: not within ${LAB_SOON:-60} s: $(last_words)"; fi
}

# reaches FROM TO [COUNT]: does anything answer there? (reaches s d: a ping's answer; IPv4 and IPv6)
reaches() {
  on "$1" "$LAB_BIN/meter" ask --to "$(addr "$2")" --wait "${3:-5}" > /dev/null 2>&1 &&
    on "$1" "$LAB_BIN/meter" ask --to "$(addr6 "$2")" --wait "${3:-5}" > /dev/null 2>&1
}

# tunnel A B: an ordinary site-to-site IPsec between two hosts' guest networks, made by the administrator without virt-relay
tunnel() { # A B [--policy]
  local a b pair
  for pair in "$1 $2" "$2 $1"; do
    a=${pair% *} b=${pair#* }
    if [ "$LAB_TUNNEL" = plain ]; then
      tunnel_plain "$a" "$b"
    elif [ "${3:-}" = --policy ]; then
      tunnel_site "$a" "$b" "local_ts = 10.9.${a#h}.0/24, fd00:9:${a#h}::/64" "remote_ts = 10.9.${b#h}.0/24, fd00:9:${b#h}::/64"
    else
      on "$a" bash -c 'ip link add "t-$1" type xfrm dev eth0 if_id "$2" && ip link set "t-$1" up &&
        ip route add "10.9.${1#h}.0/24" dev "t-$1" && ip -6 route add "fd00:9:${1#h}::/64" dev "t-$1"' - "$b" "$((100 + ${b#h}))" > /dev/null
      tunnel_site "$a" "$b" "if_id_in = $((100 + ${b#h}))" "if_id_out = $((100 + ${b#h}))" 'local_ts = 0.0.0.0/0, ::/0' 'remote_ts = 0.0.0.0/0, ::/0'
    fi
  done
  [ "$LAB_TUNNEL" = plain ] || on "$1" swanctl --initiate --child net --ike "site-$2" --timeout 60 > "$LAB_RUN/initiate.out" 2>&1 ||
    die "no tunnel $1-$2: $(tail -3 "$LAB_RUN/initiate.out")"
}

# tunnel_site A B LINE...: A's connection to B, with these lines in its child
tunnel_site() {
  local a=$1 b=$2
  shift 2
  on "$a" bash -c 'cat > /etc/swanctl/conf.d/lab-$1.conf && swanctl --load-all 2>&1' - "$b" << X > /dev/null
connections { site-$b {
  version = 2
  local_addrs = $(addr "$a")
  remote_addrs = $(addr "$b")
  local { auth = psk
    id = site-$a }
  remote { auth = psk
    id = site-$b }
  children { net {
$(printf '    %s\n' "$@")
    esp_proposals = aes256gcm16 } } } }
secrets { ike-site-$b {
  id-1 = site-$a
  id-2 = site-$b
  secret = "the sites' secret" } }
X
}

tunnel_plain() {
  local a=${1#h} b=${2#h}
  on "$1" ip -batch - << X
link add t-$2 type vxlan id $((a < b ? a * 10 + b : b * 10 + a)) local $(addr "$1") remote $(addr "$2") dstport 4789
link set t-$2 addrgenmode none
link set t-$2 up
address add 169.254.9.$a/24 dev t-$2
address add fe80::9:$a/64 dev t-$2 nodad
route add 10.9.$b.0/24 via 169.254.9.$b dev t-$2
route add fd00:9:$b::/64 via fe80::9:$b dev t-$2
X
}
