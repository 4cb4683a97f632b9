/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From what the kernel counts for one NIC of a guest to the counts of a part of the ledger. Pure. */
#pragma once

#include "daemon/kernel/kernel.h"
#include "daemon/model/ledger.h"

G_BEGIN_DECLS

/* One reading of the kernel's counters, by name. */
typedef struct {
  GHashTable *packets; /* VrCounter's name -> guint64 */
  GHashTable *taps;    /* name -> VrTap */
} VrReading;

VrReading *vr_reading_new (GPtrArray *counters /* of VrCounter */, GHashTable *taps /* kept */);
void       vr_reading_free (VrReading *reading);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrReading, vr_reading_free)

/*
 * Counts `nic` from a reading, less what `base` says: counts never go back, so one that is lower than its base was counted anew. `tap` and
 * `from` (the tunnel's interface that leads to the origin) may be NULL. What the reading does not hold stays as it was.
 */
void vr_tally (VrLedgerNic *nic, const VrLedgerNic *base, const VrReading *reading, const char *const *addresses, const char *tap,
               const char *from);

/* Frames that went into the tap and did not come out of it, as far as that was counted. */
guint64 vr_tally_waiting (const VrLedgerNic *nic);

G_END_DECLS
