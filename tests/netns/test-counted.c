/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What comes for a guest and is not sent on is counted with the reason, each guest's by itself; packet-world.h says between whom. */
#include "packet-world.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <unistd.h>

/* One datagram from p1, whose hop limit is over at the host: as that of a marker (daemon/path/marker.h), when it got to the guest's host. */
static void
send_with_one_hop (const PacketFamily *v, const char *to)
{
  gboolean four = *v->digit == '4';
  int      fd = udp_open ("p1", v->p1, 0), hops = 1;

  g_assert_cmpint (setsockopt (fd, four ? IPPROTO_IP : IPPROTO_IPV6, four ? IP_TTL : IPV6_UNICAST_HOPS, &hops, sizeof hops), ==, 0);
  udp_send (fd, to, PACKET_PORT, "no farther");
  close (fd);
}

static guint64
tally_of (VrKernel *kernel, gboolean backwards, const char *set, const PacketFamily *v, const char *address)
{
  g_autofree char   *name = g_strdup_printf ("%s%s %s", set, v->digit, address);
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) counters = vr_kernel_tallies (kernel, backwards, &error);

  g_assert_no_error (error);
  for (guint i = 0; i < counters->len; i++)
    if (g_str_equal (((VrCounter *) counters->pdata[i])->name, name))
      return ((VrCounter *) counters->pdata[i])->packets;
  return G_MAXUINT64;
}

typedef struct {
  PacketWorld *w;
  const char  *set, *address;
} Awaited;

static gboolean
is_one (gpointer data)
{
  const Awaited *awaited = data;

  return tally_of (awaited->w->kernel, FALSE, awaited->set, awaited->w->v, awaited->address) == 1;
}

/* `set` counts one for the address, in whatever order the sets are read. */
static void
expect_one (PacketWorld *w, const char *set, const char *address)
{
  Awaited awaited = { w, set, address };

  g_test_message ("%s%s %s", set, w->v->digit, address);
  g_assert_true (wait_for (is_one, &awaited));
  g_assert_cmpuint (tally_of (w->kernel, TRUE, set, w->v, address), ==, 1);
}

/* The guest at p2 is relayed from here, by hosts that agree on that; the stranger's packets are counted though it is no guest here. */
static char *
counting_plan (const PacketFamily *v)
{
  static const char *const sets[] = { "came", "expired", "foreign-source", "foreign-destination", "circling" };
  g_autofree char   *route = packet_relay_route (v);
  g_autoptr (GString) plan = g_string_new (route);

  g_string_append_printf (plan, "element inet peer-owned%s { \"vr-p1\" . %s }\nelement inet placed%s { %s }\n", v->digit, v->guest, v->digit, v->guest);
  for (guint i = 0; i < G_N_ELEMENTS (sets); i++)
    g_string_append_printf (plan, "element inet %s%s { %s }\nelement inet %s%s { %s }\n", sets[i], v->digit, v->gone, sets[i], v->digit, v->stranger);
  return g_string_free (g_steal_pointer (&plan), FALSE);
}

static void
check_reasons (PacketWorld *w)
{
  const PacketFamily *v = w->v;
  g_autofree char    *plan = counting_plan (v);

  packet_apply_with (w, plan);
  packet_send_from ("p1", v->stranger, v->gone, "from nobody who is behind that tunnel");
  expect_one (w, "foreign-source", v->gone);
  packet_send_from ("p1", v->p1, v->stranger, "to nobody here");
  expect_one (w, "foreign-destination", v->stranger);
  packet_send_from ("p1", v->guest, v->gone, "sent from here, and back");
  expect_one (w, "circling", v->gone);
  send_with_one_hop (v, v->gone);
  expect_one (w, "expired", v->gone);
  packet_send_from ("p1", v->p1, v->gone, "sent on");
  expect_one (w, "relay", v->gone);
  g_assert_cmpuint (tally_of (w->kernel, FALSE, "came", v, v->gone), ==, 4);
  g_assert_cmpuint (tally_of (w->kernel, FALSE, "came", v, v->stranger), ==, 1);
  g_assert_cmpuint (tally_of (w->kernel, FALSE, "foreign-destination", v, v->gone), ==, 0);
  g_assert_cmpuint (tally_of (w->kernel, FALSE, "expired", v, v->stranger), ==, 0);
}

