/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Calls that hang: what they hold up and what they do not. The work of these calls is a gate that the test opens. */
#include "daemon/virt/virt-calls.h"
#include "virt-test.h"

#include <libvirt-glib/libvirt-glib-event.h>

#define FOREVER_MS (10 * PATIENCE_S * 1000) /* wait_until() gives up before */
#define SLOTS 4 /* of the quick lane; the two slow ones have as many together */

/* ---- gates ---- */

typedef struct {
  GMutex lock;
  GCond cond;
  gboolean open;
  int entered, left; /* by how many threads; atomic */
  int freed;         /* how often free_args was called */
  GHashTable *conns; /* the connections in use, each by one call; NULL: not asked */
  guint timeouts;    /* the first runs of the work end with VR_VIRT_ERROR_TIMEOUT */
} Gate;

static void
gate_open (Gate *gate)
{
  g_mutex_lock (&gate->lock);
  gate->open = TRUE;
  g_cond_broadcast (&gate->cond);
  g_mutex_unlock (&gate->lock);
}

static gpointer
gate_work (virConnectPtr conn, gconstpointer args, GError **error)
{
  Gate    *gate = (Gate *) args;
  gboolean late;

  g_assert_cmpint (virConnectIsAlive (conn), ==, 1);
  g_mutex_lock (&gate->lock);
  if (gate->conns != NULL)
    g_assert_true (g_hash_table_add (gate->conns, conn));
  g_atomic_int_inc (&gate->entered);
  while (!gate->open)
    g_cond_wait (&gate->cond, &gate->lock);
  late = gate->timeouts > 0;
  gate->timeouts -= late;
  if (gate->conns != NULL)
    g_hash_table_remove (gate->conns, conn);
  g_mutex_unlock (&gate->lock);
  g_atomic_int_inc (&gate->left);
  if (!late)
    return gate;
  g_set_error_literal (error, VR_VIRT_ERROR, VR_VIRT_ERROR_TIMEOUT, "late");
  return NULL;
}

static void
gate_freed (gpointer data)
{
  ((Gate *) data)->freed++;
}

static int
entered (Gate *gate)
{
  return g_atomic_int_get (&gate->entered);
}

/* ---- the fixture ---- */

typedef struct {
  VrVirtCalls *calls;
  VrVirtSession *session;
  char *broken; /* what `broken` was told */
} Fixture;

typedef struct {
  gboolean here;
  gpointer result;
  GError *error;
} Outcome;

static void
outcome_clear (Outcome *outcome)
{
  g_clear_error (&outcome->error);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Outcome, outcome_clear)

static void
on_outcome (GObject *source, GAsyncResult *result, gpointer data)
{
  Outcome *outcome = data;

  outcome->result = g_task_propagate_pointer (G_TASK (result), &outcome->error);
  outcome->here = TRUE;
}

static void
no_event (const VrVirtEvent *event, gboolean ours, gpointer owner)
{
}

static void
no_close (const char *why, gpointer owner)
{
  g_assert_not_reached ();
}

static const VrVirtSessionHandlers handlers = { .event = no_event, .closed = no_close };

static void
on_opened (GObject *source, GAsyncResult *result, gpointer data)
{
  g_assert_true (vr_virt_session_open_finish (result, NULL));
  *(gboolean *) data = TRUE;
}

static void
on_broken (const char *why, gpointer owner)
{
  Fixture *fixture = owner;

  fixture->broken = g_strdup (why);
  vr_virt_calls_end (fixture->calls, "it broke");
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  gboolean opened = FALSE;

  gvir_event_register ();
  fixture->session = vr_virt_session_new ("test:///default", &handlers, fixture);
  vr_virt_session_open_async (fixture->session, on_opened, &opened);
  wait_until (opened);
  fixture->calls = vr_virt_calls_new (on_broken, fixture);
  vr_virt_calls_begin (fixture->calls, fixture->session);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  vr_virt_calls_free (fixture->calls);
  vr_virt_session_unref (fixture->session);
  g_free (fixture->broken);
}

static void
make (Fixture *fixture, VrVirtLane lane, const char *key, Gate *gate, guint deadline_ms, GCancellable *cancellable,
      Outcome *outcome)
{
  VrVirtRequest request = { .lane = lane, .key = key, .purpose = "pass the gate of", .work = gate_work, .args = gate,
                            .free_args = gate_freed };

  vr_virt_calls_make (fixture->calls, &request, deadline_ms, g_task_new (NULL, cancellable, on_outcome, outcome));
}

