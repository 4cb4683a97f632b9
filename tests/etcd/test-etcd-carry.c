/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A log that is carried from the file engine to etcd, and back. */
#include "tests/unit/log-fixture.h"

#include "daemon/log/carry.h"
#include "daemon/log/etcd-keys.h"

#define UUID2 "22222222-0000-4000-8000-000000000000"

/* ---- worlds ---- */

/* A host's file, as its daemon left it: a guest with two records, another one with one, the host itself. */
static void
write_file (const char *dir, const char *host, guint64 seq)
{
  g_autofree char *path = file_of (dir, host), *line = line_of (UUID2, host, 1, seq + 2), *json = NULL, *host_line = NULL;
  g_autoptr (VrHost) record = vr_host_new (host);

  file_write_header (path, host, "");
  file_append_record (path, host, 1, seq);
  file_append_record (path, host, 2, seq + 1);
  file_append (path, line);
  record->identity = g_strdup (host);
  record->seq = seq + 3;
  json = vr_host_to_json (record);
  host_line = vr_log_line_make (json);
  file_append (path, host_line);
}

static GArray *
read_directory (const char *dir)
{
  g_autoptr (GPtrArray) notes = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) error = NULL;
  GArray *entries = vr_carry_from_directory (dir, notes, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (notes->len, ==, 0);
  return entries;
}

static void
carry_to_etcd (const char *dir, GArray *entries, guint written, guint there)
{
  g_autoptr (VrEtcdOptions) options = place_options (dir);
  g_auto (VrCarried) carried = { 0 };
  g_autoptr (GError) error = NULL;

  vr_carry_into_etcd (options, entries, &carried, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (carried.written, ==, written);
  g_assert_cmpuint (carried.there, ==, there);
  g_assert_cmpuint (carried.refused, ==, 0);
}

static void
assert_same (GArray *a, GArray *b)
{
  g_autofree char *left = vr_carry_to_text (a), *right = vr_carry_to_text (b);

  g_assert_cmpstr (left, ==, right);
}

/* ---- */

static void
test_all_of_it (void)
{
  g_autoptr (Directory) files = directory_new (), etcd = directory_new ();
  g_autoptr (GArray) before = NULL, after = NULL;

  write_file (files, "h1", 10);
  write_file (files, "h2", 20);
  before = read_directory (files);
  g_assert_cmpuint (before->len, ==, 8);
  carry_to_etcd (etcd, before, 8, 0);
  after = place_read (etcd);
  assert_same (before, after);
}

static void
test_again (void)
{
  g_autoptr (Directory) files = directory_new (), etcd = directory_new ();
  g_autoptr (GArray) entries = NULL;

  write_file (files, "h1", 10);
  entries = read_directory (files);
  carry_to_etcd (etcd, entries, 4, 0);
  carry_to_etcd (etcd, entries, 0, 4);
}

/* More records than etcd is asked for keys at once: those behind the first page are read, too */
static void
test_many (void)
{
  g_autoptr (Directory) etcd = directory_new ();
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GArray) before = NULL, after = NULL;
  g_autoptr (GError) error = NULL;

  for (guint i = 1; i <= 510; i++) {
    g_autofree char *uuid = g_strdup_printf ("33333333-0000-4000-8000-%012u", i), *json = json_of (uuid, "h1", 1, i);

    g_string_append_printf (text, "%s\n", json);
  }
  before = vr_carry_from_text (text->str, "text", &error);
  g_assert_no_error (error);
  carry_to_etcd (etcd, before, 510, 0);
  after = place_read (etcd);
  assert_same (before, after);
}

