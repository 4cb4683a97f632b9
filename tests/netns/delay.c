/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "delay.h"

#include "frames.h"
#include "netns.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

typedef struct {
  gint64 due;
  gsize  len;
  guint8 data[];
} Late;

struct _Delay {
  int      taps[2];
  gint64   delay_us;
  GQueue   late[2]; /* of Late: on their way from taps[i] */
  GThread *thread;
  gint     stop, lose, lost;
  guint8   frame[FRAME_MAX];
};

static int
open_end (const char *host, const char *dev)
{
  int fd;

  if (*host != '\0')
    host_enter (host);
  fd = tap_open (dev, 0);
  sh ("ip link set %s arp off address 02:00:00:00:00:77 txqueuelen 20000", dev);
  if (*host != '\0')
    host_leave ();
  return fd;
}

static gboolean
is_lost (Delay *delay, const guint8 *frame, gsize len)
{
  gsize udp = ETH_HLEN + (frame[12] == 0x08 ? 20 : 40);
  gint  port = g_atomic_int_get (&delay->lose);

  if (port == 0 || len < udp + 4 || (frame[udp + 2] << 8 | frame[udp + 3]) != port)
    return FALSE;
  g_atomic_int_inc (&delay->lost);
  return TRUE;
}

static void
take (Delay *delay, guint end)
{
  guint8 *frame = delay->frame;
  gssize  got;

  while ((got = read (delay->taps[end], frame, FRAME_MAX)) > 0)
    if (end == 1 || !is_lost (delay, frame, (gsize) got))
      {
        Late *late = g_malloc (sizeof *late + (gsize) got);

        late->due = g_get_monotonic_time () + delay->delay_us;
        late->len = (gsize) got;
        memcpy (late->data, frame, (gsize) got);
        g_queue_push_tail (&delay->late[end], late);
      }
}

static void
give (Delay *delay, guint end)
{
  Late *late;

  while ((late = g_queue_peek_head (&delay->late[end])) != NULL && late->due <= g_get_monotonic_time ())
    {
      g_assert_cmpint (write (delay->taps[!end], late->data, late->len), ==, (gssize) late->len);
      g_free (g_queue_pop_head (&delay->late[end]));
    }
}

static gpointer
carry (gpointer data)
{
  Delay *delay = data;

  while (!g_atomic_int_get (&delay->stop))
    {
      struct pollfd waiting[] = { { .fd = delay->taps[0], .events = POLLIN }, { .fd = delay->taps[1], .events = POLLIN } };

      poll (waiting, 2, 1);
      for (guint end = 0; end < 2; end++)
        {
          take (delay, end);
          give (delay, end);
        }
    }
  return NULL;
}

Delay *
delay_new (const char *a, const char *dev, const char *b, const char *other, guint delay_ms)
{
  Delay *delay = g_new0 (Delay, 1);

  delay->taps[0] = open_end (a, dev);
  delay->taps[1] = open_end (b, other);
  delay->delay_us = delay_ms * G_TIME_SPAN_MILLISECOND;
  delay->thread = g_thread_new ("delay", carry, delay);
  return delay;
}

void
delay_free (Delay *delay)
{
  g_atomic_int_set (&delay->stop, TRUE);
  g_thread_join (delay->thread);
  for (guint end = 0; end < 2; end++)
    {
      g_queue_clear_full (&delay->late[end], g_free);
      close (delay->taps[end]);
    }
  g_free (delay);
}

void
delay_lose (Delay *delay, guint16 port)
{
  g_atomic_int_set (&delay->lose, port);
}

guint
delay_lost (Delay *delay)
{
  return (guint) g_atomic_int_get (&delay->lost);
}
