/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A marker: a packet that follows all that was sent to a guest by a tunnel, as far as the host that the guest runs on, and no farther. Its
 * hop limit ends there, the kernel of that host answers with an ICMP error, and what was sent before it has then arrived. No
 * guest sees it, and no daemon has to answer. Main loop only; nothing waits.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define VR_MARKER_ERROR (vr_marker_error_quark ())
typedef enum { VR_MARKER_ERROR_SOCKET } VrMarkerError;
GQuark vr_marker_error_quark (void);

typedef struct _VrMarker VrMarker;
typedef void (*VrMarkerReturned) (gpointer data); /* once at most; the marker may be freed in it */

/*
 * `source` is an address of this host that the other one answers, `dev` the interface to leave by, whatever the routes say, `answerers`
 * (addresses and networks, copied) those from which an answer counts: a hop limit that ends too early proves nothing.
 */
VrMarker *vr_marker_new (const char *source, const char *destination, const char *dev, const char *const *answerers,
                         VrMarkerReturned returned, gpointer data, GError **error);
void      vr_marker_free (VrMarker *marker); /* NULL is fine */

/* Any number of times; one that comes back is enough. What the kernel refuses now is as one that is lost. */
void      vr_marker_send (VrMarker *marker);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrMarker, vr_marker_free)

G_END_DECLS
