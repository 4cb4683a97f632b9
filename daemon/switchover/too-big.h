/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Senders of packets that are larger than the tunnel takes, and must not be cut: they are told so, by ICMP's "fragmentation needed" (RFC 792,
 * RFC 1191) or ICMPv6's "packet too big" (RFC 4443), as a router tells them, and send smaller ones. One thread.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define VR_TOO_BIG_MAX 16 /* that are told at a time; the others are told by the kernel, of their next packet */

typedef struct _VrTooBig VrTooBig;

VrTooBig *vr_too_big_new (void);
void      vr_too_big_free (VrTooBig *too_big); /* NULL is fine */

/*
 * A packet, from its IP header on, was too large. What an error has to quote of it is copied, of the first from each source to each destination; nothing is
 * allocated, and no system call made. What nobody is to be told of (RFC 1122, 3.2.2; RFC 4443, 2.4) is left out.
 */
void      vr_too_big_note (VrTooBig *too_big, const guint8 *packet, gsize len);

/* Tells those who were noted that so many bytes are the most, and forgets them. Gives how many were told. CAP_NET_RAW. */
guint     vr_too_big_tell (VrTooBig *too_big, guint mtu);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrTooBig, vr_too_big_free)

G_END_DECLS
