# Post-copy: the switch happens when d runs at h3, while its memory is still on h1; when the copy breaks then, d's traffic stays at h3
boot d h1
expect_soon "T1 is up" tunnel_up h2 h1
expect_soon "d carries a token" has_token d h1
remember h1 h3
traffic s d 50
traffic6 s d 20

migrate_start d h1 h3 --postcopy --postcopy-bandwidth 1
expect_soon "memory is being copied" migrating d h1
expect_soon "the target announced d" record_is d incoming h3
expect_ok "d belongs to h1 while it is copied" record_is d owner h1
mark "d's CPUs stop on h1, and h3's QEMU is held up: between STOP and RESUME there is all the time in the world"
kill_qemu d h3 STOP
virsh_on h1 migrate-postcopy d
expect_soon "h1 relays to h3 as soon as d's CPUs have stopped" paths_are h1 d vr-h3
expect_owner d h3
expect_ok "h1 had h3's proof" proven d h1 h3
expect_ok "and nobody says that it runs on h3 yet" record_is d state moved
kill_qemu d h3 CONT
expect_soon "h3 says that it runs there" record_is d state running
expect_soon "s reaches d" reaches s d
expect_ok "and its memory is still on its way" postcopying d h1

# When: h1 flips between STOP and what it hears of the end of the copy; h3 says that d runs there when it does, and not before. Seconds.
qemu_said() { guest_events d | awk -v what=$1 '$4 == "qemu" && $5 == what {at = $1} END {print at}'; }
flipped=$(grep "guest d: flipped at" "$LAB_RUN/h1/log/virt-relayd.out" | tail -1 | sed -E 's/.*flipped at ([0-9]+), .*/\1/' | awk '{printf "%.6f", $1 / 1e6}')
running=$(on h1 virt-relay log d --json | jq '[.[] | select(.state == "running" and .writer == "h3") | .time] | last | . / 1e6')
now=$EPOCHREALTIME
expect_in_order() { # TEXT EARLIER LATER
  if compare "$2" -le "$3"; then ok "$1 ($(awk -v a="$2" -v b="$3" 'BEGIN {printf "%.1f ms", (b - a) * 1000}') between)"; else not_ok "$1: $2, $3"; fi
}
expect_in_order "h1 flipped after d's CPUs stopped" "$(qemu_said STOP)" "$flipped"
expect_in_order "h3 said that d runs there after its CPUs ran" "$(qemu_said RESUME)" "$running"
expect_in_order "and both before the end of the copy" "$(printf '%s\n' "$flipped" "$running" | sort -n | tail -1)" "$now"

virsh_on h1 domjobabort --postcopy d
expect_fail "virsh says that the copy broke" migrate_end
expect_ok "d belongs to h3" record_is d owner h3
expect_ok "h1 still relays to h3" path_is h1 d vr-h3

expect_ok "the copy is taken up again, and ends" migrate d h1 h3 --postcopy --postcopy-resume --postcopy-bandwidth 1000
expect_ok "d belongs to h3 in the same epoch" record_is d owner h3
expect_ok "s reaches d" reaches s d 30
traffic_stop
expect duplicated -le 4 # two a queue and move
expect cleartext -eq 0

migrate d h3 h1
expect_owner d h1
expect_ok "h3 had h1's proof" proven d h3 h1
expect_ok "s reaches d at home" reaches s d 30
expect_as_remembered h1 h3
