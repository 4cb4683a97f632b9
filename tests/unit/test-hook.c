/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virt-relay-hook hands its event to the daemon, or leaves it in the spool. */
#include "daemon/names.h"
#include "hook-run.h"

#include <fcntl.h>

/* ---- to the daemon ---- */

static void
test_delivers (Scratch *scratch, gconstpointer data)
{
  const char *const args[] = { "d", "release", "end", "migrated", NULL };
  gint64 before = g_get_real_time ();
  Daemon *daemon = daemon_start (scratch, TAKE);
  g_autofree char *said = run_wrapped (scratch, PIPED, args, XML, -1);
  g_autoptr (VrHookEvent) event = delivered (daemon);

  g_assert_cmpstr (event->guest, ==, "d");
  g_assert_cmpint (event->operation, ==, VR_HOOK_RELEASE);
  g_assert_cmpstr (event->sub_operation, ==, "end");
  g_assert_cmpstr (event->reason, ==, "migrated");
  g_assert_cmpint (event->time_us, >=, before);
  g_assert_cmpint (event->time_us, <=, g_get_real_time ());
  g_assert_cmpstr (event->xml, ==, XML);
  daemon_stop (daemon, scratch);
}

/* What was acknowledged is not spooled, and there is nothing to say. A slow machine may miss the 50 ms, but not always. */
static void
test_delivered_is_not_spooled (Scratch *scratch, gconstpointer data)
{
  Daemon *daemon = daemon_start (scratch, TAKE);
  guint attempts = 0, spooled_before;
  g_autofree char *said = NULL;

  do
    {
      g_assert_cmpuint (++attempts, <, 100);
      g_free (said);
      spooled_before = count_files (scratch->spool);
      said = run (scratch, "d", "start", XML);
    }
  while (count_files (scratch->spool) != spooled_before || strstr (said, "is slow") != NULL);
  g_assert_cmpstr (said, ==, "");
  daemon_stop (daemon, scratch);
}

static void
test_every_operation (Scratch *scratch, gconstpointer data)
{
  Daemon *daemon = daemon_start (scratch, TAKE);

  for (guint i = 0; i < VR_HOOK_N_OPERATIONS; i++)
    {
      g_autofree char *said = run (scratch, "d", vr_hook_operation_to_string ((VrHookOperation) i), XML);
      g_autoptr (VrHookEvent) event = delivered (daemon);

      g_assert_cmpint (event->operation, ==, (int) i);
    }
  daemon_stop (daemon, scratch);
}

static void
test_no_reason (Scratch *scratch, gconstpointer data)
{
  const char *const args[] = { "d", "start", "begin", NULL };
  Daemon *daemon = daemon_start (scratch, TAKE);
  g_autofree char *said = run_wrapped (scratch, PIPED, args, XML, -1);
  g_autoptr (VrHookEvent) event = delivered (daemon);

  g_assert_cmpstr (event->reason, ==, "-");
  daemon_stop (daemon, scratch);
}

static void
test_strange_name (Scratch *scratch, gconstpointer data)
{
  const char *name = "a b%41\n\r\x7f: \tü/../x";
  Daemon *daemon = daemon_start (scratch, TAKE);
  g_autofree char *said = run (scratch, name, "start", XML);
  g_autoptr (VrHookEvent) event = delivered (daemon);

  g_assert_cmpstr (event->guest, ==, name);
  daemon_stop (daemon, scratch);
}

/* What is closed may not be filled by the socket, and messages or XML go astray. */
static void
test_closed_output (Scratch *scratch, gconstpointer data)
{
  const char *const args[] = { "d", "start", "begin", "-", NULL };
  Daemon *daemon = daemon_start (scratch, TAKE);
  g_autofree char *said = run_wrapped (scratch, PIPED " >&- 2>&-", args, XML, -1);
  g_autoptr (VrHookEvent) event = delivered (daemon);

  g_assert_cmpstr (event->xml, ==, XML);
  daemon_stop (daemon, scratch);
}

