/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Takes the events of virt-relay-hook: from its socket, and from the spool of those that the daemon was not there to
 * take. Theory of operation: hook-listener.c.
 *
 * Signal "event" (VrHookListener *listener, VrHookEvent *event, gpointer user_data): once for each event, in order of
 * time, in the main context that the listener was started in. (A hook does not wait for a slow disk: its event then
 * comes late.) The event is borrowed: vr_hook_event_ref() keeps it. A spool file is removed after the last handler
 * returned.
 */
#pragma once

#include <gio/gio.h>

#include "daemon/virt/hook-event.h"

G_BEGIN_DECLS

#define VR_TYPE_HOOK_LISTENER (vr_hook_listener_get_type ())
G_DECLARE_FINAL_TYPE (VrHookListener, vr_hook_listener, VR, HOOK_LISTENER, GObject)

/*
 * A listener that does nothing yet. socket_path NULL: VR_HOOK_SOCKET; spool_dir NULL: VR_SPOOL_DIR; each can be moved
 * by the environment (VR_ENV_HOOK_SOCKET, VR_ENV_SPOOL_DIR), which is for tests.
 */
VrHookListener *vr_hook_listener_new (const char *socket_path, const char *spool_dir);

/*
 * Opens the socket (mode 0600; a stale one of a killed daemon is replaced, one that somebody listens on is an error),
 * makes the spool directory if it is missing (mode 0700) and begins to replay it. Connect to "event" before: the
 * first one comes from the main loop, never from inside this call. Gives FALSE with an error of G_IO_ERROR. Main
 * thread.
 */
gboolean vr_hook_listener_start (VrHookListener *self, GError **error);

/*
 * Closes the socket and removes it; hooks then use the spool. Events not yet emitted stay in the spool, or are lost
 * if they came over the socket in this very moment. Does nothing when not started. Disposing of the listener does the
 * same.
 */
void vr_hook_listener_stop (VrHookListener *self);

G_END_DECLS
