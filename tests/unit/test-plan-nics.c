/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The plan for a guest with two NICs, and for one whose addresses change while it is away. */
#include "plan-test.h"

#define D_MAC2 "52:54:00:00:02:64"

/* A sighting of d: its second NIC may be missing (NULL). */
static VrSighting *
sighting (const char *first, const char *second)
{
  VrSighting *sighting = vr_sighting_new (D, "d");
  const char *one[] = { first, D6, NULL }, *two[] = { second, "fd00:9:1::110", NULL };

  g_ptr_array_add (sighting->nics, vr_nic_new (D_MAC, one));
  if (second != NULL)
    g_ptr_array_add (sighting->nics, vr_nic_new (D_MAC2, two));
  return sighting;
}

static void
settle (World *world, const char *self, VrPresence presence, const char *first, const char *second)
{
  g_autoptr (VrSighting) seen = sighting (first, second);
  g_autoptr (VrRecord) record = vr_custody_next (self, world->book, D, presence, seen, FALSE);
  g_autoptr (GError) error = NULL;

  g_assert_nonnull (record);
  record->seq = ++world->seq;
  vr_book_add_record (world->book, record, &error);
  g_assert_no_error (error);
}

static World *
go_away (const char *second)
{
  World *world = world_new ();

  settle (world, "h1", VR_PRESENCE_RUNNING, D4, second);
  settle (world, "h3", VR_PRESENCE_EXPECTED, D4, second);
  settle (world, "h1", VR_PRESENCE_LEAVING, D4, second);
  settle (world, "h1", VR_PRESENCE_HANDED_OVER, D4, second);
  settle (world, "h3", VR_PRESENCE_RUNNING, D4, second);
  return world;
}

/* d's QEMU is here, its NICs on two bridges. */
static void
here_on_two_bridges (World *world)
{
  VrHere *here = vr_here_new (D);

  vr_here_add_nic (here, D_MAC, "vnet0", "br0");
  vr_here_add_nic (here, D_MAC2, "vnet1", "br1");
  g_hash_table_replace (world->here, here->uuid, here);
  g_hash_table_replace (world->macs, (gpointer) "br1", (gpointer) "02:00:00:00:01:02");
}

static void
test_placed_by_its_own_nic (void)
{
  g_autoptr (World) world = go_away ("10.9.1.110");
  g_autoptr (VrPlan) plan = NULL;

  here_on_two_bridges (world);
  plan = world_plan (world, "h3");
  expect_line (plan, "route 10.9.1.100/32 dev br0 table 30321 metric 10");
  expect_line (plan, "route 10.9.1.110/32 dev br1 table 30321 metric 10");
  expect_line (plan, "route fd00:9:1::110/128 dev br1 table 30321 metric 10");
  expect_line (plan, "neighbour 10.9.1.110 lladdr 52:54:00:00:02:64 dev br1");
  expect_line (plan, "forwarding 52:54:00:00:01:64 dev vnet0");
  expect_line (plan, "forwarding 52:54:00:00:02:64 dev vnet1");
  expect_line (plan, "element bridge gateway { \"vnet1\" : 02:00:00:00:01:02 }");
  expect_none (plan, "10.9.1.110/32 dev br0");
}

/* Which NIC a packet leaves by is the guest's affair; the source address says whose it is. */
static void
test_away_sends_by_either_nic (void)
{
  g_autoptr (World) world = go_away ("10.9.1.110");
  g_autoptr (VrPlan) plan = NULL;

  here_on_two_bridges (world);
  plan = world_plan (world, "h3");
  for (guint i = 0; i < 4; i++)
    {
      g_autofree char *rule = g_strdup_printf ("rule 7620 from 10.9.1.%s/32 to all iif br%u lookup %u", i < 2 ? "100" : "110", i % 2,
                                               vr_tunnel_if_id ("h1"));

      expect_line (plan, rule);
    }
}

static void
test_home_relays_both (void)
{
  g_autoptr (World) world = go_away ("10.9.1.110");
  g_autoptr (VrPlan) plan = world_plan (world, "h1");

  expect_line (plan, "route 10.9.1.100/32 dev vr-h3 table 30321 metric 10 src 10.9.1.1");
  expect_line (plan, "route 10.9.1.110/32 dev vr-h3 table 30321 metric 10 src 10.9.1.1");
  expect_line (plan, "element bridge moved { 52:54:00:00:02:64 : 02:00:00:00:01:01 }");
  expect_line (plan, "proxy 10.9.1.110 dev br0");
}

/* ---- an address changes while the guest is away ---- */

static World *
changed (void)
{
  World *world = go_away (NULL);

  settle (world, "h3", VR_PRESENCE_RUNNING, "10.9.1.200", NULL);
  return world;
}

static void
test_home_follows (void)
{
  g_autoptr (World) world = changed ();
  g_autoptr (VrPlan) plan = world_plan (world, "h1");

  g_assert_cmpuint (vr_book_guest (world->book, D)->custody->epoch, ==, 2); /* nobody gave it away */
  expect_line (plan, "route 10.9.1.200/32 dev vr-h3 table 30321 metric 10 src 10.9.1.1");
  expect_line (plan, "route fd00:9:1::100/128 dev vr-h3 table 30321 metric 10 src fd00:9:1::1");
  expect_line (plan, "proxy 10.9.1.200 dev br0");
  expect_none (plan, "10.9.1.100");
}

static void
test_owner_follows (void)
{
  g_autoptr (World) world = changed ();
  g_autoptr (VrPlan) plan = NULL;

  world_here (world);
  plan = world_plan (world, "h3");
  expect_line (plan, "route 10.9.1.200/32 dev br0 table 30321 metric 10");
  expect_line (plan, "element inet away4 { 10.9.1.200 }");
  expect_none (plan, "10.9.1.100");
}

/* Of the new address nothing was counted yet: the peer sends to it by its home, whatever it does with the others. */
static void
test_peer_counts_anew (void)
{
  g_autoptr (World) world = changed ();
  g_autoptr (VrPlan) plan = NULL;

  g_hash_table_add (world->tunnels, (gpointer) "h3");
  g_hash_table_insert (world->answers, (gpointer) "vr-h3 " D4, GUINT_TO_POINTER (10));
  g_hash_table_insert (world->answers, (gpointer) "vr-h3 " D6, GUINT_TO_POINTER (10));
  plan = world_plan (world, "h2");
  expect_line (plan, "element inet peer-guest4 { \"vr-h3\" . 10.9.1.200 }");
  expect_line (plan, "path 10.9.1.200 to h3 relayed");
  expect_line (plan, "path fd00:9:1::100 to h3 direct");
  expect_none (plan, "10.9.1.100");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/plan/nics/placed-by-its-own-nic", test_placed_by_its_own_nic);
  g_test_add_func ("/plan/nics/away-sends-by-either-nic", test_away_sends_by_either_nic);
  g_test_add_func ("/plan/nics/home-relays-both", test_home_relays_both);
  g_test_add_func ("/plan/changed/home-follows", test_home_follows);
  g_test_add_func ("/plan/changed/owner-follows", test_owner_follows);
  g_test_add_func ("/plan/changed/peer-counts-anew", test_peer_counts_anew);
  return g_test_run ();
}
