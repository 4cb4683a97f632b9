/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What explain*.c share, and their tests use: each host's plan as this one concludes it, and what a plan does with one packet. */
#pragma once

#include "explain.h"

G_BEGIN_DECLS

#define VR_OTHERS_BRIDGE "its bridge" /* no record names another host's */

/* ---- explain-view.c: all hosts, as they are by what this one knows, or as they would be ---- */

typedef struct {
  const VrFacts  *facts;  /* this host's */
  const VrPlan   *plan;   /* made from them */
  const VrRecord *record; /* of the guest that is sought; NULL: none */
  const char     *owner;  /* host that the destination is on */
  const char     *from;
  gboolean        direct; /* as it would be once the path between from and owner is direct */
  GHashTable     *plans;  /* host -> VrPlan, as far as they were made */
} VrView;

gboolean      vr_view_is_mine (const VrView *view, const char *host);
const VrPlan *vr_view_plan (VrView *view, const char *host); /* the view owns it */
/* "up", "down", "wanted up", "not wanted": the last two where neither end is this host. */
const char   *vr_view_tunnel_state (const VrView *view, const char *host, const VrTunnel *tunnel);

/* ---- explain-forward.c: what one host does with one packet ---- */

typedef struct {
  const VrElement *admits;  /* the filter's entry that lets it in from a tunnel; NULL: it came from no tunnel, or nothing does */
  const char      *dropped; /* the counter of the filter that drops it; NULL: it is not dropped */
  const VrRule    *rule;    /* that leads to the route's table; NULL: no rule of virt-relay's leads anywhere */
  const VrRoute   *route;   /* VIA_DEV or UNREACHABLE; NULL: the host's own routes decide */
  gboolean         own_net; /* route NULL: the destination is in one of the host's own guest networks */
} VrVerdict;

/* `in` is the interface that it came from, a tunnel's or a guest's; all addresses canonical, of one family. The plan owns what is given. */
VrVerdict vr_explain_forward (const VrPlan *plan, const char *in, const char *source, const char *destination);

G_END_DECLS
