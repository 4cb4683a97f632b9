/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A real charon that starts late, dies, restarts, is stopped and continued, and callers that change their minds meanwhile. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "charon.h"
#include "harness.h"

typedef struct {
  Charon  *charon;
  Watched *watched;
} Life;

static void
set_up (Life *life, gconstpointer hang_ms)
{
  life->charon = charon_new (0);
  charon_start (life->charon);
  life->watched = watched_new_connected (life->charon->uri, GPOINTER_TO_UINT (hang_ms));
}

static void
tear_down (Life *life, gconstpointer data)
{
  watched_free (life->watched);
  charon_free (life->charon);
}

static void
load (VrVici *vici, const char *name, Answer *answer)
{
  const VrViciChild child = { .name = "net" };
  /* nobody is there: charon tries, logs and gives up */
  const VrViciConnection conn = { .name = name, .remote_addrs = STRV ("127.0.0.9"), .children = &child, .n_children = 1 };

  vr_vici_load_conn (vici, &conn, 0, NULL, answered, answer);
}

/* Commands and events work. */
static void
check_works (Watched *watched)
{
  g_auto (Answer) answer = { 0 };
  g_autofree char *text = version (watched->vici);
  g_auto (GStrv) conns = NULL;

  g_string_truncate (watched->log, 0);
  load (watched->vici, "works", &answer);
  expect_success (watched->vici, &answer);
  conns = list_conns (watched->vici);
  g_assert_true (g_strv_contains ((const char *const *) conns, "works"));
  vr_vici_initiate (watched->vici, "works", "net", 0, NULL, answered, &answer);
  expect_success (watched->vici, &answer);
  WAIT_FOR (strstr (watched->log->str, "works: ") != NULL);
}

static void
test_not_running (void)
{
  g_autoptr (Charon) charon = charon_new (0);
  g_autoptr (Watched) watched = watched_new (charon->uri, PATIENT_MS);
  g_auto (Answer) answer = { 0 };

  vr_vici_version (watched->vici, 0, NULL, answered, &answer);
  g_assert_null (answer.result); /* never from within the call */
  expect_error (watched->vici, &answer, VR_VICI_ERROR, VR_VICI_ERROR_NOT_CONNECTED, charon->uri);
  WAIT_FOR (strstr (vr_vici_trouble (watched->vici), "No such file") != NULL);
  vr_vici_version (watched->vici, 0, NULL, answered, &answer);
  expect_error (watched->vici, &answer, VR_VICI_ERROR, VR_VICI_ERROR_NOT_CONNECTED, "does it run?");
  charon_start (charon);
  WAIT_FOR (watched->n_connected == 1);
  g_assert_cmpuint (watched->n_disconnected, ==, 0);
  check_works (watched);
}

static void
test_killed_and_restarted (Life *life, gconstpointer data)
{
  for (guint i = 1; i <= 5; i++)
    {
      charon_kill (life->charon);
      WAIT_FOR (life->watched->n_disconnected == i);
      g_assert_error (life->watched->why, VR_VICI_ERROR, VR_VICI_ERROR_LOST);
      charon_start (life->charon);
      WAIT_FOR (life->watched->n_connected == i + 1);
      check_works (life->watched);
    }
}

static void
test_terminated (Life *life, gconstpointer data)
{
  charon_signal (life->charon, SIGTERM);
  WAIT_FOR (life->watched->n_disconnected == 1);
  charon_kill (life->charon);
  charon_start (life->charon);
  WAIT_FOR (life->watched->n_connected == 2);
  check_works (life->watched);
}

static void
test_killed_during_commands (Life *life, gconstpointer data)
{
  g_auto (Answer) sent = { 0 };
  g_auto (Answer) unsent = { 0 };

  charon_signal (life->charon, SIGSTOP);
  vr_vici_version (life->watched->vici, 0, NULL, answered, &sent);
  vr_vici_version (life->watched->vici, 0, NULL, answered, &unsent);
  harness_run_for (50);
  charon_kill (life->charon);
  expect_error (life->watched->vici, &sent, VR_VICI_ERROR, VR_VICI_ERROR_LOST, "version");
  expect_error (life->watched->vici, &unsent, VR_VICI_ERROR, VR_VICI_ERROR_NOT_CONNECTED, "not sent");
  charon_start (life->charon);
  WAIT_FOR (life->watched->n_connected == 2);
  check_works (life->watched);
}

static gboolean
count (gpointer data)
{
  ++*(guint *) data;
  return G_SOURCE_CONTINUE;
}

static void
test_stopped (Life *life, gconstpointer data)
{
  g_auto (Answer) answer = { 0 };
  guint ticks = 0, timer = g_timeout_add (5, count, &ticks);

  charon_signal (life->charon, SIGSTOP);
  vr_vici_version (life->watched->vici, 200, NULL, answered, &answer);
  expect_error (life->watched->vici, &answer, VR_VICI_ERROR, VR_VICI_ERROR_TIMEOUT, "within 200 ms");
  g_assert_cmpuint (ticks, >, 5);
  WAIT_FOR (!vr_vici_is_connected (life->watched->vici));
  g_assert_nonnull (strstr (life->watched->why->message, "does not answer"));
  g_source_remove (timer);

  vr_vici_version (life->watched->vici, 60000, NULL, answered, &answer);
  expect_error (life->watched->vici, &answer, VR_VICI_ERROR, VR_VICI_ERROR_NOT_CONNECTED, "does not answer");

  charon_signal (life->charon, SIGCONT);
  wait_for_connection (life->watched->vici);
  check_works (life->watched);
}

