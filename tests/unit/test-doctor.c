/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The doctor's checks, with patients of this test's own: a folder in place of /, programs that answer what the test says, a daemon that says
 * what the test says. The patient that everything starts from is healthy; each case breaks one thing.
 */
#include "cli/doctor/doctor.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOW ((gint64) 1700000000 * G_USEC_PER_SEC)
#define UUID "d0000000-0000-4000-8000-00000000000d"
#define RULESET(rules) "{\"nftables\": [{\"metainfo\": {}}, {\"table\": {\"family\": \"ip\", \"name\": \"filter\"}}" rules "]}"
#define HOSTS \
  "[{'name': <'h1'>, 'self': <true>, 'underlay': <['192.0.2.1']>, 'networks': <['10.9.1.1/24']>, 'reach': <['h2']>}, " \
  "{'name': <'h2'>, 'wanted': <true>, 'up': <true>, 'interface': <'vr-h2'>, 'underlay': <['192.0.2.2']>, 'networks': <['10.9.2.1/24']>}, " \
  "{'name': <'h3'>, 'wanted': <false>, 'up': <false>, 'interface': <'vr-h3'>, 'underlay': <['192.0.2.3']>, 'networks': <['10.9.3.1/24']>}]"
#define GUEST(rest) "{'uuid': <'" UUID "'>, 'name': <'d'>, 'home': <'h1'>, 'nics': <[{'mac': <'52:54:00:00:00:64'>, 'addresses': <['10.9.1.100']>}]>, " rest "}"
#define RECORD(state, epoch, writer, seconds) \
  "{'uuid': <'" UUID "'>, 'state': <'" state "'>, 'epoch': <uint64 " #epoch ">, 'writer': <'" writer "'>, 'time': <int64 " #seconds "000000>}"

typedef struct {
  char       *root;
  GHashTable *programs; /* the beginning of a command line -> its answer; "" in the place of a failure */
  VrPatient   patient;
} World;

/* ---- the patient ---- */

static void
put (World *world, const char *path, const char *text)
{
  g_autofree char *full = g_strconcat (world->root, path, NULL), *folder = g_path_get_dirname (full);
  g_autoptr (GError) error = NULL;
  g_assert_cmpint (g_mkdir_with_parents (folder, 0755), ==, 0);
  g_file_set_contents (full, text, -1, &error);
  g_assert_no_error (error);
}

static void
set_mode (World *world, const char *path, int mode)
{
  g_autofree char *full = g_strconcat (world->root, path, NULL);
  g_assert_cmpint (chmod (full, mode), ==, 0);
}

static void
take (World *world, const char *path)
{
  g_autofree char *full = g_strconcat (world->root, path, NULL);
  g_assert_cmpint (g_remove (full), ==, 0);
}

static void
program (World *world, const char *line, const char *answer)
{
  g_hash_table_replace (world->programs, (gpointer) line, (gpointer) answer);
}

/* The longest line that is known decides. */
static char *
run (const char *const *argv, gboolean *ok, gpointer data)
{
  World *world = data;
  g_autofree char *line = g_strjoinv (" ", (char **) argv);
  GHashTableIter iter;
  const char *known, *answer, *best = NULL, *out = NULL;
  g_hash_table_iter_init (&iter, world->programs);
  while (g_hash_table_iter_next (&iter, (gpointer *) &known, (gpointer *) &answer))
    if (g_str_has_prefix (line, known) && (best == NULL || strlen (known) > strlen (best)))
      {
        best = known;
        out = answer;
      }
  *ok = out != NULL && *out != '\0';
  return g_strdup (out);
}

static void
say (GVariant **what, const char *type, const char *text)
{
  g_autoptr (GError) error = NULL;
  g_clear_pointer (what, g_variant_unref);
  *what = g_variant_parse (G_VARIANT_TYPE (type), text, NULL, NULL, &error);
  g_assert_no_error (error);
}

