/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Facts, plan, apply; and what has to look at each new plan. */
#include "relay-private.h"

#define RETRY_S 2

static void
watch_for_asking (VrRelay *self)
{
  g_autoptr (GPtrArray) devs = g_ptr_array_new ();

  /* where this host stands in for somebody's neighbours, it hears whom else the guest asks for */
  for (guint i = 0; i < self->plan->neighbours->len; i++)
    {
      const VrNeighbour *neighbour = self->plan->neighbours->pdata[i];

      if (neighbour->mac == NULL && !g_ptr_array_find_with_equal_func (devs, neighbour->dev, g_str_equal, NULL))
        g_ptr_array_add (devs, neighbour->dev);
    }
  vr_asking_watch (self->asking, devs);
  if (devs->len == 0)
    g_hash_table_remove_all (self->asked);
}

static gboolean
on_retry (gpointer data)
{
  VrRelay *self = data;

  self->retry = 0;
  vr_relay_reconcile (self);
  return G_SOURCE_REMOVE;
}

static void
log_changes (GPtrArray *changes)
{
  for (guint i = 0; i < changes->len; i++)
    g_info ("kernel: %s", (char *) changes->pdata[i]);
}

void
vr_relay_reconcile (VrRelay *self)
{
  g_autoptr (VrFacts) facts = NULL;
  g_autoptr (GPtrArray) changes = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) error = NULL;
  GHashTableIter iter;
  gpointer       local;

  g_clear_handle_id (&self->idle, g_source_remove);
  if (self->flushed)
    return;
  /* Half of the log, or no word from libvirt yet: to take away what is not known of would cut traffic that is right. */
  if (!self->log_ready || !self->virt_known)
    {
      vr_relay_say_ready (self); /* libvirt may have been found away before the log was read */
      return;
    }

  if (!self->path_known) /* what was counted before this daemon started counts, and what was direct stays so */
    {
      vr_relay_change_known (self);
      vr_relay_path_look (self);
    }
  facts = vr_relay_facts_new (self);
  g_clear_pointer (&self->plan, vr_plan_free);
  self->plan = vr_plan_make (facts);
  vr_relay_change_check (self);
  vr_tunnels_want (self->tunnels, self->plan->tunnels);
  if (vr_kernel_apply (self->kernel, self->plan, changes, &error))
    vr_relay_trouble (self, "kernel", NULL);
  else
    {
      vr_relay_trouble (self, "kernel", error->message);
      if (self->retry == 0)
        self->retry = g_timeout_add_seconds (RETRY_S, on_retry, self);
    }
  log_changes (changes);
  watch_for_asking (self);
  vr_relay_path_watch (self);
  vr_relay_reconcile_at (self, MIN (vr_relay_path_next (self), vr_relay_linger_next (self)));
  vr_relay_ledger_look (self);
  vr_relay_change_next (self);
  g_hash_table_iter_init (&iter, self->locals);
  while (g_hash_table_iter_next (&iter, NULL, &local))
    vr_relay_prepare_flip (self, local);
  vr_relay_say_changed (self);
  vr_relay_say_ready (self);
}
