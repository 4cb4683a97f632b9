/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim-kernel.h"

#include "daemon/names.h"

#include <arpa/inet.h>
#include <string.h>

typedef struct {
  SimPrefix from, to;
  gboolean  v6;
  guint32   priority, table;
  int       iif;
} Rule;

static const char *const set_names[] = { "guest",    "here",      "placed",     "away",       "net",        "remote-net", "peer-net",
                                         "peer-host", "peer-owned", "peer-homed", "peer-guest", "sought",     "untracked", "bridge" };
G_STATIC_ASSERT (G_N_ELEMENTS (set_names) == SIM_SET_OTHER);

typedef struct {
  SimSet    set;
  int       dev; /* SIM_ANY: the set is of addresses alone */
  SimPrefix prefix;
} Element;

struct _SimKernel {
  const VrPlan *plan;
  GArray       *routes, *rules;  /* of SimRoute, Rule; rules in the order of their priority */
  GArray       *sets[SIM_SET_OTHER]; /* of Element */
};

/* ---- addresses ---- */

void
sim_address_set (SimAddress *address, const char *text)
{
  g_strlcpy (address->text, text, sizeof address->text);
  address->v6 = strchr (text, ':') != NULL;
  g_assert_cmpint (inet_pton (address->v6 ? AF_INET6 : AF_INET, text, address->bytes), ==, 1);
}

static SimPrefix
parse_prefix (const char *text)
{
  SimPrefix   prefix = { .any = text == NULL };
  const char *slash;
  SimAddress  address;
  char        alone[48];

  if (text == NULL)
    return prefix;
  slash = strchr (text, '/');
  g_strlcpy (alone, text, slash != NULL ? MIN (sizeof alone, (gsize) (slash - text) + 1) : sizeof alone);
  prefix.v6 = strchr (alone, ':') != NULL;
  g_assert_cmpint (inet_pton (prefix.v6 ? AF_INET6 : AF_INET, alone, address.bytes), ==, 1);
  memcpy (prefix.bytes, address.bytes, prefix.v6 ? 16 : 4);
  prefix.length = slash != NULL ? (guint) atoi (slash + 1) : prefix.v6 ? 128 : 32;
  return prefix;
}

static gboolean
covers (const SimPrefix *prefix, const SimAddress *address)
{
  guint whole = prefix->length / 8, rest = prefix->length % 8;

  if (prefix->any)
    return TRUE;
  if (prefix->v6 != address->v6 || memcmp (prefix->bytes, address->bytes, whole) != 0)
    return FALSE;
  return rest == 0 || (prefix->bytes[whole] ^ address->bytes[whole]) >> (8 - rest) == 0;
}

gboolean
sim_address_equal (const SimAddress *a, const SimAddress *b)
{
  return a->v6 == b->v6 && memcmp (a->bytes, b->bytes, a->v6 ? 16 : 4) == 0;
}

/* ---- a plan, taken apart ---- */

static int
parse_dev (const char *dev)
{
  if (dev == NULL)
    return SIM_ANY;
  if (g_str_has_prefix (dev, VR_LINK_PREFIX "h"))
    return atoi (dev + strlen (VR_LINK_PREFIX "h")) - 1;
  return g_str_equal (dev, "br0") ? SIM_BRIDGE : SIM_UNKNOWN;
}

/* What is held is sent straight later: as well now. */
static int
held_for (const VrPlan *plan, const char *destination)
{
  for (guint i = 0; i < plan->paths->len; i++)
    {
      const VrPath *path = plan->paths->pdata[i];
      gsize         length = strlen (path->address);

      if (path->state == VR_PATH_CHANGING && strncmp (destination, path->address, length) == 0 && destination[length] == '/')
        return atoi (path->owner + 1) - 1;
    }
  return SIM_UNKNOWN;
}

static SimSet
parse_set (const char *name)
{
  for (guint i = 0; i < SIM_SET_OTHER; i++)
    {
      gsize length = strlen (set_names[i]);

      if (strncmp (name, set_names[i], length) == 0
          && (name[length] == '\0' || ((name[length] == '4' || name[length] == '6') && name[length + 1] == '\0')))
        return i;
    }
  return SIM_SET_OTHER;
}

static void
take_element (SimKernel *kernel, const VrElement *item)
{
  SimSet           set = item->family == VR_NFT_INET ? parse_set (item->set) : SIM_SET_OTHER;
  Element       element = { .set = set, .dev = SIM_ANY };
  g_auto (GStrv) parts = NULL;

  if (set == SIM_SET_OTHER)
    return;
  parts = g_strsplit (item->key, " . ", 2);
  if (parts[0][0] == '"')
    {
      g_autofree char *dev = g_strndup (parts[0] + 1, strlen (parts[0]) - 2);

      element.dev = parse_dev (dev);
    }
  if (set != SIM_SET_BRIDGES)
    element.prefix = parse_prefix (parts[1] != NULL ? parts[1] : parts[0]);
  g_array_append_val (kernel->sets[set], element);
}

static int
compare_rules (gconstpointer a, gconstpointer b)
{
  return (int) ((const Rule *) a)->priority - (int) ((const Rule *) b)->priority;
}

