/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The etcd engine: what stands in etcd under the own keys, as far as this host knows. */
#include "etcd-log.h"

static void
standing_free (gpointer data)
{
  VrEtcdStanding *standing = data;

  vr_entry_clear (&standing->entry);
  g_free (standing);
}

GHashTable *
vr_etcd_standing_new (void)
{
  return g_hash_table_new_full (g_str_hash, g_str_equal, g_free, standing_free);
}

void
vr_etcd_standing_found (VrEtcdLog *self, const char *key, gint64 mod_revision, const VrEntry *entry)
{
  VrEtcdStanding *standing = g_hash_table_lookup (self->standing, key);

  if (!entry) {
    g_hash_table_remove (self->standing, key);
    return;
  }
  if (standing && standing->mod_revision >= mod_revision)
    return; /* the watch may bring an older state than the answer to a write */
  standing = g_new0 (VrEtcdStanding, 1);
  standing->mod_revision = mod_revision;
  standing->entry = vr_entry_copy (entry);
  g_hash_table_replace (self->standing, g_strdup (key), standing);
}

guint64
vr_etcd_standing_last_seq (VrEtcdLog *self)
{
  GHashTableIter iter;
  gpointer standing;
  guint64 last = 0;

  g_hash_table_iter_init (&iter, self->standing);
  while (g_hash_table_iter_next (&iter, NULL, &standing))
    last = MAX (last, vr_entry_seq (&((VrEtcdStanding *) standing)->entry));
  return last;
}
