/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "between.h"

#include <string.h>

#define TXN "POST /v3/kv/txn "

struct _Between {
  GSocket      *listener;
  GCancellable *cancellable;
  GThread      *thread; /* of the listener */
  char         *url;
  guint16       member; /* its port */
  GMutex        mutex;
  gboolean      armed, happened;
  void        (*meanwhile) (gpointer);
  gpointer      data;
};

/* Connections may outlive the one who asked for them. */
static void
clear (gpointer data)
{
  Between *between = data;

  g_mutex_clear (&between->mutex);
  g_free (between->url);
}

static void
release (gpointer between)
{
  g_atomic_rc_box_release_full (between, clear);
}

/* The transaction that was waited for is under way. TRUE: nobody shall hear what became of it. */
static gboolean
interfere (Between *between)
{
  void (*meanwhile) (gpointer) = NULL;
  gboolean armed;

  g_mutex_lock (&between->mutex);
  armed = between->armed;
  between->armed = FALSE;
  meanwhile = between->meanwhile;
  g_mutex_unlock (&between->mutex);
  if (!armed)
    return FALSE;
  if (meanwhile) {
    g_autoptr (GMainContext) context = g_main_context_new ();

    g_main_context_push_thread_default (context);
    meanwhile (between->data);
    g_main_context_pop_thread_default (context);
  }
  g_mutex_lock (&between->mutex);
  between->happened = TRUE;
  g_mutex_unlock (&between->mutex);
  return meanwhile == NULL;
}

/* Passes on what came; FALSE: this direction has ended. */
static gboolean
pass (GSocket *from, GSocket *to, Between *between, gboolean *lost)
{
  char bytes[16384];
  gssize n = g_socket_receive (from, bytes, sizeof bytes, NULL, NULL), sent = 0;

  if (n <= 0)
    return FALSE;
  if (between && g_strstr_len (bytes, n, TXN))
    *lost = interfere (between);
  while (sent < n) {
    gssize more = g_socket_send (to, bytes + sent, n - sent, NULL, NULL);

    if (more <= 0)
      return FALSE;
    sent += more;
  }
  return TRUE;
}

typedef struct {
  Between *between;
  GSocket *client;
} Connection;

static gpointer
run_connection (gpointer data)
{
  Connection *connection = data;
  g_autoptr (GSocket) here = connection->client;
  g_autoptr (GSocketClient) way = g_socket_client_new ();
  g_autoptr (GSocketConnection) member = g_socket_client_connect_to_host (way, "127.0.0.1", connection->between->member, NULL, NULL);
  GSocket *there = member ? g_socket_connection_get_socket (member) : NULL;
  GPollFD fds[] = { { g_socket_get_fd (here), G_IO_IN, 0 }, { there ? g_socket_get_fd (there) : -1, G_IO_IN, 0 } };
  gboolean lost = FALSE, on = there != NULL;

  while (on && g_poll (fds, G_N_ELEMENTS (fds), -1) >= 0) {
    if (fds[1].revents)
      on = !lost && pass (there, here, NULL, NULL); /* the member has answered */
    if (on && fds[0].revents)
      on = pass (here, there, connection->between, &lost);
  }
  release (connection->between);
  g_free (connection);
  return NULL;
}

static gpointer
run_accept (gpointer data)
{
  Between *between = data;
  GSocket *client;

  while ((client = g_socket_accept (between->listener, between->cancellable, NULL))) {
    Connection *connection = g_new0 (Connection, 1);

    connection->between = g_atomic_rc_box_acquire (between);
    connection->client = client;
    g_thread_unref (g_thread_new ("connection", run_connection, connection));
  }
  return NULL;
}

Between *
between_new (const char *member)
{
  Between *between = g_atomic_rc_box_new0 (Between);
  g_autoptr (GSocketAddress) any = g_inet_socket_address_new_from_string ("127.0.0.1", 0), mine = NULL;
  g_autoptr (GError) error = NULL;

  g_mutex_init (&between->mutex);
  between->member = g_ascii_strtoull (strrchr (member, ':') + 1, NULL, 10);
  between->cancellable = g_cancellable_new ();
  between->listener = g_socket_new (G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, &error);
  g_assert_no_error (error);
  if (!g_socket_bind (between->listener, any, TRUE, &error) || !g_socket_listen (between->listener, &error))
    g_error ("%s", error->message);
  mine = g_socket_get_local_address (between->listener, &error);
  g_assert_no_error (error);
  between->url = g_strdup_printf ("http://127.0.0.1:%u", g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (mine)));
  between->thread = g_thread_new ("between", run_accept, between);
  return between;
}

void
between_free (Between *between)
{
  g_cancellable_cancel (between->cancellable);
  g_thread_join (between->thread);
  g_clear_object (&between->listener);
  g_clear_object (&between->cancellable);
  release (between);
}

const char *
between_url (const Between *between)
{
  return between->url;
}

void
between_arm (Between *between, void (*meanwhile) (gpointer), gpointer data)
{
  g_mutex_lock (&between->mutex);
  between->meanwhile = meanwhile;
  between->data = data;
  between->armed = TRUE;
  between->happened = FALSE;
  g_mutex_unlock (&between->mutex);
}

gboolean
between_happened (Between *between)
{
  gboolean happened;

  g_mutex_lock (&between->mutex);
  happened = between->happened;
  g_mutex_unlock (&between->mutex);
  return happened;
}