/* As long as charon is stopped each attempt to connect hangs as well; it must be tried again all the same, and cost nothing. */
static void
test_stopped_for_long (Life *life, gconstpointer data)
{
  guint ticks = 0, timer;
  g_autoptr (GArray) pids = NULL;

  charon_signal (life->charon, SIGSTOP);
  WAIT_FOR (!vr_vici_is_connected (life->watched->vici));
  timer = g_timeout_add (5, count, &ticks);
  harness_run_for (4000);
  g_source_remove (timer);
  g_assert_cmpuint (ticks, >, 50);
  g_assert_false (vr_vici_is_connected (life->watched->vici));
  pids = worker_pids ();
  g_assert_cmpuint (pids->len, <=, 2); /* the one that hangs now, and one that is just being killed */
  charon_signal (life->charon, SIGCONT);
  wait_for_connection (life->watched->vici);
  check_works (life->watched);
}

static void
test_stopped_while_idle (Life *life, gconstpointer data)
{
  charon_signal (life->charon, SIGSTOP);
  WAIT_FOR (!vr_vici_is_connected (life->watched->vici));
  charon_signal (life->charon, SIGCONT);
  wait_for_connection (life->watched->vici);
}

/* Stopped for less than a hang: the answer comes late and nothing is lost. */
static void
test_stopped_shortly (Life *life, gconstpointer data)
{
  g_auto (Answer) impatient = { 0 };
  g_auto (Answer) patient = { 0 };
  g_autofree char *text = NULL;

  charon_signal (life->charon, SIGSTOP);
  vr_vici_list_conns (life->watched->vici, 60000, NULL, answered, &patient);
  vr_vici_list_conns (life->watched->vici, 50, NULL, answered, &impatient);
  expect_error (life->watched->vici, &impatient, VR_VICI_ERROR, VR_VICI_ERROR_TIMEOUT, "not sent");
  charon_signal (life->charon, SIGCONT);
  WAIT_FOR (patient.result != NULL);
  g_strfreev (vr_vici_list_conns_finish (life->watched->vici, patient.result, NULL));
  text = version (life->watched->vici);
  g_assert_cmpuint (life->watched->n_disconnected, ==, 0);
}

static void
test_late_answer_is_not_the_next_one (Life *life, gconstpointer data)
{
  g_auto (Answer) impatient = { 0 };
  g_auto (Answer) next = { 0 };
  g_autofree char *text = NULL;

  charon_signal (life->charon, SIGSTOP);
  vr_vici_list_conns (life->watched->vici, 50, NULL, answered, &impatient);
  expect_error (life->watched->vici, &impatient, VR_VICI_ERROR, VR_VICI_ERROR_TIMEOUT, "may still do it");
  vr_vici_version (life->watched->vici, 60000, NULL, answered, &next);
  harness_run_for (400);
  charon_signal (life->charon, SIGCONT);
  WAIT_FOR (next.result != NULL);
  text = vr_vici_version_finish (life->watched->vici, next.result, NULL);
  g_assert_true (text != NULL && g_str_has_prefix (text, "charon"));
  g_assert_cmpuint (life->watched->n_disconnected, ==, 0);
}

static void
test_cancelled (Life *life, gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_auto (Answer) running = { 0 };
  g_auto (Answer) queued = { 0 };
  g_auto (Answer) later = { 0 };

  charon_signal (life->charon, SIGSTOP);
  vr_vici_version (life->watched->vici, 60000, cancellable, answered, &running);
  vr_vici_version (life->watched->vici, 60000, cancellable, answered, &queued);
  harness_run_for (20);
  g_assert_null (running.result);
  g_cancellable_cancel (cancellable);
  vr_vici_version (life->watched->vici, 60000, cancellable, answered, &later);
  expect_error (life->watched->vici, &running, G_IO_ERROR, G_IO_ERROR_CANCELLED, "");
  expect_error (life->watched->vici, &queued, G_IO_ERROR, G_IO_ERROR_CANCELLED, "");
  expect_error (life->watched->vici, &later, G_IO_ERROR, G_IO_ERROR_CANCELLED, "");
  charon_signal (life->charon, SIGCONT);
  wait_for_connection (life->watched->vici);
  check_works (life->watched);
}

