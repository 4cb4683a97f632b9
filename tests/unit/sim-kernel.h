/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A plan, taken apart, so that it is quickly asked: prefixes as bytes, interfaces as numbers. For sim-forward.c, which says what they mean. */
#pragma once

#include "sim-forward.h"

typedef enum {
  SIM_SET_GUEST, SIM_SET_HERE, SIM_SET_PLACED, SIM_SET_AWAY, SIM_SET_NET, SIM_SET_REMOTE_NET, SIM_SET_PEER_NET, SIM_SET_PEER_HOST,
  SIM_SET_PEER_OWNED, SIM_SET_PEER_HOMED, SIM_SET_PEER_GUEST, SIM_SET_SOUGHT, SIM_SET_UNTRACKED, SIM_SET_BRIDGES, SIM_SET_OTHER
} SimSet;

typedef struct {
  guint8   bytes[16];
  guint    length;
  gboolean v6, any;
} SimPrefix;

typedef struct {
  SimPrefix   to;
  VrRouteType type;
  guint32     table, metric;
  int         dev;
  const char *source;
} SimRoute;

gboolean        sim_address_equal (const SimAddress *a, const SimAddress *b);
gboolean        sim_net_is_on_link (const SimNet *net, guint host, const SimAddress *address); /* in the host's own guest network */

/* The kernel's answer to "is (dev, address) in the set?" `dev` SIM_ANY: a set of addresses alone; `address` NULL: of interfaces. */
gboolean        sim_kernel_has (const SimKernel *kernel, SimSet set, int dev, const SimAddress *address);
/* The route that our rules lead to, or NULL: the main table is next. */
const SimRoute *sim_kernel_route (const SimKernel *kernel, const SimAddress *from, const SimAddress *to, int iif);
gboolean        sim_kernel_has_proxy (const SimKernel *kernel, const SimAddress *address);
gboolean        sim_kernel_has_gateway (const SimKernel *kernel, const char *tap);
