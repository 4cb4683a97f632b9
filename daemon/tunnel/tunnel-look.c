/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. A connection may have several IKE_SAs: both sides initiated, one is being rekeyed, one is being deleted. Each is
 * judged by itself, and the best one counts (the order of VrFsmSa). What is being deleted counts as nothing, but it is still there.
 *
 * In IKEv2 the responder installs its CHILD_SA before it answers, and the initiator when the answer has come. What the responder sends by it meanwhile finds no
 * SA over there and is lost. So to a responder a tunnel is ready only when something came through it; an initiator sees to that (greeting.h).
 *
 * Of several that are up one is kept: one that this side initiated, as an initiator's IKE_SA is one for both sides, while a responder's may
 * be half open (its last message may be lost, and the peer know nothing of it yet); among equals the newest.
 *
 * A CHILD_SA is right if it carries everything, IPv4 and IPv6, both ways, through the interface that the routes lead to. The peer's
 * side can narrow what was proposed; then some guests' packets would be dropped without a word, so that is not "up".
 */
#include "tunnel-look.h"

const char *const vr_tunnel_selectors[] = { "0.0.0.0/0", "::/0", NULL };

static gboolean
has_all_selectors (char **ts)
{
  for (guint i = 0; vr_tunnel_selectors[i] != NULL; i++)
    if (!g_strv_contains ((const char *const *) ts, vr_tunnel_selectors[i]))
      return FALSE;
  return TRUE;
}

/* wrong: NULL, or what is wrong with it if it is. */
static VrFsmSa
judge_child (const VrViciChildSa *child, const VrTunnelExpected *expected, char **wrong)
{
  if (!vr_vici_child_sa_is_up (child))
    return VR_FSM_SA_CHILDLESS;
  if (child->if_id_in != expected->if_id || child->if_id_out != expected->if_id)
    {
      if (wrong != NULL)
        *wrong = g_strdup_printf ("it is bound to the interface ids %u (in) and %u (out), not to %u", child->if_id_in, child->if_id_out,
                                  expected->if_id);
      return VR_FSM_SA_WRONG;
    }
  if (!has_all_selectors (child->local_ts) || !has_all_selectors (child->remote_ts))
    {
      g_autofree char *local = g_strjoinv (" ", child->local_ts);
      g_autofree char *remote = g_strjoinv (" ", child->remote_ts);

      if (wrong != NULL)
        *wrong = g_strdup_printf ("it carries only %s === %s", local, remote);
      return VR_FSM_SA_WRONG;
    }
  return VR_FSM_SA_UP;
}

VrFsmSa
vr_tunnel_judge (const VrViciIkeSa *ike, const VrTunnelExpected *expected, char **wrong)
{
  g_autofree char *why = NULL; /* of the first child that is wrong */
  VrFsmSa          best = VR_FSM_SA_CHILDLESS;

  if (g_str_equal (ike->state, "DELETING") || g_str_equal (ike->state, "DESTROYING"))
    return VR_FSM_SA_NONE;
  if (g_str_equal (ike->state, "CONNECTING") || g_str_equal (ike->state, "CREATED"))
    return VR_FSM_SA_CONNECTING;
  for (guint i = 0; i < ike->children->len; i++)
    best = MAX (best, judge_child (ike->children->pdata[i], expected, why == NULL ? &why : NULL));
  if (best == VR_FSM_SA_UP && (ike->unique_id <= expected->stale || !g_strv_contains (expected->remote_addrs, ike->remote_host)))
    {
      g_free (why);
      why = g_strdup_printf ("it was made before the peer's record changed, and leads to %s", ike->remote_host);
      best = VR_FSM_SA_WRONG;
    }
  if (best == VR_FSM_SA_WRONG && wrong != NULL)
    *wrong = g_steal_pointer (&why);
  return best;
}

static guint64
up_for (const VrViciIkeSa *ike)
{
  guint64 longest = 0;

  for (guint i = 0; i < ike->children->len; i++)
    longest = MAX (longest, ((VrViciChildSa *) ike->children->pdata[i])->install_s);
  return longest;
}

static gboolean
was_heard (const VrViciIkeSa *ike)
{
  for (guint i = 0; i < ike->children->len; i++)
    if (((VrViciChildSa *) ike->children->pdata[i])->packets_in > 0)
      return TRUE;
  return FALSE;
}

static gboolean
is_better (const VrViciIkeSa *a, const VrViciIkeSa *b)
{
  return a->initiator != b->initiator ? a->initiator : a->unique_id > b->unique_id;
}

void
vr_tunnel_look (GPtrArray *sas, const VrTunnelExpected *expected, VrTunnelSight *sight)
{
  const VrViciIkeSa *best = NULL;
  guint              up = 0;

  *sight = (VrTunnelSight) { .sa = VR_FSM_SA_NONE };
  for (guint i = 0; i < sas->len; i++)
    {
      const VrViciIkeSa *ike = sas->pdata[i];
      g_autofree char   *wrong = NULL;
      VrFsmSa            sa = vr_tunnel_judge (ike, expected, &wrong);

      sight->oldest = sight->oldest == 0 ? ike->unique_id : MIN (sight->oldest, ike->unique_id);
      sight->newest = MAX (sight->newest, ike->unique_id);
      if (sa == VR_FSM_SA_UP)
        {
          up++;
          if (best == NULL || is_better (ike, best))
            best = ike;
          sight->initiator |= ike->initiator;
          sight->up_s = MAX (sight->up_s, up_for (ike));
          sight->ready |= ike->initiator || was_heard (ike) || up_for (ike) >= VR_TUNNEL_READY_S;
        }
      if (sa == VR_FSM_SA_WRONG && sight->wrong == NULL)
        sight->wrong = g_steal_pointer (&wrong);
      sight->sa = MAX (sight->sa, sa);
    }
  if (up > 1)
    sight->keep = best->unique_id;
  if (sight->sa != VR_FSM_SA_WRONG)
    g_clear_pointer (&sight->wrong, g_free);
}

void
vr_tunnel_sight_clear (VrTunnelSight *sight)
{
  g_clear_pointer (&sight->wrong, g_free);
}
