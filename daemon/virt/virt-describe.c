/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Looking at one guest, or at all of them, step by step:
 *
 *   QUICK: who is here, in which state; XML, leases, neighbours            one call
 *   JOB: state and migration job, together                                 one for each guest
 *   AGENT: addresses of a running guest whose XML does not name them all   one for each such guest
 *
 * The last two may hang in a guest that is in trouble. That must not hold up what is known of the others, so each
 * gets a part of the time. Without the job, a running guest is taken for one that does not migrate (libvirt's events
 * say it if it does); where the job decides between origin and target, the look, or the list, fails. Without the
 * agent, what the host's neighbour table says counts.
 */
#include "daemon/virt/virt-describe.h"

#include "daemon/virt/virt-guest.h"

#define PATIENCE_MS 2000 /* at most, for each of the steps that may hang */

typedef struct {
  VrVirtCalls *calls; /* alive: the task holds their owner */
  GTask *task;        /* the list's or look's */
  GPtrArray *drafts;  /* of VrVirtDraft; whose `guest` is NULL is gone */
  gboolean single;
  gint64 end_us;      /* monotonic */
  guint busy;         /* guests about which something is still asked, and one for who starts that */
  GError *error;      /* the first that spoils everything */
} Description;

static void
description_free (Description *self)
{
  g_clear_object (&self->task);
  g_clear_pointer (&self->drafts, g_ptr_array_unref);
  g_clear_error (&self->error);
  g_free (self);
}

static GPtrArray *
take_guests (Description *self)
{
  GPtrArray *guests = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_virt_guest_free);

  for (guint i = 0; i < self->drafts->len; i++)
    {
      VrVirtDraft *draft = self->drafts->pdata[i];

      if (draft->guest == NULL)
        continue;
      if (draft->neighbours != NULL)
        vr_virt_guest_guess (draft->guest, draft->neighbours);
      g_ptr_array_add (guests, g_steal_pointer (&draft->guest));
    }
  return guests;
}

/* One is done; after the last one, so is all. */
static void
description_done (Description *self)
{
  g_autoptr (GTask) task = NULL;
  g_autoptr (GPtrArray) guests = NULL;

  if (--self->busy > 0)
    return;
  task = g_steal_pointer (&self->task);
  guests = take_guests (self);
  if (self->error != NULL)
    g_task_return_error (task, g_steal_pointer (&self->error));
  else if (self->single)
    g_task_return_pointer (task, g_ptr_array_steal_index (guests, 0), (GDestroyNotify) vr_virt_guest_free);
  else
    g_task_return_pointer (task, g_steal_pointer (&guests), (GDestroyNotify) g_ptr_array_unref);
  description_free (self);
}

/* A call on behalf of the task: it lives and is cancelled with it. */
static GTask *
subtask (Description *self, GAsyncReadyCallback callback, gpointer data)
{
  return g_task_new (g_task_get_source_object (self->task), g_task_get_cancellable (self->task), callback, data);
}

/* ---- guest by guest ---- */

typedef struct {
  Description *description;
  VrVirtDraft *draft;
} About;

/* Asks something about one guest, with a part of the time that is left. */
static void
ask (Description *self, VrVirtDraft *draft, const VrVirtRequest *how, GAsyncReadyCallback callback)
{
  gint64        left_ms = (self->end_us - g_get_monotonic_time ()) / 1000;
  About        *about = g_new (About, 1);
  VrVirtRequest request = *how;

  *about = (About){ self, draft };
  request.key = draft->guest->xml->uuid;
  request.args = g_strdup (request.key);
  request.free_args = g_free;
  vr_virt_calls_make (self->calls, &request, CLAMP (left_ms / 3, 0, PATIENCE_MS), subtask (self, callback, about));
}

static void
on_agent_answered (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autofree About *about = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) found = g_task_propagate_pointer (G_TASK (result), &error);

  if (found != NULL)
    vr_virt_guest_fill (about->draft->guest, found);
  else
    g_debug ("%s", error->message);
  description_done (about->description);
}

static gpointer
agent_work (virConnectPtr conn, gconstpointer args, GError **error)
{
  return vr_virt_guest_ask_agent (conn, args, error);
}

static const VrVirtRequest agent_request = { .lane = VR_VIRT_LANE_AGENT, .purpose = "ask the agent of guest",
                                             .work = agent_work, .free_result = (GDestroyNotify) g_ptr_array_unref };

