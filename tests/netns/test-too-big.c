/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets that are larger than the tunnel takes, among those that go after the guest: their senders are told, as by any router. */
#include "daemon/switchover/too-big.h"

#include "packet-world.h"
#include "switchover-world.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TUNNEL_MTU = 1300, LARGE = 1400 };

static Frame *
large (const char *from, const char *to)
{
  g_autofree char *text = g_strnfill (LARGE, 'x');

  return frame_udp (from, to, PORT, text, FALSE);
}

static int
mtu_of (int fd, gboolean v6)
{
  int       mtu = 0;
  socklen_t size = sizeof mtu;

  g_assert_cmpint (getsockopt (fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_MTU : IP_MTU, &mtu, &size), ==, 0);
  return mtu;
}

/* ---- at a switchover ---- */

/* The host that PEER and PEER6 belong to, by a wire as plain as a tunnel. */
static void
make_sender (void)
{
  host_new ("sender");
  sh ("ip link add vr-h2 address 02:00:00:00:00:0a type veth peer name eth0 netns sender address 02:00:00:00:00:0a && "
      "echo 0 > /proc/sys/net/ipv6/conf/vr-h2/disable_ipv6 && ip link set vr-h2 arp off up && ip -n sender link set eth0 arp off up && "
      "ip addr add 10.9.1.1/32 dev vr-h2 && ip addr add fd00:9:1::1/128 dev vr-h2 nodad && "
      "ip route add " PEER " dev vr-h2 && ip route add " PEER6 " dev vr-h2 && "
      "ip -n sender addr add " PEER "/32 dev eth0 && ip -n sender addr add " PEER6 "/128 dev eth0 nodad && "
      "ip -n sender route add default dev eth0 && ip -n sender -6 route add default dev eth0");
}

/* A socket that sends to the guest, and lets nobody cut what it sends. */
static int
open_sender (const char *from, const char *to)
{
  gboolean                v6 = strchr (from, ':') != NULL;
  int                     fd = udp_open ("sender", from, PORT), discover = IP_PMTUDISC_DO; /* IPv6 has the same number */
  struct sockaddr_storage native;
  socklen_t               size = address_of (to, PORT, &native);

  g_assert_cmpint (setsockopt (fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER, &discover, sizeof discover), ==, 0);
  g_assert_cmpint (connect (fd, (struct sockaddr *) &native, size), ==, 0);
  return fd;
}

static void
test_told (void)
{
  g_autoptr (Frame) four = large (PEER, GUEST), six = large (PEER6, GUEST6);
  VrSwitchoverCounts counts;
  int    sender4, sender6;
  gint64 stop;
  World  world;

  world_new (&world);
  make_sender ();
  sender4 = open_sender (PEER, GUEST);
  sender6 = open_sender (PEER6, GUEST6);
  sh ("ip link set vr-h3 mtu %d", TUNNEL_MTU);
  stop = standin_stop (world.qemu, FALSE);
  world_put_text (&world, "1");
  world_put (&world, four);
  world_put (&world, six);
  world_put (&world, four);
  world_put_text (&world, "2");
  world_run_at (&world, LONG_AFTER (stop));
  world_expect_out (&world, "1 2");
  g_assert_true (wait_for (world_has_let_go, &world));
  g_assert_cmpint (udp_error (sender4), ==, EMSGSIZE);
  g_assert_cmpint (udp_error (sender6), ==, EMSGSIZE);
  g_assert_cmpint (mtu_of (sender4, FALSE), ==, TUNNEL_MTU);
  g_assert_cmpint (mtu_of (sender6, TRUE), ==, TUNNEL_MTU);
  vr_switchover_get_counts (world.switchover, &counts);
  g_assert_cmpuint (counts.nics[0].too_large, ==, 3);
  g_assert_cmpuint (counts.told, ==, 2);
  close (sender4);
  close (sender6);
  world_end (&world);
}

/* ---- whom ---- */

static void
note (VrTooBig *too_big, const Frame *frame)
{
  vr_too_big_note (too_big, frame->data + ETH_HLEN, frame->len - ETH_HLEN);
}

static guint
told (const Frame *frame)
{
  g_autoptr (VrTooBig) too_big = vr_too_big_new ();

  note (too_big, frame);
  return vr_too_big_tell (too_big, TUNNEL_MTU);
}

/* An error of ICMP's from a router, or another message. */
static Frame *
icmp (guint8 type)
{
  Frame *frame = large ("10.9.2.1", GUEST);

  frame->data[ETH_HLEN + offsetof (struct iphdr, protocol)] = IPPROTO_ICMP;
  frame->data[ETH_HLEN + sizeof (struct iphdr)] = type;
  return frame;
}

