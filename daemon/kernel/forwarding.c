/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Static forwarding entries in bridges. They carry no tag, so those that are ours stand in the state file; an equal one
 * that was there before is used and never removed. An entry is static, not sticky: where two hosts' bridges share a
 * segment, the guest's own frames may still move it to the port where the guest really is.
 */
#include "sync.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <string.h>

typedef struct {
  const VrLinks *links;
  GHashTable    *lines; /* line -> VrForwarding */
} Dump;

static void
take_dumped (const struct nlmsghdr *nlh, gpointer data)
{
  Dump                *dump = data;
  const struct ndmsg  *header = mnl_nlmsg_get_payload (nlh);
  const struct nlattr *tb[NDA_MASTER + 1];
  const VrLink        *link;
  VrForwarding        *forwarding;

  if (mnl_nlmsg_get_payload_len (nlh) < sizeof *header || header->ndm_family != AF_BRIDGE)
    return;
  vr_attributes (nlh, sizeof *header, tb, NDA_MASTER);
  link = vr_links_by_index (dump->links, header->ndm_ifindex);
  if (link == NULL || tb[NDA_MASTER] == NULL || tb[NDA_VLAN] != NULL || !(header->ndm_state & NUD_NOARP))
    return;
  forwarding = g_new0 (VrForwarding, 1);
  forwarding->mac = vr_attribute_mac (tb[NDA_LLADDR]);
  forwarding->dev = g_strdup (link->name);
  if (forwarding->mac != NULL)
    g_hash_table_replace (dump->lines, vr_forwarding_to_string (forwarding), forwarding);
  else
    vr_forwarding_free (forwarding);
}

/* NULL: malformed, or its device is missing or in no bridge */
static VrRequest *
forwarding_request (VrSync *sync, const VrForwarding *forwarding, guint16 type, char *item)
{
  g_autoptr (VrRequest) request = vr_request_new (type, type == RTM_NEWNEIGH ? NLM_F_CREATE | NLM_F_REPLACE : 0, item);
  struct ndmsg *header = vr_request_header (request, sizeof *header);
  const VrLink *link = vr_links_by_name (sync->links, forwarding->dev);
  guint8        mac[6];

  if (link == NULL || link->master == 0 || !vr_mac_parse (forwarding->mac, mac))
    return NULL;
  header->ndm_family = AF_BRIDGE;
  header->ndm_ifindex = link->index;
  header->ndm_state = NUD_NOARP;
  header->ndm_flags = NTF_MASTER;
  mnl_attr_put (request->nlh, NDA_LLADDR, sizeof mac, mac);
  return g_steal_pointer (&request);
}

/* What the state remembers and nobody wants: removed if it is there, else forgotten. */
static void
drop_ours (VrSync *sync, GHashTable *there, GHashTable *wanted)
{
  g_autoptr (GPtrArray) ours = vr_kernel_state_forwardings (sync->state);

  for (guint i = 0; i < ours->len; i++)
    {
      g_autofree char    *line = g_strdup (ours->pdata[i]);
      const VrForwarding *forwarding = g_hash_table_lookup (there, line);
      VrRequest          *request = NULL;

      if (g_hash_table_contains (wanted, line))
        continue;
      if (forwarding != NULL)
        request = forwarding_request (sync, forwarding, RTM_DELNEIGH, g_strconcat ("- ", line, NULL));
      if (request == NULL)
        {
          vr_kernel_state_remove_forwarding (sync->state, line);
          continue;
        }
      request->harmless = ENOENT;
      g_ptr_array_add (sync->removes, request);
    }
}

void
vr_sync_forwardings (VrSync *sync, GPtrArray *wanted)
{
  g_autoptr (GHashTable) there
      = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) vr_forwarding_free);
  g_autoptr (GHashTable) lines = vr_lines (wanted, (VrToString) vr_forwarding_to_string);
  g_autoptr (GError) error = NULL;
  Dump         dump = { sync->links, there };
  struct ndmsg header = { .ndm_family = AF_BRIDGE };

  if (!vr_rtnl_dump (sync->rtnl, RTM_GETNEIGH, &header, sizeof header, take_dumped, &dump, &error))
    {
      vr_trouble_take (sync->trouble, g_steal_pointer (&error));
      return;
    }
  for (guint i = 0; i < wanted->len; i++)
    {
      g_autofree char *line = vr_forwarding_to_string (wanted->pdata[i]);
      VrRequest       *request = NULL;

      if (!g_hash_table_contains (there, line))
        request = forwarding_request (sync, wanted->pdata[i], RTM_NEWNEIGH, g_strconcat ("+ ", line, NULL));
      if (request == NULL)
        continue;
      vr_kernel_state_add_forwarding (sync->state, line);
      g_ptr_array_add (sync->adds, request);
    }
  drop_ours (sync, there, lines);
}

void
vr_sync_forwardings_done (VrSync *sync)
{
  for (guint i = 0; i < sync->removes->len; i++)
    {
      const VrRequest *request = sync->removes->pdata[i];

      if (g_str_has_prefix (request->item, "- forwarding ")
          && (request->result == 0 || request->result == request->harmless))
        vr_kernel_state_remove_forwarding (sync->state, request->item + 2);
    }
}
