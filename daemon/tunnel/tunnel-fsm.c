/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. The machine is a table: in one of these states, if that holds, go there and do this. Rows are tried from the top,
 * the first that fits is taken, and the caller steps again until none fits. So what concerns many states stands first: charon goes
 * away, the peer is no longer wanted, somebody took the connection away; then comes each state's own business.
 *
 * It is driven by what is so, not by what happened: an event that was missed changes nothing that the next look does not set right,
 * and a daemon that was just started finds its place among SAs that are there without touching them.
 *
 * Whether traffic can pass is no state: SAs outlive charon's absence and the loss of the connection, so the caller keeps "up" by its looks.
 *
 * Where both sides initiated at once, charon keeps both tunnels, and each side sends by the one that it made last: if that one is half open (its
 * last message was lost) the peer hears nothing until charon sends it again, seconds later. So one of the two sides thins them out.
 *
 * Invariants: an action that needs charon happens only while facts say that it is there. Nothing is initiated while an SA that carries
 * traffic is there, or one that is being negotiated, so that this side makes no second one. After a failure there is always a
 * pause. A state without a deadline is left only when a fact changes.
 */
#include "tunnel-fsm.h"

#define AT(state) (1u << VR_FSM_##state)
#define ALL_BUT(states) (((1u << VR_FSM_N_STATES) - 1) & ~(states))

typedef struct {
  const VrFsm      *fsm;
  const VrFsmFacts *facts;
  gint64            now;
  gboolean          raised; /* the wish rose since the last step */
} Case;

typedef gboolean (*Condition) (const Case *c);

/* ---- conditions ---- */

static gboolean
charon_away (const Case *c)
{
  return !c->facts->charon;
}

static gboolean
charon_here (const Case *c)
{
  return c->facts->charon;
}

static gboolean
unwanted (const Case *c)
{
  return !c->facts->wanted;
}

static gboolean
unwanted_here (const Case *c)
{
  return !c->facts->wanted && c->facts->charon;
}

static gboolean
not_loaded (const Case *c)
{
  return c->facts->load == VR_FSM_LOAD_NONE;
}

static gboolean
load_done (const Case *c)
{
  return c->facts->load == VR_FSM_LOAD_DONE;
}

static gboolean
load_failed (const Case *c)
{
  return c->facts->load == VR_FSM_LOAD_FAILED;
}

static gboolean
up_and_loaded (const Case *c)
{
  return c->facts->sa == VR_FSM_SA_UP && load_done (c);
}

static gboolean
wrong (const Case *c)
{
  return c->facts->sa == VR_FSM_SA_WRONG;
}

/* No tunnel, and none in the making that this side would double. */
static gboolean
idle (const Case *c)
{
  return c->facts->sa == VR_FSM_SA_NONE || c->facts->sa == VR_FSM_SA_CHILDLESS;
}

static gboolean
initiate_adopt (const Case *c)
{
  return c->facts->wish == VR_TUNNEL_INITIATE && c->facts->sa == VR_FSM_SA_CONNECTING;
}

static gboolean
initiate_idle (const Case *c)
{
  return c->facts->wish == VR_TUNNEL_INITIATE && idle (c);
}

static gboolean
follow_looked (const Case *c)
{
  return c->facts->wish == VR_TUNNEL_FOLLOW && c->facts->sa != VR_FSM_SA_UNKNOWN;
}

static gboolean
no_longer_follow (const Case *c)
{
  return c->facts->wish != VR_TUNNEL_FOLLOW;
}

static gboolean
wish_ready (const Case *c)
{
  return c->facts->wish == VR_TUNNEL_READY;
}

static gboolean
at_rest (const Case *c)
{
  return wish_ready (c) && load_done (c) && !wrong (c);
}

static gboolean
wish_raised (const Case *c)
{
  return c->raised;
}

static gboolean
expired (const Case *c)
{
  return c->now >= c->fsm->deadline;
}

static gboolean
expired_adopt (const Case *c)
{
  return expired (c) && c->facts->sa == VR_FSM_SA_CONNECTING;
}

static gboolean
expired_idle (const Case *c)
{
  return expired (c) && idle (c);
}

