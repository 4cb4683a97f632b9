/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who may write what, and who may have which addresses: what the book believes, refuses and keeps aside. */
#include "book-test.h"

/* ---- who may follow whom ---- */

static VrTrust strict = { .start_anywhere = FALSE };
static char *take_over[] = { (char *) "h4", NULL };
static VrTrust trusting = { .start_anywhere = FALSE, .take_over = take_over };

static VrRecord *
with_address (VrRecord *record, const char *address)
{
  const char *addresses[] = { address, NULL };

  g_ptr_array_add (record->nics, vr_nic_new ("52:54:00:00:00:01", addresses));
  return record;
}

static gboolean
add_host_with (VrBook *book, const char *name, const char *underlay, const char *network, const char *identity, guint64 seq)
{
  g_autoptr (VrHost) host = vr_host_new (name);
  const char *underlays[] = { underlay, NULL }, *networks[] = { network, NULL };

  g_strfreev (host->underlay);
  host->underlay = g_strdupv ((char **) underlays);
  g_strfreev (host->networks);
  host->networks = g_strdupv ((char **) networks);
  host->identity = g_strdup (identity);
  host->seq = seq;
  return vr_book_add_host (book, host, NULL);
}

/* h1 and h2 with their networks, under strict rules */
static VrBook *
strict_book (void)
{
  VrBook *book = vr_book_new ();

  vr_book_set_trust (book, &strict);
  g_assert_true (add_host_with (book, "h1", "192.0.2.1", "10.9.1.1/24", "h1.vr", 1));
  g_assert_true (add_host_with (book, "h2", "192.0.2.2", "10.9.2.1/24", "h2.vr", 1));
  return book;
}

static VrRecord *
at_h1 (VrRecord *record)
{
  return with_address (record, "10.9.1.100");
}

static void
test_stranger_changes_nothing (void)
{
  g_autoptr (VrBook) book = vr_book_new ();

  add (book, running (1, "h1", 1));
  add_in_vain (book, running (2, "h9", 1));
  add_in_vain (book, running (1000, "h9", 2));
  add_in_vain (book, make (7, VR_STATE_MOVED, "h8", "h9", "h8", "h9", 3));
  add_in_vain (book, make (8, VR_STATE_RETURNED, "h9", "h9", NULL, "h9", 4));
  add_in_vain (book, make (9, VR_STATE_STOPPED, "h9", NULL, NULL, "h9", 5));
  g_assert_cmpstr (custody (book)->owner, ==, "h1");
  g_assert_true (add (book, make (1, VR_STATE_LEAVING, "h1", "h1", "h3", "h1", 2)));
}

static void
test_taken_before_it_is_given (void)
{
  g_autoptr (VrBook) book = vr_book_new ();

  add (book, running (1, "h1", 1));
  add_in_vain (book, running (2, "h3", 1)); /* its file was read first */
  g_assert_true (add (book, make (2, VR_STATE_MOVED, "h3", "h1", "h3", "h1", 2)));
  g_assert_cmpint (custody (book)->state, ==, VR_STATE_RUNNING);
  g_assert_cmpstr (custody (book)->owner, ==, "h3");
}

static void
test_target_that_was_named (void)
{
  g_autoptr (VrBook) book = vr_book_new ();

  add (book, running (1, "h1", 1));
  add (book, make (1, VR_STATE_LEAVING, "h1", "h1", "h3", "h1", 2));
  add_in_vain (book, running (2, "h9", 1));
  g_assert_true (add (book, running (2, "h3", 1)));
}

static void
test_target_that_is_not_named_any_more (void)
{
  g_autoptr (VrBook) book = vr_book_new ();

  add (book, make (1, VR_STATE_LEAVING, "h1", "h1", "h3", "h1", 2));
  add (book, running (1, "h1", 3));
  add_in_vain (book, running (2, "h3", 1));
}

static void
test_giver_takes_back (void)
{
  g_autoptr (VrBook) book = vr_book_new ();

  add (book, make (2, VR_STATE_MOVED, "h3", "h1", "h3", "h1", 3));
  add_in_vain (book, make (3, VR_STATE_RETURNED, "h9", "h9", NULL, "h9", 1));
  g_assert_true (add (book, make (3, VR_STATE_RETURNED, "h1", "h1", NULL, "h1", 4)));
}

