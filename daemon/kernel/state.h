/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel cannot remember for us: which bridge forwarding entries are ours (they carry no tag), what sysctls held
 * before, and how the nftables tables looked when they were made. A small file on a file system that a reboot empties, as it empties the kernel.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _VrKernelState VrKernelState;

VrKernelState *vr_kernel_state_load (const char *path); /* none there, or damaged: empty */
void           vr_kernel_state_free (VrKernelState *state);
gboolean       vr_kernel_state_save (VrKernelState *state, GError **error); /* atomically, only if something changed */
void           vr_kernel_state_clear (VrKernelState *state);                /* empty, and no file */

/* Forwardings by their line (vr_forwarding_to_string()). */
gboolean       vr_kernel_state_has_forwarding (VrKernelState *state, const char *line);
void           vr_kernel_state_add_forwarding (VrKernelState *state, const char *line);
void           vr_kernel_state_remove_forwarding (VrKernelState *state, const char *line);
GPtrArray *vr_kernel_state_forwardings (
    VrKernelState *state); /* (transfer container), sorted, strings the state's until it changes */

/* Sysctls: path -> the value found before; NULL: not remembered. */
const char    *vr_kernel_state_sysctl (VrKernelState *state, const char *path);
void           vr_kernel_state_set_sysctl (VrKernelState *state, const char *path, const char *former /* NULL: forget */);
GPtrArray     *vr_kernel_state_sysctls (VrKernelState *state); /* of paths, likewise */

/* The mark of a table that is as we made it; NULL: not remembered. */
const char    *vr_kernel_state_table (VrKernelState *state, const char *table);
void           vr_kernel_state_set_table (VrKernelState *state, const char *table, const char *mark);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrKernelState, vr_kernel_state_free)

G_END_DECLS
