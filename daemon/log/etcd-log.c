/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The etcd engine: connecting; etcd-list.c lists, etcd-follow.c watches, etcd-writer.c writes.
 *
 *   loading -> [away ->] listing -> catching -> following
 *                 ^----------- whatever fails ------'        following -> catching: silence on the watch
 *                                                            catching -> listing: the revision was compacted, or the store is older
 *
 * All keys are listed once, at one revision, and from there on the watch brings what changes; a reconnect goes on from the revision
 * that was seen last, so it costs nothing but what happened meanwhile. Listing again is for a revision that was compacted away, and
 * for a store that went back (a backup was restored): then what this host wrote and is not there is written again.
 *
 * Each record is emitted once whatever is read again: log.c knows by writer and seq. So a list is sorted by seq first.
 *
 * A key is taken if its value is a record that its host may have written there (etcd-keys.h); anything else is passed over, counted, and
 * named in the log's trouble.
 */
#include "etcd-log.h"

#include "own-file.h"

#include <string.h>

#define DEADLINE_MS 5000
#define PING_MS 5000
#define RENEW_MS 60000
#define PAGE 500
#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 5000
#define FAULTS_SAID 3

enum { PROP_0, PROP_DEADLINE_MS, PROP_PING_MS, PROP_RENEW_MS, PROP_PAGE };

G_DEFINE_FINAL_TYPE (VrEtcdLog, vr_etcd_log, VR_TYPE_LOG)

