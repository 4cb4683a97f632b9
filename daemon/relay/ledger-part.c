/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ledger-part.h"

#include "daemon/names.h"

#define QUIET_US (900 * 1000) /* looks that are closer together say nothing of whether something still comes */
#define CLOSE_S 15            /* after the guest runs where it shall: then the part says how much still came */

void
vr_open_part_free (VrOpenPart *open)
{
  vr_ledger_unref (open->part);
  vr_ledger_unref (open->base);
  g_free (open->switchover);
  g_free (open);
}

VrOpenPart *
vr_open_part_new (const VrRecord *record, const VrLedgerCase *c)
{
  VrOpenPart *open = g_new0 (VrOpenPart, 1);

  open->role = c->role;
  open->part = vr_ledger_new (record->uuid, record->name, c->epoch, c->origin, c->target);
  open->base = vr_ledger_new (record->uuid, record->name, c->epoch, c->origin, c->target);
  open->opened_us = g_get_monotonic_time ();
  for (guint i = 0; i < record->nics->len; i++)
    vr_ledger_nic (open->part, ((VrNic *) record->nics->pdata[i])->mac);
  if (c->late)
    open->part->partial = g_strdup ("its daemon was not running, or had not heard of the migration, when it began");
  return open;
}

/* ---- counting ---- */

static const char *const *
addresses_of (const VrRecord *record, const char *mac)
{
  for (guint i = 0; i < record->nics->len; i++)
    if (g_str_equal (((VrNic *) record->nics->pdata[i])->mac, mac))
      return (const char *const *) ((VrNic *) record->nics->pdata[i])->addresses;
  return NULL;
}

static const char *
tap_of (const VrRelay *self, const char *uuid, const char *mac)
{
  const VrLocal *local = g_hash_table_lookup (self->locals, uuid);

  for (guint i = 0; local != NULL && local->here != NULL && i < local->here->nics->len; i++)
    if (g_str_equal (((VrHereNic *) local->here->nics->pdata[i])->mac, mac))
      return ((VrHereNic *) local->here->nics->pdata[i])->tap;
  return NULL;
}

static guint64
answers_of (const VrRelay *self, const VrLedger *part, const char *const *addresses)
{
  g_autofree char *dev = vr_tunnel_dev (part->target);
  guint64          sum = 0;

  for (; *addresses != NULL; addresses++)
    {
      g_autofree char *key = vr_facts_key (dev, *addresses);

      sum += GPOINTER_TO_UINT (g_hash_table_lookup (self->answers, key));
    }
  return sum;
}

static void
count_nic (VrRelay *self, VrOpenPart *open, VrLedgerNic *nic, const VrRecord *record, const VrReading *reading)
{
  const char *const *addresses = addresses_of (record, nic->mac);
  g_autofree char   *from = open->role == VR_ROLE_TARGET ? vr_tunnel_dev (open->part->origin) : NULL;
  VrLedgerNic       *base = vr_ledger_nic (open->base, nic->mac);
  guint64            flooded = nic->counts[VR_COUNT_FLOODED], relayed = nic->counts[VR_COUNT_RELAYED], waiting;

  if (addresses == NULL)
    return;
  if (open->role == VR_ROLE_PEER)
    {
      vr_ledger_count (nic, VR_COUNT_ANSWERS, answers_of (self, open->part, addresses));
      open->moved += nic->counts[VR_COUNT_ANSWERS];
      return;
    }
  vr_tally (nic, base, reading, addresses, tap_of (self, open->part->uuid, nic->mac), from);
  if (open->part->phases[VR_PHASE_RETURNED] != 0 && record->epoch > open->part->epoch) /* what is counted from then on is the next migration's */
    vr_ledger_count (nic, VR_COUNT_RELAYED, relayed);
  open->moved += nic->counts[open->role == VR_ROLE_ORIGIN ? VR_COUNT_RELAYED : VR_COUNT_ARRIVED];
  if (open->role != VR_ROLE_ORIGIN || open->part->phases[VR_PHASE_FLIP] == 0)
    return;
  /* what is flooded into a tap whose guest is gone was never to reach it */
  waiting = vr_tally_waiting (nic);
  vr_ledger_count (nic, VR_COUNT_LEFT, waiting - MIN (waiting, nic->counts[VR_COUNT_FLOODED] - flooded));
}

void
vr_open_part_take_base (VrRelay *self, VrOpenPart *open, const VrReading *reading)
{
  const VrGuest  *guest = vr_book_guest (self->book, open->part->uuid);
  const VrRecord *record = guest != NULL ? (guest->custody != NULL ? guest->custody : guest->intent) : NULL;
  g_autofree char *from = open->role == VR_ROLE_TARGET ? vr_tunnel_dev (open->part->origin) : NULL;

  if (open->based || reading == NULL || record == NULL)
    return;
  open->based = TRUE;
  for (guint i = 0; i < open->part->nics->len; i++)
    {
      const VrLedgerNic *nic = open->part->nics->pdata[i];
      VrLedgerNic       *base = vr_ledger_nic (open->base, nic->mac);
      const char *const *addresses = addresses_of (record, nic->mac);

      if (open->role != VR_ROLE_PEER && addresses != NULL)
        vr_tally (base, NULL, reading, addresses, open->role == VR_ROLE_ORIGIN ? tap_of (self, open->part->uuid, nic->mac) : NULL, from);
    }
}

