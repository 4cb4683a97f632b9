/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who writes what, and when: each test is a short story of one guest. */
#include "custody-test.h"

static void
test_started_anew_elsewhere (void)
{
  g_autoptr (World) world = world_new ();
  g_autoptr (VrSighting) sighting = vr_sighting_new (D, "d");
  g_autoptr (VrRecord) record = NULL;
  const char *addresses[] = { "10.9.3.100", NULL };

  world_settle (world, "h1", VR_PRESENCE_RUNNING, FALSE);
  world_settle (world, "h1", VR_PRESENCE_ABSENT, FALSE);
  g_ptr_array_add (sighting->nics, vr_nic_new (D_MAC, addresses));
  record = vr_custody_next ("h3", world->book, D, VR_PRESENCE_RUNNING, sighting, FALSE);
  g_assert_cmpstr (record->home, ==, "h3");
  g_assert_cmpstr (record->owner, ==, "h3");
}

static void
test_restored_elsewhere (void)
{
  g_autoptr (World) world = world_new ();

  world_settle (world, "h1", VR_PRESENCE_RUNNING, FALSE);
  world_settle (world, "h1", VR_PRESENCE_ABSENT, FALSE);
  g_assert_true (world_settle (world, "h3", VR_PRESENCE_RUNNING, FALSE)); /* with its addresses of h1's network */
  assert_custody (world, VR_STATE_RUNNING, 2, "h3");
  g_assert_cmpstr (custody (world)->home, ==, "h1");
}

static void
test_later_intent_moves_nothing (void)
{
  g_autoptr (World) world = world_new ();
  g_autoptr (VrSighting) sighting = sighting_of_d ();
  g_autoptr (VrRecord) intent = NULL;

  world_settle (world, "h1", VR_PRESENCE_RUNNING, FALSE);
  sighting->owner = g_strdup ("h2"); /* a stamp that cannot be: h1 owns d */
  sighting->epoch = 7;
  intent = vr_custody_next ("h3", world->book, D, VR_PRESENCE_EXPECTED, sighting, FALSE);
  intent->seq = ++world->seq;
  g_assert_true (vr_book_add_record (world->book, intent, NULL));
  g_assert_null (vr_custody_next ("h3", world->book, D, VR_PRESENCE_EXPECTED, sighting, FALSE)); /* said once */
  g_assert_false (world_settle (world, "h1", VR_PRESENCE_LEAVING, FALSE));
  g_assert_false (world_settle (world, "h1", VR_PRESENCE_HANDED_OVER, FALSE));
}

static void
test_boot (void)
{
  g_autoptr (World) world = world_new ();

  g_assert_true (world_settle (world, "h1", VR_PRESENCE_RUNNING, FALSE));
  assert_custody (world, VR_STATE_RUNNING, 1, "h1");
  g_assert_cmpstr (custody (world)->home, ==, "h1");
  g_assert_false (world_settle (world, "h1", VR_PRESENCE_RUNNING, FALSE));
}

static void
test_home_is_where_the_network_is (void)
{
  g_autoptr (World) world = world_new ();

  g_assert_true (world_settle (world, "h2", VR_PRESENCE_RUNNING, FALSE));
  g_assert_cmpstr (custody (world)->home, ==, "h1");
}

static void
test_intent_changes_no_owner (void)
{
  g_autoptr (World) world = leaving ();

  assert_custody (world, VR_STATE_LEAVING, 1, "h1");
  g_assert_cmpstr (custody (world)->target, ==, "h3");
}

static void
test_migration (void)
{
  g_autoptr (World) world = moved ();

  assert_custody (world, VR_STATE_MOVED, 2, "h3");
  g_assert_cmpstr (custody (world)->origin, ==, "h1");
  g_assert_null (vr_book_guest (world->book, D)->intent);
  g_assert_true (world_settle (world, "h3", VR_PRESENCE_RUNNING, FALSE));
  assert_custody (world, VR_STATE_RUNNING, 2, "h3");
  g_assert_false (world_settle (world, "h1", VR_PRESENCE_ABSENT, FALSE));
}

static void
test_way_home (void)
{
  g_autoptr (World) world = moved ();

  world_settle (world, "h3", VR_PRESENCE_RUNNING, FALSE);
  g_assert_true (world_settle (world, "h1", VR_PRESENCE_EXPECTED, FALSE));
  g_assert_true (world_settle (world, "h3", VR_PRESENCE_LEAVING, FALSE));
  g_assert_true (world_settle (world, "h3", VR_PRESENCE_HANDED_OVER, FALSE));
  g_assert_true (world_settle (world, "h1", VR_PRESENCE_RUNNING, FALSE));
  assert_custody (world, VR_STATE_RUNNING, 3, "h1");
  g_assert_cmpstr (custody (world)->home, ==, "h1");
}

