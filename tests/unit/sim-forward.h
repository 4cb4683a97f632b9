/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An interpreter of plans: forwards a packet over simulated hosts, as the kernel would with the plan of each applied. It knows rules,
 * tables, the filter, proxy neighbours and the bridges' rewriting of MACs; of time it knows nothing: a packet is at its end at once.
 *
 * Host number i is named h(i+1) and has the guest networks 10.9.(i+1).0/24 and fd00:9:(i+1)::/64 on br0, its gateway (…1) in each, one
 * neighbour on the bridge (…50) that is no guest, and the underlay address 192.0.2.(i+1). What no rule of a plan takes follows the main
 * table: own networks to br0, the rest out of the uplink, in clear.
 */
#pragma once

#include "daemon/model/plan.h"

#define SIM_HOSTS 6
#define SIM_GUESTS 3
#define SIM_PATH 12

/* Interfaces of a host: 0 … SIM_HOSTS - 1 are the tunnels to those hosts. */
enum { SIM_BRIDGE = 100, SIM_UPLINK, SIM_OWN /* the host's own packets come from there */, SIM_ANY, SIM_UNKNOWN };

typedef struct {
  char     text[48];
  guint8   bytes[16];
  gboolean v6;
} SimAddress;

typedef struct _SimKernel SimKernel; /* a plan, made quick to ask */

typedef struct {
  SimAddress address;
  char       mac[18], tap[16];
  guint      home;
  int        runs;           /* the host where its CPUs run, or -1 */
  gboolean   tap_at[SIM_HOSTS]; /* where there is a QEMU of it */
} SimStation;

typedef struct {
  guint       n_hosts, n_guests;
  SimKernel  *kernels[SIM_HOSTS];
  void      (*refresh) (gpointer data, guint host); /* called before a packet meets a host: its plan may be old */
  gpointer    data;
  gboolean    up[SIM_HOSTS][SIM_HOSTS]; /* [a][b]: a thinks that its tunnel to b is up; what passes needs both ends */
  SimAddress  gateways[SIM_HOSTS][2], neighbours[SIM_HOSTS][2], underlays[SIM_HOSTS], outside[2]; /* [1]: IPv6 */
  SimStation  guests[SIM_GUESTS];
  GHashTable *answers[SIM_HOSTS]; /* "DEV ADDRESS" -> packets: what the elements of peer-guest# counted */
  GHashTable *sought[SIM_HOSTS];  /* addresses in sought# that something was sent to from there */
  gboolean    news[SIM_HOSTS];    /* a counter grew that a daemon cares about */
  GHashTable *asked[SIM_HOSTS];   /* "br0 ADDRESS": neighbours that a guest away from home asked for */
} SimNet;

/* One layer taken away: to see what the other does alone. */
typedef enum { SIM_ALL = 0, SIM_NO_RULES = 1, SIM_NO_FILTER = 2, SIM_BACK_AGAIN = 4 /* a tunnel's packets may go back */ } SimLayers;

typedef enum {
  SIM_DELIVERED,   /* to the tap, neighbour or host that has the address */
  SIM_UNREACHABLE, /* by a route */
  SIM_DROPPED,     /* by the filter: `reason` */
  SIM_NO_TUNNEL,   /* into a tunnel that is not up at both ends */
  SIM_NOBODY,      /* on a bridge, where nobody has the address */
  SIM_IN_CLEAR,    /* out of the uplink */
  SIM_LOOP,
} SimEnd;

typedef struct {
  SimEnd      end;
  const char *reason;
  guint       n_path;
  int         path[SIM_PATH]; /* the hosts that it was at */
  gboolean    stray;          /* at its last host no route of ours took it, and the main table's led out of the uplink */
} SimFate;

const char *sim_end_to_string (SimEnd end);
char       *sim_fate_to_string (const SimFate *fate); /* "delivered at h3 by h2 h1 h3"; free with g_free */

void        sim_address_set (SimAddress *address, const char *text);
void        sim_net_init (SimNet *net, guint n_hosts);
void        sim_net_clear (SimNet *net);

/* Taken apart once, asked often. The plan must outlive it. */
SimKernel  *sim_kernel_new (const VrPlan *plan);
void        sim_kernel_free (SimKernel *kernel);
void        sim_kernel_keep_counters (const SimKernel *kernel, SimNet *net, guint host); /* and drops those it has no element for */

/* Sent by the neighbour on the bridge of `host`; by the host itself; by guest number `guest`, where it runs. */
SimFate     sim_send_from_neighbour (SimNet *net, guint host, const SimAddress *to, SimLayers layers);
SimFate     sim_send_from_host (SimNet *net, guint host, const SimAddress *to, SimLayers layers);
SimFate     sim_send_from_guest (SimNet *net, guint guest, const SimAddress *to, SimLayers layers);
