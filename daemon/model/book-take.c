/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The book keeps, for each guest, the latest record of custody that the chain leads to, and the latest word of each target about its
 * own intent. Files of different hosts are read independently, so a record may arrive before the one that allows it: it waits, and
 * after each change all that wait are asked again, the lowest epoch first. What nothing ever allows waits until custody is beyond it:
 * that is what a liar's records come to. chain.c says who may write what, book-claims.c who may have which addresses.
 *
 * While an open book takes records one by one, what is accepted stays: who comes first to a guest that is nobody's has it, until its home's
 * own word is heard, which the chain then begins with. A reader that
 * starts late cannot know who came first; so it holds the book until all was read, and then begins with each home's own word, of the
 * lowest epoch that is still there, and where a home said nothing, with the lowest epoch.
 *
 * Which intent stands beside custody: book-intents.c. What each host said last, believed or not: book-words.c.
 */
#include "book-private.h"

#include <string.h>

/* ---- custody ---- */

static gboolean
may_follow (const VrBook *book, const VrRecord *custody, const VrRecord *record)
{
  g_autofree char *fault = vr_book_record_fault (book, record);
  const char *before = custody ? vr_book_holder (book, custody->nics) : NULL;
  const char *home = vr_book_holder (book, record->nics);

  return !fault && vr_chain_follows (custody, before, record, home ? home : before, book->trust);
}

/* What a chain may begin with: 2, the word of the host that has the say over the guest's addresses; 1, where nobody has, of its home. */
static guint
weight (const VrBook *book, const VrRecord *record)
{
  const char *holder = vr_book_holder (book, record->nics);

  if (holder)
    return strcmp (record->writer, holder) == 0 ? 2 : 0;
  return g_strcmp0 (record->writer, record->home) == 0 ? 1 : 0;
}

/* Somebody else was the first to be heard of the guest: the home's own word may still be on its way. */
static gboolean
lacks_root (const VrBook *book, const VrPage *page)
{
  return page->root < 2 && !book->is_copy && page->guest.custody;
}

/* Keeps it aside: one of each writer, epoch and owner, and of each writer the last so many. */
static void
page_wait (VrPage *page, VrRecord *record)
{
  guint n = 0, lowest = 0;

  for (guint i = page->waiting->len; i > 0; i--) {
    const VrRecord *other = page->waiting->pdata[i - 1];

    if (strcmp (other->writer, record->writer) != 0)
      continue;
    if (other->epoch == record->epoch && strcmp (other->owner, record->owner) == 0) {
      if (other->seq >= record->seq)
        return;
      g_ptr_array_remove_index_fast (page->waiting, i - 1);
      g_ptr_array_add (page->waiting, vr_record_ref (record));
      return;
    }
    if (n++ == 0 || other->epoch < ((VrRecord *) page->waiting->pdata[lowest])->epoch)
      lowest = i - 1;
  }
  if (n >= VR_BOOK_WAITING_MAX)
    g_ptr_array_remove_index_fast (page->waiting, lowest);
  g_ptr_array_add (page->waiting, vr_record_ref (record));
}

static void
page_set_custody (VrBook *book, VrPage *page, VrRecord *record)
{
  g_autoptr (VrRecord) before = page->guest.custody;

  vr_book_hold_addresses (book, page, FALSE);
  if (lacks_root (book, page)) /* it may have to be believed once more, behind the home's own word */
    page_wait (page, before);
  vr_record_ref (record);
  page->guest.custody = record;
  page->root = MAX (page->root, weight (book, record));
  vr_book_hold_addresses (book, page, TRUE);
  vr_page_choose_intent (book, page);
}

