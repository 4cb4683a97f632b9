/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. A plan is taken apart into a SimKernel: prefixes as bytes, interfaces as numbers. forward() then takes the same
 * steps at each host as a packet does in the kernel: for this host? which route? may it pass the filter (kernel/ruleset.c says how)?
 * and hands it to the next host, or to somebody on the bridge. A packet that comes to a host a second time from the same interface
 * would come there for ever.
 */
#include "sim-forward.h"

#include "daemon/names.h"

#include <arpa/inet.h>
#include <string.h>

typedef struct {
  guint8   bytes[16];
  guint    length;
  gboolean v6, any;
} Prefix;

typedef struct {
  Prefix      to;
  VrRouteType type;
  guint32     table, metric;
  int         dev;
  const char *source;
} Route;

typedef struct {
  Prefix   from, to;
  gboolean v6;
  guint32  priority, table;
  int      iif;
} Rule;

typedef enum {
  GUEST, HERE, PLACED, AWAY, NET, REMOTE_NET, PEER_NET, PEER_HOST, PEER_OWNED, PEER_HOMED, PEER_GUEST, SOUGHT, BRIDGES, OTHER
} Set;

static const char *const set_names[] = { "guest",    "here",      "placed",     "away",       "net",        "remote-net", "peer-net",
                                         "peer-host", "peer-owned", "peer-homed", "peer-guest", "sought",     "bridge" };
G_STATIC_ASSERT (G_N_ELEMENTS (set_names) == OTHER);

typedef struct {
  Set    set;
  int    dev; /* SIM_ANY: the set is of addresses alone */
  Prefix prefix;
} Element;

struct _SimKernel {
  const VrPlan *plan;
  GArray       *routes, *rules;  /* of Route, Rule; rules in the order of their priority */
  GArray       *sets[OTHER];     /* of Element */
};

const char *
sim_end_to_string (SimEnd end)
{
  static const char *const names[] = { "delivered", "unreachable", "dropped", "no tunnel", "nobody there", "in clear", "loop" };

  return names[end];
}

char *
sim_fate_to_string (const SimFate *fate)
{
  GString *text = g_string_new (sim_end_to_string (fate->end));

  if (fate->reason != NULL)
    g_string_append_printf (text, " (%s)", fate->reason);
  g_string_append (text, ", path");
  for (guint i = 0; i < fate->n_path; i++)
    g_string_append_printf (text, " h%d", fate->path[i] + 1);
  return g_string_free (text, FALSE);
}

/* ---- addresses ---- */

void
sim_address_set (SimAddress *address, const char *text)
{
  g_strlcpy (address->text, text, sizeof address->text);
  address->v6 = strchr (text, ':') != NULL;
  g_assert_cmpint (inet_pton (address->v6 ? AF_INET6 : AF_INET, text, address->bytes), ==, 1);
}

