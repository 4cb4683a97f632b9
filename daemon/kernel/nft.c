/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Notifications do not say who caused them in a way that survives PID namespaces, and libnftables does not say which port
 * it sends from. But the kernel ends the notifications of each transaction with one message of the new generation, before
 * the transaction's sender returns. So the notifications between just before and just after a transaction of ours are all
 * our own if they hold exactly one generation; with more than one, somebody else was there too, and what touches our
 * tables counts as theirs: looking once more is cheap.
 */
#include "nft.h"

#include "daemon/names.h"

#include <errno.h>
#include <glib-unix.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <nftables/libnftables.h>
#include <string.h>
#include <sys/socket.h>

enum {
  RECEIVE_SIZE = 64 * 1024,
  QUEUE_SIZE = 4 * 1024 * 1024, /* a big ruleset loaded by somebody else is many messages at once */
};

struct _VrNft {
  struct nft_ctx    *ctx;
  struct mnl_socket *monitor;
  GSource           *source;
  char              *buffer;
  VrNftTouched       touched;
  gpointer           data;
  gboolean           dirty; /* somebody else touched our tables */
};

/* ---- notifications ---- */

typedef struct {
  guint    generations;
  gboolean ours; /* a table of ours is concerned */
  gboolean lost;
} Seen;

static void
look_at (const struct nlmsghdr *nlh, Seen *seen)
{
  const struct nlattr *attribute;

  if (NFNL_SUBSYS_ID (nlh->nlmsg_type) != NFNL_SUBSYS_NFTABLES
      || mnl_nlmsg_get_payload_len (nlh) < sizeof (struct nfgenmsg))
    return;
  if (NFNL_MSG_TYPE (nlh->nlmsg_type) == NFT_MSG_NEWGEN)
    {
      seen->generations++;
      return;
    }
  /* The first attribute type of every kind of object is the name of its table. */
  mnl_attr_for_each (attribute, nlh, sizeof (struct nfgenmsg))
    if (mnl_attr_get_type (attribute) == NFTA_TABLE_NAME && mnl_attr_validate (attribute, MNL_TYPE_NUL_STRING) >= 0
        && g_str_equal (mnl_attr_get_str (attribute), VR_NFT_TABLE))
      seen->ours = TRUE;
}

static Seen
drain (VrNft *nft)
{
  Seen seen = { 0, FALSE, FALSE };

  for (;;)
    {
      gssize got = recv (mnl_socket_get_fd (nft->monitor), nft->buffer, RECEIVE_SIZE, MSG_DONTWAIT);
      int    left = got;

      if (got < 0 && errno == EINTR)
        continue;
      if (got < 0 && errno == ENOBUFS)
        {
          seen.lost = TRUE;
          continue;
        }
      if (got <= 0)
        return seen;
      for (const struct nlmsghdr *nlh = (gpointer) nft->buffer; mnl_nlmsg_ok (nlh, left);
           nlh = mnl_nlmsg_next (nlh, &left))
        look_at (nlh, &seen);
    }
}

static gboolean
on_readable (int fd, GIOCondition condition, gpointer data)
{
  VrNft *nft = data;
  Seen   seen = drain (nft);

  if (seen.ours || seen.lost)
    {
      nft->dirty = TRUE;
      nft->touched (nft->data);
    }
  return G_SOURCE_CONTINUE;
}

gboolean
vr_nft_was_touched (VrNft *nft)
{
  Seen     seen = drain (nft);
  gboolean dirty = nft->dirty || seen.ours || seen.lost;

  nft->dirty = FALSE;
  return dirty;
}

