/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The listening end of the hook's socket: whole events out of clients that may be slow, broken or too many. Only root
 * and the daemon's own user may connect. A client has a deadline of 1 s, the limits of hooks/event.h, and 63 others
 * beside it; who does not fit is closed without an answer, and its event goes to the spool. Main context only.
 */
#pragma once

#include "daemon/virt/hook-event.h"

G_BEGIN_DECLS

typedef struct VrHookSocket VrHookSocket;

/* One event that came whole and was acknowledged; it is borrowed. It may not close the socket. */
typedef void (*VrHookSocketFunc) (VrHookEvent *event, gpointer data);

/*
 * Listens at `path` (mode 0600) and calls `func` from the thread-default main context for each event. A stale socket
 * file is replaced; one that somebody listens on is an error. NULL with an error of G_IO_ERROR that names the path.
 */
VrHookSocket *vr_hook_socket_open (const char *path, VrHookSocketFunc func, gpointer data, GError **error);

/* Stops listening, removes the file, drops the clients: `func` is not called any more. */
void vr_hook_socket_close (VrHookSocket *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrHookSocket, vr_hook_socket_close)

G_END_DECLS
