/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A tunnel goes down, the peer leaves, charon does; and any facts in any order. */
#include "fsm-world.h"

/* ---- going down ---- */

static void
test_lost_after_a_while (void)
{
  g_autoptr (World) world = up (VR_TUNNEL_INITIATE);

  world->fsm.failures = 20;
  pass (world, VR_FSM_SETTLED_US);
  see (world, VR_FSM_SA_NONE, 0);
  expect (world, "initiate", VR_FSM_INITIATING);
  world->facts.refused = TRUE;
  expect (world, "", VR_FSM_BACKOFF);
  g_assert_cmpint (pass_until_wake (world), ==, VR_FSM_BACKOFF_US); /* a new story */
}

static void
test_lost_at_once (void)
{
  g_autoptr (World) world = up (VR_TUNNEL_INITIATE);

  pass (world, SECOND);
  see (world, VR_FSM_SA_NONE, 0);
  expect (world, "", VR_FSM_BACKOFF);
  g_assert_cmpint (world->fsm.failure, ==, VR_FSM_LOST);
}

static void
test_child_lost (void)
{
  g_autoptr (World) world = up (VR_TUNNEL_INITIATE);

  pass (world, VR_FSM_SETTLED_US);
  see (world, VR_FSM_SA_CHILDLESS, 1);
  expect (world, "initiate", VR_FSM_INITIATING);
}

/* Both sides initiated; this one is to see to it. */
static void
test_doubled (void)
{
  g_autoptr (World) world = up (VR_TUNNEL_INITIATE);
  gint64 since = world->fsm.since;

  world->facts.doubled = TRUE;
  expect (world, "", VR_FSM_UP);
  g_assert_cmpint (pass_until_wake (world), ==, VR_FSM_DOUBLE_US);
  expect (world, "thin", VR_FSM_UP);
  g_assert_cmpint (world->fsm.since, ==, since); /* it was up all the time */
  g_assert_cmpint (pass_until_wake (world), ==, VR_FSM_DOUBLE_US); /* the order may be lost */
  expect (world, "thin", VR_FSM_UP);
  world->facts.doubled = FALSE;
  pass (world, 2 * VR_FSM_DOUBLE_US);
  expect (world, "", VR_FSM_UP);
}

/* As while an IKE_SA is being rekeyed. */
static void
test_doubled_for_a_moment (void)
{
  g_autoptr (World) world = up (VR_TUNNEL_INITIATE);

  for (guint i = 0; i < 5; i++)
    {
      world->facts.doubled = i % 2 == 0;
      expect (world, "", VR_FSM_UP);
      pass (world, VR_FSM_DOUBLE_US - SECOND);
    }
}

static void
test_ready_takes_down (void)
{
  g_autoptr (World) world = up (VR_TUNNEL_FOLLOW);

  run (world);
  world->facts.wish = VR_TUNNEL_READY;
  expect (world, "", VR_FSM_UP);
  g_assert_cmpint (pass_until_wake (world), ==, VR_FSM_LINGER_US);
  expect (world, "terminate", VR_FSM_TERMINATING);
  see (world, VR_FSM_SA_NONE, 1); /* being deleted */
  expect (world, "", VR_FSM_TERMINATING);
  see (world, VR_FSM_SA_NONE, 0);
  expect (world, "", VR_FSM_LOADED);
}

static void
test_wish_flickers (void)
{
  g_autoptr (World) world = up (VR_TUNNEL_INITIATE);

  world->facts.wish = VR_TUNNEL_READY;
  expect (world, "", VR_FSM_UP);
  pass (world, VR_FSM_LINGER_US - 1);
  world->facts.wish = VR_TUNNEL_INITIATE;
  expect (world, "", VR_FSM_UP);
  pass (world, VR_FSM_LINGER_US);
  world->facts.wish = VR_TUNNEL_READY;
  expect (world, "", VR_FSM_UP);
}

/* What a daemon before this one initiated is this side's to take down. */
static void
test_ready_takes_down_own_of_before (void)
{
  g_autoptr (World) world = loaded (VR_TUNNEL_READY);

  see (world, VR_FSM_SA_UP, 1);
  world->facts.initiator = TRUE;
  expect (world, "", VR_FSM_UP);
  run (world);
  pass_until_wake (world);
  expect (world, "terminate", VR_FSM_TERMINATING);
}

static void
test_peer_does_not_consent (void)
{
  g_autoptr (World) world = up (VR_TUNNEL_INITIATE);

  run (world);
  world->facts.wish = VR_TUNNEL_READY;
  run (world);
  pass_until_wake (world);
  expect (world, "terminate", VR_FSM_TERMINATING);
  g_assert_cmpint (pass_until_wake (world), ==, VR_FSM_TERMINATE_US);
  expect (world, "force", VR_FSM_TERMINATING);
}

