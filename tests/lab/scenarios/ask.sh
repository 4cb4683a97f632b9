# What people ask: explain, log --follow, and flush, which leaves nothing and is undone by a start
boot d h1
expect_soon "T1 is up" tunnel_up h2 h1
on h1 bash -c 'echo $$ > /run/follower; exec virt-relay log d -n 1 --follow' > "$RESULT/followed" &
migrate d h1 h3
expect_owner d h3
expect_soon "log --follow has it" grep -qE ' d +[0-9]+ +running +h3 ' "$RESULT/followed"
on h1 bash -c 'kill $(cat /run/follower)'

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

migrate d h3 h1
expect_owner d h1
expect_soon "s reaches d at home" reaches s d
expect_soon "h3 relays nothing any more" not tunnel_up h3 h1
remember h1
expect_ok "flush" on h1 virt-relay flush --yes
left() { on h1 bash -c 'nft list tables; ip -o link | grep " vr-"; ip route show table all proto 118; ip rule | grep 118; true' | grep -E 'virt-relay$|vr-|proto 118'; }
expect_soon "virt-relayd ended" eval '! on h1 virt-relay guests > /dev/null 2>&1'
expect_fail "nothing of virt-relay's is left" left
expect_ok "flush without a daemon has nothing to do" on h1 virt-relay flush --yes
start_relay h1
expect_as_remembered h1
expect_soon "s reaches d again" reaches s d
