/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the filter and the routes do to packets. The test's own namespace is the host; around it
 *
 *   p1 --- vr-p1  [host]  vr-p2 --- p2       peers, behind veths in the tunnels' place: 10.9.2.7 and 10.9.3.7
 *          tap0 - br0  plain0                guest: a guest on the bridge, 10.9.1.100
 *            |           |                   outside: the world, without a tunnel, 192.0.2.9
 *          guest      outside
 *
 * and the same with IPv6. Every test runs for both families.
 */
#include "netns.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { PORT = 4000 };

typedef struct {
  const char *digit;                          /* of the twin sets */
  const char *ip;                             /* the option of ip(8) */
  const char *guest, *p1, *p2, *outside, *host;
  const char *gone;    /* a guest of this host's that runs at p2 */
  const char *visitor; /* a guest of p1's that runs here */
  const char *stranger;                       /* an address that nobody knows */
  const char *network1, *network2, *own, *length;
} Family;

static const Family families[] = {
  { "4", "-4", "10.9.1.100", "10.9.2.7", "10.9.3.7", "192.0.2.9", "10.9.1.1", "10.9.1.60", "10.9.2.50", "10.77.0.1",
    "10.9.2.0/24", "10.9.3.0/24", "10.9.1.0/24", "32" },
  { "6", "-6", "fd00:9:1::100", "fd00:9:2::7", "fd00:9:3::7", "2001:db8::9", "fd00:9:1::1", "fd00:9:1::60",
    "fd00:9:2::50", "fd77::1", "fd00:9:2::/64", "fd00:9:3::/64", "fd00:9:1::/64", "128" },
};

typedef struct {
  const Family *v;
  VrKernel     *kernel;
} World;

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
make_world (World *w, const Family *v)
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

/* What every plan of these tests holds: the peers' networks, the guest here, the one at p2, p1's here. */
static char *
base_plan (const Family *v)
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

static char *
relay_route (const Family *v)
{
  return g_strdup_printf ("route %s/%s dev vr-p2 table 30321 metric 10\n", v->gone, v->length);
}

static void
apply_with (World *w, const char *more)
{
  g_autofree char *base = base_plan (w->v), *plan = g_strconcat (base, more, NULL), *changes = apply (w->kernel, plan);
}

static void
for_both (void (*check) (World *w))
{
  for (guint i = 0; i < G_N_ELEMENTS (families); i++)
    {
      World w;

      make_world (&w, &families[i]);
      check (&w);
      g_clear_object (&w.kernel);
      if (i + 1 < G_N_ELEMENTS (families))
        sh ("for n in p1 p2 guest outside; do ip netns del $n; done; ip link del br0; nft flush ruleset; "
            "for l in vr-p1 vr-p2 tap0 plain0; do ip link del $l 2>/dev/null; done; ip route flush table 30321; ip -6 route flush table 30321; true");
    }
}

/* From `sender` with the source `from` to `to`; then, on the way that is known to be open, `marker`. */
static void
send_from (const char *host, const char *from, const char *to, const char *text)
{
  int fd = udp_open (host, from, 0);

  udp_send (fd, to, PORT, text);
  close (fd);
}

/* Who is behind a tunnel may reach who is here; nobody else's address comes out of it, and nobody else is reached. */
static void
check_from_peer (World *w)
{
  const Family *v = w->v;
  int guest, outside;

  apply_with (w, "");
  guest = udp_open ("guest", v->guest, PORT);
  outside = udp_open ("outside", v->outside, PORT);
  send_from ("p1", v->stranger, v->guest, "stranger");
  send_from ("p1", v->p2, v->guest, "another peer's");
  send_from ("p1", v->guest, v->guest, "the guest's own");
  send_from ("p1", v->p1, v->guest, "allowed");
  udp_expect (guest, "allowed");
  expect_counter (w->kernel, "foreign-source", 3);
  send_from ("p1", v->p1, v->outside, "to the world");
  send_from ("p1", v->p1, v->p2, "to another peer");
  expect_counter (w->kernel, "foreign-destination", 2);
  send_from ("p2", v->gone, v->outside, "a guest that runs there");
  udp_expect (outside, "a guest that runs there");
  send_from ("p1", v->gone, v->outside, "that guest's, from elsewhere");
  expect_counter (w->kernel, "foreign-source", 4);
  close (guest);
  close (outside);
}

