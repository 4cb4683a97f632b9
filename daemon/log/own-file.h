/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * This host's own file of the migration log, the only one that it writes. For worker threads, one at a time: every call may take
 * as long as the storage does.
 */
#pragma once

#include "log-file.h"

G_BEGIN_DECLS

/* An id that only this machine has, and that does not show the machine's own; "" where it has none. (transfer full) */
char *vr_log_machine_id (void);

typedef struct {
  char    *directory, *path, *host;
  char    *machine;         /* of this machine; "" where it has no id */
  guint64  compact_above;   /* bytes; no compaction below */
  gboolean opened;
  gboolean sound;           /* the file ends where the last append left it */
  guint64  size;            /* what the file holds then */
  char    *header;
  guint64  last_seq;        /* highest that this host wrote */
  guint64  compact_at;      /* bytes; when to look again whether compaction pays */
} VrOwnFile;

VrOwnFile *vr_own_file_new (const char *directory, const char *host);
void       vr_own_file_free (VrOwnFile *own);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrOwnFile, vr_own_file_free)

/*
 * Makes the file ready to be appended to: creates it, or cuts off what a write left unfinished, and finds the last seq.
 * *report: what was cut off, for people, or NULL. Errors: VR_LOG_ERROR_STORAGE (try again later), VR_LOG_ERROR_NAME_TAKEN.
 */
gboolean   vr_own_file_open (VrOwnFile *own, char **report, GError **error);

/*
 * Appends a record, and compacts the file if that pays. TRUE: the record is durable. After VR_LOG_ERROR_STORAGE the same record
 * may be tried again: it will be in the file once.
 */
gboolean   vr_own_file_append (VrOwnFile *own, guint64 seq, const char *json, GError **error);

/* Sets VR_LOG_ERROR_NAME_TAKEN; `why` goes on from the file's name. Any thread. */
void       vr_own_file_name_taken (const VrOwnFile *own, const char *why, GError **error);

G_END_DECLS
