/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tap-queue.h"

#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* A tap's queue that is longer than it was. */
typedef struct {
  char tap[IFNAMSIZ];
  int  index, length, lengthened;
} Longer;

/* Asks for, or sets, the queue's length of the interface of that name; -1: there is none. */
static int
queue_length (const char *tap, unsigned long request, int length)
{
  struct ifreq asked = { 0 };
  int          control = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), failed;

  g_strlcpy (asked.ifr_name, tap, sizeof asked.ifr_name);
  asked.ifr_qlen = length;
  failed = control < 0 ? -1 : ioctl (control, request, &asked);
  if (control >= 0)
    close (control);
  return failed < 0 ? -1 : asked.ifr_qlen;
}

static gboolean
on_restore (gpointer data)
{
  const Longer *longer = data; /* freed with the source */

  if ((int) if_nametoindex (longer->tap) == longer->index && queue_length (longer->tap, SIOCGIFTXQLEN, 0) == longer->lengthened)
    queue_length (longer->tap, SIOCSIFTXQLEN, longer->length);
  return G_SOURCE_REMOVE;
}

void
vr_tap_queue_lengthen (const char *tap, int index, guint packets, guint ms)
{
  int     length = queue_length (tap, SIOCGIFTXQLEN, 0);
  Longer *longer;

  if (length < 0 || length >= (int) packets || queue_length (tap, SIOCSIFTXQLEN, (int) packets) < 0)
    return;
  longer = g_new0 (Longer, 1);
  g_strlcpy (longer->tap, tap, sizeof longer->tap);
  longer->index = index;
  longer->length = length;
  longer->lengthened = (int) packets;
  g_timeout_add_full (G_PRIORITY_DEFAULT, ms, on_restore, longer, g_free);
}
