# SPDX-License-Identifier: GPL-2.0-or-later
# What the lab needs before it can start: the programs, virt-relay as a user would install it, a kernel, the initrds.

# build_programs with|without|packages esp|plain: with installs virt-relay into $LAB_DIR/root, the others build the lab's own programs only; plain
# also wants the daemon for plain interfaces
build_programs() {
  local log=$LAB_DIR/build.log
  mkdir -p "$LAB_DIR"
  [ -e "$LAB_BUILD/build.ninja" ] || meson setup "$LAB_BUILD" "$VR_SRC" > "$log" || { tail -20 "$log"; die "meson setup $LAB_BUILD failed"; }
  local targets=(tests/lab/{lab-init,meter,capture,events} tests/netns/test-xfrm) # the last for scenario kernel-xfrm
  ninja -C "$LAB_BUILD" build.ninja > "$log" || { tail -20 "$log"; die "meson cannot configure $LAB_BUILD"; }
  if [ "$1" = with ]; then # and all that is installed; the other tests are not the lab's to build
    readarray -t -O ${#targets[@]} targets < <(meson introspect "$LAB_BUILD" --targets |
      jq -r --arg build "$LAB_BUILD/" '.[] | select(.installed) | .filename[] | ltrimstr($build)')
  fi
  [ "$2" != plain ] || targets+=(tests/lab/virt-relayd-plain)
  ninja -C "$LAB_BUILD" "${targets[@]}" > "$log" || { tail -40 "$log"; die "build failed"; }
  [ "$1" = with ] || return 0
  rm -rf "$LAB_DIR/root"
  DESTDIR=$LAB_DIR/root meson install -C "$LAB_BUILD" --no-rebuild --quiet >> "$log" || die "meson install failed, see $log"
}

# build_packages yes|no [RELEASE]: the Debian packages, anew if a file of the tree is newer; one more with a higher version, to upgrade to; and what
# build_units says. With a release they are built in the tree of it, for the hosts that run it.
build_packages() {
  local package build=$VR_BUILD unpacked=$LAB_DIR/package packages=$LAB_DIR/packages${2:+-$2}
  local builder=("$VR_SRC/packaging/build-deb")
  [ -z "${2:-}" ] || build=$LAB_DIR/debian-$2/build builder=("$LAB_SRC/tree" "$2" packaging/build-deb)
  package=$(ls "$build"/deb/virt-relay_*.deb 2> /dev/null)
  if [ -z "$package" ] || { [ "$1" = yes ] && [ -n "$(find "$VR_SRC" -path "$VR_BUILD" -prune -o -path "$VR_SRC/tests" -prune -o -type f -not -path '*/.git/*' \
    -newer "$package" -print -quit)" ]; }; then
    echo "lab: building the packages${2:+ of Debian $2}"
    "${builder[@]}" > "$LAB_DIR/build-deb.log" 2>&1 || { tail -20 "$LAB_DIR/build-deb.log"; die "packaging/build-deb failed"; }
    package=$(ls "$build"/deb/virt-relay_*.deb)
  fi
  mkdir -p "$packages"
  rm -rf "$unpacked"
  cp "$package" "$packages/virt-relay.deb"
  dpkg-deb -R "$package" "$unpacked"
  sed -i 's/^Version: .*/&+next/' "$unpacked/DEBIAN/control"
  dpkg-deb -b "$unpacked" "$packages/virt-relay-next.deb" > /dev/null
  build_units "${2:-}"
}

