/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. A plan is taken apart into a SimKernel (sim-kernel.c). forward() then takes the same steps at each host as a
 * packet does in the kernel: for this host? which route? may it pass the filter (kernel/ruleset.c says how)? and hands it to the next host,
 * or to somebody on the bridge. A packet that comes to a host a second time from the same interface would come there for ever.
 */
#include "sim-kernel.h"

#include "daemon/names.h"

#include <string.h>

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

/* ---- routing ---- */

typedef struct {
  SimNet           *net;
  const SimAddress *from, *to;
  SimLayers         layers;
  SimFate           fate;
} Packet;

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
refuse_from_peer (const SimKernel *kernel, Packet *packet, guint host, int iif, int oif)
{
  gboolean for_here = sim_kernel_has (kernel, SIM_SET_HERE, SIM_ANY, packet->to) || sim_kernel_has (kernel, SIM_SET_NET, SIM_ANY, packet->to);

  if (sim_kernel_has (kernel, SIM_SET_PEER_OWNED, iif, packet->from)) /* anywhere, but not back */
    {
      gboolean back = !sim_kernel_has (kernel, SIM_SET_HERE, SIM_ANY, packet->to) && sim_kernel_has (kernel, SIM_SET_PEER_NET, iif, packet->to);

      return back && !(packet->layers & SIM_BACK_AGAIN) ? "foreign-destination" : NULL;
    }
  if (sim_kernel_has (kernel, SIM_SET_PEER_HOMED, iif, packet->to)) /* anything, but not what was sent from here before */
    {
      gboolean back = oif < SIM_HOSTS && (sim_kernel_has (kernel, SIM_SET_NET, SIM_ANY, packet->from) || sim_kernel_has (kernel, SIM_SET_UNTRACKED, SIM_ANY, packet->from));

      return back && !(packet->layers & SIM_BACK_AGAIN) ? "circling" : NULL;
    }
  if (sim_kernel_has (kernel, SIM_SET_PEER_GUEST, iif, packet->from))
    {
      count_answer (packet->net, host, iif, packet->from);
      return for_here ? NULL : "foreign-destination";
    }
  if (sim_kernel_has (kernel, SIM_SET_PEER_NET, iif, packet->from) || sim_kernel_has (kernel, SIM_SET_PEER_HOST, iif, packet->from))
    return for_here ? NULL : "foreign-destination";
  return "foreign-source";
}

/* Why the packet may not leave through `oif`, or NULL. */
static const char *
refuse (const SimKernel *kernel, Packet *packet, guint host, int iif, int oif)
{
  gboolean    safe = oif < SIM_HOSTS || sim_kernel_has (kernel, SIM_SET_BRIDGES, oif, NULL);
  const char *why = NULL;

  if (packet->layers & SIM_NO_FILTER)
    return NULL;
  if (iif < SIM_HOSTS)
    why = refuse_from_peer (kernel, packet, host, iif, oif);
  if (why == NULL && iif < SIM_HOSTS && oif < SIM_HOSTS && !(packet->layers & SIM_BACK_AGAIN)
      && sim_kernel_has (kernel, SIM_SET_PLACED, SIM_ANY, packet->from))
    why = "circling";
  if (why == NULL && !safe && iif != SIM_OWN && sim_kernel_has (kernel, SIM_SET_AWAY, SIM_ANY, packet->from))
    why = "away-in-clear";
  if (why == NULL && !safe && sim_kernel_has (kernel, SIM_SET_GUEST, SIM_ANY, packet->to))
    why = "guest-in-clear";
  if (why == NULL && !safe && sim_kernel_has (kernel, SIM_SET_REMOTE_NET, SIM_ANY, packet->to))
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

  if (iif < SIM_HOSTS && !(packet->layers & SIM_NO_FILTER) && !sim_kernel_has (kernel, SIM_SET_PEER_OWNED, iif, packet->from)
      && !sim_kernel_has (kernel, SIM_SET_PEER_NET, iif, packet->from) && !sim_kernel_has (kernel, SIM_SET_PEER_HOST, iif, packet->from)
      && !sim_kernel_has (kernel, SIM_SET_PEER_GUEST, iif, packet->from))
    why = "foreign-source";
  return end (packet, why != NULL ? SIM_DROPPED : SIM_DELIVERED, why);
}

