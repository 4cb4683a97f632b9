/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of ledgers that the log has: of each guest the last migrations, of each of these the latest part of each host. Main loop only. */
#pragma once

#include "sums.h"

G_BEGIN_DECLS

#define VR_SHELF_MAX 32 /* migrations of one guest that are kept */

typedef struct _VrShelf VrShelf;

VrShelf     *vr_shelf_new (void);
void         vr_shelf_free (VrShelf *shelf);
void         vr_shelf_add (VrShelf *shelf, VrLedger *part); /* takes a reference; parts come in any order */

/* Of one guest (a uuid, or a name that it ever bore) or, for "", of all: of VrMigration, oldest first; (transfer full). NULL: no such guest. */
GPtrArray   *vr_shelf_list (const VrShelf *shelf, const char *guest);
VrMigration *vr_shelf_find (const VrShelf *shelf, const char *uuid, guint64 epoch); /* (transfer full); NULL: no part of it is here */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrShelf, vr_shelf_free)

G_END_DECLS
