/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Firewalls of others that would drop what virt-relay forwards. nft lists the rules of all of them: firewalld's and libvirt's own tables,
 * and what iptables-nft wrote (Docker's, libvirt's).
 *
 * Looked for: base chains of the forward hook that end in a drop (by their policy, or by a last rule without a condition) and in which, or in
 * chains that they jump to, no rule lets the interfaces vr-* pass; and rules that drop or reject by the name of the guests' bridge, as libvirt
 * writes them for bridges of its own networks. Rules are not evaluated: a chain that lets something else pass may let guests pass, too, and
 * is only a warning.
 */
#include "cli/doctor/doctor.h"

#include <json-glib/json-glib.h>
#include <string.h>

#include "daemon/names.h"

typedef struct {
  JsonArray  *items; /* of the ruleset */
  const char *bridge;
  GPtrArray  *findings;
} Ruleset;

static const char *
text_of (JsonObject *object, const char *key)
{
  JsonNode *node = json_object_get_member (object, key);
  return node != NULL && JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_STRING ? json_node_get_string (node) : "";
}

static JsonObject *
object_of (JsonNode *node, const char *key)
{
  JsonNode *member = node != NULL && JSON_NODE_HOLDS_OBJECT (node) ? json_object_get_member (json_node_get_object (node), key) : NULL;
  return member != NULL && JSON_NODE_HOLDS_OBJECT (member) ? json_node_get_object (member) : NULL;
}

static gboolean
is_ours (JsonObject *object)
{
  return g_str_equal (text_of (object, "table"), VR_NFT_TABLE);
}

static JsonArray *
expressions_of (JsonObject *rule)
{
  JsonNode *node = json_object_get_member (rule, "expr");
  return node != NULL && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
}

/* ---- one rule ---- */

typedef struct {
  gboolean    conditional;      /* it matches something */
  gboolean    tracked;          /* and only a flow's state */
  gboolean    vr, bridge;       /* an interface: vr-*, or the guests' bridge */
  guint       n_matches;
  const char *verdict, *target; /* accept, drop, reject, jump, goto; "" */
} Rule;

static void
read_match (JsonObject *match, const char *bridge, Rule *rule)
{
  JsonObject *meta = object_of (json_object_get_member (match, "left"), "meta");
  JsonNode   *right = json_object_get_member (match, "right");
  gboolean    is_text = right != NULL && JSON_NODE_HOLDS_VALUE (right) && json_node_get_value_type (right) == G_TYPE_STRING;
  const char *name = is_text ? json_node_get_string (right) : "", *key = meta != NULL ? text_of (meta, "key") : "";
  rule->tracked = object_of (json_object_get_member (match, "left"), "ct") != NULL && (rule->tracked || !rule->conditional);
  rule->conditional = TRUE;
  rule->n_matches++;
  if (!g_str_equal (text_of (match, "op"), "==") || (!g_str_has_suffix (key, "ifname") && !g_str_equal (key, "iif") && !g_str_equal (key, "oif")))
    return;
  rule->vr |= g_str_has_prefix (name, VR_LINK_PREFIX);
  rule->bridge |= bridge != NULL && g_str_equal (name, bridge);
}

static Rule
read_rule (JsonObject *object, const char *bridge)
{
  static const char *const verdicts[] = { "accept", "drop", "reject", "jump", "goto" };
  JsonArray *expressions = expressions_of (object);
  Rule rule = { .verdict = "", .target = "" };
  for (guint i = 0; expressions != NULL && i < json_array_get_length (expressions); i++)
    {
      JsonNode   *node = json_array_get_element (expressions, i);
      JsonObject *match = object_of (node, "match"), *whole = JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
      if (match != NULL)
        read_match (match, bridge, &rule);
      else if (whole != NULL && json_object_has_member (whole, "xt")) /* an iptables extension: some condition, or a target */
        {
          rule.conditional = TRUE;
          rule.n_matches++;
        }
      for (guint v = 0; whole != NULL && v < G_N_ELEMENTS (verdicts); v++)
        if (json_object_has_member (whole, verdicts[v]))
          {
            JsonObject *jump = object_of (node, verdicts[v]);
            rule.verdict = verdicts[v];
            rule.target = jump != NULL ? text_of (jump, "target") : "";
          }
    }
  return rule;
}

