/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where packets wait while a path changes: a TUN interface, VR_HOLD_LINK, of which nobody reads. A route into it holds what it leads there,
 * in the kernel and in order; reading it afterwards and sending all by another interface lets it go.
 *
 * The interface lives as long as the VrHold, or the process: with either it goes, and the routes over it, and what stands behind those routes
 * counts again. There is one at a time. Main loop only; no call waits.
 */
#pragma once

#include "daemon/switchover/outlet.h"

G_BEGIN_DECLS

#define VR_HOLD_PACKETS 16384 /* that it holds at most; what comes after these is lost, and counted */

#define VR_HOLD_ERROR (vr_hold_error_quark ())
typedef enum { VR_HOLD_ERROR_TUN } VrHoldError;
GQuark vr_hold_error_quark (void);

typedef struct {
  guint64 sent;     /* let go, packets; a GSO packet is one */
  guint64 gso;      /* of these, GSO packets */
  guint64 not_sent; /* the interface did not take them */
  int     why;      /* errno of the first of these, or 0 */
  guint64 dropped;  /* found no room */
} VrHoldCounts;

typedef struct _VrHold VrHold;

/* Made and set up, with the MTU of the interface `like`. */
VrHold *vr_hold_new (const char *like, GError **error);
void    vr_hold_free (VrHold *hold); /* NULL is fine; what is still held is lost */

/* Sends what is held by `outlet`, in order, `most` packets at most. TRUE: there is no more. */
gboolean     vr_hold_release (VrHold *hold, VrOutlet *outlet, guint most);
VrHoldCounts vr_hold_counts (const VrHold *hold);
guint64      vr_hold_sent (const VrHold *hold); /* of these, at no cost */ /* since it was made */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrHold, vr_hold_free)

G_END_DECLS
