/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Routes. Ours are those with our protocol. A route's place is its destination, table and metric; a route in the same
 * place is replaced in one step, so that no packet finds the place empty.
 *
 * A preferred source that is not configured here (yet) makes the kernel refuse the route, or drop the source later: the
 * route is wanted without it until the address is there. A route over a device that is missing or down cannot be; it is
 * not wanted for now.
 */
#include "sync.h"

#include "daemon/model/address.h"
#include "daemon/names.h"

#include <errno.h>
#include <string.h>

/* What stands for the source of a route with our tag that no plan can contain (another type, a gateway, several ways): it
 * equals none. */
#define STRANGE "?"

static VrRoute *
route_from_message (const struct nlmsghdr *nlh, const VrLinks *links)
{
  const struct rtmsg  *header = mnl_nlmsg_get_payload (nlh);
  const struct nlattr *tb[RTA_TABLE + 1];
  g_autofree char     *address = NULL;
  const VrLink        *link;
  VrRoute             *route;

  if (mnl_nlmsg_get_payload_len (nlh) < sizeof *header || header->rtm_protocol != VR_ROUTE_PROTOCOL
      || (header->rtm_flags & RTM_F_CLONED) || (header->rtm_family != AF_INET && header->rtm_family != AF_INET6))
    return NULL;
  vr_attributes (nlh, sizeof *header, tb, RTA_TABLE);
  address = vr_attribute_address (tb[RTA_DST], header->rtm_family);

  route = g_new0 (VrRoute, 1);
  route->destination = g_strdup_printf ("%s/%u",
                                        address != NULL                 ? address
                                        : header->rtm_family == AF_INET ? "0.0.0.0"
                                                                        : "::",
                                        header->rtm_dst_len);
  route->table = tb[RTA_TABLE] != NULL ? mnl_attr_get_u32 (tb[RTA_TABLE]) : header->rtm_table;
  route->metric = tb[RTA_PRIORITY] != NULL ? mnl_attr_get_u32 (tb[RTA_PRIORITY]) : 0;
  route->source = vr_attribute_address (tb[RTA_PREFSRC], header->rtm_family);
  if (header->rtm_type == RTN_UNREACHABLE || header->rtm_type == RTN_THROW)
    {
      route->type = header->rtm_type == RTN_THROW ? VR_ROUTE_THROW : VR_ROUTE_UNREACHABLE;
      return route;
    }
  link = tb[RTA_OIF] != NULL ? vr_links_by_index (links, mnl_attr_get_u32 (tb[RTA_OIF])) : NULL;
  route->dev = g_strdup (link != NULL ? link->name : STRANGE);
  if (header->rtm_type != RTN_UNICAST || link == NULL || tb[RTA_GATEWAY] != NULL || tb[RTA_MULTIPATH] != NULL)
    {
      g_free (route->source);
      route->source = g_strdup (STRANGE);
    }
  return route;
}

typedef struct {
  const VrLinks *links;
  GPtrArray     *found;
} Dump;

static void
take_dumped (const struct nlmsghdr *nlh, gpointer data)
{
  Dump    *dump = data;
  VrRoute *route = route_from_message (nlh, dump->links);

  if (route != NULL)
    g_ptr_array_add (dump->found, route);
}

GPtrArray *
vr_routes_read (VrRtnl *rtnl, const VrLinks *links, GError **error)
{
  g_autoptr (GPtrArray) found = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_route_free);
  Dump         dump = { links, found };
  struct rtmsg header = { .rtm_family = AF_INET, .rtm_protocol = VR_ROUTE_PROTOCOL };

  if (!vr_rtnl_dump (rtnl, RTM_GETROUTE, &header, sizeof header, take_dumped, &dump, error))
    return NULL;
  header.rtm_family = AF_INET6;
  if (!vr_rtnl_dump (rtnl, RTM_GETROUTE, &header, sizeof header, take_dumped, &dump, error))
    return NULL;
  return g_steal_pointer (&found);
}

/* ---- requests ---- */

static guint8
kernel_type (const VrRoute *route)
{
  switch (route->type)
    {
    case VR_ROUTE_UNREACHABLE:
      return RTN_UNREACHABLE;
    case VR_ROUTE_THROW:
      return RTN_THROW;
    case VR_ROUTE_VIA_DEV:
      break;
    }
  return RTN_UNICAST;
}

