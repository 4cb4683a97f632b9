/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Differences: items compare by their line of text. */
#include "sync.h"

GHashTable *
vr_lines (GPtrArray *items, VrToString to_string)
{
  GHashTable *lines = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (guint i = 0; i < items->len; i++)
    g_hash_table_replace (lines, to_string (items->pdata[i]), items->pdata[i]);
  return lines;
}
