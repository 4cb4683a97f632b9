/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the state machine says, as commands to charon. Their answers come later and change facts. They outlive the peer: each pending command
 * holds a reference, and finds it detached.
 */
#include "peer.h"

#include "tunnel-trouble.h"

void
vr_peer_complain (VrPeer *peer, const char *line)
{
  const VrTunnelComplaint *old = peer->complaint != NULL ? vr_tunnel_complaint (peer->complaint) : NULL;
  const VrTunnelComplaint *new = vr_tunnel_complaint (line);

  if (old != NULL && new != NULL && old->rank > new->rank && g_get_monotonic_time () < peer->complained_at + VR_PEER_COMPLAINT_US)
    return;
  if (old == NULL || old != new) /* the same again, with other numbers in it, is no news */
    {
      g_free (peer->complaint);
      peer->complaint = g_strdup (line);
    }
  peer->complained_at = g_get_monotonic_time ();
}

static void
on_initiated (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (VrPeer) peer = data;
  g_autoptr (GError) error = NULL;

  if (vr_vici_finish (VR_VICI (source), result, &error) || peer->detached)
    return;
  if (!g_error_matches (error, VR_VICI_ERROR, VR_VICI_ERROR_REFUSED))
    return; /* the connection to charon has a trouble of its own */
  vr_peer_complain (peer, error->message);
  peer->facts.refused = TRUE;
  vr_peer_look (peer);
}

static void
on_terminated (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (VrPeer) peer = data;

  vr_vici_finish (VR_VICI (source), result, NULL); /* refused: there is none any more */
  if (!peer->detached)
    vr_peer_look (peer);
}

static void
terminate (VrPeer *peer, guint64 unique_id, gboolean force)
{
  vr_vici_terminate (peer->env->vici, peer->conn, unique_id, NULL, force, VR_PEER_TIMEOUT_MS, NULL, on_terminated, vr_peer_ref (peer));
}

static void
cancel (VrPeer *peer)
{
  const VrTunnelExpected expected = { peer->if_id, (const char *const *) peer->remote_addrs, peer->stale };

  for (guint i = 0; i < peer->sas->len; i++)
    {
      const VrViciIkeSa *ike = peer->sas->pdata[i];
      VrFsmSa            sa = vr_tunnel_judge (ike, &expected, NULL);

      if (sa != VR_FSM_SA_UP && sa != VR_FSM_SA_NONE)
        terminate (peer, ike->unique_id, TRUE);
    }
}

static void
thin (VrPeer *peer)
{
  const VrTunnelExpected expected = { peer->if_id, (const char *const *) peer->remote_addrs, peer->stale };

  for (guint i = 0; i < peer->sas->len; i++)
    {
      const VrViciIkeSa *ike = peer->sas->pdata[i];

      if (ike->unique_id == peer->keep || vr_tunnel_judge (ike, &expected, NULL) != VR_FSM_SA_UP)
        continue;
      g_message ("tunnel to %s: there are two, as both hosts brought it up; taking one down", peer->name);
      terminate (peer, ike->unique_id, FALSE);
    }
}

static void
force (VrPeer *peer)
{
  for (guint i = 0; i < peer->sas->len; i++)
    {
      const VrViciIkeSa *ike = peer->sas->pdata[i];

      if (ike->unique_id <= peer->fsm.doomed)
        terminate (peer, ike->unique_id, TRUE);
    }
}

void
vr_peer_act (VrPeer *peer, VrFsmAction action)
{
  switch (action)
    {
    case VR_FSM_NOTHING:
    case VR_FSM_N_ACTIONS:
      break;
    case VR_FSM_LOAD:
      vr_peer_load (peer);
      break;
    case VR_FSM_UNLOAD:
      vr_peer_unload (peer);
      break;
    case VR_FSM_INITIATE:
      peer->facts.refused = FALSE;
      vr_vici_initiate (peer->env->vici, peer->conn, VR_TUNNEL_CHILD, VR_PEER_TIMEOUT_MS, NULL, on_initiated, vr_peer_ref (peer));
      break;
    case VR_FSM_CANCEL:
      cancel (peer);
      break;
    case VR_FSM_TERMINATE:
      terminate (peer, 0, FALSE);
      break;
    case VR_FSM_THIN:
      thin (peer);
      break;
    case VR_FSM_FORCE:
      force (peer);
      break;
    }
}