/* A libvirtd of pid 7 that started `start` seconds after 1970. */
static void
libvirtd_since (World *world, gint64 start)
{
  g_autofree char *boot = g_strdup_printf ("cpu 1 2 3\nbtime %" G_GINT64_FORMAT "\n", start - 10);
  g_autofree char *stat_text
    = g_strdup_printf ("7 (libvirt) d) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 %ld 0 0", 10 * sysconf (_SC_CLK_TCK));
  put (world, "/proc/stat", boot);
  put (world, "/proc/7/stat", stat_text);
  put (world, "/run/libvirtd.pid", "7\n");
}

static void
set_up_files (World *world)
{
  static const char *const modules[] = { "xfrm_user", "esp4", "esp6", "xfrm_interface", "nf_tables" };
  for (guint i = 0; i < G_N_ELEMENTS (modules); i++)
    {
      g_autofree char *path = g_strdup_printf ("/sys/module/%s/refcnt", modules[i]);
      put (world, path, "0\n");
    }
  put (world, "/proc/sys/kernel/osrelease", "6.1.0-amd64\n");
  put (world, "/proc/sys/kernel/yama/ptrace_scope", "1\n");
  put (world, "/dev/net/tun", "");
  put (world, "/proc/sys/net/ipv4/ip_forward", "1\n");
  put (world, "/proc/sys/net/ipv6/conf/all/forwarding", "1\n");
  put (world, "/proc/sys/net/ipv4/conf/all/rp_filter", "1\n");
  put (world, "/proc/sys/net/ipv4/conf/vr-h2/rp_filter", "2\n");
  put (world, "/sys/class/net/vnet0/tun_flags", "0x5002\n");
  put (world, "/sys/class/net/vnet0/tx_queue_len", "1000\n");
  put (world, "/etc/libvirt/hooks/qemu.d/virt-relay", "#!");
  set_mode (world, "/etc/libvirt/hooks/qemu.d/virt-relay", 0755);
  put (world, "/run/charon.vici", "");
  put (world, "/etc/virt-relay.psk", "secret");
  set_mode (world, "/etc/virt-relay.psk", 0600);
  put (world, "/var/lib/virt-relay/log/h1.log", "");
  libvirtd_since (world, g_get_real_time () / G_USEC_PER_SEC + 100);
}

static void
world_set_up (World *world, gconstpointer data)
{
  world->root = g_dir_make_tmp ("test-doctor-XXXXXX", NULL);
  world->programs = g_hash_table_new (g_str_hash, g_str_equal);
  world->patient = (VrPatient) { .root = world->root, .run = run, .run_data = world, .now_us = NOW, .config = g_key_file_new () };
  g_key_file_set_string (world->patient.config, "host", "bridge", "br0");
  g_key_file_set_string (world->patient.config, "tunnel", "psk-file", "/etc/virt-relay.psk");
  set_up_files (world);
  program (world, "nft list tables", "table inet virt-relay");
  program (world, "nft -j list ruleset", RULESET (""));
  program (world, "virsh", "Compiled\nRunning against daemon: 11.3.0\n");
  program (world, "swanctl --stats", "uptime: 1 day\nloaded plugins: charon-systemd openssl kernel-netlink socket-default vici\n");
  program (world, "virt-relayd --check-config", "right");
  program (world, "ip route get 10.9.2.1", "10.9.2.1 dev vr-h2 table 30323 src 10.9.1.1\n");
  program (world, "ping", "3 packets transmitted, 3 received");
  say (&world->patient.properties, "a{sv}", "{'Host': <'h1'>, 'Version': <'1.2.3'>, 'Ready': <true>, 'Troubles': <@as []>}");
  say (&world->patient.hosts, "aa{sv}", HOSTS);
  say (&world->patient.guests, "aa{sv}", "[" GUEST ("'owner': <'h1'>, 'state': <'running'>") "]");
  say (&world->patient.records, "aa{sv}", "[" RECORD ("running", 1, "h1", 1699999000) "]");
}