static void
test_giver_does_not_take_what_was_taken (void)
{
  g_autoptr (VrBook) book = strict_book ();

  add (book, at_h1 (running (1, "h1", 1)));
  add (book, at_h1 (make (2, VR_STATE_MOVED, "h2", "h1", "h2", "h1", 2)));
  add (book, at_h1 (running (2, "h2", 1)));
  add (book, at_h1 (make (3, VR_STATE_MOVED, "h3", "h2", "h3", "h2", 2)));
  add (book, at_h1 (running (3, "h3", 1)));
  add_in_vain (book, at_h1 (make (4, VR_STATE_RETURNED, "h2", "h2", NULL, "h2", 3)));
  add_in_vain (book, at_h1 (running (900, "h2", 4)));
  g_assert_cmpstr (custody (book)->owner, ==, "h3");
}

static void
test_start_at_home (void)
{
  g_autoptr (VrBook) book = strict_book ();

  add_in_vain (book, at_h1 (running (1, "h9", 1))); /* nobody knows the guest yet */
  g_assert_true (add (book, at_h1 (running (1, "h1", 1))));
  g_assert_true (add (book, at_h1 (make (1, VR_STATE_STOPPED, "h1", NULL, NULL, "h1", 2))));
  add_in_vain (book, at_h1 (running (2, "h9", 2)));
  g_assert_true (add (book, at_h1 (running (3, "h1", 3))));
}

static void
test_start_anywhere (void)
{
  g_autoptr (VrBook) book = strict_book ();

  vr_book_set_trust (book, NULL);
  g_assert_true (add (book, at_h1 (make (1, VR_STATE_STOPPED, "h1", NULL, NULL, "h1", 2))));
  g_assert_true (add (book, at_h1 (running (2, "h9", 2))));
}

static void
test_take_over (void)
{
  g_autoptr (VrBook) book = strict_book ();

  vr_book_set_trust (book, &trusting);
  add (book, at_h1 (running (1, "h1", 1)));
  add_in_vain (book, at_h1 (running (2, "h9", 1)));
  g_assert_true (add (book, at_h1 (running (2, "h4", 1))));
}

static void
test_home_has_the_say (void)
{
  g_autoptr (VrBook) book = strict_book ();

  vr_book_set_trust (book, NULL);
  add (book, at_h1 (running (5, "h9", 1)));
  g_assert_true (add (book, at_h1 (running (6, "h1", 1))));
}

static void
test_first_address_in_anothers_network (void)
{
  g_autoptr (VrBook) book = strict_book ();

  add (book, make (1, VR_STATE_RUNNING, "h9", NULL, NULL, "h9", 1)); /* without an address it is nobody's */
  add_in_vain (book, at_h1 (running (1, "h9", 2)));
}

static void
test_home_stays (void)
{
  g_autoptr (VrBook) book = vr_book_new ();
  VrRecord *record = running (1, "h1", 2);

  add (book, running (1, "h1", 1));
  g_free (record->home);
  record->home = g_strdup ("h9");
  add_in_vain (book, record);
}

/* ---- whose address, whose network ---- */

static void
test_anothers_address (void)
{
  g_autoptr (VrBook) book = strict_book ();
  VrRecord *other = at_h1 (running (1, "h1", 2));

  add (book, at_h1 (running (1, "h1", 1)));
  g_free (other->uuid);
  other->uuid = g_strdup ("11111111-edaf-9455-926a-d65c16db1809");
  add_in_vain (book, other); /* even from the same host */
  g_assert_true (add (book, at_h1 (make (1, VR_STATE_STOPPED, "h1", NULL, NULL, "h1", 3))));
  g_assert_nonnull (vr_book_guest (book, "11111111-edaf-9455-926a-d65c16db1809")); /* it was waiting for that */
}

static void
check_address (const char *address, const char *why)
{
  g_autoptr (VrBook) book = strict_book ();
  g_autoptr (VrRecord) record = with_address (running (1, "h1", 1), address);
  g_autoptr (GError) error = NULL;

  vr_book_set_trust (book, NULL);
  g_assert_false (vr_book_add_record (book, record, &error));
  g_assert_error (error, VR_RECORD_ERROR, VR_RECORD_ERROR_WAITS);
  g_assert_nonnull (strstr (error->message, why));
}

static void
test_address_of_no_guest (void)
{
  check_address ("10.9.1.1", "gateway");
  check_address ("192.0.2.2", "underlay");
  check_address ("10.9.2.7", "lies in a guest network of h2");
}

