/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libvirt for the rest of the daemon: stay connected, pass events on, answer calls.
 *
 *   stopped --start--> connecting --session open--> connected --session closed--> waiting --backoff--> connecting
 *
 * - An attempt to connect has a deadline after which it is late: "disconnected" is said, and another attempt is made
 *   in case the first one hangs for ever. At most MAX_ATTEMPTS are under way; whichever opens first is used. libvirtd
 *   is not asked whether it is alive by other means: the socket of a stopped process accepts, too.
 * - While it is connected everything else is in virt-session.c (events, the end of a connection) and virt-calls.c
 *   (threads, deadlines).
 * - libvirt announces our own stamps, too. They are counted (`stamps`), and as many changes of our namespace are
 *   passed over. A change by somebody else may be taken for one of them; then the stamp's own is passed on in its
 *   place.
 *
 * This class lives in the main loop; what may block does not.
 */
#include "daemon/virt/virt.h"

#include "daemon/virt/virt-describe.h"
#include "daemon/virt/virt-guest.h"
#include "daemon/virt/virt-session.h"

#include <libvirt/virterror.h>
#include <libvirt-glib/libvirt-glib-event.h>

#define DEFAULT_URI "qemu:///system"
#define BACKOFF_FIRST_MS 200
#define BACKOFF_MAX_MS 5000
#define ATTEMPT_MS 5000
#define MAX_ATTEMPTS 3

struct _VrVirt {
  GObject parent_instance;
  char *uri, *host;       /* host: may be NULL */
  gboolean started;
  VrVirtSession *session; /* NULL: not connected */
  GPtrArray *attempts;    /* of VrVirtSession: being opened */
  guint timer_id;         /* the next attempt, or the deadline of this one */
  guint backoff_ms;
  gboolean told;          /* "disconnected" was said of this outage */
  char *trouble;
  VrVirtCalls *calls;
  GHashTable *stamps;     /* uuid -> number of changes of our namespace that are our own */
};

enum { CONNECTED, DISCONNECTED, EVENT, N_SIGNALS };
static guint signals[N_SIGNALS];

G_DEFINE_TYPE (VrVirt, vr_virt, G_TYPE_OBJECT)

static void attempt (VrVirt *self);

/* ---- our own stamps ---- */

static guint
stamps_of (VrVirt *self, const char *uuid)
{
  return GPOINTER_TO_UINT (g_hash_table_lookup (self->stamps, uuid));
}

static void
set_stamps (VrVirt *self, const char *uuid, guint n)
{
  if (n > 0)
    g_hash_table_insert (self->stamps, g_strdup (uuid), GUINT_TO_POINTER (n));
  else
    g_hash_table_remove (self->stamps, uuid);
}

static void
on_event (const VrVirtEvent *event, gboolean ours, gpointer owner)
{
  VrVirt *self = owner;
  guint   expected = ours ? stamps_of (self, event->uuid) : 0;

  if (expected > 0)
    set_stamps (self, event->uuid, expected - 1);
  else
    g_signal_emit (self, signals[EVENT], 0, event);
}

/* ---- connecting ---- */

static gboolean
on_timer (gpointer data)
{
  g_autoptr (VrVirt) self = g_object_ref (data);

  self->timer_id = 0;
  attempt (self);
  return G_SOURCE_REMOVE;
}

static void
set_timer (VrVirt *self, guint ms)
{
  g_clear_handle_id (&self->timer_id, g_source_remove);
  self->timer_id = g_timeout_add (ms, on_timer, self);
}

/* Callbacks and handlers may do anything, also stop us and give up their reference: the caller holds one. */
static void
say_disconnected (VrVirt *self, const char *why)
{
  g_free (self->trouble);
  self->trouble = g_strdup (why);
  vr_virt_calls_end (self->calls, why);
  if (self->told || !self->started)
    return;
  self->told = TRUE;
  g_signal_emit (self, signals[DISCONNECTED], 0, self->trouble);
}

static void
lose_session (VrVirt *self, const char *why)
{
  g_autoptr (VrVirtSession) session = g_steal_pointer (&self->session);
  g_autoptr (VrVirt) kept = g_object_ref (self);
  g_autofree char *message = g_strdup (why); /* it may be the session's */

  if (session == NULL)
    return;
  vr_virt_session_detach (session);
  g_hash_table_remove_all (self->stamps);
  self->backoff_ms = BACKOFF_FIRST_MS;
  set_timer (self, self->backoff_ms);
  say_disconnected (self, message);
}

