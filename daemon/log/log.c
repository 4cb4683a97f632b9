/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The part of the migration log that all engines share: the queue of own records, which gives out seq and passes one record at a time to
 * the engine; what was seen of each writer, so that a record is emitted once however often an engine reads it; the history.
 *
 * seq begins at the time of day in milliseconds, or after the last seq that the engine found, whichever is higher: so it rises even
 * where what this host wrote was lost, or an old backup was put back.
 *
 * Invariants: seq rises in the order of the calls; of each writer, records are emitted in rising seq; an own record is emitted
 * after the engine said that it is durable, and before its append's callback.
 */
#include "log-engine.h"

#include "history.h"

#include <string.h>

typedef struct {
  VrLog    *log;
  VrEntry   entry;
  GTask    *task;   /* of the caller */
  GSource  *cancel; /* while it waits in the queue */
} Append;

typedef struct {
  char         *self;
  GMainContext *context;
  GQueue        queue;     /* of Append: those that wait */
  Append       *in_flight; /* the one that the engine has */
  gboolean      opened, ready, stopped;
  guint64       opened_seq, issued, base; /* the last seq that was found, the last given out, where this session began */
  GError       *refused;
  GHashTable   *seen;      /* writer -> highest seq taken */
  VrHistory    *history;
  GTree        *troubles;  /* about -> what */
  char         *said;      /* the trouble that was emitted last */
} VrLogPrivate;

enum { SIGNAL_GUEST, SIGNAL_HOST, SIGNAL_LEDGER, SIGNAL_READY, SIGNAL_TROUBLE, N_SIGNALS };
enum { PROP_0, PROP_SELF };
static guint signals[N_SIGNALS];

G_DEFINE_ABSTRACT_TYPE_WITH_PRIVATE (VrLog, vr_log, G_TYPE_OBJECT)
G_DEFINE_QUARK (vr-log-error-quark, vr_log_error)

static VrLogPrivate *
get_private (VrLog *log)
{
  return vr_log_get_instance_private (log);
}

/* ---- the queue ---- */

static void
append_free (Append *append)
{
  if (append->cancel)
    g_source_destroy (append->cancel);
  g_clear_pointer (&append->cancel, g_source_unref);
  vr_entry_clear (&append->entry);
  g_clear_object (&append->task);
  g_free (append);
}

/* Ends the caller's task, with TRUE if `error` is NULL. The callback may call the log again. */
static void
append_end (Append *append, GError *error)
{
  g_autoptr (GTask) task = g_steal_pointer (&append->task);

  append_free (append);
  if (error)
    g_task_return_error (task, error);
  else
    g_task_return_boolean (task, TRUE);
}

static guint64 *
append_seq (Append *append)
{
  VrEntry *entry = &append->entry;

  return entry->guest ? &entry->guest->seq : entry->host ? &entry->host->seq : &entry->ledger->seq;
}

/* What cannot be read back must not be written. */
static char *
append_to_json (Append *append, GError **error)
{
  const VrEntry *own = &append->entry;
  g_autofree char *json = vr_entry_to_json (own);
  const char *name = own->guest ? own->guest->name : own->host ? own->host->name : own->ledger->name;
  g_auto (VrEntry) entry = { NULL };

  if (strlen (json) > VR_LOG_RECORD_MAX) {
    g_set_error (error, VR_RECORD_ERROR, VR_RECORD_ERROR_MALFORMED, "cannot log a record of %s: longer than 1 MB; it has too many addresses", name);
    return NULL;
  }
  if (!vr_entry_from_json (json, -1, &entry, error)) {
    g_prefix_error (error, "cannot log a record of %s: ", name);
    return NULL;
  }
  return g_steal_pointer (&json);
}

static void emit_entry (VrLog *log, const VrEntry *entry);
static void pump (VrLog *log);

