/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A packet socket with a ring that the kernel fills (TPACKET_V2): its memory is there from the start, reading costs no system call, and
 * nobody has to run for copies to be made; somebody has to trim it now and then. A slot holds an ordinary frame. Of a larger one (GSO)
 * it holds the beginning, and the whole of it waits in the socket's receive queue, which has the same order.
 *
 * A slot belongs to the kernel while its status is TP_STATUS_KERNEL, to us while it has TP_STATUS_USER: hence the barriers.
 */
#include "copies.h"

#include "outlet.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
  SLOT_SIZE = 2048,
  BLOCK_SIZE = 64 * 1024,
  KEPT_SHARE = 2,              /* of the memory one part in so many holds what is past; the others wait for what comes before the next trim */
  LARGE_MAX = 64 * 1024 + 512, /* the largest frame there is */
};

struct _VrCopies {
  int      fd;
  guint8  *ring;
  gsize    size;
  guint    slots, tail, ready; /* ready: of those from `tail` on, known to be ours */
  guint    taken;              /* of those from `tail` on: nothing of them is in the receive queue any more */
  guint    link_len;
  guint8  *large;              /* the large frame that was taken last */
  gsize    large_bytes, large_room; /* in the receive queue now, and what it can hold */
  guint64  lost, dropped;
  gboolean trimmed;
};

void
vr_copies_free (VrCopies *copies)
{
  if (copies == NULL)
    return;
  if (copies->ring != NULL)
    munmap (copies->ring, copies->size);
  if (copies->fd >= 0)
    close (copies->fd);
  g_free (copies->large);
  g_free (copies);
}

static struct tpacket2_hdr *
slot_of (VrCopies *copies, guint number)
{
  return (gpointer) (copies->ring + (gsize) ((copies->tail + number) % copies->slots) * SLOT_SIZE);
}

void
vr_copies_touch (VrCopies *copies)
{
  for (guint i = 0; i < copies->slots; i++)
    *(volatile guint8 *) slot_of (copies, i)->tp_padding = 0; /* means nothing to anybody, whosever the slot is */
}

static gboolean
set_up_ring (VrCopies *copies, gsize memory)
{
  struct tpacket_req request = { .tp_block_size = BLOCK_SIZE, .tp_frame_size = SLOT_SIZE };
  int                version = TPACKET_V2, on = 1, large = memory / 2;

  request.tp_block_nr = MAX (memory, VR_COPIES_MEMORY_MIN) / BLOCK_SIZE;
  request.tp_frame_nr = request.tp_block_nr * (BLOCK_SIZE / SLOT_SIZE);
  copies->slots = request.tp_frame_nr;
  copies->large_room = 2 * (gsize) large; /* as the kernel takes it */
  copies->size = (gsize) request.tp_block_nr * BLOCK_SIZE;
  if (setsockopt (copies->fd, SOL_PACKET, PACKET_VERSION, &version, sizeof version) < 0
      || setsockopt (copies->fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on) < 0
      || setsockopt (copies->fd, SOL_PACKET, PACKET_COPY_THRESH, &on, sizeof on) < 0
      || setsockopt (copies->fd, SOL_PACKET, PACKET_RX_RING, &request, sizeof request) < 0)
    return FALSE;
  if (setsockopt (copies->fd, SOL_SOCKET, SO_RCVBUFFORCE, &large, sizeof large) < 0)
    setsockopt (copies->fd, SOL_SOCKET, SO_RCVBUF, &large, sizeof large);
  copies->ring = mmap (NULL, copies->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, copies->fd, 0);
  if (copies->ring == MAP_FAILED)
    copies->ring = NULL;
  return copies->ring != NULL;
}

static gboolean
set_up (VrCopies *copies, const char *dev, VrAddresses *addresses, int queue, gboolean and_above, gsize memory)
{
  struct sockaddr_ll where = { .sll_family = AF_PACKET, .sll_protocol = g_htons (ETH_P_ALL) };
  struct ifreq       request = { 0 };

  copies->fd = socket (AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0); /* protocol 0: deaf until it is bound */
  if (copies->fd < 0)
    return FALSE;
  g_strlcpy (request.ifr_name, dev, sizeof request.ifr_name);
  if (ioctl (copies->fd, SIOCGIFHWADDR, &request) < 0)
    return FALSE;
  copies->link_len = request.ifr_hwaddr.sa_family == ARPHRD_ETHER ? ETH_HLEN : 0;
  if (ioctl (copies->fd, SIOCGIFINDEX, &request) < 0)
    return FALSE;
  where.sll_ifindex = request.ifr_ifindex;
  errno = vr_addresses_filter (addresses, copies->fd, copies->link_len, queue, and_above);
  return errno == 0 && set_up_ring (copies, memory) && bind (copies->fd, (struct sockaddr *) &where, sizeof where) == 0;
}