static void
on_session_closed (const char *why, gpointer owner)
{
  lose_session (owner, why);
}

static const VrVirtSessionHandlers session_handlers = { .event = on_event, .closed = on_session_closed };

typedef struct {
  GWeakRef virt; /* an attempt may hang for longer than we live */
  VrVirtSession *session;
} Attempt;

static void
attempt_free (Attempt *one)
{
  g_weak_ref_clear (&one->virt);
  vr_virt_session_unref (one->session);
  g_free (one);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Attempt, attempt_free)

static void
use_session (VrVirt *self, VrVirtSession *session)
{
  g_clear_handle_id (&self->timer_id, g_source_remove);
  self->session = vr_virt_session_ref (session);
  self->told = FALSE;
  g_clear_pointer (&self->trouble, g_free);
  vr_virt_calls_begin (self->calls, session);
  g_signal_emit (self, signals[CONNECTED], 0);
  vr_virt_session_run (session); /* does nothing if a handler stopped us */
}

static void
on_opened (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (Attempt) one = data;
  g_autoptr (VrVirt) self = g_weak_ref_get (&one->virt);
  g_autoptr (GError) error = NULL;
  gboolean opened = vr_virt_session_open_finish (result, &error);

  if (self == NULL || !g_ptr_array_remove (self->attempts, one->session))
    return; /* stopped meanwhile */
  if (self->session != NULL)
    return;
  if (opened)
    {
      use_session (self, one->session);
      return;
    }
  set_timer (self, self->backoff_ms);
  self->backoff_ms = MIN (2 * self->backoff_ms, BACKOFF_MAX_MS);
  say_disconnected (self, error->message);
}

static void
attempt (VrVirt *self)
{
  VrVirtSession *session;
  Attempt       *one;

  if (self->attempts->len > 0)
    {
      g_autofree char *why = g_strdup_printf ("libvirt at %s does not answer; does libvirtd hang?", self->uri);

      say_disconnected (self, why);
      if (!self->started || self->attempts->len >= MAX_ATTEMPTS)
        return;
    }
  session = vr_virt_session_new (self->uri, &session_handlers, self);
  one = g_new0 (Attempt, 1);
  g_weak_ref_init (&one->virt, self);
  one->session = vr_virt_session_ref (session);
  g_ptr_array_add (self->attempts, session); /* takes the first reference */
  set_timer (self, ATTEMPT_MS);
  vr_virt_session_open_async (session, on_opened, one);
}

/* ---- calls ---- */

void
vr_virt_list_async (VrVirt *self, guint deadline_ms, GCancellable *cancellable, GAsyncReadyCallback callback,
                    gpointer data)
{
  GTask *task = g_task_new (self, cancellable, callback, data);

  g_task_set_source_tag (task, vr_virt_list_async);
  vr_virt_describe (self->calls, NULL, self->host, deadline_ms, task);
}

GPtrArray *
vr_virt_list_finish (VrVirt *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_async_result_is_tagged (result, vr_virt_list_async), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}

void
vr_virt_look_async (VrVirt *self, const char *uuid, guint deadline_ms, GCancellable *cancellable,
                    GAsyncReadyCallback callback, gpointer data)
{
  GTask *task = g_task_new (self, cancellable, callback, data);

  g_task_set_source_tag (task, vr_virt_look_async);
  vr_virt_describe (self->calls, uuid, self->host, deadline_ms, task);
}

VrVirtGuest *
vr_virt_look_finish (VrVirt *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_async_result_is_tagged (result, vr_virt_look_async), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}

typedef struct {
  VrVirt *virt;
  char *uuid, *element;
  gboolean stamped; /* set by the worker thread */
} Stamp;

static gpointer
stamp_work (virConnectPtr conn, gconstpointer args, GError **error)
{
  Stamp *stamp = (Stamp *) args;

  stamp->stamped = vr_virt_guest_stamp (conn, stamp->uuid, stamp->element, error);
  return stamp->stamped ? stamp : NULL;
}

/* In the main loop, when the stamp was made or will never be: then no event comes for it. */
static void
stamp_free (gpointer data)
{
  Stamp *stamp = data;
  guint  expected = stamps_of (stamp->virt, stamp->uuid);

  if (!stamp->stamped && expected > 0)
    set_stamps (stamp->virt, stamp->uuid, expected - 1);
  g_object_unref (stamp->virt);
  g_free (stamp->uuid);
  g_free (stamp->element);
  g_free (stamp);
}