/* The negotiation ended and left nothing: charon said so, or showed an IKE_SA that is no more, or never showed one. */
static gboolean
negotiation_failed (const Case *c)
{
  if (!idle (c))
    return FALSE;
  return c->facts->refused || (c->facts->sa == VR_FSM_SA_NONE && (c->fsm->seen || c->now >= c->fsm->since + VR_FSM_UNSEEN_US));
}

static gboolean
down (const Case *c)
{
  return c->facts->sa != VR_FSM_SA_UP && c->facts->sa != VR_FSM_SA_UNKNOWN;
}

static gboolean
down_settled (const Case *c)
{
  return down (c) && c->now >= c->fsm->since + VR_FSM_SETTLED_US;
}

static gboolean
lingered (const Case *c)
{
  return c->fsm->ours && c->fsm->unwanted_since != 0 && c->now >= c->fsm->unwanted_since + VR_FSM_LINGER_US;
}

static gboolean
doubled (const Case *c)
{
  return c->fsm->doubled_since != 0 && c->now >= c->fsm->doubled_since + VR_FSM_DOUBLE_US;
}

/* Those that TERMINATE was about are gone; the peer may have made a new one since. */
static gboolean
terminated (const Case *c)
{
  return c->facts->sa != VR_FSM_SA_UNKNOWN && (c->facts->oldest == 0 || c->facts->oldest > c->fsm->doomed);
}

static gboolean
terminated_unloaded (const Case *c)
{
  return terminated (c) && unwanted (c) && not_loaded (c);
}

static gboolean
wanted_again (const Case *c)
{
  return not_loaded (c) && c->facts->wanted;
}

static gboolean
unloaded_and_none (const Case *c)
{
  return not_loaded (c) && c->facts->sa == VR_FSM_SA_NONE;
}

static gboolean
unloaded_and_looked (const Case *c)
{
  return not_loaded (c) && c->facts->sa != VR_FSM_SA_UNKNOWN;
}

/* ---- the table ---- */

static const struct {
  guint        from;
  Condition    when;
  VrFsmState   to;
  VrFsmAction  action;
  VrFsmFailure failure; /* of rows that lead to BACKOFF */
} rows[] = {
  { ALL_BUT (AT (ABSENT) | AT (GONE)), charon_away, VR_FSM_ABSENT, VR_FSM_NOTHING },
  { AT (ABSENT), unwanted_here, VR_FSM_UNLOADING, VR_FSM_UNLOAD },
  { AT (LOADED) | AT (WAITING) | AT (INITIATING) | AT (UP) | AT (BACKOFF), unwanted, VR_FSM_UNLOADING, VR_FSM_UNLOAD },
  { AT (LOADED) | AT (WAITING) | AT (INITIATING) | AT (UP) | AT (BACKOFF), not_loaded, VR_FSM_ABSENT, VR_FSM_NOTHING },
  { AT (LOADED) | AT (WAITING) | AT (INITIATING) | AT (BACKOFF), up_and_loaded, VR_FSM_UP, VR_FSM_NOTHING },
  { AT (LOADED) | AT (WAITING) | AT (INITIATING), wrong, VR_FSM_BACKOFF, VR_FSM_CANCEL, VR_FSM_WRONG },

  { AT (ABSENT), charon_here, VR_FSM_LOADING, VR_FSM_LOAD },

  { AT (LOADING), load_done, VR_FSM_LOADED, VR_FSM_NOTHING },
  { AT (LOADING), load_failed, VR_FSM_BACKOFF, VR_FSM_NOTHING, VR_FSM_NOT_LOADABLE },
  { AT (LOADING), not_loaded, VR_FSM_ABSENT, VR_FSM_NOTHING },

  { AT (LOADED), initiate_adopt, VR_FSM_INITIATING, VR_FSM_NOTHING },
  { AT (LOADED), initiate_idle, VR_FSM_INITIATING, VR_FSM_INITIATE },
  { AT (LOADED), follow_looked, VR_FSM_WAITING, VR_FSM_NOTHING },

  { AT (WAITING), no_longer_follow, VR_FSM_LOADED, VR_FSM_NOTHING },
  { AT (WAITING), expired_adopt, VR_FSM_INITIATING, VR_FSM_NOTHING },
  { AT (WAITING), expired_idle, VR_FSM_INITIATING, VR_FSM_INITIATE },

  { AT (INITIATING), wish_ready, VR_FSM_TERMINATING, VR_FSM_TERMINATE },
  { AT (INITIATING), negotiation_failed, VR_FSM_BACKOFF, VR_FSM_NOTHING, VR_FSM_REFUSED },
  { AT (INITIATING), expired, VR_FSM_BACKOFF, VR_FSM_CANCEL, VR_FSM_NO_ANSWER },

  { AT (UP), down_settled, VR_FSM_LOADED, VR_FSM_NOTHING },
  { AT (UP), down, VR_FSM_BACKOFF, VR_FSM_NOTHING, VR_FSM_LOST },
  { AT (UP), lingered, VR_FSM_TERMINATING, VR_FSM_TERMINATE },
  { AT (UP), doubled, VR_FSM_UP, VR_FSM_THIN },

  { AT (BACKOFF), at_rest, VR_FSM_LOADED, VR_FSM_NOTHING },
  { AT (BACKOFF), wish_raised, VR_FSM_ABSENT, VR_FSM_NOTHING },
  { AT (BACKOFF), expired, VR_FSM_ABSENT, VR_FSM_NOTHING },

  { AT (TERMINATING), terminated_unloaded, VR_FSM_GONE, VR_FSM_NOTHING },
  { AT (TERMINATING), terminated, VR_FSM_LOADED, VR_FSM_NOTHING },
  { AT (TERMINATING), expired, VR_FSM_TERMINATING, VR_FSM_FORCE },

  { AT (UNLOADING), wanted_again, VR_FSM_ABSENT, VR_FSM_NOTHING },
  { AT (UNLOADING), unloaded_and_none, VR_FSM_GONE, VR_FSM_NOTHING },
  { AT (UNLOADING), unloaded_and_looked, VR_FSM_TERMINATING, VR_FSM_TERMINATE },
};

