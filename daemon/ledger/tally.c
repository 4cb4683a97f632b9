/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tally.h"

#include "daemon/model/address.h"

VrReading *
vr_reading_new (GPtrArray *counters, GHashTable *taps)
{
  VrReading *reading = g_new0 (VrReading, 1);

  reading->packets = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  reading->taps = g_hash_table_ref (taps);
  for (guint i = 0; i < counters->len; i++)
    {
      const VrCounter *counter = counters->pdata[i];

      g_hash_table_replace (reading->packets, g_strdup (counter->name), g_memdup2 (&counter->packets, sizeof counter->packets));
    }
  return reading;
}

void
vr_reading_free (VrReading *reading)
{
  if (reading == NULL)
    return;
  g_hash_table_unref (reading->packets);
  g_hash_table_unref (reading->taps);
  g_free (reading);
}

static void
set (VrLedgerNic *nic, const VrLedgerNic *base, VrCount count, guint64 now)
{
  guint64 before = base != NULL && vr_ledger_knows (base, count) ? base->counts[count] : 0;

  vr_ledger_count (nic, count, now >= before ? now - before : now);
}

/* Adds up what set NAME4 or NAME6 counts for each address; FALSE: none of them is in it. */
static gboolean
add_up (const VrReading *reading, const char *name, const char *dev, const char *const *addresses, guint64 *sum)
{
  gboolean any = FALSE;

  *sum = 0;
  for (; *addresses != NULL; addresses++)
    {
      g_autofree char *key = g_strdup_printf ("%s%s %s%s%s", name, vr_address_is_v6 (*addresses) ? "6" : "4", dev != NULL ? dev : "",
                                              dev != NULL ? " . " : "", *addresses);
      const guint64 *packets = g_hash_table_lookup (reading->packets, key);

      if (packets == NULL)
        continue;
      any = TRUE;
      *sum += *packets;
    }
  return any;
}

static void
tally_tap (VrLedgerNic *nic, const VrLedgerNic *base, const VrReading *reading, const char *name)
{
  g_autofree char *out = g_strconcat ("tap-out ", name, NULL), *flood = g_strconcat ("tap-flood ", name, NULL);
  const guint64   *frames = g_hash_table_lookup (reading->packets, out);
  const guint64   *flooded = g_hash_table_lookup (reading->packets, flood);
  const VrTap     *tap = g_hash_table_lookup (reading->taps, name);

  if (tap == NULL)
    return;
  if (frames != NULL && flooded != NULL)
    {
      set (nic, base, VR_COUNT_FRAMES, *frames);
      set (nic, base, VR_COUNT_FLOODED, *flooded);
    }
  set (nic, base, VR_COUNT_DELIVERED, tap->delivered);
  set (nic, base, VR_COUNT_TAP_DROPPED, tap->dropped);
  vr_ledger_count (nic, VR_COUNT_QUEUE, MAX (tap->queue, nic->counts[VR_COUNT_QUEUE]));
}

void
vr_tally (VrLedgerNic *nic, const VrLedgerNic *base, const VrReading *reading, const char *const *addresses, const char *tap,
          const char *from)
{
  static const struct {
    VrCount     count;
    const char *set;
  } sets[] = { { VR_COUNT_CAME, "came" }, { VR_COUNT_HANDED, "handed" }, { VR_COUNT_RELAYED, "relay" }, { VR_COUNT_OWN, "own" },
               { VR_COUNT_EXPIRED, "expired" }, { VR_COUNT_FOREIGN_SOURCE, "foreign-source" },
               { VR_COUNT_FOREIGN_DESTINATION, "foreign-destination" }, { VR_COUNT_CIRCLING, "circling" },
               { VR_COUNT_LARGE, "large" }, { VR_COUNT_LARGE_RELAYED, "large-relayed" } };
  guint64 sum;

  for (guint i = 0; i < G_N_ELEMENTS (sets); i++)
    if (add_up (reading, sets[i].set, NULL, addresses, &sum))
      set (nic, base, sets[i].count, sum);
  if (from != NULL && add_up (reading, "arrived", from, addresses, &sum))
    set (nic, base, VR_COUNT_ARRIVED, sum);
  if (tap != NULL)
    tally_tap (nic, base, reading, tap);
}

guint64
vr_tally_waiting (const VrLedgerNic *nic)
{
  guint64 out = nic->counts[VR_COUNT_DELIVERED] + nic->counts[VR_COUNT_TAP_DROPPED];

  if (!vr_ledger_knows (nic, VR_COUNT_FRAMES) || nic->counts[VR_COUNT_FRAMES] <= out)
    return 0;
  return nic->counts[VR_COUNT_FRAMES] - out;
}
