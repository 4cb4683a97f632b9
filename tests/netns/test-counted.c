/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What comes for a guest and is not sent on is counted with the reason, each guest's by itself; packet-world.h says between whom. */
#include "packet-world.h"

#include <netinet/in.h>
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

int
main (int argc, char **argv)
{
  netns_init (&argc, &argv);
  netns_add ("/kernel/counted/reasons", test_reasons);
  return g_test_run ();
}
