/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where packets wait while a path changes: what is put in comes out as it was, in order, and what finds no room is counted. */
#include "daemon/path/hold.h"

#include "daemon/names.h"
#include "frames.h"
#include "netns.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <stdlib.h>
#include <unistd.h>

#define PEER "10.9.2.50"
#define GUEST "10.9.1.100"
#define PEER6 "fd00:9:2::50"
#define GUEST6 "fd00:9:1::100"
#define PORT 4000

typedef struct {
  int       tunnel;
  VrOutlet *out, *in; /* straight; into the hold, as the routes lead there */
  VrHold   *hold;
} World;

static VrOutlet *
outlet (const char *dev)
{
  g_autoptr (GError) error = NULL;
  VrOutlet *made = vr_outlet_new (dev, &error);

  g_assert_no_error (error);
  return made;
}

static void
world_new (World *world)
{
  g_autoptr (GError) error = NULL;

  sh ("echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6"); /* no chatter of the kernel's own */
  world->tunnel = tap_open ("vr-h3", 0);
  sh ("ip link set vr-h3 arp off txqueuelen %u", VR_HOLD_PACKETS + 1000);
  world->hold = vr_hold_new ("vr-h3", &error);
  g_assert_no_error (error);
  world->out = outlet ("vr-h3");
  world->in = outlet (VR_HOLD_LINK);
}

static void
world_end (World *world)
{
  vr_outlet_free (world->in);
  vr_outlet_free (world->out);
  vr_hold_free (world->hold);
  close (world->tunnel);
}

/* 0, or an errno. */
static int
put (World *world, const Frame *frame)
{
  struct virtio_net_hdr header = frame->header;

  header.csum_start -= frame->header.csum_start != 0 ? ETH_HLEN : 0;
  header.hdr_len -= frame->header.hdr_len != 0 ? ETH_HLEN : 0;
  return vr_outlet_send_packet (world->in, &header, frame->data + ETH_HLEN, frame->len - ETH_HLEN);
}

static int
put_text (World *world, const char *text)
{
  g_autoptr (Frame) frame = frame_udp (PEER, GUEST, PORT, text, TRUE);

  return put (world, frame);
}

static gsize
expect_frame (World *world, guint8 *frame, gsize size, const char *text)
{
  gsize            len = tap_read (world->tunnel, FALSE, frame, size);
  g_autofree char *is = frame_text (frame, len);

  g_assert_true (frame_is_right (frame, len));
  g_assert_cmpstr (is, ==, text);
  return len;
}

/* TCP as the kernel forwards it: a frame of 40 segments stays one while it waits, and keeps its place. */
static void
test_gso (void)
{
  World  world;
  guint8 got[2048];

  world_new (&world);
  for (guint v6 = 0; v6 < 2; v6++)
    {
      g_autoptr (Frame) large = frame_tcp (v6 ? PEER6 : PEER, v6 ? GUEST6 : GUEST, 40, 1000);

      g_assert_cmpint (put_text (&world, "before"), ==, 0);
      g_assert_cmpint (put (&world, large), ==, 0);
      g_assert_cmpint (put_text (&world, "after"), ==, 0);
    }
  g_assert_true (vr_hold_release (world.hold, world.out, VR_HOLD_PACKETS));
  for (guint v6 = 0; v6 < 2; v6++)
    {
      expect_frame (&world, got, sizeof got, "before");
      for (guint i = 0; i < 40; i++)
        g_assert_cmpuint (got[expect_frame (&world, got, sizeof got, NULL) - 1], ==, i);
      expect_frame (&world, got, sizeof got, "after");
    }
  g_assert_cmpuint (vr_hold_counts (world.hold).sent, ==, 6);
  g_assert_cmpuint (vr_hold_counts (world.hold).gso, ==, 2);
  g_assert_cmpuint (vr_hold_counts (world.hold).not_sent + vr_hold_counts (world.hold).dropped, ==, 0);
  world_end (&world);
}

/* More than it has room for: the first stay, in order; the others are lost, and counted. */
static void
test_overflow (void)
{
  enum { MORE = 100 };
  World  world;
  guint8 got[2048];

  world_new (&world);
  for (guint i = 0; i < VR_HOLD_PACKETS + MORE; i++)
    {
      g_autofree char *text = g_strdup_printf ("%u", i);
      int              failure = put_text (&world, text);

      g_assert_true (failure == 0 || failure == ENOBUFS);
    }
  g_assert_true (vr_hold_release (world.hold, world.out, 2 * VR_HOLD_PACKETS));
  for (guint i = 0; i < VR_HOLD_PACKETS; i++)
    {
      g_autofree char *text = g_strdup_printf ("%u", i);

      expect_frame (&world, got, sizeof got, text);
    }
  g_assert_cmpuint (vr_hold_counts (world.hold).sent, ==, VR_HOLD_PACKETS);
  g_assert_cmpuint (vr_hold_counts (world.hold).dropped, ==, MORE);
  world_end (&world);
}

/* The straight tunnel's MTU became smaller meanwhile. */
static void
test_too_large (void)
{
  World  world;
  guint8 got[2048];
  g_autoptr (Frame) large = frame_tcp (PEER, GUEST, 1, 1400);

  world_new (&world);
  g_assert_cmpint (put_text (&world, "1"), ==, 0);
  g_assert_cmpint (put (&world, large), ==, 0);
  g_assert_cmpint (put_text (&world, "2"), ==, 0);
  sh ("ip link set vr-h3 mtu 1280");
  g_assert_true (vr_hold_release (world.hold, world.out, VR_HOLD_PACKETS));
  expect_frame (&world, got, sizeof got, "1");
  expect_frame (&world, got, sizeof got, "2");
  g_assert_cmpuint (vr_hold_counts (world.hold).not_sent, ==, 1);
  g_assert_cmpint (vr_hold_counts (world.hold).why, ==, EMSGSIZE);
  world_end (&world);
}

/* Only so many at a time, the others later; and those that come meanwhile after them. */
static void
test_in_parts (void)
{
  World  world;
  guint8 got[2048];

  world_new (&world);
  for (guint i = 0; i < 5; i++)
    {
      g_autofree char *text = g_strdup_printf ("%u", i);

      g_assert_cmpint (put_text (&world, text), ==, 0);
    }
  g_assert_false (vr_hold_release (world.hold, world.out, 3));
  g_assert_cmpint (put_text (&world, "5"), ==, 0);
  g_assert_true (vr_hold_release (world.hold, world.out, 10));
  for (guint i = 0; i < 6; i++)
    {
      g_autofree char *text = g_strdup_printf ("%u", i);

      expect_frame (&world, got, sizeof got, text);
    }
  world_end (&world);
}

int
main (int argc, char **argv)
{
  netns_init (&argc, &argv);
  netns_add ("/hold/gso", test_gso);
  netns_add ("/hold/overflow", test_overflow);
  netns_add ("/hold/too-large", test_too_large);
  netns_add ("/hold/in-parts", test_in_parts);
  return g_test_run ();
}
