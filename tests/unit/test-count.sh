#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# test-count.sh COUNT: what tests/count makes of programs that end in every way, each run by meson test, and that it names as many as it counts as failed. TAP.
set -u
count=$(realpath "$1")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1

names=() expected=() total=(0 0 0)
program() { # NAME PROTOCOL PASSED FAILED SKIPPED SCRIPT
  local timeout=60
  [ "$1" != slow ] || timeout=1
  names+=("$1") expected+=("$3 $4 $5") total=($((total[0] + $3)) $((total[1] + $4)) $((total[2] + $5)))
  printf '#!/bin/sh\n%s\n' "$6" > "$1"
  chmod +x "$1"
  echo "test('$1', find_program('./$1'), protocol: '$2', timeout: $timeout)" >> meson.build
}

echo "project('planted')" > meson.build
program all-pass tap 2 0 0 'echo 1..2; echo ok 1 /a; echo ok 2 /b'
program leak tap 2 1 0 'echo 1..2; echo ok 1 /a; echo ok 2 /b; echo "LeakSanitizer: detected memory leaks" >&2; exit 23'
program case-fails tap 1 1 0 'echo 1..3; echo ok 1 /a; echo not ok 2 /b; echo "Bail out!"; kill -ABRT $$'
program two-fail tap 1 2 0 'echo 1..3; echo not ok 1 /a; echo ok 2 /b; echo not ok 3 /c; exit 1'
program bails-out tap 1 1 0 'echo 1..2; echo ok 1 /a; echo "Bail out! assertion failed"; kill -ABRT $$'
program crash tap 1 1 0 'echo 1..2; echo ok 1 /a; kill -SEGV $$'
program ends-early tap 1 1 0 'echo 1..2; echo ok 1 /a'
program slow tap 0 1 0 'exec sleep 60'
program one-skipped tap 1 0 1 'echo 1..2; echo ok 1 /a; echo "ok 2 /b # SKIP no root"'
program all-skipped tap 0 0 1 'echo "1..0 # SKIP no root"'
program plain exitcode 1 0 0 'exit 0'
program plain-fails exitcode 0 1 0 'exit 1'
program plain-skipped exitcode 0 0 1 'exit 77'

n=0 status=0
counted() { # TITLE LOG EXPECTED
  local got named
  { read -r got; named=$(wc -l); } < <("$count" "$2")
  n=$((n + 1))
  if [ "$got, $named" = "$3, $(cut -d ' ' -f 2 <<< "$3")" ]; then
    echo "ok $n - $1"
  else
    echo "not ok $n - $1"
    echo "# counted: $got, named as failed: $named; expected: $3"
    status=1
  fi
}

echo "1..$((${#names[@]} + 1))"
{ meson setup build && meson test -C build; } > out 2>&1
log=build/meson-logs/testlog.json
[ -e $log ] || { sed 's/^/# /' out; echo "Bail out! meson test did not run"; exit 1; }
for i in "${!names[@]}"; do
  grep -E "^.\"name\": \"([^\"]*[ /:])?${names[i]}\"" $log > one
  counted "${names[i]}" one "${expected[i]}"
done
counted 'all of them' $log "${total[*]}"
exit $status
