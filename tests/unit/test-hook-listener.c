/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon's end of the hook: socket and spool in, one "event" each in order of time out. */
#include "daemon/virt/hook-listener.h"
#include "hook-test.h"

#include <gio/gunixsocketaddress.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define XML "<domain type='kvm'><name>d</name></domain>"

/* ---- what was logged ---- */

static GMutex log_lock;
static GString *logged; /* a line each, warnings and messages */

static GLogWriterOutput
log_writer (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer data)
{
  if ((level & G_LOG_LEVEL_MASK) <= G_LOG_LEVEL_CRITICAL)
    return g_log_writer_default (level, fields, n_fields, data);
  g_mutex_lock (&log_lock);
  for (gsize i = 0; i < n_fields; i++)
    if (strcmp (fields[i].key, "MESSAGE") == 0)
      g_string_append_printf (logged, "%s\n", (const char *) fields[i].value);
  g_mutex_unlock (&log_lock);
  return G_LOG_WRITER_HANDLED;
}

static gboolean
was_logged (const char *part)
{
  gboolean found;

  g_mutex_lock (&log_lock);
  found = strstr (logged->str, part) != NULL;
  g_mutex_unlock (&log_lock);
  return found;
}

/* ---- the fixture ---- */

typedef struct {
  Scratch scratch;
  VrHookListener *listener;
  GPtrArray *seen;     /* of VrHookEvent * */
  guint stop_after;    /* the handler stops the listener at this event; 0: never */
  guint files_at_last; /* how many files the spool had when the last handler ran */
  gint64 send_in_handler; /* the handler of the first event lets one of this time come over the socket; 0: does not */
} Fixture;

static void send_event (const Fixture *fixture, const char *guest, gint64 time_us);

static void
on_event (VrHookListener *listener, VrHookEvent *event, gpointer data)
{
  Fixture *fixture = data;

  g_ptr_array_add (fixture->seen, vr_hook_event_ref (event));
  fixture->files_at_last = count_files (fixture->scratch.spool);
  if (fixture->seen->len == 1 && fixture->send_in_handler != 0)
    send_event (fixture, "sent", fixture->send_in_handler);
  if (fixture->seen->len == fixture->stop_after)
    vr_hook_listener_stop (listener);
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  scratch_set_up (&fixture->scratch, NULL);
  g_string_truncate (logged, 0);
  fixture->seen = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_hook_event_unref);
  fixture->listener = vr_hook_listener_new (fixture->scratch.socket, fixture->scratch.spool);
  g_signal_connect (fixture->listener, "event", G_CALLBACK (on_event), fixture);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  vr_hook_listener_stop (fixture->listener);
  g_object_add_weak_pointer (G_OBJECT (fixture->listener), (gpointer *) &fixture->listener);
  g_object_unref (fixture->listener);
  WAIT_UNTIL (fixture->listener == NULL); /* workers and clients let go of it */
  g_ptr_array_unref (fixture->seen);
  scratch_tear_down (&fixture->scratch, NULL);
}

static void
start (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;

  vr_hook_listener_start (fixture->listener, &error);
  g_assert_no_error (error);
}

static const VrHookEvent *
seen (const Fixture *fixture, guint i)
{
  g_assert_cmpuint (i, <, fixture->seen->len);
  return g_ptr_array_index (fixture->seen, i);
}

/* Puts a file into the spool as the hook does: written aside, then renamed. */
static void
spool_text (const Fixture *fixture, gint64 time_us, const char *text)
{
  g_autofree char *path = g_strdup_printf ("%s/" VR_SPOOL_NAME_FORMAT, fixture->scratch.spool, (long long) time_us, 1);
  g_autofree char *temporary = g_strdup_printf ("%s/.being-written", fixture->scratch.spool);

  g_mkdir_with_parents (fixture->scratch.spool, 0700);
  g_assert_true (g_file_set_contents (temporary, text, -1, NULL));
  g_assert_cmpint (g_rename (temporary, path), ==, 0);
}

static void
spool_event (const Fixture *fixture, const char *guest, gint64 time_us)
{
  g_autofree char *text = event_text (guest, "start", time_us, XML);

  spool_text (fixture, time_us, text);
}

/* ---- a client of the socket ---- */

static GSocket *
client_open (const Fixture *fixture)
{
  g_autoptr (GSocketAddress) address = g_unix_socket_address_new (fixture->scratch.socket);
  GSocket *client = g_socket_new (G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, NULL);
  g_autoptr (GError) error = NULL;

  g_socket_connect (client, address, NULL, &error);
  g_assert_no_error (error);
  g_socket_set_blocking (client, FALSE);
  return client;
}

