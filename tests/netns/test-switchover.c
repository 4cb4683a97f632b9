/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The switchover at the origin: what goes after the guest, and in which order. */
#include "netns.h"
#include "switchover-world.h"

#include <linux/if_ether.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

/* Long enough that what came before is not taken for what QEMU swallowed around a stop. */
static void
let_it_grow_old (void)
{
  g_usleep (100 * 1000);
}

static void
test_queued (void)
{
  World world;
  gint64 stop;

  world_new (&world);
  world_deliver (&world, "1 2 3");
  let_it_grow_old ();
  stop = standin_stop (world.qemu, FALSE);
  world_put_texts (&world, "4 5 6");
  world_run_at (&world, LONG_AFTER (stop));
  world_expect_out (&world, "4 5 6");
  g_assert_cmpint (world_counts (&world).way, ==, VR_WAY_QUEUES);
  g_assert_cmpuint (world_counts (&world).queues, ==, 1);
  g_assert_cmpuint (world_counts (&world).delivered, ==, 3);
  g_assert_cmpuint (world_counts (&world).drained, ==, 3);
  g_assert_cmpuint (world_counts (&world).resent, ==, 3);
  g_assert_cmpuint (world_counts (&world).partial, ==, 3);
  g_assert_cmpuint (world_counts (&world).swallowed, ==, 0);
  world_end (&world);
}

/* One while it waited for its CPUs, one after: they are in no queue, and are sent all the same. */
static void
test_swallowed (void)
{
  World world;
  gint64 stop;

  world_new (&world);
  world_deliver (&world, "1 2 3");
  standin_begin_to_stop (world.qemu);
  world_put_text (&world, "4");
  standin_expect_swallowed (world.qemu, 1);
  stop = standin_stop (world.qemu, TRUE);
  world_put_text (&world, "5");
  standin_expect_swallowed (world.qemu, 2);
  world_put_texts (&world, "6 7");
  world_run_at (&world, LONG_BEFORE (stop));
  world_expect_out (&world, "4 5 6 7");
  g_assert_cmpuint (world_counts (&world).drained, ==, 2);
  g_assert_cmpuint (world_counts (&world).swallowed, ==, 2);
  g_assert_cmpuint (world_counts (&world).delivered, ==, 3);
  world_end (&world);
}

/* The guest was slow and its queue long: what was swallowed is as old as what is left, and older than the stop. */
static void
test_backlog (void)
{
  World world;
  gint64 stop;

  world_new (&world);
  world_deliver (&world, "1 2 3");
  let_it_grow_old ();
  standin_begin_to_stop (world.qemu);
  world_put_text (&world, "4");
  standin_expect_swallowed (world.qemu, 1);
  stop = standin_stop (world.qemu, TRUE);
  world_put_text (&world, "5");
  standin_expect_swallowed (world.qemu, 2);
  world_put_texts (&world, "6 7");
  world_run_at (&world, LONG_AFTER (stop));
  world_expect_out (&world, "4 5 6 7");
  g_assert_cmpuint (world_counts (&world).swallowed, ==, 2);
  world_end (&world);
}

/* QEMU took them and nothing came after them. */
static void
test_nothing_left (void)
{
  World world;
  gint64 stop;

  world_new (&world);
  world_deliver (&world, "1 2 3");
  stop = standin_stop (world.qemu, TRUE);
  world_put_text (&world, "4");
  standin_expect_swallowed (world.qemu, 1);
  world_run_at (&world, LONG_BEFORE (stop));
  world_expect_out (&world, "3 4");
  g_assert_cmpuint (world_counts (&world).drained, ==, 0);
  g_assert_cmpuint (world_counts (&world).swallowed, ==, 2);
  world_end (&world);
}

/* Nothing was swallowed: two that the guest has arrive twice, no more. */
static void
test_duplicates (void)
{
  World world;
  gint64 stop;

  world_new (&world);
  world_deliver (&world, "1 2 3 4 5");
  stop = standin_stop (world.qemu, FALSE);
  world_put_texts (&world, "6 7");
  world_run_at (&world, LONG_BEFORE (stop));
  world_expect_out (&world, "4 5 6 7");
  world_end (&world);
}

/* Frames that are alike to the last bit: as many as were left, and two. */
static void
test_alike (void)
{
  World world;
  gint64 stop;

  world_new (&world);
  world_deliver (&world, "x x x x x x x x");
  stop = standin_stop (world.qemu, FALSE);
  world_put_texts (&world, "x x x x");
  world_run_at (&world, LONG_AFTER (stop));
  g_assert_cmpuint (world_counts (&world).drained, ==, 4);
  g_assert_cmpuint (world_counts (&world).resent, >=, 4);
  g_assert_cmpuint (world_counts (&world).resent, <=, 6);
  world_end (&world);
}

