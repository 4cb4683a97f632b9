/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "counter.h"

#include <stdlib.h>
#include <string.h>

static bool
counter_make_room (Counter *counter, uint32_t number)
{
  uint32_t room = counter->room ? counter->room : 4096;
  while (room <= number)
    room *= 2;
  if (room == counter->room)
    return true;
  uint8_t *seen = realloc (counter->seen, room / 8);
  if (!seen)
    return false;
  memset (seen + counter->room / 8, 0, (room - counter->room) / 8);
  counter->seen = seen;
  counter->room = room;
  return true;
}

static bool
counter_has (const Counter *counter, uint32_t number)
{
  return number < counter->room && (counter->seen[number / 8] & (1 << number % 8));
}

bool
counter_add (Counter *counter, uint32_t number, int64_t now_ns)
{
  if (number >= COUNTER_MAX || !counter_make_room (counter, number))
    return false;
  counter_idle (counter, now_ns);
  counter->last_ns = now_ns;
  if (counter_has (counter, number))
    {
      counter->duplicated++;
      return true;
    }
  counter->seen[number / 8] |= 1 << number % 8;
  if (counter->received && number < counter->highest)
    counter->reordered++;
  if (!counter->received || number > counter->highest)
    counter->highest = number;
  counter->received++;
  return true;
}

void
counter_idle (Counter *counter, int64_t now_ns)
{
  if (counter->last_ns && now_ns - counter->last_ns > counter->gap_ns)
    counter->gap_ns = now_ns - counter->last_ns;
}

uint32_t
counter_missing (const Counter *counter, uint32_t sent, CounterRange *ranges, uint32_t max_ranges)
{
  uint32_t n = 0;
  bool inside = false;
  for (uint32_t i = 0; i < sent; i++)
    {
      bool missing = !counter_has (counter, i);
      if (missing && !inside && n++ < max_ranges)
        ranges[n - 1].first = i;
      if (missing && n <= max_ranges)
        ranges[n - 1].last = i;
      inside = missing;
    }
  return n;
}

void
counter_clear (Counter *counter)
{
  free (counter->seen);
  memset (counter, 0, sizeof *counter);
}