/* Opens the gates of hanging calls and waits until their threads are done. */
static void
release (Gate *gate, int calls)
{
  gate_open (gate);
  wait_until (gate->freed == calls);
}

static void
assert_all_answered (const Outcome *outcomes, guint n, const Gate *gate)
{
  for (guint i = 0; i < n; i++)
    {
      wait_until (outcomes[i].here);
      g_assert_true (outcomes[i].result == gate);
    }
}

/* ---- tests ---- */

static void
test_answer (Fixture *fixture, gconstpointer data)
{
  g_auto (Outcome) outcome = { 0 };
  Gate gate = { .open = TRUE };

  make (fixture, VR_VIRT_LANE_QUICK, "a", &gate, FOREVER_MS, NULL, &outcome);
  wait_until (outcome.here);
  g_assert_no_error (outcome.error);
  g_assert_true (outcome.result == &gate);
  release (&gate, 1);
}

static void
test_deadline (Fixture *fixture, gconstpointer data)
{
  g_auto (Outcome) outcome = { 0 };
  Gate gate = { 0 };

  make (fixture, VR_VIRT_LANE_QUICK, "guest-a", &gate, 50, NULL, &outcome);
  wait_until (outcome.here);
  g_assert_error (outcome.error, VR_VIRT_ERROR, VR_VIRT_ERROR_TIMEOUT);
  g_assert_nonnull (strstr (outcome.error->message, "cannot pass the gate of guest-a"));
  g_assert_cmpint (gate.freed, ==, 0); /* its thread has them */
  release (&gate, 1);
}