static void
on_engine_done (GObject *source, GAsyncResult *result, gpointer data)
{
  VrLog *log = VR_LOG (source);
  VrLogPrivate *p = get_private (log);
  Append *append = g_steal_pointer (&p->in_flight);
  g_autoptr (GError) error = NULL;

  if (!append) /* stopped meanwhile; the caller knows */
    return;
  if (g_task_propagate_boolean (G_TASK (result), &error))
    emit_entry (log, &append->entry);
  append_end (append, g_steal_pointer (&error));
  pump (log);
}

static void
pump (VrLog *log)
{
  VrLogPrivate *p = get_private (log);

  while (p->opened && !p->stopped && !p->in_flight && p->queue.length > 0) {
    Append *append = g_queue_pop_head (&p->queue);
    g_autoptr (GError) error = NULL;
    g_autofree char *json = append_to_json (append, &error);

    if (append->cancel)
      g_source_destroy (append->cancel);
    if (!json) {
      append_end (append, g_steal_pointer (&error));
      continue;
    }
    p->in_flight = append;
    VR_LOG_GET_CLASS (log)->append (log, json, vr_log_task_new (log, on_engine_done, NULL));
  }
}

static gboolean
on_cancelled (GCancellable *cancellable, gpointer data)
{
  Append *append = data;
  VrLogPrivate *p = get_private (append->log);

  g_queue_remove (&p->queue, append);
  append_end (append, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "the append was cancelled"));
  return G_SOURCE_REMOVE;
}

static void
append_async (VrLog *log, VrEntry entry /* taken */, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data)
{
  VrLogPrivate *p = get_private (log);
  Append *append = g_new0 (Append, 1);

  append->log = log; /* the task holds it */
  append->entry = entry;
  append->task = g_task_new (log, cancellable, callback, data);
  g_task_set_source_tag (append->task, append_async);
  g_task_set_check_cancellable (append->task, FALSE); /* once the engine has it, what the engine says is true */
  if (p->stopped || p->refused) {
    append_end (append, p->refused ? g_error_copy (p->refused) : g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "the log is stopped"));
    return;
  }
  *append_seq (append) = ++p->issued;
  if (cancellable) {
    append->cancel = g_cancellable_source_new (cancellable);
    g_source_set_callback (append->cancel, G_SOURCE_FUNC (on_cancelled), append, NULL);
    g_source_attach (append->cancel, p->context);
  }
  g_queue_push_tail (&p->queue, append);
  pump (log);
}

void
vr_log_append_async (VrLog *log, VrRecord *record, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data)
{
  g_return_if_fail (VR_IS_LOG (log) && record);
  g_free (record->writer);
  record->writer = g_strdup (get_private (log)->self);
  if (record->time_us == 0)
    record->time_us = g_get_real_time ();
  append_async (log, (VrEntry) { .guest = vr_record_ref (record) }, cancellable, callback, data);
}

void
vr_log_append_host_async (VrLog *log, VrHost *host, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data)
{
  g_return_if_fail (VR_IS_LOG (log) && host);
  g_free (host->name);
  host->name = g_strdup (get_private (log)->self);
  append_async (log, (VrEntry) { .host = vr_host_ref (host) }, cancellable, callback, data);
}

void
vr_log_append_ledger_async (VrLog *log, VrLedger *ledger, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data)
{
  g_return_if_fail (VR_IS_LOG (log) && ledger);
  g_free (ledger->writer);
  ledger->writer = g_strdup (get_private (log)->self);
  append_async (log, (VrEntry) { .ledger = vr_ledger_ref (ledger) }, cancellable, callback, data);
}

gboolean
vr_log_append_finish (VrLog *log, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, log), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

/* Ends all that waits and, if `in_flight_too`, what the engine has. */
static void
end_all (VrLog *log, const GError *why, gboolean in_flight_too)
{
  VrLogPrivate *p = get_private (log);
  GQueue queue = p->queue; /* the callbacks may append again */
  Append *append;

  g_queue_init (&p->queue);
  if (in_flight_too && p->in_flight)
    g_queue_push_head (&queue, g_steal_pointer (&p->in_flight));
  while ((append = g_queue_pop_head (&queue)))
    append_end (append, g_error_copy (why));
}

