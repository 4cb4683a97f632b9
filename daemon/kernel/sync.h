/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each kind of item that route netlink carries: what of ours is there, and the requests that make it what is wanted.
 * Requests go into two batches, so that kernel.c can send the additions of all kinds before the removals of any.
 */
#pragma once

#include "link.h"
#include "state.h"

G_BEGIN_DECLS

typedef struct {
  VrRtnl        *rtnl;
  VrLinks       *links; /* with addresses read */
  VrKernelState *state;
  GPtrArray     *adds;    /* of VrRequest: additions and changes in place */
  GPtrArray     *removes; /* of VrRequest */
  GPtrArray
      *changes; /* of char*, nullable: what was done without a request, and for items that a change in place replaced */
  VrTrouble     *trouble;
} VrSync;

/* The wanted lists may be empty: then everything of ours of that kind is removed. */
GPtrArray *vr_routes_read (VrRtnl *rtnl, const VrLinks *links, GError **error); /* of VrRoute: ours, of both families */
void vr_sync_routes (VrSync *sync, GPtrArray *wanted /* of VrRoute */);
void vr_sync_rules (VrSync *sync, GPtrArray *wanted /* of VrRule */);
void vr_sync_neighbours (VrSync *sync, GPtrArray *wanted /* of VrNeighbour */);
void vr_sync_forwardings (VrSync *sync, GPtrArray *wanted /* of VrForwarding */);

/* Queues are made longer only: what is not wanted stays as it is. */
void vr_sync_queues (VrSync *sync, GPtrArray *wanted /* of VrQueue */);

/* After the removals were sent: forgets the forwardings that are gone. */
void vr_sync_forwardings_done (VrSync *sync);

/* Sysctls have no requests: settings are written at once, and put back by the second call. */
void vr_sync_sysctls (VrSync *sync, GPtrArray *wanted /* of VrSysctl */);
void vr_unsync_sysctls (VrSync *sync, GPtrArray *wanted);

/* The request that puts `route` in place of what has its destination, table and metric. NULL: its device is missing or
 * down. */
VrRequest *vr_route_request (const VrLinks *links, const VrRoute *route, guint16 type, char *item /* (transfer full) */);

/* Likewise the entry of `neighbour`; NULL: it is malformed, or its device is missing. */
VrRequest *vr_neighbour_request (const VrLinks *links, const VrNeighbour *neighbour, guint16 type, char *item /* (transfer full) */);

/* ---- differences ---- */

typedef char *(*VrToString) (gconstpointer item);

/* line -> item, of items that are the array's */
GHashTable *vr_lines (GPtrArray *items, VrToString to_string);

G_END_DECLS
