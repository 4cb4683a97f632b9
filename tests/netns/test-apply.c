/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Apply, difference and flush: what is there afterwards, and what is not touched. */
#include "netns.h"

#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* One item of each kind and family. */
static const char everything[] =
  "announce 10.9.1.100 at 02:00:00:00:01:01 on br0\n"
  "element bridge gateway { \"tap0\" : 02:00:00:00:01:01 }\n"
  "element bridge guest-tap { \"tap0\" }\n"
  "element bridge moved { 52:54:00:00:00:01 : 02:00:00:00:01:01 }\n"
  "element bridge old-gateway { 02:00:00:00:03:01 : 02:00:00:00:01:01 }\n"
  "element inet away4 { 10.9.2.7 }\n"
  "element inet bridge { \"br0\" }\n"
  "element inet guest4 { 10.9.1.100 }\n"
  "element inet guest6 { fd00:9:1::100 }\n"
  "element inet here4 { 10.9.1.100 }\n"
  "element inet net4 { 10.9.1.0/24 }\n"
  "element inet net6 { fd00:9:1::/64 }\n"
  "element inet peer-homed4 { \"vr-h1\" . 10.9.1.100 }\n"
  "element inet peer-host4 { \"vr-h1\" . 192.0.2.1 }\n"
  "element inet peer-net4 { \"vr-h1\" . 10.9.1.0/24 }\n"
  "element inet peer-net6 { \"vr-h1\" . fd00:9:1::/64 }\n"
  "element inet peer-owned6 { \"vr-h1\" . fd00:9:1::100 }\n"
  "element inet relay4 { 10.9.1.100 }\n"
  "element inet relay6 { fd00:9:1::100 }\n"
  "element inet remote-net4 { 10.9.2.0/24 }\n"
  "element inet untracked4 { 10.9.1.100 }\n"
  "forwarding 52:54:00:00:00:01 dev tap0\n"
  "neighbour 10.9.1.100 lladdr 52:54:00:00:00:01 dev br0\n"
  "neighbour fd00:9:1::100 lladdr 52:54:00:00:00:01 dev br0\n"
  "proxy 10.9.1.1 dev br0\n"
  "proxy fd00:9:1::1 dev br0\n"
  "queue tap0 2500\n"
  "route 0.0.0.0/0 dev vr-h1 table 1979711488 metric 10\n"
  "route 10.9.1.100/32 dev br0 table 30321 metric 10\n"
  "route ::/0 dev vr-h1 table 1979711488 metric 10\n"
  "route fd00:9:1::100/128 dev br0 table 30321 metric 10\n"
  "route throw 10.9.3.0/24 table 1979711488 metric 10\n"
  "route throw fd00:9:3::/64 table 1979711488 metric 10\n"
  "route unreachable 0.0.0.0/0 table 1979711488 metric 4000\n"
  "route unreachable 10.9.1.100/32 table 30321 metric 4000\n"
  "route unreachable ::/0 table 1979711488 metric 4000\n"
  "route unreachable fd00:9:1::100/128 table 30321 metric 4000\n"
  "rule 7610 from all to all iif any lookup 30321\n"
  "rule 7620 from 10.9.1.100/32 to all iif br0 lookup 1979711488\n"
  "rule6 7600 from all to fd00:9:1::100/128 iif vr-h9 lookup 30322\n"
  "rule6 7610 from all to all iif any lookup 30321\n"
  "sysctl net/ipv4/conf/vr-h1/rp_filter = 2\n"
  "sysctl net/ipv4/neigh/br0/proxy_delay = 0\n"
  "sysctl net/ipv6/conf/br0/proxy_ndp = 1\n";

static void
make_links (void)
{
  sh ("ip link add br0 address 02:00:00:00:01:01 type bridge && ip link set br0 up && "
      "ip link add tap0 type veth peer name guest0 && ip link set tap0 master br0 up && ip link set guest0 up && "
      "ip link add vr-h1 group 118 type veth peer name far1 && ip link set vr-h1 up && ip link set far1 up");
}

