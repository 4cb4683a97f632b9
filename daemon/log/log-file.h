/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One host's file of the migration log: its lines, and reading what is new in it. For worker threads: every call may take as long as
 * the storage does. One thread at a time for each VrLogFile.
 */
#pragma once

#include "log.h"

G_BEGIN_DECLS

#define VR_LOG_FILE_SUFFIX ".log"
#define VR_LOG_LINE_MAX (1024 * 1024)                 /* bytes of a line with its newline */
#define VR_LOG_FILE_HOLD_US (3 * G_USEC_PER_SEC)      /* how long a damaged last line may still be on its way */

/* (transfer full) "CHECKSUM JSON\n", the checksum being the first 16 hexadecimal digits of the JSON's SHA-256. */
char       *vr_log_line_make (const char *json);
/* The JSON in a line of `len` bytes (without its newline), or NULL if the checksum is wrong. */
const char *vr_log_line_json (const char *line, gsize len);

/* The first line, without its newline: whose file it is, and which one: each time it is written anew it gets another `id`. */
char       *vr_log_header_make (const char *host, const char *machine, const char *id);

typedef struct {
  char    *path, *host;
  char    *header, *machine;   /* as read; NULL before */
  gboolean alien;              /* the header is not one of a log of this host: nothing is taken from it */
  guint64  offset;             /* of the first byte that was not taken */
  guint64  line;               /* its number, from 1 */
  gboolean skipping;           /* within a line that is too long */
  gint64   held_since_us;      /* of a damaged last line, monotonic; 0: none */
  gint64   hold_us;            /* VR_LOG_FILE_HOLD_US; 0 where nobody else writes */
  GString *faults;             /* of the first lines that were passed over */
  guint    n_faults;           /* of all of them */
} VrLogFile;

VrLogFile *vr_log_file_new (const char *directory, const char *host);
void       vr_log_file_free (VrLogFile *file);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrLogFile, vr_log_file_free)

GArray    *vr_log_entries_new (void); /* of VrEntry, cleared with it */

/*
 * Appends to `entries` what is new, up to `max` elements in all; *more: call again. An incomplete last line is left for
 * the next call. Damaged lines are passed over and counted as faults. Starts over if the file was written anew; the caller
 * knows what it has seen by writer and seq. Errors: VR_LOG_ERROR_STORAGE.
 */
gboolean   vr_log_file_read (VrLogFile *file, GArray *entries, guint max, gboolean *more, GError **error);

/* (transfer full) which lines were passed over and why, for people; NULL if none was. */
char      *vr_log_file_faults (const VrLogFile *file);

/* Writes all of it; FALSE: errno says why not, and any part may be written. */
gboolean   vr_log_write (int fd, const char *data, gsize len);

/* Sets VR_LOG_ERROR_STORAGE from errno: "cannot VERB PATH: REASON; CURE". FALSE always. */
gboolean   vr_log_fail (GError **error, const char *verb, const char *path, int errnum);

G_END_DECLS
