/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The migration log's speed and size on this machine, built once for each engine: a directory in the temporary folder, or one real
 * member of etcd, whose data is in memory where there is room (tests/etcd/member.c).
 *
 *     log-bench-file RUNS WATCHERS GUESTS, log-bench-etcd RUNS WATCHERS GUESTS
 *
 * RUNS records, one after the other: from the append until it counts, and until each of 3 other hosts has seen it. The last again with
 * WATCHERS more watches on the same member. GUESTS records there at the start of one more host: time until it is ready, memory.
 */
#include "tests/unit/log-fixture.h"

#include "daemon/log/etcd-watch.h"

#include <malloc.h>
#include <stdlib.h>

#define READERS 3

static int
compare (const void *a, const void *b)
{
  const double left = *(const double *) a, right = *(const double *) b;

  return left < right ? -1 : left > right;
}

static void
print (const char *what, double *times, guint n)
{
  qsort (times, n, sizeof *times, compare);
  g_print ("%s: median %.2f ms, p99 %.2f ms (%u)\n", what, times[n / 2], times[n * 99 / 100], n);
}

static double
ms_since (gint64 start)
{
  return (double) (g_get_monotonic_time () - start) / 1000;
}

static gboolean
all_saw (Host **readers, guint n)
{
  for (guint i = 0; i < READERS; i++)
    if (readers[i]->guests->len < n)
      return FALSE;
  return TRUE;
}

/* Runs the loop without the fixture's tick, which would round the times. */
static void
measure (const char *engine, const char *dir, guint runs)
{
  g_autofree double *durable = g_new (double, runs), *seen = g_new (double, runs);
  Host *writer = host_start (dir, "h1"), *readers[READERS];
  g_autofree char *what = g_strdup_printf ("%s, until it counts", engine);
  g_autofree char *what_seen = g_strdup_printf ("%s, until %u others have seen it", engine, READERS);

  for (guint i = 0; i < READERS; i++) {
    g_autofree char *name = g_strdup_printf ("h%u", i + 2);

    readers[i] = host_start (dir, name);
  }
  for (guint i = 0; i < runs; i++) {
    gint64 start = g_get_monotonic_time ();

    host_append (writer, UUID, i + 1);
    for (durable[i] = 0; writer->done <= i || !all_saw (readers, i + 1);) {
      g_main_context_iteration (NULL, TRUE);
      if (durable[i] == 0 && writer->done > i)
        durable[i] = ms_since (start);
    }
    seen[i] = ms_since (start);
  }
  print (what, durable, runs);
  print (what_seen, seen, runs);
  host_stop (writer);
  for (guint i = 0; i < READERS; i++)
    host_stop (readers[i]);
}

#ifdef VR_TEST_ETCD
/* ---- watchers ---- */

static guint created;

static void
on_frame (const VrEtcdFrame *frame, gpointer data)
{
  created += frame->created;
}

static void
on_ended (const GError *error, gpointer data)
{
  g_error ("a watch ended: %s", error->message);
}

static const VrEtcdWatchCalls calls = { .frame = on_frame, .ended = on_ended };

static void
measure_with_watchers (const char *dir, guint runs, guint n)
{
  g_autoptr (VrEtcdOptions) options = place_options (dir);
  g_autofree char *now = g_strconcat (options->prefix, "/now/", NULL), *end = vr_etcd_prefix_end (now);
  g_autofree char *what = g_strdup_printf ("etcd with %u more watchers", n);
  g_autoptr (GPtrArray) watches = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_etcd_watch_free);
  g_autoptr (GPtrArray) clients = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_etcd_unref);

  for (guint i = 0; i < n; i++) { /* each with a connection of its own, as each host has */
    VrEtcd *etcd = vr_etcd_new (options, NULL);

    g_ptr_array_add (clients, etcd);
    g_ptr_array_add (watches, vr_etcd_watch_new (etcd, now, end, 1, 120000, &calls, NULL));
  }
  wait_for (created == n);
  measure (what, dir, runs);
}

#endif

/* ---- start-up ---- */

static void
measure_start (const char *engine, const char *dir, guint guests)
{
  gsize before;
  gint64 start;
  Host *host;

  before = mallinfo2 ().uordblks;
  start = g_get_monotonic_time ();
  host = host_start (dir, "h9");
  g_print ("%s, %u guests at start: ready after %.0f ms, %.0f bytes a record\n", engine, host->at_ready, ms_since (start),
           (double) (mallinfo2 ().uordblks - before) / host->at_ready);
  g_assert_cmpuint (host->at_ready, ==, guests);
  host_stop (host);
}

static void
fill (const char *dir, guint guests)
{
  g_autoptr (GString) text = g_string_new (NULL);
#ifdef VR_TEST_ETCD
  g_autoptr (VrEtcdOptions) options = place_options (dir);
#else
  g_autofree char *path = file_of (dir, "h8");
#endif
  for (guint i = 0; i < guests; i++) {
    g_autofree char *uuid = g_strdup_printf ("22222222-0000-4000-8000-%012u", i), *json = json_of (uuid, "h8", 1, i + 1);
#ifdef VR_TEST_ETCD
    g_autofree char *key = g_strdup_printf ("%s/now/h8/guest/%s", options->prefix, uuid);
    g_autofree char *key64 = g_base64_encode ((guchar *) key, strlen (key)), *json64 = g_base64_encode ((guchar *) json, strlen (json));

    g_string_append_printf (text, "%s{\"request_put\": {\"key\": \"%s\", \"value\": \"%s\"}}", text->len > 0 ? "," : "", key64, json64);
    if (i % 100 == 99 || i + 1 == guests) { /* etcd takes 128 at a time */
      g_autofree char *body = g_strdup_printf ("{\"success\": [%s]}", text->str);

      vr_etcd_answer_free (cluster_call (options, "/v3/kv/txn", body));
      g_string_truncate (text, 0);
    }
#else
    g_autofree char *line = vr_log_line_make (json);

    g_string_append (text, line);
#endif
  }
#ifndef VR_TEST_ETCD
  file_write_header (path, "h8", "");
  file_append (path, text->str);
#endif
}

int
main (int argc, char **argv)
{
  g_autoptr (Directory) dir = directory_new (), full = directory_new ();
  guint runs, watchers, guests;

  if (argc != 4 || (runs = (guint) atoi (argv[1])) < 1 || (guests = (guint) atoi (argv[3])) < 1) {
    g_printerr ("usage: log-bench RUNS WATCHERS GUESTS\n");
    return 2;
  }
  watchers = (guint) atoi (argv[2]);
#ifdef VR_TEST_ETCD
  measure ("etcd", dir, runs);
  if (watchers > 0)
    measure_with_watchers (full, runs, watchers);
#else
  measure ("file", dir, runs);
#endif
  g_clear_pointer (&full, directory_free);
  full = directory_new ();
  fill (full, guests);
#ifdef VR_TEST_ETCD
  measure_start ("etcd", full, guests);
  place_done ();
#else
  (void) watchers;
  measure_start ("file", full, guests);
#endif
  return 0;
}