/* What has come from the listener; NULL: nothing yet; "": it closed without an answer. */
static char *
client_answer (GSocket *client)
{
  g_autoptr (GError) error = NULL;
  char buffer[16];
  gssize n = g_socket_receive (client, buffer, sizeof buffer - 1, NULL, &error);

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
    return NULL;
  return g_strndup (buffer, n > 0 ? (gsize) n : 0) ?: g_strdup ("");
}

/* Sends all of it while the listener reads; it may close before the end. */
static void
client_send (GSocket *client, const char *text, gsize len)
{
  g_autoptr (GError) error = NULL;
  gsize sent = 0;

  while (sent < len)
    {
      gssize n = g_socket_send (client, text + sent, len - sent, NULL, &error);

      if (n > 0)
        sent += (gsize) n;
      else if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
        return;
      g_clear_error (&error);
      g_main_context_iteration (NULL, FALSE);
    }
}

/* A whole exchange; gives the answer. */
static char *
exchange (const Fixture *fixture, const char *text, gsize len)
{
  g_autoptr (GSocket) client = client_open (fixture);
  char *answer = NULL;

  client_send (client, text, len);
  g_socket_shutdown (client, FALSE, TRUE, NULL);
  WAIT_UNTIL ((answer = client_answer (client)) != NULL);
  return answer;
}

static void
send_event (const Fixture *fixture, const char *guest, gint64 time_us)
{
  g_autofree char *text = event_text (guest, "start", time_us, XML);
  g_autofree char *answer = exchange (fixture, text, strlen (text));

  g_assert_cmpstr (answer, ==, VR_EVENT_ACK);
}

/* The guests of all events seen so far, in order. */
static char *
guests (const Fixture *fixture)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < fixture->seen->len; i++)
    g_string_append_printf (text, "%s%s", i > 0 ? " " : "", seen (fixture, i)->guest);
  return g_string_free (text, FALSE);
}

static void
assert_guests (const Fixture *fixture, const char *expected)
{
  g_autofree char *actual = guests (fixture);

  g_assert_cmpstr (actual, ==, expected);
}

/* ---- the socket ---- */

static void
test_socket (Fixture *fixture, gconstpointer data)
{
  start (fixture);
  send_event (fixture, "d", 5);
  WAIT_UNTIL (fixture->seen->len == 1);
  g_assert_cmpstr (seen (fixture, 0)->guest, ==, "d");
  g_assert_cmpint (seen (fixture, 0)->operation, ==, VR_HOOK_START);
  g_assert_cmpstr (seen (fixture, 0)->xml, ==, XML);
}

static void
test_socket_mode (Fixture *fixture, gconstpointer data)
{
  GStatBuf status;

  start (fixture);
  g_assert_cmpint (g_stat (fixture->scratch.socket, &status), ==, 0);
  g_assert_cmpint (status.st_mode & 0777, ==, 0600);
  g_assert_cmpint (g_stat (fixture->scratch.spool, &status), ==, 0);
  g_assert_cmpint (status.st_mode & 0777, ==, 0700);
}

static void
test_socket_piecemeal (Fixture *fixture, gconstpointer data)
{
  g_autofree char *text = event_text ("d", "start", 5, XML);
  g_autofree char *answer = NULL;
  g_autoptr (GSocket) client = NULL;

  start (fixture);
  client = client_open (fixture);
  for (gsize i = 0; i < strlen (text); i++)
    client_send (client, text + i, 1);
  g_assert_cmpuint (fixture->seen->len, ==, 0);
  g_socket_shutdown (client, FALSE, TRUE, NULL);
  WAIT_UNTIL ((answer = client_answer (client)) != NULL);
  g_assert_cmpstr (answer, ==, VR_EVENT_ACK);
  WAIT_UNTIL (fixture->seen->len == 1);
}

/* The listener closes without an answer and emits nothing, and then still takes a good event. */
static void
assert_refused (Fixture *fixture, const char *text, gsize len, const char *why)
{
  g_autofree char *answer = exchange (fixture, text, len);

  g_assert_cmpstr (answer, ==, "");
  g_assert_true (was_logged (why));
  send_event (fixture, "good", 5);
  WAIT_UNTIL (fixture->seen->len == 1);
  assert_guests (fixture, "good");
}

static void
test_socket_garbage (Fixture *fixture, gconstpointer data)
{
  start (fixture);
  assert_refused (fixture, "garbage that goes on\n\n<a/>", 26, "does not begin with");
}

