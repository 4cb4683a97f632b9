/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A charon that misbehaves: whatever it does, callers get an error, the loop goes on, and when it behaves again all works. */
#include <string.h>

#include "fake.h"
#include "harness.h"

/* Answers */

static void
send_garbage (FakeRequest *request)
{
  static const guint8 bytes[] = "\0\0\0\20GET / HTTP/1.0\r\n\r\n and more";

  fake_send_bytes (request, bytes, sizeof bytes);
}

static void
test_garbage (FakePair *pair, gconstpointer data)
{
  check_breaks (pair, send_garbage, VR_VICI_ERROR_PROTOCOL, "does not talk like charon");
}

static void
send_giant_length (FakeRequest *request)
{
  fake_send_bytes (request, "\377\377\377\377\1", 5);
}

static void
test_giant_length (FakePair *pair, gconstpointer data)
{
  check_breaks (pair, send_giant_length, VR_VICI_ERROR_PROTOCOL, "a malformed packet");
}

static void
send_deep (FakeRequest *request)
{
  enum { DEPTH = 100000 };
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  guint32 len = GUINT32_TO_BE (1 + 4 * DEPTH);

  g_byte_array_append (bytes, (const guint8 *) &len, sizeof len);
  g_byte_array_append (bytes, (const guint8 *) "\1", 1);
  for (guint i = 0; i < DEPTH; i++)
    g_byte_array_append (bytes, (const guint8 *) "\1\1s", 3);
  for (guint i = 0; i < DEPTH; i++)
    g_byte_array_append (bytes, (const guint8 *) "\2", 1);
  fake_send_bytes (request, bytes->data, bytes->len);
}

static void
test_deep (FakePair *pair, gconstpointer data)
{
  check_breaks (pair, send_deep, VR_VICI_ERROR_PROTOCOL, "a malformed message");
}

static void
send_no_length (FakeRequest *request)
{
  fake_send_bytes (request, "\0\0\0\0", 4);
}

static void
test_no_length (FakePair *pair, gconstpointer data)
{
  check_breaks (pair, send_no_length, VR_VICI_ERROR_PROTOCOL, "a malformed packet");
}

static void
close_mid_message (FakeRequest *request)
{
  fake_send_bytes (request, "\0\0\0\20\1\3\7suc", 10);
  fake_close (request);
}

static void
test_close_mid_message (FakePair *pair, gconstpointer data)
{
  check_breaks (pair, close_mid_message, VR_VICI_ERROR_LOST, "charon closed it");
}

static void
test_close_unasked (FakePair *pair, gconstpointer data)
{
  check_breaks (pair, fake_close, VR_VICI_ERROR_LOST, "unload-conn it");
}

static void
send_confirmation (FakeRequest *request)
{
  fake_send (request, VR_VICI_EVENT_CONFIRM, NULL, NULL);
}

static void
test_answer_of_the_wrong_kind (FakePair *pair, gconstpointer data)
{
  check_breaks (pair, send_confirmation, VR_VICI_ERROR_PROTOCOL, "makes no sense"); /* libvici takes it for an empty answer */
}

static void
send_empty (FakeRequest *request)
{
  g_autoptr (VrViciMessage) message = vr_vici_message_new ();

  fake_send (request, VR_VICI_CMD_RESPONSE, NULL, message);
}

static void
test_answer_without_success (FakePair *pair, gconstpointer data)
{
  check_breaks (pair, send_empty, VR_VICI_ERROR_PROTOCOL, "makes no sense");
}

static void
answer_twice (FakeRequest *request)
{
  fake_answer_normally (request);
  fake_answer_normally (request);
}

static void
test_answer_twice (FakePair *pair, gconstpointer data)
{
  g_auto (Answer) answer = { 0 };

  fake_handle (pair->fake, "unload-conn", answer_twice);
  vr_vici_unload_conn (pair->watched->vici, "it", 0, NULL, answered, &answer);
  expect_success (pair->watched->vici, &answer);
  WAIT_FOR (pair->watched->n_disconnected == 1);
  check_works (pair);
}

static void
send_unknown (FakeRequest *request)
{
  fake_send (request, VR_VICI_CMD_UNKNOWN, NULL, NULL);
}

