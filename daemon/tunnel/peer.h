/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One peer's tunnel: what is known of it, and the doing of what its state machine says. Private to tunnel/. Main loop only.
 */
#pragma once

#include "daemon/config.h"
#include "daemon/kernel/kernel.h"
#include "tunnel-fsm.h"
#include "tunnel-look.h"

G_BEGIN_DECLS

/* A host under load may take its time: whoever gives up early makes it worse. */
#define VR_PEER_TIMEOUT_MS 10000
#define VR_PEER_HANG_MS 10000
#define VR_PEER_COMPLAINT_US (60 * G_USEC_PER_SEC) /* what charon says of the peer's own attempts is news for so long */

typedef struct _VrPeer VrPeer;

/* What all peers share. It outlives them. */
typedef struct {
  VrVici         *vici;
  VrKernel       *kernel;
  const VrConfig *config;
  gboolean        charon;                          /* connected, and that was told to the peers */
  void          (*changed) (VrPeer *peer, gpointer data); /* up, trouble, or it is gone: read them later, from the main loop */
  gpointer        data;
} VrPeerEnv;

struct _VrPeer {
  const VrPeerEnv *env;
  char            *name, *conn;    /* conn: of the connection and of its secret */
  char            *dev;            /* NULL: was never wanted, only found in charon */
  VrHost          *host;           /* likewise */
  guint32          if_id;
  char           **local_addrs, **remote_addrs; /* of the families that both have */
  guint            definition;     /* counts the changes of what is to be loaded */
  guint            loads;          /* counts the loads and unloads */
  VrFsm            fsm;
  VrFsmFacts       facts;
  GPtrArray       *sas;            /* of VrViciIkeSa: the last look, less what was lost since */
  guint64          keep;           /* by the last look: VrTunnelSight's */
  guint64          stale;          /* newest IKE_SA when the definition changed */
  gboolean         looking, look_again;
  gint64           looked_at;
  gboolean         up;             /* and ready, by the last look; kept while charon is away, as what it did not take down lives on */
  gboolean         silent;         /* up, but the peer does not answer: nothing may get through */
  guint64          silent_sa;      /* the newest IKE_SA then */
  gint64           up_since;       /* wall clock, microseconds */
  char            *load_error, *wrong, *link_error, *trouble;
  char            *complaint;      /* charon's, about this connection */
  gint64           complained_at, attempted_at;
  gboolean         told_up;        /* what the env was told */
  guint            timer;
  gboolean         detached;       /* vr_peer_drop() was called: answers of charon that come now mean nothing */
};

VrPeer *vr_peer_new (const VrPeerEnv *env, const char *name); /* unwanted */
void    vr_peer_drop (VrPeer *peer);                          /* nothing is touched in charon or the kernel */

void     vr_peer_want (VrPeer *peer, const VrTunnel *tunnel); /* makes the interface at once */
void     vr_peer_unwant (VrPeer *peer);                       /* takes the interface away at once */
gboolean vr_peer_is_up (const VrPeer *peer);
gboolean vr_peer_is_gone (const VrPeer *peer);

/* What happens around it. */
void vr_peer_charon_changed (VrPeer *peer);                  /* env->charon */
void vr_peer_found (VrPeer *peer, gboolean conn_is_there);   /* charon's connections were listed */
void vr_peer_look (VrPeer *peer);                            /* something happened to one of its SAs */
void vr_peer_lost (VrPeer *peer, guint64 ike, guint64 child); /* charon gave up an IKE_SA (child: 0) or a CHILD_SA; unique ids */
void vr_peer_hear (VrPeer *peer, guint64 ike, const char *line); /* charon's log about one of its SAs, by unique id */
void vr_peer_mend (VrPeer *peer);                            /* now and then: the interface, if it is missing */

/* For peer-act.c, peer-load.c and back. */
void    vr_peer_run (VrPeer *peer);     /* a fact changed: step, do, tell */
void    vr_peer_act (VrPeer *peer, VrFsmAction action);      /* what charon answers is a fact, later */
void    vr_peer_complain (VrPeer *peer, const char *line);   /* charon's own words on a cause are not replaced by what the peer says of it */
void    vr_peer_load (VrPeer *peer);    /* sets facts.load, now and when charon has answered */
void    vr_peer_unload (VrPeer *peer);
void    vr_peer_refresh (VrPeer *peer); /* secret or key again, in case somebody cleared them */
VrPeer *vr_peer_ref (VrPeer *peer);
void    vr_peer_unref (VrPeer *peer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrPeer, vr_peer_unref)

G_END_DECLS
