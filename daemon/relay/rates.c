/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How many packets come to a guest that leaves: by that its target decides how long the queue of its tap has to be (plan-here.c). The kernel counts what QEMU takes from each tap; read now and then while guests run here, that gives
 * a rate at hand when one begins to leave, and its owner puts it into the `leaving` record, where the target finds it before the guest
 * stops. Once more a second later: if more comes by then, the record is written anew.
 */
#include "relay-private.h"

#define AGAIN_MS 1000
#define LEAST_SPAN_US (200 * 1000) /* over less, a rate says nothing */
#define MUCH_MORE(rate) ((rate) + (rate) / 4 + 100)

typedef struct {
  int     index;
  gint64  at_us;     /* monotonic */
  guint64 delivered;
  guint   rate;      /* packets per second before at_us */
} Sample;

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
    {
      vr_relay_rates_fill (self, records->pdata[i]);
      vr_relay_write (self, records->pdata[i]);
    }
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
vr_relay_rates_stop (VrRelay *self)
{
  g_clear_handle_id (&self->rate_wait, g_source_remove);
}
