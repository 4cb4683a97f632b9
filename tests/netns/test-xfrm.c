/* SPDX-License-Identifier: GPL-2.0-or-later */
/* XFRM interfaces, where the kernel has them; where it has not, that is what the error says. */
#include "daemon/switchover/outlet.h"
#include "daemon/tunnel/greeting.h"

#include "frames.h"
#include "netns.h"

#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

static gboolean
lacking (void)
{
  g_autofree char *out = sh_out ("ip link add probe type xfrm if_id 1 2>&1 && ip link del probe || echo lacking");

  if (strstr (out, "lacking") == NULL)
    return FALSE;
  g_test_skip ("this kernel has no XFRM interfaces");
  return TRUE;
}

static void
ensure (VrKernel *kernel, const char *name, guint32 if_id, const char *alias)
{
  g_autoptr (GError) error = NULL;

  vr_kernel_ensure_xfrm (kernel, name, if_id, alias, 1400, &error);
  g_assert_no_error (error);
}

static char *
index_of (const char *name)
{
  return sh_out ("ip -o link show %s | cut -d: -f1", name);
}

static void
test_make (void)
{
  g_autoptr (VrKernel) kernel = new_kernel ();
  g_autofree char *line = NULL, *addresses = NULL;
  Changed changed;

  if (lacking ())
    return;
  settle ();
  watch_changed (kernel, &changed);
  ensure (kernel, "vr-h3", 0x76123456, "h3.example.net");
  line = sh_out ("ip -d link show vr-h3");
  g_assert_nonnull (strstr (line, "xfrm if_id 0x76123456"));
  g_assert_nonnull (strstr (line, "alias h3.example.net"));
  g_assert_nonnull (strstr (line, "UP"));
  g_assert_nonnull (strstr (line, "mtu 1400 "));
  addresses = sh_out ("ip -o addr show vr-h3");
  g_assert_nonnull (strstr (addresses, "inet 192.0.0.8/32 scope host vr-h3"));
  g_assert_null (strstr (addresses, "inet6"));
  expect_changed (&changed); /* there are routes to be put on it */
}

static void
test_keep (void)
{
  g_autoptr (VrKernel) kernel = new_kernel (), next = NULL;
  g_autofree char *before = NULL, *after = NULL, *line = NULL;

  if (lacking ())
    return;
  ensure (kernel, "vr-h3", 0x76123456, "h3");
  before = index_of ("vr-h3");
  ensure (kernel, "vr-h3", 0x76123456, "h3");
  sh ("ip link set vr-h3 down mtu 1300 alias nonsense");
  next = new_kernel ();
  ensure (next, "vr-h3", 0x76123456, "h3");
  after = index_of ("vr-h3");
  g_assert_cmpstr (after, ==, before);
  line = sh_out ("ip link show vr-h3");
  g_assert_nonnull (strstr (line, "alias h3\n"));
  g_assert_nonnull (strstr (line, "mtu 1400 "));
  g_assert_nonnull (strstr (line, "UP"));
}

static void
test_other_id (void)
{
  g_autoptr (VrKernel) kernel = new_kernel ();
  g_autofree char *line = NULL;

  if (lacking ())
    return;
  sh ("ip link add vr-h3 group 118 type xfrm if_id 5");
  settle ();
  ensure (kernel, "vr-h3", 0x76123456, "h3");
  line = sh_out ("ip -d link show vr-h3");
  g_assert_nonnull (strstr (line, "if_id 0x76123456"));
}

static void
test_id_taken (void)
{
  g_autoptr (VrKernel) kernel = new_kernel ();
  g_autoptr (GError) error = NULL;

  if (lacking ())
    return;
  sh ("ip link add mine type xfrm if_id 0x76123456");
  g_assert_false (vr_kernel_ensure_xfrm (kernel, "vr-h3", 0x76123456, "h3", 1400, &error));
  g_assert_nonnull (strstr (error->message, "another interface has the if_id 0x76123456 of vr-h3"));
}

/* Routes, sysctls and the filter work on it, and a flush takes it away. */
static void
test_plan (void)
{
  g_autoptr (VrKernel) kernel = new_kernel ();
  g_autoptr (GError) error = NULL;
  g_autofree char *before = dump_all (), *changes = NULL, *again = NULL, *after = NULL;
  static const char plan[] = "element inet peer-net4 { \"vr-h3\" . 10.9.3.0/24 }\n"
                             "route 10.9.1.100/32 dev vr-h3 table 30321 metric 10\n"
                             "route fd00:9:1::100/128 dev vr-h3 table 30321 metric 10\n"
                             "sysctl net/ipv4/conf/vr-h3/rp_filter = 2\n";

  if (lacking ())
    return;
  ensure (kernel, "vr-h3", 0x76123456, "h3");
  changes = apply (kernel, plan);
  g_assert_nonnull (strstr (changes, "+ route fd00:9:1::100/128 dev vr-h3 table 30321 metric 10"));
  g_assert_nonnull (strstr (changes, "+ sysctl net/ipv4/conf/vr-h3/rp_filter = 2"));
  again = apply (kernel, plan);
  g_assert_cmpstr (again, ==, "");
  g_assert_true (vr_kernel_flush (kernel, &error));
  after = dump_all ();
  assert_same (after, before);
}

