/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hook events come two ways, over the socket and in the spool, and leave one way, the signal "event", in order of time.
 *
 *   hook -> socket -> client -> waiting ----------------------+
 *                                                             +--> emit, once each
 *   hook -> spool  -> pass: list, then file by file ----------+
 *
 * - The socket (hook-socket.h) acknowledges an event when it is whole, before the handlers run: the hook, and libvirt
 *   behind it, wait for no more than that. What is no event is not acknowledged; the hook then spools it, and the
 *   pass over the spool (hook-spool.h) says what is wrong with it and keeps it. So there is one place for garbage.
 * - A hook that found the daemon away or too slow has spooled an earlier event than the one that a client brings now.
 *   Hence each client's event starts a pass over the spool and waits until the pass has come to its time; so do the
 *   start and the spool's file monitor. A pass lists and reads on worker threads, one step at a time, and removes a
 *   file only after its event was emitted. A disk that hangs for longer than STALL_MS lets the socket's events pass
 *   by.
 * - An acknowledgement that came too late leaves an event in both ways. The identities of the last events emitted are
 *   kept, and the second of the two is dropped. (A daemon that is killed between "emitted" and "removed" emits the
 *   event again in its next life: handlers look at what is, they do not count.)
 */
#include "daemon/virt/hook-listener.h"

#include "daemon/names.h"
#include "daemon/virt/hook-socket.h"
#include "daemon/virt/hook-spool.h"

#include <errno.h>
#include <string.h>

#define STALL_MS 1000
#define PASS_FILES 256
#define REMEMBERED 512

struct _VrHookListener {
  GObject parent_instance;
  char *socket_path, *spool_dir;
  GCancellable *running;  /* NULL: stopped; cancelling it ends the step under way */
  VrHookSocket *socket;
  GFileMonitor *monitor;
  GQueue waiting;         /* of Waiting *, by time: from the socket, until the pass has come to their time */
  GQueue emitted;         /* of char *: identities of the last REMEMBERED events, newest first */
  GPtrArray *pass;        /* the names of the pass that is under way, NULL: none, or still listing */
  guint next;             /* in pass: the name to load */
  gboolean in_pass, again; /* again: something may have come behind the pass's back */
  gboolean progress;       /* the pass has dealt with a file */
  guint64 n_passes;        /* passes begun so far */
  guint stall_id;
};

/* An event of the socket. Pass number `pass` began after it came, so it shows all that was spooled before. */
typedef struct {
  VrHookEvent *event;
  guint64 pass;
} Waiting;

enum { EVENT, N_SIGNALS };
static guint signals[N_SIGNALS];

G_DEFINE_TYPE (VrHookListener, vr_hook_listener, G_TYPE_OBJECT)

static void pass_start (VrHookListener *self);

/* ---- out ---- */

/* Emits unless it was emitted before. The handlers may stop the listener. */
static void
listener_emit (VrHookListener *self, VrHookEvent *event)
{
  char *identity = vr_hook_event_identity (event);

  if (g_queue_find_custom (&self->emitted, identity, (GCompareFunc) strcmp) != NULL)
    {
      g_debug ("hook event %s came twice, over the socket and in the spool", identity);
      g_free (identity);
      return;
    }
  g_queue_push_head (&self->emitted, identity);
  if (g_queue_get_length (&self->emitted) > REMEMBERED)
    g_free (g_queue_pop_tail (&self->emitted));
  g_signal_emit (self, signals[EVENT], 0, event);
}

static void
waiting_free (Waiting *waiting)
{
  vr_hook_event_unref (waiting->event);
  g_free (waiting);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Waiting, waiting_free)

static int
compare_times (gconstpointer a, gconstpointer b, gpointer data)
{
  const Waiting *left = a, *right = b;

  return left->event->time_us < right->event->time_us ? -1 : left->event->time_us > right->event->time_us;
}

/* Emits the socket's events, in order, up to the first that is later than `time_us` or waits for a later pass than `pass`. */
static void
listener_emit_waiting (VrHookListener *self, gint64 time_us, guint64 pass)
{
  Waiting *first;

  while ((first = g_queue_peek_head (&self->waiting)) != NULL && first->event->time_us <= time_us && first->pass <= pass)
    {
      g_autoptr (Waiting) waiting = g_queue_pop_head (&self->waiting);

      listener_emit (self, waiting->event);
    }
}

/* ---- the spool ---- */

/* One step of a pass, on a worker thread: forget the file that was dealt with, read the next. */
typedef struct {
  char *dir, *done, *next;
} Step;

static void
step_free (gpointer data)
{
  Step *step = data;

  g_free (step->dir);
  g_free (step->done);
  g_free (step->next);
  g_free (step);
}

static void
step_run (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  g_autoptr (GError) error = NULL;
  VrHookEvent *event = NULL;
  Step *step = data;

  if (step->done != NULL && !vr_hook_spool_remove (step->dir, step->done, &error))
    g_warning ("%s", error->message);
  g_clear_error (&error);
  if (step->next != NULL)
    event = vr_hook_spool_load (step->dir, step->next, &error);
  if (error != NULL)
    g_task_return_error (task, g_steal_pointer (&error));
  else
    g_task_return_pointer (task, event, (GDestroyNotify) vr_hook_event_unref);
}

