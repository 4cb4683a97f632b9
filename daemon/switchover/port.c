/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What has to go after the guest? All frames to it, in order, from the first that QEMU did not give to it.
 *
 * Which is that? What is left in a queue of the tap when QEMU has stopped was not given. But QEMU itself takes up to two frames off each queue
 * around a stop, and keeps or drops them: one while it waits for the CPUs, before the time that it says it stopped, and one after. They are the
 * two directly before the first that is left. So the tap is read until it is empty, and what was read says where among the copies, which are of
 * everything, to begin: two before the first that was read, if they are not much older. From there on the copies are sent,
 * because they have what QEMU swallowed in between, too. At worst two frames a queue arrive twice. (lane.c)
 *
 * A tap with several queues has a lane of copies for each (the kernel's choice of the queue is in the socket's filter), because "directly
 * before" holds within a queue. Lanes are sent in the order of time. A queue's lane is found by its frames.
 *
 * Nothing was left in a queue: then only the last two of its lane can have been swallowed.
 *
 * The copies may have holes, when the memory was full. What was read from the queue and has no copy is then sent itself; so copies stay after they
 * were sent, because a frame may get to the tap, and be read, a pass later than its copy. What was read and is
 * older than all copies, while nothing was ever lost or trimmed, was in the tap before the migration was heard of (the guest was paused): it is
 * not sent.
 *
 * Without QEMU's queues there are the copies alone: from some milliseconds before the stop on.
 */
#include "port.h"

#include "drained.h"
#include "lane.h"
#include "queues.h"
#include "tap-queue.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <string.h>

enum { MAX_LANES = 16 }; /* more queues share the last one */

struct _VrPort {
  VrSwitchoverNic counts;
  VrAddresses    *addresses;
  VrOutlet       *tunnel;
  VrOutlet       *into_tap;  /* NULL: packet sockets cannot be had */
  int             tap_index;
  VrQueues       *queues;    /* NULL: they cannot be had, or were let go */
  VrLane          lanes[MAX_LANES];
  guint           n_lanes;
  VrDrained      *drained;   /* NULL: nothing is read, and nothing pushed back */
  gboolean        begun;
  gint64          since_ns;
  struct ethhdr   link;      /* of what is pushed into the tap */
};

/* ---- before ---- */

static void
say_why (VrPort *port, VrSwitchoverWay way, GError **error)
{
  port->counts.way = way;
  if (port->counts.reason[0] == '\0') /* the first thing that could not be had */
    g_strlcpy (port->counts.reason, (*error)->message, sizeof port->counts.reason);
  g_clear_error (error);
}

static gboolean
make_lanes (VrPort *port, gsize memory, GError **error)
{
  guint queues = port->queues != NULL ? vr_queues_count (port->queues) : 1, lanes = CLAMP (queues, 1, MAX_LANES);

  for (guint i = 0; i < lanes; i++)
    {
      port->lanes[i].copies = vr_copies_new (port->counts.tap, port->addresses, lanes == 1 ? VR_ANY_QUEUE : (int) i, i == lanes - 1,
                                             memory / lanes, error);
      if (port->lanes[i].copies == NULL)
        return FALSE;
      vr_copies_touch (port->lanes[i].copies);
      port->n_lanes++;
    }
  return TRUE;
}

static void
set_mac (guint8 *mac, const char *text)
{
  for (guint i = 0; text != NULL && i < ETH_ALEN; i++)
    mac[i] = g_ascii_strtoull (text + 3 * i, NULL, 16);
}

VrPort *
vr_port_arm (const char *tap, const char *mac, const char *gateway_mac, const char *pid_file, VrAddresses *addresses, VrOutlet *tunnel,
             gsize memory)
{
  VrPort *port = g_new0 (VrPort, 1);
  GError *error = NULL;

  g_strlcpy (port->counts.tap, tap, sizeof port->counts.tap);
  g_strlcpy (port->counts.mac, mac, sizeof port->counts.mac);
  port->addresses = addresses;
  port->tunnel = tunnel;
  port->tap_index = (int) if_nametoindex (tap);
  set_mac (port->link.h_dest, mac);
  set_mac (port->link.h_source, gateway_mac);
  port->into_tap = vr_outlet_new (tap, &error);
  if (port->into_tap == NULL)
    {
      say_why (port, VR_WAY_ROUTE_ONLY, &error);
      return port;
    }
  port->queues = vr_queues_open (pid_file, tap, &error);
  if (port->queues == NULL)
    say_why (port, VR_WAY_COPIES, &error);
  else
    port->counts.queues = vr_queues_count (port->queues);
  if (!make_lanes (port, memory, &error))
    {
      port->counts.reason[0] = '\0';
      say_why (port, VR_WAY_ROUTE_ONLY, &error);
      vr_port_let_go (port);
      return port;
    }
  port->drained = vr_drained_new ();
  return port;
}

