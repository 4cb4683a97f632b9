/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The etcd engine: watching.
 *
 * A watch says nothing when nothing happens, and nothing either when its member is stopped or its connection is dead. So the member
 * is asked for one key every `ping_ms`, with a deadline, which also finds a lost quorum; and a watch that was silent for `renew_ms`
 * is taken up anew, in case its connection alone is dead.
 */
#include "etcd-log.h"

static void
on_pinged (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (VrEtcdLog) self = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (VrEtcdAnswer) answer = vr_etcd_call_finish (self->etcd, result, &error);

  if (!answer && !vr_etcd_log_is_dropped (self, error))
    vr_etcd_log_away (self, error);
}

static gboolean
on_ping (gpointer data)
{
  VrEtcdLog *self = data;
  g_autofree char *body = vr_etcd_say_range (self->machine_key, NULL, 0, 0);

  vr_etcd_call_async (self->etcd, "/v3/kv/range", body, self->deadline_ms, self->session, on_pinged, g_object_ref (self));
  return G_SOURCE_CONTINUE;
}

static gboolean
on_silence (gpointer data)
{
  VrEtcdLog *self = data;

  vr_etcd_clear_source (&self->renew);
  vr_etcd_log_watch (self);
  return G_SOURCE_REMOVE;
}

static void
take_event (VrEtcdLog *self, const VrEtcdKv *kv)
{
  VrLog *log = VR_LOG (self);
  g_autofree char *host = vr_etcd_key_host (self->options->prefix, kv->key);
  gboolean own = g_strcmp0 (host, vr_log_get_self (log)) == 0;
  g_auto (VrEntry) entry = { NULL };
  gsize len;
  const char *json;

  if (vr_etcd_key_is_machine (kv->key)) {
    vr_etcd_log_found_machine (self, kv);
    return;
  }
  if (!kv->value) {
    g_hash_table_remove (self->faults, kv->key);
    if (own)
      vr_etcd_standing_found (self, kv->key, 0, NULL);
    return;
  }
  if (!vr_etcd_log_read_entry (self, kv, &entry))
    return;
  if (own && vr_entry_seq (&entry) > vr_log_get_issued (log)) {
    vr_etcd_log_name_taken (self, "records that this one did not write came under its name in etcd");
    return;
  }
  if (own)
    vr_etcd_standing_found (self, kv->key, kv->mod_revision, &entry);
  json = g_bytes_get_data (kv->value, &len);
  vr_etcd_copy_know (self, json, len);
  vr_log_take_entry (log, &entry);
}

static void
on_frame (const VrEtcdFrame *frame, gpointer data)
{
  g_autoptr (VrEtcdLog) self = g_object_ref (data);

  vr_etcd_log_set_timer (self, &self->renew, self->renew_ms, on_silence);
  if (frame->created && frame->revision < self->highest) {
    g_clear_pointer (&self->watch, vr_etcd_watch_free);
    vr_etcd_list_start (self, NULL); /* a member that lags, or a store that went back: the list tells, since it asks all members */
    return;
  }
  for (guint i = 0; i < frame->kvs->len && !vr_log_is_stopped (VR_LOG (self)); i++) {
    const VrEtcdKv *kv = frame->kvs->pdata[i];

    self->revision = MAX (self->revision, kv->mod_revision + 1);
    self->highest = MAX (self->highest, kv->mod_revision);
    take_event (self, kv);
  }
  if (vr_log_is_stopped (VR_LOG (self)))
    return;
  if (frame->kvs->len > 0)
    vr_etcd_log_say_faults (self);
  else if (!frame->created) /* a progress notification: all up to its revision was sent */
    self->revision = MAX (self->revision, frame->revision + 1);
  if (self->phase == VR_ETCD_CATCHING)
    vr_etcd_log_back (self);
}

static void
on_watch_ended (const GError *error, gpointer data)
{
  g_autoptr (VrEtcdLog) self = g_object_ref (data);

  if (g_error_matches (error, VR_ETCD_ERROR, VR_ETCD_ERROR_TOKEN))
    vr_etcd_forget_token (self->etcd);
  if (!g_error_matches (error, VR_ETCD_ERROR, VR_ETCD_ERROR_COMPACTED)) {
    vr_etcd_log_away (self, error);
    return;
  }
  g_clear_pointer (&self->watch, vr_etcd_watch_free);
  vr_etcd_clear_source (&self->renew);
  vr_etcd_list_start (self, NULL);
}

static const VrEtcdWatchCalls watch_calls = { .frame = on_frame, .ended = on_watch_ended };

/* A new connection may not be logged in: any call sees to that, and the watch follows. */
static void
on_ready_to_watch (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (VrEtcdLog) self = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (VrEtcdAnswer) answer = vr_etcd_call_finish (self->etcd, result, &error);
  g_autofree char *end = NULL;

  if (!answer) {
    if (!vr_etcd_log_is_dropped (self, error))
      vr_etcd_log_away (self, error);
    return;
  }
  for (guint i = 0; i < answer->kvs->len; i++)
    vr_etcd_log_found_machine (self, answer->kvs->pdata[i]);
  end = vr_etcd_prefix_end (self->now);
  vr_etcd_watch_free (self->watch);
  self->watch = vr_etcd_watch_new (self->etcd, self->now, end, self->revision, self->deadline_ms, &watch_calls, self);
  vr_etcd_log_set_timer (self, &self->ping, self->ping_ms, on_ping);
}

void
vr_etcd_log_watch (VrEtcdLog *self)
{
  g_autofree char *body = vr_etcd_say_range (self->machine_key, NULL, 0, 0);

  g_debug ("etcd: watch %s from %" G_GINT64_FORMAT, vr_etcd_endpoint (self->etcd), self->revision);
  self->phase = VR_ETCD_CATCHING;
  vr_etcd_call_async (self->etcd, "/v3/kv/range", body, self->deadline_ms, self->session, on_ready_to_watch, g_object_ref (self));
}
