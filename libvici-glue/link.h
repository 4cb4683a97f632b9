/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One connection to charon. It lives once: it connects, asks for the version, registers its events, is up, runs commands one after the
 * other, and goes down; its owner makes another one then. One thread, whose main context is given; nothing blocks. See link.c.
 */
#pragma once

#include <gio/gio.h>

#include "message.h"

G_BEGIN_DECLS

typedef struct _VrViciLink VrViciLink;

/* Any of them may call vr_vici_link_free(). */
typedef struct {
  /* It takes commands from now on. */
  void (*up) (gpointer user_data);
  /* It could not connect, or lost the connection, or got garbage: it does nothing any more. Comes once at most. */
  void (*down) (const GError *why, gpointer user_data);
  /* The answer to the command with this id, with the events that streamed in with it (of VrViciMessage); or why: charon does not know it. */
  void (*answer) (guint64 id, const VrViciMessage *answer, GPtrArray *streamed, const GError *why, gpointer user_data);
  /* Any other event. */
  void (*event) (const char *name, const VrViciMessage *message, gpointer user_data);
} VrViciLinkFuncs;

/*
 * uri: see vr_vici_new(). events: to register, NULL-terminated; streams: those of them that come with answers, likewise. hang_ms: how long
 * connecting may take. funcs and the names: static.
 */
VrViciLink *vr_vici_link_new (const char *uri, const char *const *events, const char *const *streams, guint hang_ms, GMainContext *context,
                              const VrViciLinkFuncs *funcs, gpointer user_data);

/* Closes it; no function of it is called any more. */
void vr_vici_link_free (VrViciLink *link);

/* Queues a command. limit_ms: once sent, it is overdue after so long. message: checked, may be NULL; it is copied. */
void vr_vici_link_submit (VrViciLink *link, guint64 id, const char *command, const VrViciMessage *message, guint limit_ms);

/* Takes a command back. FALSE: too late, it was sent. */
gboolean vr_vici_link_withdraw (VrViciLink *link, guint64 id);

/* Nothing is being asked, nothing is queued. */
gboolean vr_vici_link_is_idle (VrViciLink *link);

/* Connecting, or what is being asked, takes longer than allowed. */
gboolean vr_vici_link_is_overdue (VrViciLink *link);

G_END_DECLS
