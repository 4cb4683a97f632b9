/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A whole relay, h1's, in the test's namespace. libvirt stands in: one guest, d of h1, with the XML that it was given and the stamp that the relay
 * wrote, and the events that the test says. No tunnel comes up. The log is in files, and what other hosts write there is the test's to say.
 */
#pragma once

#include "daemon/relay/relay.h"

G_BEGIN_DECLS

#define D "11111111-2222-3333-4444-555555555555"

typedef struct {
  VrConfig       *config;
  VrKernel       *kernel;
  VrLog          *log;
  VrTunnels      *tunnels;
  VrVirt         *virt;
  VrHookListener *hooks;
  VrRelay        *relay;
} RelayWorld;

RelayWorld *relay_world_new (void); /* d runs, h1 said so, and d carries a token */
void        relay_world_free (RelayWorld *world);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelayWorld, relay_world_free)

char *relay_world_token (RelayWorld *world); /* (transfer full) in d's XML; NULL: none */
void  relay_world_event (RelayWorld *world, VrVirtWhat what); /* libvirt says so of d */
/* h2 writes that d comes to it, of that epoch. `token`: its proof is made with that; NULL: it has none. (transfer full) */
void  relay_world_announce (RelayWorld *world, const char *token, guint64 epoch);
guint relay_world_refused (RelayWorld *world); /* how many records of h2 */
gboolean relay_world_says (RelayWorld *world, const char *text); /* does one of its troubles have that text? */
gboolean relay_world_wrote (RelayWorld *world, VrState state, const char *target); /* is that h1's last word on d? */
void     relay_world_await (RelayWorld *world, VrState state, const char *target); /* until it is */
/* d migrates to h2, which proves it, and that is called off. (transfer full) The token that h2 knows; d has another by then */
char    *relay_world_fail (RelayWorld *world);

G_END_DECLS
