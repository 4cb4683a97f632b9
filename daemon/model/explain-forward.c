/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A packet's way through one host, as the kernel would decide it from what the plan puts there: first the filter's chains for what comes
 * from a tunnel, then the rules in the order of their priority, each with the longest prefix of its table, then what may leave.
 *
 * The filter's own text is in kernel/ruleset.c; this repeats its rules by hand, as tests/unit/sim-forward.c does: change all three.
 */
#include "explain-private.h"

#include "address.h"
#include "daemon/names.h"

#include <stdlib.h>

/* Prefixes of every length, and addresses without one; vr_network_contains() is for networks, whose lengths are neither 0 nor full. */
static gboolean
holds (const char *prefix, const char *address)
{
  const char *slash = strchr (prefix, '/');
  int         length = slash != NULL ? atoi (slash + 1) : -1;

  if (vr_address_is_v6 (prefix) != vr_address_is_v6 (address))
    return FALSE;
  if (length == 0)
    return TRUE;
  if (slash == NULL || length == (vr_address_is_v6 (prefix) ? 128 : 32))
    return g_str_has_prefix (prefix, address) && (prefix[strlen (address)] == '\0' || prefix[strlen (address)] == '/');
  return vr_network_contains (prefix, address);
}

/* ---- the filter ---- */

/* The entry of SET4 or SET6 that holds the address, with `dev` the one of that interface; NULL: none. */
static const VrElement *
find_element (const VrPlan *plan, const char *set, const char *dev, const char *address)
{
  g_autofree char *name = g_strconcat (set, vr_address_is_v6 (address) ? "6" : "4", NULL);
  g_autofree char *prefix = dev != NULL ? g_strdup_printf ("\"%s\" . ", dev) : g_strdup ("");

  for (guint i = 0; i < plan->elements->len; i++)
    {
      const VrElement *element = plan->elements->pdata[i];

      if (element->family != VR_NFT_INET || !g_str_equal (element->set, name) || !g_str_has_prefix (element->key, prefix))
        continue;
      if (holds (element->key + strlen (prefix), address))
        return element;
    }
  return NULL;
}

static gboolean
is_for_here (const VrPlan *plan, const char *destination)
{
  return find_element (plan, "here", NULL, destination) != NULL || find_element (plan, "net", NULL, destination) != NULL;
}

/* Chain from-peer. */
static void
admit (const VrPlan *plan, const char *in, const char *source, const char *destination, VrVerdict *verdict)
{
  static const char *const sources[] = { "peer-guest", "peer-net", "peer-host" };

  verdict->admits = find_element (plan, "peer-owned", in, source);
  if (verdict->admits != NULL)
    {
      if (find_element (plan, "here", NULL, destination) == NULL && find_element (plan, "peer-net", in, destination) != NULL)
        verdict->dropped = "foreign-destination";
      return;
    }
  verdict->admits = find_element (plan, "peer-homed", in, destination);
  for (guint i = 0; verdict->admits == NULL && i < G_N_ELEMENTS (sources); i++)
    {
      verdict->admits = find_element (plan, sources[i], in, source);
      if (verdict->admits != NULL && !is_for_here (plan, destination))
        verdict->dropped = "foreign-destination";
    }
  if (verdict->admits == NULL)
    verdict->dropped = "foreign-source";
}

/* Chains for-homed, forward and clear: what may leave by `out`, an interface of a route. */
static const char *
refuse_out (const VrPlan *plan, const char *in, const char *out, const char *source, const VrElement *admits)
{
  gboolean between_tunnels = g_str_has_prefix (in, VR_LINK_PREFIX) && g_str_has_prefix (out, VR_LINK_PREFIX);
  gboolean by_home = admits != NULL && g_str_has_prefix (admits->set, "peer-homed");
  gboolean from_here = find_element (plan, "placed", NULL, source) != NULL
                       || (by_home && (find_element (plan, "net", NULL, source) != NULL || find_element (plan, "untracked", NULL, source) != NULL));

  return between_tunnels && from_here ? "circling" : NULL;
}

/* ---- routes ---- */

static int
prefix_length (const VrRoute *route)
{
  return atoi (strrchr (route->destination, '/') + 1);
}

static gboolean
is_better (const VrRoute *route, const VrRoute *best)
{
  int a = prefix_length (route), b = best != NULL ? prefix_length (best) : -1;

  return a > b || (a == b && route->metric < best->metric);
}

static const VrRoute *
look_up (const VrPlan *plan, guint32 table, const char *destination)
{
  const VrRoute *best = NULL;

  for (guint i = 0; i < plan->routes->len; i++)
    {
      const VrRoute *route = plan->routes->pdata[i];

      if (route->table == table && holds (route->destination, destination) && is_better (route, best))
        best = route;
    }
  return best;
}

static gboolean
applies (const VrRule *rule, const char *in, const char *source, const char *destination)
{
  return rule->v6 == vr_address_is_v6 (destination) && (rule->iif == NULL || g_str_equal (rule->iif, in))
         && (rule->from == NULL || holds (rule->from, source))
         && (rule->to == NULL || holds (rule->to, destination));
}

static int
compare_rules (gconstpointer a, gconstpointer b)
{
  const VrRule *x = *(const VrRule *const *) a, *y = *(const VrRule *const *) b;

  return x->priority < y->priority ? -1 : x->priority > y->priority;
}

static void
route (const VrPlan *plan, const char *in, const char *source, const char *destination, VrVerdict *verdict)
{
  g_autoptr (GPtrArray) rules = g_ptr_array_new (); /* shares the rules */

  g_ptr_array_extend (rules, plan->rules, NULL, NULL);
  g_ptr_array_sort (rules, compare_rules);
  for (guint i = 0; i < rules->len; i++)
    {
      const VrRule  *rule = rules->pdata[i];
      const VrRoute *found = applies (rule, in, source, destination) ? look_up (plan, rule->table, destination) : NULL;

      if (found == NULL || found->type == VR_ROUTE_THROW)
        continue;
      verdict->rule = rule;
      verdict->route = found;
      return;
    }
  verdict->own_net = find_element (plan, "net", NULL, destination) != NULL;
}

VrVerdict
vr_explain_forward (const VrPlan *plan, const char *in, const char *source, const char *destination)
{
  VrVerdict verdict = { NULL };

  if (g_str_has_prefix (in, VR_LINK_PREFIX))
    admit (plan, in, source, destination, &verdict);
  if (verdict.dropped != NULL)
    return verdict;
  route (plan, in, source, destination, &verdict);
  if (verdict.route != NULL && verdict.route->type == VR_ROUTE_VIA_DEV)
    verdict.dropped = refuse_out (plan, in, verdict.route->dev, source, verdict.admits);
  return verdict;
}
