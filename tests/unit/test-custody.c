/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who writes what, and when: each test is a short story of one guest. */
#include "world.h"

static const VrRecord *
custody (World *world)
{
  return vr_book_guest (world->book, D)->custody;
}

static void
assert_custody (World *world, VrState state, guint64 epoch, const char *owner)
{
  g_assert_cmpstr (vr_state_to_string (custody (world)->state), ==, vr_state_to_string (state));
  g_assert_cmpuint (custody (world)->epoch, ==, epoch);
  g_assert_cmpstr (custody (world)->owner, ==, owner);
}

/* h1 boots d, h3 announces it, h1 sees its memory leave */
static World *
leaving (void)
{
  World *world = world_new ();

  g_assert_true (world_settle (world, "h1", VR_PRESENCE_RUNNING, FALSE));
  g_assert_true (world_settle (world, "h3", VR_PRESENCE_EXPECTED, FALSE));
  g_assert_true (world_settle (world, "h1", VR_PRESENCE_LEAVING, FALSE));
  return world;
}

static World *
moved (void)
{
  World *world = leaving ();

  g_assert_true (world_settle (world, "h1", VR_PRESENCE_HANDED_OVER, FALSE));
  return world;
}

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

/* Given to h3 by mistake: h2 has it, and says so; nobody believes h2. */
static World *
mistaken (void)
{
  World *world = moved ();
  g_autoptr (VrSighting) sighting = sighting_of_d ();
  g_autoptr (VrRecord) claim = vr_custody_next ("h2", world->book, D, VR_PRESENCE_RUNNING, sighting, TRUE);
  g_autoptr (GError) error = NULL;

  claim->seq = ++world->seq;
  g_assert_false (vr_book_add_record (world->book, claim, &error));
  g_assert_error (error, VR_RECORD_ERROR, VR_RECORD_ERROR_WAITS);
  assert_custody (world, VR_STATE_MOVED, 2, "h3");
  return world;
}

static void
set_name (char **place, const char *name)
{
  g_free (*place);
  *place = g_strdup (name);
}

/* h3's last word of d, of before it was given to it, comes late: it had called it off; or d had run there, and ended or went on to h2. */
static void
h3_said (World *world, VrState state)
{
  g_autoptr (VrRecord) word = vr_record_derive (custody (world), state, "h3");

  word->epoch = 1;
  word->seq = ++world->seq;
  if (state == VR_STATE_WITHDRAWN)
    set_name (&word->owner, "h1");
  else if (state == VR_STATE_MOVED)
    {
      set_name (&word->owner, "h2");
      set_name (&word->target, "h2");
      set_name (&word->origin, "h3");
    }
  g_assert_true (vr_book_add_record (world->book, word, NULL)); /* there is something to settle now */
  assert_custody (world, VR_STATE_MOVED, 2, "h3");              /* and nothing is believed otherwise */
}

/* … and h3 lets go of it: then the giver says where it is. */
static void
test_mistaken_and_let_go (gconstpointer data)
{
  g_autoptr (World) world = mistaken ();
  g_autoptr (VrRecord) record = NULL;

  g_assert_null (vr_custody_next ("h1", world->book, D, VR_PRESENCE_ABSENT, NULL, TRUE)); /* h3 may still get it */
  h3_said (world, GPOINTER_TO_UINT (data));
  record = vr_custody_next ("h1", world->book, D, VR_PRESENCE_ABSENT, NULL, TRUE);
  g_assert_nonnull (record);
  g_assert_cmpstr (vr_state_to_string (record->state), ==, "moved");
  g_assert_cmpstr (record->owner, ==, "h2");
  record->seq = ++world->seq;
  g_assert_true (vr_book_add_record (world->book, record, NULL));
  assert_custody (world, VR_STATE_RUNNING, 3, "h2"); /* whose own word is believed now */
}

/* A world in which d runs at h2 and h3, too, says so, of the same epoch: both heard that it stopped on h1, and nothing of each other. */
static World *
claimed_twice (void)
{
  World *world = world_new ();
  g_autoptr (VrSighting) sighting = sighting_of_d ();
  g_autoptr (VrRecord) claim = NULL;
  g_autoptr (GError) error = NULL;

  world_settle (world, "h1", VR_PRESENCE_RUNNING, FALSE);
  world_settle (world, "h1", VR_PRESENCE_ABSENT, FALSE);
  claim = vr_custody_next ("h2", world->book, D, VR_PRESENCE_RUNNING, sighting, FALSE);
  g_assert_true (world_settle (world, "h3", VR_PRESENCE_RUNNING, FALSE));
  claim->seq = ++world->seq;
  g_assert_false (vr_book_add_record (world->book, claim, &error));
  g_assert_error (error, VR_RECORD_ERROR, VR_RECORD_ERROR_WAITS);
  assert_custody (world, VR_STATE_RUNNING, 2, "h3");
  return world;
}

/* Given by mistake, the mistake is mended while its QEMU is still here, too; and if it comes back from where it is before that was known. */
static void
test_mistaken_and_withdrawn_meanwhile (gconstpointer data)
{
  g_autoptr (World) world = mistaken ();
  VrPresence presence = GPOINTER_TO_UINT (data);

  if (presence == VR_PRESENCE_EXPECTED)
    g_assert_true (world_settle (world, "h1", presence, FALSE)); /* it announces it */
  g_assert_false (world_settle (world, "h1", presence, FALSE));
  h3_said (world, VR_STATE_WITHDRAWN);
  g_assert_true (world_settle (world, "h1", presence, FALSE));
  assert_custody (world, VR_STATE_RUNNING, 3, "h2");
}

