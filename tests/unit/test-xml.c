/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a guest's XML says, one behaviour a test, on XML that is as small as the behaviour. */
#include "xml/guest-xml.h"

#include <string.h>

#define UUID "11111111-2222-4333-8444-555555555501"
#define MAC1 "52:54:00:00:00:01"
#define MAC2 "52:54:00:00:00:02"
#define NIC(mac, inside) "<interface type='bridge'><mac address='" mac "'/><source bridge='br0'/>" inside "</interface>"
#define FILTER(parameters) "<filterref filter='f'>" parameters "</filterref>"
#define OWN(inside) "<virt-relay:guest xmlns:virt-relay='urn:virt-relay:guest:1'>" inside "</virt-relay:guest>"
#define OWN_NIC(mac, address) "<virt-relay:nic mac='" mac "'><virt-relay:address>" address "</virt-relay:address></virt-relay:nic>"
#define NOVA_OF(version, ports) \
  "<nova:instance xmlns:nova='http://openstack.org/xmlns/libvirt/nova/" version "'><nova:ports>" ports \
  "</nova:ports></nova:instance>"
#define NOVA(ports) NOVA_OF ("1.1", ports)
#define PORT(ips) "<nova:port uuid='77c1dc00-af39-4463-bea0-12808f4bc340'>" ips "</nova:port>"
#define IP(type, address) "<nova:ip type='" type "' address='" address "' ipVersion='4'/>"

static VrGuestXml *
parse (const char *metadata, const char *devices)
{
  g_autofree char *xml = g_strdup_printf ("<domain type='kvm' id='7'><name>d</name><uuid>" UUID "</uuid><metadata>%s</metadata>"
                                          "<devices>%s</devices></domain>", metadata, devices);
  g_autoptr (GError) error = NULL;
  VrGuestXml *guest = vr_guest_xml_parse (xml, -1, &error);

  g_assert_no_error (error);
  return guest;
}

static const VrGuestNic *
nic_at (const VrGuestXml *guest, guint i)
{
  g_assert_cmpuint (i, <, guest->nics->len);
  return g_ptr_array_index (guest->nics, i);
}

/* The NIC has exactly the addresses of `list`, separated by blanks, from `source`. */
static void
assert_addresses (const VrGuestXml *guest, guint i, VrAddressSource source, const char *list)
{
  const VrGuestNic *nic = nic_at (guest, i);
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint k = 0; k < nic->addresses->len; k++)
    g_string_append_printf (text, "%s%s", k > 0 ? " " : "", (const char *) g_ptr_array_index (nic->addresses, k));
  g_assert_cmpstr (text->str, ==, list);
  g_assert_cmpint (nic->source, ==, source);
}

static void
assert_one_warning (const VrGuestXml *guest, const char *part)
{
  g_assert_cmpuint (guest->warnings->len, ==, 1);
  g_assert_nonnull (strstr (g_ptr_array_index (guest->warnings, 0), part));
}

static void
test_identity (void)
{
  g_autoptr (VrGuestXml) guest =
    vr_guest_xml_parse ("<domain id='7'><name>web 1 &lt;ä&gt;</name><uuid>ABCDEF11-2222-4333-8444-555555555501</uuid></domain>", -1, NULL);

  g_assert_cmpstr (guest->name, ==, "web 1 <ä>");
  g_assert_cmpstr (guest->uuid, ==, "abcdef11-2222-4333-8444-555555555501");
  g_assert_cmpint (guest->id, ==, 7);
  g_assert_cmpuint (guest->nics->len, ==, 0);
  g_assert_null (guest->metadata);
}

static void
test_no_id (void)
{
  g_autoptr (VrGuestXml) guest = vr_guest_xml_parse ("<domain><name>d</name><uuid>" UUID "</uuid></domain>", -1, NULL);

  g_assert_cmpint (guest->id, ==, -1);
}

