/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "path-world.h"

static const char lines[] = "rule 7610 from all to all iif any lookup 30321\nrule6 7610 from all to all iif any lookup 30321\n"
                            "element inet guest4 { 10.9.1.100 }\nelement inet guest6 { fd00:9:1::100 }\n"
                            "element inet net4 { 10.9.2.0/24 }\nelement inet net6 { fd00:9:2::/64 }\n"
                            "element inet peer-guest4 { \"vr-h3\" . 10.9.1.100 }\nelement inet peer-guest6 { \"vr-h3\" . fd00:9:1::100 }\n"
                            "element inet peer-net4 { \"vr-h3\" . 10.9.3.0/24 }\nelement inet peer-net6 { \"vr-h3\" . fd00:9:3::/64 }\n";
static const char hold[] = "route 10.9.1.100/32 dev vr-+hold table 30321 metric 10 src 10.9.2.1\n"
                           "route fd00:9:1::100/128 dev vr-+hold table 30321 metric 10 src fd00:9:2::1\n";
static const char straight[] = "route 10.9.1.100/32 dev vr-h3 table 30321 metric 10 src 10.9.2.1\n"
                               "route fd00:9:1::100/128 dev vr-h3 table 30321 metric 10 src fd00:9:2::1\n";
static const char *const h3[] = { "192.0.2.3", "10.9.3.1/24", "fd00:9:3::1/64", NULL };
const char *const path_guest[] = { "10.9.1.100", "fd00:9:1::100" }, *const path_s[] = { "10.9.2.50", "fd00:9:2::50" };

/* ---- the hosts ---- */

static void
join (const char *a, const char *dev, const char *b, const char *other)
{
  sh ("ip -n %s link add %s type veth peer name %s netns %s", b, other, dev, a);
  sh ("ip -n %s link set %s arp off address 02:00:00:00:00:66 up; ip -n %s link set %s arp off address 02:00:00:00:00:66 up", a, dev, b, other);
}

static void
join_own (const char *dev, const char *b, const char *other)
{
  sh ("ip link add %s type veth peer name %s netns %s", dev, other, b);
  sh ("ip link set %s arp off address 02:00:00:00:00:66 up; ip -n %s link set %s arp off address 02:00:00:00:00:66 up", dev, b, other);
}

static void
make_hosts (PathWorld *w, guint slow_ms)
{
  static const char *const hosts[] = { "s", "h1", "h3", "guest" };

  for (guint i = 0; i < G_N_ELEMENTS (hosts); i++)
    host_new (hosts[i]);
  for (guint i = 1; i <= 2; i++)
    sh ("ip netns exec %s sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward; for i in all default; do echo 1 > /proc/sys/net/ipv6/conf/$i/forwarding; done'",
        hosts[i]);
  w->slow = delay_new ("", "vr-h1", "h1", "vr-h2", slow_ms);
  join ("h1", "vr-h3", "h3", "vr-h1");
  join ("h3", "tap0", "guest", "eth0");
  join_own ("vr-h3", "h3", "vr-h2");
  join_own ("net0", "s", "eth0");
}

static void
make_routes (void)
{
  static const char *const far[] = { "10.9.2.0/24", "fd00:9:2::/64" }, *const here[] = { "10.9.1.100/32", "fd00:9:1::100/128" };
  static const char *const gateway[] = { "10.9.2.1/24", "fd00:9:2::1/64" }, *const owner[] = { "10.9.3.1/32", "fd00:9:3::1/128" };

  for (guint i = 0; i < 2; i++)
    {
      sh ("ip addr add %s dev net0; ip route add %s dev vr-h1", gateway[i], i == 0 ? "10.9.1.0/24" : "fd00:9:1::/64");
      sh ("ip -n s addr add %s/%s dev eth0; ip -n s route add %s dev eth0", path_s[i], i == 0 ? "24" : "64", i == 0 ? "default" : "default via fd00:9:2::1");
      sh ("ip -n h1 route add %s dev vr-h3; ip -n h1 route add %s dev vr-h2", here[i], far[i]);
      sh ("ip -n h3 addr add %s dev lo; ip -n h3 route add %s dev tap0; ip -n h3 route add %s dev vr-h2 src %.*s", owner[i], here[i], far[i],
          (int) strcspn (owner[i], "/"), owner[i]);
      sh ("ip -n guest addr add %s dev eth0; ip -n guest %s route add default dev eth0", here[i], i == 0 ? "-4" : "-6");
    }
}