/* The first endpoint is away: the next one does it all */
static void
test_next_endpoint (void)
{
  g_autoptr (Directory) files = directory_new (), etcd = directory_new ();
  g_autoptr (VrEtcdOptions) options = place_options (etcd);
  g_autofree char *all = g_strjoinv (" ", options->endpoints), *with_dead = g_strconcat ("http://127.0.0.1:1 ", all, NULL);
  g_autoptr (GArray) entries = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (VrCarried) carried = { 0 };

  write_file (files, "h1", 10);
  entries = read_directory (files);
  g_strfreev (options->endpoints);
  options->endpoints = g_strsplit (with_dead, " ", -1);
  vr_carry_into_etcd (options, entries, &carried, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (carried.written, ==, 4);
}

/* A daemon that starts on what was carried knows it all, and writes on behind it. */
static void
test_daemon_goes_on (void)
{
  g_autoptr (Directory) files = directory_new (), etcd = directory_new ();
  g_autoptr (GArray) entries = NULL;

  write_file (files, "h1", 10);
  entries = read_directory (files);
  carry_to_etcd (etcd, entries, 4, 0);

  g_autoptr (Host) h1 = host_start (etcd, "h1");
  g_assert_cmpuint (h1->guests->len, ==, 2); /* the latest of each */
  g_assert_cmpuint (h1->hosts->len, ==, 1);
  host_append_and_wait (h1, UUID, 3);
  g_assert_cmpuint (host_guest (h1, 2)->seq, >, 13);
  g_assert_cmpstr (host_trouble (h1), ==, "");
}

/* What a daemon wrote meanwhile stands; what is carried goes into the history. */
static void
test_newer_stands (void)
{
  g_autoptr (Directory) files = directory_new (), etcd = directory_new ();
  g_autoptr (Host) h1 = host_start (etcd, "h1");
  g_autoptr (GArray) entries = NULL;

  write_file (files, "h1", 10);
  entries = read_directory (files);
  host_append_and_wait (h1, UUID, 5);
  carry_to_etcd (etcd, entries, 4, 0);

  g_autoptr (Host) late = host_start (etcd, "h2");
  gboolean known = FALSE;
  for (guint i = 0; i < late->guests->len; i++) {
    if (strcmp (host_guest (late, i)->uuid, UUID) == 0) {
      g_assert_cmpuint (host_guest (late, i)->epoch, ==, 5);
      known = TRUE;
    }
  }
  g_assert_true (known);
  host_append_and_wait (h1, UUID, 6);
  g_assert_cmpstr (host_trouble (h1), ==, "");
}

static void
test_back (void)
{
  g_autoptr (Directory) files = directory_new (), etcd = directory_new (), back = directory_new ();
  g_autoptr (GArray) before = NULL, out = NULL, after = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (VrCarried) carried = { 0 }, again = { 0 };

  write_file (files, "h1", 10);
  write_file (files, "h2", 20);
  before = read_directory (files);
  carry_to_etcd (etcd, before, 8, 0);
  out = place_read (etcd);
  vr_carry_into_directory (back, out, &carried, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (carried.written, ==, 8);
  after = read_directory (back);
  assert_same (before, after);
  vr_carry_into_directory (back, out, &again, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (again.written, ==, 0);
  g_assert_cmpuint (again.there, ==, 8);

  VrLog *log = vr_file_log_new (back, "h1"); /* its daemon takes the file for its own */
  g_autoptr (Host) h1 = host_adopt (log);
  vr_log_start (log);
  wait_for (h1->ready);
  host_append_and_wait (h1, UUID, 3);
}

/* A host's file is its daemon's: newer records are not put behind its back. */
static void
test_file_is_its_hosts (void)
{
  g_autoptr (Directory) files = directory_new ();
  g_autofree char *path = file_of (files, "h1"), *json = json_of (UUID, "h1", 7, 99), *before = NULL, *after = NULL;
  g_autoptr (GArray) entries = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (VrCarried) carried = { 0 };

  write_file (files, "h1", 10);
  before = file_text (path);
  entries = vr_carry_from_text (json, "text", &error);
  g_assert_no_error (error);
  vr_carry_into_directory (files, entries, &carried, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (carried.refused, ==, 1);
  g_assert_nonnull (strstr (carried.notes->pdata[0], path));
  after = file_text (path);
  g_assert_cmpstr (before, ==, after);
}

static void
test_bad_line (void)
{
  g_autofree char *good = json_of (UUID, "h1", 1, 1), *text = g_strdup_printf ("%s\n{\"kind\": \"guest\"}\n", good);
  g_autoptr (GError) error = NULL;

  g_assert_null (vr_carry_from_text (text, "the-file", &error));
  g_assert_error (error, VR_RECORD_ERROR, VR_RECORD_ERROR_MALFORMED);
  g_assert_nonnull (strstr (error->message, "the-file, line 2: "));
}

/* Another host's guest is not in anybody's name to write. */
static void
test_lie (void)
{
  g_autoptr (VrRecord) record = record_new (UUID, "h1", 1);
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;

  record->writer = g_strdup ("h4");
  record->seq = record->time_us = 1;
  text = vr_record_to_json (record);
  g_assert_null (vr_carry_from_text (text, "the-file", &error));
  g_assert_error (error, VR_RECORD_ERROR, VR_RECORD_ERROR_REFUSED);
}

static void
test_nobody_there (void)
{
  g_autoptr (Directory) files = directory_new ();
  g_autoptr (GArray) entries = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (VrCarried) carried = { 0 };
  g_auto (GStrv) endpoints = g_strsplit ("http://127.0.0.1:1 http://127.0.0.1:2", " ", -1);
  g_autofree char *prefix = g_strdup ("/nowhere");
  const VrEtcdOptions options = { .endpoints = endpoints, .prefix = prefix, .history_s = 3600 };

  write_file (files, "h1", 10);
  entries = read_directory (files);
  g_assert_false (vr_carry_into_etcd (&options, entries, &carried, &error));
  g_assert_error (error, VR_ETCD_ERROR, VR_ETCD_ERROR_CONNECT);
  g_assert_cmpuint (carried.written, ==, 0);
}

int
main (int argc, char **argv)
{
  int result;

  g_test_init (&argc, &argv, NULL);
  if (!cluster_is_possible ()) {
    g_print ("1..0 # SKIP no etcd here: tests/setup installs it\n");
    return 77;
  }
  g_test_add_func ("/etcd/carry/all-of-it", test_all_of_it);
  g_test_add_func ("/etcd/carry/again", test_again);
  g_test_add_func ("/etcd/carry/many", test_many);
  g_test_add_func ("/etcd/carry/next-endpoint", test_next_endpoint);
  g_test_add_func ("/etcd/carry/daemon-goes-on", test_daemon_goes_on);
  g_test_add_func ("/etcd/carry/newer-stands", test_newer_stands);
  g_test_add_func ("/etcd/carry/back", test_back);
  g_test_add_func ("/etcd/carry/file-is-its-hosts", test_file_is_its_hosts);
  g_test_add_func ("/etcd/carry/bad-line", test_bad_line);
  g_test_add_func ("/etcd/carry/lie", test_lie);
  g_test_add_func ("/etcd/carry/nobody-there", test_nobody_there);
  result = g_test_run ();
  place_done ();
  return result;
}
