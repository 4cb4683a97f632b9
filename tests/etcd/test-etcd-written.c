/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What stands in etcd after a write, for how long, and after a race, or where there is no room; a daemon writes, or an import. */
#include "between.h"
#include "tests/unit/log-fixture.h"

#include "daemon/log/carry.h"
#include "daemon/log/etcd-keys.h"

#define HISTORY_S 3600 /* of place_options() */
#define MORE_S (24 * 3600)

/* ---- what stands there ---- */

/* The epoch of what stands under h1's key for UUID; 0: nothing. *past: of the records of it in the history, all epochs, in order */
static guint64
standing (const char *dir, char **past)
{
  g_autoptr (VrEtcdOptions) options = place_options (dir);
  g_autofree char *key = g_strconcat (options->prefix, "/now/h1/guest/" UUID, NULL), *from = vr_etcd_key_history (options->prefix);
  g_autofree char *end = vr_etcd_prefix_end (from), *one = vr_etcd_say_range (key, NULL, 0, 0), *all = vr_etcd_say_range (from, end, 0, 0);
  g_autoptr (VrEtcdAnswer) now = cluster_call (options, "/v3/kv/range", one), history = cluster_call (options, "/v3/kv/range", all);
  g_autoptr (GString) epochs = g_string_new (NULL);
  g_auto (VrEntry) entry = { NULL };

  for (guint i = 0; i < history->kvs->len; i++) {
    GBytes *value = ((VrEtcdKv *) history->kvs->pdata[i])->value;
    g_auto (VrEntry) old = { NULL };

    g_assert_true (vr_entry_from_json (g_bytes_get_data (value, NULL), g_bytes_get_size (value), &old, NULL));
    g_string_append_printf (epochs, "%s%" G_GUINT64_FORMAT, i > 0 ? " " : "", old.guest->epoch);
  }
  *past = g_strdup (epochs->str);
  if (now->kvs->len == 0)
    return 0;
  g_assert_true (vr_entry_from_json (g_bytes_get_data (((VrEtcdKv *) now->kvs->pdata[0])->value, NULL),
                                     g_bytes_get_size (((VrEtcdKv *) now->kvs->pdata[0])->value), &entry, NULL));
  return entry.guest->epoch;
}

static void
assert_standing (const char *dir, guint64 epoch, const char *past)
{
  g_autofree char *found = NULL;

  g_assert_cmpuint (standing (dir, &found), ==, epoch);
  g_assert_cmpstr (found, ==, past);
}

/* Soon: on a slow machine a record counts as soon as it is on its writer's disk. Where it is never so, says how it is */
static void
wait_standing (const char *dir, guint64 epoch, const char *past)
{
  for (guint tries = 0; tries < WAIT_SECONDS * 20; tries++) {
    g_autofree char *found = NULL;

    if (standing (dir, &found) == epoch && strcmp (found, past) == 0)
      return;
    run_for_ms (50);
  }
  assert_standing (dir, epoch, past);
}

/* ---- for how long ---- */

static VrRecord *
intent_new (void)
{
  VrRecord *intent = record_new (UUID, "h2", 2);

  intent->state = VR_STATE_INCOMING;
  intent->target = g_strdup ("h1");
  return intent;
}

/* (transfer full) the lease of `key` */
static char *
assert_expires (const char *key)
{
  guint seconds = 0;
  g_autofree char *lease = member_lease (&place_cluster->members[0], key, &seconds);

  g_test_message ("%s: %u s", key, seconds);
  g_assert_nonnull (lease);
  g_assert_cmpuint (seconds, >=, HISTORY_S); /* no record goes earlier than it was promised */
  g_assert_cmpuint (seconds, <=, HISTORY_S + MORE_S);
  return g_steal_pointer (&lease);
}

static void
assert_stays (const char *key)
{
  guint seconds = 0;
  g_autofree char *lease = member_lease (&place_cluster->members[0], key, &seconds);

  g_assert_null (lease);
}

