/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests to rtnetlink. The kernel works through all messages of one sendmsg() before it returns and queues one
 * acknowledgement for each, whatever became of the others. A full receive buffer would lose acknowledgements, so few are
 * outstanding at a time. Acknowledgements carry the kernel's own words (extended acknowledgement), which say more than an
 * errno does.
 */
#include "rtnl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/uio.h>

enum {
  OUTSTANDING = 64,         /* requests sent at once */
  RECEIVE_SIZE = 64 * 1024, /* the kernel's dumps never exceed 32 KiB a datagram */
  DUMP_TRIES = 10,
};

struct _VrRtnl {
  struct mnl_socket *socket;
  guint32            seq;
  char              *buffer;
};

/* ---- requests ---- */

VrRequest *
vr_request_new (guint16 type, guint16 flags, char *item)
{
  VrRequest *request = g_new0 (VrRequest, 1);

  request->nlh = mnl_nlmsg_put_header (g_malloc0 (VR_REQUEST_SIZE));
  request->nlh->nlmsg_type = type;
  request->nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
  request->item = item;
  return request;
}

void
vr_request_free (VrRequest *request)
{
  g_free (request->nlh);
  g_free (request->item);
  g_free (request->replaces);
  g_free (request->why);
  g_free (request);
}

gpointer
vr_request_header (VrRequest *request, gsize size)
{
  return mnl_nlmsg_put_extra_header (request->nlh, size);
}

GPtrArray *
vr_batch_new (void)
{
  return g_ptr_array_new_with_free_func ((GDestroyNotify) vr_request_free);
}

gboolean
vr_request_put_address (VrRequest *request, guint16 attribute, const char *address)
{
  guint8 bytes[16];
  int    family;

  if (!vr_prefix_parse (address, bytes, &family, NULL))
    return FALSE;
  mnl_attr_put (request->nlh, attribute, family == AF_INET ? 4 : 16, bytes);
  return TRUE;
}

/* ---- the socket ---- */

VrRtnl *
vr_rtnl_new (GError **error)
{
  g_autoptr (VrRtnl) rtnl = g_new0 (VrRtnl, 1);
  int on = 1;

  rtnl->socket = mnl_socket_open2 (NETLINK_ROUTE, SOCK_CLOEXEC);
  if (rtnl->socket == NULL || mnl_socket_bind (rtnl->socket, 0, MNL_SOCKET_AUTOPID) < 0)
    {
      g_set_error (error, VR_KERNEL_ERROR, VR_KERNEL_ERROR_NETLINK, "cannot open a route netlink socket: %s",
                   g_strerror (errno));
      return NULL;
    }
  /* Each of these only makes answers better or smaller; STRICT_CHK makes the kernel filter dumps. */
  mnl_socket_setsockopt (rtnl->socket, NETLINK_EXT_ACK, &on, sizeof on);
  mnl_socket_setsockopt (rtnl->socket, NETLINK_CAP_ACK, &on, sizeof on);
  mnl_socket_setsockopt (rtnl->socket, NETLINK_GET_STRICT_CHK, &on, sizeof on);
  rtnl->buffer = g_malloc (RECEIVE_SIZE);
  return g_steal_pointer (&rtnl);
}

void
vr_rtnl_free (VrRtnl *rtnl)
{
  if (rtnl == NULL)
    return;
  if (rtnl->socket != NULL)
    mnl_socket_close (rtnl->socket);
  g_free (rtnl->buffer);
  g_free (rtnl);
}

guint32
vr_rtnl_port (const VrRtnl *rtnl)
{
  return mnl_socket_get_portid (rtnl->socket);
}

int
vr_rtnl_fd (const VrRtnl *rtnl)
{
  return mnl_socket_get_fd (rtnl->socket);
}

guint32
vr_rtnl_next_seq (VrRtnl *rtnl)
{
  return ++rtnl->seq;
}

static gboolean
socket_failed (const char *what, GError **error)
{
  g_set_error (error, VR_KERNEL_ERROR, VR_KERNEL_ERROR_NETLINK, "route netlink: cannot %s: %s", what, g_strerror (errno));
  return FALSE;
}

/* The text of an extended acknowledgement, or NULL. */
static char *
extended_text (const struct nlmsghdr *nlh, const struct nlmsgerr *err)
{
  gsize                offset = sizeof *err;
  const struct nlattr *attribute;

  if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
    return NULL;
  if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
    offset += err->msg.nlmsg_len - sizeof err->msg;
  mnl_attr_for_each (attribute, nlh, MNL_ALIGN (offset))
    if (mnl_attr_get_type (attribute) == NLMSGERR_ATTR_MSG && mnl_attr_validate (attribute, MNL_TYPE_NUL_STRING) >= 0)
      return g_strdup (mnl_attr_get_str (attribute));
  return NULL;
}