static void
test_socket_torn (Fixture *fixture, gconstpointer data)
{
  g_autofree char *text = event_text ("d", "start", 5, XML);

  start (fixture);
  assert_refused (fixture, text, strlen (text) - 1, "bytes of XML are there");
}

static void
test_socket_nothing (Fixture *fixture, gconstpointer data)
{
  start (fixture);
  assert_refused (fixture, "", 0, "too few");
}

static void
test_socket_endless (Fixture *fixture, gconstpointer data)
{
  const gsize len = VR_EVENT_MAX_XML + 2 * VR_EVENT_MAX_HEADER;
  g_autofree char *text = g_strnfill (len, 'x');

  memcpy (text, VR_EVENT_MAGIC "\n\n", strlen (VR_EVENT_MAGIC "\n\n"));
  start (fixture);
  for (guint attempts = 0; !was_logged ("the header has no"); attempts++) /* a slow machine may meet the deadline first */
    {
      g_autofree char *answer = exchange (fixture, text, len);

      g_assert_cmpstr (answer, ==, "");
      g_assert_cmpuint (attempts, <, 50);
    }
  g_assert_cmpuint (fixture->seen->len, ==, 0);
}

/* A client that sends half and stays; the others are served all the while. */
static void
test_socket_slow_client (Fixture *fixture, gconstpointer data)
{
  g_autofree char *answer = NULL;
  g_autoptr (GSocket) slow = NULL;

  start (fixture);
  slow = client_open (fixture);
  client_send (slow, VR_EVENT_MAGIC, strlen (VR_EVENT_MAGIC));
  send_event (fixture, "d", 5);
  WAIT_UNTIL (fixture->seen->len == 1);
  WAIT_UNTIL ((answer = client_answer (slow)) != NULL);
  g_assert_cmpstr (answer, ==, "");
  g_assert_true (was_logged ("did not send its event in time"));
}

static void
test_socket_too_many_clients (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GPtrArray) clients = g_ptr_array_new_with_free_func (g_object_unref);

  start (fixture);
  for (guint i = 0; i < 65; i++)
    g_ptr_array_add (clients, client_open (fixture));
  WAIT_UNTIL (was_logged ("64 clients at a time are enough"));
  g_ptr_array_set_size (clients, 0);
  send_event (fixture, "d", 5);
  WAIT_UNTIL (fixture->seen->len == 1);
}

/*
 * In a child: connects as another user and gives 0 if the socket closed without an answer. System calls alone: other threads of this process may have held
 * any lock of GLib's or of malloc's when it was forked.
 */
static int
speak_as_nobody (const struct sockaddr_un *address, const char *text, gsize len)
{
  char answer[8];
  int  client;

  if (syscall (SYS_setgid, 12345) != 0 || syscall (SYS_setuid, 12345) != 0)
    return 2;
  client = socket (AF_UNIX, SOCK_STREAM, 0);
  if (client < 0 || connect (client, (const struct sockaddr *) address, sizeof *address) < 0)
    return 3;
  (void) !send (client, text, len, MSG_NOSIGNAL);
  shutdown (client, SHUT_WR);
  return recv (client, answer, sizeof answer, 0) > 0 ? 1 : 0;
}

/* Even if somebody opens up the socket's mode. */
static void
test_socket_other_user (Fixture *fixture, gconstpointer data)
{
  g_autofree char *text = event_text ("d", "start", 5, XML);
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int status = 0;
  pid_t child;

  if (geteuid () != 0)
    {
      g_test_skip ("needs root to become somebody else");
      return;
    }
  start (fixture);
  g_assert_cmpint (chmod (fixture->scratch.dir, 0755), ==, 0);
  g_assert_cmpint (chmod (fixture->scratch.socket, 0666), ==, 0);
  g_strlcpy (address.sun_path, fixture->scratch.socket, sizeof address.sun_path);
  child = fork ();
  if (child == 0)
    _exit (speak_as_nobody (&address, text, strlen (text)));
  WAIT_UNTIL (waitpid (child, &status, WNOHANG) == child);
  g_assert_true (WIFEXITED (status));
  g_assert_cmpint (WEXITSTATUS (status), ==, 0);
  g_assert_true (was_logged ("a client of user 12345 was refused"));
  g_assert_cmpuint (fixture->seen->len, ==, 0);
}

/* ---- starting and stopping ---- */

