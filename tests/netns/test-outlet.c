/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What leaves by an outlet, seen from behind the interface: a tap, which has no offloads, so all that is left to do has to be done before it. */
#include "daemon/switchover/outlet.h"

#include "frames.h"
#include "netns.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <string.h>
#include <unistd.h>

static const char *const pairs[][2] = { { "10.9.2.50", "10.9.1.100" }, { "fd00:9:2::50", "fd00:9:1::100" } };

static VrOutlet *
outlet (const char *dev)
{
  g_autoptr (GError) error = NULL;
  VrOutlet *made = vr_outlet_new (dev, &error);

  g_assert_no_error (error);
  return made;
}

/* The packet in a frame; its header counts from there. */
static int
send_packet_of (VrOutlet *out, const Frame *frame)
{
  struct virtio_net_hdr header = frame->header;

  if (header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
    header.csum_start -= ETH_HLEN;
  if (header.hdr_len != 0)
    header.hdr_len -= ETH_HLEN;
  return vr_outlet_send_packet (out, &header, frame->data + ETH_HLEN, frame->len - ETH_HLEN);
}

/* Unchanged but for its link header, which is the interface's own: no hop is counted. */
static void
test_packet (void)
{
  int tunnel = tap_open ("vr-h3", 0);
  g_autoptr (VrOutlet) out = outlet ("vr-h3");

  for (guint i = 0; i < G_N_ELEMENTS (pairs); i++)
    {
      g_autoptr (Frame) frame = frame_udp (pairs[i][0], pairs[i][1], 4000, "as it is", FALSE);
      guint8 got[2048];

      g_assert_cmpint (send_packet_of (out, frame), ==, 0);
      g_assert_cmpuint (tap_read (tunnel, FALSE, got, sizeof got), ==, frame->len);
      g_assert_cmpmem (got + ETH_HLEN, frame->len - ETH_HLEN, frame->data + ETH_HLEN, frame->len - ETH_HLEN);
      g_assert_cmpmem (got, ETH_ALEN, got + ETH_ALEN, ETH_ALEN);
      g_assert_cmpmem (got + 12, 2, frame->data + 12, 2);
    }
  close (tunnel);
}

static void
test_checksum (void)
{
  int tunnel = tap_open ("vr-h3", 0);
  g_autoptr (VrOutlet) out = outlet ("vr-h3");

  for (guint i = 0; i < G_N_ELEMENTS (pairs); i++)
    {
      g_autoptr (Frame) frame = frame_udp (pairs[i][0], pairs[i][1], 4000, "to be completed", TRUE);
      g_autofree char *text = NULL;
      guint8 got[2048];
      gsize  len;

      g_assert_false (frame_is_right (frame->data, frame->len));
      g_assert_cmpint (send_packet_of (out, frame), ==, 0);
      len = tap_read (tunnel, FALSE, got, sizeof got);
      g_assert_true (frame_is_right (got, len));
      text = frame_text (got, len);
      g_assert_cmpstr (text, ==, "to be completed");
    }
  close (tunnel);
}

/* A GSO packet comes out as ordinary ones, in order. */
static void
test_gso (void)
{
  int tunnel = tap_open ("vr-h3", 0);
  g_autoptr (VrOutlet) out = outlet ("vr-h3");

  for (guint i = 0; i < G_N_ELEMENTS (pairs); i++)
    {
      g_autoptr (Frame) frame = frame_tcp (pairs[i][0], pairs[i][1], 20, 1000);

      g_assert_cmpint (send_packet_of (out, frame), ==, 0);
      for (guint k = 0; k < 20; k++)
        {
          guint8 got[2048];
          gsize  len = tap_read (tunnel, FALSE, got, sizeof got);

          g_assert_true (frame_is_right (got, len));
          g_assert_cmpuint (got[len - 1], ==, k);
        }
    }
  close (tunnel);
}

/* Into a tap with offloads to come: the frame and what is left to do reach its reader. */
/* Segments that are larger than the tunnel takes are cut smaller, and nothing of them is missing. */
static void
test_gso_too_large (void)
{
  enum { TUNNEL_MTU = 1280, SEGMENTS = 3, SIZE = 1400 };
  int tunnel = tap_open ("vr-h3", 0);
  g_autoptr (VrOutlet) out = outlet ("vr-h3");

  sh ("ip link set vr-h3 mtu %d", TUNNEL_MTU);
  for (guint i = 0; i < G_N_ELEMENTS (pairs); i++)
    {
      g_autoptr (Frame) frame = frame_tcp (pairs[i][0], pairs[i][1], SEGMENTS, SIZE);
      const gsize       headers = frame->header.hdr_len;
      guint8            got[2048];
      guint             there = 0;

      g_assert_cmpint (send_packet_of (out, frame), ==, 0);
      while (there < SEGMENTS * SIZE)
        {
          gsize len = tap_read (tunnel, FALSE, got, sizeof got);

          g_assert_cmpuint (len, <=, ETH_HLEN + TUNNEL_MTU);
          g_assert_true (frame_is_right (got, len));
          g_assert_cmpmem (got + headers, len - headers, frame->data + headers + there, len - headers);
          there += len - headers;
        }
      g_assert_cmpuint (there, ==, SEGMENTS * SIZE);
    }
  close (tunnel);
}

static void
test_frame (void)
{
  int tap = tap_open ("tap0", IFF_VNET_HDR);
  g_autoptr (VrOutlet) out = outlet ("tap0");

  for (guint i = 0; i < G_N_ELEMENTS (pairs); i++)
    {
      g_autoptr (Frame) frame = frame_udp (pairs[i][0], pairs[i][1], 4000, "to the guest", TRUE);
      guint8 got[2048];
      gsize  len;

      g_assert_cmpint (vr_outlet_send_frame (out, &frame->header, frame->data, frame->len), ==, 0);
      len = tap_read (tap, TRUE, got, sizeof got);
      g_assert_cmpuint (len, ==, frame->len);
      g_assert_cmpmem (got, ETH_HLEN + 20, frame->data, ETH_HLEN + 20);
      g_assert_true (frame_is_right (got, len)); /* this tap has no checksum offload: completed on the way */
    }
  close (tap);
}

/* The pieces of one packet, put together again in `whole`, from its Ethernet header on; its size. */
static gsize
read_pieces (int tunnel, guint n, gsize most, guint8 *whole)
{
  gsize len = ETH_HLEN + sizeof (struct iphdr);

  for (guint i = 0; i < n; i++)
    {
      guint8 got[2048];
      gsize  size = tap_read (tunnel, FALSE, got, sizeof got), payload = size - ETH_HLEN - sizeof (struct iphdr);
      guint16 at = got[ETH_HLEN + 6] << 8 | got[ETH_HLEN + 7];

      g_assert_cmpuint (size - ETH_HLEN, <=, most);
      g_assert_cmpuint ((at & IP_OFFMASK) * 8, ==, len - ETH_HLEN - sizeof (struct iphdr));
      g_assert_cmpuint (at & IP_MF, ==, i + 1 < n ? IP_MF : 0);
      g_assert_cmpuint (got[ETH_HLEN + 2] << 8 | got[ETH_HLEN + 3], ==, size - ETH_HLEN);
      g_assert_true (frame_header_is_right (got));
      memcpy (whole, got, i == 0 ? ETH_HLEN + sizeof (struct iphdr) : 0);
      memcpy (whole + len, got + ETH_HLEN + sizeof (struct iphdr), payload);
      len += payload;
    }
  return len;
}

/* Too large for the tunnel, and its sender does not forbid it: cut as by a router, its checksum completed before. */
static void
test_pieces (void)
{
  int tunnel = tap_open ("vr-h3", 0);
  g_autoptr (VrOutlet) out = outlet ("vr-h3");
  g_autofree char *text = g_strnfill (1300, 'x');

  sh ("ip link set vr-h3 mtu 700");
  for (guint partial = 0; partial < 2; partial++)
    {
      g_autoptr (Frame) frame = frame_udp (pairs[0][0], pairs[0][1], 4000, text, partial);
      g_autofree char *got = NULL;
      guint8 whole[2048];
      gsize  len;

      frame_set_offset (frame, 0);
      g_assert_cmpint (send_packet_of (out, frame), ==, 0);
      len = read_pieces (tunnel, 2, 700, whole);
      g_assert_cmpuint (len, ==, frame->len);
      memcpy (whole + ETH_HLEN, frame->data + ETH_HLEN, sizeof (struct iphdr));
      g_assert_true (frame_is_right (whole, len));
      got = frame_text (whole, len);
      g_assert_cmpstr (got, ==, text);
    }
  close (tunnel);
}

/* A piece of a larger packet is cut again: its own place counts, and others come after its last one. */
static void
test_piece_of_another (void)
{
  int tunnel = tap_open ("vr-h3", 0);
  g_autoptr (VrOutlet) out = outlet ("vr-h3");
  g_autoptr (Frame) frame = NULL;
  g_autofree char *text = g_strnfill (1300, 'x');

  frame = frame_udp (pairs[0][0], pairs[0][1], 4000, text, FALSE);
  frame_set_offset (frame, IP_MF | 185);
  sh ("ip link set vr-h3 mtu 700");
  g_assert_cmpint (send_packet_of (out, frame), ==, 0);
  for (guint i = 0; i < 2; i++)
    {
      guint8 got[2048];

      tap_read (tunnel, FALSE, got, sizeof got);
      g_assert_cmpuint (got[ETH_HLEN + 6] << 8 | got[ETH_HLEN + 7], ==, IP_MF | (185 + i * (680 / 8)));
    }
  close (tunnel);
}

static void
test_refused (void)
{
  int tunnel = tap_open ("vr-h3", 0);
  g_autoptr (VrOutlet) out = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (Frame) frame = frame_tcp (pairs[0][0], pairs[0][1], 1, 1400);
  static const guint8 neither[40] = { 0x10 };

  g_assert_null (vr_outlet_new ("vr-h9", &error));
  g_assert_error (error, VR_SWITCHOVER_ERROR, VR_SWITCHOVER_ERROR_INTERFACE);
  g_assert_nonnull (strstr (error->message, "vr-h9"));
  g_clear_error (&error);
  g_assert_null (vr_outlet_new ("lo", &error));
  g_assert_error (error, VR_SWITCHOVER_ERROR, VR_SWITCHOVER_ERROR_INTERFACE);
  out = outlet ("vr-h3");
  g_assert_cmpint (vr_outlet_send_packet (out, NULL, neither, sizeof neither), ==, EPROTONOSUPPORT);
  g_assert_cmpint (vr_outlet_send_frame (out, NULL, neither, ETH_HLEN - 1), ==, EPROTONOSUPPORT);
  sh ("ip link set vr-h3 mtu 1400");
  g_assert_cmpint (send_packet_of (out, frame), ==, EMSGSIZE);
  sh ("ip link set vr-h3 down");
  g_assert_cmpint (send_packet_of (out, frame), ==, ENETDOWN);
  close (tunnel); /* it goes: an outlet does not keep it */
  g_assert_cmpint (send_packet_of (out, frame), ==, ENXIO);
}

int
main (int argc, char **argv)
{
  netns_init (&argc, &argv);
  netns_add ("/switchover/outlet/packet", test_packet);
  netns_add ("/switchover/outlet/checksum", test_checksum);
  netns_add ("/switchover/outlet/gso", test_gso);
  netns_add ("/switchover/outlet/gso-too-large", test_gso_too_large);
  netns_add ("/switchover/outlet/frame", test_frame);
  netns_add ("/switchover/outlet/pieces", test_pieces);
  netns_add ("/switchover/outlet/piece-of-another", test_piece_of_another);
  netns_add ("/switchover/outlet/refused", test_refused);
  return g_test_run ();
}
