/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The direct path in the plan: d, home h1, runs on h3, and h2 is its peer; later h4 takes it over. */
#include "plan-test.h"

static char *
straight_back (void)
{
  return g_strdup_printf ("route 10.9.2.0/24 dev vr-h2 table %u metric 10", vr_tunnel_if_id ("h1"));
}

static void
test_answers_go_straight (void)
{
  g_autoptr (World) world = with_t3 ();
  g_autoptr (VrPlan) plan = NULL;
  g_autofree char *four = straight_back ();
  g_autofree char *six = g_strdup_printf ("route fd00:9:2::/64 dev vr-h2 table %u metric 10", vr_tunnel_if_id ("h1"));

  world_here (world);
  plan = world_plan (world, "h3");
  expect_line (plan, four);
  expect_line (plan, six);
  expect_line (plan, "element inet peer-net4 { \"vr-h2\" . 10.9.2.0/24 }");
  expect_none (plan, "route 10.9.2.0/24 dev vr-h2 table 30323"); /* for d alone: h3's own guests reach h2's no more than before */
}

static void
test_answers_through_home (void)
{
  g_autoptr (World) world = away ();
  g_autoptr (VrPlan) down = NULL;
  g_autoptr (VrPlan) never = NULL;

  world_here (world);
  down = world_plan (world, "h3");
  expect_none (down, "dev vr-h2 table");
  g_hash_table_add (world->tunnels, (gpointer) "h2");
  world->direct = VR_DIRECT_NEVER;
  never = world_plan (world, "h3");
  expect_none (never, "dev vr-h2 table");
}

static void
test_peer_takes_answers (void)
{
  g_autoptr (World) world = away ();
  g_autoptr (VrPlan) plan = world_plan (world, "h2");

  expect_line (plan, "element inet peer-guest4 { \"vr-h3\" . 10.9.1.100 }");
  expect_line (plan, "element inet peer-guest6 { \"vr-h3\" . fd00:9:1::100 }");
  expect_line (plan, "element inet sought4 { 10.9.1.100 }");
  expect_line (plan, "path 10.9.1.100 to h3 relayed");
}

static void
test_peer_is_ready_before (void)
{
  g_autoptr (World) world = announced ();
  g_autoptr (VrPlan) intent = world_plan (world, "h2");
  g_autoptr (VrPlan) leaving = NULL;

  expect_none (intent, "peer-guest"); /* the target's word alone opens nothing */
  world_settle (world, "h1", VR_PRESENCE_LEAVING, FALSE);
  leaving = world_plan (world, "h2");
  expect_line (leaving, "element inet peer-guest4 { \"vr-h3\" . 10.9.1.100 }");
}

static void
test_built_before_it_moves (void)
{
  g_autoptr (World) world = announced ();
  g_autoptr (VrPlan) intent = NULL;
  g_autoptr (VrPlan) leaving = NULL;
  g_autoptr (VrPlan) sought = NULL;

  g_hash_table_add (world->sought, (gpointer) D4);
  intent = world_plan (world, "h2");
  expect_none (intent, "sought"); /* by its owner's word alone */
  expect_line (intent, "tunnel h3 dev vr-h3 ready");
  g_hash_table_remove_all (world->sought);

  world_settle (world, "h1", VR_PRESENCE_LEAVING, FALSE);
  leaving = world_plan (world, "h2");
  expect_line (leaving, "element inet sought4 { 10.9.1.100 }");
  expect_line (leaving, "tunnel h3 dev vr-h3 ready");
  g_hash_table_add (world->sought, (gpointer) D4);
  sought = world_plan (world, "h2");
  expect_line (sought, "tunnel h3 dev vr-h3 initiate");
  expect_none (sought, "path "); /* and no packet goes elsewhere */
  expect_none (sought, "route 10.9.1.100");
}