/* Only what was there when it began is forced. */
static void
test_force_spares_the_new (void)
{
  g_autoptr (World) world = up (VR_TUNNEL_INITIATE);

  run (world);
  world->facts.wish = VR_TUNNEL_READY;
  run (world);
  pass_until_wake (world);
  expect (world, "terminate", VR_FSM_TERMINATING);
  world->facts.newest = 2;
  pass_until_wake (world);
  expect (world, "force", VR_FSM_TERMINATING);
  g_assert_cmpuint (world->fsm.doomed, ==, 1);
  world->facts.oldest = 2;
  expect (world, "", VR_FSM_UP);
}

/* The peer takes down what it had brought up: no failure. */
static void
test_ready_peer_takes_down (void)
{
  g_autoptr (World) world = up (VR_TUNNEL_READY);

  pass (world, SECOND);
  see (world, VR_FSM_SA_NONE, 0);
  expect (world, "", VR_FSM_LOADED);
}

/* The peer still wanted the tunnel, and brought it up again: the new one stays. */
static void
test_peer_brings_it_back (void)
{
  g_autoptr (World) world = up (VR_TUNNEL_INITIATE);

  run (world);
  world->facts.wish = VR_TUNNEL_READY;
  run (world);
  pass_until_wake (world);
  expect (world, "terminate", VR_FSM_TERMINATING);
  see (world, VR_FSM_SA_UP, 2);
  expect (world, "", VR_FSM_UP);
  pass (world, 3600 * SECOND);
  expect (world, "", VR_FSM_UP);
}

static void
test_no_longer_wanted_up_while_initiating (void)
{
  g_autoptr (World) world = initiating ();

  see (world, VR_FSM_SA_CONNECTING, 1);
  run (world);
  world->facts.wish = VR_TUNNEL_READY;
  expect (world, "terminate", VR_FSM_TERMINATING);
  see (world, VR_FSM_SA_NONE, 0);
  expect (world, "", VR_FSM_LOADED);
}

/* ---- the peer leaves ---- */

static void
test_gone (void)
{
  g_autoptr (World) world = up (VR_TUNNEL_INITIATE);

  world->facts.wanted = FALSE;
  expect (world, "unload", VR_FSM_UNLOADING); /* first, so that the peer cannot bring it back */
  world->facts.load = VR_FSM_LOAD_NONE;
  expect (world, "terminate", VR_FSM_TERMINATING);
  see (world, VR_FSM_SA_NONE, 0);
  expect (world, "", VR_FSM_GONE);
}

static void
test_gone_without_sa (void)
{
  g_autoptr (World) world = loaded (VR_TUNNEL_READY);

  expect (world, "", VR_FSM_LOADED);
  world->facts.wanted = FALSE;
  expect (world, "unload", VR_FSM_UNLOADING);
  world->facts.load = VR_FSM_LOAD_NONE;
  see (world, VR_FSM_SA_UNKNOWN, 0);
  expect (world, "", VR_FSM_UNLOADING);
  see (world, VR_FSM_SA_NONE, 0);
  expect (world, "", VR_FSM_GONE);
}

static void
test_gone_without_charon (void)
{
  g_autoptr (World) world = up (VR_TUNNEL_INITIATE);

  world->facts = (VrFsmFacts) { .wanted = FALSE };
  expect (world, "", VR_FSM_ABSENT);
  world->facts.charon = TRUE;
  expect (world, "unload", VR_FSM_UNLOADING);
}

static void
test_comes_back_while_leaving (void)
{
  g_autoptr (World) world = up (VR_TUNNEL_INITIATE);

  world->facts.wanted = FALSE;
  expect (world, "unload", VR_FSM_UNLOADING);
  world->facts.wanted = TRUE;
  expect (world, "", VR_FSM_UNLOADING);
  world->facts.load = VR_FSM_LOAD_NONE;
  expect (world, "load", VR_FSM_LOADING);
  world->facts.load = VR_FSM_LOAD_DONE;
  expect (world, "", VR_FSM_UP);
}

/* ---- charon ---- */

