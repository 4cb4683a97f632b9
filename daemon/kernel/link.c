/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of links. Only what the rest needs is kept, so that "did it change" means "did something change that
 * matters": statistics, carrier and the like do not. Messages of the bridge (family AF_BRIDGE) tell of ports, not of
 * links; that a link became a port is in its own message too.
 */
#include "link.h"

#include "daemon/names.h"

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <string.h>

struct _VrLinks {
  GHashTable *by_index;  /* index -> VrLink, owned */
  GHashTable *by_name;   /* name -> the same */
  GHashTable *addresses; /* set of text */
  GHashTable *numbered;  /* set of the indexes of links with an IPv4 address */
};

static void
link_free (gpointer data)
{
  VrLink *link = data;

  g_free (link->name);
  g_free (link->mac);
  g_free (link->kind);
  g_free (link->alias);
  g_free (link);
}

VrLinks *
vr_links_new (void)
{
  VrLinks *links = g_new0 (VrLinks, 1);

  links->by_index = g_hash_table_new_full (NULL, NULL, NULL, link_free);
  links->by_name = g_hash_table_new (g_str_hash, g_str_equal);
  links->addresses = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  links->numbered = g_hash_table_new (NULL, NULL);
  return links;
}

void
vr_links_free (VrLinks *links)
{
  if (links == NULL)
    return;
  g_hash_table_unref (links->by_name);
  g_hash_table_unref (links->by_index);
  g_hash_table_unref (links->addresses);
  g_hash_table_unref (links->numbered);
  g_free (links);
}

/* ---- messages ---- */

static char *
attribute_string (const struct nlattr *attribute)
{
  if (attribute == NULL || mnl_attr_validate (attribute, MNL_TYPE_NUL_STRING) < 0)
    return NULL;
  return g_strdup (mnl_attr_get_str (attribute));
}

static void
read_info (VrLink *link, const struct nlattr *info)
{
  const struct nlattr *attribute, *data = NULL;

  if (info == NULL)
    return;
  mnl_attr_for_each_nested (attribute, info)
    if (mnl_attr_get_type (attribute) == IFLA_INFO_KIND)
      {
        g_free (link->kind);
        link->kind = attribute_string (attribute);
      }
    else if (mnl_attr_get_type (attribute) == IFLA_INFO_DATA)
      data = attribute;
  if (data == NULL || g_strcmp0 (link->kind, "xfrm") != 0)
    return;
  mnl_attr_for_each_nested (attribute, data)
    if (mnl_attr_get_type (attribute) == IFLA_XFRM_IF_ID && mnl_attr_get_payload_len (attribute) == sizeof (guint32))
      link->if_id = mnl_attr_get_u32 (attribute);
}

/* NULL: not a link's message */
static VrLink *
link_from_message (const struct nlmsghdr *nlh)
{
  const struct ifinfomsg *header = mnl_nlmsg_get_payload (nlh);
  const struct nlattr    *tb[IFLA_GROUP + 1];
  VrLink                 *link;

  if (mnl_nlmsg_get_payload_len (nlh) < sizeof *header || header->ifi_family != AF_UNSPEC)
    return NULL;
  vr_attributes (nlh, sizeof *header, tb, IFLA_GROUP);
  if (tb[IFLA_IFNAME] == NULL || mnl_attr_validate (tb[IFLA_IFNAME], MNL_TYPE_NUL_STRING) < 0)
    return NULL;

  link = g_new0 (VrLink, 1);
  link->index = header->ifi_index;
  link->name = attribute_string (tb[IFLA_IFNAME]);
  link->mac = vr_attribute_mac (tb[IFLA_ADDRESS]);
  link->alias = attribute_string (tb[IFLA_IFALIAS]);
  link->master = tb[IFLA_MASTER] != NULL ? (int) mnl_attr_get_u32 (tb[IFLA_MASTER]) : 0;
  link->mtu = tb[IFLA_MTU] != NULL ? mnl_attr_get_u32 (tb[IFLA_MTU]) : 0;
  link->queue = tb[IFLA_TXQLEN] != NULL ? mnl_attr_get_u32 (tb[IFLA_TXQLEN]) : 0;
  link->group = tb[IFLA_GROUP] != NULL ? mnl_attr_get_u32 (tb[IFLA_GROUP]) : 0;
  link->up = (header->ifi_flags & IFF_UP) != 0;
  read_info (link, tb[IFLA_LINKINFO]);
  return link;
}

