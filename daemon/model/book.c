/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The book and its pages, one for each guest. What gets into them: book-take.c; what is asked of them: book-ask.c. */
#include "book-private.h"

#include <string.h>

static VrPage *
page_new (const char *uuid)
{
  VrPage *page = g_new0 (VrPage, 1);

  page->uuid = g_strdup (uuid);
  page->intents = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) vr_record_unref);
  page->waiting = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_record_unref);
  page->words = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) vr_record_unref);
  return page;
}

static void
page_free (gpointer data)
{
  VrPage *page = data;

  g_clear_pointer (&page->guest.custody, vr_record_unref);
  g_clear_pointer (&page->guest.intent, vr_record_unref);
  g_clear_pointer (&page->tokens, vr_tokens_unref);
  g_hash_table_unref (page->intents);
  g_ptr_array_unref (page->waiting);
  g_hash_table_unref (page->words);
  g_free (page->uuid);
  g_free (page);
}

static VrPage *
page_copy (const VrPage *page)
{
  VrPage *copy = page_new (page->uuid);
  GHashTableIter iter;
  gpointer target, intent;

  copy->guest.custody = page->guest.custody ? vr_record_ref (page->guest.custody) : NULL;
  copy->root = page->root;
  copy->tokens = page->tokens ? vr_tokens_ref (page->tokens) : NULL;
  copy->guest.intent = page->guest.intent ? vr_record_ref (page->guest.intent) : NULL;
  g_hash_table_iter_init (&iter, page->intents);
  while (g_hash_table_iter_next (&iter, &target, &intent))
    g_hash_table_insert (copy->intents, target, vr_record_ref (intent));
  return copy;
}

/* A page whose only intents were withdrawn tells nobody anything. */
gboolean
vr_page_is_known (const VrPage *page)
{
  return page && (page->guest.custody || page->guest.intent);
}

/* ---- the book ---- */

VrPage *
vr_book_page (VrBook *book, const char *uuid)
{
  VrPage *page = g_hash_table_lookup (book->pages, uuid);

  if (!page) {
    page = page_new (uuid);
    g_hash_table_insert (book->pages, page->uuid, page);
  }
  return page;
}

VrBook *
vr_book_new (void)
{
  VrBook *book = g_new0 (VrBook, 1);

  book->pages = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, page_free);
  book->hosts = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) vr_host_unref);
  book->waiting_hosts = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) vr_host_unref);
  book->claims = g_array_new (FALSE, FALSE, sizeof (VrClaim));
  book->holders = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  return book;
}

VrBook *
vr_book_copy (const VrBook *book)
{
  VrBook *copy = vr_book_new ();
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, book->pages);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    VrPage *page = page_copy (value);

    g_hash_table_insert (copy->pages, page->uuid, page);
  }
  g_hash_table_iter_init (&iter, book->hosts);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    VrHost *host = vr_host_ref (value);

    g_hash_table_insert (copy->hosts, host->name, host);
  }
  g_array_unref (copy->claims);
  copy->claims = g_array_copy (book->claims); /* it names the same hosts */
  g_hash_table_unref (copy->holders);
  copy->holders = g_hash_table_ref (book->holders);
  copy->trust = book->trust;
  copy->is_copy = TRUE;
  return copy;
}

void
vr_book_free (VrBook *book)
{
  if (!book)
    return;
  g_hash_table_unref (book->pages);
  g_hash_table_unref (book->hosts);
  g_hash_table_unref (book->waiting_hosts);
  g_array_unref (book->claims);
  g_hash_table_unref (book->holders);
  g_clear_pointer (&book->held, g_ptr_array_unref);
  g_free (book);
}

void
vr_book_set_trust (VrBook *book, const VrTrust *trust)
{
  book->trust = trust;
}

gboolean
vr_book_starts_anywhere (const VrBook *book)
{
  return !book->trust || book->trust->start_anywhere;
}

const VrGuest *
vr_book_guest (const VrBook *book, const char *uuid)
{
  const VrPage *page = g_hash_table_lookup (book->pages, uuid);

  return vr_page_is_known (page) ? &page->guest : NULL;
}

const VrHost *
vr_book_host (const VrBook *book, const char *name)
{
  return g_hash_table_lookup (book->hosts, name);
}

/* ---- two records of a guest ---- */

/* Of records that are allowed at the same time: a giver's word comes before the claim of somebody else. */
gboolean
vr_page_comes_before (const VrRecord *a, const VrRecord *b)
{
  gboolean gives_a = a->state == VR_STATE_MOVED, gives_b = b->state == VR_STATE_MOVED;
  int names = strcmp (a->writer, b->writer);

  if (a->epoch != b->epoch)
    return a->epoch < b->epoch;
  if (gives_a != gives_b)
    return gives_a;
  return names != 0 ? names < 0 : a->seq < b->seq;
}

/* They give it to different owners, and neither is beyond the other. */
gboolean
vr_page_are_rivals (const VrRecord *record, const VrRecord *custody)
{
  return record->epoch == custody->epoch && strcmp (record->owner, custody->owner) != 0;
}
