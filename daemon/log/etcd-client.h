/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Calls to an etcd cluster: endpoints, TLS, log-in. Everything comes back in the context that was thread-default at the call, with
 * a deadline; nothing blocks. One thread.
 */
#pragma once

#include "etcd-message.h"
#include "log.h"

#include <gio/gio.h>
#include <libsoup/soup.h>

G_BEGIN_DECLS

struct _VrEtcdOptions {
  char **endpoints;         /* URLs, "https://etcd1:2379", all http or all https; at least one */
  char  *prefix;            /* of all keys: begins with "/", does not end with it */
  char  *ca;                /* file names, PEM; NULL: the system's */
  char  *certificate, *key; /* both or none */
  char  *user, *password;   /* both or none */
  guint  history_s;         /* how long records of a guest's past are kept */
};

VrEtcdOptions *vr_etcd_options_copy (const VrEtcdOptions *options);
void           vr_etcd_options_free (VrEtcdOptions *options);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrEtcdOptions, vr_etcd_options_free)

typedef struct _VrEtcd VrEtcd;

/* Reads the TLS files, and waits for the disk. NULL with VR_ETCD_ERROR_TLS if one of them is not what it should be. */
VrEtcd     *vr_etcd_new (const VrEtcdOptions *options, GError **error);
VrEtcd     *vr_etcd_ref (VrEtcd *etcd);
void        vr_etcd_unref (VrEtcd *etcd);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrEtcd, vr_etcd_unref)

const char *vr_etcd_endpoint (const VrEtcd *etcd); /* the one that is called */
guint       vr_etcd_n_endpoints (const VrEtcd *etcd);
void        vr_etcd_next_endpoint (VrEtcd *etcd);  /* from now on the next one is called, logged in anew */
void        vr_etcd_forget_token (VrEtcd *etcd);

/*
 * POSTs `body` to `path`, "/v3/kv/range", having logged in if there is a user; if the token has run out, once more with a new one. A
 * user where the cluster does not ask for one is no error. `deadline_ms` is for all of it. Errors: VR_ETCD_ERROR, and
 * G_IO_ERROR_CANCELLED if `cancellable` says so.
 */
void          vr_etcd_call_async (VrEtcd *etcd, const char *path, const char *body, guint deadline_ms, GCancellable *cancellable,
                                  GAsyncReadyCallback callback, gpointer data);
VrEtcdAnswer *vr_etcd_call_finish (VrEtcd *etcd, GAsyncResult *result, GError **error);

/* The same, for programs that people call: waits, and runs the thread-default context meanwhile. */
VrEtcdAnswer *vr_etcd_call_wait (VrEtcd *etcd, const char *path, const char *body, guint deadline_ms, GError **error);

/* For etcd-watch.c: a POST that is ready to be sent, and what its failure means. */
SoupSession  *vr_etcd_session (VrEtcd *etcd);
SoupMessage  *vr_etcd_message (VrEtcd *etcd, const char *path, const char *body);
GError       *vr_etcd_transport_error (VrEtcd *etcd, SoupMessage *message, const GError *error); /* (transfer full) */

G_END_DECLS
