/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A tunnel comes up, or fails to. */
#include "fsm-world.h"

/* ---- coming up ---- */

static void
test_no_charon (void)
{
  g_autoptr (World) world = world_new (VR_TUNNEL_INITIATE);

  expect (world, "", VR_FSM_ABSENT);
  g_assert_cmpint (vr_fsm_wake (&world->fsm, &world->facts, world->now), ==, G_MAXINT64);
}

static void
test_ready_rests (void)
{
  g_autoptr (World) world = loaded (VR_TUNNEL_READY);

  expect (world, "", VR_FSM_LOADED);
  pass (world, 3600 * SECOND);
  expect (world, "", VR_FSM_LOADED);
}

static void
test_initiate_comes_up (void)
{
  g_autoptr (World) world = initiating ();

  see (world, VR_FSM_SA_CONNECTING, 1);
  expect (world, "", VR_FSM_INITIATING);
  see (world, VR_FSM_SA_UP, 1);
  expect (world, "", VR_FSM_UP);
}

static void
test_nothing_before_a_look (void)
{
  g_autoptr (World) world = loaded (VR_TUNNEL_INITIATE);

  see (world, VR_FSM_SA_UNKNOWN, 0);
  expect (world, "", VR_FSM_LOADED);
}

static void
test_keeps_what_is_up (void)
{
  g_autoptr (World) world = loaded (VR_TUNNEL_INITIATE);

  see (world, VR_FSM_SA_UP, 7);
  expect (world, "", VR_FSM_UP);
  pass (world, 3600 * SECOND);
  expect (world, "", VR_FSM_UP);
}

static void
test_adopts_what_is_connecting (void)
{
  g_autoptr (World) world = loaded (VR_TUNNEL_INITIATE);

  see (world, VR_FSM_SA_CONNECTING, 7);
  expect (world, "", VR_FSM_INITIATING);
}

static void
test_ready_lets_the_peer (void)
{
  g_autoptr (World) world = up (VR_TUNNEL_READY);

  pass (world, 3600 * SECOND);
  expect (world, "", VR_FSM_UP); /* the peer's to take down */
}

static void
test_follow_waits (void)
{
  g_autoptr (World) world = loaded (VR_TUNNEL_FOLLOW);

  expect (world, "", VR_FSM_WAITING);
  pass (world, 3 * SECOND - 1);
  see (world, VR_FSM_SA_UP, 1);
  expect (world, "", VR_FSM_UP);
}

static void
test_follow_takes_over (void)
{
  g_autoptr (World) world = loaded (VR_TUNNEL_FOLLOW);

  expect (world, "", VR_FSM_WAITING);
  g_assert_cmpint (pass_until_wake (world), ==, 3 * SECOND);
  expect (world, "initiate", VR_FSM_INITIATING);
}

static void
test_follow_becomes_initiate (void)
{
  g_autoptr (World) world = loaded (VR_TUNNEL_FOLLOW);

  expect (world, "", VR_FSM_WAITING);
  world->facts.wish = VR_TUNNEL_INITIATE;
  expect (world, "initiate", VR_FSM_INITIATING);
}

/* At the end of its wait the peer is at it, or this side was before: no second one. */
static void
test_follow_adopts (void)
{
  g_autoptr (World) world = loaded (VR_TUNNEL_FOLLOW);

  expect (world, "", VR_FSM_WAITING);
  pass_until_wake (world);
  see (world, VR_FSM_SA_CONNECTING, 1);
  expect (world, "", VR_FSM_INITIATING);
}

/* What was being loaded is no longer what is wanted. */
static void
test_loads_again (void)
{
  g_autoptr (World) world = loaded (VR_TUNNEL_READY);

  world->facts.load = VR_FSM_LOAD_NONE;
  expect (world, "load", VR_FSM_LOADING);
}

/* ---- failing ---- */

static void
test_refused (void)
{
  g_autoptr (World) world = backing_off ();

  g_assert_cmpint (vr_fsm_failure (&world->fsm, &world->facts, world->now), ==, VR_FSM_REFUSED);
}

static void
test_vanished (void)
{
  g_autoptr (World) world = initiating ();

  see (world, VR_FSM_SA_CONNECTING, 1);
  expect (world, "", VR_FSM_INITIATING);
  see (world, VR_FSM_SA_NONE, 0);
  expect (world, "", VR_FSM_BACKOFF);
  g_assert_cmpint (world->fsm.failure, ==, VR_FSM_REFUSED);
}

/* An order that charon took may not show in its list yet. */
static void
test_not_seen_yet (void)
{
  g_autoptr (World) world = initiating ();

  pass (world, VR_FSM_UNSEEN_US - 1);
  expect (world, "", VR_FSM_INITIATING);
  pass (world, 1);
  expect (world, "", VR_FSM_BACKOFF);
}

static void
test_no_answer (void)
{
  g_autoptr (World) world = initiating ();

  see (world, VR_FSM_SA_CONNECTING, 1);
  pass (world, VR_FSM_SLOW_US - 1);
  run (world);
  g_assert_cmpint (vr_fsm_failure (&world->fsm, &world->facts, world->now), ==, VR_FSM_FINE);
  pass_until_wake (world);
  run (world);
  g_assert_cmpint (vr_fsm_failure (&world->fsm, &world->facts, world->now), ==, VR_FSM_NO_ANSWER); /* said long before it gives up */
  pass_until_wake (world);
  expect (world, "cancel", VR_FSM_BACKOFF);
  g_assert_cmpint (vr_fsm_failure (&world->fsm, &world->facts, world->now), ==, VR_FSM_NO_ANSWER);
}

