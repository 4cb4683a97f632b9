/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of xml/ share among themselves. Nodes belong to their document; strings are the caller's. */
#pragma once

#include "xml/guest-xml.h"

#include <libxml/tree.h>

G_BEGIN_DECLS

/* The first child element, or the next sibling one, of this name in this namespace (NULL: none); NULL when there is none. */
xmlNode *vr_xml_first (const xmlNode *parent, const char *name, const char *ns);
xmlNode *vr_xml_next (const xmlNode *node, const char *name, const char *ns);

/* An attribute's value, or an element's text without surrounding blanks, as a new string; NULL when missing or empty. */
char *vr_xml_attribute (const xmlNode *node, const char *name);
char *vr_xml_text (const xmlNode *node);

/* Adds a line to the guest's warnings; after the first 100 no more are kept. */
void vr_xml_warn (VrGuestXml *guest, const char *format, ...) G_GNUC_PRINTF (2, 3);

/* Reads <metadata>'s own element into guest->metadata; `metadata` may be NULL. (guest-sources.c) */
void vr_xml_read_own_metadata (VrGuestXml *guest, const xmlNode *metadata);

/*
 * Fills in the addresses of every NIC from the best source. `interfaces` are the <interface> elements, one for each of
 * `slots`: the NIC that was made of it, or NULL when it was left out. (guest-sources.c)
 */
void vr_xml_read_addresses (VrGuestXml *guest, const xmlNode *metadata, GPtrArray *interfaces, GPtrArray *slots);

G_END_DECLS