static void
test_built_when_sought (void)
{
  g_autoptr (World) world = away ();
  g_autoptr (VrPlan) before = world_plan (world, "h2");
  g_autoptr (VrPlan) after = NULL;

  expect_line (before, "tunnel h3 dev vr-h3 ready");
  g_hash_table_add (world->sought, (gpointer) D6);
  after = world_plan (world, "h2");
  expect_line (after, "tunnel h3 dev vr-h3 initiate");
}

static void
test_existing_is_not_built (void)
{
  g_autoptr (World) world = away ();
  g_autoptr (VrPlan) plan = NULL;

  world->direct = VR_DIRECT_EXISTING;
  g_hash_table_add (world->sought, (gpointer) D4);
  plan = world_plan (world, "h2");
  expect_line (plan, "tunnel h3 dev vr-h3 ready");
}

static void
test_threshold (void)
{
  g_autoptr (World) world = with_t3 ();
  g_autoptr (VrPlan) nine = NULL;
  g_autoptr (VrPlan) ten = NULL;

  answered (world, "vr-h3 " D4, 9);
  nine = world_plan (world, "h2");
  expect_none (nine, "10.9.1.100/32");
  answered (world, "vr-h3 " D4, 10);
  ten = world_plan (world, "h2");
  expect_line (ten, DIRECT4);
  expect_line (ten, "path 10.9.1.100 to h3 direct");
  expect_none (ten, "fd00:9:1::100/128"); /* each address by itself */
}

static void
test_not_before_the_owner_knows (void)
{
  g_autoptr (World) world = moved ();
  g_autoptr (VrPlan) plan = NULL;

  g_hash_table_add (world->tunnels, (gpointer) "h3");
  answered (world, "vr-h3 " D4, 1000);
  plan = world_plan (world, "h2");
  expect_none (plan, "10.9.1.100/32");
}

static void
test_answers_elsewhere_do_not_count (void)
{
  g_autoptr (World) world = with_t3 ();
  g_autoptr (VrPlan) plan = NULL;

  answered (world, "vr-h4 " D4, 1000);
  plan = world_plan (world, "h2");
  expect_none (plan, "10.9.1.100/32");
}

static void
test_waited (void)
{
  g_autoptr (World) world = with_t3 ();
  g_autoptr (VrPlan) plan = NULL;

  g_hash_table_add (world->waited, (gpointer) "vr-h3 " D6);
  plan = world_plan (world, "h2");
  expect_line (plan, DIRECT6);
  expect_line (plan, "path 10.9.1.100 to h3 relayed");
}

static void
test_tunnel_lost (void)
{
  g_autoptr (World) world = with_t3 ();
  g_autoptr (VrPlan) plan = NULL;

  answered (world, "vr-h3 " D4, 1000);
  g_hash_table_add (world->waited, (gpointer) "vr-h3 " D6);
  g_hash_table_remove (world->tunnels, "h3");
  plan = world_plan (world, "h2");
  expect_none (plan, "10.9.1.100/32"); /* back to the relay */
  expect_none (plan, "fd00:9:1::100/128");
}

static void
test_never (void)
{
  g_autoptr (World) world = with_t3 ();
  g_autoptr (VrPlan) plan = NULL;

  world->direct = VR_DIRECT_NEVER;
  answered (world, "vr-h3 " D4, 1000);
  g_hash_table_add (world->sought, (gpointer) D4);
  plan = world_plan (world, "h2");
  expect_none (plan, "10.9.1.100/32");
  expect_line (plan, "tunnel h3 dev vr-h3 ready");
  expect_line (plan, "element inet peer-guest4 { \"vr-h3\" . 10.9.1.100 }"); /* what others send straight is taken all the same */
}

