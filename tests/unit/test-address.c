/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/model/address.h"

static void
assert_canonical (const char *text, const char *expected)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *canonical = vr_address_canonical (text, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (canonical, ==, expected);
}

static void
assert_refused (const char *text)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *canonical = vr_address_canonical (text, &error);

  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
  g_assert_null (canonical);
  g_assert_nonnull (strstr (error->message, text));
}

static void
test_canonical (void)
{
  assert_canonical ("10.9.1.100", "10.9.1.100");
  assert_canonical ("FD00:9:1:0:0:0:0:100", "fd00:9:1::100");
  assert_canonical ("2001:db8::0001", "2001:db8::1");
}

static void
test_not_an_address (void)
{
  assert_refused ("");
  assert_refused ("h1");
  assert_refused ("10.9.1");
  assert_refused ("10.9.1.256");
  assert_refused ("10.9.1.1/24");
  assert_refused (" 10.9.1.1");
  assert_refused ("fd00::1%eth0");
}

static void
test_not_unicast (void)
{
  assert_refused ("0.0.0.0");
  assert_refused ("0.1.2.3");
  assert_refused ("224.0.0.1");
  assert_refused ("255.255.255.255");
  assert_refused ("240.0.0.1");
  assert_refused ("::");
  assert_refused ("ff02::1");
}

static void
test_not_routable (void)
{
  assert_refused ("127.0.0.1");
  assert_refused ("::1");
  assert_refused ("169.254.1.1");
  assert_refused ("fe80::1");
  assert_refused ("::ffff:10.9.1.1");
}

static void
test_family (void)
{
  g_assert_true (vr_address_is_v6 ("fd00:9:1::100"));
  g_assert_true (vr_address_is_v6 ("fd00:9:1::/64"));
  g_assert_false (vr_address_is_v6 ("10.9.1.0/24"));
}

static void
assert_network (const char *text, const char *gateway, const char *network)
{
  g_autofree char *g = NULL, *n = NULL;
  g_autoptr (GError) error = NULL;

  vr_network_parse (text, &g, &n, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (g, ==, gateway);
  g_assert_cmpstr (n, ==, network);
}

static void
test_network (void)
{
  assert_network ("10.9.1.1/24", "10.9.1.1", "10.9.1.0/24");
  assert_network ("10.9.1.77/27", "10.9.1.77", "10.9.1.64/27");
  assert_network ("10.9.1.1/31", "10.9.1.1", "10.9.1.0/31");
  assert_network ("fd00:9:1:0::1/64", "fd00:9:1::1", "fd00:9:1::/64");
  assert_network ("fd00:9:1::8001/113", "fd00:9:1::8001", "fd00:9:1::8000/113");
}

static void
assert_before_last (const char *network, guint n, const char *expected)
{
  g_autofree char *address = vr_network_address_before_last (network, n);

  g_assert_cmpstr (address, ==, expected);
}

static void
test_before_last (void)
{
  assert_before_last ("10.9.1.1/24", 0, NULL); /* broadcast */
  assert_before_last ("10.9.1.1/24", 1, "10.9.1.254");
  assert_before_last ("10.9.0.0/23", 256, "10.9.0.255");
  assert_before_last ("10.9.1.0/30", 3, "10.9.1.0");
  assert_before_last ("10.9.1.0/30", 4, NULL);
  assert_before_last ("10.9.1.0/31", 0, "10.9.1.1"); /* RFC 3021 */
  assert_before_last ("fd00:9:1::/64", 1, "fd00:9:1:0:ffff:ffff:ffff:fffe");
  assert_before_last ("fd00:9:1::100/120", 256, NULL);
}

static void
test_network_out_pointers (void)
{
  g_assert_true (vr_network_parse ("10.9.1.1/24", NULL, NULL, NULL));
}

static void
assert_network_refused (const char *text)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *gateway = NULL, *network = NULL;

  g_assert_false (vr_network_parse (text, &gateway, &network, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
  g_assert_null (gateway);
  g_assert_null (network);
  g_assert_nonnull (strstr (error->message, text));
}

static void
test_network_refused (void)
{
  assert_network_refused ("");
  assert_network_refused ("10.9.1.1");
  assert_network_refused ("10.9.1.1/");
  assert_network_refused ("10.9.1.1/0");
  assert_network_refused ("10.9.1.1/32");
  assert_network_refused ("10.9.1.1/24x");
  assert_network_refused ("10.9.1.1/255.255.255.0");
  assert_network_refused ("fd00::1/128");
  assert_network_refused ("224.0.0.1/24");
}

static void
test_network_own_address (void)
{
  assert_network_refused ("10.9.1.0/24");
  assert_network_refused ("10.9.1.0/31");
  assert_network_refused ("10.9.1.255/24");
  assert_network_refused ("fd00:9:1::/64");
}

static void
test_contains (void)
{
  g_assert_true (vr_network_contains ("10.9.1.1/24", "10.9.1.100"));
  g_assert_true (vr_network_contains ("10.9.1.0/24", "10.9.1.1"));
  g_assert_false (vr_network_contains ("10.9.1.1/24", "10.9.2.100"));
  g_assert_false (vr_network_contains ("10.9.1.1/25", "10.9.1.128"));
  g_assert_true (vr_network_contains ("fd00:9:1::/64", "fd00:9:1::100"));
  g_assert_false (vr_network_contains ("fd00:9:1::/64", "fd00:9:2::100"));
}

static void
test_contains_families (void)
{
  g_assert_false (vr_network_contains ("10.9.1.0/24", "fd00:9:1::100"));
  g_assert_false (vr_network_contains ("fd00:9:1::/64", "10.9.1.100"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/address/canonical", test_canonical);
  g_test_add_func ("/address/not-an-address", test_not_an_address);
  g_test_add_func ("/address/not-unicast", test_not_unicast);
  g_test_add_func ("/address/not-routable", test_not_routable);
  g_test_add_func ("/address/family", test_family);
  g_test_add_func ("/network/parse", test_network);
  g_test_add_func ("/network/out-pointers", test_network_out_pointers);
  g_test_add_func ("/network/refused", test_network_refused);
  g_test_add_func ("/network/own-address", test_network_own_address);
  g_test_add_func ("/network/contains", test_contains);
  g_test_add_func ("/network/before-last", test_before_last);
  g_test_add_func ("/network/contains-families", test_contains_families);
  return g_test_run ();
}