static void
test_unknown_command (FakePair *pair, gconstpointer data)
{
  check_refuses (pair, send_unknown, VR_VICI_ERROR_PROTOCOL, "does not know the command unload-conn");
}

static void
send_no (FakeRequest *request)
{
  g_autoptr (VrViciMessage) message = vr_vici_message_new ();

  vr_vici_message_add (message, "success", "no");
  vr_vici_message_add (message, "errmsg", "the moon is full, 100%N of it");
  fake_send (request, VR_VICI_CMD_RESPONSE, NULL, message);
}

static void
test_refusal (FakePair *pair, gconstpointer data)
{
  check_refuses (pair, send_no, VR_VICI_ERROR_REFUSED, "unload-conn it: charon refused: the moon is full, 100%N of it");
}

static void
send_bare_no (FakeRequest *request)
{
  g_autoptr (VrViciMessage) message = vr_vici_message_new ();

  vr_vici_message_add (message, "success", "no");
  fake_send (request, VR_VICI_CMD_RESPONSE, NULL, message);
}

static void
test_refusal_without_reason (FakePair *pair, gconstpointer data)
{
  check_refuses (pair, send_bare_no, VR_VICI_ERROR_REFUSED, "no reason");
}

static void
send_byte_by_byte (FakeRequest *request)
{
  g_autoptr (VrViciMessage) message = vr_vici_message_new ();
  g_autoptr (GByteArray) packet = NULL;

  vr_vici_message_add (message, "success", "yes");
  packet = vr_vici_packet_encode (VR_VICI_CMD_RESPONSE, NULL, message);
  for (guint i = 0; i < packet->len; i++)
    {
      fake_send_bytes (request, packet->data + i, 1);
      g_usleep (1000);
    }
}

static void
test_byte_by_byte (FakePair *pair, gconstpointer data)
{
  g_auto (Answer) answer = { 0 };

  fake_handle (pair->fake, "unload-conn", send_byte_by_byte);
  vr_vici_unload_conn (pair->watched->vici, "it", 0, NULL, answered, &answer);
  expect_success (pair->watched->vici, &answer);
}

/* Silence */

static void
say_nothing (FakeRequest *request)
{
}

static void
send_half (FakeRequest *request)
{
  fake_send_bytes (request, "\0\0\0\20\1\3\7suc", 10);
}

static void
check_hangs (FakePair *pair, FakeHandler handler)
{
  g_auto (Answer) answer = { 0 };

  fake_handle (pair->fake, NULL, handler);
  vr_vici_unload_conn (pair->watched->vici, "it", 100, NULL, answered, &answer);
  expect_error (pair->watched->vici, &answer, VR_VICI_ERROR, VR_VICI_ERROR_TIMEOUT, "within 100 ms");
  WAIT_FOR (!vr_vici_is_connected (pair->watched->vici));
  vr_vici_unload_conn (pair->watched->vici, "it", 60000, NULL, answered, &answer);
  expect_error (pair->watched->vici, &answer, VR_VICI_ERROR, VR_VICI_ERROR_NOT_CONNECTED, "does not answer");
  check_works (pair);
}

static void
test_silence (FakePair *pair, gconstpointer data)
{
  check_hangs (pair, say_nothing);
}

static void
test_half_an_answer (FakePair *pair, gconstpointer data)
{
  check_hangs (pair, send_half);
}

/* What comes behind it must not make it forgotten. */
static void
test_silence_with_a_queue (FakePair *pair, gconstpointer data)
{
  Answer answers[5] = { 0 };

  fake_handle (pair->fake, NULL, say_nothing);
  for (guint i = 0; i < G_N_ELEMENTS (answers); i++)
    vr_vici_unload_conn (pair->watched->vici, "it", 50, NULL, answered, &answers[i]);
  for (guint i = 0; i < G_N_ELEMENTS (answers); i++)
    expect_error (pair->watched->vici, &answers[i], VR_VICI_ERROR, VR_VICI_ERROR_TIMEOUT, i == 0 ? "may still do it" : "not sent");
  WAIT_FOR (!vr_vici_is_connected (pair->watched->vici));
  check_works (pair);
}