static void
test_from_peer (void)
{
  for_both (check_from_peer);
}

/* To a guest that came from there, a peer may send whatever arrives for it; to others it may not. */
static void
check_homed (World *w)
{
  const Family *v = w->v;
  int visitor;

  sh ("ip -n guest addr add %s/%s dev eth0 %s", v->visitor, v->length, *v->digit == '6' ? "nodad" : "");
  apply_with (w, "");
  visitor = udp_open ("guest", v->visitor, PORT);
  send_from ("p2", v->stranger, v->visitor, "from another peer");
  send_from ("p1", v->stranger, v->visitor, "passed on");
  udp_expect (visitor, "passed on");
  expect_counter (w->kernel, "foreign-source", 1);
  close (visitor);
}

static void
test_homed (void)
{
  for_both (check_homed);
}

/* Another host's guest may send, from where it runs, to what is here, and is counted; likewise what is sent to it. */
static void
check_peer_guest (World *w)
{
  const Family    *v = w->v;
  g_autofree char *answers = g_strdup_printf ("peer-guest%s vr-p2 . %s", v->digit, v->stranger);
  g_autofree char *sought = g_strdup_printf ("sought%s %s", v->digit, v->stranger);
  g_autofree char *more = g_strdup_printf ("element inet peer-guest%s { \"vr-p2\" . %s }\nelement inet sought%s { %s }\n"
                                           "route %s/%s dev vr-p2 table 30321 metric 10\n",
                                           v->digit, v->stranger, v->digit, v->stranger, v->stranger, v->length);
  int guest, stranger;

  sh ("ip -n p2 addr add %s/%s dev lo", v->stranger, v->length);
  apply_with (w, more);
  guest = udp_open ("guest", v->guest, PORT);
  stranger = udp_open ("p2", v->stranger, PORT);
  send_from ("guest", v->guest, v->stranger, "question");
  udp_expect (stranger, "question");
  expect_counter (w->kernel, sought, 1);
  send_from ("p1", v->stranger, v->guest, "from elsewhere");
  send_from ("p2", v->stranger, v->outside, "to the world");
  send_from ("p2", v->stranger, v->guest, "answer");
  udp_expect (guest, "answer");
  expect_counter (w->kernel, "foreign-source", 1);
  expect_counter (w->kernel, "foreign-destination", 1);
  expect_counter (w->kernel, answers, 2); /* what it sends to others shows as well that it is there */
  close (guest);
  close (stranger);
}

static void
test_peer_guest (void)
{
  for_both (check_peer_guest);
}

/* A guest of this host's that runs there may send anywhere but back there, unless to one that is relayed. */
static void
check_not_back (World *w)
{
  const Family    *v = w->v;
  const char      *neighbour = *v->digit == '6' ? "fd00:9:3::8" : "10.9.3.8"; /* of p2 */
  g_autofree char *relayed = g_strdup_printf ("element inet here%s { %s }\nelement inet relay%s { %s }\n", v->digit, neighbour,
                                              v->digit, neighbour);
  g_autofree char *name = g_strdup_printf ("relay%s %s", v->digit, neighbour);

  sh ("ip -n p2 addr add %s/%s dev lo", v->gone, v->length);
  apply_with (w, "");
  send_from ("p2", v->gone, neighbour, "back");
  expect_counter (w->kernel, "foreign-destination", 1);
  apply_with (w, relayed);
  send_from ("p2", v->gone, neighbour, "back, relayed");
  expect_counter (w->kernel, name, 1);
}

