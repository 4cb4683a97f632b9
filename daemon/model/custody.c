/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. One function for each presence; each compares what libvirt says here with the guest's record of custody and
 * its intent, and gives the record that is missing, if any.
 *
 *   ABSENT       mine, and no longer here: STOPPED; but MOVED, if the host that announced it says that it runs there: that happened while
 *                nobody looked; or if I gave it to one that did not get it after all, and that has not spoken. Given to me, and never seen: its
 *                origin may take it back, so wait first.
 *                Announced by me, and it does not come: WITHDRAWN. Claimed by me, and not believed here: STOPPED, for those who do; and likewise if it was
 *                given to me, and I believe that it stopped elsewhere.
 *   EXPECTED     somebody else's: INCOMING, my intent. Given by mistake: as above. Given to me, but it runs elsewhere, and comes from there: MOVED, to there.
 *   RUNNING      mine: RUNNING. Given to me: RUNNING. Given away by me, and it came back: RETURNED.
 *                Somebody else's still: it is about to be given to me, so wait; claim it when that was in vain.
 *   LEAVING      mine, and an intent says where it goes: LEAVING.
 *   HANDED_OVER  mine: MOVED, to where it goes; if nobody announced it, to the one host that says that it runs there. Given by mistake: as above.
 *
 * Invariants: the epoch grows at each change of owner, to the next one that nobody else claims, and otherwise only where an owner's word has to stand above another's; a host writes MOVED and RETURNED only about what was
 * its own; an intent has the epoch that it saw. What this host claims and the book does not believe (book.h: it waits) is said once.
 */
#include "custody.h"

#include <string.h>

#define DISPUTE_MAX 16 /* epochs that another's word may be ahead of the owner's and be answered */

const char *
vr_presence_to_string (VrPresence presence)
{
  static const char *const names[] = { "absent", "expected", "running", "leaving", "handed over" };

  return names[presence];
}

static void
set_string (char **place, const char *value)
{
  char *copy = g_strdup (value);

  g_free (*place);
  *place = copy;
}

static gboolean
same_nics (GPtrArray *a, GPtrArray *b)
{
  if (a->len != b->len)
    return FALSE;
  for (guint i = 0; i < a->len; i++)
    {
      const VrNic *x = a->pdata[i], *y = b->pdata[i];

      if (!g_str_equal (x->mac, y->mac)
          || !g_strv_equal ((const char *const *) x->addresses, (const char *const *) y->addresses))
        return FALSE;
    }
  return TRUE;
}

/* ---- one function for each presence ---- */

static gboolean
is_active (const VrRecord *custody)
{
  return custody != NULL && custody->state != VR_STATE_STOPPED;
}

/*
 * Does another's record, that the book keeps aside, stand against my word that the guest runs here, so that others who read it first may not
 * believe me? The host that gave it to me says that it took it back. Or two claimed the same epoch, knowing nothing of each other:
 * then of the two that one says so again which is not its home, or has the greater name. Or it left, moved, or stopped elsewhere, of
 * my epoch or a later one (a much later one is a lie); or I was given what is mine already. Gives the epoch that is beyond; 0: nobody does.
 * While it leaves, another's claim of my epoch is none: it says where it is, or is about to be.
 */
static guint64
disputed (const char *self, const VrBook *book, const VrRecord *custody, gboolean leaves)
{
  g_autoptr (GPtrArray) waiting = vr_book_waiting (book, custody->uuid);
  gboolean at_home = g_strcmp0 (custody->home, self) == 0;
  guint64  beyond = 0;

  for (guint i = 0; i < waiting->len; i++)
    {
      const VrRecord *record = waiting->pdata[i];
      gboolean        mine = g_str_equal (record->owner, self), claims = record->state == VR_STATE_RUNNING;

      if (record->epoch > custody->epoch + DISPUTE_MAX)
        continue;
      if (mine && record->state == VR_STATE_MOVED && record->epoch == custody->epoch + 1)
        beyond = MAX (beyond, record->epoch);
      else if (!mine && record->epoch == custody->epoch + 1 && g_strcmp0 (record->writer, custody->origin) == 0)
        beyond = MAX (beyond, record->epoch + 1);
      else if (!mine && claims && record->epoch == custody->epoch && !at_home && !leaves
               && (g_strcmp0 (record->writer, custody->home) == 0 || strcmp (self, record->writer) > 0))
        beyond = MAX (beyond, record->epoch + 1);
      else if (!mine && !claims)
        beyond = MAX (beyond, record->epoch + 1);
    }
  return beyond;
}