static void
test_ipv6 (void)
{
  World world;
  g_autoptr (Frame) six = frame_udp (PEER6, GUEST6, PORT, "six", TRUE);
  g_autoptr (Frame) complete = frame_udp (PEER6, GUEST6, PORT, "complete", FALSE);
  gint64 stop;

  world_new (&world);
  stop = standin_stop (world.qemu, FALSE);
  world_put (&world, six);
  world_put (&world, complete);
  world_run_at (&world, LONG_AFTER (stop));
  world_expect_out (&world, "six complete");
  g_assert_cmpuint (world_counts (&world).partial, ==, 1);
  world_end (&world);
}

/* A frame of 64 KiB between two small ones: whole, in its place, segmented on its way out. */
static void
test_gso (void)
{
  World world;
  gint64 stop;
  guint8 got[2048];

  world_new (&world);
  stop = standin_stop (world.qemu, FALSE);
  for (guint v6 = 0; v6 < 2; v6++)
    {
      g_autoptr (Frame) large = frame_tcp (v6 ? PEER6 : PEER, v6 ? GUEST6 : GUEST, 40, 1000);

      world_put_text (&world, "before");
      world_put (&world, large);
      world_put_text (&world, "after");
    }
  world_run_at (&world, LONG_AFTER (stop));
  for (guint v6 = 0; v6 < 2; v6++)
    for (guint i = 0; i < 42; i++)
      {
        gsize            len = tap_read (world.tunnel, FALSE, got, sizeof got);
        g_autofree char *text = frame_text (got, len);

        g_assert_true (frame_is_right (got, len));
        g_assert_cmpstr (text, ==, i == 0 ? "before" : i == 41 ? "after" : NULL);
        if (text == NULL)
          g_assert_cmpuint (got[len - 1], ==, i - 1);
      }
  g_assert_cmpuint (world_counts (&world).gso, ==, 2);
  world_end (&world);
}

/* Only packets to the guest's addresses go into the tunnel. */
static void
test_others (void)
{
  World world;
  g_autoptr (Frame) other = frame_udp (PEER, "10.9.1.101", PORT, "not the guest's", FALSE);
  g_autoptr (Frame) arp = frame_other ("ff:ff:ff:ff:ff:ff", ETH_P_ARP, 28);
  g_autoptr (Frame) unknown = frame_other (GUEST_MAC, 0x88cc, 60);
  g_autoptr (Frame) broadcast = frame_udp (PEER, GUEST, PORT, "to everybody's MAC", FALSE);
  gint64 stop;

  memset (broadcast->data, 0xff, ETH_ALEN);
  world_new (&world);
  stop = standin_stop (world.qemu, FALSE);
  world_put (&world, arp);
  world_put (&world, other);
  world_put_text (&world, "1");
  world_put (&world, unknown);
  world_put (&world, broadcast);
  world_put_text (&world, "2");
  world_run_at (&world, LONG_BEFORE (stop));
  world_expect_out (&world, "1 2");
  g_assert_cmpuint (world_counts (&world).drained, ==, 6);
  world_end (&world);
}

/* What gets to the tap after the flip goes after the guest, too; then the queues are let go of, and the tap goes with QEMU. */
static void
test_follow_up (void)
{
  World world;
  gint64 stop;

  world_new (&world);
  stop = standin_stop (world.qemu, FALSE);
  world_put_text (&world, "1");
  world_run_at (&world, LONG_AFTER (stop));
  world_put_text (&world, "2");
  g_assert_true (wait_for (world_has_let_go, &world));
  world_expect_out (&world, "1 2");
  g_assert_cmpstr (vr_switchover_get_state (world.switchover), ==, "keeping");
  standin_end (g_steal_pointer (&world.qemu));
  g_assert_cmpuint (if_nametoindex ("tap0"), ==, 0);
  world_end (&world);
}

/* Each queue swallows its own, and flows keep their order. */
static void
test_queues (void)
{
  enum { FLOWS = 12, EACH = 4 };
  World world;
  gint64 stop = 0;
  guint next[FLOWS] = { 0 }, total = 0;

  world_open (&world, 4);
  world_arm (&world, PID_FILE, MUCH, MUCH);
  for (guint n = 0; n < EACH; n++)
    for (guint flow = 0; flow < FLOWS; flow++)
      {
        g_autofree char *text = g_strdup_printf ("%u %u", flow, n);
        g_autoptr (Frame) frame = frame_udp (PEER, GUEST, 5000 + flow, text, FALSE);

        if (n == 1 && flow == 0)
          standin_begin_to_stop (world.qemu);
        if (n == 2 && flow == 0)
          stop = standin_stop (world.qemu, TRUE);
        world_put (&world, frame);
        if (n == 0)
          standin_expect (world.qemu, text);
        if (n > 0 && n < 3)
          g_usleep (1000 * 5); /* so that the stand-in takes what it takes; what it does not take in time is left in the queue */
      }
  world_run_at (&world, LONG_BEFORE (stop));
  g_assert_cmpuint (world_counts (&world).queues, ==, 4);
  g_assert_cmpuint (world_counts (&world).swallowed, <=, 8);
  total = world_counts (&world).resent;
  g_assert_cmpuint (total, >=, FLOWS * (EACH - 1));
  for (guint i = 0; i < total; i++)
    {
      guint8           got[2048];
      gsize            len = tap_read (world.tunnel, FALSE, got, sizeof got);
      g_autofree char *text = frame_text (got, len);
      guint            flow, n;

      g_assert_cmpint (sscanf (text, "%u %u", &flow, &n), ==, 2);
      if (next[flow] == 0)
        next[flow] = n == 0 ? 0 : 1;
      g_assert_cmpuint (n, ==, next[flow]);
      next[flow]++;
    }
  for (guint flow = 0; flow < FLOWS; flow++)
    g_assert_cmpuint (next[flow], ==, EACH);
  world_end (&world);
}

