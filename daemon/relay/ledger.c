/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ledger of each migration: what happened here when, and what the kernel counted, written into the migration log as this host's part.
 *
 *   open     from the first sign of a migration that this host has to do with (an intent; at a peer: the guest moved). What the counters say then is
 *            taken off all later readings.
 *   looks    after each reconcile, each second, and ten times a second from the switchover until a second after it: the origin's tap is gone soon
 *   closed   the guest runs at its target (or is back), for two looks nothing more came, and nothing waits in its tap; or CLOSE_S after that, and then the
 *            part says how much still came, and waits. The part is written. The origin counts for the last time when it sees the target's part: if each chose a time of its own, a
 *            packet between the two would be one that was lost, or one that nobody sent. Called off before the guest stopped: forgotten, nothing moved.
 *
 * A daemon that is started anew counts from then on; if the guest has moved by then, its part says that it is not all. A part that is in the log stays.
 *
 * Nothing of this stands between QEMU's stop and the route change. daemon/ledger/ adds the parts up.
 */
#include "ledger-part.h"

#define LOOK_MS 1000
#define LOOK_SOON_MS 100
#define SOON_US G_USEC_PER_SEC
#define GIVE_UP_S 600 /* a guest that never resumes */

/* ---- opening ---- */

static gboolean
target_has_written (VrRelay *self, const VrLedger *part)
{
  g_autoptr (VrMigration) migration = vr_shelf_find (self->shelf, part->uuid, part->epoch);

  return migration != NULL && vr_migration_part (migration, part->target) != NULL;
}

/*
 * In the order in which a packet passes them, taps last; or, for a base, in the opposite order. So of what comes meanwhile a later counter never
 * has less than an earlier one, in the difference.
 */
static VrReading *
read_counters (VrRelay *self, gboolean backwards)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GHashTable) taps = backwards ? vr_kernel_taps (self->kernel, &error) : NULL;
  g_autoptr (GPtrArray) counters = error == NULL ? vr_kernel_tallies (self->kernel, backwards, &error) : NULL;

  if (counters != NULL && taps == NULL)
    taps = vr_kernel_taps (self->kernel, &error);
  if (counters != NULL && taps != NULL)
    return vr_reading_new (counters, taps);
  g_info ("ledger: the counters cannot be read now: %s", error->message);
  return NULL;
}

/* ---- closing ---- */

static void
on_part_written (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;

  if (!vr_log_append_finish (VR_LOG (source), result, &error) && !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    g_warning ("migration log: a part of a ledger was not written: %s", error->message);
}

static void
write_part (VrRelay *self, VrOpenPart *open)
{
  const VrLedger *part = open->part;

  vr_open_part_close (open);
  vr_log_append_ledger_async (self->log, open->part, NULL, on_part_written, NULL);
  g_hash_table_replace (self->ledgers_closed, g_strdup (part->uuid), GSIZE_TO_POINTER (part->epoch));
}

/* A peer that the guest has nothing to do with writes nothing. */
static gboolean
is_worth_it (const VrOpenPart *open)
{
  return open->role != VR_ROLE_PEER || open->part->phases[VR_PHASE_ANSWER] != 0 || open->part->phases[VR_PHASE_DIRECT] != 0;
}

typedef enum { GOES_ON, IS_OVER, CALLED_OFF } Course;

static Course
course_of (VrRelay *self, VrOpenPart *open)
{
  const VrLedger *part = open->part;
  const VrGuest  *guest = vr_book_guest (self->book, part->uuid);
  const VrRecord *custody = guest != NULL ? guest->custody : NULL;

  if (custody == NULL)
    return guest != NULL && guest->intent != NULL ? GOES_ON : CALLED_OFF;
  if (custody->epoch < part->epoch)
    return guest->intent != NULL || custody->state == VR_STATE_LEAVING ? GOES_ON : CALLED_OFF;
  if (custody->epoch == part->epoch && custody->state == VR_STATE_MOVED)
    return GOES_ON;
  if (custody->epoch > part->epoch && custody->state == VR_STATE_RETURNED)
    open->part->phases[VR_PHASE_RETURNED] = MAX (1, custody->time_us);
  return IS_OVER;
}

/* ---- looking ---- */

/* What a switchover counts goes on for some milliseconds after the flip, and after an abort. */
static void
look_at (VrRelay *self, VrOpenPart *open, const VrReading *reading)
{
  const VrLocal     *local = g_hash_table_lookup (self->locals, open->part->uuid);
  VrSwitchoverCounts counts;

  if (open->role == VR_ROLE_ORIGIN && open->part->phases[VR_PHASE_FLIP] != 0 && local != NULL && local->switchover != NULL)
    {
      vr_switchover_get_counts (local->switchover, &counts);
      vr_open_part_take_switchover (open, &counts);
    }
  vr_open_part_count (self, open, reading);
}

/* The next migration begins before this one was counted to the end. */
static void
close_early (VrRelay *self, VrOpenPart *open)
{
  g_autoptr (VrReading) reading = NULL;

  if (course_of (self, open) != IS_OVER || !is_worth_it (open))
    return;
  reading = read_counters (self, FALSE);
  look_at (self, open, reading);
  write_part (self, open);
}

static void
find_new (VrRelay *self, const VrGuest *guest)
{
  const VrRecord *record = guest->custody != NULL ? guest->custody : guest->intent;
  VrOpenPart     *known = g_hash_table_lookup (self->ledgers, record->uuid), *open;
  VrLedgerCase    c;

  if (!vr_relay_ledger_find (self, guest, &c))
    return;
  if (known != NULL && known->part->epoch == c.epoch && g_str_equal (known->part->target, c.target))
    return;
  if (known != NULL)
    close_early (self, known);
  open = vr_open_part_new (record, &c);
  open->target_wrote = target_has_written (self, open->part);
  if (c.role != VR_ROLE_PEER && guest->intent != NULL)
    open->part->phases[VR_PHASE_INTENT] = guest->intent->time_us;
  g_hash_table_replace (self->ledgers, g_strdup (record->uuid), open);
}

static gboolean
on_look (gpointer data)
{
  VrRelay *self = data;

  self->ledger_look = 0;
  vr_relay_ledger_look (self);
  return G_SOURCE_REMOVE;
}

static void
look_again (VrRelay *self)
{
  gint64         now = g_get_real_time ();
  guint          pause = LOOK_MS;
  GHashTableIter iter;
  VrOpenPart    *open;

  g_clear_handle_id (&self->ledger_look, g_source_remove);
  if (g_hash_table_size (self->ledgers) == 0)
    return;
  g_hash_table_iter_init (&iter, self->ledgers);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &open))
    if (open->part->phases[VR_PHASE_FLIP] != 0 && now - open->part->phases[VR_PHASE_FLIP] < SOON_US)
      pause = LOOK_SOON_MS;
  self->ledger_look = g_timeout_add (pause, on_look, self);
}