/* A listener to all that an apply could cause. */
static struct mnl_socket *
listen_to (int bus, const int *groups, guint n)
{
  struct mnl_socket *socket = mnl_socket_open2 (bus, SOCK_NONBLOCK | SOCK_CLOEXEC);

  g_assert_nonnull (socket);
  g_assert_cmpint (mnl_socket_bind (socket, 0, MNL_SOCKET_AUTOPID), ==, 0);
  for (guint i = 0; i < n; i++)
    g_assert_cmpint (mnl_socket_setsockopt (socket, NETLINK_ADD_MEMBERSHIP, (gpointer) &groups[i], sizeof groups[i]), ==,
                     0);
  return socket;
}

static void
assert_silent (struct mnl_socket *socket)
{
  char buffer[8192];

  g_assert_cmpint (mnl_socket_recvfrom (socket, buffer, sizeof buffer), <, 0);
  g_assert_cmpint (errno, ==, EAGAIN);
  mnl_socket_close (socket);
}

static void
test_everything (void)
{
  g_autoptr (VrKernel) kernel = NULL;
  g_autofree char *changes = NULL, *want = NULL, *all = NULL;
  g_auto (GStrv) lines = NULL;

  make_links ();
  kernel = new_kernel ();
  changes = apply (kernel, everything);
  lines = g_strsplit (everything, "\n", -1);
  for (guint i = 0; *lines[i] != '\0'; i++)
    {
      g_autofree char *line = g_strconcat ("+ ", lines[i], NULL);

      if (!g_str_has_prefix (lines[i], "announce") && strstr (changes, line) == NULL)
        g_error ("not done: %s\nbut:\n%s", lines[i], changes);
    }
  all = dump_all ();
  g_assert_nonnull (strstr (all, "10.9.1.100 dev br0 table 30321 proto 118 scope link metric 10"));
  g_assert_nonnull (strstr (all, "unreachable fd00:9:1::100 dev lo table 30321 proto 118 metric 4000"));
  g_assert_nonnull (strstr (all, "throw 10.9.3.0/24 table 1979711488 proto 118 metric 10"));
  g_assert_nonnull (strstr (all, "7620:\tfrom 10.9.1.100 iif br0 lookup 1979711488 proto 118"));
  g_assert_nonnull (strstr (all, "7600:\tfrom all to fd00:9:1::100 iif vr-h9 [detached] lookup 30322 proto 118"));
  g_assert_nonnull (strstr (all, "10.9.1.100 dev br0 lladdr 52:54:00:00:00:01 PERMANENT proto 118"));
  g_assert_nonnull (strstr (all, "fd00:9:1::1 dev br0 router proxy proto 118"));
  g_assert_nonnull (strstr (all, "52:54:00:00:00:01 dev tap0 master br0 static"));
  g_assert_nonnull (strstr (all, "elements = { \"vr-h1\" . fd00:9:1::/64 }"));
}

static void
test_idempotent (void)
{
  static const int route_groups[]
      = { RTNLGRP_NEIGH, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE, RTNLGRP_LINK };
  static const int nft_groups[] = { NFNLGRP_NFTABLES };
  g_autoptr (VrKernel) kernel = NULL;
  g_autofree char *first = NULL, *second = NULL;
  struct mnl_socket *routes, *nft;

  make_links ();
  kernel = new_kernel ();
  first = apply (kernel, everything);
  settle ();
  routes = listen_to (NETLINK_ROUTE, route_groups, G_N_ELEMENTS (route_groups));
  nft = listen_to (NETLINK_NETFILTER, nft_groups, G_N_ELEMENTS (nft_groups));
  second = apply (kernel, everything);
  g_assert_cmpstr (second, ==, "");
  assert_silent (routes);
  assert_silent (nft);
}

/* A daemon that starts anew finds what the last one left and changes nothing. */
static void
test_new_process (void)
{
  g_autoptr (VrKernel) kernel = NULL, next = NULL;
  g_autofree char *first = NULL, *second = NULL;

  make_links ();
  kernel = new_kernel ();
  first = apply (kernel, everything);
  g_clear_object (&kernel);
  next = new_kernel ();
  second = apply (next, everything);
  g_assert_cmpstr (second, ==, "");
}

