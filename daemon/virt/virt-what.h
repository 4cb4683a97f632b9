/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libvirt's and QEMU's events in the words of VrVirtWhat. Pure functions, any thread; theory of operation in
 * virt-what.c.
 */
#pragma once

#include "daemon/virt/virt.h"

G_BEGIN_DECLS

/*
 * virDomainEventType and its detail. FALSE, *what left alone: it decides nothing. Details of a later libvirt count as
 * the plain case.
 */
gboolean vr_virt_what_from_lifecycle (int event, int detail, VrVirtWhat *what);

/* The QEMU events worth asking for, a regular expression over their names. */
#define VR_VIRT_QEMU_EVENTS "^(STOP|RESUME|MIGRATION)$"

/*
 * A QEMU monitor event and its data (JSON, or NULL). FALSE, *what left alone: it decides nothing, or is not
 * understood.
 */
gboolean vr_virt_what_from_qemu (const char *event, const char *details, VrVirtWhat *what);

G_END_DECLS
