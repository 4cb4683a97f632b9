/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "history.h"

struct _VrHistory {
  guint       max;
  GHashTable *guests; /* uuid -> GPtrArray of VrRecord, sorted */
};

VrHistory *
vr_history_new (guint max)
{
  VrHistory *history = g_new0 (VrHistory, 1);

  history->max = max;
  history->guests = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_ptr_array_unref);
  return history;
}

void
vr_history_free (VrHistory *history)
{
  if (!history)
    return;
  g_hash_table_unref (history->guests);
  g_free (history);
}

static int
compare_time (const VrRecord *a, const VrRecord *b)
{
  int names;

  if (a->time_us != b->time_us)
    return a->time_us < b->time_us ? -1 : 1;
  names = g_strcmp0 (a->writer, b->writer);
  if (names != 0)
    return names;
  return a->seq < b->seq ? -1 : a->seq > b->seq;
}

/* The epoch first: of one guest it is right even where the hosts' clocks differ. */
static int
compare_in_guest (const VrRecord *a, const VrRecord *b)
{
  if (a->epoch != b->epoch)
    return a->epoch < b->epoch ? -1 : 1;
  return compare_time (a, b);
}

static int
compare_pointers (gconstpointer a, gconstpointer b)
{
  return compare_time (*(const VrRecord *const *) a, *(const VrRecord *const *) b);
}

void
vr_history_add (VrHistory *history, VrRecord *record)
{
  GPtrArray *records = g_hash_table_lookup (history->guests, record->uuid);
  guint at;

  if (!records) {
    records = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_record_unref);
    g_hash_table_insert (history->guests, g_strdup (record->uuid), records);
  }
  for (at = records->len; at > 0 && compare_in_guest (records->pdata[at - 1], record) > 0; at--)
    ;
  if (at > 0 && compare_in_guest (records->pdata[at - 1], record) == 0)
    return; /* it is there */
  g_ptr_array_insert (records, at, vr_record_ref (record));
  if (records->len > history->max)
    g_ptr_array_remove_index (records, 0);
}

static void
add_all (GPtrArray *list, const GPtrArray *records)
{
  for (guint i = 0; records && i < records->len; i++)
    g_ptr_array_add (list, vr_record_ref (records->pdata[i]));
}

GPtrArray *
vr_history_list (const VrHistory *history, const char *uuid)
{
  GPtrArray *list = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_record_unref);
  GHashTableIter iter;
  gpointer records;

  if (uuid) {
    add_all (list, g_hash_table_lookup (history->guests, uuid));
    return list;
  }
  g_hash_table_iter_init (&iter, history->guests);
  while (g_hash_table_iter_next (&iter, NULL, &records))
    add_all (list, records);
  g_ptr_array_sort (list, compare_pointers);
  return list;
}
