/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fragment.h"

#include "checksum.h"

#include <string.h>

guint16
vr_fragment_checksum (const guint8 *data, gsize len)
{
  guint16 sum = vr_checksum (data, len);

  return sum != 0 ? sum : 0xffff; /* 0: UDP without one */
}

gboolean
vr_fragment_may (const guint8 *packet, gsize len)
{
  struct iphdr ip;

  if (len <= sizeof ip)
    return FALSE;
  memcpy (&ip, packet, sizeof ip);
  return ip.version == 4 && ip.ihl * 4 == sizeof ip && g_ntohs (ip.tot_len) == len && (g_ntohs (ip.frag_off) & IP_DF) == 0;
}

gboolean
vr_fragment_next (VrFragment *piece, const guint8 *packet, gsize len, guint mtu)
{
  gsize   payload = len - sizeof piece->ip, room = mtu > sizeof piece->ip ? (mtu - sizeof piece->ip) & ~(gsize) 7 : 0;
  guint16 at;

  piece->offset += piece->len;
  if (piece->offset >= payload || room == 0)
    return FALSE;
  piece->len = MIN (payload - piece->offset, room);
  memcpy (&piece->ip, packet, sizeof piece->ip);
  at = g_ntohs (piece->ip.frag_off); /* it may be a piece of another itself */
  piece->ip.frag_off = g_htons ((at + piece->offset / 8) | (piece->offset + piece->len < payload ? IP_MF : 0));
  piece->ip.tot_len = g_htons (sizeof piece->ip + piece->len);
  piece->ip.check = 0;
  piece->ip.check = vr_checksum (&piece->ip, sizeof piece->ip);
  return TRUE;
}
