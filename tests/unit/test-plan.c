/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The plan, host by host and step by step: a migration of d from h1 to h3 and back, with S behind h2. */
#include "plan-test.h"

static void
test_nothing_known (void)
{
  g_autoptr (World) world = world_new ();
  g_autoptr (VrPlan) plan = world_plan (world, "h3");

  expect_none (plan, "route");
  expect_none (plan, "rule ");
  expect_line (plan, "tunnel h1 dev vr-h1 ready");
  expect_line (plan, "tunnel h2 dev vr-h2 ready");
  expect_line (plan, "element inet remote-net4 { 10.9.1.0/24 }"); /* not reached, and not in clear either */
}

static void
test_reached_networks (void)
{
  g_autoptr (World) world = world_new ();
  g_autoptr (VrPlan) plan = world_plan (world, "h2");

  expect_line (plan, "tunnel h1 dev vr-h1 follow");
  expect_line (plan, "route 10.9.1.0/24 dev vr-h1 table 30323 metric 10 src 10.9.2.1");
  expect_line (plan, "route fd00:9:1::/64 dev vr-h1 table 30323 metric 10 src fd00:9:2::1");
  expect_line (plan, "route unreachable 10.9.1.0/24 table 30323 metric 4000");
  expect_line (plan, "rule 7630 from all to all iif any lookup 30323");
  expect_line (plan, "element inet peer-net4 { \"vr-h1\" . 10.9.1.0/24 }");
  expect_none (plan, "10.9.3.0/24 dev");
}

static void
test_guest_at_home (void)
{
  g_autoptr (World) world = at_home ();
  g_autoptr (VrPlan) plan = NULL;

  world_here (world);
  plan = world_plan (world, "h1");
  expect_line (plan, "route 10.9.1.100/32 dev br0 table 30321 metric 10 src 10.9.1.1");
  expect_line (plan, "route fd00:9:1::100/128 dev br0 table 30321 metric 10 src fd00:9:1::1");
  expect_line (plan, "route unreachable 10.9.1.100/32 table 30321 metric 4000");
  expect_line (plan, "neighbour 10.9.1.100 lladdr 52:54:00:00:01:64 dev br0");
  expect_line (plan, "forwarding 52:54:00:00:01:64 dev vnet0");
  expect_line (plan, "element inet guest4 { 10.9.1.100 }");
  expect_none (plan, "vr-h3 initiate");
  expect_none (plan, "proxy");
  expect_none (plan, "rule 7620");
}

static void
test_others_leave_it_alone (void)
{
  g_autoptr (World) world = at_home ();
  g_autoptr (VrPlan) plan = world_plan (world, "h3");

  expect_none (plan, "route");
  expect_line (plan, "element inet guest4 { 10.9.1.100 }"); /* but never in clear */
}

static void
test_intent_brings_the_tunnel_up (void)
{
  g_autoptr (World) world = announced ();
  g_autoptr (VrPlan) h3 = world_plan (world, "h3");
  g_autoptr (VrPlan) h1 = NULL;

  expect_line (h3, "tunnel h1 dev vr-h1 follow");
  world_here (world);
  h1 = world_plan (world, "h1");
  expect_line (h1, "tunnel h3 dev vr-h3 initiate");
  expect_line (h1, "route 10.9.1.100/32 dev br0 table 30321 metric 10 src 10.9.1.1"); /* and moves no packet */
  expect_line (h1, "element inet relay4 { 10.9.1.100 }");                             /* but what may pass, may pass already */
  expect_line (h1, "element inet peer-owned4 { \"vr-h3\" . 10.9.1.100 }");
}

static void
test_armed (void)
{
  g_autoptr (World) world = announced ();
  g_autoptr (VrPlan) plan = NULL;

  world_here (world);
  plan = world_plan (world, "h3");
  expect_line (plan, "route 10.9.1.100/32 dev br0 table 30322 metric 10");
  expect_line (plan, "rule 7600 from all to 10.9.1.100/32 iif vr-h1 lookup 30322");
  expect_line (plan, "rule6 7600 from all to fd00:9:1::100/128 iif vr-h1 lookup 30322");
  expect_line (plan, "neighbour 10.9.1.100 lladdr 52:54:00:00:01:64 dev br0");
  expect_line (plan, "element inet peer-homed4 { \"vr-h1\" . 10.9.1.100 }");
  expect_none (plan, "table 30321"); /* h3's other guests still reach it at h1 */
}