static void
test_flush (void)
{
  g_autoptr (VrKernel) kernel = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *before = NULL, *changes = NULL, *after = NULL, *delay = NULL;

  make_links ();
  sh ("ip link del vr-h1; ip link add plain0 type veth peer name plain1; ip link set plain0 up; ip link set plain1 up");
  before = dump_all ();
  sh ("ip link add vr-h1 group 118 type veth peer name far1; ip link set vr-h1 up; ip link set far1 up");
  kernel = new_kernel ();
  changes = apply (kernel, everything);
  g_assert_true (vr_kernel_flush (kernel, &error));
  g_assert_no_error (error);
  after = dump_all ();
  assert_same (after, before);
  delay
      = sh_out ("cat /proc/sys/net/ipv4/neigh/br0/proxy_delay /proc/sys/net/ipv6/conf/br0/proxy_ndp; ls /run/virt-relay");
  g_assert_cmpstr (delay, ==, "80\n0\n");
}

/* Flushing works as well from a process that did none of it. */
static void
test_flush_new_process (void)
{
  g_autoptr (VrKernel) kernel = NULL, next = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *before = NULL, *changes = NULL, *after = NULL;

  make_links ();
  sh ("ip link del vr-h1");
  before = dump_all ();
  sh ("ip link add vr-h1 group 118 type veth peer name far1; ip link set vr-h1 up; ip link set far1 up");
  kernel = new_kernel ();
  changes = apply (kernel, everything);
  g_clear_object (&kernel);
  next = new_kernel ();
  g_assert_true (vr_kernel_flush (next, &error));
  after = dump_all ();
  assert_same (after, before);
}

/* What others put there stays, through applies, an empty plan and a flush. */
static void
test_foreign (void)
{
  g_autoptr (VrKernel) kernel = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *before = NULL, *changes = NULL, *emptied = NULL, *after = NULL;

  make_links ();
  sh ("ip link del vr-h1; ip route add 10.20.0.0/16 dev br0; ip route add 10.21.0.0/16 dev br0 table 30321 metric 7; "
      "ip -6 route add fd20::/64 dev br0 metric 77; ip rule add from 10.20.0.0/16 lookup 77 pref 7620; ip -6 rule add to fd20::/64 lookup 77 pref 9; "
      "ip neigh add 10.20.0.9 lladdr 52:54:00:00:00:09 dev br0 nud permanent; ip neigh add proxy 10.20.0.1 dev br0; "
      "ip -6 neigh add proxy fd20::1 dev br0; bridge fdb add 52:54:00:00:00:09 dev tap0 master static; "
      "nft add table inet mine; nft add set inet mine s '{ type ipv4_addr; }'; nft add table bridge mine");
  before = dump_all ();
  sh ("ip link add vr-h1 group 118 type veth peer name far1; ip link set vr-h1 up; ip link set far1 up");
  kernel = new_kernel ();
  changes = apply (kernel, everything);
  g_assert_null (strstr (changes, "\n- "));
  emptied = apply (kernel, "");
  g_assert_null (strstr (emptied, "10.20."));
  g_assert_true (vr_kernel_flush (kernel, &error));
  after = dump_all ();
  assert_same (after, before);
}

/* What somebody else put there and says just what is wanted is used, and is still there when it is no longer wanted. */
static void
test_equal_foreign (void)
{
  static const char plan[] = "forwarding 52:54:00:00:00:01 dev tap0\n"
                             "neighbour 10.9.1.100 lladdr 52:54:00:00:00:01 dev br0\n"
                             "proxy fd00:9:1::1 dev br0\n"
                             "sysctl net/ipv4/neigh/br0/proxy_delay = 0\n";
  g_autoptr (VrKernel) kernel = NULL;
  g_autofree char *changes = NULL, *emptied = NULL, *all = NULL, *delay = NULL;

  make_links ();
  sh ("ip neigh add 10.9.1.100 lladdr 52:54:00:00:00:01 dev br0 nud permanent; ip -6 neigh add proxy fd00:9:1::1 dev br0; "
      "bridge fdb add 52:54:00:00:00:01 dev tap0 master static; echo 0 > /proc/sys/net/ipv4/neigh/br0/proxy_delay");
  kernel = new_kernel ();
  changes = apply (kernel, plan);
  g_assert_cmpstr (changes, ==, "+ table bridge virt-relay\n+ table inet virt-relay");
  emptied = apply (kernel, "");
  g_assert_cmpstr (emptied, ==, "");
  all = dump_all ();
  g_assert_nonnull (strstr (all, "10.9.1.100 dev br0 lladdr 52:54:00:00:00:01 PERMANENT"));
  g_assert_nonnull (strstr (all, "fd00:9:1::1 dev br0 proxy"));
  g_assert_nonnull (strstr (all, "52:54:00:00:00:01 dev tap0 master br0 static"));
  delay = sh_out ("cat /proc/sys/net/ipv4/neigh/br0/proxy_delay");
  g_assert_cmpstr (delay, ==, "0\n");
}

