/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The error is made here, and not by the kernel when it forwards the packet once more, because the packet has been through the kernel before: where
 * addresses are translated it bears the guest's own now, so it would be none of its flow's, and its sender would not know it again. An error sent by a
 * socket is translated by what it quotes, which is the packet as it left for the guest: so it is right. Its source is the one that the kernel takes for its
 * own errors: the address of this host on the way to the sender.
 *
 * The sockets are there only while errors are sent: one for ICMP gets all that comes of it.
 */
#include "too-big.h"

#include "checksum.h"

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
  HEADER = 8,                            /* of an error, before what it quotes */
  QUOTE4 = 576 - sizeof (struct iphdr) - HEADER, /* so that every host takes it (RFC 1812, 4.3.2.3) */
  QUOTE6 = 1280 - sizeof (struct ip6_hdr) - HEADER,
  MTU6_MIN = 1280,
};
G_STATIC_ASSERT (sizeof (struct icmphdr) == HEADER && sizeof (struct icmp6_hdr) == HEADER);

typedef struct {
  gboolean v6;
  gsize    len;
  guint8   error[HEADER + QUOTE6];
} Note;

struct _VrTooBig {
  guint n;
  Note  notes[VR_TOO_BIG_MAX];
};

VrTooBig *
vr_too_big_new (void)
{
  VrTooBig *too_big = g_new (VrTooBig, 1);

  memset (too_big, 0xff, sizeof *too_big); /* a page that is touched for the first time costs microseconds */
  too_big->n = 0;
  return too_big;
}

void
vr_too_big_free (VrTooBig *too_big)
{
  g_free (too_big);
}

/* ---- whom to tell ---- */

static gboolean
is_icmp_error (const guint8 *message)
{
  return *message == ICMP_DEST_UNREACH || *message == ICMP_SOURCE_QUENCH || *message == ICMP_REDIRECT || *message == ICMP_TIME_EXCEEDED
         || *message == ICMP_PARAMETERPROB;
}

static gboolean
may_tell4 (const guint8 *packet, gsize len)
{
  struct iphdr ip;
  guint32      source;

  if (len < sizeof ip)
    return FALSE;
  memcpy (&ip, packet, sizeof ip);
  source = g_ntohl (ip.saddr);
  if (ip.ihl * 4u < sizeof ip || len < ip.ihl * 4u + HEADER || (g_ntohs (ip.frag_off) & (IP_DF | IP_OFFMASK)) != IP_DF)
    return FALSE; /* it may be cut, or is a piece whose sender does not know it by its ports */
  if (source >> 24 == 0 || source >> 24 == IN_LOOPBACKNET || source >> 28 >= 14) /* multicast, or nobody's */
    return FALSE;
  return ip.protocol != IPPROTO_ICMP || !is_icmp_error (packet + ip.ihl * 4);
}

/* An error of ICMPv6 is never that large. */
static gboolean
may_tell6 (const guint8 *packet, gsize len)
{
  struct ip6_hdr ip;

  if (len < sizeof ip)
    return FALSE;
  memcpy (&ip, packet, sizeof ip);
  return !IN6_IS_ADDR_MULTICAST (&ip.ip6_src) && !IN6_IS_ADDR_UNSPECIFIED (&ip.ip6_src) && !IN6_IS_ADDR_LOOPBACK (&ip.ip6_src)
         && !IN6_IS_ADDR_LINKLOCAL (&ip.ip6_src); /* it is nobody's beyond its link, and not forwarded */
}

/* Where source and destination stand, one after the other, in an IP header. */
static gsize
addresses_at (gboolean v6)
{
  return v6 ? offsetof (struct ip6_hdr, ip6_src) : offsetof (struct iphdr, saddr);
}

static gboolean
is_noted (const VrTooBig *too_big, gboolean v6, const guint8 *packet)
{
  gsize at = addresses_at (v6), size = v6 ? 2 * sizeof (struct in6_addr) : 2 * sizeof (struct in_addr);

  for (guint i = 0; i < too_big->n; i++)
    if (too_big->notes[i].v6 == v6 && memcmp (too_big->notes[i].error + HEADER + at, packet + at, size) == 0)
      return TRUE;
  return FALSE;
}

void
vr_too_big_note (VrTooBig *too_big, const guint8 *packet, gsize len)
{
  gboolean v6 = len > 0 && *packet >> 4 == 6;
  Note    *note = &too_big->notes[too_big->n];

  if (too_big->n == VR_TOO_BIG_MAX || !(v6 ? may_tell6 (packet, len) : may_tell4 (packet, len)) || is_noted (too_big, v6, packet))
    return;
  note->v6 = v6;
  note->len = HEADER + MIN (len, v6 ? (gsize) QUOTE6 : (gsize) QUOTE4);
  memcpy (note->error + HEADER, packet, note->len - HEADER);
  too_big->n++;
}

/* ---- telling ---- */

static gboolean
tell4 (Note *note, int fd, guint mtu)
{
  struct icmphdr     header = { .type = ICMP_DEST_UNREACH, .code = ICMP_FRAG_NEEDED, .un.frag.mtu = g_htons (MIN (mtu, G_MAXUINT16)) };
  struct sockaddr_in to = { .sin_family = AF_INET };

  memcpy (&to.sin_addr, note->error + HEADER + addresses_at (FALSE), sizeof to.sin_addr);
  memcpy (note->error, &header, HEADER);
  header.checksum = vr_checksum (note->error, note->len);
  memcpy (note->error, &header, HEADER);
  return sendto (fd, note->error, note->len, MSG_DONTWAIT, (struct sockaddr *) &to, sizeof to) >= 0;
}

/* The kernel adds the checksum. */
static gboolean
tell6 (Note *note, int fd, guint mtu)
{
  struct icmp6_hdr    header = { .icmp6_type = ICMP6_PACKET_TOO_BIG, .icmp6_mtu = g_htonl (MAX (mtu, MTU6_MIN)) };
  struct sockaddr_in6 to = { .sin6_family = AF_INET6 };

  memcpy (&to.sin6_addr, note->error + HEADER + addresses_at (TRUE), sizeof to.sin6_addr);
  memcpy (note->error, &header, HEADER);
  return sendto (fd, note->error, note->len, MSG_DONTWAIT, (struct sockaddr *) &to, sizeof to) >= 0;
}

static guint
tell_all (VrTooBig *too_big, gboolean v6, guint mtu)
{
  int   fd = -1;
  guint told = 0;

  for (guint i = 0; i < too_big->n; i++)
    {
      Note *note = &too_big->notes[i];

      if (note->v6 != v6)
        continue;
      if (fd < 0)
        fd = socket (v6 ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
      told += fd >= 0 && (v6 ? tell6 (note, fd, mtu) : tell4 (note, fd, mtu));
    }
  if (fd >= 0)
    close (fd);
  return told;
}

guint
vr_too_big_tell (VrTooBig *too_big, guint mtu)
{
  guint told = tell_all (too_big, FALSE, mtu) + tell_all (too_big, TRUE, mtu);

  too_big->n = 0;
  return told;
}