static void
test_start_twice_on_one_path (Fixture *fixture, gconstpointer data)
{
  g_autoptr (VrHookListener) second = vr_hook_listener_new (fixture->scratch.socket, fixture->scratch.spool);
  g_autoptr (GError) error = NULL;

  start (fixture);
  g_assert_false (vr_hook_listener_start (second, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_ADDRESS_IN_USE);
  g_assert_nonnull (strstr (error->message, fixture->scratch.socket));
  send_event (fixture, "d", 5); /* the first one is not disturbed */
  WAIT_UNTIL (fixture->seen->len == 1);
}

static void
test_start_over_stale_socket (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GSocketAddress) address = g_unix_socket_address_new (fixture->scratch.socket);
  GSocket *stale = g_socket_new (G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, NULL);

  g_assert_true (g_socket_bind (stale, address, FALSE, NULL));
  g_object_unref (stale);
  g_assert_true (g_file_test (fixture->scratch.socket, G_FILE_TEST_EXISTS));
  start (fixture);
  send_event (fixture, "d", 5);
  WAIT_UNTIL (fixture->seen->len == 1);
}

static void
test_start_with_long_path (Fixture *fixture, gconstpointer data)
{
  g_autofree char *name = g_strnfill (120, 'x');
  g_autofree char *path = g_build_filename (fixture->scratch.dir, name, NULL);
  g_autoptr (VrHookListener) listener = vr_hook_listener_new (path, fixture->scratch.spool);
  g_autoptr (GError) error = NULL;

  g_assert_false (vr_hook_listener_start (listener, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_FILENAME_TOO_LONG);
}

static void
test_start_without_spool (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (g_file_set_contents (fixture->scratch.spool, "a file", -1, NULL));
  g_assert_false (vr_hook_listener_start (fixture->listener, &error));
  g_assert_nonnull (error);
  g_assert_nonnull (strstr (error->message, fixture->scratch.spool));
}

static void
test_stop (Fixture *fixture, gconstpointer data)
{
  start (fixture);
  send_event (fixture, "d", 5);
  WAIT_UNTIL (fixture->seen->len == 1);
  vr_hook_listener_stop (fixture->listener);
  g_assert_false (g_file_test (fixture->scratch.socket, G_FILE_TEST_EXISTS));
  vr_hook_listener_stop (fixture->listener);
  start (fixture);
  send_event (fixture, "e", 6);
  WAIT_UNTIL (fixture->seen->len == 2);
}

static void
test_dispose_with_clients (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GSocket) client = NULL;
  g_autofree char *answer = NULL;

  start (fixture);
  client = client_open (fixture);
  client_send (client, VR_EVENT_MAGIC, strlen (VR_EVENT_MAGIC));
  vr_hook_listener_stop (fixture->listener);
  WAIT_UNTIL ((answer = client_answer (client)) != NULL);
  g_assert_cmpstr (answer, ==, "");
}

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

static void
test_stopped_by_a_socket_event (Fixture *fixture, gconstpointer data)
{
  fixture->stop_after = 1;
  start (fixture);
  send_event (fixture, "d", 5);
  WAIT_UNTIL (fixture->seen->len == 1);
  g_assert_false (g_file_test (fixture->scratch.socket, G_FILE_TEST_EXISTS));
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
  logged = g_string_new (NULL);
  g_log_set_writer_func (log_writer, NULL, NULL);
  ADD ("/hook-listener/socket/event", test_socket);
  ADD ("/hook-listener/socket/mode", test_socket_mode);
  ADD ("/hook-listener/socket/piecemeal", test_socket_piecemeal);
  ADD ("/hook-listener/socket/garbage", test_socket_garbage);
  ADD ("/hook-listener/socket/torn", test_socket_torn);
  ADD ("/hook-listener/socket/nothing", test_socket_nothing);
  ADD ("/hook-listener/socket/endless", test_socket_endless);
  ADD ("/hook-listener/socket/slow-client", test_socket_slow_client);
  ADD ("/hook-listener/socket/too-many-clients", test_socket_too_many_clients);
  ADD ("/hook-listener/socket/other-user", test_socket_other_user);
  ADD ("/hook-listener/start/twice-on-one-path", test_start_twice_on_one_path);
  ADD ("/hook-listener/start/stale-socket", test_start_over_stale_socket);
  ADD ("/hook-listener/start/long-path", test_start_with_long_path);
  ADD ("/hook-listener/start/no-spool", test_start_without_spool);
  ADD ("/hook-listener/stop/and-start", test_stop);
  ADD ("/hook-listener/stop/with-clients", test_dispose_with_clients);
  ADD ("/hook-listener/stop/by-a-socket-event", test_stopped_by_a_socket_event);
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
