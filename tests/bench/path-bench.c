/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * path-bench RUNS PAUSE_US SLOW_MS: a path that becomes direct RUNS times in order and as often at once, with streams of both families, a packet
 * each PAUSE_US (and what the machine needs for it) and a long way of SLOW_MS more than the short one. One line of figures a run, then medians.
 */
#include "tests/netns/path-world.h"

#include <stdio.h>
#include <stdlib.h>

#define SOME 400

static guint runs, pause_us, slow_ms;

static int
compare (gconstpointer a, gconstpointer b)
{
  const gint64 x = *(const gint64 *) a, y = *(const gint64 *) b;

  return (x > y) - (x < y);
}

static void
say (const char *what, GArray *values)
{
  g_array_sort (values, compare);
  printf ("bench: %s: median %" G_GINT64_FORMAT ", %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT "\n", what,
          g_array_index (values, gint64, values->len / 2), g_array_index (values, gint64, 0), g_array_index (values, gint64, values->len - 1));
}

/* Packets of one run that came after a later one. */
static gint64
run (PathWorld *w, gboolean ordered, gint64 *waited, gint64 *held)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VrSwitch) at_once = vr_switch_prepare (w->kernel, NULL, w->straight->routes, &error);
  gint64 start = g_get_monotonic_time (), took;

  g_assert_no_error (error);
  path_streams_start (w, pause_us, SOME);
  w->over = FALSE;
  if (ordered)
    {
      path_begin (w, 200, NULL);
      g_assert_true (wait_for (path_is_over, w));
      g_clear_pointer (&w->change, vr_change_free);
    }
  else
    g_assert_true (vr_switch_commit (at_once, NULL, &error));
  took = g_get_monotonic_time () - start;
  path_streams_stop (w, SOME);
  *waited = ordered ? w->result.waited_us : 0;
  *held = ordered ? (gint64) w->result.counts.sent : 0;
  printf ("bench: path %s sent %u in %" G_GINT64_FORMAT " ms or more, reordered %u, marker %s after %" G_GINT64_FORMAT " us, held %" G_GINT64_FORMAT
          ", let go after %" G_GINT64_FORMAT " us\n", ordered ? "ordered" : "at once", w->counts[0].sent + w->counts[1].sent, took / 1000,
          w->counts[0].reordered + w->counts[1].reordered, ordered ? w->result.returned ? "back" : "not back" : "none", *waited, *held,
          ordered ? w->result.held_us : 0);
  return w->counts[0].reordered + w->counts[1].reordered;
}

static void
bench (gboolean ordered)
{
  PathWorld w;
  g_autoptr (GArray) reordered = g_array_new (FALSE, FALSE, sizeof (gint64)), waited = g_array_new (FALSE, FALSE, sizeof (gint64)),
                     held = g_array_new (FALSE, FALSE, sizeof (gint64));

  path_world_up (&w, slow_ms);
  for (guint i = 0; i < runs; i++)
    {
      gint64 waited_us, held_packets, count = run (&w, ordered, &waited_us, &held_packets);

      g_array_append_val (reordered, count);
      g_array_append_val (waited, waited_us);
      g_array_append_val (held, held_packets);
      path_relayed_again (&w);
    }
  say (ordered ? "ordered: reordered" : "at once: reordered", reordered);
  if (ordered)
    {
      say ("ordered: waited for the marker, us", waited);
      say ("ordered: packets held", held);
    }
  path_world_down (&w);
}

static void
bench_ordered (void)
{
  bench (TRUE);
}

static void
bench_at_once (void)
{
  bench (FALSE);
}

int
main (int argc, char **argv)
{
  if (argc != 4 || (runs = (guint) atoi (argv[1])) == 0)
    {
      fputs ("path-bench RUNS PAUSE_US SLOW_MS\n", stderr);
      return 2;
    }
  pause_us = (guint) atoi (argv[2]);
  slow_ms = (guint) atoi (argv[3]);
  argc = 1;
  netns_init (&argc, &argv);
  netns_add ("/bench/path/ordered", bench_ordered);
  netns_add ("/bench/path/at-once", bench_at_once);
  return g_test_run ();
}
