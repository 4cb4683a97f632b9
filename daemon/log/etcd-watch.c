/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reads in flight hold the watch, so vr_etcd_watch_free() only cuts it off: its calls are not made any more, and it goes when the
 * last read has come back.
 */
#include "etcd-watch.h"

#include <string.h>

#define LINE_MAX_BYTES (64 * 1024 * 1024)
#define READ_SIZE (64 * 1024)

struct _VrEtcdWatch {
  VrEtcd                 *etcd;
  const VrEtcdWatchCalls *calls;
  gpointer                data;
  gboolean                over; /* ended, or freed: nobody is called */
  gboolean                late;
  guint                   deadline_ms;
  GSource                *deadline;
  GCancellable           *cancellable;
  SoupMessage            *message;
  GInputStream           *stream;
  GByteArray             *rest; /* of a line that is not whole yet */
};

static void
clear_deadline (VrEtcdWatch *watch)
{
  if (watch->deadline)
    g_source_destroy (watch->deadline);
  g_clear_pointer (&watch->deadline, g_source_unref);
}

static void
watch_clear (gpointer data)
{
  VrEtcdWatch *watch = data;

  clear_deadline (watch);
  g_clear_object (&watch->cancellable);
  g_clear_object (&watch->message);
  g_clear_object (&watch->stream);
  g_byte_array_unref (watch->rest);
  vr_etcd_unref (watch->etcd);
}

static void
watch_unref (VrEtcdWatch *watch)
{
  g_rc_box_release_full (watch, watch_clear);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrEtcdWatch, watch_unref)

static void
watch_end (VrEtcdWatch *watch, const GError *error)
{
  g_autoptr (GError) why = NULL;

  if (watch->over)
    return;
  watch->over = TRUE;
  clear_deadline (watch);
  if (watch->late)
    why = g_error_new (VR_ETCD_ERROR, VR_ETCD_ERROR_SILENT, "%s: no word of the watch within %u ms", vr_etcd_endpoint (watch->etcd),
                       watch->deadline_ms);
  else
    why = vr_etcd_transport_error (watch->etcd, watch->message, error);
  g_cancellable_cancel (watch->cancellable);
  watch->calls->ended (why, watch->data);
}

static gboolean
on_deadline (gpointer data)
{
  g_autoptr (VrEtcdWatch) watch = g_rc_box_acquire (data);

  watch->late = TRUE;
  watch_end (watch, NULL);
  return G_SOURCE_REMOVE;
}

static void
take_line (VrEtcdWatch *watch, const char *line, gsize len)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VrEtcdFrame) frame = vr_etcd_frame_parse (line, len, &error);

  clear_deadline (watch);
  if (frame)
    watch->calls->frame (frame, watch->data);
  else
    watch_end (watch, error);
}

/* Takes the whole lines of what came, and keeps the rest. */
static void
take_bytes (VrEtcdWatch *watch, GBytes *bytes)
{
  gsize len, used = 0;
  const char *start, *newline;
  gconstpointer fresh = g_bytes_get_data (bytes, &len);
  g_autoptr (GError) error = NULL;

  g_byte_array_append (watch->rest, fresh, len);
  start = (const char *) watch->rest->data;
  /* Only what came last may hold the end of the line before. */
  newline = memchr (start + watch->rest->len - len, '\n', len);
  for (; newline && !watch->over; newline = memchr (start + used, '\n', watch->rest->len - used)) {
    take_line (watch, start + used, newline - (start + used));
    used = newline + 1 - start;
  }
  g_byte_array_remove_range (watch->rest, 0, used);
  if (watch->rest->len > LINE_MAX_BYTES) {
    error = g_error_new_literal (VR_ETCD_ERROR, VR_ETCD_ERROR_VERSION, "a watch whose message is longer than 64 MiB");
    watch_end (watch, error);
  }
}

/* What stands in an answer that is no stream: an error. */
static void
take_the_end (VrEtcdWatch *watch)
{
  g_autoptr (GError) error = NULL;

  if (watch->rest->len > 0)
    take_line (watch, (const char *) watch->rest->data, watch->rest->len);
  error = g_error_new_literal (VR_ETCD_ERROR, VR_ETCD_ERROR_CONNECT, "the watch was closed by the other side");
  watch_end (watch, error);
}

static void
on_read (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (VrEtcdWatch) watch = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = g_input_stream_read_bytes_finish (G_INPUT_STREAM (source), result, &error);

  if (watch->over)
    return;
  if (!bytes)
    watch_end (watch, error);
  else if (g_bytes_get_size (bytes) == 0)
    take_the_end (watch);
  else
    take_bytes (watch, bytes);
  if (!watch->over)
    g_input_stream_read_bytes_async (watch->stream, READ_SIZE, G_PRIORITY_DEFAULT, watch->cancellable, on_read,
                                     g_rc_box_acquire (watch));
}

static void
on_sent (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (VrEtcdWatch) watch = data;
  g_autoptr (GError) error = NULL;

  watch->stream = soup_session_send_finish (SOUP_SESSION (source), result, &error);
  if (watch->over)
    return;
  if (!watch->stream)
    watch_end (watch, error);
  else
    g_input_stream_read_bytes_async (watch->stream, READ_SIZE, G_PRIORITY_DEFAULT, watch->cancellable, on_read,
                                     g_rc_box_acquire (watch));
}

VrEtcdWatch *
vr_etcd_watch_new (VrEtcd *etcd, const char *key, const char *end, gint64 revision, guint deadline_ms, const VrEtcdWatchCalls *calls,
                   gpointer data)
{
  VrEtcdWatch *watch = g_rc_box_new0 (VrEtcdWatch);
  g_autofree char *body = vr_etcd_say_watch (key, end, revision);

  watch->etcd = vr_etcd_ref (etcd);
  watch->calls = calls;
  watch->data = data;
  watch->deadline_ms = deadline_ms;
  watch->cancellable = g_cancellable_new ();
  watch->rest = g_byte_array_new ();
  watch->deadline = g_timeout_source_new (deadline_ms);
  g_source_set_callback (watch->deadline, on_deadline, watch, NULL);
  g_source_attach (watch->deadline, g_main_context_get_thread_default ());
  watch->message = vr_etcd_message (etcd, "/v3/watch", body);
  soup_session_send_async (vr_etcd_session (etcd), watch->message, G_PRIORITY_DEFAULT, watch->cancellable, on_sent,
                           g_rc_box_acquire (watch));
  return watch;
}

void
vr_etcd_watch_free (VrEtcdWatch *watch)
{
  if (!watch)
    return;
  watch->over = TRUE;
  clear_deadline (watch);
  g_cancellable_cancel (watch->cancellable);
  watch_unref (watch);
}
