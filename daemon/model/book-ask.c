/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the book says: guests, hosts, and what it keeps aside. Nothing here changes it. */
#include "book-private.h"

#include <string.h>

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
    if (vr_page_is_known (page))
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

/* ---- what waits ---- */

/* Not what custody is beyond, and is only kept until the home's own word is heard. */
static gboolean
is_waiting (const VrPage *page, const VrRecord *record)
{
  const VrRecord *custody = page->guest.custody;

  return !custody || vr_record_supersedes (record, custody) || vr_page_are_rivals (record, custody);
}

static int
compare_waiting (gconstpointer a, gconstpointer b)
{
  const VrRecord *x = *(const VrRecord *const *) a, *y = *(const VrRecord *const *) b;
  int uuids = strcmp (x->uuid, y->uuid);

  if (uuids != 0)
    return uuids;
  return vr_page_comes_before (x, y) ? -1 : vr_page_comes_before (y, x);
}

GPtrArray *
vr_book_waiting (const VrBook *book, const char *uuid)
{
  GPtrArray *all = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_record_unref);
  GHashTableIter iter;
  VrPage *page;

  g_hash_table_iter_init (&iter, book->pages);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &page))
    for (guint i = 0; (!uuid || strcmp (uuid, page->uuid) == 0) && i < page->waiting->len; i++)
      if (is_waiting (page, page->waiting->pdata[i]))
        g_ptr_array_add (all, vr_record_ref (page->waiting->pdata[i]));
  g_ptr_array_sort (all, compare_waiting);
  return all;
}

const VrRecord *
vr_book_claim_of (const VrBook *book, const char *uuid, const char *writer)
{
  const VrPage *page = g_hash_table_lookup (book->pages, uuid);
  const VrRecord *last = NULL;

  for (guint i = 0; page && i < page->waiting->len; i++) {
    const VrRecord *record = page->waiting->pdata[i];

    if (is_waiting (page, record) && strcmp (record->writer, writer) == 0 && (!last || record->seq > last->seq))
      last = record;
  }
  return last;
}

static char *
why_unproven (const VrBook *book, const VrRecord *intent)
{
  switch (vr_book_judge (book, intent)) {
  case VR_PROOF_LACKING:
    return g_strdup_printf ("it has no proof that %s was given the guest's XML by libvirt. Was the guest migrated with an XML of its own (--xml) that "
                            "lacks virt-relay's metadata? Make that from what virsh dumpxml --migratable %s says just before. Or that host runs an older "
                            "virt-relay: see [trust] intents", intent->writer, intent->name);
  case VR_PROOF_SPENT:
    return g_strdup_printf ("its proof is made with what was in the guest's XML earlier. Was the guest migrated with an XML of its own (--xml) from before its "
                            "last migration or try? Make that anew from what virsh dumpxml --migratable %s says just before", intent->name);
  default:
    return g_strdup_printf ("its proof is not made with what is in the guest's XML: libvirt does not migrate it to %s, or not now; or it was migrated with an "
                            "XML of its own (--xml) that is old: make that anew from what virsh dumpxml --migratable %s says just before",
                            intent->writer, intent->name);
  }
}

char *
vr_book_why (const VrBook *book, const VrRecord *record)
{
  const VrPage *page = g_hash_table_lookup (book->pages, record->uuid);
  const VrRecord *custody = page ? page->guest.custody : NULL;
  g_autofree char *fault = vr_book_record_fault (book, record), *why = NULL;

  if (vr_state_is_intent (record->state))
    why = why_unproven (book, record);
  else if (fault)
    why = g_steal_pointer (&fault);
  else if (!custody)
    why = g_strdup_printf ("nothing is known of the guest, and its addresses are those of %s", record->home);
  else if (custody->state == VR_STATE_STOPPED)
    why = g_strdup_printf ("the guest stopped on %s, and [trust] start lets only %s and the hosts that had it start it", custody->owner,
                           custody->home);
  else
    why = g_strdup_printf ("the guest belongs to %s (%s, epoch %" G_GUINT64_FORMAT "), which did not give it to %s", custody->owner,
                           vr_state_to_string (custody->state), custody->epoch, record->writer);
  return g_strdup_printf ("refused a record of guest %s (%s), \"%s\" of epoch %" G_GUINT64_FORMAT ", written by %s: %s", record->name,
                          record->uuid, vr_state_to_string (record->state), record->epoch, record->writer, why);
}

static int
compare_hosts (gconstpointer a, gconstpointer b)
{
  return strcmp ((*(const VrHost *const *) a)->name, (*(const VrHost *const *) b)->name);
}

GPtrArray *
vr_book_waiting_hosts (const VrBook *book)
{
  GPtrArray *hosts = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer host;

  g_hash_table_iter_init (&iter, book->waiting_hosts);
  while (g_hash_table_iter_next (&iter, NULL, &host))
    g_ptr_array_add (hosts, host);
  g_ptr_array_sort (hosts, compare_hosts);
  return hosts;
}

char *
vr_book_why_host (const VrBook *book, const VrHost *host)
{
  g_autofree char *fault = vr_book_host_fault (book, host);

  return g_strdup_printf ("refused the record of host %s: %s", host->name, fault ? fault : "?");
}