static void
test_address_that_is_not_allowed (void)
{
  static char *networks[] = { (char *) "h1:10.9.1.0/24", (char *) "h2:10.9.2.0/24", NULL };
  static const VrTrust trust = { .networks = networks, .start_anywhere = TRUE };
  g_autoptr (VrBook) book = vr_book_new ();

  vr_book_set_trust (book, &trust);
  g_assert_false (add_host_with (book, "h9", "192.0.2.9", "10.9.9.1/24", "h9.vr", 1));
  g_assert_false (add_host_with (book, "h1", "192.0.2.1", "10.9.0.1/16", "h1.vr", 1));
  g_assert_true (add_host_with (book, "h1", "192.0.2.1", "10.9.1.1/24", "h1.vr", 2));
  add_in_vain (book, with_address (running (1, "h1", 1), "10.77.0.1"));
  g_assert_true (add (book, at_h1 (running (1, "h1", 2))));
}

static void
test_incoming_with_anothers_address (void)
{
  g_autoptr (VrBook) book = strict_book ();
  g_autoptr (VrRecord) record = with_address (incoming (1, "h1", "h9", 1), "10.9.2.7");

  g_assert_false (vr_book_add_record (book, record, NULL));
  g_assert_null (intent_target (book));
}

static void
test_hosts_that_overlap (void)
{
  g_autoptr (VrBook) book = strict_book ();
  g_autoptr (GPtrArray) waiting = NULL;

  g_assert_false (add_host_with (book, "h9", "192.0.2.9", "10.9.1.129/25", "h9.vr", 1));
  g_assert_false (add_host_with (book, "h8", "192.0.2.8", "10.0.0.1/8", "h8.vr", 1));
  g_assert_false (add_host_with (book, "h7", "192.0.2.1", "10.9.7.1/24", "h7.vr", 1)); /* the address of h1 */
  g_assert_false (add_host_with (book, "h6", "192.0.2.6", "192.0.0.1/16", "h6.vr", 1)); /* the network that they are all in */
  g_assert_false (add_host_with (book, "h5", "10.9.2.9", "10.9.5.1/24", "h5.vr", 1));
  g_assert_false (add_host_with (book, "h4", "192.0.2.4", "10.9.4.1/24", "h1.vr", 1)); /* the identity of h1 */
  g_assert_null (vr_book_host (book, "h9"));
  waiting = vr_book_waiting_hosts (book);
  g_assert_cmpuint (waiting->len, ==, 6);
  g_assert_true (add_host_with (book, "h1", "192.0.2.1", "10.10.1.1/24", "h1.vr", 2)); /* it gives its network up */
  g_assert_nonnull (vr_book_host (book, "h9"));
}

static void
test_hosts_mac_is_a_guests (void)
{
  g_autoptr (VrBook) book = strict_book ();
  g_autoptr (VrHost) host = vr_host_new ("h9");
  const char *macs[] = { "52:54:00:00:00:01", NULL };

  add (book, at_h1 (running (1, "h1", 1)));
  g_strfreev (host->macs);
  host->macs = g_strdupv ((char **) macs);
  host->seq = 1;
  g_assert_false (vr_book_add_host (book, host, NULL));
}

/* ---- who starts late ---- */

static void
test_home_is_heard_first (void)
{
  g_autoptr (VrBook) book = strict_book ();

  vr_book_set_trust (book, NULL);
  vr_book_hold (book);
  add (book, at_h1 (running (1000, "h9", 1))); /* as its file happens to be read first */
  add (book, at_h1 (running (2, "h2", 1)));
  add (book, at_h1 (make (2, VR_STATE_MOVED, "h2", "h1", "h2", "h1", 2)));
  vr_book_open (book);
  g_assert_cmpstr (custody (book)->owner, ==, "h2");
  g_assert_cmpuint (custody (book)->epoch, ==, 2);
}

static void
test_home_is_heard_late (void)
{
  g_autoptr (VrBook) book = strict_book ();

  vr_book_set_trust (book, NULL);
  add (book, at_h1 (running (1000, "h9", 1)));
  g_assert_true (add (book, at_h1 (running (1, "h1", 1))));
  g_assert_cmpstr (custody (book)->owner, ==, "h1");
}