void
vr_relay_ledger_look (VrRelay *self)
{
  g_autoptr (GPtrArray) uuids = vr_book_guest_uuids (self->book);
  g_autoptr (VrReading) base = NULL, reading = NULL;
  gint64         now = g_get_monotonic_time ();
  gboolean       based = TRUE;
  GHashTableIter iter;
  VrOpenPart    *open;

  for (guint i = 0; i < uuids->len; i++)
    find_new (self, vr_book_guest (self->book, uuids->pdata[i]));
  g_hash_table_iter_init (&iter, self->ledgers);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &open))
    based = based && open->based;
  if (!based)
    base = read_counters (self, TRUE);
  if (g_hash_table_size (self->ledgers) > 0)
    reading = read_counters (self, FALSE);
  g_hash_table_iter_init (&iter, self->ledgers);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &open))
    {
      Course course = course_of (self, open);

      vr_open_part_take_base (self, open, base);
      look_at (self, open, reading);
      vr_open_part_see_phases (self, open);
      if (course == IS_OVER && open->over_us == 0)
        open->over_us = now;
      if (course == CALLED_OFF || now - open->opened_us > GIVE_UP_S * G_USEC_PER_SEC)
        g_hash_table_iter_remove (&iter);
      else if (open->over_us != 0 && vr_open_part_is_counted (open, now))
        {
          if (is_worth_it (open))
            write_part (self, open);
          g_hash_table_iter_remove (&iter);
        }
    }
  look_again (self);
}

/* ---- what happens ---- */

/*
 * Phases at which the counters are read: the next plan takes those of the origin's tap away, and when the guest is back, those of what was relayed. At the
 * target what went into the tap until now waited in its queue: a stopped guest reads nothing.
 */
static const gboolean is_read_at[VR_N_PHASES] = { [VR_PHASE_FLIP] = TRUE, [VR_PHASE_RESUMED] = TRUE, [VR_PHASE_RETURNED] = TRUE };

static void
read_at_phase (VrRelay *self, VrOpenPart *open)
{
  g_autoptr (VrReading) reading = read_counters (self, FALSE);

  look_at (self, open, reading);
  for (guint i = 0; open->role == VR_ROLE_TARGET && i < open->part->nics->len; i++)
    {
      VrLedgerNic *nic = open->part->nics->pdata[i];

      if (vr_ledger_knows (nic, VR_COUNT_FRAMES))
        vr_ledger_count (nic, VR_COUNT_QUEUED, nic->counts[VR_COUNT_FRAMES] - MIN (nic->counts[VR_COUNT_FRAMES], nic->counts[VR_COUNT_TAP_DROPPED]));
    }
}