void
vr_port_let_go (VrPort *port)
{
  vr_port_counts (port);
  g_clear_pointer (&port->queues, vr_queues_free);
  for (guint i = 0; i < port->n_lanes; i++)
    g_clear_pointer (&port->lanes[i].copies, vr_copies_free);
  port->n_lanes = 0;
}

void
vr_port_free (VrPort *port)
{
  vr_port_let_go (port);
  vr_outlet_free (port->into_tap);
  vr_drained_free (port->drained);
  g_free (port);
}

gboolean
vr_port_is_there (const VrPort *port)
{
  return port->tap_index != 0 && (int) if_nametoindex (port->counts.tap) == port->tap_index;
}

void
vr_port_trim (VrPort *port)
{
  for (guint i = 0; i < port->n_lanes; i++)
    vr_copies_trim (port->lanes[i].copies);
}

/* ---- comparing what was read with the copies ---- */

static int
find_anywhere (VrPort *port, const VrDrainedFrame *drained, VrLane **lane)
{
  for (guint i = 0; i < port->n_lanes; i++)
    {
      int at = vr_lane_find (&port->lanes[i], drained->frame, drained->len, drained->count);

      *lane = &port->lanes[i];
      if (at >= 0)
        return at;
    }
  return -1;
}

/* Where each lane begins, from the first frame of each queue that has a copy. */
static void
find_first_left (VrPort *port)
{
  const VrDrainedFrame *frames = port->drained->frames;
  guint                 n = port->drained->n_frames;

  for (guint i = 0; i < n; i++)
    {
      VrLane *lane;
      int     at;

      if (!frames[i].to_guest)
        continue;
      at = find_anywhere (port, &frames[i], &lane);
      if (at < 0)
        continue;
      if (!lane->found || (guint) at < lane->start)
        lane->start = at;
      lane->found = TRUE;
      while (i + 1 < n && frames[i + 1].queue == frames[i].queue)
        i++; /* the others of this queue come after it */
    }
}

static void
find_start (VrPort *port)
{
  if (port->queues != NULL)
    find_first_left (port);
  for (guint i = 0; i < port->n_lanes; i++)
    {
      VrLane *lane = &port->lanes[i];

      port->counts.swallowed += port->queues != NULL ? vr_lane_step_back (lane, port->since_ns) : vr_lane_start_by_time (lane, port->since_ns);
      vr_copies_pass (lane->copies, lane->start);
      port->counts.delivered += vr_copies_dropped (lane->copies) + lane->start;
    }
}

/* ---- sending ---- */

static void
count_not_sent (VrPort *port, int failure)
{
  port->counts.not_sent++;
  port->counts.too_large += failure == EMSGSIZE;
  if (port->counts.not_sent_errno == 0)
    port->counts.not_sent_errno = failure;
}

