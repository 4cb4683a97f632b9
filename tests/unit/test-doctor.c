/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The doctor's checks of a host. */
#include "doctor-world.h"

static void
assert_healthy (World *world)
{
  g_autoptr (GPtrArray) findings = vr_doctor_examine (&world->patient);
  g_autofree char *said = complaints (findings);
  g_assert_cmpstr (said, ==, "");
}

/* It complains once, in these words. */
static void
assert_complains (World *world, const char *beginning, const char *part)
{
  g_autoptr (GPtrArray) findings = vr_doctor_examine (&world->patient);
  g_autofree char *said = complaints (findings);
  if (!g_str_has_prefix (said, beginning) || strstr (said, part) == NULL || strchr (said, '\n') != strrchr (said, '\n'))
    g_error ("expected \"%s … %s\", got:\n%s", beginning, part, said);
}

static void
test_healthy (World *world, gconstpointer data)
{
  g_autoptr (GPtrArray) findings = vr_doctor_examine (&world->patient);
  g_autoptr (GHashTable) named = g_hash_table_new (g_str_hash, g_str_equal);
  assert_healthy (world);
  for (guint i = 0; i < findings->len; i++)
    g_hash_table_add (named, (gpointer) ((VrFinding *) findings->pdata[i])->check);
  g_assert_cmpuint (g_hash_table_size (named), ==, 16); /* each check says something */
  g_assert_cmpint (vr_doctor_worst (findings), ==, VR_CHECK_OK);
}

static void
test_daemon (World *world, gconstpointer data)
{
  say (&world->patient.properties, "a{sv}", "{'Host': <'h1'>, 'Ready': <false>, 'Troubles': <@as []>}");
  assert_complains (world, "daemon warning: virt-relayd runs, and is not ready yet", "");
  say (&world->patient.properties, "a{sv}", "{'Host': <'h1'>, 'Ready': <true>, 'Troubles': <['libvirt: is away']>}");
  assert_complains (world, "daemon failure: libvirt: is away", "");
}

/* It goes on with what it can see by itself, and says first that the daemon is dead. */
static void
test_daemon_dead (World *world, gconstpointer data)
{
  daemon_dies (world);
  put (world, "/proc/sys/net/ipv4/ip_forward", "0\n");
  g_autoptr (GPtrArray) findings = vr_doctor_examine (&world->patient);
  g_autofree char *said = complaints (findings);
  g_assert_true (g_str_has_prefix (said, "daemon failure: virt-relayd tells nothing (it is dead)"));
  g_assert_nonnull (strstr (said, "systemctl start virt-relayd\n"));
  g_assert_nonnull (strstr (said, "forwarding failure: IPv4"));
  g_assert_nonnull (strstr (said, "clocks warning: not known"));
}

/* What only root can see is not found missing when somebody else asks. */
static void
test_not_root (World *world, gconstpointer data)
{
  world->patient.unprivileged = TRUE;
  take (world, "/run/charon.vici");
  take (world, "/etc/virt-relay.psk");
  program (world, "swanctl", "!");
  program (world, "nft list tables", "!");
  program (world, "nft -j list ruleset", "!");
  program (world, "virt-relayd --check-config", "!");
  g_autoptr (GPtrArray) findings = vr_doctor_examine (&world->patient);
  g_autofree char *said = complaints (findings);
  g_assert_cmpint (vr_doctor_worst (findings), ==, VR_CHECK_WARNING);
  g_assert_cmpstr (said, ==, "firewall warning: not looked at: only root can -> sudo virt-relay doctor\n"
                             "strongswan warning: not looked at: only root can -> sudo virt-relay doctor\n"
                             "secrets warning: not looked at: only root can -> sudo virt-relay doctor\n"
                             "log warning: not looked at: only root can -> sudo virt-relay doctor\n");
}

static void
test_kernel (World *world, gconstpointer data)
{
  take (world, "/sys/module/esp4/refcnt");
  take (world, "/sys/module/esp4");
  assert_complains (world, "kernel warning: ESP over IPv4", "-> modprobe esp4");
  put (world, "/lib/modules/6.1.0-amd64/modules.dep", "kernel/net/ipv6/esp6.ko:\n");
  assert_complains (world, "kernel failure: this kernel has no ESP over IPv4", "boot a kernel");
  put (world, "/lib/modules/6.1.0-amd64/modules.dep", "kernel/net/ipv4/esp4.ko.xz: kernel/net/xfrm/xfrm_algo.ko.xz\n");
  assert_healthy (world);
  put (world, "/proc/sys/kernel/modules_disabled", "1\n");
  assert_complains (world, "kernel failure: this kernel has no ESP over IPv4", "may not be loaded");
  put (world, "/lib/modules/6.1.0-amd64/modules.builtin", "kernel/net/ipv4/esp4.ko\n");
  assert_healthy (world);
}

