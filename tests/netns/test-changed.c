/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The "changed" signal: when somebody else alters what is ours, or links change; and never for what this object does
 * itself. */
#include "netns.h"

#include <string.h>

static const char plan[] =
  "element bridge gateway { \"tap0\" : 02:00:00:00:01:01 }\n"
  "element inet guest4 { 10.9.1.100 }\n"
  "element inet relay6 { fd00:9:1::100 }\n"
  "forwarding 52:54:00:00:00:01 dev tap0\n"
  "neighbour 10.9.1.100 lladdr 52:54:00:00:00:01 dev br0\n"
  "neighbour fd00:9:1::100 lladdr 52:54:00:00:00:01 dev br0\n"
  "route 10.9.1.100/32 dev br0 table 30321 metric 10\n"
  "route fd00:9:1::100/128 dev br0 table 30321 metric 10\n"
  "route unreachable 10.9.1.100/32 table 30321 metric 4000\n"
  "rule 7610 from all to all iif any lookup 30321\n"
  "rule6 7610 from all to all iif any lookup 30321\n";

typedef struct {
  VrKernel *kernel;
  Changed   changed;
  char     *dump; /* as the plan left it */
} Fixture;

static void
make_links (void)
{
  sh ("ip link add br0 address 02:00:00:00:01:01 type bridge && ip link set br0 up && "
      "ip link add tap0 type veth peer name guest0 && ip link set tap0 master br0 up && ip link set guest0 up");
}

static void
set_up (Fixture *f)
{
  g_autofree char *changes = NULL;

  make_links ();
  f->kernel = new_kernel ();
  changes = apply (f->kernel, plan);
  settle ();
  f->dump = dump_all ();
  watch_changed (f->kernel, &f->changed);
}

static void
tear_down (Fixture *f)
{
  g_clear_object (&f->kernel);
  g_free (f->dump);
}

/* Somebody runs `command`: that is noticed, and applying the same plan mends it. */
static void
check_mended (const char *command)
{
  Fixture f;
  g_autofree char *broken = NULL, *changes = NULL, *mended = NULL;

  set_up (&f);
  sh ("%s", command);
  broken = dump_all ();
  g_assert_cmpstr (broken, !=, f.dump);
  expect_changed (&f.changed);
  changes = apply (f.kernel, plan);
  g_assert_cmpstr (changes, !=, "");
  mended = dump_all ();
  assert_same (mended, f.dump);
  settle ();
  g_assert_cmpuint (f.changed.count, ==, 0);
  tear_down (&f);
}

static void
test_route (void)
{
  check_mended ("ip route del 10.9.1.100 table 30321 metric 10");
}

static void
test_route6 (void)
{
  check_mended ("ip -6 route del fd00:9:1::100 table 30321 metric 10");
}

static void
test_route_replaced (void)
{
  check_mended ("ip route replace 10.9.1.100 dev lo table 30321 metric 10");
}

static void
test_rule (void)
{
  check_mended ("ip rule del pref 7610");
}

static void
test_rule6 (void)
{
  check_mended ("ip -6 rule del pref 7610");
}

static void
test_neighbour (void)
{
  check_mended ("ip neigh del 10.9.1.100 dev br0");
}

static void
test_neighbour6 (void)
{
  check_mended ("ip -6 neigh replace fd00:9:1::100 lladdr 52:54:00:00:00:02 nud permanent dev br0");
}

static void
test_forwarding (void)
{
  check_mended ("bridge fdb del 52:54:00:00:00:01 dev tap0 master");
}

static void
test_ruleset (void)
{
  check_mended ("nft flush ruleset");
}

static void
test_table_deleted (void)
{
  check_mended ("nft delete table bridge virt-relay");
}

static void
test_table_flushed (void)
{
  check_mended ("nft flush table inet virt-relay");
}

static void
test_element (void)
{
  check_mended ("nft delete element inet virt-relay guest4 '{ 10.9.1.100 }'");
}

static void
test_element_added (void)
{
  check_mended ("nft add element bridge virt-relay moved '{ 52:54:00:00:00:09 : 52:54:00:00:00:0a }'");
}

static void
test_rule_inserted (void)
{
  check_mended ("nft insert rule inet virt-relay forward accept");
}

static void
test_forward_moved (void)
{
  check_mended (
      "ip link add tap1 type veth peer name guest1; ip link set tap1 master br0 up; "
      "bridge fdb replace 52:54:00:00:00:01 dev tap1 master static; ip link set tap1 nomaster; ip link del tap1");
}

/* What this object does itself is no change: one that reacts to the signal by applying would never rest. */
static void
test_own (void)
{
  g_autofree char *first = NULL, *second = NULL, *third = NULL;
  Fixture f;

  set_up (&f);
  first = apply (f.kernel, "");
  second = apply (f.kernel, plan);
  g_assert_cmpstr (second, !=, "");
  third = apply (f.kernel, "route unreachable 10.9.1.100/32 table 30321 metric 4000\n");
  settle ();
  g_assert_cmpuint (f.changed.count, ==, 0);
  tear_down (&f);
}

