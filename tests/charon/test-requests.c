/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What charon is sent; and the worker that sends it, when it is missing, killed or stopped. */
#include <signal.h>
#include <string.h>

#include "fake.h"
#include "harness.h"

static gboolean
count (gpointer data)
{
  ++*(guint *) data;
  return G_SOURCE_CONTINUE;
}

static void
check_sent (FakePair *pair, Answer *answer, const char *expected)
{
  g_autofree char *text = NULL;

  expect_success (pair->watched->vici, answer);
  text = fake_last_request (pair->fake);
  g_assert_cmpstr (text, ==, expected);
}

static void
test_load_conn_in_full (FakePair *pair, gconstpointer data)
{
  g_autoptr (GBytes) cert = g_bytes_new_static ("CERT", 4);
  g_autoptr (GBytes) ca = g_bytes_new_static ("CA", 2);
  GBytes *certs[] = { cert, NULL };
  GBytes *cas[] = { ca, NULL };
  const VrViciChild children[] = {
    { .name = "c1", .local_ts = STRV ("0.0.0.0/0", "::/0"), .remote_ts = STRV ("::/0"), .esp_proposals = STRV ("aes256gcm16"),
      .if_id_in = 4294967295u, .if_id_out = 7, .rekey_s = 3600, .replay_window = 1024 },
    { .name = "c2", .rekey_s = -1, .replay_window = -1 },
  };
  const VrViciConnection conn = {
    .name = "h3", .local_addrs = STRV ("192.0.2.1"), .remote_addrs = STRV ("192.0.2.3", "2001:db8::3"), .local_id = "h1", .remote_id = "h3",
    .auth = VR_VICI_AUTH_PUBKEY, .certs = certs, .ca_certs = cas, .proposals = STRV ("aes256-sha384-ecp384"), .dpd_delay_s = 10,
    .rekey_s = -1, .mobike = TRUE, .unique = "replace", .children = children, .n_children = G_N_ELEMENTS (children),
  };
  g_auto (Answer) answer = { 0 };

  fake_handle (pair->fake, "load-conn", fake_answer_normally);
  vr_vici_load_conn (pair->watched->vici, &conn, 0, NULL, answered, &answer);
  check_sent (pair, &answer,
              "h3 { version = 2 local_addrs [ 192.0.2.1 ] remote_addrs [ 192.0.2.3 2001:db8::3 ] proposals [ aes256-sha384-ecp384 ] "
              "dpd_delay = 10 rekey_time = 0 mobike = yes unique = replace local-1 { auth = pubkey id = h1 certs [ CERT ] } "
              "remote-1 { auth = pubkey id = h3 cacerts [ CA ] } children { "
              "c1 { local_ts [ 0.0.0.0/0 ::/0 ] remote_ts [ ::/0 ] esp_proposals [ aes256gcm16 ] if_id_in = 4294967295 if_id_out = 7 "
              "rekey_time = 3600 replay_window = 1024 mode = tunnel start_action = none close_action = none dpd_action = clear } "
              "c2 { rekey_time = 0 replay_window = 0 mode = tunnel start_action = none close_action = none dpd_action = clear } } } ");
}

static void
test_load_conn_with_defaults (FakePair *pair, gconstpointer data)
{
  const VrViciConnection conn = { .name = "h3" };
  g_auto (Answer) answer = { 0 };

  fake_handle (pair->fake, "load-conn", fake_answer_normally);
  vr_vici_load_conn (pair->watched->vici, &conn, 0, NULL, answered, &answer);
  check_sent (pair, &answer,
              "h3 { version = 2 dpd_delay = 0 mobike = no unique = no local-1 { auth = psk } remote-1 { auth = psk } children { } } ");
}

static void
test_load_shared_for_anyone (FakePair *pair, gconstpointer data)
{
  g_autoptr (GBytes) secret = g_bytes_new_static ("s3cret", 6);
  g_auto (Answer) answer = { 0 };

  fake_handle (pair->fake, "load-shared", fake_answer_normally);
  vr_vici_load_shared (pair->watched->vici, "k", NULL, secret, 0, NULL, answered, &answer);
  check_sent (pair, &answer, "id = k type = IKE data = s3cret ");
}