/* What came out of a tunnel with the address of a guest that is behind a bridge here does not go into one again. */
static void
check_no_circle (World *w)
{
  const Family    *v = w->v;
  g_autofree char *route = relay_route (v);
  g_autofree char *more = g_strdup_printf ("%selement inet peer-owned%s { \"vr-p1\" . %s }\nelement inet placed%s { %s }\n", route, v->digit,
                                           v->guest, v->digit, v->guest);
  int gone, guest;

  sh ("ip -n p2 addr add %s/%s dev lo; ip -n p1 addr add %s/%s dev lo", v->gone, v->length, v->stranger, v->length);
  apply_with (w, more);
  gone = udp_open ("p2", v->gone, PORT);
  guest = udp_open ("guest", v->guest, PORT);
  send_from ("p1", v->guest, v->gone, "sent from here already");
  expect_counter (w->kernel, "circling", 1);
  send_from ("guest", v->guest, v->gone, "sent from here");
  udp_expect (gone, "sent from here");
  close (gone);
  close (guest);
}

static void
test_no_circle (void)
{
  for_both (check_no_circle);
}

static void
test_not_back (void)
{
  for_both (check_not_back);
}

/* The host itself is reached by those behind the tunnel only. */
static void
check_to_host (World *w)
{
  const Family *v = w->v;
  int host;

  apply_with (w, "");
  host = udp_open ("", v->host, PORT);
  send_from ("p1", v->stranger, v->host, "stranger");
  send_from ("p1", v->p1, v->host, "peer");
  udp_expect (host, "peer");
  expect_counter (w->kernel, "foreign-source", 1);
  close (host);
}

static void
test_to_host (void)
{
  for_both (check_to_host);
}

/* Relayed from one tunnel into the other, and counted for each guest; the counts go on when the plan changes. */
static void
check_relay (World *w)
{
  const Family    *v = w->v;
  g_autofree char *route = relay_route (v), *name = g_strdup_printf ("relay%s %s", v->digit, v->gone);
  g_autofree char *more = g_strdup_printf ("%selement inet relay%s { %s }\n", route, v->digit, v->stranger);
  int gone;

  sh ("ip -n p2 addr add %s/%s dev lo", v->gone, v->length);
  apply_with (w, route);
  gone = udp_open ("p2", v->gone, PORT);
  send_from ("p1", v->p1, v->gone, "one");
  send_from ("guest", v->guest, v->gone, "two");
  udp_expect (gone, "one");
  udp_expect (gone, "two");
  expect_counter (w->kernel, name, 2);
  apply_with (w, more);
  expect_counter (w->kernel, name, 2);
  send_from ("p1", v->p1, v->gone, "three");
  udp_expect (gone, "three");
  expect_counter (w->kernel, name, 3);
  close (gone);
}

static void
test_relay (void)
{
  for_both (check_relay);
}

/* A guest's packets do not leave in clear, whatever the routes say: not those that are passed on, and not the host's own.
 */
static void
check_guest_in_clear (World *w)
{
  const Family *v = w->v;
  struct sockaddr_storage to;
  socklen_t size;
  int outside, own;

  apply_with (w, "");
  sh ("ip -n outside addr add %s/%s dev lo; ip %s route add %s/%s via %s", v->gone, v->length, v->ip, v->gone, v->length,
      v->outside);
  outside = udp_open ("outside", v->gone, PORT);
  send_from ("p1", v->p1, v->gone, "in clear");
  send_from ("guest", v->guest, v->gone, "in clear");
  expect_counter (w->kernel, "guest-in-clear", 2);
  own = udp_open ("", v->host, 0);
  size = address_of (v->gone, PORT, &to);
  g_assert_cmpint (sendto (own, "in clear", 8, 0, (struct sockaddr *) &to, size), <, 0);
  g_assert_cmpint (errno, ==, EPERM);
  expect_counter (w->kernel, "guest-in-clear", 3);
  /* on the bridge it may: the same address, if it is there */
  sh ("ip %s route replace %s/%s dev br0; ip -n guest addr add %s/%s dev eth0 %s", v->ip, v->gone, v->length, v->gone,
      v->length, *v->digit == '6' ? "nodad" : "");
  close (outside);
  outside = udp_open ("guest", v->gone, PORT);
  send_from ("p1", v->p1, v->gone, "on the bridge");
  udp_expect (outside, "on the bridge");
  expect_counter (w->kernel, "guest-in-clear", 3);
  close (outside);
  close (own);
}