static void
test_cancel (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_auto (Outcome) outcome = { 0 };
  Gate gate = { 0 };

  make (fixture, VR_VIRT_LANE_QUICK, "a", &gate, FOREVER_MS, cancellable, &outcome);
  wait_until (entered (&gate) == 1);
  g_cancellable_cancel (cancellable);
  wait_until (outcome.here);
  g_assert_error (outcome.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  release (&gate, 1);
}

static int late_results;

static void
count_late_result (gpointer result)
{
  late_results++;
}

static void
test_late_result (Fixture *fixture, gconstpointer data)
{
  g_auto (Outcome) outcome = { 0 };
  Gate          gate = { 0 };
  VrVirtRequest request = { .lane = VR_VIRT_LANE_QUICK, .key = "a", .purpose = "pass", .work = gate_work, .args = &gate,
                            .free_args = gate_freed, .free_result = count_late_result };

  late_results = 0;
  vr_virt_calls_make (fixture->calls, &request, 50, g_task_new (NULL, NULL, on_outcome, &outcome));
  wait_until (entered (&gate) == 1 && outcome.here);
  release (&gate, 1);
  g_assert_cmpint (late_results, ==, 1);
}

/* A guest that hangs holds one slot, however often it is asked for. */
static void
test_same_guest (Fixture *fixture, gconstpointer data)
{
  Outcome outcomes[6] = { 0 };
  Gate    gate = { 0 }, other = { .open = TRUE };
  g_auto (Outcome) outcome = { 0 };

  for (guint i = 0; i < G_N_ELEMENTS (outcomes); i++)
    make (fixture, VR_VIRT_LANE_QUICK, "a", &gate, FOREVER_MS, NULL, &outcomes[i]);
  make (fixture, VR_VIRT_LANE_QUICK, "b", &other, FOREVER_MS, NULL, &outcome);
  wait_until (outcome.here);
  g_assert_no_error (outcome.error);
  wait_until (entered (&gate) > 0);
  g_assert_cmpint (entered (&gate), ==, 1);
  release (&other, 1);
  release (&gate, G_N_ELEMENTS (outcomes));
  assert_all_answered (outcomes, G_N_ELEMENTS (outcomes), &gate);
}

/* The next one's turn comes when a thread comes back. */
static void
test_slots (Fixture *fixture, gconstpointer data)
{
  static const char *const keys[] = { "a", "b", "c", "d", "e", "f" };
  Outcome outcomes[G_N_ELEMENTS (keys)] = { 0 };
  Gate    gate = { 0 };
  gboolean waited = FALSE;

  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    make (fixture, VR_VIRT_LANE_QUICK, keys[i], &gate, FOREVER_MS, NULL, &outcomes[i]);
  wait_until (entered (&gate) == SLOTS);
  g_timeout_add (100, ring, &waited);
  wait_until (waited);
  g_assert_cmpint (entered (&gate), ==, SLOTS);
  release (&gate, G_N_ELEMENTS (keys));
  assert_all_answered (outcomes, G_N_ELEMENTS (outcomes), &gate);
}

/* libvirt's threads get into each other's way on a connection that they share. */
static void
test_own_connection (Fixture *fixture, gconstpointer data)
{
  static const char *const keys[] = { "a", "b", "c", "d", "e", "f" };
  g_autoptr (GHashTable) conns = g_hash_table_new (NULL, NULL);
  Outcome outcomes[2 * G_N_ELEMENTS (keys)] = { 0 };
  Gate    gate = { .conns = conns };

  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    {
      make (fixture, VR_VIRT_LANE_QUICK, keys[i], &gate, FOREVER_MS, NULL, &outcomes[2 * i]);
      make (fixture, VR_VIRT_LANE_STAMP, keys[i], &gate, FOREVER_MS, NULL, &outcomes[2 * i + 1]);
    }
  wait_until (entered (&gate) > SLOTS); /* of both lanes */
  release (&gate, G_N_ELEMENTS (outcomes));
  assert_all_answered (outcomes, G_N_ELEMENTS (outcomes), &gate);
}

/* Lanes leave each other alone. */
static void
test_lanes (Fixture *fixture, gconstpointer data)
{
  static const char *const keys[] = { "a", "b", "c", "d" };
  Outcome stamps[4] = { 0 }, agents[4] = { 0 };
  Gate    gate = { 0 }, quick = { .open = TRUE };
  g_auto (Outcome) outcome = { 0 };
  gboolean waited = FALSE;

  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    {
      make (fixture, VR_VIRT_LANE_STAMP, keys[i], &gate, FOREVER_MS, NULL, &stamps[i]);
      make (fixture, VR_VIRT_LANE_AGENT, keys[i], &gate, FOREVER_MS, NULL, &agents[i]);
    }
  make (fixture, VR_VIRT_LANE_QUICK, "a", &quick, FOREVER_MS, NULL, &outcome);
  wait_until (outcome.here);
  g_assert_no_error (outcome.error);
  wait_until (entered (&gate) == SLOTS);
  g_timeout_add (100, ring, &waited);
  wait_until (waited);
  g_assert_cmpint (entered (&gate), ==, SLOTS);
  release (&quick, 1);
  release (&gate, 8);
  assert_all_answered (stamps, G_N_ELEMENTS (stamps), &gate);
  assert_all_answered (agents, G_N_ELEMENTS (agents), &gate);
}

/* What was given up before its turn is never done. */
static void
test_left_queue (Fixture *fixture, gconstpointer data)
{
  g_auto (Outcome) first = { 0 };
  g_auto (Outcome) second = { 0 };
  Gate gate = { 0 }, never = { 0 };

  make (fixture, VR_VIRT_LANE_QUICK, "a", &gate, FOREVER_MS, NULL, &first);
  make (fixture, VR_VIRT_LANE_QUICK, "a", &never, 50, NULL, &second);
  wait_until (second.here);
  g_assert_error (second.error, VR_VIRT_ERROR, VR_VIRT_ERROR_TIMEOUT);
  g_assert_cmpint (never.freed, ==, 1);
  release (&gate, 1);
  wait_until (first.here);
  g_assert_cmpint (entered (&never), ==, 0);
}

/* libvirt gives up waiting for a job after 30 s; a stamp has more time. */
static void
test_stamp_tries_again (Fixture *fixture, gconstpointer data)
{
  g_auto (Outcome) outcome = { 0 };
  Gate gate = { .open = TRUE, .timeouts = 3 };

  make (fixture, VR_VIRT_LANE_STAMP, "a", &gate, FOREVER_MS, NULL, &outcome);
  wait_until (outcome.here);
  g_assert_no_error (outcome.error);
  g_assert_cmpint (entered (&gate), ==, 4);
}

static void
test_look_does_not_try_again (Fixture *fixture, gconstpointer data)
{
  g_auto (Outcome) outcome = { 0 };
  Gate gate = { .open = TRUE, .timeouts = 3 };

  make (fixture, VR_VIRT_LANE_QUICK, "a", &gate, FOREVER_MS, NULL, &outcome);
  wait_until (outcome.here);
  g_assert_error (outcome.error, VR_VIRT_ERROR, VR_VIRT_ERROR_TIMEOUT);
  g_assert_cmpstr (outcome.error->message, ==, "late");
}

/* The end of the session ends them all, whether their turn came or not; a thread that hangs is nobody's concern. */
static void
test_end (Fixture *fixture, gconstpointer data)
{
  g_auto (Outcome) first = { 0 };
  g_auto (Outcome) second = { 0 };
  g_auto (Outcome) third = { 0 };
  Gate gate = { 0 };

  make (fixture, VR_VIRT_LANE_QUICK, "a", &gate, FOREVER_MS, NULL, &first);
  make (fixture, VR_VIRT_LANE_QUICK, "a", &gate, FOREVER_MS, NULL, &second);
  wait_until (entered (&gate) == 1);
  vr_virt_calls_end (fixture->calls, "libvirtd was eaten");
  make (fixture, VR_VIRT_LANE_QUICK, "a", &gate, FOREVER_MS, NULL, &third);
  wait_until (first.here && second.here && third.here);
  g_assert_error (first.error, VR_VIRT_ERROR, VR_VIRT_ERROR_CONNECT);
  g_assert_error (second.error, VR_VIRT_ERROR, VR_VIRT_ERROR_CONNECT);
  g_assert_error (third.error, VR_VIRT_ERROR, VR_VIRT_ERROR_CONNECT);
  g_assert_cmpstr (third.error->message, ==, "libvirtd was eaten");
  release (&gate, 3);
}

/* Threads that hang in an old session take no slots of the new one. */
static void
test_next_session (Fixture *fixture, gconstpointer data)
{
  g_auto (Outcome) outcome = { 0 };
  g_auto (Outcome) again = { 0 };
  Gate           gate = { 0 }, other = { .open = TRUE };
  VrVirtSession *old = fixture->session;
  gboolean       opened = FALSE;

  make (fixture, VR_VIRT_LANE_QUICK, "a", &gate, FOREVER_MS, NULL, &outcome);
  wait_until (entered (&gate) == 1);
  vr_virt_calls_end (fixture->calls, "libvirtd was eaten");
  fixture->session = vr_virt_session_new ("test:///default", &handlers, fixture);
  vr_virt_session_unref (old);
  vr_virt_session_open_async (fixture->session, on_opened, &opened);
  wait_until (opened);
  vr_virt_calls_begin (fixture->calls, fixture->session);
  make (fixture, VR_VIRT_LANE_QUICK, "a", &other, FOREVER_MS, NULL, &again);
  wait_until (again.here);
  g_assert_no_error (again.error);
  release (&other, 1);
  release (&gate, 1);
}

static gpointer
find_dead (virConnectPtr conn, gconstpointer args, GError **error)
{
  g_set_error_literal (error, VR_VIRT_ERROR, VR_VIRT_ERROR_CONNECT, "dead");
  return NULL;
}

/* The owner hears of it first: who is told that the connection is gone must not find it there. */
static void
test_dead_connection (Fixture *fixture, gconstpointer data)
{
  g_auto (Outcome) outcome = { 0 };
  VrVirtRequest request = { .lane = VR_VIRT_LANE_QUICK, .key = "a", .purpose = "look at", .work = find_dead };

  vr_virt_calls_make (fixture->calls, &request, FOREVER_MS, g_task_new (NULL, NULL, on_outcome, &outcome));
  wait_until (outcome.here);
  g_assert_error (outcome.error, VR_VIRT_ERROR, VR_VIRT_ERROR_CONNECT);
  g_assert_cmpstr (outcome.error->message, ==, "it broke");
  g_assert_cmpstr (fixture->broken, ==, "dead");
}

int
main (int argc, char **argv)
{
  virt_test_init (&argc, &argv);
#define ADD(path, test) g_test_add ("/virt-calls/" path, Fixture, NULL, set_up, test, tear_down)
  ADD ("answer", test_answer);
  ADD ("deadline", test_deadline);
  ADD ("cancel", test_cancel);
  ADD ("late-result-is-dropped", test_late_result);
  ADD ("one-guest-holds-one-slot", test_same_guest);
  ADD ("slots", test_slots);
  ADD ("own-connection", test_own_connection);
  ADD ("lanes", test_lanes);
  ADD ("given-up-in-the-queue", test_left_queue);
  ADD ("stamp-tries-again", test_stamp_tries_again);
  ADD ("look-does-not-try-again", test_look_does_not_try_again);
  ADD ("end-of-the-session", test_end);
  ADD ("next-session", test_next_session);
  ADD ("dead-connection", test_dead_connection);
  return g_test_run ();
}
