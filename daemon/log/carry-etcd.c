/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Out of etcd and into it. All that stands there is listed first. Then each record is one transaction on the revision that was read, newest
 * first: so what counts is there first, and what it supersedes goes into the history alone. A transaction that lost a race says what
 * stands there now, and is tried again by the same rules.
 */
#include "carry.h"

#include "etcd-keys.h"

#include <string.h>

#define DEADLINE_MS 5000
#define PAGE 500
#define TRIES 20        /* of one record: each lost race is somebody's write under the same key */
#define LEASE_MORE_S 60

typedef struct {
  const VrEtcdOptions *options;
  VrEtcd     *etcd;
  GHashTable *standing; /* key below now/ -> Standing */
  GHashTable *past;     /* set of keys below history/ */
  GHashTable *denied;   /* set of hosts in whose name this user may not write */
  gint64      lease;
} Carrier;

typedef struct {
  gint64  mod_revision;
  VrEntry entry; /* empty: what stands there is no record */
} Standing;

static void
standing_free (gpointer data)
{
  Standing *standing = data;

  vr_entry_clear (&standing->entry);
  g_free (standing);
}

static void
carrier_clear (Carrier *self)
{
  g_clear_pointer (&self->etcd, vr_etcd_unref);
  g_hash_table_unref (self->standing);
  g_hash_table_unref (self->past);
  g_hash_table_unref (self->denied);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Carrier, carrier_clear)

static gboolean
carrier_init (Carrier *self, const VrEtcdOptions *options, GError **error)
{
  self->options = options;
  self->standing = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, standing_free);
  self->past = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->denied = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->etcd = vr_etcd_new (options, error);
  return self->etcd != NULL;
}

/* Each endpoint gets its chance, as long as it is the endpoint that fails, and not what it is asked. */
static VrEtcdAnswer *
call (Carrier *self, const char *path, const char *body, GError **error)
{
  for (guint tried = 1;; tried++) {
    g_autoptr (GError) why = NULL;
    VrEtcdAnswer *answer = vr_etcd_call_wait (self->etcd, path, body, DEADLINE_MS, &why);

    if (answer)
      return answer;
    if (tried >= vr_etcd_n_endpoints (self->etcd) || g_error_matches (why, VR_ETCD_ERROR, VR_ETCD_ERROR_PERMISSION)) {
      g_propagate_error (error, g_steal_pointer (&why));
      return NULL;
    }
    vr_etcd_next_endpoint (self->etcd);
  }
}

/* ---- what is there ---- */

/* FALSE: not a record, or not one that belongs under that key. */
static gboolean
read_value (Carrier *self, const VrEtcdKv *kv, VrEntry *entry)
{
  g_autofree char *key = NULL, *past = NULL;
  gsize len;
  const char *json = g_bytes_get_data (kv->value, &len);

  if (!vr_entry_from_json (json ? json : "", len, entry, NULL))
    return FALSE;
  key = vr_etcd_key_entry (self->options->prefix, entry);
  past = vr_etcd_key_entry_history (self->options->prefix, entry);
  if (strcmp (key, kv->key) == 0 || g_strcmp0 (past, kv->key) == 0)
    return TRUE;
  vr_entry_clear (entry);
  return FALSE;
}

static void
found (Carrier *self, const VrEtcdKv *kv, const VrEntry *entry /* taken */)
{
  Standing *standing = g_new0 (Standing, 1);

  standing->mod_revision = kv->mod_revision;
  standing->entry = *entry;
  g_hash_table_replace (self->standing, g_strdup (kv->key), standing);
}

static gboolean
is_past (Carrier *self, const char *key)
{
  g_autofree char *prefix = vr_etcd_key_history (self->options->prefix);

  return g_str_has_prefix (key, prefix);
}

/* `entries`: also there, each once; NULL: not wanted. `notes` likewise. */
static void
take_page (Carrier *self, const VrEtcdAnswer *answer, GArray *entries, GHashTable *seen, GPtrArray *notes)
{
  for (guint i = 0; i < answer->kvs->len; i++) {
    const VrEtcdKv *kv = answer->kvs->pdata[i];
    VrEntry entry = { NULL };

    if (vr_etcd_key_is_machine (kv->key))
      continue;
    if (!read_value (self, kv, &entry) && notes)
      vr_carry_note (notes, "%s: not a record that belongs there. It is passed over", kv->key);
    if (entries && (entry.guest || entry.host || entry.ledger) &&
        g_hash_table_add (seen, g_strdup_printf ("%s %" G_GUINT64_FORMAT, vr_entry_writer (&entry), vr_entry_seq (&entry)))) {
      VrEntry copy = vr_entry_copy (&entry);

      g_array_append_val (entries, copy);
    }
    if (is_past (self, kv->key)) {
      g_hash_table_add (self->past, g_strdup (kv->key));
      vr_entry_clear (&entry);
    } else {
      found (self, kv, &entry);
    }
  }
}

static gboolean
list_all (Carrier *self, GArray *entries, GPtrArray *notes, GError **error)
{
  g_autofree char *from = g_strconcat (self->options->prefix, "/", NULL), *end = vr_etcd_prefix_end (from);
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  gint64 revision = 0;
  gboolean more = TRUE;

  while (more) {
    g_autofree char *body = vr_etcd_say_range (from, end, revision, PAGE);
    g_autoptr (VrEtcdAnswer) answer = call (self, "/v3/kv/range", body, error);

    if (!answer)
      return FALSE;
    revision = revision != 0 ? revision : answer->revision;
    take_page (self, answer, entries, seen, notes);
    more = answer->more && answer->kvs->len > 0;
    if (more) {
      g_free (from);
      from = g_strconcat (((VrEtcdKv *) answer->kvs->pdata[answer->kvs->len - 1])->key, "\001", NULL);
    }
  }
  return TRUE;
}