/* A tunnel that is up says more than any list of modules. */
static void
test_kernel_seen (World *world, gconstpointer data)
{
  take (world, "/sys/module/esp4/refcnt");
  take (world, "/sys/module/esp4");
  program (world, "ip -d link show dev vr-h2", "7: vr-h2@NONE: <NOARP,UP>\n    xfrm if_id 0x75c2b2a0 \n");
  assert_healthy (world);
}

static void
test_no_tun (World *world, gconstpointer data)
{
  take (world, "/dev/net/tun");
  assert_complains (world, "kernel failure: /dev/net/tun is not there", "-> modprobe tun");
}

static void
test_forwarding (World *world, gconstpointer data)
{
  put (world, "/proc/sys/net/ipv4/ip_forward", "0\n");
  assert_complains (world, "forwarding failure: IPv4", "-> sysctl -w net.ipv4.ip_forward=1");
  put (world, "/proc/sys/net/ipv4/ip_forward", "1\n");
  put (world, "/proc/sys/net/ipv6/conf/all/forwarding", "0\n");
  assert_complains (world, "forwarding failure: IPv6", "-> sysctl -w net.ipv6.conf.all.forwarding=1");
}

static void
test_rp_filter (World *world, gconstpointer data)
{
  put (world, "/proc/sys/net/ipv4/conf/vr-h2/rp_filter", "0\n"); /* all's 1 counts */
  assert_complains (world, "rp_filter failure: the reverse path filter of vr-h2 is strict", "-> sysctl -w net.ipv4.conf.vr-h2.rp_filter=2");
}

static void
test_interfaces (World *world, gconstpointer data)
{
  put (world, "/sys/class/net/vr-lan/netdev_group", "0\n");
  assert_complains (world, "interfaces failure: vr-lan is not virt-relay's", "-> ip link set vr-lan down name NAME");
}

static void
test_taps (World *world, gconstpointer data)
{
  put (world, "/sys/class/net/vnet0/tx_queue_len", "500\n");
  put (world, "/sys/class/net/eth0/tx_queue_len", "0\n");
  assert_complains (world, "taps warning: vnet0 queues 500", "-> ip link set vnet0 txqueuelen 10000");
}

static void
test_ptrace (World *world, gconstpointer data)
{
  put (world, "/proc/sys/kernel/yama/ptrace_scope", "3\n");
  assert_complains (world, "switchover warning: kernel.yama.ptrace_scope is 3", "sysctl.d");
  put (world, "/proc/sys/kernel/yama/ptrace_scope", "2\n");
  put (world, "/proc/sys/kernel/osrelease", "5.4.0\n");
  assert_complains (world, "switchover warning: kernel 5.4.0 has no pidfd_getfd", "5.6");
}

/* ---- firewalls ---- */

#define CHAIN(family, table, name, policy) \
  ", {\"chain\": {\"family\": \"" family "\", \"table\": \"" table "\", \"name\": \"" name "\", \"hook\": \"forward\", \"policy\": \"" policy "\"}}"
#define RULE(family, table, chain, expressions) \
  ", {\"rule\": {\"family\": \"" family "\", \"table\": \"" table "\", \"chain\": \"" chain "\", \"expr\": [" expressions "]}}"
#define INTERFACE(key, name) "{\"match\": {\"op\": \"==\", \"left\": {\"meta\": {\"key\": \"" key "\"}}, \"right\": \"" name "\"}}"
#define VERDICT(verdict) "{\"" verdict "\": null}"
#define ESTABLISHED "{\"match\": {\"op\": \"in\", \"left\": {\"ct\": {\"key\": \"state\"}}, \"right\": \"established\"}}"

static void
test_policy_drop (World *world, gconstpointer data)
{
  program (world, "nft -j list ruleset",
           RULESET (CHAIN ("inet", "own", "fwd", "drop") RULE ("inet", "own", "fwd", ESTABLISHED ", " VERDICT ("accept"))));
  assert_complains (world, "firewall failure: chain fwd of table inet own drops what is forwarded, by its policy",
                    "-> nft insert rule inet own fwd iifname 'vr-*' accept");
}

static void
test_docker (World *world, gconstpointer data)
{
  program (world, "nft -j list ruleset", RULESET (CHAIN ("ip", "filter", "FORWARD", "drop")));
  assert_complains (world, "firewall failure: chain FORWARD of table ip filter", "-> iptables -I FORWARD -i vr-+ -j ACCEPT");
  program (world, "iptables -S DOCKER-USER", "-N DOCKER-USER\n");
  assert_complains (world, "firewall failure: chain FORWARD of table ip filter", "-> iptables -I DOCKER-USER -i vr-+ -j ACCEPT");
}

