/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The links of this network namespace, read once and kept up to date by events; and the addresses that are configured on
 * them. */
#pragma once

#include "rtnl.h"

G_BEGIN_DECLS

typedef struct {
  int      index;
  char    *name;
  char    *mac;    /* NULL: it has none, or not one of six bytes */
  char    *kind;   /* "bridge", "xfrm", …; NULL: a device of the machine */
  char    *alias;  /* or NULL */
  int      master; /* index of the bridge that it is a port of, or 0 */
  guint32  if_id;  /* of an XFRM interface, else 0 */
  guint32  mtu;    /* bytes */
  guint32  group;  /* of links, as in "ip link show group"; 0: default */
  guint32  queue;  /* length of its transmit queue, packets */
  gboolean up;     /* administratively */
} VrLink;

typedef struct _VrLinks VrLinks;

VrLinks      *vr_links_new (void); /* empty until it is read */
void          vr_links_free (VrLinks *links);
gboolean      vr_links_read (VrLinks *links, VrRtnl *rtnl, GError **error); /* anew, links and addresses */
gboolean      vr_links_read_addresses (VrLinks *links, VrRtnl *rtnl, GError **error);

/*
 * A notification (RTM_NEWLINK, RTM_DELLINK). Returns the name of the link that came, went or changed in a way that
 * matters here (free with g_free); NULL: nothing did.
 */
char         *vr_links_take (VrLinks *links, const struct nlmsghdr *nlh);

gboolean      vr_link_is_ours (const VrLink *link); /* a tunnel's interface that virt-relay made: by its tags, name and group */
const VrLink *vr_links_by_name (const VrLinks *links, const char *name); /* NULL: no such link */
const VrLink *vr_links_by_index (const VrLinks *links, int index);
GPtrArray    *vr_links_all (const VrLinks *links); /* (transfer container) of const VrLink, by name */

/* Is the address configured here and usable as a source (not tentative)? As of the last read. */
gboolean      vr_links_has_address (const VrLinks *links, const char *address);
gboolean      vr_links_is_numbered (const VrLinks *links, int index); /* has it an IPv4 address? As of the last read. */

GHashTable   *vr_taps_read (VrRtnl *rtnl, GError **error); /* vr_kernel_taps() */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrLinks, vr_links_free)

G_END_DECLS
