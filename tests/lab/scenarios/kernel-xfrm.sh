# The network namespace tests that need XFRM interfaces and ESP, on the lab's kernel: where the machine's own has none, they run nowhere else
# lab: without
xfrm_tests() {
  "$LAB_BUILD/tests/netns/test-xfrm" > "$RESULT/xfrm.tap" 2>&1 && not grep -q '# SKIP' "$RESULT/xfrm.tap" && grep -q '^ok 1 ' "$RESULT/xfrm.tap"
}
expect_ok "tests/netns/test-xfrm.c passes, and skips nothing" xfrm_tests
