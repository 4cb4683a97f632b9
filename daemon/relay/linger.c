/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Guests that came home, and of which not everybody may have heard (model/linger.h): what the plan is told of them. */
#include "relay-private.h"

void
vr_relay_linger_init (VrRelay *self)
{
  self->linger.time_us = self->config->linger_s * (gint64) G_USEC_PER_SEC;
}

void
vr_relay_linger_log (VrRelay *self, gboolean away)
{
  if (away)
    vr_linger_log_away (&self->linger, g_get_real_time ());
  else
    vr_linger_log_back (&self->linger, g_get_real_time ());
  vr_relay_reconcile_soon (self);
}

/* Adds to `lingering` (nullable; of uuids that the book owns) who lingers now, and gives the time at which the next one ends. */
static gint64
lingering_until (const VrRelay *self, GHashTable *lingering)
{
  g_autoptr (GPtrArray) uuids = vr_book_guest_uuids (self->book);
  gint64 now = g_get_real_time (), next = G_MAXINT64;

  for (guint i = 0; i < uuids->len; i++)
    {
      const VrRecord *custody = vr_book_guest (self->book, uuids->pdata[i])->custody;
      gint64          until = custody != NULL && vr_linger_concerns (custody) ? vr_linger_until (&self->linger, custody) : 0;

      if (until <= now)
        continue;
      next = MIN (next, until);
      if (lingering != NULL)
        g_hash_table_add (lingering, uuids->pdata[i]);
    }
  return next;
}

void
vr_relay_linger_fill (VrRelay *self, VrFacts *facts)
{
  facts->lingering = g_hash_table_new (g_str_hash, g_str_equal);
  lingering_until (self, facts->lingering);
}

gint64
vr_relay_linger_next (VrRelay *self)
{
  return lingering_until (self, NULL);
}
