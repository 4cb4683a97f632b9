/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The book: what all records together say now, whatever order they arrived in. For each guest its latest record of custody, and
 * the intent beside it if one stands; for each host its latest record. Main loop only.
 */
#pragma once

#include "chain.h"
#include "proof.h"

G_BEGIN_DECLS

typedef struct {
  VrRecord *custody; /* NULL while only an intent is known */
  VrRecord *intent;  /* INCOMING, not refused, of custody's epoch or a later one, else NULL */
} VrGuest;

typedef struct _VrBook VrBook;

VrBook *vr_book_new (void);
VrBook *vr_book_copy (const VrBook *book); /* shallow: shares the records; for asking the plan "what if" */
void    vr_book_free (VrBook *book);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrBook, vr_book_free)

/* `trust` is kept, and must outlive the book and its copies; NULL, the default: whatever the hosts' own records say. */
void     vr_book_set_trust (VrBook *book, const VrTrust *trust);
gboolean vr_book_starts_anywhere (const VrBook *book); /* by that trust anybody may start what runs nowhere */

/*
 * While a log is read for the first time its records come in no order that means anything: from vr_book_hold() to vr_book_open() they are
 * set aside, and then looked at together, so that a home's own word is heard before anybody else's. A new book is open.
 */
void     vr_book_hold (VrBook *book);
void     vr_book_open (VrBook *book);

/*
 * Takes a record in (a reference is taken). TRUE: it changed the guest's custody or intent, or the host that the guest was given to lets go
 * of it (vr_book_has_let_go()). FALSE without error: it is older than what is known, or the book is held. FALSE with REFUSED: it can never be; the book is unchanged. FALSE with WAITS: nothing that is
 * known allows it; it is kept aside (a bounded number for each writer), and taken in once something does.
 */
gboolean vr_book_add_record (VrBook *book, VrRecord *record, GError **error);
/* TRUE: it is the latest record of that host now. FALSE with WAITS: it takes what others have; its earlier record, if any, stays. */
gboolean vr_book_add_host (VrBook *book, VrHost *host, GError **error);

/*
 * The tokens of a guest that runs here (a reference is taken); NULL: it does not, or its XML was not seen yet, and intents are not judged.
 * TRUE: another intent, or none, stands now.
 */
gboolean   vr_book_set_tokens (VrBook *book, const char *uuid, VrTokens *tokens);
VrProof    vr_book_judge (const VrBook *book, const VrRecord *intent);
/* (transfer full) of VrRecord: the guest's intents that would stand if they were proven, by writer; vr_book_why() says what they lack. */
GPtrArray *vr_book_unproven (const VrBook *book, const char *uuid);

/* (transfer full) of VrRecord: those that wait, of one guest (NULL: of all), by guest, epoch and writer. */
GPtrArray *vr_book_waiting (const VrBook *book, const char *uuid);
/* (transfer full) why a record that waits does so, for people. */
char      *vr_book_why (const VrBook *book, const VrRecord *record);
char      *vr_book_why_host (const VrBook *book, const VrHost *host); /* likewise, of a host record */
/* The latest of `writer` that waits, of the guest; NULL: none. */
const VrRecord *vr_book_claim_of (const VrBook *book, const char *uuid, const char *writer);
/* (transfer container) of const VrHost: host records that wait. */
GPtrArray *vr_book_waiting_hosts (const VrBook *book);

/* The host that has the say over the first of these addresses that is in anybody's guest network; NULL: nobody has. `nics` of VrNic. */
const char *vr_book_holder (const VrBook *book, GPtrArray *nics);

const VrGuest *vr_book_guest (const VrBook *book, const char *uuid); /* NULL if unknown */
/* The target's own latest word, if it announces the guest and is not out of date; whether it is the one that stands or not. */
const VrRecord *vr_book_intent_of (const VrBook *book, const char *uuid, const char *target);
/* Is the host's latest word of the guest, believed or not, that it does not come there, or is there no more? Not asked of copies. */
gboolean       vr_book_has_let_go (const VrBook *book, const char *uuid, const char *host);
/* The host's latest word of the guest, believed or not, intents as well; NULL: none. Not asked of copies. */
const VrRecord *vr_book_word_of (const VrBook *book, const char *uuid, const char *host);
const VrHost  *vr_book_host (const VrBook *book, const char *name);
GPtrArray     *vr_book_guest_uuids (const VrBook *book); /* (transfer container), sorted, strings owned by the book */
GPtrArray     *vr_book_host_names (const VrBook *book);

G_END_DECLS
