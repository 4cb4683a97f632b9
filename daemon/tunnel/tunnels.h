/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tunnels to the peers: for each an XFRM interface, a connection with one child loaded over VICI with identities of virt-relay's
 * own, and, when the plan wants it up, a CHILD_SA. Test binaries link another implementation of this header in its place.
 */
#pragma once

#include "daemon/config.h"
#include "daemon/kernel/kernel.h"

G_BEGIN_DECLS

#define VR_TYPE_TUNNELS (vr_tunnels_get_type ())
G_DECLARE_FINAL_TYPE (VrTunnels, vr_tunnels, VR, TUNNELS, GObject)

/*
 * Signals: "changed" (const char *peer): a tunnel came up or went down, or its trouble changed; NULL: charon's trouble changed. It comes
 * from the main loop, never from within a call.
 *
 * Main loop only; nothing blocks but the making of interfaces, which takes microseconds.
 */
VrTunnels *vr_tunnels_new (VrKernel *kernel, const VrConfig *config); /* both outlive it */
void       vr_tunnels_start (VrTunnels *tunnels); /* connects to charon, and again whenever it went away */
void       vr_tunnels_stop (VrTunnels *tunnels); /* SAs, connections and interfaces stay: traffic goes on */

/*
 * What the plan wants, of VrTunnel: the whole list each time. Makes interfaces at once; loads, initiates and terminates over VICI
 * by and by, and again after charon restarted or somebody's swanctl took the connections away. A peer no longer in the list loses its
 * SAs, connection and interface; one whose wish fell to READY has its SA terminated. The first list has to be complete: connections,
 * SAs and interfaces of ours that it does not name are taken for what another daemon left behind, and go.
 */
void        vr_tunnels_want (VrTunnels *tunnels, GPtrArray *wanted);
gboolean    vr_tunnels_is_up (VrTunnels *tunnels, const char *peer);     /* a CHILD_SA with the right if_id and selectors is installed on both sides, the interface is there, and the peer answers */
GHashTable *vr_tunnels_up (VrTunnels *tunnels);                          /* (transfer full) set of the peers that are up */
gint64      vr_tunnels_up_since (VrTunnels *tunnels, const char *peer);  /* wall clock, microseconds; 0: down */
const char *vr_tunnels_trouble (VrTunnels *tunnels, const char *peer);   /* with its cure; NULL peer: of charon itself; NULL: none */

G_END_DECLS
