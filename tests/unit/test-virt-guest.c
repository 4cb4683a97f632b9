/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which address, from libvirt's leases, agent or neighbours, belongs to which NIC. */
#include "daemon/virt/virt-guest.h"

#define MAC_A "52:54:00:00:00:0a"
#define MAC_B "52:54:00:00:00:0b"
#define MAC_C "52:54:00:00:00:0c"
#define MAC_D "52:54:00:00:00:0d"

typedef struct {
  VrVirtGuest *guest;
  GPtrArray *found;
} Fixture;

/* A: nothing known; B: an IPv4 address in the XML; C: cannot be routed to; D: addresses that were learned before. */
static const char *const xml =
  "<domain type='test'><name>g</name><uuid>11111111-2222-3333-4444-555555555555</uuid>"
  "<metadata><vr:guest xmlns:vr='urn:virt-relay:guest:1'><vr:nic mac='" MAC_B "'>"
  "<vr:address>10.9.1.11</vr:address></vr:nic><vr:nic mac='" MAC_D "'><vr:address learned='yes'>10.9.1.13</vr:address>"
  "<vr:address learned='yes'>fd00:9:1::d</vr:address></vr:nic></vr:guest></metadata><devices>"
  "<interface type='bridge'><mac address='" MAC_A "'/><source bridge='br0'/></interface>"
  "<interface type='bridge'><mac address='" MAC_B "'/><source bridge='br0'/></interface>"
  "<interface type='user'><mac address='" MAC_C "'/></interface>"
  "<interface type='bridge'><mac address='" MAC_D "'/><source bridge='br0'/></interface>"
  "</devices></domain>";

static void
set_up (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  fixture->guest = g_new0 (VrVirtGuest, 1);
  fixture->guest->xml = vr_guest_xml_parse (xml, -1, &error);
  g_assert_no_error (error);
  fixture->found = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_virt_address_free);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  vr_virt_guest_free (fixture->guest);
  g_ptr_array_unref (fixture->found);
}

static void
find (Fixture *fixture, const char *mac, const char *address)
{
  VrVirtAddress *found = vr_virt_address_new (mac, address);

  g_assert_nonnull (found);
  g_ptr_array_add (fixture->found, found);
}

static void
assert_addresses (const Fixture *fixture, const char *mac, const char *expected)
{
  const VrGuestNic *nic = vr_guest_xml_find_nic (fixture->guest->xml, mac);
  g_autoptr (GPtrArray) all = g_ptr_array_new ();
  g_autofree char *addresses = NULL;

  g_ptr_array_extend (all, nic->addresses, NULL, NULL);
  g_ptr_array_extend (all, nic->learned, NULL, NULL);
  g_ptr_array_add (all, NULL);
  addresses = g_strjoinv (" ", (char **) all->pdata);
  g_assert_cmpstr (addresses, ==, expected);
}

static void
test_by_mac (Fixture *fixture, gconstpointer data)
{
  find (fixture, MAC_A, "10.9.1.10");
  find (fixture, "52:54:00:00:00:FF", "10.9.1.99");
  find (fixture, "52:54:00:00:00:0A", "FD00:9:1:0::A");
  vr_virt_guest_fill (fixture->guest, fixture->found);
  assert_addresses (fixture, MAC_A, "10.9.1.10 fd00:9:1::a");
}

static void
test_xml_wins (Fixture *fixture, gconstpointer data)
{
  find (fixture, MAC_B, "10.9.1.99");
  vr_virt_guest_fill (fixture->guest, fixture->found);
  assert_addresses (fixture, MAC_B, "10.9.1.11");
}

static void
test_first_source_wins (Fixture *fixture, gconstpointer data)
{
  find (fixture, MAC_A, "10.9.1.10");
  vr_virt_guest_fill (fixture->guest, fixture->found);
  g_ptr_array_set_size (fixture->found, 0);
  find (fixture, MAC_A, "10.9.1.99");
  vr_virt_guest_fill (fixture->guest, fixture->found);
  assert_addresses (fixture, MAC_A, "10.9.1.10");
}

/* libvirt knows leases of IPv4 only, say, and the guest's agent comes up later. */
static void
test_the_other_family (Fixture *fixture, gconstpointer data)
{
  find (fixture, MAC_B, "10.9.1.99");
  find (fixture, MAC_B, "fd00:9:1::b");
  vr_virt_guest_fill (fixture->guest, fixture->found);
  assert_addresses (fixture, MAC_B, "10.9.1.11 fd00:9:1::b");
}

static void
test_next_source_for_the_other_family (Fixture *fixture, gconstpointer data)
{
  find (fixture, MAC_A, "10.9.1.10");
  vr_virt_guest_fill (fixture->guest, fixture->found);
  g_ptr_array_set_size (fixture->found, 0);
  find (fixture, MAC_A, "fd00:9:1::a");
  find (fixture, MAC_A, "10.9.1.99");
  vr_virt_guest_fill (fixture->guest, fixture->found);
  assert_addresses (fixture, MAC_A, "10.9.1.10 fd00:9:1::a");
}

