/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hook-listener-world.h"

#include <gio/gunixsocketaddress.h>

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

void
log_begin (void)
{
  logged = g_string_new (NULL);
  g_log_set_writer_func (log_writer, NULL, NULL);
}

gboolean
was_logged (const char *part)
{
  gboolean found;

  g_mutex_lock (&log_lock);
  found = strstr (logged->str, part) != NULL;
  g_mutex_unlock (&log_lock);
  return found;
}

/* ---- the fixture ---- */

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

void
set_up (Fixture *fixture, gconstpointer data)
{
  scratch_set_up (&fixture->scratch, NULL);
  g_string_truncate (logged, 0);
  fixture->seen = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_hook_event_unref);
  fixture->listener = vr_hook_listener_new (fixture->scratch.socket, fixture->scratch.spool);
  g_signal_connect (fixture->listener, "event", G_CALLBACK (on_event), fixture);
}

void
tear_down (Fixture *fixture, gconstpointer data)
{
  vr_hook_listener_stop (fixture->listener);
  g_object_add_weak_pointer (G_OBJECT (fixture->listener), (gpointer *) &fixture->listener);
  g_object_unref (fixture->listener);
  WAIT_UNTIL (fixture->listener == NULL); /* workers and clients let go of it */
  g_ptr_array_unref (fixture->seen);
  scratch_tear_down (&fixture->scratch, NULL);
}

void
start (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;

  vr_hook_listener_start (fixture->listener, &error);
  g_assert_no_error (error);
}

const VrHookEvent *
seen (const Fixture *fixture, guint i)
{
  g_assert_cmpuint (i, <, fixture->seen->len);
  return g_ptr_array_index (fixture->seen, i);
}

/* Puts a file into the spool as the hook does: written aside, then renamed. */
void
spool_text (const Fixture *fixture, gint64 time_us, const char *text)
{
  g_autofree char *path = g_strdup_printf ("%s/" VR_SPOOL_NAME_FORMAT, fixture->scratch.spool, (long long) time_us, 1);
  g_autofree char *temporary = g_strdup_printf ("%s/.being-written", fixture->scratch.spool);

  g_mkdir_with_parents (fixture->scratch.spool, 0700);
  g_assert_true (g_file_set_contents (temporary, text, -1, NULL));
  g_assert_cmpint (g_rename (temporary, path), ==, 0);
}

void
spool_event (const Fixture *fixture, const char *guest, gint64 time_us)
{
  g_autofree char *text = event_text (guest, "start", time_us, XML);

  spool_text (fixture, time_us, text);
}

/* ---- a client of the socket ---- */

GSocket *
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
char *
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
void
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
char *
exchange (const Fixture *fixture, const char *text, gsize len)
{
  g_autoptr (GSocket) client = client_open (fixture);
  char *answer = NULL;

  client_send (client, text, len);
  g_socket_shutdown (client, FALSE, TRUE, NULL);
  WAIT_UNTIL ((answer = client_answer (client)) != NULL);
  return answer;
}

void
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

void
assert_guests (const Fixture *fixture, const char *expected)
{
  g_autofree char *actual = guests (fixture);

  g_assert_cmpstr (actual, ==, expected);
}