static void
test_pauses_grow (void)
{
  static const gint64 halves[] = { 1, 2, 4, 8, 16, 32, 60, 60, 60 };
  g_autoptr (World)   world = backing_off ();

  for (guint i = 0; i < G_N_ELEMENTS (halves); i++)
    {
      g_assert_cmpint (pass_until_wake (world), ==, halves[i] * SECOND / 2);
      world->facts.load = VR_FSM_LOAD_DONE;
      expect (world, "load", VR_FSM_LOADING);
      world->facts.load = VR_FSM_LOAD_DONE;
      expect (world, "initiate", VR_FSM_INITIATING);
      world->facts.refused = TRUE;
      expect (world, "", VR_FSM_BACKOFF);
    }
}

static void
test_jitter (void)
{
  g_autoptr (World) world = initiating ();
  VrFsmAction       action;

  world->facts.refused = TRUE;
  g_assert_true (vr_fsm_step (&world->fsm, &world->facts, world->now, 0.8, &action));
  g_assert_cmpint (pass_until_wake (world), ==, 4 * SECOND / 10);
}

static void
test_peer_ends_the_pause (void)
{
  g_autoptr (World) world = backing_off ();

  see (world, VR_FSM_SA_UP, 2);
  expect (world, "", VR_FSM_UP);
  g_assert_cmpint (world->fsm.failure, ==, VR_FSM_FINE);
}

static void
test_new_reason_ends_the_pause (void)
{
  g_autoptr (World) world = loaded (VR_TUNNEL_FOLLOW);

  expect (world, "", VR_FSM_WAITING);
  pass_until_wake (world);
  expect (world, "initiate", VR_FSM_INITIATING);
  world->facts.refused = TRUE;
  expect (world, "", VR_FSM_BACKOFF);
  world->facts.wish = VR_TUNNEL_INITIATE;
  expect (world, "load", VR_FSM_LOADING);
}

static void
test_ready_ends_the_pause (void)
{
  g_autoptr (World) world = backing_off ();

  world->fsm.failures = 20;
  world->facts.wish = VR_TUNNEL_READY;
  expect (world, "", VR_FSM_LOADED);
  g_assert_cmpint (world->fsm.failure, ==, VR_FSM_FINE);

  world->facts.wish = VR_TUNNEL_INITIATE;
  expect (world, "initiate", VR_FSM_INITIATING);
  world->facts.refused = TRUE;
  expect (world, "", VR_FSM_BACKOFF);
  g_assert_cmpint (pass_until_wake (world), ==, VR_FSM_BACKOFF_US); /* a new story */
}

static void
test_wrong_is_taken_down (void)
{
  g_autoptr (World) world = initiating ();

  see (world, VR_FSM_SA_WRONG, 1);
  expect (world, "cancel", VR_FSM_BACKOFF);
  g_assert_cmpint (world->fsm.failure, ==, VR_FSM_WRONG);
  pass_until_wake (world);
  expect (world, "load", VR_FSM_LOADING);
  world->facts.load = VR_FSM_LOAD_DONE;
  expect (world, "cancel", VR_FSM_BACKOFF); /* it is still there: not hammered at */
  g_assert_cmpint (pass_until_wake (world), ==, SECOND);
}

static void
test_not_loadable (void)
{
  g_autoptr (World) world = loaded (VR_TUNNEL_INITIATE);

  world->facts.load = VR_FSM_LOAD_FAILED;
  expect (world, "", VR_FSM_BACKOFF);
  g_assert_cmpint (world->fsm.failure, ==, VR_FSM_NOT_LOADABLE);
  pass_until_wake (world);
  expect (world, "load", VR_FSM_LOADING);
  world->facts.load = VR_FSM_LOAD_DONE;
  expect (world, "initiate", VR_FSM_INITIATING);
  g_assert_cmpint (world->fsm.failure, ==, VR_FSM_FINE);
}

/* An SA of before does not hide that the peer could not bring up another one. */
static void
test_not_loadable_but_up (void)
{
  g_autoptr (World) world = loaded (VR_TUNNEL_INITIATE);

  world->facts.load = VR_FSM_LOAD_FAILED;
  see (world, VR_FSM_SA_UP, 1);
  expect (world, "", VR_FSM_BACKOFF);
  pass_until_wake (world);
  expect (world, "load", VR_FSM_LOADING);
}

#define ADD(path, name) g_test_add_func ("/tunnel/" path, test_##name)

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  ADD ("no-charon", no_charon);
  ADD ("ready-rests", ready_rests);
  ADD ("initiate-comes-up", initiate_comes_up);
  ADD ("nothing-before-a-look", nothing_before_a_look);
  ADD ("keeps-what-is-up", keeps_what_is_up);
  ADD ("adopts-what-is-connecting", adopts_what_is_connecting);
  ADD ("ready-lets-the-peer", ready_lets_the_peer);
  ADD ("follow-waits", follow_waits);
  ADD ("follow-takes-over", follow_takes_over);
  ADD ("follow-becomes-initiate", follow_becomes_initiate);
  ADD ("follow-adopts", follow_adopts);
  ADD ("loads-again", loads_again);
  ADD ("refused", refused);
  ADD ("vanished", vanished);
  ADD ("not-seen-yet", not_seen_yet);
  ADD ("no-answer", no_answer);
  ADD ("pauses-grow", pauses_grow);
  ADD ("jitter", jitter);
  ADD ("peer-ends-the-pause", peer_ends_the_pause);
  ADD ("new-reason-ends-the-pause", new_reason_ends_the_pause);
  ADD ("ready-ends-the-pause", ready_ends_the_pause);
  ADD ("wrong-is-taken-down", wrong_is_taken_down);
  ADD ("not-loadable", not_loadable);
  ADD ("not-loadable-but-up", not_loadable_but_up);
  return g_test_run ();
}
