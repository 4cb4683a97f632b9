/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The etcd engine: its copy on this host's disk. One job at a time runs on a worker thread, since a disk may hang, too; which one
 * is decided when the last is done, the most urgent first: own records that etcd does not take now, then the end of their waiting, then
 * what became known. A job that failed is said, and tried again.
 *
 * What became known is collected for a moment before it is written, so that a busy cluster does not mean a busy disk.
 */
#include "etcd-log.h"

#define KNOW_AFTER_MS 1000
#define RETRY_MS 2000

typedef enum { JOB_LOAD, JOB_KEEP, JOB_DROP, JOB_REPLACE, JOB_KNOW } JobKind;

typedef struct {
  JobKind    kind;
  GPtrArray *json;            /* of char * */
  GArray    *known, *waiting; /* what was loaded */
} Job;

static void
job_free (gpointer data)
{
  Job *job = data;

  g_clear_pointer (&job->json, g_ptr_array_unref);
  g_array_unref (job->known);
  g_array_unref (job->waiting);
  g_free (job);
}

static void
job_run (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  VrLogCopy *copy = VR_ETCD_LOG (source)->copy;
  Job *job = data;
  g_autoptr (GError) error = NULL;
  gboolean ok = FALSE;

  switch (job->kind) {
  case JOB_LOAD:
    ok = vr_log_copy_load (copy, job->known, job->waiting, &error);
    break;
  case JOB_KEEP:
    ok = vr_log_copy_add_waiting (copy, job->json, &error);
    break;
  case JOB_DROP:
    ok = vr_log_copy_drop_waiting (copy, &error);
    break;
  case JOB_REPLACE:
    ok = vr_log_copy_replace_known (copy, job->json, &error);
    break;
  case JOB_KNOW:
    ok = vr_log_copy_add_known (copy, job->json, &error);
    break;
  }
  if (ok)
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

static gboolean
on_copy_timer (gpointer data)
{
  VrEtcdLog *self = data;

  g_source_destroy (self->copy_timer);
  g_clear_pointer (&self->copy_timer, g_source_unref);
  vr_etcd_copy_pump (self);
  return G_SOURCE_REMOVE;
}

/* What was not written comes before what came meanwhile, unless all of it was listed anew. */
static void
put_back (VrEtcdLog *self, Job *job)
{
  if (self->replace_wanted || (job->kind != JOB_KNOW && job->kind != JOB_REPLACE))
    return;
  self->replace_wanted = job->kind == JOB_REPLACE;
  g_ptr_array_extend_and_steal (job->json, g_steal_pointer (&self->to_know));
  self->to_know = g_steal_pointer (&job->json);
}

static void
job_failed (VrEtcdLog *self, Job *job, const GError *error)
{
  g_autoptr (GArray) none = vr_log_entries_new ();

  vr_log_set_trouble (VR_LOG (self), "copy", error->message);
  put_back (self, job);
  self->drop_wanted |= job->kind == JOB_DROP;
  vr_etcd_log_set_timer (self, &self->copy_timer, RETRY_MS, on_copy_timer);
  if (job->kind == JOB_LOAD)
    vr_etcd_log_loaded (self, none, none);
}

static void
on_job_done (GObject *source, GAsyncResult *result, gpointer data)
{
  VrEtcdLog *self = VR_ETCD_LOG (source);
  Job *job = g_task_get_task_data (G_TASK (result));
  g_autoptr (GError) error = NULL;

  self->copy_busy = FALSE;
  if (vr_log_is_stopped (VR_LOG (self)))
    return;
  if (!g_task_propagate_boolean (G_TASK (result), &error)) {
    job_failed (self, job, error);
    return;
  }
  vr_log_set_trouble (VR_LOG (self), "copy", NULL);
  self->drop_wanted |= job->kind == JOB_KEEP; /* when nothing waits: etcd may have taken all of them meanwhile */
  if (job->kind == JOB_LOAD)
    vr_etcd_log_loaded (self, job->known, job->waiting);
  else if (job->kind == JOB_KEEP)
    vr_etcd_writer_kept (self, job->json);
  else if (job->kind == JOB_KNOW || job->kind == JOB_REPLACE)
    self->copy_has = TRUE;
  vr_etcd_copy_pump (self);
}

/* What is to be done now; NULL: nothing. */
static Job *
next_job (VrEtcdLog *self)
{
  g_autoptr (GPtrArray) json = NULL;
  Job *job = g_new0 (Job, 1);

  job->known = vr_log_entries_new ();
  job->waiting = vr_log_entries_new ();
  if (self->phase == VR_ETCD_LOADING) {
    job->kind = JOB_LOAD;
    return job;
  }
  json = !self->refused && (self->phase == VR_ETCD_AWAY || self->slow) ? vr_etcd_writer_to_keep (self) : NULL;
  if (json && json->len > 0) {
    job->kind = JOB_KEEP;
    job->json = g_steal_pointer (&json);
  } else if (self->drop_wanted && g_queue_is_empty (&self->own)) {
    job->kind = JOB_DROP;
    self->drop_wanted = FALSE;
  } else if (self->replace_wanted || (self->to_know->len > 0 && !self->copy_timer)) {
    job->kind = self->replace_wanted ? JOB_REPLACE : JOB_KNOW;
    self->replace_wanted = FALSE;
    job->json = g_steal_pointer (&self->to_know);
    self->to_know = g_ptr_array_new_with_free_func (g_free);
  } else {
    g_clear_pointer (&job, job_free);
  }
  return job;
}

void
vr_etcd_copy_pump (VrEtcdLog *self)
{
  g_autoptr (GTask) task = NULL;
  Job *job;

  if (self->copy_busy || vr_log_is_stopped (VR_LOG (self)))
    return;
  job = next_job (self);
  if (!job)
    return;
  self->copy_busy = TRUE;
  task = vr_log_task_new (VR_LOG (self), on_job_done, NULL);
  g_task_set_task_data (task, job, job_free);
  g_task_run_in_thread (task, job_run);
}

void
vr_etcd_copy_know (VrEtcdLog *self, const char *json, gsize len)
{
  g_ptr_array_add (self->to_know, g_strndup (json, len));
  if (!self->replace_wanted && !self->copy_timer)
    vr_etcd_log_set_timer (self, &self->copy_timer, KNOW_AFTER_MS, on_copy_timer);
}
