# SPDX-License-Identifier: GPL-2.0-or-later
# The meter and the capture. A scenario's results are in $RESULT: traffic-FROM-TO.json for each stream, capture.json.

# traffic FROM TO [RATE [METER-OPTION...]], traffic6: numbered packets from a neighbour or host to a guest, which answers each; returns when
# the path is warm and counting has begun. Fails when the guest does not answer.
traffic() { traffic_start "$1-$2" "$1" "$(addr "$2")" "${@:3}"; }
traffic6() { traffic_start "$1-$2-6" "$1" "$(addr6 "$2")" "${@:3}"; }

traffic_start() { # NAME FROM ADDRESS [RATE [METER-OPTION...]]
  local name=$1 from=$2 address=$3 rate=${4:-100} dir=$LAB_RUN/traffic
  shift $(($# > 4 ? 4 : $#))
  mkdir -p "$dir"
  rm -f "$dir/$name".*
  on "$from" bash -c 'echo $$ > "$1.pid"; exec "${@:2}"' - "$dir/$name" "$LAB_BIN/meter" send --to "$address" --rate "$rate" \
    --ready "$dir/$name.ready" "$@" > "$dir/$name.json" 2> "$dir/$name.error" < /dev/null &
  echo "$!" > "$dir/$name.job"
  echo "$from" > "$dir/$name.from"
  while [ ! -e "$dir/$name.ready" ]; do
    kill -0 "$(cat "$dir/$name.job")" 2> /dev/null || die "no traffic $name: $(cat "$dir/$name.error")"
    nap 0.1
  done
  mark "traffic $name"
}

# traffic_stop: ends all streams, waits for their counts and leaves them in $RESULT
traffic_stop() {
  local job earlier=$RESULT/before-$EPOCHREALTIME
  mark "traffic stops"
  if compgen -G "$RESULT/traffic-*.json" > /dev/null; then # measures are of the last traffic only
    mkdir "$earlier"
    mv "$RESULT"/traffic-*.json "$earlier/"
  fi
  for job in "$LAB_RUN"/traffic/*.job; do
    job=${job%.job}
    on "$(cat "$job.from")" kill -TERM "$(cat "$job.pid")" || true
  done
  for job in "$LAB_RUN"/traffic/*.job; do
    job=${job%.job}
    wait "$(cat "$job.job")" || die "the meter failed: $(cat "$job.error")"
    mv "$job.json" "$RESULT/traffic-$(basename "$job").json"
    rm -f "$job".*
  done
}

# answering WHERE: a meter's echo there, as every guest has one; it ends with the scenario
answering() {
  on "$1" bash -c 'echo $$ > "$1"; exec "$2" echo' - "$LAB_RUN/answering-$1" "$LAB_BIN/meter" > /dev/null 2>&1 < /dev/null &
}

traffic_kill() { # for resets: nothing is waited for
  local job
  for job in "$LAB_RUN"/traffic/*.job; do
    [ ! -e "$job" ] || on "$(cat "${job%.job}.from")" kill -KILL "$(cat "${job%.job}.pid")" 2> /dev/null || true
  done
  for job in "$LAB_RUN"/answering-*; do
    [ ! -e "$job" ] || on "${job##*-}" kill -KILL "$(cat "$job")" 2> /dev/null || true
    rm -f "$job"
  done
  rm -rf "$LAB_RUN/traffic"
}

# traffic_value [FROM-TO] FILTER: a value of one stream, or over all streams the sum (times: the largest), by jq
traffic_value() {
  jq -s --arg key "$1" '[.[] | getpath($key / ".")] | if any(. == null) then null
    elif ($key | endswith("_ms")) then max else add end' "$RESULT"/traffic-${2:-*}.json
}

capture_start() {
  rm -f "$LAB_RUN/capture.json"
  local ports=() h options=()
  for h in $(hosts); do
    ports+=("u${h#h}")
  done
  [ "$LAB_TUNNEL" != plain ] || options=(--plain)
  on underlay bash -c 'echo $$ > "$1"; exec "${@:2}"' - "$LAB_RUN/capture.pid" "$LAB_BIN/capture" "${options[@]}" --to "$LAB_RUN/capture.json" "${ports[@]}" \
    < /dev/null > "$LAB_RUN/capture.out" 2>&1 &
  wait_for 20 test -e "$LAB_RUN/capture.json" || die "the capture does not start: $(cat "$LAB_RUN/capture.out")"
}
capture_stop() { [ ! -e "$LAB_RUN/capture.pid" ] || on underlay kill "$(cat "$LAB_RUN/capture.pid")" 2> /dev/null || true; rm -f "$LAB_RUN/capture.pid"; }

# captured: has capture.json in $RESULT written anew
captured() {
  rm -f "$LAB_RUN/capture.json"
  on underlay kill -USR1 "$(cat "$LAB_RUN/capture.pid")"
  wait_for 20 test -e "$LAB_RUN/capture.json" || die "the capture does not answer"
  cp "$LAB_RUN/capture.json" "$RESULT/"
}

# capture_flow KIND FROM TO: frames of that kind (esp, ike, plain, cleartext) from host to host, over IPv4 and IPv6
capture_flow() {
  jq --arg kind "$1" --arg a "$(addr "$2")" --arg b "$(addr "$3")" --arg a6 "$(addr6 "$2")" --arg b6 "$(addr6 "$3")" \
    '[.flows[] | select(.kind == $kind and (.source == $a and .target == $b or .source == $a6 and .target == $b6)) | .frames] | add // 0' "$RESULT/capture.json"
}

# capture_family KIND 4|6: frames of that kind over that family
capture_family() {
  captured && jq --arg kind "$1" --argjson six "$([ "$2" = 6 ] && echo true || echo false)" \
    '[.flows[] | select(.kind == $kind and (.source | contains(":")) == $six) | .frames] | add // 0' "$RESULT/capture.json"
}
