/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copies of what an interface sends to a guest's addresses, with the time of each, in memory that is set aside beforehand. The oldest is number
 * 0. When the memory is full, new ones are lost, and counted. Nothing here allocates, logs or waits but vr_copies_new() and
 * vr_copies_free(). One thread.
 */
#pragma once

#include "addresses.h"

#include <linux/virtio_net.h>

G_BEGIN_DECLS

typedef struct _VrCopies VrCopies;

typedef struct {
  struct virtio_net_hdr header;   /* counts from the start of `frame` */
  const guint8         *frame;    /* with its link header, if the interface has any */
  gsize                 len;      /* of the frame; larger than `there` if only its beginning is seen so far */
  gsize                 there;
  gboolean              whole;    /* all of it can be taken; FALSE: the rest of a large frame found no room */
  gint64                time_ns;  /* wall clock */
} VrCopy;

/*
 * Of the interface called `dev` now; of one of its queues or of VR_ANY_QUEUE, as in vr_addresses_filter(). `memory`: bytes, at least
 * VR_COPIES_MEMORY_MIN; frames of more than about 1900 bytes (GSO) take up to half as much again. CAP_NET_RAW.
 */
#define VR_COPIES_MEMORY_MIN (128 * 1024)
VrCopies *vr_copies_new (const char *dev, VrAddresses *addresses, int queue, gboolean and_above, gsize memory, GError **error);
void      vr_copies_free (VrCopies *copies); /* NULL is fine */

/* Writes to all of its memory: the first write to each page takes microseconds, better now than when time matters. Changes nothing. */
void    vr_copies_touch (VrCopies *copies);

guint   vr_copies_count (VrCopies *copies); /* that there are now; more may come at any time */
void    vr_copies_peek (VrCopies *copies, guint number, VrCopy *copy); /* number < the last count; valid until it is dropped */
/*
 * The oldest that was not taken, nor passed over, yet, whole; it must be there. What was taken stays, to be looked at, until it is dropped; but of a large
 * frame only its beginning, once the next one is taken. FALSE: only its beginning is there.
 */
gboolean vr_copies_take (VrCopies *copies, VrCopy *copy);
void    vr_copies_pass (VrCopies *copies, guint count); /* over so many, as if they were taken; writes to no memory of theirs */
guint   vr_copies_taken (VrCopies *copies);             /* how many that are there were taken or passed over: the oldest */
void    vr_copies_drop (VrCopies *copies, guint count); /* the oldest ones; at most the last count */
void    vr_copies_trim (VrCopies *copies); /* drops the oldest ones while the memory is more than half full */
void    vr_copies_make_room (VrCopies *copies); /* drops what was taken, if the memory is more than three quarters full */

guint64 vr_copies_lost (VrCopies *copies);   /* that found no room, ever */
guint64 vr_copies_seen (VrCopies *copies);   /* that were dropped or are still there */
guint64 vr_copies_dropped (VrCopies *copies);
gboolean vr_copies_trimmed (VrCopies *copies); /* was anything ever trimmed? If not, what is not here is older than the copies */
gsize   vr_copies_memory (VrCopies *copies); /* bytes set aside */
guint   vr_copies_link_len (VrCopies *copies); /* bytes of the interface's link header */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrCopies, vr_copies_free)

G_END_DECLS
