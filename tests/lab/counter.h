/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counts numbered packets: how many of the numbers 0, 1, 2, ... came, how many came again, how many came after a higher
 * one, and how long the longest silence was. Plain C without GLib: it is also part of the guest's static program.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define COUNTER_MAX (4u << 20) /* numbers from here on are refused, so that a wild number cannot take all memory */

typedef struct
{
  uint8_t *seen; /* one bit a number */
  uint32_t room; /* numbers that `seen` has room for */
  uint32_t received;   /* different numbers that came */
  uint32_t duplicated; /* packets whose number had come before */
  uint32_t reordered;  /* first arrivals of a number lower than one that had come before */
  uint32_t highest;    /* highest number that came; meaningless while received is 0 */
  int64_t last_ns;     /* when the last packet came; 0: none yet */
  int64_t gap_ns;      /* longest time between two packets that came one after the other */
} Counter;

typedef struct
{
  uint32_t first;
  uint32_t last; /* both included */
} CounterRange;

/* One packet with that number came at now_ns (any clock, nanoseconds). Returns false if the number is out of bounds. */
bool counter_add (Counter *counter, uint32_t number, int64_t now_ns);

/* Nothing came until now_ns: the silence counts as a gap. */
void counter_idle (Counter *counter, int64_t now_ns);

/* Fills ranges with the first max_ranges runs of numbers below sent that never came; returns how many there are in all. */
uint32_t counter_missing (const Counter *counter, uint32_t sent, CounterRange *ranges, uint32_t max_ranges);

/* Frees what the counter holds and makes it new. */
void counter_clear (Counter *counter);
