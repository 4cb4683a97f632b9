/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What libvirt's events and its hooks say of the guests on this host, made into their presence (guests.c).
 *
 * Hooks come first at a target, before libvirt would say anything (DESIGN: inbound first); at an origin events are all there is. Both
 * may be lost (daemon away), so each is also a reason to look.
 */
#include "relay-private.h"

#define STALE_HOOK_US (10 * G_USEC_PER_SEC)

static void
on_handed_over (VrRelay *self, VrLocal *local, gint64 event_us)
{
  if (local->presence == VR_PRESENCE_HANDED_OVER)
    return;
  vr_relay_flip (self, local, event_us);
  vr_relay_set_presence (self, local, VR_PRESENCE_HANDED_OVER);
  vr_relay_reconcile (self);
}

static void
on_virt_event (VrVirt *virt, const VrVirtEvent *event, gpointer data)
{
  VrRelay *self = data;
  VrLocal *local = vr_relay_local (self, event->uuid);

  switch (event->what)
    {
    case VR_VIRT_STARTED:
      vr_relay_set_presence (self, local, VR_PRESENCE_RUNNING);
      vr_relay_look (self, local);
      return;
    case VR_VIRT_STARTED_MIGRATED:
      vr_relay_set_presence (self, local, VR_PRESENCE_EXPECTED);
      vr_relay_look (self, local);
      return;
    case VR_VIRT_LEAVING:
      if (local->presence == VR_PRESENCE_RUNNING)
        vr_relay_set_presence (self, local, VR_PRESENCE_LEAVING);
      return;
    case VR_VIRT_SUSPENDED_MIGRATED:
      on_handed_over (self, local, event->time_us);
      return;
    case VR_VIRT_SUSPENDED_PAUSED: /* at a target: it came, paused by its user */
      if (local->presence != VR_PRESENCE_EXPECTED)
        break;
      G_GNUC_FALLTHROUGH;
    case VR_VIRT_RESUMED_MIGRATED:
    case VR_VIRT_RESUMED_POSTCOPY:
      if (local->presence == VR_PRESENCE_HANDED_OVER)
        vr_relay_flip_back (self, local);
      vr_relay_ledger_note (self, event->uuid, VR_PHASE_RESUMED, event->time_us);
      vr_relay_set_presence (self, local, VR_PRESENCE_RUNNING);
      return;
    case VR_VIRT_RESUMED_UNPAUSED:
      if (local->presence != VR_PRESENCE_HANDED_OVER)
        break;
      vr_relay_flip_back (self, local);
      vr_relay_set_presence (self, local, VR_PRESENCE_RUNNING);
      vr_relay_reconcile (self);
      return;
    case VR_VIRT_STOPPED_MIGRATED:
      if (local->presence == VR_PRESENCE_RUNNING || local->presence == VR_PRESENCE_LEAVING)
        on_handed_over (self, local, event->time_us); /* a paused guest gives no SUSPENDED */
      vr_relay_set_presence (self, local, VR_PRESENCE_ABSENT);
      return;
    case VR_VIRT_STOPPED_FAILED:
    case VR_VIRT_STOPPED:
      vr_relay_set_presence (self, local, VR_PRESENCE_ABSENT);
      return;
    case VR_VIRT_MIGRATION_CANCELLED:
      if (local->presence == VR_PRESENCE_LEAVING)
        vr_relay_set_presence (self, local, VR_PRESENCE_RUNNING);
      return;
    case VR_VIRT_QEMU_STOP:
      local->stop_us = event->time_us;
      break;
    case VR_VIRT_QEMU_RESUME:
      local->stop_us = 0;
      break;
    case VR_VIRT_CHANGED:
      vr_relay_look (self, local);
      return;
    }
  if (local->presence == VR_PRESENCE_ABSENT && local->timer == 0) /* nothing was known of it, and nothing is now */
    g_hash_table_remove (self->locals, event->uuid);
}

static void
on_hook (VrHookListener *hooks, VrHookEvent *event, gpointer data)
{
  VrRelay *self = data;
  VrLocal *local;
  g_autoptr (GError) error = NULL;
  g_autoptr (VrGuestXml) xml = vr_guest_xml_parse (event->xml, event->xml_len, &error);
  gboolean stale = g_get_real_time () - event->time_us > STALE_HOOK_US;

  self->last_hook_us = MAX (self->last_hook_us, event->time_us);
  vr_relay_say_changed (self);
  if (xml == NULL)
    {
      g_warning ("hook %s %s of guest %s: its XML cannot be used: %s", vr_hook_operation_to_string (event->operation),
                 event->sub_operation, event->guest, error->message);
      return;
    }
  local = vr_relay_local (self, xml->uuid);
  if (stale)
    {
      if (local->sighting == NULL)
        vr_local_see (local, xml);
      vr_relay_look (self, local);
      return;
    }
  switch (event->operation)
    {
    case VR_HOOK_MIGRATE:
      vr_local_see (local, xml);
      vr_relay_set_presence (self, local, VR_PRESENCE_EXPECTED);
      return;
    case VR_HOOK_START:
    case VR_HOOK_STARTED:
      if (local->presence == VR_PRESENCE_EXPECTED)
        {
          vr_local_see (local, xml);
          vr_relay_settle (self, local);
          return;
        }
      break;
    case VR_HOOK_STOPPED:
    case VR_HOOK_RELEASE:
      /* it does not come after all; of any other end libvirt's event says more: a migration, or a real one */
      if (local->presence == VR_PRESENCE_EXPECTED)
        {
          vr_relay_set_presence (self, local, VR_PRESENCE_ABSENT);
          return;
        }
      break;
    case VR_HOOK_RECONNECT:
    case VR_HOOK_ATTACH:
      vr_local_see (local, xml);
      vr_relay_look (self, local);
      return;
    default: /* prepare, restore: libvirt's own events follow */
      break;
    }
  if (local->presence == VR_PRESENCE_ABSENT && !local->looking && local->timer == 0)
    g_hash_table_remove (self->locals, xml->uuid);
}

static void
on_connected (VrVirt *virt, gpointer data)
{
  vr_relay_list (data);
}

static void
on_disconnected (VrVirt *virt, const char *why, gpointer data)
{
  VrRelay *self = data;

  self->virt_away = TRUE;
  vr_relay_trouble (self, "libvirt", why);
  vr_relay_say_ready (self);
}

void
vr_relay_events_connect (VrRelay *self)
{
  g_signal_connect_object (self->virt, "connected", G_CALLBACK (on_connected), self, 0);
  g_signal_connect_object (self->virt, "disconnected", G_CALLBACK (on_disconnected), self, 0);
  g_signal_connect_object (self->virt, "event", G_CALLBACK (on_virt_event), self, 0);
  g_signal_connect_object (self->hooks, "event", G_CALLBACK (on_hook), self, 0);
}