static void
test_reasons (void)
{
  packet_for_both (check_reasons);
}

/* ---- too large for the tunnel ---- */

enum { TUNNEL_MTU = 1300, LARGE = 1400, PIECE = 500 };

/* From p1, `size` bytes of payload; piece: what the kernel is to cut them into on its last way (UDP GSO), 0: nothing. */
static void
send_large (const PacketFamily *v, const char *to, gsize size, gboolean may_be_cut, int piece, int hops)
{
  gboolean                four = *v->digit == '4';
  int                     fd = udp_open ("p1", v->p1, 0), level = four ? IPPROTO_IP : IPPROTO_IPV6;
  int                     discover = may_be_cut ? IP_PMTUDISC_DONT : IP_PMTUDISC_DO; /* IPv6 has the same numbers */
  g_autofree char        *payload = g_strnfill (size, 'x');
  struct sockaddr_storage native;
  socklen_t               native_size = address_of (to, PACKET_PORT, &native);

  g_assert_cmpint (setsockopt (fd, level, four ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER, &discover, sizeof discover), ==, 0);
  g_assert_cmpint (setsockopt (fd, level, four ? IP_TTL : IPV6_UNICAST_HOPS, &hops, sizeof hops), ==, 0);
  g_assert_cmpint (setsockopt (fd, IPPROTO_UDP, UDP_SEGMENT, &piece, sizeof piece), ==, 0);
  g_assert_cmpint (sendto (fd, payload, size, 0, (struct sockaddr *) &native, native_size), ==, (gssize) size);
  close (fd);
}

static void
expect_large (PacketWorld *w, guint large, guint relayed)
{
  g_assert_cmpuint (tally_of (w->kernel, FALSE, "large", w->v, w->v->gone), ==, large);
  g_assert_cmpuint (tally_of (w->kernel, TRUE, "large-relayed", w->v, w->v->gone), ==, relayed);
}

/* The kernel drops a packet too large for the interface that it is routed to before any chain of the hook "forward" sees it. */
static void
check_too_large (PacketWorld *w)
{
  const PacketFamily *v = w->v;
  g_autofree char    *route = packet_relay_route (v), *whole = g_strnfill (PIECE, 'x'), *cut = g_strnfill (LARGE, 'x');
  g_autofree char    *plan = g_strdup_printf ("%selement inet large%s { %s }\nelement inet large-relayed%s { %s }\nelement inet large%s { %s }\n"
                                              "element inet came%s { %s }\n", route, v->digit, v->gone, v->digit, v->gone, v->digit, v->guest,
                                              v->digit, v->gone);
  int gone, guest;

  sh ("ip link set vr-p2 mtu %d; ip -n p2 addr add %s/%s dev lo", TUNNEL_MTU, v->gone, v->length);
  packet_apply_with (w, plan);
  gone = udp_open ("p2", v->gone, PACKET_PORT);
  guest = udp_open ("guest", v->guest, PACKET_PORT);
  send_large (v, v->gone, LARGE, FALSE, 0, 1); /* it ends here, whatever its size */
  send_large (v, v->gone, 4 * PIECE, FALSE, PIECE, 64); /* large until it is sent: its pieces fit */
  for (guint i = 0; i < 4; i++)
    udp_expect (gone, whole);
  expect_large (w, 1, 1);
  send_large (v, v->guest, LARGE, FALSE, 0, 64); /* by no tunnel */
  udp_expect (guest, cut);
  g_assert_cmpuint (tally_of (w->kernel, FALSE, "large", v, v->guest), ==, 0);
  if (*v->digit == '4')
    {
      send_large (v, v->gone, LARGE, TRUE, 0, 64);
      udp_expect (gone, cut);
      expect_large (w, 2, 2);
    }
  send_large (v, v->gone, LARGE, FALSE, 0, 64);
  packet_send_from ("p1", v->p1, v->gone, "small");
  udp_expect (gone, "small");
  expect_large (w, *v->digit == '4' ? 3 : 2, *v->digit == '4' ? 2 : 1);
  close (gone);
  close (guest);
}

static void
test_too_large (void)
{
  packet_for_both (check_too_large);
}

int
main (int argc, char **argv)
{
  netns_init (&argc, &argv);
  netns_add ("/kernel/counted/reasons", test_reasons);
  netns_add ("/kernel/counted/too-large", test_too_large);
  return g_test_run ();
}
