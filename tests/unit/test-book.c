/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "book-test.h"

/* ---- custody ---- */

static void
test_unknown_guest (void)
{
  g_autoptr (VrBook) book = vr_book_new ();

  g_assert_null (vr_book_guest (book, UUID));
}

static void
test_late_reader (void)
{
  g_autoptr (VrBook) book = vr_book_new ();

  g_assert_true (add (book, running (17, "h1", 5)));
  g_assert_cmpuint (custody (book)->epoch, ==, 17);
}

static void
test_higher_epoch_decides (void)
{
  g_autoptr (VrBook) book = vr_book_new ();

  add (book, make (2, VR_STATE_MOVED, "h3", "h1", "h3", "h1", 1));
  g_assert_true (add (book, running (2, "h3", 1)));
  g_assert_false (add (book, running (1, "h1", 99)));
  g_assert_cmpstr (custody (book)->owner, ==, "h3");
}

static void
test_owner_over_old_owner (void)
{
  g_autoptr (VrBook) book = vr_book_new ();

  g_assert_true (add (book, running (2, "h3", 1)));
  g_assert_false (add (book, make (2, VR_STATE_MOVED, "h3", "h1", "h3", "h1", 99)));
  g_assert_cmpint (custody (book)->state, ==, VR_STATE_RUNNING);
}

static void
test_later_of_one_writer (void)
{
  g_autoptr (VrBook) book = vr_book_new ();

  g_assert_true (add (book, make (1, VR_STATE_STOPPED, "h1", NULL, NULL, "h1", 4)));
  g_assert_false (add (book, running (1, "h1", 3)));
  g_assert_true (add (book, running (1, "h1", 5)));
  g_assert_cmpint (custody (book)->state, ==, VR_STATE_RUNNING);
}

static void
test_same_record_again (void)
{
  g_autoptr (VrBook) book = vr_book_new ();

  g_assert_true (add (book, running (1, "h1", 3)));
  g_assert_false (add (book, running (1, "h1", 3)));
}

static void
test_two_claims (void)
{
  g_autoptr (VrBook) book = vr_book_new ();

  g_assert_true (add (book, running (4, "h3", 9)));
  add_in_vain (book, running (4, "h2", 1)); /* who is known to have it keeps it */
  g_assert_cmpstr (custody (book)->owner, ==, "h3");
}

static void
test_life_of_a_guest (void)
{
  g_autoptr (VrBook) book = vr_book_new ();

  g_assert_true (add (book, running (1, "h1", 1)));
  g_assert_true (add (book, incoming (1, "h1", "h3", 1)));
  g_assert_true (add (book, make (1, VR_STATE_LEAVING, "h1", "h1", "h3", "h1", 2)));
  g_assert_cmpstr (intent_target (book), ==, "h3");
  g_assert_true (add (book, make (2, VR_STATE_MOVED, "h3", "h1", "h3", "h1", 3)));
  g_assert_null (intent_target (book));
  g_assert_true (add (book, make (2, VR_STATE_RUNNING, "h3", "h1", "h3", "h3", 2)));
  g_assert_cmpstr (custody (book)->owner, ==, "h3");
}

static void
test_return (void)
{
  g_autoptr (VrBook) book = vr_book_new ();

  g_assert_true (add (book, make (2, VR_STATE_MOVED, "h3", "h1", "h3", "h1", 3)));
  g_assert_true (add (book, make (3, VR_STATE_RETURNED, "h1", "h1", "h3", "h1", 4)));
  g_assert_true (add (book, running (3, "h1", 5)));
  g_assert_cmpstr (custody (book)->owner, ==, "h1");
}

/* ---- lists, hosts, copies ---- */

static void
test_uuids_sorted (void)
{
  g_autoptr (VrBook) book = vr_book_new ();
  static const char *const names[] = { "33333333-0000-4000-8000-000000000000", "11111111-0000-4000-8000-000000000000",
                                       "22222222-0000-4000-8000-000000000000" };
  g_autoptr (GPtrArray) uuids = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autoptr (VrRecord) record = vr_record_new (names[i], "web");

    record->owner = g_strdup ("h1");
    record->writer = g_strdup ("h1");
    g_assert_true (vr_book_add_record (book, record, NULL));
  }
  uuids = vr_book_guest_uuids (book);
  g_assert_cmpuint (uuids->len, ==, 3);
  g_assert_cmpstr (uuids->pdata[0], ==, names[1]);
  g_assert_cmpstr (uuids->pdata[1], ==, names[2]);
  g_assert_cmpstr (uuids->pdata[2], ==, names[0]);
}

