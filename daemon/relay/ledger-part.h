/* SPDX-License-Identifier: GPL-2.0-or-later */
/* This host's part of a migration's ledger while it is counted. Main loop only. Used by ledger.c. */
#pragma once

#include "relay-private.h"

#include "daemon/ledger/tally.h"

G_BEGIN_DECLS

typedef struct {
  VrLedgerRole role;
  VrLedger    *part, *base; /* base: what the counters said when it was opened */
  gint64       opened_us, over_us, looked_us; /* monotonic; over_us: the guest runs where it shall, 0: not yet */
  guint64      moved, moved_before;           /* packets relayed, or arrived, as of the last two looks */
  guint        quiet;                         /* looks in a row without any */
  gint64       quiet_us;
  VrSwitchoverCounts *switchover;
  gboolean     based, target_wrote; /* target_wrote: the target's part is in the log */
} VrOpenPart;

VrOpenPart *vr_open_part_new (const VrRecord *record, const VrLedgerCase *c);
void        vr_open_part_free (VrOpenPart *open);

/* What the counters said before the migration: taken when they are first read. `reading` may be NULL, here and below: they could not be read. */
void        vr_open_part_take_base (VrRelay *self, VrOpenPart *open, const VrReading *reading);
void        vr_open_part_count (VrRelay *self, VrOpenPart *open, const VrReading *reading);
void        vr_open_part_see_phases (VrRelay *self, VrOpenPart *open);
void        vr_open_part_take_switchover (VrOpenPart *open, const VrSwitchoverCounts *counts); /* copied; what it did so far */
/* Everything was counted, or it goes on for too long. `now`: monotonic, us; the guest runs where it shall. */
gboolean    vr_open_part_is_counted (const VrOpenPart *open, gint64 now);
/* What goes into the log: open->part, made whole. */
void        vr_open_part_close (VrOpenPart *open);

G_END_DECLS
