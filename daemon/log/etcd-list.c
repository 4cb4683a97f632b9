/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The etcd engine: reading all keys, page by page, at one revision. If this host's name is nobody's yet, it is taken. The list is emitted as a
 * whole, when it is; a revision that was compacted away between two pages begins it anew. The history follows in the background.
 */
#include "etcd-log.h"

#include <string.h>

typedef struct {
  char   *key;
  gint64  mod_revision;
  GBytes *value;
  VrEntry entry;
} Listed;

static void
listed_free (gpointer data)
{
  Listed *listed = data;

  g_free (listed->key);
  g_bytes_unref (listed->value);
  vr_entry_clear (&listed->entry);
  g_free (listed);
}

static int
compare_listed (gconstpointer a, gconstpointer b)
{
  const Listed *x = *(const Listed *const *) a, *y = *(const Listed *const *) b;
  guint64 left = vr_entry_seq (&x->entry), right = vr_entry_seq (&y->entry);

  return left < right ? -1 : left > right;
}

/* What the list says of this host's own keys, and for the copy. */
static void
note_listed (VrEtcdLog *self)
{
  g_ptr_array_set_size (self->to_know, 0);
  self->replace_wanted = TRUE;
  for (guint i = 0; i < self->listed->len; i++) {
    const Listed *one = self->listed->pdata[i];
    gsize len;
    const char *json = g_bytes_get_data (one->value, &len);

    vr_etcd_copy_know (self, json, len);
    if (strcmp (vr_entry_writer (&one->entry), vr_log_get_self (VR_LOG (self))) == 0)
      vr_etcd_standing_found (self, one->key, one->mod_revision, &one->entry);
  }
}

static void
emit_listed (VrEtcdLog *self)
{
  g_autoptr (GPtrArray) listed = g_steal_pointer (&self->listed);

  for (guint i = 0; i < listed->len && !vr_log_is_stopped (VR_LOG (self)); i++)
    vr_log_take_entry (VR_LOG (self), &((Listed *) listed->pdata[i])->entry);
}

static void load_history (VrEtcdLog *self, const char *from);

static void
list_done (VrEtcdLog *self)
{
  VrLog *log = VR_LOG (self);
  g_autoptr (GHashTable) before = g_steal_pointer (&self->standing);
  gboolean went_back = self->highest > self->list_revision, opened = vr_log_get_issued (log) != G_MAXUINT64;
  guint64 last_seq;

  self->standing = vr_etcd_standing_new ();
  g_ptr_array_sort (self->listed, compare_listed);
  note_listed (self);
  self->highest = self->list_revision;
  self->revision = self->list_revision + 1;
  last_seq = vr_etcd_standing_last_seq (self);
  if (opened)
    vr_log_raise (log, last_seq);
  vr_etcd_writer_listed (self, went_back ? before : NULL);
  emit_listed (self);
  if (!opened)
    vr_log_opened (log, last_seq);
  vr_etcd_log_say_faults (self);
  vr_etcd_copy_pump (self);
  vr_log_set_ready (log);
  if (vr_log_is_stopped (log))
    return;
  vr_etcd_log_watch (self);
  load_history (self, NULL);
}

static void
on_claimed (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (VrEtcdLog) self = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (VrEtcdAnswer) answer = vr_etcd_call_finish (self->etcd, result, &error);

  if (!answer) {
    if (!vr_etcd_log_is_dropped (self, error))
      vr_etcd_log_away (self, error);
    return;
  }
  for (guint i = 0; !answer->succeeded && i < answer->kvs->len; i++)
    vr_etcd_log_found_machine (self, answer->kvs->pdata[i]);
  list_done (self);
}

/* The first to write below a host's name says which machine it is. */
static void
claim (VrEtcdLog *self)
{
  const VrEtcdTxn txn = { .key = self->machine_key, .value = self->machine };
  g_autofree char *body = vr_etcd_say_txn (&txn);

  vr_etcd_call_async (self->etcd, "/v3/kv/txn", body, self->deadline_ms, self->session, on_claimed, g_object_ref (self));
}