static void
test_secret_is_bytes (FakePair *pair, gconstpointer data)
{
  g_autoptr (GBytes) secret = g_bytes_new_static ("a\0\377\200z", 5);
  g_auto (Answer) answer = { 0 };

  fake_handle (pair->fake, "load-shared", fake_answer_normally);
  vr_vici_load_shared (pair->watched->vici, "k", STRV ("h1", "h2"), secret, 0, NULL, answered, &answer);
  check_sent (pair, &answer, "id = k type = IKE owners [ h1 h2 ] data = a\\x00\\xff\\x80z ");
}

static void
test_initiate_does_not_wait (FakePair *pair, gconstpointer data)
{
  g_auto (Answer) answer = { 0 };

  fake_handle (pair->fake, "initiate", fake_answer_normally);
  vr_vici_initiate (pair->watched->vici, "h3", "net", 0, NULL, answered, &answer);
  check_sent (pair, &answer, "ike = h3 child = net timeout = -1 ");
}

static void
test_terminate_selectors (FakePair *pair, gconstpointer data)
{
  g_auto (Answer) answer = { 0 };

  fake_handle (pair->fake, "terminate", fake_answer_normally);
  vr_vici_terminate (pair->watched->vici, "h3", 0, "net", FALSE, 0, NULL, answered, &answer);
  check_sent (pair, &answer, "ike = h3 child = net timeout = -1 ");
  vr_vici_terminate (pair->watched->vici, "h3", 17, NULL, TRUE, 0, NULL, answered, &answer);
  check_sent (pair, &answer, "ike-id = 17 force = yes timeout = -1 ");
}

static void
test_invalid_arguments (FakePair *pair, gconstpointer data)
{
  g_autofree char *long_name = g_strnfill (256, 'n');
  g_autoptr (GBytes) long_secret = g_bytes_new_take (g_malloc0 (65536), 65536);
  const VrViciConnection nameless = { .name = NULL };
  const VrViciConnection long_named = { .name = long_name };
  g_auto (Answer) answer = { 0 };

  fake_handle (pair->fake, "load-conn", fake_answer_normally);
  vr_vici_load_conn (pair->watched->vici, &nameless, 0, NULL, answered, &answer);
  expect_error (pair->watched->vici, &answer, VR_VICI_ERROR, VR_VICI_ERROR_INVALID, "1 to 255");
  vr_vici_load_conn (pair->watched->vici, &long_named, 0, NULL, answered, &answer);
  expect_error (pair->watched->vici, &answer, VR_VICI_ERROR, VR_VICI_ERROR_INVALID, "256 bytes");
  vr_vici_load_shared (pair->watched->vici, "k", NULL, long_secret, 0, NULL, answered, &answer);
  expect_error (pair->watched->vici, &answer, VR_VICI_ERROR, VR_VICI_ERROR_INVALID, "data has 65536 bytes");
  g_assert_cmpuint (fake_n_requests (pair->fake), ==, 0);
  check_works (pair);
}

/* More than the socket takes at once. */
static void
test_large_request (FakePair *pair, gconstpointer data)
{
  g_autofree char *filler = g_strnfill (60000, 'x');
  g_autoptr (GBytes) cert = g_bytes_new (filler, 60000);
  GBytes *certs[] = { cert, cert, cert, cert, cert, cert, cert, cert, NULL };
  const VrViciConnection conn = { .name = "h3", .auth = VR_VICI_AUTH_PUBKEY, .certs = certs };
  g_auto (Answer) answer = { 0 };
  g_autofree char *text = NULL;

  fake_handle (pair->fake, "load-conn", fake_answer_normally);
  vr_vici_load_conn (pair->watched->vici, &conn, 0, NULL, answered, &answer);
  expect_success (pair->watched->vici, &answer);
  text = fake_last_request (pair->fake);
  g_assert_cmpuint (strlen (text), >, 8 * 60000);
}

