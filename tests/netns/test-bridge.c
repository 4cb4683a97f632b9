/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What happens on a bridge when guests moved: frames to MACs that are not there any more, questions for addresses that
 * are elsewhere, and announcements. The test's own namespace is the host, with a guest and a neighbour on its bridge and
 * a peer behind a veth in a tunnel's place. Every test runs for IPv4 and IPv6.
 */
#include "netns.h"

#include <string.h>
#include <unistd.h>

enum { PORT = 4000 };

#define BRIDGE_MAC "02:00:00:00:03:01"     /* of the bridge here */
#define OLD_GATEWAY_MAC "02:00:00:00:01:01" /* of another host's */
#define GUEST_MAC "52:54:00:00:00:64"
#define OLD_NEIGHBOUR_MAC "52:54:00:00:00:65"

typedef struct {
  const char *digit, *ip, *length, *nodad;
  const char *guest;     /* here */
  const char *neighbour; /* here, on the same bridge */
  const char *gateway;   /* of the network that the guest thinks it is in */
  const char *left;      /* a neighbour that the guest left behind: behind the tunnel */
  const char *peer;      /* behind the tunnel too */
} Family;

static const Family families[] = {
  { "4", "-4", "32", "", "10.9.1.100", "10.9.1.102", "10.9.1.1", "10.9.1.101", "10.9.2.7" },
  { "6", "-6", "128", "nodad", "fd00:9:1::100", "fd00:9:1::102", "fd00:9:1::1", "fd00:9:1::101", "fd00:9:2::7" },
};

typedef struct {
  const Family *v;
  VrKernel     *kernel;
} World;

static void
make_world (World *w, const Family *v)
{
  host_new ("guest");
  host_new ("neighbour");
  host_new ("peer");
  sh ("ip link add br0 address " BRIDGE_MAC " type bridge && ip link set br0 up && "
      "ip link add tap0 type veth peer name eth0 netns guest address " GUEST_MAC
      " && ip link set tap0 master br0 up && ip -n guest link set eth0 up && "
      "ip link add tap1 type veth peer name eth0 netns neighbour && ip link set tap1 master br0 up && ip -n neighbour link set eth0 up && "
      "ip link add vr-h1 address 02:00:00:00:00:0a type veth peer name eth0 netns peer address 02:00:00:00:00:0a && "
      "ip link set vr-h1 arp off up && ip -n peer link set eth0 arp off up");
  /* guest and neighbour are in one network, 24 or 64 bits long, whose gateway they use */
  sh ("ip -n guest addr add %s/%s dev eth0 %s && ip -n guest %s route add default via %s && "
      "ip -n neighbour addr add %s/%s dev eth0 %s && ip -n neighbour %s route add default via %s",
      v->guest, *v->digit == '4' ? "24" : "64", v->nodad, v->ip, v->gateway, v->neighbour, *v->digit == '4' ? "24" : "64",
      v->nodad, v->ip, v->gateway);
  for (guint i = 0; i < 2; i++)
    sh ("ip -n peer addr add %s/%s dev lo %s", i == 0 ? v->peer : v->left, v->length, v->nodad);
  sh ("ip -n peer %s route add default dev eth0", v->ip);
  w->v = v;
  w->kernel = new_kernel ();
}

static void
for_both (void (*check) (World *w))
{
  for (guint i = 0; i < G_N_ELEMENTS (families); i++)
    {
      World w;
      g_autoptr (GError) error = NULL;

      make_world (&w, &families[i]);
      check (&w);
      g_assert_true (vr_kernel_flush (w.kernel, &error));
      g_clear_object (&w.kernel);
      sh ("for n in guest neighbour peer; do ip netns del $n; done; ip link del br0; "
          "for l in tap0 tap1; do ip link del $l 2>/dev/null; done; true");
    }
}

/* The guest is away from home: all it sends goes through the tunnel; it is reached on the bridge. */
static char *
away_plan (const Family *v, const char *more)
{
  const char *six = *v->digit == '6' ? "6" : "";

  return g_strdup_printf ("route %s dev vr-h1 table 77 metric 10\nrule%s 7620 from %s/%s to all iif br0 lookup 77\n"
                          "route %s/%s dev br0 table 30321 metric 10\nrule%s 7610 from all to all iif any lookup 30321\n"
                          "neighbour %s lladdr " GUEST_MAC " dev br0\nforwarding " GUEST_MAC
                          " dev tap0\nelement inet bridge { \"br0\" }\n"
                          "element inet peer-homed%s { \"vr-h1\" . %s }\n%s",
                          *six ? "::/0" : "0.0.0.0/0", six, v->guest, v->length, v->guest, v->length, six, v->guest,
                          v->digit, v->guest, more);
}

static void
apply_quietly (World *w, const char *plan)
{
  g_autofree char *changes = apply (w->kernel, plan);
}

