/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hook-run.h"

#include "daemon/names.h"

#include <gio/gunixsocketaddress.h>

/* ---- the scripted daemon ---- */

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

GSocket *
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

GSocket *
connect_to (const char *path)
{
  g_autoptr (GSocketAddress) address = g_unix_socket_address_new (path);
  GSocket *socket = g_socket_new (G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, NULL);

  g_socket_set_blocking (socket, FALSE);
  g_socket_connect (socket, address, NULL, NULL);
  return socket;
}

Daemon *
daemon_start (const Scratch *scratch, Manner manner)
{
  Daemon *daemon = g_new0 (Daemon, 1);

  daemon->socket = listen_at (scratch->socket);
  daemon->manner = manner;
  daemon->got = g_byte_array_new ();
  daemon->thread = g_thread_new ("daemon", daemon_run, daemon);
  return daemon;
}

void
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
char *
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

char *
run (const Scratch *scratch, const char *guest, const char *operation, const char *input)
{
  const char *const args[] = { guest, operation, "begin", "-", NULL };

  return run_wrapped (scratch, PIPED, args, input, -1);
}

void
assert_one_line (const char *text, const char *part)
{
  g_assert_true (g_str_has_prefix (text, "virt-relay-hook: "));
  g_assert_nonnull (strstr (text, part));
  g_assert_true (strchr (text, '\n') == text + strlen (text) - 1);
}

/* The only event in the spool. */
VrHookEvent *
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
VrHookEvent *
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

char *
large_document (gsize len)
{
  char *xml = g_strnfill (len, ' ');

  memcpy (xml, "<domain>", strlen ("<domain>"));
  memcpy (xml + len - strlen ("</domain>"), "</domain>", strlen ("</domain>"));
  return xml;
}
