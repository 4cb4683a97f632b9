/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fake.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct Fake {
  char       *dir, *uri;
  int         fd;
  GThread    *thread;
  GMutex      lock;
  GPtrArray  *threads;
  GArray     *fds; /* int; open connections */
  gboolean    stopping;
  char       *command;
  FakeHandler handler;
  guint       n_connections, n_requests;
  char       *last_request;
};

static gboolean
read_all (int fd, void *data, gsize len)
{
  for (gsize n = 0; n < len;)
    {
      gssize got = read (fd, (char *) data + n, len - n);

      if (got <= 0)
        return FALSE;
      n += (gsize) got;
    }
  return TRUE;
}

void
fake_send_bytes (FakeRequest *request, gconstpointer data, gsize len)
{
  for (gsize n = 0; n < len;)
    {
      gssize sent = send (request->fd, (const char *) data + n, len - n, MSG_NOSIGNAL);

      if (sent <= 0)
        return;
      n += (gsize) sent;
    }
}

void
fake_send (FakeRequest *request, VrViciPacketType type, const char *name, const VrViciMessage *message)
{
  g_autoptr (GByteArray) packet = vr_vici_packet_encode (type, name, message);

  fake_send_bytes (request, packet->data, packet->len);
}

void
fake_close (FakeRequest *request)
{
  shutdown (request->fd, SHUT_RDWR);
}

void
fake_answer_normally (FakeRequest *request)
{
  g_autoptr (VrViciMessage) message = vr_vici_message_new ();

  if (request->packet->type == VR_VICI_EVENT_REGISTER)
    {
      fake_send (request, VR_VICI_EVENT_CONFIRM, NULL, NULL);
      return;
    }
  if (g_strcmp0 (request->packet->name, "version") == 0)
    {
      vr_vici_message_add (message, "daemon", "fake");
      vr_vici_message_add (message, "version", "1.0");
    }
  else
    vr_vici_message_add (message, "success", "yes");
  fake_send (request, VR_VICI_CMD_RESPONSE, NULL, message);
}

static void
dump_blob (GString *text, const VrViciBlob *blob)
{
  for (gsize i = 0; i < blob->len; i++)
    if (g_ascii_isprint (blob->data[i]))
      g_string_append_c (text, blob->data[i]);
    else
      g_string_append_printf (text, "\\x%02x", (guint8) blob->data[i]);
  g_string_append_c (text, ' ');
}

static void
dump (GString *text, const VrViciMessage *message)
{
  for (guint i = 0; i < vr_vici_message_n_items (message); i++)
    {
      const VrViciItem *item = vr_vici_message_item (message, i);

      g_string_append_printf (text, "%s ", item->name);
      if (item->kind == VR_VICI_ITEM_SECTION)
        {
          g_string_append (text, "{ ");
          dump (text, item->section);
          g_string_append (text, "} ");
          continue;
        }
      g_string_append (text, item->kind == VR_VICI_ITEM_LIST ? "[ " : "= ");
      for (guint k = 0; k < item->values->len; k++)
        dump_blob (text, item->values->pdata[k]);
      if (item->kind == VR_VICI_ITEM_LIST)
        g_string_append (text, "] ");
    }
}

static void
handle (FakeRequest *request)
{
  Fake *fake = request->fake;
  VrViciPacket *packet = request->packet;
  FakeHandler handler = fake_answer_normally;

  g_mutex_lock (&fake->lock);
  if (fake->handler != NULL && (fake->command == NULL || g_strcmp0 (packet->name, fake->command) == 0))
    {
      GString *text = g_string_new (NULL);

      handler = fake->handler;
      fake->n_requests++;
      if (packet->message != NULL)
        dump (text, packet->message);
      g_free (fake->last_request);
      fake->last_request = g_string_free (text, FALSE);
    }
  g_mutex_unlock (&fake->lock);
  handler (request);
}

typedef struct {
  Fake *fake;
  int   fd;
} Connection;

static gpointer
serve (gpointer data)
{
  g_autofree Connection *connection = data;
  Fake *fake = connection->fake;
  guint32 len;

  while (read_all (connection->fd, &len, sizeof len))
    {
      g_autofree guint8 *body = NULL;
      g_auto (VrViciPacket) packet = { 0 };
      FakeRequest request = { fake, connection->fd, &packet };

      len = GUINT32_FROM_BE (len);
      g_assert_cmpuint (len, <=, VR_VICI_PACKET_MAX);
      body = g_malloc (len);
      if (!read_all (connection->fd, body, len))
        break;
      g_assert_true (vr_vici_packet_decode (body, len, &packet, NULL));
      handle (&request);
    }
  g_mutex_lock (&fake->lock);
  for (guint i = 0; i < fake->fds->len; i++)
    if (g_array_index (fake->fds, int, i) == connection->fd)
      {
        g_array_remove_index_fast (fake->fds, i);
        break;
      }
  g_mutex_unlock (&fake->lock);
  close (connection->fd);
  return NULL;
}

