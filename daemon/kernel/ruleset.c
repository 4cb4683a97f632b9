/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The filter, in prose. Every set of addresses has a twin for IPv6; the text below writes both as one, `#` for the 4 or 6.
 *
 * Sets of table inet (what a plan puts in):
 *   guest#        every known guest address, wherever it is
 *   bridge        interfaces here on which guests' packets may appear in clear: bridges and taps of guests (in the
 *                 table: guest-bridge)
 *   here#         destinations that this host takes from tunnels: guests here or on their way, and those that it relays
 *   placed#       guests that run here and belong to this host
 *   net#          the own guest networks
 *   remote-net#   guest networks of the other hosts, reached through tunnels or not
 *   relay#        guests that this host relays, is about to, or did until lately: what goes to them through a tunnel is counted, each by
 *                 itself
 *   untracked#    guests that this host relays now
 *   away#         guests here that are away from home
 *   peer-net#     interface . network: networks behind that tunnel
 *   peer-host#    interface . address: single addresses behind it, such as the peer's own
 *   peer-owned#   interface . guest: runs there and has its home here, or left from here: as a source it may go anywhere
 *   peer-guest#   interface . guest: runs there, away from home, and is neither homed here nor did it leave from here; what
 *                 comes from it is counted, each by itself
 *   sought#       guests away from home that this host sends to as their peer: what goes to them is counted, each by itself
 *   came#, handed#, own#   guests that run here, come here or are relayed: what this host gets for them to send on, what it sends on to a
 *                 bridge or tap here, and what it sends them itself through a tunnel; each counted by itself. relay# is the fourth
 *   arrived#      interface . guest: came here from there, or is about to: what comes for it from there is counted
 *   expired#      of what comes for the guests in came#, what is for nobody beyond this host, since its hop limit is over here, is counted
 *   foreign-source#, foreign-destination#, circling#   likewise: what is dropped for the reason of that name, below
 *   large#        of what comes for the guests in came#, what is to go into a tunnel and is larger than 1280 bytes, the least MTU that one may have, is counted
 *   large-relayed#   and of that, what the kernel takes on. It drops what is larger than the MTU of the interface that it is routed to, and tells its
 *                 sender so, between the hooks "prerouting" and "forward": so what is in large# alone was too large. It is not known by its length: a
 *                 GSO packet is larger than any MTU, and fits, because its segments do
 *   peer-homed#   interface . guest: runs here and has its home there, or came from there, or is relayed and has its home there: it may be sent to
 *                 from any source
 *
 * Who may pass:
 *   From a tunnel, forwarded: a guest of this host's that runs there, but not back into a network behind that tunnel, unless
 *   it is to a guest that is relayed or here (else two hosts that do not agree yet could send it to and fro); anything to a guest of its here; and sources that are
 *   behind that tunnel, guests of other hosts among them, to destinations that are here. All else is dropped: foreign-source if the source is not behind that peer,
 *   else foreign-destination.
 *   From a tunnel, to this host itself: sources that are behind that peer. Neighbour discovery is let in (a tunnel has
 *   none, a plain interface in its place does); other multicast is of no use to anybody and is dropped.
 *   From a tunnel into a tunnel, with the address of a guest that is placed here: it was sent from here before, and somebody
 *   sent it back who knows less, or more, than this host. Dropped (circling). Likewise what the home of a relayed guest sends on for it, if its source is
 *   in a network of this host's, or a guest that left from here.
 *   To a known guest, or to a network that has a tunnel, leaving by anything but a tunnel or a guest's bridge: dropped
 *   (guest-in-clear, network-in-clear), unless an IPsec policy encrypts it, which is the administrator's own tunnel. The
 *   hook sees forwarded packets and the host's own, and the inside of a tunnel's packets a second time, then with a
 *   policy.
 *   From a guest that is away, leaving by anything but a tunnel or a guest's bridge: dropped (away-in-clear).
 *   An ICMP redirect to a guests' bridge: dropped (icmp-redirect). It would tell a neighbour that a guest is beside it,
 *   and the neighbour would go on believing that for minutes after the guest has left.
 * Nothing is accepted for good: what is not dropped here goes on to the administrator's own chains.
 *
 * Not tracked: flows between a relayed guest and another guest or a reached network, because one direction may pass by
 * another way; and all of a guest that is away, except with this host itself. A relayed guest's flows with the rest of the
 * world stay tracked at its home, which may translate their addresses. Both directions of a flow get the same answer.
 *
 * Table bridge, before anything else looks at a frame, for unicast frames:
 *   gateway       tap -> MAC of its bridge: all that a guest away from home sends is taken by the bridge; it goes on
 *                 using the MACs of the gateway and the neighbours that it left behind
 *   moved         MAC of a guest that left -> MAC of the bridge: what neighbours go on sending to it is taken by the
 *                 bridge
 *   guest-tap     taps of guests that are at home
 *   tap-out, tap-flood   taps of guests: frames that the bridge sends to them are counted, and of these what is not for one alone
 *   old-gateway   MAC of another host's bridge -> MAC of the bridge here: for guests that came home and go on using the
 *                 other's
 */
