/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virt-relay-hook as libvirt runs it, against a scripted daemon that takes, ignores or breaks off. After every run:
 * exit status 0, nothing on standard output.
 */
#include "daemon/names.h"
#include "hook-test.h"

#include <fcntl.h>
#include <gio/gunixsocketaddress.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define XML "<domain type='kvm'>\n  <name>d</name>\n</domain>\n"

/* ---- the scripted daemon ---- */

typedef enum {
  TAKE,    /* reads all, answers as it should */
  IGNORE,  /* reads all, answers nothing */
  REFUSE,  /* closes at once */
  BABBLE,  /* reads all, answers something else */
  READ_NOTHING, /* accepts and leaves the bytes where they are */
} Manner;

typedef struct {
  GSocket *socket;
  Manner manner;
  GThread *thread;
  GByteArray *got; /* what the last client sent; to be looked at when `served` says so */
  int served;      /* clients that have sent all */
  int taken;       /* ... whose event a test has looked at */
  int quit;
} Daemon;

static void
daemon_serve (Daemon *daemon, GSocket *client)
{
  char buffer[65536];
  gssize n;

  if (daemon->manner == REFUSE)
    return;
  g_byte_array_set_size (daemon->got, 0);
  while (daemon->manner != READ_NOTHING && (n = g_socket_receive (client, buffer, sizeof buffer, NULL, NULL)) > 0)
    g_byte_array_append (daemon->got, (guint8 *) buffer, (guint) n);
  g_atomic_int_inc (&daemon->served);
  if (daemon->manner == TAKE)
    g_socket_send (client, VR_EVENT_ACK, strlen (VR_EVENT_ACK), NULL, NULL);
  if (daemon->manner == BABBLE)
    g_socket_send (client, "no!\n", 4, NULL, NULL);
  if (daemon->manner == IGNORE || daemon->manner == READ_NOTHING)
    g_socket_condition_wait (client, G_IO_HUP, NULL, NULL);
}

static gpointer
daemon_run (gpointer data)
{
  Daemon *daemon = data;

  for (;;)
    {
      g_autoptr (GSocket) client = g_socket_accept (daemon->socket, NULL, NULL);

      if (g_atomic_int_get (&daemon->quit))
        return NULL;
      daemon_serve (daemon, client);
    }
}

static GSocket *
listen_at (const char *path)
{
  g_autoptr (GSocketAddress) address = g_unix_socket_address_new (path);
  g_autoptr (GError) error = NULL;
  GSocket *socket = g_socket_new (G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, &error);

  g_assert_no_error (error);
  g_socket_set_listen_backlog (socket, 1);
  g_assert_true (g_socket_bind (socket, address, FALSE, NULL));
  g_assert_true (g_socket_listen (socket, NULL));
  return socket;
}

static GSocket *
connect_to (const char *path)
{
  g_autoptr (GSocketAddress) address = g_unix_socket_address_new (path);
  GSocket *socket = g_socket_new (G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, NULL);

  g_socket_set_blocking (socket, FALSE);
  g_socket_connect (socket, address, NULL, NULL);
  return socket;
}

static Daemon *
daemon_start (const Scratch *scratch, Manner manner)
{
  Daemon *daemon = g_new0 (Daemon, 1);

  daemon->socket = listen_at (scratch->socket);
  daemon->manner = manner;
  daemon->got = g_byte_array_new ();
  daemon->thread = g_thread_new ("daemon", daemon_run, daemon);
  return daemon;
}

static void
daemon_stop (Daemon *daemon, const Scratch *scratch)
{
  g_autoptr (GSocket) wake = NULL;

  g_atomic_int_set (&daemon->quit, TRUE);
  wake = connect_to (scratch->socket);
  g_thread_join (daemon->thread);
  g_object_unref (daemon->socket);
  g_byte_array_unref (daemon->got);
  g_free (daemon);
}

/* ---- running the hook ---- */

/* Shell commands in which "$@" is the hook with its arguments, and $INPUT a file of what it is to read. */
#define PIPED "cat \"$INPUT\" 2>/dev/null | \"$@\"" /* as libvirt does it: a pipe, which the hook may leave unread */