/* ---- moving ---- */

static gint64
backoff (guint failures, double jitter)
{
  gint64 pause = VR_FSM_BACKOFF_US << MIN (failures - 1, 10);

  return MIN (pause, VR_FSM_BACKOFF_MAX_US) * jitter;
}

static void
enter (VrFsm *fsm, VrFsmState state, const VrFsmFacts *facts, gint64 now, double jitter)
{
  VrFsmState from = fsm->state;

  fsm->state = state;
  fsm->deadline = 0;
  fsm->doubled_since = 0;
  if (state == VR_FSM_UP && from == VR_FSM_UP)
    return; /* what stays up was up before */
  fsm->since = now;
  switch (state)
    {
    case VR_FSM_ABSENT:
      if (!facts->charon)
        fsm->failures = 0; /* a charon that comes back deserves an attempt at once */
      break;
    case VR_FSM_WAITING:
      fsm->deadline = now + fsm->takeover_us;
      break;
    case VR_FSM_INITIATING:
      fsm->deadline = now + VR_FSM_INITIATE_US;
      fsm->seen = FALSE;
      break;
    case VR_FSM_UP:
      fsm->failure = VR_FSM_FINE;
      fsm->ours = facts->initiator;
      break;
    case VR_FSM_BACKOFF:
      fsm->deadline = now + backoff (++fsm->failures, jitter);
      break;
    case VR_FSM_TERMINATING:
      fsm->deadline = now + VR_FSM_TERMINATE_US;
      if (from != VR_FSM_TERMINATING)
        fsm->doomed = facts->newest;
      break;
    case VR_FSM_LOADING:
    case VR_FSM_LOADED:
    case VR_FSM_UNLOADING:
    case VR_FSM_GONE:
    case VR_FSM_N_STATES:
      break;
    }
}