/* Fits the acknowledgement to its request; TRUE: it was one of `requests`. */
static gboolean
take_ack (const struct nlmsghdr *nlh, GPtrArray *requests, guint from, guint to)
{
  const struct nlmsgerr *err = mnl_nlmsg_get_payload (nlh);

  if (nlh->nlmsg_type != NLMSG_ERROR || mnl_nlmsg_get_payload_len (nlh) < sizeof *err)
    return FALSE;
  for (guint i = from; i < to; i++)
    {
      VrRequest *request = requests->pdata[i];

      if (request->nlh->nlmsg_seq != nlh->nlmsg_seq)
        continue;
      request->result = -err->error;
      request->why = err->error != 0 ? extended_text (nlh, err) : NULL;
      return TRUE;
    }
  return FALSE;
}

static gboolean
read_acks (VrRtnl *rtnl, GPtrArray *requests, guint from, guint to, GError **error)
{
  guint missing = to - from;

  while (missing > 0)
    {
      gssize got = mnl_socket_recvfrom (rtnl->socket, rtnl->buffer, RECEIVE_SIZE);
      int    left = got;

      if (got < 0 && errno == EINTR)
        continue;
      if (got <= 0)
        return socket_failed ("read acknowledgements", error);
      for (const struct nlmsghdr *nlh = (gpointer) rtnl->buffer; mnl_nlmsg_ok (nlh, left);
           nlh = mnl_nlmsg_next (nlh, &left))
        if (take_ack (nlh, requests, from, to))
          missing--;
    }
  return TRUE;
}

gboolean
vr_rtnl_send (VrRtnl *rtnl, GPtrArray *requests, GError **error)
{
  for (guint from = 0; from < requests->len; from += OUTSTANDING)
    {
      guint         to = MIN (from + OUTSTANDING, requests->len);
      struct iovec  parts[OUTSTANDING];
      struct msghdr message = { .msg_iov = parts, .msg_iovlen = to - from };

      for (guint i = from; i < to; i++)
        {
          VrRequest *request = requests->pdata[i];

          request->nlh->nlmsg_seq = vr_rtnl_next_seq (rtnl);
          parts[i - from] = (struct iovec) { request->nlh, MNL_ALIGN (request->nlh->nlmsg_len) };
        }
      while (sendmsg (vr_rtnl_fd (rtnl), &message, 0) < 0)
        if (errno != EINTR)
          return socket_failed ("send requests", error);
      if (!read_acks (rtnl, requests, from, to, error))
        return FALSE;
    }
  return TRUE;
}

static const char *
cure (int number)
{
  switch (number)
    {
    case EPERM:
      return "; this needs CAP_NET_ADMIN in the host's network namespace";
    case EOPNOTSUPP:
    case EAFNOSUPPORT:
      return "; this kernel or interface cannot do that";
    default:
      return "";
    }
}

static GError *
request_error (const VrRequest *request)
{
  const char *item = request->item;

  return g_error_new (VR_KERNEL_ERROR, VR_KERNEL_ERROR_NETLINK, "cannot %s %s: %s%s%s%s%s",
                      item[0] == '-' ? "remove" : "add", item + 2, g_strerror (request->result),
                      request->why != NULL ? " (the kernel says: " : "", request->why != NULL ? request->why : "",
                      request->why != NULL ? ")" : "", cure (request->result));
}

void
vr_rtnl_run (VrRtnl *rtnl, GPtrArray *requests, GPtrArray *changes, VrTrouble *trouble)
{
  g_autoptr (GError) error = NULL;

  if (requests->len == 0)
    return;
  if (!vr_rtnl_send (rtnl, requests, &error))
    {
      vr_trouble_take (trouble, g_steal_pointer (&error));
      return;
    }
  for (guint i = 0; i < requests->len; i++)
    {
      const VrRequest *request = requests->pdata[i];

      if (request->result != 0 && request->result != request->harmless)
        vr_trouble_take (trouble, request_error (request));
      else if (request->result == 0 && changes != NULL)
        {
          if (request->replaces != NULL)
            g_ptr_array_add (changes, g_strdup (request->replaces));
          g_ptr_array_add (changes, g_strdup (request->item));
        }
    }
}

/* ---- dumps ---- */

typedef enum { DUMP_DONE, DUMP_AGAIN, DUMP_FAILED } DumpOutcome;

/* One message of a dump: kept, or its end. TRUE: the dump has ended, `outcome` says how. */
static gboolean
dump_message (const struct nlmsghdr *nlh, GByteArray *kept, gboolean *interrupted, DumpOutcome *outcome)
{
  const struct nlmsgerr *err = mnl_nlmsg_get_payload (nlh);

  if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
    *interrupted = TRUE;
  if (nlh->nlmsg_type == NLMSG_ERROR && mnl_nlmsg_get_payload_len (nlh) >= sizeof *err)
    {
      errno = -err->error;
      *outcome = DUMP_FAILED;
      return TRUE;
    }
  if (nlh->nlmsg_type == NLMSG_DONE)
    {
      int status = mnl_nlmsg_get_payload_len (nlh) >= sizeof (int) ? *(int *) mnl_nlmsg_get_payload (nlh) : 0;

      errno = -status;
      *outcome = *interrupted ? DUMP_AGAIN : status < 0 ? DUMP_FAILED : DUMP_DONE;
      return TRUE;
    }
  g_byte_array_append (kept, (const guint8 *) nlh, MNL_ALIGN (nlh->nlmsg_len));
  return FALSE;
}

