/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The plan for a guest that runs elsewhere: relayed from here, or reached from here. plan.c says what these words mean. */
#include "plan-draft.h"

#include "address.h"
#include "daemon/names.h"

/* ---- relayed: another host owns it ---- */

/* What may pass once it is relayed; it is there before the switchover, so that the switchover is a change of routes alone. */
static void
admit_relayed (VrDraft *draft, const char *owner, const char *address)
{
  g_autofree char *dev = vr_tunnel_dev (owner);

  vr_draft_address (draft, "here", NULL, address);
  vr_draft_address (draft, "relay", NULL, address);
  vr_draft_address (draft, "peer-owned", dev, address);
}

void
vr_plan_relayed (VrDraft *draft, const VrCase *c)
{
  gboolean         home = g_str_equal (c->home, draft->facts->self);
  const char      *bridge = home ? draft->facts->bridge : NULL;
  const char      *bridge_mac = vr_plan_mac_of (draft, bridge);
  g_autofree char *dev = vr_tunnel_dev (c->owner);

  if (!home)
    vr_plan_by_tunnel (draft, "peer-homed", c->home, c); /* it may not have heard yet that the guest left: it still sends here what comes to it, from anybody */
  for (guint i = 0; i < c->record->nics->len; i++)
    {
      const VrNic *nic = c->record->nics->pdata[i];

      for (guint k = 0; nic->addresses[k] != NULL; k++)
        {
          const char      *address = nic->addresses[k];
          g_autofree char *destination = vr_plan_host_route (address);
          g_autofree char *source = bridge != NULL ? vr_plan_gateway_of (draft->me, vr_address_is_v6 (address), address) : NULL;

          vr_draft_route (draft, VR_ROUTE_VIA_DEV, destination, dev, source, VR_TABLE_GUESTS);
          admit_relayed (draft, c->owner, address);
          vr_draft_address (draft, "untracked", NULL, address);
          if (bridge != NULL)
            vr_plan_stand_in (draft, address, bridge);
          if (bridge_mac != NULL)
            vr_draft_announcement (draft, address, bridge_mac, bridge);
        }
      if (bridge_mac != NULL)
        vr_draft_element (draft, VR_NFT_BRIDGE, "moved", g_strdup_printf ("%s : %s", nic->mac, bridge_mac));
    }
}

/* The origin and its home know where the guest is going: let it pass there, in good time. */
void
vr_plan_leaving (VrDraft *draft, const VrCase *c)
{
  for (guint i = 0; i < c->addresses->len; i++)
    admit_relayed (draft, c->target, c->addresses->pdata[i]);
}

/* ---- sent to: it runs elsewhere, and guests here may talk with it ---- */

/* Its answers may come straight from `host`; they are counted. */
static void
admit_answers (VrDraft *draft, const VrCase *c, const char *host)
{
  if (host != NULL && !g_str_equal (host, draft->facts->self))
    vr_plan_by_tunnel (draft, "peer-guest", host, c);
}

/*
 * What goes to it is counted; once there was something, the tunnel to `host`, where it runs or is about to, is worth having. Before the move
 * that costs nothing that counts: a move that fails takes it down again.
 */
static void
plan_sought (VrDraft *draft, const VrCase *c, const char *host)
{
  if (host == NULL || g_str_equal (host, draft->facts->self) || g_str_equal (host, c->home))
    return;
  for (guint i = 0; i < c->addresses->len; i++)
    {
      vr_draft_address (draft, "sought", NULL, c->addresses->pdata[i]);
      if (draft->facts->direct == VR_DIRECT_BUILD && g_hash_table_contains (draft->facts->sought, c->addresses->pdata[i]))
        vr_plan_want_tunnel (draft, draft->facts->self, host);
    }
}

/* Enough answers came straight; or none can be expected, and the owner said long enough ago that the guest runs there; or it was so before. */
static gboolean
is_sure (const VrFacts *facts, const char *dev, const char *address)
{
  g_autofree char *key = vr_facts_key (dev, address);

  return GPOINTER_TO_UINT (g_hash_table_lookup (facts->answers, key)) >= facts->threshold
         || g_hash_table_contains (facts->waited, key) || g_hash_table_contains (facts->changed, key);
}

/* The tunnel by which what this host sends to the guest goes to its home; NULL: a way of which the plan knows nothing. */
static char *
way_home (const VrDraft *draft, const char *home)
{
  const VrHost *host = vr_book_host (draft->facts->book, home);

  if (host == NULL || draft->me == NULL || host->underlay[0] == NULL
      || !(vr_plan_reaches (draft->me, host) || vr_plan_reaches (host, draft->me)))
    return NULL;
  return vr_tunnel_dev (home);
}

