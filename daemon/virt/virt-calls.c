/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * No call into libvirt can be taken back: it returns when libvirtd answers, or when the connection is given up. So a
 * call has two lives. Its task ends in time, in the main loop. Its work goes on in its thread until libvirt lets it
 * go; then the result is dropped if nobody waits for it any more. A call whose turn has not come leaves the queue
 * with its task.
 *
 * How much can hang: each lane has a number of slots, a slot is given back only when the thread is, and of one guest
 * only one call a lane is under way. So a guest whose hook or agent hangs holds one slot, not all, and a libvirtd
 * that hangs holds as many threads as there are slots, until its keepalive fails. Each slot has its own connection.
 *
 * All bookkeeping is done in the main loop, so nothing is locked: a thread gets a call, sets its result and posts it
 * back.
 */
#include "daemon/virt/virt-calls.h"

static const struct {
  guint first, n; /* its slots, which are numbers of the session's links */
} lanes[] = {
  [VR_VIRT_LANE_QUICK] = { 0, 4 },
  [VR_VIRT_LANE_JOB] = { 4, 3 },
  [VR_VIRT_LANE_AGENT] = { 7, 2 },
  [VR_VIRT_LANE_STAMP] = { 9, 2 },
};
G_STATIC_ASSERT (G_N_ELEMENTS (lanes) == VR_VIRT_N_LANES);
G_STATIC_ASSERT (VR_VIRT_N_LINKS == 11);

typedef struct {
  VrVirtCalls *calls;
  VrVirtRequest request; /* key is the call's own copy */
  guint deadline_ms;
  GTask *task;           /* NULL: answered */
  GSource *deadline, *cancelled;
  VrVirtSession *session; /* these two are set while the work is under way */
  guint slot;
  gpointer result;       /* these two are the thread's until it posts the call back */
  GError *error;
} Call;

struct _VrVirtCalls {
  int refs; /* the owner's, and one for each call under way */
  VrVirtBroken broken;
  gpointer owner;
  VrVirtSession *session; /* NULL: none */
  char *why;              /* why there is none */
  GQueue waiting[VR_VIRT_N_LANES]; /* of Call */
  GPtrArray *under_way;   /* of Call */
  GThreadPool *pool;
};

static void pump (VrVirtCalls *self, VrVirtLane lane);

/* ---- life of a call ---- */

static void
call_free (Call *call)
{
  g_assert (call->task == NULL);
  if (call->result != NULL && call->request.free_result != NULL)
    call->request.free_result (call->result);
  g_clear_error (&call->error);
  if (call->request.free_args != NULL)
    call->request.free_args (call->request.args);
  g_free ((char *) call->request.key);
  g_free (call);
}

static GTask *
call_take_task (Call *call)
{
  for (GSource **source = (GSource *[]){ call->deadline, call->cancelled, NULL }; *source != NULL; source++)
    {
      g_source_destroy (*source);
      g_source_unref (*source);
    }
  call->deadline = call->cancelled = NULL;
  return g_steal_pointer (&call->task);
}

/* Ends a call for the one who waits for it; its work may go on. */
static void
call_give_up (Call *call, GError *error)
{
  g_autoptr (GTask) task = call_take_task (call);

  if (g_queue_remove (&call->calls->waiting[call->request.lane], call))
    call_free (call);
  g_task_return_error (task, error);
}

static gboolean
on_deadline (gpointer data)
{
  Call *call = data;

  call_give_up (call, g_error_new (VR_VIRT_ERROR, VR_VIRT_ERROR_TIMEOUT,
                                   "cannot %s%s%s: libvirt did not answer within %u ms; does libvirtd hang, or a hook of "
                                   "this guest?", call->request.purpose, *call->request.key != '\0' ? " " : "",
                                   call->request.key, call->deadline_ms));
  return G_SOURCE_REMOVE;
}

static gboolean
on_cancelled (GCancellable *cancellable, gpointer data)
{
  Call *call = data;

  call_give_up (call, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled"));
  return G_SOURCE_REMOVE;
}

/* ---- work ---- */

static void
calls_unref (VrVirtCalls *self)
{
  if (--self->refs > 0)
    return;
  g_thread_pool_free (self->pool, FALSE, FALSE); /* nothing is under way */
  g_ptr_array_unref (self->under_way);
  g_clear_pointer (&self->session, vr_virt_session_unref);
  g_free (self->why);
  g_free (self);
}

/*
 * What libvirt says about a connection that just died is of no use to the one who asked; the session's end answers
 * all of them.
 */
static void
notice_dead_session (Call *call)
{
  VrVirtCalls *self = call->calls;

  if (g_error_matches (call->error, VR_VIRT_ERROR, VR_VIRT_ERROR_CONNECT) && self->session == call->session
      && self->broken != NULL)
    self->broken (call->error->message, self->owner);
}

static gboolean
done_in_main (gpointer data)
{
  Call        *call = data;
  VrVirtCalls *self = call->calls;
  VrVirtLane   lane = call->request.lane;
  g_autoptr (GTask) task = NULL;

  notice_dead_session (call);
  g_ptr_array_remove_fast (self->under_way, call);
  g_clear_pointer (&call->session, vr_virt_session_unref);
  if (call->task != NULL && lane == VR_VIRT_LANE_STAMP
      && g_error_matches (call->error, VR_VIRT_ERROR, VR_VIRT_ERROR_TIMEOUT))
    {
      g_clear_error (&call->error);
      g_queue_push_tail (&self->waiting[lane], call);
    }
  else
    {
      if (call->task != NULL)
        task = call_take_task (call);
      if (task != NULL && call->error != NULL)
        g_task_return_error (task, g_steal_pointer (&call->error));
      else if (task != NULL)
        g_task_return_pointer (task, g_steal_pointer (&call->result), call->request.free_result);
      call_free (call);
    }
  pump (self, lane);
  calls_unref (self);
  return G_SOURCE_REMOVE;
}

static void
work_in_thread (gpointer data, gpointer unused)
{
  Call         *call = data;
  virConnectPtr conn = vr_virt_session_use (call->session, call->slot, &call->error);
  g_autoptr (GSource) source = g_idle_source_new ();

  if (conn != NULL)
    call->result = call->request.work (conn, call->request.args, &call->error);
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, done_in_main, call, NULL);
  g_source_attach (source, NULL);
}

