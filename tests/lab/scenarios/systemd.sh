# virt-relayd as systemd's unit: order, readiness, watchdog, reload and stop while it relays, its fields in the journal, its score
[ "$LAB_FORM" = packages ] || skip "needs hosts with systemd: run --packages"
starts() { local now; now=$(unit_says "$1" NRestarts); ((now > $2)); }
forbidden() { on "$1" journalctl -q -u virt-relayd --no-pager | grep -iE "not permitted|permission denied|read-only file"; }
told_of_tunnels() { [[ "$(unit_says "$1" StatusText)" == "$2 of $2 tunnels up"* ]]; }

boot d h1
expect_soon "T1 is up" tunnel_up h2 h1
expect_soon "systemctl status says so" told_of_tunnels h1 1
expect_ok "systemd's score is 2.5 at most" on h1 systemd-analyze security --threshold=25 --no-pager virt-relayd
pid=$(unit_says h1 MainPID)
expect_ok "it has CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_PTRACE and no other" test "$(on h1 awk '/^CapEff/ {print $2}' "/proc/$pid/status")" = 0000000000083000

# As at boot: one transaction, which systemd puts in order
units=(libvirtd)
[ "$LAB_TUNNEL" = plain ] || units+=(strongswan)
on h2 systemctl stop virt-relayd "${units[@]}"
on h2 bash -c 'printf "[Unit]\nWants=virt-relayd.service $*\n" > /run/systemd/system/lab.target && systemctl daemon-reload && systemctl start lab.target' - "${units[@]/%/.service}"
expect_soon "h2: virt-relayd is started" unit_is h2 ActiveState active
for unit in "${units[@]}"; do
  expect_ok "h2: it began when $unit was ready" test "$(unit_says h2 ExecMainStartTimestampMonotonic)" -ge "$(unit_says h2 ActiveEnterTimestampMonotonic $unit)"
done
wait_libvirtd h2
expect_soon "T1 is up again" tunnel_up h2 h1

# Debian's libvirtd is confined by AppArmor: it has to run the hook nevertheless, and virt-relayd to take over what QEMU left
if apparmor_works; then
  apparmor_on h1 h3
  for h in h1 h3; do expect_ok "$h: libvirtd is confined by Debian's AppArmor profile" is_confined $h; done
fi

# What hardening forbids first: to look into QEMU, and to hold packets in a TUN interface
traffic s d 10
migrate d h1 h3
expect_owner d h3
expect_ok "the hook told in time: T2 was up before d stopped" tunnel_before_stop h1 h3 d
expect_soon "h1 took over what QEMU left in its queues" switched_by queues h1 d
expect_soon "h2 sends straight" path_is h2 d vr-h3
expect_ok "h2 held packets while the path changed" journal h2 "paths: changed after"
traffic_stop
expect lost -eq 0

printf '[metrics]\nlisten = 127.0.0.1:9732\n' >> "$(root_of h1)/etc/virt-relay.conf"
on h1 bash -c 'mkdir -p /run/systemd/system/virt-relayd.service.d && printf "[Service]\nWatchdogSec=20\n" > /run/systemd/system/virt-relayd.service.d/lab.conf && systemctl daemon-reload && systemctl restart virt-relayd'
expect_soon "h1 is ready again" untroubled h1
expect_ok "Prometheus finds its metrics" on h1 bash -c 'busybox wget -q -O - http://127.0.0.1:9732/metrics | grep -E "^virtrelay_ready 1"'
remember h1
# from here on h1 is still between its own neighbours and d, though h2 sends straight
traffic n1 d 10
pid=$(unit_says h1 MainPID) before=$(unit_says h1 NRestarts)
on h1 kill -STOP "$pid"
LAB_SOON=200 expect_soon "a daemon that hangs is killed by the watchdog and starts anew" starts h1 "$before"
expect_soon "h1 is active again" unit_is h1 ActiveState active
expect_ok "the journal has the watchdog's word" journal h1 "Watchdog timeout"
expect_soon "h1 knows its guests again" record_is d owner h3
traffic_stop
expect lost -eq 0
expect_as_remembered h1

traffic n1 d 10
pid=$(unit_says h1 MainPID)
on h1 systemctl reload virt-relayd
expect_ok "a reload is no restart" unit_is h1 MainPID "$pid"
expect_ok "the configuration was read again" journal h1 "configuration read again: nothing changed"
on h1 systemctl stop virt-relayd
expect_ok "h1: a stop is a success" unit_is h1 Result success
expect_as_remembered h1
traffic_stop
expect lost -eq 0
expect cleartext -eq 0
on h1 systemctl start virt-relayd

for h in h1 h2 h3; do expect_fail "$h: nothing was forbidden to it" forbidden $h; done
expect_ok "the journal's fields say what a message is about" on h1 bash -c 'journalctl -q -u virt-relayd -o json VIRT_RELAY_GUEST=d |
  jq -se "any(.VIRT_RELAY_STATE == \"moved\" and .VIRT_RELAY_OWNER == \"h3\" and ._SYSTEMD_UNIT == \"virt-relayd.service\")"'
! apparmor_works || apparmor_off