/* A guest, an intent, a ledger and a host are there: what a path depends on stays, the others go, and all of them with one lease */
static char *
assert_leases (const char *dir)
{
  g_autoptr (VrEtcdOptions) options = place_options (dir);
  g_autoptr (GArray) entries = place_read (dir);
  g_autofree char *first = NULL;

  g_assert_cmpuint (entries->len, ==, 4);
  for (guint i = 0; i < entries->len; i++) {
    const VrEntry *entry = &g_array_index (entries, VrEntry, i);
    g_autofree char *key = vr_etcd_key_entry (options->prefix, entry), *past = vr_etcd_key_entry_history (options->prefix, entry);
    const char *goes[] = { entry->ledger || (entry->guest && entry->guest->state == VR_STATE_INCOMING) ? key : NULL, past };

    if (!goes[0])
      assert_stays (key);
    for (guint g = 0; g < G_N_ELEMENTS (goes); g++) {
      g_autofree char *lease = goes[g] ? assert_expires (goes[g]) : NULL;

      if (lease && !first)
        first = g_strdup (lease);
      if (lease)
        g_assert_cmpstr (lease, ==, first);
    }
  }
  return g_steal_pointer (&first);
}

static void
wait_for_entries (const char *dir, guint n)
{
  guint found = 0;

  for (guint tries = 0; found < n && tries < WAIT_SECONDS * 20; tries++) {
    g_autoptr (GArray) entries = place_read (dir);

    found = entries->len;
    run_for_ms (50);
  }
}

static void
test_daemons_leases (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Host) h1 = host_start (dir, "h1");
  g_autoptr (VrRecord) intent = intent_new ();
  g_autoptr (VrHost) host = vr_host_new ("h1");
  g_autoptr (VrLedger) ledger = vr_ledger_new (UUID, "web1", 1, "h1", "h3");
  g_autoptr (VrEtcdOptions) options = place_options (dir);
  g_autofree char *machine = vr_etcd_key_machine (options->prefix, "h1"), *lease = NULL, *revoke = NULL;

  host->identity = g_strdup ("h1");
  host_append_and_wait (h1, UUID, 1);
  vr_log_append_async (h1->log, intent, NULL, on_appended, h1);
  vr_log_append_host_async (h1->log, host, NULL, on_appended, h1);
  vr_log_append_ledger_async (h1->log, ledger, NULL, on_appended, h1);
  wait_for (h1->done == 4);
  g_assert_cmpuint (h1->errors->len, ==, 0);
  assert_stays (machine);
  wait_for_entries (dir, 4);
  lease = assert_leases (dir);

  /* Somebody took the lease away, and with it what went with it: another one is asked for. */
  revoke = g_strdup_printf ("{\"ID\": \"%s\"}", lease);
  vr_etcd_answer_free (cluster_call (options, "/v3/lease/revoke", revoke));
  assert_standing (dir, 1, "");
  host_append (h1, UUID, 2);
  wait_for (h1->done == 5);
  g_assert_cmpuint (h1->errors->len, ==, 0);
  wait_standing (dir, 2, "2");
  g_assert_cmpstr (host_trouble (h1), ==, "");
}

static void
test_imports_leases (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (VrRecord) guest = record_new (UUID, "h1", 1), intent = intent_new ();
  g_autoptr (VrHost) host = vr_host_new ("h1");
  g_autoptr (VrLedger) ledger = vr_ledger_new (UUID, "web1", 1, "h1", "h3");
  g_autoptr (GArray) entries = vr_log_entries_new ();
  g_autoptr (VrEtcdOptions) options = place_options (dir);
  g_auto (VrCarried) carried = { 0 };
  g_autoptr (GError) error = NULL;
  g_autofree char *lease = NULL;
  VrEntry all[] = { { .guest = guest }, { .guest = intent }, { .host = host }, { .ledger = ledger } };

  host->identity = g_strdup ("h1");
  guest->seq = guest->time_us = 1;
  intent->seq = intent->time_us = 2;
  host->seq = 3;
  ledger->seq = 4;
  guest->writer = g_strdup ("h1");
  intent->writer = g_strdup ("h1");
  ledger->writer = g_strdup ("h1");
  for (guint i = 0; i < G_N_ELEMENTS (all); i++) {
    VrEntry copy = vr_entry_copy (&all[i]);

    g_array_append_val (entries, copy);
  }
  vr_carry_into_etcd (options, entries, &carried, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (carried.written, ==, 4);
  lease = assert_leases (dir);
}

/* ---- races ---- */

typedef struct {
  const char *dir;
  guint64     epoch, seq;
} Other;

static void
write_other (gpointer data)
{
  const Other *other = data;

  place_record (other->dir, UUID, "h1", other->epoch, other->seq);
}

static VrEtcdOptions *
options_by (const char *dir, Between *between, guint n)
{
  VrEtcdOptions *options = place_options (dir);

  g_strfreev (options->endpoints);
  options->endpoints = g_new0 (char *, n + 1);
  for (guint i = 0; i < n; i++)
    options->endpoints[i] = g_strdup (between_url (between));
  return options;
}

static Between *
between_hosts_and_member (void)
{
  place_init ();
  return between_new (place_cluster->members[0].client);
}

/* h1, which wrote epoch 2 already */
static Host *
start_by (const char *dir, Between *between)
{
  g_autoptr (VrEtcdOptions) options = options_by (dir, between, 1);
  g_autofree char *copy = place_copy (dir, "h1");
  g_autoptr (GError) error = NULL;
  VrLog *log = vr_etcd_log_new (options, copy, "h1", &error);
  Host *host;

  g_assert_no_error (error);
  host = host_adopt (log);
  vr_log_start (log);
  wait_for (host->ready);
  host_append_and_wait (host, UUID, 2);
  wait_standing (dir, 2, "2");
  return host;
}

static void
daemon_loses (guint64 epoch, guint64 stands, const char *past)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Between) between = between_hosts_and_member ();
  g_autoptr (Host) h1 = start_by (dir, between);
  Other other = { dir, epoch, 1 };

  between_arm (between, write_other, &other);
  host_append_and_wait (h1, UUID, 3);
  wait_standing (dir, stands, past);
  g_assert_true (between_happened (between));
  g_assert_cmpstr (host_trouble (h1), ==, "");
}