static void
test_whom (void)
{
  g_autoptr (VrTooBig) too_big = vr_too_big_new ();
  g_autoptr (Frame) may_be_cut = large (PEER, GUEST), piece = large (PEER, GUEST), good = large (PEER, GUEST), good6 = large (PEER6, GUEST6);
  g_autoptr (Frame) group = large ("239.1.2.3", GUEST), group6 = large ("ff05::1", GUEST6), own = large ("127.0.0.1", GUEST), error = icmp (ICMP_TIME_EXCEEDED);
  g_autoptr (Frame) echo = icmp (ICMP_ECHO);
  guint8 bytes[64] = { 0x45 };

  sh ("ip link add wire type veth peer name end && ip link set wire up && ip link set end up && ip addr add 10.9.1.1/32 dev wire && "
      "ip -6 addr add fd00:9:1::1/128 dev wire nodad && ip route add default dev wire && ip -6 route add default dev wire");
  g_assert_cmpuint (told (good), ==, 1);
  g_assert_cmpuint (told (good6), ==, 1);
  g_assert_cmpuint (told (echo), ==, 1);
  frame_set_offset (may_be_cut, 0);
  g_assert_cmpuint (told (may_be_cut), ==, 0);
  frame_set_offset (piece, IP_DF | 1);
  g_assert_cmpuint (told (piece), ==, 0);
  g_assert_cmpuint (told (group), ==, 0);
  g_assert_cmpuint (told (group6), ==, 0);
  g_assert_cmpuint (told (own), ==, 0);
  g_assert_cmpuint (told (error), ==, 0);
  for (gsize len = 0; len < sizeof bytes; len++) /* what is shorter than it says */
    vr_too_big_note (too_big, bytes, len);
  for (guint i = 0; i < 3 * VR_TOO_BIG_MAX; i++) /* each sender once, and not too many */
    {
      g_autofree char  *from = g_strdup_printf ("10.9.2.%u", 1 + i);
      g_autoptr (Frame) another = large (from, GUEST);

      note (too_big, good);
      note (too_big, another);
    }
  g_assert_cmpuint (vr_too_big_tell (too_big, TUNNEL_MTU), ==, VR_TOO_BIG_MAX);
  g_assert_cmpuint (vr_too_big_tell (too_big, TUNNEL_MTU), ==, 0); /* they are forgotten */
}

/* ---- where addresses are translated ---- */

/* The packet bears the guest's own address, its sender knows another: the error has that one when it gets there. */
static void
check_translated (PacketWorld *w)
{
  const PacketFamily     *v = w->v;
  g_autoptr (VrTooBig)    too_big = vr_too_big_new ();
  g_autoptr (Frame)       frame = large (v->outside, v->guest);
  struct sockaddr_storage from;
  socklen_t               size = sizeof from;
  char                    buffer[16];
  int                     guest, outside, discover = IP_PMTUDISC_DO;

  packet_apply_with (w, "");
  sh ("nft -f - <<X\ntable inet masked {\n chain post {\n  type nat hook postrouting priority srcnat;\n  oifname plain0 masquerade\n }\n}\nX\n");
  guest = udp_open ("guest", v->guest, PORT);
  outside = udp_open ("outside", v->outside, PORT);
  udp_send (guest, v->outside, PORT, "question");
  g_assert_cmpint (recvfrom (outside, buffer, sizeof buffer, 0, (struct sockaddr *) &from, &size), ==, 8);
  g_assert_cmpint (connect (outside, (struct sockaddr *) &from, size), ==, 0);
  g_assert_cmpint (setsockopt (outside, *v->digit == '6' ? IPPROTO_IPV6 : IPPROTO_IP, *v->digit == '6' ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER, &discover,
                               sizeof discover), ==, 0);
  note (too_big, frame);
  g_assert_cmpuint (vr_too_big_tell (too_big, TUNNEL_MTU), ==, 1);
  g_assert_cmpint (udp_error (outside), ==, EMSGSIZE);
  g_assert_cmpint (mtu_of (outside, *v->digit == '6'), ==, TUNNEL_MTU);
  close (guest);
  close (outside);
}

static void
test_translated (void)
{
  packet_for_both (check_translated);
}

int
main (int argc, char **argv)
{
  netns_init (&argc, &argv);
  netns_add ("/switchover/too-big/told", test_told);
  netns_add ("/switchover/too-big/whom", test_whom);
  netns_add ("/switchover/too-big/translated", test_translated);
  return g_test_run ();
}
