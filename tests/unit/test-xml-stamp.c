/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The stamp: what the daemon writes into a guest's metadata is what it reads there again, with libvirt between (its test
 * driver, which keeps metadata as the others do).
 */
#include "daemon/names.h"
#include "xml/guest-xml.h"

#include <libvirt/libvirt.h>

typedef virConnect Connection;
typedef virDomain Domain;
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Connection, virConnectClose)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Domain, virDomainFree)

static VrGuestMetadata *
full_metadata (void)
{
  VrGuestMetadata *metadata = vr_guest_metadata_new ();

  metadata->home = g_strdup ("h1");
  metadata->owner = g_strdup ("h\"3' <&>");
  metadata->epoch = G_MAXINT64;
  metadata->token = g_strdup ("00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff");
  vr_metadata_nic_add_address (vr_guest_metadata_get_nic (metadata, "52:54:00:00:00:01"), "10.9.1.100");
  vr_metadata_nic_add_address (vr_guest_metadata_get_nic (metadata, "52:54:00:00:00:01"), "fd00:9:1::100");
  vr_metadata_nic_add_address (vr_guest_metadata_get_nic (metadata, "52:54:00:00:00:02"), "10.9.2.100");
  vr_metadata_nic_add_learned (vr_guest_metadata_get_nic (metadata, "52:54:00:00:00:02"), "fd00:9:2::100");
  vr_metadata_nic_add_learned (vr_guest_metadata_get_nic (metadata, "52:54:00:00:00:03"), "10.9.3.100");
  return metadata;
}

/* Stamps the test driver's guest and gives what its XML then says. */
static VrGuestXml *
through_libvirt (const VrGuestMetadata *metadata)
{
  g_autoptr (Connection) connection = virConnectOpen ("test:///default");
  g_autoptr (Domain) domain = virDomainLookupByName (connection, "test");
  g_autofree char *text = vr_guest_xml_format_metadata (metadata);
  g_autoptr (GError) error = NULL;
  VrGuestXml *guest;
  char *xml;

  g_assert_cmpint (virDomainSetMetadata (domain, VIR_DOMAIN_METADATA_ELEMENT, text, VR_METADATA_PREFIX, VR_METADATA_NS,
                                         VIR_DOMAIN_AFFECT_LIVE), ==, 0);
  xml = virDomainGetXMLDesc (domain, 0);
  guest = vr_guest_xml_parse (xml, -1, &error);
  g_assert_no_error (error);
  free (xml);
  return guest;
}

static void
test_full (void)
{
  g_autoptr (VrGuestMetadata) metadata = full_metadata ();
  g_autoptr (VrGuestXml) guest = through_libvirt (metadata);

  g_assert_true (vr_guest_metadata_equal (guest->metadata, metadata));
}

static void
test_empty (void)
{
  g_autoptr (VrGuestMetadata) metadata = vr_guest_metadata_new ();
  g_autoptr (VrGuestXml) guest = through_libvirt (metadata);

  g_assert_true (vr_guest_metadata_equal (guest->metadata, metadata));
}

static void
test_nic_without_address_is_left_out (void)
{
  g_autoptr (VrGuestMetadata) metadata = vr_guest_metadata_new ();
  g_autofree char *text = NULL;

  vr_guest_metadata_get_nic (metadata, "52:54:00:00:00:01");
  text = vr_guest_xml_format_metadata (metadata);
  g_assert_cmpstr (text, ==, "<guest></guest>");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/xml/stamp/full", test_full);
  g_test_add_func ("/xml/stamp/empty", test_empty);
  g_test_add_func ("/xml/stamp/nic-without-address", test_nic_without_address_is_left_out);
  return g_test_run ();
}
