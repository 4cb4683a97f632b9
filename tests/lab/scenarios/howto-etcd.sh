# Three hosts move their log to an etcd cluster by following docs/howto-etcd.md to the letter, with traffic to a guest all the while, and it migrates
[ "$LAB_FORM" = packages ] || skip "needs hosts with systemd: run --packages"
. "$LAB_SRC/lib/howto.sh"
howto_prepare
installed() { on "$1" systemctl --quiet enable --now etcd; } # as Debian leaves it when it is installed: a cluster of one, on each host
uninstalled() { on "$1" bash -c 'systemctl --quiet disable --now etcd; rm -rf /etc/systemd/system/etcd.service.d /var/lib/etcd/* /etc/etcd /etc/virt-relay{,.conf.old} ~/virt-relay-etcd'; }
first_word() { on h1 virt-relay log d --json | jq -c '.[0] | [.writer, .seq, .state]'; }

# asks H PORT CERTIFICATE REQUEST...: what a member's port on H answers to h1 with that certificate of etcd's CA
asks() {
  printf '%s\r\n' "${@:4}" | on h1 bash -c 'timeout 20 openssl s_client -quiet -connect "$1" -CAfile /etc/etcd/etcd-ca.pem \
    -cert "$2.pem" -key "$2.key" 2>&1' - "$(addr "$1"):$2" "$3" || true
}
members() { asks h2 2380 "$1" 'GET /members HTTP/1.0' ''; }
# puts H CERTIFICATE: a record of h2's by the gateway of H's member, without a password, and without a header for which etcd would forget the member's name
puts() {
  local body='{"key": "L3ZpcnQtcmVsYXkvbm93L2gyL2hvc3Q=", "value": "Zm9yZ2Vk"}'
  asks "$1" 2379 "$2" 'POST /v3/kv/put HTTP/1.0' "Content-Length: ${#body}" '' "$body"
}

boot d h1
expect_soon "T1 is up" tunnel_up h2 h1
each installed
before=$(first_word)
traffic s d 10
howto howto-etcd.md
for h in h1 h2 h3; do expect_soon "$h knows that d is on h3" owner_is $h d h3; done
expect_ok "what was said of d before is in the new log, too" test "$(first_word)" = "$before"
sleep 2
traffic_stop
expect lost -eq 0
expect relayed -gt 0
expect cleartext -eq 0

# What the page says of certificates
expect_ok "a member of h1's is let in at the members' port" eval 'members /etc/etcd/member-h1 | grep -q peerURLs'
expect_fail "h1 as a client is not" eval 'members /etc/virt-relay/etcd-h1 | grep -q peerURLs'
for h in h1 h2; do
  expect_ok "a client without a password, and $h's member, are no user" eval 'puts $h /etc/virt-relay/etcd-h1 | grep -q "permission denied"'
done

each uninstalled
gone d
