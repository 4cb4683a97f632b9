/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What charon's list of SAs says of one peer's tunnel. Pure. */
#pragma once

#include "libvici-glue/vici.h"
#include "tunnel-fsm.h"

G_BEGIN_DECLS

#define VR_TUNNEL_CHILD "relay"             /* the one child of each connection */
#define VR_TUNNEL_CONN_PREFIX "virt-relay-" /* and the peer's name: the connection, and the secret's id */

#define VR_TUNNEL_READY_S 2                 /* up for so long: the peer has it by now; its first packet may be lost, and older versions send none */

extern const char *const vr_tunnel_selectors[]; /* any to any, NULL-terminated */

/* What a tunnel has to be. Borrowed. */
typedef struct {
  guint32            if_id;
  const char *const *remote_addrs; /* NULL-terminated: the peer's, in GInetAddress's notation */
  guint64            stale;        /* IKE_SAs up to this id were made with what the peer's record said before; 0: none */
} VrTunnelExpected;

typedef struct {
  VrFsmSa  sa;
  gboolean initiator;  /* of what is up */
  gboolean ready;      /* up, and the peer has it by now */
  guint64  oldest, newest;
  guint64  keep;       /* of several that are up: the one that is kept where one is too many; 0: there are not several */
  guint64  up_s;       /* up for so many seconds at least */
  char    *wrong;      /* WRONG: what, for people; else NULL */
} VrTunnelSight;

/* sas: of VrViciIkeSa, all of this connection. */
void vr_tunnel_look (GPtrArray *sas, const VrTunnelExpected *expected, VrTunnelSight *sight);
void vr_tunnel_sight_clear (VrTunnelSight *sight);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (VrTunnelSight, vr_tunnel_sight_clear)

/* One IKE_SA by itself: NONE while it is being deleted. */
VrFsmSa vr_tunnel_judge (const VrViciIkeSa *ike, const VrTunnelExpected *expected, char **wrong);

G_END_DECLS
