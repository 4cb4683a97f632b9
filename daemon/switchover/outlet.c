/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A packet socket of type RAW with PACKET_VNET_HDR, the only type that may have it. It is bound to no protocol, so it receives nothing.
 *
 * An XFRM interface looks for the destination's route itself, with its own index as output interface, and then for the policy of its if_id: for
 * IPv4 it takes the destination for on-link if there is no such route; for IPv6 any route will do, because only the policy is used of what is
 * found. A guest that is relayed has one in either case.
 */
#include "outlet.h"

#include "fragment.h"
#include "too-big.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define TCP_OFFSET_AT 12 /* in a TCP header: its own length */
#define SEND_BUFFER (8 * 1024 * 1024) /* packets on their way out count until the interface has them */

struct _VrOutlet {
  char          dev[IFNAMSIZ];
  int           fd, index;
  gboolean      ethernet;
  struct ethhdr link; /* of packets out of an Ethernet interface, but for the type */
  VrTooBig     *too_big;
};

G_DEFINE_QUARK (vr-switchover-error-quark, vr_switchover_error)

void
vr_outlet_free (VrOutlet *outlet)
{
  if (outlet == NULL)
    return;
  if (outlet->fd >= 0)
    close (outlet->fd);
  vr_too_big_free (outlet->too_big);
  g_free (outlet);
}

