# SPDX-License-Identifier: GPL-2.0-or-later
# One row of figures for each scenario, from what meter, capture, QEMU, libvirt and the daemons told: summary.tsv, and at the end summary.md.

SUMMARY_COLUMNS=(scenario result moves sent lost 'longest gap, ms' "QEMU's longest pause, ms" relayed 'resume to the first straight answer, ms' 'resume to the direct path, ms')

# all traffic of the scenario: sent, lost (of both ways), longest gap
summary_traffic() {
  cat "$RESULT"/before-*/traffic-*.json "$RESULT"/traffic-*.json 2> /dev/null |
    jq -rs 'if length == 0 then "- - -" else "\(map(.sent) | add) \(map(.lost) | add) \(map(.gap_ms) | max | round)" end'
}

# moves, and the longest pause: of each guest from STOP to the RESUME on another host
summary_moves() {
  guest_events | awk '$4 == "life" && $5 == "RESUMED" && ($6 == "MIGRATED" && !post[$3] || $6 == "POSTCOPY") {n++}
    $4 == "life" && $5 == "RESUMED" {post[$3] = $6 == "POSTCOPY"}
    $4 == "qemu" && $5 == "STOP" {stop[$3] = $1; host[$3] = $2}
    $4 == "qemu" && $5 == "RESUME" && stop[$3] {if ($2 != host[$3] && $1 - stop[$3] > longest) longest = $1 - stop[$3]; stop[$3] = 0}
    END {printf "%d %s\n", n, longest ? sprintf("%.0f", longest * 1000) : "-"}'
}

# since_resume H TIME: ms from the last RESUME on H before that time (seconds)
since_resume() {
  guest_events | awk -v h="$1" -v t="$2" '$4 == "qemu" && $5 == "RESUME" && $2 == h && $1 <= t {at = $1}
    END {if (at) printf "%.0f\n", (t - at) * 1000; else print "-"}'
}

# the first frame to h2 from a host that it had no tunnel to when the guest came there
summary_straight() {
  local first h
  for h in $(hosts); do
    case $h in h1 | h2) continue ;; esac
    first=$(jq --arg a "$(addr "$h")" --arg b "$(addr h2)" --arg a6 "$(addr6 "$h")" --arg b6 "$(addr6 h2)" '[.flows[] | select((.kind == "esp" or .kind == "plain")
      and (.source == $a and .target == $b or .source == $a6 and .target == $b6)) | .first] | min // 0' "$RESULT/capture.json")
    if compare "$first" -gt 0; then since_resume "$h" "$first" && return; fi
  done
  echo -
}

# when h2's daemon first said that a path is direct (it says where, and when by the events' clock)
summary_direct() {
  local said
  said=$(daemon_said h2 2> /dev/null | sed -nE 's/.*path to [^ ]+ on (h[0-9]+): direct at ([0-9]+) us.*/\1 \2/p' | head -1)
  if [ -n "$said" ]; then since_resume "${said% *}" "$(awk -v us="${said#* }" 'BEGIN {printf "%.6f", us / 1e6}')"; else echo -; fi
}

# what the origins relayed, by their ledgers, of all moves of the scenario
summary_relayed() {
  on h1 virt-relay migrations --json 2> /dev/null | jq -r '[.[].hosts[] | select(.role == "origin") | .nics[].counts.relayed // empty] | add // "-"' 2> /dev/null || echo -
}

# summary_row NAME RESULT
summary_row() {
  local sent lost gap moves pause
  captured > /dev/null 2>&1
  read -r sent lost gap <<< "$(summary_traffic)"
  read -r moves pause <<< "$(summary_moves)"
  printf '%s\t' "$1" "$2" "$moves" "$sent" "$lost" "$gap" "$pause" "$(summary_relayed)" "$(summary_straight)"
  summary_direct
}

# summary_table < ROWS: as Markdown; only scenarios in which a guest moved
summary_table() {
  awk -F '\t' -v columns="$(IFS='|'; echo "${SUMMARY_COLUMNS[*]}")" 'function row(i, n, cells) {printf "|"; for (i = 1; i <= n; i++) printf " %s |", cells[i]; print ""}
    BEGIN {n = split(columns, c, "|"); row(1, n, c); printf "|"; for (i = 1; i <= n; i++) printf "---|"; print ""}
    $3 > 0 {for (i = 1; i <= NF; i++) c[i] = $i; row(1, NF, c)}'
}