static gboolean
add_host (VrBook *book, const char *name, guint64 seq)
{
  g_autoptr (VrHost) host = vr_host_new (name);

  host->seq = seq;
  return vr_book_add_host (book, host, NULL);
}

static void
test_hosts (void)
{
  g_autoptr (VrBook) book = vr_book_new ();
  g_autoptr (GPtrArray) names = NULL;

  g_assert_true (add_host (book, "h3", 4));
  g_assert_true (add_host (book, "h1", 1));
  g_assert_false (add_host (book, "h3", 3));
  g_assert_false (add_host (book, "h3", 4));
  g_assert_true (add_host (book, "h3", 5));
  g_assert_cmpuint (vr_book_host (book, "h3")->seq, ==, 5);
  g_assert_null (vr_book_host (book, "h2"));
  names = vr_book_host_names (book);
  g_assert_cmpuint (names->len, ==, 2);
  g_assert_cmpstr (names->pdata[0], ==, "h1");
}

static void
test_copy_is_apart (void)
{
  g_autoptr (VrBook) book = vr_book_new (), copy = NULL;

  add (book, running (1, "h1", 1));
  add (book, incoming (1, "h1", "h3", 1));
  add_host (book, "h1", 1);
  copy = vr_book_copy (book);
  add (copy, make (2, VR_STATE_MOVED, "h3", "h1", "h3", "h1", 2));
  add_host (copy, "h2", 1);
  g_assert_cmpuint (custody (book)->epoch, ==, 1);
  g_assert_cmpstr (intent_target (book), ==, "h3");
  g_assert_null (vr_book_host (book, "h2"));
  g_assert_cmpuint (custody (copy)->epoch, ==, 2);
  g_assert_null (intent_target (copy));
  g_assert_nonnull (vr_book_host (copy, "h1"));
}

static void
test_copy_outlives (void)
{
  VrBook *book = vr_book_new ();
  g_autoptr (VrBook) copy = NULL;

  add (book, running (1, "h1", 1));
  add (book, incoming (1, "h1", "h3", 1));
  copy = vr_book_copy (book);
  vr_book_free (book);
  g_assert_true (add (copy, make (1, VR_STATE_WITHDRAWN, "h1", "h1", "h3", "h3", 2)));
  g_assert_cmpstr (custody (copy)->owner, ==, "h1");
}

/* ---- the property: any order of arrival gives the same book ---- */

/* A record of random content; most keep to the chain of custody, some do not. Each writer's seq is its own. */
static VrRecord *
random_record (GRand *rand, guint64 seqs[4])
{
  static const char *const hosts[] = { "h1", "h2", "h3", "h4" };
  guint w = g_rand_int_range (rand, 0, 4);
  const char *me = hosts[w], *other = hosts[g_rand_int_range (rand, 0, 4)];
  guint64 epoch = g_rand_int_range (rand, 1, 5), seq = ++seqs[w];
  VrRecord *record;

  switch (g_rand_int_range (rand, 0, 8)) {
  case 0:
    return running (epoch, me, seq);
  case 1:
    return make (epoch, VR_STATE_LEAVING, me, me, other, me, seq);
  case 2:
    return make (epoch, VR_STATE_MOVED, other, me, other, me, seq);
  case 3:
    return make (epoch, VR_STATE_RETURNED, me, me, other, me, seq);
  case 4:
    return make (epoch, VR_STATE_STOPPED, me, NULL, NULL, me, seq);
  case 5:
    return make (epoch, VR_STATE_WITHDRAWN, other, other, me, me, seq);
  default:
    record = incoming (epoch, other, me, seq);
    record->time_us = g_rand_int_range (rand, 0, 4);
    return record;
  }
}