/* Takes one page in; the last key of it. */
static const char *
take_page (VrEtcdLog *self, const VrEtcdAnswer *answer, gboolean *claimed)
{
  const char *last = NULL;

  for (guint i = 0; i < answer->kvs->len; i++) {
    const VrEtcdKv *kv = answer->kvs->pdata[i];
    VrEntry entry = { NULL };
    Listed *listed;

    last = kv->key;
    if (vr_etcd_key_is_machine (kv->key)) {
      *claimed |= strcmp (kv->key, self->machine_key) == 0;
      vr_etcd_log_found_machine (self, kv);
      continue;
    }
    if (!vr_etcd_log_read_entry (self, kv, &entry))
      continue;
    listed = g_new0 (Listed, 1);
    listed->key = g_strdup (kv->key);
    listed->mod_revision = kv->mod_revision;
    listed->value = g_bytes_ref (kv->value);
    listed->entry = entry;
    g_ptr_array_add (self->listed, listed);
  }
  return last;
}

static void
on_page (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (VrEtcdLog) self = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (VrEtcdAnswer) answer = vr_etcd_call_finish (self->etcd, result, &error);
  g_autofree char *next = NULL;
  const char *last;

  if (!answer && vr_etcd_log_is_dropped (self, error))
    return;
  if (g_error_matches (error, VR_ETCD_ERROR, VR_ETCD_ERROR_COMPACTED)) {
    vr_etcd_list_start (self, NULL); /* somebody compacts while we read; a list that is quicker than that comes through */
    return;
  }
  if (!answer) {
    vr_etcd_log_away (self, error);
    return;
  }
  if (self->list_revision == 0)
    self->list_revision = answer->revision;
  last = take_page (self, answer, &self->claimed);
  if (answer->more && last && *last) {
    next = g_strconcat (last, "\001", NULL);
    vr_etcd_list_start (self, next);
  } else if (self->claimed || self->refused) {
    list_done (self);
  } else {
    claim (self);
  }
}

/* `from`: the key to go on from; NULL: from the start. */
void
vr_etcd_list_start (VrEtcdLog *self, const char *from)
{
  g_autofree char *end = vr_etcd_prefix_end (self->now), *body = NULL;

  g_debug ("etcd: list %s", vr_etcd_endpoint (self->etcd));
  self->phase = VR_ETCD_LISTING;
  if (!from) {
    g_clear_pointer (&self->listed, g_ptr_array_unref);
    self->listed = g_ptr_array_new_with_free_func (listed_free);
    self->list_revision = 0;
    self->claimed = FALSE;
    g_hash_table_remove_all (self->faults);
  }
  body = vr_etcd_say_range (from ? from : self->now, end, self->list_revision, self->page);
  vr_etcd_call_async (self->etcd, "/v3/kv/range", body, self->deadline_ms, self->session, on_page, g_object_ref (self));
}

/* ---- history: read in the background, since nothing waits for it ---- */

static void
on_history (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (VrEtcdLog) self = data;
  g_autoptr (VrEtcdAnswer) answer = vr_etcd_call_finish (self->etcd, result, NULL);
  g_autofree char *next = NULL;

  if (!answer || vr_log_is_stopped (VR_LOG (self)))
    return; /* it is read again after the next list */
  for (guint i = 0; i < answer->kvs->len; i++) {
    const VrEtcdKv *kv = answer->kvs->pdata[i];
    g_autofree char *host = vr_etcd_key_host (self->options->prefix, kv->key);
    g_auto (VrEntry) entry = { NULL };
    gsize len;
    const char *json = g_bytes_get_data (kv->value, &len);

    if (host && vr_entry_from_json (json ? json : "", len, &entry, NULL) && strcmp (host, vr_entry_writer (&entry)) == 0)
      vr_log_take_history (VR_LOG (self), &entry);
    next = i + 1 == answer->kvs->len ? g_strconcat (kv->key, "\001", NULL) : NULL;
  }
  if (answer->more && next)
    load_history (self, next);
}

static void
load_history (VrEtcdLog *self, const char *from)
{
  g_autofree char *end = vr_etcd_prefix_end (self->past), *body = vr_etcd_say_range (from ? from : self->past, end, 0, self->page);

  vr_etcd_call_async (self->etcd, "/v3/kv/range", body, self->deadline_ms, self->session, on_history, g_object_ref (self));
}

