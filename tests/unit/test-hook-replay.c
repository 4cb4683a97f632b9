/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon's end of the hook: the spool, alone and together with the socket; one "event" each in order of time out. */
#include "hook-listener-world.h"

/* ---- the spool ---- */

static void
test_replay_in_order (Fixture *fixture, gconstpointer data)
{
  spool_event (fixture, "c", 30);
  spool_event (fixture, "a", 9);
  spool_event (fixture, "b", 20);
  start (fixture);
  g_assert_cmpuint (fixture->seen->len, ==, 0); /* not from inside start */
  WAIT_UNTIL (fixture->seen->len == 3);
  assert_guests (fixture, "a b c");
  WAIT_UNTIL (count_files (fixture->scratch.spool) == 0);
}

static void
test_removed_after_the_handler (Fixture *fixture, gconstpointer data)
{
  spool_event (fixture, "a", 9);
  start (fixture);
  WAIT_UNTIL (fixture->seen->len == 1);
  g_assert_cmpuint (fixture->files_at_last, ==, 1);
  WAIT_UNTIL (count_files (fixture->scratch.spool) == 0);
}

/* What was not handled is there for the next daemon. */
static void
test_stopped_in_between (Fixture *fixture, gconstpointer data)
{
  g_autofree char *second = g_strdup_printf ("%s/" VR_SPOOL_NAME_FORMAT, fixture->scratch.spool, 20LL, 1);

  spool_event (fixture, "a", 9);
  spool_event (fixture, "b", 20);
  fixture->stop_after = 1;
  start (fixture);
  WAIT_UNTIL (fixture->seen->len == 1);
  g_assert_true (g_file_test (second, G_FILE_TEST_EXISTS));
  fixture->stop_after = 0;
  start (fixture);
  WAIT_UNTIL (fixture->seen->len == 2);
  assert_guests (fixture, "a b");
  WAIT_UNTIL (count_files (fixture->scratch.spool) == 0);
}

static void
test_garbage_in_between (Fixture *fixture, gconstpointer data)
{
  g_autofree char *bad = g_build_filename (fixture->scratch.spool, VR_SPOOL_BAD_DIR, NULL);

  spool_event (fixture, "a", 9);
  spool_text (fixture, 10, "garbage");
  spool_event (fixture, "b", 20);
  start (fixture);
  WAIT_UNTIL (fixture->seen->len == 2);
  assert_guests (fixture, "a b");
  g_assert_cmpuint (count_files (bad), ==, 1);
  g_assert_true (was_logged ("is no hook event and was moved to"));
  WAIT_UNTIL (count_files (fixture->scratch.spool) == 1); /* bad/ */
}

/* More than one pass takes. */
static void
test_large_backlog (Fixture *fixture, gconstpointer data)
{
  for (gint64 i = 0; i < 700; i++)
    spool_event (fixture, "d", 1000 + (i * 11) % 700);
  start (fixture);
  WAIT_UNTIL (fixture->seen->len == 700);
  for (guint i = 0; i < 700; i++)
    g_assert_cmpint (seen (fixture, i)->time_us, ==, 1000 + i);
  WAIT_UNTIL (count_files (fixture->scratch.spool) == 0);
}

static void
test_large_backlog_of_garbage (Fixture *fixture, gconstpointer data)
{
  for (gint64 i = 0; i < 300; i++)
    spool_text (fixture, i, "garbage");
  spool_event (fixture, "d", 1000);
  start (fixture);
  WAIT_UNTIL (fixture->seen->len == 1);
}

/* Garbage that cannot be moved may not keep the listener busy for ever, nor the events behind it from being seen. */
static void
test_bad_cannot_be_made (Fixture *fixture, gconstpointer data)
{
  g_autofree char *bad = g_build_filename (fixture->scratch.spool, VR_SPOOL_BAD_DIR, NULL);

  for (gint64 i = 0; i < 200; i++)
    spool_text (fixture, i, "garbage");
  spool_event (fixture, "b", 1000);
  g_assert_true (g_file_set_contents (bad, "a file", -1, NULL));
  start (fixture);
  WAIT_UNTIL (fixture->seen->len == 1);
  assert_guests (fixture, "b");
  g_assert_true (was_logged ("cannot be moved"));
}

static void
test_file_while_running (Fixture *fixture, gconstpointer data)
{
  start (fixture);
  send_event (fixture, "a", 5);
  WAIT_UNTIL (fixture->seen->len == 1); /* the first pass is over */
  spool_event (fixture, "b", 6);
  WAIT_UNTIL (fixture->seen->len == 2);
  assert_guests (fixture, "a b");
  WAIT_UNTIL (count_files (fixture->scratch.spool) == 0);
}

/* A hook had to spool; the next one of that guest got through. */
static void
test_spooled_before_socket (Fixture *fixture, gconstpointer data)
{
  start (fixture);
  spool_event (fixture, "first", 5);
  send_event (fixture, "second", 6);
  WAIT_UNTIL (fixture->seen->len == 2);
  assert_guests (fixture, "first second");
}

/* What came over the socket in the middle of a pass takes its place among the spooled ones. */
static void
test_socket_between_spooled (Fixture *fixture, gconstpointer data)
{
  spool_event (fixture, "a", 5);
  spool_event (fixture, "b", 6);
  spool_event (fixture, "d", 8);
  fixture->send_in_handler = 7;
  start (fixture);
  WAIT_UNTIL (fixture->seen->len == 4);
  assert_guests (fixture, "a b sent d");
}

