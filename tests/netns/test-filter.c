/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The nftables tables as such: how elements change, and when a table is made anew. What they do to packets is in
 * test-packets.c. */
#include "netns.h"

#include <nftables/libnftables.h>
#include <string.h>

static char *
elements_of (const char *set)
{
  g_autofree char *out = sh_out ("nft list set %s | tr -d '\\n\\t' | grep -o 'elements = {[^}]*}' || true", set);

  return g_strdup (g_strchomp (out));
}

static void
expect_elements (const char *set, const char *want)
{
  g_autofree char *elements = elements_of (set);

  g_assert_cmpstr (elements, ==, want);
}

/* Of networks that contain each other the widest is in the set; when it goes the others come. */
static void
test_contained (void)
{
  g_autoptr (VrKernel) kernel = new_kernel ();
  g_autofree char *first = NULL, *again = NULL, *narrow = NULL, *wide = NULL;
  static const char all[] = "element inet net4 { 10.9.1.0/24 }\n"
                            "element inet net4 { 10.9.0.0/16 }\n"
                            "element inet peer-net4 { \"vr-h1\" . 10.9.0.0/16 }\n"
                            "element inet peer-net4 { \"vr-h1\" . 10.9.1.0/24 }\n"
                            "element inet peer-net4 { \"vr-h2\" . 10.9.1.0/24 }\n"
                            "element inet peer-net6 { \"vr-h1\" . fd00::/16 }\n"
                            "element inet peer-net6 { \"vr-h1\" . fd00:9:1::/64 }\n";

  first = apply (kernel, all);
  expect_elements ("inet virt-relay net4", "elements = { 10.9.0.0/16 }");
  expect_elements ("inet virt-relay peer-net6", "elements = { \"vr-h1\" . fd00::/16 }");
  again = apply (kernel, all);
  g_assert_cmpstr (again, ==, "");
  narrow = apply (kernel, "element inet net4 { 10.9.1.0/24 }\n"
                          "element inet peer-net4 { \"vr-h1\" . 10.9.1.0/24 }\n"
                          "element inet peer-net6 { \"vr-h1\" . fd00:9:1::/64 }\n");
  expect_elements ("inet virt-relay net4", "elements = { 10.9.1.0/24 }");
  expect_elements ("inet virt-relay peer-net4", "elements = { \"vr-h1\" . 10.9.1.0/24 }");
  wide = apply (kernel, all);
  expect_elements ("inet virt-relay net4", "elements = { 10.9.0.0/16 }");
}

/* A key of a map that gets other data. */
static void
test_map_data (void)
{
  g_autoptr (VrKernel) kernel = new_kernel ();
  g_autofree char *first = apply (kernel, "element bridge gateway { \"tap0\" : 02:00:00:00:00:01 }\n"), *second = NULL,
                  *map = NULL;

  second = apply (kernel, "element bridge gateway { \"tap0\" : 02:00:00:00:00:02 }\n");
  g_assert_cmpstr (second, ==, "+ element bridge gateway { \"tap0\" : 02:00:00:00:00:02 }\n"
                               "- element bridge gateway { \"tap0\" : 02:00:00:00:00:01 }");
  map = sh_out ("nft list map bridge virt-relay gateway");
  g_assert_nonnull (strstr (map, "elements = { \"tap0\" : 02:00:00:00:00:02 }"));
}

/* Interface names are text, whatever characters they have; addresses are known again in every form. */
static void
test_keys (void)
{
  static const char plan[] = "element bridge guest-tap { \"vnet-0.5_x\" }\n"
                             "element inet bridge { \"br:1\" }\n"
                             "element inet guest6 { fd00:9:1::abcd:0:1 }\n"
                             "element inet guest6 { fd00:9:1:0:1:: }\n"
                             "element inet net4 { 10.9.1.4/30 }\n"
                             "element inet net6 { fd00:9:1::/127 }\n"
                             "element inet peer-host6 { \"vr-abcdefghijkl\" . 2001:db8::1 }\n"
                             "element inet peer-net4 { \"vr-h1\" . 10.9.1.6/31 }\n";
  g_autoptr (VrKernel) kernel = new_kernel (), next = NULL;
  g_autofree char *first = apply (kernel, plan), *again = NULL;

  g_clear_object (&kernel);
  next = new_kernel ();
  again = apply (next, plan);
  g_assert_cmpstr (again, ==, "");
}

static char *
table_handle (void)
{
  return sh_out ("nft -a list tables | grep 'inet virt-relay'");
}

/* A table made from another text (an older version's) is replaced, and holds its elements. */
static void
test_other_version (void)
{
  static const char plan[] = "element inet guest4 { 10.9.1.100 }\n";
  g_autoptr (VrKernel) kernel = NULL;
  g_autofree char *changes = NULL;

  sh ("nft add table inet virt-relay; nft add set inet virt-relay old '{ type ipv4_addr; }'; "
      "nft add chain inet virt-relay forward '{ type filter hook forward priority 0; policy drop; }'");
  kernel = new_kernel ();
  changes = apply (kernel, plan);
  g_assert_cmpstr (changes, ==,
                   "+ element inet guest4 { 10.9.1.100 }\n+ table bridge virt-relay\n+ table inet virt-relay");
  sh ("! nft list ruleset | grep -E 'policy drop|set old'");
  expect_elements ("inet virt-relay guest4", "elements = { 10.9.1.100 }");
}

