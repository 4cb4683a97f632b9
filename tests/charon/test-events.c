/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events and lists, from a charon that sends many, strange or broken ones. */
#include <string.h>

#include "fake.h"
#include "harness.h"

static void
send_empty (FakeRequest *request)
{
  g_autoptr (VrViciMessage) message = vr_vici_message_new ();

  fake_send (request, VR_VICI_CMD_RESPONSE, NULL, message);
}

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
test_event_flood (FakePair *pair, gconstpointer data)
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
test_event_with_binary_text (FakePair *pair, gconstpointer data)
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
test_event_without_contents (FakePair *pair, gconstpointer data)
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
test_event_without_child (FakePair *pair, gconstpointer data)
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
test_event_nobody_asked_for (FakePair *pair, gconstpointer data)
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
test_many_sas (FakePair *pair, gconstpointer data)
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
test_broken_sa (FakePair *pair, gconstpointer data)
{
  g_auto (Answer) answer = { 0 };

  fake_handle (pair->fake, "list-sas", send_a_broken_sa);
  vr_vici_list_sas (pair->watched->vici, NULL, 0, NULL, answered, &answer);
  expect_error (pair->watched->vici, &answer, VR_VICI_ERROR, VR_VICI_ERROR_PROTOCOL, "list-sas");
  WAIT_FOR (pair->watched->n_disconnected == 1);
  check_works (pair);
}

static void
test_conns_without_a_list (FakePair *pair, gconstpointer data)
{
  g_auto (Answer) answer = { 0 };

  fake_handle (pair->fake, "get-conns", send_empty);
  vr_vici_list_conns (pair->watched->vici, 0, NULL, answered, &answer);
  expect_error (pair->watched->vici, &answer, VR_VICI_ERROR, VR_VICI_ERROR_PROTOCOL, "get-conns");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD_FAKE ("/event/flood", PATIENT_MS, test_event_flood);
  ADD_FAKE ("/event/binary-text", PATIENT_MS, test_event_with_binary_text);
  ADD_FAKE ("/event/without-contents", PATIENT_MS, test_event_without_contents);
  ADD_FAKE ("/event/without-child", PATIENT_MS, test_event_without_child);
  ADD_FAKE ("/event/nobody-asked-for", PATIENT_MS, test_event_nobody_asked_for);
  ADD_FAKE ("/list/many-sas", PATIENT_MS, test_many_sas);
  ADD_FAKE ("/list/broken-sa", PATIENT_MS, test_broken_sa);
  ADD_FAKE ("/list/conns-without-a-list", PATIENT_MS, test_conns_without_a_list);
  return g_test_run ();
}
