/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The spool of hook events that virt-relayd was not there to take: one file for each event (hooks/event.h). These
 * functions wait for the disk: call them on a worker thread. They keep no state.
 */
#pragma once

#include "daemon/virt/hook-event.h"

G_BEGIN_DECLS

/*
 * The names of the events in `dir`, at most `max`, oldest first: (transfer full) GPtrArray of char *. Also removes
 * files that a killed hook left half-written. A directory that does not exist is empty. NULL with an error of
 * G_FILE_ERROR.
 */
GPtrArray *vr_hook_spool_list (const char *dir, guint max, GError **error);

/*
 * Reads one event. What is no event (garbage, not a regular file, not root's or the daemon's own, too large) is moved
 * to the sub-directory VR_SPOOL_BAD_DIR, which keeps the newest 64, and gives NULL with an error that says so; with
 * G_FILE_ERROR_FAILED if it could not be moved and is still there. A file that is gone: NULL with G_FILE_ERROR_NOENT.
 */
VrHookEvent *vr_hook_spool_load (const char *dir, const char *name, GError **error);

/* Removes an event that was dealt with. FALSE with an error of G_FILE_ERROR. */
gboolean vr_hook_spool_remove (const char *dir, const char *name, GError **error);

G_END_DECLS
