/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Looking at one guest, or at all of them. It is one call, and after that one more for each running guest that has a NIC
 * without an address: to its agent. An agent that is silent must not hold up what is known without it, so it gets a part of the
 * time and is left out then. What the host's neighbour table says counts where nothing else said anything.
 */
#include "daemon/virt/virt-describe.h"

#include "daemon/virt/virt-guest.h"

#define AGENT_MS 2000

typedef struct {
  VrVirtCalls *calls; /* alive: the task holds their owner */
  GTask *task;        /* the list's or look's */
  GPtrArray *drafts;  /* of VrVirtDraft */
  gboolean single;
  gint64 end_us;      /* monotonic */
  guint agents_asked;
} Description;

static void
description_free (Description *self)
{
  g_clear_object (&self->task);
  g_clear_pointer (&self->drafts, g_ptr_array_unref);
  g_free (self);
}

/* Everything was asked. */
static void
description_finish (Description *self)
{
  g_autoptr (GPtrArray) guests = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_virt_guest_free);
  g_autoptr (GTask) task = g_steal_pointer (&self->task);

  for (guint i = 0; i < self->drafts->len; i++)
    {
      VrVirtDraft *draft = self->drafts->pdata[i];

      if (draft->neighbours != NULL)
        vr_virt_guest_fill (draft->guest, draft->neighbours);
      g_ptr_array_add (guests, g_steal_pointer (&draft->guest));
    }
  if (self->single)
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

static gpointer
agent_work (virConnectPtr conn, gconstpointer args, GError **error)
{
  return vr_virt_guest_ask_agent (conn, args, error);
}

typedef struct {
  Description *description;
  guint index; /* in drafts */
} AgentAsked;

static void
on_agent_answered (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autofree AgentAsked *asked = data;
  Description *self = asked->description;
  VrVirtDraft *draft = self->drafts->pdata[asked->index];
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) found = g_task_propagate_pointer (G_TASK (result), &error);

  if (found != NULL)
    vr_virt_guest_fill (draft->guest, found);
  else
    g_debug ("guest %s: %s", draft->guest->xml->name, error->message);
  if (--self->agents_asked == 0)
    description_finish (self);
}

/* Only a guest that runs can answer. */
static gboolean
wants_agent (const VrVirtGuest *guest)
{
  return guest->state == VR_VIRT_STATE_RUNNING && !guest->migrating && vr_virt_guest_lacks_address (guest);
}

static void
description_ask_agents (Description *self)
{
  gint64 left_ms = (self->end_us - g_get_monotonic_time ()) / 1000;
  guint  patience_ms = CLAMP (left_ms / 2, 0, AGENT_MS);

  self->agents_asked = 1; /* the loop's own */
  for (guint i = 0; i < self->drafts->len; i++)
    {
      const VrVirtDraft *draft = self->drafts->pdata[i];
      VrVirtRequest      request = { .lane = VR_VIRT_LANE_AGENT, .purpose = "ask the agent of guest", .work = agent_work,
                                     .free_args = g_free, .free_result = (GDestroyNotify) g_ptr_array_unref };
      AgentAsked        *asked;

      if (!wants_agent (draft->guest))
        continue;
      request.key = draft->guest->xml->uuid;
      request.args = g_strdup (draft->guest->xml->uuid);
      asked = g_new (AgentAsked, 1);
      *asked = (AgentAsked){ self, i };
      self->agents_asked++;
      vr_virt_calls_make (self->calls, &request, patience_ms, subtask (self, on_agent_answered, asked));
    }
  if (--self->agents_asked == 0)
    description_finish (self);
}

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
  description_ask_agents (self);
}

static gpointer
list_work (virConnectPtr conn, gconstpointer args, GError **error)
{
  return vr_virt_guest_list (conn, error);
}

static gpointer
look_work (virConnectPtr conn, gconstpointer args, GError **error)
{
  return vr_virt_guest_look (conn, args, error);
}

void
vr_virt_describe (VrVirtCalls *calls, const char *uuid, guint deadline_ms, GTask *task)
{
  Description  *self = g_new0 (Description, 1);
  VrVirtRequest list = { .lane = VR_VIRT_LANE_QUICK, .key = "", .purpose = "list the guests", .work = list_work,
                         .free_result = (GDestroyNotify) g_ptr_array_unref };
  VrVirtRequest look = { .lane = VR_VIRT_LANE_QUICK, .key = uuid, .purpose = "look at guest", .work = look_work,
                         .args = g_strdup (uuid), .free_args = g_free, .free_result = (GDestroyNotify) vr_virt_draft_free };

  self->calls = calls;
  self->task = task;
  self->single = uuid != NULL;
  self->end_us = g_get_monotonic_time () + deadline_ms * G_GINT64_CONSTANT (1000);
  vr_virt_calls_make (calls, self->single ? &look : &list, deadline_ms, subtask (self, on_described, self));
}
