/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between vici.c, which keeps the connection and the pending commands, and its users within the library. Owner's thread only. */
#pragma once

#include "message.h"
#include "vici.h"

G_BEGIN_DECLS

/*
 * Makes of charon's answer the task's result and returns the task, which may be an error that charon sent. streamed: the events that came
 * with it, or empty. The task's data is what the command is about, for error messages. FALSE: the answer makes no sense; the task was
 * not returned.
 */
typedef gboolean (*VrViciDecode) (GTask *task, const VrViciMessage *answer, GPtrArray *streamed);

/*
 * Starts a command. what: it and its object for error messages, "load-conn h3". request: (transfer full), may be NULL. The rest as in the
 * public calls.
 */
void vr_vici_call (VrVici *vici, const char *command, const char *what, VrViciMessage *request, VrViciDecode decode, guint timeout_ms,
                   GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);

/* From charon's section about an SA; name: the section's. NULL: a section of it is not what it should be. */
VrViciIkeSa   *vr_vici_ike_sa_decode (const char *name, const VrViciMessage *section);
VrViciChildSa *vr_vici_child_sa_decode (const VrViciMessage *section);

/* events.c: the events to register, and those of them that stream in with an answer; the others become signals. */
extern const char *const vr_vici_event_names[];
extern const char *const vr_vici_stream_names[];
void     vr_vici_install_events (void); /* the signals, for the class */
gboolean vr_vici_emit_event (VrVici *vici, const char *event, const VrViciMessage *message); /* FALSE: it makes no sense */

G_END_DECLS
