/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The plan, theory of operation.
 *
 * For each guest that the book knows, this host asks four questions, and each yes adds its items. They are independent of one
 * another; a guest on its way home is at once relayed and armed here.
 *
 *   placed   The guest is mine and its QEMU is here: its addresses lead to its bridge or tap, for everybody.
 *   armed    It is on its way to me: the same, but only for what its owner and its home send through their tunnels.
 *   away     Placed or armed here, with its home elsewhere: what it sends goes through its home, and this host stands in for
 *            its gateway and for the neighbours that it left behind.
 *   relayed  Another host owns it, and I am its home, or the host that it just left: its addresses lead into the owner's tunnel,
 *            and this host stands in for it on its home's bridge.
 *
 * Then, once for the host: tunnels that any of this needs, the networks of the hosts that it reaches, and what may pass the filter.
 *
 * Invariants: behind every guest route stands an unreachable one, so that a guest whose way is gone is unreachable and never sent
 * along the default route in clear. Only a record of custody, never an intent, changes where this host sends a guest's packets.
 * A host relays only towards the owner and takes relayed packets only from the home and the origin, so there is no loop: the owner
 * delivers, and nobody else is asked twice.
 */
#include "plan-draft.h"

#include "address.h"
#include "daemon/names.h"

/* One guest, with what this host is to it. */
typedef struct {
  const VrRecord *record; /* who, where, which addresses: the custody, or the intent while only that is known */
  const VrHere   *here;   /* NULL: its QEMU is not here */
  const char     *owner, *home;
  const char     *target; /* where it is going, by an intent or LEAVING; NULL: nowhere */
  gboolean        placed, armed, away, relayed;
} Case;

/* ---- small questions ---- */

static char *
host_route (const char *address)
{
  return g_strconcat (address, vr_address_is_v6 (address) ? "/128" : "/32", NULL);
}

static const char *
mac_of (const VrDraft *draft, const char *dev)
{
  return dev != NULL ? g_hash_table_lookup (draft->facts->macs, dev) : NULL;
}

/* The gateway of `host` in the network that `address` is in, or with `address` NULL the first of that family; NULL: none. */
static char *
gateway_of (const VrHost *host, gboolean v6, const char *address)
{
  for (guint i = 0; host != NULL && host->networks[i] != NULL; i++)
    {
      g_autofree char *gateway = NULL;

      if (vr_address_is_v6 (host->networks[i]) != v6)
        continue;
      if (address != NULL && !vr_network_contains (host->networks[i], address))
        continue;
      if (vr_network_parse (host->networks[i], &gateway, NULL, NULL))
        return g_steal_pointer (&gateway);
    }
  return NULL;
}

static const VrHereNic *
here_nic (const VrHere *here, const char *mac)
{
  for (guint i = 0; here != NULL && i < here->nics->len; i++)
    {
      const VrHereNic *nic = here->nics->pdata[i];

      if (g_str_equal (nic->mac, mac))
        return nic;
    }
  return NULL;
}

/* The interface that leads to a NIC here: its bridge, else its tap; NULL while neither is known. */
static const char *
way_to (const VrHereNic *nic)
{
  return nic->bridge != NULL ? nic->bridge : nic->tap;
}

static gboolean
reaches (const VrHost *a, const VrHost *b)
{
  return g_strv_contains ((const char *const *) a->reach, b->name) || g_strv_contains ((const char *const *) a->reach, "*");
}

/* ---- placed and armed: the guest's QEMU is here ---- */

static void
lead_to_nic (VrDraft *draft, const Case *c, const VrHereNic *nic, const char *address)
{
  const char      *way = way_to (nic);
  gboolean         v6 = vr_address_is_v6 (address);
  g_autofree char *destination = host_route (address);
  g_autofree char *source = c->away ? NULL : gateway_of (draft->me, v6, address);
  const char      *senders[] = { c->owner, c->home, NULL };

  vr_draft_route (draft, VR_ROUTE_VIA_DEV, destination, way, source, c->placed ? VR_TABLE_GUESTS : VR_TABLE_ARMED);
  vr_draft_neighbour (draft, address, way, nic->mac);
  vr_draft_address (draft, "here", NULL, address);
  if (c->placed)
    return;
  for (guint i = 0; senders[i] != NULL; i++)
    if (!g_str_equal (senders[i], draft->facts->self))
      {
        g_autofree char *dev = vr_tunnel_dev (senders[i]);

        vr_draft_rule (draft, VR_RULE_ARMED, v6, NULL, destination, dev, VR_TABLE_ARMED);
        vr_draft_address (draft, "peer-homed", dev, address);
      }
}

