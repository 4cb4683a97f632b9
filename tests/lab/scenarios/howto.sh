# Three hosts set up by following docs/howto-certificates.md to the letter, a migration, and from there docs/howto-psk.md
# lab: without
[ "$LAB_FORM" = packages ] || skip "needs hosts with systemd: run --packages"
. "$LAB_SRC/lib/howto.sh"
purge() { ! package_is_known "$1" || package_drop "$1" purge; }
each purge # of another scenario
howto_prepare
boot d h1
howto howto-certificates.md
expect_owner d h3
expect_ok "the hosts proved who they are with certificates" on h1 bash -c 'swanctl --list-certs --type x509 | grep "CN=virt-relay CA"'
expect_soon "s reaches d" reaches s d
howto howto-psk.md
traffic s d 10
sleep 2
traffic_stop
expect lost -eq 0
expect cleartext -eq 0
each purge
for h in h1 h2 h3; do on $h rm -rf /etc/virt-relay /etc/virt-relay.psk; done
gone d
