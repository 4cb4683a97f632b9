/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The copies of what one queue of a tap was sent, and which of them QEMU did not give to the guest. Nothing here allocates, logs or waits. */
#pragma once

#include "copies.h"

G_BEGIN_DECLS

typedef struct {
  VrCopies *copies;
  guint     before, after; /* how many there were before and after the tap was read */
  guint     start;         /* the first to be sent */
  gboolean  found;         /* by what was left in the queue */
} VrLane;

/*
 * Where the lane has that frame, which is followed by others: `count` were read, it among them. Frames may be alike to the last bit: so where
 * it must be by their number is looked at first, and the latest that fits is taken: two before it are sent, too. -1: nowhere.
 */
int   vr_lane_find (VrLane *lane, const guint8 *frame, gsize len, guint count);

/*
 * QEMU has stopped at `since_ns`, or that was heard of then. From the first that was left (`start`, if `found`; else from what was there before the queue was
 * read) back over what QEMU may have swallowed. Gives how many that are.
 */
guint vr_lane_step_back (VrLane *lane, gint64 since_ns);

/* Without queues: by time alone. Gives how many are from before the stop: what is that old may well have been given to the guest. */
guint vr_lane_start_by_time (VrLane *lane, gint64 since_ns);

G_END_DECLS