static void
test_guest_in_clear (void)
{
  for_both (check_guest_in_clear);
}

/* Nor does what goes to a network that has a tunnel. */
static void
check_network_in_clear (World *w)
{
  const Family *v = w->v;
  int peer;

  apply_with (w, "");
  peer = udp_open ("p1", v->p1, PORT);
  sh ("ip %s rule del pref 7630", v->ip);
  send_from ("guest", v->guest, v->p1, "in clear");
  expect_counter (w->kernel, "network-in-clear", 1);
  apply_with (w, "");
  send_from ("guest", v->guest, v->p1, "through the tunnel");
  udp_expect (peer, "through the tunnel");
  close (peer);
}

static void
test_network_in_clear (void)
{
  for_both (check_network_in_clear);
}

/* What a guest that is away sends goes through a tunnel, or nowhere. */
static void
check_away (World *w)
{
  const Family    *v = w->v;
  g_autofree char *plan
      = g_strdup_printf ("route %s dev vr-p1 table 77 metric 10\nrule%s 7620 from %s/%s to all iif br0 lookup 77\n",
                         *v->digit == '6' ? "::/0" : "0.0.0.0/0", *v->digit == '6' ? "6" : "", v->visitor, v->length);
  int world, outside;

  sh ("ip -n guest addr add %s/%s dev eth0 %s; ip -n p1 addr add %s/%s dev lo", v->visitor, v->length,
      *v->digit == '6' ? "nodad" : "", v->stranger, v->length);
  apply_with (w, "");
  outside = udp_open ("outside", v->outside, PORT);
  send_from ("guest", v->visitor, v->outside, "in clear");
  send_from ("guest", v->guest, v->outside, "the other guest");
  udp_expect (outside, "the other guest");
  expect_counter (w->kernel, "away-in-clear", 1);
  apply_with (w, plan);
  world = udp_open ("p1", v->stranger, PORT);
  send_from ("guest", v->visitor, v->stranger, "by its home");
  udp_expect (world, "by its home");
  expect_counter (w->kernel, "away-in-clear", 1);
  close (world);
  close (outside);
}

static void
test_away (void)
{
  for_both (check_away);
}

/* Flows of which one half may pass elsewhere are not tracked, in either direction; a guest's with the world are, at its
 * home. */
static void
check_untracked (World *w)
{
  const Family    *v = w->v;
  g_autofree char *route = relay_route (v),
                  *more = g_strdup_printf ("%selement inet untracked%s { %s }\n", route, v->digit, v->gone);
  g_autofree char *counted = NULL;
  int gone, peer, outside;

  sh ("ip -n p2 addr add %s/%s dev lo; nft -f - <<X\n"
      "table inet witness {\n counter tracked { }\n counter untracked { }\n"
      " chain forward {\n  type filter hook forward priority 10;\n  meta l4proto udp ct state untracked counter name untracked\n"
      "  meta l4proto udp ct state != untracked counter name tracked\n }\n}\nX\n",
      v->gone, v->length);
  apply_with (w, more);
  gone = udp_open ("p2", v->gone, PORT);
  peer = udp_open ("p1", v->p1, PORT);
  outside = udp_open ("outside", v->outside, PORT);
  udp_send (peer, v->gone, PORT, "there");
  udp_expect (gone, "there");
  udp_send (gone, v->p1, PORT, "and back");
  udp_expect (peer, "and back");
  udp_send (gone, v->outside, PORT, "out");
  udp_expect (outside, "out");
  udp_send (outside, v->gone, PORT, "and in");
  udp_expect (gone, "and in");
  counted = sh_out ("nft list counters table inet witness | grep -o 'packets [0-9]*' | tr '\\n' ' '");
  g_assert_cmpstr (counted, ==, "packets 2 packets 2 ");
  close (gone);
  close (peer);
  close (outside);
}

