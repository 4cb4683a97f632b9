/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The first packet through a tunnel. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * Sends one datagram out of that interface, for nobody: the other end's kernel drops it, but has counted it for its CHILD_SA by then. FALSE:
 * it could not be sent; *error says why. Needs CAP_NET_RAW where the kernel is older than 5.7. Any thread; does not block.
 */
gboolean vr_greeting_send (const char *dev, GError **error);

G_END_DECLS
