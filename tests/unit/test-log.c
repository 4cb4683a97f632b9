/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The migration log as its callers see it, where it can be reached; test-log-storage.c and tests/etcd have what happens where not. Built
 * once for each engine.
 */
#include "log-fixture.h"

#define UUID2 "22222222-0000-4000-8000-000000000000"

/* ---- writing and reading ---- */

static void
test_round_trip (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Host) h1 = host_start (dir, "h1"), h2 = host_start (dir, "h2");
  g_autoptr (VrRecord) record = record_new (UUID, "h1", 3);
  gint64 before = g_get_real_time ();

  record->origin = g_strdup ("h9");
  g_ptr_array_add (record->nics, vr_nic_new ("52:54:00:12:34:56", (const char *const[]) { "10.9.1.100", "fd00:9:1::100", NULL }));
  h1->asked++;
  vr_log_append_async (h1->log, record, NULL, on_appended, h1);
  wait_for (h1->done == 1 && h2->guests->len == 1);
  g_assert_cmpuint (h1->errors->len, ==, 0);
  g_assert_cmpstr (host_guest (h2, 0)->writer, ==, "h1");
  g_assert_true (vr_record_equal_content (record, host_guest (h2, 0)));
  g_assert_cmpuint (host_guest (h2, 0)->seq, ==, record->seq);
  g_assert_cmpuint (record->seq, >, 0);
  g_assert_cmpint (host_guest (h2, 0)->time_us, >=, before);
}

static void
test_ledger (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Host) h1 = host_start (dir, "h1"), h2 = host_start (dir, "h2");
  g_autoptr (VrLedger) ledger = vr_ledger_new (UUID, "web1", 8, "h1", "h3");

  ledger->phases[VR_PHASE_FLIP] = 1700000000000002;
  vr_log_append_ledger_async (h1->log, ledger, NULL, on_appended, h1);
  wait_for (h1->done == 1 && h1->ledgers->len == 1 && h2->ledgers->len == 1);
  g_assert_cmpuint (h1->errors->len, ==, 0);
  g_assert_cmpstr (((VrLedger *) h2->ledgers->pdata[0])->writer, ==, "h1");
  g_assert_cmpint (((VrLedger *) h2->ledgers->pdata[0])->phases[VR_PHASE_FLIP], ==, 1700000000000002);
  g_assert_cmpuint (h2->guests->len, ==, 0);
}

static void
test_time_is_kept (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Host) h1 = host_start (dir, "h1");
  g_autoptr (VrRecord) record = record_new (UUID, "h1", 3);

  record->time_us = 1234;
  vr_log_append_async (h1->log, record, NULL, on_appended, h1);
  wait_for (h1->done == 1);
  g_assert_cmpint (record->time_us, ==, 1234);
}

static void
test_host_round_trip (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Host) h1 = host_start (dir, "h1"), h2 = host_start (dir, "h2");
  g_autoptr (VrHost) record = vr_host_new ("h1");
  const VrHost *read;

  record->identity = g_strdup ("h1.virt-relay");
  g_strfreev (record->networks);
  record->networks = g_strsplit ("10.9.1.1/24", " ", -1);
  vr_log_append_host_async (h1->log, record, NULL, on_appended, h1);
  wait_for (h1->done == 1 && h1->hosts->len == 1 && h2->hosts->len == 1);
  g_assert_cmpuint (h1->errors->len, ==, 0);
  read = h2->hosts->pdata[0];
  g_assert_cmpstr (read->name, ==, "h1");
  g_assert_cmpstr (read->networks[0], ==, "10.9.1.1/24");
}

static void
test_two_writers (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Host) h1 = host_start (dir, "h1"), h2 = host_start (dir, "h2"), h3 = host_start (dir, "h3");
  guint next[2] = { 1, 1 };

  for (guint i = 1; i <= 30; i++) {
    host_append (h1, UUID, i);
    host_append (h2, UUID2, i);
  }
  wait_for (h3->guests->len == 60);
  for (guint i = 0; i < 60; i++) {
    guint w = strcmp (host_guest (h3, i)->writer, "h2") == 0;

    g_assert_cmpstr (host_guest (h3, i)->uuid, ==, w ? UUID2 : UUID);
    g_assert_cmpuint (host_guest (h3, i)->epoch, ==, next[w]++);
  }
  g_assert_cmpuint (h3->troubles->len, ==, 0);
}

static void
note_order (GObject *source, GAsyncResult *result, gpointer data)
{
  Host *host = data;

  g_assert_true (vr_log_append_finish (VR_LOG (source), result, NULL));
  host->done++;
  g_assert_cmpuint (host->guests->len, ==, host->done); /* emitted before its callback, and no later one before it */
}

