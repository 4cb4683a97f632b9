# doctor names what is wrong on a host, and the command that it names mends it: one thing broken at a time
boot d h1
expect_soon "T1 is up" tunnel_up h2 h1
findings() { { on h1 virt-relay doctor --json || true; } | jq -r '.findings[] | "\(.check) \(.result): \(.finding) -> \(.cure)"'; }
finds() { findings | grep -qE "$1"; } # REGEX
# what this machine's kernel cannot do, and the charon that a native run has no use for, are no news here
healthy() { ! findings | grep -E '^[a-z_]+ failure' | grep -qvE '^(kernel|strongswan) '; }
expect_soon "nothing is wrong" healthy
findings > "$RESULT/doctor.txt"
expect_ok "both directions of T1 were tried" finds '^tunnels ok: h2: up for .*both ways'
expect_ok "d may go" on h1 bash -c '{ virt-relay doctor --json --before d h3 || true; } | jq -e ".findings | any(.finding | test(\"through the tunnel to h3\"))"'

on h1 sysctl -qw net.ipv4.ip_forward=0
expect_ok "IPv4 forwarding is off" finds '^forwarding failure: IPv4 .* -> sysctl -w net.ipv4.ip_forward=1'
expect_fail "and the exit status says so" on h1 virt-relay doctor
on h1 sysctl -qw net.ipv4.ip_forward=1

hook=$HOOKS/virt-relay
expect_ok "libvirt calls the hook" finds "^hook ok: .* calls it"
on h1 chmod 644 $hook
expect_ok "the hook is not executable" finds "^hook failure: $hook is not executable.* -> chmod 755 $hook"
on h1 chmod 755 $hook

on h1 nft 'table ip filter { chain FORWARD { type filter hook forward priority 0; policy drop; }; }'
expect_ok "a chain drops" finds '^firewall failure: chain FORWARD of table ip filter .* -> iptables -I FORWARD -i vr-'
on h1 nft delete table ip filter
on h1 nft 'table inet own { chain between { type filter hook forward priority 0; policy drop; iifname "br0" oifname "br0" accept; }; }'
cure=$(findings | sed -n 's/^firewall .* -> //p')
expect_ok "a chain may drop" finds '^firewall warning: chain between of table inet own'
on h1 bash -c "$cure"
expect_fail "its cure cures" finds '^firewall (warning|failure)'
on h1 nft delete table inet own

on h1 chmod 644 /etc/virt-relay.psk
expect_ok "the secret is open" finds '^secrets failure: .* -> chmod 600 /etc/virt-relay.psk'
on h1 chmod 600 /etc/virt-relay.psk

tunnel_down h1 h2
expect_soon "a tunnel is down" finds '^tunnels failure: h2: the tunnel is down'
tunnel_back h1 h2
expect_soon "it is up again" tunnel_up h1 h2

stop_relay h1
expect_ok "virt-relayd does not run, and that comes first" grep -q '^failure  daemon .*it does not run' <(on h1 bash -c 'virt-relay doctor; true' | head -1)
start_relay h1
expect_soon "all is well again" healthy
