/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "frames.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { DEADLINE_MS = 20000 };

static guint32
sum_of (gconstpointer data, gsize len)
{
  const guint8 *bytes = data;
  guint32       sum = 0;

  for (; len > 1; len -= 2, bytes += 2)
    sum += (guint32) bytes[0] << 8 | bytes[1];
  return len > 0 ? sum + ((guint32) bytes[0] << 8) : sum;
}

static guint16
fold (guint32 sum)
{
  while (sum >> 16)
    sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}

static guint32
pseudo_sum (const guint8 *packet, guint8 protocol, gsize len)
{
  gboolean v6 = packet[0] >> 4 == 6;

  return (v6 ? sum_of (packet + 8, 32) : sum_of (packet + 12, 8)) + protocol + len;
}

static void
set_mac (guint8 *mac, const char *text)
{
  for (guint i = 0; i < ETH_ALEN; i++)
    mac[i] = g_ascii_strtoull (text + 3 * i, NULL, 16);
}

/* Ethernet and IP headers; returns where what is above IP begins, in the frame. */
static gsize
put_ip (Frame *frame, const char *from, const char *to, guint8 protocol, gsize payload)
{
  struct ethhdr *link = (gpointer) frame->data;
  guint8        *packet = frame->data + ETH_HLEN;
  gboolean       v6 = strchr (to, ':') != NULL;

  set_mac (link->h_dest, GUEST_MAC);
  set_mac (link->h_source, GATEWAY_MAC);
  link->h_proto = htons (v6 ? ETH_P_IPV6 : ETH_P_IP);
  if (v6)
    {
      struct ip6_hdr *ip = (gpointer) packet;

      ip->ip6_flow = htonl (6u << 28);
      ip->ip6_plen = htons (MIN (payload, G_MAXUINT16));
      ip->ip6_nxt = protocol;
      ip->ip6_hlim = 61;
      g_assert_cmpint (inet_pton (AF_INET6, from, &ip->ip6_src), ==, 1);
      g_assert_cmpint (inet_pton (AF_INET6, to, &ip->ip6_dst), ==, 1);
      return ETH_HLEN + sizeof *ip;
    }
  else
    {
      struct ip *ip = (gpointer) packet;

      ip->ip_v = 4;
      ip->ip_hl = 5;
      ip->ip_len = htons (sizeof *ip + payload);
      ip->ip_off = htons (IP_DF);
      ip->ip_ttl = 61;
      ip->ip_p = protocol;
      g_assert_cmpint (inet_pton (AF_INET, from, &ip->ip_src), ==, 1);
      g_assert_cmpint (inet_pton (AF_INET, to, &ip->ip_dst), ==, 1);
      ip->ip_sum = htons (~fold (sum_of (ip, sizeof *ip)));
      return ETH_HLEN + sizeof *ip;
    }
}

/* The checksum at `offset` of what begins at `start`: complete, or as much of it as is left of a partial one. */
static void
put_checksum (Frame *frame, gsize start, gsize offset, guint8 protocol, gboolean partial)
{
  gsize   len = frame->len - start;
  guint32 sum = pseudo_sum (frame->data + ETH_HLEN, protocol, len);
  guint16 value;

  memset (frame->data + start + offset, 0, 2);
  value = htons (partial ? fold (sum) : (guint16) ~fold (sum + sum_of (frame->data + start, len)));
  memcpy (frame->data + start + offset, &value, 2);
  if (!partial)
    return;
  frame->header.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
  frame->header.csum_start = start;
  frame->header.csum_offset = offset;
}

Frame *
frame_udp (const char *from, const char *to, guint16 port, const char *text, gboolean partial)
{
  Frame         *frame = g_new0 (Frame, 1);
  gsize          len = sizeof (struct udphdr) + strlen (text), start = put_ip (frame, from, to, IPPROTO_UDP, len);
  struct udphdr *udp = (gpointer) (frame->data + start);

  udp->uh_sport = udp->uh_dport = htons (port);
  udp->uh_ulen = htons (len);
  memcpy (udp + 1, text, strlen (text));
  frame->len = start + len;
  put_checksum (frame, start, offsetof (struct udphdr, uh_sum), IPPROTO_UDP, partial);
  return frame;
}

Frame *
frame_tcp (const char *from, const char *to, guint segments, guint size)
{
  Frame         *frame = g_new0 (Frame, 1);
  gsize          len = sizeof (struct tcphdr) + segments * size, start = put_ip (frame, from, to, IPPROTO_TCP, len);
  struct tcphdr *tcp = (gpointer) (frame->data + start);

  g_assert_cmpuint (start + len, <, FRAME_MAX);
  tcp->th_sport = tcp->th_dport = htons (4000);
  tcp->th_seq = htonl (1);
  tcp->th_off = sizeof *tcp / 4;
  tcp->th_flags = TH_ACK;
  for (guint i = 0; i < segments * size; i++)
    frame->data[start + sizeof *tcp + i] = i / size;
  frame->len = start + len;
  put_checksum (frame, start, offsetof (struct tcphdr, th_sum), IPPROTO_TCP, TRUE);
  if (segments < 2)
    return frame;
  frame->header.gso_type = strchr (to, ':') != NULL ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
  frame->header.gso_size = size;
  frame->header.hdr_len = start + sizeof *tcp;
  return frame;
}

