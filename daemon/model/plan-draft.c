/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A plan in the making: items are added, each once. Then the small questions. */
#include "plan-draft.h"

#include "address.h"
#include "daemon/names.h"

static const char *const families[] = { "4", "6" };

static gboolean
is_new (VrDraft *draft, char *line)
{
  return g_hash_table_add (draft->seen, line);
}

static void
add_route (VrDraft *draft, VrRouteType type, const char *destination, const char *dev, const char *source, guint32 table, guint32 metric)
{
  VrRoute *route = g_new0 (VrRoute, 1);

  route->type = type;
  route->destination = g_strdup (destination);
  route->dev = g_strdup (dev);
  route->source = g_strdup (source);
  route->table = table;
  route->metric = metric;
  if (is_new (draft, vr_route_to_string (route)))
    g_ptr_array_add (draft->plan->routes, route);
  else
    vr_route_free (route);
}

void
vr_draft_route (VrDraft *draft, VrRouteType type, const char *destination, const char *dev, const char *source, guint32 table)
{
  add_route (draft, type, destination, dev, source, table, type == VR_ROUTE_UNREACHABLE ? VR_METRIC_UNREACHABLE : VR_METRIC);
}

void
vr_draft_route_behind (VrDraft *draft, const char *destination, const char *dev, const char *source, guint32 table)
{
  add_route (draft, VR_ROUTE_VIA_DEV, destination, dev, source, table, VR_METRIC_BEHIND);
}

void
vr_draft_rule (VrDraft *draft, guint32 priority, gboolean v6, const char *from, const char *to, const char *iif, guint32 table)
{
  VrRule *rule = g_new0 (VrRule, 1);

  rule->priority = priority;
  rule->v6 = v6;
  rule->from = g_strdup (from);
  rule->to = g_strdup (to);
  rule->iif = g_strdup (iif);
  rule->table = table;
  if (is_new (draft, vr_rule_to_string (rule)))
    g_ptr_array_add (draft->plan->rules, rule);
  else
    vr_rule_free (rule);
}

void
vr_draft_neighbour (VrDraft *draft, const char *address, const char *dev, const char *mac)
{
  VrNeighbour *neighbour = g_new0 (VrNeighbour, 1);

  neighbour->address = g_strdup (address);
  neighbour->dev = g_strdup (dev);
  neighbour->mac = g_strdup (mac);
  if (is_new (draft, vr_neighbour_to_string (neighbour)))
    g_ptr_array_add (draft->plan->neighbours, neighbour);
  else
    vr_neighbour_free (neighbour);
}

void
vr_draft_forwarding (VrDraft *draft, const char *mac, const char *dev)
{
  VrForwarding *forwarding = g_new0 (VrForwarding, 1);

  forwarding->mac = g_strdup (mac);
  forwarding->dev = g_strdup (dev);
  if (is_new (draft, vr_forwarding_to_string (forwarding)))
    g_ptr_array_add (draft->plan->forwardings, forwarding);
  else
    vr_forwarding_free (forwarding);
}

void
vr_draft_element (VrDraft *draft, VrNftFamily family, const char *set, char *key /* taken */)
{
  VrElement *element = g_new0 (VrElement, 1);

  element->family = family;
  element->set = g_strdup (set);
  element->key = key;
  if (is_new (draft, vr_element_to_string (element)))
    g_ptr_array_add (draft->plan->elements, element);
  else
    vr_element_free (element);
}

void
vr_draft_address (VrDraft *draft, const char *set, const char *dev, const char *address)
{
  g_autofree char *twin = g_strconcat (set, families[vr_address_is_v6 (address)], NULL);

  vr_draft_element (draft, VR_NFT_INET, twin,
               dev != NULL ? g_strdup_printf ("\"%s\" . %s", dev, address) : g_strdup (address));
}

void
vr_draft_sysctl (VrDraft *draft, const char *value, const char *format, const char *dev)
{
  VrSysctl *sysctl = g_new0 (VrSysctl, 1);
  g_auto (GStrv) around = g_strsplit (format, "%", 2);

  sysctl->path = g_strconcat (around[0], dev, around[1], NULL);
  sysctl->value = g_strdup (value);
  if (is_new (draft, vr_sysctl_to_string (sysctl)))
    g_ptr_array_add (draft->plan->sysctls, sysctl);
  else
    vr_sysctl_free (sysctl);
}

void
vr_draft_announcement (VrDraft *draft, const char *address, const char *mac, const char *dev)
{
  VrAnnouncement *announcement = g_new0 (VrAnnouncement, 1);

  announcement->address = g_strdup (address);
  announcement->mac = g_strdup (mac);
  announcement->dev = g_strdup (dev);
  if (is_new (draft, vr_announcement_to_string (announcement)))
    g_ptr_array_add (draft->plan->announcements, announcement);
  else
    vr_announcement_free (announcement);
}

void
vr_draft_queue (VrDraft *draft, const char *dev, guint32 length)
{
  VrQueue *queue = g_new0 (VrQueue, 1);

  queue->dev = g_strdup (dev);
  queue->length = length;
  if (is_new (draft, vr_queue_to_string (queue)))
    g_ptr_array_add (draft->plan->queues, queue);
  else
    vr_queue_free (queue);
}

void
vr_draft_path (VrDraft *draft, const char *address, const char *owner, VrPathState state, const char *from)
{
  VrPath *path = g_new0 (VrPath, 1);

  path->address = g_strdup (address);
  path->owner = g_strdup (owner);
  path->state = state;
  path->from = g_strdup (from);
  if (is_new (draft, vr_path_to_string (path)))
    g_ptr_array_add (draft->plan->paths, path);
  else
    vr_path_free (path);
}

/* ---- small questions ---- */

char *
vr_plan_host_route (const char *address)
{
  return g_strconcat (address, vr_address_is_v6 (address) ? "/128" : "/32", NULL);
}

const char *
vr_plan_mac_of (const VrDraft *draft, const char *dev)
{
  return dev != NULL ? g_hash_table_lookup (draft->facts->macs, dev) : NULL;
}

char *
vr_plan_gateway_of (const VrHost *host, gboolean v6, const char *address)
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

char *
vr_facts_key (const char *dev, const char *address)
{
  return g_strconcat (dev, " ", address, NULL);
}

gboolean
vr_plan_reaches (const VrHost *a, const VrHost *b)
{
  return g_strv_contains ((const char *const *) a->reach, b->name) || g_strv_contains ((const char *const *) a->reach, "*");
}

gboolean
vr_plan_may_go_direct (const VrDraft *draft, const char *peer)
{
  return draft->facts->direct != VR_DIRECT_NEVER && g_hash_table_contains (draft->facts->tunnels, peer);
}

void
vr_plan_stand_in (VrDraft *draft, const char *address, const char *bridge)
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

void
vr_plan_want_tunnel (VrDraft *draft, const char *initiator, const char *other)
{
  if (g_str_equal (initiator, other))
    return;
  if (g_str_equal (initiator, draft->facts->self))
    g_hash_table_add (draft->mine, (gpointer) other);
  else if (g_str_equal (other, draft->facts->self))
    g_hash_table_add (draft->theirs, (gpointer) initiator);
}

void
vr_plan_by_tunnel (VrDraft *draft, const char *set, const char *host, const VrCase *c)
{
  g_autofree char *dev = vr_tunnel_dev (host);

  for (guint i = 0; i < c->addresses->len; i++)
    vr_draft_address (draft, set, dev, c->addresses->pdata[i]);
}
