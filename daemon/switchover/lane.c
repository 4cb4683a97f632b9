/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QEMU swallows the two frames directly before the first one that is left. It takes them off the queue when it stops, so they are as old as
 * that first one: about as old as the stop, or older, if the guest was slow and its queue long. Older than both by AROUND_STOP: the guest
 * had them long before. And nothing was left: then it is the stop alone that says what is too old.
 */
#include "lane.h"

#include <string.h>

#define AROUND_STOP_NS (50 * G_GINT64_CONSTANT (1000000))
#define MARGIN_NS (5 * G_GINT64_CONSTANT (1000000))
#define SWALLOWED 2 /* frames a queue */

static gboolean
is_copy_of (VrLane *lane, guint number, const guint8 *frame, gsize len)
{
  VrCopy copy;

  vr_copies_peek (lane->copies, number, &copy);
  return copy.len == len && memcmp (copy.frame, frame, MIN (len, copy.there)) == 0;
}

int
vr_lane_find (VrLane *lane, const guint8 *frame, gsize len, guint count)
{
  int highest = (int) lane->after - (int) count, lowest = MAX ((int) lane->before - (int) count - SWALLOWED, 0);

  for (int i = highest; i >= lowest; i--)
    if (is_copy_of (lane, i, frame, len))
      return i;
  for (int i = (int) lane->after - 1; i >= 0; i--)
    if (is_copy_of (lane, i, frame, len))
      return i;
  return -1;
}

guint
vr_lane_step_back (VrLane *lane, gint64 since_ns)
{
  VrCopy copy;
  guint  steps = 0;

  if (!lane->found) /* nothing was left when it was read: what came since then is not the guest's */
    lane->start = lane->before;
  else
    {
      vr_copies_peek (lane->copies, lane->start, &copy);
      since_ns = MIN (since_ns, copy.time_ns);
    }
  for (; steps < SWALLOWED && lane->start > 0; steps++)
    {
      vr_copies_peek (lane->copies, lane->start - 1, &copy);
      if (copy.time_ns < since_ns - AROUND_STOP_NS)
        break;
      lane->start--;
    }
  return steps;
}

guint
vr_lane_start_by_time (VrLane *lane, gint64 since_ns)
{
  VrCopy copy;
  guint  older = 0;

  for (lane->start = lane->after; lane->start > 0; lane->start--)
    {
      vr_copies_peek (lane->copies, lane->start - 1, &copy);
      if (copy.time_ns < since_ns - MARGIN_NS)
        break;
      older += copy.time_ns < since_ns;
    }
  return older;
}
