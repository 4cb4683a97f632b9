/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was recorded of each guest, oldest first, the last `max` records each. Main loop only. */
#pragma once

#include "daemon/model/record.h"

G_BEGIN_DECLS

typedef struct _VrHistory VrHistory;

VrHistory *vr_history_new (guint max);
void       vr_history_free (VrHistory *history);
void       vr_history_add (VrHistory *history, VrRecord *record);              /* takes a reference; records come in any order, and more than once */
GPtrArray *vr_history_list (const VrHistory *history, const char *uuid); /* (transfer full) of VrRecord; `uuid` NULL: of all guests, by time */

G_END_DECLS