static DumpOutcome
dump_once (VrRtnl *rtnl, VrRequest *request, GByteArray *kept)
{
  gboolean    interrupted = FALSE;
  DumpOutcome outcome = DUMP_FAILED;

  g_byte_array_set_size (kept, 0);
  request->nlh->nlmsg_seq = vr_rtnl_next_seq (rtnl);
  if (mnl_socket_sendto (rtnl->socket, request->nlh, request->nlh->nlmsg_len) < 0)
    return DUMP_FAILED;
  for (;;)
    {
      gssize got = mnl_socket_recvfrom (rtnl->socket, rtnl->buffer, RECEIVE_SIZE);
      int    left = got;

      if (got < 0 && errno == EINTR)
        continue;
      if (got <= 0)
        return DUMP_FAILED;
      for (const struct nlmsghdr *nlh = (gpointer) rtnl->buffer; mnl_nlmsg_ok (nlh, left);
           nlh = mnl_nlmsg_next (nlh, &left))
        if (nlh->nlmsg_seq == request->nlh->nlmsg_seq && dump_message (nlh, kept, &interrupted, &outcome))
          return outcome;
    }
}

gboolean
vr_rtnl_dump (VrRtnl *rtnl, guint16 type, gconstpointer header, gsize size, VrRtnlFunc func, gpointer data,
              GError **error)
{
  g_autoptr (VrRequest) request = vr_request_new (type, NLM_F_DUMP, NULL);
  g_autoptr (GByteArray) kept = g_byte_array_new ();
  DumpOutcome outcome = DUMP_AGAIN;
  int         left;

  request->nlh->nlmsg_flags &= ~NLM_F_ACK;
  memcpy (vr_request_header (request, size), header, size);
  for (guint tries = 0; outcome == DUMP_AGAIN && tries < DUMP_TRIES; tries++)
    outcome = dump_once (rtnl, request, kept);
  if (outcome == DUMP_FAILED && (errno == EAFNOSUPPORT || errno == EOPNOTSUPP || errno == ENOENT))
    return TRUE;
  if (outcome == DUMP_FAILED)
    return socket_failed ("read what is there", error);

  /* After so many interrupted tries the last one is as good as any: what is missing shows up as an event. */
  left = kept->len;
  for (const struct nlmsghdr *nlh = (gpointer) kept->data; mnl_nlmsg_ok (nlh, left); nlh = mnl_nlmsg_next (nlh, &left))
    func (nlh, data);
  return TRUE;
}

/* ---- reading messages ---- */

void
vr_attributes (const struct nlmsghdr *nlh, gsize header, const struct nlattr **tb, guint max)
{
  const struct nlattr *attribute;

  memset (tb, 0, (max + 1) * sizeof *tb);
  if (mnl_nlmsg_get_payload_len (nlh) < header)
    return;
  mnl_attr_for_each (attribute, nlh, header)
    if (mnl_attr_get_type (attribute) <= max)
      tb[mnl_attr_get_type (attribute)] = attribute;
}

char *
vr_attribute_address (const struct nlattr *attribute, int family)
{
  char text[INET6_ADDRSTRLEN];

  if (attribute == NULL || mnl_attr_get_payload_len (attribute) != (family == AF_INET ? 4 : 16))
    return NULL;
  return g_strdup (inet_ntop (family, mnl_attr_get_payload (attribute), text, sizeof text));
}

char *
vr_attribute_mac (const struct nlattr *attribute)
{
  const guint8 *mac;

  if (attribute == NULL || mnl_attr_get_payload_len (attribute) != 6)
    return NULL;
  mac = mnl_attr_get_payload (attribute);
  return g_strdup_printf ("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

/* ---- text ---- */

gboolean
vr_prefix_parse (const char *text, guint8 *bytes, int *family, guint8 *length)
{
  int              af = strchr (text, ':') != NULL ? AF_INET6 : AF_INET;
  guint64          bits = af == AF_INET ? 32 : 128;
  const char      *slash = strchr (text, '/');
  g_autofree char *address = slash != NULL ? g_strndup (text, slash - text) : g_strdup (text);

  if (inet_pton (af, address, bytes) != 1)
    return FALSE;
  if (slash != NULL && !g_ascii_string_to_unsigned (slash + 1, 10, 0, bits, &bits, NULL))
    return FALSE;
  if (family != NULL)
    *family = af;
  if (length != NULL)
    *length = bits;
  return TRUE;
}

gboolean
vr_mac_parse (const char *text, guint8 mac[6])
{
  if (strlen (text) != 17)
    return FALSE;
  for (guint i = 0; i < 6; i++)
    {
      int high = g_ascii_xdigit_value (text[3 * i]), low = g_ascii_xdigit_value (text[3 * i + 1]);

      if (high < 0 || low < 0 || (i < 5 && text[3 * i + 2] != ':'))
        return FALSE;
      mac[i] = high << 4 | low;
    }
  return TRUE;
}
