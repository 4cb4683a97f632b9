/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libvirt as a source of facts. Events arrive in the GLib main loop (libvirt-glib's event loop) on one connection
 * that makes no call which can wait behind a job or a hook; calls run on worker threads with connections of their own
 * and deadlines. A libvirtd that is away, slow or back is a matter of "connected" and "disconnected", and of trying
 * again with backoff.
 *
 * Everything here belongs to the thread that runs the default main context. The process must ignore SIGPIPE, and
 * nobody may have registered another event loop with libvirt.
 */
#pragma once

#include "xml/guest-xml.h"

#include <gio/gio.h>

G_BEGIN_DECLS

#define VR_VIRT_ERROR (vr_virt_error_quark ())
typedef enum {
  VR_VIRT_ERROR_CONNECT, /* not connected, or not any more: "connected" will follow */
  VR_VIRT_ERROR_CALL,    /* libvirt refused: its own message */
  VR_VIRT_ERROR_GONE,    /* no such guest, or it does not run */
  VR_VIRT_ERROR_TIMEOUT  /* no answer before the deadline; libvirt may still do what it was asked to */
} VrVirtError;
GQuark vr_virt_error_quark (void);

/* What happened to a guest, in the words that decide something. Which comes when: virt-what.c. */
typedef enum {
  VR_VIRT_STARTED,            /* started or restored here, not by a migration */
  VR_VIRT_STARTED_MIGRATED,   /* at a target: QEMU is there, waiting for the guest's memory */
  VR_VIRT_LEAVING,            /* at an origin: memory is being copied out; said several times, also after STOP */
  VR_VIRT_SUSPENDED_MIGRATED, /* at an origin: the CPUs stopped for good, unless UNPAUSED follows; said once */
  VR_VIRT_SUSPENDED_PAUSED,   /* paused; at a target: it came paused */
  VR_VIRT_RESUMED_MIGRATED,   /* at a target: it runs; or, if SUSPENDED_MIGRATED was before "connected": it came back */
  VR_VIRT_RESUMED_POSTCOPY,   /* at a target: it runs, memory follows */
  VR_VIRT_RESUMED_UNPAUSED,   /* at an origin after SUSPENDED_MIGRATED: it came back */
  VR_VIRT_STOPPED_MIGRATED,   /* at an origin: done */
  VR_VIRT_STOPPED_FAILED,     /* at a target: did not come after all; else: failed to start */
  VR_VIRT_STOPPED,            /* shut down, destroyed, crashed, saved */
  VR_VIRT_QEMU_STOP,          /* QEMU's own STOP: time_us is QEMU's */
  VR_VIRT_QEMU_RESUME,        /* QEMU's own RESUME */
  VR_VIRT_MIGRATION_CANCELLED, /* QEMU's MIGRATION cancelled or failed: at an origin, before or after STOP, or a target */
  VR_VIRT_CHANGED,            /* devices added or removed, metadata changed by others, its agent came up, ...: look */
} VrVirtWhat;
const char *vr_virt_what_to_string (VrVirtWhat what);

typedef struct {
  VrVirtWhat  what;
  const char *uuid, *name;
  gint64      time_us; /* wall clock; when libvirt's event came in, or QEMU's own time */
} VrVirtEvent;

typedef enum {
  VR_VIRT_STATE_RUNNING,
  VR_VIRT_STATE_PAUSED,
  VR_VIRT_STATE_PAUSED_MIGRATING, /* incoming: awaited here; else: handed over to the target */
  VR_VIRT_STATE_OTHER             /* asleep, crashed, shutting down */
} VrVirtState;

/* An active guest as libvirt describes it now. */
typedef struct {
  VrGuestXml *xml;         /* for each NIC and family that the XML names no address of, `learned` has what virDomainInterfaceAddresses
                              says: the first of lease and agent that says anything, else what the stamp remembers, else arp. What the
                              agent says is the guest's own word. */
  GHashTable *answered;    /* set of "MAC 4" and "MAC 6": lease or agent said it when this was looked at; NULL: none */
  VrVirtState state;
  gboolean    migrating;   /* it is leaving, or awaited; not: runs here while its memory still follows (post-copy) */
  gboolean    incoming;    /* this is the target and it does not run yet; the state is PAUSED or PAUSED_MIGRATING */
} VrVirtGuest;
void vr_virt_guest_free (VrVirtGuest *guest);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrVirtGuest, vr_virt_guest_free)

#define VR_TYPE_VIRT (vr_virt_get_type ())
G_DECLARE_FINAL_TYPE (VrVirt, vr_virt, VR, VIRT, GObject)

/*
 * Signals:
 *   "connected" (): events come from now on. What happened before is lost: list.
 *   "disconnected" (const char *why): once for each time that libvirt cannot be reached, also at the start.
 *   "event" (const VrVirtEvent *, valid during the emission): straight from libvirt's callback, nothing waits in between.
 */
/*
 * uri NULL: qemu:///system; connects to nothing yet. host: this host's name. Of guests whose stamp names another home the leases here
 * are not asked for: they would be another network's, or from an earlier stay; NULL: of all guests they are.
 */
VrVirt  *vr_virt_new (const char *uri, const char *host);
void     vr_virt_start (VrVirt *virt);  /* connects, and again whenever it has to; never fails, never waits */
void     vr_virt_stop (VrVirt *virt);   /* before the last unref: no more signals; calls end with VR_VIRT_ERROR_CONNECT */
gboolean vr_virt_is_connected (VrVirt *virt);

/* Why libvirt cannot be reached, with what to do, or NULL; valid until the main loop runs again. */
const char *vr_virt_get_trouble (VrVirt *virt);

/*
 * The calls. deadline_ms runs from the call on; then, or when it is cancelled, a call ends at once, whatever libvirtd
 * does. Errors are those of VR_VIRT_ERROR and G_IO_ERROR_CANCELLED.
 */

/*
 * All active guests: (transfer full) GPtrArray of VrVirtGuest, with vr_virt_guest_free(). A guest whose XML cannot be
 * used is left out, with a warning in the journal.
 */
void       vr_virt_list_async (VrVirt *virt, guint deadline_ms, GCancellable *cancellable, GAsyncReadyCallback callback,
                               gpointer data);
GPtrArray *vr_virt_list_finish (VrVirt *virt, GAsyncResult *result, GError **error);

/* One guest (transfer full); VR_VIRT_ERROR_GONE if it is not active here. */
void         vr_virt_look_async (VrVirt *virt, const char *uuid, guint deadline_ms, GCancellable *cancellable,
                                 GAsyncReadyCallback callback, gpointer data);
VrVirtGuest *vr_virt_look_finish (VrVirt *virt, GAsyncResult *result, GError **error);

/*
 * Stamps our metadata into the live XML (virDomainSetMetadata, VR_METADATA_NS); `element` as from
 * vr_guest_xml_format_metadata(), NULL takes it out. It may wait behind a migration job for minutes, and goes on
 * waiting when libvirt gives up (after 30 s).
 */
void     vr_virt_stamp_async (VrVirt *virt, const char *uuid, const char *element, guint deadline_ms,
                              GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);
gboolean vr_virt_stamp_finish (VrVirt *virt, GAsyncResult *result, GError **error);

G_END_DECLS