static void
test_order_of_appends (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Host) h1 = host_new (dir, "h1");

  for (guint i = 1; i <= 50; i++) { /* some before the start, some after */
    g_autoptr (VrRecord) record = record_new (UUID, "h1", i);

    vr_log_append_async (h1->log, record, NULL, note_order, h1);
    if (i == 10)
      vr_log_start (h1->log);
    if (i == 20)
      wait_for (h1->done > 0);
  }
  wait_for (h1->done == 50);
  for (guint i = 0; i < 50; i++) {
    g_assert_cmpuint (host_guest (h1, i)->epoch, ==, i + 1);
    if (i > 0)
      g_assert_cmpuint (host_guest (h1, i)->seq, >, host_guest (h1, i - 1)->seq);
  }
}

static void
test_own_emitted_once (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Host) h1 = host_start (dir, "h1"), h2 = host_start (dir, "h2");

  host_append_and_wait (h1, UUID, 1);
  host_append_and_wait (h2, UUID2, 1);
  wait_for (h1->guests->len == 2); /* the other's came after h1 looked at its own file again */
  run_for_ms (200);
  g_assert_cmpuint (h1->guests->len, ==, 2);
}

static void
test_nothing_there (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Host) h1 = host_start (dir, "h1");

  g_assert_cmpuint (h1->guests->len, ==, 0);
  g_assert_cmpuint (h1->troubles->len, ==, 0);
}

static guint
history_length (Host *host)
{
  g_autoptr (GPtrArray) history = vr_log_history (host->log, UUID);

  return history->len;
}

static void
test_late_reader (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Host) h1 = host_start (dir, "h1"), late = NULL;

  for (guint i = 1; i <= 5; i++)
    host_append_and_wait (h1, UUID, i);
  wait_for (place_has_written (dir, "h1"));
  late = host_start (dir, "h2");
  g_assert_cmpuint (late->at_ready, ==, PLACE_KEEPS_ALL ? 5 : 1);
  g_assert_cmpuint (host_guest (late, late->at_ready - 1)->epoch, ==, 5);
  wait_for (history_length (late) == 5);
}

#ifndef VR_TEST_ETCD
/* As a backup is put back, or a file compacted: under another name first */
static void
test_renamed_into_place (void)
{
  g_autoptr (Directory) dir = directory_new (), aside = directory_new ();
  g_autofree char *whole = file_of (aside, "h1"), *path = file_of (dir, "h1");
  g_autoptr (Host) h2 = host_start (dir, "h2");

  place_record (aside, UUID, "h1", 1, 1);
  run_for_ms (200); /* so that nothing is under way that would find it anyway */
  g_assert_cmpint (g_rename (whole, path), ==, 0);
  wait_for (h2->guests->len == 1); /* and no poll comes to the rescue before this gives up */
}

static void
test_polling (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Host) h1 = host_start (dir, "h1"), h2 = host_new (dir, "h2");

  g_object_set (h2->log, "polling", TRUE, NULL);
  vr_log_start (h2->log);
  wait_for (h2->ready);
  for (guint i = 1; i <= 2; i++) {
    host_append_and_wait (h1, UUID, i);
    wait_for (h2->guests->len == i);
  }
}
#endif

static void
test_restart (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Host) h1 = host_start (dir, "h1"), again = NULL, other = host_start (dir, "h2");
  guint64 seq;

  host_append_and_wait (h1, UUID, 1);
  host_append_and_wait (h1, UUID, 2);
  seq = host_guest (h1, 1)->seq;
  wait_for (place_has_written (dir, "h1")); /* on a slow machine etcd's record counts when it is on the disk here */
  host_stop (g_steal_pointer (&h1));

  again = host_start (dir, "h1");
  g_assert_cmpuint (again->at_ready, ==, PLACE_KEEPS_ALL ? 2 : 1);
  host_append_and_wait (again, UUID, 3);
  g_assert_cmpuint (host_guest (again, again->at_ready)->seq, >, seq);
  wait_for (other->guests->len == 3);
}

/* ---- seq ---- */

/* The file is lost with all that it said; whoever read it must not take what comes now for old. */
static void
test_seq_after_loss (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Host) h1 = host_start (dir, "h1"), h2 = host_start (dir, "h2"), again = NULL;

  host_append_and_wait (h1, UUID, 1);
  wait_for (h2->guests->len == 1);
  host_stop (g_steal_pointer (&h1));
  place_lose (dir, "h1");
  again = host_start (dir, "h1");
  host_append_and_wait (again, UUID, 2);
  wait_for (h2->guests->len == 2);
}

