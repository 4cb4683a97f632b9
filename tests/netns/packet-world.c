/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "packet-world.h"

#include <unistd.h>

static const PacketFamily families[] = {
  { "4", "-4", "10.9.1.100", "10.9.2.7", "10.9.3.7", "192.0.2.9", "10.9.1.1", "10.9.1.60", "10.9.2.50", "10.77.0.1",
    "10.9.2.0/24", "10.9.3.0/24", "10.9.1.0/24", "32" },
  { "6", "-6", "fd00:9:1::100", "fd00:9:2::7", "fd00:9:3::7", "2001:db8::9", "fd00:9:1::1", "fd00:9:1::60",
    "fd00:9:2::50", "fd77::1", "fd00:9:2::/64", "fd00:9:3::/64", "fd00:9:1::/64", "128" },
};

/* Both ends have one MAC and ask nobody for another: a wire as plain as a tunnel. */
static void
tunnel (const char *peer, const char *address4, const char *address6)
{
  host_new (peer);
  sh ("ip link add vr-%s address 02:00:00:00:00:0a type veth peer name eth0 netns %s address 02:00:00:00:00:0a && "
      "ip link set vr-%s arp off up && ip -n %s link set eth0 arp off up && ip -n %s addr add %s/32 dev lo && ip -n %s addr add %s/128 dev lo nodad && "
      "ip -n %s route add default dev eth0 src %s && ip -n %s -6 route add default dev eth0 src %s",
      peer, peer, peer, peer, peer, address4, peer, address6, peer, address4, peer, address6);
}

static void
make_world (PacketWorld *w, const PacketFamily *v)
{
  tunnel ("p1", "10.9.2.7", "fd00:9:2::7");
  tunnel ("p2", "10.9.3.7", "fd00:9:3::7");
  host_new ("guest");
  host_new ("outside");
  sh ("ip link add br0 address 02:00:00:00:01:01 type bridge && ip link set br0 up && ip addr add 10.9.1.1/24 dev br0 && ip addr add fd00:9:1::1/64 dev br0 nodad && "
      "ip link add tap0 type veth peer name eth0 netns guest && ip link set tap0 master br0 up && ip -n guest link set eth0 up && "
      "ip -n guest addr add 10.9.1.100/32 dev eth0 && ip -n guest addr add fd00:9:1::100/128 dev eth0 nodad && "
      "ip -n guest route add 10.9.1.1 dev eth0 && ip -n guest route add default via 10.9.1.1 && "
      "ip -n guest -6 route add fd00:9:1::1 dev eth0 && ip -n guest -6 route add default via fd00:9:1::1 && "
      "ip link add plain0 type veth peer name eth0 netns outside && ip link set plain0 up && ip -n outside link set eth0 up && "
      "ip addr add 192.0.2.1/24 dev plain0 && ip addr add 2001:db8::1/64 dev plain0 nodad && "
      "ip -n outside addr add 192.0.2.9/24 dev eth0 && ip -n outside addr add 2001:db8::9/64 dev eth0 nodad && "
      "ip route add default via 192.0.2.9 && ip -6 route add default via 2001:db8::9 && "
      "ip -n outside route add default via 192.0.2.1 && ip -n outside -6 route add default via 2001:db8::1");
  w->v = v;
  w->kernel = new_kernel ();
}

static char *
base_plan (const PacketFamily *v)
{
  const char *d = v->digit;
  g_autoptr (GString) plan = g_string_new ("element inet bridge { \"br0\" }\n");

  g_string_append_printf (plan, "element inet net%s { %s }\n", d, v->own);
  g_string_append_printf (plan, "element inet guest%s { %s }\nelement inet guest%s { %s }\nelement inet guest%s { %s }\n",
                          d, v->guest, d, v->gone, d, v->visitor);
  g_string_append_printf (plan, "element inet here%s { %s }\nelement inet here%s { %s }\n", d, v->gone, d, v->visitor);
  g_string_append_printf (plan, "element inet relay%s { %s }\nelement inet peer-owned%s { \"vr-p2\" . %s }\n", d, v->gone,
                          d, v->gone);
  g_string_append_printf (plan, "element inet away%s { %s }\nelement inet peer-homed%s { \"vr-p1\" . %s }\n", d,
                          v->visitor, d, v->visitor);
  g_string_append_printf (plan,
                          "element inet peer-net%s { \"vr-p1\" . %s }\nelement inet peer-net%s { \"vr-p2\" . %s }\n", d,
                          v->network1, d, v->network2);
  g_string_append_printf (plan, "element inet remote-net%s { %s }\nelement inet remote-net%s { %s }\n", d, v->network1, d,
                          v->network2);
  g_string_append_printf (plan, "route %s dev vr-p1 table 30323 metric 10\nroute %s dev vr-p2 table 30323 metric 10\n",
                          v->network1, v->network2);
  g_string_append_printf (plan, "rule%s 7630 from all to all iif any lookup 30323\n", *d == '6' ? "6" : "");
  g_string_append_printf (plan, "rule%s 7610 from all to all iif any lookup 30321\n", *d == '6' ? "6" : "");
  g_string_append_printf (plan, "route %s/%s dev br0 table 30321 metric 10\nroute %s/%s dev br0 table 30321 metric 10\n",
                          v->guest, v->length, v->visitor, v->length);
  return g_string_free (g_steal_pointer (&plan), FALSE);
}

char *
packet_relay_route (const PacketFamily *v)
{
  return g_strdup_printf ("route %s/%s dev vr-p2 table 30321 metric 10\n", v->gone, v->length);
}

void
packet_apply_with (PacketWorld *w, const char *more)
{
  g_autofree char *base = base_plan (w->v), *plan = g_strconcat (base, more, NULL), *changes = apply (w->kernel, plan);
}

void
packet_for_both (void (*check) (PacketWorld *w))
{
  for (guint i = 0; i < G_N_ELEMENTS (families); i++)
    {
      PacketWorld w;

      make_world (&w, &families[i]);
      check (&w);
      g_clear_object (&w.kernel);
      if (i + 1 < G_N_ELEMENTS (families))
        sh ("for n in p1 p2 guest outside; do ip netns del $n; done; ip link del br0; nft flush ruleset; "
            "for l in vr-p1 vr-p2 tap0 plain0; do ip link del $l 2>/dev/null; done; ip route flush table 30321; ip -6 route flush table 30321; true");
    }
}

void
packet_send_from (const char *host, const char *from, const char *to, const char *text)
{
  int fd = udp_open (host, from, 0);

  udp_send (fd, to, PACKET_PORT, text);
  close (fd);
}
