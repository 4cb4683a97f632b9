/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fast path: a prepared switch does its routes, and only while its links are what they were. */
#include "netns.h"

#include <string.h>

static const char here[] = "route 10.9.1.100/32 dev br0 table 30321 metric 10\n"
                           "route fd00:9:1::100/128 dev br0 table 30321 metric 10\n"
                           "route unreachable 10.9.1.100/32 table 30321 metric 4000\n";
static const char there[] = "route 10.9.1.100/32 dev vr-h3 table 30321 metric 10\n"
                            "route fd00:9:1::100/128 dev vr-h3 table 30321 metric 10\n"
                            "route unreachable 10.9.1.100/32 table 30321 metric 4000\n";

static VrKernel *
make_kernel (void)
{
  sh ("ip link add br0 type bridge; ip link set br0 up; ip link add vr-h3 type veth peer name far3; ip link set vr-h3 up; ip link set far3 up");
  return new_kernel ();
}

static VrSwitch *
prepare (VrKernel *kernel, const char *lines)
{
  g_autoptr (VrPlan) plan = plan_of (lines);
  g_autoptr (GError) error = NULL;
  VrSwitch *sw = vr_switch_prepare (kernel, NULL, plan->routes, &error);

  g_assert_no_error (error);
  return sw;
}

static void
commit (VrSwitch *sw)
{
  g_autoptr (GError) error = NULL;
  gint64 took = -1;

  g_assert_true (vr_switch_commit (sw, &took, &error));
  g_assert_no_error (error);
  g_assert_cmpint (took, >, 0);
}

static void
expect_dev (const char *dev)
{
  g_autofree char *routes = sh_out ("ip route show table 30321 metric 10; ip -6 route show table 30321 metric 10");
  g_autofree char *want = g_strdup_printf (
      "10.9.1.100 dev %s proto 118 scope link \nfd00:9:1::100 dev %s proto 118 pref medium\n", dev, dev);

  g_assert_cmpstr (routes, ==, want);
}

/* There and back, as often as wanted; the plan that says the same then changes nothing, and nobody is told that something
 * changed. */
static void
test_commit (void)
{
  g_autoptr (VrKernel) kernel = make_kernel ();
  g_autofree char *first = apply (kernel, here), *same = NULL, *back = NULL;
  g_autoptr (VrSwitch) away = prepare (kernel, there), home = prepare (kernel, here);
  Changed changed;

  settle ();
  watch_changed (kernel, &changed);
  for (guint i = 0; i < 3; i++)
    {
      commit (away);
      expect_dev ("vr-h3");
      commit (home);
      expect_dev ("br0");
    }
  back = apply (kernel, here);
  g_assert_cmpstr (back, ==, "");
  commit (away);
  same = apply (kernel, there);
  g_assert_cmpstr (same, ==, "");
  settle ();
  g_assert_cmpuint (changed.count, ==, 0);
}

/* Routes that were not there before are added. */
static void
test_adds (void)
{
  g_autoptr (VrKernel) kernel = make_kernel ();
  g_autoptr (VrSwitch) away = prepare (kernel, there);

  commit (away);
  expect_dev ("vr-h3");
}

/* What a route needs is there before it. */
static void
test_neighbours (void)
{
  g_autoptr (VrKernel) kernel = make_kernel ();
  g_autoptr (VrPlan) plan = plan_of ("neighbour 10.9.1.100 lladdr 52:54:00:00:00:01 dev br0\nneighbour fd00:9:1::100 lladdr 52:54:00:00:00:01 dev br0\n");
  g_autoptr (VrPlan) routes = plan_of (here);
  g_autoptr (GError) error = NULL;
  g_autoptr (VrSwitch) back = vr_switch_prepare (kernel, plan->neighbours, routes->routes, &error);
  g_autofree char *neighbours = NULL;

  g_assert_no_error (error);
  commit (back);
  expect_dev ("br0");
  neighbours = sh_out ("ip -4 neigh show dev br0 nud permanent | grep -v ff02; ip -6 neigh show dev br0 nud permanent | grep -v ff02 | grep -v 33:33");
  g_assert_cmpstr (neighbours, ==, "10.9.1.100 lladdr 52:54:00:00:00:01 PERMANENT proto 118 \nfd00:9:1::100 lladdr 52:54:00:00:00:01 PERMANENT proto 118 \n");
}

static void
test_empty (void)
{
  g_autoptr (VrKernel) kernel = make_kernel ();
  g_autoptr (VrSwitch) nothing = prepare (kernel, "");

  commit (nothing);
}

