/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "place.h"

#include "tests/unit/log-fixture.h"

#include "daemon/log/carry.h"
#include "daemon/log/etcd-keys.h"

Cluster *place_cluster;

void
place_init (void)
{
  if (!place_cluster)
    place_cluster = cluster_new (1, FALSE);
}

void
place_done (void)
{
  g_clear_pointer (&place_cluster, cluster_free);
}

VrEtcdOptions *
place_options (const char *dir)
{
  g_autofree char *base = g_path_get_basename (dir), *prefix = g_strconcat ("/", base, NULL);

  place_init ();
  return cluster_options (place_cluster, prefix);
}

char *
place_copy (const char *dir, const char *host)
{
  return g_build_filename (dir, host, NULL);
}

GArray *
place_read (const char *dir)
{
  g_autoptr (VrEtcdOptions) options = place_options (dir);
  g_autoptr (GPtrArray) notes = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) error = NULL;
  GArray *entries = vr_carry_from_etcd (options, notes, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (notes->len, ==, 0);
  return entries;
}

gboolean
place_has_written (const char *dir, const char *host)
{
  g_autofree char *copy = place_copy (dir, host), *waiting = g_build_filename (copy, "waiting", NULL);

  return !g_file_test (waiting, G_FILE_TEST_EXISTS);
}

VrLog *
place_log (const char *dir, const char *host)
{
  g_autoptr (VrEtcdOptions) options = place_options (dir);
  g_autofree char *copy = place_copy (dir, host);
  g_autoptr (GError) error = NULL;
  VrLog *log = vr_etcd_log_new (options, copy, host, &error);

  g_assert_no_error (error);
  return log;
}

void
place_record (const char *dir, const char *uuid, const char *writer, guint64 epoch, guint64 seq)
{
  g_autoptr (VrEtcdOptions) options = place_options (dir);
  g_autofree char *json = json_of (uuid, writer, epoch, seq), *key = NULL, *past = NULL;
  g_auto (VrEntry) entry = { NULL };

  g_assert_true (vr_entry_from_json (json, -1, &entry, NULL));
  key = vr_etcd_key_entry (options->prefix, &entry);
  past = vr_etcd_key_entry_history (options->prefix, &entry);
  cluster_put (options, key, json);
  cluster_put (options, past, json);
}

static void
remove_copy (const char *dir, const char *host)
{
  static const char *const names[] = { "known", "waiting", "" };
  g_autofree char *copy = place_copy (dir, host);

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *file = g_build_filename (copy, names[i], NULL);

    g_remove (file);
  }
}

void
place_lose (const char *dir, const char *host)
{
  g_autoptr (VrEtcdOptions) options = place_options (dir);
  g_autofree char *key = g_strdup_printf ("%s/now/%s/", options->prefix, host), *end = vr_etcd_prefix_end (key);
  g_autofree char *range = vr_etcd_say_range (key, end, 0, 0);

  vr_etcd_answer_free (cluster_call (options, "/v3/kv/deleterange", range));
  remove_copy (dir, host);
}

void
place_clear (const char *dir)
{
  g_autoptr (GDir) all = g_dir_open (dir, 0, NULL);
  const char *host;

  while (all && (host = g_dir_read_name (all)))
    remove_copy (dir, host);
}
