/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A datagram to a link-local multicast group that is for experiments (RFC 4727, section 2.4.2) and that nobody joins: without a member, routing at
 * the other end drops it without a word, before any filter sees it. Whatever the underlay is, the tunnel takes both families, so IPv4 does. Its source is
 * the address that all tunnels' interfaces have.
 */
#include "greeting.h"

#include "daemon/names.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gio/gio.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define GROUP "224.0.0.254"
#define PORT 9 /* discard, RFC 863 */

static gboolean
send_by (int fd, const char *dev)
{
  struct sockaddr_in from = { .sin_family = AF_INET }, to = { .sin_family = AF_INET, .sin_port = htons (PORT) };
  int                hops = 1, loop = 0;

  inet_pton (AF_INET, VR_LINK_ADDRESS, &from.sin_addr);
  inet_pton (AF_INET, GROUP, &to.sin_addr);
  return setsockopt (fd, SOL_SOCKET, SO_BINDTODEVICE, dev, strlen (dev) + 1) == 0
         && setsockopt (fd, IPPROTO_IP, IP_MULTICAST_TTL, &hops, sizeof hops) == 0
         && setsockopt (fd, IPPROTO_IP, IP_MULTICAST_LOOP, &loop, sizeof loop) == 0
         && bind (fd, (struct sockaddr *) &from, sizeof from) == 0
         && sendto (fd, "", 0, MSG_DONTWAIT, (struct sockaddr *) &to, sizeof to) == 0;
}

gboolean
vr_greeting_send (const char *dev, GError **error)
{
  int      fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  gboolean ok = fd >= 0 && send_by (fd, dev);
  int      why = errno;

  if (fd >= 0)
    close (fd);
  if (!ok)
    g_set_error (error, G_IO_ERROR, g_io_error_from_errno (why), "cannot send by %s: %s", dev, g_strerror (why));
  return ok;
}
