/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An announcement tells neighbours that an address now has another MAC. IPv4: a gratuitous ARP request and a gratuitous
 * reply, because some neighbours heed one, some the other. IPv6: an unsolicited advertisement to all nodes, with the
 * override flag. None of them makes a neighbour learn an address that it does not know yet.
 *
 * If the MAC is the interface's own, this host stands there for the address, and it is a router: an advertisement that
 * said otherwise would take a gateway from its neighbours' lists of routers.
 */
#include "announce.h"

#include "daemon/model/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/if_ether.h>
#include <netinet/ip6.h>
#include <netpacket/packet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct {
  struct ether_header ether;
  struct ether_arp    arp;
} __attribute__ ((packed)) ArpFrame;

typedef struct {
  struct ether_header      ether;
  struct ip6_hdr           ip;
  struct nd_neighbor_advert advert;
  struct nd_opt_hdr        option; /* target link-layer address */
  guint8                   mac[6];
} __attribute__ ((packed)) AdvertFrame;

static gboolean
send_frame (const VrLink *link, gconstpointer frame, gsize size, GError **error)
{
  struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = link->index, .sll_halen = 6 };
  int      fd = socket (AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  gboolean sent;

  memcpy (to.sll_addr, frame, 6);
  sent = fd >= 0 && sendto (fd, frame, size, MSG_DONTWAIT, (struct sockaddr *) &to, sizeof to) == (gssize) size;
  if (!sent)
    g_set_error (error, VR_KERNEL_ERROR, VR_KERNEL_ERROR_LINK, "%s%s", g_strerror (errno),
                 errno == EPERM ? "; this needs CAP_NET_RAW" : "");
  if (fd >= 0)
    close (fd);
  return sent;
}

static gboolean
announce_v4 (const VrLink *link, const guint8 *mac, const guint8 *address, GError **error)
{
  ArpFrame frame = { 0 };

  memset (frame.ether.ether_dhost, 0xff, 6);
  memcpy (frame.ether.ether_shost, mac, 6);
  frame.ether.ether_type = htons (ETHERTYPE_ARP);
  frame.arp.arp_hrd = htons (ARPHRD_ETHER);
  frame.arp.arp_pro = htons (ETHERTYPE_IP);
  frame.arp.arp_hln = 6;
  frame.arp.arp_pln = 4;
  frame.arp.arp_op = htons (ARPOP_REQUEST);
  memcpy (frame.arp.arp_sha, mac, 6);
  memcpy (frame.arp.arp_spa, address, 4);
  memcpy (frame.arp.arp_tpa, address, 4);
  if (!send_frame (link, &frame, sizeof frame, error))
    return FALSE;
  frame.arp.arp_op = htons (ARPOP_REPLY);
  memset (frame.arp.arp_tha, 0xff, 6);
  return send_frame (link, &frame, sizeof frame, error);
}

static guint32
add_words (guint32 sum, gconstpointer data, gsize size)
{
  const guint8 *bytes = data;

  for (gsize i = 0; i + 1 < size; i += 2)
    sum += (guint32) bytes[i] << 8 | bytes[i + 1];
  return sum;
}

/* Over the pseudo header and the message, whose length is even. */
static guint16
icmp6_checksum (const AdvertFrame *frame, gsize length)
{
  guint32 sum = length + IPPROTO_ICMPV6;

  sum = add_words (sum, &frame->ip.ip6_src, sizeof frame->ip.ip6_src);
  sum = add_words (sum, &frame->ip.ip6_dst, sizeof frame->ip.ip6_dst);
  sum = add_words (sum, &frame->advert, length);
  while (sum >> 16)
    sum = (sum & 0xffff) + (sum >> 16);
  return htons (~sum & 0xffff);
}

static gboolean
announce_v6 (const VrLink *link, const guint8 *mac, const guint8 *address, gboolean router, GError **error)
{
  static const guint8 all_nodes_mac[6] = { 0x33, 0x33, 0, 0, 0, 1 };
  const gsize length = sizeof (AdvertFrame) - G_STRUCT_OFFSET (AdvertFrame, advert);
  AdvertFrame frame = { 0 };

  memcpy (frame.ether.ether_dhost, all_nodes_mac, 6);
  memcpy (frame.ether.ether_shost, mac, 6);
  frame.ether.ether_type = htons (ETHERTYPE_IPV6);
  frame.ip.ip6_flow = htonl (6u << 28);
  frame.ip.ip6_plen = htons (length);
  frame.ip.ip6_nxt = IPPROTO_ICMPV6;
  frame.ip.ip6_hlim = 255;
  memcpy (&frame.ip.ip6_src, address, 16);
  inet_pton (AF_INET6, "ff02::1", &frame.ip.ip6_dst);
  frame.advert.nd_na_type = ND_NEIGHBOR_ADVERT;
  frame.advert.nd_na_flags_reserved = ND_NA_FLAG_OVERRIDE | (router ? ND_NA_FLAG_ROUTER : 0);
  memcpy (&frame.advert.nd_na_target, address, 16);
  frame.option.nd_opt_type = ND_OPT_TARGET_LINKADDR;
  frame.option.nd_opt_len = 1;
  memcpy (frame.mac, mac, 6);
  frame.advert.nd_na_cksum = icmp6_checksum (&frame, length);
  return send_frame (link, &frame, sizeof frame, error);
}

gboolean
vr_announce (const VrAnnouncement *announcement, const VrLink *link, GError **error)
{
  guint8   mac[6], address[16];
  gboolean ok;
  int      family;

  if (!vr_mac_parse (announcement->mac, mac) || !vr_prefix_parse (announcement->address, address, &family, NULL))
    {
      g_set_error (error, VR_KERNEL_ERROR, VR_KERNEL_ERROR_LINK, "malformed item: announce %s at %s on %s",
                   announcement->address, announcement->mac, announcement->dev);
      return FALSE;
    }
  if (family == AF_INET)
    ok = announce_v4 (link, mac, address, error);
  else
    ok = announce_v6 (link, mac, address, g_strcmp0 (link->mac, announcement->mac) == 0, error);
  if (!ok)
    g_prefix_error (error, "cannot announce %s at %s on %s: ", announcement->address, announcement->mac,
                    announcement->dev);
  return ok;
}
