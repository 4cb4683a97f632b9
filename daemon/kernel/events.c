/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A busy host's notifications are many, and few are of concern here:
 *   links        that came, went, or changed in what the table of links keeps (the table says so)
 *   routes       with our protocol, or in a table of ours
 *   rules        with our protocol
 *   addresses    that a route wants as its source
 *   neighbours   for which an entry is wanted, or with our protocol; those of a bridge: MACs for which an entry is wanted
 * Changes that came through our own socket carry its port and do not count. The bridge names no port for anybody's
 * entries: there, what says just what is wanted does not count.
 *
 * When the kernel ran out of room for notifications everything is read anew, and counts as changed.
 */
#include "events.h"

#include "daemon/names.h"

#include <errno.h>
#include <glib-unix.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <string.h>

enum {
  RECEIVE_SIZE = 64 * 1024,
  QUEUE_SIZE = 4 * 1024 * 1024,
};

struct _VrEvents {
  VrRtnl            *rtnl;
  VrLinks           *links;
  struct mnl_socket *socket;
  GSource           *source;
  char              *buffer;
  VrEventsChanged    changed;
  gpointer           data;
  GHashTable        *tables;      /* set of numbers: the plan's routes' tables */
  GHashTable        *sources;     /* set of addresses */
  GHashTable        *neighbours;  /* set of "ADDRESS DEV" */
  GHashTable        *forwardings; /* MAC -> port */
};

static GHashTable *
string_set (void)
{
  return g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
}

void
vr_events_set_plan (VrEvents *events, const VrPlan *plan)
{
  g_hash_table_remove_all (events->tables);
  g_hash_table_remove_all (events->sources);
  g_hash_table_remove_all (events->neighbours);
  g_hash_table_remove_all (events->forwardings);
  for (guint i = 0; i < plan->routes->len; i++)
    {
      const VrRoute *route = plan->routes->pdata[i];

      g_hash_table_add (events->tables, GUINT_TO_POINTER (route->table));
      if (route->source != NULL)
        g_hash_table_add (events->sources, g_strdup (route->source));
    }
  for (guint i = 0; i < plan->neighbours->len; i++)
    {
      const VrNeighbour *neighbour = plan->neighbours->pdata[i];

      g_hash_table_add (events->neighbours, g_strdup_printf ("%s %s", neighbour->address, neighbour->dev));
    }
  for (guint i = 0; i < plan->forwardings->len; i++)
    {
      const VrForwarding *forwarding = plan->forwardings->pdata[i];

      g_hash_table_replace (events->forwardings, g_strdup (forwarding->mac), g_strdup (forwarding->dev));
    }
}

/* ---- what matters ---- */

static gboolean
link_matters (VrEvents *events, const struct nlmsghdr *nlh)
{
  g_autofree char *name = vr_links_take (events->links, nlh);

  return name != NULL;
}

static gboolean
route_matters (VrEvents *events, const struct nlmsghdr *nlh)
{
  const struct rtmsg  *header = mnl_nlmsg_get_payload (nlh);
  const struct nlattr *tb[RTA_TABLE + 1];

  if (mnl_nlmsg_get_payload_len (nlh) < sizeof *header || (header->rtm_flags & RTM_F_CLONED))
    return FALSE;
  if (header->rtm_protocol == VR_ROUTE_PROTOCOL)
    return TRUE;
  vr_attributes (nlh, sizeof *header, tb, RTA_TABLE);
  return tb[RTA_TABLE] != NULL
         && g_hash_table_contains (events->tables, GUINT_TO_POINTER (mnl_attr_get_u32 (tb[RTA_TABLE])));
}

static gboolean
rule_matters (const struct nlmsghdr *nlh)
{
  const struct nlattr *tb[FRA_PROTOCOL + 1];

  vr_attributes (nlh, sizeof (struct fib_rule_hdr), tb, FRA_PROTOCOL);
  return tb[FRA_PROTOCOL] != NULL && mnl_attr_get_u8 (tb[FRA_PROTOCOL]) == VR_ROUTE_PROTOCOL;
}

static gboolean
address_matters (VrEvents *events, const struct nlmsghdr *nlh)
{
  const struct ifaddrmsg *header = mnl_nlmsg_get_payload (nlh);
  const struct nlattr    *tb[IFA_LOCAL + 1];
  g_autofree char        *address = NULL;

  if (mnl_nlmsg_get_payload_len (nlh) < sizeof *header)
    return FALSE;
  vr_attributes (nlh, sizeof *header, tb, IFA_LOCAL);
  address = vr_attribute_address (tb[IFA_LOCAL] != NULL ? tb[IFA_LOCAL] : tb[IFA_ADDRESS], header->ifa_family);
  return address != NULL && g_hash_table_contains (events->sources, address);
}

static gboolean
forwarding_matters (VrEvents *events, const struct nlmsghdr *nlh, const struct ndmsg *header, const struct nlattr **tb)
{
  g_autofree char *mac = vr_attribute_mac (tb[NDA_LLADDR]);
  const char      *wanted = mac != NULL ? g_hash_table_lookup (events->forwardings, mac) : NULL;
  const VrLink    *link = vr_links_by_index (events->links, header->ndm_ifindex);
  gboolean         right;

  if (wanted == NULL || tb[NDA_MASTER] == NULL || tb[NDA_VLAN] != NULL)
    return FALSE;
  right = link != NULL && g_str_equal (link->name, wanted) && (header->ndm_state & NUD_NOARP);
  return nlh->nlmsg_type == RTM_NEWNEIGH ? !right : link == NULL || g_str_equal (link->name, wanted);
}