static void
test_abort_before_stop (void)
{
  g_autoptr (World) world = leaving ();

  g_assert_true (world_settle (world, "h1", VR_PRESENCE_RUNNING, FALSE));
  g_assert_true (world_settle (world, "h3", VR_PRESENCE_ABSENT, FALSE));
  assert_custody (world, VR_STATE_RUNNING, 1, "h1");
  g_assert_null (vr_book_guest (world->book, D)->intent);
}

static void
test_abort_after_stop (void)
{
  g_autoptr (World) world = moved ();

  g_assert_false (world_settle (world, "h3", VR_PRESENCE_ABSENT, FALSE)); /* given, and not there: the origin knows more */
  g_assert_true (world_settle (world, "h1", VR_PRESENCE_RUNNING, FALSE));
  assert_custody (world, VR_STATE_RETURNED, 3, "h1");
}

static void
test_again_after_abort (void)
{
  g_autoptr (World) world = leaving ();

  world_settle (world, "h1", VR_PRESENCE_RUNNING, FALSE);
  world_settle (world, "h3", VR_PRESENCE_ABSENT, FALSE);
  g_assert_true (world_settle (world, "h3", VR_PRESENCE_EXPECTED, FALSE));
  g_assert_true (world_settle (world, "h1", VR_PRESENCE_LEAVING, FALSE));
  g_assert_true (world_settle (world, "h1", VR_PRESENCE_HANDED_OVER, FALSE));
  assert_custody (world, VR_STATE_MOVED, 2, "h3");
}

static void
test_stopped_at_target (void)
{
  g_autoptr (World) world = moved ();

  world_settle (world, "h3", VR_PRESENCE_RUNNING, FALSE);
  g_assert_true (world_settle (world, "h3", VR_PRESENCE_ABSENT, FALSE));
  assert_custody (world, VR_STATE_STOPPED, 2, "h3");
}

static void
test_start_after_stop (void)
{
  g_autoptr (World) world = moved ();

  world_settle (world, "h3", VR_PRESENCE_RUNNING, FALSE);
  world_settle (world, "h3", VR_PRESENCE_ABSENT, FALSE);
  g_assert_true (world_settle (world, "h1", VR_PRESENCE_RUNNING, FALSE));
  assert_custody (world, VR_STATE_RUNNING, 3, "h1");
}

static void
test_target_waits_for_the_owner (void)
{
  g_autoptr (World) world = leaving ();
  g_autoptr (VrSighting) sighting = sighting_of_d ();

  g_assert_true (vr_custody_waits ("h3", world->book, D, VR_PRESENCE_RUNNING, sighting));
  g_assert_false (world_settle (world, "h3", VR_PRESENCE_RUNNING, FALSE));
  assert_custody (world, VR_STATE_LEAVING, 1, "h1");
}

static void
test_target_claims_when_the_origin_died (void)
{
  g_autoptr (World) world = leaving ();

  g_assert_true (world_settle (world, "h3", VR_PRESENCE_RUNNING, TRUE));
  assert_custody (world, VR_STATE_RUNNING, 2, "h3");
  g_assert_cmpstr (custody (world)->origin, ==, "h1");
}

/* What h2 announced, and has given up since, comes late; its clock is ahead, or the same */
static void
test_follows_one_announcement (void)
{
  g_autoptr (World) world = leaving ();

  g_assert_true (world_settle (world, "h2", VR_PRESENCE_EXPECTED, FALSE));
  g_assert_false (world_settle (world, "h1", VR_PRESENCE_LEAVING, FALSE));
  g_assert_true (world_settle (world, "h1", VR_PRESENCE_HANDED_OVER, FALSE));
  assert_custody (world, VR_STATE_MOVED, 2, "h3");
}

static void
test_follows_the_next_when_one_withdraws (void)
{
  g_autoptr (World) world = leaving ();

  g_assert_true (world_settle (world, "h2", VR_PRESENCE_EXPECTED, FALSE));
  g_assert_true (world_settle (world, "h3", VR_PRESENCE_ABSENT, FALSE));
  g_assert_true (world_settle (world, "h1", VR_PRESENCE_LEAVING, FALSE));
  g_assert_cmpstr (custody (world)->target, ==, "h2");
}

/* d ran at h2 for a while, of whose word nobody was the wiser, is back at its home, and goes to h3: not in the epoch that h2 used. */
static void
test_gives_away_in_an_epoch_of_its_own (void)
{
  g_autoptr (World) world = world_new ();
  g_autoptr (VrSighting) sighting = sighting_of_d ();
  g_autoptr (VrRecord) claim = NULL;
  g_autoptr (GError) error = NULL;

  world_settle (world, "h1", VR_PRESENCE_RUNNING, FALSE);
  claim = vr_custody_next ("h2", world->book, D, VR_PRESENCE_RUNNING, sighting, TRUE);
  g_assert_cmpuint (claim->epoch, ==, 2);
  claim->seq = ++world->seq;
  g_assert_false (vr_book_add_record (world->book, claim, &error));
  g_assert_error (error, VR_RECORD_ERROR, VR_RECORD_ERROR_WAITS);
  g_assert_true (world_settle (world, "h3", VR_PRESENCE_EXPECTED, FALSE));
  g_assert_true (world_settle (world, "h1", VR_PRESENCE_LEAVING, FALSE));
  g_assert_true (world_settle (world, "h1", VR_PRESENCE_HANDED_OVER, FALSE));
  assert_custody (world, VR_STATE_MOVED, 3, "h3");
  g_assert_true (world_settle (world, "h3", VR_PRESENCE_RUNNING, FALSE));
  assert_custody (world, VR_STATE_RUNNING, 3, "h3");
}

