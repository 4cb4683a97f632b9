/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What this host keeps on its own disk beside a log that lives elsewhere: the records that it knew last, so that it can go on without
 * that log; and its own records that are not there yet, in order, each durable. For worker threads, one at a time.
 */
#pragma once

#include "log-file.h"

G_BEGIN_DECLS

typedef struct {
  char   *directory, *known, *waiting; /* paths */
  char   *header;                      /* that both files must have: whose copy of which log it is */
  guint64 known_size;                  /* bytes */
  guint64 compact_at;                  /* bytes of the known records, above which the superseded ones are thrown out */
  gint64  known_time_us;               /* when the known records were written last, wall clock; 0: there are none */
} VrLogCopy;

/* `of`: which log, on one line. The directory is made when it is needed. */
VrLogCopy *vr_log_copy_new (const char *directory, const char *host, const char *machine, const char *of);
void       vr_log_copy_free (VrLogCopy *copy); /* NULL is fine */

/*
 * Reads both files into arrays of VrEntry. A damaged line ends the file it is in: what stood before it is whole. Files of another log or
 * host are passed over, and so are those that are not there. Errors: VR_LOG_ERROR_STORAGE.
 */
gboolean   vr_log_copy_load (VrLogCopy *copy, GArray *known, GArray *waiting, GError **error);

/* `json`: of char *, one record each. Errors: VR_LOG_ERROR_STORAGE. */
gboolean   vr_log_copy_add_known (VrLogCopy *copy, GPtrArray *json, GError **error);
gboolean   vr_log_copy_replace_known (VrLogCopy *copy, GPtrArray *json, GError **error);
gboolean   vr_log_copy_add_waiting (VrLogCopy *copy, GPtrArray *json, GError **error); /* TRUE: all of them are durable */
gboolean   vr_log_copy_drop_waiting (VrLogCopy *copy, GError **error);                 /* none waits any more */

G_END_DECLS