static void
know (const char *host, const Family *v, const char *address, const char *mac)
{
  sh ("ip -n %s %s neigh replace %s lladdr %s nud permanent dev eth0", host, v->ip, address, mac);
}

/* A guest that came from elsewhere goes on sending to its old gateway's MAC, and to its old neighbours'. */
static void
check_gateway (World *w)
{
  const Family    *v = w->v;
  g_autofree char *without = away_plan (v, "");
  g_autofree char *with = away_plan (v, "element bridge gateway { \"tap0\" : " BRIDGE_MAC " }\n");
  int guest = udp_open ("guest", v->guest, PORT), peer = udp_open ("peer", v->peer, PORT),
      left = udp_open ("peer", v->left, PORT);

  know ("guest", v, v->gateway, OLD_GATEWAY_MAC);
  know ("guest", v, v->left, OLD_NEIGHBOUR_MAC);
  apply_quietly (w, without);
  udp_send (guest, v->peer, PORT, "to a MAC that is not here");
  apply_quietly (w, with);
  udp_send (guest, v->peer, PORT, "by the gateway");
  udp_expect (peer, "by the gateway");
  udp_send (guest, v->left, PORT, "to the neighbour");
  udp_expect (left, "to the neighbour");
  udp_send (left, v->guest, PORT, "and back");
  udp_expect (guest, "and back");
  close (guest);
  close (peer);
  close (left);
}

static void
test_gateway (void)
{
  for_both (check_gateway);
}

/* A guest left: its neighbours go on sending to its MAC. */
static void
check_moved (World *w)
{
  const Family    *v = w->v;
  const char      *six = *v->digit == '6' ? "6" : "";
  g_autofree char *without = g_strdup_printf (
      "route %s/%s dev vr-h1 table 30321 metric 10\nrule%s 7610 from all to all iif any lookup 30321\n", v->left,
      v->length, six);
  g_autofree char *with
      = g_strconcat (without, "element bridge moved { " OLD_NEIGHBOUR_MAC " : " BRIDGE_MAC " }\n", NULL);
  int neighbour = udp_open ("neighbour", v->neighbour, PORT), left = udp_open ("peer", v->left, PORT);

  know ("neighbour", v, v->left, OLD_NEIGHBOUR_MAC);
  apply_quietly (w, without);
  udp_send (neighbour, v->left, PORT, "to a MAC that is not here");
  apply_quietly (w, with);
  udp_send (neighbour, v->left, PORT, "taken by the bridge");
  udp_expect (left, "taken by the bridge");
  close (neighbour);
  close (left);
}

static void
test_moved (void)
{
  for_both (check_moved);
}

/* A guest that came home goes on using the MAC of the other host's bridge; only guests' taps may. */
static void
check_old_gateway (World *w)
{
  const Family    *v = w->v;
  const char      *six = *v->digit == '6' ? "6" : "";
  g_autofree char *plan
      = g_strdup_printf ("route %s/%s dev vr-h1 table 30321 metric 10\nrule%s 7610 from all to all iif any lookup 30321\n"
                         "element bridge old-gateway { " OLD_GATEWAY_MAC " : " BRIDGE_MAC " }\n"
                         "element bridge guest-tap { \"tap0\" }\n",
                         v->peer, v->length, six);
  int guest = udp_open ("guest", v->guest, PORT), neighbour = udp_open ("neighbour", v->neighbour, PORT),
      peer = udp_open ("peer", v->peer, PORT);

  know ("guest", v, v->gateway, OLD_GATEWAY_MAC);
  know ("neighbour", v, v->gateway, OLD_GATEWAY_MAC);
  apply_quietly (w, plan);
  udp_send (neighbour, v->peer, PORT, "not a guest's tap");
  udp_send (guest, v->peer, PORT, "a guest's");
  udp_expect (peer, "a guest's");
  close (guest);
  close (neighbour);
  close (peer);
}

static void
test_old_gateway (void)
{
  for_both (check_old_gateway);
}

/* This host answers for the gateway and the neighbours that a guest left behind, as a router. */
static void
check_proxy (World *w)
{
  const Family    *v = w->v;
  g_autofree char *more
      = g_strdup_printf ("proxy %s dev br0\nproxy %s dev br0\nsysctl net/ipv%s/neigh/br0/proxy_delay = 0\n%s", v->gateway,
                         v->left, v->digit, *v->digit == '6' ? "sysctl net/ipv6/conf/br0/proxy_ndp = 1\n" : "");
  g_autofree char *route
      = g_strdup_printf ("%sroute %s/%s dev vr-h1 table 30321 metric 10\nroute %s/%s dev vr-h1 table 30321 metric 10\n",
                         more, v->gateway, v->length, v->left, v->length);
  g_autofree char *plan = away_plan (v, route), *known = NULL;
  int guest = udp_open ("guest", v->guest, PORT), peer = udp_open ("peer", v->peer, PORT),
      left = udp_open ("peer", v->left, PORT);

  apply_quietly (w, plan);
  udp_send (guest, v->peer, PORT, "by the gateway");
  udp_expect (peer, "by the gateway");
  udp_send (guest, v->left, PORT, "to the neighbour");
  udp_expect (left, "to the neighbour");
  known = sh_out ("ip -n guest %s neigh show %s", v->ip, v->gateway);
  g_assert_nonnull (strstr (known, "lladdr " BRIDGE_MAC));
  g_assert_true (*v->digit == '4' || strstr (known, " router ") != NULL);
  close (guest);
  close (peer);
  close (left);
}