/* The other end of the tunnel, and the associations of both ends, with keys that need no daemon. */
static void
make_esp (void)
{
  static const char *const ends[][5] = {
    /* prefix of ip(8), own and other's underlay address, if_id, SPI inwards */
    { "ip", "192.0.2.1", "192.0.2.2", "0x76123456", "0x101" },
    { "ip -n peer", "192.0.2.2", "192.0.2.1", "0x9", "0x102" },
  };

  host_new ("peer");
  host_new ("guest");
  sh ("ip link add under0 type veth peer name eth0 netns peer && ip link set under0 up && ip -n peer link set eth0 up && "
      "ip addr add 192.0.2.1/24 dev under0 && ip -n peer addr add 192.0.2.2/24 dev eth0 && "
      "ip -n peer link add x0 type xfrm if_id 9 && ip -n peer link set x0 up && "
      "ip -n peer addr add 10.9.1.60/32 dev lo && ip -n peer addr add fd00:9:1::60/128 dev lo && "
      "ip -n peer route add 10.0.0.0/8 dev x0 && ip -n peer -6 route add fd00::/16 dev x0 && "
      "ip link add tap0 type veth peer name eth0 netns guest && ip link set tap0 up && ip -n guest link set eth0 up && "
      "ip addr add 10.9.1.1/24 dev tap0 && ip addr add fd00:9:1::1/64 dev tap0 nodad && "
      "ip -n guest addr add 10.9.1.100/32 dev eth0 && ip -n guest addr add fd00:9:1::100/128 dev eth0 nodad && "
      "ip -n guest route add 10.9.1.1 dev eth0 && ip -n guest route add default via 10.9.1.1 && "
      "ip -n guest -6 route add fd00:9:1::1 dev eth0 && ip -n guest -6 route add default via fd00:9:1::1");
  for (guint i = 0; i < G_N_ELEMENTS (ends); i++)
    {
      const char *ip = ends[i][0], *own = ends[i][1], *other = ends[i][2], *id = ends[i][3], *in = ends[i][4],
                 *out = ends[1 - i][4];
      const char *key = "0x000102030405060708090a0b0c0d0e0f10111213";

      for (guint k = 0; k < 2; k++)
        sh ("%s xfrm state add src %s dst %s proto esp spi %s reqid 1 mode tunnel if_id %s flag af-unspec aead 'rfc4106(gcm(aes))' %s 128",
            ip, k == 0 ? own : other, k == 0 ? other : own, k == 0 ? out : in, id, key);
      for (guint k = 0; k < 2; k++)
        {
          const char *any = k == 0 ? "0.0.0.0/0" : "::/0";

          sh ("%s xfrm policy add src %s dst %s dir out if_id %s tmpl src %s dst %s proto esp reqid 1 mode tunnel", ip,
              any, any, id, own, other);
          sh ("for d in in fwd; do %s xfrm policy add src %s dst %s dir $d if_id %s tmpl src %s dst %s proto esp reqid 1 mode tunnel; done",
              ip, any, any, id, other, own);
        }
    }
}

/*
 * Through ESP, with the real interface: the inside of a packet passes the filter's last chain a second time on its way to
 * the underlay, and is not taken for one that leaves in clear. Inwards the checks see the interface that it came out of.
 */
