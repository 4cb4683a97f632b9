/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream.h"

#include "netns.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PORT = 4000, ROOM = 64 * 1024 * 1024, DEADLINE_MS = 20000, LAST = 0 /* no packet's number */ };

struct _Stream {
  int      out, in;
  char    *to;
  GThread *thread;
  guint    pause_us;
  gint     sent, stop;
};

static void
send_number (const Stream *stream, guint32 number)
{
  struct sockaddr_storage native;
  socklen_t               size = address_of (stream->to, PORT, &native);

  while (sendto (stream->out, &number, sizeof number, 0, (struct sockaddr *) &native, size) < 0)
    if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS)
      g_error ("send to %s: %s", stream->to, g_strerror (errno));
}

static gpointer
send_all (gpointer data)
{
  Stream *stream = data;

  while (!g_atomic_int_get (&stream->stop))
    {
      send_number (stream, (guint32) g_atomic_int_get (&stream->sent) + 1);
      g_atomic_int_inc (&stream->sent);
      g_usleep (stream->pause_us);
    }
  return NULL;
}

Stream *
stream_new (const char *from_host, const char *from, const char *to_host, const char *to, guint pause_us)
{
  Stream *stream = g_new0 (Stream, 1);
  int     room = ROOM;

  stream->out = udp_open (from_host, from, 0);
  stream->in = udp_open (to_host, to, PORT);
  stream->to = g_strdup (to);
  g_assert_cmpint (setsockopt (stream->in, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room), ==, 0);
  stream->pause_us = pause_us;
  stream->thread = g_thread_new ("stream", send_all, stream);
  return stream;
}

typedef struct {
  Stream *stream;
  gint    wanted;
} Awaited;

static gboolean
is_sent (gpointer data)
{
  const Awaited *awaited = data;

  return g_atomic_int_get (&awaited->stream->sent) >= awaited->wanted;
}

void
stream_await (Stream *stream, guint more)
{
  Awaited awaited = { stream, g_atomic_int_get (&stream->sent) + (gint) more };

  g_assert_true (wait_for (is_sent, &awaited));
}

/* One number; FALSE: it was the last. */
static gboolean
receive (Stream *stream, StreamCounts *counts, guint8 *seen, guint32 *highest)
{
  struct pollfd waiting = { .fd = stream->in, .events = POLLIN };
  guint32       number;

  if (poll (&waiting, 1, DEADLINE_MS) <= 0)
    g_error ("the last datagram to %s did not arrive", stream->to);
  g_assert_cmpint (recv (stream->in, &number, sizeof number, 0), ==, sizeof number);
  if (number == LAST)
    return FALSE;
  g_assert_cmpuint (number, <=, counts->sent);
  counts->duplicated += seen[number];
  counts->reordered += number < *highest;
  seen[number] = 1;
  *highest = MAX (*highest, number);
  return TRUE;
}

StreamCounts
stream_stop (Stream *stream)
{
  StreamCounts        counts = { 0 };
  g_autofree guint8 *seen = NULL;
  guint32             highest = 0;

  g_atomic_int_set (&stream->stop, TRUE);
  g_thread_join (stream->thread);
  counts.sent = (guint) stream->sent;
  seen = g_malloc0 (counts.sent + 1);
  settle (); /* what still goes the long way is not overtaken by the last one */
  send_number (stream, LAST);
  while (receive (stream, &counts, seen, &highest))
    ;
  for (guint i = 1; i <= counts.sent; i++)
    counts.lost += !seen[i];
  close (stream->in);
  close (stream->out);
  g_free (stream->to);
  g_free (stream);
  return counts;
}