#include "ruleset.h"

#include "daemon/names.h"

#include <string.h>

#define INET VR_NFT_INET
#define BRIDGE VR_NFT_BRIDGE

#define TWINS(NAME, DEV, INTERVAL) \
  { INET, NAME "4", NAME "4", DEV, INTERVAL, FALSE }, { INET, NAME "6", NAME "6", DEV, INTERVAL, FALSE }

static const VrSet sets[] = {
  TWINS ("guest", FALSE, FALSE),
  TWINS ("here", FALSE, FALSE),
  TWINS ("placed", FALSE, FALSE),
  TWINS ("relay", FALSE, FALSE),
  TWINS ("untracked", FALSE, FALSE),
  TWINS ("away", FALSE, FALSE),
  TWINS ("net", FALSE, TRUE),
  TWINS ("remote-net", FALSE, TRUE),
  TWINS ("peer-net", TRUE, TRUE),
  TWINS ("peer-host", TRUE, FALSE),
  TWINS ("peer-owned", TRUE, FALSE),
  TWINS ("peer-guest", TRUE, FALSE),
  TWINS ("sought", FALSE, FALSE),
  TWINS ("peer-homed", TRUE, FALSE),
  TWINS ("came", FALSE, FALSE),
  TWINS ("handed", FALSE, FALSE),
  TWINS ("own", FALSE, FALSE),
  TWINS ("arrived", TRUE, FALSE),
  TWINS ("expired", FALSE, FALSE),
  TWINS ("foreign-source", FALSE, FALSE),
  TWINS ("foreign-destination", FALSE, FALSE),
  TWINS ("circling", FALSE, FALSE),
  TWINS ("large", FALSE, FALSE),
  TWINS ("large-relayed", FALSE, FALSE),
  { INET, "bridge", "guest-bridge", TRUE, FALSE, FALSE }, /* "bridge" is a word of nft's own */
  { BRIDGE, "gateway", "gateway", TRUE, FALSE, TRUE },
  { BRIDGE, "moved", "moved", FALSE, FALSE, TRUE },
  { BRIDGE, "guest-tap", "guest-tap", TRUE, FALSE, FALSE },
  { BRIDGE, "tap-out", "tap-out", TRUE, FALSE, FALSE },
  { BRIDGE, "tap-flood", "tap-flood", TRUE, FALSE, FALSE },
  { BRIDGE, "old-gateway", "old-gateway", FALSE, FALSE, TRUE },
};

const VrSet *
vr_set_by_plan (VrNftFamily family, const char *plan)
{
  for (guint i = 0; i < G_N_ELEMENTS (sets); i++)
    if (sets[i].family == family && g_str_equal (sets[i].plan, plan))
      return &sets[i];
  return NULL;
}

const VrSet *
vr_set_by_name (VrNftFamily family, const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (sets); i++)
    if (sets[i].family == family && g_str_equal (sets[i].name, name))
      return &sets[i];
  return NULL;
}

const char *
vr_nft_family_name (VrNftFamily family)
{
  return family == VR_NFT_INET ? "inet" : "bridge";
}

/* ---- the text: IP, HOPS, ADDRESS and # stand for ip, ip ttl, ipv4_addr and 4, then for ip6, ip6 hoplimit, ipv6_addr and 6 ---- */

