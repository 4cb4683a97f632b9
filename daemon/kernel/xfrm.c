/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * XFRM interfaces. An interface is bound to its security associations by if_id alone: it names no underlying device, so
 * it stays when the underlay's interfaces come and go. It gets no link-local address of its own: its peer could do
 * nothing with one, and the kernel's router solicitations and listener reports would only be dropped, and counted, over
 * there.
 *
 * It gets an IPv4 address all the same, the dummy address of RFC 7600: on an interface without any, the kernel's loose reverse
 * path filter is a strict one, and drops what came by the relay while answers go straight. Its scope keeps it from ever
 * being a source.
 */
#include "xfrm.h"

#include "daemon/names.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <string.h>

static VrRequest *
link_request (guint16 type, guint16 flags, const char *name, guint up, char *item)
{
  VrRequest        *request = vr_request_new (type, flags, item);
  struct ifinfomsg *header = vr_request_header (request, sizeof *header);

  header->ifi_family = AF_UNSPEC;
  header->ifi_flags = header->ifi_change = up;
  mnl_attr_put_strz (request->nlh, IFLA_IFNAME, name);
  return request;
}

static VrRequest *
create_request (const char *name, guint32 if_id)
{
  VrRequest       *request = link_request (RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, name, 0,
                                           g_strdup_printf ("+ XFRM interface %s (if_id 0x%x)", name, if_id));
  struct nlmsghdr *nlh = request->nlh;
  struct nlattr   *info, *data;

  mnl_attr_put_u32 (nlh, IFLA_GROUP, VR_LINK_GROUP);
  info = mnl_attr_nest_start (nlh, IFLA_LINKINFO);
  mnl_attr_put_strz (nlh, IFLA_INFO_KIND, "xfrm");
  data = mnl_attr_nest_start (nlh, IFLA_INFO_DATA);
  mnl_attr_put_u32 (nlh, IFLA_XFRM_IF_ID, if_id);
  mnl_attr_nest_end (nlh, data);
  mnl_attr_nest_end (nlh, info);
  return request;
}

