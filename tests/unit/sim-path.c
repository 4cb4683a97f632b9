/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What daemon/path/ does, in short: a path that is changing is held first, then it has changed. A packet that is held is sent straight later:
 * the interpreter (sim-forward.c) sends it at once. A daemon that ends takes its hold along, and leaves its routes.
 */
#include "sim.h"

#include "daemon/names.h"

static char *
key_of (const VrPath *path)
{
  g_autofree char *dev = vr_tunnel_dev (path->owner);

  return vr_facts_key (dev, path->address);
}

static GHashTable *
new_set (void)
{
  return g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
}

void
sim_path_init (SimHost *host)
{
  host->held = new_set ();
  host->changed = new_set ();
}

void
sim_path_clear (SimHost *host)
{
  g_hash_table_unref (host->held);
  g_hash_table_unref (host->changed);
}

/* After a new plan: what is no longer changing is no longer held; what is not direct has not changed, but to the way that it goes by. */
void
sim_path_planned (SimHost *host)
{
  GHashTable *held = new_set (), *changed = new_set ();

  for (guint i = 0; i < host->plan->paths->len; i++)
    {
      const VrPath    *path = host->plan->paths->pdata[i];
      g_autofree char *key = key_of (path);

      if (path->from != NULL)
        g_hash_table_add (changed, vr_facts_key (path->from, path->address));
      if (path->state == VR_PATH_DIRECT)
        g_hash_table_add (changed, g_steal_pointer (&key));
      else if (path->state == VR_PATH_CHANGING && g_hash_table_contains (host->held, key))
        g_hash_table_add (held, g_steal_pointer (&key));
    }
  sim_path_clear (host);
  host->held = held;
  host->changed = changed;
}

gboolean
sim_path_step (Sim *sim, guint i)
{
  SimHost *host = &sim->hosts[i];

  for (guint k = 0; !host->down && host->plan != NULL && k < host->plan->paths->len; k++)
    {
      const VrPath    *path = host->plan->paths->pdata[k];
      g_autofree char *key = key_of (path);
      gboolean         held = g_hash_table_contains (host->held, key);

      if (path->state != VR_PATH_CHANGING)
        continue;
      sim_trace (sim, "%s: %s to %s", host->name, held ? "goes straight" : "is held", key);
      g_hash_table_add (held ? host->changed : host->held, g_steal_pointer (&key));
      host->dirty = TRUE;
      return TRUE;
    }
  return FALSE;
}

/* Its routes to guests stay, but those of the hold; the daemon that comes next finds them. */
void
sim_path_down (Sim *sim, guint i)
{
  SimHost *host = &sim->hosts[i];

  g_hash_table_remove_all (host->held);
  for (guint k = host->plan->routes->len; k > 0; k--)
    if (g_strcmp0 (((VrRoute *) host->plan->routes->pdata[k - 1])->dev, VR_HOLD_LINK) == 0)
      g_ptr_array_remove_index (host->plan->routes, k - 1);
  g_clear_pointer (&sim->net.kernels[i], sim_kernel_free);
  sim->net.kernels[i] = sim_kernel_new (host->plan);
}