/* h1 gave it to h2; it stopped there, and h3 started it. Of that h1's part is heard last, and the others' words, believed before, fit behind it. */
static void
test_home_is_heard_last (void)
{
  g_autoptr (VrBook) book = strict_book ();

  vr_book_set_trust (book, NULL);
  g_assert_true (add (book, at_h1 (running (2, "h2", 1))));
  g_assert_true (add (book, at_h1 (make (2, VR_STATE_STOPPED, "h2", "h1", NULL, "h2", 2))));
  g_assert_true (add (book, at_h1 (running (3, "h3", 1))));
  g_assert_true (add (book, at_h1 (running (1, "h1", 1))));
  g_assert_true (add (book, at_h1 (make (2, VR_STATE_MOVED, "h2", "h1", "h2", "h1", 2))));
  g_assert_cmpstr (custody (book)->owner, ==, "h3");
  g_assert_cmpuint (custody (book)->epoch, ==, 3);
}

/* h1 gave it to h2, which had said before that it ended there: by a word that the chain is beyond. */
static void
test_last_words_are_heard_late (void)
{
  g_autoptr (VrBook) book = strict_book ();

  vr_book_hold (book);
  add (book, at_h1 (make (2, VR_STATE_MOVED, "h2", "h1", "h2", "h1", 2)));
  add (book, at_h1 (make (1, VR_STATE_STOPPED, "h2", NULL, NULL, "h2", 7)));
  add (book, at_h1 (running (1, "h2", 6)));
  vr_book_open (book);
  g_assert_cmpint (custody (book)->state, ==, VR_STATE_MOVED);
  g_assert_true (vr_book_has_let_go (book, UUID, "h2"));
  g_assert_true (vr_book_has_let_go (book, UUID, "h1"));
  g_assert_false (vr_book_has_let_go (book, UUID, "h3"));
  g_assert_true (add (book, at_h1 (running (2, "h2", 8))));
  g_assert_false (vr_book_has_let_go (book, UUID, "h2"));
}

/* What a compacted log, or one with a record for each host and guest, still says: h1 -> h2 -> h3 -> h2. */
static void
test_last_word_of_each_is_enough (void)
{
  g_autoptr (VrBook) book = strict_book ();

  vr_book_hold (book);
  add (book, at_h1 (running (4, "h2", 9)));
  add (book, at_h1 (make (4, VR_STATE_MOVED, "h2", "h3", "h2", "h3", 5)));
  add (book, at_h1 (make (2, VR_STATE_MOVED, "h2", "h1", "h2", "h1", 2)));
  vr_book_open (book);
  g_assert_cmpstr (custody (book)->owner, ==, "h2");
  g_assert_cmpint (custody (book)->state, ==, VR_STATE_RUNNING);
}

static void
test_waiting_is_bounded (void)
{
  g_autoptr (VrBook) book = vr_book_new ();
  g_autoptr (GPtrArray) waiting = NULL;

  add (book, running (1, "h1", 1));
  for (guint i = 2; i < 300; i++)
    add_in_vain (book, running (i, "h9", i));
  waiting = vr_book_waiting (book, UUID);
  g_assert_cmpuint (waiting->len, ==, 64);
  g_assert_cmpuint (((VrRecord *) waiting->pdata[63])->epoch, ==, 299);
}

/* ---- records that break the chain ---- */

static void
test_refused (gconstpointer data)
{
  const VrRecord *bad = data;
  g_autoptr (VrBook) book = vr_book_new ();
  g_autoptr (VrRecord) record = vr_record_derive (bad, bad->state, bad->writer);
  g_autoptr (GError) error = NULL;

  record->seq = 9;
  add (book, running (1, "h1", 1));
  g_assert_false (vr_book_add_record (book, record, &error));
  g_assert_error (error, VR_RECORD_ERROR, VR_RECORD_ERROR_REFUSED);
  g_assert_nonnull (strstr (error->message, "web1"));
  g_assert_nonnull (strstr (error->message, UUID));
  g_assert_nonnull (strstr (error->message, "h9"));
  g_assert_cmpuint (custody (book)->seq, ==, 1);
  g_assert_null (intent_target (book));
}

static void
add_refused (const char *name, VrRecord *record)
{
  g_autofree char *path = g_strdup_printf ("/book/refused/%s", name);

  g_test_add_data_func_full (path, record, test_refused, (GDestroyNotify) vr_record_unref);
}

