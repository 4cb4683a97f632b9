/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the filter and the routes do to packets, those of both families. packet-world.h says between whom. */
#include "packet-world.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Who is behind a tunnel may reach who is here; nobody else's address comes out of it, and nobody else is reached. */
static void
check_from_peer (PacketWorld *w)
{
  const PacketFamily *v = w->v;
  int guest, outside;

  packet_apply_with (w, "");
  guest = udp_open ("guest", v->guest, PACKET_PORT);
  outside = udp_open ("outside", v->outside, PACKET_PORT);
  packet_send_from ("p1", v->stranger, v->guest, "stranger");
  packet_send_from ("p1", v->p2, v->guest, "another peer's");
  packet_send_from ("p1", v->guest, v->guest, "the guest's own");
  packet_send_from ("p1", v->p1, v->guest, "allowed");
  udp_expect (guest, "allowed");
  expect_counter (w->kernel, "foreign-source", 3);
  packet_send_from ("p1", v->p1, v->outside, "to the world");
  packet_send_from ("p1", v->p1, v->p2, "to another peer");
  expect_counter (w->kernel, "foreign-destination", 2);
  packet_send_from ("p2", v->gone, v->outside, "a guest that runs there");
  udp_expect (outside, "a guest that runs there");
  packet_send_from ("p1", v->gone, v->outside, "that guest's, from elsewhere");
  expect_counter (w->kernel, "foreign-source", 4);
  close (guest);
  close (outside);
}

static void
test_from_peer (void)
{
  packet_for_both (check_from_peer);
}

/* To a guest that came from there, a peer may send whatever arrives for it; to others it may not. */
static void
check_homed (PacketWorld *w)
{
  const PacketFamily *v = w->v;
  int visitor;

  sh ("ip -n guest addr add %s/%s dev eth0 %s", v->visitor, v->length, *v->digit == '6' ? "nodad" : "");
  packet_apply_with (w, "");
  visitor = udp_open ("guest", v->visitor, PACKET_PORT);
  packet_send_from ("p2", v->stranger, v->visitor, "from another peer");
  packet_send_from ("p1", v->stranger, v->visitor, "passed on");
  udp_expect (visitor, "passed on");
  expect_counter (w->kernel, "foreign-source", 1);
  close (visitor);
}

static void
test_homed (void)
{
  packet_for_both (check_homed);
}

/* Another host's guest may send, from where it runs, to what is here, and is counted; likewise what is sent to it. */
static void
check_peer_guest (PacketWorld *w)
{
  const PacketFamily    *v = w->v;
  g_autofree char *answers = g_strdup_printf ("peer-guest%s vr-p2 . %s", v->digit, v->stranger);
  g_autofree char *sought = g_strdup_printf ("sought%s %s", v->digit, v->stranger);
  g_autofree char *more = g_strdup_printf ("element inet peer-guest%s { \"vr-p2\" . %s }\nelement inet sought%s { %s }\n"
                                           "route %s/%s dev vr-p2 table 30321 metric 10\n",
                                           v->digit, v->stranger, v->digit, v->stranger, v->stranger, v->length);
  int guest, stranger;

  sh ("ip -n p2 addr add %s/%s dev lo", v->stranger, v->length);
  packet_apply_with (w, more);
  guest = udp_open ("guest", v->guest, PACKET_PORT);
  stranger = udp_open ("p2", v->stranger, PACKET_PORT);
  packet_send_from ("guest", v->guest, v->stranger, "question");
  udp_expect (stranger, "question");
  expect_counter (w->kernel, sought, 1);
  packet_send_from ("p1", v->stranger, v->guest, "from elsewhere");
  packet_send_from ("p2", v->stranger, v->outside, "to the world");
  packet_send_from ("p2", v->stranger, v->guest, "answer");
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
  packet_for_both (check_peer_guest);
}

