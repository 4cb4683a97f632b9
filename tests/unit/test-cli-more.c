/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virt-relay's commands that explain, go on, or change something. */
#include "cli-world.h"

#include <glib/gstdio.h>
#include <locale.h>

static void
test_explain (World *world, gconstpointer data)
{
  serve (world);
  assert_prints (world, "explain d --from h2",
                 "guest d (10.9.1.100) and the guests of h2\n"
                 "  record  running, epoch 3, owner h3, home h1; by h1, 2023-11-14 22:13:20.123\n"
                 "\n"
                 "there: 10.9.2.1 to 10.9.1.100 arrives\n"
                 "   1  h2 (peer) sends by vr-h1 to h1\n"
                 "       route   route R\n"
                 "       tunnel  up\n"
                 "   2  h1 delivers by br0  (concluded from the migration log)\n"
                 "       filter  element E\n"
                 "       why     because\n");
  g_assert_cmpstr (world->asked_guest, ==, "d");
  g_assert_cmpstr (world->asked_from, ==, "h2");
}

static void
test_migrations (World *world, gconstpointer data)
{
  serve (world);
  assert_prints (world, "migrations d -n 3",
                 "d: h1 -> h3, epoch 3, 2023-11-14 22:13:20.000\n"
                 "  nothing lost; at most 2 duplicated\n"
                 "  switchover by queues; critical section 0.084 ms\n"
                 "  ms from QEMU's stop: stop +0.0, flip +1.0, resumed +250.0\n"
                 "  h1 (origin)\n"
                 "    52:54:00:00:00:64  came 500, relayed 400\n");
  g_assert_cmpstr (world->asked_guest, ==, "d");
  g_assert_cmpuint (world->asked_newest, ==, 3);
}

/* A guest may bear any name; a page that shows it is not to run it. */
static void
test_migrations_page (World *world, gconstpointer data)
{
  g_autofree char *dir = g_dir_make_tmp ("vr-page-XXXXXX", NULL), *file = g_build_filename (dir, "page.html", NULL), *page = NULL;
  g_autofree char *words = g_strconcat ("migrations --html ", file, NULL);

  serve (world);
  world->migrations = "[" MIGRATION ("<script>alert(1)</script>&\"") "]";
  assert_prints (world, words, "");
  g_assert_true (g_file_get_contents (file, &page, NULL, NULL));
  g_assert_null (strstr (page, "<script"));
  g_assert_nonnull (strstr (page, "&lt;script&gt;alert(1)&lt;/script&gt;&amp;&quot;"));
  g_assert_nonnull (strstr (page, "nothing lost; at most 2 duplicated"));
  g_assert_nonnull (strstr (page, "not read by it yet <span class=n>7<"));
  g_assert_null (strstr (page, "http")); /* it asks no network */
  g_unlink (file);
  g_rmdir (dir);
}

static void
test_names (World *world, gconstpointer data)
{
  serve (world);
  assert_prints (world, "hosts --names", "h1\nh3\n");
  assert_prints (world, "guests --names", "d\n");
}

static void
test_flush (World *world, gconstpointer data)
{
  serve (world);
  assert_prints (world, "flush --yes",
                 "nothing of virt-relay's is in the kernel now; systemctl start virt-relayd puts it back\n");
  g_assert_true (world->flushed);
}

/* Where nobody can be asked, and nobody said so beforehand, nothing is done. */
static void
test_flush_unasked (World *world, gconstpointer data)
{
  serve (world);
  assert_fails (world, "flush", VR_EXIT_USAGE, "virt-relay flush: nobody can be asked here: say --yes; virt-relay flush --help says how to call it\n");
  g_assert_false (world->flushed);
}

static void
test_flush_refused (World *world, gconstpointer data)
{
  world->refuse = VR_BUS_ERROR_FAILED;
  serve (world);
  assert_fails (world, "flush --yes", VR_EXIT_ERROR, "virt-relay: because the test says so\n");
}