/* ---- one chain ---- */

typedef struct {
  gboolean admits_vr, admits_some, ends_in_drop;
} Chain;

static gboolean
is_rule_of (JsonObject *rule, JsonObject *chain, const char *name)
{
  return rule != NULL && g_str_equal (text_of (rule, "family"), text_of (chain, "family"))
         && g_str_equal (text_of (rule, "table"), text_of (chain, "table")) && g_str_equal (text_of (rule, "chain"), name);
}

#define MAX_DEPTH 8 /* nft allows 16; deeper than this nobody's rules for vr-* are */

static void
read_chain (const Ruleset *set, JsonObject *chain, const char *name, guint depth, Chain *result)
{
  Rule last = { .verdict = "" };
  for (guint i = 0; i < json_array_get_length (set->items); i++)
    {
      JsonObject *object = object_of (json_array_get_element (set->items, i), "rule");
      if (!is_rule_of (object, chain, name))
        continue;
      Rule rule = read_rule (object, set->bridge);
      if (g_str_equal (rule.verdict, "accept"))
        {
          result->admits_vr |= rule.vr || !rule.conditional;
          result->admits_some |= !rule.tracked;
        }
      if (*rule.target != '\0' && depth < MAX_DEPTH)
        {
          Chain below = { FALSE };
          read_chain (set, chain, rule.target, depth + 1, &below);
          result->admits_vr |= below.admits_vr;
          result->admits_some |= below.admits_some;
        }
      last = rule;
    }
  result->ends_in_drop = !last.conditional && (g_str_equal (last.verdict, "drop") || g_str_equal (last.verdict, "reject"));
}

/* ---- whose it is, and what mends it ---- */

static char *
cure_for (const VrPatient *patient, JsonObject *chain)
{
  const char *family = text_of (chain, "family"), *table = text_of (chain, "table"), *name = text_of (chain, "name");
  gboolean iptables = g_str_equal (table, "filter") && g_str_equal (name, "FORWARD");
  const char *program = g_str_equal (family, "ip6") ? "ip6tables" : "iptables";
  g_autofree char *user_chain = iptables ? vr_patient_run (patient, program, "-S", "DOCKER-USER", NULL) : NULL;
  if (g_str_equal (table, "firewalld"))
    return g_strdup ("firewall-cmd --permanent --zone=trusted --add-interface=vr-PEER for each tunnel, the same for the guests' bridge, then "
                     "firewall-cmd --reload");
  if (iptables)
    {
      const char *into = user_chain != NULL ? "DOCKER-USER" : "FORWARD";
      return g_strdup_printf ("%s -I %s -i vr-+ -j ACCEPT && %s -I %s -o vr-+ -j ACCEPT", program, into, program, into);
    }
  return g_strdup_printf ("nft insert rule %s %s %s iifname 'vr-*' accept && nft insert rule %s %s %s oifname 'vr-*' accept", family, table,
                          name, family, table, name);
}

static void
check_chain (const VrPatient *patient, const Ruleset *set, JsonObject *chain)
{
  Chain result = { FALSE };
  gboolean by_policy = g_str_equal (text_of (chain, "policy"), "drop");
  read_chain (set, chain, text_of (chain, "name"), 0, &result);
  if (result.admits_vr || !(by_policy || result.ends_in_drop))
    return;
  g_autofree char *cure = cure_for (patient, chain);
  vr_found (set->findings, "firewall", result.admits_some ? VR_CHECK_WARNING : VR_CHECK_FAILURE, cure,
            "chain %s of table %s %s drops what is forwarded, by its %s, and no rule of it lets vr-* pass%s", text_of (chain, "name"),
            text_of (chain, "family"), text_of (chain, "table"), by_policy ? "policy" : "last rule",
            result.admits_some ? "; one that lets others pass may let guests pass, too" : "");
}