/* At the limit the event is whole, be it at the daemon or, when 50 ms are too few for it, in the spool. */
static void
test_largest (Scratch *scratch, gconstpointer data)
{
  g_autofree char *xml = large_document (VR_EVENT_MAX_XML);
  Daemon *daemon = daemon_start (scratch, TAKE);
  g_autofree char *said = run (scratch, "d", "start", xml);
  g_autoptr (VrHookEvent) event = NULL;

  WAIT_UNTIL (count_files (scratch->spool) > 0 ||
              (g_atomic_int_get (&daemon->served) > 0 && daemon->got->len > VR_EVENT_MAX_XML));
  event = count_files (scratch->spool) > 0 ? spooled (scratch) : delivered (daemon);
  g_assert_cmpuint (event->xml_len, ==, VR_EVENT_MAX_XML);
  daemon_stop (daemon, scratch);
}

/* ---- to the spool ---- */

static void
assert_spools (const Scratch *scratch)
{
  g_autofree char *said = run (scratch, "d", "migrate", XML);
  g_autoptr (VrHookEvent) event = NULL;

  WAIT_UNTIL (count_files (scratch->spool) == 1); /* on a slow disk the hook does not wait for it */
  event = spooled (scratch);
  g_assert_cmpint (event->operation, ==, VR_HOOK_MIGRATE);
  g_assert_cmpstr (event->xml, ==, XML);
}

static void
test_nobody_there (Scratch *scratch, gconstpointer data)
{
  assert_spools (scratch);
}

static void
test_stale_socket (Scratch *scratch, gconstpointer data)
{
  g_object_unref (listen_at (scratch->socket));
  assert_spools (scratch);
}

/* A daemon that is stopped accepts nothing; its backlog fills up. */
static void
test_full_backlog (Scratch *scratch, gconstpointer data)
{
  g_autoptr (GSocket) socket = listen_at (scratch->socket);
  g_autoptr (GSocket) first = connect_to (scratch->socket), second = connect_to (scratch->socket), third = connect_to (scratch->socket);

  assert_spools (scratch);
}

static void
test_unkind_daemon (Scratch *scratch, gconstpointer manner)
{
  Daemon *daemon = daemon_start (scratch, (Manner) GPOINTER_TO_INT (manner));

  assert_spools (scratch);
  daemon_stop (daemon, scratch);
}

/* More than the socket holds, and nobody reads. */
static void
test_daemon_reads_nothing (Scratch *scratch, gconstpointer data)
{
  g_autofree char *xml = large_document (4 * 1024 * 1024);
  Daemon *daemon = daemon_start (scratch, READ_NOTHING);
  g_autofree char *said = run (scratch, "d", "start", xml);
  g_autoptr (VrHookEvent) event = NULL;

  WAIT_UNTIL (count_files (scratch->spool) == 1);
  event = spooled (scratch);
  g_assert_cmpuint (event->xml_len, ==, 4 * 1024 * 1024);
  daemon_stop (daemon, scratch);
}

static void
test_spool_sorts_by_time (Scratch *scratch, gconstpointer data)
{
  g_autoptr (GDir) dir = NULL;
  const char *name;

  for (guint i = 0; i < 10; i++)
    {
      g_autofree char *said = run (scratch, "d", "start", XML);

      WAIT_UNTIL (count_files (scratch->spool) == i + 1);
    }
  dir = g_dir_open (scratch->spool, 0, NULL);
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (scratch->spool, name, NULL), *text = NULL;
      g_autoptr (VrHookEvent) event = NULL;
      gsize len;

      g_assert_true (g_file_get_contents (path, &text, &len, NULL));
      event = vr_hook_event_parse (text, len, NULL);
      g_assert_cmpint (g_ascii_strtoll (name, NULL, 10), ==, event->time_us);
    }
}

/* The hook finds that the spool fails; on a slow machine it does not wait for that every time. */
static void
assert_loses (const Scratch *scratch, const char *why)
{
  g_autofree char *said = run (scratch, "d", "start", XML);

  for (guint attempts = 0; strstr (said, "is slow") != NULL; attempts++)
    {
      g_assert_cmpuint (attempts, <, 50);
      g_free (said);
      said = run (scratch, "d", "start", XML);
    }
  assert_one_line (said, "it is lost");
  g_assert_nonnull (strstr (said, why));
}