static void
daemon_dies (World *world)
{
  g_clear_pointer (&world->patient.properties, g_variant_unref);
  g_clear_pointer (&world->patient.hosts, g_variant_unref);
  g_clear_pointer (&world->patient.guests, g_variant_unref);
  g_clear_pointer (&world->patient.records, g_variant_unref);
  world->patient.no_daemon = "it is dead";
}

static void
world_tear_down (World *world, gconstpointer data)
{
  const char *argv[] = { "rm", "-r", world->root, NULL };
  daemon_dies (world);
  g_key_file_unref (world->patient.config);
  g_hash_table_unref (world->programs);
  g_assert_true (g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL));
  g_free (world->root);
}

/* ---- what it says ---- */

/* Everything that is not ok, a line each: "CHECK RESULT: FINDING -> CURE" */
static char *
complaints (GPtrArray *findings)
{
  GString *text = g_string_new (NULL);
  for (guint i = 0; i < findings->len; i++)
    {
      const VrFinding *finding = findings->pdata[i];
      if (finding->result != VR_CHECK_OK)
        g_string_append_printf (text, "%s %s: %s -> %s\n", finding->check, vr_check_result_to_string (finding->result), finding->finding,
                                finding->cure);
    }
  return g_string_free (text, FALSE);
}

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
  g_assert_cmpuint (g_hash_table_size (named), ==, 15); /* each check says something */
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
  program (world, "virsh", "");
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

/* ---- peers ---- */

static void
test_charon (World *world, gconstpointer data)
{
  program (world, "swanctl --stats", "loaded plugins: openssl kernel-netlink vici\n");
  assert_complains (world, "strongswan failure: charon has not loaded its plugin socket-default", "/etc/strongswan.d/charon/socket-default.conf");
  program (world, "swanctl --stats", "");
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
  program (world, "ping -n -c 3 -i 0.3 -W 2 -I 10.9.1.1 10.9.2.1", "");
  assert_complains (world, "tunnels failure: h2: the tunnel is up, and 10.9.2.1 does not answer through it", "ESP");
}

