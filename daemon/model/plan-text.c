/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The items of a plan: how they are made, freed, and written as the one line that names each completely. The words are those of
 * ip(8), bridge(8) and nft(8) where they have one.
 */
#include "plan.h"

#include "daemon/names.h"

VrHere *
vr_here_new (const char *uuid)
{
  VrHere *here = g_new0 (VrHere, 1);

  here->uuid = g_strdup (uuid);
  here->nics = g_ptr_array_new ();
  return here;
}

static void
here_nic_free (gpointer data)
{
  VrHereNic *nic = data;

  g_free (nic->mac);
  g_free (nic->tap);
  g_free (nic->bridge);
  g_free (nic);
}

void
vr_here_add_nic (VrHere *here, const char *mac, const char *tap, const char *bridge)
{
  VrHereNic *nic = g_new0 (VrHereNic, 1);

  nic->mac = g_strdup (mac);
  nic->tap = g_strdup (tap);
  nic->bridge = g_strdup (bridge);
  g_ptr_array_set_free_func (here->nics, here_nic_free);
  g_ptr_array_add (here->nics, nic);
}

void
vr_here_free (VrHere *here)
{
  if (here == NULL)
    return;
  g_free (here->uuid);
  g_ptr_array_unref (here->nics);
  g_free (here);
}

void
vr_route_free (VrRoute *route)
{
  g_free (route->destination);
  g_free (route->dev);
  g_free (route->source);
  g_free (route);
}

void
vr_rule_free (VrRule *rule)
{
  g_free (rule->from);
  g_free (rule->to);
  g_free (rule->iif);
  g_free (rule);
}

void
vr_neighbour_free (VrNeighbour *neighbour)
{
  g_free (neighbour->address);
  g_free (neighbour->dev);
  g_free (neighbour->mac);
  g_free (neighbour);
}

void
vr_forwarding_free (VrForwarding *forwarding)
{
  g_free (forwarding->mac);
  g_free (forwarding->dev);
  g_free (forwarding);
}

void
vr_element_free (VrElement *element)
{
  g_free (element->set);
  g_free (element->key);
  g_free (element);
}

void
vr_sysctl_free (VrSysctl *sysctl)
{
  g_free (sysctl->path);
  g_free (sysctl->value);
  g_free (sysctl);
}

void
vr_queue_free (VrQueue *queue)
{
  g_free (queue->dev);
  g_free (queue);
}

void
vr_announcement_free (VrAnnouncement *announcement)
{
  g_free (announcement->address);
  g_free (announcement->mac);
  g_free (announcement->dev);
  g_free (announcement);
}

void
vr_path_free (VrPath *path)
{
  g_free (path->address);
  g_free (path->owner);
  g_free (path->from);
  g_free (path);
}

void
vr_tunnel_free (VrTunnel *tunnel)
{
  g_free (tunnel->peer);
  g_free (tunnel->dev);
  g_clear_pointer (&tunnel->host, vr_host_unref);
  g_free (tunnel);
}

char *
vr_route_to_string (const VrRoute *route)
{
  g_autoptr (GString) line = g_string_new (NULL);

  switch (route->type)
    {
    case VR_ROUTE_VIA_DEV:
      g_string_printf (line, "route %s dev %s", route->destination, route->dev);
      break;
    case VR_ROUTE_UNREACHABLE:
      g_string_printf (line, "route unreachable %s", route->destination);
      break;
    case VR_ROUTE_THROW:
      g_string_printf (line, "route throw %s", route->destination);
      break;
    }
  g_string_append_printf (line, " table %u metric %u", route->table, route->metric);
  if (route->source != NULL)
    g_string_append_printf (line, " src %s", route->source);
  return g_string_free (g_steal_pointer (&line), FALSE);
}

char *
vr_rule_to_string (const VrRule *rule)
{
  return g_strdup_printf ("rule%s %u from %s to %s iif %s lookup %u", rule->v6 ? "6" : "", rule->priority,
                          rule->from != NULL ? rule->from : "all", rule->to != NULL ? rule->to : "all",
                          rule->iif != NULL ? rule->iif : "any", rule->table);
}

char *
vr_neighbour_to_string (const VrNeighbour *neighbour)
{
  if (neighbour->mac == NULL)
    return g_strdup_printf ("proxy %s dev %s", neighbour->address, neighbour->dev);
  return g_strdup_printf ("neighbour %s lladdr %s dev %s", neighbour->address, neighbour->mac, neighbour->dev);
}

char *
vr_forwarding_to_string (const VrForwarding *forwarding)
{
  return g_strdup_printf ("forwarding %s dev %s", forwarding->mac, forwarding->dev);
}

char *
vr_element_to_string (const VrElement *element)
{
  return g_strdup_printf ("element %s %s { %s }", element->family == VR_NFT_INET ? "inet" : "bridge", element->set, element->key);
}

char *
vr_sysctl_to_string (const VrSysctl *sysctl)
{
  return g_strdup_printf ("sysctl %s = %s", sysctl->path, sysctl->value);
}