void
vr_open_part_count (VrRelay *self, VrOpenPart *open, const VrReading *reading)
{
  const VrGuest  *guest = vr_book_guest (self->book, open->part->uuid);
  const VrRecord *record = guest != NULL ? (guest->custody != NULL ? guest->custody : guest->intent) : NULL;
  gint64          now = g_get_monotonic_time ();
  guint64         before = open->moved;

  if (record == NULL || reading == NULL)
    return;
  open->moved = 0;
  for (guint i = 0; i < open->part->nics->len; i++)
    count_nic (self, open, open->part->nics->pdata[i], record, reading);
  open->looked_us = now;
  if (open->moved != before)
    open->quiet = 0;
  if (now - open->quiet_us < QUIET_US)
    return;
  open->quiet = open->moved == open->moved_before ? open->quiet + 1 : 0;
  if (open->over_us == 0 || open->moved == open->moved_before || !vr_open_part_is_counted (open, now))
    open->moved_before = open->moved;
  open->quiet_us = now;
}

void
vr_open_part_see_phases (VrRelay *self, VrOpenPart *open)
{
  VrLedger   *part = open->part;
  const char *other = open->role == VR_ROLE_ORIGIN ? part->target : part->origin;
  gint64      up = vr_tunnels_up_since (self->tunnels, other);

  if (open->role == VR_ROLE_PEER)
    {
      if (part->phases[VR_PHASE_ANSWER] == 0 && open->moved > 0)
        part->phases[VR_PHASE_ANSWER] = g_get_real_time ();
      return;
    }
  if (part->phases[VR_PHASE_TUNNEL] == 0 && up != 0)
    part->phases[VR_PHASE_TUNNEL] = up;
  for (guint i = 0; open->role == VR_ROLE_TARGET && part->phases[VR_PHASE_ARMED] == 0 && i < part->nics->len; i++)
    if (vr_ledger_knows (part->nics->pdata[i], VR_COUNT_DELIVERED))
      part->phases[VR_PHASE_ARMED] = g_get_real_time ();
}

/* ---- closing ---- */

gboolean
vr_open_part_is_counted (const VrOpenPart *open, gint64 now)
{
  gint64 since = now - open->over_us;

  if (open->role == VR_ROLE_PEER)
    return open->part->phases[VR_PHASE_DIRECT] != 0 || since > 2 * CLOSE_S * G_USEC_PER_SEC;
  if (open->role == VR_ROLE_ORIGIN && open->part->phases[VR_PHASE_RETURNED] == 0)
    return open->target_wrote || since > 2 * CLOSE_S * G_USEC_PER_SEC;
  for (guint i = 0; i < open->part->nics->len; i++) /* the guest may be slow to read what waits for it */
    if (vr_tally_waiting (open->part->nics->pdata[i]) > 0 && since < CLOSE_S * G_USEC_PER_SEC)
      return FALSE;
  return open->quiet >= 2 || since > CLOSE_S * G_USEC_PER_SEC;
}

static void
tell_switchover (VrOpenPart *open)
{
  VrSwitchoverCounts *counts = open->switchover;
  VrLedger *part = open->part;

  g_free (part->way);
  part->way = g_strdup (vr_switchover_way_to_string (VR_WAY_ROUTE_ONLY));
  if (counts == NULL && part->partial != NULL)
    {
      g_clear_pointer (&part->way, g_free); /* nobody knows */
      return;
    }
  if (counts == NULL)
    {
      part->why = part->why != NULL ? part->why : g_strdup ("nothing was drained or sent again");
      return;
    }
  part->critical_ns = counts->end_ns > counts->begin_ns ? counts->end_ns - counts->begin_ns : 0;
  if (counts->flip_end_ns != 0)
    part->phases[VR_PHASE_FLIP] = counts->flip_end_ns / 1000;
  for (guint i = 0; i < counts->n_nics; i++)
    {
      const VrSwitchoverNic *from = &counts->nics[i];
      VrLedgerNic           *nic = vr_ledger_nic (part, from->mac);

      if (i == 0 || from->way != VR_WAY_QUEUES)
        {
          g_free (part->way);
          part->way = g_strdup (vr_switchover_way_to_string (from->way));
          g_free (part->why);
          part->why = *from->reason != '\0' ? g_utf8_make_valid (from->reason, -1) : NULL;
        }
      vr_ledger_count (nic, VR_COUNT_DRAINED, from->drained);
      vr_ledger_count (nic, VR_COUNT_COPIED, from->to_guest);
      vr_ledger_count (nic, VR_COUNT_RESENT, from->resent);
      vr_ledger_count (nic, VR_COUNT_UNSENT, from->not_sent);
      vr_ledger_count (nic, VR_COUNT_TOO_LARGE, from->too_large);
      vr_ledger_count (nic, VR_COUNT_PUSHED_BACK, from->pushed_back);
      vr_ledger_count (nic, VR_COUNT_DUPLICATES, from->swallowed);
      vr_ledger_count (nic, VR_COUNT_MEMORY, i == 0 ? counts->memory : 0);
    }
}

void
vr_open_part_take_switchover (VrOpenPart *open, const VrSwitchoverCounts *counts)
{
  g_free (open->switchover);
  open->switchover = g_memdup2 (counts, sizeof *counts);
}

void
vr_open_part_close (VrOpenPart *open)
{
  VrLedger *part = open->part;
  guint64   rate = open->quiet >= 2 || open->looked_us == 0 ? 0 : open->moved - open->moved_before;

  if (open->role == VR_ROLE_ORIGIN)
    tell_switchover (open);
  for (guint i = 0; i < part->nics->len && open->role != VR_ROLE_PEER; i++)
    vr_ledger_count (part->nics->pdata[i], VR_COUNT_RATE, rate);
  part->phases[VR_PHASE_COUNTED] = part->time_us = g_get_real_time ();
}
