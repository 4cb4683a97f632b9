/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who may write what, theory of operation.
 *
 * A writer is who the engine says that it is: each host writes its own file, or its own keys. So a record is a claim of its writer, and
 * the question is whether that writer had the say. Rules that a record shows by itself (vr_chain_fault()): only the owner says that a
 * guest runs, leaves or stopped; only the one that gives it away says that it moved, and to whom; a giver alone takes it back; an intent
 * is its target's. Rules that need what was recorded before (vr_chain_follows()): who the owner was. After a record of custody C,
 *
 *   the owner       may say anything, of the same epoch or a later one: it may have given the guest away and got it back unseen;
 *   the giver       may take it back as long as the owner that it gave it to has not spoken (C is its "moved");
 *   a target        that the owner named ("leaving") may say that it runs there: the owner died on the way;
 *   the home        may say that it runs at home: it has the say over its addresses anyway, every packet to them comes there first;
 *   anybody         may start a guest that stopped, if that is allowed (start = anywhere); else its home, or the host that gave it last;
 *   those trusted   to take over may (take-over = …);
 *   others          may not. Nobody else's record changes anything, whatever its epoch.
 *
 * "May say" is with a later epoch, unless it is the owner: epochs only grow. Where nothing is known of a guest, the same holds as for one
 * that stopped; guests whose addresses are in no host's network have no home that could have the say, and are anybody's to start. While
 * a guest runs its home stays, unless its addresses say better: then it becomes the host in whose network they are.
 *
 * Gaps are allowed on purpose: of each writer its last record is enough, since the chain never comes back to a host after that host's
 * last word. So logs may be compacted, and an engine may keep no more than one record for each host and guest.
 *
 * What this cannot see: a host that had a guest, gave it away, and then removes that from its own log, can deceive hosts that start
 * later. It cannot deceive those that read its word before.
 */
#include "chain.h"

#include <string.h>

static gboolean
same (const char *a, const char *b)
{
  return a && b && strcmp (a, b) == 0;
}

const char *
vr_chain_fault (const VrRecord *r)
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

static gboolean
is_listed (char **list, const char *name)
{
  return list && g_strv_contains ((const char *const *) list, name);
}

/* The guest belongs to nobody now. */
static gboolean
may_start (const VrRecord *custody, const VrRecord *record, const char *home, const VrTrust *trust)
{
  if (!trust || trust->start_anywhere || !home)
    return TRUE;
  return same (record->writer, home) || (custody && same (record->writer, custody->origin));
}

/* Only to the host that has the say over its addresses may a guest's home change while it runs. */
static gboolean
keeps_home (const VrRecord *custody, const VrRecord *record, const char *home)
{
  return custody->state == VR_STATE_STOPPED || same (record->home, custody->home) || same (record->home, home);
}

gboolean
vr_chain_follows (const VrRecord *custody, const char *home_before, const VrRecord *record, const char *home, const VrTrust *trust)
{
  gboolean trusted = trust && is_listed (trust->take_over, record->writer);

  if (!custody)
    return trusted || may_start (NULL, record, home, trust);
  if (!keeps_home (custody, record, home))
    return FALSE;
  if (home && !same (home, home_before) && !trusted && !may_start (NULL, record, home, trust))
    return FALSE; /* it had no address in a network of that host before: with its first one there it is as good as a new guest */
  if (same (record->writer, custody->owner))
    return TRUE;
  if (custody->state == VR_STATE_STOPPED && record->state == VR_STATE_STOPPED) /* two said so, knowing nothing of each other */
    return may_start (custody, record, home, trust);
  if (record->epoch <= custody->epoch)
    return FALSE;
  if (trusted || same (record->writer, home))
    return TRUE;
  switch (custody->state) {
  case VR_STATE_MOVED:
    return same (record->writer, custody->origin);
  case VR_STATE_LEAVING:
    return same (record->writer, custody->target);
  case VR_STATE_STOPPED:
    return may_start (custody, record, home, trust);
  default:
    return FALSE;
  }
}
