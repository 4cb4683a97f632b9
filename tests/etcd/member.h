/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Members of an etcd cluster for tests: real ones, on loopback, in a folder that goes with them. Everything here waits.
 */
#pragma once

#include "daemon/log/etcd-client.h"

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

typedef struct {
  char        *name, *client, *peer; /* URLs */
  GPid         pid;                  /* 0: not running */
} Member;

typedef struct {
  char   *dir;     /* data, logs, certificates */
  Member *members;
  guint   n;
  char   *ca, *certificate, *key; /* TLS: client certificates are asked for; NULL: without */
} Cluster;

/* Is there an etcd to start? The program is $VR_ETCD, or etcd. */
gboolean cluster_is_possible (void);

Cluster *cluster_new (guint n, gboolean tls); /* started, and serving */
void     cluster_free (Cluster *cluster);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Cluster, cluster_free)

void     member_start (Cluster *cluster, guint i);             /* again, with the data that it had */
void     member_signal (Cluster *cluster, guint i, int signum); /* SIGKILL: waits until it is gone */
void     cluster_wait (Cluster *cluster);                      /* until a member that runs serves */
int      cluster_leader (Cluster *cluster);                    /* its number */

/* (transfer full) endpoints of all members, `prefix`, the certificates. */
VrEtcdOptions *cluster_options (Cluster *cluster, const char *prefix);

/* One call to any member that runs, as often as needed; aborts the test if it is refused. (transfer full) */
VrEtcdAnswer  *cluster_call (const VrEtcdOptions *options, const char *path, const char *body);
void           cluster_put (const VrEtcdOptions *options, const char *key, const char *value);

/* All that it answers; NULL: nothing. (transfer full) */
JsonParser    *member_ask (Member *member, const char *path, const char *body);

/* The lease that `key`, which is there, goes with, and for how long it was granted; NULL: none. (transfer full) */
char          *member_lease (Member *member, const char *key, guint *seconds);

G_END_DECLS
