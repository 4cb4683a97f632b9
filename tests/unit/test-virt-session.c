/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events between the opening of a session and its use, and after its end. */
#include "daemon/virt/virt-session.h"
#include "virt-test.h"

#include <libvirt-glib/libvirt-glib-event.h>

#define URI "test:///default"

typedef struct {
  VrVirtSession *session;
  virDomainPtr guest; /* the test driver's own, which runs */
  virConnectPtr user;
  GString *words;     /* what the handler heard of */
} Fixture;

static void
on_event (const VrVirtEvent *event, gboolean ours, gpointer owner)
{
  Fixture *fixture = owner;

  g_assert_cmpstr (event->name, ==, "test");
  g_assert_false (ours);
  g_string_append_printf (fixture->words, "%s ", vr_virt_what_to_string (event->what));
}

static void
on_closed (const char *why, gpointer owner)
{
  g_assert_not_reached ();
}

static const VrVirtSessionHandlers handlers = { .event = on_event, .closed = on_closed };

static void
on_opened (GObject *source, GAsyncResult *result, gpointer data)
{
  g_assert_true (vr_virt_session_open_finish (result, NULL));
  *(gboolean *) data = TRUE;
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  gboolean opened = FALSE;

  gvir_event_register ();
  fixture->words = g_string_new (NULL);
  fixture->user = virConnectOpen (URI);
  fixture->guest = virDomainLookupByName (fixture->user, "test");
  fixture->session = vr_virt_session_new (URI, &handlers, fixture);
  vr_virt_session_open_async (fixture->session, on_opened, &opened);
  wait_until (opened);
}

static void
let_events_come (void)
{
  gboolean waited = FALSE;

  g_timeout_add (100, ring, &waited);
  wait_until (waited);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_clear_pointer (&fixture->session, vr_virt_session_unref);
  let_events_come ();
  virDomainFree (fixture->guest);
  virConnectClose (fixture->user);
  g_string_free (fixture->words, TRUE);
}

static void
test_early (Fixture *fixture, gconstpointer data)
{
  g_assert_cmpint (virDomainSuspend (fixture->guest), ==, 0);
  g_assert_cmpint (virDomainResume (fixture->guest), ==, 0);
  let_events_come ();
  g_assert_cmpstr (fixture->words->str, ==, "");
  vr_virt_session_run (fixture->session);
  g_assert_cmpstr (fixture->words->str, ==, "suspended-paused resumed-unpaused ");
  g_assert_cmpint (virDomainSuspend (fixture->guest), ==, 0);
  g_assert_cmpint (virDomainResume (fixture->guest), ==, 0);
  wait_until (g_str_has_suffix (fixture->words->str, "resumed-unpaused suspended-paused resumed-unpaused "));
}

static void
test_detach (Fixture *fixture, gconstpointer data)
{
  vr_virt_session_run (fixture->session);
  g_assert_cmpint (virDomainSuspend (fixture->guest), ==, 0);
  vr_virt_session_detach (fixture->session); /* the event is on its way */
  g_assert_cmpint (virDomainResume (fixture->guest), ==, 0);
  let_events_come ();
  g_assert_cmpstr (fixture->words->str, ==, "");
}

/* The last reference goes while events are on their way, and the callbacks with it. */
static void
test_unref (Fixture *fixture, gconstpointer data)
{
  vr_virt_session_run (fixture->session);
  for (guint i = 0; i < 20; i++)
    {
      g_assert_cmpint (virDomainSuspend (fixture->guest), ==, 0);
      g_assert_cmpint (virDomainResume (fixture->guest), ==, 0);
      if (i == 10)
        g_clear_pointer (&fixture->session, vr_virt_session_unref);
    }
  let_events_come ();
  g_assert_cmpstr (fixture->words->str, ==, "");
}

int
main (int argc, char **argv)
{
  virt_test_init (&argc, &argv);
#define ADD(path, test) g_test_add ("/virt-session/" path, Fixture, NULL, set_up, test, tear_down)
  ADD ("early-events-wait", test_early);
  ADD ("detached", test_detach);
  ADD ("unref-among-events", test_unref);
  return g_test_run ();
}
