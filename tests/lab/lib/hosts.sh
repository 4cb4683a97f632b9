# SPDX-License-Identifier: GPL-2.0-or-later
# The hosts, the underlay between them, and the neighbours in their guest networks.
#
# underlay (a network namespace): bridge sw, one port uN for each host, 192.0.2.254 and 2001:db8::fe on the bridge itself: the
# default gateway of every host, which exists, so that a packet that should not get out in clear really would get out and be seen.

hosts() { seq -f 'h%.0f' "$LAB_HOSTS"; }
is_host() { [[ $1 =~ ^h[0-9]+$ ]] && ((${1#h} >= 1 && ${1#h} <= LAB_HOSTS)); }

# addr NAME, addr6 NAME: the address of a guest, neighbour or host
addr() { place_of "$1"; [ -n "$PLACE_HOST" ] && echo "10.9.$PLACE_HOST.$PLACE_NUMBER" || echo "192.0.2.$PLACE_NUMBER"; }
addr6() { place_of "$1"; [ -n "$PLACE_HOST" ] && echo "fd00:9:$PLACE_HOST::$PLACE_NUMBER" || echo "2001:db8::$PLACE_NUMBER"; }

# place_of NAME: sets PLACE_HOST (the number of the host whose guest network it is in) and PLACE_NUMBER (its last octet)
place_of() {
  case $1 in
    h[0-9]) PLACE_HOST='' PLACE_NUMBER=${1#h} ;;
    s) PLACE_HOST=2 PLACE_NUMBER=50 ;;
    n[0-9]) PLACE_HOST=${1#n} PLACE_NUMBER=50 ;;
    *) PLACE_HOST=$(cat "$LAB_RUN/guests/$1/home" 2> /dev/null) || die "no guest, neighbour or host '$1' (guests need boot first)"
      PLACE_HOST=${PLACE_HOST#h} PLACE_NUMBER=$(guest_number "$1") ;;
  esac
}

# on WHERE COMMAND...: runs COMMAND on a host, at a neighbour or in the underlay
on() {
  local where=$1
  shift
  case $where in
    h[0-9]) HOME=$LAB_RUN/$where/home nsenter -t "$(cat "$LAB_RUN/$where/pid")" -m -u -n -p -- "$@" ;;
    s) nsenter --net=/run/netns/n2 -- "$@" ;;
    server) nsenter -t "$(cat "$LAB_RUN/server/pid")" -m -n -- "$@" ;; # nfs.sh
    *) nsenter --net="/run/netns/$where" -- "$@" ;;
  esac
}

# root_of HOST: its file system as seen from here, for tests that need no process there
root_of() { echo "/proc/$(< "$LAB_RUN/$1/pid")/root"; }

# each COMMAND...: COMMAND hN for all hosts at the same time; fails if one of them does
each() {
  local h jobs=() job status=0
  for h in $(hosts); do
    "$@" "$h" &
    jobs+=($!)
  done
  for job in "${jobs[@]}"; do
    wait "$job" || status=1
  done
  return $status
}

underlay_up() {
  ip netns add underlay
  ip -n underlay -batch - << X
link set lo up
link add sw type bridge forward_delay 0 mcast_snooping 0
link set sw addrgenmode none
link set sw up
address add 192.0.2.254/24 dev sw
address add 2001:db8::fe/64 dev sw nodad
X
  on underlay nft -f - << X
table bridge lab {
  set cut { type ifname . ifname; }
  set no-ike { type ifname . ifname; }
  chain forward {
    type filter hook forward priority 0
    iifname . oifname @cut counter drop
    iifname . oifname @no-ike udp dport 500 @th,208,8 34 counter drop
  }
}
X
}

