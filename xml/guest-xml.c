/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Domain XML -> guest. The XML comes from libvirt, but parts of it (<metadata>, names) from whoever may define a guest, and the
 * reader runs in the daemon's main loop as root. So it stays small and closed:
 *
 * - No DOCTYPE: libvirt writes none, and without one there are no entities, no external files and no default
 *   attributes. The parser stops at it, before it reads what is inside. Network access is off besides.
 * - Limits on bytes, elements and depth; the parser stops when one is passed.
 * - Always UTF-8, whatever the XML says of itself.
 *
 * What libvirt gives differs by stage. At `migrate begin`, and for a guest that does not run, there is no domain id,
 * a tap that libvirt names itself is missing, and so is the bridge of a libvirt network. Later <source> has the
 * bridge, for type='network' too; a NIC on a network of somebody else's bridge then is type='bridge'. NULLs in
 * VrGuestNic say what is missing.
 *
 * The addresses are guest-sources.c's.
 */
#include "xml/guest-xml-private.h"

#include <libxml/SAX2.h>
#include <libxml/parser.h>
#include <string.h>

#define MAX_WARNINGS 100

G_DEFINE_QUARK (vr-guest-xml-error-quark, vr_guest_xml_error)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (xmlParserCtxt, xmlFreeParserCtxt)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (xmlDoc, xmlFreeDoc)

/* ---- the result ---- */

static const char *const nic_type_words[] = { "bridge", "network", "ethernet", "other" };
G_STATIC_ASSERT (G_N_ELEMENTS (nic_type_words) == VR_NIC_OTHER + 1);

static const char *const source_words[] = { "none", "metadata", "nwfilter", "nova" };
G_STATIC_ASSERT (G_N_ELEMENTS (source_words) == VR_ADDRESS_SOURCE_NOVA + 1);

const char *
vr_nic_type_to_string (VrNicType type)
{
  return nic_type_words[MIN ((guint) type, VR_NIC_OTHER)];
}

const char *
vr_address_source_to_string (VrAddressSource source)
{
  return source_words[MIN ((guint) source, VR_ADDRESS_SOURCE_NOVA)];
}

static void
nic_free (gpointer data)
{
  VrGuestNic *nic = data;

  g_free (nic->mac);
  g_free (nic->type_name);
  g_free (nic->network);
  g_free (nic->bridge);
  g_free (nic->target);
  g_ptr_array_unref (nic->addresses);
  g_ptr_array_unref (nic->learned);
  g_free (nic);
}

static VrGuestXml *
guest_new (void)
{
  VrGuestXml *guest = g_new0 (VrGuestXml, 1);

  guest->id = -1;
  guest->nics = g_ptr_array_new_with_free_func (nic_free);
  guest->warnings = g_ptr_array_new_with_free_func (g_free);
  return guest;
}

void
vr_guest_xml_free (VrGuestXml *guest)
{
  g_free (guest->uuid);
  g_free (guest->name);
  g_ptr_array_unref (guest->nics);
  g_ptr_array_unref (guest->warnings);
  g_clear_pointer (&guest->metadata, vr_guest_metadata_free);
  g_free (guest);
}

const VrGuestNic *
vr_guest_xml_find_nic (const VrGuestXml *guest, const char *mac)
{
  for (guint i = 0; i < guest->nics->len; i++)
    {
      const VrGuestNic *nic = g_ptr_array_index (guest->nics, i);

      if (g_ascii_strcasecmp (nic->mac, mac) == 0)
        return nic;
    }
  return NULL;
}

gboolean
vr_guest_nic_names (const VrGuestNic *nic, gboolean v6)
{
  for (guint i = 0; i < nic->addresses->len; i++)
    if ((strchr (g_ptr_array_index (nic->addresses, i), ':') != NULL) == v6)
      return TRUE;
  return FALSE;
}

void
vr_xml_warn (VrGuestXml *guest, const char *format, ...)
{
  va_list args;

  if (guest->warnings->len >= MAX_WARNINGS)
    return;
  va_start (args, format);
  g_ptr_array_add (guest->warnings, g_strdup_vprintf (format, args));
  va_end (args);
}

/* ---- nodes ---- */

static xmlNode *
find_from (xmlNode *node, const char *name, const char *ns)
{
  for (; node != NULL; node = node->next)
    if (node->type == XML_ELEMENT_NODE && strcmp ((const char *) node->name, name) == 0 &&
        g_strcmp0 (node->ns != NULL ? (const char *) node->ns->href : NULL, ns) == 0)
      return node;
  return NULL;
}

xmlNode *
vr_xml_first (const xmlNode *parent, const char *name, const char *ns)
{
  return find_from (parent->children, name, ns);
}

xmlNode *
vr_xml_next (const xmlNode *node, const char *name, const char *ns)
{
  return find_from (node->next, name, ns);
}