/* A program in the place of virt-relayd, which says how it was called and ends with `status`. */
static char *
fake_relayd (World *world, int status)
{
  g_autofree char *file = g_build_filename (world->bus.dir, "virt-relayd", NULL);
  g_autofree char *text = g_strdup_printf ("#!/bin/sh\necho \"called $*\"\nexit %d\n", status);
  g_autoptr (GError) error = NULL;
  g_file_set_contents_full (file, text, -1, G_FILE_SET_CONTENTS_NONE, 0755, &error);
  g_assert_no_error (error);
  return g_steal_pointer (&file);
}

static void
test_flush_without_daemon (World *world, gconstpointer data)
{
  g_autofree char *file = fake_relayd (world, 0), *path = g_strdup_printf ("%s:%s", world->bus.dir, g_getenv ("PATH"));
  g_setenv ("PATH", path, TRUE);
  call (world, "flush --yes");
  g_assert_cmpstr (world->err, ==, "");
  g_assert_true (g_str_has_prefix (world->out, "called --flush\nnothing of virt-relay's"));
  g_assert_cmpint (world->status, ==, VR_EXIT_OK);
  g_free (fake_relayd (world, 1));
  call_at (world, "unix:path=/nonexistent/bus", "flush --yes");
  g_assert_cmpstr (world->out, ==, "called --flush\n");
  g_assert_cmpint (world->status, ==, VR_EXIT_ERROR);
  g_assert_cmpint (g_remove (file), ==, 0);
}

static void
test_log_is_carried (World *world, gconstpointer data)
{
  g_autofree char *file = fake_relayd (world, 0), *path = g_strdup_printf ("%s:%s", world->bus.dir, g_getenv ("PATH"));
  g_setenv ("PATH", path, TRUE);
  call_at (world, "unix:path=/nonexistent/bus", "log export /tmp/log.jsonl");
  g_assert_cmpstr (world->out, ==, "called --export-log /tmp/log.jsonl\n");
  g_assert_cmpint (world->status, ==, VR_EXIT_OK);
  call_at (world, "unix:path=/nonexistent/bus", "log import --json /tmp/log.jsonl");
  g_assert_cmpstr (world->err, ==, "called --import-log /tmp/log.jsonl\n");
  g_assert_nonnull (strstr (world->out, "\"file\" : \"/tmp/log.jsonl\""));
  g_free (fake_relayd (world, 1));
  call_at (world, "unix:path=/nonexistent/bus", "log import /tmp/log.jsonl");
  g_assert_cmpint (world->status, ==, VR_EXIT_ERROR);
  g_assert_cmpint (g_remove (file), ==, 0);
}

/* ---- what is not believed ---- */

#define LIES "[{'kind': <'guest'>, 'writer': <'h4'>, 'name': <'d'>, 'uuid': <'d0000000-0000-4000-8000-00000000000d'>, 'epoch': <uint64 9>, " \
  "'state': <'running'>, 'owner': <'h4'>, 'time': <int64 1700000000123456>, 'why': <'d is h3s'>, 'waits': <true>}, " \
  "{'kind': <'host'>, 'writer': <'h5'>, 'name': <'h5'>, 'why': <'its networks are h1s'>, 'waits': <false>}]"

static void
test_refused (World *world, gconstpointer data)
{
  world->records = LIES;
  serve (world);
  assert_prints (world, "log --refused",
                 "WRITER  ABOUT  EPOCH  STATE    OWNER  TIME                     WHY\n"
                 "h4      d      9      running  h4     2023-11-14 22:13:20.123  not yet: d is h3s\n"
                 "h5      h5     -      a host   -      -                        its networks are h1s\n"
                 "h4: 17 refused for good since virt-relayd started\n");
  call (world, "log --refused d");
  g_assert_null (strstr (world->out, "h5"));
  call (world, "log --refused --json");
  g_assert_nonnull (strstr (world->out, "\"h4\" : 17"));
  g_assert_nonnull (strstr (world->out, "\"why\" : \"d is h3s\""));
}

/* Nothing but the two does without a bus. */
static void
test_log_without_bus (World *world, gconstpointer data)
{
  call_at (world, "unix:path=/nonexistent/bus", "log");
  g_assert_nonnull (strstr (world->err, "cannot reach the system bus"));
  g_assert_cmpint (world->status, ==, VR_EXIT_ERROR);
}

