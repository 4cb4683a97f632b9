/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of one migration's ledger, put together and added up. Pure. */
#pragma once

#include "daemon/model/ledger.h"

G_BEGIN_DECLS

typedef struct {
  char    *host, *mac;
  char    *where;  /* goes on a number: "in h1's tap after QEMU stopped" */
  guint64  packets;
} VrLoss;

typedef struct {
  char      *uuid, *name, *origin, *target;
  guint64    epoch;
  GPtrArray *parts;      /* of VrLedger: origin's, target's, then peers' by name; those that are there */
  gboolean   complete;   /* origin's and target's are there */
  gboolean   returned;   /* it was aborted after the stop */
  GPtrArray *losses;     /* of VrLoss, none of 0 packets */
  guint64    lost;       /* their sum */
  GPtrArray *refusals;   /* of VrLoss, none of 0 packets: what a host got for the guest and did not send on, and why not */
  guint64    refused;    /* their sum */
  GPtrArray *waits;      /* of VrLoss, none of 0 packets: what was in the target's tap when all was counted, and the guest may still read */
  guint64    waiting;    /* their sum */
  guint64    duplicates; /* at worst */
  guint64    changed_sent, changed_arrived; /* from the origin to the target, of NICs of which large packets were: kernels cut and join those, and the sums say nothing */
  GPtrArray *faults;     /* of char*: sums that do not add up, with guest, NIC and difference */
  char      *verdict;    /* one line */
} VrMigration;

/* `parts` (of VrLedger): of one guest and epoch, one a writer, at least one. (transfer full) */
VrMigration    *vr_migration_new (GPtrArray *parts);
void            vr_migration_free (VrMigration *migration);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrMigration, vr_migration_free)

const VrLedger *vr_migration_part (const VrMigration *migration, const char *host); /* NULL: it wrote none */
gint64          vr_migration_phase (const VrMigration *migration, VrPhase phase); /* by any host, the earliest; 0: none saw it */

G_END_DECLS
