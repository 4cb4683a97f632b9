/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a NIC's addresses come from. The sources are asked for each NIC, best first; the first one that gives a
 * usable address decides, so that an administrator may write down the addresses of one NIC and leave the others to
 * Nova.
 *
 * 1. virt-relay's own metadata: by MAC.
 * 2. nwfilter: <interface><filterref><parameter name='IP'|'IPV6' value='ADDRESS'/>, at the NIC itself.
 * 3. Nova's metadata: <nova:ports><nova:port uuid=...><nova:ip type='fixed' address=.../>. A port has no MAC, only
 *    Neutron's uuid; but Nova writes ports and interfaces from one list, in one order, so the n-th port is the n-th
 *    interface. This holds only if there are as many of both: a port that libvirt sees as <hostdev> has no
 *    <interface>. Then Nova's addresses are left alone. Floating addresses are not the guest's own: routers translate
 *    them.
 *
 * Addresses that our metadata marks as learned came from elsewhere, maybe from 2 or 3: they are no source of their own. They are
 * kept apart (`learned`), for the families of which the XML names no address.
 */
#include "xml/guest-xml-private.h"

#include "daemon/names.h"

#include <string.h>

static const char *const nova_namespaces[] = {
  "http://openstack.org/xmlns/libvirt/nova/1.1",
  "http://openstack.org/xmlns/libvirt/nova/1.0",
};

/* ---- virt-relay's own ---- */

static void
read_own_nic (VrGuestXml *guest, const xmlNode *element)
{
  g_autofree char *text = vr_xml_attribute (element, "mac");
  g_autoptr (GError) error = NULL;
  g_autofree char *mac = text != NULL ? vr_guest_xml_canonical_mac (text, &error) : NULL;
  VrMetadataNic *nic;

  if (mac == NULL)
    {
      vr_xml_warn (guest, "virt-relay's metadata: a nic is left out: %s", error != NULL ? error->message : "it has no mac");
      return;
    }
  if (guest->metadata->nics->len >= VR_GUEST_XML_MAX_NICS)
    {
      vr_xml_warn (guest, "virt-relay's metadata: nic %s is left out: it is one more than %d", mac, VR_GUEST_XML_MAX_NICS);
      return;
    }
  nic = vr_guest_metadata_get_nic (guest->metadata, mac);
  for (xmlNode *child = vr_xml_first (element, "address", VR_METADATA_NS); child != NULL;
       child = vr_xml_next (child, "address", VR_METADATA_NS))
    {
      g_autofree char *written = vr_xml_text (child);
      g_autoptr (GError) address_error = NULL;
      g_autofree char *address = vr_guest_xml_canonical_address (written != NULL ? written : "", &address_error);
      g_autofree char *learned = vr_xml_attribute (child, "learned");

      if (address != NULL && nic->addresses->len + nic->learned->len < VR_GUEST_XML_MAX_ADDRESSES)
        {
          if (g_strcmp0 (learned, "yes") == 0)
            vr_metadata_nic_add_learned (nic, address);
          else
            vr_metadata_nic_add_address (nic, address);
        }
      else if (address_error != NULL)
        vr_xml_warn (guest, "virt-relay's metadata: nic %s: %s; it is left out", mac, address_error->message);
    }
}

/* A token that is none is not shown: it may be most of one. */
static void
read_token (VrGuestXml *guest, const xmlNode *own)
{
  g_autofree char *token = vr_xml_attribute (own, "token");

  if (token != NULL && (strlen (token) != VR_METADATA_TOKEN_LENGTH || strspn (token, "0123456789abcdef") != VR_METADATA_TOKEN_LENGTH))
    vr_xml_warn (guest, "virt-relay's metadata: the token is not %d hexadecimal digits; it is left out", VR_METADATA_TOKEN_LENGTH);
  else
    guest->metadata->token = g_steal_pointer (&token);
}

