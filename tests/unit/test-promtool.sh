#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# test-promtool.sh TEST-METRICS FOLDER: do the metrics, the alert rules and the dashboard hold together? promtool says. TAP.
set -u
metrics=$1 docs=$2 n=0 failed=0
command -v promtool > /dev/null || { echo "1..0 # SKIP promtool is not here: tests/setup installs it"; exit 0; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

check() { # TITLE COMMAND...
  local title=$1
  shift
  n=$((n + 1))
  if "$@" > "$dir/out" 2>&1; then
    echo "ok $n - $title"
  else
    echo "not ok $n - $title"
    sed 's/^/# /' "$dir/out"
    failed=1
  fi
}

"$metrics" --print > "$dir/metrics"
lint() { promtool check metrics < "$dir/metrics" 2>&1 | tee "$dir/lint"; [ ! -s "$dir/lint" ]; } # its status says nothing about style
check 'names, types and help' lint
check 'rules' promtool check rules "$docs/virt-relay.rules.yml"
check "the rules' tests" bash -c 'cd "$1" && promtool test rules virt-relay.rules.test.yml' - "$docs"

# Each alert has a test.
alerts() { sed -nE 's/^ +- alert: //p' "$docs/virt-relay.rules.yml"; }
tested() { alerts | while read -r alert; do grep -q "alertname: $alert\$" "$docs/virt-relay.rules.test.yml" || { echo "$alert has none"; exit 1; }; done; }
check 'each alert has a test' tested

# The dashboard's expressions are rules like others, once its variables are filled in.
{
  echo 'groups: [{name: dashboard, rules: ['
  python3 -c 'import json, sys
for panel in json.load(open(sys.argv[1]))["panels"]:
    for target in panel["targets"]:
        print("{record: \"a:b:c%d_%s\", expr: %s}," % (panel["id"], target["refId"], json.dumps(target["expr"].replace("$instance", ".*"))))' "$docs/dashboard.json"
  echo ']}]'
} > "$dir/dashboard.yml"
check "the dashboard's expressions" promtool check rules "$dir/dashboard.yml"

# No rule and no panel is about a metric that there is none of.
known() { sed -nE 's/^# TYPE ([a-z_]+) .*/\1/p' "$dir/metrics" | sort -u; }
used() { grep -ohE 'virtrelay_[a-z_]+' "$docs/virt-relay.rules.yml" "$docs/dashboard.json" "$docs/README.md" | sort -u; }
no_strange() { [ -z "$(comm -13 <(known) <(used))" ] || { comm -13 <(known) <(used); return 1; }; }
check 'every metric that is used is there' no_strange
echo "1..$n"
exit $failed