static void
plan_here_nic (VrDraft *draft, const Case *c, const VrHereNic *nic, const VrNic *record)
{
  const char *bridge_mac = mac_of (draft, nic->bridge);

  if (way_to (nic) == NULL)
    return;
  for (guint i = 0; record->addresses[i] != NULL; i++)
    {
      lead_to_nic (draft, c, nic, record->addresses[i]);
      if (c->placed && !c->away && nic->bridge != NULL)
        vr_draft_announcement (draft, record->addresses[i], nic->mac, nic->bridge);
    }
  vr_draft_element (draft, VR_NFT_INET, "bridge", g_strdup_printf ("\"%s\"", way_to (nic)));
  if (nic->bridge == NULL || nic->tap == NULL)
    return;
  vr_draft_forwarding (draft, nic->mac, nic->tap);
  if (bridge_mac == NULL)
    return;
  if (c->away)
    vr_draft_element (draft, VR_NFT_BRIDGE, "gateway", g_strdup_printf ("\"%s\" : %s", nic->tap, bridge_mac));
  else
    vr_draft_element (draft, VR_NFT_BRIDGE, "guest-tap", g_strdup_printf ("\"%s\"", nic->tap));
}

/* It came home: its cache may still hold the gateway's address with the other host's MAC. */
static void
announce_gateway (VrDraft *draft, const VrHost *home, const char *bridge, const char *address)
{
  const char      *mac = mac_of (draft, bridge);
  g_autofree char *gateway = gateway_of (home, vr_address_is_v6 (address), address);

  if (gateway != NULL && mac != NULL)
    vr_draft_announcement (draft, gateway, mac, bridge);
}

static void
plan_here (VrDraft *draft, const Case *c)
{
  const VrHost *home = vr_book_host (draft->facts->book, c->home);

  for (guint i = 0; i < c->record->nics->len; i++)
    {
      const VrNic     *record = c->record->nics->pdata[i];
      const VrHereNic *nic = here_nic (c->here, record->mac);

      if (nic == NULL)
        continue;
      plan_here_nic (draft, c, nic, record);
      for (guint k = 0; nic->bridge != NULL && (c->armed || c->record->origin != NULL) && record->addresses[k] != NULL; k++)
        announce_gateway (draft, home, nic->bridge, record->addresses[k]);
    }
}

/* ---- away: here, with its home elsewhere ---- */

/* This host answers ARP/ND for `address` on the bridge, at once (the kernel's default delays proxy answers by up to 0.8 s). */
static void
stand_in (VrDraft *draft, const char *address, const char *bridge)
{
  vr_draft_neighbour (draft, address, bridge, NULL);
  if (vr_address_is_v6 (address))
    {
      vr_draft_sysctl (draft, "0", "net/ipv6/neigh/%/proxy_delay", bridge);
      vr_draft_sysctl (draft, "1", "net/ipv6/conf/%/proxy_ndp", bridge);
    }
  else
    vr_draft_sysctl (draft, "0", "net/ipv4/neigh/%/proxy_delay", bridge);
}

static gboolean
in_networks (const VrHost *host, const char *address)
{
  for (guint i = 0; host->networks[i] != NULL; i++)
    if (vr_network_contains (host->networks[i], address))
      return TRUE;
  return FALSE;
}

