/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A slow way between two hosts: an interface in each, and what enters one leaves the other later, in order. Made of two taps and a thread,
 * for kernels without netem. Neither asks for MACs (arp off), and both have the same one: as with a tunnel, all that arrives is for the host.
 */
#pragma once

#include <glib.h>

typedef struct _Delay Delay;

/* `dev` in host `a`, `other` in host `b`; "" is the test's own namespace. */
Delay *delay_new (const char *a, const char *dev, const char *b, const char *other, guint delay_ms);
void   delay_free (Delay *delay); /* and the interfaces */

/* From now on datagrams to this port (host order) from `a` to `b` are lost. */
void   delay_lose (Delay *delay, guint16 port);
guint  delay_lost (Delay *delay);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Delay, delay_free)
