/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The connections to one libvirtd, and the events of one of them.
 *
 * Threads. libvirt has one event loop in a process, and here that is GLib's default main context
 * (gvir_event_register). libvirt reads a connection's socket in whatever thread there is: in the main loop, or in a
 * thread that waits for the answer to a call on that connection. Domain events are only queued there; libvirt hands
 * them to the callbacks from a timer of the event loop, so those always run in the thread of the main loop, one turn
 * of the loop after they were read. The close callback is different: it runs where the end was noticed, in any
 * thread, and is brought to the main loop here.
 *
 * What blocks. Every libvirt function that talks to libvirtd waits for the answer without a deadline: virConnectOpen,
 * the registration of a callback, virConnectClose. They are called on threads of the session's own, never in the main
 * loop. What ends them when libvirtd hangs is the keepalive, which each connection gets as soon as it is open:
 * without a sign of life for KEEPALIVE_S * (KEEPALIVE_COUNT + 1) seconds it is dead and everything waiting on it
 * fails. Until it is open, only libvirtd's own end does.
 *
 * The connection for events makes no call after it was set up. So its socket is read by the main loop alone, and
 * nothing stands between QEMU's STOP and the handler but libvirtd. Its end is the session's.
 *
 * Each call under way has a connection to itself (a link). libvirt lets threads share one, but: while a call hangs,
 * its thread does the reading and writing for the others, and libvirt 9.0 loses the wake-up that tells it of a new
 * call if that comes while it is between two polls (seen: each second call waited for the next keepalive, until the
 * keepalive itself failed). And libvirtd reads no more, not even keepalive messages, from a connection with
 * max_client_requests (5) calls under way.
 *
 * Closing. Callbacks hold references to their connection, and the last reference to a connection closes it with a
 * call that blocks. If the main loop is dispatching events in the very moment in which the closing thread deregisters
 * them, libvirt drops those references later, in the main loop. Therefore the thread deregisters, waits until the
 * main loop has come around once, and closes only then: the last reference is its own. The wait also outlives what
 * the close callback had still to say.
 */
#include "daemon/virt/virt-session.h"

#include "daemon/names.h"
#include "daemon/virt/virt-handles.h"
#include "daemon/virt/virt-what.h"

#include <libvirt/libvirt-qemu.h>

#define KEEPALIVE_S 3
#define KEEPALIVE_COUNT 4
#define N_EVENTS 6

struct _VrVirtSession {
  int   refs;
  char *uri;
  const VrVirtSessionHandlers *handlers;
  gpointer owner;         /* NULL: detached */
  gboolean running;       /* events are handed over as they come, else kept in `early` */
  const char *closed_why; /* NULL: not closed */
  GPtrArray *early;       /* of EarlyEvent */
  GHashTable *handed_over; /* uuids of guests of which SUSPENDED_MIGRATED was said */
  virConnectPtr events;   /* this and the ids: set by the opening thread, fixed until the closing one */
  int event_ids[N_EVENTS];
  int qemu_id;
  virConnectPtr links[VR_VIRT_N_LINKS]; /* NULL: not open; each belongs to the thread that makes a call on it */
};

typedef struct {
  VrVirtEvent event;
  gboolean ours;
} EarlyEvent;

static void
early_event_free (EarlyEvent *early)
{
  g_free ((char *) early->event.uuid);
  g_free ((char *) early->event.name);
  g_free (early);
}

/* ---- events, in the main loop ---- */

static void
keep_early (VrVirtSession *self, const VrVirtEvent *event, gboolean ours)
{
  EarlyEvent *early = g_new0 (EarlyEvent, 1);

  early->event = *event;
  early->event.uuid = g_strdup (event->uuid);
  early->event.name = g_strdup (event->name);
  early->ours = ours;
  g_ptr_array_add (self->early, early);
}

/*
 * libvirt's words in the light of what it said before: a guest is handed over once (in post-copy libvirt says it
 * twice), and one that was handed over and resumes here came back, whatever libvirt calls that. FALSE: no news.
 */