/* A table that is right is never made anew, by this process or the next. */
static void
test_kept (void)
{
  g_autoptr (VrKernel) kernel = new_kernel ();
  g_autofree char *first = apply (kernel, "element inet guest4 { 10.9.1.100 }\n"), *second = NULL, *third = NULL;
  g_autofree char *before = table_handle (), *after = NULL;

  second = apply (kernel, "element inet guest4 { 10.9.1.101 }\n");
  g_clear_object (&kernel);
  kernel = new_kernel ();
  third = apply (kernel, "element inet guest4 { 10.9.1.102 }\n");
  g_assert_cmpstr (third, ==, "+ element inet guest4 { 10.9.1.102 }\n- element inet guest4 { 10.9.1.101 }");
  after = table_handle ();
  g_assert_cmpstr (after, ==, before);
}

/* Somebody holds a table of our name for himself: that is named, and everything else is done. Once it is gone, ours is
 * made. */
static void
test_table_taken (void)
{
  static const char plan[] = "element bridge guest-tap { \"tap0\" }\n"
                             "element inet guest4 { 10.9.1.100 }\n"
                             "route unreachable 10.9.1.100/32 table 30321 metric 4000\n";
  g_autoptr (VrKernel) kernel = new_kernel ();
  g_autofree char *message = NULL, *changes = NULL, *again = NULL;
  struct nft_ctx *holder = nft_ctx_new (NFT_CTX_DEFAULT);

  nft_ctx_buffer_error (holder);
  g_assert_cmpint (nft_run_cmd_from_buffer (holder, "add table inet virt-relay { flags owner; }"), ==, 0);
  message = apply_error (kernel, plan, &changes);
  g_assert_nonnull (strstr (message, "filter, part \"tunnels\": nftables: "));
  g_assert_nonnull (strstr (message, "what may come out of a tunnel is not checked"));
  g_assert_cmpstr (changes, ==, "+ element bridge guest-tap { \"tap0\" }\n"
                                "+ route unreachable 10.9.1.100/32 table 30321 metric 4000\n"
                                "+ table bridge virt-relay");
  nft_ctx_free (holder);
  again = apply (kernel, plan);
  g_assert_cmpstr (again, ==, "+ element inet guest4 { 10.9.1.100 }\n+ table inet virt-relay");
}

static void
test_no_such_set (void)
{
  g_autoptr (VrKernel) kernel = new_kernel ();
  g_autofree char *changes = NULL;
  g_autofree char *message
      = apply_error (kernel, "element inet nonsense { 10.9.1.100 }\nelement inet guest4 { 10.9.1.100 }\n", &changes);

  g_assert_cmpstr (message, ==, "malformed item: element inet nonsense { 10.9.1.100 }: there is no such set");
  expect_elements ("inet virt-relay guest4", "elements = { 10.9.1.100 }");
}

/* Thousands of elements in one apply, and only what differs in the next. */
static void
test_many (void)
{
  g_autoptr (VrKernel) kernel = new_kernel ();
  g_autoptr (GString) plan = g_string_new (NULL);
  g_autofree char *first = NULL, *second = NULL, *count = NULL;

  for (guint i = 0; i < 4000; i++)
    g_string_append_printf (plan,
                            "element inet guest4 { 10.9.%u.%u }\nelement inet peer-net4 { \"vr-h%u\" . 10.%u.%u.0/24 }\n",
                            i / 250, i % 250 + 1, i % 7, i / 250, i % 250);
  first = apply (kernel, plan->str);
  g_string_append (plan, "element inet guest4 { 10.10.0.1 }\n");
  second = apply (kernel, plan->str);
  g_assert_cmpstr (second, ==, "+ element inet guest4 { 10.10.0.1 }");
  count = sh_out ("nft list set inet virt-relay guest4 | grep -o '10\\.[0-9.]*' | wc -l");
  g_assert_cmpstr (g_strchomp (count), ==, "4001");
}

int
main (int argc, char **argv)
{
  netns_init (&argc, &argv);
  netns_add ("/kernel/filter/contained", test_contained);
  netns_add ("/kernel/filter/map-data", test_map_data);
  netns_add ("/kernel/filter/keys", test_keys);
  netns_add ("/kernel/filter/other-version", test_other_version);
  netns_add ("/kernel/filter/kept", test_kept);
  netns_add ("/kernel/filter/table-taken", test_table_taken);
  netns_add ("/kernel/filter/no-such-set", test_no_such_set);
  netns_add ("/kernel/filter/many", test_many);
  return g_test_run ();
}