static void
test_home_again (void)
{
  g_autoptr (World) world = with_t3 ();
  g_autoptr (VrPlan) moved_back = NULL;
  g_autoptr (VrPlan) runs = NULL;

  answered (world, "vr-h3 " D4, 1000);
  g_hash_table_add (world->sought, (gpointer) D4);
  world_settle (world, "h1", VR_PRESENCE_EXPECTED, FALSE);
  world_settle (world, "h3", VR_PRESENCE_HANDED_OVER, FALSE);
  moved_back = world_plan (world, "h2");
  expect_none (moved_back, "10.9.1.100/32");
  expect_line (moved_back, "element inet peer-guest4 { \"vr-h3\" . 10.9.1.100 }"); /* answers may be on their way */
  world_settle (world, "h1", VR_PRESENCE_RUNNING, FALSE);
  runs = world_plan (world, "h2");
  expect_none (runs, "peer-guest");
  expect_none (runs, "sought");
  expect_none (runs, "path");
  expect_line (runs, "tunnel h3 dev vr-h3 ready");
}

/* ---- it moves on, to h4 ---- */

static World *
moved_on (void)
{
  World *world = away ();

  world_host (world, 4, "");
  world_settle (world, "h4", VR_PRESENCE_EXPECTED, FALSE);
  world_settle (world, "h3", VR_PRESENCE_LEAVING, FALSE);
  world_settle (world, "h3", VR_PRESENCE_HANDED_OVER, FALSE);
  return world;
}

static void
test_origin_relays_on (void)
{
  g_autoptr (World) world = moved_on ();
  g_autoptr (VrPlan) h3 = NULL;
  g_autoptr (VrPlan) h4 = NULL;

  world_settle (world, "h4", VR_PRESENCE_RUNNING, FALSE);
  h3 = world_plan (world, "h3");
  expect_line (h3, "route 10.9.1.100/32 dev vr-h4 table 30321 metric 10"); /* a peer may not have heard of it */
  expect_line (h3, "element inet peer-homed4 { \"vr-h1\" . 10.9.1.100 }"); /* nor its home, which sends on what comes from anybody */
  expect_line (h3, "element inet here4 { 10.9.1.100 }");
  expect_line (h3, "tunnel h4 dev vr-h4 initiate");
  world_here (world);
  h4 = world_plan (world, "h4");
  expect_line (h4, "element inet peer-homed4 { \"vr-h3\" . 10.9.1.100 }"); /* from anybody */
  expect_line (h4, "tunnel h3 dev vr-h3 follow");
}

/* h3 has no way round its tunnel to h4 while that is down, and needs none: whoever has heard that d is on h4 sends through d's home. */
static void
test_origin_is_not_on_the_way (void)
{
  g_autoptr (World) world = moved_on ();
  g_autoptr (VrPlan) home = NULL;
  g_autoptr (VrPlan) peer = NULL;
  g_autoptr (VrPlan) origin = NULL;

  world_settle (world, "h4", VR_PRESENCE_RUNNING, FALSE);
  g_hash_table_add (world->tunnels, (gpointer) "h1");
  g_hash_table_add (world->tunnels, (gpointer) "h2");
  g_hash_table_add (world->tunnels, (gpointer) "h3");
  home = world_plan (world, "h1");
  expect_line (home, "route 10.9.1.100/32 dev vr-h4 table 30321 metric 10 src 10.9.1.1");
  peer = world_plan (world, "h2");
  expect_none (peer, "10.9.1.100/32"); /* as its home's network */
  origin = world_plan (world, "h3");
  expect_line (origin, "route unreachable 10.9.1.100/32 table 30321 metric 4000"); /* not back to the home: one with old news would send it here again */
}

static void
test_home_relays_to_the_newest (void)
{
  g_autoptr (World) world = moved_on ();
  g_autoptr (VrPlan) plan = world_plan (world, "h1");

  expect_line (plan, "route 10.9.1.100/32 dev vr-h4 table 30321 metric 10 src 10.9.1.1");
  expect_none (plan, "10.9.1.100/32 dev vr-h3");
}

