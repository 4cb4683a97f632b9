/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which intent stands is worked out after each change, because an intent may arrive before the custody that it refers to.
 * An intent stands if it is its target's latest word, says "incoming", and the guest's custody is of the intent's epoch, not
 * stopped, and not the target's already. One of a later epoch than the custody known here stands, too: the guest's stamp told its
 * target what the log has not brought here yet.
 *
 * Where the guest runs, an intent has to be proven besides: its target was given the guest's XML, with the token in it (proof.h). One without
 * proof stands only as long as the XML carries no token, or where this host trusts without ([trust] intents). Other hosts have no token
 * to judge by, and need none: an intent changes nobody's owner, and brings up no more than tunnels.
 *
 * Of several, the one that the owner named as the target ("leaving") stands; then a proven one; then one of the custody's epoch, the highest
 * epoch, the latest by the writers' clocks, the smaller target's name. The clocks decide here alone: the two targets know
 * nothing of each other, and libvirt lets a guest migrate to one host at a time, so the later one is the one that goes on.
 *
 * Withdrawn intents and those of old epochs are kept (one for each target and guest): forgetting them would let an earlier word of
 * the same target, which arrives late, count again. So are those that are not proven: the token may become known.
 */
#include "book-private.h"

#include <string.h>

/* By the chain of custody; whoever wrote it. */
static gboolean
counts (const VrRecord *intent, const VrRecord *custody)
{
  if (intent->state != VR_STATE_INCOMING)
    return FALSE;
  if (!custody || intent->epoch > custody->epoch)
    return TRUE;
  return intent->epoch == custody->epoch && custody->state != VR_STATE_STOPPED && g_strcmp0 (intent->target, custody->owner) != 0;
}

static gboolean
believes (const VrBook *book, const VrPage *page, const VrRecord *intent)
{
  switch (vr_tokens_judge (page->tokens, intent)) {
  case VR_PROOF_UNKNOWN:
  case VR_PROOF_GOOD:
  case VR_PROOF_UNASKED:
    return TRUE;
  case VR_PROOF_LACKING:
    return book->trust && book->trust->unproven;
  case VR_PROOF_SPENT:
  case VR_PROOF_WRONG:
    return FALSE;
  }
  g_return_val_if_reached (FALSE);
}

static gboolean
stands (const VrBook *book, const VrPage *page, const VrRecord *intent)
{
  return counts (intent, page->guest.custody) && believes (book, page, intent);
}

static gboolean
intent_is_over (const VrPage *page, const VrRecord *a, const VrRecord *b)
{
  const VrRecord *custody = page->guest.custody;
  const char *named = custody && custody->state == VR_STATE_LEAVING ? custody->target : NULL;
  gboolean now_a = custody && a->epoch == custody->epoch, now_b = custody && b->epoch == custody->epoch;
  gboolean named_a = now_a && g_strcmp0 (a->target, named) == 0, named_b = now_b && g_strcmp0 (b->target, named) == 0;
  gboolean proven_a = vr_tokens_judge (page->tokens, a) == VR_PROOF_GOOD, proven_b = vr_tokens_judge (page->tokens, b) == VR_PROOF_GOOD;

  if (named_a != named_b)
    return named_a;
  if (proven_a != proven_b)
    return proven_a;
  if (now_a != now_b)
    return now_a;
  if (a->epoch != b->epoch)
    return a->epoch > b->epoch;
  if (a->time_us != b->time_us)
    return a->time_us > b->time_us;
  return g_strcmp0 (a->target, b->target) < 0;
}

gboolean
vr_page_choose_intent (const VrBook *book, VrPage *page)
{
  VrRecord *best = NULL;
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, page->intents);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (stands (book, page, value) && (!best || intent_is_over (page, value, best)))
      best = value;
  if (best == page->guest.intent)
    return FALSE;
  g_clear_pointer (&page->guest.intent, vr_record_unref);
  page->guest.intent = best ? vr_record_ref (best) : NULL;
  return TRUE;
}

gboolean
vr_page_add_intent (const VrBook *book, VrPage *page, VrRecord *record)
{
  const VrRecord *known = g_hash_table_lookup (page->intents, record->target);

  if (known && known->seq >= record->seq)
    return FALSE;
  g_hash_table_replace (page->intents, record->target, vr_record_ref (record));
  return vr_page_choose_intent (book, page);
}

const VrRecord *
vr_book_intent_of (const VrBook *book, const char *uuid, const char *target)
{
  const VrPage *page = g_hash_table_lookup (book->pages, uuid);
  const VrRecord *intent = page ? g_hash_table_lookup (page->intents, target) : NULL;

  return intent && stands (book, page, intent) ? intent : NULL;
}

/* ---- proofs ---- */

gboolean
vr_book_set_tokens (VrBook *book, const char *uuid, VrTokens *tokens)
{
  VrPage *page = g_hash_table_lookup (book->pages, uuid);

  if (!page && !tokens)
    return FALSE;
  page = vr_book_page (book, uuid);
  g_clear_pointer (&page->tokens, vr_tokens_unref);
  page->tokens = tokens ? vr_tokens_ref (tokens) : NULL;
  return vr_page_choose_intent (book, page);
}

VrProof
vr_book_judge (const VrBook *book, const VrRecord *intent)
{
  const VrPage *page = g_hash_table_lookup (book->pages, intent->uuid);

  return page ? vr_tokens_judge (page->tokens, intent) : VR_PROOF_UNKNOWN;
}

static int
compare_intents (gconstpointer a, gconstpointer b)
{
  return strcmp ((*(const VrRecord *const *) a)->writer, (*(const VrRecord *const *) b)->writer);
}

GPtrArray *
vr_book_unproven (const VrBook *book, const char *uuid)
{
  GPtrArray *all = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_record_unref);
  const VrPage *page = g_hash_table_lookup (book->pages, uuid);
  GHashTableIter iter;
  VrRecord *intent;

  if (!page)
    return all;
  g_hash_table_iter_init (&iter, page->intents);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &intent))
    if (counts (intent, page->guest.custody) && !believes (book, page, intent))
      g_ptr_array_add (all, vr_record_ref (intent));
  g_ptr_array_sort (all, compare_intents);
  return all;
}
