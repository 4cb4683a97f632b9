/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The book: what all records together say now, whatever order they arrived in. For each guest its latest record of custody, and
 * the intent beside it if one stands; for each host its latest record. Main loop only.
 */
#pragma once

#include "record.h"

G_BEGIN_DECLS

typedef struct {
  VrRecord *custody; /* NULL while only an intent is known */
  VrRecord *intent;  /* INCOMING, of custody's epoch or a later one, else NULL */
} VrGuest;

typedef struct _VrBook VrBook;

VrBook *vr_book_new (void);
VrBook *vr_book_copy (const VrBook *book); /* shallow: shares the records; for asking the plan "what if" */
void    vr_book_free (VrBook *book);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrBook, vr_book_free)

/*
 * Takes a record in (a reference is taken). TRUE: it changed the guest's custody or intent. FALSE without error: it is older than
 * what is known. FALSE with REFUSED: it breaks the chain of custody; the book is unchanged.
 */
gboolean vr_book_add_record (VrBook *book, VrRecord *record, GError **error);
gboolean vr_book_add_host (VrBook *book, VrHost *host);

const VrGuest *vr_book_guest (const VrBook *book, const char *uuid); /* NULL if unknown */
/* The target's own latest word, if it announces the guest and is not out of date; whether it is the one that stands or not. */
const VrRecord *vr_book_intent_of (const VrBook *book, const char *uuid, const char *target);
const VrHost  *vr_book_host (const VrBook *book, const char *name);
GPtrArray     *vr_book_guest_uuids (const VrBook *book); /* (transfer container), sorted, strings owned by the book */
GPtrArray     *vr_book_host_names (const VrBook *book);

/*
 * Does `a` decide over `b`, both records of custody of one guest? The higher epoch; then the owner's word over the old owner's (moved);
 * then the writer's later one; between two that claim the same epoch, the smaller writer's name, so that every host decides alike.
 */
gboolean vr_record_supersedes (const VrRecord *a, const VrRecord *b);

G_END_DECLS
