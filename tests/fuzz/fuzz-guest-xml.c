/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as a guest's XML: refused with an error, or a guest whose addresses and MACs are all in their one form. */
#include "xml/guest-xml.h"

#include <string.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static void
check_addresses (const GPtrArray *addresses)
{
  for (guint i = 0; i < addresses->len; i++)
    {
      const char *address = g_ptr_array_index (addresses, i);
      g_autofree char *again = vr_guest_xml_canonical_address (address, NULL);

      g_assert_cmpstr (again, ==, address);
    }
}

static void
check_nic (const VrGuestNic *nic)
{
  g_autofree char *mac = vr_guest_xml_canonical_mac (nic->mac, NULL);

  g_assert_cmpstr (mac, ==, nic->mac);
  g_assert_cmpuint (nic->addresses->len, <=, VR_GUEST_XML_MAX_ADDRESSES);
  g_assert_true ((nic->addresses->len == 0) == (nic->source == VR_ADDRESS_SOURCE_NONE));
  g_assert_cmpuint (nic->addresses->len + nic->learned->len, <=, VR_GUEST_XML_MAX_ADDRESSES);
  check_addresses (nic->addresses);
  check_addresses (nic->learned);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VrGuestXml) guest = vr_guest_xml_parse ((const char *) data, (gssize) size, &error);
  g_autofree char *stamp = NULL;

  g_assert_true ((guest == NULL) == (error != NULL));
  if (guest == NULL)
    return 0;
  g_assert_true (g_uuid_string_is_valid (guest->uuid));
  g_assert_cmpuint (strlen (guest->name), >, 0);
  g_assert_cmpuint (guest->nics->len, <=, VR_GUEST_XML_MAX_NICS);
  for (guint i = 0; i < guest->nics->len; i++)
    check_nic (g_ptr_array_index (guest->nics, i));
  if (guest->metadata != NULL)
    stamp = vr_guest_xml_format_metadata (guest->metadata);
  return 0;
}
