/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The interface has IFF_VNET_HDR and says that it takes partial checksums and GSO packets, so they wait as they are and leave as they came.
 * A packet that is forwarded into it has had its hop counted, its MSS clamped and its size checked (the MTU is that of the tunnel it
 * leaves by); sent by a packet socket, none of that happens again.
 *
 * The kernel says something on every new interface itself (MLD, router solicitations): multicast is not what was held, and not sent.
 */
#include "hold.h"

#include "daemon/names.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define TUN "/dev/net/tun"
#define LARGEST (64 * 1024 + 1024) /* a GSO packet, with its headers */

struct _VrHold {
  int          tun;
  VrHoldCounts counts;
  char        *buffer; /* one packet, with its header */
};

G_DEFINE_QUARK (vr-hold-error-quark, vr_hold_error)

static gboolean
fail (GError **error, const char *what)
{
  g_set_error (error, VR_HOLD_ERROR, VR_HOLD_ERROR_TUN, "cannot hold packets: interface " VR_HOLD_LINK ": %s: %s%s", what, g_strerror (errno),
               errno == ENOENT || errno == ENODEV ? "; the kernel needs TUN (modprobe tun)"
               : errno == EPERM || errno == EACCES ? "; this needs CAP_NET_ADMIN, and " TUN " allowed in the unit" : "");
  return FALSE;
}

static gboolean
make (VrHold *hold, GError **error)
{
  struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR };

  g_strlcpy (request.ifr_name, VR_HOLD_LINK, sizeof request.ifr_name);
  hold->tun = open (TUN, O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (hold->tun < 0)
    return fail (error, "open " TUN);
  if (ioctl (hold->tun, TUNSETIFF, &request) < 0)
    return fail (error, "make it");
  if (ioctl (hold->tun, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN) < 0)
    return fail (error, "take packets as they are");
  return TRUE;
}

/* The room for packets is set before it is up: from then on it is used. */
static gboolean
set_up (const char *like, GError **error)
{
  struct ifreq request = { 0 }, other = { 0 };
  int          fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  gboolean     ok;

  g_strlcpy (request.ifr_name, VR_HOLD_LINK, sizeof request.ifr_name);
  g_strlcpy (other.ifr_name, like, sizeof other.ifr_name);
  ok = fd >= 0 && ioctl (fd, SIOCGIFMTU, &other) == 0;
  request.ifr_mtu = other.ifr_mtu;
  ok = ok && ioctl (fd, SIOCSIFMTU, &request) == 0;
  request.ifr_qlen = VR_HOLD_PACKETS;
  ok = ok && ioctl (fd, SIOCSIFTXQLEN, &request) == 0;
  request.ifr_flags = IFF_UP;
  ok = ok && ioctl (fd, SIOCSIFFLAGS, &request) == 0;
  if (!ok)
    fail (error, "set its MTU and queue, and set it up");
  if (fd >= 0)
    close (fd);
  return ok;
}

VrHold *
vr_hold_new (const char *like, GError **error)
{
  g_autoptr (VrHold) hold = g_new0 (VrHold, 1);

  hold->tun = -1;
  hold->buffer = g_malloc (LARGEST);
  if (!make (hold, error) || !set_up (like, error))
    return NULL;
  return g_steal_pointer (&hold);
}

void
vr_hold_free (VrHold *hold)
{
  if (hold == NULL)
    return;
  if (hold->tun >= 0)
    close (hold->tun);
  g_free (hold->buffer);
  g_free (hold);
}

static gboolean
is_multicast (const char *packet)
{
  return (guint8) packet[0] >> 4 == 6 && (guint8) packet[24] == 0xff;
}

gboolean
vr_hold_release (VrHold *hold, VrOutlet *outlet, guint most)
{
  const gssize header = sizeof (struct virtio_net_hdr);

  for (guint n = 0; n < most; n++)
    {
      gssize got = read (hold->tun, hold->buffer, LARGEST);
      int    why;

      if (got < 0 && errno == EINTR)
        continue;
      if (got < 0)
        return TRUE;
      if (got < header + 40 && ((guint8) hold->buffer[header] >> 4 == 6 || got < header + 20))
        continue; /* no whole IP header: the kernel does not send that */
      if (is_multicast (hold->buffer + header))
        continue;
      why = vr_outlet_send_packet (outlet, (struct virtio_net_hdr *) hold->buffer, hold->buffer + header, (gsize) (got - header));
      if (why == 0)
        {
          hold->counts.sent++;
          hold->counts.gso += ((struct virtio_net_hdr *) hold->buffer)->gso_type != VIRTIO_NET_HDR_GSO_NONE;
        }
      else if (hold->counts.not_sent++ == 0)
        hold->counts.why = why;
    }
  return FALSE;
}

/* The interface's own count of what it had no room for: the fourth of the sender's columns. */
static guint64
dropped (void)
{
  g_autofree char *text = NULL;
  const char      *line;
  guint64          count = 0;

  if (!g_file_get_contents ("/proc/thread-self/net/dev", &text, NULL, NULL))
    return 0;
  line = strstr (text, VR_HOLD_LINK ":");
  if (line != NULL
      && sscanf (line + strlen (VR_HOLD_LINK ":"), "%*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %" G_GINT64_MODIFIER "u", &count) != 1)
    return 0;
  return count;
}

guint64
vr_hold_sent (const VrHold *hold)
{
  return hold->counts.sent;
}

VrHoldCounts
vr_hold_counts (const VrHold *hold)
{
  VrHoldCounts counts = hold->counts;

  counts.dropped = dropped ();
  return counts;
}