/* So does one that comes while a long backlog is being replayed: at its end. */
static void
test_socket_behind_backlog (Fixture *fixture, gconstpointer data)
{
  for (gint64 i = 0; i < 700; i++)
    spool_event (fixture, "d", 1000 + i);
  fixture->send_in_handler = 5000;
  start (fixture);
  WAIT_UNTIL (fixture->seen->len == 701);
  g_assert_cmpstr (seen (fixture, 700)->guest, ==, "sent");
}

/* ---- both ways at once ---- */

static void
test_socket_then_spooled_too (Fixture *fixture, gconstpointer data)
{
  start (fixture);
  send_event (fixture, "d", 5);
  WAIT_UNTIL (fixture->seen->len == 1);
  spool_event (fixture, "d", 5);
  WAIT_UNTIL (count_files (fixture->scratch.spool) == 0);
  assert_guests (fixture, "d");
}

static void
test_spooled_then_socket_too (Fixture *fixture, gconstpointer data)
{
  spool_event (fixture, "d", 5);
  start (fixture);
  WAIT_UNTIL (fixture->seen->len == 1);
  send_event (fixture, "d", 5);
  send_event (fixture, "e", 6);
  WAIT_UNTIL (fixture->seen->len >= 2);
  assert_guests (fixture, "d e");
}

/* ---- with the real hook ---- */

static void
run_hook (const Fixture *fixture, const char *operation)
{
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDIN_PIPE);
  g_autoptr (GSubprocess) hook = NULL;
  g_autoptr (GError) error = NULL;
  GOutputStream *input;

  g_subprocess_launcher_setenv (launcher, "VIRT_RELAY_HOOK_SOCKET", fixture->scratch.socket, TRUE);
  g_subprocess_launcher_setenv (launcher, "VIRT_RELAY_SPOOL_DIR", fixture->scratch.spool, TRUE);
  hook = g_subprocess_launcher_spawn (launcher, &error, VIRT_RELAY_HOOK, "d", operation, "begin", "-", NULL);
  g_assert_no_error (error);
  input = g_subprocess_get_stdin_pipe (hook);
  g_assert_true (g_output_stream_write_all (input, XML, strlen (XML), NULL, NULL, NULL));
  g_assert_true (g_output_stream_close (input, NULL, NULL));
  WAIT_UNTIL (g_subprocess_get_identifier (hook) == NULL);
  g_assert_cmpint (g_subprocess_get_exit_status (hook), ==, 0);
}

/* Away, there, away, there: every event once, in order. */
static void
test_real_hook (Fixture *fixture, gconstpointer data)
{
  run_hook (fixture, "migrate");
  WAIT_UNTIL (count_files (fixture->scratch.spool) == 1); /* a slow disk does not hold up the hook */
  start (fixture);
  run_hook (fixture, "prepare");
  WAIT_UNTIL (fixture->seen->len == 2 && count_files (fixture->scratch.spool) == 0);
  vr_hook_listener_stop (fixture->listener);
  run_hook (fixture, "start");
  WAIT_UNTIL (count_files (fixture->scratch.spool) == 1);
  start (fixture);
  run_hook (fixture, "started");
  WAIT_UNTIL (fixture->seen->len == 4);
  g_assert_cmpint (seen (fixture, 0)->operation, ==, VR_HOOK_MIGRATE);
  g_assert_cmpint (seen (fixture, 1)->operation, ==, VR_HOOK_PREPARE);
  g_assert_cmpint (seen (fixture, 2)->operation, ==, VR_HOOK_START);
  g_assert_cmpint (seen (fixture, 3)->operation, ==, VR_HOOK_STARTED);
  g_assert_cmpstr (seen (fixture, 3)->xml, ==, XML);
  WAIT_UNTIL (count_files (fixture->scratch.spool) == 0);
  g_assert_cmpuint (fixture->seen->len, ==, 4);
}

int
main (int argc, char **argv)
{
#define ADD(path, function) g_test_add (path, Fixture, NULL, set_up, function, tear_down)
  g_test_init (&argc, &argv, NULL);
  log_begin ();
  ADD ("/hook-listener/spool/in-order", test_replay_in_order);
  ADD ("/hook-listener/spool/removed-after-the-handler", test_removed_after_the_handler);
  ADD ("/hook-listener/spool/stopped-in-between", test_stopped_in_between);
  ADD ("/hook-listener/spool/garbage", test_garbage_in_between);
  ADD ("/hook-listener/spool/large-backlog", test_large_backlog);
  ADD ("/hook-listener/spool/large-backlog-of-garbage", test_large_backlog_of_garbage);
  ADD ("/hook-listener/spool/bad-cannot-be-made", test_bad_cannot_be_made);
  ADD ("/hook-listener/spool/while-running", test_file_while_running);
  ADD ("/hook-listener/both/spooled-before-socket", test_spooled_before_socket);
  ADD ("/hook-listener/both/socket-between-spooled", test_socket_between_spooled);
  ADD ("/hook-listener/both/socket-behind-backlog", test_socket_behind_backlog);
  ADD ("/hook-listener/both/socket-then-spooled-too", test_socket_then_spooled_too);
  ADD ("/hook-listener/both/spooled-then-socket-too", test_spooled_then_socket_too);
  ADD ("/hook-listener/real-hook", test_real_hook);
  return g_test_run ();
}
