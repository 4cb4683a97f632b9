/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One life of libvirtd as a client sees it: the connection for events, and connections for calls, given up together.
 * Theory of operation: virt-session.c. Main thread, except where it is said.
 */
#pragma once

#include "daemon/virt/virt.h"

#include <libvirt/libvirt.h>

G_BEGIN_DECLS

#define VR_VIRT_N_LINKS 11 /* connections for calls, at most */

typedef struct {
  /* An event; `ours`: our namespace of the metadata changed, maybe because of vr_virt_stamp_async(). */
  void (*event) (const VrVirtEvent *event, gboolean ours, gpointer owner);
  /* The connection for events broke: the session is of no more use. At most once. */
  void (*closed) (const char *why, gpointer owner);
} VrVirtSessionHandlers;

typedef struct _VrVirtSession VrVirtSession;

/* A session that is not open yet; one reference. Both handlers run in the main loop, until vr_virt_session_detach(). */
VrVirtSession *vr_virt_session_new (const char *uri, const VrVirtSessionHandlers *handlers, gpointer owner);

/*
 * Opens it, on a thread of its own. There is no deadline: a libvirtd that hangs is waited for, and the thread with it.
 * Errors: VR_VIRT_ERROR_CONNECT.
 */
void     vr_virt_session_open_async (VrVirtSession *session, GAsyncReadyCallback callback, gpointer data);
gboolean vr_virt_session_open_finish (GAsyncResult *result, GError **error);

/* Hands over what happened since it was opened, and from now on everything as it comes. */
void vr_virt_session_run (VrVirtSession *session);

/* No more handlers. */
void vr_virt_session_detach (VrVirtSession *session);

/* The last reference detaches, and closes the connections on a thread of its own. */
VrVirtSession *vr_virt_session_ref (VrVirtSession *session);
void           vr_virt_session_unref (VrVirtSession *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrVirtSession, vr_virt_session_unref)

/*
 * Connection number `link` (below VR_VIRT_N_LINKS) for calls, opened when it is first used, which blocks. For the
 * thread that makes a call on it: one thread and one call at a time. Errors: VR_VIRT_ERROR_CONNECT.
 */
virConnectPtr vr_virt_session_use (VrVirtSession *session, guint link, GError **error);

G_END_DECLS
