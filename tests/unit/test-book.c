/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/model/book.h"

#include <string.h>

#define UUID "c7a5fdbd-edaf-9455-926a-d65c16db1809"

/* A record of the guest: who wrote it, what it says, and the hosts it names. */
static VrRecord *
make (guint64 epoch, VrState state, const char *owner, const char *origin, const char *target, const char *writer, guint64 seq)
{
  VrRecord *record = vr_record_new (UUID, "web1");

  record->epoch = epoch;
  record->state = state;
  record->owner = g_strdup (owner);
  record->origin = g_strdup (origin);
  record->target = g_strdup (target);
  record->home = g_strdup ("h1");
  record->writer = g_strdup (writer);
  record->seq = seq;
  record->time_us = seq;
  return record;
}

/* It is not believed, and kept aside. */
static void
add_in_vain (VrBook *book, VrRecord *made)
{
  g_autoptr (VrRecord) record = made;
  g_autoptr (GError) error = NULL;

  g_assert_false (vr_book_add_record (book, record, &error));
  g_assert_error (error, VR_RECORD_ERROR, VR_RECORD_ERROR_WAITS);
  g_assert_nonnull (strstr (error->message, record->writer));
}

static gboolean
add (VrBook *book, VrRecord *made)
{
  g_autoptr (VrRecord) record = made;
  g_autoptr (GError) error = NULL;
  gboolean changed = vr_book_add_record (book, record, &error);

  g_assert_no_error (error);
  return changed;
}

static VrRecord *
running (guint64 epoch, const char *owner, guint64 seq)
{
  return make (epoch, VR_STATE_RUNNING, owner, NULL, NULL, owner, seq);
}

static VrRecord *
incoming (guint64 epoch, const char *owner, const char *target, guint64 seq)
{
  return make (epoch, VR_STATE_INCOMING, owner, owner, target, target, seq);
}

static const VrRecord *
custody (VrBook *book)
{
  const VrGuest *guest = vr_book_guest (book, UUID);

  return guest ? guest->custody : NULL;
}

static const char *
intent_target (VrBook *book)
{
  const VrGuest *guest = vr_book_guest (book, UUID);

  return guest && guest->intent ? guest->intent->target : NULL;
}

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

/* ---- intents ---- */

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
  g_test_add_func ("/book/waiting-is-bounded", test_waiting_is_bounded);
  add_refused_tests ();
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
  g_test_add_func ("/book/uuids-sorted", test_uuids_sorted);
  g_test_add_func ("/book/hosts", test_hosts);
  g_test_add_func ("/book/copy/apart", test_copy_is_apart);
  g_test_add_func ("/book/copy/outlives", test_copy_outlives);
  g_test_add_func ("/book/any-order", test_any_order);
  g_test_add_func ("/book/supersedes-is-an-order", test_supersedes_is_an_order);
  return g_test_run ();
}
