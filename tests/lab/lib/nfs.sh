# SPDX-License-Identifier: GPL-2.0-or-later
# The machine "server" of docs/howto-nfs.md, 192.0.2.10: the kernel's own NFS server, with a disk at /srv, in a network and a mount namespace. With
# --packages in the VM only: this machine's kernel is not the lab's to serve files with.

nfs_works() { [ -n "${LAB_IN_VM:-}" ] && [ "$LAB_FORM" = packages ] && grep -qw nfsd /proc/filesystems; }

nfs_up() {
  local dir=$LAB_RUN/server part
  mkdir -p "$dir"
  ip netns add server
  ip link add u10 netns underlay type veth peer name eth0 netns server
  ip -n underlay link set u10 master sw up
  ip -n server -batch - <<< $'link set lo up\nlink set eth0 up\naddress add 192.0.2.10/24 dev eth0'
  nsenter --net=/run/netns/server unshare --mount --propagation private "$LAB_BIN/lab-init" < /dev/null > /dev/null 2>&1 &
  echo $! > "$dir/pid"
  wait_for 10 on server sh -c '[ "$(readlink /proc/self/ns/mnt)" != '"'$(readlink /proc/self/ns/mnt)'"' ]' || die "the NFS server's namespaces are not there"
  truncate -s 16M "$dir/disk"
  mke2fs -q -t ext4 -O ^has_journal "$dir/disk"
  for part in usr etc var/lib; do
    mkdir -p "$dir/upper/$part" "$dir/work/$part" "$LAB_DIR/units/$part"
    on server mount -t overlay -o "lowerdir=$LAB_DIR/units/$part:/$part,upperdir=$dir/upper/$part,workdir=$dir/work/$part" overlay "/$part"
  done
  # "/" of this namespace cannot be exported, and NFSv4 wants a root above all exports: the disk's is that, and its folder srv is at /srv
  mkdir "$dir/root"
  on server bash -ec 'mkdir -p /srv /var/lib/nfs/v4recovery
    mount -o loop "$1" "$2"
    mkdir "$2/srv"
    mount --bind "$2/srv" /srv
    touch /var/lib/nfs/etab /var/lib/nfs/rmtab
    : > /etc/exports
    printf "[exports]\nrootdir=%s\n" "$2" > /etc/nfs.conf
    mount -t nfsd nfsd /proc/fs/nfsd
    rpc.mountd -N 3
    rpc.nfsd -N 3 -G 10 -L 10 4' - "$dir/disk" "$dir/root" # after a start clients wait for the grace time, 10 s in place of 90
}

# nfs_stop: the server is away, as if its cable were pulled. nfs_start: it is back
nfs_stop() { ip -n server link set eth0 down; }
nfs_start() { ip -n server link set eth0 up; }

nfs_end() { # whether it is up or not
  [ -e "$LAB_RUN/server/pid" ] || return 0
  local h
  for h in $(hosts); do
    on "$h" bash -c 'while [ "$(stat -f -c %T /var/lib/virt-relay/log)" = nfs ]; do umount -f -l /var/lib/virt-relay/log; done
      sed -i /virt-relay/d /etc/fstab'
  done
  on server bash -c 'rpc.nfsd 0; kill $(pidof rpc.mountd); umount -l /srv "$1"' - "$LAB_RUN/server/root"
  kill -KILL "$(cat "$LAB_RUN/server/pid")"
  ip netns delete server
  rm -r "$LAB_RUN/server"
}
