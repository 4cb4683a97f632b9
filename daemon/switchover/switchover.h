/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The switchover of one guest at the origin, so that no packet is lost: what had reached the guest's taps when QEMU stopped it is sent after it, in
 * order, and after an abort all comes back. What a route is, and when a guest leaves, is the caller's to know. Main loop only;
 * switchover.c says how it works.
 */
#pragma once

#include "counts.h"
#include "setup.h"

G_BEGIN_DECLS

typedef struct _VrSwitchover VrSwitchover;

/*
 * Makes ready, and stays ready until it is freed: that is how a migration is called off. Never fails: what cannot be had is said in the counts, and the
 * rest is done. The setup is taken.
 */
VrSwitchover *vr_switchover_arm (VrSwitchoverSetup *setup);

/* Is it still armed, for just that, on the interfaces that are there now? If not, make it anew. */
gboolean vr_switchover_fits (VrSwitchover *switchover, const VrSwitchoverSetup *setup);
gboolean vr_switchover_may_return (const VrSwitchover *switchover); /* was it run, and did it not return yet? */
const char *vr_switchover_get_state (const VrSwitchover *switchover); /* "armed", "following", "keeping", "returned" */

/* Puts the guest's routes in place: nothing that takes time. */
typedef gboolean (*VrSwitchoverFlip) (gpointer data);

/*
 * The guest was stopped for good: sends what is in its taps after it, flips, and goes on sending for some milliseconds of the main loop.
 * stop_us: QEMU's own time of it, 0 if that is not known; event_us: when it was heard of. Wall clock. FALSE: `flip` said so; all else was
 * done. Armed only, once.
 */
gboolean vr_switchover_run (VrSwitchover *switchover, gint64 stop_us, gint64 event_us, VrSwitchoverFlip flip, gpointer data);

/*
 * The guest runs here again: pushes back what left for the target since, flips back, pushes back the rest, and what comes late for some milliseconds of
 * the main loop: so long it is returning. Only after vr_switchover_run(); FALSE: `flip` said so, or there was nothing to come back from.
 */
gboolean vr_switchover_return (VrSwitchover *switchover, VrSwitchoverFlip flip, gpointer data);
gboolean vr_switchover_is_returning (const VrSwitchover *switchover);

/* As of now; the queues are let go of, and the counts of the way out final, when let_go_ns is set. */
void vr_switchover_get_counts (VrSwitchover *switchover, VrSwitchoverCounts *counts);

/* Called when the queues were let go of, and when all came back: from the main loop, from vr_switchover_return() or from vr_switchover_free(). */
typedef void (*VrSwitchoverTold) (const VrSwitchoverCounts *counts, gpointer data);
void vr_switchover_tell (VrSwitchover *switchover, VrSwitchoverTold told, gpointer data);

void vr_switchover_free (VrSwitchover *switchover); /* lets go of everything, at once; NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrSwitchover, vr_switchover_free)

G_END_DECLS
