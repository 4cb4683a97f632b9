/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The threads' side of the inbox that link.h describes. Any thread may call these. */
#pragma once

#include "link.h"

G_BEGIN_DECLS

VrViciInbox *vr_vici_inbox_ref (VrViciInbox *inbox);
void         vr_vici_inbox_unref (VrViciInbox *inbox);
void         vr_vici_inbox_post (VrViciInbox *inbox, VrViciReport *report); /* (transfer full) */
void         vr_vici_report_free (VrViciReport *report);
VrViciLink  *vr_vici_link_ref (VrViciLink *link);
void         vr_vici_link_unref (VrViciLink *link);

G_END_DECLS
