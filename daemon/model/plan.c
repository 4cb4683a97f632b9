/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The plan, theory of operation.
 *
 * For each guest that the book knows, this host asks five questions, and each yes adds its items; a guest on its way home is at once
 * relayed and armed here.
 *
 *   placed   The guest is mine and its QEMU is here: its addresses lead to its bridge or tap, for everybody.
 *   armed    It is on its way to me: the same, but only for what its owner and its home send through their tunnels. Its home is armed as soon as it
 *            announced it: it would send back what comes from the origin until it hears that the guest's QEMU is there.
 *   away     Placed or armed here, with its home elsewhere: what it sends goes through its home, and this host stands in for
 *            its gateway and for the neighbours that it left behind.
 *   relayed  Another host owns it, and I am its home, or the host that it just left (it may be at home since, and not everybody knows): its addresses lead into the owner's tunnel,
 *            and this host stands in for it on its home's bridge.
 *   sent to  It runs elsewhere, and guests here may talk with it. What goes to it goes to its home; and straight to its owner once
 *            enough answers came straight from there, as long as that tunnel is up. (The patent's peer: it counts the answers.)
 *
 * The files: plan-here.c placed, armed, away; plan-elsewhere.c relayed, sent to; plan-host.c what is done once:
 * the tunnels that any of this needs, the networks of the hosts that it reaches, and what may pass the filter.
 *
 * Invariants: behind every guest route stands an unreachable one, so that a guest whose way is gone is unreachable and never sent
 * along the default route in clear. Only a record of custody, never an intent, changes where this host sends a guest's packets.
 *
 * There is no loop: only home, origin and a peer that is sure send a guest's packets on, all to the owner that they know of, and a host
 * that owns it, or is armed for it, delivers. An owner that gave it away since knows a later epoch than the sender did; so along
 * any way the epoch grows. A target that was given the guest and did not hear of it yet is armed, and delivers.
 */
#include "plan-draft.h"

#include "address.h"
#include "daemon/names.h"

/* ---- each guest ---- */

/* The host that it came from relays what still arrives there, until the guest came home and all have heard of it: then nobody has a reason to send there. */
static const char *
origin_of (const VrFacts *facts, const VrRecord *record)
{
  gboolean relays = record->state == VR_STATE_MOVED
                    || (record->state == VR_STATE_RUNNING
                        && (!g_str_equal (record->owner, record->home) || g_hash_table_contains (facts->lingering, record->uuid)));

  return relays && record->origin != NULL && !g_str_equal (record->origin, record->owner) ? record->origin : NULL;
}

static void
make_roles (const VrFacts *facts, const VrGuest *guest, VrCase *c)
{
  const char *self = facts->self;
  gboolean known = guest->custody != NULL, mine = g_str_equal (c->owner, self), home = g_str_equal (c->home, self);

  c->placed = known && mine && c->here != NULL;
  c->armed = !c->placed && g_strcmp0 (c->target, self) == 0
             && (c->here != NULL || (home && facts->bridge != NULL && vr_book_intent_of (facts->book, c->record->uuid, self) != NULL));
  c->away = (c->placed || c->armed) && !home;
  c->relayed = known && !mine && (home || g_strcmp0 (c->origin, self) == 0);
  c->sent_to = known && !mine && !c->relayed; /* armed or not: its answers may come straight until it has come */
}

/* What the book and the facts say of a guest; FALSE: it is of no concern here. */
static gboolean
make_case (const VrDraft *draft, const VrGuest *guest, VrCase *c)
{
  const VrRecord *intent;

  *c = (VrCase) { .record = guest->custody != NULL ? guest->custody : guest->intent };
  if (c->record == NULL || c->record->state == VR_STATE_STOPPED)
    return FALSE;
  c->owner = c->record->owner;
  c->home = c->record->home;
  c->here = g_hash_table_lookup (draft->facts->here, c->record->uuid);
  if (guest->custody != NULL)
    c->origin = origin_of (draft->facts, guest->custody);
  intent = vr_book_intent_of (draft->facts->book, c->record->uuid, draft->facts->self); /* my own says more of what comes here */
  if (intent == NULL || c->here == NULL)
    intent = guest->intent;
  if (intent != NULL)
    {
      c->target = intent->target;
      c->giver = intent->owner;
    }
  else if (c->record->state == VR_STATE_LEAVING)
    c->target = c->record->target;
  make_roles (draft->facts, guest, c);

  c->addresses = g_ptr_array_new ();
  for (guint i = 0; i < c->record->nics->len; i++)
    for (char **address = ((VrNic *) c->record->nics->pdata[i])->addresses; *address != NULL; address++)
      g_ptr_array_add (c->addresses, *address);
  return TRUE;
}

static void
want_tunnels (VrDraft *draft, const VrCase *c)
{
  vr_plan_want_tunnel (draft, c->home, c->owner);
  if (c->target != NULL)
    {
      vr_plan_want_tunnel (draft, c->owner, c->target);
      vr_plan_want_tunnel (draft, c->home, c->target);
    }
  if (c->origin != NULL)
    vr_plan_want_tunnel (draft, c->origin, c->owner);
}

/* What goes to it is counted, for the ledger: where it goes, and why it does not. */
static void
count (VrDraft *draft, const char *address)
{
  static const char *const sets[] = { "came", "handed", "own", "expired", "foreign-source", "foreign-destination", "circling", "large", "large-relayed" };

  for (guint i = 0; i < G_N_ELEMENTS (sets); i++)
    vr_draft_address (draft, sets[i], NULL, address);
}

/* Every known guest's address: refused in clear, and unreachable where no better route is, by every host that has to do with it. */
static void
fail_closed (VrDraft *draft, const VrCase *c)
{
  gboolean concerned = c->placed || c->relayed || g_str_equal (c->owner, draft->facts->self);

  for (guint i = 0; i < c->addresses->len; i++)
    {
      const char      *address = c->addresses->pdata[i];
      g_autofree char *destination = vr_plan_host_route (address);

      vr_draft_address (draft, "guest", NULL, address);
      if (concerned || c->armed)
        count (draft, address);
      if (concerned)
        vr_draft_route (draft, VR_ROUTE_UNREACHABLE, destination, NULL, NULL, VR_TABLE_GUESTS);
      if (c->armed)
        vr_draft_route (draft, VR_ROUTE_UNREACHABLE, destination, NULL, NULL, VR_TABLE_ARMED);
    }
}

static void
plan_guest (VrDraft *draft, const VrGuest *guest)
{
  const char *self = draft->facts->self;
  VrGuest     known = *guest;
  VrCase      c;

  if (known.custody != NULL && known.custody->state == VR_STATE_STOPPED && known.intent != NULL)
    known.custody = NULL; /* it was started again since, somewhere, and comes: that it is stopped is old news */
  if (!make_case (draft, &known, &c))
    return;
  want_tunnels (draft, &c);
  fail_closed (draft, &c);
  if (c.placed || c.armed)
    vr_plan_here (draft, &c);
  if (c.away)
    vr_plan_away (draft, &c);
  if (c.relayed)
    vr_plan_relayed (draft, &c);
  if (c.sent_to)
    vr_plan_sent_to (draft, &c);
  if (c.target != NULL && !g_str_equal (c.target, self) && (g_str_equal (c.owner, self) || g_str_equal (c.home, self)))
    vr_plan_leaving (draft, &c);
  g_ptr_array_unref (c.addresses);
}

/* The tables are looked at only where they hold something, or will as soon as a path changes: that is a change of routes alone (daemon/path/change.c). */
static void
plan_lookups (VrDraft *draft)
{
  for (guint i = 0; i < draft->plan->paths->len; i++)
    vr_draft_rule (draft, VR_RULE_GUESTS, vr_address_is_v6 (((VrPath *) draft->plan->paths->pdata[i])->address), NULL, NULL, NULL, VR_TABLE_GUESTS);
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
  vr_plan_host (&draft);
  plan_lookups (&draft);
  return g_steal_pointer (&plan);
}
