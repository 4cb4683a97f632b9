/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The checksum of IPv4 headers, ICMP, UDP and TCP (RFC 1071). Pure. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Of `len` bytes; to be written as it is, in network order, where what it stands for was 0. */
guint16 vr_checksum (gconstpointer data, gsize len);

G_END_DECLS