void
path_world_up (PathWorld *w, guint slow_ms)
{
  g_autofree char *changes = NULL;

  *w = (PathWorld) { 0 };
  make_hosts (w, slow_ms);
  make_routes ();
  w->kernel = new_kernel ();
  changes = apply (w->kernel, lines);
  w->hold = plan_of (hold);
  w->straight = plan_of (straight);
}

void
path_world_down (PathWorld *w)
{
  g_clear_pointer (&w->change, vr_change_free);
  vr_plan_free (w->hold);
  vr_plan_free (w->straight);
  g_object_unref (w->kernel);
  delay_free (w->slow);
}

/* ---- streams ---- */

void
path_streams_start (PathWorld *w, guint pause_us, guint some)
{
  for (guint i = 0; i < 2; i++)
    w->streams[i] = stream_new ("s", path_s[i], "guest", path_guest[i], pause_us);
  stream_await (w->streams[0], some);
}

void
path_streams_stop (PathWorld *w, guint some)
{
  stream_await (w->streams[0], some);
  for (guint i = 0; i < 2; i++)
    {
      w->counts[i] = stream_stop (w->streams[i]);
      g_assert_cmpuint (w->counts[i].lost, ==, 0);
      g_assert_cmpuint (w->counts[i].duplicated, ==, 0);
    }
}

/* ---- a change ---- */

static void
on_made (const VrChangeResult *result, gpointer data)
{
  ((PathWorld *) data)->made = TRUE;
}

static void
on_over (const VrChangeResult *result, gpointer data)
{
  PathWorld *w = data;

  w->result = *result;
  w->over = TRUE;
}

gboolean
path_is_over (gpointer world)
{
  return ((PathWorld *) world)->over;
}

gboolean
path_is_holding (gpointer world)
{
  return vr_change_is_holding (((PathWorld *) world)->change);
}

void
path_begin (PathWorld *w, guint wait_ms, const char *const *answerers)
{
  g_autoptr (GError) error = NULL;
  VrChangeWay way = { .hold = w->hold->routes, .straight = w->straight->routes, .from = "vr-h1", .to = "vr-h3",
                      .answerers = answerers != NULL ? answerers : h3, .probe_ms = w->probe_ms, .wait_ms = wait_ms };

  w->change = vr_change_begin (w->kernel, &way, on_made, on_over, w, &error);
  g_assert_no_error (error);
}

void
path_expect_routes (const char *dev)
{
  g_autofree char *routes = sh_out ("for f in -4 -6; do ip $f route show table 30321 | grep -v 'metric 20' | cut -d' ' -f1-3; done");
  g_autofree char *want = *dev != '\0' ? g_strdup_printf ("10.9.1.100 dev %s\nfd00:9:1::100 dev %s\n", dev, dev) : g_strdup ("");

  g_assert_cmpstr (routes, ==, want);
}

void
path_relayed_again (PathWorld *w)
{
  g_autofree char *changes = apply (w->kernel, lines);
}

void
path_only_routes (PathWorld *w)
{
  static const char own[] = "route 10.9.1.100/32 dev vr-h1 table 30321 metric 10 src 10.9.2.1\n"
                            "route 10.9.1.100/32 dev vr-h1 table 30321 metric 20 src 10.9.2.1\n"
                            "route fd00:9:1::100/128 dev vr-h1 table 30321 metric 10 src fd00:9:2::1\n"
                            "route fd00:9:1::100/128 dev vr-h1 table 30321 metric 20 src fd00:9:2::1\n";
  g_autofree char *all = g_strconcat (lines, own, NULL), *changes = apply (w->kernel, all);

  sh ("ip route del 10.9.1.0/24; ip -6 route del fd00:9:1::/64");
}
