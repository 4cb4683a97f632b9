/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rules of the routing policy. Ours are those with our protocol. A rule may name an interface that is not there; it then
 * waits for it. The kernel tells rules apart by everything but their protocol: where an equal rule of somebody else's
 * stands, ours is not needed.
 */
#include "sync.h"

#include "daemon/names.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <string.h>

static char *
prefix_text (const struct nlattr *attribute, int family, guint8 length)
{
  g_autofree char *address = vr_attribute_address (attribute, family);

  return address != NULL ? g_strdup_printf ("%s/%u", address, length) : NULL;
}

static VrRule *
rule_from_message (const struct nlmsghdr *nlh)
{
  const struct fib_rule_hdr *header = mnl_nlmsg_get_payload (nlh);
  const struct nlattr       *tb[FRA_PROTOCOL + 1];
  VrRule                    *rule;

  if (mnl_nlmsg_get_payload_len (nlh) < sizeof *header || (header->family != AF_INET && header->family != AF_INET6))
    return NULL;
  vr_attributes (nlh, sizeof *header, tb, FRA_PROTOCOL);
  if (tb[FRA_PROTOCOL] == NULL || mnl_attr_get_u8 (tb[FRA_PROTOCOL]) != VR_ROUTE_PROTOCOL)
    return NULL;
  rule = g_new0 (VrRule, 1);
  rule->v6 = header->family == AF_INET6;
  rule->priority = tb[FRA_PRIORITY] != NULL ? mnl_attr_get_u32 (tb[FRA_PRIORITY]) : 0;
  rule->table = tb[FRA_TABLE] != NULL ? mnl_attr_get_u32 (tb[FRA_TABLE]) : header->table;
  rule->from = prefix_text (tb[FRA_SRC], header->family, header->src_len);
  rule->to = prefix_text (tb[FRA_DST], header->family, header->dst_len);
  if (tb[FRA_IIFNAME] != NULL && mnl_attr_validate (tb[FRA_IIFNAME], MNL_TYPE_NUL_STRING) >= 0)
    rule->iif = g_strdup (mnl_attr_get_str (tb[FRA_IIFNAME]));
  return rule;
}

static void
take_dumped (const struct nlmsghdr *nlh, gpointer data)
{
  VrRule *rule = rule_from_message (nlh);

  if (rule != NULL)
    g_ptr_array_add (data, rule);
}

static GPtrArray *
observe (VrSync *sync, GError **error)
{
  g_autoptr (GPtrArray) found = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_rule_free);
  struct fib_rule_hdr header = { .family = AF_INET };

  if (!vr_rtnl_dump (sync->rtnl, RTM_GETRULE, &header, sizeof header, take_dumped, found, error))
    return NULL;
  header.family = AF_INET6;
  if (!vr_rtnl_dump (sync->rtnl, RTM_GETRULE, &header, sizeof header, take_dumped, found, error))
    return NULL;
  return g_steal_pointer (&found);
}

static gboolean
put_prefix (VrRequest *request, guint16 attribute, const char *prefix, guint8 *length)
{
  guint8 bytes[16];

  return prefix == NULL
         || (vr_prefix_parse (prefix, bytes, NULL, length) && vr_request_put_address (request, attribute, prefix));
}

static VrRequest *
rule_request (const VrRule *rule, guint16 type, char *item)
{
  g_autoptr (VrRequest) request = vr_request_new (type, type == RTM_NEWRULE ? NLM_F_CREATE | NLM_F_EXCL : 0, item);
  struct fib_rule_hdr *header = vr_request_header (request, sizeof *header);

  request->harmless = type == RTM_NEWRULE ? EEXIST : ENOENT;
  header->family = rule->v6 ? AF_INET6 : AF_INET;
  header->table = RT_TABLE_UNSPEC; /* the attribute says it: it may be over 255 */
  header->action = FR_ACT_TO_TBL;
  mnl_attr_put_u32 (request->nlh, FRA_PRIORITY, rule->priority);
  mnl_attr_put_u32 (request->nlh, FRA_TABLE, rule->table);
  mnl_attr_put_u8 (request->nlh, FRA_PROTOCOL, VR_ROUTE_PROTOCOL);
  if (rule->iif != NULL)
    mnl_attr_put_strz (request->nlh, FRA_IIFNAME, rule->iif);
  if (!put_prefix (request, FRA_SRC, rule->from, &header->src_len)
      || !put_prefix (request, FRA_DST, rule->to, &header->dst_len))
    return NULL;
  return g_steal_pointer (&request);
}

void
vr_sync_rules (VrSync *sync, GPtrArray *wanted)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) found = observe (sync, &error);
  g_autoptr (GHashTable) lines = NULL;
  GHashTableIter iter;
  gpointer       line, rule;

  if (found == NULL)
    {
      vr_trouble_take (sync->trouble, g_steal_pointer (&error));
      return;
    }
  lines = vr_lines (found, (VrToString) vr_rule_to_string);
  for (guint i = 0; i < wanted->len; i++)
    {
      g_autofree char *name = vr_rule_to_string (wanted->pdata[i]);
      VrRequest       *request;

      if (g_hash_table_remove (lines, name))
        continue;
      request = rule_request (wanted->pdata[i], RTM_NEWRULE, g_strconcat ("+ ", name, NULL));
      if (request != NULL)
        g_ptr_array_add (sync->adds, request);
      else
        vr_trouble_take (sync->trouble,
                         g_error_new (VR_KERNEL_ERROR, VR_KERNEL_ERROR_NETLINK, "malformed item: %s", name));
    }
  g_hash_table_iter_init (&iter, lines);
  while (g_hash_table_iter_next (&iter, &line, &rule))
    g_ptr_array_add (sync->removes, rule_request (rule, RTM_DELRULE, g_strconcat ("- ", (char *) line, NULL)));
}
