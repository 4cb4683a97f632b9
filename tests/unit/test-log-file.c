/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a reader may meet in another host's file of the migration log. */
#include "log-fixture.h"

#include <sys/stat.h>

static void
test_line (void)
{
  g_autofree char *line = vr_log_line_make ("{\"a\":1}");
  gsize len = strlen (line) - 1;

  g_assert_cmpint (line[len], ==, '\n');
  g_assert_nonnull (vr_log_line_json (line, len));
  g_assert_cmpint (strncmp (vr_log_line_json (line, len), "{\"a\":1}", 7), ==, 0);
  for (gsize i = 0; i < len; i++) { /* any byte changed is noticed */
    line[i] ^= 1;
    g_assert_null (vr_log_line_json (line, len));
    line[i] ^= 1;
  }
  for (gsize i = 0; i < len; i++)
    g_assert_null (vr_log_line_json (line, i));
}

static void
test_new_lines_only (void)
{
  g_autoptr (Reader) r = reader_new ();

  file_write_header (r->path, "h1", "m");
  g_assert_cmpuint (read_all (r), ==, 0);
  file_append_record (r->path, "h1", 1, 1);
  file_append_record (r->path, "h1", 2, 2);
  g_assert_cmpuint (read_all (r), ==, 2);
  g_assert_cmpuint (read_all (r), ==, 0);
  file_append_record (r->path, "h1", 3, 3);
  g_assert_cmpuint (read_all (r), ==, 1);
  g_assert_cmpuint (epoch_of (r, 0), ==, 3);
  assert_faults (r, NULL);
}

static void
test_batches (void)
{
  g_autoptr (Reader) r = reader_new ();

  file_write_header (r->path, "h1", "m");
  for (guint i = 1; i <= 10; i++)
    file_append_record (r->path, "h1", i, i);
  g_assert_cmpuint (read_batches (r, 3), ==, 10);
  for (guint i = 0; i < 10; i++)
    g_assert_cmpuint (epoch_of (r, i), ==, i + 1);
}

static void
test_header_arrives_late (void)
{
  g_autoptr (Reader) r = reader_new ();
  g_autofree char *header = vr_log_header_make ("h1", "m", "1"), *half = g_strndup (header, 30);

  file_append (r->path, "");
  g_assert_cmpuint (read_all (r), ==, 0);
  file_append (r->path, half);
  g_assert_cmpuint (read_all (r), ==, 0);
  file_append (r->path, header + 30);
  file_append (r->path, "\n");
  file_append_record (r->path, "h1", 1, 1);
  g_assert_cmpuint (read_all (r), ==, 1);
  assert_faults (r, NULL);
}

static void
test_incomplete_line (void)
{
  g_autoptr (Reader) r = reader_new ();
  g_autofree char *line = line_of (UUID, "h1", 2, 2), *half = g_strndup (line, strlen (line) - 1);

  file_write_header (r->path, "h1", "m");
  file_append_record (r->path, "h1", 1, 1);
  file_append (r->path, half);
  g_assert_cmpuint (read_all (r), ==, 1);
  file_append (r->path, "\n");
  g_assert_cmpuint (read_all (r), ==, 1);
  g_assert_cmpuint (epoch_of (r, 0), ==, 2);
  assert_faults (r, NULL);
}

static void
damage (const char *path, const char *part)
{
  g_autofree char *text = file_text (path);

  strstr (text, part)[strlen (part) - 1] ^= 1;
  g_assert_true (g_file_set_contents (path, text, -1, NULL));
}

static void
test_damaged_in_the_middle (void)
{
  g_autoptr (Reader) r = reader_new ();

  r->file->hold_us = G_MAXINT64; /* no waiting: a good line follows */
  file_write_header (r->path, "h1", "m");
  for (guint i = 1; i <= 3; i++)
    file_append_record (r->path, "h1", i, i);
  damage (r->path, "\"epoch\":2");
  g_assert_cmpuint (read_all (r), ==, 2);
  g_assert_cmpuint (epoch_of (r, 1), ==, 3);
  assert_faults (r, "line 3");
  assert_faults (r, "checksum");
}

