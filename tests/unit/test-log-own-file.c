/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is done to the own file of the migration log: repair, compaction, and when it is left alone. */
#include "log-fixture.h"

#include "daemon/log/own-file.h"
#include "daemon/model/book.h"

#define UUID2 "22222222-0000-4000-8000-000000000000"

/* ---- the own file ---- */

static VrOwnFile *
own_open (Reader *r)
{
  VrOwnFile *own = vr_own_file_new (r->dir, "h1");
  g_autofree char *report = NULL;
  g_autoptr (GError) error = NULL;

  vr_own_file_open (own, &report, &error);
  g_assert_no_error (error);
  g_assert_null (report);
  return own;
}

static gboolean
own_append (VrOwnFile *own, const char *uuid, VrState state, guint64 epoch, GError **error)
{
  g_autoptr (VrRecord) record = record_new (uuid, vr_state_is_intent (state) ? "h2" : "h1", epoch);
  g_autofree char *json = NULL;

  record->state = state;
  record->target = vr_state_is_intent (state) ? g_strdup ("h1") : NULL;
  record->writer = g_strdup ("h1");
  record->seq = own->last_seq + 1;
  json = vr_record_to_json (record);
  return vr_own_file_append (own, record->seq, json, error);
}

static void
append_ok (VrOwnFile *own, const char *uuid, VrState state, guint64 epoch)
{
  g_autoptr (GError) error = NULL;

  own_append (own, uuid, state, epoch, &error);
  g_assert_no_error (error);
}

static void
test_last_seq_is_found (void)
{
  g_autoptr (Reader) r = reader_new ();
  g_autoptr (VrOwnFile) own = own_open (r), later = NULL;

  g_assert_cmpuint (own->last_seq, ==, 0);
  for (guint i = 1; i <= 2; i++)
    append_ok (own, UUID, VR_STATE_RUNNING, i);
  later = own_open (r);
  g_assert_cmpuint (later->last_seq, ==, 2);
}

static void
test_written_over_by_another (void)
{
  g_autoptr (Reader) r = reader_new ();
  g_autoptr (VrOwnFile) own = own_open (r);
  g_autoptr (GError) error = NULL;
  g_autofree char *before = NULL, *after = NULL;

  append_ok (own, UUID, VR_STATE_RUNNING, 1);
  file_append_record (r->path, "h1", 9, own->last_seq + 7);
  before = file_text (r->path);
  g_assert_false (own_append (own, UUID, VR_STATE_RUNNING, 2, &error));
  g_assert_error (error, VR_LOG_ERROR, VR_LOG_ERROR_NAME_TAKEN);
  after = file_text (r->path);
  g_assert_cmpstr (after, ==, before);
}

/* Of the same size, so that nothing but the header tells */
static void
test_taken_by_another_machine (void)
{
  g_autoptr (Reader) r = reader_new ();
  g_autoptr (VrOwnFile) own = vr_own_file_new (r->dir, "h1");
  g_autofree char *id = g_uuid_string_random (), *header = vr_log_header_make ("h1", "bbbb", id);
  g_autofree char *report = NULL, *text = NULL, *other = NULL, *after = NULL;
  g_autoptr (GError) error = NULL;

  g_free (own->machine);
  own->machine = g_strdup ("aaaa");
  g_assert_true (vr_own_file_open (own, &report, NULL));
  append_ok (own, UUID, VR_STATE_RUNNING, 1);
  text = file_text (r->path);
  other = g_strconcat (header, strchr (text, '\n'), NULL);
  g_assert_cmpuint (strlen (other), ==, strlen (text));
  g_assert_true (g_file_set_contents (r->path, other, -1, NULL));
  g_assert_false (own_append (own, UUID, VR_STATE_RUNNING, 2, &error));
  g_assert_error (error, VR_LOG_ERROR, VR_LOG_ERROR_NAME_TAKEN);
  after = file_text (r->path);
  g_assert_cmpstr (after, ==, other);
}

static void
test_older_file_put_back (void)
{
  g_autoptr (Reader) r = reader_new ();
  g_autoptr (VrOwnFile) own = own_open (r);
  g_autofree char *old = NULL;

  append_ok (own, UUID, VR_STATE_RUNNING, 1);
  old = file_text (r->path);
  append_ok (own, UUID, VR_STATE_RUNNING, 2);
  g_assert_true (g_file_set_contents (r->path, old, -1, NULL));
  append_ok (own, UUID, VR_STATE_RUNNING, 3);
  g_assert_cmpuint (read_all (r), ==, 2);
  g_assert_cmpuint (epoch_of (r, 1), ==, 3);
}

