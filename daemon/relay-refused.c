/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Records that the book does not believe (model/chain.c, model/book-claims.c), said to people: one trouble for each writer, so that
 * a host that writes thousands takes one line. Hosts' files are read independently, so a record that waits for a moment is no news: it is
 * said when it waits at two looks, a tick apart. Those that can never be are said at once, and until the daemon starts anew.
 */
#include "relay-private.h"

typedef struct {
  guint  n;
  char  *last; /* why the last one is refused */
} Refused;

static void
refused_free (gpointer data)
{
  Refused *refused = data;

  g_free (refused->last);
  g_free (refused);
}

static void
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
    what = g_strdup_printf ("%s; %u refused in all. If they are right, see [trust] in virt-relay.conf(5); if not, see to that host",
                            refused->last, refused->n);
  vr_relay_trouble (self, about, what);
}

void
vr_relay_refuse (VrRelay *self, const char *writer, const char *why)
{
  count (self->refused, writer, g_strdup (why));
  say (self, writer, g_hash_table_lookup (self->refused, writer));
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