static void
put (VrLinks *links, VrLink *link)
{
  const VrLink *before = g_hash_table_lookup (links->by_index, GINT_TO_POINTER (link->index));

  if (before != NULL && g_hash_table_lookup (links->by_name, before->name) == before)
    g_hash_table_remove (links->by_name, before->name); /* its key goes with it */
  g_hash_table_replace (links->by_name, link->name, link);
  g_hash_table_replace (links->by_index, GINT_TO_POINTER (link->index), link);
}

static gboolean
same (const VrLink *a, const VrLink *b)
{
  return g_str_equal (a->name, b->name) && g_strcmp0 (a->mac, b->mac) == 0 && g_strcmp0 (a->kind, b->kind) == 0
         && g_strcmp0 (a->alias, b->alias) == 0 && a->master == b->master && a->if_id == b->if_id && a->mtu == b->mtu
         && a->group == b->group && a->up == b->up;
}

static void
forget (VrLinks *links, const VrLink *link)
{
  if (g_hash_table_lookup (links->by_name, link->name) == link)
    g_hash_table_remove (links->by_name, link->name);
  g_hash_table_remove (links->by_index, GINT_TO_POINTER (link->index));
}

char *
vr_links_take (VrLinks *links, const struct nlmsghdr *nlh)
{
  VrLink          *link = link_from_message (nlh);
  VrLink          *before;
  g_autofree char *name = NULL;

  if (link == NULL)
    return NULL;
  name = g_strdup (link->name);
  before = g_hash_table_lookup (links->by_index, GINT_TO_POINTER (link->index));
  if (nlh->nlmsg_type == RTM_NEWLINK && (before == NULL || !same (before, link)))
    {
      put (links, link);
      return g_steal_pointer (&name);
    }
  if (before != NULL)
    before->queue = link->queue; /* of interest to us alone, no reason to look at everything again */
  link_free (link);
  if (nlh->nlmsg_type != RTM_DELLINK || before == NULL)
    return NULL;
  forget (links, before);
  return g_steal_pointer (&name);
}

/* ---- reading ---- */

static void
take_dumped_link (const struct nlmsghdr *nlh, gpointer data)
{
  VrLink *link = link_from_message (nlh);

  if (link != NULL)
    put (data, link);
}

static void
take_dumped_address (const struct nlmsghdr *nlh, gpointer data)
{
  VrLinks                *links = data;
  const struct ifaddrmsg *header = mnl_nlmsg_get_payload (nlh);
  const struct nlattr    *tb[IFA_FLAGS + 1];
  guint32                 flags;
  char                   *address;

  if (mnl_nlmsg_get_payload_len (nlh) < sizeof *header)
    return;
  vr_attributes (nlh, sizeof *header, tb, IFA_FLAGS);
  flags = tb[IFA_FLAGS] != NULL ? mnl_attr_get_u32 (tb[IFA_FLAGS]) : header->ifa_flags;
  if ((flags & IFA_F_TENTATIVE) && !(flags & IFA_F_OPTIMISTIC))
    return;
  address = vr_attribute_address (tb[IFA_LOCAL] != NULL ? tb[IFA_LOCAL] : tb[IFA_ADDRESS], header->ifa_family);
  if (address != NULL)
    g_hash_table_add (links->addresses, address);
  if (address != NULL && header->ifa_family == AF_INET)
    g_hash_table_add (links->numbered, GUINT_TO_POINTER (header->ifa_index));
}

