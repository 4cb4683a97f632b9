/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A datagram as traceroute(8) sends them, to its first port: firewalls that know anything know that.
 *
 * Its way is host, relay, owner. The relay (the home, or the host that the guest left) counts one hop; so with two, the owner may not forward it, whatever its own routes and filter
 * say of the guest, and says "time exceeded" to the sender. It does that by its own routes (plan-here.c has one to each peer's gateway), by the
 * short way, and the kernel here puts it into the error queue of the socket.
 *
 * Two sockets share one address and port: one is bound to the interface that the marker leaves by, which also keeps errors that come by
 * another from it; the other, bound to none, gets those.
 */
#include "marker.h"

#include "daemon/model/address.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOPS 2
#define PORT 33434

struct _VrMarker {
  int                     out, errors;
  struct sockaddr_storage to;
  socklen_t               to_size;
  char                  **answerers;
  guint                   watch;
  VrMarkerReturned        returned;
  gpointer                data;
};

G_DEFINE_QUARK (vr-marker-error-quark, vr_marker_error)

void
vr_marker_free (VrMarker *marker)
{
  if (marker == NULL)
    return;
  g_clear_handle_id (&marker->watch, g_source_remove);
  if (marker->out >= 0)
    close (marker->out);
  if (marker->errors >= 0)
    close (marker->errors);
  g_strfreev (marker->answerers);
  g_free (marker);
}

/* ---- what comes back ---- */

static gboolean
is_answerer (const VrMarker *marker, const struct sockaddr *offender)
{
  g_autoptr (GSocketAddress) address = g_socket_address_new_from_native ((gpointer) offender, sizeof (struct sockaddr_in6));
  g_autofree char *text = NULL;

  if (!G_IS_INET_SOCKET_ADDRESS (address))
    return FALSE;
  text = g_inet_address_to_string (g_inet_socket_address_get_address (G_INET_SOCKET_ADDRESS (address)));
  for (char **answerer = marker->answerers; *answerer != NULL; answerer++)
    if (strchr (*answerer, '/') != NULL ? vr_address_is_v6 (*answerer) == vr_address_is_v6 (text) && vr_network_contains (*answerer, text)
                                        : g_str_equal (*answerer, text))
      return TRUE;
  g_info ("a marker ended at %s, on its way", text);
  return FALSE;
}

static gboolean
is_return (const VrMarker *marker, struct msghdr *message)
{
  for (struct cmsghdr *c = CMSG_FIRSTHDR (message); c != NULL; c = CMSG_NXTHDR (message, c))
    {
      const struct sock_extended_err *e = (const struct sock_extended_err *) CMSG_DATA (c);
      gboolean four = c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR;
      gboolean six = c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR;

      if ((four && e->ee_origin == SO_EE_ORIGIN_ICMP && e->ee_type == ICMP_TIME_EXCEEDED && e->ee_code == ICMP_EXC_TTL)
          || (six && e->ee_origin == SO_EE_ORIGIN_ICMP6 && e->ee_type == ICMP6_TIME_EXCEEDED && e->ee_code == ICMP6_TIME_EXCEED_TRANSIT))
        return is_answerer (marker, SO_EE_OFFENDER (e));
    }
  return FALSE;
}

static gboolean
on_error (int fd, GIOCondition condition, gpointer data)
{
  VrMarker *marker = data;
  gboolean  back = FALSE;
  gssize    got;
  int       pending;
  socklen_t size = sizeof pending;

  do
    {
      char          payload[64];
      _Alignas (struct cmsghdr) char control[512];
      struct iovec  part = { payload, sizeof payload };
      struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };

      got = recvmsg (fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT);
      back = back || (got >= 0 && is_return (marker, &message));
    }
  while (got >= 0 || errno == EINTR);
  if (condition & G_IO_ERR) /* the same error once more, for a socket without a queue */
    getsockopt (fd, SOL_SOCKET, SO_ERROR, &pending, &size);
  while (recv (fd, NULL, 0, MSG_DONTWAIT) >= 0) /* datagrams, from nobody who was asked */
    ;
  if (!back)
    return G_SOURCE_CONTINUE;
  marker->watch = 0;
  marker->returned (marker->data);
  return G_SOURCE_REMOVE;
}

/* ---- the sockets ---- */

static int
open_socket (int family)
{
  int fd = socket (family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;

  if (fd >= 0 && setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0)
    {
      close (fd);
      return -1;
    }
  return fd;
}

static gboolean
set_options (VrMarker *marker, const char *dev)
{
  gboolean four = marker->to.ss_family == AF_INET;
  int      hops = HOPS, on = 1;

  return setsockopt (marker->out, SOL_SOCKET, SO_BINDTODEVICE, dev, strlen (dev) + 1) == 0
         && setsockopt (marker->out, four ? IPPROTO_IP : IPPROTO_IPV6, four ? IP_TTL : IPV6_UNICAST_HOPS, &hops, sizeof hops) == 0
         && setsockopt (marker->errors, four ? IPPROTO_IP : IPPROTO_IPV6, four ? IP_RECVERR : IPV6_RECVERR, &on, sizeof on) == 0;
}

/* The first chooses the port, the second takes the same. */
static gboolean
bind_both (VrMarker *marker, const char *source)
{
  g_autoptr (GSocketAddress) address = g_inet_socket_address_new_from_string (source, 0);
  struct sockaddr_storage    native;
  socklen_t                  size = sizeof native;

  if (address == NULL || !g_socket_address_to_native (address, &native, sizeof native, NULL) || native.ss_family != marker->to.ss_family)
    {
      errno = EADDRNOTAVAIL;
      return FALSE;
    }
  return bind (marker->errors, (struct sockaddr *) &native, (socklen_t) g_socket_address_get_native_size (address)) == 0
         && getsockname (marker->errors, (struct sockaddr *) &native, &size) == 0
         && bind (marker->out, (struct sockaddr *) &native, size) == 0;
}

VrMarker *
vr_marker_new (const char *source, const char *destination, const char *dev, const char *const *answerers, VrMarkerReturned returned,
               gpointer data, GError **error)
{
  g_autoptr (VrMarker) marker = g_new0 (VrMarker, 1);
  g_autoptr (GSocketAddress) to = g_inet_socket_address_new_from_string (destination, PORT);

  marker->out = marker->errors = -1;
  marker->answerers = g_strdupv ((char **) answerers);
  marker->returned = returned;
  marker->data = data;
  g_return_val_if_fail (to != NULL && g_socket_address_to_native (to, &marker->to, sizeof marker->to, NULL), NULL);
  marker->to_size = (socklen_t) g_socket_address_get_native_size (to);
  marker->out = open_socket (marker->to.ss_family);
  marker->errors = open_socket (marker->to.ss_family);
  if (marker->out < 0 || marker->errors < 0 || !set_options (marker, dev) || !bind_both (marker, source))
    {
      g_set_error (error, VR_MARKER_ERROR, VR_MARKER_ERROR_SOCKET, "cannot send a marker from %s to %s by %s: %s", source, destination, dev,
                   g_strerror (errno));
      return NULL;
    }
  marker->watch = g_unix_fd_add (marker->errors, G_IO_IN | G_IO_ERR, on_error, marker);
  return g_steal_pointer (&marker);
}

void
vr_marker_send (VrMarker *marker)
{
  if (sendto (marker->out, "", 0, MSG_DONTWAIT, (struct sockaddr *) &marker->to, marker->to_size) < 0)
    g_info ("a marker was not sent: %s", g_strerror (errno));
}