/* An import puts something that supersedes what h1 writes this moment: that goes into the history alone */
static void
test_daemon_loses_to_newer (void)
{
  daemon_loses (7, 7, "7 2 3"); /* the history is by seq */
}

static void
test_daemon_loses_to_older (void)
{
  daemon_loses (1, 3, "1 2 3");
}

/* It was written, and nobody heard so: it counts, once, and what comes next follows it */
static void
test_daemon_hears_nothing (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Between) between = between_hosts_and_member ();
  g_autoptr (Host) h1 = start_by (dir, between), h2 = host_start (dir, "h2");

  between_arm (between, NULL, NULL);
  host_append_and_wait (h1, UUID, 3);
  wait_for (between_happened (between));
  host_append_and_wait (h1, UUID, 4); /* on its disk, if etcd is not back yet */
  wait_for (host_guest (h2, h2->guests->len - 1)->epoch == 4 && *host_trouble (h1) == '\0');
  g_assert_cmpuint (h2->guests->len, ==, 3); /* it started when 2 was there */
  assert_standing (dir, 4, "2 3 4");
}

static void
import (const char *dir, Between *between, guint endpoints)
{
  g_autofree char *json = json_of (UUID, "h1", 3, 3);
  g_autoptr (VrEtcdOptions) options = options_by (dir, between, endpoints);
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) entries = vr_carry_from_text (json, "text", &error);
  g_auto (VrCarried) carried = { 0 };

  g_assert_no_error (error);
  vr_carry_into_etcd (options, entries, &carried, &error);
  g_assert_no_error (error);
  g_assert_true (between_happened (between));
  g_assert_cmpuint (carried.written, ==, 1);
  g_assert_cmpuint (carried.there + carried.refused, ==, 0);
}

static void
import_loses (guint64 epoch, guint64 stands, const char *past)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Between) between = between_hosts_and_member ();
  Other other = { dir, epoch, 4 };

  between_arm (between, write_other, &other);
  import (dir, between, 1);
  assert_standing (dir, stands, past);
}

static void
test_import_loses_to_newer (void)
{
  import_loses (7, 7, "3 7");
}

static void
test_import_loses_to_older (void)
{
  import_loses (1, 3, "3 1");
}

static void
test_import_hears_nothing (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Between) between = between_hosts_and_member ();

  between_arm (between, NULL, NULL);
  import (dir, between, 2);
  assert_standing (dir, 3, "3");
}

/* ---- no room ---- */

static gboolean
can (const VrEtcdOptions *options, const char *path, const char *body)
{
  g_autoptr (VrEtcd) etcd = vr_etcd_new (options, NULL);
  g_autoptr (VrEtcdAnswer) answer = vr_etcd_call_wait (etcd, path, body, 60000, NULL);

  return answer != NULL;
}