/* The first epoch from `epoch` on that nobody claims but for `owner`: those whom the book does not believe now, it may believe later. */
static guint64
free_epoch (const VrBook *book, const char *uuid, const char *owner, guint64 epoch)
{
  g_autoptr (GPtrArray) waiting = vr_book_waiting (book, uuid); /* by epoch */

  for (guint i = 0; i < waiting->len; i++)
    {
      const VrRecord *record = waiting->pdata[i];

      if (record->epoch == epoch && !g_str_equal (record->owner, owner))
        epoch++;
    }
  return epoch;
}

/* MOVED to `target`, by its owner. */
static VrRecord *
give_away (const char *self, const VrBook *book, const VrRecord *custody, const char *target)
{
  VrRecord *record = vr_record_derive (custody, VR_STATE_MOVED, self);

  record->epoch = free_epoch (book, custody->uuid, target, custody->epoch + 1);
  set_string (&record->target, target);
  set_string (&record->owner, target);
  set_string (&record->origin, self);
  return record;
}

/*
 * The one host that says that the guest runs there, with the epoch that it would have if I had given it away, or that I have it in, if it
 * knew nothing of me; NULL: none, or several.
 */
static const char *
claimed_by (const VrBook *book, const VrRecord *custody)
{
  g_autoptr (GPtrArray) waiting = vr_book_waiting (book, custody->uuid);
  const char *claimant = NULL;

  for (guint i = 0; i < waiting->len; i++)
    {
      const VrRecord *record = waiting->pdata[i];

      if (record->state != VR_STATE_RUNNING || record->epoch > custody->epoch + 1)
        continue;
      if (claimant != NULL && !g_str_equal (claimant, record->writer)) /* the same one may have said so again, above another's word */
        return NULL;
      claimant = vr_book_claim_of (book, custody->uuid, record->writer)->writer; /* the book keeps it */
    }
  return claimant;
}

/*
 * Given away by me to a host whose last word is that it does not come, or is there no more: it was to go there, that was called off, and it went elsewhere
 * before the news came; or that host had said that it runs there, and it went on before it knew that it was given to it. As long as it does not take it I have
 * the say, and give it to the one that says that it runs there; NULL: it is not so.
 */
static VrRecord *
mend_gift (const char *self, const VrBook *book, const VrRecord *custody)
{
  const char *claimant;

  if (!is_active (custody) || custody->state != VR_STATE_MOVED || g_strcmp0 (custody->writer, self) != 0 || !vr_book_starts_anywhere (book)
      || !vr_book_has_let_go (book, custody->uuid, custody->owner))
    return NULL;
  claimant = claimed_by (book, custody);
  return claimant != NULL ? give_away (self, book, custody, claimant) : NULL;
}

/* What I said of a guest that ran here, and this book did not believe, others may believe: NULL, if that is not so, or not any more. */
static VrRecord *
end_claim (const char *self, const VrBook *book, const char *uuid)
{
  const VrRecord *claim = vr_book_claim_of (book, uuid, self);

  return claim != NULL && claim->state == VR_STATE_RUNNING ? vr_record_derive (claim, VR_STATE_STOPPED, self) : NULL;
}

/*
 * Does another say that it gave the guest to me, which this book does not believe, as the guest stopped elsewhere in the same epoch? That one knows nothing of
 * it, and goes by its own word until I have spoken. FALSE: I have. A later epoch is not answered: its writer has not the say, and could drive me on and on.
 */
