/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "metrics.h"

#include <errno.h>
#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <libsoup/soup.h>
#include <string.h>
#include <sys/stat.h>

#include "metrics-text.h"

#define CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct _VrMetricsServer {
  VrRelay    *relay;
  SoupServer *soup;
  char       *host, *version;
  char       *path; /* of the socket; NULL: none was made */
  gboolean    ready;
  guint64     moved_in, moved_out, moved_elsewhere;
};

/* ---- what is counted here ---- */

static void
on_ready (VrRelay *relay, VrMetricsServer *server)
{
  server->ready = TRUE;
}

static void
on_guest_moved (VrRelay *relay, const VrRecord *record, const char *from, VrMetricsServer *server)
{
  if (g_str_equal (record->owner, server->host))
    server->moved_in++;
  else if (g_str_equal (from, server->host))
    server->moved_out++;
  else
    server->moved_elsewhere++;
}

/* ---- answers ---- */

static void
on_request (SoupServer *soup, SoupServerMessage *message, const char *path, GHashTable *query, gpointer data)
{
  VrMetricsServer      *server = data;
  g_autoptr (GPtrArray) guests = NULL, hosts = NULL, troubles = NULL, counters = NULL;
  VrMetrics             metrics;
  char                 *text;

  if (!g_str_equal (path, "/metrics"))
    {
      soup_server_message_set_status (message, SOUP_STATUS_NOT_FOUND, NULL);
      return;
    }
  if (soup_server_message_get_method (message) != SOUP_METHOD_GET && soup_server_message_get_method (message) != SOUP_METHOD_HEAD)
    {
      soup_server_message_set_status (message, SOUP_STATUS_METHOD_NOT_ALLOWED, NULL);
      return;
    }
  guests = vr_relay_guests (server->relay);
  hosts = vr_relay_hosts (server->relay);
  troubles = vr_relay_troubles (server->relay);
  counters = vr_kernel_counters (vr_relay_kernel (server->relay), NULL);
  metrics = (VrMetrics) { .host = server->host, .version = server->version, .ready = server->ready, .last_hook_us = vr_relay_last_hook_us (server->relay), .guests = guests, .hosts = hosts,
                          .troubles = troubles, .counters = counters, .moved_in = server->moved_in, .moved_out = server->moved_out,
                          .moved_elsewhere = server->moved_elsewhere };
  text = vr_metrics_text (&metrics);
  soup_server_message_set_status (message, SOUP_STATUS_OK, NULL);
  soup_server_message_set_response (message, CONTENT_TYPE, SOUP_MEMORY_TAKE, text, strlen (text));
}

/* ---- where ---- */

/* What an earlier daemon left there would be in the way. Anything but a socket stays, and is the reason why this fails. */
static void
remove_socket (const char *path)
{
  GStatBuf status;

  if (g_lstat (path, &status) == 0 && S_ISSOCK (status.st_mode))
    g_unlink (path);
}

static gboolean
listen_on_socket (VrMetricsServer *server, const char *path, GError **error)
{
  g_autoptr (GSocketAddress) address = g_unix_socket_address_new (path);
  /* not by soup_server_listen(): it asks for TCP, which unix sockets have not */
  g_autoptr (GSocket) socket = g_socket_new (G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, error);

  if (socket == NULL)
    return FALSE;
  remove_socket (path);
  if (!g_socket_bind (socket, address, FALSE, error))
    return FALSE;
  server->path = g_strdup (path);
  return g_socket_listen (socket, error) && soup_server_listen_socket (server->soup, socket, 0, error);
}

static gboolean
listen_on_address (VrMetricsServer *server, const char *text, GError **error)
{
  const char                *colon = strrchr (text, ':');
  gboolean                   bracketed = text[0] == '[' && colon != NULL && colon > text + 1 && colon[-1] == ']';
  g_autofree char           *host = colon == NULL ? g_strdup (text) : bracketed ? g_strndup (text + 1, colon - text - 2) : g_strndup (text, colon - text);
  g_autoptr (GSocketAddress) address = colon != NULL ? g_inet_socket_address_new_from_string (host, (guint) g_ascii_strtoull (colon + 1, NULL, 10)) : NULL;

  if (address == NULL)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "it is no ADDRESS:PORT");
      return FALSE;
    }
  return soup_server_listen (server->soup, address, 0, error);
}

gboolean
vr_metrics_server_start (VrMetricsServer *server, const char *listen, GError **error)
{
  gboolean done = g_path_is_absolute (listen) ? listen_on_socket (server, listen, error) : listen_on_address (server, listen, error);

  if (!done)
    g_prefix_error (error, "cannot listen on %s ([metrics] listen; does something else, or is its folder not there?): ", listen);
  return done;
}

guint
vr_metrics_server_port (VrMetricsServer *server)
{
  g_autoslist (GUri) uris = server->path == NULL ? soup_server_get_uris (server->soup) : NULL;

  return uris != NULL ? (guint) g_uri_get_port (uris->data) : 0;
}

/* ---- the object ---- */

VrMetricsServer *
vr_metrics_server_new (VrRelay *relay, const char *host, const char *version)
{
  VrMetricsServer *server = g_new0 (VrMetricsServer, 1);

  server->relay = g_object_ref (relay);
  server->host = g_strdup (host);
  server->version = g_strdup (version);
  server->soup = soup_server_new ("server-header", "virt-relayd", NULL);
  soup_server_add_handler (server->soup, NULL, on_request, server, NULL);
  g_signal_connect (relay, "ready", G_CALLBACK (on_ready), server);
  g_signal_connect (relay, "guest-moved", G_CALLBACK (on_guest_moved), server);
  return server;
}

void
vr_metrics_server_free (VrMetricsServer *server)
{
  if (server == NULL)
    return;
  g_signal_handlers_disconnect_by_data (server->relay, server);
  soup_server_disconnect (server->soup);
  g_clear_object (&server->soup);
  if (server->path != NULL)
    remove_socket (server->path);
  g_object_unref (server->relay);
  g_free (server->host);
  g_free (server->version);
  g_free (server->path);
  g_free (server);
}