/* A guest of this host's that runs there may send anywhere but back there, unless to one that is relayed. */
static void
check_not_back (PacketWorld *w)
{
  const PacketFamily    *v = w->v;
  const char      *neighbour = *v->digit == '6' ? "fd00:9:3::8" : "10.9.3.8"; /* of p2 */
  g_autofree char *relayed = g_strdup_printf ("element inet here%s { %s }\nelement inet relay%s { %s }\n", v->digit, neighbour,
                                              v->digit, neighbour);
  g_autofree char *name = g_strdup_printf ("relay%s %s", v->digit, neighbour);

  sh ("ip -n p2 addr add %s/%s dev lo", v->gone, v->length);
  packet_apply_with (w, "");
  packet_send_from ("p2", v->gone, neighbour, "back");
  expect_counter (w->kernel, "foreign-destination", 1);
  packet_apply_with (w, relayed);
  packet_send_from ("p2", v->gone, neighbour, "back, relayed");
  expect_counter (w->kernel, name, 1);
}

/* What came out of a tunnel with the address of a guest that is behind a bridge here does not go into one again. */
static void
check_no_circle (PacketWorld *w)
{
  const PacketFamily    *v = w->v;
  g_autofree char *route = packet_relay_route (v);
  g_autofree char *more = g_strdup_printf ("%selement inet peer-owned%s { \"vr-p1\" . %s }\nelement inet placed%s { %s }\n", route, v->digit,
                                           v->guest, v->digit, v->guest);
  int gone, guest;

  sh ("ip -n p2 addr add %s/%s dev lo; ip -n p1 addr add %s/%s dev lo", v->gone, v->length, v->stranger, v->length);
  packet_apply_with (w, more);
  gone = udp_open ("p2", v->gone, PACKET_PORT);
  guest = udp_open ("guest", v->guest, PACKET_PORT);
  packet_send_from ("p1", v->guest, v->gone, "sent from here already");
  expect_counter (w->kernel, "circling", 1);
  packet_send_from ("guest", v->guest, v->gone, "sent from here");
  udp_expect (gone, "sent from here");
  close (gone);
  close (guest);
}

static void
test_no_circle (void)
{
  packet_for_both (check_no_circle);
}

/* The home of a relayed guest sends here what comes to it, from anybody, until it hears that the guest left; but not what was sent from here. */
static void
check_late_home (PacketWorld *w)
{
  const PacketFamily *v = w->v;
  g_autofree char *route = packet_relay_route (v);
  g_autofree char *homed = g_strdup_printf ("%selement inet peer-homed%s { \"vr-p1\" . %s }\n", route, v->digit, v->gone);
  g_autofree char *left = g_strdup_printf ("%selement inet untracked%s { %s }\n", homed, v->digit, v->stranger);
  int gone;

  sh ("ip -n p2 addr add %s/%s dev lo", v->gone, v->length);
  gone = udp_open ("p2", v->gone, PACKET_PORT);
  packet_apply_with (w, route);
  packet_send_from ("p1", v->stranger, v->gone, "by somebody else's home");
  expect_counter (w->kernel, "foreign-source", 1);
  packet_apply_with (w, homed);
  packet_send_from ("p1", v->guest, v->gone, "from here, and back");
  expect_counter (w->kernel, "circling", 1);
  packet_send_from ("p1", v->stranger, v->gone, "from anybody");
  udp_expect (gone, "from anybody");
  packet_apply_with (w, left);
  packet_send_from ("p1", v->stranger, v->gone, "of a guest that left from here");
  expect_counter (w->kernel, "circling", 2);
  close (gone);
}

static void
test_late_home (void)
{
  packet_for_both (check_late_home);
}

static void
test_not_back (void)
{
  packet_for_both (check_not_back);
}

/* The host itself is reached by those behind the tunnel only. */
static void
check_to_host (PacketWorld *w)
{
  const PacketFamily *v = w->v;
  int host;

  packet_apply_with (w, "");
  host = udp_open ("", v->host, PACKET_PORT);
  packet_send_from ("p1", v->stranger, v->host, "stranger");
  packet_send_from ("p1", v->p1, v->host, "peer");
  udp_expect (host, "peer");
  expect_counter (w->kernel, "foreign-source", 1);
  close (host);
}

static void
test_to_host (void)
{
  packet_for_both (check_to_host);
}