static gboolean
was_gift (const char *self, const VrBook *book, const VrRecord *custody)
{
  g_autoptr (GPtrArray) waiting = NULL;
  const VrRecord *word;

  if (custody == NULL || custody->state != VR_STATE_STOPPED)
    return FALSE;
  word = vr_book_word_of (book, custody->uuid, self);
  if (word != NULL && !vr_state_is_intent (word->state) && word->epoch >= custody->epoch)
    return FALSE;
  waiting = vr_book_waiting (book, custody->uuid);
  for (guint i = 0; i < waiting->len; i++)
    {
      const VrRecord *record = waiting->pdata[i];

      if (record->state == VR_STATE_MOVED && record->epoch == custody->epoch && g_str_equal (record->owner, self))
        return TRUE;
    }
  return FALSE;
}

/* What I was given is not here. All but its owner as I believe it: the giver may be a liar, and its word is not repeated. */
static VrRecord *
let_go (const char *self, const VrRecord *custody)
{
  VrRecord *record = vr_record_derive (custody, VR_STATE_STOPPED, self);

  set_string (&record->owner, self);
  return record;
}

static VrRecord *
when_absent (const char *self, const VrBook *book, const char *uuid, const VrGuest *guest, gboolean waited)
{
  const VrRecord *custody = guest->custody, *intent = vr_book_intent_of (book, uuid, self);
  const char     *claimant = NULL;
  VrRecord       *ended = end_claim (self, book, uuid), *mistake;

  if (ended != NULL)
    return ended;
  if (waited && was_gift (self, book, custody))
    return let_go (self, custody);
  mistake = mend_gift (self, book, custody);
  if (mistake != NULL)
    return mistake;
  if (is_active (custody) && g_str_equal (custody->owner, self))
    claimant = claimed_by (book, custody);
  if (claimant != NULL && vr_book_intent_of (book, custody->uuid, claimant) != NULL)
    return give_away (self, book, custody, claimant);
  if (is_active (custody) && g_str_equal (custody->owner, self) && (custody->state != VR_STATE_MOVED || waited))
    return vr_record_derive (custody, VR_STATE_STOPPED, self);
  if (intent != NULL)
    return vr_record_derive (intent, VR_STATE_WITHDRAWN, self);
  return NULL;
}

/*
 * Given to me by one that did not know yet that I had withdrawn: it went elsewhere, runs there, and comes from there now. Its host says so, of the
 * epoch that I was given; what is older was said of another move.
 */
static VrRecord *
given_in_error (const char *self, const VrBook *book, const VrRecord *custody)
{
  const char *claimant = custody->state == VR_STATE_MOVED && vr_book_starts_anywhere (book) ? claimed_by (book, custody) : NULL;

  if (claimant == NULL || vr_book_claim_of (book, custody->uuid, claimant)->epoch < custody->epoch)
    return NULL;
  return give_away (self, book, custody, claimant);
}

/* Is my intent proven by what the XML carries now? It is another's when it comes again after a migration that failed. */
static gboolean
is_proven (const VrRecord *mine, const VrSighting *sighting)
{
  g_autofree char *proof = vr_proof_make (sighting->token, mine);

  return proof == NULL || g_strcmp0 (proof, mine->proof) == 0;
}

static VrRecord *
when_expected (const char *self, const VrBook *book, const VrGuest *guest, const VrSighting *sighting)
{
  const VrRecord *custody = guest->custody;
  const VrRecord *mine = vr_book_intent_of (book, sighting->uuid, self);
  /* The stamp is newer than the log where the log's news is still on its way. */
  gboolean  by_stamp = sighting->owner != NULL && (custody == NULL || sighting->epoch > custody->epoch);
  VrRecord *record = mend_gift (self, book, custody);

  if (record != NULL)
    return record;
  if (!by_stamp && !is_active (custody))
    return NULL; /* its owner runs no virt-relay: nothing can be said */
  if (g_str_equal (by_stamp ? sighting->owner : custody->owner, self))
    return by_stamp ? NULL : given_in_error (self, book, custody);
  if (mine != NULL && (!by_stamp || mine->epoch == MAX (sighting->epoch, 1)) && is_proven (mine, sighting))
    return NULL;
  if (by_stamp)
    {
      record = vr_sighting_record (sighting, book, VR_STATE_INCOMING, self);
      record->epoch = MAX (sighting->epoch, 1);
      set_string (&record->owner, sighting->owner);
    }
  else
    {
      const char *holder;

      record = vr_record_derive (custody, VR_STATE_INCOMING, self);
      vr_sighting_fill (sighting, record);
      holder = vr_book_holder (book, record->nics);
      if (holder != NULL)
        set_string (&record->home, holder);
    }
  set_string (&record->origin, record->owner);
  set_string (&record->target, self);
  record->proof = vr_proof_make (sighting->token, record);
  return record;
}