static void
send_on (VrPort *port, const struct virtio_net_hdr *header, const guint8 *frame, gsize len)
{
  struct virtio_net_hdr moved = *header;
  int                   failure;

  if (moved.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
    moved.csum_start -= ETH_HLEN;
  if (moved.hdr_len >= ETH_HLEN)
    moved.hdr_len -= ETH_HLEN;
  failure = vr_outlet_send_packet (port->tunnel, &moved, frame + ETH_HLEN, len - ETH_HLEN);
  if (failure != 0)
    {
      count_not_sent (port, failure);
      return;
    }
  port->counts.resent++;
  port->counts.resent_bytes += len - ETH_HLEN;
  port->counts.gso += moved.gso_type != VIRTIO_NET_HDR_GSO_NONE;
  port->counts.partial += (moved.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0;
}

static gboolean
has_holes (VrPort *port)
{
  gboolean holes = FALSE;

  for (guint i = 0; i < port->n_lanes; i++)
    holes |= vr_copies_lost (port->lanes[i].copies) > 0 || vr_copies_trimmed (port->lanes[i].copies);
  return holes;
}

/*
 * Frames that were read and have no copy, although they may be of this migration's time. The memory for copies was full for the latest, or the
 * oldest were trimmed: so what was read before one that has a copy goes before the copies, and the others after them.
 */
static void
find_uncopied (VrPort *port)
{
  gboolean found = FALSE;

  if (port->drained->n_frames == 0 || !has_holes (port))
    return;
  for (guint i = 0; i < port->drained->n_frames; i++)
    {
      VrDrainedFrame *drained = &port->drained->frames[i];
      VrLane         *lane;

      if (i > 0 && drained->queue != drained[-1].queue)
        found = FALSE;
      if (!drained->to_guest)
        continue;
      if (find_anywhere (port, drained, &lane) >= 0)
        found = TRUE;
      else
        drained->uncopied = found ? VR_AFTER_COPIES : VR_BEFORE_COPIES;
    }
}

static guint
send_uncopied (VrPort *port, VrUncopied which)
{
  guint sent = 0;

  for (guint i = 0; i < port->drained->n_frames; i++)
    {
      const VrDrainedFrame *drained = &port->drained->frames[i];

      if (drained->uncopied != which)
        continue;
      send_on (port, &drained->header, drained->frame, drained->len);
      sent++;
    }
  return sent;
}

static VrLane *
earliest (VrPort *port)
{
  VrLane  *first = NULL;
  gint64 first_ns = 0;

  for (guint i = 0; i < port->n_lanes; i++)
    {
      VrCopy copy;

      guint  next = vr_copies_taken (port->lanes[i].copies);

      if (next == port->lanes[i].after)
        continue;
      vr_copies_peek (port->lanes[i].copies, next, &copy);
      if (first != NULL && copy.time_ns >= first_ns)
        continue;
      first = &port->lanes[i];
      first_ns = copy.time_ns;
    }
  return first;
}

static void
send_copy (VrPort *port, const VrCopy *copy, gboolean whole)
{
  /* a large frame of which only the beginning was copied is whole where it was read */
  const VrDrainedFrame *drained = whole ? NULL : vr_drained_find (port->drained, copy->frame, copy->there, copy->len);

  if (whole)
    send_on (port, &copy->header, copy->frame, copy->len);
  else if (drained != NULL)
    send_on (port, &drained->header, drained->frame, drained->len);
  else
    count_not_sent (port, ENOMEM);
}

static guint
send_copies (VrPort *port)
{
  guint   sent = 0;
  VrLane *lane;

  while ((lane = earliest (port)) != NULL)
    {
      VrCopy   copy;
      gboolean whole;

      vr_copies_peek (lane->copies, vr_copies_taken (lane->copies), &copy);
      if (!copy.whole && port->drained->full && vr_drained_find (port->drained, copy.frame, copy.there, copy.len) == NULL)
        return MAX (sent, 1); /* it will be read in the next pass */
      whole = vr_copies_take (lane->copies, &copy);

      if (!vr_addresses_match_frame (port->addresses, copy.frame, copy.there)) /* broadcast, or past what the filter can tell */
        {
          port->counts.drained_other++;
          continue;
        }
      send_copy (port, &copy, whole);
      sent++;
    }
  return sent;
}

void
vr_port_begin (VrPort *port, gint64 stop_ns)
{
  port->since_ns = stop_ns;
}

guint
vr_port_pass (VrPort *port)
{
  guint sent;

  if (port->n_lanes == 0)
    return 0;
  for (guint i = 0; i < port->n_lanes; i++)
    {
      vr_copies_make_room (port->lanes[i].copies);
      port->lanes[i].before = vr_copies_count (port->lanes[i].copies);
    }
  vr_drained_read (port->drained, port->queues, port->addresses, &port->counts);
  for (guint i = 0; i < port->n_lanes; i++)
    port->lanes[i].after = vr_copies_count (port->lanes[i].copies);
  if (!port->begun)
    find_start (port);
  port->begun = TRUE;
  find_uncopied (port);
  sent = send_uncopied (port, VR_BEFORE_COPIES);
  sent += send_copies (port);
  return sent + send_uncopied (port, VR_AFTER_COPIES);
}

/* ---- and back ---- */

int
vr_port_push (VrPort *port, const struct virtio_net_hdr *header, const guint8 *packet, gsize len)
{
  struct virtio_net_hdr moved = *header;
  guint8               *frame;
  int                   failure;

  if (port->into_tap == NULL || port->drained == NULL || len > VR_FRAME_MAX - ETH_HLEN)
    return ENODEV;
  frame = vr_drained_scratch (port->drained);
  port->link.h_proto = g_htons (packet[0] >> 4 == 6 ? ETH_P_IPV6 : ETH_P_IP);
  memcpy (frame, &port->link, ETH_HLEN);
  memcpy (frame + ETH_HLEN, packet, len);
  if (moved.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
    moved.csum_start += ETH_HLEN;
  if (moved.hdr_len != 0)
    moved.hdr_len += ETH_HLEN;
  failure = vr_outlet_send_frame (port->into_tap, &moved, frame, len + ETH_HLEN);
  if (failure == 0)
    port->counts.pushed_back++;
  return failure;
}

void
vr_port_lengthen (VrPort *port, guint packets)
{
  vr_tap_queue_lengthen (port->counts.tap, port->tap_index, packets);
}

const VrSwitchoverNic *
vr_port_counts (VrPort *port)
{
  port->counts.to_guest = port->counts.delivered + port->counts.resent + port->counts.not_sent;
  if (port->n_lanes == 0)
    return &port->counts;
  port->counts.copies_lost = 0;
  for (guint i = 0; i < port->n_lanes; i++)
    port->counts.copies_lost += vr_copies_lost (port->lanes[i].copies);
  return &port->counts;
}

gsize
vr_port_memory (const VrPort *port)
{
  gsize memory = port->drained != NULL ? vr_drained_memory () : 0;

  for (guint i = 0; i < port->n_lanes; i++)
    memory += vr_copies_memory (port->lanes[i].copies);
  return memory;
}
