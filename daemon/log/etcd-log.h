/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The etcd engine of the migration log. What its files share: etcd-log.c connects and watches, etcd-list.c lists, etcd-writer.c
 * writes own records, etcd-copy.c keeps the copy on this host's disk. All in the log's context.
 */
#pragma once

#include "etcd-client.h"
#include "etcd-keys.h"
#include "etcd-watch.h"
#include "log-copy.h"
#include "log-engine.h"

G_BEGIN_DECLS

#define VR_TYPE_ETCD_LOG (vr_etcd_log_get_type ())
G_DECLARE_FINAL_TYPE (VrEtcdLog, vr_etcd_log, VR, ETCD_LOG, VrLog)

typedef enum {
  VR_ETCD_LOADING,   /* the copy is read; nothing else happens */
  VR_ETCD_AWAY,      /* between two tries; own records go to the copy */
  VR_ETCD_LISTING,   /* reading all keys, page by page, and taking the name; likewise */
  VR_ETCD_CATCHING,  /* a watch was asked for, and has not said a word yet; likewise */
  VR_ETCD_FOLLOWING, /* the watch runs, own records are written, the member is asked now and then whether it is there */
  VR_ETCD_REFUSED    /* the name is taken: still reading, never writing */
} VrEtcdPhase;

/* What stands in etcd under one of this host's keys. */
typedef struct {
  gint64  mod_revision; /* 0: nothing is there */
  VrEntry entry;
} VrEtcdStanding;

struct _VrEtcdLog {
  VrLog          parent;
  VrEtcdOptions *options;
  VrEtcd        *etcd;
  char          *machine;                 /* of this machine; "" where it has no id */
  char          *now, *past, *machine_key;
  guint          deadline_ms, ping_ms, renew_ms, page;
  /* reading */
  VrEtcdPhase    phase;
  gboolean       refused;
  GCancellable  *session;                 /* of all calls since the last connect */
  guint          tried;                   /* endpoints in a row that failed */
  guint          backoff_ms;
  gint64         away_since_us;           /* wall clock; 0: it is there */
  gint64         revision;                /* of the next event to come; 0: not listed yet */
  gint64         highest;                 /* revision that the store is known to have had */
  gint64         list_revision;
  gboolean       claimed;                 /* its machine key was in the list */
  GPtrArray     *listed;                  /* of Listed, see etcd-list.c */
  VrEtcdWatch   *watch;
  GHashTable    *faults;                  /* key -> what is wrong with what stands there */
  GSource       *retry, *ping, *renew;
  /* writing */
  GHashTable    *standing;                /* key -> VrEtcdStanding: this host's own */
  GQueue         own;                     /* of VrEtcdOwn, see etcd-writer.c: what is not in etcd yet, in order */
  gboolean       sending, slow;
  gconstpointer  sent_own;                /* which of them; to be compared only */
  GSource       *slow_timer, *own_retry;
  gint64         lease, lease_until_us;   /* monotonic; from then on another one is asked for */
  /* the copy */
  VrLogCopy     *copy;
  gboolean       copy_busy, copy_has, drop_wanted, replace_wanted;
  GPtrArray     *to_know;                 /* of char *: records for the copy */
  GSource       *copy_timer;
};

/* etcd-log.c */
void vr_etcd_clear_source (GSource **source); /* one that is there, or NULL */
void vr_etcd_log_set_timer (VrEtcdLog *self, GSource **source, guint ms, GSourceFunc func);
void vr_etcd_log_away (VrEtcdLog *self, const GError *why); /* what goes on is given up, and another endpoint is tried */
void vr_etcd_log_back (VrEtcdLog *self); /* from away: it follows again */
void vr_etcd_log_name_taken (VrEtcdLog *self, const char *why);
void vr_etcd_log_loaded (VrEtcdLog *self, GArray *known, GArray *waiting); /* of VrEntry: the copy was read */
gboolean vr_etcd_log_is_dropped (VrEtcdLog *self, const GError *error); /* of a call of a session that is over: nobody wants it */
gboolean vr_etcd_log_read_entry (VrEtcdLog *self, const VrEtcdKv *kv, VrEntry *entry); /* FALSE: no record, or not one for that key: a fault */
void vr_etcd_log_found_machine (VrEtcdLog *self, const VrEtcdKv *kv); /* under a machine key */
void vr_etcd_log_say_faults (VrEtcdLog *self);

/* etcd-list.c */
void vr_etcd_list_start (VrEtcdLog *self, const char *from); /* `from`: the key to go on from; NULL: all */

/* etcd-follow.c */
void vr_etcd_log_watch (VrEtcdLog *self);                   /* what happens from `revision` on */

/* etcd-standing.c: of VrEtcdStanding, by key */
void vr_etcd_standing_found (VrEtcdLog *self, const char *key, gint64 mod_revision, const VrEntry *entry); /* `entry` NULL: deleted */
guint64 vr_etcd_standing_last_seq (VrEtcdLog *self);                               /* of the own records that were found */
GHashTable *vr_etcd_standing_new (void);

/* etcd-writer.c */
void vr_etcd_writer_init (VrEtcdLog *self);
void vr_etcd_writer_clear (VrEtcdLog *self);
void vr_etcd_writer_append (VrLog *log, const char *json, GTask *task);
void vr_etcd_writer_stop (VrEtcdLog *self, const GError *why);                   /* nothing is written any more; `why` NULL: the log is stopped */
void vr_etcd_writer_restore (VrEtcdLog *self, const VrEntry *entry);             /* one that waited on the disk */
void vr_etcd_writer_listed (VrEtcdLog *self, GHashTable *before);                /* all were found; `before`: what has to be there, or NULL */
void vr_etcd_writer_send (VrEtcdLog *self);                                      /* goes on, if it can */
GPtrArray *vr_etcd_writer_to_keep (VrEtcdLog *self);                             /* (transfer container) JSON that is not on the disk yet */
void vr_etcd_writer_kept (VrEtcdLog *self, GPtrArray *json);                     /* now it is */

/* etcd-copy.c */
void vr_etcd_copy_pump (VrEtcdLog *self);                                        /* does what is to be done, on a worker thread */
void vr_etcd_copy_know (VrEtcdLog *self, const char *json, gsize len);

G_END_DECLS
