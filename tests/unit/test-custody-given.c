/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest that was given to a host that did not get it, or is claimed by two: each test is a short story of how that ends. */
#include "custody-test.h"

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

/*
 * h2 gave d to h3, from where it went home while h1's daemon was down; there it ended, as h1 says, of the same epoch. h3 believes its home. So does h2 when
 * h3 says that it has it no more, and not before.
 */
static void
test_given_what_ended_at_home (void)
{
  g_autoptr (World) world = world_new ();
  g_autoptr (VrSighting) sighting = sighting_of_d ();
  g_autoptr (VrRecord) running = vr_sighting_record (sighting, world->book, VR_STATE_RUNNING, "h1"), moved = NULL, record = NULL;
  g_autoptr (GError) error = NULL;

  running->owner = g_strdup ("h1");
  running->epoch = 2;
  running->seq = ++world->seq;
  g_assert_true (vr_book_add_record (world->book, running, NULL));
  g_assert_true (world_settle (world, "h1", VR_PRESENCE_ABSENT, FALSE));
  g_assert_null (vr_custody_next ("h3", world->book, D, VR_PRESENCE_ABSENT, NULL, TRUE));
  moved = vr_record_derive (running, VR_STATE_MOVED, "h2");
  set_name (&moved->origin, "h2");
  set_name (&moved->owner, "h3");
  set_name (&moved->target, "h3");
  moved->seq = ++world->seq;
  g_assert_false (vr_book_add_record (world->book, moved, &error));
  g_assert_error (error, VR_RECORD_ERROR, VR_RECORD_ERROR_WAITS);
  g_assert_true (vr_custody_waits ("h3", world->book, D, VR_PRESENCE_ABSENT, NULL)); /* h2 may take it back */
  g_assert_null (vr_custody_next ("h3", world->book, D, VR_PRESENCE_ABSENT, NULL, FALSE));
  record = vr_custody_next ("h3", world->book, D, VR_PRESENCE_ABSENT, NULL, TRUE);
  g_assert_nonnull (record);
  g_assert_cmpstr (vr_state_to_string (record->state), ==, "stopped");
  g_assert_cmpstr (record->owner, ==, "h3");
  g_assert_cmpuint (record->epoch, ==, 2);
  g_assert_null (record->origin); /* had h2 lied, [trust] start would let it start d now */
  record->seq = ++world->seq;
  vr_book_add_record (world->book, record, NULL);
  assert_custody (world, VR_STATE_STOPPED, 2, "h1");
  g_assert_null (vr_custody_next ("h3", world->book, D, VR_PRESENCE_ABSENT, NULL, TRUE)); /* said once */
  g_assert_false (vr_custody_waits ("h3", world->book, D, VR_PRESENCE_ABSENT, NULL));
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

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/custody/mistaken/withdrawn", GUINT_TO_POINTER (VR_STATE_WITHDRAWN), test_mistaken_and_let_go);
  g_test_add_data_func ("/custody/mistaken/ended-there", GUINT_TO_POINTER (VR_STATE_STOPPED), test_mistaken_and_let_go);
  g_test_add_data_func ("/custody/mistaken/went-on", GUINT_TO_POINTER (VR_STATE_MOVED), test_mistaken_and_let_go);
  g_test_add_data_func ("/custody/mistaken/withdrawn-at-once", GUINT_TO_POINTER (VR_PRESENCE_HANDED_OVER), test_mistaken_and_withdrawn_meanwhile);
  g_test_add_data_func ("/custody/mistaken/withdrawn-and-back", GUINT_TO_POINTER (VR_PRESENCE_EXPECTED), test_mistaken_and_withdrawn_meanwhile);
  g_test_add_func ("/custody/what-was-claimed-ends", test_what_was_claimed_ends);
  g_test_add_func ("/custody/given-what-ended-at-home", test_given_what_ended_at_home);
  g_test_add_func ("/custody/given-in-error", test_given_in_error);
  g_test_add_func ("/custody/two-claims/disputed", test_two_claims_are_disputed);
  g_test_add_func ("/custody/two-claims/who-claims-what-leaves-gets-it", test_who_claims_what_leaves_gets_it);
  return g_test_run ();
}