/* Records that were handed over before the file is open have their seq at once, and in order. */
static void
test_seq_before_it_is_open (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Host) h1 = host_new (dir, "h1");
  g_autoptr (VrRecord) a = record_new (UUID, "h1", 1), b = record_new (UUID, "h1", 2);

  vr_log_append_async (h1->log, a, NULL, on_appended, h1);
  vr_log_append_async (h1->log, b, NULL, on_appended, h1);
  g_assert_cmpuint (a->seq, >, 0);
  g_assert_cmpuint (b->seq, >, a->seq);
}

static void
test_seq_clock_set_back (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Host) h1 = host_new (dir, "h1"), h2 = host_start (dir, "h2");
  const guint64 future = g_get_real_time () / 1000 + 1000000000;

  place_record (dir, UUID, "h1", 1, future);
  host_append (h1, UUID, 2);
  host_append (h1, UUID, 3);
  vr_log_start (h1->log);
  wait_for (h1->done == 2);
  host_append_and_wait (h1, UUID, 4);
  wait_for (h2->guests->len == 4);
  for (guint i = 1; i < 4; i++)
    g_assert_cmpuint (host_guest (h2, i)->seq, ==, future + i);
  g_assert_cmpuint (h1->troubles->len, ==, 0);
}

/* ---- errors of the caller, cancelling, stopping ---- */

static void
test_malformed (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Host) h1 = host_start (dir, "h1");

  host_append (h1, "no-uuid", 1);
  host_append (h1, UUID, 1);
  wait_for (h1->done == 2);
  g_assert_cmpuint (h1->errors->len, ==, 1);
  g_assert_error (((GError *) h1->errors->pdata[0]), VR_RECORD_ERROR, VR_RECORD_ERROR_MALFORMED);
  g_assert_cmpuint (h1->guests->len, ==, 1);
}

static void
test_longer_than_a_line (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Host) h1 = host_start (dir, "h1");
  g_autoptr (VrRecord) record = record_new (UUID, "h1", 1);
  g_autoptr (GPtrArray) addresses = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < 256; i++)
    g_ptr_array_add (addresses, g_strdup_printf ("fd00:1111:2222:3333:4444:5555:6666:1%03x", i));
  g_ptr_array_add (addresses, NULL);
  for (guint i = 0; i < 256; i++)
    g_ptr_array_add (record->nics, vr_nic_new ("52:54:00:12:34:56", (const char *const *) addresses->pdata));
  vr_log_append_async (h1->log, record, NULL, on_appended, h1);
  wait_for (h1->done == 1);
  g_assert_cmpuint (h1->errors->len, ==, 1);
  g_assert_error (((GError *) h1->errors->pdata[0]), VR_RECORD_ERROR, VR_RECORD_ERROR_MALFORMED);
  host_append (h1, UUID, 1);
  wait_for (h1->done == 2);
  g_assert_cmpuint (h1->errors->len, ==, 1);
}

static void
test_cancel (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Host) h1 = host_new (dir, "h1");
  g_autoptr (VrRecord) first = record_new (UUID, "h1", 1), second = record_new (UUID, "h1", 2);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();

  vr_log_append_async (h1->log, first, cancellable, on_appended, h1);
  vr_log_append_async (h1->log, second, NULL, on_appended, h1);
  g_cancellable_cancel (cancellable);
  wait_for (h1->done == 1);
  g_assert_error (((GError *) h1->errors->pdata[0]), G_IO_ERROR, G_IO_ERROR_CANCELLED);
  vr_log_start (h1->log);
  wait_for (h1->done == 2);
  g_assert_cmpuint (h1->guests->len, ==, 1);
  g_assert_cmpuint (host_guest (h1, 0)->epoch, ==, 2);
}

static void
test_append_after_stop (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Host) h1 = host_start (dir, "h1");

  vr_log_stop (h1->log);
  host_append (h1, UUID, 1);
  wait_for (h1->done == 1);
  g_assert_error (((GError *) h1->errors->pdata[0]), G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

static void
test_silent_after_stop (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Host) h1 = host_start (dir, "h1"), h2 = host_start (dir, "h2");

  vr_log_stop (h2->log);
  host_append_and_wait (h1, UUID, 1);
  run_for_ms (200);
  g_assert_cmpuint (h2->guests->len, ==, 0);
}

static void
stop_it (VrLog *log, VrRecord *record, gpointer data)
{
  vr_log_stop (log);
}

static void
test_stop_within_signal (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Host) h1 = host_start (dir, "h1"), h2 = host_new (dir, "h2");

  for (guint i = 1; i <= 3; i++)
    host_append_and_wait (h1, UUID, i);
  g_signal_connect (h2->log, "guest", G_CALLBACK (stop_it), NULL);
  vr_log_start (h2->log);
  wait_for (h2->guests->len > 0);
  run_for_ms (100);
  g_assert_cmpuint (h2->guests->len, ==, 1);
  g_assert_false (h2->ready);
}

