/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The plan for a guest whose QEMU is here: placed, armed, and away from home. plan.c says what these words mean. */
#include "plan-draft.h"

#include "address.h"
#include "daemon/names.h"

/* ---- placed and armed: the guest's QEMU is here ---- */

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

static void
lead_to_nic (VrDraft *draft, const VrCase *c, const VrHereNic *nic, const char *address)
{
  const char      *way = way_to (nic);
  gboolean         v6 = vr_address_is_v6 (address);
  g_autofree char *destination = vr_plan_host_route (address);
  g_autofree char *source = c->away ? NULL : vr_plan_gateway_of (draft->me, v6, address);
  const char      *senders[] = { c->owner, c->home, c->giver, NULL };

  vr_draft_route (draft, VR_ROUTE_VIA_DEV, destination, way, source, c->placed ? VR_TABLE_GUESTS : VR_TABLE_ARMED);
  vr_draft_neighbour (draft, address, way, nic->mac);
  vr_draft_address (draft, "here", NULL, address);
  if (c->placed)
    {
      vr_draft_address (draft, "placed", NULL, address);
      return;
    }
  for (guint i = 0; senders[i] != NULL; i++)
    if (!g_str_equal (senders[i], draft->facts->self))
      {
        g_autofree char *dev = vr_tunnel_dev (senders[i]);

        vr_draft_rule (draft, VR_RULE_ARMED, v6, NULL, destination, dev, VR_TABLE_ARMED);
        vr_draft_address (draft, "peer-homed", dev, address);
      }
}

/* ---- the tap's queue ---- */

#define QUEUE_LEAST 1000      /* what the kernel gives a tap */
#define QUEUE_UNKNOWN 10000   /* where nobody measured how much comes */
#define PAUSE_MS 500          /* libvirt lets QEMU stop a guest for 300 ms, and QEMU takes longer now and then */
#define QUEUE_SAFETY 4        /* traffic comes in bursts, and a busy host takes longer */

/*
 * What reaches a guest's tap while QEMU has it stopped waits in the tap's queue. That is made long enough while the guest is only expected, because then
 * nothing comes: to change it drops what comes (kernel/queue.c). It stays so; the origin's, from which packets are taken to the guest, is left alone.
 */
static void
plan_queue (VrDraft *draft, const VrCase *c, const VrHereNic *nic, const VrNic *record)
{
  const VrFacts *facts = draft->facts;
  guint64        length = QUEUE_UNKNOWN;

  if (!c->armed || nic->tap == NULL || facts->queue_max == 0)
    return;
  if (record->rate > 0)
    length = MAX ((guint64) record->rate * PAUSE_MS / 1000 * QUEUE_SAFETY, QUEUE_LEAST);
  vr_draft_queue (draft, nic->tap, MIN (length, facts->queue_max));
}

static void
plan_here_nic (VrDraft *draft, const VrCase *c, const VrHereNic *nic, const VrNic *record)
{
  const char *bridge_mac = vr_plan_mac_of (draft, nic->bridge);

  if (way_to (nic) == NULL)
    return;
  for (guint i = 0; record->addresses[i] != NULL; i++)
    {
      lead_to_nic (draft, c, nic, record->addresses[i]);
      if (c->placed && !c->away && nic->bridge != NULL)
        vr_draft_announcement (draft, record->addresses[i], nic->mac, nic->bridge);
    }
  plan_queue (draft, c, nic, record);
  vr_draft_element (draft, VR_NFT_INET, "bridge", g_strdup_printf ("\"%s\"", way_to (nic)));
  if (nic->bridge == NULL || nic->tap == NULL)
    return;
  vr_draft_forwarding (draft, nic->mac, nic->tap);
  vr_draft_element (draft, VR_NFT_BRIDGE, "tap-out", g_strdup_printf ("\"%s\"", nic->tap));
  vr_draft_element (draft, VR_NFT_BRIDGE, "tap-flood", g_strdup_printf ("\"%s\"", nic->tap));
  if (bridge_mac == NULL)
    return;
  if (c->away)
    vr_draft_element (draft, VR_NFT_BRIDGE, "gateway", g_strdup_printf ("\"%s\" : %s", nic->tap, bridge_mac));
  else
    vr_draft_element (draft, VR_NFT_BRIDGE, "guest-tap", g_strdup_printf ("\"%s\"", nic->tap));
}

/* What its origin sends after it, or relays, is counted, for the ledger. */
static void
count_arrivals (VrDraft *draft, const VrCase *c)
{
  const char *origin = c->armed ? (c->giver != NULL ? c->giver : c->owner) : c->record->origin;

  if (origin != NULL && !g_str_equal (origin, draft->facts->self))
    vr_plan_by_tunnel (draft, "arrived", origin, c);
}

/*
 * Its origin may still have packets on the way that it relays, from anybody. Some of them this host sent there itself, when it did not know better: the
 * ledger needs their number, so these go on being counted, though no more come.
 */
static void
admit_origin (VrDraft *draft, const VrCase *c)
{
  if (!c->placed || c->origin == NULL)
    return;
  vr_plan_by_tunnel (draft, "peer-homed", c->origin, c);
  for (guint i = 0; i < c->addresses->len && !c->away; i++)
    vr_draft_address (draft, "relay", NULL, c->addresses->pdata[i]);
}

/* It came home: its cache may still hold the gateway's address with the other host's MAC. */
static void
announce_gateway (VrDraft *draft, const VrHost *home, const char *bridge, const char *address)
{
  const char      *mac = vr_plan_mac_of (draft, bridge);
  g_autofree char *gateway = vr_plan_gateway_of (home, vr_address_is_v6 (address), address);

  if (gateway != NULL && mac != NULL)
    vr_draft_announcement (draft, gateway, mac, bridge);
}

