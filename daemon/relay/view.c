/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the relay shows to people: guests, hosts, troubles. Made anew at each call from the book, the plan and the kernel's counters. */
#include "relay-private.h"

#include "daemon/model/address.h"
#include "daemon/names.h"

static const char *
role_of (const VrRelay *self, const VrRecord *record, const VrLocal *local)
{
  const char *me = self->config->host->name;

  if (record->state == VR_STATE_STOPPED)
    return "none";
  if (g_str_equal (record->owner, me))
    return "owner";
  if (local != NULL && local->presence == VR_PRESENCE_EXPECTED)
    return "target";
  if (g_strcmp0 (record->origin, me) == 0 && !g_str_equal (record->owner, record->home))
    return "origin";
  return g_str_equal (record->home, me) ? "home" : "peer";
}

/* The interface that the plan's best route for the guest's first address names; the plan owns it; NULL: none. */
static const char *
path_of (const VrRelay *self, const VrRecord *record)
{
  for (guint n = 0; n < record->nics->len; n++)
    for (char **address = ((VrNic *) record->nics->pdata[n])->addresses; *address != NULL; address++)
      for (guint i = 0; i < self->plan->routes->len; i++)
        {
          const VrRoute *route = self->plan->routes->pdata[i];

          if (route->type != VR_ROUTE_VIA_DEV)
            continue;
          if (route->table == VR_TABLE_NETWORKS && vr_network_contains (route->destination, *address))
            return route->dev;
          if (route->table == VR_TABLE_GUESTS && g_str_has_prefix (route->destination, *address)
              && route->destination[strlen (*address)] == '/')
            return route->dev;
        }
  return NULL;
}

static guint64
counted (GPtrArray *counters, const char *name)
{
  for (guint i = 0; counters != NULL && i < counters->len; i++)
    if (g_str_equal (((VrCounter *) counters->pdata[i])->name, name))
      return ((VrCounter *) counters->pdata[i])->packets;
  return 0;
}

static void
count (VrGuestView *view, GPtrArray *counters)
{
  g_autofree char *dev = vr_tunnel_dev (view->record->owner);

  for (guint n = 0; n < view->record->nics->len; n++)
    for (char **address = ((VrNic *) view->record->nics->pdata[n])->addresses; *address != NULL; address++)
      {
        const char      *family = vr_address_is_v6 (*address) ? "6" : "4";
        g_autofree char *relay = g_strdup_printf ("relay%s %s", family, *address);
        g_autofree char *guest = g_strdup_printf ("peer-guest%s %s . %s", family, dev, *address);

        view->relayed += counted (counters, relay);
        view->answers += counted (counters, guest);
      }
}

GPtrArray *
vr_relay_guests (VrRelay *self)
{
  GPtrArray *views = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) uuids = vr_book_guest_uuids (self->book);
  g_autoptr (GPtrArray) counters = vr_kernel_counters (self->kernel, NULL);

  for (guint i = 0; i < uuids->len; i++)
    {
      const VrGuest *guest = vr_book_guest (self->book, uuids->pdata[i]);
      VrGuestView   *view;

      if (guest->custody == NULL)
        continue;
      view = g_new0 (VrGuestView, 1);
      view->record = guest->custody;
      view->intent = guest->intent;
      view->role = role_of (self, guest->custody, g_hash_table_lookup (self->locals, guest->custody->uuid));
      view->path = path_of (self, guest->custody);
      count (view, counters);
      g_ptr_array_add (views, view);
    }
  return views;
}

static const VrTunnel *
tunnel_to (const VrRelay *self, const char *peer)
{
  for (guint i = 0; i < self->plan->tunnels->len; i++)
    if (g_str_equal (((VrTunnel *) self->plan->tunnels->pdata[i])->peer, peer))
      return self->plan->tunnels->pdata[i];
  return NULL;
}

GPtrArray *
vr_relay_hosts (VrRelay *self)
{
  GPtrArray *views = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) names = vr_book_host_names (self->book);

  for (guint i = 0; i < names->len; i++)
    {
      const char     *name = names->pdata[i];
      const VrTunnel *tunnel = tunnel_to (self, name);
      VrHostView     *view = g_new0 (VrHostView, 1);

      view->host = vr_book_host (self->book, name);
      view->self = g_str_equal (name, self->config->host->name);
      if (tunnel != NULL)
        {
          view->wanted = tunnel->wish != VR_TUNNEL_READY;
          view->dev = tunnel->dev;
          view->up = vr_tunnels_is_up (self->tunnels, name);
          view->since_us = vr_tunnels_up_since (self->tunnels, name);
          view->trouble = vr_tunnels_trouble (self->tunnels, name);
        }
      g_ptr_array_add (views, view);
    }
  return views;
}

static int
compare_strings (gconstpointer a, gconstpointer b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

GPtrArray *
vr_relay_troubles (VrRelay *self)
{
  GPtrArray     *troubles = g_ptr_array_new_with_free_func (g_free);
  GHashTableIter iter;
  gpointer       about, what;

  g_hash_table_iter_init (&iter, self->troubles);
  while (g_hash_table_iter_next (&iter, &about, &what))
    g_ptr_array_add (troubles, g_strdup_printf ("%s: %s", (char *) about, (char *) what));
  g_ptr_array_sort (troubles, compare_strings);
  return troubles;
}

gint64
vr_relay_last_hook_us (VrRelay *self)
{
  return self->last_hook_us;
}

VrExplanation *
vr_relay_explain (VrRelay *self, const char *whom, const char *from, GError **error)
{
  g_autoptr (VrFacts) facts = vr_relay_facts_new (self);

  return vr_explain (facts, self->plan, whom, from, error);
}