static VrRecord *
claim (const char *self, const VrBook *book, const VrRecord *custody, const VrSighting *sighting, VrState state)
{
  const VrRecord *announced = vr_book_intent_of (book, custody->uuid, self);
  VrRecord       *record = vr_record_derive (custody, state, self);
  gboolean        from_other = is_active (custody) && !g_str_equal (custody->owner, self);
  guint64         known;

  known = MAX (custody->epoch, announced != NULL ? announced->epoch : 0);
  if (sighting->epoch <= custody->epoch + DISPUTE_MAX) /* what the log has not brought here yet */
    known = MAX (known, sighting->epoch);
  record->epoch = free_epoch (book, custody->uuid, self, known + 1);
  if (state == VR_STATE_RETURNED)
    set_string (&record->origin, self);
  else
    set_string (&record->origin, from_other ? custody->owner : NULL);
  set_string (&record->target, NULL);
  set_string (&record->owner, self);
  vr_sighting_fill (sighting, record);
  if (!is_active (custody)) /* it was started anew, maybe with other addresses */
    {
      g_autofree char *home = vr_sighting_home (sighting, book, custody->home);

      set_string (&record->home, home);
    }
  return record;
}

/* Somebody said that the guest comes here: then its owner will give it away, and is waited for. */
static gboolean
is_coming (const char *self, const VrBook *book, const VrGuest *guest)
{
  if (vr_book_intent_of (book, guest->custody->uuid, self) != NULL)
    return TRUE;
  return guest->custody->state == VR_STATE_LEAVING && g_strcmp0 (guest->custody->target, self) == 0;
}

/* Given away by me, and here again; and not by another migration, which I would have announced. */
static gboolean
came_back (const char *self, const VrBook *book, const VrRecord *custody)
{
  return custody->state == VR_STATE_MOVED && g_strcmp0 (custody->origin, self) == 0
         && vr_book_intent_of (book, custody->uuid, self) == NULL;
}

/* NULL if the book keeps the same claim of this host aside already. */
static VrRecord *
said_once (const char *self, const VrBook *book, VrRecord *record /* taken */)
{
  const VrRecord *before = vr_book_claim_of (book, record->uuid, self);

  if (before == NULL || !vr_record_equal_content (before, record))
    return record;
  vr_record_unref (record);
  return NULL;
}

static VrRecord *
when_running (const char *self, const VrBook *book, const VrGuest *guest, const VrSighting *sighting, gboolean waited)
{
  const VrRecord *custody = guest->custody;
  VrRecord       *record;
  const char     *holder;

  if (custody == NULL)
    {
      record = vr_sighting_record (sighting, book, VR_STATE_RUNNING, self);
      record->epoch = MAX (1, sighting->epoch + (g_strcmp0 (sighting->owner, self) == 0 ? 0 : 1));
      record->owner = g_strdup (self);
      return said_once (self, book, record);
    }
  if (is_active (custody) && came_back (self, book, custody))
    return claim (self, book, custody, sighting, VR_STATE_RETURNED);
  if (!is_active (custody) || !g_str_equal (custody->owner, self))
    return waited || !is_coming (self, book, guest) ? said_once (self, book, claim (self, book, custody, sighting, VR_STATE_RUNNING)) : NULL;
  record = vr_record_derive (custody, custody->state == VR_STATE_RETURNED ? VR_STATE_RETURNED : VR_STATE_RUNNING, self);
  if (custody->state == VR_STATE_LEAVING)
    set_string (&record->target, NULL);
  vr_sighting_fill (sighting, record);
  holder = vr_book_holder (book, record->nics);
  if (holder != NULL) /* it may not have been known when the record was made */
    set_string (&record->home, holder);
  record->epoch = MAX (record->epoch, disputed (self, book, custody, FALSE));
  if (record->epoch == custody->epoch && record->state == custody->state && g_str_equal (record->name, custody->name) && g_strcmp0 (record->home, custody->home) == 0 && same_nics (record->nics, custody->nics))
    g_clear_pointer (&record, vr_record_unref);
  return record;
}

