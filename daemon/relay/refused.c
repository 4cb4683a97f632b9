/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Records that the book does not believe (model/chain.c, model/book-claims.c), said to people: one trouble for each writer, so that
 * a host that writes thousands takes one line. Hosts' files are read independently, so a record that waits for a moment is no news: it is
 * said when it waits at two looks, a tick apart. Those that can never be are said at once, and until the daemon starts anew; all are counted,
 * and the last KEPT_MAX of each writer are kept, to be shown.
 */
#include "relay-private.h"

#define KEPT_MAX 16

typedef struct {
  guint  n;
  char  *last; /* why the last one is refused */
  GQueue kept; /* of VrRefusedView: those for good */
} Refused;

void
vr_refused_view_free (gpointer data)
{
  VrRefusedView *view = data;

  g_clear_pointer (&view->record, vr_record_unref);
  g_clear_pointer (&view->host, vr_host_unref);
  g_free (view->why);
  g_free (view);
}

static VrRefusedView *
view_new (VrRecord *record, VrHost *host, char *why /* taken */, gboolean waits)
{
  VrRefusedView *view = g_new0 (VrRefusedView, 1);

  view->record = record != NULL ? vr_record_ref (record) : NULL;
  view->host = host != NULL ? vr_host_ref (host) : NULL;
  view->why = why;
  view->waits = waits;
  return view;
}

static void
refused_free (gpointer data)
{
  Refused *refused = data;

  g_free (refused->last);
  g_queue_clear_full (&refused->kept, vr_refused_view_free);
  g_free (refused);
}

static Refused *
count (GHashTable *writers, const char *writer, char *why /* taken */)
{
  Refused *refused = g_hash_table_lookup (writers, writer);

  if (refused == NULL)
    {
      refused = g_new0 (Refused, 1);
      g_hash_table_insert (writers, g_strdup (writer), refused);
    }
  refused->n++;
  g_free (refused->last);
  refused->last = why;
  return refused;
}

static void
say (VrRelay *self, const char *writer, const Refused *refused)
{
  g_autofree char *about = g_strdup_printf ("records of %s", writer), *what = NULL;

  if (refused == NULL)
    {
      vr_relay_trouble (self, about, NULL);
      return;
    }
  if (g_str_equal (writer, self->config->host->name))
    what = g_strdup_printf ("%s. A guest runs here that other hosts do not believe to be here: start it on its home and migrate it, or, if the "
                            "host that it belonged to is gone for good, name this host in [trust] take-over on all of them",
                            refused->last);
  else
    what = g_strdup_printf ("%s; %u refused in all (virt-relay log --refused shows them). If they are right, see [trust] in virt-relay.conf(5); if not, see to that host",
                            refused->last, refused->n);
  vr_relay_trouble (self, about, what);
}

void
vr_relay_refuse (VrRelay *self, VrRecord *record, const char *why)
{
  Refused *refused = count (self->refused, record->writer, g_strdup (why));

  g_queue_push_tail (&refused->kept, view_new (record, NULL, g_strdup (why), FALSE));
  if (refused->kept.length > KEPT_MAX)
    vr_refused_view_free (g_queue_pop_head (&refused->kept));
  say (self, record->writer, refused);
}

/* What was refused for good, and what waits since the last look. */
static GHashTable *
look (VrRelay *self)
{
  GHashTable *writers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, refused_free);
  g_autoptr (GHashTable) waits = g_steal_pointer (&self->waits);
  g_autoptr (GPtrArray) records = vr_book_waiting (self->book, NULL), hosts = vr_book_waiting_hosts (self->book);
  GHashTableIter iter;
  const char    *writer;
  Refused       *refused;

  self->waits = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_hash_table_iter_init (&iter, self->refused);
  while (g_hash_table_iter_next (&iter, (gpointer *) &writer, (gpointer *) &refused))
    {
      count (writers, writer, g_strdup (refused->last));
      ((Refused *) g_hash_table_lookup (writers, writer))->n = refused->n;
    }
  for (guint i = 0; i < records->len; i++)
    {
      const VrRecord *record = records->pdata[i];
      char           *key = g_strdup_printf ("%s %" G_GUINT64_FORMAT, record->writer, record->seq);

      if (g_hash_table_contains (waits, key))
        count (writers, record->writer, vr_book_why (self->book, record));
      g_hash_table_add (self->waits, key);
    }
  for (guint i = 0; i < hosts->len; i++)
    count (writers, ((VrHost *) hosts->pdata[i])->name, vr_book_why_host (self->book, hosts->pdata[i]));
  return writers;
}

