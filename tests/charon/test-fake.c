/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A charon that misbehaves: whatever it does, callers get an error, the loop goes on, and when it behaves again all works. */
#include <string.h>

#include "fake.h"
#include "harness.h"

typedef struct {
  Fake    *fake;
  Watched *watched;
} Pair;

static void
set_up (Pair *pair, gconstpointer hang_ms)
{
  pair->fake = fake_new ();
  pair->watched = watched_new_connected (fake_uri (pair->fake), GPOINTER_TO_UINT (hang_ms));
}

static void
tear_down (Pair *pair, gconstpointer data)
{
  watched_free (pair->watched);
  fake_free (pair->fake);
}

static void
check_works (Pair *pair)
{
  g_autofree char *text = NULL;

  fake_handle (pair->fake, NULL, NULL);
  WAIT_FOR (vr_vici_is_connected (pair->watched->vici));
  text = version (pair->watched->vici);
  g_assert_cmpstr (text, ==, "fake 1.0");
}

/* unload-conn is answered by handler: the caller sees this error; then the connection is made again and works. */
static void
check_breaks (Pair *pair, FakeHandler handler, int code, const char *part)
{
  g_auto (Answer) answer = { 0 };

  fake_handle (pair->fake, "unload-conn", handler);
  vr_vici_unload_conn (pair->watched->vici, "it", 0, NULL, answered, &answer);
  expect_error (pair->watched->vici, &answer, VR_VICI_ERROR, code, part);
  WAIT_FOR (pair->watched->n_disconnected == 1);
  g_assert_error (pair->watched->why, VR_VICI_ERROR, code);
  check_works (pair);
  g_assert_cmpuint (pair->watched->n_connected, ==, 2);
}

/* Likewise, but the connection stays. */
static void
check_refuses (Pair *pair, FakeHandler handler, int code, const char *part)
{
  g_auto (Answer) answer = { 0 };

  fake_handle (pair->fake, "unload-conn", handler);
  vr_vici_unload_conn (pair->watched->vici, "it", 0, NULL, answered, &answer);
  expect_error (pair->watched->vici, &answer, VR_VICI_ERROR, code, part);
  check_works (pair);
  g_assert_cmpuint (pair->watched->n_disconnected, ==, 0);
}

/* Answers */

static void
send_garbage (FakeRequest *request)
{
  static const guint8 bytes[] = "\0\0\0\20GET / HTTP/1.0\r\n\r\n and more";

  fake_send_bytes (request, bytes, sizeof bytes);
}

static void
test_garbage (Pair *pair, gconstpointer data)
{
  check_breaks (pair, send_garbage, VR_VICI_ERROR_PROTOCOL, "does not talk like charon");
}

static void
send_giant_length (FakeRequest *request)
{
  fake_send_bytes (request, "\377\377\377\377\1", 5);
}

static void
test_giant_length (Pair *pair, gconstpointer data)
{
  check_breaks (pair, send_giant_length, VR_VICI_ERROR_PROTOCOL, "a malformed packet");
}

static void
send_no_length (FakeRequest *request)
{
  fake_send_bytes (request, "\0\0\0\0", 4);
}

static void
test_no_length (Pair *pair, gconstpointer data)
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
test_close_mid_message (Pair *pair, gconstpointer data)
{
  check_breaks (pair, close_mid_message, VR_VICI_ERROR_LOST, "charon closed it");
}

static void
test_close_unasked (Pair *pair, gconstpointer data)
{
  check_breaks (pair, fake_close, VR_VICI_ERROR_LOST, "unload-conn it");
}

static void
send_confirmation (FakeRequest *request)
{
  fake_send (request, VR_VICI_EVENT_CONFIRM, NULL, NULL);
}

static void
test_answer_of_the_wrong_kind (Pair *pair, gconstpointer data)
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
test_answer_without_success (Pair *pair, gconstpointer data)
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
test_answer_twice (Pair *pair, gconstpointer data)
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
test_unknown_command (Pair *pair, gconstpointer data)
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
test_refusal (Pair *pair, gconstpointer data)
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
test_refusal_without_reason (Pair *pair, gconstpointer data)
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
test_byte_by_byte (Pair *pair, gconstpointer data)
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
check_hangs (Pair *pair, FakeHandler handler)
{
  g_auto (Answer) answer = { 0 };

  fake_handle (pair->fake, NULL, handler);
  vr_vici_unload_conn (pair->watched->vici, "it", 100, NULL, answered, &answer);
  expect_error (pair->watched->vici, &answer, VR_VICI_ERROR, VR_VICI_ERROR_TIMEOUT, "within 100 ms");
  WAIT_FOR (pair->watched->n_disconnected == 1);
  vr_vici_unload_conn (pair->watched->vici, "it", 60000, NULL, answered, &answer);
  expect_error (pair->watched->vici, &answer, VR_VICI_ERROR, VR_VICI_ERROR_NOT_CONNECTED, "does not answer");
  check_works (pair);
}

