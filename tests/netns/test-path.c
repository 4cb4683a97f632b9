/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A path that becomes direct, with packets of both families on their way. path-world.h says between whom. */
#include "path-world.h"

#include "bulk.h"
#include "daemon/names.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define SLOW_MS 60
#define SLOWER_MS 400
#define TOO_SHORT_MS 100
#define FOR_EVER_MS 600000
#define PAUSE_US 150
#define SLOWER_PAUSE_US 1000 /* on the slower way: what is on it at a time has to have room there */
#define SOME 400 /* packets */

static void
stop_streams (PathWorld *w)
{
  path_streams_stop (w, SOME);
  for (guint i = 0; i < 2; i++)
    g_test_message ("to %s: sent %u, reordered %u", path_guest[i], w->counts[i].sent, w->counts[i].reordered);
  if (w->over)
    g_test_message ("waited %" G_GINT64_FORMAT " us, held %" G_GUINT64_FORMAT " packets for %" G_GINT64_FORMAT " us, %" G_GUINT64_FORMAT " of them late",
                    w->result.waited_us, w->result.counts.sent, w->result.held_us, w->result.late);
}

/* Whatever the machine did meanwhile, none was overtaken but those that waited while the routes were changed. */
static void
expect_order (const PathWorld *w)
{
  g_assert_cmpuint (w->counts[0].reordered + w->counts[1].reordered, <=, w->result.late);
}

/* Without all this: what goes straight overtakes what went the long way. (If this is not seen, the other tests show nothing.) */
static void
test_at_once (void)
{
  PathWorld w;
  g_autoptr (GError) error = NULL;
  VrSwitch *sw;

  path_world_up (&w, SLOW_MS);
  sw = vr_switch_prepare (w.kernel, NULL, w.straight->routes, &error);
  g_assert_no_error (error);
  path_streams_start (&w, PAUSE_US, SOME);
  g_assert_true (vr_switch_commit (sw, NULL, &error));
  stop_streams (&w);
  g_assert_cmpuint (w.counts[0].reordered, >, 0);
  g_assert_cmpuint (w.counts[1].reordered, >, 0);
  vr_switch_free (sw);
  path_world_down (&w);
}

static void
test_ordered (void)
{
  PathWorld w;

  path_world_up (&w, SLOW_MS);
  path_streams_start (&w, PAUSE_US, SOME);
  path_begin (&w, FOR_EVER_MS, NULL);
  path_expect_routes (VR_HOLD_LINK);
  g_assert_true (wait_for (path_is_over, &w));
  path_expect_routes ("vr-h3");
  stop_streams (&w);
  expect_order (&w);
  g_assert_true (w.made && w.result.straight && w.result.returned);
  g_assert_cmpuint (w.result.counts.sent, >, 0);
  g_assert_cmpuint (w.result.counts.not_sent + w.result.counts.dropped, ==, 0);
  path_world_down (&w);
}

/* The straight tunnel is lost and back: what was sent by it is on the shorter way, so only the change to it has to wait, each time. */
static void
test_again (void)
{
  PathWorld w;
  guint64 late;

  path_world_up (&w, SLOW_MS);
  w.probe_ms = FOR_EVER_MS;
  path_streams_start (&w, SLOWER_PAUSE_US, SOME);
  path_begin (&w, SLOW_MS, NULL);
  g_assert_true (wait_for (path_is_over, &w));
  late = w.result.late;
  g_clear_pointer (&w.change, vr_change_free);
  stream_await (w.streams[0], SOME);
  path_relayed_again (&w);
  path_expect_routes ("");
  stream_await (w.streams[0], SOME);
  w.made = w.over = FALSE;
  path_begin (&w, SLOW_MS, NULL);
  g_assert_true (wait_for (path_is_over, &w));
  path_expect_routes ("vr-h3");
  stop_streams (&w);
  g_assert_true (w.result.straight && w.result.returned);
  g_assert_cmpuint (w.counts[0].reordered + w.counts[1].reordered, <=, late + w.result.late);
  path_world_down (&w);
}

/* A wait that is too short for the way, as any that is not measured is on some: what was held overtakes what is still under way. */
static void
test_too_short (void)
{
  PathWorld w;

  path_world_up (&w, SLOWER_MS);
  path_streams_start (&w, SLOWER_PAUSE_US, SOME);
  path_begin (&w, TOO_SHORT_MS, NULL);
  g_assert_true (wait_for (path_is_over, &w));
  stop_streams (&w);
  g_assert_false (w.result.returned);
  g_assert_cmpuint (w.counts[0].reordered, >, 0);
  path_world_down (&w);
}