static void
test_esp (void)
{
  static const char plan[] =
    "element inet bridge { \"tap0\" }\n"
    "element inet guest4 { 10.9.1.60 }\n"
    "element inet guest6 { fd00:9:1::60 }\n"
    "element inet peer-owned4 { \"vr-h3\" . 10.9.1.60 }\n"
    "element inet peer-owned6 { \"vr-h3\" . fd00:9:1::60 }\n"
    "element inet relay4 { 10.9.1.60 }\n"
    "element inet relay6 { fd00:9:1::60 }\n"
    "route 10.9.1.60/32 dev vr-h3 table 30321 metric 10\n"
    "route fd00:9:1::60/128 dev vr-h3 table 30321 metric 10\n"
    "rule 7610 from all to all iif any lookup 30321\n"
    "rule6 7610 from all to all iif any lookup 30321\n";
  static const char *const pairs[][4] = { { "10.9.1.100", "10.9.1.60", "10.77.0.1", "relay4 10.9.1.60" },
                                          { "fd00:9:1::100", "fd00:9:1::60", "fd00:77::1", "relay6 fd00:9:1::60" } };
  g_autoptr (VrKernel) kernel = new_kernel ();
  g_autofree char *changes = NULL;

  if (lacking ())
    return;
  make_esp ();
  ensure (kernel, "vr-h3", 0x76123456, "h3");
  changes = apply (kernel, plan);
  for (guint i = 0; i < G_N_ELEMENTS (pairs); i++)
    {
      int guest = udp_open ("guest", pairs[i][0], 4000), far = udp_open ("peer", pairs[i][1], 4000),
          stranger = udp_open ("peer", pairs[i][2], 4000);

      udp_send (guest, pairs[i][1], 4000, "through ESP");
      udp_expect (far, "through ESP");
      udp_send (stranger, pairs[i][0], 4000, "not from there");
      udp_send (far, pairs[i][0], 4000, "and back");
      udp_expect (guest, "and back");
      expect_counter (kernel, pairs[i][3], 1);
      expect_counter (kernel, "foreign-source", i + 1);
      close (guest);
      close (far);
      close (stranger);
    }
  g_assert_cmpuint (counter_of (kernel, "guest-in-clear"), ==, 0);
}

/* What this end's CHILD_SA has counted. */
static guint
came (void)
{
  g_autofree char *state = sh_out ("ip -s xfrm state get src 192.0.2.2 dst 192.0.2.1 proto esp spi 0x101");
  const char      *now = strstr (state, "lifetime current:"), *packets = now != NULL ? strstr (now, "(packets)") : NULL; /* limits stand before */

  g_assert_nonnull (packets);
  while (packets > state && g_ascii_isdigit (packets[-1]))
    packets--;
  return (guint) strtoul (packets, NULL, 10);
}

/* A link that was just made drops what is sent before the kernel has noticed its carrier. */
static gboolean
underlay_works (gpointer data)
{
  g_autofree char *said = sh_out ("ip netns exec peer ping -q -c 1 -W 1 192.0.2.1 > /dev/null 2>&1 && echo yes || true");

  return strstr (said, "yes") != NULL;
}

static gboolean
came_more (gpointer before)
{
  return came () > GPOINTER_TO_UINT (before);
}

/* The first packet through a tunnel: this end's CHILD_SA has counted it, and nobody else. The peer's kernel has its own to say by IPv6, if it is given time. */
static void
test_greeting (void)
{
  static const char *const counters[] = { "multicast", "foreign-source", "foreign-destination" };
  g_autoptr (VrKernel) kernel = new_kernel ();
  g_autoptr (GError) error = NULL;
  g_autofree char *changes = NULL;
  guint            before;

  if (lacking ())
    return;
  make_esp ();
  ensure (kernel, "vr-h3", 0x76123456, "h3");
  changes = apply (kernel, "element inet bridge { \"tap0\" }\n");
  sh ("ip -n peer addr add 192.0.0.8/32 dev x0 scope host");
  host_enter ("peer");
  sh ("echo 1 > /proc/sys/net/ipv6/conf/x0/disable_ipv6");
  host_leave ();
  g_assert_true (wait_for (underlay_works, NULL));
  before = came ();
  host_enter ("peer");
  vr_greeting_send ("x0", &error);
  host_leave ();
  g_assert_no_error (error);
  g_assert_true (wait_for (came_more, GUINT_TO_POINTER (before)));
  g_assert_cmpuint (came (), ==, before + 1);
  for (guint i = 0; i < G_N_ELEMENTS (counters); i++)
    g_assert_cmpuint (counter_of (kernel, counters[i]), ==, 0);
}

/* The packet in a frame, out of the tunnel's interface. */
static void
send_out (VrOutlet *out, Frame *frame)
{
  frame->header.csum_start -= ETH_HLEN;
  if (frame->header.hdr_len != 0)
    frame->header.hdr_len -= ETH_HLEN;
  g_assert_cmpint (vr_outlet_send_packet (out, &frame->header, frame->data + ETH_HLEN, frame->len - ETH_HLEN), ==, 0);
}

/* A socket of the peer's that sees every TCP segment that comes for it, within 20 s. */
static int
segments_open (int family)
{
  struct timeval patience = { 20, 0 };
  int            fd;

  host_enter ("peer");
  fd = socket (family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP);
  host_leave ();
  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), ==, 0);
  return fd;
}