static gboolean
understand (VrVirtSession *self, VrVirtWhat *what, const char *uuid)
{
  switch (*what)
    {
    case VR_VIRT_SUSPENDED_MIGRATED:
      return g_hash_table_add (self->handed_over, g_strdup (uuid));
    case VR_VIRT_RESUMED_MIGRATED:
      if (g_hash_table_remove (self->handed_over, uuid))
        *what = VR_VIRT_RESUMED_UNPAUSED;
      return TRUE;
    case VR_VIRT_STARTED:
    case VR_VIRT_STARTED_MIGRATED:
    case VR_VIRT_RESUMED_POSTCOPY:
    case VR_VIRT_RESUMED_UNPAUSED:
    case VR_VIRT_STOPPED_MIGRATED:
    case VR_VIRT_STOPPED_FAILED:
    case VR_VIRT_STOPPED:
      g_hash_table_remove (self->handed_over, uuid);
      return TRUE;
    default:
      return TRUE;
    }
}

static void
tell (VrVirtSession *self, virDomainPtr domain, VrVirtWhat what, gint64 time_us, gboolean ours)
{
  char        uuid[VIR_UUID_STRING_BUFLEN];
  VrVirtEvent event = { .uuid = uuid, .name = virDomainGetName (domain), .time_us = time_us };

  if (self->owner == NULL || virDomainGetUUIDString (domain, uuid) < 0 || !understand (self, &what, uuid))
    return;
  event.what = what;
  if (self->running)
    self->handlers->event (&event, ours, self->owner);
  else
    keep_early (self, &event, ours);
}

static int
on_lifecycle (virConnectPtr conn, virDomainPtr domain, int event, int detail, void *opaque)
{
  gint64     now = g_get_real_time ();
  VrVirtWhat what;

  if (vr_virt_what_from_lifecycle (event, detail, &what))
    tell (opaque, domain, what, now, FALSE);
  return 0;
}

static void
on_iteration (virConnectPtr conn, virDomainPtr domain, int iteration, void *opaque)
{
  tell (opaque, domain, VR_VIRT_LEAVING, g_get_real_time (), FALSE);
}

static void
on_device (virConnectPtr conn, virDomainPtr domain, const char *alias, void *opaque)
{
  tell (opaque, domain, VR_VIRT_CHANGED, g_get_real_time (), FALSE);
}

static void
on_metadata (virConnectPtr conn, virDomainPtr domain, int type, const char *ns, void *opaque)
{
  gboolean ours = type == VIR_DOMAIN_METADATA_ELEMENT && g_strcmp0 (ns, VR_METADATA_NS) == 0;

  tell (opaque, domain, VR_VIRT_CHANGED, g_get_real_time (), ours);
}

static void
on_agent (virConnectPtr conn, virDomainPtr domain, int state, int reason, void *opaque)
{
  if (state == VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_CONNECTED)
    tell (opaque, domain, VR_VIRT_CHANGED, g_get_real_time (), FALSE);
}

static void
on_qemu (virConnectPtr conn, virDomainPtr domain, const char *event, long long seconds, unsigned int micros,
         const char *details, void *opaque)
{
  VrVirtWhat what;

  if (vr_virt_what_from_qemu (event, details, &what))
    tell (opaque, domain, what, seconds * G_USEC_PER_SEC + micros, FALSE);
}

/* ---- the end of a connection: any thread ---- */

typedef struct {
  VrVirtSession *session;
  int reason;
} Closed;

static gboolean
closed_in_main (gpointer data)
{
  static const char *const reasons[] = {
    [VIR_CONNECT_CLOSE_REASON_ERROR] = "libvirtd broke the connection",
    [VIR_CONNECT_CLOSE_REASON_EOF] = "libvirtd closed the connection",
    [VIR_CONNECT_CLOSE_REASON_KEEPALIVE] = "libvirtd gives no sign of life",
    [VIR_CONNECT_CLOSE_REASON_CLIENT] = "the connection was given up",
  };
  const Closed  *closed = data;
  VrVirtSession *self = closed->session;

  if (self->owner == NULL || self->closed_why != NULL)
    return G_SOURCE_REMOVE;
  self->closed_why = (guint) closed->reason < G_N_ELEMENTS (reasons) ? reasons[closed->reason] : reasons[0];
  if (self->running)
    self->handlers->closed (self->closed_why, self->owner);
  return G_SOURCE_REMOVE;
}

/* Never runs the function at once, and never in this thread: g_main_context_invoke() may do both. */
static void
post_to_main (GSourceFunc func, gpointer data, GDestroyNotify free_data)
{
  g_autoptr (GSource) source = g_idle_source_new ();

  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, func, data, free_data);
  g_source_attach (source, NULL);
}

