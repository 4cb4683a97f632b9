/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An entry of the migration log: a record of any kind. */
#pragma once

#include "ledger.h"
#include "record.h"

G_BEGIN_DECLS

/*
 * JSON, one object a line without its newline; {"kind": "guest"|"host"|"ledger", …}. Parsing checks every field (types, uuid, MACs,
 * addresses, host names [A-Za-z0-9._-]{1,63}, epoch) and fails with MALFORMED.
 */
typedef struct {
  VrRecord *guest; /* exactly one of these is set */
  VrHost   *host;
  VrLedger *ledger;
} VrEntry;

void        vr_entry_clear (VrEntry *entry);
VrEntry     vr_entry_copy (const VrEntry *entry); /* its own references, to be cleared */
const char *vr_entry_writer (const VrEntry *entry);
guint64     vr_entry_seq (const VrEntry *entry);
char       *vr_entry_to_json (const VrEntry *entry);
gboolean    vr_entry_from_json (const char *json, gssize len, VrEntry *entry, GError **error);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (VrEntry, vr_entry_clear)

G_END_DECLS