/* The neighbours that the guest left behind: its gateways, the other guests of its home, and whom it asked for. */
static void
stand_in_for_home (VrDraft *draft, const VrHost *home, const char *bridge)
{
  const VrFacts        *facts = draft->facts;
  g_autoptr (GPtrArray) uuids = vr_book_guest_uuids (facts->book);
  g_autofree char      *prefix = g_strconcat (bridge, " ", NULL);
  GHashTableIter        iter;
  gpointer              asked;

  for (guint i = 0; home->networks[i] != NULL; i++)
    {
      g_autofree char *gateway = NULL;

      if (vr_network_parse (home->networks[i], &gateway, NULL, NULL))
        stand_in (draft, gateway, bridge);
    }
  for (guint i = 0; i < uuids->len; i++)
    {
      const VrRecord *other = vr_book_guest (facts->book, uuids->pdata[i])->custody;

      if (other == NULL || other->state == VR_STATE_STOPPED || !g_str_equal (other->home, home->name)
          || g_hash_table_contains (facts->here, other->uuid))
        continue;
      for (guint n = 0; n < other->nics->len; n++)
        for (char **address = ((VrNic *) other->nics->pdata[n])->addresses; *address != NULL; address++)
          if (in_networks (home, *address))
            stand_in (draft, *address, bridge);
    }
  g_hash_table_iter_init (&iter, facts->asked);
  while (g_hash_table_iter_next (&iter, &asked, NULL))
    if (g_str_has_prefix (asked, prefix) && in_networks (home, (char *) asked + strlen (prefix)))
      stand_in (draft, (char *) asked + strlen (prefix), bridge);
}

/* The table of the guests whose home is `home`: everything through it, but what this host's own networks hold. */
static void
plan_home_table (VrDraft *draft, const char *home, const char *dev, gboolean v6)
{
  guint32 table = vr_tunnel_if_id (home);

  vr_draft_route (draft, VR_ROUTE_VIA_DEV, v6 ? "::/0" : "0.0.0.0/0", dev, NULL, table);
  vr_draft_route (draft, VR_ROUTE_UNREACHABLE, v6 ? "::/0" : "0.0.0.0/0", NULL, NULL, table);
  for (guint i = 0; draft->me != NULL && draft->me->networks[i] != NULL; i++)
    {
      g_autofree char *network = NULL;

      if (vr_address_is_v6 (draft->me->networks[i]) == v6 && vr_network_parse (draft->me->networks[i], NULL, &network, NULL))
        vr_draft_route (draft, VR_ROUTE_THROW, network, NULL, NULL, table);
    }
}

static void
plan_away (VrDraft *draft, const Case *c)
{
  g_autofree char *dev = vr_tunnel_dev (c->home);
  const VrHost    *home = vr_book_host (draft->facts->book, c->home);

  for (guint i = 0; i < c->record->nics->len; i++)
    {
      const VrNic     *record = c->record->nics->pdata[i];
      const VrHereNic *nic = here_nic (c->here, record->mac);

      if (nic == NULL || way_to (nic) == NULL)
        continue;
      for (guint k = 0; record->addresses[k] != NULL; k++)
        {
          const char      *address = record->addresses[k];
          gboolean         v6 = vr_address_is_v6 (address);
          g_autofree char *from = host_route (address);

          vr_draft_rule (draft, VR_RULE_AWAY, v6, from, NULL, way_to (nic), vr_tunnel_if_id (c->home));
          plan_home_table (draft, c->home, dev, v6);
          vr_draft_address (draft, "away", NULL, address);
          vr_draft_address (draft, "peer-homed", dev, address);
        }
      if (home != NULL && nic->bridge != NULL)
        stand_in_for_home (draft, home, nic->bridge);
    }
}

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

static void
plan_relayed (VrDraft *draft, const Case *c)
{
  const char      *bridge = g_str_equal (c->home, draft->facts->self) ? draft->facts->bridge : NULL;
  const char      *bridge_mac = mac_of (draft, bridge);
  g_autofree char *dev = vr_tunnel_dev (c->owner);

  for (guint i = 0; i < c->record->nics->len; i++)
    {
      const VrNic *nic = c->record->nics->pdata[i];

      for (guint k = 0; nic->addresses[k] != NULL; k++)
        {
          const char      *address = nic->addresses[k];
          g_autofree char *destination = host_route (address);
          g_autofree char *source = bridge != NULL ? gateway_of (draft->me, vr_address_is_v6 (address), address) : NULL;

          vr_draft_route (draft, VR_ROUTE_VIA_DEV, destination, dev, source, VR_TABLE_GUESTS);
          admit_relayed (draft, c->owner, address);
          vr_draft_address (draft, "untracked", NULL, address);
          if (bridge != NULL)
            stand_in (draft, address, bridge);
          if (bridge_mac != NULL)
            vr_draft_announcement (draft, address, bridge_mac, bridge);
        }
      if (bridge_mac != NULL)
        vr_draft_element (draft, VR_NFT_BRIDGE, "moved", g_strdup_printf ("%s : %s", nic->mac, bridge_mac));
    }
}