/* It comes home, and its QEMU was not heard of yet: it is, or will be, in the bridge of the network that it has its addresses in. */
static void
plan_coming_home (VrDraft *draft, const VrCase *c)
{
  for (guint i = 0; i < c->record->nics->len; i++)
    {
      const VrNic     *record = c->record->nics->pdata[i];
      const VrHereNic  nic = { .mac = record->mac, .bridge = (char *) draft->facts->bridge };

      for (guint k = 0; record->addresses[k] != NULL; k++)
        lead_to_nic (draft, c, &nic, record->addresses[k]);
    }
}

void
vr_plan_here (VrDraft *draft, const VrCase *c)
{
  const VrHost *home = vr_book_host (draft->facts->book, c->home);

  if (c->here == NULL)
    plan_coming_home (draft, c);
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
  admit_origin (draft, c);
  count_arrivals (draft, c);
}

/* ---- away: here, with its home elsewhere ---- */

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
        vr_plan_stand_in (draft, gateway, bridge);
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
            vr_plan_stand_in (draft, *address, bridge);
    }
  g_hash_table_iter_init (&iter, facts->asked);
  while (g_hash_table_iter_next (&iter, &asked, NULL))
    if (g_str_has_prefix (asked, prefix) && in_networks (home, (char *) asked + strlen (prefix)))
      vr_plan_stand_in (draft, (char *) asked + strlen (prefix), bridge);
}

/* The networks of `host` of one family, as routes of a table. */
static void
route_networks (VrDraft *draft, const VrHost *host, gboolean v6, VrRouteType type, const char *dev, guint32 table)
{
  for (guint i = 0; host != NULL && host->networks[i] != NULL; i++)
    {
      g_autofree char *network = NULL;

      if (vr_address_is_v6 (host->networks[i]) == v6 && vr_network_parse (host->networks[i], NULL, &network, NULL))
        vr_draft_route (draft, type, network, dev, NULL, table);
    }
}

/*
 * The table of the guests whose home is `home`: everything through it, but what this host's own networks hold, and what goes to the
 * networks of peers whose tunnel is up: answers go straight back, each peer by itself.
 */
static void
plan_home_table (VrDraft *draft, const char *home, const char *dev, gboolean v6)
{
  g_autoptr (GPtrArray) names = vr_book_host_names (draft->facts->book);
  guint32 table = vr_tunnel_if_id (home);

  vr_draft_route (draft, VR_ROUTE_VIA_DEV, v6 ? "::/0" : "0.0.0.0/0", dev, NULL, table);
  vr_draft_route (draft, VR_ROUTE_UNREACHABLE, v6 ? "::/0" : "0.0.0.0/0", NULL, NULL, table);
  route_networks (draft, draft->me, v6, VR_ROUTE_THROW, NULL, table);
  for (guint i = 0; i < names->len; i++)
    {
      const char      *peer = names->pdata[i];
      g_autofree char *straight = vr_tunnel_dev (peer);

      if (!g_str_equal (peer, home) && vr_plan_may_go_direct (draft, peer))
        route_networks (draft, vr_book_host (draft->facts->book, peer), v6, VR_ROUTE_VIA_DEV, straight, table);
    }
}

/* A guest with several NICs may send by any of them whatever the source address is: to most it is one host, with one default route. */
static void
send_from (VrDraft *draft, const VrCase *c, const char *address)
{
  g_autofree char *from = vr_plan_host_route (address);

  for (guint i = 0; i < c->here->nics->len; i++)
    {
      const char *way = way_to (c->here->nics->pdata[i]);

      if (way != NULL)
        vr_draft_rule (draft, VR_RULE_AWAY, vr_address_is_v6 (address), from, NULL, way, vr_tunnel_if_id (c->home));
    }
}

/*
 * What this host itself has to say to a peer that sends to guests here goes straight, too: the peer's marker, which ends here by its hop
 * limit (daemon/path/marker.c), is answered by an ICMP error of this host's, not of the guest's.
 */
static void
route_gateways (VrDraft *draft, const char *home, gboolean v6)
{
  g_autoptr (GPtrArray) names = vr_book_host_names (draft->facts->book);
  g_autofree char      *source = vr_plan_gateway_of (draft->me, v6, NULL);

  for (guint i = 0; i < names->len; i++)
    {
      const char      *peer = names->pdata[i];
      g_autofree char *dev = vr_tunnel_dev (peer), *destination = NULL;
      g_autofree char *gateway = vr_plan_gateway_of (vr_book_host (draft->facts->book, peer), v6, NULL);

      if (gateway == NULL || g_str_equal (peer, home) || !vr_plan_may_go_direct (draft, peer))
        continue;
      destination = vr_plan_host_route (gateway);
      vr_draft_route (draft, VR_ROUTE_VIA_DEV, destination, dev, source, VR_TABLE_NETWORKS);
    }
}

void
vr_plan_away (VrDraft *draft, const VrCase *c)
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
          const char *address = record->addresses[k];

          send_from (draft, c, address);
          plan_home_table (draft, c->home, dev, vr_address_is_v6 (address));
          route_gateways (draft, c->home, vr_address_is_v6 (address));
          vr_draft_address (draft, "away", NULL, address);
          vr_draft_address (draft, "peer-homed", dev, address);
        }
      if (home != NULL && nic->bridge != NULL)
        stand_in_for_home (draft, home, nic->bridge);
    }
}