/* It went to h3 and on to others, and is back, of which the log brought no news yet; but its stamp says of which epoch it was there. */
static void
test_back_by_its_stamp (void)
{
  g_autoptr (World) world = moved ();
  g_autoptr (VrSighting) sighting = sighting_of_d ();
  g_autoptr (VrRecord) record = NULL;

  sighting->home = g_strdup ("h1");
  sighting->owner = g_strdup ("h2");
  sighting->epoch = 5;
  record = vr_custody_next ("h1", world->book, D, VR_PRESENCE_RUNNING, sighting, FALSE);
  g_assert_nonnull (record);
  g_assert_cmpuint (record->epoch, ==, 6);
}

static void
test_stamp_that_cannot_be (void)
{
  g_autoptr (World) world = moved ();
  g_autoptr (VrSighting) sighting = sighting_of_d ();
  g_autoptr (VrRecord) record = NULL;

  sighting->owner = g_strdup ("h2");
  sighting->epoch = G_MAXUINT64 - 1;
  record = vr_custody_next ("h1", world->book, D, VR_PRESENCE_RUNNING, sighting, FALSE);
  g_assert_nonnull (record);
  g_assert_cmpuint (record->epoch, ==, 3);
}

static void
test_handed_over_to_nobody_known (void)
{
  g_autoptr (World) world = world_new ();

  world_settle (world, "h1", VR_PRESENCE_RUNNING, FALSE);
  g_assert_false (world_settle (world, "h1", VR_PRESENCE_HANDED_OVER, FALSE));
}

static void
test_target_reads_the_stamp (void)
{
  g_autoptr (World) world = world_new ();
  g_autoptr (VrSighting) sighting = sighting_of_d ();
  g_autoptr (VrRecord) record = NULL;

  sighting->home = g_strdup ("h1");
  sighting->owner = g_strdup ("h1");
  sighting->epoch = 7;
  record = vr_custody_next ("h3", world->book, D, VR_PRESENCE_EXPECTED, sighting, FALSE);
  g_assert_nonnull (record);
  g_assert_cmpint (record->state, ==, VR_STATE_INCOMING);
  g_assert_cmpuint (record->epoch, ==, 7);
  g_assert_cmpstr (record->owner, ==, "h1");
}

static void
test_stranger_is_not_announced (void)
{
  g_autoptr (World) world = world_new ();

  g_assert_false (world_settle (world, "h3", VR_PRESENCE_EXPECTED, FALSE));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/custody/started-anew-elsewhere", test_started_anew_elsewhere);
  g_test_add_func ("/custody/restored-elsewhere", test_restored_elsewhere);
  g_test_add_func ("/custody/later-intent-moves-nothing", test_later_intent_moves_nothing);
  g_test_add_func ("/custody/boot", test_boot);
  g_test_add_func ("/custody/home-is-where-the-network-is", test_home_is_where_the_network_is);
  g_test_add_func ("/custody/intent-changes-no-owner", test_intent_changes_no_owner);
  g_test_add_func ("/custody/migration", test_migration);
  g_test_add_func ("/custody/way-home", test_way_home);
  g_test_add_func ("/custody/abort-before-stop", test_abort_before_stop);
  g_test_add_func ("/custody/abort-after-stop", test_abort_after_stop);
  g_test_add_func ("/custody/again-after-abort", test_again_after_abort);
  g_test_add_func ("/custody/stopped-at-target", test_stopped_at_target);
  g_test_add_func ("/custody/start-after-stop", test_start_after_stop);
  g_test_add_func ("/custody/target-waits-for-the-owner", test_target_waits_for_the_owner);
  g_test_add_func ("/custody/target-claims-when-the-origin-died", test_target_claims_when_the_origin_died);
  g_test_add_func ("/custody/follows-one-announcement", test_follows_one_announcement);
  g_test_add_func ("/custody/follows-the-next-when-one-withdraws", test_follows_the_next_when_one_withdraws);
  g_test_add_func ("/custody/epoch-of-its-own", test_gives_away_in_an_epoch_of_its_own);
  g_test_add_func ("/custody/stamp/back", test_back_by_its_stamp);
  g_test_add_func ("/custody/stamp/cannot-be", test_stamp_that_cannot_be);
  g_test_add_func ("/custody/handed-over-to-nobody-known", test_handed_over_to_nobody_known);
  g_test_add_func ("/custody/target-reads-the-stamp", test_target_reads_the_stamp);
  g_test_add_func ("/custody/stranger-is-not-announced", test_stranger_is_not_announced);
  return g_test_run ();
}