/* The same, but with a marker beforehand: nobody waits for that one, and it says how long to wait for the next. */
static void
test_measured (void)
{
  PathWorld w;

  path_world_up (&w, SLOWER_MS);
  w.probe_ms = FOR_EVER_MS;
  path_streams_start (&w, SLOWER_PAUSE_US, SOME);
  path_begin (&w, TOO_SHORT_MS, NULL);
  path_expect_routes ("");
  g_assert_true (wait_for (path_is_holding, &w));
  path_expect_routes (VR_HOLD_LINK);
  g_assert_true (wait_for (path_is_over, &w));
  path_expect_routes ("vr-h3");
  stop_streams (&w);
  expect_order (&w);
  g_assert_true (w.made && w.result.straight && w.result.returned);
  g_assert_cmpint (w.result.probe_us, >=, SLOWER_MS * 1000);
  g_assert_cmpuint (w.result.counts.not_sent + w.result.counts.dropped, ==, 0);
  path_world_down (&w);
}

/* No marker comes back at all: nobody waits for long. */
static void
test_no_marker_at_all (void)
{
  PathWorld w;

  path_world_up (&w, SLOW_MS);
  w.probe_ms = 3 * SLOW_MS;
  delay_lose (w.slow, 33434);
  path_streams_start (&w, PAUSE_US, SOME);
  path_begin (&w, SLOW_MS, NULL);
  g_assert_true (wait_for (path_is_over, &w));
  path_expect_routes ("vr-h3");
  stop_streams (&w);
  g_assert_true (w.result.straight && !w.result.returned && w.result.probe_us == 0);
  path_world_down (&w);
}

/* Given up while nothing is held yet: no route was changed. */
static void
test_given_up_early (void)
{
  PathWorld w;

  path_world_up (&w, SLOW_MS);
  w.probe_ms = FOR_EVER_MS;
  path_begin (&w, SLOW_MS, NULL);
  g_clear_pointer (&w.change, vr_change_free);
  path_expect_routes ("");
  g_assert_false (w.made || w.over);
  path_world_down (&w);
}

/*
 * Home again from a direct path: the long way is itself a route to the guest, which the one into the hold takes the place of. The marker goes that way all the
 * same, by the route that the plan puts behind.
 */
static void
test_from_straight (void)
{
  PathWorld w;

  path_world_up (&w, SLOW_MS);
  path_only_routes (&w);
  path_expect_routes ("vr-h1");
  path_streams_start (&w, PAUSE_US, SOME);
  path_begin (&w, FOR_EVER_MS, NULL);
  g_assert_true (wait_for (path_is_over, &w));
  path_expect_routes ("vr-h3");
  stop_streams (&w);
  expect_order (&w);
  g_assert_true (w.made && w.result.straight && w.result.returned);
  g_assert_cmpuint (w.result.counts.not_sent + w.result.counts.dropped, ==, 0);
  path_world_down (&w);
}

/* TCP as fast as it goes: what was sent arrives, in order; large packets wait as they are. */
static void
test_tcp (void)
{
  enum { MUCH = 1024 * 1024 };
  PathWorld w;
  Bulk     *bulk;

  path_world_up (&w, SLOW_MS);
  bulk = bulk_new ("s", "guest", path_guest[0]);
  bulk_await (bulk, MUCH);
  path_begin (&w, FOR_EVER_MS, NULL);
  g_assert_true (wait_for (path_is_over, &w));
  path_expect_routes ("vr-h3");
  bulk_await (bulk, MUCH);
  bulk_stop (bulk);
  g_assert_true (w.result.straight && w.result.returned);
  g_assert_cmpuint (w.result.counts.not_sent + w.result.counts.dropped, ==, 0);
  g_test_message ("held %" G_GUINT64_FORMAT " packets, %" G_GUINT64_FORMAT " of them GSO", w.result.counts.sent, w.result.counts.gso);
  path_world_down (&w);
}

/* An answer by a host on the way is none. */
static void
test_ends_early (void)
{
  PathWorld w;
  static const char *const others[] = { "10.9.7.1/24", "fd00:9:7::1/64", NULL };

  path_world_up (&w, SLOW_MS);
  path_begin (&w, 10 * SLOW_MS, others);
  g_assert_true (wait_for (path_is_over, &w));
  g_assert_true (w.result.straight && !w.result.returned);
  path_world_down (&w);
}