/* Drops what custody is beyond, and gives the next record that is allowed now, or NULL. */
static VrRecord *
page_next (const VrBook *book, VrPage *page)
{
  VrRecord *custody = page->guest.custody, *next = NULL;
  gboolean keep = lacks_root (book, page);

  for (guint i = page->waiting->len; i > 0; i--) {
    VrRecord *record = page->waiting->pdata[i - 1];

    gboolean beyond = custody && !vr_record_supersedes (record, custody);

    if (beyond && !keep && !vr_page_are_rivals (record, custody))
      g_ptr_array_remove_index_fast (page->waiting, i - 1);
    else if (!beyond && may_follow (book, custody, record) && (!next || vr_page_comes_before (record, next)))
      next = record;
  }
  return next;
}

static gboolean
page_advance (VrBook *book, VrPage *page)
{
  gboolean changed = FALSE;
  VrRecord *next;

  while ((next = page_next (book, page))) {
    page_set_custody (book, page, next);
    changed = TRUE;
  }
  return changed;
}

/* After anything changed: what one guest gave up, another may have waited for. */
static void
book_advance (VrBook *book)
{
  gboolean changed = !book->held && !book->is_copy;

  while (changed) {
    GHashTableIter iter;
    VrPage *page;

    changed = FALSE;
    g_hash_table_iter_init (&iter, book->pages);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &page))
      changed = (page->waiting->len > 0 && page_advance (book, page)) || changed;
  }
}

/* The record to begin with: of those that weigh most, and `least` at least. */
static VrRecord *
page_root (const VrBook *book, const VrPage *page, guint least)
{
  VrRecord *root = NULL;

  for (guint i = 0; i < page->waiting->len; i++) {
    VrRecord *record = page->waiting->pdata[i];
    guint of_record = weight (book, record), of_root = root ? weight (book, root) : least;

    if (of_record < of_root || !may_follow (book, NULL, record))
      continue;
    if (!root || of_record > of_root || vr_page_comes_before (record, root))
      root = record;
  }
  return root;
}

/* The home's own word came after all: the chain begins there, whatever was believed before. */
static gboolean
page_begin_anew (VrBook *book, VrPage *page, VrRecord *word)
{
  g_autoptr (VrRecord) before = page->guest.custody;
  VrRecord *root;

  vr_book_hold_addresses (book, page, FALSE);
  page->guest.custody = NULL;
  page_wait (page, before);
  page_wait (page, word);
  root = page_root (book, page, page->root + 1);
  page_set_custody (book, page, root ? root : before);
  book_advance (book);
  return page->guest.custody != before;
}

static gboolean
page_add_custody (VrBook *book, VrPage *page, VrRecord *record, GError **error)
{
  const VrRecord *custody = page->guest.custody;
  gboolean beyond = custody && !vr_record_supersedes (record, custody);
  gboolean lets_go = vr_page_hear (page, record);
  g_autofree char *why = NULL;

  if (lacks_root (book, page) && beyond) {
    if (weight (book, record) > page->root)
      return page_begin_anew (book, page, record);
    page_wait (page, record);
  }
  if (beyond && !vr_page_are_rivals (record, custody))
    return lets_go;
  if (!beyond && may_follow (book, custody, record)) {
    page_set_custody (book, page, record);
    book_advance (book);
    return TRUE;
  }
  page_wait (page, record);
  why = vr_book_why (book, record);
  g_set_error_literal (error, VR_RECORD_ERROR, VR_RECORD_ERROR_WAITS, why);
  return FALSE;
}

/* ---- a late reader ---- */

static int
compare_pages (gconstpointer a, gconstpointer b)
{
  return strcmp (((const VrPage *) a)->uuid, ((const VrPage *) b)->uuid);
}

void
vr_book_hold (VrBook *book)
{
  g_return_if_fail (!book->held);
  book->held = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_record_unref);
}

static void
open_pages (VrBook *book, guint least)
{
  g_autoptr (GList) pages = g_list_sort (g_hash_table_get_values (book->pages), compare_pages);

  for (GList *l = pages; l; l = l->next) {
    VrPage *page = l->data;
    VrRecord *root = page->guest.custody ? NULL : page_root (book, page, least);

    if (!root)
      continue;
    page_set_custody (book, page, root);
    page_advance (book, page);
  }
}

