/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The direct path: what the plan has to know before a peer sends straight to a guest that left its home (plan-elsewhere.c decides).
 *
 * The filter counts what was sent to such a guest from here (sets sought#) and what came straight from it (sets peer-guest#). The kernel
 * tells nobody when a counter grows, so they are read now and then, and only while the next decision about some guest waits for
 * one: until it was sent to, often while its memory is being copied, so that the tunnel is there when it runs; and then, while the tunnel to
 * its host is up, until what goes to it goes straight. A quiet host reads nothing. Counters live as long as their elements: a guest that moves on is counted anew, a daemon that starts anew goes on.
 */
#include "relay-private.h"

#include "daemon/logging.h"
#include "daemon/names.h"

#define LOOK_ANSWERS_MS 50
#define LOOK_SOUGHT_MS 1000
#define LOOK_LEAVING_MS 200
#define LOOK_SHARE 100      /* reading takes at most this part of the time */
#define LOOK_SHARE_QUICK 10 /* while that is a matter of seconds: a guest is about to move, or answers are about to be enough */

/* "peer-guest4 vr-h3 . 10.9.1.100" -> its key; NULL: another counter */
static char *
answers_key (const char *name)
{
  g_auto (GStrv) words = g_strsplit (name, " ", 5);

  if (!g_str_has_prefix (name, "peer-guest") || g_strv_length (words) != 4)
    return NULL;
  return vr_facts_key (words[1], words[3]);
}

void
vr_relay_path_look (VrRelay *self)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) counters = vr_kernel_counters (self->kernel, &error);

  self->path_known = TRUE;
  if (counters == NULL)
    {
      g_info ("the filter's counters cannot be read now: %s", error->message);
      return;
    }
  g_hash_table_unref (self->answers);
  g_hash_table_unref (self->sought);
  self->answers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->sought = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < counters->len; i++)
    {
      const VrCounter *counter = counters->pdata[i];
      const char      *address = strchr (counter->name, ' ');
      char            *key = answers_key (counter->name);

      if (key != NULL)
        g_hash_table_replace (self->answers, key, GUINT_TO_POINTER ((guint) MIN (counter->packets, G_MAXUINT)));
      else if (address != NULL && counter->packets > 0 && g_str_has_prefix (counter->name, "sought"))
        g_hash_table_add (self->sought, g_strdup (address + 1));
    }
}

/* ---- for the plan ---- */

/* The wall clock's time from which a guest's path is sure without an answer; G_MAXINT64: not before something else changes. */
static gint64
sure_at (const VrRelay *self, const VrRecord *record)
{
  const char *me = self->config->host->name;
  gint64      up = vr_tunnels_up_since (self->tunnels, record->owner);

  if (record->state != VR_STATE_RUNNING || g_str_equal (record->owner, me) || g_str_equal (record->owner, record->home) || up == 0)
    return G_MAXINT64;
  return MAX (up, record->time_us) + self->config->confirm_after_s * G_USEC_PER_SEC;
}

static void
add_waited (const VrRecord *record, GHashTable *waited)
{
  g_autofree char *dev = vr_tunnel_dev (record->owner);

  for (guint n = 0; n < record->nics->len; n++)
    for (char **address = ((VrNic *) record->nics->pdata[n])->addresses; *address != NULL; address++)
      g_hash_table_add (waited, vr_facts_key (dev, *address));
}

/* Adds to `waited` (nullable) what is sure by now, and gives the time at which the next one is. */
static gint64
waited_until (const VrRelay *self, GHashTable *waited)
{
  g_autoptr (GPtrArray) uuids = vr_book_guest_uuids (self->book);
  gint64 now = g_get_real_time (), next = G_MAXINT64;

  for (guint i = 0; i < uuids->len; i++)
    {
      const VrRecord *custody = vr_book_guest (self->book, uuids->pdata[i])->custody;
      gint64          at = custody != NULL ? sure_at (self, custody) : G_MAXINT64;

      if (at > now)
        next = MIN (next, at);
      else if (waited != NULL)
        add_waited (custody, waited);
    }
  return next;
}

void
vr_relay_path_fill (VrRelay *self, VrFacts *facts)
{
  facts->direct = self->config->direct;
  facts->threshold = self->config->threshold;
  facts->answers = g_hash_table_ref (self->answers);
  facts->sought = g_hash_table_ref (self->sought);
  facts->waited = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  facts->ordered = self->config->ordered;
  facts->held = vr_change_is_holding (self->change) ? g_hash_table_ref (self->held) : g_hash_table_new (g_str_hash, g_str_equal);
  facts->changed = g_hash_table_ref (self->changed);
  waited_until (self, facts->waited);
}

/* ---- looking, as long as there is something to find out ---- */

/* When to look for the counter that the next decision about this path waits for, in ms; G_MAXUINT: it waits for none. */
static guint
look_after (const VrRelay *self, const VrPath *path)
{
  if (path->state != VR_PATH_RELAYED || self->config->direct == VR_DIRECT_NEVER)
    return G_MAXUINT;
  if (vr_tunnels_is_up (self->tunnels, path->owner))
    return LOOK_ANSWERS_MS;
  return self->config->direct == VR_DIRECT_BUILD && !g_hash_table_contains (self->sought, path->address) ? LOOK_SOUGHT_MS : G_MAXUINT;
}

