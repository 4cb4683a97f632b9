/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The path of a packet, as each host would explain it: a migration of d from h1 to h3, with S behind h2. */
#include "daemon/model/explain-private.h"

#include <gio/gio.h>

#include "plan-test.h"

/* One way in words: "h2 sends vr-h1, h1 relays vr-h3, h3 delivers br0: arrives" */
static char *
way_in_words (const VrWay *way)
{
  GString *words = g_string_new (NULL);

  for (guint i = 0; i < way->hops->len; i++)
    {
      const VrHop *hop = way->hops->pdata[i];

      g_string_append_printf (words, "%s%s %s%s%s", i > 0 ? ", " : "", hop->host, hop->does, hop->out != NULL ? " " : "",
                              hop->out != NULL ? hop->out : "");
    }
  g_string_append_printf (words, ": %s", vr_outcome_to_string (way->outcome));
  return g_string_free (words, FALSE);
}

static void
expect_way (const VrExplanation *found, guint n, const char *expected)
{
  g_autofree char *words = NULL;

  g_assert_cmpuint (n, <, found->ways->len);
  words = way_in_words (found->ways->pdata[n]);
  g_assert_cmpstr (words, ==, expected);
}

static const VrHop *
hop_of (const VrExplanation *found, guint way, guint hop)
{
  return ((VrWay *) found->ways->pdata[way])->hops->pdata[hop];
}

static VrExplanation *
explain (World *world, const char *self, const char *whom, const char *from)
{
  VrFacts           facts = world_facts (world, self);
  g_autoptr (VrPlan) plan = vr_plan_make (&facts);
  g_autoptr (GError) error = NULL;
  VrExplanation    *found = vr_explain (&facts, plan, whom, from, &error);

  g_assert_no_error (error);
  return found;
}

static void
tunnel_up (World *world, const char *peer)
{
  g_hash_table_add (world->tunnels, (gpointer) peer);
}

/* ---- now ---- */

static void
test_at_home (void)
{
  g_autoptr (World) world = at_home ();
  g_autoptr (VrExplanation) found = NULL;

  tunnel_up (world, "h1");
  found = explain (world, "h2", "d", NULL);
  g_assert_cmpuint (found->ways->len, ==, 2);
  expect_way (found, 0, "h2 sends vr-h1, h1 delivers its bridge: arrives");
  expect_way (found, 1, "h1 sends vr-h2, h2 delivers: arrives");
  g_assert_cmpstr (found->from_address, ==, "10.9.2.254");
  g_assert_cmpstr (found->address, ==, D4);
}

static void
test_relayed (void)
{
  g_autoptr (World) world = away ();
  g_autoptr (VrExplanation) found = NULL;

  tunnel_up (world, "h1");
  found = explain (world, "h2", "d", NULL);
  expect_way (found, 0, "h2 sends vr-h1, h1 relays vr-h3, h3 delivers its bridge: arrives");
  expect_way (found, 1, "h3 sends vr-h1, h1 relays vr-h2, h2 delivers: arrives");
}

/* What is told of a host is what its own plan holds. */
static void
test_lines (void)
{
  g_autoptr (World) world = away ();
  g_autoptr (VrExplanation) found = NULL;

  tunnel_up (world, "h3");
  tunnel_up (world, "h2");
  found = explain (world, "h1", "d", "h2");
  g_assert_cmpstr (hop_of (found, 0, 1)->rule, ==, "rule 7610 from all to all iif any lookup 30321");
  g_assert_cmpstr (hop_of (found, 0, 1)->route, ==, "route 10.9.1.100/32 dev vr-h3 table 30321 metric 10 src 10.9.1.1");
  g_assert_cmpstr (hop_of (found, 0, 1)->filter, ==, "element inet peer-net4 { \"vr-h2\" . 10.9.2.0/24 }");
  g_assert_cmpstr (hop_of (found, 0, 1)->tunnel, ==, "up");
  g_assert_cmpstr (hop_of (found, 0, 1)->in, ==, "vr-h2");
  g_assert_cmpstr (hop_of (found, 0, 1)->next, ==, "h3");
  g_assert_cmpstr (hop_of (found, 0, 0)->role, ==, "peer");
  g_assert_cmpstr (hop_of (found, 0, 1)->role, ==, "origin");
  g_assert_cmpstr (hop_of (found, 0, 2)->role, ==, "owner");
}

