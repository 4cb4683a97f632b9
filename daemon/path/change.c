/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation.
 *
 *   PROBING   Nothing is held yet. A marker goes the long way, to learn how long that is, and whether it comes back at all: a firewall may be
 *             between. So nobody waits behind a marker that cannot come, and on a slow way the next one is waited for long enough.
 *   HOLDING   The guests' routes lead into the hold (those of the long way stand behind, for the markers). After 2 ms, when no processor is still busy with a packet that found the old
 *             routes, a marker for each family goes the long way, behind the last packet that did.
 *   RELEASING The markers came back: all of that has arrived. (Or the time for that is over.) What is held is sent straight, in order. When
 *             there is no more, just after a packet, the routes are changed, and what was held between the two is sent as well.
 *   LINGERING After 20 ms the hold is emptied once more: a processor may have been busy with a packet that found the old routes.
 *
 * What may still overtake: a packet that finds the new route while one that came a moment before it waits in the hold, between the change
 * of the routes and the second emptying, tens of microseconds.
 *
 * What can go wrong: the straight tunnel goes, or the guest: whoever began the change gives it up, and what is held goes the long way.
 * The process is killed: the hold goes with it, what it held is lost, and the routes of the long way, which stand behind those into the
 * hold, count again. More comes than the hold has room for: what comes last is lost, and counted.
 */
#include "change.h"

#include "marker.h"

#include "daemon/model/address.h"
#include "daemon/names.h"

#define SETTLE_MS 2
#define AGAIN_MS 60 /* a marker that did not come back may be lost; but hosts answer few in a second, so each time after twice as long */
#define SLACK 4     /* what holds packets, more than once the way that was measured: it may be busier by then */
#define LONGEST_MS 3000 /* that packets are held */
#define LINGER_MS 20
#define GAP_US 1000 /* how long a moment without packets is looked for */
#define ROUND 128 /* packets let go at a time: the main loop has other things to do */
#define MOST (2 * VR_HOLD_PACKETS) /* packets let go before the routes are changed: they may come as fast as they go */

typedef enum { PROBING, HOLDING, RELEASING, LINGERING } State;

struct _VrChange {
  State          state;
  VrHold        *hold;
  VrOutlet      *from, *to;
  VrSwitch      *to_hold, *straight, *back; /* prepared */
  VrMarker      *probes[2], *markers[2]; /* of each family */
  guint          again_ms, wait_ms;
  guint          rounds;
  guint64        in_time; /* packets let go before the routes were changed */
  guint          missing, probes_missing; /* that did not come back */
  guint          send, deadline, release, linger; /* sources */
  gint64         began_us;
  VrChangeResult result;
  VrChangeTold   made, over;
  gpointer       data;
};

static void
stop (VrChange *change)
{
  g_clear_handle_id (&change->send, g_source_remove);
  g_clear_handle_id (&change->deadline, g_source_remove);
  g_clear_handle_id (&change->release, g_source_remove);
  g_clear_handle_id (&change->linger, g_source_remove);
}

static void
free_markers (VrMarker **markers)
{
  for (guint i = 0; i < 2; i++)
    g_clear_pointer (&markers[i], vr_marker_free);
}

/*
 * The best time to change the routes is just after a packet, when none waits: the next one of a steady stream is as far away as it can be. Empties the
 * hold, and again until one packet came alone, or none for a while.
 */
static void
release_to_gap (VrChange *change, VrOutlet *outlet)
{
  gint64  until = g_get_monotonic_time () + GAP_US;
  guint64 before;

  vr_hold_release (change->hold, outlet, MOST);
  do
    {
      before = vr_hold_sent (change->hold);
      vr_hold_release (change->hold, outlet, ROUND);
    }
  while (vr_hold_sent (change->hold) != before + 1 && g_get_monotonic_time () < until);
}

/* What is held, then the routes, then what came in between. */
static gboolean
let_go (VrChange *change, VrOutlet *outlet, VrSwitch *routes, GError **error)
{
  gboolean ok;

  release_to_gap (change, outlet);
  change->in_time = vr_hold_sent (change->hold);
  ok = vr_switch_commit (routes, NULL, error);
  vr_hold_release (change->hold, outlet, MOST);
  change->result.held_us = g_get_monotonic_time () - change->began_us;
  return ok;
}

