# Without virt-relay: the migration itself works, and nobody in another network reaches the guest any more.
# lab: without
tunnel h1 h2
boot d h1
traffic s d 100 --report 2
migrate d h1 h3
sleep 3
traffic_stop
expect_ok "the guest runs on h3" test "$(where d)" = h3
expect received -gt 50
expect lost -gt 200
expect_fail "the guest does not answer s" reaches s d 3
expect cleartext -eq 0
expect qemu_pause_ms -gt 0