VrCopies *
vr_copies_new (const char *dev, VrAddresses *addresses, int queue, gboolean and_above, gsize memory, GError **error)
{
  g_autoptr (VrCopies) copies = g_new0 (VrCopies, 1);

  copies->fd = -1;
  if (set_up (copies, dev, addresses, queue, and_above, memory))
    {
      copies->large = g_malloc0 (LARGE_MAX);
      return g_steal_pointer (&copies);
    }
  g_set_error (error, VR_SWITCHOVER_ERROR, errno == ENODEV ? VR_SWITCHOVER_ERROR_INTERFACE : VR_SWITCHOVER_ERROR_SOCKET,
               "cannot take copies of what %s sends (%" G_GSIZE_FORMAT " bytes of memory): %s%s", dev, memory, g_strerror (errno),
               errno == EPERM ? "; this needs CAP_NET_RAW" : "");
  return NULL;
}

static gboolean
has_large (const struct tpacket2_hdr *slot)
{
  return (slot->tp_status & TP_STATUS_COPY) != 0;
}

guint
vr_copies_count (VrCopies *copies)
{
  while (copies->ready < copies->slots)
    {
      const struct tpacket2_hdr *slot = slot_of (copies, copies->ready);

      if ((__atomic_load_n (&slot->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER) == 0)
        break;
      if (has_large (slot))
        copies->large_bytes += slot->tp_len;
      copies->ready++;
    }
  return copies->ready;
}

void
vr_copies_peek (VrCopies *copies, guint number, VrCopy *copy)
{
  const struct tpacket2_hdr *slot = slot_of (copies, number);

  copy->frame = (const guint8 *) slot + slot->tp_mac;
  memcpy (&copy->header, copy->frame - sizeof copy->header, sizeof copy->header);
  copy->len = slot->tp_len;
  copy->there = slot->tp_snaplen;
  copy->whole = slot->tp_snaplen == slot->tp_len || has_large (slot);
  copy->time_ns = slot->tp_sec * G_GINT64_CONSTANT (1000000000) + slot->tp_nsec;
}

/* The next large frame out of the receive queue, into so many bytes: its size there, or -1. */
static gssize
receive_large (VrCopies *copies, struct virtio_net_hdr *header, gsize room)
{
  struct iovec  parts[2] = { { header, sizeof *header }, { copies->large, room } };
  struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
  gssize        got;

  do
    got = recvmsg (copies->fd, &message, MSG_DONTWAIT);
  while (got < 0 && errno == EINTR);
  return got < (gssize) sizeof *header ? -1 : got - (gssize) sizeof *header;
}

gboolean
vr_copies_take (VrCopies *copies, VrCopy *copy)
{
  const struct tpacket2_hdr *slot = slot_of (copies, copies->taken);
  gssize                     got;

  vr_copies_peek (copies, copies->taken++, copy);
  if (!has_large (slot))
    return copy->len <= copy->there;
  copies->large_bytes -= slot->tp_len;
  got = receive_large (copies, &copy->header, LARGE_MAX);
  if (got != (gssize) copy->len)
    return FALSE;
  copy->frame = copies->large;
  copy->there = copy->len;
  return TRUE;
}

void
vr_copies_pass (VrCopies *copies, guint count)
{
  struct virtio_net_hdr unused;

  for (; count > 0 && copies->taken < copies->ready; count--)
    {
      const struct tpacket2_hdr *slot = slot_of (copies, copies->taken++);

      if (!has_large (slot))
        continue;
      copies->large_bytes -= slot->tp_len;
      receive_large (copies, &unused, 0);
    }
}

guint
vr_copies_taken (VrCopies *copies)
{
  return copies->taken;
}

void
vr_copies_drop (VrCopies *copies, guint count)
{
  for (; count > 0 && copies->ready > 0; count--)
    {
      if (copies->taken == 0)
        vr_copies_pass (copies, 1);
      __atomic_store_n (&slot_of (copies, 0)->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
      copies->tail = (copies->tail + 1) % copies->slots;
      copies->taken--;
      copies->ready--;
      copies->dropped++;
    }
}

void
vr_copies_trim (VrCopies *copies)
{
  guint count = vr_copies_count (copies);

  for (; count > copies->slots / KEPT_SHARE || copies->large_bytes > copies->large_room / KEPT_SHARE; count--)
    {
      copies->trimmed = TRUE;
      vr_copies_drop (copies, 1);
    }
}

void
vr_copies_make_room (VrCopies *copies)
{
  if (vr_copies_count (copies) > copies->slots / 4 * 3)
    vr_copies_drop (copies, copies->taken);
}

guint64
vr_copies_lost (VrCopies *copies)
{
  struct tpacket_stats stats = { 0 };
  socklen_t            size = sizeof stats;

  if (getsockopt (copies->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &size) == 0)
    copies->lost += stats.tp_drops; /* since it was asked last */
  return copies->lost;
}

guint64
vr_copies_seen (VrCopies *copies)
{
  return copies->dropped + vr_copies_count (copies);
}

guint64
vr_copies_dropped (VrCopies *copies)
{
  return copies->dropped;
}

gboolean
vr_copies_trimmed (VrCopies *copies)
{
  return copies->trimmed;
}

gsize
vr_copies_memory (VrCopies *copies)
{
  return copies->size;
}

guint
vr_copies_link_len (VrCopies *copies)
{
  return copies->link_len;
}
