/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libvirt's handles and errors in GLib's ways; worker threads. */
#pragma once

#include "daemon/virt/virt.h"

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

G_BEGIN_DECLS

G_DEFINE_AUTOPTR_CLEANUP_FUNC (virDomain, virDomainFree)

/*
 * Sets `error` from this thread's last libvirt error: "cannot WHAT: libvirt's message". VR_VIRT_ERROR_CONNECT if the
 * connection is dead, whatever libvirt said; else GONE (no such guest), TIMEOUT (libvirt gave up waiting for another
 * job) or CALL. Mind that every libvirt function forgets the last error, one in the arguments too.
 */
void vr_virt_set_error (GError **error, virConnectPtr conn, const char *format, ...) G_GNUC_PRINTF (3, 4);

G_END_DECLS