/* frame_tcp()'s bytes in order, of segments of `size`; the receiving side may have put several together. */
static void
expect_segments (int fd, gsize bytes, gsize size, gsize headers)
{
  g_autofree guint8 *got = g_malloc (FRAME_MAX);

  for (gsize at = 0; at < bytes;)
    {
      gssize len = recv (fd, got, FRAME_MAX, 0);

      g_assert_cmpint (len, >, (gssize) headers);
      for (gsize i = headers; i < (gsize) len; i++, at++)
        g_assert_cmpuint (got[i], ==, at / size);
    }
}

/*
 * Packets that leave by the interface from user space, while the guest's routes still lead elsewhere: encrypted like all others, their
 * checksums completed (the receiver checks those that come out of ESP), GSO packets segmented, so that the tunnel takes the segments: agreed upon without one, they are larger.
 */
static void
test_outlet (void)
{
  static const char plan[] = "route 10.9.1.60/32 dev tap0 table 30321 metric 10\n"
                             "route fd00:9:1::60/128 dev tap0 table 30321 metric 10\n"
                             "rule 7610 from all to all iif any lookup 30321\n"
                             "rule6 7610 from all to all iif any lookup 30321\n";
  static const char *const pairs[][2] = { { "10.9.1.100", "10.9.1.60" }, { "fd00:9:1::100", "fd00:9:1::60" } };
  g_autoptr (VrKernel) kernel = new_kernel ();
  g_autoptr (VrOutlet) out = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *changes = NULL;

  if (lacking ())
    return;
  make_esp ();
  ensure (kernel, "vr-h3", 0x76123456, "h3");
  changes = apply (kernel, plan);
  out = vr_outlet_new ("vr-h3", &error);
  g_assert_no_error (error);
  for (guint i = 0; i < G_N_ELEMENTS (pairs); i++)
    {
      g_autoptr (Frame) udp = frame_udp (pairs[i][0], pairs[i][1], 4000, "past the route", TRUE);
      g_autoptr (Frame) tcp = frame_tcp (pairs[i][0], pairs[i][1], 20, 1000), too_large = frame_tcp (pairs[i][0], pairs[i][1], 20, 1440);
      int far = udp_open ("peer", pairs[i][1], 4000), segments = segments_open (i == 0 ? AF_INET : AF_INET6);

      send_out (out, udp);
      udp_expect (far, "past the route");
      send_out (out, tcp);
      expect_segments (segments, 20 * 1000, 1000, 20 + (i == 0 ? 20 : 0));
      send_out (out, too_large);
      expect_segments (segments, 20 * 1440, 1440, 20 + (i == 0 ? 20 : 0));
      close (far);
      close (segments);
    }
  g_assert_cmpuint (counter_of (kernel, "guest-in-clear"), ==, 0);
}

static void
test_lacking (void)
{
  g_autoptr (VrKernel) kernel = new_kernel ();
  g_autoptr (GError) error = NULL;
  g_autofree char *out = sh_out ("ip link add probe type xfrm if_id 1 2>&1 && echo there || true");

  if (strstr (out, "there") != NULL)
    {
      g_test_skip ("this kernel has XFRM interfaces");
      return;
    }
  g_assert_false (vr_kernel_ensure_xfrm (kernel, "vr-h3", 0x76123456, "h3", 1400, &error));
  g_assert_nonnull (strstr (error->message, "this kernel has no XFRM interfaces"));
}

static void
test_name (void)
{
  g_autoptr (VrKernel) kernel = new_kernel ();
  g_autoptr (GError) error = NULL;

  g_assert_false (vr_kernel_ensure_xfrm (kernel, "eth0", 0x76123456, "h3", 1400, &error));
  g_assert_error (error, VR_KERNEL_ERROR, VR_KERNEL_ERROR_LINK);
}

int
main (int argc, char **argv)
{
  netns_init (&argc, &argv);
  netns_add ("/kernel/xfrm/make", test_make);
  netns_add ("/kernel/xfrm/keep", test_keep);
  netns_add ("/kernel/xfrm/other-id", test_other_id);
  netns_add ("/kernel/xfrm/id-taken", test_id_taken);
  netns_add ("/kernel/xfrm/plan", test_plan);
  netns_add ("/kernel/xfrm/esp", test_esp);
  netns_add ("/kernel/xfrm/outlet", test_outlet);
  netns_add ("/kernel/xfrm/greeting", test_greeting);
  netns_add ("/kernel/xfrm/lacking", test_lacking);
  netns_add ("/kernel/xfrm/name", test_name);
  return g_test_run ();
}