static void
test_lets_pass (World *world, gconstpointer data)
{
  program (world, "nft -j list ruleset",
           RULESET (CHAIN ("ip", "filter", "FORWARD", "drop") RULE ("ip", "filter", "FORWARD", "{\"jump\": {\"target\": \"USER\"}}")
                      RULE ("ip", "filter", "USER", INTERFACE ("iifname", "vr-*") ", " VERDICT ("accept"))));
  assert_healthy (world);
}

static void
test_may_let_pass (World *world, gconstpointer data)
{
  program (world, "nft -j list ruleset",
           RULESET (CHAIN ("inet", "own", "fwd", "drop") RULE ("inet", "own", "fwd", INTERFACE ("iifname", "eth0") ", " VERDICT ("accept"))));
  assert_complains (world, "firewall warning: chain fwd of table inet own drops", "may let guests pass, too");
}

static void
test_firewalld (World *world, gconstpointer data)
{
  program (world, "nft -j list ruleset",
           RULESET (CHAIN ("inet", "firewalld", "filter_FORWARD", "accept")
                      RULE ("inet", "firewalld", "filter_FORWARD", "{\"reject\": {\"type\": \"icmpx\", \"expr\": \"admin-prohibited\"}}")));
  assert_complains (world, "firewall failure: chain filter_FORWARD of table inet firewalld drops what is forwarded, by its last rule",
                    "-> firewall-cmd");
}

static void
test_libvirt_network (World *world, gconstpointer data)
{
  program (world, "nft -j list ruleset",
           RULESET (CHAIN ("ip", "filter", "FORWARD", "accept") RULE ("ip", "filter", "LIBVIRT_FWI", INTERFACE ("oifname", "br0") ", " VERDICT ("reject"))));
  assert_complains (world, "firewall failure: a rule of chain LIBVIRT_FWI, table ip filter, drops by the name of the guests' bridge br0",
                    "<forward mode='open'/>");
}

static void
test_tunnel_rule (World *world, gconstpointer data)
{
  program (world, "nft -j list ruleset",
           RULESET (CHAIN ("inet", "own", "fwd", "accept") RULE ("inet", "own", "fwd", INTERFACE ("iifname", "vr-h2") ", " VERDICT ("drop"))));
  assert_complains (world, "firewall failure: a rule of chain fwd, table inet own, drops what passes by the name of a tunnel's interface",
                    "-> nft delete rule inet own fwd handle");
  program (world, "nft -j list ruleset",
           RULESET (CHAIN ("inet", "own", "fwd", "accept")
                      RULE ("inet", "own", "fwd", INTERFACE ("iifname", "vr-h2") ", " INTERFACE ("oifname", "eth0") ", " VERDICT ("drop"))));
  assert_complains (world, "firewall warning: a rule of chain fwd, table inet own, drops some packets", "");
}

/* Its own chains drop on purpose, and other hooks are none of its business. */
static void
test_not_ours (World *world, gconstpointer data)
{
  program (world, "nft -j list ruleset", RULESET (CHAIN ("inet", "virt-relay", "x", "drop") ", {\"chain\": {\"family\": \"ip\", \"table\": \"a\", "
                                                  "\"name\": \"in\", \"hook\": \"input\", \"policy\": \"drop\"}}"));
  assert_healthy (world);
}

static void
test_strange_rules (World *world, gconstpointer data)
{
  static const char *const strange[] = { "[]", "{}", "{\"nftables\": 7}", "nonsense", RULESET (", 7, {\"rule\": 7}, {\"chain\": {}}, {\"rule\": {\"expr\": 7}}") };
  for (guint i = 0; i < G_N_ELEMENTS (strange); i++)
    {
      g_autoptr (GPtrArray) findings = vr_findings_new ();
      program (world, "nft -j list ruleset", strange[i]);
      vr_check_firewall (&world->patient, findings);
      g_assert_cmpuint (findings->len, ==, 1);
    }
}

/* ---- libvirt and its hook ---- */

static void
test_libvirt (World *world, gconstpointer data)
{
  program (world, "virsh", "Running against daemon: 7.0.0\n");
  assert_complains (world, "libvirt failure: libvirt 7.0 is too old", "8.0");
  program (world, "virsh", "!");
  assert_complains (world, "libvirt failure: libvirt does not answer at qemu:///system", "systemctl start");
  program (world, "virsh", "Running against daemon: 9.0.0\n");
  assert_healthy (world);
}