/* Relayed from one tunnel into the other, and counted for each guest; the counts go on when the plan changes. */
static void
check_relay (PacketWorld *w)
{
  const PacketFamily    *v = w->v;
  g_autofree char *route = packet_relay_route (v), *name = g_strdup_printf ("relay%s %s", v->digit, v->gone);
  g_autofree char *more = g_strdup_printf ("%selement inet relay%s { %s }\n", route, v->digit, v->stranger);
  int gone;

  sh ("ip -n p2 addr add %s/%s dev lo", v->gone, v->length);
  packet_apply_with (w, route);
  gone = udp_open ("p2", v->gone, PACKET_PORT);
  packet_send_from ("p1", v->p1, v->gone, "one");
  packet_send_from ("guest", v->guest, v->gone, "two");
  udp_expect (gone, "one");
  udp_expect (gone, "two");
  expect_counter (w->kernel, name, 2);
  packet_apply_with (w, more);
  expect_counter (w->kernel, name, 2);
  packet_send_from ("p1", v->p1, v->gone, "three");
  udp_expect (gone, "three");
  expect_counter (w->kernel, name, 3);
  close (gone);
}

static void
test_relay (void)
{
  packet_for_both (check_relay);
}

/* A guest's packets do not leave in clear, whatever the routes say: not those that are passed on, and not the host's own.
 */
static void
check_guest_in_clear (PacketWorld *w)
{
  const PacketFamily *v = w->v;
  struct sockaddr_storage to;
  socklen_t size;
  int outside, own;

  packet_apply_with (w, "");
  sh ("ip -n outside addr add %s/%s dev lo; ip %s route add %s/%s via %s", v->gone, v->length, v->ip, v->gone, v->length,
      v->outside);
  outside = udp_open ("outside", v->gone, PACKET_PORT);
  packet_send_from ("p1", v->p1, v->gone, "in clear");
  packet_send_from ("guest", v->guest, v->gone, "in clear");
  expect_counter (w->kernel, "guest-in-clear", 2);
  own = udp_open ("", v->host, 0);
  size = address_of (v->gone, PACKET_PORT, &to);
  g_assert_cmpint (sendto (own, "in clear", 8, 0, (struct sockaddr *) &to, size), <, 0);
  g_assert_cmpint (errno, ==, EPERM);
  expect_counter (w->kernel, "guest-in-clear", 3);
  /* on the bridge it may: the same address, if it is there */
  sh ("ip %s route replace %s/%s dev br0; ip -n guest addr add %s/%s dev eth0 %s", v->ip, v->gone, v->length, v->gone,
      v->length, *v->digit == '6' ? "nodad" : "");
  close (outside);
  outside = udp_open ("guest", v->gone, PACKET_PORT);
  packet_send_from ("p1", v->p1, v->gone, "on the bridge");
  udp_expect (outside, "on the bridge");
  expect_counter (w->kernel, "guest-in-clear", 3);
  close (outside);
  close (own);
}

static void
test_guest_in_clear (void)
{
  packet_for_both (check_guest_in_clear);
}

/* Nor does what goes to a network that has a tunnel. */
static void
check_network_in_clear (PacketWorld *w)
{
  const PacketFamily *v = w->v;
  int peer;

  packet_apply_with (w, "");
  peer = udp_open ("p1", v->p1, PACKET_PORT);
  sh ("ip %s rule del pref 7630", v->ip);
  packet_send_from ("guest", v->guest, v->p1, "in clear");
  expect_counter (w->kernel, "network-in-clear", 1);
  packet_apply_with (w, "");
  packet_send_from ("guest", v->guest, v->p1, "through the tunnel");
  udp_expect (peer, "through the tunnel");
  close (peer);
}

static void
test_network_in_clear (void)
{
  packet_for_both (check_network_in_clear);
}

/* What a guest that is away sends goes through a tunnel, or nowhere. */
static void
check_away (PacketWorld *w)
{
  const PacketFamily    *v = w->v;
  g_autofree char *plan
      = g_strdup_printf ("route %s dev vr-p1 table 77 metric 10\nrule%s 7620 from %s/%s to all iif br0 lookup 77\n",
                         *v->digit == '6' ? "::/0" : "0.0.0.0/0", *v->digit == '6' ? "6" : "", v->visitor, v->length);
  int world, outside;

  sh ("ip -n guest addr add %s/%s dev eth0 %s; ip -n p1 addr add %s/%s dev lo", v->visitor, v->length,
      *v->digit == '6' ? "nodad" : "", v->stranger, v->length);
  packet_apply_with (w, "");
  outside = udp_open ("outside", v->outside, PACKET_PORT);
  packet_send_from ("guest", v->visitor, v->outside, "in clear");
  packet_send_from ("guest", v->guest, v->outside, "the other guest");
  udp_expect (outside, "the other guest");
  expect_counter (w->kernel, "away-in-clear", 1);
  packet_apply_with (w, plan);
  world = udp_open ("p1", v->stranger, PACKET_PORT);
  packet_send_from ("guest", v->visitor, v->stranger, "by its home");
  udp_expect (world, "by its home");
  expect_counter (w->kernel, "away-in-clear", 1);
  close (world);
  close (outside);
}

