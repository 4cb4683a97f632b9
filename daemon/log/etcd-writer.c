/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The etcd engine: writing.
 *
 * Own records stand in one queue, in order, and the first of it is sent: one transaction, which says that this machine is still the
 * one behind the host's name, and that the key is as this host knows it; then it puts the record there, and into the history. If the
 * comparison fails the answer shows what stands there, and that decides:
 *   another machine's id     the name is taken: nothing is written any more
 *   this very record         it was written, and only the answer was lost
 *   a record of ours         an earlier try that came through after all, or a store that was restored: it counts as what stands
 *                            there, and the record takes its place, or goes into the history alone, by the rules of custody
 *
 * A record counts once etcd has it. If that takes longer than a moment it goes to this host's disk (etcd-copy.c), counts once it is
 * there, and is written to etcd in its turn, even by the next virt-relayd. Records that wait on the disk, and that etcd has already,
 * are told apart by seq.
 *
 * What goes with a lease shares one for some hours, so that 1,000 records are not 1,000 leases.
 */
#include "etcd-log.h"

#include <string.h>

#define SLOW_MS 250         /* what takes longer goes to the disk */
#define OWN_RETRY_MS 2000   /* after etcd refused a record */
#define LEASE_SHARED_S 21600

typedef struct {
  VrEntry  entry;
  char    *json;
  GTask   *task;      /* of the base; NULL: it knows already */
  gboolean on_disk;   /* in the file of those that wait */
  gboolean from_disk; /* read from there: written by an earlier virt-relayd */
} Own;

static void
own_free (gpointer data)
{
  Own *own = data;

  vr_entry_clear (&own->entry);
  g_free (own->json);
  g_clear_object (&own->task);
  g_free (own);
}

static void
own_counts (Own *own)
{
  g_autoptr (GTask) task = g_steal_pointer (&own->task);

  if (task)
    g_task_return_boolean (task, TRUE);
}

/* ---- the queue ---- */

static Own *
own_new (const VrEntry *entry, const char *json)
{
  Own *own = g_new0 (Own, 1);

  own->entry = vr_entry_copy (entry);
  own->json = g_strdup (json);
  return own;
}

static void
set_seq (Own *own, guint64 seq)
{
  g_autofree char *json = vr_entry_to_json (&own->entry);
  VrEntry entry = { NULL };

  /* The entry may be shared: another one is made. */
  if (!vr_entry_from_json (json, -1, &entry, NULL))
    return;
  if (entry.guest)
    entry.guest->seq = seq;
  else if (entry.host)
    entry.host->seq = seq;
  else
    entry.ledger->seq = seq;
  vr_entry_clear (&own->entry);
  own->entry = entry;
  g_free (own->json);
  own->json = vr_entry_to_json (&own->entry);
}

/* Is it in etcd, written by an earlier virt-relayd, which did not come to take it off its disk? */
static gboolean
is_there (VrEtcdLog *self, const Own *own)
{
  g_autofree char *key = vr_etcd_key_entry (self->options->prefix, &own->entry);
  const VrEtcdStanding *standing = g_hash_table_lookup (self->standing, key);
  guint64 seq = standing ? vr_entry_seq (&standing->entry) : 0, mine = vr_entry_seq (&own->entry);

  return seq == mine || (own->from_disk && seq > mine);
}

/* What was there before, is not now, and is not there for a while only. */
static void
write_again (VrEtcdLog *self, GHashTable *before)
{
  GHashTableIter iter;
  gpointer key, value;

  g_hash_table_iter_init (&iter, before);
  while (g_hash_table_iter_next (&iter, &key, &value)) {
    const VrEtcdStanding *was = value, *is = g_hash_table_lookup (self->standing, key);
    g_autofree char *json = NULL;

    if (vr_etcd_entry_expires (&was->entry) || (is && vr_entry_seq (&is->entry) >= vr_entry_seq (&was->entry)))
      continue;
    json = vr_entry_to_json (&was->entry);
    g_queue_push_head (&self->own, own_new (&was->entry, json));
  }
}

