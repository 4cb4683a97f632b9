/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The relay: where everything meets. Facts come in from libvirt, hooks, the log, charon and the kernel; each ends in
 * reconcile, which makes the plan and applies the difference. It also writes this host's own records: what happened to its
 * guests. Main loop only.
 */
#pragma once

#include "config.h"
#include "kernel/kernel.h"
#include "log/log.h"
#include "tunnel/tunnels.h"
#include "virt/hook-listener.h"
#include "virt/virt.h"

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

#define VR_TYPE_RELAY (vr_relay_get_type ())
G_DECLARE_FINAL_TYPE (VrRelay, vr_relay, VR, RELAY, GObject)

/* Signals: "changed" () something that a view shows is different; "ready" () the first reconcile is done. All parts are kept. */
VrRelay *vr_relay_new (const VrConfig *config, VrKernel *kernel, VrLog *log, VrTunnels *tunnels, VrVirt *virt, VrHookListener *hooks);
void     vr_relay_start (VrRelay *relay);
void     vr_relay_stop (VrRelay *relay); /* the kernel, the SAs and the log stay as they are: traffic goes on */

GPtrArray  *vr_relay_guests (VrRelay *relay);   /* of VrGuestView (g_free), valid until the main loop runs again */
GPtrArray  *vr_relay_hosts (VrRelay *relay);    /* of VrHostView (g_free), likewise */
GPtrArray  *vr_relay_troubles (VrRelay *relay); /* of char*: what is not as it should be, each with its cure */
VrLog      *vr_relay_log (VrRelay *relay);
VrKernel   *vr_relay_kernel (VrRelay *relay);

G_END_DECLS
