/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long a guest that came home is still relayed there by the host that it came from. A peer that sent to that host straight goes on until it
 * hears of the move; it hears late where the log is slow, and not at all while the log is away. So the origin relays, and the home takes
 * what it relays, for a time after the record, and for that time again once a log is back that was away meanwhile.
 *
 * Pure: times are the wall clock's, in microseconds. Main loop only.
 */
#pragma once

#include "record.h"

G_BEGIN_DECLS

typedef struct {
  gint64 time_us;   /* for so long, > 0 */
  gint64 away_from; /* since when the log was away last; two times between which not all peers can have heard are one. 0: never */
  gint64 back_at;   /* and until when; G_MAXINT64: it is away */
} VrLinger;

void     vr_linger_log_away (VrLinger *linger, gint64 now_us); /* said again: nothing changes */
void     vr_linger_log_back (VrLinger *linger, gint64 now_us); /* likewise */

/* Is the record one of a guest that came home from another host? Others never linger. */
gboolean vr_linger_concerns (const VrRecord *record);
/* When that ends for such a record; G_MAXINT64: not before the log is back. */
gint64   vr_linger_until (const VrLinger *linger, const VrRecord *record);

G_END_DECLS
