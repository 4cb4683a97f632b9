#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# test-completion.sh COMPLETION VIRT-RELAY: what bash offers, with a virt-relay of this test's own behind it. TAP.
set -u
. "$1"
real=$2 n=0 failed=0

virt-relay() { # what the completion asks
  case $* in
    'guests --names') printf '%s\n' d 'data base' e ;;
    'hosts --names') printf '%s\n' h1 h2 hub ;;
    *) return 1 ;;
  esac
}

offers() { # TITLE EXPECTED WORD...: the last word is the one that is being typed
  local title=$1 expected=$2 got
  shift 2
  COMP_WORDS=(virt-relay "$@") COMP_CWORD=$#
  COMPREPLY=()
  _virt_relay
  got="${COMPREPLY[*]}"
  n=$((n + 1))
  if [ "$got" = "$expected" ]; then
    echo "ok $n - $title"
  else
    echo "not ok $n - $title"
    echo "# offered: $got"
    echo "# expected: $expected"
    failed=1
  fi
}

offers 'commands' 'explain' ex
offers 'guests of explain' 'd data\ base e' explain ''
offers 'guests that begin so' 'd data\ base' explain d
offers 'hosts after --from' 'h1 h2 hub' explain d --from ''
offers 'hosts that begin so' 'hub' explain --from hu
offers 'guests of log, and what it does' 'e export' log e
offers 'a file to import' "$1" log import "$1"
offers 'nothing for a number' '' log -n ''
offers 'options of log' '--newest' log --n
offers 'options of flush' '--yes' flush --y
offers 'nothing for a command without operands' '' status ''

# It knows every command that there is, with all options.
known=$(COMP_WORDS=(virt-relay '') COMP_CWORD=1; _virt_relay; printf '%s\n' "${COMPREPLY[@]}" | grep -v '^--' | sort)
offers_all=$("$real" --help | sed -nE 's/^  ([a-z]+) .*/\1/p' | sort)
n=$((n + 1))
if [ "$known" = "$offers_all" ]; then echo "ok $n - every command"; else echo "not ok $n - every command"; printf '# has %s\n# is %s\n' "${known//$'\n'/ }" "${offers_all//$'\n'/ }"; failed=1; fi
for command in $offers_all; do
  COMP_WORDS=(virt-relay "$command" --) COMP_CWORD=2
  _virt_relay
  known=$(printf '%s\n' "${COMPREPLY[@]}" | sort)
  real_options=$("$real" "$command" --help | grep -oE -- '--[a-z-]+' | sort -u)
  n=$((n + 1))
  if [ "$known" = "$real_options" ]; then echo "ok $n - options of $command"; else echo "not ok $n - options of $command"; printf '# has %s\n# is %s\n' "${known//$'\n'/ }" "${real_options//$'\n'/ }"; failed=1; fi
done
echo "1..$n"
exit $failed
