/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Neighbours: permanent entries, and proxy entries, for which this host answers ARP and ND. Ours are those with our
 * protocol, which the kernel keeps for both. An entry of somebody else's that says what is wanted stays as it is and
 * theirs; one that says something else gives way to ours.
 *
 * The kernel tells nobody of proxy entries that come or go, so one that somebody takes away is only mended at the next
 * apply.
 */
#include "sync.h"

#include "daemon/model/address.h"
#include "daemon/names.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <string.h>

typedef struct {
  const VrLinks *links;
  GPtrArray     *ours;   /* of VrNeighbour */
  GHashTable    *theirs; /* set of lines */
} Dump;

static VrNeighbour *
neighbour_from_message (const struct nlmsghdr *nlh, const VrLinks *links, gboolean *ours)
{
  const struct ndmsg  *header = mnl_nlmsg_get_payload (nlh);
  const struct nlattr *tb[NDA_PROTOCOL + 1];
  g_autofree char     *address = NULL, *mac = NULL;
  const VrLink        *link;
  VrNeighbour         *neighbour;
  gboolean             proxy;

  if (mnl_nlmsg_get_payload_len (nlh) < sizeof *header
      || (header->ndm_family != AF_INET && header->ndm_family != AF_INET6))
    return NULL;
  vr_attributes (nlh, sizeof *header, tb, NDA_PROTOCOL);
  link = vr_links_by_index (links, header->ndm_ifindex);
  address = vr_attribute_address (tb[NDA_DST], header->ndm_family);
  mac = vr_attribute_mac (tb[NDA_LLADDR]);
  proxy = (header->ndm_flags & NTF_PROXY) != 0;
  if (link == NULL || address == NULL || (!proxy && (!(header->ndm_state & NUD_PERMANENT) || mac == NULL)))
    return NULL;

  neighbour = g_new0 (VrNeighbour, 1);
  neighbour->address = g_steal_pointer (&address);
  neighbour->dev = g_strdup (link->name);
  neighbour->mac = proxy ? NULL : g_steal_pointer (&mac);
  *ours = tb[NDA_PROTOCOL] != NULL && mnl_attr_get_u8 (tb[NDA_PROTOCOL]) == VR_ROUTE_PROTOCOL;
  return neighbour;
}

static void
take_dumped (const struct nlmsghdr *nlh, gpointer data)
{
  Dump        *dump = data;
  gboolean     ours;
  VrNeighbour *neighbour = neighbour_from_message (nlh, dump->links, &ours);

  if (neighbour == NULL)
    return;
  if (ours)
    {
      g_ptr_array_add (dump->ours, neighbour);
      return;
    }
  g_hash_table_add (dump->theirs, vr_neighbour_to_string (neighbour));
  vr_neighbour_free (neighbour);
}

static gboolean
observe (VrSync *sync, GPtrArray *ours, GHashTable *theirs, GError **error)
{
  static const int families[] = { AF_INET, AF_INET6 };
  static const int flags[] = { 0, NTF_PROXY };
  Dump dump = { sync->links, ours, theirs };

  for (guint i = 0; i < G_N_ELEMENTS (families); i++)
    for (guint k = 0; k < G_N_ELEMENTS (flags); k++)
      {
        struct ndmsg header = { .ndm_family = families[i], .ndm_flags = flags[k] };

        if (!vr_rtnl_dump (sync->rtnl, RTM_GETNEIGH, &header, sizeof header, take_dumped, &dump, error))
          return FALSE;
      }
  return TRUE;
}