static void
on_close (virConnectPtr conn, int reason, void *opaque)
{
  Closed *closed = g_new (Closed, 1);

  closed->session = opaque; /* alive: it waits for the main loop after it took this callback off */
  closed->reason = reason;
  post_to_main (closed_in_main, closed, g_free);
}

/* ---- opening: a thread of its own ---- */

static const struct {
  int id;
  virConnectDomainEventGenericCallback callback;
  const char *name;
  gboolean required;
} event_table[N_EVENTS] = {
  { VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK (on_lifecycle), "lifecycle", TRUE },
  { VIR_DOMAIN_EVENT_ID_MIGRATION_ITERATION, VIR_DOMAIN_EVENT_CALLBACK (on_iteration), "migration-iteration", TRUE },
  { VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, VIR_DOMAIN_EVENT_CALLBACK (on_device), "device-added", FALSE },
  { VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, VIR_DOMAIN_EVENT_CALLBACK (on_device), "device-removed", FALSE },
  { VIR_DOMAIN_EVENT_ID_METADATA_CHANGE, VIR_DOMAIN_EVENT_CALLBACK (on_metadata), "metadata-change", FALSE },
  { VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK (on_agent), "agent-lifecycle", FALSE },
};

static virConnectPtr
connect (const char *uri, GError **error)
{
  virConnectPtr conn = virConnectOpen (uri);

  if (conn == NULL)
    {
      g_set_error (error, VR_VIRT_ERROR, VR_VIRT_ERROR_CONNECT,
                   "cannot connect to libvirt at %s: %s; is libvirtd running?", uri, virGetLastErrorMessage ());
      return NULL;
    }
  /* Refused by drivers without a daemon (test:///), which need none. */
  virConnectSetKeepAlive (conn, KEEPALIVE_S, KEEPALIVE_COUNT);
  return conn;
}

static gboolean
register_events (VrVirtSession *self, GError **error)
{
  virConnectPtr conn = self->events;

  virConnectRegisterCloseCallback (conn, on_close, self, NULL);
  for (guint i = 0; i < N_EVENTS; i++)
    {
      self->event_ids[i] = virConnectDomainEventRegisterAny (conn, NULL, event_table[i].id, event_table[i].callback,
                                                             self, NULL);
      if (self->event_ids[i] >= 0)
        continue;
      if (event_table[i].required)
        {
          g_set_error (error, VR_VIRT_ERROR, VR_VIRT_ERROR_CONNECT,
                       "libvirt at %s gives no %s events: %s; libvirt 8.0 or later is needed", self->uri,
                       event_table[i].name, virGetLastErrorMessage ());
          return FALSE;
        }
      g_info ("libvirt gives no %s events: %s", event_table[i].name, virGetLastErrorMessage ());
    }
  self->qemu_id = virConnectDomainQemuMonitorEventRegister (conn, NULL, VR_VIRT_QEMU_EVENTS, on_qemu, self, NULL,
                                                            VIR_CONNECT_DOMAIN_QEMU_MONITOR_EVENT_REGISTER_REGEX);
  if (self->qemu_id < 0)
    g_info ("libvirt gives no QEMU events, so an aborted migration is noticed late: %s", virGetLastErrorMessage ());
  return TRUE;
}

/* Freed, and the references in it given up, in the main loop alone. */
typedef struct {
  VrVirtSession *session;
  GTask *task;
  GError *error;
} Opening;

static void
opening_free (Opening *opening)
{
  vr_virt_session_unref (opening->session);
  g_object_unref (opening->task);
  g_clear_error (&opening->error);
  g_free (opening);
}

static gboolean
opened_in_main (gpointer data)
{
  Opening *opening = data;

  if (opening->error != NULL)
    g_task_return_error (opening->task, g_steal_pointer (&opening->error));
  else
    g_task_return_boolean (opening->task, TRUE);
  return G_SOURCE_REMOVE;
}

static gpointer
open_thread (gpointer data)
{
  Opening *opening = data;

  opening->session->events = connect (opening->session->uri, &opening->error);
  if (opening->session->events != NULL)
    register_events (opening->session, &opening->error);
  post_to_main (opened_in_main, opening, (GDestroyNotify) opening_free);
  return NULL;
}