static Prefix
parse_prefix (const char *text)
{
  Prefix      prefix = { .any = text == NULL };
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
covers (const Prefix *prefix, const SimAddress *address)
{
  guint whole = prefix->length / 8, rest = prefix->length % 8;

  if (prefix->any)
    return TRUE;
  if (prefix->v6 != address->v6 || memcmp (prefix->bytes, address->bytes, whole) != 0)
    return FALSE;
  return rest == 0 || (prefix->bytes[whole] ^ address->bytes[whole]) >> (8 - rest) == 0;
}

static gboolean
same_address (const SimAddress *a, const SimAddress *b)
{
  return a->v6 == b->v6 && memcmp (a->bytes, b->bytes, a->v6 ? 16 : 4) == 0;
}

void
sim_net_init (SimNet *net, guint n_hosts)
{
  memset (net, 0, sizeof *net);
  net->n_hosts = n_hosts;
  sim_address_set (&net->outside[0], "198.51.100.9");
  sim_address_set (&net->outside[1], "2001:db8:9::9");
  for (guint i = 0; i < n_hosts; i++)
    {
      char text[48];

      g_snprintf (text, sizeof text, "10.9.%u.1", i + 1);
      sim_address_set (&net->gateways[i][0], text);
      g_snprintf (text, sizeof text, "fd00:9:%u::1", i + 1);
      sim_address_set (&net->gateways[i][1], text);
      g_snprintf (text, sizeof text, "10.9.%u.50", i + 1);
      sim_address_set (&net->neighbours[i][0], text);
      g_snprintf (text, sizeof text, "fd00:9:%u::50", i + 1);
      sim_address_set (&net->neighbours[i][1], text);
      g_snprintf (text, sizeof text, "192.0.2.%u", i + 1);
      sim_address_set (&net->underlays[i], text);
      net->answers[i] = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
      net->sought[i] = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
      net->asked[i] = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    }
}

void
sim_net_clear (SimNet *net)
{
  for (guint i = 0; i < net->n_hosts; i++)
    {
      g_clear_pointer (&net->kernels[i], sim_kernel_free);
      g_hash_table_unref (net->answers[i]);
      g_hash_table_unref (net->sought[i]);
      g_hash_table_unref (net->asked[i]);
    }
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

static Set
parse_set (const char *name)
{
  for (guint i = 0; i < OTHER; i++)
    {
      gsize length = strlen (set_names[i]);

      if (strncmp (name, set_names[i], length) == 0
          && (name[length] == '\0' || ((name[length] == '4' || name[length] == '6') && name[length + 1] == '\0')))
        return i;
    }
  return OTHER;
}

static void
take_element (SimKernel *kernel, const VrElement *item)
{
  Set           set = item->family == VR_NFT_INET ? parse_set (item->set) : OTHER;
  Element       element = { .set = set, .dev = SIM_ANY };
  g_auto (GStrv) parts = NULL;

  if (set == OTHER)
    return;
  parts = g_strsplit (item->key, " . ", 2);
  if (parts[0][0] == '"')
    {
      g_autofree char *dev = g_strndup (parts[0] + 1, strlen (parts[0]) - 2);

      element.dev = parse_dev (dev);
    }
  if (set != BRIDGES)
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
  kernel->routes = g_array_new (FALSE, FALSE, sizeof (Route));
  kernel->rules = g_array_new (FALSE, FALSE, sizeof (Rule));
  for (guint i = 0; i < OTHER; i++)
    kernel->sets[i] = g_array_new (FALSE, FALSE, sizeof (Element));
  for (guint i = 0; i < plan->routes->len; i++)
    {
      const VrRoute *item = plan->routes->pdata[i];
      Route route = { .to = parse_prefix (item->destination), .type = item->type, .table = item->table, .metric = item->metric,
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
  for (guint i = 0; i < OTHER; i++)
    g_array_unref (kernel->sets[i]);
  g_free (kernel);
}

/* The kernel's answer to "is (dev, address) in the set?" */
static gboolean
in_set (const SimKernel *kernel, Set set, int dev, const SimAddress *address)
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
      if (!in_set (kernel, PEER_GUEST, parse_dev (words[0]), &address))
        g_hash_table_iter_remove (&iter);
    }
  g_hash_table_iter_init (&iter, net->sought[host]);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    {
      SimAddress address;

      sim_address_set (&address, key);
      if (!in_set (kernel, SOUGHT, SIM_ANY, &address))
        g_hash_table_iter_remove (&iter);
    }
}

/* ---- routing ---- */

typedef struct {
  SimNet           *net;
  const SimAddress *from, *to;
  SimLayers         layers;
  SimFate           fate;
} Packet;

static const Route *
best_in_table (const SimKernel *kernel, guint32 table, const SimAddress *to)
{
  const Route *best = NULL;

  for (guint i = 0; i < kernel->routes->len; i++)
    {
      const Route *route = &g_array_index (kernel->routes, Route, i);

      if (route->table != table || !covers (&route->to, to))
        continue;
      if (best == NULL || route->to.length > best->to.length
          || (route->to.length == best->to.length && route->metric < best->metric))
        best = route;
    }
  return best;
}

/* The route that our rules lead to, or NULL: the main table is next. */
static const Route *
find_route (const SimKernel *kernel, const Packet *packet, int iif)
{
  for (guint i = 0; i < kernel->rules->len && !(packet->layers & SIM_NO_RULES); i++)
    {
      const Rule  *rule = &g_array_index (kernel->rules, Rule, i);
      const Route *route;

      if (rule->v6 != packet->to->v6 || (rule->iif != SIM_ANY && rule->iif != iif) || !covers (&rule->from, packet->from)
          || !covers (&rule->to, packet->to))
        continue;
      route = best_in_table (kernel, rule->table, packet->to);
      if (route != NULL && route->type != VR_ROUTE_THROW)
        return route;
    }
  return NULL;
}

static gboolean
is_on_link (const SimNet *net, guint host, const SimAddress *address)
{
  Prefix own = { .v6 = address->v6, .length = address->v6 ? 64 : 24 };

  memcpy (own.bytes, net->gateways[host][address->v6].bytes, sizeof own.bytes);
  return covers (&own, address);
}

/* ---- the filter ---- */

static void
count_answer (SimNet *net, guint host, int iif, const SimAddress *from)
{
  g_autofree char *dev = g_strdup_printf (VR_LINK_PREFIX "h%d", iif + 1);
  char *key = vr_facts_key (dev, from->text);
  guint before = GPOINTER_TO_UINT (g_hash_table_lookup (net->answers[host], key));

  g_hash_table_replace (net->answers[host], key, GUINT_TO_POINTER (before + 1));
  net->news[host] = TRUE;
}

/* Why what comes out of a tunnel may not be forwarded, or NULL. */
static const char *
refuse_from_peer (const SimKernel *kernel, Packet *packet, guint host, int iif)
{
  gboolean for_here = in_set (kernel, HERE, SIM_ANY, packet->to) || in_set (kernel, NET, SIM_ANY, packet->to);

  if (in_set (kernel, PEER_OWNED, iif, packet->from)) /* anywhere, but not back */
    {
      gboolean back = !in_set (kernel, HERE, SIM_ANY, packet->to) && in_set (kernel, PEER_NET, iif, packet->to);

      return back && !(packet->layers & SIM_BACK_AGAIN) ? "foreign-destination" : NULL;
    }
  if (in_set (kernel, PEER_HOMED, iif, packet->to))
    return NULL;
  if (in_set (kernel, PEER_GUEST, iif, packet->from))
    {
      count_answer (packet->net, host, iif, packet->from);
      return for_here ? NULL : "foreign-destination";
    }
  if (in_set (kernel, PEER_NET, iif, packet->from) || in_set (kernel, PEER_HOST, iif, packet->from))
    return for_here ? NULL : "foreign-destination";
  return "foreign-source";
}

/* Why the packet may not leave through `oif`, or NULL. */
static const char *
refuse (const SimKernel *kernel, Packet *packet, guint host, int iif, int oif)
{
  gboolean    safe = oif < SIM_HOSTS || in_set (kernel, BRIDGES, oif, NULL);
  const char *why = NULL;

  if (packet->layers & SIM_NO_FILTER)
    return NULL;
  if (iif < SIM_HOSTS)
    why = refuse_from_peer (kernel, packet, host, iif);
  if (why == NULL && iif < SIM_HOSTS && oif < SIM_HOSTS && !(packet->layers & SIM_BACK_AGAIN)
      && in_set (kernel, PLACED, SIM_ANY, packet->from))
    why = "circling";
  if (why == NULL && !safe && iif != SIM_OWN && in_set (kernel, AWAY, SIM_ANY, packet->from))
    why = "away-in-clear";
  if (why == NULL && !safe && in_set (kernel, GUEST, SIM_ANY, packet->to))
    why = "guest-in-clear";
  if (why == NULL && !safe && in_set (kernel, REMOTE_NET, SIM_ANY, packet->to))
    why = "network-in-clear";
  return why;
}

/* ---- from host to host ---- */

static const SimKernel *
kernel_of (SimNet *net, guint host)
{
  net->refresh (net->data, host);
  return net->kernels[host];
}

static gboolean
end (Packet *packet, SimEnd end, const char *reason)
{
  packet->fate.end = end;
  packet->fate.reason = reason;
  return FALSE;
}

static gboolean
enter_host (Packet *packet, const SimKernel *kernel, guint host, int iif)
{
  const char *why = NULL;

  if (iif < SIM_HOSTS && !(packet->layers & SIM_NO_FILTER) && !in_set (kernel, PEER_OWNED, iif, packet->from)
      && !in_set (kernel, PEER_NET, iif, packet->from) && !in_set (kernel, PEER_HOST, iif, packet->from)
      && !in_set (kernel, PEER_GUEST, iif, packet->from))
    why = "foreign-source";
  return end (packet, why != NULL ? SIM_DROPPED : SIM_DELIVERED, why);
}

static gboolean
leave_on_bridge (Packet *packet, guint host)
{
  const SimNet *net = packet->net;
  gboolean      found = same_address (packet->to, &net->neighbours[host][packet->to->v6]);

  /* one that waits for its memory answers no ARP, but there are caches and static entries */
  for (guint i = 0; i < net->n_guests; i++)
    found = found || (net->guests[i].tap_at[host] && same_address (packet->to, &net->guests[i].address));
  return end (packet, found ? SIM_DELIVERED : SIM_NOBODY, NULL);
}

/* One host; TRUE: the packet goes on, and *host and *iif are where it comes out. */
static gboolean
pass_host (Packet *packet, guint *host, int *iif)
{
  SimNet          *net = packet->net;
  const SimKernel *kernel = kernel_of (net, *host);
  const Route     *route;
  const char      *why;
  int              oif;

  if (same_address (packet->to, &net->gateways[*host][packet->to->v6]) || same_address (packet->to, &net->underlays[*host]))
    return enter_host (packet, kernel, *host, *iif);
  route = find_route (kernel, packet, *iif);
  if (route != NULL && route->type == VR_ROUTE_UNREACHABLE)
    return end (packet, SIM_UNREACHABLE, NULL);
  oif = route != NULL ? route->dev : is_on_link (net, *host, packet->to) ? SIM_BRIDGE : SIM_UPLINK;
  if (*iif == SIM_OWN && route != NULL && route->source != NULL)
    packet->from = &net->gateways[*host][packet->to->v6];
  why = refuse (kernel, packet, *host, *iif, oif);
  if (in_set (kernel, SOUGHT, SIM_ANY, packet->to) && g_hash_table_add (net->sought[*host], g_strdup (packet->to->text)))
    net->news[*host] = TRUE;
  packet->fate.stray = packet->fate.stray || oif == SIM_UPLINK;
  if (why != NULL)
    return end (packet, SIM_DROPPED, why);
  if (oif == SIM_UPLINK || oif == SIM_UNKNOWN)
    return end (packet, SIM_IN_CLEAR, NULL);
  if (oif == SIM_BRIDGE)
    return leave_on_bridge (packet, *host);
  if (!net->up[*host][oif] || !net->up[oif][*host])
    return end (packet, SIM_NO_TUNNEL, NULL);
  *iif = (int) *host;
  *host = (guint) oif;
  return TRUE;
}

static SimFate
forward (Packet *packet, guint host, int iif)
{
  int came[SIM_PATH];

  do
    {
      SimFate *fate = &packet->fate;

      for (guint i = 0; i < fate->n_path; i++)
        if (fate->path[i] == (int) host && came[i] == iif)
          {
            end (packet, SIM_LOOP, NULL);
            return *fate;
          }
      if (fate->n_path == SIM_PATH)
        {
          end (packet, SIM_LOOP, "more hops than there are hosts");
          return *fate;
        }
      came[fate->n_path] = iif;
      fate->path[fate->n_path++] = (int) host;
    }
  while (pass_host (packet, &host, &iif));
  return packet->fate;
}

/* ---- senders ---- */

static gboolean
has_proxy (const SimKernel *kernel, const SimAddress *address)
{
  for (guint i = 0; i < kernel->plan->neighbours->len; i++)
    {
      const VrNeighbour *neighbour = kernel->plan->neighbours->pdata[i];

      if (neighbour->mac == NULL && g_str_equal (neighbour->dev, "br0") && g_str_equal (neighbour->address, address->text))
        return TRUE;
    }
  return FALSE;
}

static gboolean
has_gateway (const SimKernel *kernel, const char *tap)
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

/* Behind a host's bridge, somebody of its own networks sends: to somebody on the bridge, or whoever answers ARP in his place. */
static SimFate
send_on_bridge (Packet *packet, guint host)
{
  SimNet *net = packet->net;

  packet->fate.path[0] = (int) host;
  packet->fate.n_path = 1;
  for (guint i = 0; i < net->n_guests; i++)
    if (same_address (packet->to, &net->guests[i].address) && is_on_link (net, host, packet->to) && net->guests[i].runs == (int) host)
      return packet->fate; /* it answers for itself */
  if (is_on_link (net, host, packet->to) && !same_address (packet->to, &net->gateways[host][packet->to->v6])
      && !has_proxy (kernel_of (net, host), packet->to))
    {
      leave_on_bridge (packet, host);
      return packet->fate;
    }
  packet->fate.n_path = 0;
  return forward (packet, host, SIM_BRIDGE);
}

SimFate
sim_send_from_neighbour (SimNet *net, guint host, const SimAddress *to, SimLayers layers)
{
  Packet packet = { .net = net, .from = &net->neighbours[host][to->v6], .to = to, .layers = layers };

  return send_on_bridge (&packet, host);
}

SimFate
sim_send_from_host (SimNet *net, guint host, const SimAddress *to, SimLayers layers)
{
  Packet packet = { .net = net, .from = to->v6 ? &net->gateways[host][1] : &net->underlays[host], .to = to, .layers = layers };

  return forward (&packet, host, SIM_OWN);
}

SimFate
sim_send_from_guest (SimNet *net, guint guest, const SimAddress *to, SimLayers layers)
{
  const SimStation *sender = &net->guests[guest];
  guint             host = (guint) sender->runs;
  Packet            packet = { .net = net, .from = &sender->address, .to = to, .layers = layers };

  g_assert_cmpint (sender->runs, >=, 0);
  if (sender->home == host)
    return send_on_bridge (&packet, host);
  packet.fate = (SimFate) { .end = SIM_NOBODY, .reason = "it knows no gateway", .n_path = 1, .path = { (int) host } };
  if (!has_gateway (kernel_of (net, host), sender->tap))
    return packet.fate;
  if (is_on_link (net, sender->home, to) && !has_proxy (kernel_of (net, host), to))
    {
      g_hash_table_add (net->asked[host], g_strdup_printf ("br0 %s", to->text));
      packet.fate.reason = "nobody answers its ARP";
      return packet.fate;
    }
  packet.fate = (SimFate) { 0 };
  return forward (&packet, host, SIM_BRIDGE);
}
