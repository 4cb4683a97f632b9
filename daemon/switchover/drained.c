/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "drained.h"

#include <string.h>

enum {
  ARENA = 2 * 1024 * 1024, /* bytes of frames read in one pass */
  MAX_FRAMES = 4096,       /* frames, likewise */
};

VrDrained *
vr_drained_new (void)
{
  VrDrained *drained = g_new0 (VrDrained, 1);

  drained->arena = memset (g_malloc (ARENA), 0xff, ARENA); /* written to: a page that is touched for the first time costs microseconds */
  drained->frames = memset (g_new (VrDrainedFrame, MAX_FRAMES), 0xff, MAX_FRAMES * sizeof (VrDrainedFrame));
  return drained;
}

void
vr_drained_free (VrDrained *drained)
{
  if (drained == NULL)
    return;
  g_free (drained->arena);
  g_free (drained->frames);
  g_free (drained);
}

static void
keep (VrDrained *drained, guint queue, gsize header_size, gsize len, VrAddresses *addresses, VrSwitchoverNic *counts)
{
  const guint8   *read = drained->arena + drained->used;
  VrDrainedFrame *frame = &drained->frames[drained->n_frames];

  counts->drained++;
  if (len <= header_size)
    return;
  memset (frame, 0, sizeof *frame);
  if (header_size >= sizeof frame->header)
    memcpy (&frame->header, read, sizeof frame->header);
  frame->frame = read + header_size;
  frame->len = len - header_size;
  frame->queue = queue;
  frame->to_guest = vr_addresses_match_frame (addresses, frame->frame, frame->len);
  if (!frame->to_guest)
    counts->drained_other++;
  drained->used += len;
  drained->n_frames++;
}

static void
read_queue (VrDrained *drained, VrQueues *queues, guint queue, VrAddresses *addresses, VrSwitchoverNic *counts)
{
  guint first = drained->n_frames, count = 0;

  while (!drained->full)
    {
      gssize got = vr_queues_read (queues, queue, drained->arena + drained->used, VR_FRAME_MAX);

      if (got < 0)
        break;
      keep (drained, queue, vr_queues_header_size (queues), got, addresses, counts);
      drained->full = drained->n_frames == MAX_FRAMES || drained->used + VR_FRAME_MAX > ARENA;
    }
  for (guint i = drained->n_frames; i > first; i--)
    drained->frames[i - 1].count = count += drained->frames[i - 1].to_guest;
}

void
vr_drained_read (VrDrained *drained, VrQueues *queues, VrAddresses *addresses, VrSwitchoverNic *counts)
{
  drained->used = drained->n_frames = 0;
  drained->full = FALSE;
  for (guint queue = 0; queues != NULL && queue < vr_queues_count (queues); queue++)
    read_queue (drained, queues, queue, addresses, counts);
}

const VrDrainedFrame *
vr_drained_find (const VrDrained *drained, const guint8 *beginning, gsize there, gsize len)
{
  for (guint i = 0; i < drained->n_frames; i++)
    if (drained->frames[i].len == len && memcmp (drained->frames[i].frame, beginning, there) == 0)
      return &drained->frames[i];
  return NULL;
}

guint8 *
vr_drained_scratch (VrDrained *drained)
{
  drained->used = drained->n_frames = 0;
  return drained->arena;
}

gsize
vr_drained_memory (void)
{
  return ARENA + MAX_FRAMES * sizeof (VrDrainedFrame);
}