gboolean
vr_links_read_addresses (VrLinks *links, VrRtnl *rtnl, GError **error)
{
  struct ifaddrmsg header = { .ifa_family = AF_UNSPEC };

  g_hash_table_remove_all (links->addresses);
  g_hash_table_remove_all (links->numbered);
  return vr_rtnl_dump (rtnl, RTM_GETADDR, &header, sizeof header, take_dumped_address, links, error);
}

gboolean
vr_links_read (VrLinks *links, VrRtnl *rtnl, GError **error)
{
  struct ifinfomsg header = { .ifi_family = AF_UNSPEC };

  g_hash_table_remove_all (links->by_name);
  g_hash_table_remove_all (links->by_index);
  return vr_rtnl_dump (rtnl, RTM_GETLINK, &header, sizeof header, take_dumped_link, links, error)
         && vr_links_read_addresses (links, rtnl, error);
}

/* ---- what they count ---- */

static void
take_counts (const struct nlmsghdr *nlh, gpointer data)
{
  const struct ifinfomsg *header = mnl_nlmsg_get_payload (nlh);
  const struct nlattr    *tb[IFLA_STATS64 + 1];
  struct rtnl_link_stats64 counts = { 0 };
  VrTap *tap;

  if (mnl_nlmsg_get_payload_len (nlh) < sizeof *header)
    return;
  vr_attributes (nlh, sizeof *header, tb, IFLA_STATS64);
  if (tb[IFLA_IFNAME] == NULL || mnl_attr_validate (tb[IFLA_IFNAME], MNL_TYPE_NUL_STRING) < 0 || tb[IFLA_STATS64] == NULL)
    return;
  memcpy (&counts, mnl_attr_get_payload (tb[IFLA_STATS64]), MIN (sizeof counts, mnl_attr_get_payload_len (tb[IFLA_STATS64])));
  tap = g_new0 (VrTap, 1);
  tap->index = header->ifi_index;
  tap->queue = tb[IFLA_TXQLEN] != NULL ? mnl_attr_get_u32 (tb[IFLA_TXQLEN]) : 0;
  tap->delivered = counts.tx_packets;
  tap->dropped = counts.tx_dropped;
  g_hash_table_replace (data, attribute_string (tb[IFLA_IFNAME]), tap);
}

GHashTable *
vr_taps_read (VrRtnl *rtnl, GError **error)
{
  g_autoptr (GHashTable) taps = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  struct ifinfomsg header = { .ifi_family = AF_UNSPEC };

  if (!vr_rtnl_dump (rtnl, RTM_GETLINK, &header, sizeof header, take_counts, taps, error))
    return NULL;
  return g_steal_pointer (&taps);
}

/* ---- asking ---- */

gboolean
vr_link_is_ours (const VrLink *link)
{
  return g_str_has_prefix (link->name, VR_LINK_PREFIX) && link->group == VR_LINK_GROUP;
}

const VrLink *
vr_links_by_name (const VrLinks *links, const char *name)
{
  return g_hash_table_lookup (links->by_name, name);
}

const VrLink *
vr_links_by_index (const VrLinks *links, int index)
{
  return g_hash_table_lookup (links->by_index, GINT_TO_POINTER (index));
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp ((*(const VrLink *const *) a)->name, (*(const VrLink *const *) b)->name);
}

GPtrArray *
vr_links_all (const VrLinks *links)
{
  GPtrArray     *all = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer       link;

  g_hash_table_iter_init (&iter, links->by_index);
  while (g_hash_table_iter_next (&iter, NULL, &link))
    g_ptr_array_add (all, link);
  g_ptr_array_sort (all, compare_names);
  return all;
}

gboolean
vr_links_has_address (const VrLinks *links, const char *address)
{
  return g_hash_table_contains (links->addresses, address);
}

gboolean
vr_links_is_numbered (const VrLinks *links, int index)
{
  return g_hash_table_contains (links->numbered, GINT_TO_POINTER (index));
}
