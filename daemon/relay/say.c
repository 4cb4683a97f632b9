/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What everybody in this folder may say: that something is wrong, or changed, or happened; and that there is a reason to reconcile. Calls none of them. */
#include "relay-private.h"

#include "daemon/logging.h"

void
vr_relay_say_changed (VrRelay *self)
{
  g_signal_emit_by_name (self, "changed");
}

void
vr_relay_trouble (VrRelay *self, const char *about, const char *what)
{
  const char *before = g_hash_table_lookup (self->troubles, about);

  if (g_strcmp0 (before, what) == 0)
    return;
  if (before != NULL)
    g_signal_emit_by_name (self, "trouble", about, before, FALSE);
  if (what == NULL)
    {
      vr_log (G_LOG_LEVEL_MESSAGE, &(VrLogFields) { .about = about }, "%s: over: %s", about, before);
      g_hash_table_remove (self->troubles, about);
    }
  else
    {
      vr_log (G_LOG_LEVEL_WARNING, &(VrLogFields) { .about = about }, "%s: %s", about, what);
      g_signal_emit_by_name (self, "trouble", about, what, TRUE);
      g_hash_table_replace (self->troubles, g_strdup (about), g_strdup (what));
    }
  vr_relay_say_changed (self);
}

void
vr_relay_say_moved (VrRelay *self, const VrRecord *custody, const char *from)
{
  g_signal_emit_by_name (self, "guest-moved", custody, from);
}

void
vr_relay_say_path (VrRelay *self, const VrPath *path)
{
  g_signal_emit_by_name (self, "path-changed", path);
}

/* Ready: hooks are taken, and what can be known is known. A libvirtd that is away is no reason to keep others waiting. */
void
vr_relay_say_ready (VrRelay *self)
{
  if (self->is_ready || !self->log_ready || !(self->virt_known || self->virt_away))
    return;
  self->is_ready = TRUE;
  g_signal_emit_by_name (self, "ready");
}

static gboolean
on_idle (gpointer data)
{
  VrRelay *self = data;

  self->idle = 0;
  self->reconcile (self);
  return G_SOURCE_REMOVE;
}

void
vr_relay_reconcile_soon (VrRelay *self)
{
  if (self->idle == 0)
    self->idle = g_idle_add_full (G_PRIORITY_DEFAULT, on_idle, self, NULL);
}

static gboolean
on_due (gpointer data)
{
  VrRelay *self = data;

  self->due = 0;
  vr_relay_reconcile_soon (self);
  return G_SOURCE_REMOVE;
}

void
vr_relay_reconcile_at (VrRelay *self, gint64 at_us)
{
  g_clear_handle_id (&self->due, g_source_remove);
  if (at_us != G_MAXINT64) /* not to be fooled by a clock that is set: looked at again after a minute at most */
    self->due = g_timeout_add (CLAMP ((at_us - g_get_real_time ()) / 1000 + 1, 1, 60000), on_due, self);
}
