/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client is read to its end, into a buffer that grows up to the limits of hooks/event.h; then it is parsed,
 * acknowledged, passed on and closed. Each client keeps a reference to the VrHookSocket, which closing only marks as
 * closed: a read that was cancelled ends in the main loop's next round.
 */
#include "daemon/virt/hook-socket.h"

#include <errno.h>
#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define MAX_CLIENTS 64
#define CLIENT_DEADLINE_MS 1000

struct VrHookSocket {
  char *path;
  VrHookSocketFunc func;
  gpointer data;
  GSocketService *service;
  GCancellable *open; /* cancelled: closed */
  guint n_clients;
};

static void
hook_socket_clear (gpointer data)
{
  VrHookSocket *self = data;

  g_clear_object (&self->service);
  g_clear_object (&self->open);
  g_free (self->path);
}

static void
hook_socket_unref (VrHookSocket *self)
{
  g_rc_box_release_full (self, hook_socket_clear);
}

typedef struct {
  VrHookSocket *socket; /* a reference */
  GSocketConnection *connection;
  GCancellable *cancellable; /* by the deadline, or by the closing of the socket */
  gulong closed_id;
  guint deadline_id;
  char *data;
  gsize len, size;
} Client;

static void
client_free (Client *client)
{
  g_clear_handle_id (&client->deadline_id, g_source_remove);
  g_cancellable_disconnect (client->socket->open, client->closed_id);
  client->socket->n_clients--;
  g_io_stream_close (G_IO_STREAM (client->connection), NULL, NULL); /* a socket's close does not wait */
  g_object_unref (client->connection);
  g_object_unref (client->cancellable);
  hook_socket_unref (client->socket);
  g_free (client->data);
  g_free (client);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Client, client_free)

static void client_read (Client *client);

/* The client has sent all: acknowledge and pass on, or leave it to the spool. */
static void
client_finish (Client *client)
{
  GSocket *socket = g_socket_connection_get_socket (client->connection);
  g_autoptr (GError) error = NULL;
  g_autoptr (VrHookEvent) event = vr_hook_event_parse (client->data, client->len, &error);

  if (event == NULL)
    {
      g_message ("hook socket: what came is no event: %s", error->message);
      return;
    }
  /* a hook that has given up meanwhile has spooled the event: then it is recognised as the same */
  g_socket_send_with_blocking (socket, VR_EVENT_ACK, strlen (VR_EVENT_ACK), FALSE, NULL, NULL);
  client->socket->func (event, client->socket->data);
}

static void
on_client_read (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (Client) client = data;
  g_autoptr (GError) error = NULL;
  gssize got = g_input_stream_read_finish (G_INPUT_STREAM (source), result, &error);

  if (g_cancellable_is_cancelled (client->socket->open))
    return;
  if (got < 0)
    {
      g_message ("hook socket: %s", g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED)
                                      ? "a client did not send its event in time" : error->message);
      return;
    }
  client->len += (gsize) got;
  if (got == 0)
    client_finish (client);
  else
    client_read (g_steal_pointer (&client));
}

static void
client_read (Client *client)
{
  const gsize limit = VR_EVENT_MAX_HEADER + VR_EVENT_MAX_XML + 1; /* one more, so that the parser sees that it is too much */
  GInputStream *input = g_io_stream_get_input_stream (G_IO_STREAM (client->connection));

  if (client->len == client->size)
    {
      client->size = MIN (MAX (client->size * 2, 64 * 1024), limit);
      client->data = g_realloc (client->data, client->size);
    }
  if (client->len == limit)
    {
      client_finish (client);
      client_free (client);
      return;
    }
  g_input_stream_read_async (input, client->data + client->len, client->size - client->len, G_PRIORITY_DEFAULT,
                             client->cancellable, on_client_read, client);
}

static gboolean
on_client_deadline (gpointer data)
{
  Client *client = data;

  client->deadline_id = 0;
  g_cancellable_cancel (client->cancellable);
  return G_SOURCE_REMOVE;
}

static void
on_socket_closed (GCancellable *open, gpointer client_cancellable)
{
  g_cancellable_cancel (client_cancellable);
}

static gboolean
peer_may_speak (GSocketConnection *connection)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GCredentials) peer = g_socket_get_credentials (g_socket_connection_get_socket (connection), &error);
  uid_t uid = peer != NULL ? g_credentials_get_unix_user (peer, &error) : (uid_t) -1;

  if (error == NULL && (uid == 0 || uid == geteuid ()))
    return TRUE;
  if (error != NULL)
    g_warning ("hook socket: a client without credentials was refused: %s", error->message);
  else
    g_warning ("hook socket: a client of user %d was refused: hook events come from root", (int) uid);
  return FALSE;
}

