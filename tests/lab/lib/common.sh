# SPDX-License-Identifier: GPL-2.0-or-later
# Names and small tools that every part of the lab uses. Sourced, never run.
#
#   LAB_SRC    tests/lab
#   VR_SRC     the source tree
#   VR_BUILD   the build folder
#   LAB_DIR    everything that is kept between runs, by default $VR_BUILD/lab; with another one a second lab can run beside the first
#   LAB_BUILD  Meson's build folder
#   LAB_BIN    the lab's own programs
#   LAB_RUN    what a running lab keeps: on a tmpfs that ends with the lab

LAB_SRC=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VR_SRC=$(cd "$LAB_SRC/../.." && pwd)
VR_BUILD=${VR_BUILD:-$VR_SRC/build}
[[ $VR_BUILD == /* ]] || VR_BUILD=$PWD/$VR_BUILD
LAB_DIR=${LAB_DIR:-$VR_BUILD/lab}
LAB_BUILD=$VR_BUILD/plain
LAB_BIN=$LAB_BUILD/tests/lab
LAB_RUN=/run/lab
LAB_RESULTS=$LAB_DIR/results
export VR_BUILD PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

die() { echo "lab: $*" >&2; exit 1; }

# nap SECONDS: sleeps without a process of its own, because a fork is dear in the VM
exec {NAP}<> <(:)
nap() { read -rt "$1" -u "$NAP" || true; }

# wait_for SECONDS COMMAND...: runs COMMAND until it succeeds; fails when the time is over
wait_for() {
  local end=$((SECONDS + $1))
  shift
  until "$@" > /dev/null 2>&1; do
    ((SECONDS < end)) || return 1
    nap 0.1
  done
}

# release_of HOST: the Debian release whose files it has, by LAB_RELEASES ("13", "h3=13", the last word counts); nothing: this machine's
release_of() {
  local word release=''
  for word in ${LAB_RELEASES:-}; do
    case $word in
      "$1"=*) release=${word#*=} ;;
      h[0-9]=*) ;;
      *) release=$word ;;
    esac
  done
  echo "$release"
}
