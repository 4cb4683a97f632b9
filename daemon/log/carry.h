/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Carrying a migration log from one engine to another: all records of all hosts out of one, into the other, each with its writer and its
 * seq. For programs that people call, beside daemons that run on either log: everything here waits, any thread.
 *
 * Nothing that is newer is overwritten, and what is there already is not written again, so both ways may be gone as often as one likes.
 * In the log in etcd the engine's rules decide (etcd-writer.c), also against a daemon that writes at the same time. A file of a directory
 * belongs to its host's daemon: only a host that has none gets one.
 */
#pragma once

#include "etcd-client.h"
#include "log-file.h"

G_BEGIN_DECLS

/* What became of the records. */
typedef struct {
  guint      written; /* they were not there */
  guint      there;   /* they were, or something newer is */
  guint      refused; /* could not be written: `notes` say why */
  GPtrArray *notes;   /* of char *, one line each, for people */
} VrCarried;

void vr_carried_clear (VrCarried *carried);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (VrCarried, vr_carried_clear)

/*
 * All that is there: of VrEntry, by writer and seq. What is passed over, as it is no record, is named in `notes` (of char *).
 * Errors: VR_LOG_ERROR_STORAGE, VR_ETCD_ERROR. (transfer full)
 */
GArray  *vr_carry_from_directory (const char *directory, GPtrArray *notes, GError **error);
GArray  *vr_carry_from_etcd (const VrEtcdOptions *options, GPtrArray *notes, GError **error);

/* JSON, one record a line; `name` is the text's, for errors. NULL with VR_RECORD_ERROR if one of them is no record, or none that its writer may write. */
char    *vr_carry_to_text (GArray *entries);
GArray  *vr_carry_from_text (const char *text, const char *name, GError **error);

/*
 * Writes them; `carried` is empty before, and says how far it came, with an error, too: call again. In etcd what a user may not write, in
 * another host's name, is refused and no error. Errors: VR_LOG_ERROR_STORAGE, VR_ETCD_ERROR.
 */
gboolean vr_carry_into_directory (const char *directory, GArray *entries, VrCarried *carried, GError **error);
gboolean vr_carry_into_etcd (const VrEtcdOptions *options, GArray *entries, VrCarried *carried, GError **error);

/* For carry-etcd.c */
void     vr_carry_sort (GArray *entries); /* by writer and seq */
void     vr_carry_note (GPtrArray *notes, const char *format, ...) G_GNUC_PRINTF (2, 3);

G_END_DECLS
