/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The spool's files. */
#include "daemon/virt/hook-spool.h"
#include "hook-test.h"

#include <unistd.h>
#include <utime.h>

static void
put (const Scratch *scratch, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (scratch->spool, name, NULL);
  g_autoptr (GError) error = NULL;

  g_mkdir_with_parents (scratch->spool, 0700);
  g_file_set_contents (path, text, -1, &error);
  g_assert_no_error (error);
}

static gboolean
is_there (const Scratch *scratch, const char *name)
{
  g_autofree char *path = g_build_filename (scratch->spool, name, NULL);

  return g_file_test (path, G_FILE_TEST_EXISTS) || g_file_test (path, G_FILE_TEST_IS_SYMLINK);
}

static void
assert_moved_aside (const Scratch *scratch, const char *name)
{
  g_autofree char *moved = g_build_filename (VR_SPOOL_BAD_DIR, name, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (VrHookEvent) event = vr_hook_spool_load (scratch->spool, name, &error);

  g_assert_null (event);
  g_assert_nonnull (error);
  g_assert_nonnull (strstr (error->message, "moved to"));
  g_assert_false (is_there (scratch, name));
  g_assert_true (is_there (scratch, moved));
}

static void
test_no_directory (Scratch *scratch, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) names = vr_hook_spool_list (scratch->spool, 10, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (names->len, ==, 0);
}

static void
test_oldest_first (Scratch *scratch, gconstpointer data)
{
  g_autoptr (GPtrArray) names = NULL;

  put (scratch, "00000000000000000002-9.event", "");
  put (scratch, "00000000000000000010-1.event", "");
  put (scratch, "00000000000000000001-5.event", "");
  names = vr_hook_spool_list (scratch->spool, 2, NULL);
  g_assert_cmpuint (names->len, ==, 2);
  g_assert_cmpstr (g_ptr_array_index (names, 0), ==, "00000000000000000001-5.event");
  g_assert_cmpstr (g_ptr_array_index (names, 1), ==, "00000000000000000002-9.event");
}

static void
test_half_written (Scratch *scratch, gconstpointer data)
{
  g_autofree char *old = g_build_filename (scratch->spool, ".2.event", NULL);
  struct utimbuf long_ago = { 1000, 1000 };
  g_autoptr (GPtrArray) names = NULL;

  put (scratch, ".1.event", "");
  put (scratch, ".2.event", "");
  g_assert_cmpint (utime (old, &long_ago), ==, 0);
  names = vr_hook_spool_list (scratch->spool, 10, NULL);
  g_assert_cmpuint (names->len, ==, 0);
  g_assert_true (is_there (scratch, ".1.event"));
  g_assert_false (is_there (scratch, ".2.event"));
}

static void
test_load (Scratch *scratch, gconstpointer data)
{
  g_autofree char *text = event_text ("d", "start", 5, "<domain/>");
  g_autoptr (VrHookEvent) event = NULL;
  g_autoptr (GError) error = NULL;

  put (scratch, "1.event", text);
  event = vr_hook_spool_load (scratch->spool, "1.event", &error);
  g_assert_no_error (error);
  g_assert_cmpstr (event->xml, ==, "<domain/>");
  g_assert_true (is_there (scratch, "1.event"));
}

static void
test_load_gone (Scratch *scratch, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VrHookEvent) event = vr_hook_spool_load (scratch->spool, "1.event", &error);

  g_assert_null (event);
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
}

static void
test_garbage (Scratch *scratch, gconstpointer data)
{
  put (scratch, "1.event", "garbage");
  assert_moved_aside (scratch, "1.event");
}

static void
test_torn (Scratch *scratch, gconstpointer data)
{
  g_autofree char *text = event_text ("d", "start", 5, "<domain/>");

  text[strlen (text) - 1] = '\0';
  put (scratch, "1.event", text);
  assert_moved_aside (scratch, "1.event");
}