static gboolean
leave_on_bridge (Packet *packet, guint host)
{
  const SimNet *net = packet->net;
  gboolean      found = sim_address_equal (packet->to, &net->neighbours[host][packet->to->v6]);

  /* one that waits for its memory answers no ARP, but there are caches and static entries */
  for (guint i = 0; i < net->n_guests; i++)
    found = found || (net->guests[i].tap_at[host] && sim_address_equal (packet->to, &net->guests[i].address));
  return end (packet, found ? SIM_DELIVERED : SIM_NOBODY, NULL);
}

/* The kernel takes no IPv4 packet from elsewhere whose source is an address of its own. */
static gboolean
is_martian (const Packet *packet, guint host, int iif)
{
  const SimNet *net = packet->net;

  return iif != SIM_OWN && !packet->from->v6
         && (sim_address_equal (packet->from, &net->gateways[host][0]) || sim_address_equal (packet->from, &net->underlays[host]));
}

/* One host; TRUE: the packet goes on, and *host and *iif are where it comes out. */
static gboolean
pass_host (Packet *packet, guint *host, int *iif)
{
  SimNet          *net = packet->net;
  const SimKernel *kernel = kernel_of (net, *host);
  const SimRoute     *route;
  const char      *why;
  int              oif;

  if (is_martian (packet, *host, *iif))
    return end (packet, SIM_DROPPED, "martian source");
  if (sim_address_equal (packet->to, &net->gateways[*host][packet->to->v6]) || sim_address_equal (packet->to, &net->underlays[*host]))
    return enter_host (packet, kernel, *host, *iif);
  route = packet->layers & SIM_NO_RULES ? NULL : sim_kernel_route (kernel, packet->from, packet->to, *iif);
  if (route != NULL && route->type == VR_ROUTE_UNREACHABLE)
    return end (packet, SIM_UNREACHABLE, NULL);
  oif = route != NULL ? route->dev : sim_net_is_on_link (net, *host, packet->to) ? SIM_BRIDGE : SIM_UPLINK;
  if (*iif == SIM_OWN && route != NULL && route->source != NULL)
    packet->from = &net->gateways[*host][packet->to->v6];
  why = refuse (kernel, packet, *host, *iif, oif);
  if (sim_kernel_has (kernel, SIM_SET_SOUGHT, SIM_ANY, packet->to) && g_hash_table_add (net->sought[*host], g_strdup (packet->to->text)))
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

/* Behind a host's bridge, somebody of its own networks sends: to somebody on the bridge, or whoever answers ARP in his place. */
static SimFate
send_on_bridge (Packet *packet, guint host)
{
  SimNet *net = packet->net;

  packet->fate.path[0] = (int) host;
  packet->fate.n_path = 1;
  for (guint i = 0; i < net->n_guests; i++)
    if (sim_address_equal (packet->to, &net->guests[i].address) && sim_net_is_on_link (net, host, packet->to) && net->guests[i].runs == (int) host)
      return packet->fate; /* it answers for itself */
  if (sim_net_is_on_link (net, host, packet->to) && !sim_address_equal (packet->to, &net->gateways[host][packet->to->v6])
      && !sim_kernel_has_proxy (kernel_of (net, host), packet->to))
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
  if (!sim_kernel_has_gateway (kernel_of (net, host), sender->tap))
    return packet.fate;
  if (sim_net_is_on_link (net, sender->home, to) && !sim_kernel_has_proxy (kernel_of (net, host), to))
    {
      g_hash_table_add (net->asked[host], g_strdup_printf ("br0 %s", to->text));
      packet.fate.reason = "nobody answers its ARP";
      return packet.fate;
    }
  packet.fate = (SimFate) { 0 };
  return forward (&packet, host, SIM_BRIDGE);
}