static void
test_types (void)
{
  g_autoptr (VrGuestXml) guest = parse ("",
    NIC (MAC1, "<target dev='vnet0'/>")
    "<interface type='network'><mac address='" MAC2 "'/><source network='n' bridge='virbr0'/></interface>"
    "<interface type='ethernet'><mac address='52:54:00:00:00:03'/><target dev='tap3'/></interface>"
    "<interface type='direct'><mac address='52:54:00:00:00:04'/><source dev='eth0' mode='bridge'/></interface>"
    "<interface type='other'><mac address='52:54:00:00:00:05'/></interface>");

  g_assert_cmpint (nic_at (guest, 0)->type, ==, VR_NIC_BRIDGE);
  g_assert_cmpstr (nic_at (guest, 0)->bridge, ==, "br0");
  g_assert_cmpstr (nic_at (guest, 0)->target, ==, "vnet0");
  g_assert_cmpint (nic_at (guest, 1)->type, ==, VR_NIC_NETWORK);
  g_assert_cmpstr (nic_at (guest, 1)->network, ==, "n");
  g_assert_cmpstr (nic_at (guest, 1)->bridge, ==, "virbr0");
  g_assert_null (nic_at (guest, 1)->target);
  g_assert_cmpint (nic_at (guest, 2)->type, ==, VR_NIC_ETHERNET);
  g_assert_null (nic_at (guest, 2)->bridge);
  g_assert_cmpint (nic_at (guest, 3)->type, ==, VR_NIC_OTHER);
  g_assert_cmpstr (nic_at (guest, 3)->type_name, ==, "direct");
  g_assert_cmpint (nic_at (guest, 4)->type, ==, VR_NIC_OTHER);
}

static void
test_no_source (void)
{
  g_autoptr (VrGuestXml) guest = parse ("", NIC (MAC1, ""));

  assert_addresses (guest, 0, VR_ADDRESS_SOURCE_NONE, "");
  g_assert_cmpuint (guest->warnings->len, ==, 0);
}

static void
test_nwfilter (void)
{
  g_autoptr (VrGuestXml) guest = parse ("", NIC (MAC1, FILTER (
    "<parameter name='IP' value='10.0.0.1'/><parameter name='MAC' value='" MAC2 "'/><parameter name='IPV6' value='FD00:0::1'/>"
    "<parameter name='DHCPSERVER' value='10.0.0.254'/><parameter name='IP' value='10.0.0.2'/>")));

  assert_addresses (guest, 0, VR_ADDRESS_SOURCE_NWFILTER, "10.0.0.1 fd00::1 10.0.0.2");
}

static void
test_own_before_nwfilter (void)
{
  g_autoptr (VrGuestXml) guest = parse (OWN (OWN_NIC (MAC1, "10.0.0.9")),
                                        NIC (MAC1, FILTER ("<parameter name='IP' value='10.0.0.1'/>")));

  assert_addresses (guest, 0, VR_ADDRESS_SOURCE_METADATA, "10.0.0.9");
}

static void
test_nwfilter_before_nova (void)
{
  g_autoptr (VrGuestXml) guest = parse (NOVA (PORT (IP ("fixed", "10.0.0.7"))),
                                        NIC (MAC1, FILTER ("<parameter name='IP' value='10.0.0.1'/>")));

  assert_addresses (guest, 0, VR_ADDRESS_SOURCE_NWFILTER, "10.0.0.1");
}

static void
test_each_nic_its_own_source (void)
{
  g_autoptr (VrGuestXml) guest = parse (
    OWN (OWN_NIC (MAC2, "10.0.0.9")) NOVA (PORT (IP ("fixed", "10.0.0.6")) PORT (IP ("fixed", "10.0.0.7")) PORT ("")),
    NIC (MAC1, "") NIC (MAC2, "") NIC ("52:54:00:00:00:03", FILTER ("<parameter name='IP' value='10.0.0.1'/>")));

  assert_addresses (guest, 0, VR_ADDRESS_SOURCE_NOVA, "10.0.0.6");
  assert_addresses (guest, 1, VR_ADDRESS_SOURCE_METADATA, "10.0.0.9");
  assert_addresses (guest, 2, VR_ADDRESS_SOURCE_NWFILTER, "10.0.0.1");
}

static void
test_own_without_address_says_nothing (void)
{
  g_autoptr (VrGuestXml) guest = parse (OWN ("<virt-relay:nic mac='" MAC1 "'/>"),
                                        NIC (MAC1, FILTER ("<parameter name='IP' value='10.0.0.1'/>")));

  assert_addresses (guest, 0, VR_ADDRESS_SOURCE_NWFILTER, "10.0.0.1");
}

static void
test_nova_ports_in_order (void)
{
  g_autoptr (VrGuestXml) guest = parse (
    NOVA (PORT (IP ("fixed", "10.0.0.1") IP ("fixed", "fd00::1")) PORT (IP ("fixed", "10.0.0.2"))), NIC (MAC2, "") NIC (MAC1, ""));

  assert_addresses (guest, 0, VR_ADDRESS_SOURCE_NOVA, "10.0.0.1 fd00::1");
  assert_addresses (guest, 1, VR_ADDRESS_SOURCE_NOVA, "10.0.0.2");
}

