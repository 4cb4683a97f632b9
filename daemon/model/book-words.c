/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each host's latest word of a guest, whether the book believes it, keeps it aside, or is beyond it already. Nobody gets a guest by it. But a host
 * that was given one by mistake, and never took it, may have said where that leaves its giver: that it had called the migration off,
 * or that the guest ran there and has ended or gone on since.
 */
#include "book-private.h"

#include <string.h>

/* The guest does not come to its writer, or is there no more. */
static gboolean
lets_go (const VrRecord *word)
{
  return word->state == VR_STATE_WITHDRAWN || word->state == VR_STATE_STOPPED || word->state == VR_STATE_MOVED;
}

gboolean
vr_page_hear (VrPage *page, VrRecord *record)
{
  const VrRecord *custody = page->guest.custody, *known = g_hash_table_lookup (page->words, record->writer);

  if (known && known->seq >= record->seq)
    return FALSE;
  g_hash_table_replace (page->words, record->writer, vr_record_ref (record));
  return custody && custody->state == VR_STATE_MOVED && strcmp (custody->owner, record->writer) == 0 && lets_go (record);
}

const VrRecord *
vr_book_word_of (const VrBook *book, const char *uuid, const char *host)
{
  const VrPage *page = g_hash_table_lookup (book->pages, uuid);

  return page ? g_hash_table_lookup (page->words, host) : NULL;
}

gboolean
vr_book_has_let_go (const VrBook *book, const char *uuid, const char *host)
{
  const VrRecord *word = vr_book_word_of (book, uuid, host);

  return word && lets_go (word);
}
