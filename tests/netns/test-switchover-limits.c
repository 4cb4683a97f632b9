/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The switchover where there is too much or too little: more than finds room, frames too large, and what cannot be had. */
#include "netns.h"
#include "switchover-world.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/if_ether.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static gboolean
has_passed (gpointer data)
{
  return g_get_monotonic_time () >= *(gint64 *) data;
}

static void
put_large (World *world, guint frames)
{
  g_autoptr (Frame) large = frame_tcp (PEER, GUEST, 40, 1000);

  for (guint i = 0; i < frames; i++)
    {
      large->data[ETH_HLEN + sizeof (struct iphdr) + offsetof (struct tcphdr, seq)] = i; /* no two are alike; its checksum is partial */
      world_put (world, large);
    }
}

static void
expect_segments (World *world, guint segments)
{
  guint8 got[2048];

  for (guint i = 0; i < segments; i++)
    {
      gsize            len = tap_read (world->tunnel, FALSE, got, sizeof got);
      g_autofree char *text = frame_text (got, len);

      g_assert_true (frame_is_right (got, len));
      g_assert_cmpstr (text, ==, NULL);
      g_assert_cmpuint (got[len - 1], ==, i % 40);
    }
}

/* More is in the tap than can be read in one pass, and copies of what came before were trimmed: what is read in the next pass was sent already. */
static void
test_read_later (void)
{
  World world;
  gint64 stop, until;

  world_open (&world, 1);
  world_arm (&world, PID_FILE, 2 * MUCH, MUCH);
  for (guint i = 0; i < 2100; i++)
    world_deliver (&world, "x");
  until = g_get_monotonic_time () + 100 * 1000;
  wait_for (has_passed, &until); /* they are trimmed */
  stop = standin_stop (world.qemu, FALSE);
  world_put_text (&world, "before");
  put_large (&world, 80);
  world_put_text (&world, "after");
  world_run_at (&world, LONG_AFTER (stop));
  g_assert_true (wait_for (world_has_let_go, &world));
  world_expect_text (&world, "before");
  expect_segments (&world, 80 * 40);
  world_expect_text (&world, "after");
  world_expect_out (&world, "");
  g_assert_cmpuint (world_counts (&world).drained, ==, 82);
  g_assert_cmpuint (world_counts (&world).resent, ==, 82 + world_counts (&world).swallowed);
  world_end (&world);
}

/* The copies have room for the beginnings of most large frames only: they are whole in the tap, some of them for the next pass. */
static void
test_large_not_whole (void)
{
  World world;
  gint64 stop;

  world_open (&world, 1);
  world_arm (&world, PID_FILE, 1, MUCH);
  stop = standin_stop (world.qemu, FALSE);
  world_put_text (&world, "before");
  put_large (&world, 80);
  world_put_text (&world, "after");
  world_run_at (&world, LONG_AFTER (stop));
  world_expect_text (&world, "before");
  expect_segments (&world, 80 * 40);
  world_expect_text (&world, "after");
  world_expect_out (&world, "");
  g_assert_cmpuint (world_counts (&world).not_sent, ==, 0);
  g_assert_cmpuint (world_counts (&world).gso, ==, 80);
  world_end (&world);
}

/* Almost as much waits in the tap as its queue holds, and the event comes late: the copies still have what QEMU swallowed before all that. */
static void
test_full_queue (void)
{
  enum { MANY = 900 };
  World world;
  gint64 stop, until;

  world_new (&world);
  standin_begin_to_stop (world.qemu);
  world_put_text (&world, "first");
  standin_expect_swallowed (world.qemu, 1);
  stop = standin_stop (world.qemu, TRUE);
  world_put_text (&world, "second");
  standin_expect_swallowed (world.qemu, 2);
  for (guint i = 0; i < MANY; i++)
    {
      g_autofree char *text = g_strdup_printf ("%u", i);

      world_put_text (&world, text);
    }
  until = g_get_monotonic_time () + 100 * 1000;
  wait_for (has_passed, &until); /* they are trimmed, if any are */
  world_run_at (&world, LONG_AFTER (stop));
  world_expect_text (&world, "first");
  world_expect_text (&world, "second");
  for (guint i = 0; i < MANY; i++)
    {
      g_autofree char *text = g_strdup_printf ("%u", i);

      world_expect_text (&world, text);
    }
  world_expect_out (&world, "");
  world_end (&world);
}

/* The copies have room for the first 64 and the tap for all: what has no copy is sent as it was read, in order. */
static void
test_overflow (void)
{
  enum { MANY = 300 };
  World world;
  gint64 stop;

  world_open (&world, 1);
  world_arm (&world, PID_FILE, 1, MUCH);
  stop = standin_stop (world.qemu, FALSE);
  for (guint i = 0; i < MANY; i++)
    {
      g_autofree char *text = g_strdup_printf ("%u", i);

      world_put_text (&world, text);
    }
  world_run_at (&world, LONG_BEFORE (stop));
  g_assert_cmpuint (world_counts (&world).copies_lost, >, 0);
  g_assert_cmpuint (world_counts (&world).resent, ==, MANY);
  for (guint i = 0; i < MANY; i++)
    {
      g_autofree char *text = g_strdup_printf ("%u", i);

      world_expect_text (&world, text);
    }
  world_end (&world);
}