void
vr_relay_look_for_refused (VrRelay *self)
{
  g_autoptr (GHashTable) said = g_steal_pointer (&self->said);
  GHashTableIter iter;
  gpointer       writer, refused;

  self->said = look (self);
  g_hash_table_iter_init (&iter, said);
  while (g_hash_table_iter_next (&iter, &writer, NULL))
    if (!g_hash_table_contains (self->said, writer))
      say (self, writer, NULL);
  g_hash_table_iter_init (&iter, self->said);
  while (g_hash_table_iter_next (&iter, &writer, &refused))
    say (self, writer, refused);
}

/* ---- for people ---- */

static void
add_kept (gpointer view, gpointer views)
{
  const VrRefusedView *kept = view;

  g_ptr_array_add (views, view_new (kept->record, NULL, g_strdup (kept->why), FALSE));
}

static int
compare_views (gconstpointer a, gconstpointer b)
{
  const VrRefusedView *x = *(const VrRefusedView *const *) a, *y = *(const VrRefusedView *const *) b;
  const char *left = x->record != NULL ? x->record->writer : x->host->name, *right = y->record != NULL ? y->record->writer : y->host->name;
  guint64 seq = x->record != NULL ? x->record->seq : x->host->seq, other = y->record != NULL ? y->record->seq : y->host->seq;
  int names = strcmp (left, right);

  return names != 0 ? names : seq < other ? -1 : seq > other;
}

GPtrArray *
vr_relay_refused (VrRelay *self)
{
  GPtrArray *views = g_ptr_array_new_with_free_func (vr_refused_view_free);
  g_autoptr (GPtrArray) records = vr_book_waiting (self->book, NULL), hosts = vr_book_waiting_hosts (self->book);
  GHashTableIter iter;
  gpointer       refused;

  g_hash_table_iter_init (&iter, self->refused);
  while (g_hash_table_iter_next (&iter, NULL, &refused))
    g_queue_foreach (&((Refused *) refused)->kept, add_kept, views);
  for (guint i = 0; i < records->len; i++)
    g_ptr_array_add (views, view_new (records->pdata[i], NULL, vr_book_why (self->book, records->pdata[i]), TRUE));
  for (guint i = 0; i < hosts->len; i++)
    g_ptr_array_add (views, view_new (NULL, hosts->pdata[i], vr_book_why_host (self->book, hosts->pdata[i]), TRUE));
  g_ptr_array_sort (views, compare_views);
  return views;
}

GHashTable *
vr_relay_refused_counts (VrRelay *self)
{
  GHashTable *counts = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  GHashTableIter iter;
  gpointer       writer, refused;

  g_hash_table_iter_init (&iter, self->refused);
  while (g_hash_table_iter_next (&iter, &writer, &refused))
    g_hash_table_insert (counts, g_strdup (writer), GUINT_TO_POINTER (((Refused *) refused)->n));
  return counts;
}

void
vr_relay_refused_init (VrRelay *self)
{
  self->refused = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, refused_free);
  self->said = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, refused_free);
  self->waits = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
}

void
vr_relay_refused_clear (VrRelay *self)
{
  g_hash_table_unref (self->refused);
  g_hash_table_unref (self->said);
  g_hash_table_unref (self->waits);
}
