/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of the plan share: its lines, and d's way from h1 to h3 and back, step by step. */
#pragma once

#include "world.h"

/* ---- the plan's lines ---- */

static inline void
expect_line (const VrPlan *plan, const char *line)
{
  g_autofree char *text = vr_plan_to_string (plan);
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  if (!g_strv_contains ((const char *const *) lines, line))
    {
      g_test_message ("the plan has no line \"%s\":\n%s", line, text);
      g_test_fail ();
    }
}

static inline void
expect_none (const VrPlan *plan, const char *part)
{
  g_autofree char *text = vr_plan_to_string (plan);

  if (strstr (text, part) != NULL)
    {
      g_test_message ("the plan has \"%s\", and should not:\n%s", part, text);
      g_test_fail ();
    }
}

/* ---- d on its way, step by step ---- */

static inline World *
at_home (void)
{
  World *world = world_new ();

  world_settle (world, "h1", VR_PRESENCE_RUNNING, FALSE);
  return world;
}

static inline World *
announced (void)
{
  World *world = at_home ();

  world_settle (world, "h3", VR_PRESENCE_EXPECTED, FALSE);
  return world;
}

static inline World *
moved (void)
{
  World *world = announced ();

  world_settle (world, "h1", VR_PRESENCE_LEAVING, FALSE);
  world_settle (world, "h1", VR_PRESENCE_HANDED_OVER, FALSE);
  return world;
}

static inline World *
away (void)
{
  World *world = moved ();

  world_settle (world, "h3", VR_PRESENCE_RUNNING, FALSE);
  return world;
}

static inline World *
coming_home (void)
{
  World *world = away ();

  world_settle (world, "h1", VR_PRESENCE_EXPECTED, FALSE);
  return world;
}

/* ---- the direct path: h2 has a tunnel to h3, where d is ---- */

#define DIRECT4 "route 10.9.1.100/32 dev vr-h3 table 30321 metric 10 src 10.9.2.1"
#define DIRECT6 "route fd00:9:1::100/128 dev vr-h3 table 30321 metric 10 src fd00:9:2::1"

/* d is away, and the tunnel between h2 and h3 is up */
static inline World *
with_t3 (void)
{
  World *world = away ();

  g_hash_table_add (world->tunnels, (gpointer) "h2");
  g_hash_table_add (world->tunnels, (gpointer) "h3");
  return world;
}

static inline void
answered (World *world, const char *key, guint packets)
{
  g_hash_table_replace (world->answers, (gpointer) key, GUINT_TO_POINTER (packets));
}
