/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bulk.h"

#include "netns.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PORT = 7007, WORDS = 4096 };

/* The stream is the numbers 0, 1, 2, ... as 32-bit words. */
struct _Bulk {
  int                     from, listener;
  struct sockaddr_storage to;
  socklen_t               to_size;
  GThread                *sender, *receiver;
  gint                    stop;
  gsize                   sent, received; /* bytes; received: atomic */
};

static int
tcp_open (const char *host)
{
  int fd;

  host_enter (host);
  fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  host_leave ();
  g_assert_cmpint (fd, >=, 0);
  return fd;
}

static gpointer
send_all (gpointer data)
{
  Bulk   *bulk = data;
  guint32 words[WORDS], next = 0;

  g_assert_cmpint (connect (bulk->from, (struct sockaddr *) &bulk->to, bulk->to_size), ==, 0);
  while (!g_atomic_int_get (&bulk->stop))
    {
      for (guint i = 0; i < WORDS; i++)
        words[i] = next++;
      for (gsize done = 0; done < sizeof words;)
        {
          gssize n = send (bulk->from, (guint8 *) words + done, sizeof words - done, MSG_NOSIGNAL);

          g_assert_true (n > 0 || errno == EINTR);
          done += MAX (n, 0);
        }
      bulk->sent += sizeof words;
    }
  shutdown (bulk->from, SHUT_WR);
  return NULL;
}

static gpointer
receive_all (gpointer data)
{
  Bulk   *bulk = data;
  int     fd = accept4 (bulk->listener, NULL, NULL, SOCK_CLOEXEC);
  guint32 word, next = 0;
  guint8  got[64 * 1024];
  gsize   left = 0; /* bytes of a word that has not come whole */
  gssize  n;

  g_assert_cmpint (fd, >=, 0);
  while ((n = recv (fd, got + left, sizeof got - left, 0)) > 0)
    {
      gsize all = left + n, at = 0;

      for (; at + sizeof word <= all; at += sizeof word)
        {
          memcpy (&word, got + at, sizeof word);
          g_assert_cmpuint (word, ==, next++);
        }
      left = all - at;
      memmove (got, got + at, left);
      __atomic_add_fetch (&bulk->received, n, __ATOMIC_RELAXED);
    }
  g_assert_cmpint (n, ==, 0);
  close (fd);
  return NULL;
}

Bulk *
bulk_new (const char *from_host, const char *to_host, const char *to)
{
  Bulk *bulk = g_new0 (Bulk, 1);

  bulk->to_size = address_of (to, PORT, &bulk->to);
  bulk->listener = tcp_open (to_host);
  bulk->from = tcp_open (from_host);
  g_assert_cmpint (bind (bulk->listener, (struct sockaddr *) &bulk->to, bulk->to_size), ==, 0);
  g_assert_cmpint (listen (bulk->listener, 1), ==, 0);
  bulk->receiver = g_thread_new ("bulk-receiver", receive_all, bulk);
  bulk->sender = g_thread_new ("bulk-sender", send_all, bulk);
  return bulk;
}

typedef struct {
  Bulk *bulk;
  gsize wanted;
} Awaited;

static gboolean
has_arrived (gpointer data)
{
  const Awaited *awaited = data;

  return __atomic_load_n (&awaited->bulk->received, __ATOMIC_RELAXED) >= awaited->wanted;
}

void
bulk_await (Bulk *bulk, gsize more)
{
  Awaited awaited = { bulk, __atomic_load_n (&bulk->received, __ATOMIC_RELAXED) + more };

  g_assert_true (wait_for (has_arrived, &awaited));
}

guint64
bulk_stop (Bulk *bulk)
{
  guint64 sent;

  g_atomic_int_set (&bulk->stop, TRUE);
  g_thread_join (bulk->sender);
  g_thread_join (bulk->receiver);
  sent = bulk->sent;
  g_assert_cmpuint (bulk->received, ==, sent);
  close (bulk->from);
  close (bulk->listener);
  g_free (bulk);
  return sent;
}
