/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What to do about one peer's tunnel: a state machine with no I/O, no clock and no randomness of its own. The caller observes (VrFsmFacts),
 * steps it until it rests, and does what each step says. See tunnel-fsm.c.
 */
#pragma once

#include "daemon/model/plan.h"

G_BEGIN_DECLS

typedef enum {
  VR_FSM_ABSENT,      /* charon is away, or does not have the connection. The peer cannot bring the tunnel up; SAs may live on. */
  VR_FSM_LOADING,     /* secret and connection are on their way to charon */
  VR_FSM_LOADED,      /* at rest: the peer may bring the tunnel up, this side does not want it */
  VR_FSM_WAITING,     /* wanted up, and the peer's turn, until the takeover delay is over */
  VR_FSM_INITIATING,  /* this side brings it up; until charon says so, the negotiation fails, or the time is over */
  VR_FSM_UP,          /* a CHILD_SA as it should be carries traffic; whoever started it */
  VR_FSM_BACKOFF,     /* something failed: wait, longer each time, then start from the beginning. The peer may bring it up meanwhile. */
  VR_FSM_TERMINATING, /* the SAs that were there are being taken down; nothing is brought up before they are gone */
  VR_FSM_UNLOADING,   /* nobody wants the peer any more: secret and connection leave charon, so that the peer cannot come back */
  VR_FSM_GONE,        /* nothing of this peer is left in charon: the end */
  VR_FSM_N_STATES,
} VrFsmState;

typedef enum {
  VR_FSM_NOTHING,
  VR_FSM_LOAD,      /* secret (or key) and connection, as they are now wanted */
  VR_FSM_UNLOAD,
  VR_FSM_INITIATE,
  VR_FSM_CANCEL,    /* forget every IKE_SA that carries no right CHILD_SA, without waiting for the peer */
  VR_FSM_TERMINATE, /* all SAs of the connection, with the peer's consent */
  VR_FSM_THIN,      /* all IKE_SAs that are up but one, with the peer's consent */
  VR_FSM_FORCE,     /* forget those that TERMINATE was about (up to `doomed`), without waiting for the peer */
  VR_FSM_N_ACTIONS,
} VrFsmAction;

/* What failed last, for people. */
typedef enum {
  VR_FSM_FINE,
  VR_FSM_NOT_LOADABLE, /* charon refused the connection or the secret, or there is none to load */
  VR_FSM_NO_ANSWER,
  VR_FSM_REFUSED,      /* the negotiation ended without a tunnel */
  VR_FSM_WRONG,        /* a CHILD_SA came out that does not carry everything through our interface */
  VR_FSM_LOST,         /* it was up for a moment only */
  VR_FSM_N_FAILURES,
} VrFsmFailure;

typedef enum { VR_FSM_LOAD_NONE, VR_FSM_LOAD_RUNS, VR_FSM_LOAD_DONE, VR_FSM_LOAD_FAILED } VrFsmLoad;

/* What charon has of this connection, by the last look. */
typedef enum {
  VR_FSM_SA_UNKNOWN,    /* not looked yet since charon is there */
  VR_FSM_SA_NONE,
  VR_FSM_SA_CONNECTING, /* an IKE_SA that is being negotiated */
  VR_FSM_SA_CHILDLESS,  /* an IKE_SA without a CHILD_SA that carries traffic */
  VR_FSM_SA_WRONG,      /* a CHILD_SA with other selectors or another interface, or with an address that the peer no longer has */
  VR_FSM_SA_UP,
} VrFsmSa;

typedef struct {
  gboolean     charon;         /* connected to charon */
  gboolean     wanted;         /* the peer is in the plan */
  VrTunnelWish wish;
  VrFsmLoad    load;           /* NONE: never loaded, taken away by somebody, or no longer what is wanted */
  VrFsmSa      sa;
  gboolean     initiator;      /* this side started what is up */
  gboolean     doubled;        /* several IKE_SAs are up, and it is this side that has to see to it: one of the two does, by a rule both know */
  guint64      oldest, newest; /* unique ids of the connection's IKE_SAs, those that are being deleted included; 0: none */
  gboolean     refused;        /* charon refused the order to initiate, or said that the negotiation failed; since the last INITIATE */
} VrFsmFacts;

/* Read it freely, write only through the functions. Times are monotonic, in microseconds; 0: not set. */
typedef struct {
  VrFsmState   state;
  VrFsmFailure failure;        /* why it is, or last was, in BACKOFF; FINE again when up, or when no longer wanted up */
  gint64       since;          /* when the state was entered */
  gint64       deadline;       /* of WAITING, INITIATING, BACKOFF, TERMINATING */
  gint64       unwanted_since; /* UP though not wished up */
  gint64       doubled_since;  /* UP more than once, or since it was seen to */
  guint        failures;       /* without a time of being up in between: the exponent of the pause */
  guint64      doomed;         /* newest SA that TERMINATE was about */
  gboolean     seen;           /* INITIATING: the IKE_SA was seen */
  gboolean     ours;           /* UP: this side wanted it, or started it before the daemon's start; so it takes it down too */
  VrTunnelWish wish;           /* at the last step */
  gint64       takeover_us;
} VrFsm;

#define VR_FSM_INITIATE_US (15 * G_USEC_PER_SEC)   /* room for two retransmissions of charon's, at 4 s and 11.2 s by default */
#define VR_FSM_SLOW_US (5 * G_USEC_PER_SEC)        /* no answer for so long, nor to charon's first retransmission: say so */
#define VR_FSM_UNSEEN_US (5 * G_USEC_PER_SEC)      /* charon shows no IKE_SA so long after the order: it failed */
#define VR_FSM_LINGER_US (2 * G_USEC_PER_SEC)      /* both sides learn within that time that nothing needs the tunnel */
#define VR_FSM_DOUBLE_US (5 * G_USEC_PER_SEC)      /* a rekeying is over by then; both sides had time to find out what is up */
#define VR_FSM_SETTLED_US (10 * G_USEC_PER_SEC)    /* up for so long: what comes next is a new failure, not the same one */
#define VR_FSM_TERMINATE_US (5 * G_USEC_PER_SEC)   /* the peer consents within that time, or is not asked any longer */
#define VR_FSM_BACKOFF_US (G_USEC_PER_SEC / 2)
#define VR_FSM_BACKOFF_MAX_US (30 * G_USEC_PER_SEC)

/* takeover_us: how long the side that follows waits for the other. */
void vr_fsm_init (VrFsm *fsm, gint64 takeover_us, gint64 now);

/*
 * One step. TRUE: it moved; do *action, bring facts up to date with what that changed at once (load), and step again. FALSE: it
 * rests (*action is NOTHING) until facts change or vr_fsm_wake() has come. jitter: by what a pause is multiplied, about 1.
 */
gboolean vr_fsm_step (VrFsm *fsm, const VrFsmFacts *facts, gint64 now, double jitter, VrFsmAction *action);

/* When to step again though no fact changed; G_MAXINT64: never. */
gint64 vr_fsm_wake (const VrFsm *fsm, const VrFsmFacts *facts, gint64 now);

/* What is wrong as of now: the last failure, or one that is in the making. */
VrFsmFailure vr_fsm_failure (const VrFsm *fsm, const VrFsmFacts *facts, gint64 now);

/* Something may change any moment: look often. */
gboolean vr_fsm_in_motion (const VrFsm *fsm);

const char *vr_fsm_state_to_string (VrFsmState state);
const char *vr_fsm_action_to_string (VrFsmAction action);

G_END_DECLS
