/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A switchover that is called off, and one that comes back. */
#include "netns.h"
#include "switchover-world.h"

#include <linux/if_ether.h>
#include <net/if.h>
#include <unistd.h>

static char *
traces (void)
{
  return sh_out ("ls /proc/%d/fd | wc -l; wc -l < /proc/%d/net/packet; ip -d link show tap0 | head -3", getpid (), getpid ());
}

static void
test_called_off (void)
{
  World world;
  g_autofree char *before = NULL, *after = NULL;

  world_open (&world, 1);
  settle (); /* the main loop has descriptors of its own, from its first use on */
  before = traces ();
  world_arm (&world, PID_FILE, MUCH, MUCH);
  world_deliver (&world, "1 2 3");
  g_clear_pointer (&world.switchover, vr_switchover_free);
  after = traces ();
  assert_same (after, before);
  world_deliver (&world, "4 5");
  world_expect_out (&world, "");
  standin_end (g_steal_pointer (&world.qemu));
  g_assert_cmpuint (if_nametoindex ("tap0"), ==, 0);
  world_end (&world);
}

/* The guest was stopped, with nothing in its tap, and has left. */
static void
world_left (World *world)
{
  gint64 stop;

  world_new (world);
  stop = standin_stop (world->qemu, FALSE);
  world_run_at (world, LONG_AFTER (stop));
}

static gboolean
flip_back (gpointer data)
{
  World *world = data;

  world_put_text (world, "old-route");
  world->flips++;
  return TRUE;
}

/* All that left comes back, before what goes by the old route again. */
static void
test_abort (void)
{
  World world;
  g_autoptr (Frame) six = frame_udp (PEER6, GUEST6, PORT, "six", TRUE);
  gint64 stop;

  world_new (&world);
  stop = standin_stop (world.qemu, FALSE);
  world_put_texts (&world, "1 2");
  world_put (&world, six);
  world_run_at (&world, LONG_AFTER (stop));
  world_relay_text (&world, "3");
  g_assert_true (wait_for (world_has_let_go, &world));
  world_relay_text (&world, "4");
  standin_resume (world.qemu);
  g_assert_true (vr_switchover_return (world.switchover, flip_back, &world));
  standin_expect (world.qemu, "1");
  standin_expect (world.qemu, "2");
  standin_expect (world.qemu, "six");
  standin_expect (world.qemu, "3");
  standin_expect (world.qemu, "4");
  standin_expect (world.qemu, "old-route");
  g_assert_cmpuint (world_counts (&world).pushed_back, ==, 5);
  g_assert_false (vr_switchover_return (world.switchover, flip_back, &world));
  world_end (&world);
}

/* Its sender was held up between the look at the routes and the tunnel. */
static void
test_abort_late (void)
{
  World world;

  world_left (&world);
  standin_resume (world.qemu);
  g_assert_true (vr_switchover_return (world.switchover, world_flip, &world));
  world_relay_text (&world, "late");
  g_assert_true (wait_for (world_has_returned, &world));
  standin_expect (world.qemu, "late");
  world_relay_text (&world, "gone");
  settle ();
  g_assert_cmpuint (world_counts (&world).pushed_back, ==, 1);
  world_end (&world);
}

/* Nothing older than the migration: what waited for a paused guest before it was armed is not sent, what left by the tunnel before the stop is not given
 * back. */
static void
test_older (void)
{
  World world;
  gint64 stop;

  world_open (&world, 1);
  stop = standin_stop (world.qemu, FALSE);
  world_put_texts (&world, "old older");
  world_arm (&world, PID_FILE, MUCH, MUCH);
  world_relay_text (&world, "not-of-this-move");
  world_put_text (&world, "1");
  world_run_at (&world, LONG_BEFORE (stop));
  world_relay_text (&world, "2");
  world_expect_out (&world, "not-of-this-move 1 2");
  g_assert_cmpuint (world_counts (&world).drained, ==, 3);
  standin_resume (world.qemu);
  g_assert_true (vr_switchover_return (world.switchover, flip_back, &world));
  standin_expect (world.qemu, "1");
  standin_expect (world.qemu, "2");
  standin_expect (world.qemu, "old-route");
  world_end (&world);
}

/* More than the tap's queue holds, and the guest does not read yet: the queue is made longer. */
static void
test_abort_many (void)
{
  enum { MANY = 1500 };
  World world;

  world_left (&world);
  for (guint i = 0; i < MANY; i++)
    {
      g_autofree char *text = g_strdup_printf ("%u", i);

      world_relay_text (&world, text);
    }
  g_assert_true (vr_switchover_return (world.switchover, world_flip, &world));
  g_assert_cmpuint (world_counts (&world).pushed_back, ==, MANY);
  standin_resume (world.qemu);
  for (guint i = 0; i < MANY; i++)
    {
      g_autofree char *text = g_strdup_printf ("%u", i);

      standin_expect (world.qemu, text);
    }
  world_end (&world);
}

/* Back while passes are still due: the tap is the guest's again, and nobody else reads it. */
static void
test_abort_early (void)
{
  World world;

  world_left (&world);
  standin_resume (world.qemu);
  g_assert_true (vr_switchover_return (world.switchover, world_flip, &world));
  standin_stop (world.qemu, FALSE);
  world_put_text (&world, "1");
  settle ();
  standin_resume (world.qemu);
  standin_expect (world.qemu, "1");
  world_expect_out (&world, "");
  world_end (&world);
}

static void
test_kept_bounded (void)
{
  World world;
  VrSwitchoverCounts counts;
  gint64 stop;

  world_open (&world, 1);
  world_arm (&world, PID_FILE, MUCH, 1); /* the least: 64 */
  stop = standin_stop (world.qemu, FALSE);
  world_run_at (&world, LONG_AFTER (stop));
  for (guint i = 0; i < 100; i++)
    world_relay_text (&world, "x");
  standin_resume (world.qemu);
  g_assert_true (vr_switchover_return (world.switchover, world_flip, &world));
  vr_switchover_get_counts (world.switchover, &counts);
  g_assert_cmpuint (counts.kept, ==, 64);
  g_assert_cmpuint (counts.kept_dropped, ==, 36);
  g_assert_cmpuint (counts.nics[0].pushed_back, ==, 64);
  world_end (&world);
}

int
main (int argc, char **argv)
{
  netns_init (&argc, &argv);
  netns_add ("/switchover/called-off", test_called_off);
  netns_add ("/switchover/abort", test_abort);
  netns_add ("/switchover/abort-late", test_abort_late);
  netns_add ("/switchover/older", test_older);
  netns_add ("/switchover/abort-many", test_abort_many);
  netns_add ("/switchover/abort-early", test_abort_early);
  netns_add ("/switchover/kept-bounded", test_kept_bounded);
  return g_test_run ();
}
