/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "switchover-world.h"

#include "netns.h"

#include <linux/if_ether.h>
#include <unistd.h>

const char *const world_addresses[] = { GUEST, GUEST6, NULL };

VrOutlet *
world_outlet (const char *dev)
{
  g_autoptr (GError) error = NULL;
  VrOutlet *made = vr_outlet_new (dev, &error);

  g_assert_no_error (error);
  return made;
}

VrSwitchoverSetup *
world_setup (const char *pid_file, const char *tunnel, gsize copies, gsize kept)
{
  VrSwitchoverSetup *setup = vr_switchover_setup_new (pid_file, tunnel);

  setup->copies_memory = copies;
  setup->kept_memory = kept;
  vr_switchover_setup_add_nic (setup, "tap0", GUEST_MAC, GATEWAY_MAC, world_addresses);
  return setup;
}

void
world_open (World *world, guint queues)
{
  /* The kernel's own reports of multicast groups would be frames to the guest too. */
  sh ("echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6");
  world->qemu = standin_start ("tap0", queues, TRUE, PID_FILE, NULL, NULL);
  world->tunnel = tap_open ("vr-h3", 0);
  sh ("ip link set vr-h3 arp off txqueuelen 4000; ip link set tap0 txqueuelen 1000");
  world->tap = world_outlet ("tap0");
  world->out = world_outlet ("vr-h3");
  world->switchover = NULL;
  world->flips = 0;
}

void
world_arm (World *world, const char *pid_file, gsize copies, gsize kept)
{
  world->switchover = vr_switchover_arm (world_setup (pid_file, "vr-h3", copies, kept));
}

void
world_new (World *world)
{
  world_open (world, 1);
  world_arm (world, PID_FILE, MUCH, MUCH);
}

void
world_end (World *world)
{
  vr_switchover_free (world->switchover);
  vr_outlet_free (world->tap);
  vr_outlet_free (world->out);
  close (world->tunnel);
  if (world->qemu != NULL)
    standin_end (world->qemu);
}

VrSwitchoverNic
world_counts (World *world)
{
  VrSwitchoverCounts counts;

  vr_switchover_get_counts (world->switchover, &counts);
  g_assert_cmpuint (counts.nics[0].to_guest, ==, counts.nics[0].delivered + counts.nics[0].resent + counts.nics[0].not_sent);
  return counts.nics[0];
}

void
world_put (World *world, const Frame *frame)
{
  g_assert_cmpint (vr_outlet_send_frame (world->tap, &frame->header, frame->data, frame->len), ==, 0);
}

void
world_put_text (World *world, const char *text)
{
  g_autoptr (Frame) frame = frame_udp (PEER, GUEST, PORT, text, TRUE);

  world_put (world, frame);
}

void
world_put_texts (World *world, const char *texts)
{
  g_auto (GStrv) all = g_strsplit (texts, " ", -1);

  for (guint i = 0; all[i] != NULL; i++)
    world_put_text (world, all[i]);
}

void
world_deliver (World *world, const char *texts)
{
  g_auto (GStrv) all = g_strsplit (texts, " ", -1);

  for (guint i = 0; all[i] != NULL; i++)
    {
      world_put_text (world, all[i]);
      standin_expect (world->qemu, all[i]);
    }
}

void
world_expect_out (World *world, const char *texts)
{
  g_auto (GStrv) all = g_strsplit (texts, " ", -1);
  g_autoptr (Frame) last = frame_udp (PEER, "10.9.9.9", PORT, "last", FALSE);
  guint8 got[2048];

  g_assert_cmpint (vr_outlet_send_packet (world->out, NULL, last->data + ETH_HLEN, last->len - ETH_HLEN), ==, 0);
  for (guint i = 0;; i++)
    {
      gsize            len = tap_read (world->tunnel, FALSE, got, sizeof got);
      g_autofree char *text = frame_text (got, len);

      g_assert_true (frame_is_right (got, len));
      if (all[i] == NULL || *all[i] == '\0')
        {
          g_assert_cmpstr (text, ==, "last");
          return;
        }
      g_assert_cmpstr (text, ==, all[i]);
    }
}

void
world_expect_text (World *world, const char *text)
{
  guint8           got[2048];
  gsize            len = tap_read (world->tunnel, FALSE, got, sizeof got);
  g_autofree char *is = frame_text (got, len);

  g_assert_cmpstr (is, ==, text);
}

void
world_relay_text (World *world, const char *text)
{
  g_autoptr (Frame) frame = frame_udp (PEER, GUEST, PORT, text, TRUE);

  frame->header.csum_start -= ETH_HLEN;
  g_assert_cmpint (vr_outlet_send_packet (world->out, &frame->header, frame->data + ETH_HLEN, frame->len - ETH_HLEN), ==, 0);
}

gboolean
world_flip (gpointer data)
{
  World *world = data;

  world->flips++;
  return TRUE;
}

void
world_run_at (World *world, gint64 stop_us)
{
  g_assert_true (vr_switchover_run (world->switchover, stop_us, g_get_real_time (), world_flip, world));
  g_assert_cmpuint (world->flips, ==, 1);
}

gboolean
world_has_let_go (gpointer data)
{
  World             *world = data;
  VrSwitchoverCounts counts;

  vr_switchover_get_counts (world->switchover, &counts);
  return counts.let_go_ns != 0;
}

gboolean
world_has_returned (gpointer data)
{
  return !vr_switchover_is_returning (((World *) data)->switchover);
}