static void
list_run (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  GError *error = NULL;
  GPtrArray *names = vr_hook_spool_list (data, PASS_FILES, &error);

  if (names == NULL)
    g_task_return_error (task, error);
  else
    g_task_return_pointer (task, names, (GDestroyNotify) g_ptr_array_unref);
}

static gboolean
on_stall (gpointer data)
{
  g_autoptr (VrHookListener) self = g_object_ref (data);

  g_warning ("%s: the disk has not answered for %d ms; hook events go on without the spool", self->spool_dir, STALL_MS);
  listener_emit_waiting (self, G_MAXINT64, G_MAXUINT64);
  return G_SOURCE_CONTINUE;
}

/* Takes ownership of `task_data`. The stall timer runs while a worker does. */
static void
run_worker (VrHookListener *self, GTaskThreadFunc run, gpointer task_data, GDestroyNotify task_data_free,
            GAsyncReadyCallback done)
{
  g_autoptr (GTask) task = g_task_new (self, self->running, done, NULL);

  g_task_set_task_data (task, task_data, task_data_free);
  self->stall_id = g_timeout_add (STALL_MS, on_stall, self);
  g_task_run_in_thread (task, run);
}

/* The worker's result; *stopped says that the listener was stopped meanwhile, and that nothing may be touched. */
static gpointer
worker_result (VrHookListener *self, GAsyncResult *result, gboolean *stopped, GError **error)
{
  gpointer value = g_task_propagate_pointer (G_TASK (result), error);

  *stopped = g_cancellable_is_cancelled (g_task_get_cancellable (G_TASK (result)));
  if (!*stopped)
    g_clear_handle_id (&self->stall_id, g_source_remove);
  return value;
}

/* `whole`: the pass has shown all of the spool, so what waited for it need not wait any more. */
static void
pass_end (VrHookListener *self, gboolean whole)
{
  g_autoptr (GCancellable) running = g_object_ref (self->running);

  if (whole)
    listener_emit_waiting (self, G_MAXINT64, self->n_passes);
  if (g_cancellable_is_cancelled (running))
    return;
  self->again = self->again || !whole;
  self->in_pass = FALSE;
  g_clear_pointer (&self->pass, g_ptr_array_unref);
  if (self->again)
    pass_start (self);
}

static void on_step (GObject *source, GAsyncResult *result, gpointer data);

static void
pass_step (VrHookListener *self, const char *done)
{
  gboolean more = self->next < self->pass->len;
  Step *step;

  if (!more && done == NULL)
    {
      pass_end (self, self->pass->len < PASS_FILES || !self->progress); /* no progress: the same files would come again */
      return;
    }
  step = g_new0 (Step, 1);
  step->dir = g_strdup (self->spool_dir);
  step->done = g_strdup (done);
  step->next = more ? g_strdup (g_ptr_array_index (self->pass, self->next)) : NULL;
  run_worker (self, step_run, step, step_free, on_step);
}

/* Emits a spooled event in its place, and goes on. */
static void
pass_emit (VrHookListener *self, VrHookEvent *event, const char *name)
{
  g_autoptr (GCancellable) running = g_object_ref (self->running);
  const Waiting *first;

  listener_emit_waiting (self, event->time_us, self->n_passes);
  if (g_cancellable_is_cancelled (running))
    return;
  first = g_queue_peek_head (&self->waiting);
  if (first != NULL && first->event->time_us <= event->time_us)
    {
      pass_end (self, FALSE); /* an earlier event came meanwhile; before it others may have been spooled: look again */
      return;
    }
  listener_emit (self, event);
  if (!g_cancellable_is_cancelled (running))
    pass_step (self, name);
}