/* libxml2's string as GLib's, without surrounding blanks; frees the former. */
static char *
take_text (xmlChar *text)
{
  char *copy = text != NULL ? g_strstrip (g_strdup ((const char *) text)) : NULL;

  xmlFree (text);
  if (copy != NULL && *copy == '\0')
    g_clear_pointer (&copy, g_free);
  return copy;
}

char *
vr_xml_attribute (const xmlNode *node, const char *name)
{
  return take_text (xmlGetNoNsProp ((xmlNode *) node, (const xmlChar *) name));
}

char *
vr_xml_text (const xmlNode *node)
{
  return take_text (xmlNodeGetContent ((xmlNode *) node));
}

/* The attribute of the first child element of this name; NULL when either is missing. */
static char *
child_attribute (const xmlNode *parent, const char *child, const char *attribute)
{
  const xmlNode *node = vr_xml_first (parent, child, NULL);

  return node != NULL ? vr_xml_attribute (node, attribute) : NULL;
}

/* ---- the parser and its limits ---- */

typedef struct {
  guint n_elements;
  GError *error; /* why the parser was stopped */
} Limits;

static void
stop (xmlParserCtxt *parser, VrGuestXmlErrorCode code, const char *why)
{
  Limits *limits = parser->_private;

  if (limits->error == NULL)
    limits->error = g_error_new_literal (VR_GUEST_XML_ERROR, (int) code, why);
  xmlStopParser (parser);
}

static void
on_doctype (void *data, const xmlChar *name, const xmlChar *external_id, const xmlChar *system_id)
{
  stop (data, VR_GUEST_XML_ERROR_SYNTAX, "the domain XML has a DOCTYPE, which libvirt never writes");
}

static void
on_element (void *data, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri, int n_namespaces,
            const xmlChar **namespaces, int n_attributes, int n_defaulted, const xmlChar **attributes)
{
  xmlParserCtxt *parser = data;
  Limits *limits = parser->_private;

  if (++limits->n_elements > VR_GUEST_XML_MAX_ELEMENTS)
    stop (parser, VR_GUEST_XML_ERROR_TOO_LARGE,
          "the domain XML has more than " G_STRINGIFY (VR_GUEST_XML_MAX_ELEMENTS) " elements");
  else if (parser->nodeNr >= VR_GUEST_XML_MAX_DEPTH)
    stop (parser, VR_GUEST_XML_ERROR_TOO_LARGE,
          "the domain XML is nested deeper than " G_STRINGIFY (VR_GUEST_XML_MAX_DEPTH) " elements");
  else
    xmlSAX2StartElementNs (data, name, prefix, uri, n_namespaces, namespaces, n_attributes, n_defaulted, attributes);
}

static xmlDoc *
parse_document (const char *xml, gsize len, GError **error)
{
  /* HUGE takes away libxml2's own limits, which differ by version: ours are stricter where it matters */
  const int options = XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_COMPACT | XML_PARSE_HUGE;
  g_autoptr (xmlParserCtxt) parser = NULL;
  g_autoptr (xmlDoc) doc = NULL;
  const xmlError *detail;
  Limits limits = { 0 };

  if (len > VR_GUEST_XML_MAX_SIZE)
    {
      g_set_error (error, VR_GUEST_XML_ERROR, VR_GUEST_XML_ERROR_TOO_LARGE,
                   "the domain XML has %" G_GSIZE_FORMAT " bytes, the limit is %d", len, VR_GUEST_XML_MAX_SIZE);
      return NULL;
    }
  parser = xmlNewParserCtxt ();
  parser->_private = &limits;
  parser->sax->internalSubset = on_doctype;
  parser->sax->startElementNs = on_element;
  doc = xmlCtxtReadMemory (parser, xml, (int) len, NULL, "UTF-8", options);
  if (limits.error != NULL)
    {
      g_propagate_error (error, limits.error);
      return NULL;
    }
  if (doc != NULL)
    return g_steal_pointer (&doc);
  detail = xmlCtxtGetLastError (parser);
  g_set_error (error, VR_GUEST_XML_ERROR, VR_GUEST_XML_ERROR_SYNTAX, "the domain XML is not well-formed: line %d: %s",
               detail != NULL ? detail->line : 0, detail != NULL && detail->message != NULL ? g_strchomp (detail->message) : "?");
  return NULL;
}

/* ---- the guest ---- */

static VrNicType
nic_type_from_word (const char *word)
{
  for (guint type = VR_NIC_BRIDGE; type < VR_NIC_OTHER; type++)
    if (g_strcmp0 (word, nic_type_words[type]) == 0)
      return (VrNicType) type;
  return VR_NIC_OTHER;
}

