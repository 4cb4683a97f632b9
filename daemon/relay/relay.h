/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The relay: where everything meets. Facts come in from libvirt, hooks, the log, charon and the kernel; each ends in
 * reconcile, which makes the plan and applies the difference. It also writes this host's own records: what happened to its
 * guests. Main loop only.
 */
#pragma once

#include "daemon/config.h"
#include "daemon/kernel/kernel.h"
#include "daemon/ledger/sums.h"
#include "daemon/log/log.h"
#include "daemon/model/explain.h"
#include "daemon/tunnel/tunnels.h"
#include "daemon/virt/hook-listener.h"
#include "daemon/virt/virt.h"

G_BEGIN_DECLS

/* One guest as this host sees it, for people. */
typedef struct {
  const VrRecord *record;   /* custody */
  const VrRecord *intent;   /* or NULL */
  const char     *role;     /* of this host: "owner", "target", "origin", "home", "peer"; "none": the guest is stopped */
  const char     *path;     /* the interface by which this host sends to it: "br0", "vr-h3"; NULL: no way of virt-relay's */
  guint64         relayed;  /* packets this host relayed to it */
  guint64         answers;  /* peer: packets that came straight from it */
} VrGuestView;

typedef struct {
  const VrHost *host;
  gboolean      self, wanted, up;
  gint64        since_us;   /* when the tunnel came up */
  const char   *dev, *trouble;
} VrHostView;

/* A record that is not believed. */
typedef struct {
  VrRecord *record; /* of a guest; NULL: it is a host's */
  VrHost   *host;
  char     *why;
  gboolean  waits;  /* it may still be believed, when more is known; else it can never be */
} VrRefusedView;

void vr_refused_view_free (gpointer view);

#define VR_TYPE_RELAY (vr_relay_get_type ())
G_DECLARE_FINAL_TYPE (VrRelay, vr_relay, VR, RELAY, GObject)

/* Signals: "changed" () something that a view shows is different; "ready" () the first reconcile is done; "flushed" () vr_relay_flush() was called; what
 * happened, for people: "guest-moved" (const VrRecord *record, const char *from), "path-changed" (const VrPath *path), "tunnel-changed" (const char
 * *peer, gboolean up, const char *trouble, "" if there is none), "trouble" (const char *about, const char *what, gboolean began). All parts are kept. */
VrRelay *vr_relay_new (const VrConfig *config, VrKernel *kernel, VrLog *log, VrTunnels *tunnels, VrVirt *virt, VrHookListener *hooks);
void     vr_relay_start (VrRelay *relay);
void     vr_relay_stop (VrRelay *relay); /* the kernel, the SAs and the log stay as they are: traffic goes on */

/*
 * Takes everything of virt-relay's out of the kernel, and the tunnels down, for good: this relay plans nothing any more, and its daemon has to
 * end. FALSE: something could not be taken away, the rest is.
 */
gboolean vr_relay_flush (VrRelay *relay, GError **error);

GPtrArray  *vr_relay_guests (VrRelay *relay);   /* of VrGuestView (g_free), valid until the main loop runs again */
GPtrArray  *vr_relay_hosts (VrRelay *relay);    /* of VrHostView (g_free), likewise */
GPtrArray  *vr_relay_troubles (VrRelay *relay); /* of char*: what is not as it should be, each with its cure */
/* As vr_explain(), of the plan that was applied last. What it says of a record is valid until the main loop runs again. */
VrExplanation *vr_relay_explain (VrRelay *relay, const char *whom, const char *from, GError **error);
/* Of one guest (uuid, or a name that it ever bore) or, for "", of all: of VrMigration, oldest first; NULL: no such guest. */
GPtrArray  *vr_relay_migrations (VrRelay *relay, const char *guest);
gboolean    vr_relay_knows_guest (VrRelay *relay, const char *guest);
/* Records that are not believed, by writer and seq, of VrRefusedView; of those that can never be the last 16 of each writer. (transfer full) */
GPtrArray  *vr_relay_refused (VrRelay *relay);
GHashTable *vr_relay_refused_counts (VrRelay *relay); /* writer -> how many (GUINT_TO_POINTER) that can never be came since the start. (transfer full) */
gint64      vr_relay_last_hook_us (VrRelay *relay); /* when the hook's last event happened that came, wall clock; 0: none came */
VrLog      *vr_relay_log (VrRelay *relay);
VrKernel   *vr_relay_kernel (VrRelay *relay);

G_END_DECLS