static void
test_charon_restarts (void)
{
  g_autoptr (World) world = up (VR_TUNNEL_INITIATE);

  world->facts.charon = FALSE;
  world->facts.load = VR_FSM_LOAD_NONE;
  see (world, VR_FSM_SA_UNKNOWN, 0);
  expect (world, "", VR_FSM_ABSENT);
  world->facts.charon = TRUE;
  expect (world, "load", VR_FSM_LOADING);
  world->facts.load = VR_FSM_LOAD_DONE;
  see (world, VR_FSM_SA_NONE, 0);
  expect (world, "initiate", VR_FSM_INITIATING);
}

static void
test_charon_forgets_the_connection (void)
{
  g_autoptr (World) world = up (VR_TUNNEL_INITIATE);

  world->facts.load = VR_FSM_LOAD_NONE;
  expect (world, "load", VR_FSM_LOADING);
  world->facts.load = VR_FSM_LOAD_DONE;
  expect (world, "", VR_FSM_UP); /* the SA was there all the time */
}

/* After the longest pause, a charon that comes back is asked at once. */
static void
test_charon_resets_the_pause (void)
{
  g_autoptr (World) world = backing_off ();

  world->fsm.failures = 20;
  world->facts.charon = FALSE;
  world->facts.load = VR_FSM_LOAD_NONE;
  expect (world, "", VR_FSM_ABSENT);
  world->facts.charon = TRUE;
  run (world);
  world->facts.load = VR_FSM_LOAD_FAILED;
  run (world);
  g_assert_cmpint (pass_until_wake (world), ==, VR_FSM_BACKOFF_US);
}

/* ---- any facts in any order ---- */

/* Actions that need charon happen only while it is there, it always comes to rest, and never wakes in the past. */
static void
test_any_facts (void)
{
  g_autoptr (GRand) random = g_rand_new_with_seed (20240229);

  for (guint story = 0; story < 2000; story++)
    {
      g_autoptr (World) world = world_new (VR_TUNNEL_READY);

      for (guint step = 0; step < 30; step++)
        {
          VrFsmAction action;
          guint       moves = 0;

          world->facts.charon = g_rand_int_range (random, 0, 5) != 0;
          world->facts.wanted = g_rand_int_range (random, 0, 5) != 0;
          world->facts.wish = g_rand_int_range (random, 0, 3);
          world->facts.load = g_rand_int_range (random, 0, 4);
          world->facts.sa = g_rand_int_range (random, 0, 6);
          world->facts.refused = g_rand_boolean (random);
          world->facts.initiator = g_rand_boolean (random);
          world->facts.doubled = g_rand_boolean (random);
          world->facts.newest = g_rand_int_range (random, 0, 3);
          world->facts.oldest = MIN (world->facts.newest, 1);
          pass (world, g_rand_int_range (random, 0, 5 * SECOND));
          while (vr_fsm_step (&world->fsm, &world->facts, world->now, 1, &action))
            {
              g_assert_true (action == VR_FSM_NOTHING || world->facts.charon);
              if (action == VR_FSM_INITIATE)
                g_assert_true (world->facts.sa == VR_FSM_SA_NONE || world->facts.sa == VR_FSM_SA_CHILDLESS);
              if (action == VR_FSM_LOAD || action == VR_FSM_UNLOAD)
                world->facts.load = VR_FSM_LOAD_RUNS;
              g_assert_cmpuint (++moves, <, 10);
            }
        }
    }
}

#define ADD(path, name) g_test_add_func ("/tunnel/" path, test_##name)

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  ADD ("lost-after-a-while", lost_after_a_while);
  ADD ("lost-at-once", lost_at_once);
  ADD ("child-lost", child_lost);
  ADD ("doubled", doubled);
  ADD ("doubled-for-a-moment", doubled_for_a_moment);
  ADD ("ready-takes-down", ready_takes_down);
  ADD ("wish-flickers", wish_flickers);
  ADD ("ready-takes-down-own-of-before", ready_takes_down_own_of_before);
  ADD ("peer-does-not-consent", peer_does_not_consent);
  ADD ("force-spares-the-new", force_spares_the_new);
  ADD ("ready-peer-takes-down", ready_peer_takes_down);
  ADD ("peer-brings-it-back", peer_brings_it_back);
  ADD ("no-longer-wanted-up-while-initiating", no_longer_wanted_up_while_initiating);
  ADD ("gone", gone);
  ADD ("gone-without-sa", gone_without_sa);
  ADD ("gone-without-charon", gone_without_charon);
  ADD ("comes-back-while-leaving", comes_back_while_leaving);
  ADD ("charon-restarts", charon_restarts);
  ADD ("charon-forgets-the-connection", charon_forgets_the_connection);
  ADD ("charon-resets-the-pause", charon_resets_the_pause);
  ADD ("any-facts", any_facts);
  return g_test_run ();
}
