/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One NIC of a switchover: QEMU's queues of its tap, the copies of what the tap sent, and what of it goes after the guest. */
#pragma once

#include "addresses.h"
#include "counts.h"
#include "outlet.h"

G_BEGIN_DECLS

typedef struct _VrPort VrPort;

/*
 * Gets hold of all that the NIC will need. `addresses` of the whole guest, of which this is NIC number `nic`; kept by the caller, as is `tunnel`, the way to
 * the target. Never fails: what cannot be had makes another way of it, with the reason in the counts. `memory`: bytes, of its copies.
 */
VrPort *vr_port_arm (const char *tap, const char *mac, const char *gateway_mac, const char *pid_file, VrAddresses *addresses, VrOutlet *tunnel,
                     gsize memory);
void    vr_port_free (VrPort *port);
gboolean vr_port_is_there (const VrPort *port); /* is its tap still the one that it was armed for? */
void    vr_port_trim (VrPort *port);            /* now and then, while it is armed */

/*
 * The critical section; nothing is allocated. Begin, once: when QEMU stopped, wall clock, or, if that is not known, when it was heard of. Then passes,
 * as often as wanted: what is in the tap is read, and all that QEMU did not give to the guest is sent to the target. Gives how many frames were sent.
 */
void    vr_port_begin (VrPort *port, gint64 stop_ns);
guint   vr_port_pass (VrPort *port);
void    vr_port_let_go (VrPort *port); /* of QEMU's queues and the copies */

/* An IP packet into the tap, as from the gateway. Its `header` counts from the packet's start. 0, or an errno. */
int     vr_port_push (VrPort *port, const struct virtio_net_hdr *header, const guint8 *packet, gsize len);
void    vr_port_lengthen (VrPort *port, guint packets); /* makes the tap's queue at least that long: tap-queue.h */

const VrSwitchoverNic *vr_port_counts (VrPort *port);
gsize                  vr_port_memory (const VrPort *port); /* bytes that it holds */

G_END_DECLS