static void
add_refused_tests (void)
{
  add_refused ("epoch-zero", make (0, VR_STATE_RUNNING, "h9", NULL, NULL, "h9", 1));
  add_refused ("running-by-another", make (5, VR_STATE_RUNNING, "h1", NULL, NULL, "h9", 1));
  add_refused ("leaving-by-another", make (5, VR_STATE_LEAVING, "h1", "h1", "h3", "h9", 1));
  add_refused ("leaving-without-target", make (5, VR_STATE_LEAVING, "h9", "h9", NULL, "h9", 1));
  add_refused ("leaving-to-itself", make (5, VR_STATE_LEAVING, "h9", "h9", "h9", "h9", 1));
  add_refused ("moved-by-another", make (5, VR_STATE_MOVED, "h3", "h1", "h3", "h9", 1));
  add_refused ("moved-by-target", make (5, VR_STATE_MOVED, "h9", "h1", "h9", "h9", 1));
  add_refused ("moved-elsewhere", make (5, VR_STATE_MOVED, "h2", "h9", "h3", "h9", 1));
  add_refused ("moved-to-itself", make (5, VR_STATE_MOVED, "h9", "h9", "h9", "h9", 1));
  add_refused ("moved-without-target", make (5, VR_STATE_MOVED, "h2", "h9", NULL, "h9", 1));
  add_refused ("returned-by-another", make (5, VR_STATE_RETURNED, "h1", "h1", "h3", "h9", 1));
  add_refused ("returned-to-another", make (5, VR_STATE_RETURNED, "h9", "h1", "h3", "h9", 1));
  add_refused ("stopped-by-another", make (5, VR_STATE_STOPPED, "h1", NULL, NULL, "h9", 1));
  add_refused ("incoming-by-another", make (1, VR_STATE_INCOMING, "h1", "h1", "h3", "h9", 1));
  add_refused ("incoming-by-owner", make (1, VR_STATE_INCOMING, "h9", "h9", "h9", "h9", 1));
  add_refused ("withdrawn-by-another", make (1, VR_STATE_WITHDRAWN, "h1", "h1", "h3", "h9", 1));
  add_refused ("no-owner", make (5, VR_STATE_RUNNING, NULL, NULL, NULL, "h9", 1));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/book/chain/stranger", test_stranger_changes_nothing);
  g_test_add_func ("/book/chain/taken-before-given", test_taken_before_it_is_given);
  g_test_add_func ("/book/chain/named", test_target_that_was_named);
  g_test_add_func ("/book/chain/named-no-more", test_target_that_is_not_named_any_more);
  g_test_add_func ("/book/chain/taken-back", test_giver_takes_back);
  g_test_add_func ("/book/chain/taken-back-too-late", test_giver_does_not_take_what_was_taken);
  g_test_add_func ("/book/chain/start-at-home", test_start_at_home);
  g_test_add_func ("/book/chain/start-anywhere", test_start_anywhere);
  g_test_add_func ("/book/chain/take-over", test_take_over);
  g_test_add_func ("/book/chain/home", test_home_has_the_say);
  g_test_add_func ("/book/chain/first-address", test_first_address_in_anothers_network);
  g_test_add_func ("/book/chain/home-stays", test_home_stays);
  g_test_add_func ("/book/claims/another-guests-address", test_anothers_address);
  g_test_add_func ("/book/claims/no-guests-address", test_address_of_no_guest);
  g_test_add_func ("/book/claims/not-allowed", test_address_that_is_not_allowed);
  g_test_add_func ("/book/claims/incoming", test_incoming_with_anothers_address);
  g_test_add_func ("/book/claims/hosts-overlap", test_hosts_that_overlap);
  g_test_add_func ("/book/claims/hosts-mac", test_hosts_mac_is_a_guests);
  g_test_add_func ("/book/late/home-first", test_home_is_heard_first);
  g_test_add_func ("/book/late/home-late", test_home_is_heard_late);
  g_test_add_func ("/book/late/home-last", test_home_is_heard_last);
  g_test_add_func ("/book/late/last-words", test_last_word_of_each_is_enough);
  g_test_add_func ("/book/late/last-words-are-heard", test_last_words_are_heard_late);
  g_test_add_func ("/book/waiting-is-bounded", test_waiting_is_bounded);
  add_refused_tests ();
  return g_test_run ();
}
