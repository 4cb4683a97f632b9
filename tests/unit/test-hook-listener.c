/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon's end of the hook: its socket, start and stop. */
#include "hook-listener-world.h"

#include <gio/gunixsocketaddress.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

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

static void
test_stopped_by_a_socket_event (Fixture *fixture, gconstpointer data)
{
  fixture->stop_after = 1;
  start (fixture);
  send_event (fixture, "d", 5);
  WAIT_UNTIL (fixture->seen->len == 1);
  g_assert_false (g_file_test (fixture->scratch.socket, G_FILE_TEST_EXISTS));
}

int
main (int argc, char **argv)
{
#define ADD(path, function) g_test_add (path, Fixture, NULL, set_up, function, tear_down)
  g_test_init (&argc, &argv, NULL);
  log_begin ();
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
  return g_test_run ();
}
