/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The length of a tap's queue: how many frames wait there for the guest. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * Makes the queue of the tap of that name and index at least `packets` long for `ms` milliseconds of the main loop; then it is as it was, unless
 * another changed it meanwhile, or the tap is gone. Main loop.
 */
void vr_tap_queue_lengthen (const char *tap, int index, guint packets, guint ms);

G_END_DECLS