static void
test_silence (Pair *pair, gconstpointer data)
{
  check_hangs (pair, say_nothing);
}

static void
test_half_an_answer (Pair *pair, gconstpointer data)
{
  check_hangs (pair, send_half);
}

/* What comes behind it must not make it forgotten. */
static void
test_silence_with_a_queue (Pair *pair, gconstpointer data)
{
  Answer answers[5] = { 0 };

  fake_handle (pair->fake, NULL, say_nothing);
  for (guint i = 0; i < G_N_ELEMENTS (answers); i++)
    vr_vici_unload_conn (pair->watched->vici, "it", 50, NULL, answered, &answers[i]);
  for (guint i = 0; i < G_N_ELEMENTS (answers); i++)
    expect_error (pair->watched->vici, &answers[i], VR_VICI_ERROR, VR_VICI_ERROR_TIMEOUT, i == 0 ? "may still do it" : "not sent");
  WAIT_FOR (pair->watched->n_disconnected == 1);
  check_works (pair);
}

static void
test_silence_while_idle (Pair *pair, gconstpointer data)
{
  fake_handle (pair->fake, "version", say_nothing);
  WAIT_FOR (pair->watched->n_disconnected == 1);
  check_works (pair);
}

static void
test_deadline_longer_than_hang (Pair *pair, gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_auto (Answer) answer = { 0 };

  fake_handle (pair->fake, "unload-conn", say_nothing);
  vr_vici_unload_conn (pair->watched->vici, "it", 60 * HASTY_MS, cancellable, answered, &answer);
  harness_run_for (2 * HASTY_MS);
  g_assert_null (answer.result);
  g_assert_cmpuint (pair->watched->n_disconnected, ==, 0);
  g_cancellable_cancel (cancellable);
  expect_error (pair->watched->vici, &answer, G_IO_ERROR, G_IO_ERROR_CANCELLED, "");
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
test_no_fd_is_left (Pair *pair, gconstpointer data)
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

/* Events */

static VrViciMessage *
child_event (guint number)
{
  VrViciMessage *message = vr_vici_message_new ();
  VrViciMessage *ike, *child;
  g_autofree char *name = g_strdup_printf ("child-%u", number);
  const char *const ts[] = { "10.0.0.0/8", NULL };

  vr_vici_message_add (message, "up", "yes");
  ike = vr_vici_message_add_section (message, "ike");
  vr_vici_message_add (ike, "uniqueid", "1");
  vr_vici_message_add (ike, "state", "ESTABLISHED");
  child = vr_vici_message_add_section (vr_vici_message_add_section (ike, "child-sas"), name);
  vr_vici_message_add (child, "name", name);
  vr_vici_message_add_number (child, "uniqueid", number);
  vr_vici_message_add (child, "state", "INSTALLED");
  vr_vici_message_add (child, "if-id-in", "0000002a");
  vr_vici_message_add (child, "bytes-in", "18446744073709551615");
  vr_vici_message_add_list (child, "local-ts", ts);
  vr_vici_message_add_list (child, "remote-ts", ts);
  return message;
}

#define FLOOD 10000

static void
send_flood (FakeRequest *request)
{
  for (guint i = 0; i < FLOOD; i++)
    {
      g_autoptr (VrViciMessage) message = child_event (i);

      fake_send (request, VR_VICI_EVENT, "child-updown", message);
    }
  fake_answer_normally (request);
}

static gboolean
count (gpointer data)
{
  ++*(guint *) data;
  return G_SOURCE_CONTINUE;
}

static void
test_event_flood (Pair *pair, gconstpointer data)
{
  g_auto (Answer) answer = { 0 };
  guint ticks = 0, timer = g_timeout_add (1, count, &ticks);

  fake_handle (pair->fake, "unload-conn", send_flood);
  vr_vici_unload_conn (pair->watched->vici, "it", 60000, NULL, answered, &answer);
  expect_success (pair->watched->vici, &answer);
  g_assert_cmpuint (pair->watched->n_child_up, ==, FLOOD);
  g_assert_cmpstr (pair->watched->last_child, ==, "child-9999");
  g_assert_cmpuint (ticks, >, 10);
  g_source_remove (timer);
  check_works (pair);
}

static void
send_binary_event (FakeRequest *request)
{
  g_autoptr (VrViciMessage) message = child_event (0);

  vr_vici_message_add_data (vr_vici_message_nth_section (message, 0, NULL), "remote-id", "a\0\377b", 4);
  fake_send (request, VR_VICI_EVENT, "child-updown", message);
  fake_answer_normally (request);
}

static void
check_remote_id (VrVici *vici, gboolean up, const VrViciIkeSa *ike, const VrViciChildSa *child, gpointer data)
{
  g_assert_true (g_utf8_validate (ike->remote_id, -1, NULL));
  g_assert_true (g_str_has_suffix (ike->remote_id, "b"));
  g_assert_cmpuint (child->if_id_in, ==, 42);
  g_assert_cmpuint (child->bytes_in, ==, G_MAXUINT64);
  g_assert_cmpstr (child->mode, ==, "");
  g_assert_cmpuint (child->packets_in, ==, 0);
}

static void
test_event_with_binary_text (Pair *pair, gconstpointer data)
{
  g_auto (Answer) answer = { 0 };

  g_signal_connect (pair->watched->vici, "child-updown", G_CALLBACK (check_remote_id), NULL);
  fake_handle (pair->fake, "unload-conn", send_binary_event);
  vr_vici_unload_conn (pair->watched->vici, "it", 0, NULL, answered, &answer);
  expect_success (pair->watched->vici, &answer);
  g_assert_cmpuint (pair->watched->n_child_up, ==, 1);
}

static void
send_empty_event (FakeRequest *request)
{
  g_autoptr (VrViciMessage) message = vr_vici_message_new ();

  fake_send (request, VR_VICI_EVENT, "child-updown", message);
}

static void
test_event_without_contents (Pair *pair, gconstpointer data)
{
  check_breaks (pair, send_empty_event, VR_VICI_ERROR_PROTOCOL, "child-updown");
}

static void
send_event_without_child (FakeRequest *request)
{
  g_autoptr (VrViciMessage) message = vr_vici_message_new ();
  VrViciMessage *ike = vr_vici_message_add_section (message, "ike");

  vr_vici_message_add (ike, "uniqueid", "1");
  vr_vici_message_add (ike, "state", "ESTABLISHED");
  fake_send (request, VR_VICI_EVENT, "child-updown", message);
}

static void
test_event_without_child (Pair *pair, gconstpointer data)
{
  check_breaks (pair, send_event_without_child, VR_VICI_ERROR_PROTOCOL, "child-updown");
}

static void
send_foreign_event (FakeRequest *request)
{
  g_autoptr (VrViciMessage) message = vr_vici_message_new ();

  fake_send (request, VR_VICI_EVENT, "list-cert", message);
  fake_answer_normally (request);
}

static void
test_event_nobody_asked_for (Pair *pair, gconstpointer data)
{
  g_auto (Answer) answer = { 0 };

  fake_handle (pair->fake, "unload-conn", send_foreign_event);
  vr_vici_unload_conn (pair->watched->vici, "it", 0, NULL, answered, &answer);
  expect_success (pair->watched->vici, &answer);
  g_assert_cmpuint (pair->watched->n_disconnected, ==, 0);
}

/* Lists */

#define N_SAS 500

static void
send_sas (FakeRequest *request)
{
  for (guint i = 0; i < N_SAS; i++)
    {
      g_autoptr (VrViciMessage) message = child_event (i);

      fake_send (request, VR_VICI_EVENT, "list-sa", message);
    }
  send_empty (request);
}

static void
test_many_sas (Pair *pair, gconstpointer data)
{
  g_autoptr (GPtrArray) sas = NULL;
  const VrViciIkeSa *last;

  fake_handle (pair->fake, "list-sas", send_sas);
  sas = list_sas (pair->watched->vici, NULL);
  g_assert_cmpuint (sas->len, ==, N_SAS);
  last = sas->pdata[N_SAS - 1];
  g_assert_cmpstr (((VrViciChildSa *) last->children->pdata[0])->name, ==, "child-499");
  g_assert_cmpuint (pair->watched->n_child_up, ==, 0);
}

static void
send_a_broken_sa (FakeRequest *request)
{
  g_autoptr (VrViciMessage) message = vr_vici_message_new ();

  vr_vici_message_add_section (message, "ike");
  fake_send (request, VR_VICI_EVENT, "list-sa", message);
  send_empty (request);
}

static void
test_broken_sa (Pair *pair, gconstpointer data)
{
  g_auto (Answer) answer = { 0 };

  fake_handle (pair->fake, "list-sas", send_a_broken_sa);
  vr_vici_list_sas (pair->watched->vici, NULL, 0, NULL, answered, &answer);
  expect_error (pair->watched->vici, &answer, VR_VICI_ERROR, VR_VICI_ERROR_PROTOCOL, "list-sas");
  WAIT_FOR (pair->watched->n_disconnected == 1);
  check_works (pair);
}

static void
test_conns_without_a_list (Pair *pair, gconstpointer data)
{
  g_auto (Answer) answer = { 0 };

  fake_handle (pair->fake, "get-conns", send_empty);
  vr_vici_list_conns (pair->watched->vici, 0, NULL, answered, &answer);
  expect_error (pair->watched->vici, &answer, VR_VICI_ERROR, VR_VICI_ERROR_PROTOCOL, "get-conns");
}

/* What is sent */

static void
check_sent (Pair *pair, Answer *answer, const char *expected)
{
  g_autofree char *text = NULL;

  expect_success (pair->watched->vici, answer);
  text = fake_last_request (pair->fake);
  g_assert_cmpstr (text, ==, expected);
}

static void
test_load_conn_in_full (Pair *pair, gconstpointer data)
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
test_load_conn_with_defaults (Pair *pair, gconstpointer data)
{
  const VrViciConnection conn = { .name = "h3" };
  g_auto (Answer) answer = { 0 };

  fake_handle (pair->fake, "load-conn", fake_answer_normally);
  vr_vici_load_conn (pair->watched->vici, &conn, 0, NULL, answered, &answer);
  check_sent (pair, &answer,
              "h3 { version = 2 dpd_delay = 0 mobike = no unique = no local-1 { auth = psk } remote-1 { auth = psk } children { } } ");
}

static void
test_load_shared_for_anyone (Pair *pair, gconstpointer data)
{
  g_autoptr (GBytes) secret = g_bytes_new_static ("s3cret", 6);
  g_auto (Answer) answer = { 0 };

  fake_handle (pair->fake, "load-shared", fake_answer_normally);
  vr_vici_load_shared (pair->watched->vici, "k", NULL, secret, 0, NULL, answered, &answer);
  check_sent (pair, &answer, "id = k type = IKE data = s3cret ");
}

static void
test_secret_is_bytes (Pair *pair, gconstpointer data)
{
  g_autoptr (GBytes) secret = g_bytes_new_static ("a\0\377\200z", 5);
  g_auto (Answer) answer = { 0 };

  fake_handle (pair->fake, "load-shared", fake_answer_normally);
  vr_vici_load_shared (pair->watched->vici, "k", STRV ("h1", "h2"), secret, 0, NULL, answered, &answer);
  check_sent (pair, &answer, "id = k type = IKE owners [ h1 h2 ] data = a\\x00\\xff\\x80z ");
}

static void
test_initiate_does_not_wait (Pair *pair, gconstpointer data)
{
  g_auto (Answer) answer = { 0 };

  fake_handle (pair->fake, "initiate", fake_answer_normally);
  vr_vici_initiate (pair->watched->vici, "h3", "net", 0, NULL, answered, &answer);
  check_sent (pair, &answer, "ike = h3 child = net timeout = -1 ");
}

static void
test_invalid_arguments (Pair *pair, gconstpointer data)
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
test_large_request (Pair *pair, gconstpointer data)
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

/* A charon that answers, and then does not read for a while. */
static void
answer_and_sleep (FakeRequest *request)
{
  fake_answer_normally (request);
  g_usleep (G_USEC_PER_SEC);
}

static void
test_large_request_to_a_slow_reader (Pair *pair, gconstpointer data)
{
  g_autofree char *filler = g_strnfill (60000, 'x');
  g_autoptr (GBytes) cert = g_bytes_new (filler, 60000);
  GBytes *certs[] = { cert, cert, cert, cert, cert, cert, cert, cert, NULL };
  const VrViciConnection conn = { .name = "h3", .auth = VR_VICI_AUTH_PUBKEY, .certs = certs };
  g_auto (Answer) first = { 0 };
  Answer answers[4] = { 0 };
  guint ticks = 0, timer;

  fake_handle (pair->fake, "unload-conn", answer_and_sleep);
  vr_vici_unload_conn (pair->watched->vici, "it", 0, NULL, answered, &first);
  expect_success (pair->watched->vici, &first);
  timer = g_timeout_add (5, count, &ticks);
  for (guint i = 0; i < G_N_ELEMENTS (answers); i++)
    vr_vici_load_conn (pair->watched->vici, &conn, 60000, NULL, answered, &answers[i]);
  for (guint i = 0; i < G_N_ELEMENTS (answers); i++)
    expect_success (pair->watched->vici, &answers[i]);
  g_assert_cmpuint (ticks, >, 20);
  g_source_remove (timer);
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
#define ADD(path, hang_ms, func) g_test_add (path, Pair, GUINT_TO_POINTER (hang_ms), set_up, func, tear_down)
  ADD ("/fake/answer/garbage", PATIENT_MS, test_garbage);
  ADD ("/fake/answer/giant-length", PATIENT_MS, test_giant_length);
  ADD ("/fake/answer/no-length", PATIENT_MS, test_no_length);
  ADD ("/fake/answer/close-mid-message", PATIENT_MS, test_close_mid_message);
  ADD ("/fake/answer/close-unasked", PATIENT_MS, test_close_unasked);
  ADD ("/fake/answer/wrong-kind", PATIENT_MS, test_answer_of_the_wrong_kind);
  ADD ("/fake/answer/without-success", PATIENT_MS, test_answer_without_success);
  ADD ("/fake/answer/twice", PATIENT_MS, test_answer_twice);
  ADD ("/fake/answer/unknown-command", PATIENT_MS, test_unknown_command);
  ADD ("/fake/answer/refusal", PATIENT_MS, test_refusal);
  ADD ("/fake/answer/refusal-without-reason", PATIENT_MS, test_refusal_without_reason);
  ADD ("/fake/answer/byte-by-byte", PATIENT_MS, test_byte_by_byte);
  ADD ("/fake/silence/command", HASTY_MS, test_silence);
  ADD ("/fake/silence/half-an-answer", HASTY_MS, test_half_an_answer);
  ADD ("/fake/silence/with-a-queue", HASTY_MS, test_silence_with_a_queue);
  ADD ("/fake/silence/idle", HASTY_MS, test_silence_while_idle);
  ADD ("/fake/silence/deadline-longer-than-hang", HASTY_MS, test_deadline_longer_than_hang);
  ADD ("/fake/no-fd-is-left", PATIENT_MS, test_no_fd_is_left);
  ADD ("/fake/event/flood", PATIENT_MS, test_event_flood);
  ADD ("/fake/event/binary-text", PATIENT_MS, test_event_with_binary_text);
  ADD ("/fake/event/without-contents", PATIENT_MS, test_event_without_contents);
  ADD ("/fake/event/without-child", PATIENT_MS, test_event_without_child);
  ADD ("/fake/event/nobody-asked-for", PATIENT_MS, test_event_nobody_asked_for);
  ADD ("/fake/list/many-sas", PATIENT_MS, test_many_sas);
  ADD ("/fake/list/broken-sa", PATIENT_MS, test_broken_sa);
  ADD ("/fake/list/conns-without-a-list", PATIENT_MS, test_conns_without_a_list);
  ADD ("/fake/sent/load-conn-in-full", PATIENT_MS, test_load_conn_in_full);
  ADD ("/fake/sent/load-conn-with-defaults", PATIENT_MS, test_load_conn_with_defaults);
  ADD ("/fake/sent/load-shared-for-anyone", PATIENT_MS, test_load_shared_for_anyone);
  ADD ("/fake/sent/secret-is-bytes", PATIENT_MS, test_secret_is_bytes);
  ADD ("/fake/sent/initiate-does-not-wait", PATIENT_MS, test_initiate_does_not_wait);
  ADD ("/fake/sent/invalid-arguments", PATIENT_MS, test_invalid_arguments);
  ADD ("/fake/sent/large-request", PATIENT_MS, test_large_request);
  ADD ("/fake/sent/large-request-to-a-slow-reader", PATIENT_MS, test_large_request_to_a_slow_reader);
  return g_test_run ();
}
