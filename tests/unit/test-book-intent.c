/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which announcement of a guest's coming stands. Proofs: test-proof.c. */
#include "book-test.h"

static void
test_intent_alone (void)
{
  g_autoptr (VrBook) book = vr_book_new ();

  g_assert_true (add (book, incoming (4, "h1", "h3", 1)));
  g_assert_cmpstr (intent_target (book), ==, "h3");
  g_assert_null (custody (book));
}

static void
test_intent_before_custody (void)
{
  g_autoptr (VrBook) book = vr_book_new ();

  add (book, running (3, "h1", 1));
  g_assert_true (add (book, incoming (4, "h2", "h3", 1))); /* the guest's stamp was faster than the log */
  g_assert_cmpstr (intent_target (book), ==, "h3");
  add (book, make (4, VR_STATE_MOVED, "h2", "h1", "h2", "h1", 2));
  g_assert_true (add (book, running (4, "h2", 1)));
  g_assert_cmpstr (intent_target (book), ==, "h3");
}

static void
test_intent_of_custodys_epoch_first (void)
{
  g_autoptr (VrBook) book = vr_book_new ();

  add (book, running (3, "h1", 1));
  add (book, incoming (3, "h1", "h3", 1));
  g_assert_false (add (book, incoming (9, "h2", "h4", 1))); /* it may be true; but what is known to be now comes first */
  g_assert_cmpstr (intent_target (book), ==, "h3");
}

static void
test_intent_of_old_epoch (void)
{
  g_autoptr (VrBook) book = vr_book_new ();

  add (book, running (5, "h2", 1));
  g_assert_false (add (book, incoming (4, "h1", "h3", 1)));
  g_assert_null (intent_target (book));
}

static void
test_intent_ends_with_epoch (void)
{
  g_autoptr (VrBook) book = vr_book_new ();

  add (book, running (4, "h1", 1));
  g_assert_true (add (book, incoming (4, "h1", "h3", 1)));
  add (book, make (5, VR_STATE_MOVED, "h2", "h1", "h2", "h1", 2));
  g_assert_null (intent_target (book));
}

static void
test_intent_withdrawn (void)
{
  g_autoptr (VrBook) book = vr_book_new ();

  add (book, running (1, "h1", 1));
  add (book, incoming (1, "h1", "h3", 1));
  g_assert_true (add (book, make (1, VR_STATE_WITHDRAWN, "h1", "h1", "h3", "h3", 2)));
  g_assert_null (intent_target (book));
  g_assert_false (add (book, incoming (1, "h1", "h3", 1)));
  g_assert_null (intent_target (book));
  g_assert_true (add (book, incoming (1, "h1", "h3", 3)));
  g_assert_cmpstr (intent_target (book), ==, "h3");
}

static void
test_withdrawn_guest_unknown (void)
{
  g_autoptr (VrBook) book = vr_book_new ();
  g_autoptr (GPtrArray) uuids = NULL;

  add (book, incoming (1, "h1", "h3", 1));
  add (book, make (1, VR_STATE_WITHDRAWN, "h1", "h1", "h3", "h3", 2));
  g_assert_null (vr_book_guest (book, UUID));
  uuids = vr_book_guest_uuids (book);
  g_assert_cmpuint (uuids->len, ==, 0);
}

static void
test_withdrawn_by_other_target (void)
{
  g_autoptr (VrBook) book = vr_book_new ();

  add (book, running (1, "h1", 1));
  add (book, incoming (1, "h1", "h3", 1));
  g_assert_false (add (book, make (1, VR_STATE_WITHDRAWN, "h1", "h1", "h2", "h2", 9)));
  g_assert_cmpstr (intent_target (book), ==, "h3");
}

static void
test_intent_replaced (void)
{
  g_autoptr (VrBook) book = vr_book_new ();

  add (book, running (1, "h1", 1));
  add (book, incoming (1, "h1", "h3", 5));
  g_assert_true (add (book, incoming (1, "h1", "h4", 6)));
  g_assert_cmpstr (intent_target (book), ==, "h4");
  g_assert_false (add (book, incoming (1, "h1", "h2", 4)));
  g_assert_true (add (book, make (1, VR_STATE_WITHDRAWN, "h1", "h1", "h4", "h4", 7)));
  g_assert_cmpstr (intent_target (book), ==, "h3");
}

/* Of every two targets with the same time, whichever came first. */
static void
test_intent_same_time (void)
{
  static const char *const names[] = { "h2", "h3", "h4", "h5", "h6", "h7", "node-1", "node-2", "z" };

  for (guint a = 0; a < G_N_ELEMENTS (names); a++)
    for (guint b = 0; b < G_N_ELEMENTS (names); b++) {
      g_autoptr (VrBook) book = vr_book_new ();

      add (book, running (1, "h1", 1));
      add (book, incoming (1, "h1", names[a], 5));
      g_assert_cmpint (add (book, incoming (1, "h1", names[b], 5)), ==, b < a);
      g_assert_cmpstr (intent_target (book), ==, names[MIN (a, b)]);
    }
}

static void
test_intent_of_owner (void)
{
  g_autoptr (VrBook) book = vr_book_new ();

  add (book, running (1, "h3", 1));
  g_assert_false (add (book, incoming (1, "h1", "h3", 2)));
  g_assert_null (intent_target (book));
}

static void
test_intent_of_stopped_guest (void)
{
  g_autoptr (VrBook) book = vr_book_new ();

  add (book, running (1, "h1", 1));
  add (book, incoming (1, "h1", "h3", 1));
  g_assert_true (add (book, make (1, VR_STATE_STOPPED, "h1", NULL, NULL, "h1", 2)));
  g_assert_null (intent_target (book));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/book/intent/alone", test_intent_alone);
  g_test_add_func ("/book/intent/before-custody", test_intent_before_custody);
  g_test_add_func ("/book/intent/of-custodys-epoch-first", test_intent_of_custodys_epoch_first);
  g_test_add_func ("/book/intent/old-epoch", test_intent_of_old_epoch);
  g_test_add_func ("/book/intent/ends-with-epoch", test_intent_ends_with_epoch);
  g_test_add_func ("/book/intent/withdrawn", test_intent_withdrawn);
  g_test_add_func ("/book/intent/withdrawn-guest-unknown", test_withdrawn_guest_unknown);
  g_test_add_func ("/book/intent/withdrawn-by-other-target", test_withdrawn_by_other_target);
  g_test_add_func ("/book/intent/replaced", test_intent_replaced);
  g_test_add_func ("/book/intent/same-time", test_intent_same_time);
  g_test_add_func ("/book/intent/of-owner", test_intent_of_owner);
  g_test_add_func ("/book/intent/stopped-guest", test_intent_of_stopped_guest);
  return g_test_run ();
}