/* ---- records that come in ---- */

static void
emit_entry (VrLog *log, const VrEntry *entry)
{
  VrLogPrivate *p = get_private (log);
  const char *writer = vr_entry_writer (entry);
  guint64 seq = vr_entry_seq (entry);
  guint64 *seen = g_hash_table_lookup (p->seen, writer);

  if (p->stopped || (seen && *seen >= seq))
    return;
  if (!seen) {
    seen = g_new0 (guint64, 1);
    g_hash_table_insert (p->seen, g_strdup (writer), seen);
  }
  *seen = seq;
  if (entry->guest) {
    vr_history_add (p->history, entry->guest);
    g_signal_emit (log, signals[SIGNAL_GUEST], 0, entry->guest);
  } else if (entry->host) {
    g_signal_emit (log, signals[SIGNAL_HOST], 0, entry->host);
  } else {
    g_signal_emit (log, signals[SIGNAL_LEDGER], 0, entry->ledger);
  }
}

void
vr_log_take_entry (VrLog *log, const VrEntry *entry)
{
  VrLogPrivate *p = get_private (log);
  const char *writer = vr_entry_writer (entry);
  guint64 seq = vr_entry_seq (entry);

  if (!p->opened || seq <= p->opened_seq || strcmp (writer, p->self) != 0)
    emit_entry (log, entry);
}

void
vr_log_take_history (VrLog *log, const VrEntry *entry)
{
  if (entry->guest)
    vr_history_add (get_private (log)->history, entry->guest);
}

GPtrArray *
vr_log_history (VrLog *log, const char *uuid)
{
  g_return_val_if_fail (VR_IS_LOG (log), NULL);
  return vr_history_list (get_private (log)->history, uuid);
}

/* ---- for engines ---- */

const char *
vr_log_get_self (VrLog *log)
{
  return get_private (log)->self;
}

GMainContext *
vr_log_get_context (VrLog *log)
{
  return get_private (log)->context;
}

gboolean
vr_log_is_stopped (VrLog *log)
{
  return get_private (log)->stopped;
}

guint64
vr_log_get_issued (VrLog *log)
{
  return get_private (log)->opened ? get_private (log)->issued : G_MAXUINT64;
}

guint64
vr_log_get_append_seq (VrLog *log)
{
  Append *append = get_private (log)->in_flight;

  g_return_val_if_fail (append, 0);
  return *append_seq (append);
}

GTask *
vr_log_task_new (VrLog *log, GAsyncReadyCallback callback, gpointer data)
{
  VrLogPrivate *p = get_private (log);
  GTask *task;

  g_main_context_push_thread_default (p->context);
  task = g_task_new (log, NULL, callback, data);
  g_main_context_pop_thread_default (p->context);
  return task;
}

void
vr_log_opened (VrLog *log, guint64 last_seq)
{
  VrLogPrivate *p = get_private (log);

  g_return_if_fail (!p->opened);
  p->opened = TRUE;
  p->opened_seq = last_seq;
  if (last_seq > p->base) { /* the clock was set back */
    for (GList *l = p->queue.head; l; l = l->next)
      *append_seq (l->data) += last_seq - p->base;
    p->issued += last_seq - p->base;
  }
  pump (log);
}

void
vr_log_raise (VrLog *log, guint64 seq)
{
  VrLogPrivate *p = get_private (log);

  p->opened_seq = MAX (p->opened_seq, seq);
  p->issued = MAX (p->issued, seq);
}

guint64
vr_log_next_seq (VrLog *log)
{
  return ++get_private (log)->issued;
}

void
vr_log_refuse (VrLog *log, const GError *why)
{
  VrLogPrivate *p = get_private (log);

  if (p->refused)
    return;
  p->refused = g_error_copy (why);
  end_all (log, why, FALSE);
}

