/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When a host counts for the last time: the target by itself, the origin when the target did, so that nothing comes between the two. */
#include "daemon/relay/ledger-part.h"

#define NOW (1000 * G_USEC_PER_SEC)

/* The guest runs where it shall since so many seconds, and so many looks in a row found nothing new. */
static VrOpenPart *
open_part (VrLedgerRole role, guint seconds, guint quiet)
{
  VrOpenPart *open = g_new0 (VrOpenPart, 1);

  open->role = role;
  open->part = vr_ledger_new ("00090009-0000-4000-8000-000000000100", "d", 2, "h1", "h3");
  open->base = vr_ledger_new ("00090009-0000-4000-8000-000000000100", "d", 2, "h1", "h3");
  open->over_us = NOW - seconds * G_USEC_PER_SEC;
  open->quiet = quiet;
  return open;
}

static void
expect_counted (VrOpenPart *open, gboolean counted)
{
  g_assert_cmpint (vr_open_part_is_counted (open, NOW), ==, counted);
  vr_open_part_free (open);
}

static void
test_target (void)
{
  expect_counted (open_part (VR_ROLE_TARGET, 3, 1), FALSE);
  expect_counted (open_part (VR_ROLE_TARGET, 3, 2), TRUE);
  expect_counted (open_part (VR_ROLE_TARGET, 16, 0), TRUE);
}

/* However quiet it is: a packet may come before the target counts, or between the two. */
static void
test_origin_waits (void)
{
  VrOpenPart *quiet = open_part (VR_ROLE_ORIGIN, 3, 5), *told = open_part (VR_ROLE_ORIGIN, 3, 0);

  expect_counted (quiet, FALSE);
  told->target_wrote = TRUE;
  expect_counted (told, TRUE);
}

/* The target's daemon is away. */
static void
test_origin_gives_up (void)
{
  expect_counted (open_part (VR_ROLE_ORIGIN, 20, 5), FALSE);
  expect_counted (open_part (VR_ROLE_ORIGIN, 31, 0), TRUE);
}

/* The guest came back: its target has nothing to write. */
static void
test_returned (void)
{
  VrOpenPart *noisy = open_part (VR_ROLE_ORIGIN, 3, 0), *quiet = open_part (VR_ROLE_ORIGIN, 3, 2);

  noisy->part->phases[VR_PHASE_RETURNED] = quiet->part->phases[VR_PHASE_RETURNED] = 1;
  expect_counted (noisy, FALSE);
  expect_counted (quiet, TRUE);
}

/* The guest runs, and has not read all that waits in its tap: that is waited for, but not for ever. */
static void
test_slow_guest (void)
{
  for (guint i = 0; i < 2; i++)
    for (guint seconds = 3; seconds <= 16; seconds += 13)
      {
        VrOpenPart  *open = open_part (i == 0 ? VR_ROLE_TARGET : VR_ROLE_ORIGIN, seconds, 5);
        VrLedgerNic *nic = vr_ledger_nic (open->part, "52:54:00:12:34:56");

        open->part->phases[VR_PHASE_RETURNED] = i;
        vr_ledger_count (nic, VR_COUNT_FRAMES, 2000);
        vr_ledger_count (nic, VR_COUNT_DELIVERED, 21);
        expect_counted (open, seconds > 15);
      }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ledger/part/target", test_target);
  g_test_add_func ("/ledger/part/origin-waits", test_origin_waits);
  g_test_add_func ("/ledger/part/origin-gives-up", test_origin_gives_up);
  g_test_add_func ("/ledger/part/returned", test_returned);
  g_test_add_func ("/ledger/part/slow-guest", test_slow_guest);
  return g_test_run ();
}
