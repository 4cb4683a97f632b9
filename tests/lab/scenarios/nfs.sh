# The migration log on a real NFS server, set up by docs/howto-nfs.md to the letter; the server goes away and comes back
[ "$LAB_FORM" = packages ] || skip "needs hosts with systemd: run --packages"
nfs_works || skip "needs a kernel of its own with nfsd: run --vm"
. "$LAB_SRC/lib/howto.sh"
on_nfs() { [ "$(on "$1" stat -f -c %T /var/lib/virt-relay/log)" = nfs ]; }
has_log() { on server test -s "/srv/virt-relay/$1.log"; }

each stop_relay # it starts with a folder that all hosts see; the page is for those who have none
nfs_up
howto howto-nfs.md
for h in h1 h2 h3; do expect_ok "$h: the log is on the server" on_nfs $h; done
each start_relay
for h in h1 h2 h3; do expect_soon "$h wrote its file there" has_log $h; done
boot d h1
expect_soon "T1 is up" tunnel_up h2 h1
traffic s d 10
migrate d h1 h3
expect_owner d h3
expect_ok "the intent came by NFS in time: T2 was up before d stopped" tunnel_before_stop h1 h3 d
sleep 5
traffic_stop
expect lost -eq 0
expect relayed -gt 0

# What the page says of a server that is away
expect_soon "s reaches d" reaches s d
traffic s d 10
nfs_stop
expect_soon "h1 says so" says h1 "is its storage away?"
sleep 10
nfs_start
LAB_SOON=180 expect_soon "h1 is content again" untroubled h1
traffic_stop
expect lost -eq 0
expect cleartext -eq 0
