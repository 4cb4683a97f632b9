/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A tunnel's state machine in a world of its own, for the tests of it. */
#pragma once

#include "daemon/tunnel/tunnel-fsm.h"

#define SECOND ((gint64) G_USEC_PER_SEC)

/* A machine, what it sees, and what it did: "load initiate", the states at rest being told by expect(). */
typedef struct {
  VrFsm      fsm;
  VrFsmFacts facts;
  gint64     now;
  GString   *done;
} World;

G_GNUC_UNUSED static World *
world_new (VrTunnelWish wish)
{
  World *world = g_new0 (World, 1);

  world->now = 1000 * SECOND;
  world->done = g_string_new (NULL);
  world->facts = (VrFsmFacts) { .wanted = TRUE, .wish = wish };
  vr_fsm_init (&world->fsm, 3 * SECOND, world->now);
  return world;
}

G_GNUC_UNUSED static void
world_free (World *world)
{
  g_string_free (world->done, TRUE);
  g_free (world);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (World, world_free)

/* Steps until it rests. A load is answered at once, unless the test set the outcome that it wants. */
G_GNUC_UNUSED static void
run (World *world)
{
  VrFsmAction action;

  for (guint moves = 0; vr_fsm_step (&world->fsm, &world->facts, world->now, 1, &action); moves++)
    {
      g_assert_cmpuint (moves, <, 10);
      if (action == VR_FSM_NOTHING)
        continue;
      g_string_append_printf (world->done, "%s%s", world->done->len > 0 ? " " : "", vr_fsm_action_to_string (action));
      if (action == VR_FSM_LOAD)
        world->facts.load = VR_FSM_LOAD_RUNS;
      if (action == VR_FSM_INITIATE)
        world->facts.refused = FALSE;
    }
}

/* Runs, and compares what was done since the last time, and where it rests. */
G_GNUC_UNUSED static void
expect (World *world, const char *done, VrFsmState state)
{
  run (world);
  g_assert_cmpstr (world->done->str, ==, done);
  g_assert_cmpstr (vr_fsm_state_to_string (world->fsm.state), ==, vr_fsm_state_to_string (state));
  g_string_truncate (world->done, 0);
}

G_GNUC_UNUSED static void
pass (World *world, gint64 us)
{
  world->now += us;
}

/* To the next moment that the machine asks for. */
G_GNUC_UNUSED static gint64
pass_until_wake (World *world)
{
  gint64 wake = vr_fsm_wake (&world->fsm, &world->facts, world->now);
  gint64 took = wake - world->now;

  g_assert_cmpint (wake, <, G_MAXINT64);
  g_assert_cmpint (took, >, 0);
  world->now = wake;
  return took;
}

G_GNUC_UNUSED static void
see (World *world, VrFsmSa sa, guint64 id)
{
  world->facts.sa = sa;
  world->facts.oldest = world->facts.newest = id;
}

/* charon is there, has nothing, and took the connection. */
G_GNUC_UNUSED static World *
loaded (VrTunnelWish wish)
{
  World *world = world_new (wish);

  world->facts.charon = TRUE;
  see (world, VR_FSM_SA_NONE, 0);
  expect (world, "load", VR_FSM_LOADING);
  world->facts.load = VR_FSM_LOAD_DONE;
  return world;
}

G_GNUC_UNUSED static World *
up (VrTunnelWish wish)
{
  World *world = loaded (wish);

  see (world, VR_FSM_SA_UP, 1);
  expect (world, "", VR_FSM_UP);
  return world;
}

G_GNUC_UNUSED static World *
initiating (void)
{
  World *world = loaded (VR_TUNNEL_INITIATE);

  expect (world, "initiate", VR_FSM_INITIATING);
  return world;
}

G_GNUC_UNUSED static World *
backing_off (void)
{
  World *world = initiating ();

  world->facts.refused = TRUE;
  expect (world, "", VR_FSM_BACKOFF);
  return world;
}