void
vr_etcd_clear_source (GSource **source)
{
  if (*source)
    g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

void
vr_etcd_log_set_timer (VrEtcdLog *self, GSource **source, guint ms, GSourceFunc func)
{
  vr_etcd_clear_source (source);
  *source = g_timeout_source_new (ms);
  g_source_set_callback (*source, func, self, NULL);
  g_source_attach (*source, vr_log_get_context (VR_LOG (self)));
}

/* ---- away, and back ---- */

static void
drop_session (VrEtcdLog *self)
{
  g_cancellable_cancel (self->session);
  g_clear_object (&self->session);
  self->session = g_cancellable_new ();
  g_clear_pointer (&self->watch, vr_etcd_watch_free);
  g_clear_pointer (&self->listed, g_ptr_array_unref);
  vr_etcd_clear_source (&self->retry);
  vr_etcd_clear_source (&self->ping);
  vr_etcd_clear_source (&self->renew);
}

static char *
clock_text (gint64 time_us)
{
  g_autoptr (GDateTime) time = g_date_time_new_from_unix_local (time_us / G_USEC_PER_SEC);

  return g_date_time_format (time, "%F %T");
}

static void
say_away (VrEtcdLog *self, const GError *why)
{
  g_autofree char *since = clock_text (self->away_since_us), *of = NULL, *known = NULL, *what = NULL;

  if (self->revision == 0 && self->copy->known_time_us > 0) {
    of = clock_text (self->copy->known_time_us);
    known = g_strdup_printf ("what is known here is this host's copy of %s", of);
  } else if (self->revision == 0) {
    known = g_strdup ("nothing is known here of other hosts and their guests");
  } else {
    known = g_strdup ("what other hosts wrote since is not known here");
  }
  what = g_strdup_printf ("etcd is away since %s (%s); %s, and own records wait in %s until it is back", since, why->message, known,
                          self->copy->directory);
  vr_log_set_trouble (VR_LOG (self), "etcd", what);
}

static gboolean
on_retry (gpointer data)
{
  VrEtcdLog *self = data;

  vr_etcd_clear_source (&self->retry);
  if (self->revision > 0)
    vr_etcd_log_watch (self);
  else
    vr_etcd_list_start (self, NULL);
  return G_SOURCE_REMOVE;
}

void
vr_etcd_log_away (VrEtcdLog *self, const GError *why)
{
  guint wait_ms = 0;

  if (vr_log_is_stopped (VR_LOG (self)))
    return;
  g_debug ("etcd: %s", why->message);
  drop_session (self);
  if (self->away_since_us == 0)
    self->away_since_us = g_get_real_time ();
  self->phase = VR_ETCD_AWAY;
  vr_etcd_next_endpoint (self->etcd);
  if (++self->tried >= vr_etcd_n_endpoints (self->etcd)) { /* none of them serves */
    say_away (self, why);
    if (self->copy_has)
      vr_log_set_ready (VR_LOG (self));
    wait_ms = self->backoff_ms / 2 + g_random_int_range (0, self->backoff_ms / 2 + 1); /* not all hosts at once */
    self->backoff_ms = MIN (self->backoff_ms * 2, BACKOFF_MAX_MS);
  }
  vr_etcd_log_set_timer (self, &self->retry, wait_ms, on_retry);
  vr_etcd_copy_pump (self);
}

void
vr_etcd_log_back (VrEtcdLog *self)
{
  self->phase = VR_ETCD_FOLLOWING;
  self->tried = 0;
  self->backoff_ms = BACKOFF_MIN_MS;
  self->away_since_us = 0;
  vr_log_set_trouble (VR_LOG (self), "etcd", NULL);
  vr_etcd_writer_send (self);
}

void
vr_etcd_log_name_taken (VrEtcdLog *self, const char *why)
{
  const char *host = vr_log_get_self (VR_LOG (self));
  g_autoptr (GError) error = NULL;

  if (self->refused)
    return;
  self->refused = TRUE;
  error = g_error_new (VR_LOG_ERROR, VR_LOG_ERROR_NAME_TAKEN,
                       "another machine seems to be host \"%s\" too: %s. Give one of them another name in virt-relay.conf, or, if the other "
                       "one is gone for good, or this one was installed anew: etcdctl del %s; then restart virt-relayd",
                       host, why, self->machine_key);
  vr_log_set_trouble (VR_LOG (self), "name", error->message); /* for good */
  vr_log_refuse (VR_LOG (self), error);
  vr_etcd_writer_stop (self, error);
}

/* Is the error one of a call that drop_session() ended? Then nobody wants it. */
gboolean
vr_etcd_log_is_dropped (VrEtcdLog *self, const GError *error)
{
  return vr_log_is_stopped (VR_LOG (self)) || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

/* ---- what stands under a key ---- */

void
vr_etcd_log_say_faults (VrEtcdLog *self)
{
  g_autoptr (GString) text = g_string_new (NULL);
  GHashTableIter iter;
  gpointer key, what;
  guint said = 0, n = g_hash_table_size (self->faults);

  g_hash_table_iter_init (&iter, self->faults);
  while (said < FAULTS_SAID && g_hash_table_iter_next (&iter, &key, &what))
    g_string_append_printf (text, "%s%s: %s", said++ > 0 ? "; " : "", (char *) key, (char *) what);
  if (n > said)
    g_string_append_printf (text, "; and %u keys more", n - said);
  vr_log_set_trouble (VR_LOG (self), "keys", n > 0 ? text->str : NULL);
}

/* The record in a value; FALSE if it is none, or may not stand there. */
gboolean
vr_etcd_log_read_entry (VrEtcdLog *self, const VrEtcdKv *kv, VrEntry *entry)
{
  gsize len;
  const char *json = g_bytes_get_data (kv->value, &len);
  g_autoptr (GError) error = NULL;
  g_autofree char *key = NULL;

  if (!vr_entry_from_json (json ? json : "", len, entry, &error)) {
    g_hash_table_insert (self->faults, g_strdup (kv->key), g_strdup_printf ("not a record: %s. It is passed over", error->message));
    return FALSE;
  }
  key = vr_etcd_key_entry (self->options->prefix, entry);
  if (strcmp (key, kv->key) == 0) {
    g_hash_table_remove (self->faults, kv->key);
    return TRUE;
  }
  g_hash_table_insert (self->faults, g_strdup (kv->key),
                       g_strdup_printf ("a record of %s, which belongs under %s. It is passed over", vr_entry_writer (entry), key));
  vr_entry_clear (entry);
  return FALSE;
}

void
vr_etcd_log_found_machine (VrEtcdLog *self, const VrEtcdKv *kv)
{
  gsize len;
  const char *machine = kv->value ? g_bytes_get_data (kv->value, &len) : NULL;

  if (kv->value && strcmp (kv->key, self->machine_key) == 0 &&
      (len != strlen (self->machine) || strncmp (machine ? machine : "", self->machine, len) != 0))
    vr_etcd_log_name_taken (self, "its key in etcd names a machine with another machine-id");
}

/* ---- the object ---- */

static guint64
take_loaded (VrEtcdLog *self, GArray *entries)
{
  VrLog *log = VR_LOG (self);
  guint64 last = 0;

  for (guint i = 0; i < entries->len && !vr_log_is_stopped (log); i++) {
    const VrEntry *entry = &g_array_index (entries, VrEntry, i);

    if (strcmp (vr_entry_writer (entry), vr_log_get_self (log)) == 0)
      last = MAX (last, vr_entry_seq (entry));
    vr_log_take_entry (log, entry);
  }
  return last;
}

void
vr_etcd_log_loaded (VrEtcdLog *self, GArray *known, GArray *waiting)
{
  VrLog *log = VR_LOG (self);
  guint64 last;

  self->copy_has = self->copy->known_size > 0; /* it may say that there is nothing */
  last = take_loaded (self, known);
  last = MAX (last, take_loaded (self, waiting));
  for (guint i = 0; i < waiting->len; i++)
    vr_etcd_writer_restore (self, &g_array_index (waiting, VrEntry, i));
  if (vr_log_is_stopped (log))
    return;
  self->phase = VR_ETCD_AWAY;
  if (last > 0)
    vr_log_opened (log, last);
  vr_etcd_list_start (self, NULL);
}

static void
vr_etcd_log_start (VrLog *log)
{
  vr_etcd_copy_pump (VR_ETCD_LOG (log)); /* loads */
}

static void
vr_etcd_log_stop (VrLog *log)
{
  VrEtcdLog *self = VR_ETCD_LOG (log);

  drop_session (self);
  vr_etcd_clear_source (&self->copy_timer);
  vr_etcd_writer_stop (self, NULL);
}

static void
vr_etcd_log_init (VrEtcdLog *self)
{
  self->deadline_ms = DEADLINE_MS;
  self->ping_ms = PING_MS;
  self->renew_ms = RENEW_MS;
  self->page = PAGE;
  self->backoff_ms = BACKOFF_MIN_MS;
  self->machine = vr_log_machine_id ();
  self->session = g_cancellable_new ();
  self->faults = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->to_know = g_ptr_array_new_with_free_func (g_free);
  vr_etcd_writer_init (self);
}

static void
vr_etcd_log_finalize (GObject *object)
{
  VrEtcdLog *self = VR_ETCD_LOG (object);

  drop_session (self);
  vr_etcd_clear_source (&self->copy_timer);
  vr_etcd_writer_clear (self);
  g_clear_object (&self->session);
  g_hash_table_unref (self->faults);
  g_ptr_array_unref (self->to_know);
  vr_log_copy_free (self->copy);
  g_clear_pointer (&self->etcd, vr_etcd_unref);
  vr_etcd_options_free (self->options);
  g_free (self->machine);
  g_free (self->now);
  g_free (self->past);
  g_free (self->machine_key);
  G_OBJECT_CLASS (vr_etcd_log_parent_class)->finalize (object);
}

static void
vr_etcd_log_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  VrEtcdLog *self = VR_ETCD_LOG (object);

  switch (id) {
  case PROP_DEADLINE_MS:
    self->deadline_ms = g_value_get_uint (value);
    break;
  case PROP_PING_MS:
    self->ping_ms = g_value_get_uint (value);
    break;
  case PROP_RENEW_MS:
    self->renew_ms = g_value_get_uint (value);
    break;
  case PROP_PAGE:
    self->page = g_value_get_uint (value);
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
}

static void
vr_etcd_log_class_init (VrEtcdLogClass *class)
{
  static const char *const names[] = { [PROP_DEADLINE_MS] = "deadline-ms", [PROP_PING_MS] = "ping-ms", [PROP_RENEW_MS] = "renew-ms",
                                       [PROP_PAGE] = "page" };
  GObjectClass *object_class = G_OBJECT_CLASS (class);
  VrLogClass *log_class = VR_LOG_CLASS (class);

  object_class->finalize = vr_etcd_log_finalize;
  object_class->set_property = vr_etcd_log_set_property;
  log_class->start = vr_etcd_log_start;
  log_class->append = vr_etcd_writer_append;
  log_class->stop = vr_etcd_log_stop;
  for (guint id = PROP_DEADLINE_MS; id < G_N_ELEMENTS (names); id++)
    g_object_class_install_property (object_class, id,
      g_param_spec_uint (names[id], NULL, NULL, 1, G_MAXUINT, 1, G_PARAM_WRITABLE | G_PARAM_STATIC_STRINGS));
}

VrLog *
vr_etcd_log_new (const VrEtcdOptions *options, const char *state_directory, const char *self, GError **error)
{
  g_autoptr (VrEtcdLog) log = NULL;

  g_return_val_if_fail (options && state_directory && vr_host_name_is_valid (self), NULL);
  log = g_object_new (VR_TYPE_ETCD_LOG, "self", self, NULL);
  log->options = vr_etcd_options_copy (options);
  log->etcd = vr_etcd_new (options, error);
  if (!log->etcd)
    return NULL;
  log->now = vr_etcd_key_now (options->prefix);
  log->past = vr_etcd_key_history (options->prefix);
  log->machine_key = vr_etcd_key_machine (options->prefix, self);
  log->copy = vr_log_copy_new (state_directory, self, log->machine, options->prefix);
  return VR_LOG (g_steal_pointer (&log));
}