/* One <interface>, or NULL with a warning: without a MAC there is nothing to recognise it by. */
static VrGuestNic *
read_nic (VrGuestXml *guest, const xmlNode *interface)
{
  g_autofree char *written = child_attribute (interface, "mac", "address");
  g_autoptr (GError) error = NULL;
  g_autofree char *mac = written != NULL ? vr_guest_xml_canonical_mac (written, &error) : NULL;
  g_autofree char *type = vr_xml_attribute (interface, "type");
  VrGuestNic *nic;

  if (mac == NULL)
    {
      vr_xml_warn (guest, "an interface is left out: %s", error != NULL ? error->message : "it has no MAC address");
      return NULL;
    }
  if (guest->nics->len >= VR_GUEST_XML_MAX_NICS)
    {
      vr_xml_warn (guest, "the interface with MAC %s is left out: it is one more than %d", mac, VR_GUEST_XML_MAX_NICS);
      return NULL;
    }
  if (vr_guest_xml_find_nic (guest, mac) != NULL)
    {
      vr_xml_warn (guest, "a second interface with MAC %s is left out: give it a MAC of its own", mac);
      return NULL;
    }
  nic = g_new0 (VrGuestNic, 1);
  nic->mac = g_steal_pointer (&mac);
  nic->type = nic_type_from_word (type);
  nic->type_name = type != NULL ? g_steal_pointer (&type) : g_strdup ("");
  nic->network = child_attribute (interface, "source", "network");
  nic->bridge = child_attribute (interface, "source", "bridge");
  nic->target = child_attribute (interface, "target", "dev");
  nic->addresses = g_ptr_array_new_with_free_func (g_free);
  nic->learned = g_ptr_array_new_with_free_func (g_free);
  return nic;
}

static void
read_nics (VrGuestXml *guest, const xmlNode *domain)
{
  const xmlNode *devices = vr_xml_first (domain, "devices", NULL), *metadata = vr_xml_first (domain, "metadata", NULL);
  xmlNode *interface = devices != NULL ? vr_xml_first (devices, "interface", NULL) : NULL;
  g_autoptr (GPtrArray) interfaces = g_ptr_array_new (), slots = g_ptr_array_new ();

  for (; interface != NULL; interface = vr_xml_next (interface, "interface", NULL))
    {
      VrGuestNic *nic = read_nic (guest, interface);

      g_ptr_array_add (interfaces, interface);
      g_ptr_array_add (slots, nic);
      if (nic != NULL)
        g_ptr_array_add (guest->nics, nic);
    }
  vr_xml_read_own_metadata (guest, metadata);
  vr_xml_read_addresses (guest, metadata, interfaces, slots);
}

/* Name, uuid and id. */
static gboolean
read_identity (VrGuestXml *guest, const xmlNode *domain, GError **error)
{
  const xmlNode *name = vr_xml_first (domain, "name", NULL), *uuid = vr_xml_first (domain, "uuid", NULL);
  g_autofree char *uuid_text = uuid != NULL ? vr_xml_text (uuid) : NULL;
  g_autofree char *id_text = vr_xml_attribute (domain, "id");
  guint64 id;

  guest->name = name != NULL ? vr_xml_text (name) : NULL;
  guest->uuid = uuid_text != NULL ? g_ascii_strdown (uuid_text, -1) : NULL;
  if (guest->name == NULL)
    g_set_error_literal (error, VR_GUEST_XML_ERROR, VR_GUEST_XML_ERROR_CONTENT, "the domain XML has no <name>");
  else if (guest->uuid == NULL || !g_uuid_string_is_valid (guest->uuid))
    g_set_error (error, VR_GUEST_XML_ERROR, VR_GUEST_XML_ERROR_CONTENT, "the domain XML of guest %s has no <uuid>, or one that is "
                 "none: “%.80s”", guest->name, guest->uuid != NULL ? guest->uuid : "");
  else
    {
      if (id_text != NULL && g_ascii_string_to_unsigned (id_text, 10, 0, G_MAXINT, &id, NULL))
        guest->id = (int) id;
      return TRUE;
    }
  return FALSE;
}

VrGuestXml *
vr_guest_xml_parse (const char *xml, gssize len, GError **error)
{
  g_autoptr (xmlDoc) doc = parse_document (xml, len < 0 ? strlen (xml) : (gsize) len, error);
  g_autoptr (VrGuestXml) guest = NULL;
  const xmlNode *root;

  if (doc == NULL)
    return NULL;
  root = xmlDocGetRootElement (doc);
  if (root == NULL || strcmp ((const char *) root->name, "domain") != 0 || root->ns != NULL)
    {
      g_set_error (error, VR_GUEST_XML_ERROR, VR_GUEST_XML_ERROR_CONTENT, "the XML is no <domain> but “%.80s”",
                   root != NULL ? (const char *) root->name : "");
      return NULL;
    }
  guest = guest_new ();
  if (!read_identity (guest, root, error))
    return NULL;
  read_nics (guest, root);
  return g_steal_pointer (&guest);
}
