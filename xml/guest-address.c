/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One text form for each address, so that strings can be compared; GLib does the parsing. */
#include "xml/guest-xml.h"

#include <gio/gio.h>
#include <string.h>

/* Why this cannot be one guest's address that hosts route to each other; NULL: it can. */
static const char *
unusable_because (GInetAddress *address)
{
  const guint8 *bytes = g_inet_address_to_bytes (address);
  static const guint8 mapped[12] = { [10] = 0xff, [11] = 0xff }, broadcast[4] = { 0xff, 0xff, 0xff, 0xff };
  gboolean v4 = g_inet_address_get_family (address) == G_SOCKET_FAMILY_IPV4;

  if (g_inet_address_get_is_any (address))
    return "the unspecified address";
  if (g_inet_address_get_is_loopback (address))
    return "a loopback address";
  if (g_inet_address_get_is_multicast (address))
    return "a multicast address";
  if (g_inet_address_get_is_link_local (address))
    return "a link-local address, which is not routed";
  if (v4 && memcmp (bytes, broadcast, sizeof broadcast) == 0)
    return "the broadcast address";
  if (v4 && bytes[0] == 0)
    return "an address of “this network”";
  if (!v4 && memcmp (bytes, mapped, sizeof mapped) == 0)
    return "an IPv4 address in IPv6 form; write it as IPv4";
  return NULL;
}

char *
vr_guest_xml_canonical_address (const char *text, GError **error)
{
  g_autoptr (GInetAddress) address = NULL;
  const char *why;

  if (strchr (text, '/') != NULL)
    why = "no address: write it without a prefix length";
  else if (strchr (text, '%') != NULL)
    why = "no address: write it without a scope";
  else if ((address = g_inet_address_new_from_string (text)) == NULL)
    why = "no IPv4 or IPv6 address";
  else
    why = unusable_because (address);
  if (why == NULL)
    return g_inet_address_to_string (address);
  g_set_error (error, VR_GUEST_XML_ERROR, VR_GUEST_XML_ERROR_ADDRESS, "“%.80s” is %s", text, why);
  return NULL;
}

static gboolean
mac_is_well_formed (const char *text)
{
  for (guint i = 0; i < 17; i++)
    if (i % 3 == 2 ? text[i] != ':' : !g_ascii_isxdigit (text[i]))
      return FALSE;
  return text[17] == '\0';
}

char *
vr_guest_xml_canonical_mac (const char *text, GError **error)
{
  const char *why = NULL;

  if (!mac_is_well_formed (text))
    why = "no MAC address: write six pairs of hexadecimal digits with colons";
  else if (g_ascii_xdigit_value (text[1]) % 2 == 1)
    why = "a multicast MAC address";
  else if (strcmp (text, "00:00:00:00:00:00") == 0)
    why = "the all-zeros MAC address";
  if (why == NULL)
    return g_ascii_strdown (text, -1);
  g_set_error (error, VR_GUEST_XML_ERROR, VR_GUEST_XML_ERROR_ADDRESS, "“%.80s” is %s", text, why);
  return NULL;
}