void
vr_virt_stamp_async (VrVirt *self, const char *uuid, const char *element, guint deadline_ms, GCancellable *cancellable,
                     GAsyncReadyCallback callback, gpointer data)
{
  Stamp        *stamp = g_new0 (Stamp, 1);
  VrVirtRequest request = { .lane = VR_VIRT_LANE_STAMP, .key = uuid, .purpose = "write into the metadata of guest",
                            .work = stamp_work, .args = stamp, .free_args = stamp_free };
  GTask        *task = g_task_new (self, cancellable, callback, data);

  g_task_set_source_tag (task, vr_virt_stamp_async);
  stamp->virt = g_object_ref (self);
  stamp->uuid = g_strdup (uuid);
  stamp->element = g_strdup (element);
  set_stamps (self, uuid, stamps_of (self, uuid) + 1);
  vr_virt_calls_make (self->calls, &request, deadline_ms, task);
}

gboolean
vr_virt_stamp_finish (VrVirt *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_async_result_is_tagged (result, vr_virt_stamp_async), FALSE);
  return g_task_propagate_pointer (G_TASK (result), error) != NULL;
}

/* ---- life ---- */

static void
on_broken (const char *why, gpointer owner)
{
  lose_session (owner, why);
}

static void
ignore_error (void *data, virErrorPtr error)
{
}

VrVirt *
vr_virt_new (const char *uri, const char *host)
{
  VrVirt *self = g_object_new (VR_TYPE_VIRT, NULL);

  self->uri = g_strdup (uri != NULL ? uri : DEFAULT_URI);
  self->host = g_strdup (host);
  return self;
}

void
vr_virt_start (VrVirt *self)
{
  if (self->started)
    return;
  self->started = TRUE;
  self->told = FALSE;
  self->backoff_ms = BACKOFF_FIRST_MS;
  attempt (self);
}

void
vr_virt_stop (VrVirt *self)
{
  g_autoptr (VrVirtSession) session = g_steal_pointer (&self->session);

  self->started = FALSE;
  g_clear_handle_id (&self->timer_id, g_source_remove);
  for (guint i = 0; i < self->attempts->len; i++)
    vr_virt_session_detach (self->attempts->pdata[i]);
  g_ptr_array_set_size (self->attempts, 0);
  if (session != NULL)
    vr_virt_session_detach (session);
  g_hash_table_remove_all (self->stamps);
  if (self->calls != NULL)
    vr_virt_calls_end (self->calls, "virt-relay is stopping");
}

gboolean
vr_virt_is_connected (VrVirt *self)
{
  return self->session != NULL;
}

const char *
vr_virt_get_trouble (VrVirt *self)
{
  return self->trouble;
}

static void
vr_virt_dispose (GObject *object)
{
  VrVirt *self = VR_VIRT (object);

  vr_virt_stop (self);
  g_clear_pointer (&self->calls, vr_virt_calls_free);
  G_OBJECT_CLASS (vr_virt_parent_class)->dispose (object);
}

static void
vr_virt_finalize (GObject *object)
{
  VrVirt *self = VR_VIRT (object);

  g_ptr_array_unref (self->attempts);
  g_hash_table_unref (self->stamps);
  g_free (self->trouble);
  g_free (self->uri);
  g_free (self->host);
  G_OBJECT_CLASS (vr_virt_parent_class)->finalize (object);
}

static void
vr_virt_class_init (VrVirtClass *class)
{
  GObjectClass *object_class = G_OBJECT_CLASS (class);

  object_class->dispose = vr_virt_dispose;
  object_class->finalize = vr_virt_finalize;
  signals[CONNECTED] = g_signal_new ("connected", VR_TYPE_VIRT, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                     G_TYPE_NONE, 0);
  signals[DISCONNECTED] = g_signal_new ("disconnected", VR_TYPE_VIRT, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                        G_TYPE_NONE, 1, G_TYPE_STRING);
  signals[EVENT] = g_signal_new ("event", VR_TYPE_VIRT, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                 G_TYPE_NONE, 1, G_TYPE_POINTER);
  virInitialize ();
  virSetErrorFunc (NULL, ignore_error); /* or libvirt prints each error to stderr */
  gvir_event_register ();               /* before the first virConnectOpen() of the process */
}

static void
vr_virt_init (VrVirt *self)
{
  self->attempts = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_virt_session_unref);
  self->stamps = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->calls = vr_virt_calls_new (on_broken, self);
}