static void
rate_of_d (World *world, guint rate)
{
  ((VrNic *) vr_book_guest (world->book, D)->custody->nics->pdata[0])->rate = rate;
}

static void
test_queue_without_a_rate (void)
{
  g_autoptr (World) world = announced ();
  g_autoptr (VrPlan) target = NULL;

  world_here (world);
  target = world_plan (world, "h3");
  expect_line (target, "queue vnet0 10000");
}

static void
test_queue_for_the_rate (void)
{
  g_autoptr (World) world = announced ();
  g_autoptr (VrPlan) some = NULL, few = NULL, many = NULL;

  world_here (world);
  world_settle (world, "h1", VR_PRESENCE_LEAVING, FALSE);
  rate_of_d (world, 3000);
  some = world_plan (world, "h3");
  expect_line (some, "queue vnet0 6000"); /* half a second, four times over */
  rate_of_d (world, 10);
  few = world_plan (world, "h3");
  expect_line (few, "queue vnet0 1000");
  rate_of_d (world, G_MAXINT);
  many = world_plan (world, "h3");
  expect_line (many, "queue vnet0 20000"); /* no more than the memory that is allowed */
}

/* Changing a queue's length drops what comes in that moment: no plan asks for it where something may come. */
static void
test_queue_only_while_armed (void)
{
  g_autoptr (World) home = at_home (), leaving = announced (), given = moved ();
  g_autoptr (VrPlan) resting = NULL, origin = NULL, moved_here = NULL, running = NULL;

  world_here (home);
  resting = world_plan (home, "h1");
  expect_none (resting, "queue");
  world_here (leaving);
  world_settle (leaving, "h1", VR_PRESENCE_LEAVING, FALSE);
  origin = world_plan (leaving, "h1");
  expect_none (origin, "queue");
  world_here (given);
  moved_here = world_plan (given, "h3");
  expect_none (moved_here, "queue");
  world_settle (given, "h3", VR_PRESENCE_RUNNING, FALSE);
  running = world_plan (given, "h3");
  expect_none (running, "queue");
}

static void
test_origin_relays (void)
{
  g_autoptr (World) world = moved ();
  g_autoptr (VrPlan) plan = world_plan (world, "h1");

  expect_line (plan, "route 10.9.1.100/32 dev vr-h3 table 30321 metric 10 src 10.9.1.1");
  expect_line (plan, "route unreachable fd00:9:1::100/128 table 30321 metric 4000");
  expect_line (plan, "element inet relay4 { 10.9.1.100 }");
  expect_line (plan, "element inet peer-owned6 { \"vr-h3\" . fd00:9:1::100 }");
  expect_line (plan, "proxy 10.9.1.100 dev br0");
  expect_line (plan, "announce 10.9.1.100 at 02:00:00:00:01:01 on br0");
  expect_line (plan, "element bridge moved { 52:54:00:00:01:64 : 02:00:00:00:01:01 }");
  expect_line (plan, "tunnel h3 dev vr-h3 initiate");
  expect_none (plan, "10.9.1.100/32 dev br0");
}

static void
test_home_relays_for_good (void)
{
  g_autoptr (World) world = away ();
  g_autoptr (VrPlan) plan = world_plan (world, "h1");

  expect_line (plan, "route 10.9.1.100/32 dev vr-h3 table 30321 metric 10 src 10.9.1.1");
}

static void
test_target_delivers (void)
{
  g_autoptr (World) world = moved ();
  g_autoptr (VrPlan) plan = NULL;

  world_here (world);
  plan = world_plan (world, "h3"); /* before it runs here: it is mine since the record says so */
  expect_line (plan, "route 10.9.1.100/32 dev br0 table 30321 metric 10");
  expect_line (plan, "tunnel h1 dev vr-h1 follow");
  expect_none (plan, "table 30322");
}

