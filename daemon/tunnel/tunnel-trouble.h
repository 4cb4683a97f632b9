/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is wrong with a tunnel, in words that name the cure. Pure. */
#pragma once

#include "tunnel-fsm.h"

G_BEGIN_DECLS

/* A line in charon's log that says why a negotiation fails. */
typedef struct {
  const char *part;    /* of the line */
  guint       rank;    /* 2: a cause, seen on this host; 1: only that the peer refused */
  gboolean    ends_it; /* the negotiation is over; else it may still succeed */
  const char *meaning; /* and the cure */
} VrTunnelComplaint;

/* NULL: the line is none. Static. */
const VrTunnelComplaint *vr_tunnel_complaint (const char *line);

/* What a line in charon's log says of a peer whose IKE_SA is up. */
typedef enum {
  VR_TUNNEL_NO_SIGN,
  VR_TUNNEL_SILENCE, /* it was asked, and did not answer in time: charon asks again */
  VR_TUNNEL_ANSWER,
} VrTunnelSign;
VrTunnelSign vr_tunnel_sign (const char *line);

typedef struct {
  VrFsmFailure failure;
  const char  *peer, *address; /* address: the first one that was tried */
  const char  *error;          /* NOT_LOADABLE: why, with its cure */
  const char  *wrong;          /* WRONG: what */
  const char  *line;           /* charon's complaint, of this attempt or lately; or NULL */
  gboolean     silent;         /* FINE, and up by charon's list; but the peer does not answer */
} VrTunnelTrouble;

char *vr_tunnel_trouble_text (const VrTunnelTrouble *trouble); /* NULL: nothing is wrong; free with g_free */

G_END_DECLS