void
vr_etcd_writer_listed (VrEtcdLog *self, GHashTable *before)
{
  guint64 last = vr_etcd_standing_last_seq (self);

  for (GList *l = self->own.head, *next; l; l = next) {
    Own *own = l->data;

    next = l->next;
    if (vr_entry_seq (&own->entry) > last)
      continue;
    if (is_there (self, own)) {
      own_counts (own);
      own_free (own);
      g_queue_delete_link (&self->own, l);
      self->drop_wanted = TRUE;
    } else {
      set_seq (own, vr_log_next_seq (VR_LOG (self))); /* the clock was set back: nobody would take it for new */
    }
  }
  if (before)
    write_again (self, before);
}

static gboolean
on_slow (gpointer data)
{
  VrEtcdLog *self = data;

  self->slow = TRUE;
  vr_etcd_copy_pump (self);
  return G_SOURCE_CONTINUE;
}

void
vr_etcd_writer_append (VrLog *log, const char *json, GTask *task)
{
  VrEtcdLog *self = VR_ETCD_LOG (log);
  g_auto (VrEntry) entry = { NULL };
  Own *own;

  if (!vr_entry_from_json (json, -1, &entry, NULL)) { /* the base made sure that it can be read */
    g_task_return_new_error (task, VR_RECORD_ERROR, VR_RECORD_ERROR_MALFORMED, "not a record");
    g_object_unref (task);
    return;
  }
  own = own_new (&entry, json);
  own->task = task;
  g_queue_push_tail (&self->own, own);
  if (!self->slow_timer)
    vr_etcd_log_set_timer (self, &self->slow_timer, SLOW_MS, on_slow);
  vr_etcd_writer_send (self);
  vr_etcd_copy_pump (self);
}

void
vr_etcd_writer_restore (VrEtcdLog *self, const VrEntry *entry)
{
  g_autofree char *json = vr_entry_to_json (entry);
  Own *own = own_new (entry, json);

  own->on_disk = own->from_disk = TRUE;
  g_queue_push_tail (&self->own, own);
}

/* ---- to the disk ---- */

GPtrArray *
vr_etcd_writer_to_keep (VrEtcdLog *self)
{
  GPtrArray *json = g_ptr_array_new_with_free_func (g_free);

  for (GList *l = self->own.head; l; l = l->next)
    if (!((Own *) l->data)->on_disk)
      g_ptr_array_add (json, g_strdup (((Own *) l->data)->json));
  return json;
}

void
vr_etcd_writer_kept (VrEtcdLog *self, GPtrArray *json)
{
  g_autoptr (GPtrArray) tasks = g_ptr_array_new_with_free_func (g_object_unref);

  for (GList *l = self->own.head; l; l = l->next) {
    Own *own = l->data;

    if (own->on_disk || !g_ptr_array_find_with_equal_func (json, own->json, g_str_equal, NULL))
      continue;
    own->on_disk = TRUE;
    if (own->task)
      g_ptr_array_add (tasks, g_steal_pointer (&own->task));
  }
  for (guint i = 0; i < tasks->len; i++)
    g_task_return_boolean (tasks->pdata[i], TRUE);
}

/* ---- to etcd ---- */

static gboolean
on_own_retry (gpointer data)
{
  VrEtcdLog *self = data;

  vr_etcd_clear_source (&self->own_retry);
  vr_etcd_writer_send (self);
  return G_SOURCE_REMOVE;
}

/* Is it the cluster that failed, and not what it was asked? */
static gboolean
is_away (const GError *error)
{
  return !g_error_matches (error, VR_ETCD_ERROR, VR_ETCD_ERROR_PERMISSION) && !g_error_matches (error, VR_ETCD_ERROR, VR_ETCD_ERROR_FAILED);
}

