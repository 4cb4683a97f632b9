/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which migration of a guest this host has to count, as what, and whether it comes in time for it. */
#include "relay-private.h"

#define RECENT_US (3600 * G_GINT64_CONSTANT (1000000)) /* a migration that ended while no daemon ran gets its part by then, or never */

/* Its target said that it runs there; not so long ago that this is of no interest any more. */
static gboolean
is_just_over (const VrRecord *custody)
{
  gint64 ago_us = g_get_real_time () - custody->time_us;

  return custody->state == VR_STATE_RUNNING && ago_us < RECENT_US;
}

/* What the book says of a migration of this guest that is under way, or just was; FALSE: none that this host has to do with. */
static gboolean
migration_of (const VrRelay *self, const VrGuest *guest, VrLedgerCase *c)
{
  const char     *me = self->config->host->name;
  const VrRecord *custody = guest->custody, *intent = guest->intent;

  if (intent != NULL && custody != NULL && intent->epoch == custody->epoch)
    {
      c->role = g_str_equal (custody->owner, me) ? VR_ROLE_ORIGIN : VR_ROLE_TARGET;
      c->epoch = custody->epoch + 1;
      c->origin = custody->owner;
      c->target = intent->target;
      return c->role == VR_ROLE_ORIGIN || g_str_equal (intent->target, me);
    }
  if (custody == NULL || custody->origin == NULL || g_str_equal (custody->origin, custody->owner) /* called off */
      || (custody->state != VR_STATE_MOVED && !is_just_over (custody)))
    return FALSE;
  c->role = g_str_equal (custody->origin, me) ? VR_ROLE_ORIGIN : g_str_equal (custody->owner, me) ? VR_ROLE_TARGET : VR_ROLE_PEER;
  c->epoch = custody->epoch;
  c->origin = custody->origin;
  c->target = custody->owner;
  return TRUE;
}

/* Did this host write its part before it was started anew? */
static gboolean
has_part (VrRelay *self, const char *uuid, guint64 epoch)
{
  g_autoptr (VrMigration) migration = vr_shelf_find (self->shelf, uuid, epoch);

  return migration != NULL && vr_migration_part (migration, self->config->host->name) != NULL;
}

/*
 * This host should have begun to count earlier: the guest is not here any more, or here already. That is so when no daemon ran when it moved: the part
 * says what is known, and that it is not all.
 */
static gboolean
is_late (VrRelay *self, const VrGuest *guest, const VrLedgerCase *c)
{
  const VrLocal *local = guest->custody != NULL ? g_hash_table_lookup (self->locals, guest->custody->uuid) : NULL;

  if (guest->custody == NULL)
    return FALSE;
  if (guest->custody->epoch >= c->epoch)
    return TRUE;
  return c->role == VR_ROLE_ORIGIN
         && (local == NULL || (local->presence != VR_PRESENCE_RUNNING && local->presence != VR_PRESENCE_LEAVING));
}

gboolean
vr_relay_ledger_find (VrRelay *self, const VrGuest *guest, VrLedgerCase *c)
{
  const VrRecord *record = guest->custody != NULL ? guest->custody : guest->intent;

  if (!migration_of (self, guest, c))
    return FALSE;
  if (c->epoch <= GPOINTER_TO_SIZE (g_hash_table_lookup (self->ledgers_closed, record->uuid)))
    return FALSE;
  if (has_part (self, record->uuid, c->epoch))
    {
      g_hash_table_replace (self->ledgers_closed, g_strdup (record->uuid), GSIZE_TO_POINTER (c->epoch));
      return FALSE;
    }
  c->late = c->role != VR_ROLE_PEER && is_late (self, guest, c);
  return c->role != VR_ROLE_PEER || record->state == VR_STATE_MOVED;
}
