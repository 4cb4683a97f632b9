/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A plan in the making, private to the plan: every call adds one item unless it is there already. Strings are copied.
 */
#pragma once

#include "plan.h"

G_BEGIN_DECLS

typedef struct {
  const VrFacts *facts;
  const VrHost  *me;      /* may be NULL before the own record is known */
  VrPlan        *plan;
  GHashTable    *seen;    /* lines of the items that are in the plan: each item once */
  GHashTable    *mine;    /* set of peers whose tunnel I have a reason to initiate */
  GHashTable    *theirs;  /* set of peers that have a reason to initiate towards me */
} VrDraft;

void vr_draft_route (VrDraft *draft, VrRouteType type, const char *destination, const char *dev, const char *source, guint32 table);
void vr_draft_rule (VrDraft *draft, guint32 priority, gboolean v6, const char *from, const char *to, const char *iif, guint32 table);
void vr_draft_neighbour (VrDraft *draft, const char *address, const char *dev, const char *mac); /* mac NULL: a proxy entry */
void vr_draft_forwarding (VrDraft *draft, const char *mac, const char *dev);
void vr_draft_element (VrDraft *draft, VrNftFamily family, const char *set, char *key /* taken */);
/* An element of one of the twin sets of table inet, SET4 and SET6; with `dev` its key is `"dev" . address`. */
void vr_draft_address (VrDraft *draft, const char *set, const char *dev, const char *address);
void vr_draft_sysctl (VrDraft *draft, const char *value, const char *format, const char *dev); /* '%' in the format: dev */
void vr_draft_announcement (VrDraft *draft, const char *address, const char *mac, const char *dev);

G_END_DECLS
