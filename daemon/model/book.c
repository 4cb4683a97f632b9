/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The book keeps, for each guest, the record of custody that supersedes all others, and the latest word of each target about its
 * own intent. Both are maxima of a total order, so the order of arrival does not matter; which intent stands is worked out from
 * them after each change, because an intent may arrive before the custody that it refers to (files of different hosts are read
 * independently).
 *
 * An intent stands if it is its target's latest word, says "incoming", and the guest's custody is of the intent's epoch, not
 * stopped, and not the target's already. One of a later epoch than the custody known here stands, too: the guest's stamp told its
 * target what the log has not brought here yet. Of several, one of the custody's epoch stands, then the highest epoch, then the latest by the writers' clocks, then the smaller target's name. The clocks decide here alone: the two targets know
 * nothing of each other, and libvirt lets a guest migrate to one host at a time, so the later one is the one that goes on.
 *
 * Withdrawn intents and those of old epochs are kept (one for each target and guest): forgetting them would let an earlier word of
 * the same target, which arrives late, count again.
 */
#include "book.h"

#include <string.h>

typedef struct {
  char       *uuid;
  VrGuest     guest;
  GHashTable *intents; /* target -> VrRecord: its latest word */
} Page;

struct _VrBook {
  GHashTable *pages; /* uuid -> Page */
  GHashTable *hosts; /* name -> VrHost */
};

static Page *
page_new (const char *uuid)
{
  Page *page = g_new0 (Page, 1);

  page->uuid = g_strdup (uuid);
  page->intents = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) vr_record_unref);
  return page;
}

static void
page_free (gpointer data)
{
  Page *page = data;

  g_clear_pointer (&page->guest.custody, vr_record_unref);
  g_clear_pointer (&page->guest.intent, vr_record_unref);
  g_hash_table_unref (page->intents);
  g_free (page->uuid);
  g_free (page);
}

static Page *
page_copy (const Page *page)
{
  Page *copy = page_new (page->uuid);
  GHashTableIter iter;
  gpointer target, intent;

  copy->guest.custody = page->guest.custody ? vr_record_ref (page->guest.custody) : NULL;
  copy->guest.intent = page->guest.intent ? vr_record_ref (page->guest.intent) : NULL;
  g_hash_table_iter_init (&iter, page->intents);
  while (g_hash_table_iter_next (&iter, &target, &intent))
    g_hash_table_insert (copy->intents, target, vr_record_ref (intent));
  return copy;
}

/* A page whose only intents were withdrawn tells nobody anything. */
static gboolean
page_is_known (const Page *page)
{
  return page && (page->guest.custody || page->guest.intent);
}

/* ---- the book ---- */

VrBook *
vr_book_new (void)
{
  VrBook *book = g_new0 (VrBook, 1);

  book->pages = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, page_free);
  book->hosts = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) vr_host_unref);
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
    Page *page = page_copy (value);

    g_hash_table_insert (copy->pages, page->uuid, page);
  }
  g_hash_table_iter_init (&iter, book->hosts);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    VrHost *host = vr_host_ref (value);

    g_hash_table_insert (copy->hosts, host->name, host);
  }
  return copy;
}

void
vr_book_free (VrBook *book)
{
  if (!book)
    return;
  g_hash_table_unref (book->pages);
  g_hash_table_unref (book->hosts);
  g_free (book);
}

/* ---- the chain of custody: what a record shows by itself ---- */

static gboolean
same (const char *a, const char *b)
{
  return a && b && strcmp (a, b) == 0;
}

/* What is wrong with the record, or NULL. */
static const char *
record_fault (const VrRecord *r)
{
  if (!r->uuid || !r->owner || !r->writer)
    return "it has no guest, owner or writer";
  if (r->epoch < 1)
    return "its epoch is 0";
  switch (r->state) {
  case VR_STATE_RUNNING:
    return same (r->writer, r->owner) ? NULL : "only the owner may say that the guest runs";
  case VR_STATE_LEAVING:
    if (!same (r->writer, r->owner))
      return "only the owner may say that the guest leaves";
    return r->target && !same (r->target, r->owner) ? NULL : "it names no other host as the target";
  case VR_STATE_MOVED:
    if (!same (r->writer, r->origin))
      return "only the origin may say that the guest moved";
    if (!same (r->owner, r->target))
      return "its owner is not its target";
    return same (r->owner, r->origin) ? "its target is its origin" : NULL;
  case VR_STATE_RETURNED:
    return same (r->writer, r->owner) && same (r->owner, r->origin) ? NULL : "only the origin may say that the guest returned to it";
  case VR_STATE_STOPPED:
    return same (r->writer, r->owner) ? NULL : "only the owner may say that the guest stopped";
  case VR_STATE_INCOMING:
  case VR_STATE_WITHDRAWN:
    if (!same (r->writer, r->target))
      return "only the target may announce that a guest comes to it";
    return same (r->target, r->owner) ? "its target owns the guest already" : NULL;
  }
  return "its state is not known";
}