static void
check_bridge_rule (const Ruleset *set, JsonObject *object)
{
  Rule rule = read_rule (object, set->bridge);
  if (!rule.bridge || !(g_str_equal (rule.verdict, "drop") || g_str_equal (rule.verdict, "reject")))
    return;
  vr_found (set->findings, "firewall", VR_CHECK_FAILURE,
            "if it is a network of libvirt's: virsh net-edit NETWORK, <forward mode='open'/>, then virsh net-destroy and net-start",
            "a rule of chain %s, table %s %s, drops by the name of the guests' bridge %s", text_of (object, "chain"), text_of (object, "family"),
            text_of (object, "table"), set->bridge);
}

static void
check_tunnel_rule (const Ruleset *set, JsonObject *object)
{
  Rule rule = read_rule (object, set->bridge);
  const char *family = text_of (object, "family"), *table = text_of (object, "table"), *chain = text_of (object, "chain");
  gint64 handle = json_object_get_int_member_with_default (object, "handle", 0);
  if (!rule.vr || !(g_str_equal (rule.verdict, "drop") || g_str_equal (rule.verdict, "reject")))
    return;
  g_autofree char *cure = g_strdup_printf ("nft delete rule %s %s %s handle %" G_GINT64_FORMAT ", and where it is configured", family, table, chain, handle);
  vr_found (set->findings, "firewall", rule.n_matches > 1 ? VR_CHECK_WARNING : VR_CHECK_FAILURE, cure,
            "a rule of chain %s, table %s %s, drops %s by the name of a tunnel's interface", chain, family, table,
            rule.n_matches > 1 ? "some packets" : "what passes");
}

static void
check_items (const VrPatient *patient, const Ruleset *set)
{
  gboolean bridge_said = FALSE;
  for (guint i = 0; i < json_array_get_length (set->items); i++)
    {
      JsonNode *item = json_array_get_element (set->items, i);
      JsonObject *chain = object_of (item, "chain"), *rule = object_of (item, "rule");
      guint before = set->findings->len;
      if (chain != NULL && !is_ours (chain) && g_str_equal (text_of (chain, "hook"), "forward"))
        check_chain (patient, set, chain);
      if (rule != NULL && !is_ours (rule))
        check_tunnel_rule (set, rule);
      if (rule != NULL && !is_ours (rule) && set->bridge != NULL && !bridge_said)
        {
          check_bridge_rule (set, rule);
          bridge_said = set->findings->len > before;
        }
    }
}

void
vr_check_firewall (const VrPatient *patient, GPtrArray *findings)
{
  g_autofree char *text = vr_patient_run (patient, "nft", "-j", "list", "ruleset", NULL);
  g_autoptr (JsonNode) root = text != NULL ? json_from_string (text, NULL) : NULL;
  JsonNode *items = root != NULL && JSON_NODE_HOLDS_OBJECT (root) ? json_object_get_member (json_node_get_object (root), "nftables") : NULL;
  g_autofree char *bridge = vr_patient_config (patient, "host", "bridge", NULL);
  g_autofree char *legacy = vr_patient_read (patient, "/proc/net/ip_tables_names");
  guint before = findings->len;
  if (vr_unseen (patient, "firewall", findings))
    return;
  if (items == NULL || !JSON_NODE_HOLDS_ARRAY (items))
    {
      vr_found (findings, "firewall", VR_CHECK_WARNING, "apt install nftables", "not looked at: nft -j list ruleset gives no rules");
      return;
    }
  Ruleset set = { .items = json_node_get_array (items), .bridge = bridge, .findings = findings };
  check_items (patient, &set);
  if (legacy != NULL && strstr (legacy, "filter") != NULL)
    vr_found (findings, "firewall", VR_CHECK_WARNING, "iptables-legacy -S FORWARD shows them",
              "there are rules of the old iptables (iptables-legacy), which nft does not show: not looked at");
  if (findings->len == before)
    vr_found (findings, "firewall", VR_CHECK_OK, NULL, "no other firewall drops what is forwarded through vr-*");
}
