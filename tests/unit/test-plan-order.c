/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Changes of a path in order, in the plan: from the relay to the direct path, where d, home h1, runs on h3, and h2 is its peer; and from that home again, or
 * on to h4.
 */
#include "plan-test.h"

#define HOLD4 "route 10.9.1.100/32 dev vr-+hold table 30321 metric 10 src 10.9.2.1"
#define HOLD6 "route fd00:9:1::100/128 dev vr-+hold table 30321 metric 10 src fd00:9:2::1"

/* and enough answers came to h2 for IPv4; for IPv6 it waited long enough */
static World *
sure (void)
{
  World *world = with_t3 ();

  world->ordered = TRUE;
  answered (world, "vr-h3 " D4, 10);
  g_hash_table_add (world->waited, (gpointer) "vr-h3 " D6);
  return world;
}

static void
test_ordered_relayed_first (void)
{
  g_autoptr (World) world = sure ();
  g_autoptr (VrPlan) plan = world_plan (world, "h2");

  expect_line (plan, "path 10.9.1.100 to h3 changing from vr-h1");
  expect_line (plan, "path fd00:9:1::100 to h3 changing from vr-h1");
  expect_none (plan, "10.9.1.100/32");
  expect_none (plan, "fd00:9:1::100/128");
  expect_line (plan, "rule 7610 from all to all iif any lookup 30321"); /* else a route into the hold would lead nothing there */
  expect_line (plan, "rule6 7610 from all to all iif any lookup 30321");
}

/* Each address by itself, and what stands behind the hold is the relay. */
static void
test_ordered_held (void)
{
  g_autoptr (World) world = sure ();
  g_autoptr (VrPlan) plan = NULL;

  g_hash_table_add (world->held, (gpointer) "vr-h3 " D6);
  plan = world_plan (world, "h2");
  expect_line (plan, HOLD6);
  expect_line (plan, "path fd00:9:1::100 to h3 changing from vr-h1");
  expect_line (plan, "route fd00:9:1::/64 dev vr-h1 table 30323 metric 10 src fd00:9:2::1");
  expect_none (plan, "unreachable fd00:9:1::100/128");
  expect_none (plan, "10.9.1.100/32");
}

static void
test_ordered_changed (void)
{
  g_autoptr (World) world = sure ();
  g_autoptr (VrPlan) plan = NULL;

  g_hash_table_add (world->held, (gpointer) "vr-h3 " D4); /* over: to be held no longer */
  g_hash_table_add (world->changed, (gpointer) "vr-h3 " D4);
  g_hash_table_add (world->changed, (gpointer) "vr-h4 " D6); /* another way's */
  plan = world_plan (world, "h2");
  expect_line (plan, DIRECT4);
  expect_line (plan, "path 10.9.1.100 to h3 direct");
  expect_line (plan, "path fd00:9:1::100 to h3 changing from vr-h1");
}

/*
 * Sure once is sure as long as the tunnel is up and the owner the same: a record that the owner writes anew begins the wait anew, and a path that went back to the
 * relay for it would only change once more.
 */
static void
test_stays_direct (void)
{
  g_autoptr (World) world = with_t3 ();
  g_autoptr (VrPlan) plan = NULL;

  world->ordered = TRUE;
  g_hash_table_add (world->changed, (gpointer) "vr-h3 " D4);
  plan = world_plan (world, "h2");
  expect_line (plan, DIRECT4);
  expect_line (plan, "path 10.9.1.100 to h3 direct");
  expect_line (plan, "path fd00:9:1::100 to h3 relayed");
}

/* Not without the tunnel, whatever was held and changed before. */
static void
test_ordered_tunnel_lost (void)
{
  g_autoptr (World) world = sure ();
  g_autoptr (VrPlan) plan = NULL;

  g_hash_table_add (world->held, (gpointer) "vr-h3 " D4);
  g_hash_table_add (world->changed, (gpointer) "vr-h3 " D6);
  g_hash_table_remove (world->tunnels, "h3");
  plan = world_plan (world, "h2");
  expect_line (plan, "path 10.9.1.100 to h3 relayed");
  expect_line (plan, "path fd00:9:1::100 to h3 relayed");
  expect_none (plan, "10.9.1.100/32");
  expect_none (plan, "fd00:9:1::100/128");
}