/* Nor is what others do with what is theirs. */
static void
test_noise (void)
{
  Fixture f;

  set_up (&f);
  sh ("ip route add 10.20.0.0/16 dev br0; ip -6 route add fd20::/64 dev br0; ip rule add pref 5 lookup 7; "
      "ip neigh add 10.9.1.7 lladdr 52:54:00:00:00:07 nud reachable dev br0; ip neigh del 10.9.1.7 dev br0; "
      "bridge fdb add 52:54:00:00:00:07 dev tap0 master static; ip addr add 10.9.1.1/24 dev br0; "
      "nft add table inet other; nft add chain inet other c; nft delete table inet other");
  settle ();
  g_assert_cmpuint (f.changed.count, ==, 0);
  tear_down (&f);
}

/* Many changes at once are one signal, or a few. */
static void
test_coalesced (void)
{
  g_autofree char *changes = NULL;
  Fixture f;

  set_up (&f);
  sh ("ip route flush table 30321; ip -6 route flush table 30321; ip rule del pref 7610; nft flush ruleset; ip neigh flush dev br0 nud permanent");
  g_assert_cmpuint (f.changed.count, ==, 0);
  while (f.changed.count == 0)
    g_main_context_iteration (NULL, TRUE);
  settle ();
  g_assert_cmpuint (f.changed.count, <=, 2);
  changes = apply (f.kernel, plan);
  tear_down (&f);
}

static void
test_mac (void)
{
  g_autoptr (GHashTable) before = NULL, after = NULL;
  Fixture f;

  set_up (&f);
  before = vr_kernel_macs (f.kernel);
  g_assert_cmpstr (g_hash_table_lookup (before, "br0"), ==, "02:00:00:00:01:01");
  sh ("ip link set br0 address 02:00:00:00:01:02");
  expect_changed (&f.changed);
  after = vr_kernel_macs (f.kernel);
  g_assert_cmpstr (g_hash_table_lookup (after, "br0"), ==, "02:00:00:00:01:02");
  tear_down (&f);
}

static void
test_link_gone (void)
{
  g_autoptr (GHashTable) after = NULL;
  g_autofree char *changes = NULL, *again = NULL, *back = NULL;
  Fixture f;

  set_up (&f);
  sh ("ip link del tap0");
  expect_changed (&f.changed);
  after = vr_kernel_macs (f.kernel);
  g_assert_false (g_hash_table_contains (after, "tap0"));
  changes = apply (f.kernel, plan);
  sh ("ip link add tap0 type veth peer name guest0; ip link set tap0 master br0 up; ip link set guest0 up");
  expect_changed (&f.changed);
  back = apply (f.kernel, plan);
  g_assert_nonnull (strstr (back, "+ forwarding 52:54:00:00:00:01 dev tap0"));
  tear_down (&f);
}

/* Down and up takes an interface's routes away without a word about them. */
static void
test_link_down (void)
{
  g_autofree char *changes = NULL, *after = NULL;
  Fixture f;

  set_up (&f);
  sh ("ip link set br0 down; ip link set br0 up");
  expect_changed (&f.changed);
  changes = apply (f.kernel, plan);
  g_assert_nonnull (strstr (changes, "+ route 10.9.1.100/32 dev br0 table 30321 metric 10"));
  tear_down (&f);
}

/* More notifications than the queue holds: they are lost, which is noticed, and what they told of is known all the same.
 */
static void
test_overflow (void)
{
  g_autoptr (GHashTable) macs = NULL;
  Fixture f;

  set_up (&f);
  sh ("for i in $(seq 1 60); do for k in $(seq 1 250); do echo route add 10.$((100 + i)).$k.0/24 dev br0; done; done | ip -batch - ; "
      "ip link add late0 type veth peer name late1");
  expect_changed (&f.changed);
  macs = vr_kernel_macs (f.kernel);
  g_assert_true (g_hash_table_contains (macs, "late0"));
  tear_down (&f);
}

int
main (int argc, char **argv)
{
  netns_init (&argc, &argv);
  netns_add ("/kernel/changed/route", test_route);
  netns_add ("/kernel/changed/route6", test_route6);
  netns_add ("/kernel/changed/route-replaced", test_route_replaced);
  netns_add ("/kernel/changed/rule", test_rule);
  netns_add ("/kernel/changed/rule6", test_rule6);
  netns_add ("/kernel/changed/neighbour", test_neighbour);
  netns_add ("/kernel/changed/neighbour6", test_neighbour6);
  netns_add ("/kernel/changed/forwarding", test_forwarding);
  netns_add ("/kernel/changed/forwarding-moved", test_forward_moved);
  netns_add ("/kernel/changed/ruleset", test_ruleset);
  netns_add ("/kernel/changed/table-deleted", test_table_deleted);
  netns_add ("/kernel/changed/table-flushed", test_table_flushed);
  netns_add ("/kernel/changed/element", test_element);
  netns_add ("/kernel/changed/element-added", test_element_added);
  netns_add ("/kernel/changed/rule-inserted", test_rule_inserted);
  netns_add ("/kernel/changed/own", test_own);
  netns_add ("/kernel/changed/noise", test_noise);
  netns_add ("/kernel/changed/coalesced", test_coalesced);
  netns_add ("/kernel/changed/mac", test_mac);
  netns_add ("/kernel/changed/link-gone", test_link_gone);
  netns_add ("/kernel/changed/link-down", test_link_down);
  netns_add ("/kernel/changed/overflow", test_overflow);
  return g_test_run ();
}
