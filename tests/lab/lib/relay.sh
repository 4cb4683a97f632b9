# SPDX-License-Identifier: GPL-2.0-or-later
# virt-relay on the hosts: its configuration, start and stop, and what has to be gone when it is gone.

# relay_config hN: /etc/virt-relay.conf as the host's administrator would write it. The only place of the lab that knows its keys.
# LAB_REACH_hN holds the hosts whose guest networks hN reaches through virt-relay's tunnels, LAB_DIRECT_hN its [path] direct, LAB_BRIDGE_hN
# and LAB_NETWORKS_hN its bridge and guest networks, LAB_UNDERLAY_hN its underlay. LAB_LOSSLESS, LAB_LINGER: [migration] lossless and linger, of all. LAB_LOG: [log]
# engine, of all: file, etcd (etcd.sh).
relay_config() {
  local h=$1 n=${1#h} reach=LAB_REACH_$1 direct=LAB_DIRECT_$1 bridge=LAB_BRIDGE_$1 networks=LAB_NETWORKS_$1 underlay=LAB_UNDERLAY_$1 root
  root=$(root_of "$1")
  (umask 077 && echo "the secret of the lab" > "$root/etc/virt-relay.psk")
  cat > "$root/etc/virt-relay.conf" << X
[host]
name = $h
underlay = ${!underlay:-192.0.2.$n}
networks = ${!networks:-10.9.$n.1/24 fd00:9:$n::1/64}
bridge = ${!bridge:-br0}
${!reach:+reach = ${!reach}}

[log]
$(log_config "$h")

[tunnel]
psk-file = /etc/virt-relay.psk
# hosts emulated on a busy machine need seconds for what others do in milliseconds: the side that follows must not lose patience
takeover-delay = 20

[path]
direct = ${!direct:-build}

[migration]
lossless = ${LAB_LOSSLESS:-yes}
linger = ${LAB_LINGER:-2}
X
}
LAB_REACH_h1=h2 LAB_REACH_h2=h1

# log_config H: what stands below [log]
log_config() {
  if [ "${LAB_LOG:-file}" = etcd ]; then
    printf 'engine = etcd\nendpoints = %s\n' "$(etcd_endpoints)"
    ! etcd_has_users || etcd_credential "$1"
  else
    echo 'directory = /var/lib/virt-relay/log'
  fi
}

HOOKS=/etc/libvirt/hooks/qemu.d

# start_relay H, stop_relay H [SIGNAL]: the daemon alone
start_relay() {
  local program=/usr/sbin/virt-relayd root
  root=$(root_of "$1")
  if [ "$LAB_FORM" = packages ]; then
    on "$1" systemctl start virt-relayd || die "virt-relayd on $1 does not start: $(on "$1" journalctl -q -u virt-relayd -n 3)"
    return
  fi
  [ "$LAB_TUNNEL" != plain ] || program=$LAB_BIN/virt-relayd-plain
  [ -x "$root$program" ] || die "$program is not there"
  mkdir -p -m 700 "$root/run/virt-relay" # as its unit does
  rm -f "$root/run/virt-relay/hook.sock"
  service_start "$1" virt-relayd nice -n -10 "$program" # as its unit does
  wait_for 120 test -S "$root/run/virt-relay/hook.sock" || die "virt-relayd on $1 does not start: $(tail -3 "$LAB_RUN/$1/log/virt-relayd.out")"
}
stop_relay() {
  local program=virt-relayd
  if [ "$LAB_FORM" = packages ]; then
    [ "${2:-TERM}" = TERM ] || on "$1" systemctl kill -s "$2" virt-relayd
    on "$1" systemctl stop virt-relayd 2> /dev/null || true # not there: it is not installed
    return
  fi
  [ "$LAB_TUNNEL" != plain ] || program=virt-relayd-plain
  service_stop "$1" "$program" "${2:-TERM}"
}

# relay_on, relay_off: virt-relay on all hosts, hook included, or on none
relay_on() { each host_relay_on; }
relay_off() { each host_relay_off; }

host_relay_on() {
  local root
  root=$(root_of "$1")
  [ "$LAB_FORM" != packages ] || package_is_installed "$1" || package_install "$1"
  if [ -L "$root/run/hooks-off/virt-relay" ]; then
    mv "$root/run/hooks-off/virt-relay" "$root$HOOKS/"
  fi
  relay_config "$1"
  start_relay "$1"
}

host_relay_off() {
  local root
  root=$(root_of "$1")
  stop_relay "$1"
  mkdir -p "$root/run/hooks-off"
  if [ -L "$root$HOOKS/virt-relay" ]; then
    mv "$root$HOOKS/virt-relay" "$root/run/hooks-off/"
  fi
}

# host_clean H: takes away whatever a scenario left on a host; guests are not touched
host_clean() {
  on "$1" bash -c '
    shopt -s nullglob
    nft "table inet virt-relay { }; delete table inet virt-relay; table bridge virt-relay { }; delete table bridge virt-relay; table inet lab { }; delete table inet lab; table netdev virt-relay-plain { }; delete table netdev virt-relay-plain"
    for family in -4 -6; do
      printf "%s\n" "rule flush protocol 118" "route flush table all proto 118" "neigh flush dev br0 nud all" | ip "$family" -force -batch -
    done
    for link in /sys/class/net/{vr-,t-h}*; do
      ip link delete "${link##*/}"
    done
    if [ -S /run/charon.vici ] && [ -n "$(ip xfrm state; ls /etc/swanctl/conf.d)" ]; then
      rm -f /etc/swanctl/conf.d/*
      swanctl --load-all
      for id in $(swanctl --list-sas | grep -oE "^[^ :]+: #[0-9]+" | grep -oE "[0-9]+$"); do
        swanctl --terminate --ike-id "$id" --force --timeout 5
      done
      ip xfrm state flush; ip xfrm policy flush
    fi
    rm -rf /var/lib/virt-relay/spool/* /var/lib/virt-relay/*.json /var/lib/virt-relay/etcd
    true' > /dev/null 2>&1
}

# host_state H: what must be the same before and after a scenario
host_state() {
  on "$1" bash -c 'shopt -s nullglob
    for link in /sys/class/net/*; do case $link in */vnet*) ;; *) echo "link ${link##*/}" ;; esac; done
    for family in -4 -6; do ip $family rule; ip $family route show table all | grep -v "proto kernel" | sort; done
    nft list tables; ip xfrm state | grep ^src; echo /var/lib/virt-relay/spool/*; true' 2>&1
}