static const char base[] =
  "counter foreign-source { }\n"
  "counter foreign-destination { }\n"
  "counter multicast { }\n"
  "counter circling { }\n"
  "counter guest-in-clear { }\n"
  "counter network-in-clear { }\n"
  "counter away-in-clear { }\n"
  "set guest-bridge { type ifname; }\n"
  "set guest# { type ADDRESS; }\n"
  "set here# { type ADDRESS; }\n"
  "set placed# { type ADDRESS; }\n"
  "set net# { type ADDRESS; flags interval; }\n"
  "set remote-net# { type ADDRESS; flags interval; }\n"
  "set relay# { type ADDRESS; counter; }\n"
  "set untracked# { type ADDRESS; }\n"
  "set away# { type ADDRESS; }\n"
  "set peer-net# { type ifname . ADDRESS; flags interval; }\n"
  "set peer-host# { type ifname . ADDRESS; }\n"
  "set peer-owned# { type ifname . ADDRESS; }\n"
  "set peer-guest# { type ifname . ADDRESS; counter; }\n"
  "set sought# { type ADDRESS; counter; }\n"
  "set peer-homed# { type ifname . ADDRESS; }\n"
  "set came# { type ADDRESS; counter; }\n"
  "set handed# { type ADDRESS; counter; }\n"
  "set own# { type ADDRESS; counter; }\n"
  "set arrived# { type ifname . ADDRESS; counter; }\n"
  "set expired# { type ADDRESS; counter; }\n"
  "set foreign-source# { type ADDRESS; counter; }\n"
  "set foreign-destination# { type ADDRESS; counter; }\n"
  "set circling# { type ADDRESS; counter; }\n"
  "set large# { type ADDRESS; counter; }\n"
  "set large-relayed# { type ADDRESS; counter; }\n"
  "chain for-here {\n"
  "  IP daddr @here# return\n"
  "  IP daddr @net# return\n"
  "  IP daddr @foreign-destination#\n"
  "  counter name foreign-destination drop\n"
  "}\n"
  "chain from-away {\n"
  "  IP daddr @here# return\n"
  "  iifname . IP daddr @peer-net# IP daddr @foreign-destination#\n"
  "  iifname . IP daddr @peer-net# counter name foreign-destination drop\n"
  "}\n"
  "chain circling {\n"
  "  IP daddr @circling#\n"
  "  counter name circling drop\n"
  "}\n"
  "chain for-homed {\n"
  "  oifname \"vr-*\" IP saddr @net# goto circling\n"
  "  oifname \"vr-*\" IP saddr @untracked# goto circling\n"
  "}\n"
  "chain from-peer {\n"
  "  iifname . IP saddr @peer-owned# goto from-away\n"
  "  iifname . IP daddr @peer-homed# goto for-homed\n"
  "  iifname . IP saddr @peer-guest# goto for-here\n"
  "  iifname . IP saddr @peer-net# goto for-here\n"
  "  iifname . IP saddr @peer-host# goto for-here\n"
  "  IP daddr @foreign-source#\n"
  "  counter name foreign-source drop\n"
  "}\n"
  "chain forward {\n"
  "  type filter hook forward priority filter - 5; policy accept;\n"
  "  iifname \"vr-*\" jump from-peer\n"
  "  iifname \"vr-*\" oifname \"vr-*\" IP saddr @placed# goto circling\n"
  "  IP saddr @away# oifname != \"vr-*\" oifname != @guest-bridge counter name away-in-clear drop\n"
  "  oifname \"vr-*\" IP daddr @relay#\n"
  "  oifname != \"vr-*\" IP daddr @handed#\n"
  "}\n"
  "chain to-host {\n"
  "  icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } return\n"
  "  meta nfproto ipv4 ip daddr 224.0.0.0/4 counter name multicast drop\n"
  "  meta nfproto ipv6 ip6 daddr ff00::/8 counter name multicast drop\n"
  "  iifname . IP saddr @peer-owned# return\n"
  "  iifname . IP saddr @peer-guest# return\n"
  "  iifname . IP saddr @peer-net# return\n"
  "  iifname . IP saddr @peer-host# return\n"
  "  counter name foreign-source drop\n"
  "}\n"
  "chain input {\n"
  "  type filter hook input priority filter - 5; policy accept;\n"
  "  iifname \"vr-*\" jump to-host\n"
  "}\n"
  "chain sought {\n"
  "  type filter hook postrouting priority filter; policy accept;\n"
  "  IP daddr @sought#\n"
  "}\n"
  "chain came {\n"
  "  type filter hook prerouting priority mangle; policy accept;\n"
  "  IP daddr @came#\n"
  "  HOPS < 2 IP daddr @expired#\n"
  "  iifname . IP daddr @arrived#\n"
  "}\n"
  "chain own {\n"
  "  type filter hook output priority filter; policy accept;\n"
  "  oifname \"vr-*\" IP daddr @own#\n"
  "}\n";

static const char clear[] =
  "chain clear {\n"
  "  type filter hook postrouting priority srcnat + 50; policy accept;\n"
  "  oifname \"vr-*\" return\n"
  "  oifname \"lo\" return\n"
  "  oifname @guest-bridge return\n"
  "  rt ipsec exists return\n"
  "  IP daddr @guest# counter name guest-in-clear drop\n"
  "  IP daddr @remote-net# counter name network-in-clear drop\n"
  "}\n";

static const char untracked[] =
  "chain untracked {\n"
  "  type filter hook prerouting priority raw; policy accept;\n"
  "  IP daddr @away# notrack\n"
  "  IP saddr @away# fib daddr type != local notrack\n"
  "  IP daddr @untracked# IP saddr @guest# notrack\n"
  "  IP daddr @untracked# IP saddr @remote-net# notrack\n"
  "  IP saddr @untracked# IP daddr @guest# notrack\n"
  "  IP saddr @untracked# IP daddr @remote-net# notrack\n"
  "}\n";