static void
shuffle (GRand *rand, GPtrArray *array)
{
  for (guint i = array->len; i > 1; i--) {
    guint j = g_rand_int_range (rand, 0, i);
    gpointer swap = array->pdata[i - 1];

    array->pdata[i - 1] = array->pdata[j];
    array->pdata[j] = swap;
  }
}

static char *
book_to_text (GPtrArray *records)
{
  g_autoptr (VrBook) book = vr_book_new ();
  const VrGuest *guest;
  g_autofree char *c = NULL, *i = NULL;

  vr_book_hold (book);
  for (guint k = 0; k < records->len; k++) {
    g_assert_false (vr_book_add_record (book, records->pdata[k], NULL));
    g_assert_null (vr_book_guest (book, UUID));
  }
  vr_book_open (book);
  guest = vr_book_guest (book, UUID);
  c = guest && guest->custody ? vr_record_to_json (guest->custody) : NULL;
  i = guest && guest->intent ? vr_record_to_json (guest->intent) : NULL;
  return g_strdup_printf ("%s\n%s", c ? c : "-", i ? i : "-");
}

static void
test_any_order (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (g_test_rand_int ());
  guint with_intent = 0;

  for (guint round = 0; round < 2000; round++) {
    g_autoptr (GPtrArray) records = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_record_unref);
    g_autofree char *first = NULL;
    guint64 seqs[4] = { 0 };
    guint n = g_rand_int_range (rand, 1, 12);

    while (records->len < n)
      g_ptr_array_add (records, random_record (rand, seqs));
    first = book_to_text (records);
    with_intent += !g_str_has_suffix (first, "\n-");
    for (guint order = 0; order < 10; order++) {
      g_autofree char *text = NULL;

      shuffle (rand, records);
      text = book_to_text (records);
      g_assert_cmpstr (text, ==, first);
    }
  }
  g_assert_cmpuint (with_intent, >, 100); /* the records are of the kind that matters */
}

/* An order must be one: of two different records exactly one supersedes, and there is no circle. */
static void
test_supersedes_is_an_order (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (g_test_rand_int ());
  g_autoptr (GPtrArray) records = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_record_unref);
  guint64 seqs[4] = { 0 };

  while (records->len < 60) {
    g_autoptr (VrRecord) record = random_record (rand, seqs);

    if (!vr_state_is_intent (record->state))
      g_ptr_array_add (records, vr_record_ref (record));
  }
  for (guint a = 0; a < records->len; a++)
    for (guint b = 0; b < records->len; b++) {
      gboolean ab = vr_record_supersedes (records->pdata[a], records->pdata[b]);

      g_assert_cmpint (ab + vr_record_supersedes (records->pdata[b], records->pdata[a]), ==, a != b);
      for (guint c = 0; ab && c < records->len; c++)
        if (vr_record_supersedes (records->pdata[b], records->pdata[c]))
          g_assert_true (vr_record_supersedes (records->pdata[a], records->pdata[c]));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/book/unknown-guest", test_unknown_guest);
  g_test_add_func ("/book/custody/late-reader", test_late_reader);
  g_test_add_func ("/book/custody/higher-epoch", test_higher_epoch_decides);
  g_test_add_func ("/book/custody/owner-over-old-owner", test_owner_over_old_owner);
  g_test_add_func ("/book/custody/later-of-one-writer", test_later_of_one_writer);
  g_test_add_func ("/book/custody/same-record-again", test_same_record_again);
  g_test_add_func ("/book/custody/two-claims", test_two_claims);
  g_test_add_func ("/book/custody/life", test_life_of_a_guest);
  g_test_add_func ("/book/custody/return", test_return);
  g_test_add_func ("/book/uuids-sorted", test_uuids_sorted);
  g_test_add_func ("/book/hosts", test_hosts);
  g_test_add_func ("/book/copy/apart", test_copy_is_apart);
  g_test_add_func ("/book/copy/outlives", test_copy_outlives);
  g_test_add_func ("/book/any-order", test_any_order);
  g_test_add_func ("/book/supersedes-is-an-order", test_supersedes_is_an_order);
  return g_test_run ();
}