/* Whether the guest may go on without an answer about its job; else it is gone, or everything is spoiled. */
static gboolean
survives (Description *self, VrVirtDraft *draft, GError *error)
{
  if (g_error_matches (error, VR_VIRT_ERROR, VR_VIRT_ERROR_GONE) && !self->single)
    {
      g_clear_pointer (&draft->guest, vr_virt_guest_free);
      return FALSE;
    }
  if ((g_error_matches (error, VR_VIRT_ERROR, VR_VIRT_ERROR_TIMEOUT)
       || g_error_matches (error, VR_VIRT_ERROR, VR_VIRT_ERROR_CALL))
      && vr_virt_guest_settle (draft->guest, &draft->situation))
    {
      g_info ("%s; the guest is taken for one that does not migrate", error->message);
      return TRUE;
    }
  if (self->error == NULL)
    self->error = g_error_copy (error);
  return FALSE;
}

static void
on_situated (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autofree About *about = data;
  g_autoptr (GError) error = NULL;
  g_autofree VrVirtSituation *situation = g_task_propagate_pointer (G_TASK (result), &error);
  VrVirtGuest *guest = about->draft->guest;
  gboolean     fine = situation != NULL ? vr_virt_guest_settle (guest, situation)
                                        : survives (about->description, about->draft, error);

  /* Only a guest that runs can answer. */
  if (fine && guest->state == VR_VIRT_STATE_RUNNING && !guest->migrating && vr_virt_guest_lacks_address (guest))
    ask (about->description, about->draft, &agent_request, on_agent_answered);
  else
    description_done (about->description);
}

static gpointer
job_work (virConnectPtr conn, gconstpointer args, GError **error)
{
  return vr_virt_guest_situate (conn, args, error);
}

static const VrVirtRequest job_request = { .lane = VR_VIRT_LANE_JOB, .purpose = "ask for the job of guest",
                                           .work = job_work, .free_result = g_free };

/* ---- all of them ---- */

static void
on_described (GObject *source, GAsyncResult *result, gpointer data)
{
  Description *self = data;
  GError      *error = NULL;
  gpointer     described = g_task_propagate_pointer (G_TASK (result), &error);

  if (described == NULL)
    {
      g_task_return_error (self->task, error);
      description_free (self);
      return;
    }
  if (self->single)
    {
      self->drafts = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_virt_draft_free);
      g_ptr_array_add (self->drafts, described);
    }
  else
    self->drafts = described;
  self->busy = 1 + self->drafts->len;
  for (guint i = 0; i < self->drafts->len; i++)
    ask (self, self->drafts->pdata[i], &job_request, on_situated);
  description_done (self);
}

typedef struct {
  char *uuid, *host; /* uuid NULL: all; host: may be NULL */
} Whom;

static gpointer
whom_new (const char *uuid, const char *host)
{
  Whom *whom = g_new (Whom, 1);

  *whom = (Whom){ g_strdup (uuid), g_strdup (host) };
  return whom;
}

static void
whom_free (gpointer data)
{
  Whom *whom = data;

  g_free (whom->uuid);
  g_free (whom->host);
  g_free (whom);
}

static gpointer
list_work (virConnectPtr conn, gconstpointer args, GError **error)
{
  const Whom *whom = args;

  return vr_virt_guest_list (conn, whom->host, error);
}

static gpointer
look_work (virConnectPtr conn, gconstpointer args, GError **error)
{
  const Whom *whom = args;

  return vr_virt_guest_look (conn, whom->uuid, whom->host, error);
}

void
vr_virt_describe (VrVirtCalls *calls, const char *uuid, const char *host, guint deadline_ms, GTask *task)
{
  Description  *self = g_new0 (Description, 1);
  VrVirtRequest list = { .lane = VR_VIRT_LANE_QUICK, .key = "", .purpose = "list the guests", .work = list_work,
                         .free_args = whom_free, .free_result = (GDestroyNotify) g_ptr_array_unref };
  VrVirtRequest look = { .lane = VR_VIRT_LANE_QUICK, .key = uuid, .purpose = "look at guest", .work = look_work,
                         .free_args = whom_free, .free_result = (GDestroyNotify) vr_virt_draft_free };
  VrVirtRequest *request = uuid != NULL ? &look : &list;

  self->calls = calls;
  self->task = task;
  self->single = uuid != NULL;
  request->args = whom_new (uuid, host);
  self->end_us = g_get_monotonic_time () + deadline_ms * G_GINT64_CONSTANT (1000);
  vr_virt_calls_make (calls, request, deadline_ms, subtask (self, on_described, self));
}
