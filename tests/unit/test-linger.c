/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How long a guest that came home lingers; times in seconds. */
#include "daemon/model/linger.h"

#define S G_USEC_PER_SEC

static VrRecord *
home_at (gint64 time_us)
{
  VrRecord *record = vr_record_new ("11111111-2222-3333-4444-555555555555", "d");

  record->state = VR_STATE_RUNNING;
  record->owner = g_strdup ("h1");
  record->home = g_strdup ("h1");
  record->origin = g_strdup ("h3");
  record->time_us = time_us;
  return record;
}

static void
test_concerns (void)
{
  g_autoptr (VrRecord) record = home_at (100 * S);

  g_assert_true (vr_linger_concerns (record));
  record->state = VR_STATE_LEAVING;
  g_assert_false (vr_linger_concerns (record));
  record->state = VR_STATE_RUNNING;
  g_free (record->origin);
  record->origin = NULL; /* it was never away */
  g_assert_false (vr_linger_concerns (record));
  record->origin = g_strdup ("h1"); /* it was not away: it came back to where it had left from */
  g_assert_false (vr_linger_concerns (record));
  g_free (record->origin);
  record->origin = g_strdup ("h3");
  g_free (record->home);
  record->home = g_strdup ("h2"); /* away, at h1 */
  g_assert_false (vr_linger_concerns (record));
}

static void
test_for_its_time (void)
{
  g_autoptr (VrRecord) record = home_at (100 * S);
  VrLinger linger = { .time_us = 15 * S };

  g_assert_cmpint (vr_linger_until (&linger, record), ==, 115 * S);
}

/* The log goes away before the time is over: until it is back, and that time again. */
static void
test_log_away (void)
{
  g_autoptr (VrRecord) record = home_at (100 * S), long_ago = home_at (50 * S), since = home_at (200 * S);
  VrLinger linger = { .time_us = 15 * S };

  vr_linger_log_back (&linger, 90 * S); /* it was never away */
  vr_linger_log_away (&linger, 110 * S);
  vr_linger_log_away (&linger, 170 * S); /* and still is */
  g_assert_cmpint (vr_linger_until (&linger, record), ==, G_MAXINT64);
  g_assert_cmpint (vr_linger_until (&linger, since), ==, G_MAXINT64);
  g_assert_cmpint (vr_linger_until (&linger, long_ago), ==, 65 * S); /* everybody had heard of it */
  vr_linger_log_back (&linger, 300 * S);
  vr_linger_log_back (&linger, 400 * S); /* and still is */
  g_assert_cmpint (vr_linger_until (&linger, record), ==, 315 * S);
  g_assert_cmpint (vr_linger_until (&linger, since), ==, 315 * S);
  g_assert_cmpint (vr_linger_until (&linger, long_ago), ==, 65 * S);
}

/* Back for a moment, and away again: who was not heard of before has not been heard of in that moment. */
static void
test_log_away_again (void)
{
  g_autoptr (VrRecord) record = home_at (100 * S), later = home_at (600 * S);
  VrLinger linger = { .time_us = 15 * S };

  vr_linger_log_away (&linger, 110 * S);
  vr_linger_log_back (&linger, 300 * S);
  vr_linger_log_away (&linger, 314 * S);
  g_assert_cmpint (vr_linger_until (&linger, record), ==, G_MAXINT64);
  vr_linger_log_back (&linger, 400 * S);
  g_assert_cmpint (vr_linger_until (&linger, record), ==, 415 * S);
  vr_linger_log_away (&linger, 610 * S); /* that moment was long enough */
  g_assert_cmpint (vr_linger_until (&linger, record), ==, 115 * S);
  g_assert_cmpint (vr_linger_until (&linger, later), ==, G_MAXINT64);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/linger/concerns", test_concerns);
  g_test_add_func ("/linger/for-its-time", test_for_its_time);
  g_test_add_func ("/linger/log-away", test_log_away);
  g_test_add_func ("/linger/log-away-again", test_log_away_again);
  return g_test_run ();
}
