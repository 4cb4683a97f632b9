# The network namespace tests that need XFRM interfaces and ESP, on the lab's kernel: where the machine's own has none, they run nowhere else
# lab: without
xfrm_tests() {
  "$LAB_BUILD/tests/netns/test-xfrm" > "$RESULT/xfrm.tap" 2>&1 &&
    [ "$(grep -c '^ok [0-9]* /kernel/xfrm/\(make\|keep\|other-id\|id-taken\|plan\|esp\|outlet\|greeting\)$' "$RESULT/xfrm.tap")" = 8 ]
}
expect_ok "tests/netns/test-xfrm.c passes, and skips none that needs the kernel" xfrm_tests
