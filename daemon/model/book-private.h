/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What book*.c share, and nobody else. */
#pragma once

#include "address.h"
#include "book.h"

G_BEGIN_DECLS

#define VR_BOOK_WAITING_MAX 64 /* records of one writer about one guest that are kept aside */

typedef struct {
  char       *uuid;
  VrGuest     guest;
  GHashTable *intents; /* target -> VrRecord: its latest word */
  GPtrArray  *waiting; /* of VrRecord, of custody: not allowed, so far */
  GHashTable *words;   /* writer -> VrRecord: its latest of the guest, of custody or an intent, believed or not */
  VrTokens   *tokens;  /* of the guest, which runs here; NULL: none are known */
  guint       root;    /* how much the record weighs that the chain begins with */
} VrPage;

/* A host's guest network, in the form that is asked. */
typedef struct {
  const char *host; /* of the record in `hosts` */
  VrNet       net, gateway;
} VrClaim;

struct _VrBook {
  GHashTable    *pages;   /* uuid -> VrPage */
  GHashTable    *hosts;   /* name -> VrHost */
  GHashTable    *waiting_hosts; /* name -> VrHost */
  GArray        *claims;  /* of VrClaim: of all in `hosts` */
  GHashTable    *holders; /* address -> uuid of the guest that has it, and runs; shared with copies, which never change it */
  const VrTrust *trust;
  GPtrArray     *held;    /* of VrRecord: until the book is opened; NULL: it is open */
  gboolean       is_copy;
};

/* book.c: the lowest of these files; book-take.c is the highest, and has nothing for the others */
gboolean vr_page_is_known (const VrPage *page);
VrPage  *vr_book_page (VrBook *book, const char *uuid); /* made if it is not there */
gboolean vr_page_comes_before (const VrRecord *a, const VrRecord *b);
gboolean vr_page_are_rivals (const VrRecord *record, const VrRecord *custody);

/* book-words.c. Keeps the writer's latest word. TRUE: the guest was given to that host, which lets go of it. */
gboolean vr_page_hear (VrPage *page, VrRecord *record);

/* book-intents.c. TRUE if another intent, or none, stands now. */
gboolean vr_page_choose_intent (const VrBook *book, VrPage *page);
gboolean vr_page_add_intent (const VrBook *book, VrPage *page, VrRecord *record);

/* book-claims.c. Faults are (transfer full), for people; NULL: there is none. */
void  vr_book_index_hosts (VrBook *book); /* after a change of `hosts` */
void  vr_book_hold_addresses (VrBook *book, const VrPage *page, gboolean hold); /* of its custody */
char *vr_book_record_fault (const VrBook *book, const VrRecord *record);
char *vr_book_host_fault (const VrBook *book, const VrHost *host);

G_END_DECLS
