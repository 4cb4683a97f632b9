/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation.
 *
 *   HOLDING   The guests' routes lead into the hold. After 2 ms, when no processor is still busy with a packet that found the old
 *             routes, a marker for each family goes the long way, behind the last packet that did.
 *   RELEASING The markers came back: all of that has arrived. (Or the time for that is over.) What is held is sent straight, in order. When
 *             there is no more the routes are changed, and what was held between the two is sent as well.
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
#define AGAIN_MS 60 /* a marker that did not come back may be lost */
#define LINGER_MS 20
#define ROUND 128 /* packets let go at a time: the main loop has other things to do */
#define MOST (2 * VR_HOLD_PACKETS) /* packets let go before the routes are changed: they may come as fast as they go */

typedef enum { HOLDING, RELEASING, LINGERING } State;

struct _VrChange {
  State          state;
  VrHold        *hold;
  VrOutlet      *from, *to;
  VrSwitch      *to_hold, *straight, *back; /* prepared */
  VrMarker      *markers[2];
  guint          rounds;
  guint64        in_time; /* packets let go before the routes were changed */
  guint          missing; /* markers that did not come back */
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
  for (guint i = 0; i < G_N_ELEMENTS (change->markers); i++)
    g_clear_pointer (&change->markers[i], vr_marker_free);
}

/* What is held, then the routes, then what came in between. */
static gboolean
let_go (VrChange *change, VrOutlet *outlet, VrSwitch *routes, GError **error)
{
  gboolean ok;

  vr_hold_release (change->hold, outlet, MOST);
  change->in_time = vr_hold_counts (change->hold).sent;
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
  change->state = RELEASING;
  change->result.returned = change->missing == 0;
  change->result.waited_us = g_get_monotonic_time () - change->began_us;
  change->release = g_idle_add_full (G_PRIORITY_DEFAULT, on_release, change, NULL);
}

/* ---- the marker ---- */

static void
on_returned (gpointer data)
{
  VrChange *change = data;

  if (--change->missing == 0)
    begin_release (change);
}

static gboolean
on_deadline (gpointer data)
{
  VrChange *change = data;

  change->deadline = 0;
  begin_release (change);
  return G_SOURCE_REMOVE;
}

static gboolean
on_send (gpointer data)
{
  VrChange *change = data;

  for (guint i = 0; i < G_N_ELEMENTS (change->markers); i++)
    if (change->markers[i] != NULL)
      vr_marker_send (change->markers[i]);
  change->send = g_timeout_add (AGAIN_MS, on_send, change);
  return G_SOURCE_REMOVE;
}

/* One for each family: all guests there are reached by the same two tunnels. One that cannot be sent is as one that is lost. */
static void
make_markers (VrChange *change, const VrChangeWay *way)
{
  for (guint i = 0; i < way->hold->len; i++)
    {
      const VrRoute   *route = way->hold->pdata[i];
      guint            family = vr_address_is_v6 (route->destination);
      g_autofree char *guest = g_strndup (route->destination, strcspn (route->destination, "/"));
      g_autoptr (GError) error = NULL;

      if (change->markers[family] != NULL)
        continue;
      change->missing++;
      if (route->source != NULL)
        change->markers[family] = vr_marker_new (route->source, guest, way->from, way->answerers, on_returned, change, &error);
      if (change->markers[family] == NULL)
        g_info ("the path to %s changes after a wait: %s", guest, error != NULL ? error->message : "this host has no address in a guest network");
    }
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
  return vr_switch_prepare (kernel, others, error);
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
  change->straight = vr_switch_prepare (kernel, way->straight, error);
  if (change->straight == NULL)
    return FALSE;
  change->to_hold = vr_switch_prepare (kernel, way->hold, error);
  return change->to_hold != NULL;
}

VrChange *
vr_change_begin (VrKernel *kernel, const VrChangeWay *way, VrChangeTold made, VrChangeTold over, gpointer data, GError **error)
{
  g_autoptr (VrChange) change = g_new0 (VrChange, 1);

  change->state = LINGERING; /* there is nothing to give up */
  change->made = made;
  change->over = over;
  change->data = data;
  if (!prepare (change, kernel, way, error))
    return NULL;
  make_markers (change, way);
  change->began_us = g_get_monotonic_time ();
  change->state = HOLDING;
  if (!vr_switch_commit (change->to_hold, NULL, error)) /* some routes may have been changed */
    return NULL;
  change->send = g_timeout_add (SETTLE_MS, on_send, change);
  change->deadline = g_timeout_add (way->wait_ms, on_deadline, change);
  return g_steal_pointer (&change);
}

void
vr_change_free (VrChange *change)
{
  if (change == NULL)
    return;
  stop (change);
  if (change->state != LINGERING)
    give_up (change);
  g_clear_pointer (&change->to_hold, vr_switch_free);
  g_clear_pointer (&change->straight, vr_switch_free);
  g_clear_pointer (&change->back, vr_switch_free);
  vr_outlet_free (change->from);
  vr_outlet_free (change->to);
  vr_hold_free (change->hold);
  g_free (change);
}