/* A link could lead to a file that the daemon may read and its planter may not. */
static void
test_symbolic_link (Scratch *scratch, gconstpointer data)
{
  g_autofree char *text = event_text ("d", "start", 5, "<domain/>");
  g_autofree char *target = g_build_filename (scratch->dir, "elsewhere", NULL);
  g_autofree char *link = g_build_filename (scratch->spool, "1.event", NULL);

  g_mkdir_with_parents (scratch->spool, 0700);
  g_assert_true (g_file_set_contents (target, text, -1, NULL));
  g_assert_cmpint (symlink (target, link), ==, 0);
  assert_moved_aside (scratch, "1.event");
}

static void
test_directory (Scratch *scratch, gconstpointer data)
{
  g_autofree char *path = g_build_filename (scratch->spool, "1.event", NULL);

  g_mkdir_with_parents (path, 0700);
  assert_moved_aside (scratch, "1.event");
}

/* Nobody but root and the daemon's own user makes events. */
static void
test_of_another_user (Scratch *scratch, gconstpointer data)
{
  g_autofree char *text = event_text ("d", "start", 5, "<domain/>");
  g_autofree char *path = g_build_filename (scratch->spool, "1.event", NULL);

  if (geteuid () != 0)
    {
      g_test_skip ("needs root to give a file away");
      return;
    }
  put (scratch, "1.event", text);
  g_assert_cmpint (chown (path, 12345, 12345), ==, 0);
  assert_moved_aside (scratch, "1.event");
}

static void
test_bad_keeps_the_newest (Scratch *scratch, gconstpointer data)
{
  g_autofree char *bad = g_build_filename (scratch->spool, VR_SPOOL_BAD_DIR, NULL);
  g_autofree char *oldest = g_build_filename (bad, "0000.event", NULL), *newest = g_build_filename (bad, "0069.event", NULL);

  for (guint i = 0; i < 70; i++)
    {
      g_autofree char *name = g_strdup_printf ("%04u.event", i);
      g_autoptr (GError) error = NULL;

      put (scratch, name, "garbage");
      g_assert_null (vr_hook_spool_load (scratch->spool, name, &error));
    }
  g_assert_cmpuint (count_files (bad), ==, 64);
  g_assert_false (g_file_test (oldest, G_FILE_TEST_EXISTS));
  g_assert_true (g_file_test (newest, G_FILE_TEST_EXISTS));
}

static void
test_bad_is_not_listed (Scratch *scratch, gconstpointer data)
{
  g_autoptr (GPtrArray) names = NULL;

  put (scratch, "1.event", "garbage");
  assert_moved_aside (scratch, "1.event");
  names = vr_hook_spool_list (scratch->spool, 10, NULL);
  g_assert_cmpuint (names->len, ==, 0);
}

static void
test_remove (Scratch *scratch, gconstpointer data)
{
  put (scratch, "1.event", "");
  g_assert_true (vr_hook_spool_remove (scratch->spool, "1.event", NULL));
  g_assert_false (is_there (scratch, "1.event"));
  g_assert_true (vr_hook_spool_remove (scratch->spool, "1.event", NULL));
}

int
main (int argc, char **argv)
{
#define ADD(path, function) g_test_add (path, Scratch, NULL, scratch_set_up, function, scratch_tear_down)
  g_test_init (&argc, &argv, NULL);
  ADD ("/hook-spool/no-directory", test_no_directory);
  ADD ("/hook-spool/oldest-first", test_oldest_first);
  ADD ("/hook-spool/half-written", test_half_written);
  ADD ("/hook-spool/load", test_load);
  ADD ("/hook-spool/load-gone", test_load_gone);
  ADD ("/hook-spool/garbage", test_garbage);
  ADD ("/hook-spool/torn", test_torn);
  ADD ("/hook-spool/symbolic-link", test_symbolic_link);
  ADD ("/hook-spool/directory", test_directory);
  ADD ("/hook-spool/another-user", test_of_another_user);
  ADD ("/hook-spool/bad-keeps-the-newest", test_bad_keeps_the_newest);
  ADD ("/hook-spool/bad-is-not-listed", test_bad_is_not_listed);
  ADD ("/hook-spool/remove", test_remove);
  return g_test_run ();
}