/* The marker is lost: the change is made all the same. */
static void
test_lost (void)
{
  PathWorld w;

  path_world_up (&w, SLOW_MS);
  delay_lose (w.slow, 33434);
  path_streams_start (&w, PAUSE_US, SOME);
  path_begin (&w, SLOW_MS, NULL);
  g_assert_true (wait_for (path_is_over, &w));
  path_expect_routes ("vr-h3");
  stop_streams (&w);
  g_assert_true (w.result.straight && !w.result.returned);
  g_assert_cmpuint (delay_lost (w.slow), >=, 2);
  g_assert_cmpuint (w.result.counts.sent, >, 0);
  path_world_down (&w);
}

/* Given up: what was held goes the long way, and nothing is lost. */
static void
test_given_up (void)
{
  PathWorld w;

  path_world_up (&w, SLOW_MS);
  delay_lose (w.slow, 33434);
  path_streams_start (&w, PAUSE_US, SOME);
  path_begin (&w, FOR_EVER_MS, NULL);
  stream_await (w.streams[0], SOME);
  g_clear_pointer (&w.change, vr_change_free);
  path_expect_routes ("vr-h1");
  stop_streams (&w);
  g_assert_false (w.made || w.over);
  path_world_down (&w);
}

static gboolean
never (gpointer data)
{
  return FALSE;
}

/* The process is killed: no route of its is left, and packets go the long way. */
static void
test_killed (void)
{
  PathWorld w;
  int   ready[2], in, out, status;
  char  byte;
  pid_t pid;

  path_world_up (&w, SLOW_MS);
  g_assert_cmpint (pipe (ready), ==, 0);
  pid = fork ();
  if (pid == 0)
    {
      path_begin (&w, FOR_EVER_MS, NULL);
      g_assert_cmpint (write (ready[1], "", 1), ==, 1);
      wait_for (never, NULL);
      _exit (1);
    }
  delay_lose (w.slow, 33434);
  g_assert_cmpint (read (ready[0], &byte, 1), ==, 1);
  path_expect_routes (VR_HOLD_LINK);
  out = udp_open ("s", path_s[0], 0);
  in = udp_open ("guest", path_guest[0], 4000);
  udp_send (out, path_guest[0], 4000, "held");
  g_assert_cmpint (kill (pid, SIGKILL), ==, 0);
  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  path_expect_routes ("");
  udp_send (out, path_guest[0], 4000, "relayed");
  udp_expect (in, "relayed");
  close (in);
  close (out);
  close (ready[0]);
  close (ready[1]);
  path_world_down (&w);
}

/* The straight tunnel goes away: the routes lead the long way, and nothing is lost. */
static void
test_tunnel_gone (void)
{
  PathWorld w;
  int   in, out;

  path_world_up (&w, SLOW_MS);
  out = udp_open ("s", path_s[0], 0);
  in = udp_open ("guest", path_guest[0], 4000);
  path_begin (&w, SLOW_MS, NULL);
  udp_send (out, path_guest[0], 4000, "held");
  sh ("ip link del vr-h3");
  g_assert_true (wait_for (path_is_over, &w));
  g_assert_false (w.result.straight);
  path_expect_routes ("vr-h1");
  udp_send (out, path_guest[0], 4000, "relayed");
  udp_expect (in, "held");
  udp_expect (in, "relayed");
  close (in);
  close (out);
  path_world_down (&w);
}

static void
test_no_tunnel (void)
{
  PathWorld w;
  g_autoptr (GError) error = NULL;
  static const char *const nobody[] = { NULL };
  VrChangeWay way = { .from = "vr-h1", .to = "vr-h9", .answerers = nobody, .wait_ms = FOR_EVER_MS };

  path_world_up (&w, SLOW_MS);
  way.hold = w.hold->routes;
  way.straight = w.straight->routes;
  g_assert_null (vr_change_begin (w.kernel, &way, NULL, NULL, NULL, &error));
  g_assert_nonnull (error);
  path_expect_routes ("");
  path_world_down (&w);
}

int
main (int argc, char **argv)
{
  netns_init (&argc, &argv);
  netns_add ("/path/at-once", test_at_once);
  netns_add ("/path/ordered", test_ordered);
  netns_add ("/path/again", test_again);
  netns_add ("/path/too-short", test_too_short);
  netns_add ("/path/measured", test_measured);
  netns_add ("/path/no-marker-at-all", test_no_marker_at_all);
  netns_add ("/path/given-up-early", test_given_up_early);
  netns_add ("/path/from-straight", test_from_straight);
  netns_add ("/path/tcp", test_tcp);
  netns_add ("/path/ends-early", test_ends_early);
  netns_add ("/path/lost", test_lost);
  netns_add ("/path/given-up", test_given_up);
  netns_add ("/path/killed", test_killed);
  netns_add ("/path/tunnel-gone", test_tunnel_gone);
  netns_add ("/path/no-tunnel", test_no_tunnel);
  return g_test_run ();
}