void
vr_xml_read_own_metadata (VrGuestXml *guest, const xmlNode *metadata)
{
  xmlNode *own = metadata != NULL ? vr_xml_first (metadata, VR_METADATA_ELEMENT, VR_METADATA_NS) : NULL;
  g_autofree char *epoch = NULL;

  if (own == NULL)
    return;
  guest->metadata = vr_guest_metadata_new ();
  guest->metadata->home = vr_xml_attribute (own, "home");
  guest->metadata->owner = vr_xml_attribute (own, "owner");
  epoch = vr_xml_attribute (own, "epoch");
  if (epoch != NULL && !g_ascii_string_to_unsigned (epoch, 10, 1, G_MAXINT64, &guest->metadata->epoch, NULL))
    vr_xml_warn (guest, "virt-relay's metadata: the epoch “%.40s” is not a positive number; it is left out", epoch);
  read_token (guest, own);
  for (xmlNode *nic = vr_xml_first (own, "nic", VR_METADATA_NS); nic != NULL; nic = vr_xml_next (nic, "nic", VR_METADATA_NS))
    read_own_nic (guest, nic);
  if (vr_xml_next (own, VR_METADATA_ELEMENT, VR_METADATA_NS) != NULL)
    vr_xml_warn (guest, "virt-relay's metadata is there twice; the first counts");
  for (guint i = 0; i < guest->metadata->nics->len; i++)
    {
      const VrMetadataNic *nic = g_ptr_array_index (guest->metadata->nics, i);

      if (vr_guest_xml_find_nic (guest, nic->mac) == NULL)
        vr_xml_warn (guest, "virt-relay's metadata: the guest has no nic %s", nic->mac);
    }
}

/* ---- into the NICs ---- */

/* The guest's NIC that has this address already, or NULL. */
static const VrGuestNic *
find_address (const VrGuestXml *guest, const char *address)
{
  for (guint i = 0; i < guest->nics->len; i++)
    {
      const VrGuestNic *nic = g_ptr_array_index (guest->nics, i);

      if (g_ptr_array_find_with_equal_func (nic->addresses, address, g_str_equal, NULL)
          || g_ptr_array_find_with_equal_func (nic->learned, address, g_str_equal, NULL))
        return nic;
    }
  return NULL;
}

/* Gives the NIC an address that some source says it has; what is wrong with it becomes a warning. */
static void
add_address (VrGuestXml *guest, VrGuestNic *nic, VrAddressSource source, const char *text)
{
  const char *where = vr_address_source_to_string (source);
  g_autoptr (GError) error = NULL;
  g_autofree char *address = vr_guest_xml_canonical_address (text != NULL ? text : "", &error);
  const VrGuestNic *other;

  if (address == NULL)
    {
      vr_xml_warn (guest, "nic %s, %s: %s; it is left out", nic->mac, where, error->message);
      return;
    }
  if (nic->addresses->len >= VR_GUEST_XML_MAX_ADDRESSES)
    {
      vr_xml_warn (guest, "nic %s, %s: %s is left out: it is one more than %d", nic->mac, where, address,
                   VR_GUEST_XML_MAX_ADDRESSES);
      return;
    }
  other = find_address (guest, address);
  if (other != NULL && other != nic)
    vr_xml_warn (guest, "nic %s, %s: %s is nic %s's already; it is left out", nic->mac, where, address, other->mac);
  if (other != NULL)
    return;
  nic->source = source;
  g_ptr_array_add (nic->addresses, g_steal_pointer (&address));
}

static void
add_from_own (VrGuestXml *guest, VrGuestNic *nic)
{
  for (guint i = 0; guest->metadata != NULL && i < guest->metadata->nics->len; i++)
    {
      const VrMetadataNic *own = g_ptr_array_index (guest->metadata->nics, i);

      for (guint k = 0; strcmp (own->mac, nic->mac) == 0 && k < own->addresses->len; k++)
        add_address (guest, nic, VR_ADDRESS_SOURCE_METADATA, g_ptr_array_index (own->addresses, k));
    }
}

