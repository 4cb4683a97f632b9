# SPDX-License-Identifier: GPL-2.0-or-later
# What virt-relay holds on a host, and whether it is the same again later.

# ours H: all that carries virt-relay's tags, counters and handles left out; what only lasts (tunnel interfaces, base chains) included
ours() {
  on "$1" bash -c '
    for family in -4 -6; do
      ip $family rule show | grep -E "^76[0-9][0-9]:"
      ip $family route show table all proto 118
      ip $family neigh show proxy
      ip $family neigh show nud permanent | grep -v " dev lo\| ff02\| 33:33"
    done
    bridge fdb show br br0 | grep static
    # but for what counts, for the ledger, what came for a guest that moved here: it stays until the guest moves again
    nft -n list table inet virt-relay | awk "/set arrived[46] [{]/ { skip = 1 } ! skip; /^\t[}]/ { skip = 0 }"; nft -n list table bridge virt-relay
    grep -H . /proc/sys/net/ipv4/neigh/br0/proxy_delay /proc/sys/net/ipv6/neigh/br0/proxy_delay /proc/sys/net/ipv6/conf/br0/proxy_ndp
    ip -o link show type xfrm | cut -d: -f2' 2> /dev/null |
    sed -E 's/vnet[0-9]+/vnet/g; s/counter packets [0-9]+ bytes [0-9]+/counter/; s/packets [0-9]+ bytes [0-9]+//' | sort
}

# remember H...: keeps what virt-relay holds there now
remember() {
  local h
  for h in "$@"; do
    ours "$h" > "$LAB_RUN/state/ours-$h"
  done
}

as_remembered() { ours "$1" | diff "$LAB_RUN/state/ours-$1" - > "$LAB_RUN/state/ours-$1.diff"; }

# expect_as_remembered H...: soon each holds what it held when remember was called
expect_as_remembered() {
  local h
  for h in "$@"; do
    expect_soon "$h holds what it held before" as_remembered "$h"
    as_remembered "$h" || sed 's/^/      /' "$LAB_RUN/state/ours-$h.diff"
  done
}

# record GUEST FIELD: of the latest record of custody, as h1's daemon knows it
record() { on h1 virt-relay guests --json | jq -r --arg g "$1" --arg f "$2" '.[] | select(.name == $g) | .[$f]'; }
record_is() { [ "$(record "$1" "$2")" = "$3" ]; }

# owner_is ASKED GUEST H: likewise, as another host's daemon knows it
owner_is() { [ "$(on "$1" virt-relay guests --json | jq -r --arg g "$2" '.[] | select(.name == $g) | .owner')" = "$3" ]; }

# expect_owner GUEST H: the log says so, soon
expect_owner() { expect_soon "the log says that $1 belongs to $2" record_is "$1" owner "$2"; }

# tunnel_up A B: A's daemon says that its tunnel to B is up
tunnel_up() { on "$1" virt-relay hosts --json | jq -e --arg b "$2" '.[] | select(.name == $b) | .up' > /dev/null; }

# packets that came to a host by a tunnel whose SA it did not have (any more, or yet)
without_sa() { on "$1" awk '$1 == "XfrmInNoStates" {print $2}' /proc/net/xfrm_stat 2> /dev/null || true; } # HOST; the native form has none

# tunnel_before_stop A B GUEST: A's tunnel to B was up before QEMU last stopped the guest
tunnel_before_stop() {
  local up stop
  up=$(on "$1" virt-relay hosts --json | jq --arg b "$2" '.[] | select(.name == $b) | .since / 1000000')
  stop=$(guest_events "$3" | awk '$4 == "qemu" && $5 == "STOP" {stop = $1} END {print stop}')
  compare "$up" -gt 0 && compare "$up" -lt "$stop"
}

# daemon_said H: all that its daemon wrote
daemon_said() {
  if [ "$LAB_FORM" = packages ]; then on "$1" journalctl -q -u virt-relayd --no-pager -o cat; else cat "$LAB_RUN/$1/log/virt-relayd.out"; fi
}

# switched_by WAY H GUEST: by queues, copies or the route only, as H's daemon said of its latest switchover of that guest
switched_by() { daemon_said "$2" | grep "guest $3: .*: by .* sent after it" | tail -1 | grep -q ": by $1[, ]"; }

# came_back H GUEST: its daemon pushed packets back into the guest's tap, after its latest switchover
came_back() { daemon_said "$1" | grep "guest $2: .* sent after it" | tail -1 | grep -vq ", 0 back"; }

# path_is H GUEST INTERFACE: that is how H's daemon sends to it
path_is() { [ "$(on "$1" virt-relay guests --json | jq -r --arg g "$2" '.[] | select(.name == $g) | .path // "none"')" = "$3" ]; }

# paths_are H GUEST DEV: H's kernel leads to it by DEV, in both families
paths_are() {
  on "$1" ip -4 route show table 30321 | grep -q "^$(addr "$2") dev $3 " && on "$1" ip -6 route show table 30321 | grep -q "^$(addr6 "$2") dev $3 "
}

# at_least MEASURE N
at_least() { compare "$(measure "$1")" -ge "$2"; }

not() { ! "$@"; }

# relay_again H: the daemon on H with what its configuration says now (LAB_REACH_H)
relay_again() {
  stop_relay "$1"
  relay_config "$1"
  start_relay "$1"
}

# token_of GUEST H: by which a target proves that libvirt gave it the guest's XML, as it stands there; has_token GUEST H
token_of() { virsh_on "$2" dumpxml "$1" | sed -n 's/.* token=.\([0-9a-f]*\).*/\1/p'; }
has_token() { [ "$(token_of "$1" "$2" | wc -c)" -eq 65 ]; }

# proven GUEST ORIGIN TARGET: the origin named the target, never believed anyone without a proof, and refused nobody's announcement of it
proven() {
  on "$2" virt-relay log "$1" --json | jq -e --arg o "$2" --arg t "$3" 'any(.writer == $o and .target == $t)' > /dev/null || return 1
  ! daemon_said "$2" | grep "guest $1: .* is believed to be its target without proof" || return 1
  on "$2" virt-relay log --refused --json | jq -e --arg g "$1" '.records | any(.name == $g and .state == "incoming") | not' > /dev/null
}

# says H TEXT: virt-relay status there has it
says() { [[ "$(on "$1" virt-relay status)" == *"$2"* ]]; }

# untroubled H: its daemon says that all is as it should be
untroubled() { [ "$(on "$1" virt-relay status --json | jq '.troubles | length')" = 0 ]; }