static gboolean
neighbour_matters (VrEvents *events, const struct nlmsghdr *nlh)
{
  const struct ndmsg  *header = mnl_nlmsg_get_payload (nlh);
  const struct nlattr *tb[NDA_PROTOCOL + 1];
  g_autofree char     *address = NULL, *key = NULL;
  const VrLink        *link;

  if (mnl_nlmsg_get_payload_len (nlh) < sizeof *header)
    return FALSE;
  vr_attributes (nlh, sizeof *header, tb, NDA_PROTOCOL);
  if (header->ndm_family == AF_BRIDGE)
    return forwarding_matters (events, nlh, header, tb);
  /* That an entry with our tag is gone is of concern only if it is wanted: the kernel says so a second time, without the
   * sender's port. */
  if (nlh->nlmsg_type == RTM_NEWNEIGH && tb[NDA_PROTOCOL] != NULL
      && mnl_attr_get_u8 (tb[NDA_PROTOCOL]) == VR_ROUTE_PROTOCOL)
    return TRUE;
  link = vr_links_by_index (events->links, header->ndm_ifindex);
  address = vr_attribute_address (tb[NDA_DST], header->ndm_family);
  if (link == NULL || address == NULL)
    return FALSE;
  key = g_strdup_printf ("%s %s", address, link->name);
  return g_hash_table_contains (events->neighbours, key);
}

static gboolean
matters (VrEvents *events, const struct nlmsghdr *nlh)
{
  /* Links count whoever changed them: one that was made here has settings and routes to come. */
  if (nlh->nlmsg_type == RTM_NEWLINK || nlh->nlmsg_type == RTM_DELLINK)
    return link_matters (events, nlh);
  if (nlh->nlmsg_pid == vr_rtnl_port (events->rtnl))
    return FALSE;
  switch (nlh->nlmsg_type)
    {
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
      return route_matters (events, nlh);
    case RTM_NEWRULE:
    case RTM_DELRULE:
      return rule_matters (nlh);
    case RTM_NEWADDR:
    case RTM_DELADDR:
      return address_matters (events, nlh);
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH:
      return neighbour_matters (events, nlh);
    default:
      return FALSE;
    }
}

/* ---- reading ---- */

static void
resync (VrEvents *events)
{
  g_autoptr (GError) error = NULL;

  if (!vr_links_read (events->links, events->rtnl, &error))
    g_message ("after lost notifications: %s", error->message);
  events->changed (events->data);
}

void
vr_events_read (VrEvents *events)
{
  for (;;)
    {
      gssize got = recv (mnl_socket_get_fd (events->socket), events->buffer, RECEIVE_SIZE, MSG_DONTWAIT);
      int    left = got;

      if (got < 0 && errno == EINTR)
        continue;
      if (got < 0 && errno == ENOBUFS)
        {
          resync (events);
          continue;
        }
      if (got <= 0)
        return;
      for (const struct nlmsghdr *nlh = (gpointer) events->buffer; mnl_nlmsg_ok (nlh, left);
           nlh = mnl_nlmsg_next (nlh, &left))
        if (matters (events, nlh))
          events->changed (events->data);
    }
}

static gboolean
on_readable (int fd, GIOCondition condition, gpointer data)
{
  vr_events_read (data);
  return G_SOURCE_CONTINUE;
}

static gboolean
open_socket (VrEvents *events, GError **error)
{
  static const int groups[] = { RTNLGRP_LINK, RTNLGRP_NEIGH, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE,
                                RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE };
  int size = QUEUE_SIZE;

  events->socket = mnl_socket_open2 (NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (events->socket == NULL || mnl_socket_bind (events->socket, 0, MNL_SOCKET_AUTOPID) < 0)
    {
      g_set_error (error, VR_KERNEL_ERROR, VR_KERNEL_ERROR_NETLINK, "cannot listen to route netlink: %s",
                   g_strerror (errno));
      return FALSE;
    }
  for (guint i = 0; i < G_N_ELEMENTS (groups); i++)
    if (mnl_socket_setsockopt (events->socket, NETLINK_ADD_MEMBERSHIP, (gpointer) &groups[i], sizeof groups[i]) < 0)
      {
        g_set_error (error, VR_KERNEL_ERROR, VR_KERNEL_ERROR_NETLINK, "cannot listen to group %d of route netlink: %s",
                     groups[i], g_strerror (errno));
        return FALSE;
      }
  setsockopt (mnl_socket_get_fd (events->socket), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size); /* less also works */
  return TRUE;
}

VrEvents *
vr_events_new (VrRtnl *rtnl, VrLinks *links, VrEventsChanged changed, gpointer data, GError **error)
{
  g_autoptr (VrEvents) events = g_new0 (VrEvents, 1);

  events->rtnl = rtnl;
  events->links = links;
  events->changed = changed;
  events->data = data;
  events->buffer = g_malloc (RECEIVE_SIZE);
  events->tables = g_hash_table_new (NULL, NULL);
  events->sources = string_set ();
  events->neighbours = string_set ();
  events->forwardings = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  if (!open_socket (events, error))
    return NULL;
  events->source = g_unix_fd_source_new (mnl_socket_get_fd (events->socket), G_IO_IN | G_IO_ERR);
  g_source_set_callback (events->source, G_SOURCE_FUNC (on_readable), events, NULL);
  g_source_attach (events->source, g_main_context_get_thread_default ());
  return g_steal_pointer (&events);
}

void
vr_events_free (VrEvents *events)
{
  if (events == NULL)
    return;
  if (events->source != NULL)
    {
      g_source_destroy (events->source);
      g_source_unref (events->source);
    }
  if (events->socket != NULL)
    mnl_socket_close (events->socket);
  g_hash_table_unref (events->tables);
  g_hash_table_unref (events->sources);
  g_hash_table_unref (events->neighbours);
  g_hash_table_unref (events->forwardings);
  g_free (events->buffer);
  g_free (events);
}
