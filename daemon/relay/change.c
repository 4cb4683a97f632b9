/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Paths that the plan calls changing become direct, by daemon/path/: one change at a time, of all paths to one host by one long way. The routes
 * for it come from the plan itself, asked what it will be when they are held, and when they have changed.
 *
 * A change is right as long as every path of it is changing in every new plan; else it is given up, and what is still due begins anew.
 * Where nothing can be held (no TUN) paths change at once, and a trouble says so.
 *
 * What has changed stays so as long as the plan says direct (path.c). A new daemon begins with what the kernel's routes say.
 */
#include "relay-private.h"

#include "daemon/names.h"

#define TROUBLE "path order"
#define PROBE_MS 3000 /* for a marker behind which nobody waits */
#define WAIT_MS 200   /* for the one that all wait behind: longer than most ways on this earth are; where that is known to be longer, longer */

static char *
key_of (const VrPath *path)
{
  g_autofree char *dev = vr_tunnel_dev (path->owner);

  return vr_facts_key (dev, path->address);
}

void
vr_relay_change_known (VrRelay *self)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) routes = vr_kernel_routes (self->kernel, &error);

  for (guint i = 0; routes != NULL && i < routes->len; i++)
    {
      const VrRoute   *route = routes->pdata[i];
      g_autofree char *address = g_strndup (route->destination, strcspn (route->destination, "/"));

      if (route->type == VR_ROUTE_VIA_DEV && route->table == VR_TABLE_GUESTS && g_str_has_prefix (route->dev, VR_LINK_PREFIX))
        g_hash_table_add (self->changed, vr_facts_key (route->dev, address));
    }
  if (error != NULL)
    g_info ("the routes that are there cannot be read: %s", error->message);
}

/* ---- what is under way ---- */

static void
end_change (VrRelay *self)
{
  g_clear_pointer (&self->change, vr_change_free);
  g_hash_table_remove_all (self->held);
}

void
vr_relay_change_check (VrRelay *self)
{
  guint changing = 0;

  for (guint i = 0; i < self->plan->paths->len; i++)
    {
      const VrPath    *path = self->plan->paths->pdata[i];
      g_autofree char *key = key_of (path);

      if (path->state == VR_PATH_CHANGING && g_hash_table_contains (self->held, key))
        changing++;
    }
  if (changing == g_hash_table_size (self->held))
    return;
  g_message ("paths: the change is given up, what is held goes the long way");
  end_change (self);
}

void
vr_relay_change_stop (VrRelay *self)
{
  end_change (self);
}

/* The routes are the straight ones: from now on the plan's, too. */
static void
on_made (const VrChangeResult *result, gpointer data)
{
  VrRelay       *self = data;
  GHashTableIter iter;
  gpointer       key;

  g_hash_table_iter_init (&iter, self->held);
  while (result->straight && g_hash_table_iter_next (&iter, &key, NULL))
    g_hash_table_add (self->changed, g_strdup (key));
  g_hash_table_remove_all (self->held);
  vr_relay_reconcile_soon (self);
}

/* Read by people and by the lab. */
static void
on_over (const VrChangeResult *result, gpointer data)
{
  VrRelay            *self = data;
  const VrHoldCounts *counts = &result->counts;
  g_autofree char    *probe = result->probe_us > 0 ? g_strdup_printf ("took %" G_GINT64_FORMAT " us", result->probe_us) : g_strdup ("could not be measured");

  g_message ("paths: %s after %" G_GINT64_FORMAT " us, marker %s after %" G_GINT64_FORMAT " us, %" G_GUINT64_FORMAT " packets held, %" G_GUINT64_FORMAT
             " of them let go after the routes were changed, %" G_GUINT64_FORMAT " dropped; beforehand the long way %s",
             result->straight ? "changed" : "not changed", result->held_us, result->returned ? "back" : "not back", result->waited_us, counts->sent,
             result->late, counts->dropped + counts->not_sent, probe);
  if (counts->dropped > 0)
    g_warning ("paths: %" G_GUINT64_FORMAT " packets found no room while a path changed (%d are held at most)", counts->dropped, VR_HOLD_PACKETS);
  if (counts->not_sent > 0)
    g_warning ("paths: %" G_GUINT64_FORMAT " packets that were held could not be sent: %s", counts->not_sent, g_strerror (counts->why));
  end_change (self);
  vr_relay_reconcile_soon (self);
}