static void
send_failed (VrEtcdLog *self, const GError *error)
{
  g_autofree char *what = NULL;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) { /* of a session that is over; there may be another by now */
    vr_etcd_writer_send (self);
    return;
  }
  if (vr_log_is_stopped (VR_LOG (self)))
    return;
  if (is_away (error)) {
    vr_etcd_log_away (self, error);
    return;
  }
  what = g_strdup_printf ("etcd does not take this host's records (%s); they wait in %s", error->message, self->copy->directory);
  vr_log_set_trouble (VR_LOG (self), "own", what);
  self->slow = TRUE;
  vr_etcd_log_set_timer (self, &self->own_retry, OWN_RETRY_MS, on_own_retry);
  vr_etcd_copy_pump (self);
}

/* The first of the queue is in etcd. */
static void
sent (VrEtcdLog *self)
{
  Own *own = g_queue_pop_head (&self->own);

  vr_log_set_trouble (VR_LOG (self), "own", NULL);
  self->drop_wanted |= own->on_disk;
  own_counts (own);
  own_free (own);
  if (g_queue_is_empty (&self->own)) {
    self->slow = FALSE;
    vr_etcd_clear_source (&self->slow_timer);
  }
  vr_etcd_writer_send (self);
  vr_etcd_copy_pump (self);
}

static VrEtcdStanding *
standing_of (VrEtcdLog *self, const Own *own, char **key)
{
  *key = vr_etcd_key_entry (self->options->prefix, &own->entry);
  return g_hash_table_lookup (self->standing, *key);
}

/* The comparison failed: the answer has what stands there. */
static void
resolve (VrEtcdLog *self, const VrEtcdAnswer *answer)
{
  Own *own = g_queue_peek_head (&self->own);
  g_autofree char *key = NULL;
  gboolean is_mine = FALSE;

  standing_of (self, own, &key);
  g_hash_table_remove (self->standing, key);
  for (guint i = 0; i < answer->kvs->len && !self->refused; i++) {
    const VrEtcdKv *kv = answer->kvs->pdata[i];
    g_auto (VrEntry) entry = { NULL };
    gsize len;
    const char *value = g_bytes_get_data (kv->value, &len);

    if (strcmp (kv->key, self->machine_key) == 0) {
      is_mine = len == strlen (self->machine) && strncmp (value ? value : "", self->machine, len) == 0;
    } else if (strcmp (kv->key, key) == 0 && vr_entry_from_json (value ? value : "", len, &entry, NULL)) {
      vr_etcd_standing_found (self, key, kv->mod_revision, &entry);
      if (vr_entry_seq (&entry) > vr_log_get_issued (VR_LOG (self)))
        vr_etcd_log_name_taken (self, "a record that this one did not write stands under its name in etcd");
    } else if (strcmp (kv->key, key) == 0) { /* somebody's, by hand: overwritten */
      vr_etcd_standing_found (self, key, kv->mod_revision, &own->entry);
      set_seq (own, vr_log_next_seq (VR_LOG (self)));
    }
  }
  if (!is_mine)
    vr_etcd_log_name_taken (self, "its key in etcd names another machine, or was removed");
  if (self->refused)
    return;
  if (is_there (self, own))
    sent (self);
  else
    vr_etcd_writer_send (self);
}

static void
on_sent (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (VrEtcdLog) self = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (VrEtcdAnswer) answer = vr_etcd_call_finish (self->etcd, result, &error);
  g_autofree char *key = NULL;
  Own *own = g_queue_peek_head (&self->own);

  self->sending = FALSE;
  if (vr_log_is_stopped (VR_LOG (self)) || self->refused)
    return;
  if (own != self->sent_own) { /* a list had it meanwhile, or put another one before it */
    vr_etcd_writer_send (self);
    return;
  }
  if (g_error_matches (error, VR_ETCD_ERROR, VR_ETCD_ERROR_NO_LEASE)) {
    self->lease = 0;
    vr_etcd_writer_send (self);
  } else if (!answer) {
    send_failed (self, error);
  } else if (!answer->succeeded) {
    resolve (self, answer);
  } else {
    const VrEtcdStanding *standing = standing_of (self, own, &key);

    self->highest = MAX (self->highest, answer->revision);
    if (vr_etcd_entry_replaces (&own->entry, standing ? &standing->entry : NULL))
      vr_etcd_standing_found (self, key, answer->revision, &own->entry);
    sent (self);
  }
}