VrRequest *
vr_route_request (const VrLinks *links, const VrRoute *route, guint16 type, char *item)
{
  g_autoptr (VrRequest) request = vr_request_new (type, type == RTM_NEWROUTE ? NLM_F_CREATE | NLM_F_REPLACE : 0, item);
  struct rtmsg *header = vr_request_header (request, sizeof *header);
  const VrLink *link = route->dev != NULL ? vr_links_by_name (links, route->dev) : NULL;
  guint8        bytes[16];
  int           family;

  if (!vr_prefix_parse (route->destination, bytes, &family, &header->rtm_dst_len))
    return NULL;
  if (type == RTM_NEWROUTE && route->type == VR_ROUTE_VIA_DEV && (link == NULL || !link->up))
    return NULL;
  header->rtm_family = family;
  header->rtm_protocol = VR_ROUTE_PROTOCOL;
  header->rtm_table = RT_TABLE_UNSPEC; /* the attribute says it: it may be over 255 */
  header->rtm_scope = type == RTM_DELROUTE ? RT_SCOPE_NOWHERE : link != NULL ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  header->rtm_type = type == RTM_DELROUTE ? RTN_UNSPEC : kernel_type (route);
  mnl_attr_put (request->nlh, RTA_DST, family == AF_INET ? 4 : 16, bytes);
  mnl_attr_put_u32 (request->nlh, RTA_TABLE, route->table);
  mnl_attr_put_u32 (request->nlh, RTA_PRIORITY, route->metric);
  if (link != NULL)
    mnl_attr_put_u32 (request->nlh, RTA_OIF, link->index);
  if (type == RTM_NEWROUTE && route->source != NULL && !vr_request_put_address (request, RTA_PREFSRC, route->source))
    return NULL;
  return g_steal_pointer (&request);
}

static void
add (VrSync *sync, const VrRoute *route, const char *line, const char *replaced)
{
  VrRequest *request = vr_route_request (sync->links, route, RTM_NEWROUTE, g_strconcat ("+ ", line, NULL));

  if (request == NULL)
    {
      vr_trouble_take (sync->trouble, g_error_new (VR_KERNEL_ERROR, VR_KERNEL_ERROR_NETLINK, "malformed item: %s", line));
      return;
    }
  request->replaces = replaced != NULL ? g_strconcat ("- ", replaced, NULL) : NULL;
  g_ptr_array_add (sync->adds, request);
}

static void
remove_route (VrSync *sync, const VrRoute *route, const char *line)
{
  VrRequest *request = vr_route_request (sync->links, route, RTM_DELROUTE, g_strconcat ("- ", line, NULL));

  request->harmless = ESRCH;
  g_ptr_array_add (sync->removes, request);
}

/* ---- the difference ---- */

static char *
place (const VrRoute *route)
{
  return g_strdup_printf ("%s %u %u", route->destination, route->table, route->metric);
}

static gboolean
possible (const VrSync *sync, const VrRoute *route)
{
  const VrLink *link;

  if (route->type != VR_ROUTE_VIA_DEV)
    return TRUE;
  link = vr_links_by_name (sync->links, route->dev);
  return link != NULL && link->up;
}

/* The wanted route with its source only if that is configured here. Borrows the strings. */
static VrRoute
for_now (const VrSync *sync, const VrRoute *wanted)
{
  VrRoute route = *wanted;

  if (route.source != NULL && !vr_links_has_address (sync->links, route.source))
    route.source = NULL;
  return route;
}

/* line -> place of what is there and not wanted */
static GHashTable *
by_place (GHashTable *lines)
{
  GHashTable    *places = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  GHashTableIter iter;
  gpointer       line, route;

  g_hash_table_iter_init (&iter, lines);
  while (g_hash_table_iter_next (&iter, &line, &route))
    g_hash_table_replace (places, place (route), line);
  return places;
}

void
vr_sync_routes (VrSync *sync, GPtrArray *wanted)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) found = vr_routes_read (sync->rtnl, sync->links, &error), missing = g_ptr_array_new ();
  g_autoptr (GHashTable) lines = NULL, places = NULL;
  GHashTableIter iter;
  gpointer       line, route;

  if (found == NULL)
    {
      vr_trouble_take (sync->trouble, g_steal_pointer (&error));
      return;
    }
  lines = vr_lines (found, (VrToString) vr_route_to_string);
  for (guint i = 0; i < wanted->len; i++)
    {
      VrRoute          now = for_now (sync, wanted->pdata[i]);
      g_autofree char *name = vr_route_to_string (&now);

      if (possible (sync, &now) && !g_hash_table_remove (lines, name))
        g_ptr_array_add (missing, wanted->pdata[i]);
    }
  places = by_place (lines);
  for (guint i = 0; i < missing->len; i++)
    {
      VrRoute          now = for_now (sync, missing->pdata[i]);
      g_autofree char *name = vr_route_to_string (&now), *where = place (&now);
      const char      *replaced = g_hash_table_lookup (places, where);

      add (sync, &now, name, replaced);
      if (replaced != NULL)
        g_hash_table_remove (lines, replaced);
      g_hash_table_remove (places, where);
    }
  g_hash_table_iter_init (&iter, lines);
  while (g_hash_table_iter_next (&iter, &line, &route))
    remove_route (sync, route, line);
}
