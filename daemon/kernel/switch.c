/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The fast path. Everything that takes time or can fail for reasons of our own is done beforehand: indices looked up,
 * messages built, the room for acknowledgements made. Committing is one sendmsg() and one or two recv(). It goes through
 * the same socket as all other requests, so its changes are known as our own; sequence numbers tell its acknowledgements
 * from leftovers.
 *
 * All routes of a switch are put in place whatever becomes of the others, as in vr_kernel_apply(), which mends what
 * failed.
 */
#include "switch.h"

#include "sync.h"

#include <errno.h>
#include <string.h>
#include <time.h>

typedef struct {
  int   index;
  char *name;
} Used;

struct _VrSwitch {
  VrRtnl    *rtnl;
  char      *message; /* all requests, one after the other */
  gsize      size;
  guint      count;
  GPtrArray *items;   /* of char*, one a request */
  GArray    *used;    /* of Used: the links that it names by index */
  char      *void_since; /* the link that changed, or NULL: it can be committed */
  guint32   *seqs;    /* of each request, as of the commit under way */
  char      *acks;    /* room for one datagram of them */
  GObject   *keep;
  void     (*freed) (GObject *keep, VrSwitch *sw);
};

enum {
  ACKS_SIZE = 16 * 1024,
  MAX_REQUESTS = 256, /* the acknowledgements of all of them must fit into the socket's receive buffer */
};

static void
used_clear (gpointer data)
{
  g_free (((Used *) data)->name);
}

void
vr_switch_free (VrSwitch *sw)
{
  if (sw == NULL)
    return;
  if (sw->freed != NULL)
    sw->freed (sw->keep, sw);
  g_clear_object (&sw->keep);
  g_free (sw->message);
  g_ptr_array_unref (sw->items);
  g_array_unref (sw->used);
  g_free (sw->void_since);
  g_free (sw->seqs);
  g_free (sw->acks);
  g_free (sw);
}

static gboolean
append (VrSwitch *sw, const VrLinks *links, const char *dev, VrRequest *made /* taken */, char *item /* taken */, GByteArray *message, GError **error)
{
  g_autofree char      *line = item;
  g_autoptr (VrRequest) request = made;
  const VrLink         *link = dev != NULL ? vr_links_by_name (links, dev) : NULL;

  if (request == NULL)
    {
      g_set_error (error, VR_KERNEL_ERROR, VR_KERNEL_ERROR_LINK,
                   "cannot prepare \"%s\": its interface is missing or down", line);
      return FALSE;
    }
  if (link != NULL)
    {
      Used used = { link->index, g_strdup (link->name) };

      g_array_append_val (sw->used, used);
    }
  g_byte_array_append (message, (const guint8 *) request->nlh, MNL_ALIGN (request->nlh->nlmsg_len));
  g_ptr_array_add (sw->items, g_steal_pointer (&line));
  return TRUE;
}

static gboolean
append_neighbour (VrSwitch *sw, const VrLinks *links, const VrNeighbour *neighbour, GByteArray *message, GError **error)
{
  return append (sw, links, neighbour->dev, vr_neighbour_request (links, neighbour, RTM_NEWNEIGH, NULL), vr_neighbour_to_string (neighbour), message,
                 error);
}

static gboolean
append_route (VrSwitch *sw, const VrLinks *links, const VrRoute *route, GByteArray *message, GError **error)
{
  VrRoute now = *route;

  if (now.source != NULL && !vr_links_has_address (links, now.source))
    now.source = NULL;
  return append (sw, links, route->dev, vr_route_request (links, &now, RTM_NEWROUTE, NULL), vr_route_to_string (route), message, error);
}

VrSwitch *
vr_switch_new (VrRtnl *rtnl, const VrLinks *links, GPtrArray *neighbours, GPtrArray *routes, GObject *keep,
               void (*freed) (GObject *keep, VrSwitch *sw), GError **error)
{
  g_autoptr (VrSwitch) sw = g_new0 (VrSwitch, 1);
  g_autoptr (GByteArray) message = g_byte_array_new ();
  guint count = routes->len + (neighbours != NULL ? neighbours->len : 0);

  sw->items = g_ptr_array_new_with_free_func (g_free);
  sw->used = g_array_new (FALSE, FALSE, sizeof (Used));
  g_array_set_clear_func (sw->used, used_clear);
  if (count > MAX_REQUESTS)
    {
      g_set_error (error, VR_KERNEL_ERROR, VR_KERNEL_ERROR_LINK,
                   "cannot prepare a switch of %u routes and neighbours at once, at most %d", count, MAX_REQUESTS);
      return NULL;
    }
  for (guint i = 0; neighbours != NULL && i < neighbours->len; i++)
    if (!append_neighbour (sw, links, neighbours->pdata[i], message, error))
      return NULL;
  for (guint i = 0; i < routes->len; i++)
    if (!append_route (sw, links, routes->pdata[i], message, error))
      return NULL;
  sw->rtnl = rtnl;
  sw->count = count;
  sw->size = message->len;
  sw->message = (char *) g_byte_array_free (g_steal_pointer (&message), FALSE);
  sw->seqs = g_new0 (guint32, sw->count);
  sw->acks = g_malloc (ACKS_SIZE);
  sw->keep = g_object_ref (keep);
  sw->freed = freed;
  return g_steal_pointer (&sw);
}

