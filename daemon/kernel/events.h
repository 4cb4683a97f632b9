/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Notifications of route netlink: which of them mean that what a plan wants may no longer be so. */
#pragma once

#include "link.h"

G_BEGIN_DECLS

typedef struct _VrEvents VrEvents;

/* `changed` is called from the main loop, and from vr_events_read(), for each notification that matters. */
typedef void (*VrEventsChanged) (gpointer data);

/* `links` is kept up to date. Changes made through `rtnl` do not count. Both outlive it. */
VrEvents *vr_events_new (VrRtnl *rtnl, VrLinks *links, VrEventsChanged changed, gpointer data, GError **error);
void      vr_events_free (VrEvents *events);

/* What matters from now on. The plan is not kept. */
void      vr_events_set_plan (VrEvents *events, const VrPlan *plan);

/* Takes in the notifications that are there now. */
void      vr_events_read (VrEvents *events);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrEvents, vr_events_free)

G_END_DECLS
