/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is said to etcd's JSON gateway (API v3, the same in etcd 3.4 and 3.5), and what it answers: requests to text, text to
 * answers. Pure. Keys and values go as base64, 64-bit numbers as strings, and a field that is 0, false or empty is left out.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define VR_ETCD_ERROR (vr_etcd_error_quark ())
typedef enum {
  VR_ETCD_ERROR_RESOLVE,    /* the name of an endpoint is not known */
  VR_ETCD_ERROR_CONNECT,    /* nobody there, or no way to it */
  VR_ETCD_ERROR_TLS,        /* certificates: the message says whose */
  VR_ETCD_ERROR_LOGIN,      /* user or password are wrong, or missing */
  VR_ETCD_ERROR_TOKEN,      /* the token of a login has run out: log in again */
  VR_ETCD_ERROR_PERMISSION, /* the user may not do this */
  VR_ETCD_ERROR_VERSION,    /* it answers, but not as etcd's API v3 does */
  VR_ETCD_ERROR_SILENT,     /* no answer in time */
  VR_ETCD_ERROR_NO_QUORUM,  /* it answers, and cannot serve now: no leader, too few members */
  VR_ETCD_ERROR_COMPACTED,  /* the revision asked for is gone */
  VR_ETCD_ERROR_NO_LEASE,   /* the lease is gone */
  VR_ETCD_ERROR_FAILED      /* anything else that it refuses: the message has its words */
} VrEtcdError;
GQuark vr_etcd_error_quark (void);

typedef struct {
  char    *key;
  GBytes  *value;        /* NULL: the key was deleted */
  gint64   mod_revision; /* at which it was written, or deleted */
} VrEtcdKv;

typedef struct {
  gint64     revision;  /* of the whole store when this was answered */
  gboolean   more;      /* a range: there are more keys than the limit */
  gboolean   succeeded; /* a transaction: what was compared was as expected */
  gint64     lease;
  char      *token;
  GPtrArray *kvs;       /* of VrEtcdKv: of a range, or of all ranges of a transaction */
} VrEtcdAnswer;

/* One message of a watch. */
typedef struct {
  gint64     revision;
  gboolean   created;
  GPtrArray *kvs; /* of VrEtcdKv, in the order in which they were written */
} VrEtcdFrame;

/* What a transaction wants. Strings stay the caller's; value NULL: not that one. */
typedef struct {
  const char *guard_key, *guard_value; /* compare: has this value */
  const char *key;                     /* compare: was last written at `mod_revision`, 0: is not there */
  gint64      mod_revision;
  const char *value;                   /* put under `key`; NULL: leave it */
  gint64      lease;                   /* of it; 0: for good */
  const char *also_key, *also_value;   /* put, too */
  gint64      also_lease;
} VrEtcdTxn; /* if a comparison fails nothing is put, and the answer has `key` and `guard_key` as they are */

/* All (transfer full). `end` NULL: that key alone. `revision` 0: now. */
char *vr_etcd_say_range (const char *key, const char *end, gint64 revision, guint limit);
char *vr_etcd_say_txn (const VrEtcdTxn *txn);
char *vr_etcd_say_watch (const char *key, const char *end, gint64 revision);
char *vr_etcd_say_lease (guint64 seconds);
char *vr_etcd_say_login (const char *user, const char *password);

/* The first key behind all that begin with `prefix`. (transfer full) */
char *vr_etcd_prefix_end (const char *prefix);

/*
 * Whole JSON texts. NULL with VR_ETCD_ERROR: VERSION if it is not what etcd would say, otherwise what etcd says is wrong.
 * `status` is the HTTP status that came with it.
 */
VrEtcdAnswer *vr_etcd_answer_parse (guint status, const char *json, gsize len, GError **error);
void          vr_etcd_answer_free (VrEtcdAnswer *answer);
VrEtcdFrame  *vr_etcd_frame_parse (const char *json, gsize len, GError **error);
void          vr_etcd_frame_free (VrEtcdFrame *frame);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrEtcdAnswer, vr_etcd_answer_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrEtcdFrame, vr_etcd_frame_free)

G_END_DECLS
