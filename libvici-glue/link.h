/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One connection to charon with the thread that drives it, and the inbox through which threads tell the main loop. A link lives once:
 * it connects, registers its events, says UP, runs jobs, and ends. The owner makes another one then. See link.c.
 */
#pragma once

#include <gio/gio.h>

#include "message.h"

G_BEGIN_DECLS

typedef struct _VrViciLink  VrViciLink;
typedef struct _VrViciInbox VrViciInbox;

typedef enum {
  VR_VICI_REPORT_UP,     /* connected, events registered, charon answered */
  VR_VICI_REPORT_DOWN,   /* error: it could not connect, lost the connection, or got garbage; ENDED follows */
  VR_VICI_REPORT_ANSWER, /* id; message and streamed, or error: charon does not know that job's command */
  VR_VICI_REPORT_EVENT,  /* event; message, or error: it is malformed */
  VR_VICI_REPORT_ENDED,  /* the thread is gone: the last report of a link */
} VrViciReportKind;

typedef struct {
  VrViciReportKind kind;
  VrViciLink      *link; /* holds a reference */
  guint64          id;
  char            *event;
  VrViciMessage   *message;
  GPtrArray       *streamed; /* of VrViciMessage: the events that came while the job ran */
  GError          *error;
} VrViciReport;

typedef void (*VrViciReportFunc) (VrViciReport *report, gpointer user_data);

/* Calls func with each report from context, in order, few at a time so that a flood leaves the loop to others too. */
VrViciInbox *vr_vici_inbox_new (GMainContext *context, VrViciReportFunc func, gpointer user_data);

/* From the thread of context: func is not called any more. What threads still report is dropped. Gives up the reference. */
void vr_vici_inbox_close (VrViciInbox *inbox);

/* Initializes libvici, once in a process; blocks for some milliseconds while it reads strongswan.conf. */
void vr_vici_link_init (void);

/*
 * events: NULL-terminated names, static. streaming: they belong to the commands during which they come, and come with their answers;
 * otherwise each is reported by itself. hang_ms: how long connecting may take, see vr_vici_link_is_overdue().
 * Gives (transfer full) a reference.
 */
VrViciLink *vr_vici_link_new (const char *uri, const char *const *events, gboolean streaming, guint hang_ms, VrViciInbox *inbox);

/* Queues a job. limit_ms: after running for so long it is overdue. request: (transfer full), may be NULL. */
void vr_vici_link_submit (VrViciLink *link, guint64 id, const char *command, VrViciMessage *request, guint limit_ms);

/* Takes a job back. FALSE: it runs or ran. */
gboolean vr_vici_link_withdraw (VrViciLink *link, guint64 id);

/* Nothing runs and nothing is queued. */
gboolean vr_vici_link_is_idle (VrViciLink *link);

/* What it does takes longer than allowed: charon hangs, or libvici does. */
gboolean vr_vici_link_is_overdue (VrViciLink *link);

/*
 * Gives up the reference and tells the thread to end, which it does at once, or, when it is stuck in libvici, when charon wakes or dies.
 * From now on it reports nothing but ENDED. Never blocks.
 */
void vr_vici_link_stop (VrViciLink *link);

/* For reports of a link that was stopped: it was overdue then. */
gboolean vr_vici_link_was_hung (VrViciLink *link);

G_END_DECLS
