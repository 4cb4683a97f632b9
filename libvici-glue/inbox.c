/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inbox: reports from any thread, handed out by one GSource in the owner's main context. (g_main_context_invoke() would not do: if
 * nobody runs the context at that moment, it calls the function in the calling thread.)
 */
#include "inbox.h"

#define BATCH 64 /* reports handed out before the loop may look at its other sources */

struct _VrViciInbox {
  gatomicrefcount  refs;
  GMutex           lock;
  GQueue           reports;
  GSource         *source;
  gboolean         closed;
  VrViciReportFunc func;
  gpointer         user_data;
};

void
vr_vici_report_free (VrViciReport *report)
{
  vr_vici_link_unref (report->link);
  g_free (report->event);
  vr_vici_message_free (report->message);
  g_clear_pointer (&report->streamed, g_ptr_array_unref);
  g_clear_error (&report->error);
  g_free (report);
}

VrViciInbox *
vr_vici_inbox_ref (VrViciInbox *inbox)
{
  g_atomic_ref_count_inc (&inbox->refs);
  return inbox;
}

void
vr_vici_inbox_unref (VrViciInbox *inbox)
{
  if (!g_atomic_ref_count_dec (&inbox->refs))
    return;
  g_queue_clear_full (&inbox->reports, (GDestroyNotify) vr_vici_report_free);
  g_source_unref (inbox->source);
  g_mutex_clear (&inbox->lock);
  g_free (inbox);
}

void
vr_vici_inbox_post (VrViciInbox *inbox, VrViciReport *report)
{
  gboolean closed;

  g_mutex_lock (&inbox->lock);
  closed = inbox->closed;
  if (!closed)
    {
      g_queue_push_tail (&inbox->reports, report);
      g_source_set_ready_time (inbox->source, 0);
    }
  g_mutex_unlock (&inbox->lock);
  if (closed)
    vr_vici_report_free (report);
}

static VrViciReport *
take (VrViciInbox *inbox)
{
  VrViciReport *report;

  g_mutex_lock (&inbox->lock);
  report = inbox->closed ? NULL : g_queue_pop_head (&inbox->reports);
  if (report == NULL && !inbox->closed)
    g_source_set_ready_time (inbox->source, -1);
  g_mutex_unlock (&inbox->lock);
  return report;
}

static gboolean
hand_out (gpointer user_data)
{
  VrViciInbox *inbox = vr_vici_inbox_ref (user_data);
  VrViciReport *report;

  for (guint i = 0; i < BATCH && (report = take (inbox)) != NULL; i++)
    {
      inbox->func (report, inbox->user_data);
      vr_vici_report_free (report);
    }
  vr_vici_inbox_unref (inbox);
  return G_SOURCE_CONTINUE;
}

static gboolean
dispatch (GSource *source, GSourceFunc callback, gpointer user_data)
{
  return callback (user_data);
}

VrViciInbox *
vr_vici_inbox_new (GMainContext *context, VrViciReportFunc func, gpointer user_data)
{
  static GSourceFuncs funcs = { .dispatch = dispatch };
  VrViciInbox *inbox = g_new0 (VrViciInbox, 1);

  g_atomic_ref_count_init (&inbox->refs);
  g_mutex_init (&inbox->lock);
  g_queue_init (&inbox->reports);
  inbox->func = func;
  inbox->user_data = user_data;
  inbox->source = g_source_new (&funcs, sizeof (GSource));
  g_source_set_static_name (inbox->source, "vici inbox");
  g_source_set_callback (inbox->source, hand_out, inbox, NULL);
  g_source_attach (inbox->source, context);
  return inbox;
}

void
vr_vici_inbox_close (VrViciInbox *inbox)
{
  GQueue left = G_QUEUE_INIT;

  g_mutex_lock (&inbox->lock);
  inbox->closed = TRUE;
  left = inbox->reports;
  g_queue_init (&inbox->reports);
  g_mutex_unlock (&inbox->lock);
  g_source_destroy (inbox->source);
  g_queue_clear_full (&left, (GDestroyNotify) vr_vici_report_free);
  vr_vici_inbox_unref (inbox);
}
