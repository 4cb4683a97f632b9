/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The migration log: one interface, whatever engine stands behind it. Records of all hosts come in as signals, in the order of
 * each writer; own records are appended and count once they are durable.
 */
#pragma once

#include "daemon/model/entry.h"

#include <gio/gio.h>

typedef struct _VrEtcdOptions VrEtcdOptions;

G_BEGIN_DECLS

#define VR_LOG_ERROR (vr_log_error_quark ())
typedef enum {
  VR_LOG_ERROR_STORAGE,   /* cannot be read or written now: the message names the path and the reason */
  VR_LOG_ERROR_NAME_TAKEN /* another machine writes under this host's name */
} VrLogError;
GQuark vr_log_error_quark (void);

#define VR_TYPE_LOG (vr_log_get_type ())
G_DECLARE_DERIVABLE_TYPE (VrLog, vr_log, VR, LOG, GObject)

/*
 * Signals, all in the thread-default context of the log's construction:
 *   "guest"   (VrRecord *record)  a guest's record, own ones too (once durable)
 *   "host"    (VrHost *host)
 *   "ledger"  (VrLedger *ledger)  a host's part of a migration's ledger
 *   "ready"   ()                  everything that was there at start has been emitted
 *   "trouble" (const char *what)  said once each time it begins; "" when it is over
 */
struct _VrLogClass {
  GObjectClass parent_class;
  void     (*start) (VrLog *log);
  void     (*append) (VrLog *log, const char *json, GTask *task); /* json: one object, no newline; returns TRUE or an error to the task */
  void     (*stop) (VrLog *log);
};

void     vr_log_start (VrLog *log);
void     vr_log_stop (VrLog *log); /* waits for nothing; appends under way end with G_IO_ERROR_CANCELLED */

/*
 * Appends; calls are carried out in order. Call from the log's context. The record's writer and seq are set here (and time_us, if
 * 0), so it must not be shared before the call; nor with other threads before the callback: if the clock was set back, the seq of
 * all that wait is raised once, when the storage is first there. A record that could not be read back ends in
 * VR_RECORD_ERROR_MALFORMED. Cancelling helps while a record waits for others; once its own turn came, the callback says what
 * became of it. While the storage is away the append waits (retried with backoff, "trouble"), and the callback comes when the
 * record is durable.
 */
void     vr_log_append_async (VrLog *log, VrRecord *record, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);
void     vr_log_append_host_async (VrLog *log, VrHost *host, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);
void     vr_log_append_ledger_async (VrLog *log, VrLedger *ledger, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);
gboolean vr_log_append_finish (VrLog *log, GAsyncResult *result, GError **error);

/* The history of one guest, oldest first: of VrRecord. From memory. `uuid` NULL: of all guests. */
GPtrArray *vr_log_history (VrLog *log, const char *uuid);

/*
 * The file engine: `directory`/HOST.log for each host. The directory must be there; while it is not, that is the log's trouble.
 * Properties, to be set before the start: "compact-above" (guint64, bytes of the own file below which it is never compacted),
 * "deadline-ms" (guint, after which storage that does not answer is trouble), "polling" (gboolean, do without inotify).
 */
VrLog   *vr_file_log_new (const char *directory, const char *self);

/*
 * The etcd engine (etcd-client.h has the options, etcd-keys.h where things stand). While etcd is away own records count once they are
 * durable in `state_directory`, in which a copy of what was known is kept as well; it is made when it is needed, and no other log may
 * use it. Waits for the disk: the options name TLS files. NULL with VR_ETCD_ERROR_TLS if one of them cannot be used.
 * Properties, to be set before the start: "deadline-ms" of each call, "ping-ms" between two looks whether the member is there,
 * "renew-ms" of silence after which the watch is taken up anew, "page" (keys in one answer); all guint.
 */
VrLog   *vr_etcd_log_new (const VrEtcdOptions *options, const char *state_directory, const char *self, GError **error);

G_END_DECLS