static void
on_step (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (VrHookListener) self = g_object_ref (VR_HOOK_LISTENER (source));
  const Step *step = g_task_get_task_data (G_TASK (result));
  g_autoptr (VrHookEvent) event = NULL;
  g_autoptr (GError) error = NULL;
  gboolean stopped;

  event = worker_result (self, result, &stopped, &error);
  if (stopped)
    return;
  self->next++;
  self->progress = self->progress || !g_error_matches (error, G_FILE_ERROR, G_FILE_ERROR_FAILED);
  if (error != NULL && !g_error_matches (error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
    g_warning ("%s", error->message);
  if (event != NULL)
    pass_emit (self, event, step->next);
  else
    pass_step (self, NULL);
}

static void
on_listed (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (VrHookListener) self = g_object_ref (VR_HOOK_LISTENER (source));
  g_autoptr (GPtrArray) names = NULL;
  g_autoptr (GError) error = NULL;
  gboolean stopped;

  names = worker_result (self, result, &stopped, &error);
  if (stopped)
    return;
  if (error != NULL)
    {
      g_warning ("%s", error->message);
      names = g_ptr_array_new_with_free_func (g_free);
    }
  self->pass = g_steal_pointer (&names);
  self->next = 0;
  pass_step (self, NULL);
}

static void
pass_start (VrHookListener *self)
{
  self->again = self->in_pass;
  if (self->in_pass)
    return;
  self->in_pass = TRUE;
  self->progress = FALSE;
  self->n_passes++;
  run_worker (self, list_run, g_strdup (self->spool_dir), g_free, on_listed);
}

static void
on_spool_changed (GFileMonitor *monitor, GFile *file, GFile *other, GFileMonitorEvent what, gpointer data)
{
  if (what == G_FILE_MONITOR_EVENT_RENAMED || what == G_FILE_MONITOR_EVENT_MOVED_IN || what == G_FILE_MONITOR_EVENT_CREATED)
    pass_start (data);
}

/* ---- the socket ---- */

static void
on_socket_event (VrHookEvent *event, gpointer data)
{
  VrHookListener *self = data;
  Waiting *waiting = g_new (Waiting, 1);

  waiting->event = vr_hook_event_ref (event);
  waiting->pass = self->n_passes + 1;
  g_queue_insert_sorted (&self->waiting, waiting, compare_times, NULL);
  pass_start (self);
}

/* ---- the object ---- */

VrHookListener *
vr_hook_listener_new (const char *socket_path, const char *spool_dir)
{
  VrHookListener *self = g_object_new (VR_TYPE_HOOK_LISTENER, NULL);
  const char *socket_env = g_getenv (VR_ENV_HOOK_SOCKET), *spool_env = g_getenv (VR_ENV_SPOOL_DIR);

  self->socket_path = g_strdup (socket_path != NULL ? socket_path : socket_env != NULL ? socket_env : VR_HOOK_SOCKET);
  self->spool_dir = g_strdup (spool_dir != NULL ? spool_dir : spool_env != NULL ? spool_env : VR_SPOOL_DIR);
  return self;
}

/* Without a monitor the spool is still read at start and with every event of the socket. */
static void
watch_spool (VrHookListener *self)
{
  g_autoptr (GFile) dir = g_file_new_for_path (self->spool_dir);
  g_autoptr (GError) error = NULL;

  self->monitor = g_file_monitor_directory (dir, G_FILE_MONITOR_WATCH_MOVES, NULL, &error);
  if (self->monitor != NULL)
    g_signal_connect (self->monitor, "changed", G_CALLBACK (on_spool_changed), self);
  else
    g_warning ("%s cannot be watched (%s): an event in it waits for the next one", self->spool_dir, error->message);
}

gboolean
vr_hook_listener_start (VrHookListener *self, GError **error)
{
  g_return_val_if_fail (VR_IS_HOOK_LISTENER (self), FALSE);
  g_return_val_if_fail (self->running == NULL, FALSE);

  if (g_mkdir_with_parents (self->spool_dir, 0700) != 0)
    {
      g_set_error (error, G_IO_ERROR, (int) g_io_error_from_errno (errno), "making the spool of hook events, %s: %s",
                   self->spool_dir, g_strerror (errno));
      return FALSE;
    }
  self->socket = vr_hook_socket_open (self->socket_path, on_socket_event, self, error);
  if (self->socket == NULL)
    return FALSE;
  self->running = g_cancellable_new ();
  watch_spool (self);
  pass_start (self);
  return TRUE;
}

void
vr_hook_listener_stop (VrHookListener *self)
{
  g_return_if_fail (VR_IS_HOOK_LISTENER (self));

  if (self->running == NULL)
    return;
  g_clear_pointer (&self->socket, vr_hook_socket_close);
  g_cancellable_cancel (self->running);
  g_clear_object (&self->running);
  if (self->monitor != NULL)
    g_signal_handlers_disconnect_by_data (self->monitor, self);
  g_clear_object (&self->monitor);
  g_clear_handle_id (&self->stall_id, g_source_remove);
  g_clear_pointer (&self->pass, g_ptr_array_unref);
  self->in_pass = self->again = FALSE;
  g_queue_clear_full (&self->waiting, (GDestroyNotify) waiting_free);
}

static void
vr_hook_listener_dispose (GObject *object)
{
  vr_hook_listener_stop (VR_HOOK_LISTENER (object));
  G_OBJECT_CLASS (vr_hook_listener_parent_class)->dispose (object);
}

static void
vr_hook_listener_finalize (GObject *object)
{
  VrHookListener *self = VR_HOOK_LISTENER (object);

  g_queue_clear_full (&self->emitted, g_free);
  g_free (self->socket_path);
  g_free (self->spool_dir);
  G_OBJECT_CLASS (vr_hook_listener_parent_class)->finalize (object);
}

static void
vr_hook_listener_class_init (VrHookListenerClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = vr_hook_listener_dispose;
  G_OBJECT_CLASS (klass)->finalize = vr_hook_listener_finalize;
  signals[EVENT] = g_signal_new ("event", VR_TYPE_HOOK_LISTENER, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1,
                                 VR_TYPE_HOOK_EVENT | G_SIGNAL_TYPE_STATIC_SCOPE);
}

static void
vr_hook_listener_init (VrHookListener *self)
{
  g_queue_init (&self->waiting);
  g_queue_init (&self->emitted);
}
