/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lengths of taps' queues. A queue is only ever made longer than it was found: one that is long enough stays as it is. What was found
 * is remembered with the interface's index before ours is set, and put back when it is no longer wanted, so that a daemon that
 * starts anew in between finds it; another interface of the same name is another interface. The kernel resizes a tap's queue without
 * losing what is in it, as long as that fits.
 */
#include "sync.h"

#include <errno.h>
#include <linux/if_link.h>
#include <stdlib.h>
#include <string.h>

#define ITEM "queue "

static VrRequest *
queue_request (const VrLink *link, guint32 length, char *item)
{
  VrRequest        *request = vr_request_new (RTM_SETLINK, 0, item);
  struct ifinfomsg *header = vr_request_header (request, sizeof *header);

  header->ifi_index = link->index;
  mnl_attr_put_u32 (request->nlh, IFLA_TXQLEN, length);
  request->harmless = ENODEV; /* it went meanwhile, and its queue with it */
  return request;
}

/* The length that was found on this very interface; FALSE: none is remembered. */
static gboolean
found_before (VrSync *sync, const VrLink *link, guint32 *length)
{
  const char *text = vr_kernel_state_queue (sync->state, link->name);
  char       *end = NULL;

  if (text == NULL || strtol (text, &end, 10) != link->index || *end != ' ')
    return FALSE;
  *length = strtoul (end + 1, NULL, 10);
  return TRUE;
}

static void
lengthen (VrSync *sync, const VrQueue *queue)
{
  const VrLink *link = vr_links_by_name (sync->links, queue->dev);
  g_autofree char *line = NULL;
  guint32       before;

  if (link == NULL || link->queue >= queue->length)
    return;
  if (!found_before (sync, link, &before))
    {
      g_autofree char *found = g_strdup_printf ("%d %u", link->index, link->queue);

      vr_kernel_state_set_queue (sync->state, link->name, found);
    }
  line = vr_queue_to_string (queue);
  g_ptr_array_add (sync->adds, queue_request (link, queue->length, g_strconcat ("+ ", line, NULL)));
}

static gboolean
is_wanted (GPtrArray *wanted, const char *dev)
{
  for (guint i = 0; i < wanted->len; i++)
    if (g_str_equal (((const VrQueue *) wanted->pdata[i])->dev, dev))
      return TRUE;
  return FALSE;
}

/* Puts back what was found, or forgets it, if the interface is gone, or somebody else set it since. */
static void
put_back (VrSync *sync, const char *dev)
{
  const VrLink *link = vr_links_by_name (sync->links, dev);
  guint32       before;

  if (link != NULL && found_before (sync, link, &before) && before < link->queue)
    g_ptr_array_add (sync->removes, queue_request (link, before, g_strdup_printf ("- " ITEM "%s %u", dev, link->queue)));
  else
    vr_kernel_state_set_queue (sync->state, dev, NULL);
}

void
vr_sync_queues (VrSync *sync, GPtrArray *wanted)
{
  g_autoptr (GPtrArray) ours = vr_kernel_state_queues (sync->state);

  for (guint i = 0; i < wanted->len; i++)
    lengthen (sync, wanted->pdata[i]);
  for (guint i = 0; i < ours->len; i++)
    {
      g_autofree char *dev = g_strdup (ours->pdata[i]);

      if (!is_wanted (wanted, dev))
        put_back (sync, dev);
    }
}

void
vr_sync_queues_done (VrSync *sync)
{
  for (guint i = 0; i < sync->removes->len; i++)
    {
      const VrRequest *request = sync->removes->pdata[i];

      if (g_str_has_prefix (request->item, "- " ITEM) && (request->result == 0 || request->result == request->harmless))
        {
          const char      *dev = request->item + strlen ("- " ITEM);
          g_autofree char *name = g_strndup (dev, strcspn (dev, " "));

          vr_kernel_state_set_queue (sync->state, name, NULL);
        }
    }
}