/* ---- out of it ---- */

GArray *
vr_carry_from_etcd (const VrEtcdOptions *options, GPtrArray *notes, GError **error)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (GArray) entries = vr_log_entries_new ();
  gboolean ok;

  g_main_context_push_thread_default (context);
  {
    g_auto (Carrier) self = { NULL };

    ok = carrier_init (&self, options, error) && list_all (&self, entries, notes, error);
  }
  while (g_main_context_iteration (context, FALSE))
    ; /* what was cancelled goes */
  g_main_context_pop_thread_default (context);
  if (!ok)
    return NULL;
  vr_carry_sort (entries);
  return g_steal_pointer (&entries);
}

/* ---- into it ---- */

static gboolean
want_lease (Carrier *self, GError **error)
{
  g_autofree char *body = vr_etcd_say_lease ((guint64) self->options->history_s + LEASE_MORE_S);
  g_autoptr (VrEtcdAnswer) answer = call (self, "/v3/lease/grant", body, error);

  self->lease = answer ? answer->lease : 0;
  return answer != NULL;
}

/* A race was lost: what stands there now? */
static void
look_again (Carrier *self, const VrEtcdAnswer *answer, const char *key)
{
  g_hash_table_remove (self->standing, key);
  for (guint i = 0; i < answer->kvs->len; i++) {
    const VrEtcdKv *kv = answer->kvs->pdata[i];
    VrEntry entry = { NULL };

    if (strcmp (kv->key, key) != 0)
      continue;
    read_value (self, kv, &entry);
    found (self, kv, &entry);
  }
}

/* TRUE with *written FALSE: it is there, or something newer is. */
static gboolean
carry_one (Carrier *self, const VrEntry *entry, gboolean *written, GError **error)
{
  g_autofree char *key = vr_etcd_key_entry (self->options->prefix, entry), *past = vr_etcd_key_entry_history (self->options->prefix, entry);
  g_autofree char *json = vr_entry_to_json (entry);

  for (guint tries = 0; tries < TRIES; tries++) {
    const Standing *standing = g_hash_table_lookup (self->standing, key);
    gboolean known = standing && (standing->entry.guest || standing->entry.host || standing->entry.ledger);
    gboolean replaces = vr_etcd_entry_replaces (entry, known ? &standing->entry : NULL), add = past && !g_hash_table_contains (self->past, past);
    const VrEtcdTxn txn = { .key = key, .mod_revision = standing ? standing->mod_revision : 0, .value = replaces ? json : NULL,
                            .lease = vr_etcd_entry_expires (entry) ? self->lease : 0, .also_key = add ? past : NULL,
                            .also_value = add ? json : NULL, .also_lease = self->lease };
    g_autofree char *body = vr_etcd_say_txn (&txn);
    g_autoptr (VrEtcdAnswer) answer = NULL;

    *written = replaces || add;
    if (!*written)
      return TRUE;
    answer = call (self, "/v3/kv/txn", body, error);
    if (!answer)
      return FALSE;
    if (!answer->succeeded) {
      look_again (self, answer, key);
      continue;
    }
    if (replaces) {
      VrEtcdKv kv = { .key = key, .mod_revision = answer->revision };
      VrEntry copy = { NULL };

      vr_entry_from_json (json, -1, &copy, NULL);
      found (self, &kv, &copy);
    }
    return TRUE;
  }
  g_set_error (error, VR_ETCD_ERROR, VR_ETCD_ERROR_FAILED, "%s is written by somebody else again and again", key);
  return FALSE;
}

static gboolean
carry_all (Carrier *self, GArray *entries, VrCarried *carried, GError **error)
{
  for (guint i = entries->len; i > 0; i--) {
    const VrEntry *entry = &g_array_index (entries, VrEntry, i - 1);
    const char *writer = vr_entry_writer (entry);
    g_autoptr (GError) why = NULL;
    gboolean written = FALSE;

    if (g_hash_table_contains (self->denied, writer)) {
      carried->refused++;
    } else if (carry_one (self, entry, &written, &why)) {
      carried->written += written;
      carried->there += !written;
    } else if (g_error_matches (why, VR_ETCD_ERROR, VR_ETCD_ERROR_PERMISSION)) {
      carried->refused++;
      g_hash_table_add (self->denied, g_strdup (writer));
      vr_carry_note (carried->notes, "records of %s: %s. Import the same file on %s, too", writer, why->message, writer);
    } else {
      g_propagate_error (error, g_steal_pointer (&why));
      return FALSE;
    }
  }
  return TRUE;
}

gboolean
vr_carry_into_etcd (const VrEtcdOptions *options, GArray *entries, VrCarried *carried, GError **error)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  gboolean ok;

  carried->notes = g_ptr_array_new_with_free_func (g_free);
  g_main_context_push_thread_default (context);
  {
    g_auto (Carrier) self = { NULL };

    ok = carrier_init (&self, options, error) && list_all (&self, NULL, NULL, error) && want_lease (&self, error) &&
         carry_all (&self, entries, carried, error);
  }
  while (g_main_context_iteration (context, FALSE))
    ;
  g_main_context_pop_thread_default (context);
  return ok;
}