static void
test_proxy (void)
{
  for_both (check_proxy);
}

/* ---- announcements ---- */

typedef struct {
  const Family *v;
  const char   *address, *mac;
} Known;

static gboolean
neighbour_knows (gpointer data)
{
  const Known     *known = data;
  g_autofree char *line = sh_out ("ip -n neighbour %s neigh show %s", known->v->ip, known->address);

  return strstr (line, known->mac) != NULL;
}

static void
expect_known (const Family *v, const char *address, const char *mac)
{
  Known known = { v, address, mac };

  g_assert_true (wait_for (neighbour_knows, &known));
}

/* An announcement changes what a neighbour knows, once: when the plan begins to hold it. */
static void
check_announce (World *w)
{
  const Family    *v = w->v;
  g_autofree char *plan = g_strdup_printf ("announce %s at " BRIDGE_MAC " on br0\nannounce %s at " GUEST_MAC " on br0\n",
                                           v->left, v->guest);

  sh ("for a in %s %s; do ip -n neighbour %s neigh add $a lladdr 52:54:00:00:00:99 nud reachable dev eth0; done", v->left,
      v->guest, v->ip);
  apply_quietly (w, plan);
  expect_known (v, v->left, BRIDGE_MAC);
  expect_known (v, v->guest, GUEST_MAC);

  sh ("ip -n neighbour %s neigh replace %s lladdr 52:54:00:00:00:99 nud reachable dev eth0", v->ip, v->left);
  apply_quietly (w, plan);
  settle ();
  expect_known (v, v->left, "52:54:00:00:00:99");

  apply_quietly (w, "");
  apply_quietly (w, plan);
  expect_known (v, v->left, BRIDGE_MAC);
}

static void
test_announce (void)
{
  for_both (check_announce);
}

/* An announcement for an interface that is not there yet is made when it is. */
static void
check_announce_later (World *w)
{
  const Family    *v = w->v;
  g_autofree char *plan = g_strdup_printf ("announce %s at " BRIDGE_MAC " on br0\n", v->left);

  sh ("ip -n neighbour %s neigh add %s lladdr 52:54:00:00:00:99 nud reachable dev eth0; ip link set br0 down", v->ip,
      v->left);
  apply_quietly (w, plan);
  sh ("ip link set br0 up");
  apply_quietly (w, plan);
  expect_known (v, v->left, BRIDGE_MAC);
}

static void
test_announce_later (void)
{
  for_both (check_announce_later);
}

/* A neighbour that took its routers from advertisements does not lose this one by being told of it. */
static void
test_announce_router (void)
{
  World w;
  g_autofree char *line = NULL;

  make_world (&w, &families[1]);
  sh ("ip -n neighbour neigh add fd00:9:1::101 lladdr 52:54:00:00:00:99 nud reachable router dev eth0; "
      "ip -n neighbour neigh add fd00:9:1::100 lladdr 52:54:00:00:00:99 nud reachable router dev eth0");
  apply_quietly (&w, "announce fd00:9:1::101 at " BRIDGE_MAC " on br0\nannounce fd00:9:1::100 at " GUEST_MAC " on br0\n");
  expect_known (w.v, "fd00:9:1::100", GUEST_MAC);
  line = sh_out ("ip -n neighbour -6 neigh show fd00:9:1::101; ip -n neighbour -6 neigh show fd00:9:1::100");
  g_assert_nonnull (strstr (line, "lladdr " BRIDGE_MAC " router"));
  g_assert_null (strstr (line, "lladdr " GUEST_MAC " router"));
  g_clear_object (&w.kernel);
}

int
main (int argc, char **argv)
{
  netns_init (&argc, &argv);
  netns_add ("/kernel/bridge/gateway", test_gateway);
  netns_add ("/kernel/bridge/moved", test_moved);
  netns_add ("/kernel/bridge/old-gateway", test_old_gateway);
  netns_add ("/kernel/bridge/proxy", test_proxy);
  netns_add ("/kernel/bridge/announce", test_announce);
  netns_add ("/kernel/bridge/announce-later", test_announce_later);
  netns_add ("/kernel/bridge/announce-router", test_announce_router);
  return g_test_run ();
}
