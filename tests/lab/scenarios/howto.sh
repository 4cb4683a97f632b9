# Three hosts set up by following docs/howto-certificates.md to the letter, a migration, and from there howto-psk.md and howto-site-to-site.md
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

howto howto-site-to-site.md
expect_soon "s reaches d by the sites' own connection" reaches s d
traffic s d 10
sleep 2
traffic_stop
expect lost -eq 0
expect_ok "which carried it" on h1 bash -c 'swanctl --list-sas --ike site | grep -E "in .* [1-9][0-9]* packets"'
expect cleartext -eq 0

each purge
for h in h1 h2 h3; do on $h rm -rf /etc/virt-relay /etc/virt-relay.psk; done
gone d
