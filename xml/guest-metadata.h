/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What virt-relay itself keeps in a guest's <metadata> (the names stand in daemon/names.h):
 *
 *     <virt-relay:guest xmlns:virt-relay="urn:virt-relay:guest:1" home="h1" owner="h1" epoch="3"
 *                       token="…">
 *       <virt-relay:nic mac="52:54:00:00:00:64">
 *         <virt-relay:address>10.9.1.100</virt-relay:address>
 *         <virt-relay:address learned="yes">fd00:9:1::100</virt-relay:address>
 *       </virt-relay:nic>
 *     </virt-relay:guest>
 *
 * The daemon stamps it on each guest that runs here, so that it travels with the guest. An administrator may write the
 * addresses alone; what an administrator wrote stays, and comes before every other source. A learned address comes from
 * elsewhere (nwfilter, Nova, a lease, the guest's agent): the stamp remembers it for as long as its source, asked again, says nothing.
 * The token is 64 hexadecimal digits: a host that has it was given this XML (daemon/model/proof.h). It is a secret of the owner and of whom it
 * migrates the guest to, and is shown nowhere.
 * Plain data, no libvirt, no daemon; not thread-safe, but free of global state.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct {
  char *mac;            /* lower case, "52:54:00:00:00:64" */
  GPtrArray *addresses; /* of char *: canonical addresses without a prefix length, IPv4 and IPv6, as they were written */
  GPtrArray *learned;   /* likewise: those that are marked as learned; none is in both */
} VrMetadataNic;

typedef struct {
  char *home;      /* a host's name; NULL: not said */
  char *owner;     /* a host's name; NULL: not said */
  guint64 epoch;   /* 0: not said */
  char *token;     /* NULL: none */
  GPtrArray *nics; /* of VrMetadataNic * */
} VrGuestMetadata;

/* An empty one; vr_guest_metadata_free(). */
VrGuestMetadata *vr_guest_metadata_new (void);
void vr_guest_metadata_free (VrGuestMetadata *metadata);

/* Appends a NIC (mac is copied), or finds the one with this MAC. The NIC belongs to `metadata`. */
VrMetadataNic *vr_guest_metadata_get_nic (VrGuestMetadata *metadata, const char *mac);

/* Appends an address (copied) unless it is there already, learned or not. Takes it as it is: make it canonical before. */
void vr_metadata_nic_add_address (VrMetadataNic *nic, const char *address);
void vr_metadata_nic_add_learned (VrMetadataNic *nic, const char *address);

/* Whether both say the same, in the same order; NULL equals NULL only. Tells the daemon that a stamp is up to date. */
gboolean vr_guest_metadata_equal (const VrGuestMetadata *a, const VrGuestMetadata *b);

/*
 * The element's text for virDomainSetMetadata (domain, VIR_DOMAIN_METADATA_ELEMENT, text, VR_METADATA_PREFIX,
 * VR_METADATA_NS, flags). It carries no namespace of its own: libvirt puts prefix and namespace on every element, and
 * refuses text that declares them. NICs without an address are left out. g_free() it.
 */
char *vr_guest_xml_format_metadata (const VrGuestMetadata *metadata);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrGuestMetadata, vr_guest_metadata_free)

G_END_DECLS
