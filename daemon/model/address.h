/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IP addresses and networks as canonical text, "10.9.1.100", "fd00:9:1::100", "10.9.1.0/24": what the whole daemon passes around. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* (transfer full) canonical text, or NULL with a G_IO_ERROR_INVALID_ARGUMENT that names `text` and says why. Unicast only. */
char    *vr_address_canonical (const char *text, GError **error);
gboolean vr_address_is_v6 (const char *address); /* of an address or a network in canonical text */

/*
 * "10.9.1.1/24" -> gateway "10.9.1.1", network "10.9.1.0/24" (either out pointer may be NULL). The address must be a host's,
 * not the network's own.
 */
gboolean vr_network_parse (const char *text, char **gateway, char **network, GError **error);
gboolean vr_network_contains (const char *gateway_or_network, const char *address); /* both well formed */

/* The n-th of a network's addresses before its last one, (transfer full); NULL: it has fewer, or n is 0 and IPv4's last is for broadcast. Well formed. */
char    *vr_network_address_before_last (const char *gateway_or_network, guint n);

/* A network in binary form, for questions that are asked of many. */
typedef struct {
  guint8 bytes[16]; /* its own address; after `size` bytes: 0 */
  guint  size;      /* 4 or 16 */
  guint  length;    /* of the prefix, bits */
} VrNet;

/* `text` is a network, a gateway with its prefix, or an address alone (then a network of that one); well formed. */
void     vr_net_set (VrNet *net, const char *text);
gboolean vr_net_holds (const VrNet *net, const VrNet *other); /* all of `other` is in `net` */
gboolean vr_net_overlaps (const VrNet *a, const VrNet *b);

G_END_DECLS
