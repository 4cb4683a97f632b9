/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses are kept sorted, IPv4 before IPv6: they are looked for in every frame of a switchover. The filter is classic BPF, one comparison
 * after the other; jumps of its comparisons reach 255 instructions, so each address has its own return.
 */
#include "addresses.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define FILTER_MAX 128 /* addresses; nine instructions each at most, within net.core.optmem_max of old kernels */
#define WHOLE 0x40000  /* bytes of a frame that passes */

typedef struct {
  guint8 v6;
  guint8 bytes[16];
  guint  nic;
} Entry;

struct _VrAddresses {
  GArray  *entries; /* of Entry */
  gboolean sorted;
};

VrAddresses *
vr_addresses_new (void)
{
  VrAddresses *addresses = g_new0 (VrAddresses, 1);

  addresses->entries = g_array_new (FALSE, FALSE, sizeof (Entry));
  return addresses;
}

void
vr_addresses_free (VrAddresses *addresses)
{
  if (addresses == NULL)
    return;
  g_array_unref (addresses->entries);
  g_free (addresses);
}

void
vr_addresses_add (VrAddresses *addresses, const char *address, guint nic)
{
  Entry entry = { .nic = nic };

  if (inet_pton (AF_INET, address, entry.bytes) != 1)
    {
      entry.v6 = 1;
      if (inet_pton (AF_INET6, address, entry.bytes) != 1)
        return;
    }
  g_array_append_val (addresses->entries, entry);
  addresses->sorted = FALSE;
}

static int
compare (gconstpointer a, gconstpointer b)
{
  return memcmp (a, b, offsetof (Entry, nic));
}

static void
sort (VrAddresses *addresses)
{
  if (!addresses->sorted)
    g_array_sort (addresses->entries, compare);
  addresses->sorted = TRUE;
}

int
vr_addresses_find (VrAddresses *addresses, const guint8 *packet, gsize len)
{
  Entry        wanted = { 0 };
  const Entry *found;

  sort (addresses);
  if (len >= sizeof (struct ip) && packet[0] >> 4 == 4)
    memcpy (wanted.bytes, packet + offsetof (struct ip, ip_dst), 4);
  else if (len >= sizeof (struct ip6_hdr) && packet[0] >> 4 == 6)
    {
      wanted.v6 = 1;
      memcpy (wanted.bytes, packet + offsetof (struct ip6_hdr, ip6_dst), 16);
    }
  else
    return -1;
  if (addresses->entries->len == 0)
    return -1;
  found = bsearch (&wanted, addresses->entries->data, addresses->entries->len, sizeof (Entry), compare);
  return found != NULL ? (int) found->nic : -1;
}

gboolean
vr_addresses_match_frame (VrAddresses *addresses, const guint8 *frame, gsize len)
{
  guint16 type;

  if (len <= ETH_HLEN || (frame[0] & 1) != 0)
    return FALSE;
  type = frame[12] << 8 | frame[13];
  return (type == ETH_P_IP || type == ETH_P_IPV6) && vr_addresses_find (addresses, frame + ETH_HLEN, len - ETH_HLEN) >= 0;
}

/* ---- the filter ---- */

static void
put (GArray *program, guint16 code, guint32 k, guint8 if_true, guint8 if_false)
{
  struct sock_filter instruction = { code, if_true, if_false, k };

  g_array_append_val (program, instruction);
}

#define LOAD_EXTRA(WHAT) BPF_LD | BPF_W | BPF_ABS, (guint32) (SKF_AD_OFF + (WHAT)), 0, 0

static void
put_entry (GArray *program, const Entry *entry, guint link_len)
{
  guint   words = entry->v6 ? 4 : 1;
  guint32 word, at = link_len + (entry->v6 ? offsetof (struct ip6_hdr, ip6_dst) : offsetof (struct ip, ip_dst));

  for (guint i = 0; i < words; i++)
    {
      memcpy (&word, entry->bytes + 4 * i, 4);
      put (program, BPF_LD | BPF_W | BPF_ABS, at + 4 * i, 0, 0);
      put (program, BPF_JMP | BPF_JEQ | BPF_K, ntohl (word), 0, 2 * (words - 1 - i) + 1);
    }
  put (program, BPF_RET | BPF_K, WHOLE, 0, 0);
}

/* One address family: what is of another goes on behind it. */
static void
put_family (VrAddresses *addresses, GArray *program, gboolean v6, guint link_len)
{
  guint other;

  put (program, LOAD_EXTRA (SKF_AD_PROTOCOL));
  put (program, BPF_JMP | BPF_JEQ | BPF_K, v6 ? ETH_P_IPV6 : ETH_P_IP, 1, 0);
  other = program->len;
  put (program, BPF_JMP | BPF_JA, 0, 0, 0);
  if (addresses->entries->len > FILTER_MAX)
    put (program, BPF_RET | BPF_K, WHOLE, 0, 0);
  else
    for (guint i = 0; i < addresses->entries->len; i++)
      {
        const Entry *entry = &g_array_index (addresses->entries, Entry, i);

        if (!!entry->v6 == !!v6)
          put_entry (program, entry, link_len);
      }
  put (program, BPF_RET | BPF_K, 0, 0, 0);
  g_array_index (program, struct sock_filter, other).k = program->len - other - 1;
}

int
vr_addresses_filter (VrAddresses *addresses, int fd, guint link_len, int queue, gboolean and_above)
{
  g_autoptr (GArray) program = g_array_new (FALSE, FALSE, sizeof (struct sock_filter));
  struct sock_fprog whole;

  sort (addresses);
  put (program, LOAD_EXTRA (SKF_AD_PKTTYPE));
  put (program, BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 1, 0);
  put (program, BPF_RET | BPF_K, 0, 0, 0);
  put (program, LOAD_EXTRA (SKF_AD_VLAN_TAG_PRESENT));
  put (program, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0);
  put (program, BPF_RET | BPF_K, 0, 0, 0);
  if (queue != VR_ANY_QUEUE)
    {
      put (program, LOAD_EXTRA (SKF_AD_QUEUE));
      put (program, BPF_JMP | (and_above ? BPF_JGE : BPF_JEQ) | BPF_K, queue, 1, 0);
      put (program, BPF_RET | BPF_K, 0, 0, 0);
    }
  put_family (addresses, program, FALSE, link_len);
  put_family (addresses, program, TRUE, link_len);
  put (program, BPF_RET | BPF_K, 0, 0, 0);
  whole = (struct sock_fprog) { program->len, (gpointer) program->data };
  return setsockopt (fd, SOL_SOCKET, SO_ATTACH_FILTER, &whole, sizeof whole) < 0 ? errno : 0;
}