/* Runs the hook in such a command; gives what it said on standard error. */
static char *
run_once (const Scratch *scratch, const char *wrap, const char *const *args, const char *input, gssize input_len)
{
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (
    G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE);
  g_autofree char *input_file = g_build_filename (scratch->dir, "input", NULL);
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_autoptr (GSubprocess) process = NULL;
  g_autoptr (GBytes) out = NULL, err = NULL;
  g_autoptr (GError) error = NULL;
  gint64 begin = g_get_monotonic_time ();

  g_ptr_array_add (argv, (gpointer) "sh");
  g_ptr_array_add (argv, (gpointer) "-c");
  g_ptr_array_add (argv, (gpointer) wrap);
  g_ptr_array_add (argv, (gpointer) "sh");
  g_ptr_array_add (argv, (gpointer) VIRT_RELAY_HOOK);
  for (; *args != NULL; args++)
    g_ptr_array_add (argv, (gpointer) *args);
  g_ptr_array_add (argv, NULL);
  g_assert_true (g_file_set_contents (input_file, input, input_len, NULL));
  g_subprocess_launcher_setenv (launcher, "INPUT", input_file, TRUE);
  g_subprocess_launcher_setenv (launcher, VR_ENV_HOOK_SOCKET, scratch->socket, TRUE);
  g_subprocess_launcher_setenv (launcher, VR_ENV_SPOOL_DIR, scratch->spool, TRUE);
  process = g_subprocess_launcher_spawnv (launcher, (const char *const *) argv->pdata, &error);
  g_assert_no_error (error);
  g_subprocess_communicate (process, NULL, NULL, &out, &err, &error);
  g_assert_no_error (error);
  g_assert_true (g_subprocess_get_if_exited (process));
  g_assert_cmpint (g_subprocess_get_exit_status (process), ==, 0);
  g_assert_cmpuint (g_bytes_get_size (out), ==, 0);
  g_assert_cmpint (g_get_monotonic_time () - begin, <, PATIENCE_S * G_USEC_PER_SEC);
  return g_strndup (g_bytes_get_data (err, NULL) ?: "", g_bytes_get_size (err));
}

/* The same, again and again on a machine so slow that the hook did not get `input` within its second. */
static char *
run_wrapped (const Scratch *scratch, const char *wrap, const char *const *args, const char *input, gssize input_len)
{
  char *said = run_once (scratch, wrap, args, input, input_len);

  for (guint attempts = 0; *input != '\0' && strstr (said, "did not end within") != NULL; attempts++)
    {
      g_assert_cmpuint (attempts, <, 50);
      g_free (said);
      said = run_once (scratch, wrap, args, input, input_len);
    }
  return said;
}

static char *
run (const Scratch *scratch, const char *guest, const char *operation, const char *input)
{
  const char *const args[] = { guest, operation, "begin", "-", NULL };

  return run_wrapped (scratch, PIPED, args, input, -1);
}

static void
assert_one_line (const char *text, const char *part)
{
  g_assert_true (g_str_has_prefix (text, "virt-relay-hook: "));
  g_assert_nonnull (strstr (text, part));
  g_assert_true (strchr (text, '\n') == text + strlen (text) - 1);
}

/* The only event in the spool. */
static VrHookEvent *
spooled (const Scratch *scratch)
{
  g_autoptr (GDir) dir = g_dir_open (scratch->spool, 0, NULL);
  const char *name = dir != NULL ? g_dir_read_name (dir) : NULL;
  g_autofree char *path = NULL, *data = NULL;
  g_autoptr (GError) error = NULL;
  VrHookEvent *event;
  GStatBuf status;
  gsize len;

  g_assert_nonnull (name);
  g_assert_true (g_regex_match_simple ("^[0-9]{20}-[0-9]+\\.event$", name, 0, 0));
  path = g_build_filename (scratch->spool, name, NULL);
  g_assert_null (g_dir_read_name (dir));
  g_assert_cmpint (g_stat (path, &status), ==, 0);
  g_assert_cmpint (status.st_mode & 0777, ==, 0600);
  g_assert_true (g_file_get_contents (path, &data, &len, NULL));
  event = vr_hook_event_parse (data, len, &error);
  g_assert_no_error (error);
  return event;
}

/* What the latest run of the hook sent. A hook that found this machine too slow has left by now. */
static VrHookEvent *
delivered (Daemon *daemon)
{
  g_autoptr (GError) error = NULL;
  VrHookEvent *event;

  daemon->taken++;
  WAIT_UNTIL (g_atomic_int_get (&daemon->served) == daemon->taken);
  event = vr_hook_event_parse ((const char *) daemon->got->data, daemon->got->len, &error);

  g_assert_no_error (error);
  return event;
}

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