SimKernel *
sim_kernel_new (const VrPlan *plan)
{
  SimKernel *kernel = g_new0 (SimKernel, 1);

  kernel->plan = plan;
  kernel->routes = g_array_new (FALSE, FALSE, sizeof (SimRoute));
  kernel->rules = g_array_new (FALSE, FALSE, sizeof (Rule));
  for (guint i = 0; i < SIM_SET_OTHER; i++)
    kernel->sets[i] = g_array_new (FALSE, FALSE, sizeof (Element));
  for (guint i = 0; i < plan->routes->len; i++)
    {
      const VrRoute *item = plan->routes->pdata[i];
      SimRoute route = { .to = parse_prefix (item->destination), .type = item->type, .table = item->table, .metric = item->metric,
                      .dev = parse_dev (item->dev), .source = item->source };

      if (g_strcmp0 (item->dev, VR_HOLD_LINK) == 0)
        route.dev = held_for (plan, item->destination);
      g_array_append_val (kernel->routes, route);
    }
  for (guint i = 0; i < plan->rules->len; i++)
    {
      const VrRule *item = plan->rules->pdata[i];
      Rule rule = { .from = parse_prefix (item->from), .to = parse_prefix (item->to), .v6 = item->v6, .priority = item->priority,
                    .table = item->table, .iif = parse_dev (item->iif) };

      g_array_append_val (kernel->rules, rule);
    }
  g_array_sort (kernel->rules, compare_rules);
  for (guint i = 0; i < plan->elements->len; i++)
    take_element (kernel, plan->elements->pdata[i]);
  return kernel;
}

void
sim_kernel_free (SimKernel *kernel)
{
  g_array_unref (kernel->routes);
  g_array_unref (kernel->rules);
  for (guint i = 0; i < SIM_SET_OTHER; i++)
    g_array_unref (kernel->sets[i]);
  g_free (kernel);
}

/* The kernel's answer to "is (dev, address) in the set?" */
gboolean
sim_kernel_has (const SimKernel *kernel, SimSet set, int dev, const SimAddress *address)
{
  const GArray *elements = kernel->sets[set];

  for (guint i = 0; i < elements->len; i++)
    {
      const Element *element = &g_array_index (elements, Element, i);

      if (element->dev == dev && (address == NULL || covers (&element->prefix, address)))
        return TRUE;
    }
  return FALSE;
}

/* Counters live as long as the elements that they belong to. */
void
sim_kernel_keep_counters (const SimKernel *kernel, SimNet *net, guint host)
{
  GHashTableIter iter;
  gpointer       key;

  g_hash_table_iter_init (&iter, net->answers[host]);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    {
      g_auto (GStrv) words = g_strsplit (key, " ", 2);
      SimAddress     address;

      sim_address_set (&address, words[1]);
      if (!sim_kernel_has (kernel, SIM_SET_PEER_GUEST, parse_dev (words[0]), &address))
        g_hash_table_iter_remove (&iter);
    }
  g_hash_table_iter_init (&iter, net->sought[host]);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    {
      SimAddress address;

      sim_address_set (&address, key);
      if (!sim_kernel_has (kernel, SIM_SET_SOUGHT, SIM_ANY, &address))
        g_hash_table_iter_remove (&iter);
    }
}

/* ---- asked ---- */

static const SimRoute *
best_in_table (const SimKernel *kernel, guint32 table, const SimAddress *to)
{
  const SimRoute *best = NULL;

  for (guint i = 0; i < kernel->routes->len; i++)
    {
      const SimRoute *route = &g_array_index (kernel->routes, SimRoute, i);

      if (route->table != table || !covers (&route->to, to))
        continue;
      if (best == NULL || route->to.length > best->to.length
          || (route->to.length == best->to.length && route->metric < best->metric))
        best = route;
    }
  return best;
}

/* The route that our rules lead to, or NULL: the main table is next. */
const SimRoute *
sim_kernel_route (const SimKernel *kernel, const SimAddress *from, const SimAddress *to, int iif)
{
  for (guint i = 0; i < kernel->rules->len; i++)
    {
      const Rule  *rule = &g_array_index (kernel->rules, Rule, i);
      const SimRoute *route;

      if (rule->v6 != to->v6 || (rule->iif != SIM_ANY && rule->iif != iif) || !covers (&rule->from, from)
          || !covers (&rule->to, to))
        continue;
      route = best_in_table (kernel, rule->table, to);
      if (route != NULL && route->type != VR_ROUTE_THROW)
        return route;
    }
  return NULL;
}

gboolean
sim_net_is_on_link (const SimNet *net, guint host, const SimAddress *address)
{
  SimPrefix own = { .v6 = address->v6, .length = address->v6 ? 64 : 24 };

  memcpy (own.bytes, net->gateways[host][address->v6].bytes, sizeof own.bytes);
  return covers (&own, address);
}

gboolean
sim_kernel_has_proxy (const SimKernel *kernel, const SimAddress *address)
{
  for (guint i = 0; i < kernel->plan->neighbours->len; i++)
    {
      const VrNeighbour *neighbour = kernel->plan->neighbours->pdata[i];

      if (neighbour->mac == NULL && g_str_equal (neighbour->dev, "br0") && g_str_equal (neighbour->address, address->text))
        return TRUE;
    }
  return FALSE;
}

gboolean
sim_kernel_has_gateway (const SimKernel *kernel, const char *tap)
{
  g_autofree char *prefix = g_strdup_printf ("\"%s\" : ", tap);

  for (guint i = 0; i < kernel->plan->elements->len; i++)
    {
      const VrElement *element = kernel->plan->elements->pdata[i];

      if (element->family == VR_NFT_BRIDGE && g_str_equal (element->set, "gateway") && g_str_has_prefix (element->key, prefix))
        return TRUE;
    }
  return FALSE;
}
