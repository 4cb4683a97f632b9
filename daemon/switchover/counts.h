/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a switchover did, in counts and times: for the journal, the log of migrations and people. Plain data, copied by assignment. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* How what had reached the tap was found. */
typedef enum {
  VR_WAY_QUEUES,     /* read from QEMU's own tap queues, and compared with the copies */
  VR_WAY_COPIES,     /* QEMU's queues could not be had: the copies alone, with a margin */
  VR_WAY_ROUTE_ONLY, /* neither: the route was flipped, and nothing sent again */
  VR_N_WAYS
} VrSwitchoverWay;
const char *vr_switchover_way_to_string (VrSwitchoverWay way); /* "queues", "copies", "route only" */

/*
 * Of one NIC, in frames. Every frame to the guest's addresses since it was armed was re-sent, or was not sent for a reason, or QEMU had given it to
 * the guest before: to_guest = resent + not_sent + delivered, once the guest was stopped.
 */
typedef struct {
  char            tap[16], mac[18];
  VrSwitchoverWay way;
  char            reason[160]; /* why it is not VR_WAY_QUEUES; "" if it is */
  guint           queues;      /* that were read */
  guint64         to_guest;
  guint64         delivered;
  guint64         copies_lost; /* that found no room; if they were still in the tap's queue, they were read there and are in the other counts */
  guint64         drained;     /* frames read from QEMU's queues, of any kind */
  guint64         drained_other; /* of these, frames to none of the guest's addresses (ARP, ND, multicast): not sent anywhere */
  guint64         swallowed;   /* re-sent although they were no longer in a queue: QEMU may have dropped or kept them; duplicated at worst */
  guint64         resent, resent_bytes; /* out of the tunnel's interface, to the target */
  guint64         gso, partial; /* of the re-sent: GSO frames, frames with partial checksums */
  guint64         not_sent;
  guint64         too_large;      /* of these, larger than the tunnel's MTU and not to be cut: who sends such is told so */
  int             not_sent_errno; /* of the first that was not sent; 0: none */
  guint64         pushed_back;  /* into the tap, after an abort */
} VrSwitchoverNic;

#define VR_SWITCHOVER_MAX_NICS 8 /* that are treated; a guest with more has the route flipped for the others */

typedef struct {
  /* Wall clock, ns; 0: has not happened, or is not known. */
  gint64   stop_ns;      /* QEMU's STOP */
  gint64   event_ns;     /* when libvirt's event came in */
  gint64   begin_ns;     /* the critical section */
  gint64   flip_begin_ns, flip_end_ns;
  gint64   end_ns;
  gint64   let_go_ns;    /* the last follow-up is over, the queues are let go */
  gint64   returned_ns;  /* after an abort: all was pushed back and the route is as before */
  gboolean flipped;      /* the routes were changed */
  guint64  late;         /* frames that the follow-ups found, after the critical section; they are in the NICs' counts, too */
  guint64  kept;         /* copies of what left for the target since, until an abort or the end */
  guint64  kept_dropped; /* that found no room */
  guint    told;         /* senders of packets too large for the tunnel: too-big.h */
  guint64  memory;       /* bytes that were held for all of this */
  guint           n_nics;
  VrSwitchoverNic nics[VR_SWITCHOVER_MAX_NICS];
} VrSwitchoverCounts;

G_END_DECLS