/* A document of `len` bytes. */
static char *
large_document (gsize len)
{
  char *xml = g_strnfill (len, ' ');

  memcpy (xml, "<domain>", strlen ("<domain>"));
  memcpy (xml + len - strlen ("</domain>"), "</domain>", strlen ("</domain>"));
  return xml;
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

/* ---- nothing to hand over ---- */

/* The hook says one line with `part` in it, and neither delivers nor spools. */
static void
assert_drops (const Scratch *scratch, const char *wrap, const char *const *args, const char *input, gssize len, const char *part)
{
  Daemon *daemon = daemon_start (scratch, TAKE);
  g_autofree char *said = run_wrapped (scratch, wrap, args, input, len);

  assert_one_line (said, part);
  g_assert_cmpuint (count_files (scratch->spool), ==, 0);
  daemon_stop (daemon, scratch);
  g_unlink (scratch->socket);
}

static const char *const start_args[] = { "d", "start", "begin", "-", NULL };

static void
test_arguments (Scratch *scratch, gconstpointer data)
{
  static const char *const unknown[] = { "d", "levitate", "begin", "-", NULL };
  g_autofree char *name = g_strnfill (VR_EVENT_MAX_HEADER, 'x');
  const char *const long_name[] = { name, "start", "begin", "-", NULL };

  assert_drops (scratch, PIPED, start_args + 4, XML, -1, "run by libvirt");
  assert_drops (scratch, PIPED, start_args + 2, XML, -1, "run by libvirt");
  assert_drops (scratch, PIPED, unknown, XML, -1, "an operation that virt-relay does not know");
  assert_drops (scratch, PIPED, long_name, XML, -1, "");
}

static void
test_line_break_in_name (Scratch *scratch, gconstpointer data)
{
  static const char *const args[] = { "d\nvirt-relay-hook: forged", "levitate", "begin", "-", NULL };

  assert_drops (scratch, PIPED, args, XML, -1, "d?virt-relay-hook: forged");
}

static void
test_no_input (Scratch *scratch, gconstpointer data)
{
  assert_drops (scratch, PIPED, start_args, "", -1, "no domain XML");
  assert_drops (scratch, "exec \"$@\" </dev/null", start_args, "", -1, "no domain XML");
  assert_drops (scratch, "exec \"$@\" <&-", start_args, "", -1, "no domain XML");
}

static void
test_terminal (Scratch *scratch, gconstpointer data)
{
  g_autofree char *wrap = NULL;
  int terminal = posix_openpt (O_RDWR | O_NOCTTY);

  if (terminal < 0 || grantpt (terminal) != 0 || unlockpt (terminal) != 0)
    {
      g_test_skip ("no pseudo-terminals here");
      return;
    }
  wrap = g_strdup_printf ("exec \"$@\" <%s", ptsname (terminal));
  assert_drops (scratch, wrap, start_args, "", -1, "a terminal");
  g_close (terminal, NULL);
}

static void
test_garbage (Scratch *scratch, gconstpointer data)
{
  assert_drops (scratch, PIPED, start_args, "garbage", -1, "not a whole XML document");
  assert_drops (scratch, PIPED, start_args, " \n\t ", -1, "no domain XML");
  assert_drops (scratch, PIPED, start_args, "<domain><name>d</na", -1, "not a whole XML document");
  assert_drops (scratch, PIPED, start_args, "\0\0\0\0", 4, "not a whole XML document");
}

static void
test_too_large (Scratch *scratch, gconstpointer data)
{
  g_autofree char *xml = large_document (VR_EVENT_MAX_XML + 1);

  assert_drops (scratch, PIPED, start_args, xml, -1, "larger than 16 MiB");
}

static void
test_endless_input (Scratch *scratch, gconstpointer data)
{
  assert_drops (scratch, "exec \"$@\" </dev/zero", start_args, "", -1, "did not end within 1 s");
}

/* A writer that never closes its end. */
static void
test_input_stays_open (Scratch *scratch, gconstpointer data)
{
  g_autofree char *fifo = g_build_filename (scratch->dir, "fifo", NULL);
  g_autofree char *wrap = g_strdup_printf ("mkfifo '%s' && exec \"$@\" <>'%s'", fifo, fifo);

  assert_drops (scratch, wrap, start_args, "", -1, "did not end within 1 s");
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
  ADD ("/hook/drop/arguments", test_arguments);
  ADD ("/hook/drop/line-break-in-name", test_line_break_in_name);
  ADD ("/hook/drop/no-input", test_no_input);
  ADD ("/hook/drop/terminal", test_terminal);
  ADD ("/hook/drop/garbage", test_garbage);
  ADD ("/hook/drop/too-large", test_too_large);
  ADD ("/hook/drop/endless-input", test_endless_input);
  ADD ("/hook/drop/input-stays-open", test_input_stays_open);
  ADD ("/hook/links-libc-only", test_links_libc_only);
  return g_test_run ();
}