/* The same for guests that are about to leave their home: their addresses are counted, and have no path yet. */
static guint
look_after_leaving (const VrRelay *self)
{
  g_autoptr (GHashTable) paths = g_hash_table_new (g_str_hash, g_str_equal);

  if (self->config->direct != VR_DIRECT_BUILD)
    return G_MAXUINT;
  for (guint i = 0; i < self->plan->paths->len; i++)
    g_hash_table_add (paths, ((VrPath *) self->plan->paths->pdata[i])->address);
  for (guint i = 0; i < self->plan->elements->len; i++)
    {
      const VrElement *element = self->plan->elements->pdata[i];

      if (g_str_has_prefix (element->set, "sought") && !g_hash_table_contains (paths, element->key)
          && !g_hash_table_contains (self->sought, element->key))
        return LOOK_LEAVING_MS;
    }
  return G_MAXUINT;
}

static gboolean on_look (gpointer data);

static void
look_again (VrRelay *self, gint64 took_us)
{
  guint pause = look_after_leaving (self);

  for (guint i = 0; i < self->plan->paths->len; i++)
    pause = MIN (pause, look_after (self, self->plan->paths->pdata[i]));
  if (pause != G_MAXUINT)
    self->path_look = g_timeout_add (MAX (pause, (pause < LOOK_SOUGHT_MS ? LOOK_SHARE_QUICK : LOOK_SHARE) * took_us / 1000), on_look, self);
}

static gboolean
is_same_set (GHashTable *a, GHashTable *b)
{
  GHashTableIter iter;
  gpointer       key;

  g_hash_table_iter_init (&iter, a);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    if (!g_hash_table_contains (b, key))
      return FALSE;
  return g_hash_table_size (a) == g_hash_table_size (b);
}

/* Has what came straight from it become enough? */
static gboolean
is_news (const VrRelay *self, const VrPath *path)
{
  g_autofree char *dev = vr_tunnel_dev (path->owner);
  g_autofree char *key = vr_facts_key (dev, path->address);

  if (path->state != VR_PATH_RELAYED)
    return FALSE;
  return GPOINTER_TO_UINT (g_hash_table_lookup (self->answers, key)) >= self->config->threshold
         && vr_tunnels_is_up (self->tunnels, path->owner);
}

static gboolean
on_look (gpointer data)
{
  VrRelay *self = data;
  gint64   start = g_get_monotonic_time ();
  gboolean news;
  g_autoptr (GHashTable) before = g_hash_table_ref (self->sought);

  self->path_look = 0;
  vr_relay_path_look (self);
  news = !is_same_set (self->sought, before);
  for (guint i = 0; i < self->plan->paths->len && !news; i++)
    news = is_news (self, self->plan->paths->pdata[i]);
  if (news)
    vr_relay_reconcile_soon (self); /* and that looks again */
  else
    look_again (self, g_get_monotonic_time () - start);
  return G_SOURCE_REMOVE;
}

/* Read by people and by the lab: what changed when. */
static void
say_changes (VrRelay *self)
{
  g_autoptr (GHashTable) before = g_steal_pointer (&self->direct);

  self->direct = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_hash_table_remove_all (self->changed); /* what went back to the relay has to change anew */
  for (guint i = 0; i < self->plan->paths->len; i++)
    {
      const VrPath    *path = self->plan->paths->pdata[i];
      g_autofree char *dev = vr_tunnel_dev (path->owner);
      g_autofree char *key = vr_facts_key (dev, path->address);

      if ((path->state == VR_PATH_DIRECT) != g_hash_table_contains (before, key))
        {
          vr_log (G_LOG_LEVEL_MESSAGE, &(VrLogFields) { .address = path->address, .peer = path->owner },
                  "path to %s on %s: %s at %" G_GINT64_FORMAT " us, %u answers", path->address, path->owner,
                  path->state == VR_PATH_DIRECT ? "direct" : "relayed",
                  g_get_real_time (), GPOINTER_TO_UINT (g_hash_table_lookup (self->answers, key)));
          vr_relay_say_path (self, path);
        }
      if (path->from != NULL)
        g_hash_table_add (self->changed, vr_facts_key (path->from, path->address));
      if (path->state != VR_PATH_DIRECT)
        continue;
      if (!g_hash_table_contains (before, key))
        vr_relay_ledger_direct (self, path->address);
      g_hash_table_add (self->changed, g_strdup (key));
      g_hash_table_add (self->direct, g_steal_pointer (&key));
    }
}

void
vr_relay_path_watch (VrRelay *self)
{
  say_changes (self);
  if (self->path_look == 0)
    look_again (self, 0);
}

gint64
vr_relay_path_next (VrRelay *self)
{
  return waited_until (self, NULL);
}

void
vr_relay_path_stop (VrRelay *self)
{
  g_clear_handle_id (&self->path_look, g_source_remove);
}