/* The worker */

static void
signal_worker (int number)
{
  g_autoptr (GArray) pids = worker_pids ();

  g_assert_cmpuint (pids->len, ==, 1);
  g_assert_cmpint (kill (g_array_index (pids, int, 0), number), ==, 0);
}

static void
test_worker_killed (FakePair *pair, gconstpointer data)
{
  signal_worker (SIGKILL);
  WAIT_FOR (pair->watched->n_disconnected == 1);
  check_works (pair);
}

/* More is to be sent than fits its socket. */
static void
test_worker_stopped (FakePair *pair, gconstpointer data)
{
  g_autofree char *filler = g_strnfill (60000, 'x');
  g_autoptr (GBytes) cert = g_bytes_new (filler, 60000);
  GBytes *certs[] = { cert, cert, cert, cert, cert, cert, cert, cert, NULL };
  const VrViciConnection conn = { .name = "h3", .auth = VR_VICI_AUTH_PUBKEY, .certs = certs };
  g_auto (Answer) answer = { 0 };
  guint ticks = 0, timer = g_timeout_add (5, count, &ticks);

  signal_worker (SIGSTOP);
  vr_vici_load_conn (pair->watched->vici, &conn, 200, NULL, answered, &answer);
  expect_error (pair->watched->vici, &answer, VR_VICI_ERROR, VR_VICI_ERROR_TIMEOUT, "within 200 ms");
  g_assert_cmpuint (ticks, >, 5);
  g_source_remove (timer);
  WAIT_FOR (!vr_vici_is_connected (pair->watched->vici));
  check_works (pair);
}

static void
test_worker_ends_with_its_owner (FakePair *pair, gconstpointer data)
{
  gboolean gone = FALSE;

  vr_vici_close (pair->watched->vici);
  while (!gone)
    {
      g_autoptr (GArray) pids = worker_pids ();

      gone = pids->len == 0;
      harness_run_for (10);
    }
}

static void
test_no_worker (void)
{
  g_autofree char *program = g_strdup (g_getenv ("VIRT_RELAY_VICI_WORKER"));
  g_autoptr (Fake) fake = fake_new ();
  g_autoptr (Watched) watched = NULL;

  g_setenv ("VIRT_RELAY_VICI_WORKER", "/nonexistent/vici-worker", TRUE);
  watched = watched_new (fake_uri (fake), PATIENT_MS);
  WAIT_FOR (strstr (vr_vici_trouble (watched->vici), "cannot start /nonexistent/vici-worker") != NULL);
  g_setenv ("VIRT_RELAY_VICI_WORKER", program, TRUE);
  WAIT_FOR (watched->n_connected == 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD_FAKE ("/sent/load-conn-in-full", PATIENT_MS, test_load_conn_in_full);
  ADD_FAKE ("/sent/load-conn-with-defaults", PATIENT_MS, test_load_conn_with_defaults);
  ADD_FAKE ("/sent/load-shared-for-anyone", PATIENT_MS, test_load_shared_for_anyone);
  ADD_FAKE ("/sent/secret-is-bytes", PATIENT_MS, test_secret_is_bytes);
  ADD_FAKE ("/sent/initiate-does-not-wait", PATIENT_MS, test_initiate_does_not_wait);
  ADD_FAKE ("/sent/terminate-selectors", PATIENT_MS, test_terminate_selectors);
  ADD_FAKE ("/sent/invalid-arguments", PATIENT_MS, test_invalid_arguments);
  ADD_FAKE ("/sent/large-request", PATIENT_MS, test_large_request);
  g_test_add_func ("/worker/missing", test_no_worker);
  ADD_FAKE ("/worker/killed", PATIENT_MS, test_worker_killed);
  ADD_FAKE ("/worker/stopped", HASTY_MS, test_worker_stopped);
  ADD_FAKE ("/worker/ends-with-its-owner", PATIENT_MS, test_worker_ends_with_its_owner);
  return g_test_run ();
}
