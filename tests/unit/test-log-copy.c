/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the etcd engine keeps on this host's disk. */
#include "log-fixture.h"

#include "daemon/log/log-copy.h"

#include <sys/stat.h>

typedef struct {
  char      *dir;
  VrLogCopy *copy;
  GArray    *known, *waiting;
} Kept;

static void
reopen (Kept *k, const char *host, const char *machine, const char *of)
{
  g_autoptr (GError) error = NULL;

  vr_log_copy_free (k->copy);
  k->copy = vr_log_copy_new (k->dir, host, machine, of);
  g_array_set_size (k->known, 0);
  g_array_set_size (k->waiting, 0);
  vr_log_copy_load (k->copy, k->known, k->waiting, &error);
  g_assert_no_error (error);
}

static void
set_up (Kept *k, gconstpointer data)
{
  k->dir = directory_new ();
  k->known = vr_log_entries_new ();
  k->waiting = vr_log_entries_new ();
  reopen (k, "h1", "m", "/p");
}

static void
tear_down (Kept *k, gconstpointer data)
{
  vr_log_copy_free (k->copy);
  g_array_unref (k->known);
  g_array_unref (k->waiting);
  directory_free (k->dir);
}

/* Records of epochs `from` to `to`, by h1. */
static GPtrArray *
records (guint from, guint to)
{
  GPtrArray *json = g_ptr_array_new_with_free_func (g_free);

  for (guint i = from; i <= to; i++)
    g_ptr_array_add (json, json_of (UUID, "h1", i, i));
  return json;
}

static void
add (Kept *k, gboolean (*func) (VrLogCopy *, GPtrArray *, GError **), guint from, guint to)
{
  g_autoptr (GPtrArray) json = records (from, to);
  g_autoptr (GError) error = NULL;

  func (k->copy, json, &error);
  g_assert_no_error (error);
}

static void
assert_epochs (GArray *entries, guint from, guint to)
{
  g_assert_cmpuint (entries->len, ==, to + 1 - from);
  for (guint i = 0; i < entries->len; i++)
    g_assert_cmpuint (g_array_index (entries, VrEntry, i).guest->epoch, ==, from + i);
}

static void
test_nothing (Kept *k, gconstpointer data)
{
  g_assert_cmpuint (k->known->len + k->waiting->len, ==, 0);
  g_assert_cmpint (k->copy->known_time_us, ==, 0);
}

static void
test_round_trip (Kept *k, gconstpointer data)
{
  gint64 before = g_get_real_time () - 2 * G_USEC_PER_SEC; /* a file's time may be a tick old */

  add (k, vr_log_copy_add_known, 1, 2);
  add (k, vr_log_copy_add_known, 3, 3);
  add (k, vr_log_copy_add_waiting, 4, 4);
  add (k, vr_log_copy_add_waiting, 5, 6);
  reopen (k, "h1", "m", "/p");
  assert_epochs (k->known, 1, 3);
  assert_epochs (k->waiting, 4, 6);
  g_assert_cmpint (k->copy->known_time_us, >=, before);
}

static void
test_drop (Kept *k, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  add (k, vr_log_copy_add_waiting, 1, 2);
  g_assert_true (vr_log_copy_drop_waiting (k->copy, &error));
  g_assert_true (vr_log_copy_drop_waiting (k->copy, &error));
  add (k, vr_log_copy_add_waiting, 3, 3);
  reopen (k, "h1", "m", "/p");
  assert_epochs (k->waiting, 3, 3);
}

static void
test_replace (Kept *k, gconstpointer data)
{
  add (k, vr_log_copy_add_known, 1, 3);
  add (k, vr_log_copy_replace_known, 7, 8);
  add (k, vr_log_copy_add_known, 9, 9);
  reopen (k, "h1", "m", "/p");
  assert_epochs (k->known, 7, 9);
}

/* Another log's, another host's, another machine's. */
static void
test_not_ours (Kept *k, gconstpointer data)
{
  add (k, vr_log_copy_add_known, 1, 3);
  add (k, vr_log_copy_add_waiting, 4, 4);
  reopen (k, "h1", "m", "/q");
  g_assert_cmpuint (k->known->len + k->waiting->len, ==, 0);
  reopen (k, "h2", "m", "/p");
  g_assert_cmpuint (k->known->len + k->waiting->len, ==, 0);
  reopen (k, "h1", "n", "/p");
  g_assert_cmpuint (k->known->len + k->waiting->len, ==, 0);
  add (k, vr_log_copy_add_known, 5, 5); /* takes its place */
  reopen (k, "h1", "n", "/p");
  assert_epochs (k->known, 5, 5);
}

/* A crash left half a line: what stood before is whole, and what is appended can be read. */
static void
test_torn (Kept *k, gconstpointer data)
{
  static const char *const names[] = { "known", "waiting" };

  add (k, vr_log_copy_add_known, 1, 2);
  add (k, vr_log_copy_add_waiting, 1, 2);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *path = g_build_filename (k->dir, names[i], NULL);

    file_append (path, "0123456789abcdef {\"kind\"");
  }
  reopen (k, "h1", "m", "/p");
  assert_epochs (k->known, 1, 2);
  assert_epochs (k->waiting, 1, 2);
  add (k, vr_log_copy_add_known, 3, 3);
  add (k, vr_log_copy_add_waiting, 3, 3);
  reopen (k, "h1", "m", "/p");
  assert_epochs (k->known, 1, 3);
  assert_epochs (k->waiting, 1, 3);
}

/* A damaged line in the middle ends it: behind it nothing may be taken, or a later record would hide what is missing. */
static void
test_damaged (Kept *k, gconstpointer data)
{
  g_autofree char *path = g_build_filename (k->dir, "known", NULL), *text = NULL;
  char *second;

  add (k, vr_log_copy_add_known, 1, 3);
  text = file_text (path);
  second = strstr (text, "\"epoch\":2");
  second[strlen ("\"epoch\":")] = '4';
  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  reopen (k, "h1", "m", "/p");
  assert_epochs (k->known, 1, 1);
}

static void
test_compaction (Kept *k, gconstpointer data)
{
  g_autofree char *path = g_build_filename (k->dir, "known", NULL);
  struct stat st;

  for (guint i = 0; i < 100; i++)
    add (k, vr_log_copy_add_known, i * 100 + 1, i * 100 + 100); /* 10,000 records, more than 2 MiB */
  g_assert_cmpint (stat (path, &st), ==, 0);
  g_assert_cmpint (st.st_size, <, 1200 * 1024);
  reopen (k, "h1", "m", "/p");
  g_assert_cmpuint (k->known->len, <, 10000);
  assert_epochs (k->known, 10001 - k->known->len, 10000); /* of those before, the last was kept */
}

#define ADD(path, func) g_test_add ("/log-copy/" path, Kept, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("nothing", test_nothing);
  ADD ("round-trip", test_round_trip);
  ADD ("drop", test_drop);
  ADD ("replace", test_replace);
  ADD ("not-ours", test_not_ours);
  ADD ("torn", test_torn);
  ADD ("damaged", test_damaged);
  ADD ("compaction", test_compaction);
  return g_test_run ();
}
