/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How packets and frames leave by a given interface straight from user space: past routes, rules and filters, with no hop counted. One
 * packet socket each (CAP_NET_RAW), which needs no interface, route or rule of its own. What is sent before a route changes goes the new way
 * all the same.
 *
 * A tunnel's interface takes packets (IPv4, IPv6): an XFRM interface has no link header; an Ethernet one in its place gets the header that
 * the kernel itself would write on an interface with "arp off". A tap takes whole frames.
 *
 * The header that goes with each (virtio_net_hdr, as packet sockets and taps give it) says what is still to be done: partial checksums are
 * completed, GSO packets segmented, by the kernel. Sending neither allocates, logs nor waits. Any one thread at a time.
 */
#pragma once

#include <glib.h>
#include <linux/virtio_net.h>

G_BEGIN_DECLS

#define VR_SWITCHOVER_ERROR (vr_switchover_error_quark ())
typedef enum {
  VR_SWITCHOVER_ERROR_INTERFACE, /* there is none of that name, or it is of no kind that can be used */
  VR_SWITCHOVER_ERROR_SOCKET,    /* the kernel refused: the text names what and why */
  VR_SWITCHOVER_ERROR_QUEUES,    /* QEMU's tap queues cannot be had */
} VrSwitchoverError;
GQuark vr_switchover_error_quark (void);

typedef struct _VrOutlet VrOutlet;

/* By the interface that is called `dev` now, in the namespace of the calling thread: bound to its index, not its name. It does not keep
 * the interface alive. */
VrOutlet *vr_outlet_new (const char *dev, GError **error);
void      vr_outlet_free (VrOutlet *outlet); /* NULL is fine */

/*
 * One packet, from its IP header on, out of a tunnel's interface. `header` (nullable: nothing is left to do) counts csum_start and hdr_len
 * from the start of the packet. An IPv4 packet that is larger than the interface's MTU is sent in pieces, if its sender allows that; the TCP segments of a GSO
 * packet are made smaller. 0, or an errno: EMSGSIZE if it is too large, ENETDOWN, ENXIO if the interface is gone,
 * EPROTONOSUPPORT if it is neither IPv4 nor IPv6. An IPv6 packet needs any route to its destination to be there, by whatever interface.
 */
int vr_outlet_send_packet (VrOutlet *outlet, const struct virtio_net_hdr *header, gconstpointer packet, gsize len);

/*
 * Tells the senders of what was too large since it was asked last how large their packets may be (too-big.h). Gives how many were told. Not where time
 * matters. Their error leaves by the routes of the calling thread's namespace.
 */
guint vr_outlet_tell_senders (VrOutlet *outlet);

/* One whole Ethernet frame; `header` (nullable) counts from the start of the frame. 0, or an errno. */
int vr_outlet_send_frame (VrOutlet *outlet, const struct virtio_net_hdr *header, gconstpointer frame, gsize len);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrOutlet, vr_outlet_free)

G_END_DECLS
