/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One packet socket for each interface, with a BPF program in the kernel that lets nothing through but ARP requests and neighbour
 * solicitations, so that the daemon sleeps through all other traffic. A question whose fields do not fit is dropped in silence:
 * guests may send what they like.
 */
#include "asking.h"

#include <arpa/inet.h>
#include <glib-unix.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/icmp6.h>
#include <netinet/if_ether.h>
#include <netinet/ip6.h>
#include <sys/socket.h>
#include <unistd.h>

#define FRAMES_A_TURN 64 /* of one socket, before others get theirs */

struct _VrAsking {
  GObject     parent_instance;
  GHashTable *listeners; /* name of an interface -> Listener */
};

typedef struct {
  VrAsking *asking;
  char     *dev;
  int       index, fd;
  guint     source;
} Listener;

G_DEFINE_FINAL_TYPE (VrAsking, vr_asking, G_TYPE_OBJECT)

enum { ASKED, N_SIGNALS };
static guint signals[N_SIGNALS];

static void
listener_free (gpointer data)
{
  Listener *listener = data;

  g_clear_handle_id (&listener->source, g_source_remove);
  close (listener->fd);
  g_free (listener->dev);
  g_free (listener);
}

/* Ethernet type ARP and operation request; or type IPv6, next header ICMPv6 at once, type neighbour solicitation. */
static struct sock_filter question_only[] = {
  BPF_STMT (BPF_LD | BPF_H | BPF_ABS, offsetof (struct ethhdr, h_proto)),
  BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, ETH_P_ARP, 0, 2),
  BPF_STMT (BPF_LD | BPF_H | BPF_ABS, ETH_HLEN + offsetof (struct arphdr, ar_op)),
  BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, ARPOP_REQUEST, 5, 6),
  BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IPV6, 0, 5),
  BPF_STMT (BPF_LD | BPF_B | BPF_ABS, ETH_HLEN + offsetof (struct ip6_hdr, ip6_nxt)),
  BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_ICMPV6, 0, 3),
  BPF_STMT (BPF_LD | BPF_B | BPF_ABS, ETH_HLEN + sizeof (struct ip6_hdr)),
  BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, ND_NEIGHBOR_SOLICIT, 0, 1),
  BPF_STMT (BPF_RET | BPF_K, 256),
  BPF_STMT (BPF_RET | BPF_K, 0),
};

/* (transfer full) the address asked for, or NULL */
static char *
address_asked (const guint8 *frame, gsize len)
{
  char          text[INET6_ADDRSTRLEN];
  guint16       type;

  if (len < ETH_HLEN)
    return NULL;
  memcpy (&type, frame + offsetof (struct ethhdr, h_proto), sizeof type);
  if (type == htons (ETH_P_ARP))
    {
      struct ether_arp arp;

      if (len < ETH_HLEN + sizeof arp)
        return NULL;
      memcpy (&arp, frame + ETH_HLEN, sizeof arp);
      if (arp.arp_pro != htons (ETH_P_IP) || arp.arp_pln != 4 || arp.arp_hln != ETH_ALEN)
        return NULL;
      if (memcmp (arp.arp_spa, arp.arp_tpa, 4) == 0) /* it announces itself */
        return NULL;
      return g_strdup (inet_ntop (AF_INET, arp.arp_tpa, text, sizeof text));
    }
  if (len < ETH_HLEN + sizeof (struct ip6_hdr) + sizeof (struct nd_neighbor_solicit))
    return NULL;
  return g_strdup (inet_ntop (AF_INET6,
                              frame + ETH_HLEN + sizeof (struct ip6_hdr) + offsetof (struct nd_neighbor_solicit, nd_ns_target),
                              text, sizeof text));
}

static gboolean
on_readable (int fd, GIOCondition condition, gpointer data)
{
  Listener *listener = data;
  g_autoptr (VrAsking) self = g_object_ref (listener->asking); /* a handler may let go of both */
  g_autofree char *dev = g_strdup (listener->dev);

  for (int i = 0; i < FRAMES_A_TURN; i++)
    {
      guint8             frame[256];
      struct sockaddr_ll from;
      socklen_t          from_len = sizeof from;
      gssize             len = recvfrom (fd, frame, sizeof frame, MSG_DONTWAIT, (struct sockaddr *) &from, &from_len);
      g_autofree char   *address = NULL;

      if (len <= 0)
        break;
      if (from.sll_pkttype == PACKET_OUTGOING) /* this host's own questions */
        continue;
      address = address_asked (frame, len);
      if (address == NULL)
        continue;
      g_signal_emit (self, signals[ASKED], 0, dev, address);
      if (g_hash_table_lookup (self->listeners, dev) != listener)
        return G_SOURCE_REMOVE;
    }
  return G_SOURCE_CONTINUE;
}

static Listener *
listen_on (VrAsking *self, const char *dev, int index)
{
  struct sock_fprog  program = { G_N_ELEMENTS (question_only), question_only };
  struct sockaddr_ll where = { .sll_family = AF_PACKET, .sll_protocol = htons (ETH_P_ALL), .sll_ifindex = index };
  Listener          *listener;
  int                fd = socket (AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0); /* protocol 0: deaf until it is bound */

  if (fd < 0 || setsockopt (fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) < 0
      || bind (fd, (struct sockaddr *) &where, sizeof where) < 0)
    {
      g_warning ("cannot listen on %s for whom guests ask: %s; neighbours that a guest left behind may not reach it", dev,
                 g_strerror (errno));
      if (fd >= 0)
        close (fd);
      return NULL;
    }
  listener = g_new0 (Listener, 1);
  listener->asking = self;
  listener->dev = g_strdup (dev);
  listener->index = index;
  listener->fd = fd;
  listener->source = g_unix_fd_add (fd, G_IO_IN, on_readable, listener);
  return listener;
}

void
vr_asking_watch (VrAsking *self, GPtrArray *devs)
{
  GHashTableIter iter;
  gpointer       name;
  Listener      *listener;

  g_hash_table_iter_init (&iter, self->listeners);
  while (g_hash_table_iter_next (&iter, &name, (gpointer *) &listener))
    if (!g_ptr_array_find_with_equal_func (devs, name, g_str_equal, NULL) || (int) if_nametoindex (name) != listener->index)
      g_hash_table_iter_remove (&iter);
  for (guint i = 0; i < devs->len; i++)
    {
      int index = (int) if_nametoindex (devs->pdata[i]);

      if (index == 0 || g_hash_table_contains (self->listeners, devs->pdata[i]))
        continue;
      listener = listen_on (self, devs->pdata[i], index);
      if (listener != NULL)
        g_hash_table_insert (self->listeners, listener->dev, listener);
    }
}

static void
vr_asking_finalize (GObject *object)
{
  g_hash_table_unref (VR_ASKING (object)->listeners);
  G_OBJECT_CLASS (vr_asking_parent_class)->finalize (object);
}

static void
vr_asking_init (VrAsking *self)
{
  self->listeners = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, listener_free);
}

static void
vr_asking_class_init (VrAskingClass *class)
{
  G_OBJECT_CLASS (class)->finalize = vr_asking_finalize;
  signals[ASKED] = g_signal_new ("asked", VR_TYPE_ASKING, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 2, G_TYPE_STRING,
                                 G_TYPE_STRING);
}

VrAsking *
vr_asking_new (void)
{
  return g_object_new (VR_TYPE_ASKING, NULL);
}
