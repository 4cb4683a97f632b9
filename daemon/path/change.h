/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The change of a path from the long way, through a guest's home or the host that it left to come home, to the straight one, without a packet on the short
 * way that overtakes one on the long way. change.c says how. One change at a time; main loop only, and nothing waits.
 */
#pragma once

#include "daemon/kernel/kernel.h"
#include "hold.h"

G_BEGIN_DECLS

typedef struct {
  GPtrArray         *hold;      /* of VrRoute: into VR_HOLD_LINK */
  GPtrArray         *straight;  /* of VrRoute: the same destinations, into `to` */
  const char        *from, *to; /* interfaces: of the long way, of the straight one */
  const char *const *answerers; /* addresses and networks of the host behind `to`: who may answer the marker */
  guint              probe_ms;  /* for a marker beforehand, which says how long the way is, at most; 0: none is sent */
  guint              wait_ms;   /* for the marker while packets are held, at least; longer on a way that is; then the change is made without it */
} VrChangeWay;

typedef struct {
  gboolean     straight; /* the routes are the straight ones; FALSE: given up, they lead the long way */
  gboolean     returned; /* the marker came back */
  gint64       probe_us;  /* after which the one beforehand came back; 0: it did not, or was not sent */
  gint64       waited_us; /* for the marker, from the first packet that may have been held on */
  gint64       held_us;   /* and until the last was let go */
  VrHoldCounts counts;
  guint64      late;      /* of them, sent after the routes were changed: no others may have been overtaken */
} VrChangeResult;

typedef void (*VrChangeTold) (const VrChangeResult *result, gpointer data);

typedef struct _VrChange VrChange;

/*
 * What is in `way` is copied. NULL: nothing was changed. Without a marker beforehand packets are held from now on, else later. Then `made` is called: the routes are as the result says,
 * and have to be in every plan from then on; and then `over`: nothing is held any more, the counts are final, and it has to be freed, then
 * or later. Each once, neither from within these functions nor after vr_change_free().
 */
VrChange *vr_change_begin (VrKernel *kernel, const VrChangeWay *way, VrChangeTold made, VrChangeTold over, gpointer data, GError **error);

/* Are packets held now? Until then the routes are as they were. */
gboolean vr_change_is_holding (const VrChange *change);

/* Gives it up, if it is not made: what is held goes the long way, at once, and the routes lead there. NULL is fine. */
void vr_change_free (VrChange *change);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrChange, vr_change_free)

G_END_DECLS
