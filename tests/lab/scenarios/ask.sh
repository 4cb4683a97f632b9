# What people ask: explain, log --follow, who may ask what, and flush, which leaves nothing and is undone by a start
boot d h1
expect_soon "T1 is up" tunnel_up h2 h1
on h1 virt-relay log d -n 1 --follow > "$RESULT/followed" &
follower=$!
migrate d h1 h3
expect_owner d h3
expect_soon "log --follow has it" grep -qE ' d +[0-9]+ +running +h3 ' "$RESULT/followed"
kill $follower

expect_soon "s reaches d" reaches s d
on h1 virt-relay explain d --from h2 | tee "$RESULT/explained" > /dev/null
way() { on $1 virt-relay explain d --from h2 --json | jq -r --argjson direct $2 --argjson back $3 '.ways[] | select(.direct == $direct and .back == $back)
  | [.hops[].host] + [.outcome] | join(" ")'; }
for h in h1 h2 h3; do
  [ "$(way $h false false)" = "h2 h1 h3 arrives" ] || [ "$(way $h false false)" = "h2 h3 arrives" ] && ok "$h explains the way to d" || not_ok "$h explains the way to d: $(way $h false false)"
  [ "$(way $h false true)" = "h3 h1 h2 arrives" ] || [ "$(way $h false true)" = "h3 h2 arrives" ] && ok "$h explains the way back" || not_ok "$h explains the way back: $(way $h false true)"
done
traffic s d 50
expect_soon "h2 sends straight" path_is h2 d vr-h3
traffic_stop
expect_soon "and explains it so" eval '[ "$(way h2 false false)" = "h2 h3 arrives" ]'
verified() { on h2 virt-relay explain d --json | jq -e '.ways[0].hops[0] | .verified and .tunnel == "up" and .out == "vr-h3"'; }
expect_ok "by what it holds itself" verified

# as an outsider; 65534 is in no group that may ask
as() { on h1 setpriv --reuid 65534 --regid 65534 --groups "$1" "${@:2}"; }
call() { as "$1" busctl call org.virtrelay1 /org/virtrelay1 org.virtrelay1 "${@:2}"; }
libvirt=$(on h1 getent group libvirt | cut -d: -f3)
if [ -n "$libvirt" ] && command -v busctl > /dev/null; then
  expect_ok "the group libvirt may ask for guests" call $libvirt Guests
  expect_ok "and for a path" call $libvirt Explain ss d h2
  expect_ok "and for properties" as $libvirt busctl get-property org.virtrelay1 /org/virtrelay1 org.virtrelay1 Troubles
  expect_fail "others may not" call 65534 Guests
  expect_fail "the group libvirt may not flush" call $libvirt Flush
  expect_fail "and nobody else may" call 65534 Flush
  expect_ok "nothing was flushed" on h1 nft list table inet virt-relay
else
  not_ok "busctl and the group libvirt are not here: tests/setup installs them"
fi

migrate d h3 h1
expect_owner d h1
expect_soon "s reaches d at home" reaches s d
remember h1
expect_ok "flush" on h1 virt-relay flush --yes
left() { on h1 bash -c 'nft list tables; ip -o link | grep " vr-"; ip route show table all proto 118; ip rule | grep 118; true' | grep -E 'virt-relay|vr-|proto 118'; }
expect_soon "virt-relayd ended" eval '! on h1 virt-relay guests > /dev/null 2>&1'
expect_fail "nothing of virt-relay's is left" left
expect_ok "flush without a daemon has nothing to do" on h1 virt-relay flush --yes
start_relay h1
expect_as_remembered h1
expect_soon "s reaches d again" reaches s d
