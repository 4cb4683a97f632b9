/* SPDX-License-Identifier: GPL-2.0-or-later */
/* List and look: which calls they take, one after the other. Main thread. */
#pragma once

#include "daemon/virt/virt-calls.h"

G_BEGIN_DECLS

/*
 * Describes the guest with this uuid, or, for NULL, all active ones. `task` (transfer full) gets a VrVirtGuest, or a
 * GPtrArray of them; host: as vr_virt_new() has it; errors are those of the calls. The task's source object must own `calls`.
 */
void vr_virt_describe (VrVirtCalls *calls, const char *uuid, const char *host, guint deadline_ms, GTask *task);

G_END_DECLS
