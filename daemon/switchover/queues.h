/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The queues of a guest's tap, as QEMU has them open: read from here, what QEMU has not taken is taken before it. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define VR_FRAME_MAX (64 * 1024 + 512) /* bytes of the largest frame, its header included */

typedef struct _VrQueues VrQueues;

/*
 * Of the tap called `tap`, from the process that `pid_file` names; its place in this network namespace is checked. Nothing is read yet, and
 * QEMU notices nothing. CAP_SYS_PTRACE. As long as they are held the tap does not go, whatever becomes of QEMU.
 */
VrQueues *vr_queues_open (const char *pid_file, const char *tap, GError **error);
void      vr_queues_free (VrQueues *queues); /* NULL is fine */

guint     vr_queues_count (const VrQueues *queues);
gsize     vr_queues_header_size (const VrQueues *queues); /* bytes before each frame: 0, or a virtio_net_hdr and what QEMU wants behind it */
/* The next frame of queue number `queue`, its header before it; never waits: -1 if there is none, or the tap is gone. */
gssize    vr_queues_read (VrQueues *queues, guint queue, gpointer buffer, gsize size);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrQueues, vr_queues_free)

G_END_DECLS
