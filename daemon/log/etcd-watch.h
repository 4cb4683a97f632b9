/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One watch on a range of etcd's keys: a POST whose answer never ends, one JSON object a line. One thread. */
#pragma once

#include "etcd-client.h"

G_BEGIN_DECLS

typedef struct {
  void (*frame) (const VrEtcdFrame *frame, gpointer data);
  /* Once, and nothing after it. VR_ETCD_ERROR; a stream that just ended is VR_ETCD_ERROR_CONNECT. Free the watch here or later. */
  void (*ended) (const GError *error, gpointer data);
} VrEtcdWatchCalls;

typedef struct _VrEtcdWatch VrEtcdWatch;

/*
 * Watches the keys from `key` up to, not including, `end`, from `revision` on, at the endpoint that is called now. `deadline_ms`: for
 * the first word. Calls come in the context that is thread-default now, never from within this call.
 */
VrEtcdWatch *vr_etcd_watch_new (VrEtcd *etcd, const char *key, const char *end, gint64 revision, guint deadline_ms,
                                const VrEtcdWatchCalls *calls, gpointer data);
void         vr_etcd_watch_free (VrEtcdWatch *watch); /* no call comes any more; NULL is fine */

G_END_DECLS