void
frame_set_offset (Frame *frame, guint16 flags_and_offset)
{
  struct ip *ip = (gpointer) (frame->data + ETH_HLEN);

  ip->ip_off = htons (flags_and_offset);
  ip->ip_sum = 0;
  ip->ip_sum = htons (~fold (sum_of (ip, sizeof *ip)));
}

Frame *
frame_other (const char *to_mac, guint16 type, gsize len)
{
  Frame         *frame = g_new0 (Frame, 1);
  struct ethhdr *link = (gpointer) frame->data;

  set_mac (link->h_dest, to_mac);
  set_mac (link->h_source, GATEWAY_MAC);
  link->h_proto = htons (type);
  frame->len = ETH_HLEN + len;
  return frame;
}

/* ---- what arrived ---- */

static gboolean
parse (const guint8 *frame, gsize len, guint8 *protocol, gsize *start, gsize *end)
{
  const guint8 *packet = frame + ETH_HLEN;
  guint16       type = len > ETH_HLEN ? frame[12] << 8 | frame[13] : 0;

  if (type == ETH_P_IP && len >= ETH_HLEN + sizeof (struct ip))
    {
      *protocol = packet[9];
      *start = ETH_HLEN + (packet[0] & 15) * 4;
      *end = ETH_HLEN + (packet[2] << 8 | packet[3]);
    }
  else if (type == ETH_P_IPV6 && len >= ETH_HLEN + sizeof (struct ip6_hdr))
    {
      *protocol = packet[6];
      *start = ETH_HLEN + sizeof (struct ip6_hdr);
      *end = *start + (packet[4] << 8 | packet[5]);
    }
  else
    return FALSE;
  return *end <= len && *start < *end;
}

gboolean
frame_header_is_right (const guint8 *frame)
{
  return fold (sum_of (frame + ETH_HLEN, (frame[ETH_HLEN] & 15) * 4)) == 0xffff;
}

gboolean
frame_is_right (const guint8 *frame, gsize len)
{
  guint8 protocol;
  gsize  start, end;

  if (!parse (frame, len, &protocol, &start, &end))
    return FALSE;
  if (frame[ETH_HLEN] >> 4 == 4 && !frame_header_is_right (frame))
    return FALSE;
  return fold (pseudo_sum (frame + ETH_HLEN, protocol, end - start) + sum_of (frame + start, end - start)) == 0xffff;
}

char *
frame_text (const guint8 *frame, gsize len)
{
  guint8 protocol;
  gsize  start, end;

  if (!parse (frame, len, &protocol, &start, &end) || protocol != IPPROTO_UDP || end - start < sizeof (struct udphdr))
    return NULL;
  return g_strndup ((const char *) frame + start + sizeof (struct udphdr), end - start - sizeof (struct udphdr));
}

/* ---- taps ---- */

int
tap_open (const char *name, int flags)
{
  struct ifreq request = { 0 };
  int          fd = open ("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK), control = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

  g_assert_cmpint (fd, >=, 0);
  request.ifr_flags = IFF_TAP | IFF_NO_PI | flags;
  g_strlcpy (request.ifr_name, name, sizeof request.ifr_name);
  if (ioctl (fd, TUNSETIFF, &request) < 0)
    g_error ("tap %s: %s", name, g_strerror (errno));
  g_assert_cmpint (ioctl (control, SIOCGIFFLAGS, &request), ==, 0);
  request.ifr_flags |= IFF_UP;
  g_assert_cmpint (ioctl (control, SIOCSIFFLAGS, &request), ==, 0);
  close (control);
  return fd;
}

/* Router and listener reports, and the like, that the kernel sends by any interface with IPv6. */
static gboolean
is_chatter (const guint8 *frame)
{
  return frame[0] == 0x33 && frame[1] == 0x33;
}

gsize
tap_read (int fd, gboolean has_header, guint8 *frame, gsize size)
{
  struct pollfd waiting = { .fd = fd, .events = POLLIN };
  gsize         skip = has_header ? sizeof (struct virtio_net_hdr) : 0;
  g_autofree guint8 *buffer = g_malloc (size + skip);
  gssize        got;

  do
    {
      if (poll (&waiting, 1, DEADLINE_MS) <= 0)
        g_error ("no frame came");
      got = read (fd, buffer, size + skip);
      g_assert_cmpint (got, >, (gssize) skip);
    }
  while (is_chatter (buffer + skip));
  memcpy (frame, buffer + skip, got - skip);
  return got - skip;
}