/* ---- turns ---- */

/* Whether this call may be made now, and in which slot. */
static gboolean
find_slot (VrVirtCalls *self, const Call *call, guint *slot)
{
  VrVirtLane lane = call->request.lane;
  gboolean   taken[VR_VIRT_N_LINKS] = { FALSE };

  for (guint i = 0; i < self->under_way->len; i++)
    {
      const Call *other = self->under_way->pdata[i];

      if (other->session != self->session || other->request.lane != lane)
        continue; /* what hangs in an earlier session has no slot of this one */
      if (g_str_equal (other->request.key, call->request.key))
        return FALSE;
      taken[other->slot] = TRUE;
    }
  for (guint i = lanes[lane].first; i < lanes[lane].first + lanes[lane].n; i++)
    if (!taken[i])
      {
        *slot = i;
        return TRUE;
      }
  return FALSE;
}

static void
pump (VrVirtCalls *self, VrVirtLane lane)
{
  if (self->session == NULL)
    return;
  for (GList *l = self->waiting[lane].head, *next; l != NULL; l = next)
    {
      Call *call = l->data;

      next = l->next;
      if (!find_slot (self, call, &call->slot))
        continue;
      g_queue_delete_link (&self->waiting[lane], l);
      self->refs++;
      call->session = vr_virt_session_ref (self->session);
      g_ptr_array_add (self->under_way, call);
      g_thread_pool_push (self->pool, call, NULL);
    }
}

/* ---- the outside ---- */

VrVirtCalls *
vr_virt_calls_new (VrVirtBroken broken, gpointer owner)
{
  VrVirtCalls *self = g_new0 (VrVirtCalls, 1);

  self->refs = 1;
  self->broken = broken;
  self->owner = owner;
  self->why = g_strdup ("not connected to libvirt");
  for (guint i = 0; i < VR_VIRT_N_LANES; i++)
    g_queue_init (&self->waiting[i]);
  self->under_way = g_ptr_array_new ();
  self->pool = g_thread_pool_new (work_in_thread, NULL, -1, FALSE, NULL); /* the slots are its limit */
  return self;
}

void
vr_virt_calls_free (VrVirtCalls *self)
{
  self->broken = NULL;
  vr_virt_calls_end (self, "virt-relay is stopping");
  calls_unref (self);
}

void
vr_virt_calls_begin (VrVirtCalls *self, VrVirtSession *session)
{
  g_assert (self->session == NULL);
  self->session = vr_virt_session_ref (session);
}

void
vr_virt_calls_end (VrVirtCalls *self, const char *why)
{
  self->refs++; /* the callbacks may do anything */
  g_clear_pointer (&self->session, vr_virt_session_unref);
  g_free (self->why);
  self->why = g_strdup (why);
  for (guint lane = 0; lane < VR_VIRT_N_LANES; lane++)
    while (!g_queue_is_empty (&self->waiting[lane]))
      call_give_up (g_queue_peek_head (&self->waiting[lane]),
                    g_error_new_literal (VR_VIRT_ERROR, VR_VIRT_ERROR_CONNECT, self->why));
  for (guint i = 0; i < self->under_way->len; i++)
    {
      Call *call = self->under_way->pdata[i];

      if (call->task != NULL)
        call_give_up (call, g_error_new_literal (VR_VIRT_ERROR, VR_VIRT_ERROR_CONNECT, self->why));
    }
  calls_unref (self);
}

void
vr_virt_calls_make (VrVirtCalls *self, const VrVirtRequest *request, guint deadline_ms, GTask *task)
{
  Call         *call = g_new0 (Call, 1);
  GCancellable *cancellable = g_task_get_cancellable (task);

  call->calls = self;
  call->request = *request;
  call->request.key = g_strdup (request->key);
  call->deadline_ms = deadline_ms;
  call->task = task;
  g_queue_push_tail (&self->waiting[request->lane], call);
  if (self->session == NULL)
    {
      call_give_up (call, g_error_new_literal (VR_VIRT_ERROR, VR_VIRT_ERROR_CONNECT, self->why));
      return;
    }
  call->deadline = g_timeout_source_new (deadline_ms);
  g_source_set_callback (call->deadline, on_deadline, call, NULL);
  g_source_attach (call->deadline, NULL);
  if (cancellable != NULL)
    {
      call->cancelled = g_cancellable_source_new (cancellable);
      g_source_set_callback (call->cancelled, G_SOURCE_FUNC (on_cancelled), call, NULL);
      g_source_attach (call->cancelled, NULL);
    }
  pump (self, request->lane);
}