static void
test_nova_floating_is_not_the_guests (void)
{
  g_autoptr (VrGuestXml) guest = parse (NOVA (PORT (IP ("floating", "192.0.2.1") IP ("fixed", "10.0.0.1"))), NIC (MAC1, ""));

  assert_addresses (guest, 0, VR_ADDRESS_SOURCE_NOVA, "10.0.0.1");
}

static void
test_nova_older_namespace (void)
{
  g_autoptr (VrGuestXml) guest = parse (NOVA_OF ("1.0", PORT (IP ("fixed", "10.0.0.1"))), NIC (MAC1, ""));

  assert_addresses (guest, 0, VR_ADDRESS_SOURCE_NOVA, "10.0.0.1");
}

static void
test_nova_more_ports_than_nics (void)
{
  g_autoptr (VrGuestXml) guest = parse (NOVA (PORT (IP ("fixed", "10.0.0.1")) PORT (IP ("fixed", "10.0.0.2"))), NIC (MAC1, ""));

  assert_addresses (guest, 0, VR_ADDRESS_SOURCE_NONE, "");
  assert_one_warning (guest, "2 ports and the guest 1 interfaces");
}

/* A left-out interface keeps its place in the order. */
static void
test_nova_counts_every_interface (void)
{
  g_autoptr (VrGuestXml) guest = parse (NOVA (PORT (IP ("fixed", "10.0.0.1")) PORT (IP ("fixed", "10.0.0.2"))),
                                        "<interface type='user'/>" NIC (MAC1, ""));

  g_assert_cmpuint (guest->nics->len, ==, 1);
  assert_addresses (guest, 0, VR_ADDRESS_SOURCE_NOVA, "10.0.0.2");
}

static void
test_mac_in_any_case (void)
{
  g_autoptr (VrGuestXml) guest = parse (OWN (OWN_NIC ("FA:16:3E:00:00:0A", "10.0.0.1")), NIC ("fa:16:3e:00:00:0A", ""));

  g_assert_cmpstr (nic_at (guest, 0)->mac, ==, "fa:16:3e:00:00:0a");
  assert_addresses (guest, 0, VR_ADDRESS_SOURCE_METADATA, "10.0.0.1");
  g_assert_true (vr_guest_xml_find_nic (guest, "FA:16:3e:00:00:0a") == nic_at (guest, 0));
  g_assert_null (vr_guest_xml_find_nic (guest, MAC1));
}

static void
test_same_address_written_twice (void)
{
  g_autoptr (VrGuestXml) guest = parse ("", NIC (MAC1, FILTER (
    "<parameter name='IPV6' value='fd00::1'/><parameter name='IPV6' value='FD00:0:0::0001'/>")));

  assert_addresses (guest, 0, VR_ADDRESS_SOURCE_NWFILTER, "fd00::1");
  g_assert_cmpuint (guest->warnings->len, ==, 0);
}

static void
test_same_address_on_two_nics (void)
{
  g_autoptr (VrGuestXml) guest = parse ("", NIC (MAC1, FILTER ("<parameter name='IP' value='10.0.0.1'/>"))
                                              NIC (MAC2, FILTER ("<parameter name='IP' value='10.0.0.1'/>")));

  assert_addresses (guest, 0, VR_ADDRESS_SOURCE_NWFILTER, "10.0.0.1");
  assert_addresses (guest, 1, VR_ADDRESS_SOURCE_NONE, "");
  assert_one_warning (guest, "10.0.0.1 is nic " MAC1 "'s already");
}

static void
test_metadata_complete (void)
{
  g_autoptr (VrGuestXml) guest = parse (
    "<x:guest xmlns:x='urn:virt-relay:guest:1' home='h1' owner='h3' epoch='3'><x:nic mac='" MAC1 "'><x:address> 10.0.0.1\n</x:address>"
    "<x:address>fd00:0::1</x:address></x:nic></x:guest>", NIC (MAC1, ""));
  g_autoptr (VrGuestMetadata) expected = vr_guest_metadata_new ();
  VrMetadataNic *nic = vr_guest_metadata_get_nic (expected, MAC1);

  expected->home = g_strdup ("h1");
  expected->owner = g_strdup ("h3");
  expected->epoch = 3;
  vr_metadata_nic_add_address (nic, "10.0.0.1");
  vr_metadata_nic_add_address (nic, "fd00::1");
  g_assert_true (vr_guest_metadata_equal (guest->metadata, expected));
}

