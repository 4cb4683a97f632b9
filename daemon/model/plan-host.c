/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The plan, once for the host: its peers' tunnels, the networks that it reaches, and its own. */
#include "plan-draft.h"

#include "address.h"
#include "daemon/names.h"

static void
plan_reached (VrDraft *draft, const VrHost *peer, const char *dev)
{
  for (guint i = 0; peer->networks[i] != NULL; i++)
    {
      gboolean         v6 = vr_address_is_v6 (peer->networks[i]);
      g_autofree char *network = NULL;
      g_autofree char *source = vr_plan_gateway_of (draft->me, v6, NULL);

      if (!vr_network_parse (peer->networks[i], NULL, &network, NULL))
        continue;
      vr_draft_route (draft, VR_ROUTE_VIA_DEV, network, dev, source, VR_TABLE_NETWORKS);
      vr_draft_route (draft, VR_ROUTE_UNREACHABLE, network, NULL, NULL, VR_TABLE_NETWORKS);
    }
}

static VrTunnelWish
wish_for (const VrDraft *draft, const char *peer)
{
  gboolean mine = g_hash_table_contains (draft->mine, peer);
  gboolean theirs = g_hash_table_contains (draft->theirs, peer);

  if (mine && theirs)
    return strcmp (draft->facts->self, peer) < 0 ? VR_TUNNEL_INITIATE : VR_TUNNEL_FOLLOW;
  return mine ? VR_TUNNEL_INITIATE : theirs ? VR_TUNNEL_FOLLOW : VR_TUNNEL_READY;
}

static void
plan_peer (VrDraft *draft, VrHost *peer)
{
  VrTunnel        *tunnel = g_new0 (VrTunnel, 1);
  g_autofree char *dev = vr_tunnel_dev (peer->name);

  if (vr_plan_reaches (draft->me, peer) || vr_plan_reaches (peer, draft->me))
    {
      gboolean first = strcmp (draft->me->name, peer->name) < 0;

      vr_plan_want_tunnel (draft, first ? draft->me->name : peer->name, first ? peer->name : draft->me->name);
      plan_reached (draft, peer, dev);
    }
  tunnel->peer = g_strdup (peer->name);
  tunnel->dev = g_strdup (dev);
  tunnel->if_id = vr_tunnel_if_id (peer->name);
  tunnel->wish = wish_for (draft, peer->name);
  tunnel->host = vr_host_ref (peer);
  g_ptr_array_add (draft->plan->tunnels, tunnel);

  /* loose: what arrives need not be what this host would answer the same way; the filter knows who may send what */
  vr_draft_sysctl (draft, "2", "net/ipv4/conf/%/rp_filter", dev);
  for (guint i = 0; peer->underlay[i] != NULL; i++)
    vr_draft_address (draft, "peer-host", dev, peer->underlay[i]);
  /* reached or not, its guests' networks are nothing that leaves here in clear: not even an ICMP error about a relayed packet */
  for (guint i = 0; peer->networks[i] != NULL; i++)
    {
      g_autofree char *network = NULL;

      if (!vr_network_parse (peer->networks[i], NULL, &network, NULL))
        continue;
      vr_draft_address (draft, "remote-net", NULL, network);
      vr_draft_address (draft, "peer-net", dev, network); /* guests of ours may be there, and talk with its neighbours straight */
    }
}

/* A guest that came home may still send to the MAC that its gateway had elsewhere. */
static void
plan_old_gateways (VrDraft *draft, const VrHost *peer)
{
  const char *mac = vr_plan_mac_of (draft, draft->facts->bridge);

  for (guint i = 0; mac != NULL && peer->macs[i] != NULL; i++)
    if (!g_str_equal (peer->macs[i], mac))
      vr_draft_element (draft, VR_NFT_BRIDGE, "old-gateway", g_strdup_printf ("%s : %s", peer->macs[i], mac));
}

void
vr_plan_host (VrDraft *draft)
{
  const VrFacts        *facts = draft->facts;
  g_autoptr (GPtrArray) names = vr_book_host_names (facts->book);

  for (guint i = 0; draft->me != NULL && i < names->len; i++)
    {
      const VrHost *peer = vr_book_host (facts->book, names->pdata[i]);

      if (g_str_equal (peer->name, facts->self) || peer->underlay[0] == NULL)
        continue;
      plan_peer (draft, (VrHost *) peer);
      plan_old_gateways (draft, peer);
    }
  for (guint i = 0; draft->me != NULL && draft->me->networks[i] != NULL; i++)
    {
      g_autofree char *network = NULL;

      if (vr_network_parse (draft->me->networks[i], NULL, &network, NULL))
        vr_draft_address (draft, "net", NULL, network);
    }
  if (facts->bridge != NULL)
    vr_draft_element (draft, VR_NFT_INET, "bridge", g_strdup_printf ("\"%s\"", facts->bridge));
}