static void
test_silence_while_idle (FakePair *pair, gconstpointer data)
{
  fake_handle (pair->fake, "version", say_nothing);
  WAIT_FOR (!vr_vici_is_connected (pair->watched->vici));
  check_works (pair);
}

static void
test_deadline_longer_than_hang (FakePair *pair, gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_auto (Answer) answer = { 0 };
  guint before = pair->watched->n_disconnected;

  fake_handle (pair->fake, "unload-conn", say_nothing);
  vr_vici_unload_conn (pair->watched->vici, "it", 60 * HASTY_MS, cancellable, answered, &answer);
  harness_run_for (2 * HASTY_MS);
  g_assert_null (answer.result);
  g_assert_cmpuint (pair->watched->n_disconnected, ==, before);
  g_cancellable_cancel (cancellable);
  expect_error (pair->watched->vici, &answer, G_IO_ERROR, G_IO_ERROR_CANCELLED, "");
}

static void
answer_late (FakeRequest *request)
{
  g_usleep (G_USEC_PER_SEC / 5);
  fake_answer_normally (request);
}

/* The answer came in time; that this program was late to read it is not charon's fault. */
static void
test_own_loop_stood_still (FakePair *pair, gconstpointer data)
{
  fake_handle (pair->fake, "version", answer_late);
  WAIT_FOR (fake_n_requests (pair->fake) == 1);
  g_usleep (2 * HASTY_MS * 1000);
  harness_run_for (50);
  g_assert_cmpuint (pair->watched->n_disconnected, ==, 0);
}

/* Connecting */

static void
check_never_connects (FakeHandler handler, const char *command, const char *trouble)
{
  g_autoptr (Fake) fake = fake_new ();
  g_autoptr (Watched) watched = NULL;

  fake_handle (fake, command, handler);
  watched = watched_new (fake_uri (fake), HASTY_MS);
  WAIT_FOR (fake_n_connections (fake) >= 2);
  g_assert_nonnull (strstr (vr_vici_trouble (watched->vici), trouble));
  g_assert_cmpuint (watched->n_connected, ==, 0);
  g_assert_cmpuint (watched->n_disconnected, ==, 0);
  fake_handle (fake, NULL, NULL);
  WAIT_FOR (watched->n_connected == 1);
}

static void
test_connect_garbage (void)
{
  check_never_connects (send_garbage, NULL, "does not talk like charon");
}

static void
test_connect_closed (void)
{
  check_never_connects (fake_close, NULL, "charon closed it");
}

static void
test_connect_silence (void)
{
  check_never_connects (say_nothing, NULL, "does not answer");
}

static void
test_connect_not_charon (void)
{
  check_never_connects (send_empty, "version", "no version");
}

static void
refuse_event (FakeRequest *request)
{
  fake_send (request, VR_VICI_EVENT_UNKNOWN, NULL, NULL);
}

static void
test_connect_unknown_event (void)
{
  check_never_connects (refuse_event, "child-rekey", "knows no event \"child-rekey\"");
}

static void
never_charon (FakeRequest *request)
{
  fake_send_bytes (request, "\0\0\0\1\11", 5);
}

static void
test_connect_garbage_later (void)
{
  check_never_connects (never_charon, "child-rekey", "does not talk like charon");
}

static void
test_retries_are_spaced (void)
{
  g_autoptr (Fake) fake = fake_new ();
  g_autoptr (Watched) watched = NULL;

  fake_handle (fake, NULL, fake_close);
  watched = watched_new (fake_uri (fake), PATIENT_MS);
  harness_run_for (1500);
  g_assert_cmpuint (fake_n_connections (fake), <, 10);
  WAIT_FOR (fake_n_connections (fake) >= 2);
}

static void
test_bad_uri (gconstpointer uri)
{
  g_autoptr (Watched) watched = watched_new (uri, PATIENT_MS);

  WAIT_FOR (strstr (vr_vici_trouble (watched->vici), "it must be unix:///PATH") != NULL);
}

static void
test_default_uri (void)
{
  VrVici *vici = vr_vici_new (NULL);
  g_autofree char *uri = NULL;

  vr_vici_close (vici); /* before it touches the machine's charon */
  g_object_get (vici, "uri", &uri, NULL);
  g_assert_cmpstr (uri, ==, VR_VICI_DEFAULT_URI);
  g_assert_finalize_object (vici);
}