static void
test_hook (World *world, gconstpointer data)
{
  set_mode (world, "/etc/libvirt/hooks/qemu.d/virt-relay", 0644);
  assert_complains (world, "hook failure: /etc/libvirt/hooks/qemu.d/virt-relay is not executable", "-> chmod 755 /etc/libvirt/hooks/qemu.d/virt-relay");
  take (world, "/etc/libvirt/hooks/qemu.d/virt-relay");
  assert_complains (world, "hook failure: /etc/libvirt/hooks/qemu.d/virt-relay is not there", "install");
}

static void
test_hook_not_seen (World *world, gconstpointer data)
{
  libvirtd_since (world, 1000);
  assert_complains (world, "hook warning: libvirtd started before", "-> systemctl restart libvirtd");
}

static void
test_hook_called (World *world, gconstpointer data)
{
  libvirtd_since (world, 1000);
  say (&world->patient.properties, "a{sv}", "{'Host': <'h1'>, 'Ready': <true>, 'Troubles': <@as []>, 'LastHookEvent': <int64 1001000000>}");
  assert_healthy (world);
  say (&world->patient.properties, "a{sv}", "{'Host': <'h1'>, 'Ready': <true>, 'Troubles': <@as []>, 'LastHookEvent': <int64 999000000>}");
  assert_complains (world, "hook warning: libvirtd started before", "-> systemctl restart libvirtd");
}

/* ---- peers ---- */

static void
test_charon (World *world, gconstpointer data)
{
  program (world, "swanctl --stats", "loaded plugins: openssl kernel-netlink vici\n");
  assert_complains (world, "strongswan failure: charon has not loaded its plugin socket-default", "/etc/strongswan.d/charon/socket-default.conf");
  program (world, "swanctl --stats", "!");
  assert_complains (world, "strongswan failure: charon does not answer at /run/charon.vici", "-> systemctl start strongswan");
}

static void
test_secret (World *world, gconstpointer data)
{
  set_mode (world, "/etc/virt-relay.psk", 0644);
  assert_complains (world, "secrets failure: the secret /etc/virt-relay.psk is open to others", "-> chmod 600 /etc/virt-relay.psk");
  take (world, "/etc/virt-relay.psk");
  assert_complains (world, "secrets failure: the secret /etc/virt-relay.psk is not there", "scp");
}

static void
test_tunnel_down (World *world, gconstpointer data)
{
  say (&world->patient.hosts, "aa{sv}",
       "[{'name': <'h1'>, 'self': <true>, 'underlay': <['192.0.2.1']>}, {'name': <'h2'>, 'wanted': <true>, 'up': <false>, "
       "'underlay': <['192.0.2.2']>, 'trouble': <'no answer'>}]");
  assert_complains (world, "tunnels failure: h2: the tunnel is down: no answer", "-> ping 192.0.2.2");
}

static void
test_one_way (World *world, gconstpointer data)
{
  program (world, "ping -n -c 3 -i 0.3 -W 2 -I 10.9.1.1 10.9.2.1", "!");
  assert_complains (world, "tunnels failure: h2: the tunnel is up, and 10.9.2.1 does not answer through it", "ESP");
}

static void
test_mtu (World *world, gconstpointer data)
{
  program (world, "ping -n -c 3 -i 0.3 -W 2 -M do -s 1434 -I 192.0.2.1 192.0.2.3", "!");
  assert_complains (world, "mtu failure: h3: packets of 1462 bytes do not reach 192.0.2.3", "[tunnel] mtu");
  program (world, "ping -n -c 3 -i 0.3 -W 2 -M do -s 56 -I 192.0.2.1 192.0.2.3", "!"); /* it answers no ping at all */
  assert_healthy (world);
}

static void
test_alone (World *world, gconstpointer data)
{
  say (&world->patient.hosts, "aa{sv}", "[{'name': <'h1'>, 'self': <true>, 'underlay': <['192.0.2.1']>}]");
  assert_complains (world, "tunnels warning: the migration log knows no other host", "[log]");
}

/* ---- the log ---- */

static void
test_log (World *world, gconstpointer data)
{
  say (&world->patient.hosts, "aa{sv}",
       "[{'name': <'h1'>, 'self': <true>, 'underlay': <['192.0.2.1']>, 'reach': <['h7']>}, {'name': <'h3'>}]");
  assert_complains (world, "log failure: h1 wants to reach h7, which never wrote", "spelt");
  say (&world->patient.hosts, "aa{sv}", HOSTS);
  g_key_file_set_string (world->patient.config, "log", "directory", "/shared/log");
  assert_complains (world, "log failure: the migration log's directory /shared/log is not there", "mount");
}

