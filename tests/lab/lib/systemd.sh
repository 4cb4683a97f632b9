# SPDX-License-Identifier: GPL-2.0-or-later
# The form --packages: hosts whose first process is systemd, with Debian's own units of D-Bus, strongSwan and libvirt, and virt-relay
# as dpkg installs it, maintainer scripts included.

# systemd_prepare esp|plain: in host-init, before systemd starts. Only what a scenario needs is enabled, whatever this machine has.
systemd_prepare() {
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
  rm -rf /etc/systemd/system/* /etc/tmpfiles.d/*
  touch /etc/tmpfiles.d/tmp.conf /etc/tmpfiles.d/x11.conf # /tmp is everybody's here and stays as it is
  rm -f /var/lib/man-db/auto-update                      # minutes in the VM, for nothing
  rm -f /usr/sbin/policy-rc.d                            # a container image's: packages could neither stop nor restart a unit
  local unit
  [ -n "${LAB_IN_VM:-}" ] || keep_off_this_machine
  [ "$1" != plain ] || plain_unit
  # What belongs to the machine and not to this host, and libvirtd's sockets: it is asked over TCP, which it does not take from systemd.
  for unit in systemd-{udevd,udev-trigger,logind,networkd,resolved,timesyncd,remount-fs,firstboot,random-seed,hwdb-update}.service \
    dev-{hugepages,mqueue}.mount sys-kernel-{debug,tracing,config}.mount proc-sys-fs-binfmt_misc.automount getty.target \
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer man-db.timer logrotate.timer \
    libvirtd{,-ro,-admin,-tcp,-tls}.socket libvirt-guests.service ssh.service cron.service; do
    ln -s /dev/null "/etc/systemd/system/$unit"
  done
  mkdir -p /etc/systemd/journald.conf.d /etc/default
  printf '[Journal]\nStorage=volatile\nReadKMsg=no\n' > /etc/systemd/journald.conf.d/lab.conf
  echo 'LIBVIRTD_ARGS="--listen"' > /etc/default/libvirtd
  grep -q ^libvirt: /etc/group || echo 'libvirt:x:64057:' >> /etc/group
  systemctl --root=/ --quiet enable libvirtd.service
  [ "$1" = plain ] || systemctl --root=/ --quiet enable strongswan.service
}

# Outside the VM nothing of this machine's is within a host's reach: not its devices, not its sysctls but those of the host's own network.
keep_off_this_machine() {
  own_devices
  mount -n --bind /proc/sys /proc/sys
  mount -n --bind /proc/sys/net /proc/sys/net
  mount -n -o remount,bind,ro /proc/sys
  ln -s /dev/null /etc/systemd/system/systemd-sysctl.service
}

own_devices() {
  local node
  mkdir /run/lab-dev
  mount -t tmpfs -o mode=755 tmpfs /run/lab-dev
  mkdir /run/lab-dev/{net,pts,shm}
  for node in null zero full random urandom tty ptmx net/tun kvm vhost-net; do
    [ ! -c "/dev/$node" ] || cp -a "/dev/$node" "/run/lab-dev/$node"
  done
  ln -s /proc/self/fd /run/lab-dev/fd
  mount -n --bind /dev/pts /run/lab-dev/pts
  mount -n --move /run/lab-dev /dev
  mount -t tmpfs shm /dev/shm
  rmdir /run/lab-dev
}

# plain_unit: where the kernel has no IPsec the unit is as it is installed, but its program is another, which may be in /tmp
plain_unit() {
  mkdir -p /etc/systemd/system/virt-relayd.service.d
  cat > /etc/systemd/system/virt-relayd.service.d/plain.conf << X
[Service]
ExecStart=
ExecStart=$LAB_BIN/virt-relayd-plain
Environment=LAB_PLAIN=$LAB_RUN/plain
ReadWritePaths=$LAB_RUN/plain
$([[ $LAB_BIN != /tmp/* ]] || echo PrivateTmp=no)
X
}

# systemd_wait H: until the host is up, as systemd sees it
systemd_wait() {
  wait_for 120 on "$1" systemctl is-system-running --wait || [ "$(on "$1" systemctl is-system-running)" = degraded ] ||
    die "systemd on $1 is not up: $(on "$1" systemctl list-jobs 2>&1 | head -20)"
}

packages_of() { local release; release=$(release_of "$1"); echo "$LAB_DIR/packages${release:+-$release}"; }

# package_install H [next], package_is_installed H: by dpkg, as apt does it once everything is downloaded
package_install() {
  on "$1" env DEBIAN_FRONTEND=noninteractive dpkg -i "$(packages_of "$1")/virt-relay${2:+-$2}.deb" > "$LAB_RUN/$1/log/dpkg.log" 2>&1 < /dev/null ||
    die "dpkg on $1: $(tail -5 "$LAB_RUN/$1/log/dpkg.log")"
}
package_is_known() { on "$1" dpkg-query -W virt-relay > /dev/null 2>&1; } # or removed, with its configuration left
package_is_installed() { [ "$(on "$1" dpkg-query -W -f '${db:Status-Status}' virt-relay 2> /dev/null)" = installed ]; }
package_drop() { # H remove|purge
  on "$1" dpkg "--$2" virt-relay > "$LAB_RUN/$1/log/dpkg.log" 2>&1 < /dev/null || die "dpkg on $1: $(tail -5 "$LAB_RUN/$1/log/dpkg.log")"
}

# unit_says H PROPERTY [UNIT]: one property of a unit
unit_says() { on "$1" systemctl show --value -p "$2" "${3:-virt-relayd}"; }
unit_is() { [ "$(unit_says "$1" "$2")" = "$3" ]; }

# journal H TEXT: does virt-relayd's journal have it?
journal() { [[ "$(on "$1" journalctl -q -u virt-relayd --no-pager)" == *"$2"* ]]; }

# apparmor_on H...: libvirtd runs there under Debian's own AppArmor profile. A profile is the kernel's, so for all hosts, and in the VM only:
# this machine's kernel is not the lab's to change. apparmor_off: as before
apparmor_works() { [ -n "${LAB_IN_VM:-}" ] && [ "$(cat /sys/module/apparmor/parameters/enabled 2> /dev/null)" = Y ]; }
apparmor_parse() { # H OPTION
  on "$1" bash -c 'mountpoint -q /sys/kernel/security || mount -t securityfs securityfs /sys/kernel/security
    apparmor_parser "$1" --skip-cache /etc/apparmor.d/usr.sbin.libvirtd' - "$2"
}
apparmor_on() {
  local h
  apparmor_parse "$1" --replace
  for h in "$@"; do
    on "$h" systemctl restart libvirtd
  done
  for h in "$@"; do
    wait_libvirtd "$h"
  done
}
apparmor_off() { apparmor_parse h1 --remove; }
is_confined() { [ "$(on "$1" bash -c 'cat /proc/$(pidof libvirtd)/attr/apparmor/current')" = "libvirtd (enforce)" ]; }
