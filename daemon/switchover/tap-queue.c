/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tap-queue.h"

#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

void
vr_tap_queue_lengthen (const char *tap, int index, guint packets)
{
  struct ifreq asked = { 0 };
  int          control = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

  if (control < 0)
    return;
  g_strlcpy (asked.ifr_name, tap, sizeof asked.ifr_name);
  if ((int) if_nametoindex (tap) == index && ioctl (control, SIOCGIFTXQLEN, &asked) == 0 && asked.ifr_qlen < (int) packets)
    {
      asked.ifr_qlen = (int) packets;
      ioctl (control, SIOCSIFTXQLEN, &asked);
    }
  close (control);
}