/* Until nothing more goes in */
static void
fill (const VrEtcdOptions *options)
{
  g_autofree guchar *much = g_malloc0 (256 * 1024);
  g_autofree char *much64 = g_base64_encode (much, 256 * 1024), *body = g_strdup_printf ("{\"key\": \"Zm9v\", \"value\": \"%s\"}", much64);

  for (guint i = 0; can (options, "/v3/kv/put", body); i++)
    g_assert_cmpuint (i, <, 100);
}

/* What was overwritten is given up, and etcd told to go on */
static void
make_room (const VrEtcdOptions *options)
{
  g_autofree char *range = vr_etcd_say_range ("/none", NULL, 0, 0), *compact = NULL, *disarm = NULL;
  g_autoptr (VrEtcdAnswer) now = cluster_call (options, "/v3/kv/range", range);
  g_autoptr (JsonParser) status = member_ask (&place_cluster->members[0], "/v3/maintenance/status", "{}");
  JsonObject *header = json_object_get_object_member (json_node_get_object (json_parser_get_root (status)), "header");

  compact = g_strdup_printf ("{\"revision\": \"%" G_GINT64_FORMAT "\", \"physical\": true}", now->revision);
  disarm = g_strdup_printf ("{\"action\": \"DEACTIVATE\", \"alarm\": \"NOSPACE\", \"memberID\": \"%s\"}",
                            json_object_get_string_member (header, "member_id"));
  g_assert_true (can (options, "/v3/kv/compaction", compact));
  g_assert_true (can (options, "/v3/maintenance/defragment", "{}"));
  g_assert_true (can (options, "/v3/maintenance/alarm", disarm));
}

/* Its quota is used up: it is read and watched as before, and what is written waits on the disk until there is room */
static void
test_no_room (void)
{
  g_autoptr (Cluster) cluster = NULL;
  Cluster *other = g_steal_pointer (&place_cluster);
  g_autoptr (Directory) dir = directory_new ();
  g_autofree char *copy = place_copy (dir, "h1");
  g_autoptr (VrEtcdOptions) options = NULL;
  g_autoptr (Host) h1 = NULL, h2 = NULL;

  g_setenv ("ETCD_QUOTA_BACKEND_BYTES", "1500000", TRUE);
  place_cluster = cluster = cluster_new (1, FALSE);
  g_unsetenv ("ETCD_QUOTA_BACKEND_BYTES");
  options = place_options (dir);
  h1 = host_start (dir, "h1");
  h2 = host_start (dir, "h2");
  host_append_and_wait (h1, UUID, 1);
  fill (options);
  host_append_and_wait (h1, UUID, 2);
  wait_for (strstr (host_trouble (h1), "space exceeded"));
  g_assert_nonnull (strstr (host_trouble (h1), copy));
  g_assert_nonnull (strstr (host_trouble (h1), "etcdctl alarm disarm"));
  g_assert_null (strstr (host_trouble (h1), "away"));
  g_assert_cmpstr (host_trouble (h2), ==, "");
  make_room (options);
  wait_for (h2->guests->len == 2 && *host_trouble (h1) == '\0');
  assert_standing (dir, 2, "1 2");
  host_stop (g_steal_pointer (&h1));
  host_stop (g_steal_pointer (&h2));
  place_cluster = other;
}

int
main (int argc, char **argv)
{
  int result;

  g_test_init (&argc, &argv, NULL);
  if (!cluster_is_possible ()) {
    g_print ("1..0 # SKIP no etcd here: tests/setup installs it\n");
    return 77;
  }
  g_test_add_func ("/etcd/written/leases/daemon", test_daemons_leases);
  g_test_add_func ("/etcd/written/leases/import", test_imports_leases);
  g_test_add_func ("/etcd/written/race/daemon-loses-to-newer", test_daemon_loses_to_newer);
  g_test_add_func ("/etcd/written/race/daemon-loses-to-older", test_daemon_loses_to_older);
  g_test_add_func ("/etcd/written/race/daemon-hears-nothing", test_daemon_hears_nothing);
  g_test_add_func ("/etcd/written/race/import-loses-to-newer", test_import_loses_to_newer);
  g_test_add_func ("/etcd/written/race/import-loses-to-older", test_import_loses_to_older);
  g_test_add_func ("/etcd/written/race/import-hears-nothing", test_import_hears_nothing);
  g_test_add_func ("/etcd/written/no-room", test_no_room);
  result = g_test_run ();
  place_done ();
  return result;
}