static void
assert_learned (const VrGuestXml *guest, const char *expected)
{
  const VrGuestNic *nic = g_ptr_array_index (guest->nics, 0);
  g_autoptr (GString) learned = g_string_new (NULL);

  for (guint i = 0; i < nic->learned->len; i++)
    g_string_append_printf (learned, "%s%s", i > 0 ? " " : "", (const char *) nic->learned->pdata[i]);
  g_assert_cmpstr (learned->str, ==, expected);
}

#define LEARNED "<address learned='yes'>10.0.0.9</address><address learned='yes'>fd00::9</address>"

/* It is what the stamp remembers of nwfilter's word, say, and nwfilter says another by now. */
static void
test_learned_is_no_source (void)
{
  g_autoptr (VrGuestXml) guest = parse ("<guest xmlns='urn:virt-relay:guest:1'><nic mac='" MAC1 "'>" LEARNED "</nic></guest>",
                                        NIC (MAC1, FILTER ("<parameter name='IP' value='10.0.0.1'/>")));

  assert_addresses (guest, 0, VR_ADDRESS_SOURCE_NWFILTER, "10.0.0.1");
  assert_learned (guest, "fd00::9");
}

static void
test_learned_stays_where_nothing_is_said (void)
{
  g_autoptr (VrGuestXml) guest = parse ("<guest xmlns='urn:virt-relay:guest:1'><nic mac='" MAC1 "'>" LEARNED "</nic></guest>",
                                        NIC (MAC1, ""));

  assert_addresses (guest, 0, VR_ADDRESS_SOURCE_NONE, "");
  assert_learned (guest, "10.0.0.9 fd00::9");
}

static void
test_learned_beside_the_administrators (void)
{
  g_autoptr (VrGuestXml) guest = parse ("<guest xmlns='urn:virt-relay:guest:1'><nic mac='" MAC1 "'><address>10.0.0.1</address>" LEARNED
                                        "</nic></guest>", NIC (MAC1, ""));

  assert_addresses (guest, 0, VR_ADDRESS_SOURCE_METADATA, "10.0.0.1");
  assert_learned (guest, "fd00::9");
}

static void
test_metadata_addresses_alone (void)
{
  g_autoptr (VrGuestXml) guest = parse (OWN (OWN_NIC (MAC1, "10.0.0.1")), NIC (MAC1, ""));

  g_assert_nonnull (guest->metadata);
  g_assert_null (guest->metadata->home);
  g_assert_null (guest->metadata->owner);
  g_assert_cmpuint (guest->metadata->epoch, ==, 0);
}

static void
test_metadata_for_a_nic_that_is_not_there (void)
{
  g_autoptr (VrGuestXml) guest = parse (OWN (OWN_NIC (MAC2, "10.0.0.1")), NIC (MAC1, ""));

  assert_one_warning (guest, "has no nic " MAC2);
}

/* What differs in one place only is not equal. */
static void
test_metadata_equal (void)
{
  static const char *const texts[] = {
    "<guest xmlns='urn:virt-relay:guest:1' home='a'/>",
    "<guest xmlns='urn:virt-relay:guest:1' owner='a'/>",
    "<guest xmlns='urn:virt-relay:guest:1' home='a' epoch='1'/>",
    "<guest xmlns='urn:virt-relay:guest:1' home='a'><nic mac='" MAC1 "'/></guest>",
    "<guest xmlns='urn:virt-relay:guest:1' home='a'><nic mac='" MAC2 "'/></guest>",
    "<guest xmlns='urn:virt-relay:guest:1' home='a'><nic mac='" MAC1 "'><address>10.0.0.1</address></nic></guest>",
    "<guest xmlns='urn:virt-relay:guest:1' home='a'><nic mac='" MAC1 "'><address>10.0.0.2</address></nic></guest>",
    "<guest xmlns='urn:virt-relay:guest:1' home='a'><nic mac='" MAC1 "'><address learned='yes'>10.0.0.2</address></nic></guest>",
  };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    for (guint k = 0; k < G_N_ELEMENTS (texts); k++)
      {
        g_autoptr (VrGuestXml) left = parse (texts[i], ""), right = parse (texts[k], "");

        g_assert_cmpint (vr_guest_metadata_equal (left->metadata, right->metadata), ==, i == k);
      }
}