static void
send_first (VrEtcdLog *self)
{
  const Own *own = g_queue_peek_head (&self->own);
  g_autofree char *key = NULL, *past = vr_etcd_key_entry_history (self->options->prefix, &own->entry), *body = NULL;
  const VrEtcdStanding *standing = standing_of (self, own, &key);
  const VrEtcdTxn txn = {
    .guard_key = self->machine_key,
    .guard_value = self->machine,
    .key = key,
    .mod_revision = standing ? standing->mod_revision : 0,
    .value = vr_etcd_entry_replaces (&own->entry, standing ? &standing->entry : NULL) ? own->json : NULL,
    .lease = vr_etcd_entry_expires (&own->entry) ? self->lease : 0,
    .also_key = past,
    .also_value = past ? own->json : NULL,
    .also_lease = self->lease,
  };

  body = vr_etcd_say_txn (&txn);
  self->sent_own = own;
  vr_etcd_call_async (self->etcd, "/v3/kv/txn", body, self->deadline_ms, self->session, on_sent, g_object_ref (self));
}

static void
on_lease (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (VrEtcdLog) self = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (VrEtcdAnswer) answer = vr_etcd_call_finish (self->etcd, result, &error);

  self->sending = FALSE;
  if (!answer) {
    send_failed (self, error);
    return;
  }
  self->lease = answer->lease;
  self->lease_until_us = g_get_monotonic_time () + (gint64) LEASE_SHARED_S * G_USEC_PER_SEC;
  vr_etcd_writer_send (self);
}

void
vr_etcd_writer_send (VrEtcdLog *self)
{
  g_autofree char *body = NULL;

  if (self->phase != VR_ETCD_FOLLOWING || self->sending || self->refused || g_queue_is_empty (&self->own) ||
      vr_log_is_stopped (VR_LOG (self)))
    return;
  self->sending = TRUE;
  vr_etcd_clear_source (&self->own_retry);
  if (self->lease != 0 && g_get_monotonic_time () < self->lease_until_us) {
    send_first (self);
    return;
  }
  body = vr_etcd_say_lease ((gint64) self->options->history_s + LEASE_SHARED_S);
  vr_etcd_call_async (self->etcd, "/v3/lease/grant", body, self->deadline_ms, self->session, on_lease, g_object_ref (self));
}

/* ---- start and end ---- */

void
vr_etcd_writer_init (VrEtcdLog *self)
{
  self->standing = vr_etcd_standing_new ();
  g_queue_init (&self->own);
}

void
vr_etcd_writer_stop (VrEtcdLog *self, const GError *why)
{
  vr_etcd_clear_source (&self->slow_timer);
  vr_etcd_clear_source (&self->own_retry);
  for (GList *l = self->own.head; l; l = l->next) {
    g_autoptr (GTask) task = g_steal_pointer (&((Own *) l->data)->task);

    if (task && why)
      g_task_return_error (task, g_error_copy (why));
    else if (task)
      g_task_return_boolean (task, TRUE); /* the base told the caller already */
  }
}

void
vr_etcd_writer_clear (VrEtcdLog *self)
{
  vr_etcd_clear_source (&self->slow_timer);
  vr_etcd_clear_source (&self->own_retry);
  g_queue_clear_full (&self->own, own_free);
  g_clear_pointer (&self->standing, g_hash_table_unref);
}