static void
test_verified (void)
{
  g_autoptr (World) world = away ();
  g_autoptr (VrExplanation) found = NULL;

  tunnel_up (world, "h3");
  tunnel_up (world, "h2");
  found = explain (world, "h1", "d", "h2");
  g_assert_false (hop_of (found, 0, 0)->verified);
  g_assert_true (hop_of (found, 0, 1)->verified);
  g_assert_false (hop_of (found, 0, 2)->verified);
}

/* Between two others: what they want is known, not what is. */
static void
test_others_tunnel (void)
{
  g_autoptr (World) world = away ();
  g_autoptr (VrExplanation) found = NULL;

  tunnel_up (world, "h1");
  found = explain (world, "h2", "d", NULL);
  g_assert_cmpstr (hop_of (found, 0, 0)->tunnel, ==, "up");
  g_assert_cmpstr (hop_of (found, 0, 1)->tunnel, ==, "wanted up");
}

static void
test_tunnel_down (void)
{
  g_autoptr (World) world = away ();
  g_autoptr (VrExplanation) found = explain (world, "h2", "d", NULL);

  expect_way (found, 0, "h2 sends vr-h1: is lost");
  g_assert_cmpstr (hop_of (found, 0, 0)->tunnel, ==, "down");
}

static void
test_own_bridge_and_uuid (void)
{
  g_autoptr (World) world = away ();
  g_autoptr (VrExplanation) found = NULL;

  world_here (world);
  tunnel_up (world, "h1");
  found = explain (world, "h3", D, "h2");
  expect_way (found, 0, "h2 sends vr-h1, h1 relays vr-h3, h3 delivers br0: arrives");
  expect_way (found, 1, "h3 sends vr-h1, h1 relays vr-h2, h2 delivers: arrives");
  g_assert_true (hop_of (found, 0, 2)->verified);
  g_assert_cmpstr (hop_of (found, 1, 0)->in, ==, "br0");
}

static void
test_v6 (void)
{
  g_autoptr (World) world = away ();
  g_autoptr (VrExplanation) found = NULL;

  tunnel_up (world, "h1");
  found = explain (world, "h2", D6, NULL);
  g_assert_cmpstr (found->from_address, ==, "fd00:9:2:0:ffff:ffff:ffff:fffe");
  expect_way (found, 0, "h2 sends vr-h1, h1 relays vr-h3, h3 delivers its bridge: arrives");
}

/* h3 reaches nobody, and nobody it: no tunnel of virt-relay's leads there. */
static void
test_no_reach (void)
{
  g_autoptr (World) world = at_home ();
  g_autoptr (VrExplanation) found = explain (world, "h3", "d", NULL);

  expect_way (found, 0, "h3 sends: is not known");
  g_assert_nonnull (strstr (hop_of (found, 0, 0)->why, "[host] reach"));
}

static void
test_guest_gone (void)
{
  g_autoptr (World) world = at_home ();
  g_autoptr (VrExplanation) found = NULL;

  tunnel_up (world, "h2"); /* the record says that d is here, and its QEMU is not */
  found = explain (world, "h1", "d", "h2");
  expect_way (found, 0, "h2 sends vr-h1, h1 has no way: is lost");
}

static void
test_no_guest_address (void)
{
  g_autoptr (World) world = world_new ();
  g_autoptr (VrExplanation) found = NULL;

  tunnel_up (world, "h1");
  found = explain (world, "h2", "10.9.1.7", NULL);
  g_assert_null (found->record);
  expect_way (found, 0, "h2 sends vr-h1, h1 delivers: arrives");
  g_assert_null (hop_of (found, 0, 0)->role);
}

/* ---- what the switch makes of it ---- */

static void
test_after_the_switch (void)
{
  g_autoptr (World) world = away ();
  g_autoptr (VrExplanation) found = NULL;

  tunnel_up (world, "h1");
  found = explain (world, "h2", "d", NULL);
  g_assert_cmpuint (found->ways->len, ==, 4);
  g_assert_true (((VrWay *) found->ways->pdata[2])->direct);
  expect_way (found, 2, "h2 sends vr-h3, h3 delivers its bridge: arrives");
  expect_way (found, 3, "h3 sends vr-h2, h2 delivers: arrives");
  g_assert_false (hop_of (found, 2, 0)->verified);
}

