/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "linger.h"

void
vr_linger_log_away (VrLinger *linger, gint64 now_us)
{
  if (linger->away_from != 0 && linger->back_at == G_MAXINT64)
    return;
  if (linger->away_from == 0 || now_us - linger->back_at >= linger->time_us)
    linger->away_from = now_us;
  linger->back_at = G_MAXINT64;
}

void
vr_linger_log_back (VrLinger *linger, gint64 now_us)
{
  if (linger->away_from != 0 && linger->back_at == G_MAXINT64)
    linger->back_at = now_us;
}

gboolean
vr_linger_concerns (const VrRecord *record)
{
  return record->state == VR_STATE_RUNNING && g_str_equal (record->owner, record->home) && record->origin != NULL
         && !g_str_equal (record->origin, record->owner);
}

gint64
vr_linger_until (const VrLinger *linger, const VrRecord *record)
{
  gint64 until = record->time_us + linger->time_us;

  if (linger->away_from == 0 || until <= linger->away_from)
    return until;
  return linger->back_at == G_MAXINT64 ? G_MAXINT64 : MAX (until, linger->back_at + linger->time_us);
}
