/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the plan has to know of taps' queues (plan-here.c says when one is made longer): which guests came here a moment ago, and how
 * many packets come to a guest that leaves. The kernel counts what QEMU takes from each tap; read now and then while guests run here, that gives
 * a rate at hand when one begins to leave, and its owner puts it into the `leaving` record, where the target finds it before the guest
 * stops. Once more a second later: if more comes by then, the record is written anew.
 */
#include "relay-private.h"

#define SETTLE_US (10 * G_USEC_PER_SEC) /* by then a guest has read what waited for it, or reads nothing */
#define AGAIN_MS 1000
#define LEAST_SPAN_US (200 * 1000)      /* over less, a rate says nothing */
#define MUCH_MORE(rate) ((rate) + (rate) / 4 + 100)

typedef struct {
  int     index;
  gint64  at_us;     /* monotonic */
  guint64 delivered;
  guint   rate;      /* packets per second before at_us */
} Sample;

/* ---- guests that came a moment ago ---- */

/* The wall clock's time until which it settles; 0: it does not. */
static gint64
settles_until (const VrRelay *self, const VrRecord *record)
{
  gboolean came = record->state == VR_STATE_RETURNED || (record->state == VR_STATE_RUNNING && record->origin != NULL);

  return came && g_str_equal (record->owner, self->config->host->name) ? record->time_us + SETTLE_US : 0;
}

/* Adds to `settling` (nullable) who settles, and gives the time at which the first of them is done; G_MAXINT64: nobody. */
static gint64
settled_at (const VrRelay *self, GHashTable *settling)
{
  g_autoptr (GPtrArray) uuids = vr_book_guest_uuids (self->book);
  gint64 now = g_get_real_time (), next = G_MAXINT64;

  for (guint i = 0; i < uuids->len; i++)
    {
      const VrRecord *custody = vr_book_guest (self->book, uuids->pdata[i])->custody;
      gint64          until = custody != NULL ? settles_until (self, custody) : 0;

      if (until <= now)
        continue;
      next = MIN (next, until);
      if (settling != NULL)
        g_hash_table_add (settling, g_strdup (custody->uuid));
    }
  return next;
}

void
vr_relay_queue_fill (VrRelay *self, VrFacts *facts)
{
  facts->queue_max = (guint) (self->config->queue_memory_mib * G_GUINT64_CONSTANT (1048576) / VR_QUEUE_PACKET_BYTES);
  facts->settling = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  settled_at (self, facts->settling);
}

static gboolean
on_settled (gpointer data)
{
  VrRelay *self = data;

  self->queue_wait = 0;
  vr_relay_reconcile_soon (self);
  return G_SOURCE_REMOVE;
}

void
vr_relay_queue_watch (VrRelay *self)
{
  gint64 next = settled_at (self, NULL);

  g_clear_handle_id (&self->queue_wait, g_source_remove);
  if (next != G_MAXINT64) /* not to be fooled by a clock that is set: looked at again after a minute at most */
    self->queue_wait = g_timeout_add (MIN (60000, (next - g_get_real_time ()) / 1000 + 1), on_settled, self);
}

/* ---- rates ---- */

static void
take_sample (VrRelay *self, const char *name, const VrTap *tap)
{
  Sample *sample = g_hash_table_lookup (self->rates, name);
  gint64  now = g_get_monotonic_time ();

  if (sample == NULL || sample->index != tap->index)
    {
      sample = g_new0 (Sample, 1);
      sample->index = tap->index;
      sample->at_us = now;
      sample->delivered = tap->delivered;
      g_hash_table_replace (self->rates, g_strdup (name), sample);
      return;
    }
  if (now - sample->at_us < LEAST_SPAN_US)
    return;
  sample->rate = (guint) MIN (G_MAXINT, (tap->delivered - sample->delivered) * G_USEC_PER_SEC / (guint64) (now - sample->at_us));
  sample->at_us = now;
  sample->delivered = tap->delivered;
}

void
vr_relay_rates_sample (VrRelay *self)
{
  g_autoptr (GHashTable) taps = NULL;
  GHashTableIter iter;
  VrLocal       *local;
  gpointer       name;

  if (g_hash_table_size (self->locals) == 0)
    return;
  taps = vr_kernel_taps (self->kernel, NULL);
  if (taps == NULL)
    return;
  g_hash_table_iter_init (&iter, self->rates);
  while (g_hash_table_iter_next (&iter, &name, NULL))
    if (!g_hash_table_contains (taps, name))
      g_hash_table_iter_remove (&iter);
  g_hash_table_iter_init (&iter, self->locals);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &local))
    for (guint i = 0; local->here != NULL && i < local->here->nics->len; i++)
      {
        const VrHereNic *nic = local->here->nics->pdata[i];
        const VrTap     *tap = nic->tap != NULL ? g_hash_table_lookup (taps, nic->tap) : NULL;

        if (tap != NULL)
          take_sample (self, nic->tap, tap);
      }
}

/* Of the guest's NIC with that MAC; 0: not known. */
static guint
rate_of (const VrRelay *self, const VrLocal *local, const char *mac)
{
  for (guint i = 0; local->here != NULL && i < local->here->nics->len; i++)
    {
      const VrHereNic *nic = local->here->nics->pdata[i];
      const Sample    *sample = nic->tap != NULL && g_str_equal (nic->mac, mac) ? g_hash_table_lookup (self->rates, nic->tap) : NULL;

      if (sample != NULL)
        return sample->rate;
    }
  return 0;
}

static gboolean
on_again (gpointer data)
{
  VrRelay       *self = data;
  GHashTableIter iter;
  VrLocal       *local;
  g_autoptr (GPtrArray) records = g_ptr_array_new ();

  self->rate_wait = 0;
  vr_relay_rates_sample (self);
  g_hash_table_iter_init (&iter, self->locals);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &local))
    {
      const VrGuest *guest = vr_book_guest (self->book, local->uuid);
      gboolean       more = FALSE;

      if (local->presence != VR_PRESENCE_LEAVING || guest == NULL || guest->custody == NULL || guest->custody->state != VR_STATE_LEAVING
          || !g_str_equal (guest->custody->owner, self->config->host->name))
        continue;
      for (guint i = 0; i < guest->custody->nics->len; i++)
        {
          const VrNic *nic = guest->custody->nics->pdata[i];

          more = more || rate_of (self, local, nic->mac) > MUCH_MORE (nic->rate);
        }
      if (more)
        g_ptr_array_add (records, vr_record_derive (guest->custody, VR_STATE_LEAVING, self->config->host->name));
    }
  for (guint i = 0; i < records->len; i++)
    vr_relay_write (self, records->pdata[i]);
  return G_SOURCE_REMOVE;
}

void
vr_relay_rates_fill (VrRelay *self, VrRecord *leaving)
{
  const VrLocal *local = g_hash_table_lookup (self->locals, leaving->uuid);

  if (local == NULL)
    return;
  if (self->rate_wait == 0)
    {
      vr_relay_rates_sample (self);
      self->rate_wait = g_timeout_add (AGAIN_MS, on_again, self);
    }
  for (guint i = 0; i < leaving->nics->len; i++)
    {
      VrNic *nic = leaving->nics->pdata[i];

      nic->rate = rate_of (self, local, nic->mac);
    }
}

void
vr_relay_queue_stop (VrRelay *self)
{
  g_clear_handle_id (&self->queue_wait, g_source_remove);
  g_clear_handle_id (&self->rate_wait, g_source_remove);
}