static void
test_untracked (void)
{
  for_both (check_untracked);
}

/* When a guest's interface goes, senders are told so; its packets do not take the default route. */
static void
check_unreachable (World *w)
{
  const Family    *v = w->v;
  g_autofree char *plan
      = g_strdup_printf ("route %s/%s dev tap9 table 30321 metric 10\nroute unreachable %s/%s table 30321 metric 4000\n"
                         "neighbour %s lladdr 52:54:00:00:00:01 dev tap9\nelement inet bridge { \"tap9\" }\n",
                         v->gone, v->length, v->gone, v->length, v->gone);
  struct sockaddr_storage native;
  int fd, error;

  sh ("ip link add tap9 type veth peer name far9; ip link set tap9 up; ip link set far9 up");
  apply_with (w, plan);
  fd = udp_open ("p1", v->p1, 0);
  g_assert_cmpint (connect (fd, (struct sockaddr *) &native, address_of (v->gone, PORT, &native)), ==, 0);
  g_assert_cmpint (send (fd, "queued", 6, 0), ==, 6);
  sh ("ip link del tap9");
  g_assert_cmpint (send (fd, "too late", 8, 0), ==, 8);
  error = udp_error (fd);
  g_assert_true (error == EHOSTUNREACH || error == ENETUNREACH);
  g_assert_cmpuint (counter_of (w->kernel, "guest-in-clear"), ==, 0);
  close (fd);
}

static void
test_unreachable (void)
{
  for_both (check_unreachable);
}

/* TCP segments are made to fit: the announced segment size is that of the tunnel's MTU. */
static void
check_mss (World *w)
{
  const Family    *v = w->v;
  g_autofree char *route = relay_route (v), *counted = NULL;
  struct sockaddr_storage native;
  int fd;

  sh ("ip link set vr-p2 mtu 1300; nft -f - <<X\n"
      "table inet witness {\n counter fits { }\n"
      " chain post {\n  type filter hook postrouting priority 0;\n  oifname vr-p2 tcp flags syn tcp option maxseg size %d counter name fits\n }\n}\nX\n",
      *v->digit == '4' ? 1260 : 1240);
  apply_with (w, route);
  host_enter ("p1");
  fd = socket (*v->digit == '4' ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  host_leave ();
  connect (fd, (struct sockaddr *) &native, address_of (v->gone, PORT, &native));
  g_assert_cmpint (errno, ==, EINPROGRESS);
  counted = sh_out ("nft list counter inet witness fits | grep -o 'packets [0-9]*'");
  g_assert_cmpstr (counted, ==, "packets 1\n");
  close (fd);
}

static void
test_mss (void)
{
  for_both (check_mss);
}

int
main (int argc, char **argv)
{
  netns_init (&argc, &argv);
  netns_add ("/kernel/packets/from-peer", test_from_peer);
  netns_add ("/kernel/packets/homed", test_homed);
  netns_add ("/kernel/packets/peer-guest", test_peer_guest);
  netns_add ("/kernel/packets/not-back", test_not_back);
  netns_add ("/kernel/packets/no-circle", test_no_circle);
  netns_add ("/kernel/packets/to-host", test_to_host);
  netns_add ("/kernel/packets/relay", test_relay);
  netns_add ("/kernel/packets/guest-in-clear", test_guest_in_clear);
  netns_add ("/kernel/packets/network-in-clear", test_network_in_clear);
  netns_add ("/kernel/packets/away", test_away);
  netns_add ("/kernel/packets/untracked", test_untracked);
  netns_add ("/kernel/packets/unreachable", test_unreachable);
  netns_add ("/kernel/packets/mss", test_mss);
  return g_test_run ();
}