# What belongs to a host, and whose packages' scripts would change this machine, is unpacked where hosts find it: libvirtd's units, Debian's
# AppArmor profile of it, and the program that loads profiles; for hosts of this machine's release NFS, too (lib/nfs.sh).
build_units() { # [RELEASE]
  local dir=$LAB_DIR/units${1:+-$1} unpacked place=() packages=(libvirt-daemon-system apparmor)
  [ -n "$1" ] || packages+=(nfs-kernel-server nfs-common libnfsidmap1 libwrap0)
  [ ! "$dir/complete" -nt "$LAB_SRC/lib/build.sh" ] || return 0
  rm -rf "$dir"
  unpacked=$dir/unpacked
  [ -z "$1" ] || place=("$LAB_SRC/tree" "$1") unpacked=$LAB_DIR/debian-$1/build/unpacked
  rm -rf "$unpacked"
  mkdir -p "$unpacked" "$dir"/usr/{lib/systemd/system,sbin} "$dir/etc/apparmor.d"
  "${place[@]}" bash -ec 'cd "$1"
    shift
    apt-get download -qq -o APT::Sandbox::User=root -o Acquire::Retries=3 "$@"
    for package in *.deb; do dpkg -x "$package" .; done' - "${unpacked#"$LAB_DIR/debian-${1:-none}"}" "${packages[@]}" ||
    die "cannot download ${packages[*]}: is the network there, and Debian's own archive (main) in apt's sources?"
  cp -r "$unpacked"/{,usr/}lib/systemd/system/*virt* "$dir/usr/lib/systemd/system/" 2> /dev/null || [ -e "$dir/usr/lib/systemd/system/libvirtd.service" ]
  cp "$unpacked"/{,usr/}sbin/apparmor_parser "$dir/usr/sbin/" 2> /dev/null || [ -e "$dir/usr/sbin/apparmor_parser" ] || die "no apparmor_parser in Debian's apparmor"
  cp -r "$unpacked/etc/apparmor.d/." "$dir/etc/apparmor.d/"
  touch "$dir/etc/apparmor.d/local/usr.sbin.libvirtd" # as its package does
  if [ -z "$1" ]; then
    cp "$unpacked"/{usr/sbin/{exportfs,rpc.mountd,rpc.nfsd},sbin/mount.nfs{,4}} "$dir/usr/sbin/"
    mkdir "$dir/usr/lib/x86_64-linux-gnu"
    cp -a "$unpacked"/{,usr/}lib/x86_64-linux-gnu/lib{nfsidmap,wrap}.so* "$dir/usr/lib/x86_64-linux-gnu/" 2> /dev/null || [ -e "$dir/usr/lib/x86_64-linux-gnu/libwrap.so.0" ]
  fi
  rm -r "$unpacked"
  touch "$dir/complete"
}

# download_kernel FOLDER: Debian's cloud kernel, unpacked there
download_kernel() {
  local package
  package=$(apt-cache depends linux-image-cloud-amd64 2> /dev/null | awk '/Depends: linux-image/ {print $2; exit}')
  [ -n "$package" ] || return 1
  echo "lab: downloading $package and unpacking it into $1 (it is not installed)"
  rm -rf "$1"
  mkdir -p "$1"
  (cd "$1" && apt-get download -qq -o APT::Sandbox::User=root -o Acquire::Retries=3 "$package" &&
    dpkg -x "$package"_*.deb . && rm "$package"_*.deb)
}

# The kernel of the VM and of the guests, never installed; sets KERNEL (its version).
build_kernel() {
  local dir=$LAB_DIR/kernel
  if ! ls "$dir"/boot/vmlinuz-* > /dev/null 2>&1; then
    # apt's lists may be missing, or so old that they name a kernel that the archive has replaced
    download_kernel "$dir" || { apt-get update -qq && download_kernel "$dir"; } ||
      die "cannot download linux-image-cloud-amd64: is the network there, and Debian's own archive (main) in apt's sources?"
  fi
  KERNEL=$(basename "$dir"/boot/vmlinuz-*)
  KERNEL=${KERNEL#vmlinuz-}
  if [ -d "$dir/usr/lib/modules" ] && [ ! -e "$dir/lib" ]; then
    ln -s usr/lib "$dir/lib"
  fi
  [ -e "$dir/lib/modules/$KERNEL/modules.dep.bin" ] || depmod -b "$dir" "$KERNEL"
}

# initrd_make NAME INIT MODULE...: $LAB_DIR/NAME.img with busybox, the modules with what they need, and the files in $extra
initrd_make() {
  local image=$LAB_DIR/$1.img init=$2 root n=0 file
  shift 2
  [ "$image" -nt "$init" ] && [ "$image" -nt "$LAB_BIN/meter" ] && [ "$image" -nt "$LAB_SRC/lib/build.sh" ] && return
  root=$(mktemp -d "$LAB_DIR/initrd.XXXXXX")
  mkdir -p "$root"/{bin,modules,proc,sys,dev,ro,rw,root}
  cp "$(command -v busybox)" "$root/bin/busybox"
  ln -s busybox "$root/bin/sh"
  cp "$init" "$root/init"
  cp "$LAB_BIN/meter" "$root/meter"
  chmod +x "$root/init"
  modprobe -S "$KERNEL" -d "$LAB_DIR/kernel" --show-depends -a "$@" | awk '$1 == "insmod" && !seen[$2]++ {print $2}' > "$root/list"
  while read -r file; do
    printf -v number %02d $((n += 1))
    case $file in
      *.xz) xz -dc "$file" > "$root/modules/$number-$(basename "$file" .xz)" ;;
      *) cp "$file" "$root/modules/$number-$(basename "$file")" ;;
    esac
  done < "$root/list"
  rm "$root/list"
  (cd "$root" && find . | cpio -o -H newc --quiet) > "$image.new" && mv "$image.new" "$image"
  rm -r "$root"
}

build_guest() { initrd_make guest "$LAB_SRC/guest-init" virtio_pci virtio_net virtio_console evdev button; }
build_vm() { initrd_make vm "$LAB_SRC/vm-init" virtio_pci virtiofs overlay virtio_rng; }

# build_saved_guests FILE...: boots outside the VM, once, the guests that the scenarios boot, and keeps their state
build_saved_guests() {
  local pair missing=()
  # The state holds the rate of this machine's clock: another machine, or another boot, makes its own.
  cmp -s /proc/sys/kernel/random/boot_id "$LAB_DIR/boot-id" || rm -rf "$LAB_DIR/guests"
  cat /proc/sys/kernel/random/boot_id > "$LAB_DIR/boot-id"
  mkdir -p "$LAB_DIR/guests"
  for pair in $(sed -nE 's/^ *boot +([d-m]) +(h[0-9])( +--unannounced)? *$/\1:\2/p' "$@" | sort -u); do
    [ "$(saved_guest "${pair%:*}" "${pair#*:}")" -nt "$LAB_DIR/guest.img" ] && [ "$(saved_guest "${pair%:*}" "${pair#*:}")" -nt "$LAB_SRC/lib/guests.sh" ] || missing+=("$pair")
  done
  [ ${#missing[@]} = 0 ] || LAB_KEEP='' LAB_SAVE="${missing[*]}" in_namespaces "$LAB_SRC/main" plain without "$LAB_SRC/lib/save-guests.sh" > "$LAB_DIR/guests/log" ||
    echo "lab: the guests cannot boot outside the VM, see $LAB_DIR/guests/log; they boot inside, slowly"
}