static void
add_from_nwfilter (VrGuestXml *guest, VrGuestNic *nic, const xmlNode *interface)
{
  const xmlNode *filter = vr_xml_first (interface, "filterref", NULL);
  xmlNode *parameter = filter != NULL ? vr_xml_first (filter, "parameter", NULL) : NULL;

  for (; parameter != NULL; parameter = vr_xml_next (parameter, "parameter", NULL))
    {
      g_autofree char *name = vr_xml_attribute (parameter, "name");
      g_autofree char *value = vr_xml_attribute (parameter, "value");

      if (g_strcmp0 (name, "IP") == 0 || g_strcmp0 (name, "IPV6") == 0)
        add_address (guest, nic, VR_ADDRESS_SOURCE_NWFILTER, value);
    }
}

static void
add_from_nova_port (VrGuestXml *guest, VrGuestNic *nic, const xmlNode *port, const char *ns)
{
  for (xmlNode *ip = vr_xml_first (port, "ip", ns); ip != NULL; ip = vr_xml_next (ip, "ip", ns))
    {
      g_autofree char *type = vr_xml_attribute (ip, "type");
      g_autofree char *address = vr_xml_attribute (ip, "address");

      if (g_strcmp0 (type, "fixed") == 0)
        add_address (guest, nic, VR_ADDRESS_SOURCE_NOVA, address);
    }
}

/* After all sources were asked: what none of them knows better stays. */
static void
keep_learned (VrGuestXml *guest, VrGuestNic *nic)
{
  for (guint i = 0; guest->metadata != NULL && i < guest->metadata->nics->len; i++)
    {
      const VrMetadataNic *own = g_ptr_array_index (guest->metadata->nics, i);

      for (guint k = 0; strcmp (own->mac, nic->mac) == 0 && k < own->learned->len; k++)
        {
          const char *address = g_ptr_array_index (own->learned, k);

          if (!vr_guest_nic_names (nic, strchr (address, ':') != NULL) && find_address (guest, address) == NULL
              && nic->addresses->len + nic->learned->len < VR_GUEST_XML_MAX_ADDRESSES)
            g_ptr_array_add (nic->learned, g_strdup (address));
        }
    }
}

/* Nova's ports (of xmlNode *), in its order, and the namespace they are in; empty without Nova. */
static GPtrArray *
find_nova_ports (const xmlNode *metadata, const char **ns)
{
  GPtrArray *ports = g_ptr_array_new ();

  for (guint i = 0; metadata != NULL && i < G_N_ELEMENTS (nova_namespaces) && ports->len == 0; i++)
    {
      const xmlNode *instance = vr_xml_first (metadata, "instance", nova_namespaces[i]);
      const xmlNode *list = instance != NULL ? vr_xml_first (instance, "ports", nova_namespaces[i]) : NULL;
      xmlNode *port = list != NULL ? vr_xml_first (list, "port", nova_namespaces[i]) : NULL;

      *ns = nova_namespaces[i];
      for (; port != NULL; port = vr_xml_next (port, "port", nova_namespaces[i]))
        g_ptr_array_add (ports, port);
    }
  return ports;
}

void
vr_xml_read_addresses (VrGuestXml *guest, const xmlNode *metadata, GPtrArray *interfaces, GPtrArray *slots)
{
  const char *nova_ns = NULL;
  g_autoptr (GPtrArray) ports = find_nova_ports (metadata, &nova_ns);
  gboolean nova_fits = ports->len == interfaces->len, nova_wanted = FALSE;

  for (guint i = 0; i < interfaces->len; i++)
    {
      VrGuestNic *nic = g_ptr_array_index (slots, i);

      if (nic == NULL)
        continue;
      add_from_own (guest, nic);
      if (nic->addresses->len == 0)
        add_from_nwfilter (guest, nic, g_ptr_array_index (interfaces, i));
      if (nic->addresses->len == 0 && nova_fits)
        add_from_nova_port (guest, nic, g_ptr_array_index (ports, i), nova_ns);
      nova_wanted = nova_wanted || nic->addresses->len == 0;
    }
  for (guint i = 0; i < slots->len; i++)
    if (g_ptr_array_index (slots, i) != NULL)
      keep_learned (guest, g_ptr_array_index (slots, i));
  if (nova_wanted && ports->len > 0 && !nova_fits)
    vr_xml_warn (guest, "Nova's metadata has %u ports and the guest %u interfaces: which is whose is not known, its addresses are "
                 "left out", ports->len, interfaces->len);
}