void
vr_relay_ledger_note (VrRelay *self, const char *uuid, VrPhase phase, gint64 at_us)
{
  VrOpenPart *open = g_hash_table_lookup (self->ledgers, uuid);

  if (open == NULL || at_us == 0 || open->part->phases[phase] != 0)
    return;
  open->part->phases[phase] = at_us;
  if (is_read_at[phase])
    read_at_phase (self, open);
}

void
vr_relay_ledger_record (VrRelay *self, const VrRecord *record)
{
  gint64 now = g_get_real_time ();

  if (record->state == VR_STATE_LEAVING)
    vr_relay_ledger_note (self, record->uuid, VR_PHASE_LEAVING, record->time_us);
  if (record->state == VR_STATE_MOVED && g_str_equal (record->writer, self->config->host->name))
    vr_relay_ledger_note (self, record->uuid, VR_PHASE_MOVED, now);
  if (record->state == VR_STATE_RUNNING && g_str_equal (record->writer, self->config->host->name))
    {
      const VrOpenPart *open = g_hash_table_lookup (self->ledgers, record->uuid);

      if (open != NULL && open->part->epoch == record->epoch)
        vr_relay_ledger_note (self, record->uuid, VR_PHASE_RUNNING, now);
    }
}

void
vr_relay_ledger_direct (VrRelay *self, const char *address)
{
  GHashTableIter iter;
  VrOpenPart    *open;

  g_hash_table_iter_init (&iter, self->ledgers);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &open))
    {
      const VrGuest *guest = vr_book_guest (self->book, open->part->uuid);

      if (open->role == VR_ROLE_PEER && guest != NULL && guest->custody != NULL && vr_record_has_address (guest->custody, address))
        vr_relay_ledger_note (self, open->part->uuid, VR_PHASE_DIRECT, g_get_real_time ());
    }
}

void
vr_relay_ledger_switchover (VrRelay *self, const char *uuid, const VrSwitchoverCounts *counts)
{
  VrOpenPart *open = g_hash_table_lookup (self->ledgers, uuid);

  if (open != NULL)
    vr_open_part_take_switchover (open, counts);
}

/* A part of whatever host is in the log: does that migration add up now? */
static void
on_log_ledger (VrLog *log, VrLedger *part, gpointer data)
{
  VrRelay         *self = data;
  VrOpenPart      *open = g_hash_table_lookup (self->ledgers, part->uuid);
  g_autofree char *about = g_strdup_printf ("ledger of %s", part->name);
  g_autoptr (VrMigration) migration = NULL;

  vr_shelf_add (self->shelf, part);
  if (open != NULL && open->part->epoch == part->epoch && g_str_equal (part->writer, open->part->target))
    {
      open->target_wrote = TRUE;
      vr_relay_ledger_look (self); /* now, as the target did */
    }
  migration = vr_shelf_find (self->shelf, part->uuid, part->epoch);
  if (migration == NULL || !migration->complete)
    return;
  if (g_str_equal (part->writer, self->config->host->name) && self->log_ready)
    g_message ("guest %s: migration from %s to %s, epoch %" G_GUINT64_FORMAT ": %s", migration->name, migration->origin, migration->target,
               migration->epoch, migration->verdict);
  vr_relay_trouble (self, about, migration->faults->len > 0 ? migration->faults->pdata[0] : NULL);
}

void
vr_relay_ledger_connect (VrRelay *self)
{
  g_signal_connect_object (self->log, "ledger", G_CALLBACK (on_log_ledger), self, 0);
}

GPtrArray *
vr_relay_migrations (VrRelay *self, const char *guest)
{
  GPtrArray *list = vr_shelf_list (self->shelf, guest);

  if (list == NULL && vr_relay_knows_guest (self, guest)) /* it never migrated */
    list = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_migration_free);
  return list;
}

gboolean
vr_relay_knows_guest (VrRelay *self, const char *guest)
{
  g_autoptr (GPtrArray) history = vr_log_history (self->log, NULL);

  for (guint i = 0; i < history->len; i++)
    {
      const VrRecord *record = history->pdata[i];

      if (g_str_equal (record->name, guest) || g_ascii_strcasecmp (record->uuid, guest) == 0)
        return TRUE;
    }
  return FALSE;
}

void
vr_relay_ledger_init (VrRelay *self)
{
  self->ledgers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) vr_open_part_free);
  self->ledgers_closed = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->shelf = vr_shelf_new ();
}

void
vr_relay_ledger_stop (VrRelay *self)
{
  g_clear_handle_id (&self->ledger_look, g_source_remove);
}

void
vr_relay_ledger_clear (VrRelay *self)
{
  g_hash_table_unref (self->ledgers);
  g_hash_table_unref (self->ledgers_closed);
  vr_shelf_free (self->shelf);
}