/* ---- each guest ---- */

static void
want_tunnel (VrDraft *draft, const char *initiator, const char *other)
{
  if (g_str_equal (initiator, other))
    return;
  if (g_str_equal (initiator, draft->facts->self))
    g_hash_table_add (draft->mine, (gpointer) other);
  else if (g_str_equal (other, draft->facts->self))
    g_hash_table_add (draft->theirs, (gpointer) initiator);
}

/* What the book and the facts say of a guest; FALSE: it is of no concern here. */
static gboolean
make_case (const VrDraft *draft, const VrGuest *guest, Case *c)
{
  const char *self = draft->facts->self;

  *c = (Case) { .record = guest->custody != NULL ? guest->custody : guest->intent };
  if (c->record == NULL || c->record->state == VR_STATE_STOPPED)
    return FALSE;
  c->owner = c->record->owner;
  c->home = c->record->home;
  c->here = g_hash_table_lookup (draft->facts->here, c->record->uuid);
  if (guest->intent != NULL)
    c->target = guest->intent->target;
  else if (c->record->state == VR_STATE_LEAVING)
    c->target = c->record->target;

  c->placed = guest->custody != NULL && c->here != NULL && g_str_equal (c->owner, self);
  c->armed = c->here != NULL && !c->placed && g_strcmp0 (c->target, self) == 0;
  c->away = (c->placed || c->armed) && !g_str_equal (c->home, self);
  c->relayed = guest->custody != NULL && !g_str_equal (c->owner, self)
               && (g_str_equal (c->home, self) || (c->record->state == VR_STATE_MOVED && g_strcmp0 (c->record->origin, self) == 0));
  return TRUE;
}

/* Every known guest's address: refused in clear, and unreachable where no better route is, by every host that has to do with it. */
static void
fail_closed (VrDraft *draft, const Case *c)
{
  gboolean concerned = c->placed || c->relayed || g_str_equal (c->owner, draft->facts->self);

  for (guint i = 0; i < c->record->nics->len; i++)
    for (char **address = ((VrNic *) c->record->nics->pdata[i])->addresses; *address != NULL; address++)
      {
        g_autofree char *destination = host_route (*address);

        vr_draft_address (draft, "guest", NULL, *address);
        if (concerned)
          vr_draft_route (draft, VR_ROUTE_UNREACHABLE, destination, NULL, NULL, VR_TABLE_GUESTS);
        if (c->armed)
          vr_draft_route (draft, VR_ROUTE_UNREACHABLE, destination, NULL, NULL, VR_TABLE_ARMED);
      }
}

/* The origin and its home know where the guest is going: let it pass there, in good time. */
static void
prepare_leaving (VrDraft *draft, const Case *c)
{
  for (guint i = 0; i < c->record->nics->len; i++)
    for (char **address = ((VrNic *) c->record->nics->pdata[i])->addresses; *address != NULL; address++)
      admit_relayed (draft, c->target, *address);
}

/* Its origin may still have packets on the way that it relays: until the target says that the guest runs. */
static void
admit_origin (VrDraft *draft, const Case *c)
{
  const char *origin = c->record->origin;

  if (c->record->state != VR_STATE_MOVED || origin == NULL || g_str_equal (origin, draft->facts->self))
    return;
  for (guint i = 0; i < c->record->nics->len; i++)
    for (char **address = ((VrNic *) c->record->nics->pdata[i])->addresses; *address != NULL; address++)
      {
        g_autofree char *dev = vr_tunnel_dev (origin);

        vr_draft_address (draft, "peer-homed", dev, *address);
      }
}

