/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hosts around a path that becomes direct. The test's own namespace is h2; the guest, home h1, runs on h3:
 *
 *              vr-h1 ~~~~~ slow ~~~~~ vr-h2 [h1] vr-h3 ---- vr-h1
 *   s --- net0 [h2]                                          [h3] tap0 --- guest
 *              vr-h3 ---------------------------------------- vr-h2
 *
 * All interfaces are layer-3 ones, as tunnels are: whatever arrives is for the host. [0] is IPv4, [1] IPv6.
 */
#pragma once

#include "delay.h"
#include "netns.h"
#include "stream.h"

#include "daemon/path/change.h"

typedef struct {
  Delay         *slow;
  VrKernel      *kernel;
  VrPlan        *hold, *straight;
  VrChange      *change;
  guint          probe_ms; /* of the next path_begin() */
  gboolean       made, over;
  VrChangeResult result;
  Stream        *streams[2];
  StreamCounts   counts[2];
} PathWorld;

extern const char *const path_guest[2], *const path_s[2];

void path_world_up (PathWorld *w, guint slow_ms);
void path_world_down (PathWorld *w);

/* From s to the guest, both families at once, with that pause between two packets; waits until `some` were sent. */
void path_streams_start (PathWorld *w, guint pause_us, guint some);
void path_streams_stop (PathWorld *w, guint some); /* after so many more; nothing may be lost or duplicated */

/* answerers NULL: h3's own addresses and networks. The world's `made`, `over` and `result` say what became of it. */
void     path_begin (PathWorld *w, guint wait_ms, const char *const *answerers);
gboolean path_is_over (gpointer world);
gboolean path_is_holding (gpointer world);
void     path_expect_routes (const char *dev); /* of the guest's addresses, but those that stand behind; "": none */
void     path_relayed_again (PathWorld *w); /* the routes are as before a change */
void     path_only_routes (PathWorld *w); /* the long way is a route to the guest, with another one behind, and no longer one to its network */