static void
test_damaged_at_the_end (void)
{
  g_autoptr (Reader) r = reader_new ();

  r->file->hold_us = G_MAXINT64;
  file_write_header (r->path, "h1", "m");
  file_append_record (r->path, "h1", 1, 1);
  file_append_record (r->path, "h1", 2, 2);
  damage (r->path, "\"epoch\":2");
  g_assert_cmpuint (read_all (r), ==, 1);
  assert_faults (r, NULL); /* it may be on its way */
  damage (r->path, "\"epoch\":3"); /* the same bit again: now it is there */
  g_assert_cmpuint (read_all (r), ==, 1);
  g_assert_cmpuint (epoch_of (r, 0), ==, 2);
  assert_faults (r, NULL);
}

static void
test_damaged_at_the_end_for_good (void)
{
  g_autoptr (Reader) r = reader_new ();

  file_write_header (r->path, "h1", "m");
  file_append_record (r->path, "h1", 1, 1);
  damage (r->path, "\"epoch\":1");
  g_assert_cmpuint (read_all (r), ==, 0);
  assert_faults (r, "line 2");
  file_append_record (r->path, "h1", 2, 2);
  g_assert_cmpuint (read_all (r), ==, 1);
}

static void
test_many_damaged (void)
{
  g_autoptr (Reader) r = reader_new ();

  file_write_header (r->path, "h1", "m");
  for (guint i = 0; i < 10; i++)
    file_append (r->path, "rubbish\n");
  file_append_record (r->path, "h1", 1, 1);
  g_assert_cmpuint (read_all (r), ==, 1);
  assert_faults (r, "line 2");
  assert_faults (r, "and 7 lines more");
}

static void
test_not_a_record (void)
{
  g_autoptr (Reader) r = reader_new ();
  g_autofree char *line = vr_log_line_make ("{\"kind\":\"guest\"}");

  file_write_header (r->path, "h1", "m");
  file_append (r->path, line);
  file_append_record (r->path, "h1", 1, 1);
  g_assert_cmpuint (read_all (r), ==, 1);
  assert_faults (r, "uuid");
}

static void
test_written_by_another (void)
{
  g_autoptr (Reader) r = reader_new ();

  file_write_header (r->path, "h1", "m");
  file_append_record (r->path, "h3", 9, 1);
  file_append_record (r->path, "h1", 1, 1);
  g_assert_cmpuint (read_all (r), ==, 1);
  g_assert_cmpuint (epoch_of (r, 0), ==, 1);
  assert_faults (r, "h3");
}

static void
test_long_line (void)
{
  g_autoptr (Reader) r = reader_new ();
  g_autofree char *much = g_strnfill (3 * VR_LOG_LINE_MAX, 'x');

  file_write_header (r->path, "h1", "m");
  file_append (r->path, much);
  g_assert_cmpuint (read_all (r), ==, 0);
  file_append (r->path, "x\n");
  file_append_record (r->path, "h1", 1, 1);
  g_assert_cmpuint (read_all (r), ==, 1);
  assert_faults (r, "line 2: longer");
  g_assert_cmpuint (r->file->n_faults, ==, 1);
}

static void
test_written_anew (void)
{
  g_autoptr (Reader) r = reader_new ();
  g_autofree char *header = vr_log_header_make ("h1", "m", "2"), *text = g_strconcat (header, "\n", NULL);

  file_write_header (r->path, "h1", "m");
  file_append (r->path, "rubbish\n");
  file_append_record (r->path, "h1", 1, 1);
  g_assert_cmpuint (read_all (r), ==, 1);
  g_assert_true (g_file_set_contents (r->path, text, -1, NULL));
  for (guint i = 1; i <= 5; i++) /* longer than what was read */
    file_append_record (r->path, "h1", i, i);
  g_assert_cmpuint (read_all (r), ==, 5);
  assert_faults (r, NULL); /* the rubbish went with the old file */
}