static gboolean
join_trouble (gpointer about, gpointer what, gpointer data)
{
  GString *text = data;

  if (text->len > 0)
    g_string_append (text, "; ");
  g_string_append (text, what);
  return FALSE;
}

void
vr_log_set_trouble (VrLog *log, const char *about, const char *what)
{
  VrLogPrivate *p = get_private (log);
  g_autoptr (GString) text = g_string_new (NULL);

  if (p->stopped)
    return;
  if (what)
    g_tree_insert (p->troubles, g_strdup (about), g_strdup (what));
  else
    g_tree_remove (p->troubles, about);
  g_tree_foreach (p->troubles, join_trouble, text);
  if (strcmp (p->said, text->str) == 0)
    return;
  g_free (p->said);
  p->said = g_strdup (text->str);
  g_signal_emit (log, signals[SIGNAL_TROUBLE], 0, text->str);
}

void
vr_log_set_ready (VrLog *log)
{
  VrLogPrivate *p = get_private (log);

  if (p->ready || p->stopped)
    return;
  p->ready = TRUE;
  g_signal_emit (log, signals[SIGNAL_READY], 0);
}

/* ---- the object ---- */

void
vr_log_start (VrLog *log)
{
  g_return_if_fail (VR_IS_LOG (log) && !get_private (log)->stopped);
  VR_LOG_GET_CLASS (log)->start (log);
}

void
vr_log_stop (VrLog *log)
{
  VrLogPrivate *p;
  g_autoptr (VrLog) keep = NULL;
  g_autoptr (GError) error = NULL;

  g_return_if_fail (VR_IS_LOG (log));
  p = get_private (log);
  if (p->stopped)
    return;
  keep = g_object_ref (log);
  p->stopped = TRUE;
  error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "the log was stopped before the record was known to be durable");
  end_all (log, error, TRUE);
  VR_LOG_GET_CLASS (log)->stop (log);
}

static int
compare_strings (gconstpointer a, gconstpointer b, gpointer data)
{
  return strcmp (a, b);
}

static void
vr_log_init (VrLog *log)
{
  VrLogPrivate *p = get_private (log);

  p->context = g_main_context_ref_thread_default ();
  g_queue_init (&p->queue);
  p->base = p->issued = g_get_real_time () / 1000;
  p->seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  p->history = vr_history_new (VR_LOG_HISTORY_MAX);
  p->troubles = g_tree_new_full (compare_strings, NULL, g_free, g_free);
  p->said = g_strdup ("");
}

static void
vr_log_finalize (GObject *object)
{
  VrLogPrivate *p = get_private (VR_LOG (object));

  g_free (p->self);
  g_main_context_unref (p->context);
  g_clear_error (&p->refused);
  g_hash_table_unref (p->seen);
  vr_history_free (p->history);
  g_tree_unref (p->troubles);
  g_free (p->said);
  G_OBJECT_CLASS (vr_log_parent_class)->finalize (object);
}

static void
vr_log_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  if (id == PROP_SELF)
    get_private (VR_LOG (object))->self = g_value_dup_string (value);
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

static void
vr_log_class_init (VrLogClass *class)
{
  GObjectClass *object_class = G_OBJECT_CLASS (class);

  object_class->finalize = vr_log_finalize;
  object_class->set_property = vr_log_set_property;
  g_object_class_install_property (object_class, PROP_SELF,
    g_param_spec_string ("self", NULL, NULL, NULL, G_PARAM_WRITABLE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS));
  signals[SIGNAL_GUEST] = g_signal_new ("guest", VR_TYPE_LOG, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_POINTER);
  signals[SIGNAL_HOST] = g_signal_new ("host", VR_TYPE_LOG, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_POINTER);
  signals[SIGNAL_LEDGER] = g_signal_new ("ledger", VR_TYPE_LOG, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_POINTER);
  signals[SIGNAL_READY] = g_signal_new ("ready", VR_TYPE_LOG, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  signals[SIGNAL_TROUBLE] = g_signal_new ("trouble", VR_TYPE_LOG, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
}