/*
 * The tunnel to the host that the guest left, if it was sent to there straight: that host relays for a while, and what goes another way could overtake what went
 * there. NULL: it was not, or one of the tunnels is down, so that there is no order to keep.
 */
static char *
way_by_origin (const VrDraft *draft, const VrCase *c, const char *address)
{
  const VrFacts   *facts = draft->facts;
  g_autofree char *dev = NULL, *key = NULL;

  if (!facts->ordered || c->origin == NULL || g_str_equal (c->origin, facts->self) || !vr_plan_may_go_direct (draft, c->origin)
      || !vr_plan_may_go_direct (draft, c->owner))
    return NULL;
  dev = vr_tunnel_dev (c->origin);
  key = vr_facts_key (dev, address);
  return g_hash_table_contains (facts->changed, key) ? g_steal_pointer (&dev) : NULL;
}

/*
 * One address of a guest that is sent to, and its route if it is not relayed by its home. A path that may become direct changes in order: nothing is
 * sent straight before `changed` says that what was sent the long way has arrived. The long way is by its home, or by the host that it left. Where
 * the plan does not know it, it cannot be asked for, and the change is made at once.
 */
static void
plan_path (VrDraft *draft, const VrCase *c, const char *dev, const char *address, gboolean sure)
{
  const VrFacts   *facts = draft->facts;
  g_autofree char *destination = vr_plan_host_route (address);
  g_autofree char *source = vr_plan_gateway_of (draft->me, vr_address_is_v6 (address), NULL);
  g_autofree char *key = vr_facts_key (dev, address);
  gboolean         changed = sure && (!facts->ordered || g_hash_table_contains (facts->changed, key));
  g_autofree char *by_origin = changed ? NULL : way_by_origin (draft, c, address);
  g_autofree char *home = sure && !changed && by_origin == NULL ? way_home (draft, c->home) : NULL;
  const char      *from = by_origin != NULL ? by_origin : home;
  gboolean         held = sure && from != NULL && g_hash_table_contains (facts->held, key);
  const char      *by = held ? VR_HOLD_LINK : sure && from == NULL ? dev : by_origin;

  vr_draft_path (draft, address, c->owner, !sure ? VR_PATH_RELAYED : from != NULL ? VR_PATH_CHANGING : VR_PATH_DIRECT, from);
  if (by != NULL)
    vr_draft_route (draft, VR_ROUTE_VIA_DEV, destination, by, source, VR_TABLE_GUESTS);
  if (by_origin == NULL)
    return;
  vr_plan_want_tunnel (draft, facts->self, c->origin);
  if (sure)
    vr_draft_route_behind (draft, destination, by_origin, source, VR_TABLE_GUESTS); /* what is held follows the marker, which needs a route that way */
}

/*
 * One address of a guest that came home. If it was sent to straight where it was, it gets a path as if it were away: from there to the home's tunnel, and that stays until
 * nobody relays any more. Else what goes to it goes to its home anyway.
 */
static void
plan_path_home (VrDraft *draft, const VrCase *c, const char *address)
{
  g_autofree char *to = way_home (draft, c->home), *by_origin = way_by_origin (draft, c, address), *key = NULL;

  if (to == NULL || c->origin == NULL)
    return;
  key = vr_facts_key (to, address);
  if (by_origin != NULL || g_hash_table_contains (draft->facts->changed, key))
    plan_path (draft, c, to, address, TRUE);
}

void
vr_plan_sent_to (VrDraft *draft, const VrCase *c)
{
  const VrFacts   *facts = draft->facts;
  /* until the owner itself says that the guest runs there it may not know that it is the owner, and take nothing from a peer */
  gboolean         straight = c->record->state != VR_STATE_MOVED && vr_plan_may_go_direct (draft, c->owner);
  g_autofree char *dev = vr_tunnel_dev (c->owner);

  if (c->record->state == VR_STATE_LEAVING) /* by its owner's word, not by an intent */
    {
      admit_answers (draft, c, c->target);
      plan_sought (draft, c, c->target);
    }
  if (c->record->state == VR_STATE_MOVED)
    admit_answers (draft, c, c->origin);
  if (g_str_equal (c->owner, c->home))
    {
      for (guint i = 0; i < c->addresses->len; i++)
        plan_path_home (draft, c, c->addresses->pdata[i]);
      return;
    }
  admit_answers (draft, c, c->owner);
  plan_sought (draft, c, c->owner);
  for (guint i = 0; i < c->addresses->len; i++)
    {
      const char *address = c->addresses->pdata[i];

      plan_path (draft, c, dev, address, straight && is_sure (facts, dev, address));
    }
}