void
vr_virt_session_open_async (VrVirtSession *self, GAsyncReadyCallback callback, gpointer data)
{
  Opening *opening = g_new0 (Opening, 1);

  opening->session = vr_virt_session_ref (self);
  opening->task = g_task_new (NULL, NULL, callback, data);
  g_task_set_source_tag (opening->task, vr_virt_session_open_async);
  g_thread_unref (g_thread_new ("virt-open", open_thread, opening));
}

gboolean
vr_virt_session_open_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

/* ---- closing: a thread of its own ---- */

typedef struct {
  GMutex lock;
  GCond cond;
  gboolean passed;
} Barrier;

static gboolean
barrier_in_main (gpointer data)
{
  Barrier *barrier = data;

  g_mutex_lock (&barrier->lock);
  barrier->passed = TRUE;
  g_cond_signal (&barrier->cond);
  g_mutex_unlock (&barrier->lock);
  return G_SOURCE_REMOVE;
}

/* Returns when the main loop has done what it was doing, and everything that was posted to it before. */
static void
wait_for_main (void)
{
  Barrier barrier = { .passed = FALSE };

  g_mutex_init (&barrier.lock);
  g_cond_init (&barrier.cond);
  post_to_main (barrier_in_main, &barrier, NULL);
  g_mutex_lock (&barrier.lock);
  while (!barrier.passed)
    g_cond_wait (&barrier.cond, &barrier.lock);
  g_mutex_unlock (&barrier.lock);
  g_cond_clear (&barrier.cond);
  g_mutex_clear (&barrier.lock);
}

static gpointer
close_thread (gpointer data)
{
  VrVirtSession *self = data;

  for (guint i = 0; i < N_EVENTS; i++)
    if (self->event_ids[i] >= 0)
      virConnectDomainEventDeregisterAny (self->events, self->event_ids[i]);
  if (self->qemu_id >= 0)
    virConnectDomainQemuMonitorEventDeregister (self->events, self->qemu_id);
  if (self->events != NULL)
    virConnectUnregisterCloseCallback (self->events, on_close);
  wait_for_main ();
  g_clear_pointer (&self->events, virConnectClose);
  for (guint i = 0; i < VR_VIRT_N_LINKS; i++)
    g_clear_pointer (&self->links[i], virConnectClose);
  g_ptr_array_unref (self->early);
  g_hash_table_unref (self->handed_over);
  g_free (self->uri);
  g_free (self);
  return NULL;
}

/* ---- life ---- */

VrVirtSession *
vr_virt_session_new (const char *uri, const VrVirtSessionHandlers *handlers, gpointer owner)
{
  VrVirtSession *self = g_new0 (VrVirtSession, 1);

  self->refs = 1;
  self->uri = g_strdup (uri);
  self->handlers = handlers;
  self->owner = owner;
  self->early = g_ptr_array_new_with_free_func ((GDestroyNotify) early_event_free);
  self->handed_over = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->qemu_id = -1;
  for (guint i = 0; i < N_EVENTS; i++)
    self->event_ids[i] = -1;
  return self;
}

void
vr_virt_session_run (VrVirtSession *self)
{
  g_autoptr (VrVirtSession) kept = vr_virt_session_ref (self);
  g_autoptr (GPtrArray) early = g_steal_pointer (&self->early);

  self->early = g_ptr_array_new_with_free_func ((GDestroyNotify) early_event_free);
  self->running = TRUE;
  for (guint i = 0; i < early->len && self->owner != NULL; i++)
    {
      const EarlyEvent *one = early->pdata[i];

      self->handlers->event (&one->event, one->ours, self->owner);
    }
  if (self->closed_why != NULL && self->owner != NULL)
    self->handlers->closed (self->closed_why, self->owner);
}

void
vr_virt_session_detach (VrVirtSession *self)
{
  self->owner = NULL;
}

VrVirtSession *
vr_virt_session_ref (VrVirtSession *self)
{
  self->refs++;
  return self;
}

void
vr_virt_session_unref (VrVirtSession *self)
{
  if (--self->refs > 0)
    return;
  vr_virt_session_detach (self);
  g_thread_unref (g_thread_new ("virt-close", close_thread, self));
}

virConnectPtr
vr_virt_session_use (VrVirtSession *self, guint link, GError **error)
{
  virConnectPtr *conn = &self->links[link];

  if (*conn != NULL && virConnectIsAlive (*conn) != 1)
    g_clear_pointer (conn, virConnectClose);
  if (*conn == NULL)
    *conn = connect (self->uri, error);
  return *conn;
}