/* The way to the home is the administrator's own: nothing is known of it, so nothing can wait for it. */
static void
test_ordered_unknown_way (void)
{
  g_autoptr (World) world = NULL;
  g_autoptr (VrPlan) plan = NULL;

  world = sure ();
  world_host (world, 1, "");
  world_host (world, 2, "");
  plan = world_plan (world, "h2");
  expect_line (plan, DIRECT4);
  expect_line (plan, DIRECT6);
}

/* h3 answers h2's marker straight: by a route of its own, with an address that h2 takes from that tunnel. */
static void
test_marker_answered (void)
{
  g_autoptr (World) world = with_t3 ();
  g_autoptr (VrPlan) plan = NULL, down = NULL;

  world_here (world);
  plan = world_plan (world, "h3");
  expect_line (plan, "route 10.9.2.1/32 dev vr-h2 table 30323 metric 10 src 10.9.3.1");
  expect_line (plan, "route fd00:9:2::1/128 dev vr-h2 table 30323 metric 10 src fd00:9:3::1");
  expect_line (plan, "rule 7630 from all to all iif any lookup 30323");
  expect_none (plan, "10.9.1.1/32");
  g_hash_table_remove (world->tunnels, "h2");
  down = world_plan (world, "h3");
  expect_none (down, "10.9.2.1/32");
}

/* ---- home again ---- */

/* h2 sent to it straight, IPv4 and IPv6; it is on its way home, and h3 relays */
static World *
going_home (void)
{
  World *world = coming_home ();

  world->ordered = TRUE;
  g_hash_table_add (world->tunnels, (gpointer) "h1");
  g_hash_table_add (world->tunnels, (gpointer) "h3");
  g_hash_table_add (world->changed, (gpointer) "vr-h3 " D4);
  g_hash_table_add (world->changed, (gpointer) "vr-h3 " D6);
  world_settle (world, "h3", VR_PRESENCE_HANDED_OVER, FALSE);
  return world;
}

/* What h2 sends goes by h3 until the change, each address by itself; and the tunnel there stays up for it. */
static void
test_home_changing (void)
{
  g_autoptr (World) world = going_home ();
  g_autoptr (VrPlan) plan = NULL;

  g_hash_table_add (world->held, (gpointer) "vr-h1 " D6);
  plan = world_plan (world, "h2");
  expect_line (plan, "path 10.9.1.100 to h1 changing from vr-h3");
  expect_line (plan, "path fd00:9:1::100 to h1 changing from vr-h3");
  expect_line (plan, DIRECT4);
  expect_line (plan, HOLD6);
  expect_line (plan, "route fd00:9:1::100/128 dev vr-h3 table 30321 metric 20 src fd00:9:2::1"); /* the marker's */
  expect_line (plan, "tunnel h3 dev vr-h3 initiate");
}

/* Afterwards it has a route of its own as long as h3 relays, and none when all have heard of it. */
static void
test_home_changed (void)
{
  g_autoptr (World) world = going_home ();
  g_autoptr (VrPlan) plan = NULL, later = NULL;

  world_settle (world, "h1", VR_PRESENCE_RUNNING, FALSE);
  g_hash_table_add (world->lingering, (gpointer) D);
  g_hash_table_add (world->changed, (gpointer) "vr-h1 " D4);
  plan = world_plan (world, "h2");
  expect_line (plan, "path 10.9.1.100 to h1 direct");
  expect_line (plan, "route 10.9.1.100/32 dev vr-h1 table 30321 metric 10 src 10.9.2.1");
  expect_line (plan, "path fd00:9:1::100 to h1 changing from vr-h3");
  g_hash_table_remove_all (world->lingering);
  later = world_plan (world, "h2");
  expect_none (later, "path");
  expect_none (later, "10.9.1.100/32");
  expect_none (later, "fd00:9:1::100/128");
}

static void
expect_home_at_once (World *world)
{
  g_autoptr (VrPlan) plan = world_plan (world, "h2");

  expect_none (plan, "path");
  expect_none (plan, "10.9.1.100/32");
}

/* It was relayed until now, through its home. */
static void
test_home_never_straight (void)
{
  g_autoptr (World) world = going_home ();

  g_hash_table_remove_all (world->changed);
  expect_home_at_once (world);
}

static void
test_home_not_ordered (void)
{
  g_autoptr (World) world = going_home ();

  world->ordered = FALSE;
  expect_home_at_once (world);
}