/* A route in the same place is replaced: one notification for each, and none of a removal. */
static void
test_replace (void)
{
  static const int groups[] = { RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, RTNLGRP_NEIGH };
  g_autoptr (VrKernel) kernel = NULL;
  g_autofree char *first = NULL, *second = NULL, *routes = NULL;
  struct mnl_socket *socket;
  char   buffer[16384];
  gssize got;
  guint  replaced = 0;

  make_links ();
  kernel = new_kernel ();
  first = apply (kernel, "neighbour 10.9.1.100 lladdr 52:54:00:00:00:01 dev br0\n"
                         "route 10.9.1.100/32 dev br0 table 30321 metric 10\n"
                         "route fd00:9:1::100/128 dev br0 table 30321 metric 10\n"
                         "route unreachable 10.9.1.100/32 table 30321 metric 4000\n");
  settle ();
  socket = listen_to (NETLINK_ROUTE, groups, G_N_ELEMENTS (groups));
  second = apply (kernel, "neighbour 10.9.1.100 lladdr 52:54:00:00:00:02 dev br0\n"
                          "route 10.9.1.100/32 dev vr-h1 table 30321 metric 10\n"
                          "route fd00:9:1::100/128 dev vr-h1 table 30321 metric 10\n"
                          "route unreachable 10.9.1.100/32 table 30321 metric 4000\n");
  g_assert_cmpstr (second, ==,
                   "+ neighbour 10.9.1.100 lladdr 52:54:00:00:00:02 dev br0\n"
                   "+ route 10.9.1.100/32 dev vr-h1 table 30321 metric 10\n"
                   "+ route fd00:9:1::100/128 dev vr-h1 table 30321 metric 10\n"
                   "- neighbour 10.9.1.100 lladdr 52:54:00:00:00:01 dev br0\n"
                   "- route 10.9.1.100/32 dev br0 table 30321 metric 10\n"
                   "- route fd00:9:1::100/128 dev br0 table 30321 metric 10");
  while ((got = mnl_socket_recvfrom (socket, buffer, sizeof buffer)) > 0)
    {
      int left = got;

      for (const struct nlmsghdr *nlh = (gpointer) buffer; mnl_nlmsg_ok (nlh, left); nlh = mnl_nlmsg_next (nlh, &left))
        {
          g_assert_cmpint (nlh->nlmsg_type, !=, RTM_DELROUTE);
          g_assert_cmpint (nlh->nlmsg_type, !=, RTM_DELNEIGH);
          replaced += nlh->nlmsg_type == RTM_NEWROUTE && (nlh->nlmsg_flags & NLM_F_REPLACE);
        }
    }
  mnl_socket_close (socket);
  g_assert_cmpuint (replaced, ==, 2);
  routes = sh_out ("ip route show table 30321; ip -6 route show table 30321");
  g_assert_null (strstr (routes, "br0"));
}

/* What has no interface yet is no error, and is there once the interface is. */
static void
test_interface_later (void)
{
  g_autoptr (VrKernel) kernel = new_kernel ();
  g_autofree char *early = apply (kernel, everything), *late = NULL, *again = NULL;
  Changed changed;

  g_assert_null (strstr (early, "dev br0"));
  g_assert_nonnull (strstr (early, "+ route unreachable 10.9.1.100/32 table 30321 metric 4000"));
  watch_changed (kernel, &changed);
  make_links ();
  expect_changed (&changed);
  late = apply (kernel, everything);
  g_assert_nonnull (strstr (late, "+ route 10.9.1.100/32 dev br0 table 30321 metric 10"));
  g_assert_nonnull (strstr (late, "+ forwarding 52:54:00:00:00:01 dev tap0"));
  g_assert_nonnull (strstr (late, "+ proxy fd00:9:1::1 dev br0"));
  g_assert_nonnull (strstr (late, "+ sysctl net/ipv4/conf/vr-h1/rp_filter = 2"));
  again = apply (kernel, everything);
  g_assert_cmpstr (again, ==, "");
}