/* ---- what is due ---- */

/* The paths that change together with `first`, as keys. */
static GHashTable *
together (const VrRelay *self, const VrPath *first)
{
  GHashTable *keys = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (guint i = 0; i < self->plan->paths->len; i++)
    {
      const VrPath *path = self->plan->paths->pdata[i];

      if (path->state == VR_PATH_CHANGING && g_str_equal (path->owner, first->owner) && g_str_equal (path->from, first->from))
        g_hash_table_add (keys, key_of (path));
    }
  return keys;
}

/* The routes of a plan to these keys' addresses; owned by the plan. */
static GPtrArray *
routes_of (const VrPlan *plan, const char *dev, GHashTable *keys)
{
  GPtrArray     *routes = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer       key;

  for (guint i = 0; i < plan->routes->len; i++)
    {
      const VrRoute *route = plan->routes->pdata[i];

      if (route->type != VR_ROUTE_VIA_DEV || route->table != VR_TABLE_GUESTS || !g_str_equal (route->dev, dev))
        continue;
      g_hash_table_iter_init (&iter, keys);
      while (g_hash_table_iter_next (&iter, &key, NULL))
        {
          const char *address = strchr (key, ' ') + 1;
          gsize       length = strlen (address);

          if (strncmp (route->destination, address, length) == 0 && route->destination[length] == '/')
            g_ptr_array_add (routes, (gpointer) route);
        }
    }
  return routes;
}

static char **
answerers_of (const VrRelay *self, const char *name)
{
  const VrHost  *host = vr_book_host (self->book, name);
  GStrvBuilder  *builder = g_strv_builder_new ();
  char         **answerers;

  if (host != NULL)
    {
      g_strv_builder_addv (builder, (const char **) host->underlay);
      g_strv_builder_addv (builder, (const char **) host->networks);
    }
  answerers = g_strv_builder_end (builder);
  g_strv_builder_unref (builder);
  return answerers;
}

static VrChange *
begin (VrRelay *self, const VrPath *first, GHashTable *keys, GError **error)
{
  g_autoptr (VrFacts) facts = vr_relay_facts_new (self);
  g_autofree char    *to = vr_tunnel_dev (first->owner);
  g_auto (GStrv)      answerers = answerers_of (self, first->owner);
  g_autoptr (VrPlan) held = NULL, changed = NULL;
  g_autoptr (GPtrArray) hold = NULL, straight = NULL;
  VrChangeWay way = { .from = first->from, .to = to, .answerers = (const char *const *) answerers,
                      .probe_ms = PROBE_MS, .wait_ms = WAIT_MS };

  g_hash_table_unref (facts->held);
  facts->held = g_hash_table_ref (keys);
  held = vr_plan_make (facts);
  way.hold = hold = routes_of (held, VR_HOLD_LINK, keys);
  g_hash_table_unref (facts->changed);
  facts->changed = g_hash_table_ref (keys);
  changed = vr_plan_make (facts);
  way.straight = straight = routes_of (changed, to, keys);
  return vr_change_begin (self->kernel, &way, on_made, on_over, self, error);
}

void
vr_relay_change_next (VrRelay *self)
{
  g_autoptr (GError) error = NULL;

  for (guint i = 0; self->change == NULL && i < self->plan->paths->len; i++)
    {
      const VrPath          *path = self->plan->paths->pdata[i];
      g_autoptr (GHashTable) keys = path->state == VR_PATH_CHANGING ? together (self, path) : NULL;
      GHashTableIter         iter;
      gpointer               key;

      if (keys == NULL)
        continue;
      self->change = begin (self, path, keys, &error);
      if (self->change != NULL)
        {
          g_hash_table_unref (self->held);
          self->held = g_steal_pointer (&keys);
          vr_relay_trouble (self, TROUBLE, NULL);
          return;
        }
      g_hash_table_iter_init (&iter, keys);
      while (g_hash_table_iter_next (&iter, &key, NULL))
        g_hash_table_add (self->changed, g_strdup (key));
      g_prefix_error (&error, "packets may arrive out of order when a path changes: ");
      vr_relay_trouble (self, TROUBLE, error->message);
      vr_relay_reconcile_soon (self);
      return;
    }
}
