# The Debian packages: a fresh host stays as it was, guests migrate; upgrade and removal leave traffic alone, a purge leaves nothing
# lab: without
[ "$LAB_FORM" = packages ] || skip "needs hosts with systemd: run --packages"
# charon's SAs are charon's, and lead nowhere without an interface; the table of the stand-in for tunnels is the lab's
network() { host_state "$1" | grep -vE '^src|^table netdev virt-relay-plain'; }
as_before() { network "$1" | diff "$LAB_RUN/state/before-$1" -; }

upgrade() { package_install "$1" next; }
remove() { package_drop "$1" remove; }
purge() { ! package_is_known "$1" || package_drop "$1" purge; }
remember_pid() { unit_says "$1" MainPID > "$LAB_RUN/$1/relay.pid"; }
runs_still() { on "$1" test -e "/proc/$(< "$LAB_RUN/$1/relay.pid")"; } # the process that was remembered
begin() { # HOST: as its administrator would
  relay_config "$1"
  on "$1" systemctl restart libvirtd
  wait_libvirtd "$1"
  on "$1" systemctl --quiet enable --now virt-relayd
}

each purge # of another scenario
for h in h1 h2 h3; do network $h > "$LAB_RUN/state/before-$h"; done
each package_install
for h in h1 h2 h3; do
  expect_ok "$h: the unit is installed, neither enabled nor started" test "$(unit_says $h UnitFileState) $(unit_says $h ActiveState)" = "disabled inactive"
  expect_ok "$h: the network is as it was" as_before $h
  expect_fail "$h: the configuration says nothing yet" on $h virt-relayd --check-config
done
boot d h1
expect_ok "nothing waits for a daemon that never ran" on h1 bash -c '! ls /var/lib/virt-relay/spool/*'
expect_ok "libvirtd is restarted, virt-relayd enabled and started" each begin
expect_ok "d runs on over libvirtd's restart" runs d h1
expect_soon "T1 is up" tunnel_up h2 h1

traffic s d 10
migrate d h1 h3
expect_owner d h3
traffic_stop
expect relayed -gt 0
expect cleartext -eq 0

traffic s d 10
each remember_pid
each upgrade
for h in h1 h2 h3; do
  expect_ok "$h: upgraded, and its daemon was restarted" test "$(on $h dpkg-query -W -f '${Version}' virt-relay) $(unit_says $h ActiveState)" = "0.1.0+next active"
  expect_fail "$h: by another process" runs_still $h
  expect_ok "$h: its configuration is the administrator's" on $h virt-relayd --check-config
done
traffic_stop
expect lost -eq 0

traffic s d 10
each remember_pid
each remove
for h in h1 h2 h3; do
  expect_fail "$h: its daemon was stopped" runs_still $h
  expect_ok "$h: program and hook are gone" on $h bash -c '[ ! -e /usr/sbin/virt-relayd ] && [ ! -e /etc/libvirt/hooks/qemu.d/virt-relay ] && [ -e /etc/virt-relay.conf ]'
done
traffic_stop
expect lost -eq 0
expect cleartext -eq 0

each purge
expect_ok "d runs on over it all" runs d h3
gone d
for h in h1 h2 h3; do
  expect_ok "$h: the network is as it was before the installation" as_before $h
  expect_ok "$h: nothing is left but the log that all hosts share" on $h bash -c '! ls /etc/virt-relay.conf /run/virt-relay /var/lib/virt-relay/spool && [ -d /var/lib/virt-relay/log ]'
done