static const char mss[] =
  "chain mss {\n"
  "  type filter hook forward priority mangle; policy accept;\n"
  "  oifname \"vr-*\" tcp flags syn / syn,rst tcp option maxseg size set rt mtu\n"
  "}\n";

static const char large[] =
  "chain large {\n"
  "  type filter hook prerouting priority mangle; policy accept;\n"
  "  meta length > 1280 HOPS > 1 IP daddr @guest# fib daddr oifname \"vr-*\" IP daddr @large#\n"
  "}\n"
  "chain large-relayed {\n"
  "  type filter hook forward priority raw; policy accept;\n"
  "  meta length > 1280 oifname \"vr-*\" IP daddr @large-relayed#\n"
  "}\n";

static const char redirects[] =
  "counter icmp-redirect { }\n"
  "chain pointers {\n"
  "  type filter hook output priority filter - 5; policy accept;\n"
  "  oifname @guest-bridge icmp type redirect counter name icmp-redirect drop\n"
  "  oifname @guest-bridge icmpv6 type nd-redirect counter name icmp-redirect drop\n"
  "}\n";

static const char bridge[] =
  "map gateway { type ifname : ether_addr; }\n"
  "map moved { type ether_addr : ether_addr; }\n"
  "set guest-tap { type ifname; }\n"
  "set tap-out { type ifname; counter; }\n"
  "set tap-flood { type ifname; counter; }\n"
  "map old-gateway { type ether_addr : ether_addr; }\n"
  "chain prerouting {\n"
  "  type filter hook prerouting priority -400; policy accept;\n"
  "  ether daddr & 01:00:00:00:00:00 == 01:00:00:00:00:00 return\n"
  "  ether daddr set iifname map @gateway meta pkttype set host\n"
  "  ether daddr set ether daddr map @moved meta pkttype set host\n"
  "  iifname @guest-tap ether daddr set ether daddr map @old-gateway meta pkttype set host\n"
  "}\n"
  "chain postrouting {\n"
  "  type filter hook postrouting priority 300; policy accept;\n"
  "  oifname @tap-out\n"
  "  ether daddr & 01:00:00:00:00:00 == 01:00:00:00:00:00 oifname @tap-flood\n"
  "}\n";

static void
append_line (GString *text, const char *line, gboolean v6)
{
  g_autoptr (GString) one = g_string_new (line);

  g_string_replace (one, "#", v6 ? "6" : "4", 0);
  g_string_replace (one, "IP ", v6 ? "ip6 " : "ip ", 0);
  g_string_replace (one, "HOPS ", v6 ? "ip6 hoplimit " : "ip ttl ", 0);
  g_string_replace (one, "ADDRESS", v6 ? "ipv6_addr" : "ipv4_addr", 0);
  g_string_append_printf (text, "%s\n", one->str);
}

static void
part_free (gpointer data)
{
  VrPart *part = data;

  g_free (part->text);
  g_free (part);
}

static void
add_part (GPtrArray *parts, VrNftFamily family, const char *name, const char *purpose, const char *source)
{
  g_auto (GStrv) lines = g_strsplit (source, "\n", -1);
  g_autoptr (GString) text = g_string_new (NULL);
  VrPart *part = g_new0 (VrPart, 1);

  g_string_append_printf (text, "table %s %s {\n", vr_nft_family_name (family), VR_NFT_TABLE);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      append_line (text, lines[i], FALSE);
      if (strchr (lines[i], '#') != NULL)
        append_line (text, lines[i], TRUE);
    }
  g_string_append (text, "}\n");

  part->family = family;
  part->name = name;
  part->purpose = purpose;
  part->text = g_string_free (g_steal_pointer (&text), FALSE);
  g_ptr_array_add (parts, part);
}

GPtrArray *
vr_ruleset_parts (void)
{
  GPtrArray *parts = g_ptr_array_new_with_free_func (part_free);

  add_part (parts, INET, "tunnels", "what may come out of a tunnel is not checked", base);
  add_part (parts, INET, "clear", "guests' packets are not kept from leaving in clear", clear);
  add_part (parts, INET, "untracked", "relayed flows are tracked, and a stateful firewall may refuse half of them",
            untracked);
  add_part (parts, INET, "redirects", "neighbours may be told to look for a guest where it no longer is", redirects);
  add_part (parts, INET, "large", "what is too large for a tunnel is refused without that reason in the ledger", large);
  add_part (parts, INET, "mss", "TCP segments are not made to fit the tunnels", mss);
  add_part (parts, BRIDGE, "bridge", "guests that moved must ask anew for their gateway's and neighbours' MACs", bridge);
  return parts;
}
