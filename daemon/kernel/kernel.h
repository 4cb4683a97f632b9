/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's side of a plan: observe what of ours is there, and apply the difference. Route netlink by libmnl, nftables
 * by libnftables. What carries our tags (names.h) is ours; nothing else is touched. All calls are synchronous
 * (microseconds for netlink, milliseconds for nftables, and only when something differs), main loop only.
 */
#pragma once

#include "daemon/model/plan.h"

#include <glib-object.h>

G_BEGIN_DECLS

#define VR_KERNEL_ERROR (vr_kernel_error_quark ())
typedef enum {
  VR_KERNEL_ERROR_NETLINK,  /* the kernel refused a message: the text names the item and the kernel's reason */
  VR_KERNEL_ERROR_NFTABLES,
  VR_KERNEL_ERROR_SYSCTL,
  VR_KERNEL_ERROR_LINK,
} VrKernelError;
GQuark vr_kernel_error_quark (void);

#define VR_TYPE_KERNEL (vr_kernel_get_type ())
G_DECLARE_FINAL_TYPE (VrKernel, vr_kernel, VR, KERNEL, GObject)

/*
 * Signals: "changed" (): links came (also by vr_kernel_ensure_xfrm()), went or changed, an address that a route wants as
 * its source came or went, or somebody altered or removed what is ours; coalesced, never for what vr_kernel_apply() did.
 * Nobody is told of proxy entries that somebody takes away: the next apply mends them. Works in the network namespace of
 * the calling thread. Construct-only property "state-file": what the kernel cannot remember for us, default
 * VR_RUN_DIR/kernel.state; it must outlive the process and not a reboot.
 */
VrKernel *vr_kernel_new (GError **error);

/*
 * Makes the kernel hold exactly the plan's routes, rules, neighbours, forwardings, elements, sysctls and queues (these at least that long). Adds before it
 * removes; changes a route in place. One item that fails does not stop the others: all are tried, the first error is
 * returned, FALSE. What cannot be yet because its interface is missing is no error: it is applied when the interface is
 * there ("changed"); likewise a route's source that is not configured here. What somebody else put there and equals an
 * item is used and never removed. A kernel that cannot do a part of the filter gets the rest, and each apply says so with
 * an error. `changes` (nullable): lines "+ item" and "- item" of what was done are appended. Sends the announcements that
 * the plan applied last did not hold.
 */
gboolean vr_kernel_apply (VrKernel *kernel, const VrPlan *plan, GPtrArray *changes, GError **error);

/* Those of ours that are there: (transfer full), of VrRoute. */
GPtrArray *vr_kernel_routes (VrKernel *kernel, GError **error);

/* Takes away everything of ours: routes, rules, neighbours, entries, tables, sysctls, vr- interfaces. */
gboolean vr_kernel_flush (VrKernel *kernel, GError **error);

/* name -> MAC of every link of this namespace; (transfer full), string -> string. Kept up to date by netlink events. */
GHashTable *vr_kernel_macs (VrKernel *kernel);
gboolean    vr_kernel_forwarding (VrKernel *kernel, gboolean v6); /* is net.*.forwarding on? */

/* Bytes and packets that a counted element (sets relay#, peer-guest#, sought#) or a named counter has seen. */
typedef struct {
  char   *name; /* "relay4 10.9.1.100", "peer-guest4 vr-h3 . 10.9.1.100"; or the named counter's: why a packet was dropped */
  guint64 packets, bytes;
} VrCounter;
void       vr_counter_free (VrCounter *counter);
GPtrArray *vr_kernel_counters (VrKernel *kernel, GError **error); /* of VrCounter */

/*
 * What the ledger counts, of VrCounter: "came4 ADDRESS", "handed4 …", "relay4 …", "own4 …", "arrived4 INTERFACE . ADDRESS", "tap-flood TAP",
 * "tap-out TAP", read in this order, which is the one in which a packet passes them, or `backwards`.
 */
GPtrArray *vr_kernel_tallies (VrKernel *kernel, gboolean backwards, GError **error);

/* What a tap counts. A packet counts as delivered when QEMU takes it, so what waits in the tap's queue is in neither. */
typedef struct {
  int     index;
  guint32 queue;     /* its length, packets */
  guint64 delivered, dropped;
} VrTap;
GHashTable *vr_kernel_taps (VrKernel *kernel, GError **error); /* of every link: name -> VrTap, (transfer full) */

/*
 * The fast path: a switchover's route changes, and before them the neighbours that they need, built beforehand into one
 * netlink buffer; they are replaced or added. vr_switch_commit() sends it and reads the acknowledgements: no allocation, no lookup, no logging. A switch is void when its links change (commit then
 * fails, and vr_kernel_apply() does the work); make it again after "changed". At most 256 of both; it keeps the kernel
 * object alive.
 */
typedef struct _VrSwitch VrSwitch;
VrSwitch *vr_switch_prepare (VrKernel *kernel, GPtrArray *neighbours /* of VrNeighbour; NULL: none */, GPtrArray *routes /* of VrRoute */,
                             GError **error);
gboolean  vr_switch_commit (VrSwitch *sw, gint64 *took_ns, GError **error);
gboolean  vr_switch_is_void (const VrSwitch *sw); /* as far as is known by now */
void      vr_switch_free (VrSwitch *sw);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrSwitch, vr_switch_free)

/* Links, for tunnel/: an XFRM interface (alias = alias) of that MTU (bytes) that is up; found and kept if it is there and right, else made
 * anew. */
gboolean vr_kernel_ensure_xfrm (VrKernel *kernel, const char *name, guint32 if_id, const char *alias, guint32 mtu,
                                 GError **error);
gboolean vr_kernel_remove_link (VrKernel *kernel, const char *name,
                                GError **error);   /* vr- names only; none there: TRUE */
GPtrArray *vr_kernel_our_links (VrKernel *kernel); /* names of the tunnels' interfaces that are there */

G_END_DECLS