/* What follows from the facts in whatever state. */
static void
remember (VrFsm *fsm, const VrFsmFacts *facts, gint64 now)
{
  if (facts->wish > fsm->wish || (facts->wish == VR_TUNNEL_READY && fsm->wish != VR_TUNNEL_READY))
    fsm->failures = 0;
  if (facts->wish == VR_TUNNEL_READY && facts->sa != VR_FSM_SA_WRONG && facts->load != VR_FSM_LOAD_FAILED)
    fsm->failure = VR_FSM_FINE;
  if (facts->load == VR_FSM_LOAD_DONE && fsm->failure == VR_FSM_NOT_LOADABLE)
    fsm->failure = VR_FSM_FINE;
  fsm->wish = facts->wish;

  if (fsm->state == VR_FSM_INITIATING && facts->sa == VR_FSM_SA_CONNECTING)
    fsm->seen = TRUE;
  if (fsm->state != VR_FSM_UP || facts->wish != VR_TUNNEL_READY)
    fsm->unwanted_since = 0;
  else if (fsm->unwanted_since == 0)
    fsm->unwanted_since = now;
  if (fsm->state != VR_FSM_UP || !facts->doubled)
    fsm->doubled_since = 0;
  else if (fsm->doubled_since == 0)
    fsm->doubled_since = now;
  if (fsm->state == VR_FSM_UP && facts->wish != VR_TUNNEL_READY)
    fsm->ours = TRUE;
  if (fsm->state == VR_FSM_UP && now >= fsm->since + VR_FSM_SETTLED_US)
    fsm->failures = 0;
}

void
vr_fsm_init (VrFsm *fsm, gint64 takeover_us, gint64 now)
{
  *fsm = (VrFsm) { .state = VR_FSM_ABSENT, .since = now, .takeover_us = takeover_us };
}

gboolean
vr_fsm_step (VrFsm *fsm, const VrFsmFacts *facts, gint64 now, double jitter, VrFsmAction *action)
{
  const Case c = { fsm, facts, now, facts->wish > fsm->wish };

  *action = VR_FSM_NOTHING;
  remember (fsm, facts, now);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      if ((rows[i].from & (1u << fsm->state)) == 0 || !rows[i].when (&c))
        continue;
      if (rows[i].to == VR_FSM_BACKOFF)
        fsm->failure = rows[i].failure;
      enter (fsm, rows[i].to, facts, now, jitter);
      *action = rows[i].action;
      return TRUE;
    }
  return FALSE;
}

/* ---- questions ---- */

gint64
vr_fsm_wake (const VrFsm *fsm, const VrFsmFacts *facts, gint64 now)
{
  gint64 wake = fsm->deadline != 0 ? fsm->deadline : G_MAXINT64;

  if (fsm->state == VR_FSM_INITIATING && now < fsm->since + VR_FSM_UNSEEN_US)
    wake = MIN (wake, fsm->since + VR_FSM_UNSEEN_US);
  if (fsm->state == VR_FSM_INITIATING && now < fsm->since + VR_FSM_SLOW_US)
    wake = MIN (wake, fsm->since + VR_FSM_SLOW_US);
  if (fsm->state == VR_FSM_UP && fsm->ours && fsm->unwanted_since != 0)
    wake = MIN (wake, fsm->unwanted_since + VR_FSM_LINGER_US);
  if (fsm->state == VR_FSM_UP && fsm->doubled_since != 0)
    wake = MIN (wake, fsm->doubled_since + VR_FSM_DOUBLE_US);
  return wake;
}

VrFsmFailure
vr_fsm_failure (const VrFsm *fsm, const VrFsmFacts *facts, gint64 now)
{
  if (fsm->state == VR_FSM_INITIATING && facts->sa == VR_FSM_SA_CONNECTING && now >= fsm->since + VR_FSM_SLOW_US)
    return VR_FSM_NO_ANSWER;
  return fsm->failure;
}

gboolean
vr_fsm_in_motion (const VrFsm *fsm)
{
  return (AT (INITIATING) | AT (TERMINATING) | AT (UNLOADING)) & (1u << fsm->state);
}

const char *
vr_fsm_state_to_string (VrFsmState state)
{
  static const char *const names[] = { "absent", "loading", "loaded", "waiting", "initiating", "up", "backoff", "terminating", "unloading",
                                       "gone" };

  G_STATIC_ASSERT (G_N_ELEMENTS (names) == VR_FSM_N_STATES);
  return names[state];
}

const char *
vr_fsm_action_to_string (VrFsmAction action)
{
  static const char *const names[] = { "nothing", "load", "unload", "initiate", "cancel", "terminate", "thin", "force" };

  G_STATIC_ASSERT (G_N_ELEMENTS (names) == VR_FSM_N_ACTIONS);
  return names[action];
}