/* Where one of the tunnels is down there is nothing to wait for. */
static void
test_home_tunnel_lost (void)
{
  g_autoptr (World) world = going_home (), other = going_home ();

  g_hash_table_remove (world->tunnels, "h3");
  expect_home_at_once (world);
  g_hash_table_remove (other->tunnels, "h1");
  expect_home_at_once (other);
}

/* ---- on to a third host ---- */

/* h2 sent to it straight; it was given to h4, h3 relays, and h2 has a tunnel to h4, too */
static World *
going_on (void)
{
  World *world = with_t3 ();

  world_host (world, 4, "");
  world->ordered = TRUE;
  g_hash_table_add (world->tunnels, (gpointer) "h4");
  g_hash_table_add (world->changed, (gpointer) "vr-h3 " D4);
  world_settle (world, "h4", VR_PRESENCE_EXPECTED, FALSE);
  world_settle (world, "h3", VR_PRESENCE_LEAVING, FALSE);
  world_settle (world, "h3", VR_PRESENCE_HANDED_OVER, FALSE);
  return world;
}

/* Until it is sure that it is there, it is sent to as before. */
static void
test_on_relayed (void)
{
  g_autoptr (World) world = going_on ();
  g_autoptr (VrPlan) plan = world_plan (world, "h2");

  expect_line (plan, "path 10.9.1.100 to h4 relayed by vr-h3");
  expect_line (plan, DIRECT4);
  expect_line (plan, "path fd00:9:1::100 to h4 relayed"); /* that one went through its home */
  expect_none (plan, "fd00:9:1::100/128");
  expect_line (plan, "tunnel h3 dev vr-h3 initiate");
}

static void
test_on_changing (void)
{
  g_autoptr (World) world = going_on ();
  g_autoptr (VrPlan) plan = NULL, changed = NULL;

  world_settle (world, "h4", VR_PRESENCE_RUNNING, FALSE);
  answered (world, "vr-h4 " D4, 10);
  plan = world_plan (world, "h2");
  expect_line (plan, "path 10.9.1.100 to h4 changing from vr-h3");
  expect_line (plan, DIRECT4);
  expect_line (plan, "route 10.9.1.100/32 dev vr-h3 table 30321 metric 20 src 10.9.2.1");
  g_hash_table_add (world->changed, (gpointer) "vr-h4 " D4);
  changed = world_plan (world, "h2");
  expect_line (changed, "path 10.9.1.100 to h4 direct");
  expect_line (changed, "route 10.9.1.100/32 dev vr-h4 table 30321 metric 10 src 10.9.2.1");
  expect_none (changed, "dev vr-h3 table 30321");
}

/* With no tunnel to where it is there is nothing to wait for: by its home. */
static void
test_on_tunnel_lost (void)
{
  g_autoptr (World) world = going_on ();
  g_autoptr (VrPlan) plan = NULL;

  g_hash_table_remove (world->tunnels, "h4");
  plan = world_plan (world, "h2");
  expect_line (plan, "path 10.9.1.100 to h4 relayed");
  expect_none (plan, "10.9.1.100/32");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/plan/path/ordered/relayed-first", test_ordered_relayed_first);
  g_test_add_func ("/plan/path/ordered/held", test_ordered_held);
  g_test_add_func ("/plan/path/ordered/changed", test_ordered_changed);
  g_test_add_func ("/plan/path/stays-direct", test_stays_direct);
  g_test_add_func ("/plan/path/ordered/tunnel-lost", test_ordered_tunnel_lost);
  g_test_add_func ("/plan/path/ordered/unknown-way", test_ordered_unknown_way);
  g_test_add_func ("/plan/path/ordered/marker-answered", test_marker_answered);
  g_test_add_func ("/plan/path/home/changing", test_home_changing);
  g_test_add_func ("/plan/path/home/changed", test_home_changed);
  g_test_add_func ("/plan/path/home/never-straight", test_home_never_straight);
  g_test_add_func ("/plan/path/home/not-ordered", test_home_not_ordered);
  g_test_add_func ("/plan/path/home/tunnel-lost", test_home_tunnel_lost);
  g_test_add_func ("/plan/path/on/relayed", test_on_relayed);
  g_test_add_func ("/plan/path/on/changing", test_on_changing);
  g_test_add_func ("/plan/path/on/tunnel-lost", test_on_tunnel_lost);
  return g_test_run ();
}