static void
test_away_answers_through_home (void)
{
  g_autoptr (World) world = away ();
  g_autoptr (VrPlan) plan = NULL;
  g_autofree char *rule = g_strdup_printf ("rule 7620 from 10.9.1.100/32 to all iif br0 lookup %u", vr_tunnel_if_id ("h1"));
  g_autofree char *through = g_strdup_printf ("route 0.0.0.0/0 dev vr-h1 table %u metric 10", vr_tunnel_if_id ("h1"));
  g_autofree char *six = g_strdup_printf ("route ::/0 dev vr-h1 table %u metric 10", vr_tunnel_if_id ("h1"));
  g_autofree char *closed = g_strdup_printf ("route unreachable 0.0.0.0/0 table %u metric 4000", vr_tunnel_if_id ("h1"));
  g_autofree char *local = g_strdup_printf ("route throw 10.9.3.0/24 table %u metric 10", vr_tunnel_if_id ("h1"));

  world_here (world);
  plan = world_plan (world, "h3");
  expect_line (plan, rule);
  expect_line (plan, through);
  expect_line (plan, six);
  expect_line (plan, closed);
  expect_line (plan, local);
  expect_line (plan, "element inet away4 { 10.9.1.100 }");
}

static void
test_away_gateway (void)
{
  g_autoptr (World) world = away ();
  g_autoptr (VrPlan) plan = NULL;

  world_here (world);
  g_hash_table_add (world->asked, (gpointer) "br0 10.9.1.50");
  g_hash_table_add (world->asked, (gpointer) "br0 10.9.3.50"); /* not of d's home: its owner answers */
  plan = world_plan (world, "h3");
  expect_line (plan, "proxy 10.9.1.1 dev br0");
  expect_line (plan, "proxy fd00:9:1::1 dev br0");
  expect_line (plan, "proxy 10.9.1.50 dev br0");
  expect_none (plan, "proxy 10.9.3.50");
  expect_none (plan, "proxy 10.9.1.100");
  expect_line (plan, "sysctl net/ipv4/neigh/br0/proxy_delay = 0");
  expect_line (plan, "sysctl net/ipv6/conf/br0/proxy_ndp = 1");
  expect_line (plan, "element bridge gateway { \"vnet0\" : 02:00:00:00:03:01 }");
  expect_line (plan, "announce 10.9.1.1 at 02:00:00:00:03:01 on br0");
}

static void
test_peer_keeps_its_way (void)
{
  g_autoptr (World) world = away ();
  g_autoptr (VrPlan) plan = world_plan (world, "h2");

  expect_none (plan, "10.9.1.100/32"); /* it goes on sending to h1; test-plan-path.c has what may change that */
  expect_line (plan, "tunnel h3 dev vr-h3 ready");
}

static void
test_relayed_and_armed_on_the_way_home (void)
{
  g_autoptr (World) world = coming_home ();
  g_autoptr (VrPlan) plan = NULL;

  world_here (world);
  plan = world_plan (world, "h1");
  expect_line (plan, "route 10.9.1.100/32 dev vr-h3 table 30321 metric 10 src 10.9.1.1");
  expect_line (plan, "route 10.9.1.100/32 dev br0 table 30322 metric 10 src 10.9.1.1");
  expect_line (plan, "rule 7600 from all to 10.9.1.100/32 iif vr-h3 lookup 30322");
  expect_none (plan, "iif vr-h1");
}

/* Its QEMU may wait at its home before the daemon there hears of it: what the origin sends after it must not be sent back. If it does not come, nothing is left. */
static void
test_home_armed_by_its_own_word (void)
{
  g_autoptr (World) world = coming_home ();
  g_autoptr (VrPlan) plan = world_plan (world, "h1"), over = NULL;

  expect_line (plan, "route 10.9.1.100/32 dev vr-h3 table 30321 metric 10 src 10.9.1.1");
  expect_line (plan, "route 10.9.1.100/32 dev br0 table 30322 metric 10 src 10.9.1.1");
  expect_line (plan, "route unreachable 10.9.1.100/32 table 30322 metric 4000");
  expect_line (plan, "rule 7600 from all to 10.9.1.100/32 iif vr-h3 lookup 30322");
  expect_line (plan, "rule6 7600 from all to fd00:9:1::100/128 iif vr-h3 lookup 30322");
  expect_line (plan, "neighbour 10.9.1.100 lladdr 52:54:00:00:01:64 dev br0");
  expect_line (plan, "element inet bridge { \"br0\" }");
  expect_line (plan, "element inet peer-homed4 { \"vr-h3\" . 10.9.1.100 }");
  g_assert_true (world_settle (world, "h1", VR_PRESENCE_ABSENT, FALSE));
  over = world_plan (world, "h1");
  expect_none (over, "30322");
  expect_none (over, "lladdr");
}