/* A source that is not configured yet is left out, and put in when it is. */
static void
test_source_later (void)
{
  static const char plan[] = "route 10.9.2.0/24 dev br0 table 30323 metric 10 src 10.9.1.1\n"
                             "route fd00:9:2::/64 dev br0 table 30323 metric 10 src fd00:9:1::1\n";
  g_autoptr (VrKernel) kernel = NULL;
  g_autofree char *early = NULL, *same = NULL, *late = NULL, *routes = NULL;
  Changed changed;

  make_links ();
  kernel = new_kernel ();
  early = apply (kernel, plan);
  same = apply (kernel, plan);
  g_assert_cmpstr (same, ==, "");
  watch_changed (kernel, &changed);
  sh ("ip addr add 10.9.1.1/24 dev br0; ip addr add fd00:9:1::1/64 dev br0 nodad");
  expect_changed (&changed);
  late = apply (kernel, plan);
  g_assert_nonnull (strstr (late, "+ route 10.9.2.0/24 dev br0 table 30323 metric 10 src 10.9.1.1"));
  routes = sh_out ("ip route show table 30323; ip -6 route show table 30323");
  g_assert_nonnull (strstr (routes, "src 10.9.1.1 "));
  g_assert_nonnull (strstr (routes, "src fd00:9:1::1 "));
}

/* One item that the kernel refuses is named, with its reason, and stops no other. */
static void
test_one_fails (void)
{
  g_autoptr (VrKernel) kernel = NULL;
  g_autofree char *changes = NULL, *message = NULL;

  make_links ();
  kernel = new_kernel ();
  message = apply_error (kernel,
                         "element inet guest4 { 10.9.1.100 }\n"
                         "element inet guest4 { fd00::1 }\n"
                         "route 10.9.1.1/24 dev br0 table 30321 metric 10\n"
                         "route 10.9.1.100/32 dev br0 table 30321 metric 10\n"
                         "sysctl net/ipv4/neigh/br0/proxy_delay = nonsense\n"
                         "sysctl net/ipv6/conf/br0/proxy_ndp = 1\n", &changes);
  g_assert_nonnull (
      strstr (message, "cannot set sysctl net/ipv4/neigh/br0/proxy_delay = nonsense: Invalid argument (and 2 more)"));
  g_assert_nonnull (strstr (changes, "+ element inet guest4 { 10.9.1.100 }"));
  g_assert_nonnull (strstr (changes, "+ route 10.9.1.100/32 dev br0 table 30321 metric 10"));
  g_assert_nonnull (strstr (changes, "+ sysctl net/ipv6/conf/br0/proxy_ndp = 1"));
  g_free (changes);
  g_free (message);
  message = apply_error (kernel, "route 10.9.1.1/24 dev br0 table 30321 metric 10\n", &changes);
  g_assert_cmpstr (message, ==, "cannot add route 10.9.1.1/24 dev br0 table 30321 metric 10: Invalid argument "
                                "(the kernel says: Invalid prefix for given prefix length)");
  g_free (changes);
  g_free (message);
  message = apply_error (kernel, "element inet guest4 { fd00::1 }\n", &changes);
  g_assert_nonnull (strstr (message, "cannot add element inet guest4 { fd00::1 }: nftables: "));
}

/* A sysctl whose interface went and came back is set again; put back is what the interface held. */
static void
test_sysctl (void)
{
  static const char plan[] = "sysctl net/ipv4/neigh/br0/proxy_delay = 0\n";
  g_autoptr (VrKernel) kernel = NULL;
  g_autofree char *first = NULL, *gone = NULL, *back = NULL, *emptied = NULL, *value = NULL;

  make_links ();
  sh ("echo 33 > /proc/sys/net/ipv4/neigh/br0/proxy_delay");
  kernel = new_kernel ();
  first = apply (kernel, plan);
  sh ("ip link del br0");
  gone = apply (kernel, plan);
  g_assert_cmpstr (gone, ==, "");
  sh ("ip link add br0 type bridge");
  back = apply (kernel, plan);
  g_assert_cmpstr (back, ==, "+ sysctl net/ipv4/neigh/br0/proxy_delay = 0");
  emptied = apply (kernel, "");
  g_assert_cmpstr (emptied, ==, "- sysctl net/ipv4/neigh/br0/proxy_delay = 0");
  value = sh_out ("cat /proc/sys/net/ipv4/neigh/br0/proxy_delay");
  g_assert_cmpstr (value, ==, "80\n");
}