static void
give_up (VrChange *change)
{
  g_autoptr (GError) error = NULL;

  if (!let_go (change, change->from, change->back, &error))
    g_info ("the routes lead the long way only after the next reconcile: %s", error->message);
}

static gboolean
on_lingered (gpointer data)
{
  VrChange *change = data;

  change->linger = 0;
  vr_hold_release (change->hold, change->result.straight ? change->to : change->from, MOST);
  change->result.counts = vr_hold_counts (change->hold);
  change->result.late = change->result.counts.sent - change->in_time;
  change->over (&change->result, change->data); /* and that may be its end */
  return G_SOURCE_REMOVE;
}

static void
make_change (VrChange *change)
{
  g_autoptr (GError) error = NULL;

  stop (change);
  change->state = LINGERING;
  if (!vr_switch_is_void (change->straight)) /* else nothing is sent where nothing may arrive */
    change->result.straight = let_go (change, change->to, change->straight, &error);
  if (!change->result.straight)
    {
      g_info ("the path is not changed: %s", error != NULL ? error->message : "the straight tunnel's interface changed");
      give_up (change);
    }
  change->linger = g_timeout_add (LINGER_MS, on_lingered, change);
  change->result.counts = vr_hold_counts (change->hold);
  change->made (&change->result, change->data);
}

static gboolean
on_release (gpointer data)
{
  VrChange *change = data;

  change->rounds++;
  if (!vr_switch_is_void (change->straight) && !vr_hold_release (change->hold, change->to, ROUND) && change->rounds < MOST / ROUND)
    return G_SOURCE_CONTINUE;
  change->release = 0;
  make_change (change);
  return G_SOURCE_REMOVE;
}

static void
begin_release (VrChange *change)
{
  stop (change);
  free_markers (change->markers);
  change->state = RELEASING;
  change->result.returned = change->missing == 0;
  change->result.waited_us = g_get_monotonic_time () - change->began_us;
  change->release = g_idle_add_full (G_PRIORITY_DEFAULT, on_release, change, NULL);
}

/* ---- markers ---- */

static void
on_returned (gpointer data)
{
  VrChange *change = data;

  if (--change->missing == 0)
    begin_release (change);
}

static void begin_hold (VrChange *change);

static gboolean
on_deadline (gpointer data)
{
  VrChange *change = data;

  change->deadline = 0;
  if (change->state == PROBING)
    begin_hold (change);
  else
    begin_release (change);
  return G_SOURCE_REMOVE;
}

static gboolean
on_send (gpointer data)
{
  VrChange  *change = data;
  VrMarker **markers = change->state == PROBING ? change->probes : change->markers;

  for (guint i = 0; i < 2; i++)
    if (markers[i] != NULL)
      vr_marker_send (markers[i]);
  change->send = g_timeout_add (change->again_ms, on_send, change);
  change->again_ms *= 2;
  return G_SOURCE_REMOVE;
}

/* From now on packets wait. If they cannot, they are sent straight at once. */
static void
begin_hold (VrChange *change)
{
  g_autoptr (GError) error = NULL;

  stop (change);
  free_markers (change->probes);
  change->began_us = g_get_monotonic_time ();
  change->state = HOLDING;
  if (!vr_switch_commit (change->to_hold, NULL, &error))
    {
      g_warning ("paths: packets may arrive out of order, they cannot be held while a path changes: %s", error->message);
      begin_release (change);
      return;
    }
  change->again_ms = MAX (AGAIN_MS, SLACK * (guint) (change->result.probe_us / 1000) / 2);
  change->send = g_timeout_add (SETTLE_MS, on_send, change);
  change->deadline = g_timeout_add (change->wait_ms, on_deadline, change);
}

static void
on_probed (gpointer data)
{
  VrChange *change = data;

  if (--change->probes_missing > 0)
    return;
  change->result.probe_us = g_get_monotonic_time () - change->began_us;
  change->wait_ms = MAX (change->wait_ms, MIN (SLACK * (guint) (change->result.probe_us / 1000), LONGEST_MS));
  begin_hold (change);
}