/* A home that does not expect it (any more) is not armed by another's word that it comes; nor is a target that is not its home, before its QEMU is there. */
static void
test_not_armed_without_need (void)
{
  g_autoptr (World) back = coming_home (), out = announced ();
  g_autoptr (VrPlan) home = NULL, target = world_plan (out, "h3");

  world_settle (back, "h3", VR_PRESENCE_LEAVING, FALSE);
  world_settle (back, "h1", VR_PRESENCE_ABSENT, FALSE);
  home = world_plan (back, "h1");
  expect_none (home, "30322");
  expect_none (target, "30322");
}

static void
test_home_again_leaves_nothing (void)
{
  g_autoptr (World) world = coming_home ();
  g_autoptr (VrPlan) h1 = NULL;
  g_autoptr (VrPlan) h3 = NULL;

  world_settle (world, "h3", VR_PRESENCE_HANDED_OVER, FALSE);
  world_settle (world, "h1", VR_PRESENCE_RUNNING, FALSE);
  h3 = world_plan (world, "h3");
  expect_none (h3, "route");
  expect_none (h3, "proxy");
  expect_none (h3, "bridge gateway");
  expect_none (h3, "away4");
  expect_line (h3, "tunnel h1 dev vr-h1 ready");
  world_here (world);
  h1 = world_plan (world, "h1");
  expect_line (h1, "route 10.9.1.100/32 dev br0 table 30321 metric 10 src 10.9.1.1");
  expect_line (h1, "tunnel h3 dev vr-h3 ready");
  expect_none (h1, "moved");
  expect_none (h1, "proxy");
  expect_none (h1, "relay4");
  expect_line (h1, "announce 10.9.1.100 at 52:54:00:00:01:64 on br0");
  expect_line (h1, "announce 10.9.1.1 at 02:00:00:00:01:01 on br0");
  expect_line (h1, "element bridge old-gateway { 02:00:00:00:03:01 : 02:00:00:00:01:01 }");
}

/* h2 sent to h3, and may not have heard that d is at home: what it still sends there is relayed, from anybody, and both keep their tunnel. */
static void
test_home_again_and_not_all_know (void)
{
  g_autoptr (World) world = coming_home ();
  g_autoptr (VrPlan) h1 = NULL, h2 = NULL, h3 = NULL;

  world_settle (world, "h3", VR_PRESENCE_HANDED_OVER, FALSE);
  world_settle (world, "h1", VR_PRESENCE_RUNNING, FALSE);
  g_hash_table_add (world->lingering, (gpointer) D);
  h2 = world_plan (world, "h2");
  expect_none (h2, "10.9.1.100/32"); /* it has: as its home's network */
  h3 = world_plan (world, "h3");
  expect_line (h3, "route 10.9.1.100/32 dev vr-h1 table 30321 metric 10");
  expect_line (h3, "element inet relay4 { 10.9.1.100 }");
  expect_line (h3, "element inet peer-owned4 { \"vr-h1\" . 10.9.1.100 }");
  expect_line (h3, "tunnel h1 dev vr-h1 initiate"); /* the origin has a reason, the home has none of its own */
  expect_none (h3, "proxy");
  world_here (world);
  h1 = world_plan (world, "h1");
  expect_line (h1, "route 10.9.1.100/32 dev br0 table 30321 metric 10 src 10.9.1.1");
  expect_line (h1, "element inet peer-homed4 { \"vr-h3\" . 10.9.1.100 }");
  expect_line (h1, "element inet peer-homed6 { \"vr-h3\" . fd00:9:1::100 }");
  expect_line (h1, "tunnel h3 dev vr-h3 follow");
  expect_none (h1, "proxy");
}

static void
test_stopped_leaves_nothing (void)
{
  g_autoptr (World) world = away ();
  g_autoptr (VrPlan) h1 = NULL;
  g_autoptr (VrPlan) h3 = NULL;

  world_settle (world, "h3", VR_PRESENCE_ABSENT, FALSE);
  h1 = world_plan (world, "h1");
  h3 = world_plan (world, "h3");
  expect_none (h1, "10.9.1.100");
  expect_none (h1, "52:54");
  expect_none (h3, "10.9.1.100");
  expect_none (h3, "proxy");
}

static void
test_abort_after_stop_leads_back (void)
{
  g_autoptr (World) world = moved ();
  g_autoptr (VrPlan) plan = NULL;

  world_settle (world, "h1", VR_PRESENCE_RUNNING, FALSE);
  world_here (world);
  plan = world_plan (world, "h1");
  expect_line (plan, "route 10.9.1.100/32 dev br0 table 30321 metric 10 src 10.9.1.1");
  expect_none (plan, "relay4");
}