static void
test_peer_counts_anew (void)
{
  g_autoptr (World) world = moved_on ();
  g_autoptr (VrPlan) plan = NULL;

  g_hash_table_add (world->tunnels, (gpointer) "h3");
  g_hash_table_add (world->tunnels, (gpointer) "h4");
  answered (world, "vr-h3 " D4, 1000);
  plan = world_plan (world, "h2");
  expect_none (plan, "10.9.1.100/32");
  expect_line (plan, "path 10.9.1.100 to h4 relayed");
}

static void
test_origin_ends_when_home (void)
{
  g_autoptr (World) world = moved_on ();
  g_autoptr (VrPlan) plan = NULL;

  world_settle (world, "h4", VR_PRESENCE_RUNNING, FALSE);
  world_settle (world, "h1", VR_PRESENCE_EXPECTED, FALSE);
  world_settle (world, "h4", VR_PRESENCE_HANDED_OVER, FALSE);
  world_settle (world, "h1", VR_PRESENCE_RUNNING, FALSE);
  plan = world_plan (world, "h4");
  expect_none (plan, "route");
  expect_line (plan, "tunnel h1 dev vr-h1 ready");
}

/* h1 did not hear yet that d went from h3 to h4; h4 gives it back, and its stamp says so. */
static void
test_armed_for_its_giver (void)
{
  g_autoptr (World) world = away ();
  g_autoptr (VrSighting) sighting = sighting_of_d ();
  g_autoptr (VrRecord) intent = NULL;
  g_autoptr (VrPlan) plan = NULL;

  world_host (world, 4, "");
  sighting->home = g_strdup ("h1");
  sighting->owner = g_strdup ("h4");
  sighting->epoch = 3;
  intent = vr_custody_next ("h1", world->book, D, VR_PRESENCE_EXPECTED, sighting, FALSE);
  g_assert_nonnull (intent);
  intent->seq = ++world->seq;
  g_assert_true (vr_book_add_record (world->book, intent, NULL));
  world_here (world);
  plan = world_plan (world, "h1");
  expect_line (plan, "rule 7600 from all to 10.9.1.100/32 iif vr-h4 lookup 30322");
  expect_line (plan, "element inet peer-homed4 { \"vr-h4\" . 10.9.1.100 }");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/plan/path/answers-go-straight", test_answers_go_straight);
  g_test_add_func ("/plan/path/answers-through-home", test_answers_through_home);
  g_test_add_func ("/plan/path/peer-takes-answers", test_peer_takes_answers);
  g_test_add_func ("/plan/path/peer-is-ready-before", test_peer_is_ready_before);
  g_test_add_func ("/plan/path/built-before-it-moves", test_built_before_it_moves);
  g_test_add_func ("/plan/path/built-when-sought", test_built_when_sought);
  g_test_add_func ("/plan/path/existing-is-not-built", test_existing_is_not_built);
  g_test_add_func ("/plan/path/threshold", test_threshold);
  g_test_add_func ("/plan/path/not-before-the-owner-knows", test_not_before_the_owner_knows);
  g_test_add_func ("/plan/path/answers-elsewhere-do-not-count", test_answers_elsewhere_do_not_count);
  g_test_add_func ("/plan/path/waited", test_waited);
  g_test_add_func ("/plan/path/tunnel-lost", test_tunnel_lost);
  g_test_add_func ("/plan/path/never", test_never);
  g_test_add_func ("/plan/path/home-again", test_home_again);
  g_test_add_func ("/plan/path/origin-relays-on", test_origin_relays_on);
  g_test_add_func ("/plan/path/origin-is-not-on-the-way", test_origin_is_not_on_the_way);
  g_test_add_func ("/plan/path/home-relays-to-the-newest", test_home_relays_to_the_newest);
  g_test_add_func ("/plan/path/peer-counts-anew", test_peer_counts_anew);
  g_test_add_func ("/plan/path/origin-ends-when-home", test_origin_ends_when_home);
  g_test_add_func ("/plan/path/armed-for-its-giver", test_armed_for_its_giver);
  return g_test_run ();
}
