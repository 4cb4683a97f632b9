/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an engine of the migration log calls. All in the context of the log's construction; nothing here blocks.
 *
 * An engine finds the last seq that stands under this host's name and says vr_log_opened(); from then on it is given own records,
 * one at a time. It reads the records of all hosts, own ones too, and hands each to vr_log_take_entry().
 */
#pragma once

#include "log.h"

G_BEGIN_DECLS

#define VR_LOG_HISTORY_MAX 64             /* records of one guest that are kept */
#define VR_LOG_LEDGERS_MAX 32             /* of one guest by one host */
#define VR_LOG_RECORD_MAX (1000 * 1000)   /* bytes of a record's JSON */

const char   *vr_log_get_self (VrLog *log);
GMainContext *vr_log_get_context (VrLog *log);
gboolean      vr_log_is_stopped (VrLog *log);

/* A task whose callback comes in the log's context, wherever it is made. (transfer full) */
GTask        *vr_log_task_new (VrLog *log, GAsyncReadyCallback callback, gpointer data);

/* Own records may be written; `last_seq` is the last that stands under this host's name, and theirs are higher. Once. */
void          vr_log_opened (VrLog *log, guint64 last_seq);
guint64       vr_log_get_issued (VrLog *log); /* highest seq given out; G_MAXUINT64 before vr_log_opened() */

/* An engine that opened before it knew all that stands under this host's name: from now on own records have a seq above `seq`. */
void          vr_log_raise (VrLog *log, guint64 seq);
guint64       vr_log_next_seq (VrLog *log);   /* one for a record that has to have another one */

guint64       vr_log_get_append_seq (VrLog *log); /* of the record that the engine has */

/* No own record can be written any more: those that wait, and all later ones, end with a copy of `why`. */
void          vr_log_refuse (VrLog *log, const GError *why);

/*
 * A record that was read. Emits it, unless it was seen before, or is one of this session's own: those are emitted when their append
 * is done, since a line may be read before it is durable.
 */
void          vr_log_take_entry (VrLog *log, const VrEntry *entry);
void          vr_log_take_history (VrLog *log, const VrEntry *entry); /* one that is for the history alone; twice is fine */

/* `about` names the trouble, for the engine alone; `what` NULL: it is over. Emits "trouble" with all that stands if that changed. */
void          vr_log_set_trouble (VrLog *log, const char *about, const char *what);
void          vr_log_set_ready (VrLog *log); /* "ready", the first time */

G_END_DECLS