static void
test_address_forms (void)
{
  static const char *const pairs[][2] = {
    { "10.9.1.100", "10.9.1.100" },
    { "FD00:9:1:0:0:0:0:100", "fd00:9:1::100" },
    { "2001:0DB8::0001", "2001:db8::1" },
    { "fd00::10.0.0.1", "fd00::a00:1" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (pairs); i++)
    {
      g_autofree char *address = vr_guest_xml_canonical_address (pairs[i][0], NULL);

      g_assert_cmpstr (address, ==, pairs[i][1]);
    }
}

static void
test_address_refused (void)
{
  static const char *const texts[] = {
    "", " 10.0.0.1", "10.0.0", "10.0.0.256", "010.0.0.1x", "h1", "10.0.0.1/24", "fe80::1%eth0", "fd00:::1", "fd00::1 ",
    "0.0.0.0", "::", "127.0.0.1", "::1", "224.0.0.1", "ff02::1", "255.255.255.255", "0.1.2.3", "169.254.1.1", "fe80::1",
    "::ffff:10.0.0.1",
  };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autofree char *address = vr_guest_xml_canonical_address (texts[i], &error);

      g_assert_null (address);
      g_assert_error (error, VR_GUEST_XML_ERROR, VR_GUEST_XML_ERROR_ADDRESS);
    }
}

static void
test_mac_refused (void)
{
  static const char *const texts[] = {
    "", "52:54:00:00:00", "52:54:00:00:00:0", "52:54:00:00:00:001", "52-54-00-00-00-01", "52:54:00:00:00:0g", "00:00:00:00:00:00",
    "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "52:54:00:00:00:01 ",
  };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autofree char *mac = vr_guest_xml_canonical_mac (texts[i], &error);

      g_assert_null (mac);
      g_assert_error (error, VR_GUEST_XML_ERROR, VR_GUEST_XML_ERROR_ADDRESS);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/xml/identity", test_identity);
  g_test_add_func ("/xml/no-id", test_no_id);
  g_test_add_func ("/xml/types", test_types);
  g_test_add_func ("/xml/source/none", test_no_source);
  g_test_add_func ("/xml/source/nwfilter", test_nwfilter);
  g_test_add_func ("/xml/source/own-before-nwfilter", test_own_before_nwfilter);
  g_test_add_func ("/xml/source/nwfilter-before-nova", test_nwfilter_before_nova);
  g_test_add_func ("/xml/source/each-nic-its-own", test_each_nic_its_own_source);
  g_test_add_func ("/xml/source/own-without-address", test_own_without_address_says_nothing);
  g_test_add_func ("/xml/nova/ports-in-order", test_nova_ports_in_order);
  g_test_add_func ("/xml/nova/floating", test_nova_floating_is_not_the_guests);
  g_test_add_func ("/xml/nova/older-namespace", test_nova_older_namespace);
  g_test_add_func ("/xml/nova/more-ports-than-nics", test_nova_more_ports_than_nics);
  g_test_add_func ("/xml/nova/counts-every-interface", test_nova_counts_every_interface);
  g_test_add_func ("/xml/mac/any-case", test_mac_in_any_case);
  g_test_add_func ("/xml/mac/refused", test_mac_refused);
  g_test_add_func ("/xml/address/twice", test_same_address_written_twice);
  g_test_add_func ("/xml/address/two-nics", test_same_address_on_two_nics);
  g_test_add_func ("/xml/address/forms", test_address_forms);
  g_test_add_func ("/xml/address/refused", test_address_refused);
  g_test_add_func ("/xml/metadata/complete", test_metadata_complete);
  g_test_add_func ("/xml/metadata/addresses-alone", test_metadata_addresses_alone);
  g_test_add_func ("/xml/metadata/learned/is-no-source", test_learned_is_no_source);
  g_test_add_func ("/xml/metadata/learned/stays-where-nothing-is-said", test_learned_stays_where_nothing_is_said);
  g_test_add_func ("/xml/metadata/learned/beside-the-administrators", test_learned_beside_the_administrators);
  g_test_add_func ("/xml/metadata/no-such-nic", test_metadata_for_a_nic_that_is_not_there);
  g_test_add_func ("/xml/metadata/equal", test_metadata_equal);
  return g_test_run ();
}
