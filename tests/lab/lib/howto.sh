# SPDX-License-Identifier: GPL-2.0-or-later
# Runs a how-to of docs/ as it stands, so that it stays true: each ```sh block under a line "<!-- run: h1 h2 -->" is run on these hosts.
#
# Three things are the lab's: "n=1" becomes the host's number, as the page tells its reader to do; scp copies through a folder of the
# lab, because no sshd runs; and virsh goes over TCP for the same reason. A block "until it succeeds" may fail for a while.

# howto PAGE: an expectation for each block and host
howto() {
  local line where='' block='' wait='' inside=no
  local marker='^<!-- run: ([a-z0-9 ]+)(.*) -->$'
  while IFS= read -r line <&3; do
    if [[ $line =~ $marker ]]; then
      where=${BASH_REMATCH[1]} wait=${BASH_REMATCH[2]} block=''
    elif [ "$line" = '```sh' ]; then
      [ -n "$where" ] || die "$1: a block of commands without a line that says where to run it"
      inside=yes
    elif [ "$line" = '```' ]; then
      howto_block "$1" "$where" "$wait" "$block"
      inside=no where=''
    elif [ $inside = yes ]; then
      block+=$line$'\n'
    fi
  done 3< "$VR_SRC/docs/$1"
}

howto_block() { # PAGE HOSTS WAIT BLOCK
  local h first
  first=$(grep -m 1 -v '^n=' <<< "$4")
  for h in $2; do
    if [ -n "$3" ]; then
      expect_soon "$1, $h: $first" howto_run "$h" "$4"
    else
      expect_ok "$1, $h: $first" howto_run "$h" "$4"
    fi
  done
  howto_deliver
}

howto_run() { # HOST BLOCK
  local block=${2/#n=1$'\n'/n=${1#h}$'\n'}
  on "$1" env PATH="/run/lab/howto/bin:$PATH" bash -ec "cd; ${block//qemu+ssh:/qemu+tcp:}" < /dev/null
}

# howto_prepare: what stands for the reader's own copy of the package, and for ssh
howto_prepare() {
  local h
  mkdir -p "$LAB_RUN/howto/bin"
  cat > "$LAB_RUN/howto/bin/scp" << 'X'
#!/bin/bash
# scp [-p] FILE... root@HOST:FOLDER/
[ "$1" != -p ] || shift
target=${!#}
[[ $target =~ ^root@(h[0-9]):(/.*/)$ ]] || { echo "scp: $target is no folder on a host" >&2; exit 1; }
mkdir -p "/run/lab/howto/${BASH_REMATCH[1]}${BASH_REMATCH[2]}"
cp -p "${@:1:$#-1}" "/run/lab/howto/${BASH_REMATCH[1]}${BASH_REMATCH[2]}"
X
  chmod +x "$LAB_RUN/howto/bin/scp"
  for h in $(hosts); do
    cp "$(packages_of "$h")/virt-relay.deb" "$LAB_RUN/$h/home/virt-relay_0.1.0_amd64.deb"
    # Nothing can be downloaded here: what is installed is the newest that apt knows of, and what is only recommended stays away.
    rm -rf "$(root_of "$h")/var/lib/apt/lists"
    printf '%s\n' 'APT::Install-Recommends "false";' 'APT::Sandbox::User "root";' > "$(root_of "$h")/etc/apt/apt.conf.d/99lab"
  done
}

# howto_deliver: what scp took arrives, in folders that have to be there
howto_deliver() {
  local h folder
  for h in $(hosts); do
    [ -d "$LAB_RUN/howto/$h" ] || continue
    while IFS= read -r folder; do
      cp -p "$LAB_RUN/howto/$h$folder"/* "$(root_of "$h")$folder/" || not_ok "$h has no $folder to copy to"
    done < <(cd "$LAB_RUN/howto/$h" && find . -type f -printf '%h\n' | sort -u | sed 's,^.,,')
    rm -r "$LAB_RUN/howto/$h"
  done
}
