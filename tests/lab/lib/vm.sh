# SPDX-License-Identifier: GPL-2.0-or-later
# The emulated VM: Debian's cloud kernel over this machine's root file system (read-only, with a tmpfs over it), for machines whose
# kernel has no ESP or no XFRM interfaces. It runs one job and ends with it. The results folder is shared and writable, so that
# logs outlive the VM whatever happens to it; the job's exit status comes back in it.

VM_MODULES="veth bridge tun dummy vxlan xfrm_user xfrm_interface esp4 esp6 gcm ccm ctr cbc seqiv echainiv aesni_intel
  ghash_clmulni_intel sha256_ssse3 nf_tables nft_ct nft_fib_inet nft_chain_nat nft_masq nft_reject_inet nft_limit nft_log nft_numgen
  nft_dup_ipv4 nft_dup_netdev nft_fwd_netdev nft_xfrm nft_meta_bridge nft_reject_bridge nf_conntrack_bridge nf_conntrack_netlink sch_netem
  sch_tbf sch_htb sch_ingress cls_u32 cls_flower act_mirred af_packet_diag inet_diag udp_diag tcp_diag netlink_diag overlay fuse loop nfs nfsv4 nfsd"

vm_virtiofsd() { # SOCKET FOLDER CACHE: serves FOLDER in the background, adds to VM_PIDS
  local program
  for program in /usr/libexec/virtiofsd /usr/lib/qemu/virtiofsd ""; do
    [ -x "$program" ] && break
  done
  [ -n "$program" ] || die "no virtiofsd here: run tests/setup"
  if [ "$program" = /usr/libexec/virtiofsd ]; then
    # Folders that something is mounted on would be announced, and the kernel's overlay refuses what is announced.
    "$program" --socket-path="$1" --shared-dir="$2" --cache="$3" --sandbox=chroot --thread-pool-size=2 --no-announce-submounts
  else
    "$program" --socket-path="$1" -o source="$2" -o cache="$3" -o sandbox=chroot --thread-pool-size=2
  fi > "$1.log" 2>&1 &
  VM_PIDS+=($!)
}

# vm_run SECONDS COMMAND...: runs COMMAND in a VM, its output going to ours, and returns its exit status; 99 when the VM ended
# without one
vm_run() {
  local limit=$1 dir=$LAB_DIR/vm socket accel=tcg,thread=multi,tb-size=512
  shift
  mkdir -p "$dir" "$LAB_RESULTS/.vm"
  rm -f "$LAB_RESULTS/.vm"/* "$dir"/*.sock*
  vm_job "$@" > "$dir/job"
  VM_PIDS=()
  vm_virtiofsd "$dir/root.sock" / always
  vm_virtiofsd "$dir/results.sock" "$LAB_RESULTS" auto
  for socket in root results; do
    wait_for 10 test -S "$dir/$socket.sock" || die "virtiofsd did not start: $(cat "$dir/$socket.sock.log")"
  done
  local cpu=max
  if kvm_works; then accel=kvm cpu=host; fi
  qemu-system-x86_64 -accel "$accel" -cpu "$cpu" -m 4G -smp 2 -object memory-backend-memfd,id=mem,size=4G,share=on -numa node,memdev=mem \
    -chardev socket,id=c0,path="$dir/root.sock" -device vhost-user-fs-pci,chardev=c0,tag=root \
    -chardev socket,id=c1,path="$dir/results.sock" -device vhost-user-fs-pci,chardev=c1,tag=results \
    -device virtio-rng-pci -kernel "$LAB_DIR/kernel/boot/vmlinuz-$KERNEL" -initrd "$LAB_DIR/vm.img" -no-reboot -net none -display none \
    -monitor none -serial file:"$LAB_RESULTS/.vm/console.log" -serial stdio \
    -append "console=ttyS0 quiet panic=-1 mitigations=off nokaslr lab.init=$LAB_BIN/lab-init lab.job=$dir/job" < /dev/null &
  VM_PIDS+=($!)
  local qemu=$! ended=0
  vm_wait "$limit" "$qemu"
  wait "$qemu" || ended=$?
  vm_stop
  if [ -s "$LAB_RESULTS/.vm/status" ]; then
    return "$(cat "$LAB_RESULTS/.vm/status")"
  fi
  echo "lab: the VM ended without a status (QEMU's own: $ended); the end of its console ($LAB_RESULTS/.vm/console.log):" >&2
  tail -5 "$LAB_RESULTS/.vm/console.log" >&2
  return 99
}

vm_wait() { # SECONDS PID
  local end=$((SECONDS + $1))
  while kill -0 "$2" 2> /dev/null; do
    if ((SECONDS >= end)); then
      echo "lab: the VM was still running after $1 s and is stopped" >&2
      kill -KILL "$2"
    fi
    nap 0.2
  done
}

vm_stop() {
  local pid
  for pid in "${VM_PIDS[@]}"; do
    kill -KILL "$pid" 2> /dev/null || true
    wait "$pid" 2> /dev/null || true
  done
  VM_PIDS=()
}

# What the VM's first process runs: a script on standard output.
vm_job() {
  cat << JOB
export PATH=$PATH VR_BUILD=$VR_BUILD LAB_DIR=$LAB_DIR LAB_IN_VM=yes
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /dev/pts /dev/shm /dev/net /run/lock /lib/modules
mount -t devpts devpts /dev/pts
mount -t tmpfs shm /dev/shm
ln -sfn /proc/self/fd /dev/fd
ln -sfn $LAB_DIR/kernel/lib/modules/$KERNEL /lib/modules/$KERNEL
modprobe -a $(echo $VM_MODULES) 2> /dev/null
[ -e /dev/net/tun ] || mknod /dev/net/tun c 10 200
mount -t virtiofs results $LAB_RESULTS
ip link set lo up
hostname vm
stty -F /dev/ttyS1 raw
cd $VR_SRC
$(printf '%q ' "$@") > /dev/ttyS1 2>&1 < /dev/null
echo \$? > $LAB_RESULTS/.vm/status
sync
echo o > /proc/sysrq-trigger
sleep 10
JOB
}

# Does KVM really work here? The kernel is booted with nothing to boot into: where KVM works it ends by itself, within a second or
# two; elsewhere it hangs. The answer is kept until this machine boots again.
kvm_works() {
  local answer=$LAB_DIR/kvm-$(cat /proc/sys/kernel/random/boot_id)
  [ -w /dev/kvm ] || return 1
  if [ ! -e "$answer" ]; then
    rm -f "$LAB_DIR"/kvm-*
    timeout 8 qemu-system-x86_64 -accel kvm -cpu host -m 256 -nodefaults -display none -no-reboot \
      -kernel "$LAB_DIR/kernel/boot/vmlinuz-$KERNEL" -append "quiet panic=-1" > /dev/null 2>&1 < /dev/null &&
      echo yes > "$answer" || echo no > "$answer"
  fi
  [ "$(cat "$answer")" = yes ]
}
