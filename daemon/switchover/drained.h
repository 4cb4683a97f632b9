/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What one pass of a switchover reads from the queues of a tap. Nothing is allocated but by vr_drained_new(). */
#pragma once

#include "addresses.h"
#include "counts.h"
#include "queues.h"

#include <linux/virtio_net.h>

G_BEGIN_DECLS

typedef enum { VR_COPIED, VR_BEFORE_COPIES, VR_AFTER_COPIES } VrUncopied;

typedef struct {
  const guint8         *frame;    /* from the Ethernet header on; until the next pass */
  guint32               len;
  guint16               queue;
  gboolean              to_guest;
  VrUncopied            uncopied; /* the port's: it has no copy, and where it goes then; VR_COPIED after reading */
  guint                 count;    /* of frames to the guest that were read from that queue from here on, this one among them */
  struct virtio_net_hdr header;
} VrDrainedFrame;

typedef struct {
  VrDrainedFrame *frames;         /* queue by queue, each in its order */
  guint           n_frames;
  gboolean        full;           /* there was no room for all that is in the tap */
  guint8         *arena;          /* their bytes */
  gsize           used;
} VrDrained;

VrDrained *vr_drained_new (void);
void       vr_drained_free (VrDrained *drained); /* NULL is fine */

/*
 * In place of what was there before. `queues` NULL: there is nothing to read. `counts`: what was read is added to `drained` and, of it, what is not
 * for the guest alone to `drained_other`. What finds no room stays in the tap, for the next pass.
 */
void       vr_drained_read (VrDrained *drained, VrQueues *queues, VrAddresses *addresses, VrSwitchoverNic *counts);

/* The frame of that length that begins with these bytes; NULL: it was not read. */
const VrDrainedFrame *vr_drained_find (const VrDrained *drained, const guint8 *beginning, gsize there, gsize len);

/* Room for one frame, VR_FRAME_MAX; what was read is lost. */
guint8    *vr_drained_scratch (VrDrained *drained);
gsize      vr_drained_memory (void); /* bytes that one holds */

G_END_DECLS
