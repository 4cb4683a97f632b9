/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Domain XML -> guest: who it is, its NICs, their addresses. From libvirt's hooks and from virDomainGetXMLDesc(), of any
 * stage of a guest's life; theory of operation in guest-xml.c. Knows no libvirt and no daemon. Every function may be
 * called from any thread.
 */
#pragma once

#include <glib.h>

#include "xml/guest-metadata.h"

G_BEGIN_DECLS

#define VR_GUEST_XML_MAX_SIZE (16 * 1024 * 1024) /* bytes */
#define VR_GUEST_XML_MAX_ELEMENTS 200000
#define VR_GUEST_XML_MAX_DEPTH 250
#define VR_GUEST_XML_MAX_NICS 128     /* more are left out with a warning */
#define VR_GUEST_XML_MAX_ADDRESSES 64 /* of one NIC; likewise */

#define VR_GUEST_XML_ERROR (vr_guest_xml_error_quark ())
GQuark vr_guest_xml_error_quark (void);

typedef enum {
  VR_GUEST_XML_ERROR_TOO_LARGE, /* over one of the limits above */
  VR_GUEST_XML_ERROR_SYNTAX,    /* not well-formed, or with a DOCTYPE */
  VR_GUEST_XML_ERROR_CONTENT,   /* well-formed, but no guest: wrong root, no name, no uuid */
  VR_GUEST_XML_ERROR_ADDRESS,   /* vr_guest_xml_canonical_address() and _mac() */
} VrGuestXmlErrorCode;

typedef enum {
  VR_NIC_BRIDGE,   /* on a bridge of the administrator's, or of a libvirt network that names one */
  VR_NIC_NETWORK,  /* on a libvirt network (which has a bridge of its own, see `bridge`) */
  VR_NIC_ETHERNET, /* a tap and nothing else: routed, or plugged in by somebody's script */
  VR_NIC_OTHER,    /* direct, hostdev, user, vhostuser, ...: nothing that virt-relay can route to */
} VrNicType;

typedef enum {
  VR_ADDRESS_SOURCE_NONE,     /* the XML says nothing: ask libvirt */
  VR_ADDRESS_SOURCE_METADATA, /* virt-relay's own <metadata> */
  VR_ADDRESS_SOURCE_NWFILTER, /* <filterref><parameter name='IP'|'IPV6' .../> */
  VR_ADDRESS_SOURCE_NOVA,     /* OpenStack Nova's <metadata> */
} VrAddressSource;

typedef struct {
  char *mac;              /* lower case */
  VrNicType type;         /* what to do with it */
  char *type_name;        /* as in the XML: "bridge", "direct", ... */
  char *network;          /* libvirt network, or NULL */
  char *bridge;           /* the bridge's device, or NULL: an ethernet NIC, or a network whose bridge is not yet known */
  char *target;           /* the tap's device, or NULL: not made yet (`migrate begin`, a guest that does not run) */
  GPtrArray *addresses;   /* of char *: canonical, without duplicates, in the XML's order; may be empty, never NULL */
  VrAddressSource source; /* where they come from */
  GPtrArray *learned;     /* of char *: of the families that `addresses` has none of, what our stamp remembers from other sources */
} VrGuestNic;

typedef struct {
  char *uuid;                /* canonical: lower case, with dashes */
  char *name;                /* never empty */
  int id;                    /* libvirt's domain id, -1 when it has none (not running, or `migrate begin`) */
  GPtrArray *nics;           /* of VrGuestNic *, in the XML's order; never NULL */
  VrGuestMetadata *metadata; /* virt-relay's own, or NULL when there is none */
  GPtrArray *warnings;       /* of char *: what was left out and why, one line each, for the journal; never NULL */
} VrGuestXml;

/*
 * Reads a domain's XML (`len` bytes, or -1 for a NUL-terminated string). What concerns one NIC or one address only
 * and is wrong is left out with a warning; the guest counts all the same. Gives a new guest (vr_guest_xml_free()), or
 * NULL with an error of VR_GUEST_XML_ERROR. Never touches network or files, whatever the XML says.
 */
VrGuestXml *vr_guest_xml_parse (const char *xml, gssize len, GError **error);
void vr_guest_xml_free (VrGuestXml *guest);

/* The NIC with this MAC (any case), or NULL. It belongs to `guest`. */
const VrGuestNic *vr_guest_xml_find_nic (const VrGuestXml *guest, const char *mac);

/* Does the XML itself name an address of this family for the NIC? Then no other source is asked. */
gboolean vr_guest_nic_names (const VrGuestNic *nic, gboolean v6);

/* Static names for messages and dumps: "bridge", "metadata", ... */
const char *vr_nic_type_to_string (VrNicType type);
const char *vr_address_source_to_string (VrAddressSource source);

/*
 * The one text form of a guest's address (inet_ntop's), e.g. "fd00::1" for "FD00:0:0::1"; g_free(). Errors for what
 * is no address, has a prefix length or scope, or cannot be one guest's address between hosts: unspecified, loopback,
 * multicast, broadcast, link-local, IPv4-mapped. Use it too for addresses that come from elsewhere (libvirt's leases,
 * the guest agent).
 */
char *vr_guest_xml_canonical_address (const char *text, GError **error);

/* A unicast MAC in lower case, "52:54:00:00:00:64"; g_free(). Errors for anything else, all zeros and multicast included. */
char *vr_guest_xml_canonical_mac (const char *text, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrGuestXml, vr_guest_xml_free)

G_END_DECLS
