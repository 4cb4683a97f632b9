/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the plan's files share, and nobody else. First a plan in the making: every call adds one item unless it is there already; strings
 * are copied. Then the questions that all of them ask.
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
void vr_draft_route_behind (VrDraft *draft, const char *destination, const char *dev, const char *source, guint32 table); /* one that counts when the other is gone */
void vr_draft_rule (VrDraft *draft, guint32 priority, gboolean v6, const char *from, const char *to, const char *iif, guint32 table);
void vr_draft_neighbour (VrDraft *draft, const char *address, const char *dev, const char *mac); /* mac NULL: a proxy entry */
void vr_draft_forwarding (VrDraft *draft, const char *mac, const char *dev);
void vr_draft_element (VrDraft *draft, VrNftFamily family, const char *set, char *key /* taken */);
/* An element of one of the twin sets of table inet, SET4 and SET6; with `dev` its key is `"dev" . address`. */
void vr_draft_address (VrDraft *draft, const char *set, const char *dev, const char *address);
void vr_draft_sysctl (VrDraft *draft, const char *value, const char *format, const char *dev); /* '%' in the format: dev */
void vr_draft_queue (VrDraft *draft, const char *dev, guint32 length);
void vr_draft_path (VrDraft *draft, const char *address, const char *owner, VrPathState state, const char *from);
void vr_draft_announcement (VrDraft *draft, const char *address, const char *mac, const char *dev);

/* ---- one guest, with what this host is to it ---- */

typedef struct {
  const VrRecord *record;    /* who, where: the custody, or the intent while only that is known */
  const VrHere   *here;      /* NULL: its QEMU is not here, or was not heard of yet */
  GPtrArray      *addresses; /* of const char *, of all its NICs */
  const char     *owner, *home;
  const char     *origin;    /* that it came from, and that may still send what was meant for it; NULL: none */
  const char     *giver;     /* that its owner was when it was announced; NULL: not announced */
  const char     *target;    /* where it is going, by an intent or LEAVING; NULL: nowhere */
  gboolean        placed, armed, away, relayed, sent_to;
} VrCase;

void vr_plan_here (VrDraft *draft, const VrCase *c);      /* placed, armed */
void vr_plan_away (VrDraft *draft, const VrCase *c);
void vr_plan_relayed (VrDraft *draft, const VrCase *c);
void vr_plan_leaving (VrDraft *draft, const VrCase *c);   /* to be relayed soon */
void vr_plan_sent_to (VrDraft *draft, const VrCase *c);
void vr_plan_host (VrDraft *draft);                       /* after all guests */

/* ---- small questions ---- */

char       *vr_plan_host_route (const char *address); /* with its length */
const char *vr_plan_mac_of (const VrDraft *draft, const char *dev); /* NULL: not known, or dev is NULL */
/* The gateway of `host` in the network that `address` is in, or with `address` NULL the first of that family; NULL: none. */
char       *vr_plan_gateway_of (const VrHost *host, gboolean v6, const char *address);
gboolean    vr_plan_reaches (const VrHost *a, const VrHost *b); /* does a's record name b as one to be reached? */
gboolean    vr_plan_may_go_direct (const VrDraft *draft, const char *peer); /* its tunnel is up, and it may be used */
/* This host answers ARP/ND for `address` on the bridge, at once (the kernel's default delays proxy answers by up to 0.8 s). */
void        vr_plan_stand_in (VrDraft *draft, const char *address, const char *bridge);
void        vr_plan_want_tunnel (VrDraft *draft, const char *initiator, const char *other);
void        vr_plan_by_tunnel (VrDraft *draft, const char *set, const char *host, const VrCase *c); /* each address of the guest, with the tunnel to that host */

G_END_DECLS