static void
test_closed_with_commands_pending (Life *life, gconstpointer data)
{
  g_auto (Answer) running = { 0 };
  g_auto (Answer) queued = { 0 };
  g_auto (Answer) later = { 0 };

  charon_signal (life->charon, SIGSTOP);
  vr_vici_version (life->watched->vici, 60000, NULL, answered, &running);
  vr_vici_version (life->watched->vici, 60000, NULL, answered, &queued);
  harness_run_for (20);
  vr_vici_close (life->watched->vici);
  vr_vici_version (life->watched->vici, 60000, NULL, answered, &later);
  expect_error (life->watched->vici, &running, VR_VICI_ERROR, VR_VICI_ERROR_CLOSED, "closed");
  expect_error (life->watched->vici, &queued, VR_VICI_ERROR, VR_VICI_ERROR_CLOSED, "closed");
  expect_error (life->watched->vici, &later, VR_VICI_ERROR, VR_VICI_ERROR_CLOSED, "closed");
  g_assert_cmpuint (life->watched->n_disconnected, ==, 0);
}

static void
test_dropped_with_a_command_pending (Life *life, gconstpointer data)
{
  g_auto (Answer) answer = { 0 };
  VrVici *vici = vr_vici_new (life->charon->uri);

  wait_for_connection (vici);
  g_object_add_weak_pointer (G_OBJECT (vici), (gpointer *) &vici);
  vr_vici_version (vici, 0, NULL, answered, &answer);
  g_object_unref (vici);
  g_assert_nonnull (vici); /* the command holds it */
  WAIT_FOR (answer.result != NULL);
  answer_clear (&answer);
  WAIT_FOR (vici == NULL);
}

static void
close_it (VrVici *vici)
{
  vr_vici_close (vici);
}

static void
test_closed_from_a_handler (Life *life, gconstpointer data)
{
  VrVici *vici = vr_vici_new (life->charon->uri);

  g_signal_connect (vici, "connected", G_CALLBACK (close_it), NULL);
  WAIT_FOR (g_strcmp0 (vr_vici_trouble (vici), "the connection was closed by this program") == 0);
  g_assert_false (vr_vici_is_connected (vici));
  g_assert_finalize_object (vici);

  g_signal_connect (life->watched->vici, "disconnected", G_CALLBACK (close_it), NULL);
  charon_kill (life->charon);
  WAIT_FOR (life->watched->n_disconnected == 1);
  charon_start (life->charon);
  harness_run_for (300);
  g_assert_cmpuint (life->watched->n_connected, ==, 1);
}

static void
test_many_commands (Life *life, gconstpointer data)
{
  Answer answers[300] = { 0 };
  g_auto (GStrv) conns = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (answers); i++)
    {
      g_autofree char *name = g_strdup_printf ("conn%u", i);

      load (life->watched->vici, name, &answers[i]);
    }
  conns = list_conns (life->watched->vici); /* comes after them */
  g_assert_cmpuint (g_strv_length (conns), ==, G_N_ELEMENTS (answers));
  for (guint i = 0; i < G_N_ELEMENTS (answers); i++)
    expect_success (life->watched->vici, &answers[i]);
}

static void
test_own_main_context (Life *life, gconstpointer data)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  VrVici *vici;
  gint64 end = g_get_monotonic_time () + 30 * G_USEC_PER_SEC;

  g_main_context_push_thread_default (context);
  vici = vr_vici_new (life->charon->uri);
  g_main_context_pop_thread_default (context);
  harness_run_for (200);
  g_assert_false (vr_vici_is_connected (vici));
  while (!vr_vici_is_connected (vici) && g_get_monotonic_time () < end)
    g_main_context_iteration (context, TRUE);
  g_assert_true (vr_vici_is_connected (vici));
  vr_vici_close (vici);
  g_assert_finalize_object (vici);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  if (charon_unavailable () != NULL)
    {
      printf ("1..0 # SKIP %s\n", charon_unavailable ());
      return 0;
    }
#define ADD(path, hang_ms, func) g_test_add (path, Life, GUINT_TO_POINTER (hang_ms), set_up, func, tear_down)
  g_test_add_func ("/life/not-running", test_not_running);
  ADD ("/life/killed-and-restarted", PATIENT_MS, test_killed_and_restarted);
  ADD ("/life/terminated", PATIENT_MS, test_terminated);
  ADD ("/life/killed-during-commands", PATIENT_MS, test_killed_during_commands);
  ADD ("/life/stopped", HASTY_MS, test_stopped);
  ADD ("/life/stopped-for-long", HASTY_MS, test_stopped_for_long);
  ADD ("/life/stopped-while-idle", HASTY_MS, test_stopped_while_idle);
  ADD ("/life/stopped-shortly", PATIENT_MS, test_stopped_shortly);
  ADD ("/life/late-answer-is-not-the-next-one", PATIENT_MS, test_late_answer_is_not_the_next_one);
  ADD ("/life/cancelled", PATIENT_MS, test_cancelled);
  ADD ("/life/closed-with-commands-pending", PATIENT_MS, test_closed_with_commands_pending);
  ADD ("/life/dropped-with-a-command-pending", PATIENT_MS, test_dropped_with_a_command_pending);
  ADD ("/life/closed-from-a-handler", PATIENT_MS, test_closed_from_a_handler);
  ADD ("/life/many-commands", PATIENT_MS, test_many_commands);
  ADD ("/life/own-main-context", PATIENT_MS, test_own_main_context);
  return g_test_run ();
}