# host_up FORM hN: the namespaces, the network, the configuration and the services but virt-relay's
host_up() {
  local h=$2 n=${2#h} outer pid=''
  mkdir -p "$LAB_RUN/$h"
  host_process "$1" "$h" < /dev/null > "$LAB_RUN/$h/init.log" 2>&1 &
  outer=$!
  wait_for 180 test -e "$LAB_RUN/$h/ready" || die "$h did not start: $(cat "$LAB_RUN/$h/init.log")"
  pid=$(pgrep -P "$outer")
  echo "$pid" > "$LAB_RUN/$h/pid"
  ip link add "u$n" netns underlay type veth peer name eth0 netns "$pid"
  ip -n underlay -batch - << X
link set u$n master sw
link set u$n addrgenmode none
link set u$n up
X
  on "$h" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.{all,default}.forwarding=1 net.ipv4.conf.{all,default}.rp_filter=2 \
    net.ipv6.conf.{all,default}.accept_ra=0
  on "$h" ip -batch - << X
link set lo up
link set eth0 up
address add 192.0.2.$n/24 dev eth0
address add 2001:db8::$n/64 dev eth0 nodad
route add default via 192.0.2.254
route add default via 2001:db8::fe
link add br0 address 02:00:00:09:0$n:01 type bridge forward_delay 0 mcast_snooping 0
link set br0 up
address add 10.9.$n.1/24 dev br0
address add fd00:9:$n::1/64 dev br0 nodad
X
  watch_for_circles "$h"
  neighbour_up "$h"
  if [ "$1" = packages ]; then
    systemd_wait "$h"
  else
    start_services "$h"
  fi
  wait_charon "$h"
  wait_libvirtd "$h"
  start_events "$h"
}

# The lab's /sys hides them; mountpoint(1) goes by the names of mounts, and takes those that are hidden for there.
show_cgroups() {
  [ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ] || mount -t cgroup2 cgroup2 /sys/fs/cgroup || die "hosts with systemd need control groups (cgroup v2)"
}

# host_process FORM hN: the host's first process, until it ends
host_process() {
  local cgroup=()
  if [ "$1" = packages ]; then # systemd wants a tree of control groups that is its own
    mkdir -p "/sys/fs/cgroup/$LAB_CGROUP/$2"
    echo "$BASHPID" > "/sys/fs/cgroup/$LAB_CGROUP/$2/cgroup.procs" || return
    cgroup=(--cgroup --ipc)
  fi
  exec unshare --net --mount --uts --pid "${cgroup[@]}" --fork --kill-child --propagation private "$LAB_SRC/host-init" "${2#h}" "$1" "$LAB_TUNNEL"
}

# What systemd starts where the hosts run it
start_services() {
  local h=$1
  start_dbus "$h"
  start_charon "$h"
  start_libvirtd "$h"
}

# What comes for a guest with one hop left has circled; but for the markers of a path that changes, which are sent so.
watch_for_circles() {
  on "$1" nft -f - << X
table inet lab-circles {
  chain prerouting {
    type filter hook prerouting priority -300
    udp dport 33434 accept
    ip daddr 10.9.0.0/16 ip ttl 1 counter
    ip6 daddr fd00:9::/32 ip6 hoplimit 1 counter
  }
}
X
}

# The neighbour nN on hN's bridge; on h2 it is also called s.
neighbour_up() {
  local n=${1#h}
  ip netns add "n$n"
  ip link add eth0 netns "n$n" type veth peer name "port-n$n" netns "$(cat "$LAB_RUN/$1/pid")"
  on "$1" ip link set "port-n$n" master br0 up
  ip -n "n$n" -batch - << X
link set lo up
link set eth0 up
address add 10.9.$n.50/24 dev eth0
address add fd00:9:$n::50/64 dev eth0 nodad
route add default via 10.9.$n.1
route add default via fd00:9:$n::1
X
}

# Services: each is started on its host with its output in the host's log folder.
service_start() { # HOST NAME COMMAND...
  local h=$1 name=$2
  shift 2
  on "$h" "$@" < /dev/null >> "$LAB_RUN/$h/log/$name.out" 2>&1 &
}

service_stop() { # HOST PROGRAM [SIGNAL]: asks it to end and waits until it has
  on "$1" bash -c 'pids=$(pidof "$1") || exit 0
    kill -"$2" $pids
    for i in $(seq 300); do pidof "$1" > /dev/null || exit 0; sleep 0.1; done
    exit 1' - "$2" "${3:-TERM}" || die "$2 on $1 did not end within 30 s of SIG${3:-TERM}"
}

start_dbus() { service_start "$1" dbus dbus-daemon --nofork --nopidfile --config-file=/run/dbus/lab.conf; }
start_charon() { [ "$LAB_TUNNEL" = plain ] || service_start "$1" charon charon-systemd; }
start_libvirtd() { service_start "$1" libvirtd libvirtd --listen; }
stop_libvirtd() { service_stop "$1" libvirtd "${2:-TERM}"; }
start_events() { service_start "$1" events "$LAB_BIN/events" "$1"; }

wait_libvirtd() {
  wait_for 240 test -S "$(root_of "$1")/run/libvirt/libvirt-sock" && wait_for 120 on "$1" virsh -q -c qemu:///system list ||
    die "libvirtd on $1 does not answer, see its log"
}
wait_charon() {
  [ "$LAB_TUNNEL" = plain ] || wait_for 180 test -S "$(root_of "$1")/run/charon.vici" || die "charon on $1 does not start, see its log"
}

# dead_libvirtds: hosts whose libvirtd has ended by itself; systemd would start it anew
dead_libvirtds() {
  local h
  for h in $(hosts); do
    on "$h" pidof libvirtd > /dev/null || echo "$h"
  done
}

# libvirtd_again: where it ended by itself it is started anew, as its unit does (Restart=on-failure)
libvirtd_again() {
  local h
  for h in $(dead_libvirtds); do
    echo "# libvirtd on $h has ended by itself, and is started anew; its last words:"
    tail -qn 3 "$LAB_RUN/$h"/log/libvirtd.{out,log} 2> /dev/null | sed 's/^/#   /'
    start_libvirtd "$h"
    wait_libvirtd "$h"
  done
}

hosts_up() { # with|without
  local h kept=$LAB_RESULTS/.capabilities-$(uname -r)
  [ ! -d "$kept" ] || cp -r "$kept" "$LAB_RUN/capabilities"
  underlay_up
  [ "$1" != packages ] || show_cgroups
  each host_up "$1" || die "not all hosts are up"
  # The first libvirtd asks QEMU what it can do; the others take over its answers.
  on h1 virsh -q -c qemu:///system domcapabilities > /dev/null || die "libvirtd on h1 cannot use QEMU, see its log"
  if [ ! -d "$kept" ]; then
    on h1 cp -r /var/cache/libvirt/qemu/capabilities "$LAB_RUN/"
    cp -r "$LAB_RUN/capabilities" "$kept"
    for h in $(hosts); do
      on "$h" cp -r "$LAB_RUN/capabilities" /var/cache/libvirt/qemu/
    done
  fi
}

# cut A B, mend A B: no frame passes between two hosts, or passes again. mend without arguments: everywhere.
# no_ike, ike_again: no new IKE_SA comes up between them (IKE_SA_INIT, exchange type 34, is dropped); what is up stays
cut() { on underlay nft add element bridge lab cut "{ u${1#h} . u${2#h}, u${2#h} . u${1#h} }"; }
mend() {
  if [ $# = 0 ]; then
    on underlay nft flush set bridge lab cut
    on underlay nft flush set bridge lab no-ike
  else
    on underlay nft delete element bridge lab cut "{ u${1#h} . u${2#h}, u${2#h} . u${1#h} }"
  fi
}

no_ike() { on underlay nft add element bridge lab no-ike "{ u${1#h} . u${2#h}, u${2#h} . u${1#h} }"; }
ike_again() { on underlay nft delete element bridge lab no-ike "{ u${1#h} . u${2#h}, u${2#h} . u${1#h} }"; }

# tunnel_down A B, tunnel_back A B: virt-relay's tunnel between two hosts is taken down, and stays down until it may be up again
tunnel_down() {
  if [ "$LAB_TUNNEL" = plain ]; then
    touch "$LAB_PLAIN/$1-$2.down"
    return
  fi
  no_ike "$1" "$2"
  on "$1" swanctl --terminate --ike "virt-relay-$2" > /dev/null 2>&1
}
tunnel_back() {
  if [ "$LAB_TUNNEL" = plain ]; then
    rm "$LAB_PLAIN/$1-$2.down"
  else
    ike_again "$1" "$2"
  fi
}

# shape HOST RATE [DELAY [LOSS]]: limits what HOST sends and gets, e.g. shape h1 16mbit 20ms 1%. shape HOST off: ends it.
shape() {
  local h=$1 where device
  touch "$LAB_RUN/shaped"
  for where in "$h eth0" "underlay u${h#h}"; do
    device=${where#* } where=${where% *}
    on "$where" tc qdisc del dev "$device" root 2> /dev/null || true
    [ "$2" != off ] || continue
    if [ -n "${3:-}" ]; then
      on "$where" tc qdisc add dev "$device" root netem rate "$2" delay "$3" ${4:+loss "$4"} limit 10000
    else
      on "$where" tc qdisc add dev "$device" root tbf rate "$2" burst 64kb latency 100ms
    fi
  done
}