gboolean
vr_record_supersedes (const VrRecord *a, const VrRecord *b)
{
  gboolean own_a = g_strcmp0 (a->writer, a->owner) == 0, own_b = g_strcmp0 (b->writer, b->owner) == 0;
  int names;

  if (a->epoch != b->epoch)
    return a->epoch > b->epoch;
  if (own_a != own_b)
    return own_a;
  names = g_strcmp0 (a->writer, b->writer);
  return names != 0 ? names < 0 : a->seq > b->seq;
}

/* ---- intents ---- */

static gboolean
intent_counts (const VrRecord *intent, const VrRecord *custody)
{
  if (intent->state != VR_STATE_INCOMING)
    return FALSE;
  if (!custody || intent->epoch > custody->epoch)
    return TRUE;
  return intent->epoch == custody->epoch && custody->state != VR_STATE_STOPPED && g_strcmp0 (intent->target, custody->owner) != 0;
}

static gboolean
intent_is_over (const VrRecord *a, const VrRecord *b, const VrRecord *custody)
{
  gboolean now_a = custody && a->epoch == custody->epoch, now_b = custody && b->epoch == custody->epoch;

  if (now_a != now_b)
    return now_a;
  if (a->epoch != b->epoch)
    return a->epoch > b->epoch;
  if (a->time_us != b->time_us)
    return a->time_us > b->time_us;
  return g_strcmp0 (a->target, b->target) < 0;
}

/* TRUE if another intent, or none, stands now. */
static gboolean
page_choose_intent (Page *page)
{
  VrRecord *best = NULL;
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, page->intents);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (intent_counts (value, page->guest.custody) && (!best || intent_is_over (value, best, page->guest.custody)))
      best = value;
  if (best == page->guest.intent)
    return FALSE;
  g_clear_pointer (&page->guest.intent, vr_record_unref);
  page->guest.intent = best ? vr_record_ref (best) : NULL;
  return TRUE;
}

static gboolean
page_add_intent (Page *page, VrRecord *record)
{
  const VrRecord *known = g_hash_table_lookup (page->intents, record->target);

  if (known && known->seq >= record->seq)
    return FALSE;
  g_hash_table_replace (page->intents, record->target, vr_record_ref (record));
  return page_choose_intent (page);
}

static gboolean
page_add_custody (Page *page, VrRecord *record)
{
  if (page->guest.custody && !vr_record_supersedes (record, page->guest.custody))
    return FALSE;
  g_clear_pointer (&page->guest.custody, vr_record_unref);
  page->guest.custody = vr_record_ref (record);
  page_choose_intent (page);
  return TRUE;
}

/* ---- adding and asking ---- */

gboolean
vr_book_add_record (VrBook *book, VrRecord *record, GError **error)
{
  const char *fault = record_fault (record);
  Page *page;

  if (fault) {
    g_set_error (error, VR_RECORD_ERROR, VR_RECORD_ERROR_REFUSED,
                 "refused a record of guest %s (%s), \"%s\" of epoch %" G_GUINT64_FORMAT ", written by %s: %s",
                 record->name ? record->name : "?", record->uuid ? record->uuid : "?", vr_state_to_string (record->state),
                 record->epoch, record->writer ? record->writer : "nobody", fault);
    return FALSE;
  }

  page = g_hash_table_lookup (book->pages, record->uuid);
  if (!page) {
    page = page_new (record->uuid);
    g_hash_table_insert (book->pages, page->uuid, page);
  }
  return vr_state_is_intent (record->state) ? page_add_intent (page, record) : page_add_custody (page, record);
}

gboolean
vr_book_add_host (VrBook *book, VrHost *host)
{
  const VrHost *known = g_hash_table_lookup (book->hosts, host->name);

  if (known && known->seq >= host->seq)
    return FALSE;
  vr_host_ref (host);
  g_hash_table_replace (book->hosts, host->name, host);
  return TRUE;
}

const VrGuest *
vr_book_guest (const VrBook *book, const char *uuid)
{
  const Page *page = g_hash_table_lookup (book->pages, uuid);

  return page_is_known (page) ? &page->guest : NULL;
}

const VrRecord *
vr_book_intent_of (const VrBook *book, const char *uuid, const char *target)
{
  const Page *page = g_hash_table_lookup (book->pages, uuid);
  const VrRecord *intent = page ? g_hash_table_lookup (page->intents, target) : NULL;

  return intent && intent_counts (intent, page->guest.custody) ? intent : NULL;
}

const VrHost *
vr_book_host (const VrBook *book, const char *name)
{
  return g_hash_table_lookup (book->hosts, name);
}

static int
compare_strings (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

GPtrArray *
vr_book_guest_uuids (const VrBook *book)
{
  GPtrArray *uuids = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer uuid, page;

  g_hash_table_iter_init (&iter, book->pages);
  while (g_hash_table_iter_next (&iter, &uuid, &page))
    if (page_is_known (page))
      g_ptr_array_add (uuids, uuid);
  g_ptr_array_sort (uuids, compare_strings);
  return uuids;
}

GPtrArray *
vr_book_host_names (const VrBook *book)
{
  GPtrArray *names = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer name;

  g_hash_table_iter_init (&iter, book->hosts);
  while (g_hash_table_iter_next (&iter, &name, NULL))
    g_ptr_array_add (names, name);
  g_ptr_array_sort (names, compare_strings);
  return names;
}
