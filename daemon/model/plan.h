/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The plan: from what is known to what shall be. vr_plan_make() is a pure function: no I/O, no clock, no global state; the same
 * facts give the same plan, in the same order. Everything else observes (and makes facts) or applies (a plan).
 *
 * A plan is lists of items. Each item has one line of text that names it completely; two items are the same if their lines are,
 * and tests, the journal and the difference between two plans work on those lines.
 */
#pragma once

#include "book.h"

G_BEGIN_DECLS

/* ---- facts ---- */

typedef struct {
  char *mac;
  char *tap;    /* NULL while the tap's name is not known yet */
  char *bridge; /* NULL: a routed NIC (type ethernet): its tap is the way to it */
} VrHereNic;

/* A guest whose QEMU is on this host, running, paused, or waiting for its memory. */
typedef struct {
  char      *uuid;
  GPtrArray *nics; /* of VrHereNic */
} VrHere;

VrHere *vr_here_new (const char *uuid);
void    vr_here_add_nic (VrHere *here, const char *mac, const char *tap, const char *bridge);
void    vr_here_free (VrHere *here);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrHere, vr_here_free)

/* May a peer use, or make, a tunnel of its own to a guest that left its home? In this order each may do what those before it may. */
typedef enum { VR_DIRECT_NEVER, VR_DIRECT_EXISTING, VR_DIRECT_BUILD } VrDirect;

typedef struct {
  const char   *self;    /* this host's name; its own host record is in the book */
  const char   *bridge;  /* of this host's guest networks; NULL: it has none */
  const VrBook *book;
  GHashTable   *here;    /* uuid -> VrHere */
  GHashTable   *tunnels; /* set of the names of peers whose tunnel is up */
  GHashTable   *macs;    /* name of a bridge or tap -> its MAC, of those that exist */
  GHashTable   *lingering; /* set of uuids: guests that came home so lately that a peer may not have heard of it (linger.h) */
  guint         queue_max; /* packets that a tap's queue may hold at most; 0: queues are left alone */
  GHashTable   *asked;   /* set of "BRIDGE ADDRESS": guests away from home asked for a neighbour there */
  /* the direct path */
  VrDirect      direct;
  guint         threshold; /* answers */
  GHashTable   *answers;   /* "INTERFACE ADDRESS" -> packets (GUINT_TO_POINTER) that came from that guest straight through that tunnel */
  GHashTable   *sought;    /* set of the addresses of guests elsewhere that something was sent to from here */
  GHashTable   *waited;    /* set of "INTERFACE ADDRESS": the tunnel is up, and the guest runs behind it, for longer than confirm-after */
  gboolean      ordered;   /* a path is changed only when all that went the long way has arrived */
  GHashTable   *held;      /* set of "INTERFACE ADDRESS": what goes there is held for that; its change is under way */
  GHashTable   *changed;   /* set of "INTERFACE ADDRESS": that change is over, or was over before this daemon started; a path keeps that of
                              the way that it goes by until it is another one */
} VrFacts;

/* ---- items ---- */

typedef enum { VR_ROUTE_VIA_DEV, VR_ROUTE_UNREACHABLE, VR_ROUTE_THROW } VrRouteType;

typedef struct { /* "route 10.9.1.100/32 dev vr-h3 table 30321 metric 10 src 10.9.1.1" */
  VrRouteType type;
  char       *destination; /* always with its length, "10.9.1.100/32", "::/0" */
  char       *dev;         /* VIA_DEV only */
  char       *source;      /* preferred source address, or NULL */
  guint32     table, metric;
} VrRoute;

typedef struct { /* "rule 7620 from 10.9.1.100/32 to all iif any lookup 1979711488" */
  guint32  priority, table;
  char    *from, *to, *iif; /* NULL: any */
  gboolean v6;
} VrRule;

typedef struct { /* "neighbour 10.9.1.100 lladdr 52:54:… dev br0" (permanent) or "proxy 10.9.1.1 dev br0" */
  char    *address, *dev;
  char    *mac; /* NULL: a proxy entry, the kernel answers ARP/ND for the address on that interface */
} VrNeighbour;

typedef struct { /* "forwarding 52:54:… dev vnet0": a static entry in the bridge that the tap is in */
  char *mac, *dev;
} VrForwarding;

typedef enum { VR_NFT_INET, VR_NFT_BRIDGE } VrNftFamily;

typedef struct { /* "element inet guest4 { 10.9.1.100 }" */
  VrNftFamily family;
  char       *set; /* a set or map of the table; kernel/filter.c says what each is for */
  char       *key; /* in nft's syntax, parts joined with " . ", a map's data after " : " */
} VrElement;

