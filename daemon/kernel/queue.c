/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lengths of taps' queues. A queue is only ever made longer than it was found, and never shorter again, not when it is no longer wanted, and not by
 * a flush: to change the length of an interface that is up the kernel takes its queueing discipline away for a moment, and drops what comes
 * meanwhile (dev_qdisc_change_tx_queue_len()). So it is done while nothing comes, for a guest that is still expected; the tap goes with its QEMU,
 * and its length with it. What is in the tap's own queue stays there.
 */
#include "sync.h"

#include <errno.h>
#include <linux/if_link.h>

static VrRequest *
queue_request (const VrLink *link, const VrQueue *queue)
{
  g_autofree char  *line = vr_queue_to_string (queue);
  VrRequest        *request = vr_request_new (RTM_SETLINK, 0, g_strconcat ("+ ", line, NULL));
  struct ifinfomsg *header = vr_request_header (request, sizeof *header);

  header->ifi_index = link->index;
  mnl_attr_put_u32 (request->nlh, IFLA_TXQLEN, queue->length);
  request->harmless = ENODEV; /* it went meanwhile, and its queue with it */
  return request;
}

void
vr_sync_queues (VrSync *sync, GPtrArray *wanted)
{
  for (guint i = 0; i < wanted->len; i++)
    {
      const VrQueue *queue = wanted->pdata[i];
      const VrLink  *link = vr_links_by_name (sync->links, queue->dev);

      if (link != NULL && link->queue < queue->length)
        g_ptr_array_add (sync->adds, queue_request (link, queue));
    }
}