static void
test_mtu (World *world, gconstpointer data)
{
  program (world, "ping -n -c 3 -i 0.3 -W 2 -M do -s 1434 -I 192.0.2.1 192.0.2.3", "");
  assert_complains (world, "mtu failure: h3: packets of 1462 bytes do not reach 192.0.2.3", "[tunnel] mtu");
  program (world, "ping -n -c 3 -i 0.3 -W 2 -M do -s 56 -I 192.0.2.1 192.0.2.3", ""); /* it answers no ping at all */
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

/* ---- before ---- */

static void
assert_before (World *world, const char *guest, const char *host, VrCheckResult worst, const char *part)
{
  g_autoptr (GPtrArray) findings = vr_doctor_before (&world->patient, guest, host);
  g_autoptr (GString) said = g_string_new (NULL);
  for (guint i = 0; i < findings->len; i++)
    g_string_append_printf (said, "%s\n", ((VrFinding *) findings->pdata[i])->finding);
  g_assert_cmpint (vr_doctor_worst (findings), ==, worst);
  if (strstr (said->str, part) == NULL)
    g_error ("\"%s\" is not in:\n%s", part, said->str);
}

static void
test_before (World *world, gconstpointer data)
{
  assert_before (world, "d", "h3", VR_CHECK_OK, "nothing is seen here that would lose a packet of d");
  assert_before (world, "d", "h3", VR_CHECK_OK, "goes to its home h1, and from there through the tunnel to h3");
  assert_before (world, "d", "h3", VR_CHECK_OK, "straight to h3 after 10 answers");
  assert_before (world, "d", "h3", VR_CHECK_OK, "never moved");
}

static void
test_before_pause (World *world, gconstpointer data)
{
  say (&world->patient.records, "aa{sv}",
       "[" RECORD ("moved", 2, "h1", 1699990000) ", " RECORD ("running", 2, "h3", 1699990001) ", " RECORD ("moved", 3, "h3", 1699991000) ", "
       RECORD ("running", 3, "h1", 1699991003) ", " RECORD ("moved", 4, "h1", 1699992000) ", " RECORD ("running", 4, "h3", 1699992002) "]");
  assert_before (world, "d", "h3", VR_CHECK_OK, "about 2000 ms: the median of its 3 moves so far (longest 3000 ms)");
}

static void
test_before_wrong (World *world, gconstpointer data)
{
  assert_before (world, "nobody", "h3", VR_CHECK_FAILURE, "knows no guest \"nobody\"");
  assert_before (world, "d", "h9", VR_CHECK_FAILURE, "knows no host \"h9\"");
  assert_before (world, "d", "h1", VR_CHECK_FAILURE, "h1 is this host");
  say (&world->patient.guests, "aa{sv}", "[" GUEST ("'owner': <'h2'>, 'state': <'running'>") "]");
  assert_before (world, "d", "h3", VR_CHECK_FAILURE, "is h2's, not this host's");
}

static void
test_before_losing (World *world, gconstpointer data)
{
  say (&world->patient.guests, "aa{sv}",
       "[{'name': <'d'>, 'owner': <'h1'>, 'state': <'running'>, 'nics': <[{'mac': <'52:54:00:00:00:64'>, 'addresses': <@as []>}]>}]");
  assert_before (world, "d", "h3", VR_CHECK_FAILURE, "no address of its NIC 52:54:00:00:00:64 is known");
}

static void
test_before_sick (World *world, gconstpointer data)
{
  put (world, "/proc/sys/kernel/yama/ptrace_scope", "3\n");
  assert_before (world, "d", "h3", VR_CHECK_WARNING, "packets of d may be lost on its way to h3");
  put (world, "/proc/sys/net/ipv4/ip_forward", "0\n");
  assert_before (world, "d", "h3", VR_CHECK_FAILURE, "IPv4 forwarding is off");
  daemon_dies (world);
  assert_before (world, "d", "h3", VR_CHECK_FAILURE, "virt-relayd tells nothing");
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

#define ADD(path, function) g_test_add ("/doctor/" path, World, NULL, world_set_up, function, world_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("healthy", test_healthy);
  ADD ("daemon/trouble", test_daemon);
  ADD ("daemon/dead", test_daemon_dead);
  ADD ("kernel/modules", test_kernel);
  ADD ("kernel/seen", test_kernel_seen);
  ADD ("kernel/no-tun", test_no_tun);
  ADD ("kernel/forwarding", test_forwarding);
  ADD ("kernel/rp-filter", test_rp_filter);
  ADD ("kernel/taps", test_taps);
  ADD ("kernel/ptrace", test_ptrace);
  ADD ("firewall/policy", test_policy_drop);
  ADD ("firewall/docker", test_docker);
  ADD ("firewall/lets-pass", test_lets_pass);
  ADD ("firewall/may-let-pass", test_may_let_pass);
  ADD ("firewall/firewalld", test_firewalld);
  ADD ("firewall/libvirt", test_libvirt_network);
  ADD ("firewall/not-ours", test_not_ours);
  ADD ("firewall/strange", test_strange_rules);
  ADD ("host/libvirt", test_libvirt);
  ADD ("host/hook", test_hook);
  ADD ("host/hook-not-seen", test_hook_not_seen);
  ADD ("peers/charon", test_charon);
  ADD ("peers/secret", test_secret);
  ADD ("peers/tunnel-down", test_tunnel_down);
  ADD ("peers/one-way", test_one_way);
  ADD ("peers/mtu", test_mtu);
  ADD ("peers/alone", test_alone);
  ADD ("log/written", test_log);
  ADD ("log/clock-ahead", test_clock_ahead);
  ADD ("log/clock-behind", test_clock_behind);
  ADD ("before/loss-free", test_before);
  ADD ("before/pause", test_before_pause);
  ADD ("before/wrong", test_before_wrong);
  ADD ("before/losing", test_before_losing);
  ADD ("before/sick", test_before_sick);
  g_test_add_func ("/doctor/program", test_program);
  return g_test_run ();
}