/*
 * Where its owner, this host, sends it: by an intent of the epoch that it owns it in. A later one cannot be true. As long as the one stands
 * that it was believed to follow, another that comes in is old news of a move that failed: the next move is another departure.
 */
static const char *
announced_by (const VrBook *book, const VrGuest *guest)
{
  const VrRecord *custody = guest->custody, *intent = NULL;

  if (custody->state == VR_STATE_LEAVING && custody->target != NULL)
    intent = vr_book_intent_of (book, custody->uuid, custody->target);
  if (intent == NULL)
    intent = guest->intent;
  return intent != NULL && intent->epoch == custody->epoch ? intent->target : NULL;
}

static VrRecord *
when_leaving (const char *self, const VrBook *book, const VrGuest *guest)
{
  const VrRecord *custody = guest->custody;
  const char     *target;
  VrRecord       *record;
  guint64         beyond;

  if (!is_active (custody) || !g_str_equal (custody->owner, self))
    return NULL;
  beyond = disputed (self, book, custody, TRUE);
  if (beyond > 0)
    {
      record = vr_record_derive (custody, VR_STATE_RUNNING, self);
      record->epoch = beyond;
      return record;
    }
  target = announced_by (book, guest);
  if (target == NULL || (custody->state == VR_STATE_LEAVING && g_strcmp0 (custody->target, target) == 0))
    return NULL;
  record = vr_record_derive (custody, VR_STATE_LEAVING, self);
  set_string (&record->origin, self);
  set_string (&record->target, target);
  return record;
}

static VrRecord *
when_handed_over (const char *self, const VrBook *book, const VrGuest *guest)
{
  const VrRecord *custody = guest->custody;
  const char     *target;
  VrRecord       *mistake = mend_gift (self, book, custody);

  if (mistake != NULL)
    return mistake;
  if (!is_active (custody) || !g_str_equal (custody->owner, self))
    return NULL;
  target = announced_by (book, guest);
  if (target == NULL && custody->state == VR_STATE_LEAVING)
    target = custody->target;
  if (target == NULL && vr_book_starts_anywhere (book)) /* else a claim alone could attract what goes elsewhere */
    target = claimed_by (book, custody);
  return target != NULL ? give_away (self, book, custody, target) : NULL;
}

VrRecord *
vr_custody_next (const char *self, const VrBook *book, const char *uuid, VrPresence presence, const VrSighting *sighting,
                 gboolean waited)
{
  static const VrGuest unknown = { NULL, NULL };
  const VrGuest       *guest = vr_book_guest (book, uuid);

  if (guest == NULL)
    guest = &unknown;
  switch (presence)
    {
    case VR_PRESENCE_ABSENT:
      return when_absent (self, book, uuid, guest, waited);
    case VR_PRESENCE_EXPECTED:
      return when_expected (self, book, guest, sighting);
    case VR_PRESENCE_RUNNING:
      return when_running (self, book, guest, sighting, waited);
    case VR_PRESENCE_LEAVING:
      return when_leaving (self, book, guest);
    case VR_PRESENCE_HANDED_OVER:
      return when_handed_over (self, book, guest);
    }
  g_return_val_if_reached (NULL);
}

gboolean
vr_custody_waits (const char *self, const VrBook *book, const char *uuid, VrPresence presence, const VrSighting *sighting)
{
  const VrGuest *guest = vr_book_guest (book, uuid);

  if (guest == NULL || guest->custody == NULL)
    return FALSE;
  if (presence == VR_PRESENCE_ABSENT) /* given to me, and not here: its origin takes it back, or it ended here before that was known */
    return was_gift (self, book, guest->custody) || (guest->custody->state == VR_STATE_MOVED && g_str_equal (guest->custody->owner, self));
  if (presence != VR_PRESENCE_RUNNING || !is_coming (self, book, guest))
    return FALSE;
  return !is_active (guest->custody) || (!g_str_equal (guest->custody->owner, self) && !came_back (self, book, guest->custody));
}