static void
test_mine_and_gone_is_unreachable (void)
{
  g_autoptr (World) world = at_home ();
  g_autoptr (VrPlan) plan = world_plan (world, "h1"); /* its QEMU is not here, and nobody said yet why */

  expect_line (plan, "route unreachable 10.9.1.100/32 table 30321 metric 4000");
  expect_none (plan, "10.9.1.100/32 dev");
}

static void
test_both_initiate_smaller_name (void)
{
  g_autoptr (World) world = away ();
  g_autoptr (VrPlan) h1 = NULL;
  g_autoptr (VrPlan) h3 = NULL;

  /* h1 relays d to h3, and a guest of h3's is coming to h1 */
  world_settle (world, "h1", VR_PRESENCE_EXPECTED, FALSE);
  h1 = world_plan (world, "h1");
  h3 = world_plan (world, "h3");
  expect_line (h1, "tunnel h3 dev vr-h3 initiate");
  expect_line (h3, "tunnel h1 dev vr-h1 follow");
}

static void
test_same_facts_same_plan (void)
{
  g_autoptr (World) world = away ();
  g_autoptr (VrPlan) first = NULL;
  g_autoptr (VrPlan) second = NULL;
  g_autofree char *one = NULL, *two = NULL;

  world_here (world);
  first = world_plan (world, "h3");
  second = world_plan (world, "h3");
  one = vr_plan_to_string (first);
  two = vr_plan_to_string (second);
  g_assert_cmpstr (one, ==, two);
}

static void
test_long_names (void)
{
  g_autofree char *one = vr_tunnel_dev ("a-host-with-a-long-name-1");
  g_autofree char *two = vr_tunnel_dev ("a-host-with-a-long-name-2");
  g_autofree char *fits = vr_tunnel_dev ("twelve-chars");

  g_assert_cmpuint (strlen (one), ==, 15);
  g_assert_cmpstr (one, !=, two);
  g_assert_cmpstr (fits, ==, "vr-twelve-chars");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/plan/nothing-known", test_nothing_known);
  g_test_add_func ("/plan/reached-networks", test_reached_networks);
  g_test_add_func ("/plan/guest-at-home", test_guest_at_home);
  g_test_add_func ("/plan/others-leave-it-alone", test_others_leave_it_alone);
  g_test_add_func ("/plan/intent-brings-the-tunnel-up", test_intent_brings_the_tunnel_up);
  g_test_add_func ("/plan/armed", test_armed);
  g_test_add_func ("/plan/queue/without-a-rate", test_queue_without_a_rate);
  g_test_add_func ("/plan/queue/for-the-rate", test_queue_for_the_rate);
  g_test_add_func ("/plan/queue/only-while-armed", test_queue_only_while_armed);
  g_test_add_func ("/plan/origin-relays", test_origin_relays);
  g_test_add_func ("/plan/home-relays-for-good", test_home_relays_for_good);
  g_test_add_func ("/plan/target-delivers", test_target_delivers);
  g_test_add_func ("/plan/away-answers-through-home", test_away_answers_through_home);
  g_test_add_func ("/plan/away-gateway", test_away_gateway);
  g_test_add_func ("/plan/peer-keeps-its-way", test_peer_keeps_its_way);
  g_test_add_func ("/plan/relayed-and-armed-on-the-way-home", test_relayed_and_armed_on_the_way_home);
  g_test_add_func ("/plan/home-armed-by-its-own-word", test_home_armed_by_its_own_word);
  g_test_add_func ("/plan/not-armed-without-need", test_not_armed_without_need);
  g_test_add_func ("/plan/home-again-leaves-nothing", test_home_again_leaves_nothing);
  g_test_add_func ("/plan/home-again-and-not-all-know", test_home_again_and_not_all_know);
  g_test_add_func ("/plan/stopped-leaves-nothing", test_stopped_leaves_nothing);
  g_test_add_func ("/plan/abort-after-stop-leads-back", test_abort_after_stop_leads_back);
  g_test_add_func ("/plan/mine-and-gone-is-unreachable", test_mine_and_gone_is_unreachable);
  g_test_add_func ("/plan/both-initiate-smaller-name", test_both_initiate_smaller_name);
  g_test_add_func ("/plan/same-facts-same-plan", test_same_facts_same_plan);
  g_test_add_func ("/plan/long-names", test_long_names);
  return g_test_run ();
}
