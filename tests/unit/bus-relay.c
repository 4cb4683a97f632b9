/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bus-relay.h"

struct _VrRelay {
  GObject parent;
};
G_DEFINE_TYPE (VrRelay, vr_relay, G_TYPE_OBJECT)

VrRecord   *the_record;
const char *the_trouble;
gint64      the_hook_us;
gboolean    counters_fail, was_flushed, flush_fails;

static void
vr_relay_class_init (VrRelayClass *klass)
{
  g_signal_new ("changed", VR_TYPE_RELAY, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  g_signal_new ("ready", VR_TYPE_RELAY, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  g_signal_new ("guest-moved", VR_TYPE_RELAY, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 2, G_TYPE_POINTER, G_TYPE_STRING);
  g_signal_new ("path-changed", VR_TYPE_RELAY, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_POINTER);
  g_signal_new ("tunnel-changed", VR_TYPE_RELAY, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 3, G_TYPE_STRING, G_TYPE_BOOLEAN,
                G_TYPE_STRING);
  g_signal_new ("trouble", VR_TYPE_RELAY, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 3, G_TYPE_STRING, G_TYPE_STRING, G_TYPE_BOOLEAN);
}

static void
vr_relay_init (VrRelay *relay)
{
}

GPtrArray *
vr_relay_guests (VrRelay *relay)
{
  GPtrArray *views = g_ptr_array_new_with_free_func (g_free);
  VrGuestView *view = g_new0 (VrGuestView, 1);
  view->record = the_record;
  view->role = "origin";
  g_ptr_array_add (views, view);
  return views;
}

GPtrArray *
vr_relay_hosts (VrRelay *relay)
{
  static VrHost *host;
  GPtrArray *views = g_ptr_array_new_with_free_func (g_free);
  VrHostView *view = g_new0 (VrHostView, 1);
  if (host == NULL)
    host = vr_host_new ("h2");
  view->host = host;
  g_ptr_array_add (views, view);
  return views;
}

GPtrArray *
vr_relay_migrations (VrRelay *relay, const char *guest)
{
  return *guest == '\0' ? g_ptr_array_new () : NULL;
}

GPtrArray *
vr_relay_troubles (VrRelay *relay)
{
  GPtrArray *troubles = g_ptr_array_new_with_free_func (g_free);
  if (the_trouble != NULL)
    g_ptr_array_add (troubles, g_strdup (the_trouble));
  return troubles;
}

GPtrArray *
vr_relay_refused (VrRelay *relay)
{
  GPtrArray *views = g_ptr_array_new_with_free_func (g_free);
  static VrHost *host;
  VrRefusedView *guest_view = g_new0 (VrRefusedView, 1), *host_view = g_new0 (VrRefusedView, 1);
  if (host == NULL)
    host = vr_host_new ("h4");
  guest_view->record = the_record;
  guest_view->why = (char *) "it is not h4's to say";
  host_view->host = host;
  host_view->why = (char *) "it takes what h1 has";
  host_view->waits = TRUE;
  g_ptr_array_add (views, guest_view);
  g_ptr_array_add (views, host_view);
  return views;
}

GHashTable *
vr_relay_refused_counts (VrRelay *relay)
{
  GHashTable *counts = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_hash_table_insert (counts, g_strdup ("h5"), GUINT_TO_POINTER (1));
  g_hash_table_insert (counts, g_strdup ("h4"), GUINT_TO_POINTER (17));
  return counts;
}

gint64
vr_relay_last_hook_us (VrRelay *relay)
{
  return the_hook_us;
}

VrExplanation *
vr_relay_explain (VrRelay *relay, const char *whom, const char *from, GError **error)
{
  VrExplanation *explanation;
  if (!g_str_equal (whom, "d") || g_str_equal (from, "h9"))
    {
      g_set_error (error, G_IO_ERROR, g_str_equal (from, "h9") ? G_IO_ERROR_HOST_NOT_FOUND : G_IO_ERROR_NOT_FOUND, "not known");
      return NULL;
    }
  explanation = g_new0 (VrExplanation, 1);
  explanation->record = the_record;
  explanation->from = g_strdup (from);
  explanation->ways = g_ptr_array_new ();
  return explanation;
}

gboolean
vr_relay_flush (VrRelay *relay, GError **error)
{
  was_flushed = TRUE;
  if (flush_fails)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "nft said no");
  return !flush_fails;
}

VrLog *
vr_relay_log (VrRelay *relay)
{
  return NULL;
}

VrKernel *
vr_relay_kernel (VrRelay *relay)
{
  return NULL;
}

GPtrArray *
vr_log_history (VrLog *log, const char *uuid)
{
  GPtrArray *records = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_record_unref);
  g_assert_null (uuid);
  g_ptr_array_add (records, vr_record_ref (the_record));
  return records;
}

GPtrArray *
vr_kernel_counters (VrKernel *kernel, GError **error)
{
  if (counters_fail)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "nft said no");
      return NULL;
    }
  return g_ptr_array_new ();
}