/* Settings of an interface that is there: in the message that creates it the kernel ignores them. */
static VrRequest *
set_request (const char *name, const char *alias, guint32 mtu)
{
  VrRequest       *request = link_request (RTM_NEWLINK, 0, name, 0, g_strdup_printf ("+ alias and settings of %s", name));
  struct nlmsghdr *nlh = request->nlh;
  struct nlattr   *spec, *inet6;

  mnl_attr_put_strz (nlh, IFLA_IFALIAS, alias);
  mnl_attr_put_u32 (nlh, IFLA_MTU, mtu);
  mnl_attr_put_u32 (nlh, IFLA_GROUP, VR_LINK_GROUP);
  spec = mnl_attr_nest_start (nlh, IFLA_AF_SPEC);
  inet6 = mnl_attr_nest_start (nlh, AF_INET6);
  mnl_attr_put_u8 (nlh, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
  mnl_attr_nest_end (nlh, inet6);
  mnl_attr_nest_end (nlh, spec);
  request->harmless = ENODEV; /* it could not be created, which has been said */
  return request;
}

/* In a message of its own: going up makes the link-local address, before the message's other settings are looked at. */
static VrRequest *
up_request (const char *name)
{
  VrRequest *request = link_request (RTM_NEWLINK, 0, name, IFF_UP, g_strdup_printf ("+ state up of %s", name));

  request->harmless = ENODEV;
  return request;
}

static void
add_address_request (GPtrArray *batch, int index, const char *name)
{
  VrRequest        *request = vr_request_new (RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, g_strdup_printf ("+ address " VR_LINK_ADDRESS " of %s", name));
  struct ifaddrmsg *header = vr_request_header (request, sizeof *header);

  header->ifa_family = AF_INET;
  header->ifa_prefixlen = 32;
  header->ifa_scope = RT_SCOPE_HOST;
  header->ifa_index = index;
  vr_request_put_address (request, IFA_LOCAL, VR_LINK_ADDRESS);
  vr_request_put_address (request, IFA_ADDRESS, VR_LINK_ADDRESS);
  request->harmless = EEXIST;
  g_ptr_array_add (batch, request);
}

static void
number (VrRtnl *rtnl, VrLinks *links, const char *name, VrTrouble *trouble)
{
  const VrLink         *link = vr_links_by_name (links, name);
  g_autoptr (GPtrArray) batch = vr_batch_new ();

  if (link == NULL || vr_links_is_numbered (links, link->index))
    return;
  add_address_request (batch, link->index, name);
  vr_rtnl_run (rtnl, batch, NULL, trouble);
}

static void
explain (GPtrArray *batch, const char *name, guint32 if_id, GError **error)
{
  const VrRequest *create = batch->pdata[0];

  if (error == NULL || *error == NULL)
    return;
  if (create->result == EOPNOTSUPP)
    g_prefix_error (error, "this kernel has no XFRM interfaces (CONFIG_XFRM_INTERFACE, modprobe xfrm_interface): ");
  else if (create->result == EEXIST)
    g_prefix_error (
        error, "another interface has the if_id 0x%x of %s; find it with \"ip -d link show type xfrm\": ", if_id, name);
}

/* FALSE: the name cannot be a tunnel's. */
static gboolean
check_name (const char *name, GError **error)
{
  if (g_str_has_prefix (name, VR_LINK_PREFIX) && strlen (name) < IFNAMSIZ)
    return TRUE;
  g_set_error (error, VR_KERNEL_ERROR, VR_KERNEL_ERROR_LINK,
               "interface \"%s\" is not virt-relay's: its interfaces are called %s…, at most %d characters", name,
               VR_LINK_PREFIX, IFNAMSIZ - 1);
  return FALSE;
}

/* FALSE: it is there, and somebody else's. One that lost our group, but does what a tunnel's has to do, is still ours. */
static gboolean
check_owner (const VrLink *link, guint32 if_id, GError **error)
{
  if (link == NULL || vr_link_is_ours (link) || (if_id != 0 && link->if_id == if_id))
    return TRUE;
  g_set_error (error, VR_KERNEL_ERROR, VR_KERNEL_ERROR_LINK,
               "an interface %s is there that virt-relay did not make; give it a name that does not begin with %s: "
               "ip link set %s down name NAME", link->name, VR_LINK_PREFIX, link->name);
  return FALSE;
}

gboolean
vr_xfrm_ensure (VrRtnl *rtnl, VrLinks *links, const char *name, guint32 if_id, const char *alias, guint32 mtu,
                gboolean *made, GError **error)
{
  const VrLink         *link = vr_links_by_name (links, name);
  g_autoptr (GPtrArray) batch = vr_batch_new ();
  VrTrouble             trouble = { NULL, 0 };

  if (made != NULL)
    *made = FALSE;
  if (!check_name (name, error) || !check_owner (link, if_id, error))
    return FALSE;
  if (strlen (alias) >= IFALIASZ)
    {
      g_set_error (error, VR_KERNEL_ERROR, VR_KERNEL_ERROR_LINK, "interface %s: the alias is over %d characters", name,
                   IFALIASZ - 1);
      return FALSE;
    }
  if (link != NULL && link->if_id == if_id && vr_link_is_ours (link) && link->up && link->mtu == mtu && g_strcmp0 (link->alias, alias) == 0
      && vr_links_is_numbered (links, link->index))
    return TRUE;
  if (link != NULL && link->if_id != if_id)
    {
      if (!vr_link_remove (rtnl, links, name, error))
        return FALSE;
      link = NULL;
    }
  if (link == NULL)
    g_ptr_array_add (batch, create_request (name, if_id));
  g_ptr_array_add (batch, set_request (name, alias, mtu));
  g_ptr_array_add (batch, up_request (name));
  vr_rtnl_run (rtnl, batch, NULL, &trouble);
  if (made != NULL)
    *made = TRUE;
  if (!vr_links_read (links, rtnl, error))
    {
      g_clear_error (&trouble.first);
      return FALSE;
    }
  number (rtnl, links, name, &trouble);
  if (vr_trouble_propagate (&trouble, error))
    return TRUE;
  if (link == NULL)
    explain (batch, name, if_id, error);
  return FALSE;
}

gboolean
vr_link_remove (VrRtnl *rtnl, VrLinks *links, const char *name, GError **error)
{
  g_autoptr (GPtrArray) batch = vr_batch_new ();
  VrTrouble             trouble = { NULL, 0 };
  VrRequest            *request;

  if (!check_name (name, error) || !check_owner (vr_links_by_name (links, name), 0, error))
    return FALSE;
  request = link_request (RTM_DELLINK, 0, name, 0, g_strdup_printf ("- interface %s", name));
  request->harmless = ENODEV;
  g_ptr_array_add (batch, request);
  vr_rtnl_run (rtnl, batch, NULL, &trouble);
  return vr_trouble_propagate (&trouble, error) && vr_links_read (links, rtnl, error);
}