static void
test_away (void)
{
  packet_for_both (check_away);
}

/* Flows of which one half may pass elsewhere are not tracked, in either direction; a guest's with the world are, at its
 * home. */
static void
check_untracked (PacketWorld *w)
{
  const PacketFamily    *v = w->v;
  g_autofree char *route = packet_relay_route (v),
                  *more = g_strdup_printf ("%selement inet untracked%s { %s }\n", route, v->digit, v->gone);
  g_autofree char *counted = NULL;
  int gone, peer, outside;

  sh ("ip -n p2 addr add %s/%s dev lo; nft -f - <<X\n"
      "table inet witness {\n counter tracked { }\n counter untracked { }\n"
      " chain forward {\n  type filter hook forward priority 10;\n  meta l4proto udp ct state untracked counter name untracked\n"
      "  meta l4proto udp ct state != untracked counter name tracked\n }\n}\nX\n",
      v->gone, v->length);
  packet_apply_with (w, more);
  gone = udp_open ("p2", v->gone, PACKET_PORT);
  peer = udp_open ("p1", v->p1, PACKET_PORT);
  outside = udp_open ("outside", v->outside, PACKET_PORT);
  udp_send (peer, v->gone, PACKET_PORT, "there");
  udp_expect (gone, "there");
  udp_send (gone, v->p1, PACKET_PORT, "and back");
  udp_expect (peer, "and back");
  udp_send (gone, v->outside, PACKET_PORT, "out");
  udp_expect (outside, "out");
  udp_send (outside, v->gone, PACKET_PORT, "and in");
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
  packet_for_both (check_untracked);
}

/* When a guest's interface goes, senders are told so; its packets do not take the default route. */
static void
check_unreachable (PacketWorld *w)
{
  const PacketFamily    *v = w->v;
  g_autofree char *plan
      = g_strdup_printf ("route %s/%s dev tap9 table 30321 metric 10\nroute unreachable %s/%s table 30321 metric 4000\n"
                         "neighbour %s lladdr 52:54:00:00:00:01 dev tap9\nelement inet bridge { \"tap9\" }\n",
                         v->gone, v->length, v->gone, v->length, v->gone);
  struct sockaddr_storage native;
  int fd, error;

  sh ("ip link add tap9 type veth peer name far9; ip link set tap9 up; ip link set far9 up");
  packet_apply_with (w, plan);
  fd = udp_open ("p1", v->p1, 0);
  g_assert_cmpint (connect (fd, (struct sockaddr *) &native, address_of (v->gone, PACKET_PORT, &native)), ==, 0);
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
  packet_for_both (check_unreachable);
}

/* TCP segments are made to fit: the announced segment size is that of the tunnel's MTU. */
static void
check_mss (PacketWorld *w)
{
  const PacketFamily    *v = w->v;
  g_autofree char *route = packet_relay_route (v), *counted = NULL;
  struct sockaddr_storage native;
  int fd;

  sh ("ip link set vr-p2 mtu 1300; nft -f - <<X\n"
      "table inet witness {\n counter fits { }\n"
      " chain post {\n  type filter hook postrouting priority 0;\n  oifname vr-p2 tcp flags syn tcp option maxseg size %d counter name fits\n }\n}\nX\n",
      *v->digit == '4' ? 1260 : 1240);
  packet_apply_with (w, route);
  host_enter ("p1");
  fd = socket (*v->digit == '4' ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  host_leave ();
  connect (fd, (struct sockaddr *) &native, address_of (v->gone, PACKET_PORT, &native));
  g_assert_cmpint (errno, ==, EINPROGRESS);
  counted = sh_out ("nft list counter inet witness fits | grep -o 'packets [0-9]*'");
  g_assert_cmpstr (counted, ==, "packets 1\n");
  close (fd);
}

static void
test_mss (void)
{
  packet_for_both (check_mss);
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
  netns_add ("/kernel/packets/late-home", test_late_home);
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