static void
test_too_large (void)
{
  World world;
  gint64 stop;

  world_new (&world);
  sh ("ip link set vr-h3 mtu 1280");
  stop = standin_stop (world.qemu, FALSE);
  world_put_text (&world, "1");
  {
    g_autoptr (Frame) large = frame_tcp (PEER, GUEST, 1, 1400);

    world_put (&world, large);
  }
  world_put_text (&world, "2");
  world_run_at (&world, LONG_AFTER (stop));
  world_expect_out (&world, "1 2");
  g_assert_cmpuint (world_counts (&world).not_sent, ==, 1);
  g_assert_cmpuint (world_counts (&world).too_large, ==, 1);
  g_assert_cmpint (world_counts (&world).not_sent_errno, ==, EMSGSIZE);
  world_end (&world);
}

static void
expect_copies_way (World *world, const char *why)
{
  gint64 stop;

  world_deliver (world, "1 2");
  stop = standin_stop (world->qemu, TRUE);
  world_put_text (world, "3");
  world_put_texts (world, "4 5");
  world_run_at (world, LONG_BEFORE (stop)); /* as if the margin covered all */
  world_expect_out (world, "1 2 3 4 5");
  g_assert_cmpint (world_counts (world).way, ==, VR_WAY_COPIES);
  g_assert_nonnull (strstr (world_counts (world).reason, why));
}

static void
test_no_process (void)
{
  World world;

  world_open (&world, 1);
  world_arm (&world, NULL, MUCH, MUCH);
  expect_copies_way (&world, "its process is not known");
  world_end (&world);
}

/* The file names a process that does not have the tap. */
static void
test_wrong_process (void)
{
  World world;

  world_open (&world, 1);
  sh ("echo %d > /run/other.pid", getpid ());
  world_arm (&world, "/run/other.pid", MUCH, MUCH);
  expect_copies_way (&world, "cannot have QEMU's queues of tap0");
  world_end (&world);
}

/* This thread's right to trace others: taken, or given back. */
static void
may_trace (gboolean may)
{
  struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
  struct __user_cap_data_struct   data[2];

  g_assert_cmpint (syscall (SYS_capget, &header, data), ==, 0);
  if (may)
    data[0].effective |= CAP_TO_MASK (CAP_SYS_PTRACE);
  else
    data[0].effective &= ~CAP_TO_MASK (CAP_SYS_PTRACE);
  g_assert_cmpint (syscall (SYS_capset, &header, data), ==, 0);
}

static void
test_denied (void)
{
  World world;

  prctl (PR_SET_DUMPABLE, 0); /* the stand-in is born like that: only who may trace anybody may trace it */
  world_open (&world, 1);
  prctl (PR_SET_DUMPABLE, 1);
  may_trace (FALSE);
  world_arm (&world, PID_FILE, MUCH, MUCH);
  may_trace (TRUE);
  expect_copies_way (&world, "CAP_SYS_PTRACE");
  world_end (&world);
}

static void
test_route_only (void)
{
  World world;
  VrSwitchoverSetup *off = world_setup (PID_FILE, "vr-h3", MUCH, MUCH);

  world_open (&world, 1);
  world.switchover = vr_switchover_arm (world_setup (PID_FILE, "vr-h9", MUCH, MUCH));
  world_put_text (&world, "1");
  world_run_at (&world, g_get_real_time ());
  g_assert_cmpint (world_counts (&world).way, ==, VR_WAY_ROUTE_ONLY);
  g_assert_nonnull (strstr (world_counts (&world).reason, "vr-h9"));
  vr_switchover_free (world.switchover);
  off->off = g_strdup ("switched off");
  world.flips = 0;
  world.switchover = vr_switchover_arm (off);
  world_run_at (&world, g_get_real_time ());
  g_assert_cmpint (world_counts (&world).way, ==, VR_WAY_ROUTE_ONLY);
  g_assert_cmpstr (world_counts (&world).reason, ==, "switched off");
  world_expect_out (&world, "");
  world_end (&world);
}

int
main (int argc, char **argv)
{
  netns_init (&argc, &argv);
  netns_add ("/switchover/read-later", test_read_later);
  netns_add ("/switchover/large-not-whole", test_large_not_whole);
  netns_add ("/switchover/full-queue", test_full_queue);
  netns_add ("/switchover/no-process", test_no_process);
  netns_add ("/switchover/wrong-process", test_wrong_process);
  netns_add ("/switchover/denied", test_denied);
  netns_add ("/switchover/route-only", test_route_only);
  netns_add ("/switchover/overflow", test_overflow);
  netns_add ("/switchover/too-large", test_too_large);
  return g_test_run ();
}