static void
test_etcd (World *world, gconstpointer data)
{
  g_key_file_set_string (world->patient.config, "log", "engine", "etcd");
  program (world, "virt-relayd --check-log", "https://a:2379: name, connection, TLS, log-in, permissions and version are right\n");
  assert_healthy (world);
  program (world, "virt-relayd --check-log", "https://a:2379: name, connection, TLS, log-in, permissions and version are right\n"
                                             "https://b:2379: the connection fails: refused\n");
  assert_complains (world, "log warning: etcd at https://b:2379: the connection fails: refused", "[log] endpoints");
  program (world, "virt-relayd --check-log", "!https://b:2379: the connection fails: refused\n");
  assert_complains (world, "log failure: etcd at https://b:2379: the connection fails: refused", "virt-relayd --check-log looks again");
  program (world, "virt-relayd --check-log", "!");
  assert_complains (world, "log failure: whether etcd can be used could not be told", "-> virt-relayd --check-log");
}

static void
test_clock_ahead (World *world, gconstpointer data)
{
  say (&world->patient.records, "aa{sv}", "[" RECORD ("running", 1, "h3", 1700000060) "]");
  assert_complains (world, "clocks failure: the clocks of h3 and this host are apart by 1m 0s", "timedatectl");
}

static void
test_clock_behind (World *world, gconstpointer data)
{
  say (&world->patient.records, "aa{sv}", "[" RECORD ("moved", 2, "h1", 1699999000) ", " RECORD ("running", 3, "h3", 1699998970) "]");
  assert_complains (world, "clocks failure: the clocks of h1 and h3 are apart by 30s", "timedatectl");
}

/* ---- programs ---- */

static void
test_program (void)
{
  const char *echo[] = { "sh", "-c", "echo $LC_ALL; echo no >&2", NULL }, *fail[] = { "false", NULL }, *none[] = { "/nonexistent/program", NULL };
  gboolean ok = FALSE;
  g_autofree char *said = vr_run_program (echo, &ok, NULL);
  g_assert_true (ok);
  g_assert_cmpstr (said, ==, "C\n");
  g_autofree char *failed = vr_run_program (fail, &ok, NULL);
  g_assert_false (ok);
  g_assert_null (vr_run_program (none, &ok, NULL));
  g_assert_false (ok);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  DOCTOR ("healthy", test_healthy);
  DOCTOR ("daemon/trouble", test_daemon);
  DOCTOR ("daemon/dead", test_daemon_dead);
  DOCTOR ("not-root", test_not_root);
  DOCTOR ("kernel/modules", test_kernel);
  DOCTOR ("kernel/seen", test_kernel_seen);
  DOCTOR ("kernel/no-tun", test_no_tun);
  DOCTOR ("kernel/forwarding", test_forwarding);
  DOCTOR ("kernel/rp-filter", test_rp_filter);
  DOCTOR ("kernel/interfaces", test_interfaces);
  DOCTOR ("kernel/taps", test_taps);
  DOCTOR ("kernel/ptrace", test_ptrace);
  DOCTOR ("firewall/policy", test_policy_drop);
  DOCTOR ("firewall/docker", test_docker);
  DOCTOR ("firewall/lets-pass", test_lets_pass);
  DOCTOR ("firewall/may-let-pass", test_may_let_pass);
  DOCTOR ("firewall/firewalld", test_firewalld);
  DOCTOR ("firewall/libvirt", test_libvirt_network);
  DOCTOR ("firewall/tunnel-rule", test_tunnel_rule);
  DOCTOR ("firewall/not-ours", test_not_ours);
  DOCTOR ("firewall/strange", test_strange_rules);
  DOCTOR ("host/libvirt", test_libvirt);
  DOCTOR ("host/hook", test_hook);
  DOCTOR ("host/hook-not-seen", test_hook_not_seen);
  DOCTOR ("host/hook-called", test_hook_called);
  DOCTOR ("peers/charon", test_charon);
  DOCTOR ("peers/secret", test_secret);
  DOCTOR ("peers/tunnel-down", test_tunnel_down);
  DOCTOR ("peers/one-way", test_one_way);
  DOCTOR ("peers/mtu", test_mtu);
  DOCTOR ("peers/alone", test_alone);
  DOCTOR ("log/written", test_log);
  DOCTOR ("log/etcd", test_etcd);
  DOCTOR ("log/clock-ahead", test_clock_ahead);
  DOCTOR ("log/clock-behind", test_clock_behind);
  g_test_add_func ("/doctor/program", test_program);
  return g_test_run ();
}