static void
test_spool_cannot_be_written (Scratch *scratch, gconstpointer data)
{
  g_assert_true (g_file_set_contents (scratch->spool, "a file", -1, NULL));
  assert_loses (scratch, scratch->spool);
}

/* Installed, and the daemon never ran: nothing is written, and nothing said. */
static void
test_never_ran (Scratch *scratch, gconstpointer data)
{
  g_autofree char *spool = scratch->spool;

  scratch->spool = g_build_filename (spool, "spool", NULL); /* in a folder that is not there */
  g_autofree char *said = run (scratch, "d", "start", XML);
  g_assert_true (*said == '\0' || strstr (said, "is slow") != NULL);
  g_assert_false (g_file_test (spool, G_FILE_TEST_EXISTS));
}

static void
test_spool_is_full (Scratch *scratch, gconstpointer data)
{
  g_assert_cmpint (g_mkdir (scratch->spool, 0700), ==, 0);
  for (guint i = 0; i < VR_SPOOL_MAX_FILES; i++)
    {
      g_autofree char *path = g_strdup_printf ("%s/%020u-1.event", scratch->spool, i);

      g_close (g_creat (path, 0600), NULL);
    }
  assert_loses (scratch, "full");
  g_assert_cmpuint (count_files (scratch->spool), ==, VR_SPOOL_MAX_FILES);
}

/* ---- what it is made of ---- */

static void
test_links_libc_only (Scratch *scratch, gconstpointer data)
{
  static const char *const unwanted[] = { "libvirt.so", "libxml2.so", "libglib-2.0.so", "libgio-2.0.so" };
  g_autofree char *program = NULL;
  gsize len;

  g_assert_true (g_file_get_contents (VIRT_RELAY_HOOK, &program, &len, NULL));
  g_assert_nonnull (memmem (program, len, "libc.so", strlen ("libc.so")));
  for (guint i = 0; i < G_N_ELEMENTS (unwanted); i++)
    g_assert_null (memmem (program, len, unwanted[i], strlen (unwanted[i])));
}

int
main (int argc, char **argv)
{
#define ADD_WITH(path, data, function) g_test_add (path, Scratch, data, scratch_set_up, function, scratch_tear_down)
#define ADD(path, function) ADD_WITH (path, NULL, function)
  g_test_init (&argc, &argv, NULL);
  ADD ("/hook/daemon/delivers", test_delivers);
  ADD ("/hook/daemon/delivered-is-not-spooled", test_delivered_is_not_spooled);
  ADD ("/hook/daemon/every-operation", test_every_operation);
  ADD ("/hook/daemon/no-reason", test_no_reason);
  ADD ("/hook/daemon/strange-name", test_strange_name);
  ADD ("/hook/daemon/closed-output", test_closed_output);
  ADD ("/hook/daemon/largest", test_largest);
  ADD ("/hook/spool/nobody-there", test_nobody_there);
  ADD ("/hook/spool/stale-socket", test_stale_socket);
  ADD ("/hook/spool/full-backlog", test_full_backlog);
  ADD_WITH ("/hook/spool/daemon-ignores", GINT_TO_POINTER (IGNORE), test_unkind_daemon);
  ADD_WITH ("/hook/spool/daemon-refuses", GINT_TO_POINTER (REFUSE), test_unkind_daemon);
  ADD_WITH ("/hook/spool/daemon-babbles", GINT_TO_POINTER (BABBLE), test_unkind_daemon);
  ADD ("/hook/spool/daemon-reads-nothing", test_daemon_reads_nothing);
  ADD ("/hook/spool/sorts-by-time", test_spool_sorts_by_time);
  ADD ("/hook/spool/cannot-be-written", test_spool_cannot_be_written);
  ADD ("/hook/spool/never-ran", test_never_ran);
  ADD ("/hook/spool/full", test_spool_is_full);
  ADD ("/hook/links-libc-only", test_links_libc_only);
  return g_test_run ();
}