static gboolean
on_incoming (GSocketService *service, GSocketConnection *connection, GObject *source, gpointer data)
{
  VrHookSocket *self = data;
  Client *client;

  if (!peer_may_speak (connection))
    return TRUE;
  if (self->n_clients >= MAX_CLIENTS)
    {
      g_message ("hook socket: %d clients at a time are enough, the next event goes to the spool", MAX_CLIENTS);
      return TRUE;
    }
  self->n_clients++;
  client = g_new0 (Client, 1);
  client->socket = g_rc_box_acquire (self);
  client->connection = g_object_ref (connection);
  client->cancellable = g_cancellable_new ();
  client->closed_id = g_cancellable_connect (self->open, G_CALLBACK (on_socket_closed), g_object_ref (client->cancellable),
                                             g_object_unref);
  client->deadline_id = g_timeout_add (CLIENT_DEADLINE_MS, on_client_deadline, client);
  client_read (client);
  return TRUE;
}

/* Whether somebody accepts connections at `address`; a socket file without its process refuses them. */
static gboolean
somebody_listens (GSocketAddress *address)
{
  g_autoptr (GSocket) probe = g_socket_new (G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, NULL);
  g_autoptr (GError) error = NULL;

  if (probe == NULL)
    return FALSE;
  g_socket_set_blocking (probe, FALSE);
  return g_socket_connect (probe, address, NULL, &error) || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK) ||
         g_error_matches (error, G_IO_ERROR, G_IO_ERROR_PENDING);
}

static GSocket *
bind_socket (const char *path, GError **error)
{
  g_autoptr (GSocketAddress) address = g_unix_socket_address_new (path);
  g_autoptr (GSocket) socket = g_socket_new (G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, error);
  g_autofree char *dir = g_path_get_dirname (path);

  if (socket == NULL)
    return NULL;
  if (somebody_listens (address))
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_ADDRESS_IN_USE, "another process listens there; stop it first");
      return NULL;
    }
  g_mkdir_with_parents (dir, 0755); /* what is wrong with it, bind() says */
  g_unlink (path);
  g_socket_set_listen_backlog (socket, MAX_CLIENTS * 2);
  if (fchmod (g_socket_get_fd (socket), 0600) != 0) /* before bind(): the file then has this mode from the first moment */
    {
      g_set_error (error, G_IO_ERROR, (int) g_io_error_from_errno (errno), "setting its mode: %s", g_strerror (errno));
      return NULL;
    }
  if (!g_socket_bind (socket, address, FALSE, error) || !g_socket_listen (socket, error))
    return NULL;
  return g_steal_pointer (&socket);
}

VrHookSocket *
vr_hook_socket_open (const char *path, VrHookSocketFunc func, gpointer data, GError **error)
{
  const gsize max = sizeof ((struct sockaddr_un *) NULL)->sun_path - 1;
  g_autoptr (GSocketService) service = g_socket_service_new ();
  g_autoptr (GSocket) socket = NULL;
  VrHookSocket *self;

  if (strlen (path) > max)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_FILENAME_TOO_LONG, "the hook socket's path %s has more than %" G_GSIZE_FORMAT
                   " bytes", path, max);
      return NULL;
    }
  socket = bind_socket (path, error);
  if (socket == NULL || !g_socket_listener_add_socket (G_SOCKET_LISTENER (service), socket, NULL, error))
    {
      g_prefix_error (error, "opening the hook socket %s: ", path);
      return NULL;
    }
  self = g_rc_box_new0 (VrHookSocket);
  self->path = g_strdup (path);
  self->func = func;
  self->data = data;
  self->service = g_steal_pointer (&service);
  self->open = g_cancellable_new ();
  g_signal_connect (self->service, "incoming", G_CALLBACK (on_incoming), self);
  return self;
}

void
vr_hook_socket_close (VrHookSocket *self)
{
  g_unlink (self->path);
  g_signal_handlers_disconnect_by_data (self->service, self);
  g_socket_service_stop (self->service);
  g_socket_listener_close (G_SOCKET_LISTENER (self->service));
  g_cancellable_cancel (self->open);
  hook_socket_unref (self);
}