static void
test_no_interface (void)
{
  g_autoptr (VrKernel) kernel = make_kernel ();
  g_autoptr (VrPlan) plan = plan_of ("route 10.9.1.100/32 dev vr-h9 table 30321 metric 10\n");
  g_autoptr (GError) error = NULL;

  g_assert_null (vr_switch_prepare (kernel, NULL, plan->routes, &error));
  g_assert_error (error, VR_KERNEL_ERROR, VR_KERNEL_ERROR_LINK);
  g_assert_nonnull (strstr (error->message, "route 10.9.1.100/32 dev vr-h9 table 30321 metric 10"));
}

/* A link that went makes it void, also if another came in its place; the other switches stay good. */
static void
test_void (void)
{
  g_autoptr (VrKernel) kernel = make_kernel ();
  g_autofree char *first = apply (kernel, here);
  g_autoptr (VrSwitch) away = prepare (kernel, there), home = prepare (kernel, here);
  g_autoptr (GError) error = NULL;
  Changed changed;

  watch_changed (kernel, &changed);
  sh ("ip link del vr-h3; ip link add vr-h3 type veth peer name far3; ip link set vr-h3 up");
  expect_changed (&changed);
  g_assert_false (vr_switch_commit (away, NULL, &error));
  g_assert_error (error, VR_KERNEL_ERROR, VR_KERNEL_ERROR_LINK);
  expect_dev ("br0");
  commit (home);
}

/* So does a link that is now called otherwise: what has its name next is meant. */
static void
test_renamed (void)
{
  g_autoptr (VrKernel) kernel = make_kernel ();
  g_autofree char *first = apply (kernel, here);
  g_autoptr (VrSwitch) away = prepare (kernel, there);
  g_autoptr (GError) error = NULL;
  Changed changed;

  watch_changed (kernel, &changed);
  sh ("ip link set vr-h3 name vr-h4 2>/dev/null || { ip link set vr-h3 down; ip link set vr-h3 name vr-h4; ip link set vr-h4 up; }");
  expect_changed (&changed);
  g_assert_false (vr_switch_commit (away, NULL, &error));
  g_assert_error (error, VR_KERNEL_ERROR, VR_KERNEL_ERROR_LINK);
}

/* Even before the notification was read: the kernel refuses, and the error says which route. */
static void
test_void_unread (void)
{
  g_autoptr (VrKernel) kernel = make_kernel ();
  g_autofree char *first = apply (kernel, here);
  g_autoptr (VrSwitch) away = prepare (kernel, there);
  g_autoptr (GError) error = NULL;

  sh ("ip link del vr-h3");
  g_assert_false (vr_switch_commit (away, NULL, &error));
  g_assert_error (error, VR_KERNEL_ERROR, VR_KERNEL_ERROR_NETLINK);
  g_assert_nonnull (strstr (error->message, "route 10.9.1.100/32 dev vr-h3 table 30321 metric 10"));
  expect_dev ("br0");
}

/* Links that it does not use may change as they like, and it outlives its maker's other references. */
static void
test_other_links (void)
{
  VrKernel *kernel = make_kernel ();
  g_autofree char *first = apply (kernel, here);
  g_autoptr (VrSwitch) away = prepare (kernel, there);
  Changed changed;

  watch_changed (kernel, &changed);
  sh ("ip link add other0 type veth peer name other1; ip link del other0");
  expect_changed (&changed);
  g_object_unref (kernel);
  commit (away);
  expect_dev ("vr-h3");
}

/* As many as are allowed: all acknowledgements are read, and the next request gets its own. */
static void
test_many (void)
{
  g_autoptr (VrKernel) kernel = make_kernel ();
  g_autoptr (GString) lines = g_string_new (NULL);
  g_autoptr (VrSwitch) sw = NULL;
  g_autofree char *count = NULL, *same = NULL;

  for (guint i = 0; i < 256; i++)
    g_string_append_printf (lines, "route 10.9.4.%u/32 dev vr-h3 table 30321 metric 10\n", i);
  sw = prepare (kernel, lines->str);
  commit (sw);
  commit (sw);
  same = apply (kernel, lines->str);
  g_assert_null (strstr (same, "route"));
  count = sh_out ("ip route show table 30321 | wc -l");
  g_assert_cmpstr (count, ==, "256\n");
}

int
main (int argc, char **argv)
{
  netns_init (&argc, &argv);
  netns_add ("/kernel/switch/commit", test_commit);
  netns_add ("/kernel/switch/adds", test_adds);
  netns_add ("/kernel/switch/neighbours", test_neighbours);
  netns_add ("/kernel/switch/empty", test_empty);
  netns_add ("/kernel/switch/no-interface", test_no_interface);
  netns_add ("/kernel/switch/void", test_void);
  netns_add ("/kernel/switch/renamed", test_renamed);
  netns_add ("/kernel/switch/void-unread", test_void_unread);
  netns_add ("/kernel/switch/other-links", test_other_links);
  netns_add ("/kernel/switch/many", test_many);
  return g_test_run ();
}