/*
 * One for each family: all guests there are reached by the same two tunnels. Gives how many there have to be: one that cannot be made or sent is
 * as one that is lost.
 */
static guint
make_markers (VrChange *change, const VrChangeWay *way, VrMarker **markers, VrMarkerReturned returned)
{
  gboolean seen[2] = { FALSE, FALSE };

  for (guint i = 0; i < way->hold->len; i++)
    {
      const VrRoute   *route = way->hold->pdata[i];
      guint            family = vr_address_is_v6 (route->destination);
      g_autofree char *guest = g_strndup (route->destination, strcspn (route->destination, "/"));
      g_autoptr (GError) error = NULL;

      if (seen[family])
        continue;
      seen[family] = TRUE;
      if (route->source != NULL)
        markers[family] = vr_marker_new (route->source, guest, way->from, way->answerers, returned, change, &error);
      if (markers[family] == NULL)
        g_info ("the path to %s changes after a wait: %s", guest, error != NULL ? error->message : "this host has no address in a guest network");
    }
  return seen[0] + seen[1];
}

/* ---- begin, end ---- */

/* The same destinations, by another interface. */
static VrSwitch *
prepare_by (VrKernel *kernel, GPtrArray *routes, const char *dev, GError **error)
{
  g_autoptr (GPtrArray) others = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < routes->len; i++)
    {
      VrRoute *route = g_memdup2 (routes->pdata[i], sizeof *route); /* its strings are borrowed */

      route->dev = (char *) dev;
      g_ptr_array_add (others, route);
    }
  return vr_switch_prepare (kernel, NULL, others, error);
}

static gboolean
prepare (VrChange *change, VrKernel *kernel, const VrChangeWay *way, GError **error)
{
  change->hold = vr_hold_new (way->to, error);
  if (change->hold == NULL)
    return FALSE;
  change->from = vr_outlet_new (way->from, error);
  if (change->from == NULL)
    return FALSE;
  change->to = vr_outlet_new (way->to, error);
  if (change->to == NULL)
    return FALSE;
  change->back = prepare_by (kernel, way->hold, way->from, error);
  if (change->back == NULL)
    return FALSE;
  change->straight = vr_switch_prepare (kernel, NULL, way->straight, error);
  if (change->straight == NULL)
    return FALSE;
  change->to_hold = vr_switch_prepare (kernel, NULL, way->hold, error);
  return change->to_hold != NULL;
}

static void
begin_probe (VrChange *change, guint probe_ms)
{
  change->state = PROBING;
  change->again_ms = AGAIN_MS;
  change->deadline = g_timeout_add (probe_ms, on_deadline, change);
  on_send (change);
}

VrChange *
vr_change_begin (VrKernel *kernel, const VrChangeWay *way, VrChangeTold made, VrChangeTold over, gpointer data, GError **error)
{
  g_autoptr (VrChange) change = g_new0 (VrChange, 1);

  change->state = LINGERING; /* there is nothing to give up */
  change->made = made;
  change->over = over;
  change->data = data;
  change->wait_ms = way->wait_ms;
  if (!prepare (change, kernel, way, error))
    return NULL;
  change->missing = make_markers (change, way, change->markers, on_returned);
  change->began_us = g_get_monotonic_time ();
  if (way->probe_ms > 0)
    {
      change->probes_missing = make_markers (change, way, change->probes, on_probed);
      begin_probe (change, way->probe_ms);
    }
  else
    begin_hold (change);
  return g_steal_pointer (&change);
}

gboolean
vr_change_is_holding (const VrChange *change)
{
  return change != NULL && (change->state == HOLDING || change->state == RELEASING);
}

void
vr_change_free (VrChange *change)
{
  if (change == NULL)
    return;
  stop (change);
  free_markers (change->probes);
  free_markers (change->markers);
  if (vr_change_is_holding (change))
    give_up (change);
  g_clear_pointer (&change->to_hold, vr_switch_free);
  g_clear_pointer (&change->straight, vr_switch_free);
  g_clear_pointer (&change->back, vr_switch_free);
  vr_outlet_free (change->from);
  vr_outlet_free (change->to);
  vr_hold_free (change->hold);
  g_free (change);
}
