/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libvirt as a source of facts. Events arrive in the GLib main loop (libvirt-glib's event loop) on one connection that makes no
 * call which can wait behind a job or a hook; calls run on a second connection on worker threads, with deadlines. A libvirtd that
 * is away, slow or back is a matter of "connected" and "disconnected", and of trying again with backoff.
 */
#pragma once

#include "xml/guest-xml.h"

#include <gio/gio.h>

G_BEGIN_DECLS

#define VR_VIRT_ERROR (vr_virt_error_quark ())
typedef enum {
  VR_VIRT_ERROR_CONNECT, /* libvirtd does not answer */
  VR_VIRT_ERROR_CALL,    /* libvirt refused: its own message */
  VR_VIRT_ERROR_GONE,    /* no such guest */
  VR_VIRT_ERROR_TIMEOUT
} VrVirtError;
GQuark vr_virt_error_quark (void);

/* What happened to a guest, in the words that decide something. */
typedef enum {
  VR_VIRT_STARTED,            /* started or restored here, not by a migration */
  VR_VIRT_STARTED_MIGRATED,   /* at a target: QEMU is there, waiting for the guest's memory */
  VR_VIRT_LEAVING,            /* at an origin: memory is being copied out (migration-iteration) */
  VR_VIRT_SUSPENDED_MIGRATED, /* at an origin: the CPUs stopped for good, unless UNPAUSED follows */
  VR_VIRT_SUSPENDED_PAUSED,   /* paused; at a target: it came paused */
  VR_VIRT_RESUMED_MIGRATED,   /* at a target: it runs */
  VR_VIRT_RESUMED_POSTCOPY,   /* at a target: it runs, memory follows */
  VR_VIRT_RESUMED_UNPAUSED,   /* at an origin after SUSPENDED_MIGRATED: it came back */
  VR_VIRT_STOPPED_MIGRATED,   /* at an origin: done */
  VR_VIRT_STOPPED_FAILED,     /* at a target: did not come after all; else: failed to start */
  VR_VIRT_STOPPED,            /* shut down, destroyed, crashed, saved */
  VR_VIRT_QEMU_STOP,          /* QEMU's own STOP: time_us is QEMU's */
  VR_VIRT_QEMU_RESUME,        /* QEMU's own RESUME */
  VR_VIRT_MIGRATION_CANCELLED, /* QEMU's MIGRATION cancelled or failed: at an origin, before STOP */
  VR_VIRT_CHANGED,            /* devices added or removed, metadata changed by others: look again */
} VrVirtWhat;
const char *vr_virt_what_to_string (VrVirtWhat what);

typedef struct {
  VrVirtWhat  what;
  const char *uuid, *name;
  gint64      time_us; /* wall clock; when libvirt's event came in, or QEMU's own time */
} VrVirtEvent;

typedef enum { VR_VIRT_STATE_RUNNING, VR_VIRT_STATE_PAUSED, VR_VIRT_STATE_PAUSED_MIGRATING, VR_VIRT_STATE_OTHER } VrVirtState;

/* An active guest as libvirt describes it now. */
typedef struct {
  VrGuestXml *xml;         /* NICs that the XML gives no address have what virDomainInterfaceAddresses says (lease, agent, arp) */
  VrVirtState state;
  gboolean    migrating;   /* a migration job, in or out, is under way */
  gboolean    incoming;    /* … in: it is the target of one (paused, waiting) */
} VrVirtGuest;
void vr_virt_guest_free (VrVirtGuest *guest);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrVirtGuest, vr_virt_guest_free)

#define VR_TYPE_VIRT (vr_virt_get_type ())
G_DECLARE_FINAL_TYPE (VrVirt, vr_virt, VR, VIRT, GObject)

/*
 * Signals: "connected" (), "disconnected" (const char *why), "event" (const VrVirtEvent *, valid during the emission; SUSPENDED and
 * RESUMED are emitted straight from libvirt's callback, with nothing waited for in between).
 */
VrVirt  *vr_virt_new (const char *uri); /* NULL: qemu:///system */
void     vr_virt_start (VrVirt *virt);
void     vr_virt_stop (VrVirt *virt);
gboolean vr_virt_is_connected (VrVirt *virt);

/* All active guests: (transfer full) GPtrArray of VrVirtGuest. */
void       vr_virt_list_async (VrVirt *virt, guint deadline_ms, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);
GPtrArray *vr_virt_list_finish (VrVirt *virt, GAsyncResult *result, GError **error);

/* One guest; VR_VIRT_ERROR_GONE if it is not active here. */
void         vr_virt_look_async (VrVirt *virt, const char *uuid, guint deadline_ms, GCancellable *cancellable,
                                 GAsyncReadyCallback callback, gpointer data);
VrVirtGuest *vr_virt_look_finish (VrVirt *virt, GAsyncResult *result, GError **error);

/* Stamps our metadata into the live XML (virDomainSetMetadata, VR_METADATA_NS). It may wait behind a migration job for minutes. */
void     vr_virt_stamp_async (VrVirt *virt, const char *uuid, const char *element, guint deadline_ms, GCancellable *cancellable,
                              GAsyncReadyCallback callback, gpointer data);
gboolean vr_virt_stamp_finish (VrVirt *virt, GAsyncResult *result, GError **error);

G_END_DECLS
