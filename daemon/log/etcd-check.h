/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Is the etcd cluster as the log needs it? For programs that people call; the daemon itself finds out by using it. */
#pragma once

#include "etcd-client.h"

G_BEGIN_DECLS

typedef struct {
  char       *endpoint;
  const char *part;    /* what fails: "name", "connection", "TLS", "log-in", "permission", "version", "quorum", "machine", "files"; NULL: nothing */
  char       *message; /* one line, with what can be done; NULL: nothing fails */
} VrEtcdFinding;

/*
 * Asks each endpoint for what host `self` will want of it: log in, read all, write its own; nothing is written. (transfer full) of
 * VrEtcdFinding, one for each endpoint. Waits, up to `deadline_ms` for each of three calls to an endpoint; any thread.
 */
GPtrArray *vr_etcd_check (const VrEtcdOptions *options, const char *self, guint deadline_ms);

G_END_DECLS
