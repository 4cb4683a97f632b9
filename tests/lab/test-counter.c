/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The lab's meter counts right: what every figure of the lab rests on. */
#include <glib.h>

#include "tests/lab/counter.h"

static void
take (Counter *counter, const char *numbers)
{
  g_auto (GStrv) words = g_strsplit (numbers, " ", -1);
  for (char **word = words; *word; word++)
    g_assert_true (counter_add (counter, (guint32) g_ascii_strtoull (*word, NULL, 10), 1));
}

static void
test_in_order (void)
{
  Counter counter = {0};
  CounterRange range[4];
  take (&counter, "0 1 2 3");
  g_assert_cmpuint (counter.received, ==, 4);
  g_assert_cmpuint (counter.duplicated, ==, 0);
  g_assert_cmpuint (counter.reordered, ==, 0);
  g_assert_cmpuint (counter_missing (&counter, 4, range, 4), ==, 0);
  counter_clear (&counter);
}

static void
test_lost_in_the_middle_and_at_the_ends (void)
{
  Counter counter = {0};
  CounterRange range[4];
  take (&counter, "2 3 6 7");
  g_assert_cmpuint (counter_missing (&counter, 10, range, 4), ==, 3);
  g_assert_cmpuint (range[0].first, ==, 0);
  g_assert_cmpuint (range[0].last, ==, 1);
  g_assert_cmpuint (range[1].first, ==, 4);
  g_assert_cmpuint (range[1].last, ==, 5);
  g_assert_cmpuint (range[2].first, ==, 8);
  g_assert_cmpuint (range[2].last, ==, 9);
  counter_clear (&counter);
}

static void
test_more_ranges_than_room (void)
{
  Counter counter = {0};
  CounterRange range[2] = {0};
  take (&counter, "1 3 5");
  g_assert_cmpuint (counter_missing (&counter, 6, range, 1), ==, 3);
  g_assert_cmpuint (range[0].last, ==, 0);
  g_assert_cmpuint (range[1].first, ==, 0); /* not written to */
  counter_clear (&counter);
}

static void
test_nothing_came (void)
{
  Counter counter = {0};
  CounterRange range[1];
  g_assert_cmpuint (counter_missing (&counter, 3, range, 1), ==, 1);
  g_assert_cmpuint (range[0].first, ==, 0);
  g_assert_cmpuint (range[0].last, ==, 2);
}

static void
test_duplicates_are_no_second_arrival (void)
{
  Counter counter = {0};
  take (&counter, "0 1 1 0 2");
  g_assert_cmpuint (counter.received, ==, 3);
  g_assert_cmpuint (counter.duplicated, ==, 2);
  g_assert_cmpuint (counter.reordered, ==, 0);
  counter_clear (&counter);
}

static void
test_late_ones_are_reordered_and_not_lost (void)
{
  Counter counter = {0};
  CounterRange range[1];
  take (&counter, "0 3 1 2 4");
  g_assert_cmpuint (counter.received, ==, 5);
  g_assert_cmpuint (counter.reordered, ==, 2);
  g_assert_cmpuint (counter_missing (&counter, 5, range, 1), ==, 0);
  counter_clear (&counter);
}

static void
test_longest_gap (void)
{
  Counter counter = {0};
  counter_add (&counter, 0, 1000);
  counter_add (&counter, 1, 1500);
  counter_add (&counter, 2, 3500);
  counter_add (&counter, 3, 3600);
  g_assert_cmpint (counter.gap_ns, ==, 2000);
  counter_idle (&counter, 9000);
  g_assert_cmpint (counter.gap_ns, ==, 5400);
  counter_clear (&counter);
}

static void
test_grows_and_refuses_wild_numbers (void)
{
  Counter counter = {0};
  CounterRange range[1];
  for (guint32 i = 0; i < 100000; i++)
    g_assert_true (counter_add (&counter, i, 1));
  g_assert_false (counter_add (&counter, COUNTER_MAX, 1));
  g_assert_cmpuint (counter.received, ==, 100000);
  g_assert_cmpuint (counter_missing (&counter, 100000, range, 1), ==, 0);
  counter_clear (&counter);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/lab-counter/in-order", test_in_order);
  g_test_add_func ("/lab-counter/lost", test_lost_in_the_middle_and_at_the_ends);
  g_test_add_func ("/lab-counter/more-ranges-than-room", test_more_ranges_than_room);
  g_test_add_func ("/lab-counter/nothing-came", test_nothing_came);
  g_test_add_func ("/lab-counter/duplicates", test_duplicates_are_no_second_arrival);
  g_test_add_func ("/lab-counter/reordered", test_late_ones_are_reordered_and_not_lost);
  g_test_add_func ("/lab-counter/gap", test_longest_gap);
  g_test_add_func ("/lab-counter/growth", test_grows_and_refuses_wild_numbers);
  return g_test_run ();
}