/* ---- following ---- */

typedef struct {
  GSubprocess      *process;
  GDataInputStream *lines;
} Follower;

static Follower
follow (World *world, const char *option)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *self = g_file_read_link ("/proc/self/exe", NULL);
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE);
  Follower follower;
  g_subprocess_launcher_setenv (launcher, "DBUS_SYSTEM_BUS_ADDRESS", world->bus.address, TRUE);
  g_subprocess_launcher_setenv (launcher, "TZ", "UTC", TRUE);
  g_subprocess_launcher_set_child_setup (launcher, private_bus_die_with_test, NULL, NULL);
  follower.process = g_subprocess_launcher_spawn (launcher, &error, self, "--cli", "log", "--follow", option, NULL);
  g_assert_no_error (error);
  follower.lines = g_data_input_stream_new (g_subprocess_get_stdout_pipe (follower.process));
  return follower;
}

static char *
next_line (Follower *follower)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  g_data_input_stream_read_line_async (follower->lines, G_PRIORITY_DEFAULT, NULL, on_result, &result);
  while (result == NULL)
    g_main_context_iteration (NULL, TRUE);
  char *line = g_data_input_stream_read_line_finish (follower->lines, result, NULL, &error);
  g_assert_no_error (error);
  g_assert_nonnull (line);
  return line;
}

static void
follower_clear (Follower *follower)
{
  g_subprocess_force_exit (follower->process);
  g_subprocess_wait (follower->process, NULL, NULL);
  g_clear_object (&follower->lines);
  g_clear_object (&follower->process);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Follower, follower_clear)

static void
assert_next (Follower *follower, const char *expected)
{
  g_autofree char *line = next_line (follower);
  g_assert_cmpstr (line, ==, expected);
}

static void
test_follow (World *world, gconstpointer data)
{
  serve (world);
  g_auto (Follower) follower = follow (world, NULL);
  assert_next (&follower, "TIME                     GUEST  EPOCH  STATE  OWNER  ORIGIN  TARGET  WRITER");
  assert_next (&follower, "2023-11-14 22:13:20.123  d      3      moved  h3     h1      h3      h1");
  world->records = "[{'state': <'moved'>, " D "}, {'name': <'e'>, 'state': <'running'>, 'epoch': <uint64 1>, 'owner': <'h1'>, "
                   "'writer': <'h1'>, 'time': <int64 1700000001000000>, 'seq': <uint64 10>}]";
  vr_bus_service_emit_changed (world->service);
  assert_next (&follower, "2023-11-14 22:13:21.000  e      1      running  h1     -       -       h1");
}

static void
test_follow_json (World *world, gconstpointer data)
{
  serve (world);
  g_auto (Follower) follower = follow (world, "--json");
  g_autofree char *line = next_line (&follower);
  g_assert_true (g_str_has_prefix (line, "{\"state\":\"moved\","));
}

#define ADD(path, function) g_test_add ("/cli/" path, World, NULL, world_set_up, function, world_tear_down)

int
main (int argc, char **argv)
{
  setlocale (LC_ALL, "");
  if (argc > 1 && g_str_equal (argv[1], "--cli"))
    return vr_cli_main (argc - 1, argv + 1);

  g_test_init (&argc, &argv, NULL);
  ADD ("text/explain", test_explain);
  ADD ("text/migrations", test_migrations);
  ADD ("migrations/page", test_migrations_page);
  ADD ("text/names", test_names);
  ADD ("follow/text", test_follow);
  ADD ("follow/json", test_follow_json);
  ADD ("flush/asks-the-daemon", test_flush);
  ADD ("flush/unasked", test_flush_unasked);
  ADD ("flush/refused", test_flush_refused);
  ADD ("flush/without-daemon", test_flush_without_daemon);
  ADD ("log/carried", test_log_is_carried);
  ADD ("log/refused", test_refused);
  ADD ("log/without-bus", test_log_without_bus);
  return g_test_run ();
}