static gboolean
set_options (VrOutlet *outlet, const char *dev, GError **error)
{
  int on = 1, size = SEND_BUFFER;

  outlet->fd = socket (AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (outlet->fd >= 0 && setsockopt (outlet->fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on) == 0)
    {
      if (setsockopt (outlet->fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) < 0)
        setsockopt (outlet->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
      return TRUE;
    }
  g_set_error (error, VR_SWITCHOVER_ERROR, VR_SWITCHOVER_ERROR_SOCKET, "cannot make a packet socket to send by %s: %s%s", dev,
               g_strerror (errno), errno == EPERM ? "; this needs CAP_NET_RAW" : "");
  return FALSE;
}

static gboolean
look_at (VrOutlet *outlet, const char *dev, GError **error)
{
  struct ifreq request = { 0 };

  g_strlcpy (request.ifr_name, dev, sizeof request.ifr_name);
  if (strlen (dev) >= IFNAMSIZ || ioctl (outlet->fd, SIOCGIFINDEX, &request) < 0)
    {
      g_set_error (error, VR_SWITCHOVER_ERROR, VR_SWITCHOVER_ERROR_INTERFACE, "cannot send by %s: there is no such interface", dev);
      return FALSE;
    }
  outlet->index = request.ifr_ifindex;
  if (ioctl (outlet->fd, SIOCGIFHWADDR, &request) < 0)
    {
      g_set_error (error, VR_SWITCHOVER_ERROR, VR_SWITCHOVER_ERROR_INTERFACE, "cannot send by %s: %s", dev, g_strerror (errno));
      return FALSE;
    }
  if (request.ifr_hwaddr.sa_family != ARPHRD_ETHER && request.ifr_hwaddr.sa_family != ARPHRD_NONE)
    {
      g_set_error (error, VR_SWITCHOVER_ERROR, VR_SWITCHOVER_ERROR_INTERFACE,
                   "cannot send by %s: its link layer (type %d) is neither Ethernet nor none", dev, request.ifr_hwaddr.sa_family);
      return FALSE;
    }
  outlet->ethernet = request.ifr_hwaddr.sa_family == ARPHRD_ETHER;
  memcpy (outlet->link.h_dest, request.ifr_hwaddr.sa_data, ETH_ALEN);
  memcpy (outlet->link.h_source, request.ifr_hwaddr.sa_data, ETH_ALEN);
  return TRUE;
}

VrOutlet *
vr_outlet_new (const char *dev, GError **error)
{
  g_autoptr (VrOutlet) outlet = g_new0 (VrOutlet, 1);

  outlet->fd = -1;
  g_strlcpy (outlet->dev, dev, sizeof outlet->dev);
  if (!set_options (outlet, dev, error) || !look_at (outlet, dev, error))
    return NULL;
  outlet->too_big = vr_too_big_new ();
  return g_steal_pointer (&outlet);
}

static int
send_parts (VrOutlet *outlet, guint16 protocol, const struct virtio_net_hdr *header, struct iovec *parts, int n_parts)
{
  struct sockaddr_ll    to = { .sll_family = AF_PACKET, .sll_ifindex = outlet->index, .sll_protocol = protocol };
  struct virtio_net_hdr own = { 0 };
  struct msghdr         message = { .msg_name = &to, .msg_namelen = sizeof to, .msg_iov = parts, .msg_iovlen = n_parts };

  if (header != NULL)
    {
      own = *header;
      own.flags &= VIRTIO_NET_HDR_F_NEEDS_CSUM; /* what a receiver found out says nothing to a sender */
    }
  parts[0] = (struct iovec) { &own, sizeof own };
  while (sendmsg (outlet->fd, &message, MSG_DONTWAIT) < 0)
    if (errno != EINTR)
      return errno;
  return 0;
}

static int
send_whole (VrOutlet *outlet, const struct virtio_net_hdr *header, const guint8 *packet, gsize len)
{
  guint8                version = len > 0 ? *packet >> 4 : 0;
  guint16               type = g_htons (version == 6 ? ETH_P_IPV6 : ETH_P_IP);
  struct virtio_net_hdr moved = { 0 };
  struct ethhdr         link = outlet->link;
  struct iovec          parts[3] = { { 0 }, { &link, sizeof link }, { (gpointer) packet, len } };

  if (version != 4 && version != 6)
    return EPROTONOSUPPORT;
  if (!outlet->ethernet)
    {
      parts[1] = parts[2];
      return send_parts (outlet, type, header, parts, 2);
    }
  link.h_proto = type;
  if (header != NULL)
    {
      moved = *header;
      moved.csum_start += ETH_HLEN;
      if (moved.hdr_len != 0)
        moved.hdr_len += ETH_HLEN;
    }
  return send_parts (outlet, type, &moved, parts, 3);
}

/* ---- larger than the interface's MTU ---- */

/* 0: the interface is gone. */
static guint
mtu_of (VrOutlet *outlet)
{
  struct ifreq request = { 0 };

  g_strlcpy (request.ifr_name, outlet->dev, sizeof request.ifr_name);
  return ioctl (outlet->fd, SIOCGIFMTU, &request) == 0 ? request.ifr_mtu : 0;
}

/* One piece; the two bytes at `sum_at` of it are `sum`. sum_at 0: there are none. */
static int
send_piece (VrOutlet *outlet, const VrFragment *piece, const guint8 *data, gsize sum_at, guint16 sum)
{
  struct ethhdr link = outlet->link;
  struct iovec  parts[6] = { { 0 } };
  int           n = 1;

  link.h_proto = g_htons (ETH_P_IP);
  if (outlet->ethernet)
    parts[n++] = (struct iovec) { &link, sizeof link };
  parts[n++] = (struct iovec) { (gpointer) &piece->ip, sizeof piece->ip };
  if (sum_at == 0)
    parts[n++] = (struct iovec) { (gpointer) data, piece->len };
  else
    {
      parts[n++] = (struct iovec) { (gpointer) data, sum_at };
      parts[n++] = (struct iovec) { &sum, sizeof sum };
      parts[n++] = (struct iovec) { (gpointer) (data + sum_at + sizeof sum), piece->len - sum_at - sizeof sum };
    }
  return send_parts (outlet, link.h_proto, NULL, parts, n);
}

/* As the kernel would do, were it routed. A checksum that is still partial covers all of the packet, and stands in its first piece. */
static int
send_in_pieces (VrOutlet *outlet, const struct virtio_net_hdr *header, const guint8 *packet, gsize len)
{
  gboolean     partial = header != NULL && (header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0;
  gsize        start = partial ? header->csum_start : 0, at = partial ? start + header->csum_offset : 0;
  const guint8 *data = packet + sizeof (struct iphdr);
  guint        mtu = mtu_of (outlet);
  VrFragment   piece = { 0 };
  guint16      sum = 0;

  if (mtu == 0)
    return ENXIO;
  if (partial && (start < sizeof (struct iphdr) || at + sizeof sum > len))
    return EINVAL;
  if (partial)
    sum = vr_fragment_checksum (packet + start, len - start);
  while (vr_fragment_next (&piece, packet, len, mtu))
    {
      gsize sum_at = partial && piece.offset == 0 ? at - sizeof (struct iphdr) : 0;
      int   failure = sum_at + (sum_at > 0 ? sizeof sum : 0) > piece.len ? EINVAL : send_piece (outlet, &piece, data + piece.offset, sum_at, sum);

      if (failure != 0)
        return failure;
    }
  return piece.offset > 0 ? 0 : EMSGSIZE;
}

/* The TCP segments of a GSO packet are still to be cut, by the kernel: so that the interface takes them. Their sender never knows. */
static void
fit_segments (VrOutlet *outlet, struct virtio_net_hdr *header, const guint8 *packet, gsize len)
{
  guint type = header->gso_type & ~VIRTIO_NET_HDR_GSO_ECN, mtu, headers;

  if ((type != VIRTIO_NET_HDR_GSO_TCPV4 && type != VIRTIO_NET_HDR_GSO_TCPV6) || (header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) == 0
      || header->csum_start + sizeof (struct tcphdr) > len)
    return;
  headers = header->csum_start + (packet[header->csum_start + TCP_OFFSET_AT] >> 4) * 4;
  mtu = mtu_of (outlet);
  if (mtu > headers)
    header->gso_size = MIN (header->gso_size, mtu - headers);
}

int
vr_outlet_send_packet (VrOutlet *outlet, const struct virtio_net_hdr *header, gconstpointer packet, gsize len)
{
  struct virtio_net_hdr fitting = { 0 };
  int                   failure;

  if (header != NULL && header->gso_type != VIRTIO_NET_HDR_GSO_NONE)
    {
      fitting = *header;
      fit_segments (outlet, &fitting, packet, len);
      header = &fitting;
    }
  failure = send_whole (outlet, header, packet, len);
  if (failure == EMSGSIZE && (header == NULL || header->gso_type == VIRTIO_NET_HDR_GSO_NONE) && vr_fragment_may (packet, len))
    return send_in_pieces (outlet, header, packet, len);
  if (failure == EMSGSIZE)
    vr_too_big_note (outlet->too_big, packet, len);
  return failure;
}

guint
vr_outlet_tell_senders (VrOutlet *outlet)
{
  guint mtu = mtu_of (outlet);

  return mtu > 0 ? vr_too_big_tell (outlet->too_big, mtu) : 0;
}

int
vr_outlet_send_frame (VrOutlet *outlet, const struct virtio_net_hdr *header, gconstpointer frame, gsize len)
{
  struct iovec parts[2] = { { 0 }, { (gpointer) frame, len } };
  guint16      type = 0;

  if (!outlet->ethernet || len < ETH_HLEN)
    return EPROTONOSUPPORT;
  memcpy (&type, (const guint8 *) frame + offsetof (struct ethhdr, h_proto), sizeof type);
  return send_parts (outlet, type, header, parts, 2);
}