void
vr_switch_check (VrSwitch *sw, const VrLinks *links)
{
  for (guint i = 0; sw->void_since == NULL && i < sw->used->len; i++)
    {
      const Used   *used = &g_array_index (sw->used, Used, i);
      const VrLink *link = vr_links_by_index (links, used->index);

      if (link == NULL || !link->up || !g_str_equal (link->name, used->name))
        sw->void_since = g_strdup (used->name);
    }
}

gboolean
vr_switch_is_void (const VrSwitch *sw)
{
  return sw->void_since != NULL;
}

/* ---- committing ---- */

static gint64
now_ns (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return now.tv_sec * G_GINT64_CONSTANT (1000000000) + now.tv_nsec;
}

static void
number_requests (VrSwitch *sw)
{
  int left = sw->size;
  guint i = 0;

  for (struct nlmsghdr *nlh = (gpointer) sw->message; mnl_nlmsg_ok (nlh, left); nlh = mnl_nlmsg_next (nlh, &left))
    sw->seqs[i++] = nlh->nlmsg_seq = vr_rtnl_next_seq (sw->rtnl);
}

/* One acknowledgement; TRUE: it is one of ours. The first failure is kept. */
static gboolean
take_ack (VrSwitch *sw, const struct nlmsghdr *nlh, guint *failed, int *failure)
{
  const struct nlmsgerr *err = mnl_nlmsg_get_payload (nlh);

  if (nlh->nlmsg_type != NLMSG_ERROR || mnl_nlmsg_get_payload_len (nlh) < sizeof *err)
    return FALSE;
  for (guint i = 0; i < sw->count; i++)
    if (sw->seqs[i] == nlh->nlmsg_seq)
      {
        if (err->error != 0 && *failure == 0)
          {
            *failed = i;
            *failure = -err->error;
          }
        return TRUE;
      }
  return FALSE;
}

/* 0, or an errno; `failed`: of which request. */
static int
send_and_read (VrSwitch *sw, guint *failed)
{
  int   fd = vr_rtnl_fd (sw->rtnl), failure = 0;
  guint missing = sw->count;

  while (send (fd, sw->message, sw->size, 0) < 0)
    if (errno != EINTR)
      return errno;
  while (missing > 0)
    {
      gssize got = recv (fd, sw->acks, ACKS_SIZE, 0);
      int    left = got;

      if (got < 0 && errno == EINTR)
        continue;
      if (got <= 0)
        return got < 0 ? errno : EPIPE;
      for (const struct nlmsghdr *nlh = (gpointer) sw->acks; mnl_nlmsg_ok (nlh, left); nlh = mnl_nlmsg_next (nlh, &left))
        if (take_ack (sw, nlh, failed, &failure))
          missing--;
    }
  return failure;
}

gboolean
vr_switch_commit (VrSwitch *sw, gint64 *took_ns, GError **error)
{
  gint64 start = now_ns ();
  guint  failed = 0;
  int    failure = 0;

  if (sw->void_since != NULL)
    {
      g_set_error (error, VR_KERNEL_ERROR, VR_KERNEL_ERROR_LINK, "the prepared switch is void: interface %s changed",
                   sw->void_since);
      return FALSE;
    }
  if (sw->count > 0)
    {
      number_requests (sw);
      failure = send_and_read (sw, &failed);
    }
  if (took_ns != NULL)
    *took_ns = now_ns () - start;
  if (failure == 0)
    return TRUE;
  g_set_error (error, VR_KERNEL_ERROR, VR_KERNEL_ERROR_NETLINK, "cannot switch to \"%s\": %s",
               (char *) sw->items->pdata[failed], g_strerror (failure));
  return FALSE;
}
