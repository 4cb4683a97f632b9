/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IPv4 packets that a router may cut, because their sender does not forbid it, and how one does (RFC 791). Pure; nothing is allocated. */
#pragma once

#include <glib.h>
#include <netinet/ip.h>

G_BEGIN_DECLS

/* Is it such a packet, whole, and without options? */
gboolean vr_fragment_may (const guint8 *packet, gsize len);

typedef struct {
  struct iphdr ip;          /* of this piece */
  gsize        offset, len; /* of its payload in that of the packet, bytes */
} VrFragment;

/* The piece after `piece` (the first after one that is all 0) that an interface of that MTU takes. FALSE: that was the last one, or the MTU takes none. */
gboolean vr_fragment_next (VrFragment *piece, const guint8 *packet, gsize len, guint mtu);

/* The value of a checksum that covers `data` and has the sum of what else it covers where it stands, as the kernel leaves partial ones. Network order. */
guint16  vr_fragment_checksum (const guint8 *data, gsize len);

G_END_DECLS