static void
test_left_by_an_earlier_try (void)
{
  g_autoptr (Reader) r = reader_new ();
  g_autoptr (VrOwnFile) own = own_open (r);
  g_autoptr (VrRecord) record = record_new (UUID, "h1", 2);
  g_autofree char *json = NULL, *line = NULL;
  g_autoptr (GError) error = NULL;

  append_ok (own, UUID, VR_STATE_RUNNING, 1);
  record->writer = g_strdup ("h1");
  record->seq = own->last_seq + 1;
  json = vr_record_to_json (record);
  line = vr_log_line_make (json);
  file_append (r->path, line); /* it came there, but nobody said so */
  own->sound = FALSE;
  vr_own_file_append (own, record->seq, json, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (read_all (r), ==, 2);
}

static void
test_not_ours_to_write (void)
{
  g_autoptr (Reader) r = reader_new ();
  g_autoptr (VrOwnFile) own = vr_own_file_new (r->dir, "h1");
  g_autofree char *report = NULL, *text = NULL;
  g_autoptr (GError) error = NULL;

  file_append (r->path, "#!/bin/sh\necho something else\n");
  g_assert_false (vr_own_file_open (own, &report, &error));
  g_assert_error (error, VR_LOG_ERROR, VR_LOG_ERROR_STORAGE);
  text = file_text (r->path);
  g_assert_cmpstr (text, ==, "#!/bin/sh\necho something else\n");
}

/* ---- compaction ---- */

static void
test_compaction_keeps_what_counts (void)
{
  g_autoptr (Reader) r = reader_new ();
  g_autoptr (VrOwnFile) own = own_open (r);
  g_autoptr (VrBook) book = vr_book_new ();
  g_autofree char *text = NULL;

  append_ok (own, UUID2, VR_STATE_STOPPED, 4); /* long ago, and never again */
  append_ok (own, UUID, VR_STATE_INCOMING, 7);
  append_ok (own, UUID, VR_STATE_RUNNING, 900); /* supersedes all that follow */
  for (guint i = 0; i < 500; i++)
    append_ok (own, UUID, VR_STATE_RUNNING, 8);
  g_assert_cmpuint (read_all (r), ==, 503);
  own->compact_above = 1;
  append_ok (own, UUID, VR_STATE_RUNNING, 8);

  g_assert_cmpuint (read_all (r), <, 100);
  assert_faults (r, NULL);
  for (guint i = 0; i < r->entries->len; i++)
    vr_book_add_record (book, g_array_index (r->entries, VrEntry, i).guest, NULL);
  g_assert_cmpuint (vr_book_guest (book, UUID)->custody->epoch, ==, 900);
  g_assert_cmpuint (vr_book_guest (book, UUID2)->custody->epoch, ==, 4);
  text = file_text (r->path);
  g_assert_cmpuint (count_of (text, "incoming"), ==, 1);
}

/* What the host says of itself: the last word, and none before it */
static void
test_compaction_keeps_the_host (void)
{
  g_autoptr (Reader) r = reader_new ();
  g_autoptr (VrOwnFile) own = own_open (r);
  g_autoptr (VrHost) host = vr_host_new ("h1");
  guint hosts = 0;

  for (guint i = 1; i <= 2; i++) {
    g_autofree char *json = NULL;

    g_free (host->identity);
    host->identity = g_strdup_printf ("identity-%u", i);
    host->seq = own->last_seq + 1;
    json = vr_host_to_json (host);
    g_assert_true (vr_own_file_append (own, host->seq, json, NULL));
  }
  for (guint i = 0; i < 500; i++)
    append_ok (own, UUID, VR_STATE_RUNNING, 1);
  own->compact_above = 1;
  append_ok (own, UUID, VR_STATE_RUNNING, 1);
  g_assert_cmpuint (read_all (r), <, 100);
  for (guint i = 0; i < r->entries->len; i++) {
    const VrEntry *entry = &g_array_index (r->entries, VrEntry, i);

    if (!entry->host)
      continue;
    g_assert_cmpstr (entry->host->identity, ==, "identity-2");
    hosts++;
  }
  g_assert_cmpuint (hosts, ==, 1);
}

static void
test_compaction_bounds_ledgers (void)
{
  g_autoptr (Reader) r = reader_new ();
  g_autoptr (VrOwnFile) own = own_open (r);
  g_autoptr (VrLedger) ledger = vr_ledger_new (UUID, "web1", 1, "h1", "h3");
  const VrEntry *last;

  append_ok (own, UUID, VR_STATE_RUNNING, 1);
  ledger->writer = g_strdup ("h1");
  for (guint i = 1; i <= 200; i++) {
    g_autofree char *json = NULL;

    ledger->epoch = i;
    ledger->seq = own->last_seq + 1;
    json = vr_ledger_to_json (ledger);
    if (i == 200)
      own->compact_above = 1;
    g_assert_true (vr_own_file_append (own, ledger->seq, json, NULL));
  }
  g_assert_cmpuint (read_all (r), ==, 33); /* the guest's record, and the last 32 */
  last = &g_array_index (r->entries, VrEntry, r->entries->len - 1);
  g_assert_cmpuint (last->ledger->epoch, ==, 200);
}

static void
test_compaction_keeps_history (void)
{
  g_autoptr (Reader) r = reader_new ();
  g_autoptr (VrOwnFile) own = own_open (r);

  for (guint i = 1; i <= 500; i++)
    append_ok (own, UUID, VR_STATE_RUNNING, i);
  own->compact_above = 1;
  append_ok (own, UUID, VR_STATE_RUNNING, 501);
  g_assert_cmpuint (read_all (r), >=, 20);
  g_assert_cmpuint (epoch_of (r, r->entries->len - 1), ==, 501);
  g_assert_cmpuint (epoch_of (r, r->entries->len - 20), ==, 482);
  for (guint i = 1; i < r->entries->len; i++) /* seq rises, or readers would take the rest for old */
    g_assert_cmpuint (epoch_of (r, i), >, epoch_of (r, i - 1));
}

static void
test_appends_after_compaction (void)
{
  g_autoptr (Reader) r = reader_new ();
  g_autoptr (VrOwnFile) own = own_open (r);

  own->compact_above = 1;
  for (guint i = 1; i <= 300; i++) {
    g_autofree char *text = NULL;

    append_ok (own, UUID, VR_STATE_RUNNING, i);
    text = file_text (r->path);
    g_assert_cmpuint (strlen (text), ==, own->size); /* the next append finds what it expects */
    g_assert_true (own->sound && g_str_has_prefix (text, own->header));
  }
  g_assert_cmpuint (read_all (r), <, 250);
  g_assert_cmpuint (epoch_of (r, r->entries->len - 1), ==, 300);
}

static void
test_no_compaction_that_saves_nothing (void)
{
  g_autoptr (Reader) r = reader_new ();
  g_autoptr (VrOwnFile) own = own_open (r);
  g_autofree char *header = g_strdup (own->header);

  own->compact_above = 1;
  for (guint i = 1; i <= 100; i++) {
    g_autofree char *uuid = g_strdup_printf ("22222222-0000-4000-8000-%012u", i);

    append_ok (own, uuid, VR_STATE_RUNNING, 1);
  }
  g_assert_cmpuint (read_all (r), ==, 100);
  g_assert_cmpstr (own->header, ==, header);
}

static void
test_compaction_fails (void)
{
  g_autoptr (Reader) r = reader_new ();
  g_autoptr (VrOwnFile) own = own_open (r);
  g_autofree char *in_the_way = g_strconcat (r->path, ".new", NULL);

  g_assert_cmpint (g_mkdir (in_the_way, 0700), ==, 0);
  own->compact_above = 1;
  for (guint i = 1; i <= 300; i++)
    append_ok (own, UUID, VR_STATE_RUNNING, i);
  g_assert_cmpuint (read_all (r), ==, 300);
}

/* One host compacts again and again while another reads: nothing is missed that counts, nothing comes twice. */
static void
test_compaction_under_a_reader (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autofree char *path = file_of (dir, "h1");
  g_autoptr (Host) h1 = host_new (dir, "h1"), h2 = host_start (dir, "h2"), late = NULL;
  g_autofree char *header = NULL, *text = NULL;

  g_object_set (h1->log, "compact-above", G_GUINT64_CONSTANT (1), NULL);
  vr_log_start (h1->log);
  host_append_and_wait (h1, UUID, 1);
  header = file_text (path);
  *strchr (header, '\n') = '\0';
  for (guint i = 2; i <= 600; i++)
    host_append (h1, UUID, i);
  wait_for (h1->done == 600 && h2->guests->len > 0 && host_guest (h2, h2->guests->len - 1)->epoch == 600);
  g_assert_cmpuint (h1->errors->len, ==, 0);
  text = file_text (path);
  g_assert_false (g_str_has_prefix (text, header)); /* it was written anew */
  g_assert_cmpuint (count_of (text, "\n"), <, 500);
  for (guint i = 1; i < h2->guests->len; i++)
    g_assert_cmpuint (host_guest (h2, i)->epoch, >, host_guest (h2, i - 1)->epoch);
  g_assert_cmpuint (h1->troubles->len + h2->troubles->len, ==, 0);
  late = host_start (dir, "h3");
  g_assert_cmpuint (host_guest (late, late->guests->len - 1)->epoch, ==, 600);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/own-file/last-seq-is-found", test_last_seq_is_found);
  g_test_add_func ("/own-file/written-over-by-another", test_written_over_by_another);
  g_test_add_func ("/own-file/taken-by-another-machine", test_taken_by_another_machine);
  g_test_add_func ("/own-file/older-file-put-back", test_older_file_put_back);
  g_test_add_func ("/own-file/left-by-an-earlier-try", test_left_by_an_earlier_try);
  g_test_add_func ("/own-file/not-ours-to-write", test_not_ours_to_write);
  g_test_add_func ("/own-file/compaction/keeps-what-counts", test_compaction_keeps_what_counts);
  g_test_add_func ("/own-file/compaction/keeps-the-host", test_compaction_keeps_the_host);
  g_test_add_func ("/own-file/compaction/keeps-history", test_compaction_keeps_history);
  g_test_add_func ("/own-file/compaction/bounds-ledgers", test_compaction_bounds_ledgers);
  g_test_add_func ("/own-file/compaction/appends-after", test_appends_after_compaction);
  g_test_add_func ("/own-file/compaction/saves-nothing", test_no_compaction_that_saves_nothing);
  g_test_add_func ("/own-file/compaction/fails", test_compaction_fails);
  g_test_add_func ("/own-file/compaction/under-a-reader", test_compaction_under_a_reader);
  return g_test_run ();
}