static void
test_learned_stays (Fixture *fixture, gconstpointer data)
{
  vr_virt_guest_fill (fixture->guest, fixture->found);
  assert_addresses (fixture, MAC_D, "10.9.1.13 fd00:9:1::d");
}

static void
test_learned_anew (Fixture *fixture, gconstpointer data)
{
  find (fixture, MAC_D, "10.9.1.113");
  find (fixture, MAC_D, "10.9.1.213");
  vr_virt_guest_fill (fixture->guest, fixture->found);
  assert_addresses (fixture, MAC_D, "10.9.1.113 10.9.1.213 fd00:9:1::d");
}

static void
test_guess (Fixture *fixture, gconstpointer data)
{
  find (fixture, MAC_A, "10.9.1.10");
  find (fixture, MAC_D, "10.9.1.99"); /* nobody has an entry for 10.9.1.13 that libvirt would look at: ours is permanent */
  vr_virt_guest_guess (fixture->guest, fixture->found);
  assert_addresses (fixture, MAC_A, "10.9.1.10");
  assert_addresses (fixture, MAC_D, "10.9.1.13 fd00:9:1::d");
}

static void
test_twice (Fixture *fixture, gconstpointer data)
{
  find (fixture, MAC_A, "10.9.1.10");
  find (fixture, MAC_A, "10.9.1.10");
  vr_virt_guest_fill (fixture->guest, fixture->found);
  assert_addresses (fixture, MAC_A, "10.9.1.10");
}

static void
test_not_routed_to (Fixture *fixture, gconstpointer data)
{
  find (fixture, MAC_C, "10.9.1.12");
  vr_virt_guest_fill (fixture->guest, fixture->found);
  assert_addresses (fixture, MAC_C, "");
}

static void
test_too_many (Fixture *fixture, gconstpointer data)
{
  for (guint i = 0; i < 2 * VR_GUEST_XML_MAX_ADDRESSES; i++)
    {
      g_autofree char *address = g_strdup_printf ("10.9.2.%u", i + 1);

      find (fixture, MAC_A, address);
    }
  vr_virt_guest_fill (fixture->guest, fixture->found);
  g_assert_cmpuint (vr_guest_xml_find_nic (fixture->guest->xml, MAC_A)->learned->len, ==, VR_GUEST_XML_MAX_ADDRESSES);
}

static void
test_lacks (Fixture *fixture, gconstpointer data)
{
  for (const char **mac = (const char *[]) { MAC_A, MAC_B, MAC_D, NULL }; *mac != NULL; mac++)
    {
      g_autofree char *v6 = g_strdup_printf ("fd00:9:1::1%c", (*mac)[16]);

      g_assert_true (vr_virt_guest_lacks_address (fixture->guest));
      if (!g_str_equal (*mac, MAC_B))
        find (fixture, *mac, "10.9.1.10");
      vr_virt_guest_fill (fixture->guest, fixture->found);
      g_assert_true (vr_virt_guest_lacks_address (fixture->guest));
      find (fixture, *mac, v6);
      vr_virt_guest_fill (fixture->guest, fixture->found);
    }
  g_assert_false (vr_virt_guest_lacks_address (fixture->guest)); /* that C has none is nobody's concern */
}

static void
test_useless (gconstpointer data)
{
  g_assert_null (vr_virt_address_new (MAC_A, data));
}

static void
test_no_mac (void)
{
  g_assert_null (vr_virt_address_new (NULL, "10.9.1.10"));
  g_assert_null (vr_virt_address_new ("00:00:00:00:00:00", "10.9.1.10"));
}

int
main (int argc, char **argv)
{
  static const char *const useless[] = { "127.0.0.1", "169.254.1.1", "::1",          "fe80::1",
                                         "224.0.0.1", "0.0.0.0",     "10.9.1.10/24", "x" };

  g_test_init (&argc, &argv, NULL);
#define ADD(path, test) g_test_add ("/virt-guest/" path, Fixture, NULL, set_up, test, tear_down)
  ADD ("addresses-go-to-the-nic-with-their-mac", test_by_mac);
  ADD ("what-the-xml-says-stays", test_xml_wins);
  ADD ("the-first-source-wins", test_first_source_wins);
  ADD ("the-xml-names-one-family-and-the-other-is-learned", test_the_other_family);
  ADD ("the-next-source-is-asked-for-the-other-family", test_next_source_for_the_other_family);
  ADD ("what-was-learned-stays-until-a-source-says-otherwise", test_learned_stays);
  ADD ("what-was-learned-is-learned-anew", test_learned_anew);
  ADD ("a-neighbour-table-replaces-nothing", test_guess);
  ADD ("an-address-counts-once", test_twice);
  ADD ("a-nic-that-cannot-be-routed-to-gets-none", test_not_routed_to);
  ADD ("a-guest-cannot-claim-any-number-of-addresses", test_too_many);
  ADD ("lacks-an-address", test_lacks);
  for (guint i = 0; i < G_N_ELEMENTS (useless); i++)
    {
      g_autofree char *path = g_strdup_printf ("/virt-guest/useless/%u", i);

      g_test_add_data_func (path, useless[i], test_useless);
    }
  g_test_add_func ("/virt-guest/needs-a-mac", test_no_mac);
  return g_test_run ();
}
