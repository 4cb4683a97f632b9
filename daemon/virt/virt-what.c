/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What libvirt's events mean here. The order in which they come, of one live migration (libvirt 9.0, QEMU 7.2):
 *
 *   origin                                        target
 *                                                 STARTED/MIGRATED     started-migrated
 *   migration-iteration      leaving
 *   QEMU STOP                qemu-stop
 *   SUSPENDED/MIGRATED       suspended-migrated
 *                                                 RESUMED/MIGRATED     resumed-migrated
 *   STOPPED/MIGRATED         stopped-migrated
 *
 * - Post-copy: the origin says SUSPENDED/MIGRATED, then SUSPENDED/POSTCOPY; both are suspended-migrated, and the
 *   session (virt-session.c) passes only the first one on. The target says RESUMED/POSTCOPY, and at the end
 *   RESUMED/MIGRATED. A post-copy that failed has left both halves where they were: it is worth a look, no more.
 * - The user paused the guest before: the origin says nothing, the target SUSPENDED/PAUSED. The user pauses it while
 *   its memory is being copied: the origin says SUSPENDED/MIGRATED, as if the copy were done; RESUMED/UNPAUSED takes
 *   it back.
 * - Aborted before STOP: QEMU's MIGRATION "cancelled" (or "failed") alone at the origin, STOPPED/FAILED at the
 *   target. Aborted after STOP: RESUMED/UNPAUSED at the origin where QEMU resumed by itself, RESUMED/MIGRATED where
 *   libvirt had to do it (non-live). The session knows that the guest was handed over, and makes resumed-unpaused of
 *   both.
 * - RESUMED/UNPAUSED and SUSPENDED/PAUSED come from plain suspend and resume too; who hears them knows what came
 *   before.
 * - job-completed comes directly after STOPPED/MIGRATED, and not at all after an abort: it says nothing new and is
 *   not asked for.
 */
#include "daemon/virt/virt-what.h"

#include <json-glib/json-glib.h>
#include <libvirt/libvirt.h>

G_DEFINE_QUARK (vr-virt-error-quark, vr_virt_error)

const char *
vr_virt_what_to_string (VrVirtWhat what)
{
  static const char *const names[] = {
    [VR_VIRT_STARTED] = "started",
    [VR_VIRT_STARTED_MIGRATED] = "started-migrated",
    [VR_VIRT_LEAVING] = "leaving",
    [VR_VIRT_SUSPENDED_MIGRATED] = "suspended-migrated",
    [VR_VIRT_SUSPENDED_PAUSED] = "suspended-paused",
    [VR_VIRT_RESUMED_MIGRATED] = "resumed-migrated",
    [VR_VIRT_RESUMED_POSTCOPY] = "resumed-postcopy",
    [VR_VIRT_RESUMED_UNPAUSED] = "resumed-unpaused",
    [VR_VIRT_STOPPED_MIGRATED] = "stopped-migrated",
    [VR_VIRT_STOPPED_FAILED] = "stopped-failed",
    [VR_VIRT_STOPPED] = "stopped",
    [VR_VIRT_QEMU_STOP] = "qemu-stop",
    [VR_VIRT_QEMU_RESUME] = "qemu-resume",
    [VR_VIRT_MIGRATION_CANCELLED] = "migration-cancelled",
    [VR_VIRT_CHANGED] = "changed",
  };

  G_STATIC_ASSERT (G_N_ELEMENTS (names) == VR_VIRT_CHANGED + 1);
  g_return_val_if_fail ((guint) what < G_N_ELEMENTS (names), "?");
  return names[what];
}

static VrVirtWhat
what_from_suspended (int detail)
{
  switch (detail)
    {
    case VIR_DOMAIN_EVENT_SUSPENDED_MIGRATED:
    case VIR_DOMAIN_EVENT_SUSPENDED_POSTCOPY:
      return VR_VIRT_SUSPENDED_MIGRATED;
    case VIR_DOMAIN_EVENT_SUSPENDED_POSTCOPY_FAILED:
      return VR_VIRT_CHANGED;
    default: /* paused by the user, an I/O error, a watchdog, a snapshot, ... */
      return VR_VIRT_SUSPENDED_PAUSED;
    }
}

static VrVirtWhat
what_from_resumed (int detail)
{
  switch (detail)
    {
    case VIR_DOMAIN_EVENT_RESUMED_MIGRATED:
      return VR_VIRT_RESUMED_MIGRATED;
    case VIR_DOMAIN_EVENT_RESUMED_POSTCOPY:
      return VR_VIRT_RESUMED_POSTCOPY;
    case VIR_DOMAIN_EVENT_RESUMED_POSTCOPY_FAILED:
      return VR_VIRT_CHANGED;
    default:
      return VR_VIRT_RESUMED_UNPAUSED;
    }
}

static VrVirtWhat
what_from_stopped (int detail)
{
  switch (detail)
    {
    case VIR_DOMAIN_EVENT_STOPPED_MIGRATED:
      return VR_VIRT_STOPPED_MIGRATED;
    case VIR_DOMAIN_EVENT_STOPPED_FAILED:
      return VR_VIRT_STOPPED_FAILED;
    default:
      return VR_VIRT_STOPPED;
    }
}

static VrVirtWhat
what_from_started (int detail)
{
  switch (detail)
    {
    case VIR_DOMAIN_EVENT_STARTED_MIGRATED:
      return VR_VIRT_STARTED_MIGRATED;
    case VIR_DOMAIN_EVENT_STARTED_WAKEUP: /* it slept (PMSUSPENDED) and was here all the time */
      return VR_VIRT_CHANGED;
    default:
      return VR_VIRT_STARTED;
    }
}

gboolean
vr_virt_what_from_lifecycle (int event, int detail, VrVirtWhat *what)
{
  switch (event)
    {
    case VIR_DOMAIN_EVENT_STARTED:
      *what = what_from_started (detail);
      return TRUE;
    case VIR_DOMAIN_EVENT_SUSPENDED:
      *what = what_from_suspended (detail);
      return TRUE;
    case VIR_DOMAIN_EVENT_RESUMED:
      *what = what_from_resumed (detail);
      return TRUE;
    case VIR_DOMAIN_EVENT_STOPPED:
      *what = what_from_stopped (detail);
      return TRUE;
    case VIR_DOMAIN_EVENT_PMSUSPENDED:
    case VIR_DOMAIN_EVENT_CRASHED: /* kept for inspection, with its NICs */
      *what = VR_VIRT_CHANGED;
      return TRUE;
    default: /* defined, undefined: not about a running guest; shutdown: stopped follows */
      return FALSE;
    }
}

static gboolean
migration_ended (const char *details)
{
  g_autoptr (JsonNode) root = NULL;
  const char *status;

  if (details == NULL)
    return FALSE;
  root = json_from_string (details, NULL);
  if (root == NULL || !JSON_NODE_HOLDS_OBJECT (root))
    return FALSE;
  status = json_object_get_string_member_with_default (json_node_get_object (root), "status", "");
  return g_strcmp0 (status, "cancelled") == 0 || g_strcmp0 (status, "failed") == 0;
}

gboolean
vr_virt_what_from_qemu (const char *event, const char *details, VrVirtWhat *what)
{
  if (g_str_equal (event, "STOP"))
    *what = VR_VIRT_QEMU_STOP;
  else if (g_str_equal (event, "RESUME"))
    *what = VR_VIRT_QEMU_RESUME;
  else if (g_str_equal (event, "MIGRATION") && migration_ended (details))
    *what = VR_VIRT_MIGRATION_CANCELLED;
  else
    return FALSE;
  return TRUE;
}