static guint
count_fds (void)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/fd", 0, NULL);
  guint n = 0;

  while (g_dir_read_name (dir) != NULL)
    n++;
  return n;
}

static void
test_no_fd_is_left (FakePair *pair, gconstpointer data)
{
  guint before = count_fds ();

  for (guint i = 0; i < 5; i++)
    {
      g_auto (Answer) answer = { 0 };

      fake_handle (pair->fake, "unload-conn", fake_close);
      vr_vici_unload_conn (pair->watched->vici, "it", 0, NULL, answered, &answer);
      expect_error (pair->watched->vici, &answer, VR_VICI_ERROR, VR_VICI_ERROR_LOST, "");
      check_works (pair);
    }
  WAIT_FOR (count_fds () == before); /* the fake's threads close theirs by and by */
}

static void
add_connecting_tests (void)
{
  g_test_add_func ("/fake/connect/garbage", test_connect_garbage);
  g_test_add_func ("/fake/connect/closed", test_connect_closed);
  g_test_add_func ("/fake/connect/silence", test_connect_silence);
  g_test_add_func ("/fake/connect/not-charon", test_connect_not_charon);
  g_test_add_func ("/fake/connect/unknown-event", test_connect_unknown_event);
  g_test_add_func ("/fake/connect/garbage-later", test_connect_garbage_later);
  g_test_add_func ("/fake/connect/retries-are-spaced", test_retries_are_spaced);
  g_test_add_func ("/fake/connect/default-uri", test_default_uri);
  g_test_add_data_func ("/fake/connect/bad-uri/empty", "", test_bad_uri);
  g_test_add_data_func ("/fake/connect/bad-uri/scheme", "http://localhost", test_bad_uri);
  g_test_add_data_func ("/fake/connect/bad-uri/relative", "unix://charon.vici", test_bad_uri);
  g_test_add_data_func ("/fake/connect/bad-uri/long",
                        "unix:///0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789",
                        test_bad_uri);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add_connecting_tests ();
  ADD_FAKE ("/fake/answer/garbage", PATIENT_MS, test_garbage);
  ADD_FAKE ("/fake/answer/giant-length", PATIENT_MS, test_giant_length);
  ADD_FAKE ("/fake/answer/deep", PATIENT_MS, test_deep);
  ADD_FAKE ("/fake/answer/no-length", PATIENT_MS, test_no_length);
  ADD_FAKE ("/fake/answer/close-mid-message", PATIENT_MS, test_close_mid_message);
  ADD_FAKE ("/fake/answer/close-unasked", PATIENT_MS, test_close_unasked);
  ADD_FAKE ("/fake/answer/wrong-kind", PATIENT_MS, test_answer_of_the_wrong_kind);
  ADD_FAKE ("/fake/answer/without-success", PATIENT_MS, test_answer_without_success);
  ADD_FAKE ("/fake/answer/twice", PATIENT_MS, test_answer_twice);
  ADD_FAKE ("/fake/answer/unknown-command", PATIENT_MS, test_unknown_command);
  ADD_FAKE ("/fake/answer/refusal", PATIENT_MS, test_refusal);
  ADD_FAKE ("/fake/answer/refusal-without-reason", PATIENT_MS, test_refusal_without_reason);
  ADD_FAKE ("/fake/answer/byte-by-byte", PATIENT_MS, test_byte_by_byte);
  ADD_FAKE ("/fake/silence/command", HASTY_MS, test_silence);
  ADD_FAKE ("/fake/silence/half-an-answer", HASTY_MS, test_half_an_answer);
  ADD_FAKE ("/fake/silence/with-a-queue", HASTY_MS, test_silence_with_a_queue);
  ADD_FAKE ("/fake/silence/idle", HASTY_MS, test_silence_while_idle);
  ADD_FAKE ("/fake/silence/deadline-longer-than-hang", HASTY_MS, test_deadline_longer_than_hang);
  ADD_FAKE ("/fake/silence/own-loop-stood-still", HASTY_MS, test_own_loop_stood_still);
  ADD_FAKE ("/fake/no-fd-is-left", PATIENT_MS, test_no_fd_is_left);
  return g_test_run ();
}
