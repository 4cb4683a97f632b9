/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The file engine. Nothing here touches the storage in the main loop: two jobs at most run on worker threads, one that reads the
 * directory (log-directory.c) and one that writes the own file (own-file.c), and each may hang with the storage for as long as it likes.
 *
 *   reading   idle -> a scan runs -> its records are emitted -> at once again (there is more, or inotify spoke meanwhile),
 *             or idle until inotify or the poll timer speaks
 *   writing   opening (retried) -> idle <-> appending (retried); or refused, for good, when the name is taken
 *
 * The inotify descriptor is GLib's GFileMonitor's work done by hand, because setting up a watch looks the path up, and that hangs
 * with the storage too: the scan does it, on its thread. On network file systems inotify tells of this host's writes only, so
 * there the directory is looked at each second; elsewhere now and then, to be safe.
 *
 * `all` belongs to the scan's thread while one runs, `own` to the own job's; each job holds a reference to the log.
 */
#include "log-directory.h"
#include "log-engine.h"
#include "own-file.h"

#include <glib-unix.h>
#include <string.h>
#include <unistd.h>

#define POLL_MS 1000
#define SAFETY_POLL_MS 180000 /* where inotify tells everything */
#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 5000
#define DEADLINE_MS 10000

#define VR_TYPE_FILE_LOG (vr_file_log_get_type ())
G_DECLARE_FINAL_TYPE (VrFileLog, vr_file_log, VR, FILE_LOG, VrLog)

struct _VrFileLog {
  VrLog      parent;
  char      *path;        /* of the directory */
  guint      deadline_ms;
  gboolean   polling;
  /* writing */
  VrOwnFile *own;
  GTask     *append;      /* what the base wants written */
  char      *append_json;
  guint      backoff_ms;
  GSource   *retry, *own_deadline;
  /* reading */
  VrLogDirectory *all;
  gboolean   scanning, scan_again;
  GSource   *inotify_source, *poll, *scan_deadline;
};

enum { PROP_0, PROP_DIRECTORY, PROP_COMPACT_ABOVE, PROP_DEADLINE_MS, PROP_POLLING };

G_DEFINE_FINAL_TYPE (VrFileLog, vr_file_log, VR_TYPE_LOG)

