# SPDX-License-Identifier: GPL-2.0-or-later
# virt-relay on the hosts: its configuration, start and stop, and what has to be gone when it is gone.

# relay_config hN: /etc/virt-relay.conf as the host's administrator would write it. The only place of the lab that knows its keys.
# LAB_REACH_hN holds the hosts whose guest networks hN reaches through virt-relay's tunnels.
relay_config() {
  local h=$1 n=${1#h} reach=LAB_REACH_$1
  on "$h" bash -c 'umask 077; echo "the secret of the lab" > /etc/virt-relay.psk; umask 022; cat > /etc/virt-relay.conf' << X
[host]
name = $h
underlay = 192.0.2.$n
networks = 10.9.$n.1/24 fd00:9:$n::1/64
bridge = br0
reach = ${!reach-}

[log]
directory = /var/lib/virt-relay/log

[tunnel]
psk-file = /etc/virt-relay.psk
X
}
LAB_REACH_h1=h2 LAB_REACH_h2=h1

HOOKS=/etc/libvirt/hooks/qemu.d

# start_relay H, stop_relay H [SIGNAL]: the daemon alone
start_relay() {
  local program=/usr/sbin/virt-relayd
  [ "$LAB_TUNNEL" != plain ] || program=$(find "$VR_BUILD" -name virt-relayd-plain -type f -perm -1 | head -1)
  on "$1" test -x "$program" || die "$program is not there"
  service_start "$1" virt-relayd "$program"
  wait_for 60 on "$1" test -S /run/virt-relay/hook.sock || die "virt-relayd on $1 does not start: $(tail -3 "$LAB_RUN/$1/log/virt-relayd.out")"
}
stop_relay() {
  local program=virt-relayd
  [ "$LAB_TUNNEL" != plain ] || program=virt-relayd-plain
  service_stop "$1" "$program" "${2:-TERM}"
}

# relay_on, relay_off: virt-relay on all hosts, hook included, or on none
relay_on() {
  local h
  for h in $(hosts); do
    on "$h" bash -c "[ ! -d /run/hooks-off ] || mv /run/hooks-off/* $HOOKS; rm -rf /run/hooks-off"
    relay_config "$h"
    start_relay "$h"
  done
}
relay_off() {
  local h
  for h in $(hosts); do
    stop_relay "$h"
    on "$h" bash -c "mkdir -p /run/hooks-off; mv $HOOKS/*virt-relay* /run/hooks-off/ 2> /dev/null; true"
  done
}

# host_clean H: takes away whatever a scenario left on a host: guests are not touched
host_clean() {
  on "$1" bash -c '
    for table in "inet virt-relay" "bridge virt-relay"; do nft delete table $table 2> /dev/null; done
    for family in -4 -6; do
      ip $family rule flush protocol 118 2> /dev/null
      ip $family route flush table all proto 118 2> /dev/null
      ip $family neigh flush dev br0 nud all 2> /dev/null
    done
    for link in $(ls /sys/class/net); do
      case $link in vr-* | t-h*) ip link delete "$link" ;; esac
    done
    [ ! -S /run/charon.vici ] || if [ -n "$(ip xfrm state; ls /etc/swanctl/conf.d)" ]; then
      rm -f /etc/swanctl/conf.d/*
      swanctl --load-all > /dev/null 2>&1
      for name in $(swanctl --list-sas --raw 2> /dev/null | grep -oE "^list-sa event \{[^ ]+" | cut -d"{" -f2); do
        swanctl --terminate --ike "$name" --force --timeout 5 > /dev/null 2>&1
      done
      ip xfrm state flush; ip xfrm policy flush
    fi
    rm -rf /var/lib/virt-relay/spool/* /var/lib/virt-relay/*.json
    true'
}

# host_state H: what must be the same before and after a scenario
host_state() {
  on "$1" bash -c 'ip -o link | sed -E "s/^[0-9]+: ([^:@]+).*/\1/" | grep -v "^vnet" | sort
    for family in -4 -6; do ip $family rule; ip $family route show table all | grep -v " dev vnet" | sort; done
    nft list tables; ip xfrm state | grep ^src; ls /run/virt-relay /etc/libvirt/qemu /var/lib/virt-relay/spool 2> /dev/null; true' 2>&1
}