static gpointer
listen_for_clients (gpointer data)
{
  Fake *fake = data;

  while (TRUE)
    {
      int fd = accept4 (fake->fd, NULL, NULL, SOCK_CLOEXEC);

      if (fd < 0 && errno == EINTR)
        continue;
      if (fd < 0)
        return NULL;
      g_mutex_lock (&fake->lock);
      if (fake->stopping)
        close (fd);
      else
        {
          Connection *connection = g_new (Connection, 1);

          *connection = (Connection){ fake, fd };
          fake->n_connections++;
          g_array_append_val (fake->fds, fd);
          g_ptr_array_add (fake->threads, g_thread_new ("fake charon", serve, connection));
        }
      g_mutex_unlock (&fake->lock);
    }
}

Fake *
fake_new (void)
{
  Fake *fake = g_new0 (Fake, 1);
  struct sockaddr_un address = { .sun_family = AF_UNIX };

  g_mutex_init (&fake->lock);
  fake->threads = g_ptr_array_new ();
  fake->fds = g_array_new (FALSE, FALSE, sizeof (int));
  fake->dir = make_temp_dir ();
  fake->uri = g_strdup_printf ("unix://%s/charon.vici", fake->dir);
  g_strlcpy (address.sun_path, fake->uri + strlen ("unix://"), sizeof address.sun_path);
  fake->fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_assert_cmpint (bind (fake->fd, (struct sockaddr *) &address, sizeof address), ==, 0);
  g_assert_cmpint (listen (fake->fd, 8), ==, 0);
  fake->thread = g_thread_new ("fake listener", listen_for_clients, fake);
  return fake;
}

void
fake_free (Fake *fake)
{
  g_mutex_lock (&fake->lock);
  fake->stopping = TRUE;
  shutdown (fake->fd, SHUT_RDWR);
  for (guint i = 0; i < fake->fds->len; i++)
    shutdown (g_array_index (fake->fds, int, i), SHUT_RDWR);
  g_mutex_unlock (&fake->lock);
  g_thread_join (fake->thread);
  for (guint i = 0; i < fake->threads->len; i++)
    g_thread_join (fake->threads->pdata[i]);
  close (fake->fd);
  g_ptr_array_unref (fake->threads);
  g_array_unref (fake->fds);
  remove_temp_dir (fake->dir);
  g_free (fake->dir);
  g_free (fake->uri);
  g_free (fake->command);
  g_free (fake->last_request);
  g_mutex_clear (&fake->lock);
  g_free (fake);
}

const char *
fake_uri (Fake *fake)
{
  return fake->uri;
}

void
fake_handle (Fake *fake, const char *command, FakeHandler handler)
{
  g_mutex_lock (&fake->lock);
  g_free (fake->command);
  fake->command = g_strdup (command);
  fake->handler = handler;
  g_mutex_unlock (&fake->lock);
}

static guint
get (Fake *fake, const guint *number)
{
  guint value;

  g_mutex_lock (&fake->lock);
  value = *number;
  g_mutex_unlock (&fake->lock);
  return value;
}

guint
fake_n_connections (Fake *fake)
{
  return get (fake, &fake->n_connections);
}

guint
fake_n_requests (Fake *fake)
{
  return get (fake, &fake->n_requests);
}

char *
fake_last_request (Fake *fake)
{
  char *text;

  g_mutex_lock (&fake->lock);
  text = g_strdup (fake->last_request);
  g_mutex_unlock (&fake->lock);
  return text;
}

void
fake_pair_up (FakePair *pair, gconstpointer hang_ms)
{
  pair->fake = fake_new ();
  pair->watched = watched_new_connected (fake_uri (pair->fake), GPOINTER_TO_UINT (hang_ms));
}

void
fake_pair_down (FakePair *pair, gconstpointer hang_ms)
{
  watched_free (pair->watched);
  fake_free (pair->fake);
}

void
check_works (FakePair *pair)
{
  g_autofree char *text = NULL;

  fake_handle (pair->fake, NULL, NULL);
  wait_for_connection (pair->watched->vici);
  text = version (pair->watched->vici);
  g_assert_cmpstr (text, ==, "fake 1.0");
}

void
check_breaks (FakePair *pair, FakeHandler handler, int code, const char *part)
{
  g_auto (Answer) answer = { 0 };

  fake_handle (pair->fake, "unload-conn", handler);
  vr_vici_unload_conn (pair->watched->vici, "it", 0, NULL, answered, &answer);
  expect_error (pair->watched->vici, &answer, VR_VICI_ERROR, code, part);
  WAIT_FOR (pair->watched->n_disconnected == 1);
  g_assert_error (pair->watched->why, VR_VICI_ERROR, code);
  check_works (pair);
  g_assert_cmpuint (pair->watched->n_connected, ==, 2);
}

void
check_refuses (FakePair *pair, FakeHandler handler, int code, const char *part)
{
  g_auto (Answer) answer = { 0 };

  fake_handle (pair->fake, "unload-conn", handler);
  vr_vici_unload_conn (pair->watched->vici, "it", 0, NULL, answered, &answer);
  expect_error (pair->watched->vici, &answer, VR_VICI_ERROR, code, part);
  check_works (pair);
  g_assert_cmpuint (pair->watched->n_disconnected, ==, 0);
}