static void
test_already_direct (void)
{
  g_autoptr (World) world = away ();
  g_autoptr (VrExplanation) found = NULL;

  tunnel_up (world, "h1");
  tunnel_up (world, "h3");
  g_hash_table_insert (world->answers, (gpointer) "vr-h3 " D4, GUINT_TO_POINTER (10));
  found = explain (world, "h2", "d", NULL);
  g_assert_cmpuint (found->ways->len, ==, 2);
  expect_way (found, 0, "h2 sends vr-h3, h3 delivers its bridge: arrives");
}

static void
test_never_direct (void)
{
  g_autoptr (World) world = away ();
  g_autoptr (VrExplanation) found = NULL;

  world->direct = VR_DIRECT_NEVER;
  tunnel_up (world, "h1");
  found = explain (world, "h2", "d", NULL);
  g_assert_cmpuint (found->ways->len, ==, 2);
}

static void
test_home_stays (void)
{
  g_autoptr (World) world = away ();
  g_autoptr (VrExplanation) found = NULL;

  tunnel_up (world, "h3");
  found = explain (world, "h1", "d", NULL);
  g_assert_cmpuint (found->ways->len, ==, 2);
  expect_way (found, 0, "h1 sends vr-h3, h3 delivers its bridge: arrives");
}

/* ---- errors ---- */

static void
expect_error (World *world, const char *whom, const char *from, GIOErrorEnum code, const char *part)
{
  VrFacts            facts = world_facts (world, "h2");
  g_autoptr (VrPlan) plan = vr_plan_make (&facts);
  g_autoptr (GError) error = NULL;

  g_assert_null (vr_explain (&facts, plan, whom, from, &error));
  g_assert_error (error, G_IO_ERROR, (int) code);
  g_assert_nonnull (strstr (error->message, part));
}

static void
test_errors (void)
{
  g_autoptr (World) world = at_home ();

  expect_error (world, "nobody", NULL, G_IO_ERROR_NOT_FOUND, "\"nobody\" is neither");
  expect_error (world, "10.77.0.1", NULL, G_IO_ERROR_NOT_FOUND, "\"10.77.0.1\" is neither");
  expect_error (world, "d", "h9", G_IO_ERROR_HOST_NOT_FOUND, "no host \"h9\"");
  world_settle (world, "h1", VR_PRESENCE_ABSENT, TRUE);
  expect_error (world, "d", NULL, G_IO_ERROR_NOT_FOUND, "is stopped");
}

/* ---- one host, one packet ---- */

static void
test_filter_refuses (void)
{
  g_autoptr (World) world = away ();
  g_autoptr (VrPlan) plan = world_plan (world, "h1");
  VrVerdict          verdict = vr_explain_forward (plan, "vr-h2", "10.9.3.7", D4);

  g_assert_cmpstr (verdict.dropped, ==, "foreign-source"); /* h3's network is not behind h2 */
  verdict = vr_explain_forward (plan, "vr-h2", "10.9.2.7", "10.9.3.7");
  g_assert_cmpstr (verdict.dropped, ==, "foreign-destination"); /* h1 is no way to h3's network */
  verdict = vr_explain_forward (plan, "vr-h2", "10.9.2.7", D4);
  g_assert_null (verdict.dropped);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/explain/at-home", test_at_home);
  g_test_add_func ("/explain/relayed", test_relayed);
  g_test_add_func ("/explain/lines", test_lines);
  g_test_add_func ("/explain/verified", test_verified);
  g_test_add_func ("/explain/others-tunnel", test_others_tunnel);
  g_test_add_func ("/explain/tunnel-down", test_tunnel_down);
  g_test_add_func ("/explain/own-bridge-and-uuid", test_own_bridge_and_uuid);
  g_test_add_func ("/explain/v6", test_v6);
  g_test_add_func ("/explain/no-reach", test_no_reach);
  g_test_add_func ("/explain/guest-gone", test_guest_gone);
  g_test_add_func ("/explain/no-guest-address", test_no_guest_address);
  g_test_add_func ("/explain/after-the-switch", test_after_the_switch);
  g_test_add_func ("/explain/already-direct", test_already_direct);
  g_test_add_func ("/explain/never-direct", test_never_direct);
  g_test_add_func ("/explain/home-stays", test_home_stays);
  g_test_add_func ("/explain/errors", test_errors);
  g_test_add_func ("/explain/filter-refuses", test_filter_refuses);
  return g_test_run ();
}