void
vr_book_open (VrBook *book)
{
  g_autoptr (GPtrArray) held = g_steal_pointer (&book->held);

  g_return_if_fail (held);
  for (guint i = 0; i < held->len; i++) {
    VrRecord *record = held->pdata[i];
    VrPage *page = vr_book_page (book, record->uuid);

    if (vr_state_is_intent (record->state))
      continue;
    vr_page_hear (page, record);
    page_wait (page, record);
  }
  open_pages (book, 2);
  open_pages (book, 0);
  book_advance (book);
  for (guint i = 0; i < held->len; i++)
    if (vr_state_is_intent (((VrRecord *) held->pdata[i])->state))
      vr_book_add_record (book, held->pdata[i], NULL);
}

/* ---- adding ---- */

static gboolean
page_add_intent (VrBook *book, VrPage *page, VrRecord *record)
{
  gboolean lets_go = vr_page_hear (page, record);

  return vr_page_add_intent (book, page, record) || lets_go;
}

static gboolean
refuse (const VrRecord *record, const char *fault, GError **error)
{
  g_set_error (error, VR_RECORD_ERROR, VR_RECORD_ERROR_REFUSED,
               "refused a record of guest %s (%s), \"%s\" of epoch %" G_GUINT64_FORMAT ", written by %s: %s",
               record->name ? record->name : "?", record->uuid ? record->uuid : "?", vr_state_to_string (record->state),
               record->epoch, record->writer ? record->writer : "nobody", fault);
  return FALSE;
}

gboolean
vr_book_add_record (VrBook *book, VrRecord *record, GError **error)
{
  const char *fault = vr_chain_fault (record);
  g_autofree char *claim = NULL;
  VrPage *page;

  if (fault)
    return refuse (record, fault, error);
  if (book->held) {
    g_ptr_array_add (book->held, vr_record_ref (record));
    return FALSE;
  }
  claim = record->state == VR_STATE_INCOMING ? vr_book_record_fault (book, record) : NULL;
  if (claim)
    return refuse (record, claim, error);
  page = vr_book_page (book, record->uuid);
  return vr_state_is_intent (record->state) ? page_add_intent (book, page, record) : page_add_custody (book, page, record, error);
}

/* Of the hosts that wait, those that may be now. */
static void
hosts_advance (VrBook *book)
{
  GHashTableIter iter;
  VrHost *host;
  gboolean changed = TRUE;

  while (changed) {
    changed = FALSE;
    g_hash_table_iter_init (&iter, book->waiting_hosts);
    while (!changed && g_hash_table_iter_next (&iter, NULL, (gpointer *) &host)) {
      g_autofree char *fault = vr_book_host_fault (book, host);

      changed = !fault;
    }
    if (!changed)
      return;
    g_hash_table_replace (book->hosts, host->name, vr_host_ref (host));
    g_hash_table_iter_remove (&iter);
    vr_book_index_hosts (book);
  }
}

gboolean
vr_book_add_host (VrBook *book, VrHost *host, GError **error)
{
  const VrHost *known = g_hash_table_lookup (book->hosts, host->name);
  const VrHost *waiting = g_hash_table_lookup (book->waiting_hosts, host->name);
  g_autofree char *fault = NULL;

  if ((known && known->seq >= host->seq) || (waiting && waiting->seq >= host->seq))
    return FALSE;
  fault = vr_book_host_fault (book, host);
  if (fault) {
    g_hash_table_replace (book->waiting_hosts, host->name, vr_host_ref (host));
    g_set_error (error, VR_RECORD_ERROR, VR_RECORD_ERROR_WAITS, "refused the record of host %s: %s", host->name, fault);
    return FALSE;
  }
  g_hash_table_remove (book->waiting_hosts, host->name);
  vr_host_ref (host);
  g_hash_table_replace (book->hosts, host->name, host);
  vr_book_index_hosts (book);
  hosts_advance (book);
  book_advance (book);
  return TRUE;
}