VrRequest *
vr_neighbour_request (const VrLinks *links, const VrNeighbour *neighbour, guint16 type, char *item)
{
  g_autoptr (VrRequest) request = vr_request_new (type, type == RTM_NEWNEIGH ? NLM_F_CREATE | NLM_F_REPLACE : 0, item);
  struct ndmsg *header = vr_request_header (request, sizeof *header);
  const VrLink *link = vr_links_by_name (links, neighbour->dev);
  gboolean      v6 = vr_address_is_v6 (neighbour->address);
  guint8        mac[6];

  if (link == NULL || !vr_request_put_address (request, NDA_DST, neighbour->address))
    return NULL;
  header->ndm_family = v6 ? AF_INET6 : AF_INET;
  header->ndm_ifindex = link->index;
  if (type == RTM_NEWNEIGH)
    mnl_attr_put_u8 (request->nlh, NDA_PROTOCOL, VR_ROUTE_PROTOCOL);
  if (neighbour->mac == NULL)
    {
      /* An answer that says "not a router" would take the gateway that it stands in for from a guest's list of routers.
       */
      header->ndm_flags = NTF_PROXY | (v6 ? NTF_ROUTER : 0);
      return g_steal_pointer (&request);
    }
  header->ndm_state = NUD_PERMANENT;
  if (!vr_mac_parse (neighbour->mac, mac))
    return NULL;
  mnl_attr_put (request->nlh, NDA_LLADDR, sizeof mac, mac);
  return g_steal_pointer (&request);
}

/* What an entry is for: there is one permanent and one proxy entry for each. */
static char *
place (const VrNeighbour *neighbour)
{
  return g_strdup_printf ("%s %s %s", neighbour->mac != NULL ? "neighbour" : "proxy", neighbour->address, neighbour->dev);
}

static void
add (VrSync *sync, const VrNeighbour *neighbour, const char *line, GHashTable *lines)
{
  VrRequest       *request = vr_neighbour_request (sync->links, neighbour, RTM_NEWNEIGH, g_strconcat ("+ ", line, NULL));
  g_autofree char *where = place (neighbour);
  GHashTableIter   iter;
  gpointer         other_line, other;

  if (request == NULL)
    {
      vr_trouble_take (sync->trouble, g_error_new (VR_KERNEL_ERROR, VR_KERNEL_ERROR_NETLINK, "malformed item: %s", line));
      return;
    }
  g_ptr_array_add (sync->adds, request);
  g_hash_table_iter_init (&iter, lines);
  while (g_hash_table_iter_next (&iter, &other_line, &other))
    {
      g_autofree char *there = place (other);

      if (!g_str_equal (there, where))
        continue;
      request->replaces = g_strconcat ("- ", (char *) other_line, NULL);
      g_hash_table_iter_remove (&iter);
      return;
    }
}

void
vr_sync_neighbours (VrSync *sync, GPtrArray *wanted)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) found = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_neighbour_free);
  g_autoptr (GPtrArray) missing = g_ptr_array_new ();
  g_autoptr (GHashTable) theirs = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL), lines = NULL;
  GHashTableIter iter;
  gpointer       line, neighbour;

  if (!observe (sync, found, theirs, &error))
    {
      vr_trouble_take (sync->trouble, g_steal_pointer (&error));
      return;
    }
  lines = vr_lines (found, (VrToString) vr_neighbour_to_string);
  for (guint i = 0; i < wanted->len; i++)
    {
      const VrNeighbour *want = wanted->pdata[i];
      g_autofree char   *name = vr_neighbour_to_string (want);

      if (!g_hash_table_remove (lines, name) && !g_hash_table_contains (theirs, name)
          && vr_links_by_name (sync->links, want->dev) != NULL)
        g_ptr_array_add (missing, wanted->pdata[i]);
    }
  for (guint i = 0; i < missing->len; i++)
    {
      g_autofree char *name = vr_neighbour_to_string (missing->pdata[i]);

      add (sync, missing->pdata[i], name, lines);
    }
  g_hash_table_iter_init (&iter, lines);
  while (g_hash_table_iter_next (&iter, &line, &neighbour))
    {
      VrRequest *request = vr_neighbour_request (sync->links, neighbour, RTM_DELNEIGH, g_strconcat ("- ", (char *) line, NULL));

      request->harmless = ENOENT;
      g_ptr_array_add (sync->removes, request);
    }
}
