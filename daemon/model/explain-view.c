/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All hosts as they are by what this one knows, or as they would be; explain.c says how that is concluded. */
#include "explain-private.h"

#include "daemon/names.h"

gboolean
vr_view_is_mine (const VrView *view, const char *host)
{
  return g_str_equal (host, view->facts->self);
}

static gboolean
is_the_pair (const VrView *view, const char *a, const char *b)
{
  return (g_str_equal (a, view->from) && g_str_equal (b, view->owner)) || (g_str_equal (a, view->owner) && g_str_equal (b, view->from));
}

static GHashTable *
new_set (void)
{
  return g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
}

static void
add_all (GHashTable *set, GHashTable *more)
{
  GHashTableIter iter;
  gpointer       key, value;

  g_hash_table_iter_init (&iter, more);
  while (g_hash_table_iter_next (&iter, &key, &value))
    g_hash_table_insert (set, g_strdup (key), value);
}

/* The guests that the records place on `host`. */
static GHashTable *
concluded_guests (const VrView *view, const char *host)
{
  GHashTable           *here = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) vr_here_free);
  g_autoptr (GPtrArray) uuids = vr_book_guest_uuids (view->facts->book);

  for (guint i = 0; i < uuids->len; i++)
    {
      const VrRecord *record = vr_book_guest (view->facts->book, uuids->pdata[i])->custody;
      VrHere         *guest;

      if (record == NULL || record->state == VR_STATE_STOPPED || !g_str_equal (record->owner, host))
        continue;
      guest = vr_here_new (record->uuid);
      for (guint n = 0; n < record->nics->len; n++)
        vr_here_add_nic (guest, ((VrNic *) record->nics->pdata[n])->mac, NULL, VR_OTHERS_BRIDGE);
      g_hash_table_insert (here, guest->uuid, guest);
    }
  return here;
}

/* With what the switch waits for: the tunnel, and the answers. */
static void
make_direct (const VrView *view, const char *host, GHashTable *tunnels, GHashTable *answers, guint threshold)
{
  g_autofree char *dev = vr_tunnel_dev (view->owner);

  g_hash_table_add (tunnels, g_strdup (g_str_equal (host, view->from) ? view->owner : view->from));
  for (guint n = 0; view->record != NULL && n < view->record->nics->len; n++)
    for (char **address = ((VrNic *) view->record->nics->pdata[n])->addresses; *address != NULL; address++)
      g_hash_table_insert (answers, vr_facts_key (dev, *address), GUINT_TO_POINTER (threshold));
}

/* The tunnels that `plan` wants up, but for the one to this host: of that it is known whether it is up. */
static void
add_wanted (const VrView *view, const VrPlan *plan, GHashTable *tunnels)
{
  for (guint i = 0; i < plan->tunnels->len; i++)
    {
      const VrTunnel *tunnel = plan->tunnels->pdata[i];

      if (tunnel->wish != VR_TUNNEL_READY && !vr_view_is_mine (view, tunnel->peer))
        g_hash_table_add (tunnels, g_strdup (tunnel->peer));
    }
}

/* Another host's plan, or this one's if the view is not the present one. */
static VrPlan *
conclude (const VrView *view, const char *host)
{
  const VrHost          *record = vr_book_host (view->facts->book, host);
  gboolean               mine = vr_view_is_mine (view, host);
  g_autoptr (GHashTable) none = new_set (), tunnels = new_set (), answers = new_set (), macs = new_set ();
  g_autoptr (GHashTable) here = mine ? g_hash_table_ref (view->facts->here) : concluded_guests (view, host);
  g_autoptr (VrPlan)     first = NULL;
  VrFacts                facts = *view->facts;

  if (mine)
    {
      add_all (tunnels, facts.tunnels);
      add_all (answers, facts.answers);
    }
  else
    {
      facts.self = host;
      facts.bridge = record != NULL && record->networks[0] != NULL ? VR_OTHERS_BRIDGE : NULL;
      facts.asked = facts.sought = facts.waited = none;
      if (record != NULL && record->macs[0] != NULL)
        g_hash_table_insert (macs, g_strdup (VR_OTHERS_BRIDGE), record->macs[0]);
      facts.macs = macs;
      if (g_hash_table_contains (view->facts->tunnels, host))
        g_hash_table_add (tunnels, g_strdup (view->facts->self));
    }
  facts.here = here;
  facts.tunnels = tunnels;
  facts.answers = answers;
  if (view->direct && (g_str_equal (host, view->from) || g_str_equal (host, view->owner)))
    make_direct (view, host, tunnels, answers, facts.threshold);
  if (mine)
    return vr_plan_make (&facts);
  first = vr_plan_make (&facts);
  add_wanted (view, first, tunnels);
  return vr_plan_make (&facts);
}

const VrPlan *
vr_view_plan (VrView *view, const char *host)
{
  VrPlan *made = g_hash_table_lookup (view->plans, host);

  if (vr_view_is_mine (view, host) && !view->direct)
    return view->plan;
  if (made != NULL)
    return made;
  made = conclude (view, host);
  g_hash_table_insert (view->plans, g_strdup (host), made);
  return made;
}

const char *
vr_view_tunnel_state (const VrView *view, const char *host, const VrTunnel *tunnel)
{
  const char *mine = vr_view_is_mine (view, host) ? tunnel->peer : vr_view_is_mine (view, tunnel->peer) ? host : NULL;

  if (view->direct && is_the_pair (view, host, tunnel->peer))
    return "up";
  if (mine != NULL)
    return g_hash_table_contains (view->facts->tunnels, mine) ? "up" : "down";
  return tunnel->wish != VR_TUNNEL_READY ? "wanted up" : "not wanted";
}