typedef struct { /* "sysctl net/ipv4/neigh/br0/proxy_delay = 0": kept, and the value found there put back when it is no longer wanted */
  char *path, *value;
} VrSysctl;

typedef struct { /* "queue vnet0 10000": the tap's queue takes at least so many packets; it is never made shorter */
  char   *dev;
  guint32 length;
} VrQueue;

typedef struct { /* "announce 10.9.1.100 at 52:54:… on br0": a gratuitous ARP / unsolicited NA when it becomes true */
  char *address, *mac, *dev;
} VrAnnouncement;

typedef enum {
  VR_TUNNEL_READY,    /* connection loaded: the peer may bring it up */
  VR_TUNNEL_FOLLOW,   /* wanted up; the peer initiates, this side takes over after a delay */
  VR_TUNNEL_INITIATE, /* wanted up; this side initiates */
} VrTunnelWish;

typedef struct { /* "tunnel h3 dev vr-h3 initiate" */
  char        *peer, *dev; /* the XFRM interface */
  guint32      if_id;      /* != 0 */
  VrTunnelWish wish;
  VrHost      *host;       /* the peer's record: underlay addresses, identity */
} VrTunnel;

typedef enum {
  VR_PATH_RELAYED,  /* through its home, or through the host that it left, if it was sent to there straight */
  VR_PATH_CHANGING, /* it may go straight, once what went the long way has arrived: until then relayed, then held, then straight */
  VR_PATH_DIRECT,
} VrPathState;

/*
 * How this host sends to a guest that is another host's, and away from home, or was lately: "path 10.9.1.100 to h3 relayed", "… relayed by vr-h4",
 * "… changing from vr-h1" or "… direct". Nothing to be applied: a decision, for people, and for whoever has to find out what is missing for the next one, or
 * (daemon/path/) to bring the next one about.
 */
typedef struct {
  char       *address, *owner;
  VrPathState state;
  char       *from; /* CHANGING: the interface of the long way; RELAYED: to the host that it left; NULL: to its home */
} VrPath;

typedef struct {
  GPtrArray *tunnels;       /* of VrTunnel */
  GPtrArray *routes;        /* of VrRoute */
  GPtrArray *rules;         /* of VrRule */
  GPtrArray *neighbours;    /* of VrNeighbour */
  GPtrArray *forwardings;   /* of VrForwarding */
  GPtrArray *elements;      /* of VrElement */
  GPtrArray *sysctls;       /* of VrSysctl */
  GPtrArray *queues;        /* of VrQueue */
  GPtrArray *announcements; /* of VrAnnouncement */
  GPtrArray *paths;         /* of VrPath */
} VrPlan;

VrPlan *vr_plan_new (void); /* empty */
VrPlan *vr_plan_make (const VrFacts *facts);
void    vr_plan_free (VrPlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrPlan, vr_plan_free)

/* The lines; free with g_free. */
char *vr_route_to_string (const VrRoute *route);
char *vr_rule_to_string (const VrRule *rule);
char *vr_neighbour_to_string (const VrNeighbour *neighbour);
char *vr_forwarding_to_string (const VrForwarding *forwarding);
char *vr_element_to_string (const VrElement *element);
char *vr_sysctl_to_string (const VrSysctl *sysctl);
char *vr_queue_to_string (const VrQueue *queue);
char *vr_announcement_to_string (const VrAnnouncement *announcement);
char *vr_tunnel_to_string (const VrTunnel *tunnel);
char *vr_path_to_string (const VrPath *path);
char *vr_plan_to_string (const VrPlan *plan); /* all lines, one item a line, sorted */

void vr_route_free (VrRoute *route);
void vr_rule_free (VrRule *rule);
void vr_neighbour_free (VrNeighbour *neighbour);
void vr_forwarding_free (VrForwarding *forwarding);
void vr_element_free (VrElement *element);
void vr_sysctl_free (VrSysctl *sysctl);
void vr_queue_free (VrQueue *queue);
void vr_announcement_free (VrAnnouncement *announcement);
void vr_tunnel_free (VrTunnel *tunnel);
void vr_path_free (VrPath *path);

/* Memory that a packet of an ordinary size takes in a tap's queue, bytes: what the kernel's allocator rounds 1500 and its own data up to. */
#define VR_QUEUE_PACKET_BYTES 2304

/* The key of `answers`, `waited`, `held` and `changed`; free with g_free. */
char   *vr_facts_key (const char *dev, const char *address);

/* "vr-" and the peer's name; a name over 12 characters is cut and ends in a hash of the whole. */
char   *vr_tunnel_dev (const char *peer);
guint32 vr_tunnel_if_id (const char *peer); /* also the number of the table for guests whose home is that peer */

G_END_DECLS
