/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is asked of libvirt about guests. The functions that take a connection block for as long as libvirtd likes:
 * worker threads only. The others are pure.
 */
#pragma once

#include "daemon/virt/virt.h"

#include <libvirt/libvirt.h>

G_BEGIN_DECLS

typedef struct {
  char *mac, *address; /* both canonical */
} VrVirtAddress;

/*
 * Where a guest is in its life, and in which migration: libvirt's state, its reason, and the job that belongs to
 * them.
 */
typedef enum { VR_VIRT_JOB_UNKNOWN, VR_VIRT_JOB_NONE, VR_VIRT_JOB_OUT, VR_VIRT_JOB_IN } VrVirtJob;
typedef struct {
  int state, reason;
  VrVirtJob job;
} VrVirtSituation;

/* A guest on its way to being described. */
typedef struct {
  VrVirtGuest *guest;        /* without what vr_virt_guest_settle() sets */
  VrVirtSituation situation; /* the job is unknown yet */
  GPtrArray *neighbours;     /* of VrVirtAddress, or NULL: what the host's neighbour table says; if no agent does */
} VrVirtDraft;
void vr_virt_draft_free (VrVirtDraft *draft);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrVirtDraft, vr_virt_draft_free)

/*
 * All active guests, GPtrArray of VrVirtDraft. One whose XML cannot be used is left out, with a warning in the
 * journal. host: as vr_virt_new() has it.
 */
GPtrArray *vr_virt_guest_list (virConnectPtr conn, const char *host, GError **error);

/* One guest; VR_VIRT_ERROR_GONE: not active. */
VrVirtDraft *vr_virt_guest_look (virConnectPtr conn, const char *uuid, const char *host, GError **error);

/* Its situation, g_free(). Waits for other jobs of the guest (30 s), and for its QEMU. */
VrVirtSituation *vr_virt_guest_situate (virConnectPtr conn, const char *uuid, GError **error);

/* Sets state, migrating and incoming. FALSE: in this state the job must be known and is not. */
gboolean vr_virt_guest_settle (VrVirtGuest *guest, const VrVirtSituation *situation);

/*
 * What the guest itself says by its agent, GPtrArray of VrVirtAddress. libvirt waits for a silent agent, maybe for
 * ever.
 */
GPtrArray *vr_virt_guest_ask_agent (virConnectPtr conn, const char *uuid, GError **error);

/* Puts `element` (NULL: nothing) into the live XML in place of our metadata. */
gboolean vr_virt_guest_stamp (virConnectPtr conn, const char *uuid, const char *element, GError **error);

/*
 * Whether there is a NIC that virt-relay can route to, and a family of which neither its XML names an address nor a source
 * that was asked before.
 */
gboolean vr_virt_guest_lacks_address (const VrVirtGuest *guest);

/* A source answered: what `found` has for such a NIC and family takes the place of what was learned before. */
void vr_virt_guest_fill (VrVirtGuest *guest, GPtrArray *found);

/*
 * The same with what the host's neighbour table has. It knows only whom the host talked with, so it never takes the place
 * of anything.
 */
void vr_virt_guest_guess (VrVirtGuest *guest, GPtrArray *found);

/*
 * An address for vr_virt_guest_fill(), NULL if either is nothing that a guest can be reached by (loopback,
 * link-local, ...).
 */
VrVirtAddress *vr_virt_address_new (const char *mac, const char *address);
void           vr_virt_address_free (VrVirtAddress *address);

G_END_DECLS