char *
vr_queue_to_string (const VrQueue *queue)
{
  return g_strdup_printf ("queue %s %u", queue->dev, queue->length);
}

char *
vr_announcement_to_string (const VrAnnouncement *announcement)
{
  return g_strdup_printf ("announce %s at %s on %s", announcement->address, announcement->mac, announcement->dev);
}

char *
vr_tunnel_to_string (const VrTunnel *tunnel)
{
  static const char *const wishes[] = { "ready", "follow", "initiate" };

  return g_strdup_printf ("tunnel %s dev %s %s", tunnel->peer, tunnel->dev, wishes[tunnel->wish]);
}

char *
vr_path_to_string (const VrPath *path)
{
  static const char *const states[] = { "relayed", "changing", "direct" };
  static const char *const by[] = { " by ", " from ", "" };

  return g_strdup_printf ("path %s to %s %s%s%s", path->address, path->owner, states[path->state], path->from != NULL ? by[path->state] : "",
                          path->from != NULL ? path->from : "");
}

static void
add_lines (GPtrArray *lines, GPtrArray *items, char *(*to_string) (gconstpointer))
{
  for (guint i = 0; i < items->len; i++)
    g_ptr_array_add (lines, to_string (items->pdata[i]));
}

static int
compare_lines (gconstpointer a, gconstpointer b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

char *
vr_plan_to_string (const VrPlan *plan)
{
  g_autoptr (GPtrArray) lines = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GString) text = g_string_new (NULL);

  add_lines (lines, plan->tunnels, (char *(*) (gconstpointer)) vr_tunnel_to_string);
  add_lines (lines, plan->routes, (char *(*) (gconstpointer)) vr_route_to_string);
  add_lines (lines, plan->rules, (char *(*) (gconstpointer)) vr_rule_to_string);
  add_lines (lines, plan->neighbours, (char *(*) (gconstpointer)) vr_neighbour_to_string);
  add_lines (lines, plan->forwardings, (char *(*) (gconstpointer)) vr_forwarding_to_string);
  add_lines (lines, plan->elements, (char *(*) (gconstpointer)) vr_element_to_string);
  add_lines (lines, plan->sysctls, (char *(*) (gconstpointer)) vr_sysctl_to_string);
  add_lines (lines, plan->queues, (char *(*) (gconstpointer)) vr_queue_to_string);
  add_lines (lines, plan->announcements, (char *(*) (gconstpointer)) vr_announcement_to_string);
  add_lines (lines, plan->paths, (char *(*) (gconstpointer)) vr_path_to_string);
  g_ptr_array_sort (lines, compare_lines);
  for (guint i = 0; i < lines->len; i++)
    g_string_append_printf (text, "%s\n", (char *) lines->pdata[i]);
  return g_string_free (g_steal_pointer (&text), FALSE);
}

VrPlan *
vr_plan_new (void)
{
  VrPlan *plan = g_new0 (VrPlan, 1);

  plan->tunnels = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_tunnel_free);
  plan->routes = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_route_free);
  plan->rules = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_rule_free);
  plan->neighbours = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_neighbour_free);
  plan->forwardings = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_forwarding_free);
  plan->elements = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_element_free);
  plan->sysctls = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_sysctl_free);
  plan->queues = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_queue_free);
  plan->announcements = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_announcement_free);
  plan->paths = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_path_free);
  return plan;
}

void
vr_plan_free (VrPlan *plan)
{
  if (plan == NULL)
    return;
  g_ptr_array_unref (plan->tunnels);
  g_ptr_array_unref (plan->routes);
  g_ptr_array_unref (plan->rules);
  g_ptr_array_unref (plan->neighbours);
  g_ptr_array_unref (plan->forwardings);
  g_ptr_array_unref (plan->elements);
  g_ptr_array_unref (plan->sysctls);
  g_ptr_array_unref (plan->queues);
  g_ptr_array_unref (plan->announcements);
  g_ptr_array_unref (plan->paths);
  g_free (plan);
}

/* FNV-1a, 32 bits: small, stable, the same on every host and in every release. */
static guint32
hash_name (const char *name)
{
  guint32 hash = 2166136261u;

  for (const char *c = name; *c != '\0'; c++)
    hash = (hash ^ (guchar) *c) * 16777619u;
  return hash;
}

char *
vr_tunnel_dev (const char *peer)
{
  const gsize room = 15 - strlen (VR_LINK_PREFIX); /* IFNAMSIZ, less the final NUL */

  if (strlen (peer) <= room)
    return g_strconcat (VR_LINK_PREFIX, peer, NULL);
  return g_strdup_printf (VR_LINK_PREFIX "%.*s%06x", (int) room - 6, peer, hash_name (peer) & 0xffffff);
}

guint32
vr_tunnel_if_id (const char *peer)
{
  return 0x76000000u | (hash_name (peer) & 0xffffff);
}
