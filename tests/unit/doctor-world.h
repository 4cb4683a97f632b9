/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Patients for the doctor: a folder in place of /, programs that answer what the test says, a daemon that says what the test says. The patient
 * that everything starts from is healthy; each test breaks one thing.
 */
#pragma once

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
  GHashTable *programs; /* the beginning of a command line -> its answer; "!ANSWER": it ends badly */
  VrPatient   patient;
} World;

/* ---- the patient ---- */

static inline void
put (World *world, const char *path, const char *text)
{
  g_autofree char *full = g_strconcat (world->root, path, NULL), *folder = g_path_get_dirname (full);
  g_autoptr (GError) error = NULL;
  g_assert_cmpint (g_mkdir_with_parents (folder, 0755), ==, 0);
  g_file_set_contents (full, text, -1, &error);
  g_assert_no_error (error);
}

static inline void
set_mode (World *world, const char *path, int mode)
{
  g_autofree char *full = g_strconcat (world->root, path, NULL);
  g_assert_cmpint (chmod (full, mode), ==, 0);
}

static inline void
take (World *world, const char *path)
{
  g_autofree char *full = g_strconcat (world->root, path, NULL);
  g_assert_cmpint (g_remove (full), ==, 0);
}

static inline void
program (World *world, const char *line, const char *answer)
{
  g_hash_table_replace (world->programs, (gpointer) line, (gpointer) answer);
}

/* The longest line that is known decides. */
static inline char *
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
  *ok = out != NULL && *out != '!';
  return g_strdup (out != NULL && *out == '!' ? out + 1 : out);
}

static inline void
say (GVariant **what, const char *type, const char *text)
{
  g_autoptr (GError) error = NULL;
  g_clear_pointer (what, g_variant_unref);
  *what = g_variant_parse (G_VARIANT_TYPE (type), text, NULL, NULL, &error);
  g_assert_no_error (error);
}

/* A libvirtd of pid 7 that started `start` seconds after 1970. */
static inline void
libvirtd_since (World *world, gint64 start)
{
  g_autofree char *boot = g_strdup_printf ("cpu 1 2 3\nbtime %" G_GINT64_FORMAT "\n", start - 10);
  g_autofree char *stat_text
    = g_strdup_printf ("7 (libvirt) d) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 %ld 0 0", 10 * sysconf (_SC_CLK_TCK));
  put (world, "/proc/stat", boot);
  put (world, "/proc/7/stat", stat_text);
  put (world, "/run/libvirtd.pid", "7\n");
}

static inline void
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
  put (world, "/sys/class/net/vr-h2/netdev_group", "118\n");
  put (world, "/sys/class/net/vr-+hold/netdev_group", "0\n");
  put (world, "/sys/class/net/br0/netdev_group", "0\n");
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

static inline void
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
  say (&world->patient.migrations, "aa{sv}", "[]");
}

static inline void
daemon_dies (World *world)
{
  g_clear_pointer (&world->patient.properties, g_variant_unref);
  g_clear_pointer (&world->patient.hosts, g_variant_unref);
  g_clear_pointer (&world->patient.guests, g_variant_unref);
  g_clear_pointer (&world->patient.records, g_variant_unref);
  g_clear_pointer (&world->patient.migrations, g_variant_unref);
  world->patient.no_daemon = "it is dead";
}

static inline void
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
static inline char *
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

#define DOCTOR(path, function) g_test_add ("/doctor/" path, World, NULL, world_set_up, function, world_tear_down)
