/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "shelf.h"

#include <string.h>

typedef struct {
  guint64    epoch;
  GPtrArray *parts; /* of VrLedger, one a writer */
} Sheet;

struct _VrShelf {
  GHashTable *guests; /* uuid -> GPtrArray of Sheet, by epoch */
};

static void
sheet_free (gpointer data)
{
  Sheet *sheet = data;

  g_ptr_array_unref (sheet->parts);
  g_free (sheet);
}

VrShelf *
vr_shelf_new (void)
{
  VrShelf *shelf = g_new0 (VrShelf, 1);

  shelf->guests = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_ptr_array_unref);
  return shelf;
}

void
vr_shelf_free (VrShelf *shelf)
{
  if (shelf == NULL)
    return;
  g_hash_table_unref (shelf->guests);
  g_free (shelf);
}

static Sheet *
sheet_of (GPtrArray *sheets, guint64 epoch)
{
  guint  at = sheets->len;
  Sheet *sheet;

  while (at > 0 && ((Sheet *) sheets->pdata[at - 1])->epoch > epoch)
    at--;
  if (at > 0 && ((Sheet *) sheets->pdata[at - 1])->epoch == epoch)
    return sheets->pdata[at - 1];
  sheet = g_new0 (Sheet, 1);
  sheet->epoch = epoch;
  sheet->parts = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_ledger_unref);
  g_ptr_array_insert (sheets, at, sheet);
  return sheet;
}

/* A guest whose uuid was used anew begins with epoch 1 again: parts that name other hosts than the newest are of another migration. */
static gboolean
same_migration (const VrLedger *a, const VrLedger *b)
{
  return g_str_equal (a->origin, b->origin) && g_str_equal (a->target, b->target);
}

static void
put (Sheet *sheet, VrLedger *part)
{
  for (guint i = sheet->parts->len; i > 0; i--)
    {
      const VrLedger *known = sheet->parts->pdata[i - 1];
      gboolean        same = same_migration (known, part);

      if (same && !g_str_equal (known->writer, part->writer))
        continue;
      if (same ? known->seq >= part->seq : known->time_us > part->time_us)
        return;
      g_ptr_array_remove_index (sheet->parts, i - 1);
    }
  g_ptr_array_add (sheet->parts, vr_ledger_ref (part));
}

void
vr_shelf_add (VrShelf *shelf, VrLedger *part)
{
  GPtrArray *sheets = g_hash_table_lookup (shelf->guests, part->uuid);

  if (sheets == NULL)
    {
      sheets = g_ptr_array_new_with_free_func (sheet_free);
      g_hash_table_insert (shelf->guests, g_strdup (part->uuid), sheets);
    }
  put (sheet_of (sheets, part->epoch), part);
  if (sheets->len > VR_SHELF_MAX)
    g_ptr_array_remove_index (sheets, 0);
}

static gboolean
is_called (const GPtrArray *sheets, const char *uuid, const char *guest)
{
  if (g_ascii_strcasecmp (uuid, guest) == 0)
    return TRUE;
  for (guint i = 0; i < sheets->len; i++)
    {
      const Sheet *sheet = sheets->pdata[i];

      for (guint k = 0; k < sheet->parts->len; k++)
        if (g_str_equal (((VrLedger *) sheet->parts->pdata[k])->name, guest))
          return TRUE;
    }
  return FALSE;
}

static gint64
time_of (const VrMigration *m)
{
  gint64 flip = vr_migration_phase (m, VR_PHASE_FLIP);

  return flip != 0 ? flip : ((VrLedger *) m->parts->pdata[0])->time_us;
}

static int
compare_migrations (gconstpointer a, gconstpointer b)
{
  const VrMigration *x = *(const VrMigration *const *) a, *y = *(const VrMigration *const *) b;
  gint64             tx = time_of (x), ty = time_of (y);

  if (g_str_equal (x->uuid, y->uuid))
    return x->epoch < y->epoch ? -1 : x->epoch > y->epoch;
  return tx < ty ? -1 : tx > ty ? 1 : strcmp (x->uuid, y->uuid);
}

GPtrArray *
vr_shelf_list (const VrShelf *shelf, const char *guest)
{
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_migration_free);
  gboolean       known = *guest == '\0';
  GHashTableIter iter;
  gpointer       uuid, sheets;

  g_hash_table_iter_init (&iter, shelf->guests);
  while (g_hash_table_iter_next (&iter, &uuid, &sheets))
    {
      if (*guest != '\0' && !is_called (sheets, uuid, guest))
        continue;
      known = TRUE;
      for (guint i = 0; i < ((GPtrArray *) sheets)->len; i++)
        g_ptr_array_add (list, vr_migration_new (((Sheet *) ((GPtrArray *) sheets)->pdata[i])->parts));
    }
  g_ptr_array_sort (list, compare_migrations);
  return known ? g_steal_pointer (&list) : NULL;
}

VrMigration *
vr_shelf_find (const VrShelf *shelf, const char *uuid, guint64 epoch)
{
  const GPtrArray *sheets = g_hash_table_lookup (shelf->guests, uuid);

  for (guint i = 0; sheets != NULL && i < sheets->len; i++)
    if (((Sheet *) sheets->pdata[i])->epoch == epoch)
      return vr_migration_new (((Sheet *) sheets->pdata[i])->parts);
  return NULL;
}