/* Two NICs: each one's frames out of its own tap, the routes changed once, and back each into its own. */
static void
test_nics (void)
{
  static const char *const second[] = { "10.9.1.200", NULL };
  World world;
  VrSwitchoverSetup *setup = world_setup (PID_FILE, "vr-h3", MUCH, MUCH);
  VrSwitchoverCounts counts;
  Standin *other;
  g_autoptr (VrOutlet) tap1 = NULL;
  g_autoptr (Frame) frame = frame_udp (PEER, second[0], PORT, "2", TRUE);
  gint64 stop;

  world_open (&world, 1);
  other = standin_start ("tap1", 1, TRUE, "/run/other.pid", NULL, NULL);
  tap1 = world_outlet ("tap1");
  vr_switchover_setup_add_nic (setup, "tap1", "52:54:00:00:00:02", GATEWAY_MAC, second);
  world.switchover = vr_switchover_arm (setup);
  stop = standin_stop (world.qemu, FALSE);
  standin_stop (other, FALSE);
  world_put_text (&world, "1");
  g_assert_cmpint (vr_outlet_send_frame (tap1, &frame->header, frame->data, frame->len), ==, 0);
  world_run_at (&world, LONG_BEFORE (stop));
  world_expect_out (&world, "1 2");
  standin_resume (world.qemu);
  standin_resume (other);
  g_assert_true (vr_switchover_return (world.switchover, world_flip, &world));
  standin_expect (world.qemu, "1");
  standin_expect (other, "2");
  vr_switchover_get_counts (world.switchover, &counts);
  g_assert_cmpuint (counts.n_nics, ==, 2);
  g_assert_cmpint (counts.nics[0].way, ==, VR_WAY_QUEUES);
  g_assert_cmpint (counts.nics[1].way, ==, VR_WAY_COPIES); /* another process has it: one QEMU is looked at */
  g_assert_cmpuint (counts.nics[0].pushed_back, ==, 1);
  g_assert_cmpuint (counts.nics[1].pushed_back, ==, 1);
  standin_end (other);
  world_end (&world);
}

/* It is armed anew only if something is different. */
static void
test_fits (void)
{
  World world;
  g_autoptr (VrSwitchoverSetup) same = world_setup (PID_FILE, "vr-h3", MUCH, MUCH);
  g_autoptr (VrSwitchoverSetup) elsewhere = world_setup (PID_FILE, "vr-h4", MUCH, MUCH);
  g_autoptr (VrSwitchoverSetup) more = world_setup (PID_FILE, "vr-h3", MUCH, MUCH);

  vr_switchover_setup_add_nic (more, "tap1", GUEST_MAC, GATEWAY_MAC, world_addresses);
  world_new (&world);
  g_assert_true (vr_switchover_fits (world.switchover, same));
  g_assert_false (vr_switchover_fits (world.switchover, elsewhere));
  g_assert_false (vr_switchover_fits (world.switchover, more));
  close (world.tunnel);
  world.tunnel = tap_open ("vr-h3", 0);
  g_assert_false (vr_switchover_fits (world.switchover, same));
  world_end (&world);
}

int
main (int argc, char **argv)
{
  netns_init (&argc, &argv);
  netns_add ("/switchover/queued", test_queued);
  netns_add ("/switchover/swallowed", test_swallowed);
  netns_add ("/switchover/backlog", test_backlog);
  netns_add ("/switchover/nothing-left", test_nothing_left);
  netns_add ("/switchover/duplicates", test_duplicates);
  netns_add ("/switchover/alike", test_alike);
  netns_add ("/switchover/ipv6", test_ipv6);
  netns_add ("/switchover/gso", test_gso);
  netns_add ("/switchover/others", test_others);
  netns_add ("/switchover/follow-up", test_follow_up);
  netns_add ("/switchover/queues", test_queues);
  netns_add ("/switchover/nics", test_nics);
  netns_add ("/switchover/fits", test_fits);
  return g_test_run ();
}