static gboolean
open_monitor (VrNft *nft, GError **error)
{
  int group = NFNLGRP_NFTABLES, size = QUEUE_SIZE;

  nft->monitor = mnl_socket_open2 (NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (nft->monitor == NULL || mnl_socket_bind (nft->monitor, 0, MNL_SOCKET_AUTOPID) < 0
      || mnl_socket_setsockopt (nft->monitor, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0)
    {
      g_set_error (error, VR_KERNEL_ERROR, VR_KERNEL_ERROR_NFTABLES, "cannot listen to nftables notifications: %s%s",
                   g_strerror (errno),
                   errno == EPROTONOSUPPORT || errno == EPERM ? "; the kernel needs nf_tables, the daemon CAP_NET_ADMIN"
                                                              : "");
      return FALSE;
    }
  setsockopt (mnl_socket_get_fd (nft->monitor), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size); /* less also works */
  nft->source = g_unix_fd_source_new (mnl_socket_get_fd (nft->monitor), G_IO_IN | G_IO_ERR);
  g_source_set_callback (nft->source, G_SOURCE_FUNC (on_readable), nft, NULL);
  g_source_attach (nft->source, g_main_context_get_thread_default ());
  return TRUE;
}

VrNft *
vr_nft_new (VrNftTouched touched, gpointer data, GError **error)
{
  g_autoptr (VrNft) nft = g_new0 (VrNft, 1);

  nft->touched = touched;
  nft->data = data;
  nft->buffer = g_malloc (RECEIVE_SIZE);
  if (!open_monitor (nft, error))
    return NULL;
  nft->ctx = nft_ctx_new (NFT_CTX_DEFAULT);
  if (nft->ctx == NULL || nft_ctx_buffer_output (nft->ctx) != 0 || nft_ctx_buffer_error (nft->ctx) != 0)
    {
      g_set_error_literal (error, VR_KERNEL_ERROR, VR_KERNEL_ERROR_NFTABLES,
                           "cannot make a libnftables context: out of memory");
      return NULL;
    }
  return g_steal_pointer (&nft);
}

void
vr_nft_free (VrNft *nft)
{
  if (nft == NULL)
    return;
  if (nft->source != NULL)
    {
      g_source_destroy (nft->source);
      g_source_unref (nft->source);
    }
  if (nft->monitor != NULL)
    mnl_socket_close (nft->monitor);
  if (nft->ctx != NULL)
    nft_ctx_free (nft->ctx);
  g_free (nft->buffer);
  g_free (nft);
}

/* ---- commands ---- */

/* The library's text is "FILE:1:2-3: Error: REASON", the command, and a line of carets. */
static void
set_error (VrNft *nft, GError **error)
{
  const char      *text = nft_ctx_get_error_buffer (nft->ctx);
  const char      *reason = text != NULL ? strstr (text, "Error: ") : NULL;
  g_autofree char *line = NULL;

  reason = reason != NULL ? reason + strlen ("Error: ") : text != NULL && *text != '\0' ? text : "unknown error";
  line = g_strndup (reason, strcspn (reason, "\n"));
  g_set_error (error, VR_KERNEL_ERROR, VR_KERNEL_ERROR_NFTABLES, "nftables: %s", line);
}

static gboolean
run (VrNft *nft, const char *commands, guint flags, GError **error)
{
  nft_ctx_output_set_flags (nft->ctx, flags);
  if (nft_run_cmd_from_buffer (nft->ctx, commands) == 0)
    return TRUE;
  set_error (nft, error);
  return FALSE;
}

gboolean
vr_nft_run (VrNft *nft, const char *commands, GError **error)
{
  Seen     before = drain (nft), after;
  gboolean ok = run (nft, commands, 0, error);

  after = drain (nft);
  if (before.ours || before.lost || after.lost || (after.ours && after.generations > 1))
    {
      nft->dirty = TRUE;
      nft->touched (nft->data);
    }
  return ok;
}

char *
vr_nft_list_text (VrNft *nft, const char *command, GError **error)
{
  if (!run (nft, command, NFT_CTX_OUTPUT_STATELESS | NFT_CTX_OUTPUT_TERSE, error))
    return NULL;
  return g_strdup (nft_ctx_get_output_buffer (nft->ctx));
}

static JsonNode *
check_listing (JsonParser *parser, GError **error)
{
  JsonNode *root = json_parser_get_root (parser), *objects = NULL;

  if (root != NULL && JSON_NODE_HOLDS_OBJECT (root))
    objects = json_object_get_member (json_node_get_object (root), "nftables");
  if (objects == NULL || !JSON_NODE_HOLDS_ARRAY (objects))
    {
      g_set_error_literal (error, VR_KERNEL_ERROR, VR_KERNEL_ERROR_NFTABLES,
                           "libnftables gave a listing in an unknown form; this version of it is not supported");
      return NULL;
    }
  return json_node_ref (root);
}

JsonNode *
vr_nft_list_json (VrNft *nft, const char *command, GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new_immutable ();

  if (!run (nft, command, NFT_CTX_OUTPUT_JSON, error))
    return NULL;
  if (!json_parser_load_from_data (parser, nft_ctx_get_output_buffer (nft->ctx), -1, error))
    {
      g_prefix_error (error, "libnftables gave a listing that is not JSON; was it built without JSON support? ");
      return NULL;
    }
  return check_listing (parser, error);
}

JsonArray *
vr_nft_objects (JsonNode *listing)
{
  return json_object_get_array_member (json_node_get_object (listing), "nftables");
}

/* As text: libnftables 1.0.6 reads beyond an array when it writes the flags of somebody's table with an owner as JSON. */
gboolean
vr_nft_has_table (VrNft *nft, const char *family, gboolean *has, GError **error)
{
  g_autofree char *command = g_strdup_printf ("list tables %s", family);
  g_autofree char *line = g_strdup_printf ("table %s %s", family, VR_NFT_TABLE);
  g_autofree char *listing = vr_nft_list_text (nft, command, error);
  g_auto (GStrv) lines = listing != NULL ? g_strsplit (listing, "\n", -1) : NULL;

  if (listing == NULL)
    return FALSE;
  *has = g_strv_contains ((const char *const *) lines, line);
  return TRUE;
}