static void
plan_guest (VrDraft *draft, const VrGuest *guest)
{
  const char *self = draft->facts->self;
  Case        c;

  if (!make_case (draft, guest, &c))
    return;
  want_tunnel (draft, c.home, c.owner);
  if (c.target != NULL)
    {
      want_tunnel (draft, c.owner, c.target);
      want_tunnel (draft, c.home, c.target);
    }
  if (c.record->state == VR_STATE_MOVED && c.record->origin != NULL)
    want_tunnel (draft, c.record->origin, c.owner);

  fail_closed (draft, &c);
  if (c.placed || c.armed)
    plan_here (draft, &c);
  if (c.away)
    plan_away (draft, &c);
  if (c.relayed)
    plan_relayed (draft, &c);
  if (c.placed)
    admit_origin (draft, &c);
  if (c.target != NULL && !g_str_equal (c.target, self) && (g_str_equal (c.owner, self) || g_str_equal (c.home, self)))
    prepare_leaving (draft, &c);
}

/* ---- once for the host ---- */

static void
plan_reached (VrDraft *draft, const VrHost *peer, const char *dev)
{
  for (guint i = 0; peer->networks[i] != NULL; i++)
    {
      gboolean         v6 = vr_address_is_v6 (peer->networks[i]);
      g_autofree char *network = NULL;
      g_autofree char *source = gateway_of (draft->me, v6, NULL);

      if (!vr_network_parse (peer->networks[i], NULL, &network, NULL))
        continue;
      vr_draft_route (draft, VR_ROUTE_VIA_DEV, network, dev, source, VR_TABLE_NETWORKS);
      vr_draft_route (draft, VR_ROUTE_UNREACHABLE, network, NULL, NULL, VR_TABLE_NETWORKS);
      vr_draft_address (draft, "peer-net", dev, network);
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

  if (reaches (draft->me, peer) || reaches (peer, draft->me))
    {
      gboolean first = strcmp (draft->me->name, peer->name) < 0;

      want_tunnel (draft, first ? draft->me->name : peer->name, first ? peer->name : draft->me->name);
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

      if (vr_network_parse (peer->networks[i], NULL, &network, NULL))
        vr_draft_address (draft, "remote-net", NULL, network);
    }
}

/* A guest that came home may still send to the MAC that its gateway had elsewhere. */
static void
plan_old_gateways (VrDraft *draft, const VrHost *peer)
{
  const char *mac = mac_of (draft, draft->facts->bridge);

  for (guint i = 0; mac != NULL && peer->macs[i] != NULL; i++)
    if (!g_str_equal (peer->macs[i], mac))
      vr_draft_element (draft, VR_NFT_BRIDGE, "old-gateway", g_strdup_printf ("%s : %s", peer->macs[i], mac));
}

static void
plan_host (VrDraft *draft)
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

/* The tables are looked at only where they hold something. */
static void
plan_lookups (VrDraft *draft)
{
  for (guint i = 0; i < draft->plan->routes->len; i++)
    {
      const VrRoute *route = draft->plan->routes->pdata[i];
      gboolean       v6 = vr_address_is_v6 (route->destination);

      if (route->table == VR_TABLE_GUESTS)
        vr_draft_rule (draft, VR_RULE_GUESTS, v6, NULL, NULL, NULL, VR_TABLE_GUESTS);
      else if (route->table == VR_TABLE_NETWORKS)
        vr_draft_rule (draft, VR_RULE_NETWORKS, v6, NULL, NULL, NULL, VR_TABLE_NETWORKS);
    }
}

VrPlan *
vr_plan_make (const VrFacts *facts)
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GHashTable) mine = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GHashTable) theirs = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GPtrArray) uuids = vr_book_guest_uuids (facts->book);
  g_autoptr (VrPlan) plan = vr_plan_new ();
  VrDraft draft = { .facts = facts, .me = vr_book_host (facts->book, facts->self), .plan = plan, .seen = seen,
                  .mine = mine, .theirs = theirs };

  for (guint i = 0; i < uuids->len; i++)
    plan_guest (&draft, vr_book_guest (facts->book, uuids->pdata[i]));
  plan_host (&draft);
  plan_lookups (&draft);
  return g_steal_pointer (&plan);
}
