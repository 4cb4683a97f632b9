/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of custody share: what the book believes of d, and d on its way from h1 to h3. */
#pragma once

#include "world.h"

static inline const VrRecord *
custody (World *world)
{
  return vr_book_guest (world->book, D)->custody;
}

static inline void
assert_custody (World *world, VrState state, guint64 epoch, const char *owner)
{
  g_assert_cmpstr (vr_state_to_string (custody (world)->state), ==, vr_state_to_string (state));
  g_assert_cmpuint (custody (world)->epoch, ==, epoch);
  g_assert_cmpstr (custody (world)->owner, ==, owner);
}

/* h1 boots d, h3 announces it, h1 sees its memory leave */
static inline World *
leaving (void)
{
  World *world = world_new ();

  g_assert_true (world_settle (world, "h1", VR_PRESENCE_RUNNING, FALSE));
  g_assert_true (world_settle (world, "h3", VR_PRESENCE_EXPECTED, FALSE));
  g_assert_true (world_settle (world, "h1", VR_PRESENCE_LEAVING, FALSE));
  return world;
}

static inline World *
moved (void)
{
  World *world = leaving ();

  g_assert_true (world_settle (world, "h1", VR_PRESENCE_HANDED_OVER, FALSE));
  return world;
}
