/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading all hosts' files of a directory. vr_log_directory_scan() is for worker threads, one at a time: it may take as long as the
 * storage does.
 */
#pragma once

#include "log-file.h"

#include <sys/types.h>

G_BEGIN_DECLS

typedef struct {
  char       *path;
  char       *self, *machine; /* a file of host `self` written on another machine is passed over; the writer says what is wrong */
  GHashTable *files;          /* host -> VrLogFile */
  int         inotify;        /* descriptor that speaks when something changed; -1: not available */
  int         watch;
  dev_t       watched_dev;
  ino_t       watched_ino;
} VrLogDirectory;

typedef struct {
  GArray  *entries; /* of VrEntry: what is new */
  GString *faults;  /* of single files, for people; "" */
  gboolean more;    /* call again at once */
  gboolean soon;    /* call again in a second: inotify may not tell what happens next */
} VrLogScan;

/* `polling`: do without inotify. */
VrLogDirectory *vr_log_directory_new (const char *path, const char *self, const char *machine, gboolean polling);
void            vr_log_directory_free (VrLogDirectory *directory);

VrLogScan      *vr_log_scan_new (void);
void            vr_log_scan_free (VrLogScan *scan);

/* Looks at every file once. Errors: VR_LOG_ERROR_STORAGE if the directory cannot be read; a single file's are among the faults. */
gboolean        vr_log_directory_scan (VrLogDirectory *directory, VrLogScan *scan, GError **error);

G_END_DECLS
