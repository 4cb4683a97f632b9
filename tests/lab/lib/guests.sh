# SPDX-License-Identifier: GPL-2.0-or-later
# Guests: QEMU's, defined by real domain XML, with Debian's cloud kernel and the meter's echo in an initrd; no disk.
# They are called d, e, f, ...; the guest network that a guest belongs to is the one of the host that it was booted on.

guest_number() { # d: 100, e: 101, ...
  [[ $1 =~ ^[d-m]$ ]] || die "guests are called d to m, not '$1'"
  printf '%d' $(($(printf '%d' "'$1") - $(printf '%d' "'d") + 100))
}

guest_mac2() { printf '52:54:01:09:%02x:%02x' "${2#h}" "$(guest_number "$1")"; } # of its second NIC
guest_mac() { printf '52:54:00:09:%02x:%02x' "${2#h}" "$(guest_number "$1")"; }
virsh_on() { local h=$1; shift; on "$h" virsh -q -c qemu:///system "$@"; }

# option NAME OPTION...: the word after that option; empty if it is not there
option() {
  local name=$1
  shift
  while [ $# -gt 1 ]; do
    [ "$1" != "$name" ] || { echo "$2"; return; }
    shift
  done
}

# guest_addresses GUEST HOST [OPTION...]: sets ADDRESSES4 and ADDRESSES6, as boot's options say: d's are .100, .110, .120
guest_addresses() {
  local n=${2#h} number pairs=1 i
  number=$(guest_number "$1")
  [[ " $* " != *' --addresses '* ]] || pairs=$(($(option --addresses "$@") / 2))
  [[ " $* " != *' --nics 2 '* ]] || pairs=2
  ADDRESSES4=() ADDRESSES6=()
  for ((i = 0; i < pairs; i++)); do
    [[ " $* " == *' --only6 '* || " $* " == *' --network '* ]] || ADDRESSES4+=("10.9.$n.$((number + 10 * i))")
    ADDRESSES6+=("fd00:9:$n::$((number + 10 * i))")
  done
}

nic_xml() { # MAC bridge|network NAME
  echo "<interface type='$2'><mac address='$1'/><source $2='$3'/><model type='virtio'/></interface>"
}

told_xml() { # MAC ADDRESS...
  echo "<virt-relay:nic mac='$1'>$(printf '<virt-relay:address>%s</virt-relay:address>' "${@:2}")</virt-relay:nic>"
}

# qemu_arguments [ARGUMENT...]: of a guest's XML
qemu_arguments() {
  [ $# = 0 ] || echo "<qemu:commandline>$(printf "<qemu:arg value='%s'/>" "$@")</qemu:commandline>"
}

guest_xml() { # GUEST HOST [OPTION...]
  local g=$1 n=${2#h} number mac type=qemu told='' ip4 ip6 more='' dhcp='' nics channel='' memory=112 arguments=()
  number=$(guest_number "$g")
  mac=$(guest_mac "$g" "$2")
  guest_addresses "$@"
  nics=$(nic_xml "$mac" bridge br0)
  if [[ " $* " == *' --nics 2 '* ]]; then
    more=${ADDRESSES4[1]}/24,${ADDRESSES6[1]}/64
    nics+=$(nic_xml "$(guest_mac2 "$g" "$2")" bridge br0)
    told=$(told_xml "$(guest_mac2 "$g" "$2")" "${ADDRESSES4[1]}" "${ADDRESSES6[1]}")
    ADDRESSES4=("${ADDRESSES4[0]}") ADDRESSES6=("${ADDRESSES6[0]}")
  fi
  if [[ " $* " == *' --network '* ]]; then
    dhcp=yes
    nics=$(nic_xml "$mac" network "$(option --network "$@")")
  fi
  [[ " $* " != *' --agent '* ]] || channel="<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
  ip4=$(IFS=,; echo "${ADDRESSES4[*]/%//24}") ip6=$(IFS=,; echo "${ADDRESSES6[*]/%//64}")
  [[ " $* " == *' --unannounced '* ]] || told+=$(told_xml "$mac" "${ADDRESSES4[@]}" "${ADDRESSES6[@]}")
  if kvm_works; then type=kvm; fi
  # Before version 9.0 QEMU loses what an emulated guest writes while its memory is copied: where dirty pages are collected by whole words of their bitmap, the
  # CPU is not told, and goes on writing unseen ("physmem: Fix migration dirty bitmap coherency with TCG memory access", 03bfc2188f06). The guest wakes up with
  # old pages, and panics or hangs. Memory of a size that is no multiple of 256 KiB is looked at page by page, and that is right; libvirt does not ask for
  # such a size.
  [ $type = kvm ] || arguments+=(-object "memory-backend-ram,id=lab.ram,size=$((memory * 1048576 + 8192))" -machine memory-backend=lab.ram -m "size=$((memory * 1024 + 8))k")
  # Emulated twice, a guest may be so slow that a timer's interrupt takes longer than the time to the next: it would never get to
  # anything else. So in the VM its clock counts instructions, and its state that is kept for the VM was made like that. It costs
  # about half of its speed: LAB_ICOUNT=no on an idle machine does without.
  if [ -n "${LAB_IN_VM:-}${LAB_SAVE:-}" ] && [ "${LAB_ICOUNT:-yes}" = yes ]; then
    arguments+=(-icount shift=7,sleep=on)
  fi
  cat << X
<domain type='$type' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>$g</name>
  <uuid>00090009-0000-4000-8000-000000000$number</uuid>
  <metadata>
    <virt-relay:guest xmlns:virt-relay="urn:virt-relay:guest:1">
      $told
    </virt-relay:guest>
  </metadata>
  <memory unit='MiB'>$memory</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>$LAB_DIR/kernel/boot/vmlinuz-$KERNEL</kernel>
    <initrd>$LAB_DIR/guest.img</initrd>
    <cmdline>console=ttyS0 quiet panic=-1 mitigations=off nokaslr lab.ip4=$ip4 lab.gw4=10.9.$n.1 lab.ip6=$ip6 lab.gw6=fd00:9:$n::1 lab.more=$more lab.dhcp=$dhcp</cmdline>
  </os>
  <features><acpi/></features>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <controller type='usb' model='none'/>
    $nics
    $channel
    <serial type='file'><source path='$LAB_RUN/guests/$g/console' append='on'/></serial>
    <memballoon model='none'/>
  </devices>
  $(qemu_arguments "${arguments[@]}")
</domain>
X
}

# runs GUEST HOST: it runs there, and is not just arriving or leaving
runs() { [ -e "$(root_of "$2")/run/libvirt/qemu/$1.pid" ] && [ "$(virsh_on "$2" domstate "$1" 2> /dev/null)" = running ]; }

# guest_answers GUEST HOST: the guest runs on the host that it belongs to, and answers there
guest_answers() {
  runs "$1" "$2" && on "$2" "$LAB_BIN/meter" ask --to "$(addr6 "$1")" --wait 20 > /dev/null 2>&1 || return
  [[ "$(cat "$LAB_RUN/guests/$1/options")" == *--only6* || "$(cat "$LAB_RUN/guests/$1/options")" == *--network* ]] || on "$2" "$LAB_BIN/meter" ask --to "$(addr "$1")" --wait 20 > /dev/null 2>&1
}

# boot GUEST HOST [--cold] [OPTION...]: the guest runs on HOST, belongs to its guest network, and answers. A guest that already is there is taken as
# it is. In the VM, where booting takes minutes, its state after a boot outside is restored; --cold: it boots nevertheless.
# --addresses 6: three of each family; --only6: IPv6 alone; --unannounced: its XML names no address; --nics 2: a second NIC with addresses of
# its own; --network N: its NIC is on that libvirt network, its IPv4 address comes by DHCP; --agent: libvirt can ask it for its addresses
boot() {
  local g=$1 h=$2 dir=$LAB_RUN/guests/$1 saved
  if [ "${3:-}" != --cold ] && [ "$(cat "$dir/options" 2> /dev/null)" = "${*:3}" ] && [ "$(cat "$dir/home" 2> /dev/null)" = "$h" ] && guest_answers "$g" "$h"; then
    return
  fi
  gone "$g"
  mkdir -p "$dir"
  echo "$h" > "$dir/home"
  echo "${*:3}" > "$dir/options"
  guest_xml "$@" > "$dir/domain.xml"
  virsh_on "$h" define "$dir/domain.xml" > /dev/null
  saved=$(saved_guest "$g" "$h")
  if [[ "${*:3}" =~ ^(--unannounced)?$ ]] && [ -n "${LAB_IN_VM:-}" ] && [ -e "$saved" ]; then
    : > "$dir/console"
    virsh_on "$h" restore "$saved" --running ${3:+--xml "$dir/domain.xml"} > /dev/null # which addresses its XML names is no part of the state
  else
    virsh_on "$h" start "$g" > /dev/null
    wait_for 400 grep -q listening "$dir/console" || die "guest $g on $h does not start; its console: $(tail -3 "$dir/console")"
  fi
  wait_for 400 guest_answers "$g" "$h" || die "guest $g on $h does not answer; its console: $(tail -3 "$dir/console")"
}

# Where a guest's state after its boot is kept, for the VM; it is that of the host's QEMU
saved_guest() { echo "$LAB_DIR/guests/$1-$2$(release_of "$2")-icount-${LAB_ICOUNT:-yes}.save"; }

# gone GUEST: destroyed and undefined wherever it is
gone() {
  local h
  for h in $(hosts); do
    virsh_on "$h" destroy "$1" > /dev/null 2>&1 || true
    virsh_on "$h" undefine "$1" > /dev/null 2>&1 || true
  done
  rm -rf "$LAB_RUN/guests/$1"
}

# where GUEST: prints the host that it runs on; fails when it runs on none
where() {
  local h
  for h in $(hosts); do
    if runs "$1" "$h"; then
      echo "$h"
      return
    fi
  done
  return 1
}

# migrate GUEST FROM TO [VIRSH-OPTION...]: virsh migrate --live (not live with --cold); virsh's output and exit status
migrate() {
  local g=$1 from=$2 to=$3 live=--live options=() status=0
  shift 3
  for option in "$@"; do
    if [ "$option" = --cold ]; then live=''; else options+=("$option"); fi
  done
  mark "migrate $g $from $to $*"
  virsh_on "$from" migrate $live "${options[@]}" "$g" "qemu+tcp://$to/system" || status=$?
  mark "migrate $g $from $to ended with $status"
  return $status
}

# migrate_start GUEST FROM TO [VIRSH-OPTION...]: the same in the background, slowly enough to do something meanwhile
# migrate_end: waits for it and returns its exit status
migrate_start() {
  migrate "$@" --bandwidth 2 > "$LAB_RUN/migrate.out" 2>&1 &
  MIGRATION=$!
}
migrate_end() { wait "$MIGRATION"; }

# migrating GUEST HOST: is memory being copied?
migrating() { virsh_on "$2" domjobinfo "$1" 2> /dev/null | grep -q 'Data processed'; }
postcopying() { virsh_on "$2" domstate --reason "$1" | grep -q post-copy; } # postcopying GUEST HOST: it runs elsewhere, its memory is still here
state_is() { [ "$(virsh_on "$2" domstate "$1")" = "$3" ]; }             # state_is GUEST HOST STATE
abort() { virsh_on "$2" domjobabort "$1"; }                             # abort GUEST HOST
kill_qemu() { on "$2" kill "-${3:-KILL}" "$(< "$(root_of "$2")/run/libvirt/qemu/$1.pid")"; } # kill_qemu GUEST HOST [SIGNAL]

# in_guest GUEST COMMAND: runs it with the guest's shell; asked from the host that the guest runs on
in_guest() { on "$(where "$1")" "$LAB_BIN/meter" ask --to "$(addr6 "$1")" --wait 20 "$2"; }

# guest_events [GUEST]: what libvirtd and QEMU told on all hosts, in order
guest_events() { sort -n "$LAB_RUN"/h*/log/events.out | grep -E "^[^ ]+ [^ ]+ ${1:-[^ ]+} "; }
# resets GUEST: how often it was reset. One that is emulated sometimes comes out of a migration with damaged memory, whatever its network does (guest_xml
# says why, and avoids what is known of it): its kernel panics, and starts anew.
resets() { { guest_events "$1" || true; } | awk '$4 == "qemu" && $5 == "RESET" {n++} END {print n + 0}'; }

# qemu_pause_ms GUEST: from the last STOP to the RESUME after it
qemu_pause_ms() {
  guest_events "$1" | awk '$4 == "qemu" && $5 == "STOP" {stop = $1; resume = ""} $4 == "qemu" && $5 == "RESUME" && !resume {resume = $1}
    END {if (stop && resume) printf "%.1f\n", (resume - stop) * 1000; else print "null"}'
}