/* ---- history ---- */

static void
test_history (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Host) h1 = host_start (dir, "h1"), h2 = host_start (dir, "h2");
  g_autoptr (GPtrArray) one = NULL, all = NULL, none = NULL;

  host_append_and_wait (h1, UUID, 1);
  host_append_and_wait (h1, UUID, 3);
  host_append_and_wait (h2, UUID, 2); /* written last, but it comes before in the chain of custody */
  host_append_and_wait (h2, UUID2, 9);
  wait_for (h1->guests->len == 4);

  one = vr_log_history (h1->log, UUID);
  g_assert_cmpuint (one->len, ==, 3);
  for (guint i = 0; i < 3; i++)
    g_assert_cmpuint (((VrRecord *) one->pdata[i])->epoch, ==, i + 1);
  all = vr_log_history (h1->log, NULL);
  g_assert_cmpuint (all->len, ==, 4);
  g_assert_cmpuint (((VrRecord *) all->pdata[3])->epoch, ==, 9);
  none = vr_log_history (h1->log, "11111111-0000-4000-8000-000000000000");
  g_assert_cmpuint (none->len, ==, 0);
}

static void
test_history_is_bounded (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Host) h2 = NULL;
  g_autoptr (GPtrArray) history = NULL;

  for (guint i = 1; i <= 200; i++)
    place_record (dir, UUID, "h1", i, i);
  h2 = host_start (dir, "h2");
  g_assert_cmpuint (h2->at_ready, ==, PLACE_KEEPS_ALL ? 200 : 1);
  wait_for (history_length (h2) >= 20);
  history = vr_log_history (h2->log, UUID);
  g_assert_cmpuint (history->len, <, 200);
  g_assert_cmpuint (history->len, >=, 20);
  g_assert_cmpuint (((VrRecord *) history->pdata[history->len - 1])->epoch, ==, 200);
}

#ifndef VR_TEST_ETCD
/* ---- size ---- */

static void
test_many_records (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autofree char *path = file_of (dir, "h1");
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (Host) h2 = NULL;
  gint64 start;

  file_write_header (path, "h1", "m");
  for (guint i = 1; i <= 20000; i++) {
    g_autofree char *uuid = g_strdup_printf ("22222222-0000-4000-8000-%012u", i % 2000), *line = line_of (uuid, "h1", i, i);

    g_string_append (text, line);
  }
  file_append (path, text->str);
  start = g_get_monotonic_time ();
  h2 = host_start (dir, "h2"); /* within its deadline */
  g_assert_cmpuint (h2->at_ready, ==, 20000);
  g_test_minimized_result ((g_get_monotonic_time () - start) / 1e6, "20000 records read");
}

#endif

int
main (int argc, char **argv)
{
  int result;

  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/log/round-trip/guest", test_round_trip);
  g_test_add_func ("/log/round-trip/host", test_host_round_trip);
  g_test_add_func ("/log/round-trip/ledger", test_ledger);
  g_test_add_func ("/log/time-is-kept", test_time_is_kept);
  g_test_add_func ("/log/two-writers", test_two_writers);
  g_test_add_func ("/log/order-of-appends", test_order_of_appends);
  g_test_add_func ("/log/own-emitted-once", test_own_emitted_once);
  g_test_add_func ("/log/nothing-there", test_nothing_there);
  g_test_add_func ("/log/late-reader", test_late_reader);
  g_test_add_func ("/log/restart", test_restart);
  g_test_add_func ("/log/seq/after-loss", test_seq_after_loss);
  g_test_add_func ("/log/seq/before-open", test_seq_before_it_is_open);
  g_test_add_func ("/log/seq/clock-set-back", test_seq_clock_set_back);
  g_test_add_func ("/log/malformed", test_malformed);
  g_test_add_func ("/log/longer-than-a-line", test_longer_than_a_line);
  g_test_add_func ("/log/cancel", test_cancel);
  g_test_add_func ("/log/stop/append-after", test_append_after_stop);
  g_test_add_func ("/log/stop/silent-after", test_silent_after_stop);
  g_test_add_func ("/log/stop/within-signal", test_stop_within_signal);
  g_test_add_func ("/log/history/order", test_history);
  g_test_add_func ("/log/history/bounded", test_history_is_bounded);
#ifdef VR_TEST_ETCD
  if (!cluster_is_possible ())
    return 77;
  place_init ();
#else
  g_test_add_func ("/log/renamed-into-place", test_renamed_into_place);
  g_test_add_func ("/log/polling", test_polling);
  g_test_add_func ("/log/many-records", test_many_records);
#endif
  result = g_test_run ();
#ifdef VR_TEST_ETCD
  place_done ();
#endif
  return result;
}
