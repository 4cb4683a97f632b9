/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The length of a tap's queue: how many frames wait there for the guest. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * Makes the queue of the tap of that name and index at least `packets` long; it stays so as long as the tap is there. What waits in it stays, what
 * is sent into it at that moment is dropped by the kernel: so only while nothing is.
 */
void vr_tap_queue_lengthen (const char *tap, int index, guint packets);

G_END_DECLS
