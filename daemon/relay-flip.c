/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The switchover: at SUSPENDED/MIGRATED the guest's addresses lead into the target's tunnel.
 *
 * As soon as it is known where a guest is going, the plan is asked what it will be once the guest has moved; the routes by which that
 * plan differs are built into one netlink buffer. All the rest that the move needs (filter entries, the tunnel, the target's side)
 * is in the plan already while the guest is leaving. At the event the buffer is sent, and only then is the record written, the log told
 * and the plan made anew; if there is no buffer, or it went stale, that reconcile does the switchover, a little later.
 */
#include "relay-private.h"

#include "names.h"

VrFacts *
vr_relay_facts_new (VrRelay *self)
{
  VrFacts       *facts = g_new0 (VrFacts, 1);
  GHashTableIter iter;
  VrLocal       *local;

  facts->self = self->config->host->name;
  facts->bridge = self->config->bridge;
  facts->book = self->book;
  facts->here = g_hash_table_new (g_str_hash, g_str_equal);
  facts->tunnels = vr_tunnels_up (self->tunnels);
  facts->macs = vr_kernel_macs (self->kernel);
  facts->asked = g_hash_table_ref (self->asked);
  vr_relay_path_fill (self, facts);
  vr_relay_queue_fill (self, facts);
  g_hash_table_iter_init (&iter, self->locals);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &local))
    if (local->here != NULL && local->presence != VR_PRESENCE_ABSENT && local->presence != VR_PRESENCE_HANDED_OVER)
      g_hash_table_insert (facts->here, local->uuid, local->here);
  return facts;
}

void
vr_relay_facts_free (VrFacts *facts)
{
  g_hash_table_unref (facts->here);
  g_hash_table_unref (facts->tunnels);
  g_hash_table_unref (facts->macs);
  g_hash_table_unref (facts->asked);
  g_hash_table_unref (facts->answers);
  g_hash_table_unref (facts->sought);
  g_hash_table_unref (facts->waited);
  g_hash_table_unref (facts->settling);
  g_free (facts);
}

/* The routes of one guest in a plan's guests table that lead somewhere: of VrRoute, owned by the plan. */
static GPtrArray *
guest_routes (const VrPlan *plan, const VrRecord *record)
{
  GPtrArray *routes = g_ptr_array_new ();

  for (guint i = 0; i < plan->routes->len; i++)
    {
      const VrRoute   *route = plan->routes->pdata[i];
      g_autofree char *address = g_strndup (route->destination, strcspn (route->destination, "/"));

      if (route->table != VR_TABLE_GUESTS || route->type != VR_ROUTE_VIA_DEV)
        continue;
      for (guint n = 0; n < record->nics->len; n++)
        if (g_strv_contains ((const char *const *) ((VrNic *) record->nics->pdata[n])->addresses, address))
          g_ptr_array_add (routes, (gpointer) route);
    }
  return routes;
}

void
vr_relay_prepare_flip (VrRelay *self, VrLocal *local)
{
  const char *me = self->config->host->name;
  g_autoptr (VrRecord) moved = NULL;
  g_autoptr (VrBook) book = NULL;
  g_autoptr (VrFacts) facts = NULL;
  g_autoptr (VrPlan) plan = NULL;
  g_autoptr (GPtrArray) routes = NULL;
  g_autoptr (GError) error = NULL;

  g_clear_pointer (&local->flip, vr_switch_free);
  if (local->presence != VR_PRESENCE_RUNNING && local->presence != VR_PRESENCE_LEAVING)
    return;
  moved = vr_custody_next (me, self->book, local->uuid, VR_PRESENCE_HANDED_OVER, local->sighting, FALSE);
  if (moved == NULL) /* nobody said where it goes */
    return;
  book = vr_book_copy (self->book);
  vr_book_add_record (book, moved, NULL);
  facts = vr_relay_facts_new (self);
  facts->book = book;
  g_hash_table_remove (facts->here, local->uuid);
  plan = vr_plan_make (facts);
  routes = guest_routes (plan, moved);
  if (routes->len == 0)
    return;
  local->flip = vr_switch_prepare (self->kernel, routes, &error);
  if (local->flip == NULL)
    g_info ("guest %s: the switchover to %s cannot be prepared yet: %s", moved->name, moved->target, error->message);
}

void
vr_relay_flip (VrRelay *self, VrLocal *local, gint64 event_us)
{
  g_autoptr (GError) error = NULL;
  const char *name = local->sighting != NULL ? local->sighting->name : local->uuid;
  gint64      took_ns = 0, now_us;
  gboolean    done;

  if (local->flip == NULL)
    {
      g_message ("guest %s: handed over without a prepared switchover", name);
      return;
    }
  done = vr_switch_commit (local->flip, &took_ns, &error);
  now_us = g_get_real_time ();
  g_clear_pointer (&local->flip, vr_switch_free);
  if (!done)
    {
      g_warning ("guest %s: the prepared switchover failed, the next reconcile does it: %s", name, error->message);
      return;
    }
  /* read by people and by the lab: what happened when */
  g_message ("guest %s: flipped at %" G_GINT64_FORMAT ", event %" G_GINT64_FORMAT ", stop %" G_GINT64_FORMAT " us, took %" G_GINT64_FORMAT
             " ns", name, now_us, event_us, local->stop_us, took_ns);
}
