/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The addresses of a guest, as they stand in packets; and the socket filter that lets frames to them through. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _VrAddresses VrAddresses;

VrAddresses *vr_addresses_new (void);
void         vr_addresses_free (VrAddresses *addresses); /* NULL is fine */
/* An address as text, of NIC number `nic`; what is no address is left out. All are added before the first is looked for. */
void         vr_addresses_add (VrAddresses *addresses, const char *address, guint nic);

/* The NIC that an IPv4 or IPv6 packet of `len` bytes is for, by its destination; -1: for none, or no such packet. */
int          vr_addresses_find (VrAddresses *addresses, const guint8 *packet, gsize len);

/* Does an Ethernet frame, of which the first `len` bytes are there, go to one host alone and carry a packet to one of the addresses? */
gboolean     vr_addresses_match_frame (VrAddresses *addresses, const guint8 *frame, gsize len);

#define VR_ANY_QUEUE (-1)

/*
 * Lets through what leaves by an interface (link header: `link_len` bytes), carries no VLAN tag, and goes to one of the addresses; only if it
 * was put into that queue of the interface's; with `and_above`, or a later one. More addresses than a filter can hold: any IP packet.
 * 0, or an errno.
 */
int          vr_addresses_filter (VrAddresses *addresses, int fd, guint link_len, int queue, gboolean and_above);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrAddresses, vr_addresses_free)

G_END_DECLS