static GLogWriterOutput
keep_message (GLogLevelFlags level, const GLogField *fields, gsize n, gpointer data)
{
  for (gsize i = 0; i < n; i++)
    if (g_str_equal (fields[i].key, "MESSAGE"))
      g_string_append (data, fields[i].value);
  return G_LOG_WRITER_HANDLED;
}

/* A damaged state file is named and gone on without. */
static void
test_damaged_state (void)
{
  g_autoptr (VrKernel) kernel = NULL;
  g_autofree char *changes = NULL, *again = NULL;
  static GString *said; /* a log writer stays for good */

  said = g_string_new (NULL);
  make_links ();
  sh ("mkdir -p /run/virt-relay && echo '{ \"sysctls\": [ 1' > /run/virt-relay/kernel.state");
  g_log_set_writer_func (keep_message, said, NULL);
  kernel = new_kernel ();
  g_assert_true (g_str_has_prefix (said->str, "/run/virt-relay/kernel.state: damaged"));
  changes = apply (kernel, everything);
  g_clear_object (&kernel);
  kernel = new_kernel ();
  again = apply (kernel, everything);
  g_assert_cmpstr (again, ==, "");
}

/* Nobody's interfaces but our own are taken away, and only by names that can be ours. */
static void
test_remove_link (void)
{
  g_autoptr (VrKernel) kernel = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) before = NULL, after = NULL;

  make_links ();
  sh ("ip link add vr-lan type bridge");
  kernel = new_kernel ();
  before = vr_kernel_our_links (kernel);
  g_assert_cmpuint (before->len, ==, 1);
  g_assert_cmpstr (before->pdata[0], ==, "vr-h1");
  g_assert_false (vr_kernel_remove_link (kernel, "br0", &error));
  g_assert_error (error, VR_KERNEL_ERROR, VR_KERNEL_ERROR_LINK);
  g_clear_error (&error);
  g_assert_false (vr_kernel_remove_link (kernel, "vr-lan", &error));
  g_assert_nonnull (strstr (error->message, "an interface vr-lan is there that virt-relay did not make"));
  g_clear_error (&error);
  g_assert_false (vr_kernel_ensure_xfrm (kernel, "vr-lan", 1, "lan", 1400, &error));
  g_assert_nonnull (strstr (error->message, "an interface vr-lan is there that virt-relay did not make"));
  g_assert_true (vr_kernel_remove_link (kernel, "vr-h1", NULL));
  g_assert_true (vr_kernel_remove_link (kernel, "vr-h1", NULL));
  after = vr_kernel_our_links (kernel);
  g_assert_cmpuint (after->len, ==, 0);
  sh ("ip link show br0 && ip link show vr-lan");
}

int
main (int argc, char **argv)
{
  netns_init (&argc, &argv);
  netns_add ("/kernel/apply/everything", test_everything);
  netns_add ("/kernel/apply/idempotent", test_idempotent);
  netns_add ("/kernel/apply/new-process", test_new_process);
  netns_add ("/kernel/apply/flush", test_flush);
  netns_add ("/kernel/apply/flush-new-process", test_flush_new_process);
  netns_add ("/kernel/apply/foreign", test_foreign);
  netns_add ("/kernel/apply/equal-foreign", test_equal_foreign);
  netns_add ("/kernel/apply/replace", test_replace);
  netns_add ("/kernel/apply/interface-later", test_interface_later);
  netns_add ("/kernel/apply/source-later", test_source_later);
  netns_add ("/kernel/apply/one-fails", test_one_fails);
  netns_add ("/kernel/apply/sysctl", test_sysctl);
  netns_add ("/kernel/apply/remove-link", test_remove_link);
  netns_add ("/kernel/apply/damaged-state", test_damaged_state);
  return g_test_run ();
}