static void
clear_source (GSource **source)
{
  if (*source)
    g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

/* Replaces *source by a timer in the log's context. */
static void
set_timer (VrFileLog *self, GSource **source, guint ms, GSourceFunc func)
{
  clear_source (source);
  *source = g_timeout_source_new (ms);
  g_source_set_callback (*source, func, self, NULL);
  g_source_attach (*source, vr_log_get_context (VR_LOG (self)));
}

/* ---- writing ---- */

typedef struct {
  char   *json; /* NULL: open the file */
  guint64 seq;
  char   *report;
} OwnJob;

static void
own_job_free (gpointer data)
{
  OwnJob *job = data;

  g_free (job->json);
  g_free (job->report);
  g_free (job);
}

static void
own_job_run (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  VrFileLog *self = source;
  OwnJob *job = data;
  g_autoptr (GError) error = NULL;
  gboolean ok;

  ok = job->json ? vr_own_file_append (self->own, job->seq, job->json, &error) : vr_own_file_open (self->own, &job->report, &error);
  if (ok)
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

static void own_job_start (VrFileLog *self);

static gboolean
on_retry (gpointer data)
{
  VrFileLog *self = data;

  clear_source (&self->retry);
  own_job_start (self);
  return G_SOURCE_REMOVE;
}

static gboolean
on_own_deadline (gpointer data)
{
  VrFileLog *self = data;
  g_autofree char *what = g_strdup_printf ("writing %s takes longer than %u ms; is its storage away? It goes on when that answers",
                                           self->own->path, self->deadline_ms);

  clear_source (&self->own_deadline);
  vr_log_set_trouble (VR_LOG (self), "own-deadline", what);
  return G_SOURCE_REMOVE;
}

/* The append, if there is one, ends; `error` NULL: well. */
static void
append_return (VrFileLog *self, const GError *error)
{
  g_autoptr (GTask) task = g_steal_pointer (&self->append);

  g_clear_pointer (&self->append_json, g_free);
  if (task && error)
    g_task_return_error (task, g_error_copy (error));
  else if (task)
    g_task_return_boolean (task, TRUE);
}

static void
name_taken (VrFileLog *self, const GError *error)
{
  vr_log_set_trouble (VR_LOG (self), "name", error->message); /* for good */
  vr_log_refuse (VR_LOG (self), error);
  append_return (self, error);
}

static void
own_job_failed (VrFileLog *self, const GError *error)
{
  if (g_error_matches (error, VR_LOG_ERROR, VR_LOG_ERROR_NAME_TAKEN)) {
    name_taken (self, error);
  } else if (g_error_matches (error, VR_LOG_ERROR, VR_LOG_ERROR_STORAGE)) {
    vr_log_set_trouble (VR_LOG (self), "own", error->message);
    set_timer (self, &self->retry, self->backoff_ms, on_retry);
    self->backoff_ms = MIN (self->backoff_ms * 2, BACKOFF_MAX_MS);
  } else {
    append_return (self, error);
  }
}

static void
on_own_job_done (GObject *source, GAsyncResult *result, gpointer data)
{
  VrFileLog *self = VR_FILE_LOG (source);
  VrLog *log = VR_LOG (source);
  OwnJob *job = g_task_get_task_data (G_TASK (result));
  g_autoptr (GError) error = NULL;

  clear_source (&self->own_deadline);
  if (vr_log_is_stopped (log)) {
    append_return (self, NULL); /* nobody listens any more */
    return;
  }
  vr_log_set_trouble (log, "own-deadline", NULL);
  if (!g_task_propagate_boolean (G_TASK (result), &error)) {
    own_job_failed (self, error);
    return;
  }
  self->backoff_ms = BACKOFF_MIN_MS;
  vr_log_set_trouble (log, "own", NULL);
  if (job->json) {
    vr_log_set_trouble (log, "cut-off", NULL);
    append_return (self, NULL);
  } else {
    vr_log_set_trouble (log, "cut-off", job->report);
    vr_log_opened (log, self->own->last_seq);
  }
}

static void
own_job_start (VrFileLog *self)
{
  OwnJob *job = g_new0 (OwnJob, 1);
  g_autoptr (GTask) task = vr_log_task_new (VR_LOG (self), on_own_job_done, NULL);

  if (self->append) {
    job->json = g_strdup (self->append_json);
    job->seq = vr_log_get_append_seq (VR_LOG (self));
  }
  g_task_set_task_data (task, job, own_job_free);
  set_timer (self, &self->own_deadline, self->deadline_ms, on_own_deadline);
  g_task_run_in_thread (task, own_job_run);
}

static void
vr_file_log_append (VrLog *log, const char *json, GTask *task)
{
  VrFileLog *self = VR_FILE_LOG (log);

  self->append = task;
  self->append_json = g_strdup (json);
  own_job_start (self);
}

/* ---- reading ---- */

static void
scan_run (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  VrFileLog *self = source;
  g_autoptr (GError) error = NULL;

  if (vr_log_directory_scan (self->all, data, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

static void scan_start (VrFileLog *self);

static gboolean
on_poll (gpointer data)
{
  scan_start (data);
  return G_SOURCE_CONTINUE; /* the scan replaces the timer */
}

static gboolean
on_inotify (int fd, GIOCondition condition, gpointer data)
{
  char events[4096];

  while (read (fd, events, sizeof events) > 0)
    ; /* whatever it was, the scan finds it */
  scan_start (data);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_scan_deadline (gpointer data)
{
  VrFileLog *self = data;
  g_autofree char *what = g_strdup_printf ("reading %s takes longer than %u ms; is its storage away? It goes on when that answers",
                                           self->path, self->deadline_ms);

  clear_source (&self->scan_deadline);
  vr_log_set_trouble (VR_LOG (self), "scan-deadline", what);
  return G_SOURCE_REMOVE;
}

static void
take_entries (VrFileLog *self, GArray *entries)
{
  VrLog *log = VR_LOG (self);

  for (guint i = 0; i < entries->len && !vr_log_is_stopped (log); i++) {
    const VrEntry *entry = &g_array_index (entries, VrEntry, i);
    const char *writer = vr_entry_writer (entry);
    guint64 seq = vr_entry_seq (entry);

    if (strcmp (writer, vr_log_get_self (log)) == 0 && seq > vr_log_get_issued (log)) {
      g_autoptr (GError) error = NULL;

      vr_own_file_name_taken (self->own, "grew by records that this one did not write", &error);
      name_taken (self, error);
      continue;
    }
    vr_log_take_entry (log, entry);
  }
}

static void
on_scan_done (GObject *source, GAsyncResult *result, gpointer data)
{
  VrFileLog *self = VR_FILE_LOG (source);
  VrLog *log = VR_LOG (source);
  VrLogScan *scan = g_task_get_task_data (G_TASK (result));
  g_autoptr (GError) error = NULL;
  gboolean ok = g_task_propagate_boolean (G_TASK (result), &error);

  clear_source (&self->scan_deadline);
  self->scanning = FALSE;
  vr_log_set_trouble (log, "scan-deadline", NULL);
  vr_log_set_trouble (log, "directory", ok ? NULL : error->message);
  vr_log_set_trouble (log, "files", ok && scan->faults->len > 0 ? scan->faults->str : NULL);
  take_entries (self, scan->entries);
  if (vr_log_is_stopped (log))
    return;
  if (ok && !scan->more)
    vr_log_set_ready (log);
  if (scan->more || self->scan_again)
    scan_start (self);
  else
    set_timer (self, &self->poll, ok && !scan->soon ? SAFETY_POLL_MS : POLL_MS, on_poll);
}

static void
scan_start (VrFileLog *self)
{
  g_autoptr (GTask) task = NULL;
  VrLogScan *scan;

  self->scan_again = self->scanning;
  if (self->scanning || vr_log_is_stopped (VR_LOG (self)))
    return;
  self->scanning = TRUE;
  scan = vr_log_scan_new ();
  clear_source (&self->poll);
  set_timer (self, &self->scan_deadline, self->deadline_ms, on_scan_deadline);
  task = vr_log_task_new (VR_LOG (self), on_scan_done, NULL);
  g_task_set_task_data (task, scan, (GDestroyNotify) vr_log_scan_free);
  g_task_run_in_thread (task, scan_run);
}

/* ---- the object ---- */

static void
vr_file_log_start (VrLog *log)
{
  VrFileLog *self = VR_FILE_LOG (log);

  self->all = vr_log_directory_new (self->path, vr_log_get_self (log), self->own->machine, self->polling);
  if (self->all->inotify >= 0) {
    self->inotify_source = g_unix_fd_source_new (self->all->inotify, G_IO_IN);
    g_source_set_callback (self->inotify_source, G_SOURCE_FUNC (on_inotify), self, NULL);
    g_source_attach (self->inotify_source, vr_log_get_context (log));
  }
  own_job_start (self);
  scan_start (self);
}

static void
clear_sources (VrFileLog *self)
{
  clear_source (&self->retry);
  clear_source (&self->own_deadline);
  clear_source (&self->poll);
  clear_source (&self->scan_deadline);
  clear_source (&self->inotify_source);
}

static void
vr_file_log_stop (VrLog *log)
{
  VrFileLog *self = VR_FILE_LOG (log);
  gboolean waiting = self->retry != NULL; /* between two tries: no job will end it */

  clear_sources (self);
  if (waiting)
    append_return (self, NULL); /* the base told the caller already */
}

static void
vr_file_log_init (VrFileLog *self)
{
  self->deadline_ms = DEADLINE_MS;
  self->backoff_ms = BACKOFF_MIN_MS;
}

static void
vr_file_log_constructed (GObject *object)
{
  VrFileLog *self = VR_FILE_LOG (object);

  G_OBJECT_CLASS (vr_file_log_parent_class)->constructed (object);
  self->own = vr_own_file_new (self->path, vr_log_get_self (VR_LOG (self)));
}

static void
vr_file_log_finalize (GObject *object)
{
  VrFileLog *self = VR_FILE_LOG (object);

  clear_sources (self);
  vr_log_directory_free (self->all);
  vr_own_file_free (self->own);
  g_free (self->append_json);
  g_free (self->path);
  G_OBJECT_CLASS (vr_file_log_parent_class)->finalize (object);
}

static void
vr_file_log_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  VrFileLog *self = VR_FILE_LOG (object);

  switch (id) {
  case PROP_DIRECTORY:
    self->path = g_value_dup_string (value);
    break;
  case PROP_COMPACT_ABOVE:
    self->own->compact_above = g_value_get_uint64 (value);
    break;
  case PROP_DEADLINE_MS:
    self->deadline_ms = g_value_get_uint (value);
    break;
  case PROP_POLLING:
    self->polling = g_value_get_boolean (value);
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
}

static void
vr_file_log_class_init (VrFileLogClass *class)
{
  GObjectClass *object_class = G_OBJECT_CLASS (class);
  VrLogClass *log_class = VR_LOG_CLASS (class);
  const GParamFlags flags = G_PARAM_WRITABLE | G_PARAM_STATIC_STRINGS;

  object_class->constructed = vr_file_log_constructed;
  object_class->finalize = vr_file_log_finalize;
  object_class->set_property = vr_file_log_set_property;
  log_class->start = vr_file_log_start;
  log_class->append = vr_file_log_append;
  log_class->stop = vr_file_log_stop;
  g_object_class_install_property (object_class, PROP_DIRECTORY,
    g_param_spec_string ("directory", NULL, NULL, NULL, flags | G_PARAM_CONSTRUCT_ONLY));
  g_object_class_install_property (object_class, PROP_COMPACT_ABOVE,
    g_param_spec_uint64 ("compact-above", NULL, NULL, 0, G_MAXUINT64 / 4, 0, flags));
  g_object_class_install_property (object_class, PROP_DEADLINE_MS,
    g_param_spec_uint ("deadline-ms", NULL, NULL, 1, G_MAXUINT, DEADLINE_MS, flags));
  g_object_class_install_property (object_class, PROP_POLLING,
    g_param_spec_boolean ("polling", NULL, NULL, FALSE, flags));
}

VrLog *
vr_file_log_new (const char *directory, const char *self)
{
  g_return_val_if_fail (directory && vr_host_name_is_valid (self), NULL);
  return g_object_new (VR_TYPE_FILE_LOG, "directory", directory, "self", self, NULL);
}