static void
test_shorter (void)
{
  g_autoptr (Reader) r = reader_new ();

  file_write_header (r->path, "h1", "m");
  file_append_record (r->path, "h1", 1, 1);
  g_assert_cmpuint (read_all (r), ==, 1);
  file_write_header (r->path, "h1", "m"); /* the same header */
  g_assert_cmpuint (read_all (r), ==, 0);
  file_append_record (r->path, "h1", 2, 2);
  g_assert_cmpuint (read_all (r), ==, 1);
}

static void
test_alien (gconstpointer data)
{
  g_autoptr (Reader) r = reader_new ();
  g_autofree char *copied = vr_log_header_make ("h7", "m", "1"), *newer = vr_log_line_make ("{\"kind\":\"log\",\"version\":2,\"host\":\"h1\"}");
  g_autofree char *record = line_of (UUID, "h1", 1, 1);
  const char *what = data;

  if (strcmp (what, "h7") == 0) {
    file_append (r->path, copied);
    file_append (r->path, "\n");
  } else if (strcmp (what, "newer") == 0) {
    file_append (r->path, newer);
  } else {
    file_append (r->path, strcmp (what, "damaged") == 0 ? "#!/bin/sh\n" : record);
  }
  file_append_record (r->path, "h1", 1, 1);
  g_assert_cmpuint (read_all (r), ==, 0);
  assert_faults (r, what);
  g_assert_true (g_remove (r->path) == 0);
  file_write_header (r->path, "h1", "m");
  file_append_record (r->path, "h1", 1, 1);
  g_assert_cmpuint (read_all (r), ==, 1);
}

static void
test_fifo (void)
{
  g_autoptr (Reader) r = reader_new ();
  g_autoptr (GError) error = NULL;
  gboolean more;

  g_assert_cmpint (mkfifo (r->path, 0600), ==, 0);
  g_assert_false (vr_log_file_read (r->file, r->entries, 10, &more, &error)); /* and does not hang */
  g_assert_error (error, VR_LOG_ERROR, VR_LOG_ERROR_STORAGE);
  g_assert_nonnull (strstr (error->message, r->path));
}

int
main (int argc, char **argv)
{
  static const char *const aliens[] = { "h7", "newer", "damaged", "not the header" };

  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/log-file/line", test_line);
  g_test_add_func ("/log-file/new-lines-only", test_new_lines_only);
  g_test_add_func ("/log-file/batches", test_batches);
  g_test_add_func ("/log-file/header-arrives-late", test_header_arrives_late);
  g_test_add_func ("/log-file/incomplete-line", test_incomplete_line);
  g_test_add_func ("/log-file/damaged/middle", test_damaged_in_the_middle);
  g_test_add_func ("/log-file/damaged/end", test_damaged_at_the_end);
  g_test_add_func ("/log-file/damaged/end-for-good", test_damaged_at_the_end_for_good);
  g_test_add_func ("/log-file/damaged/many", test_many_damaged);
  g_test_add_func ("/log-file/not-a-record", test_not_a_record);
  g_test_add_func ("/log-file/written-by-another", test_written_by_another);
  g_test_add_func ("/log-file/long-line", test_long_line);
  g_test_add_func ("/log-file/written-anew", test_written_anew);
  g_test_add_func ("/log-file/shorter", test_shorter);
  g_test_add_func ("/log-file/fifo", test_fifo);
  for (gsize i = 0; i < G_N_ELEMENTS (aliens); i++) {
    g_autofree char *path = g_strdup_printf ("/log-file/alien/%" G_GSIZE_FORMAT, i);

    g_test_add_data_func (path, aliens[i], test_alien);
  }
  return g_test_run ();
}