/* h2 said that d runs there, which this book did not believe, but others may: now it does not run there any more. */
static void
test_what_was_claimed_ends (void)
{
  g_autoptr (World) world = mistaken ();
  g_autoptr (VrRecord) record = vr_custody_next ("h2", world->book, D, VR_PRESENCE_ABSENT, NULL, FALSE);

  g_assert_nonnull (record);
  g_assert_cmpstr (vr_state_to_string (record->state), ==, "stopped");
  g_assert_cmpstr (record->owner, ==, "h2");
  g_assert_cmpuint (record->epoch, ==, 3);
  record->seq = ++world->seq;
  vr_book_add_record (world->book, record, NULL);
  g_assert_null (vr_custody_next ("h2", world->book, D, VR_PRESENCE_ABSENT, NULL, FALSE)); /* said once */
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

/* h1 gave it to h3, not knowing that h3 had withdrawn; it runs on h4, and migrates from there to h3 */
static void
test_given_in_error (void)
{
  g_autoptr (World) world = moved ();
  g_autoptr (VrSighting) sighting = sighting_of_d ();
  g_autoptr (VrRecord) claim = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_false (world_settle (world, "h3", VR_PRESENCE_EXPECTED, FALSE));
  claim = vr_custody_next ("h4", world->book, D, VR_PRESENCE_RUNNING, sighting, TRUE);
  claim->seq = ++world->seq;
  g_assert_false (vr_book_add_record (world->book, claim, &error));
  g_assert_error (error, VR_RECORD_ERROR, VR_RECORD_ERROR_WAITS);
  g_assert_true (world_settle (world, "h3", VR_PRESENCE_EXPECTED, FALSE));
  assert_custody (world, VR_STATE_RUNNING, 3, "h4"); /* the claim that waited is believed */
}

static void
test_two_claims_are_disputed (void)
{
  g_autoptr (World) world = claimed_twice ();

  g_assert_true (world_settle (world, "h3", VR_PRESENCE_RUNNING, FALSE));
  assert_custody (world, VR_STATE_RUNNING, 3, "h3");
}

/* … but one that its guest leaves, it knows not where to, takes the other's word for where, when it is gone. */
static void
test_who_claims_what_leaves_gets_it (void)
{
  g_autoptr (World) world = claimed_twice ();

  g_assert_false (world_settle (world, "h3", VR_PRESENCE_LEAVING, FALSE));
  g_assert_true (world_settle (world, "h3", VR_PRESENCE_HANDED_OVER, FALSE));
  g_assert_cmpuint (custody (world)->epoch, ==, 3);
  g_assert_cmpstr (custody (world)->owner, ==, "h2");
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
  g_test_add_data_func ("/custody/mistaken/withdrawn", GUINT_TO_POINTER (VR_STATE_WITHDRAWN), test_mistaken_and_let_go);
  g_test_add_data_func ("/custody/mistaken/ended-there", GUINT_TO_POINTER (VR_STATE_STOPPED), test_mistaken_and_let_go);
  g_test_add_data_func ("/custody/mistaken/went-on", GUINT_TO_POINTER (VR_STATE_MOVED), test_mistaken_and_let_go);
  g_test_add_data_func ("/custody/mistaken/withdrawn-at-once", GUINT_TO_POINTER (VR_PRESENCE_HANDED_OVER), test_mistaken_and_withdrawn_meanwhile);
  g_test_add_data_func ("/custody/mistaken/withdrawn-and-back", GUINT_TO_POINTER (VR_PRESENCE_EXPECTED), test_mistaken_and_withdrawn_meanwhile);
  g_test_add_func ("/custody/what-was-claimed-ends", test_what_was_claimed_ends);
  g_test_add_func ("/custody/abort-before-stop", test_abort_before_stop);
  g_test_add_func ("/custody/abort-after-stop", test_abort_after_stop);
  g_test_add_func ("/custody/again-after-abort", test_again_after_abort);
  g_test_add_func ("/custody/stopped-at-target", test_stopped_at_target);
  g_test_add_func ("/custody/start-after-stop", test_start_after_stop);
  g_test_add_func ("/custody/target-waits-for-the-owner", test_target_waits_for_the_owner);
  g_test_add_func ("/custody/target-claims-when-the-origin-died", test_target_claims_when_the_origin_died);
  g_test_add_func ("/custody/follows-one-announcement", test_follows_one_announcement);
  g_test_add_func ("/custody/follows-the-next-when-one-withdraws", test_follows_the_next_when_one_withdraws);
  g_test_add_func ("/custody/given-in-error", test_given_in_error);
  g_test_add_func ("/custody/two-claims/disputed", test_two_claims_are_disputed);
  g_test_add_func ("/custody/two-claims/who-claims-what-leaves-gets-it", test_who_claims_what_leaves_gets_it);
  g_test_add_func ("/custody/epoch-of-its-own", test_gives_away_in_an_epoch_of_its_own);
  g_test_add_func ("/custody/stamp/back", test_back_by_its_stamp);
  g_test_add_func ("/custody/stamp/cannot-be", test_stamp_that_cannot_be);
  g_test_add_func ("/custody/handed-over-to-nobody-known", test_handed_over_to_nobody_known);
  g_test_add_func ("/custody/target-reads-the-stamp", test_target_reads_the_stamp);
  g_test_add_func ("/custody/stranger-is-not-announced", test_stranger_is_not_announced);
  return g_test_run ();
}
