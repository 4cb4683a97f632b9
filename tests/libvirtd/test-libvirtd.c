/* SPDX-License-Identifier: GPL-2.0-or-later */
/* daemon/virt against a real libvirtd that is restarted, hangs, or waits for a hook. */
#include "world.h"

#include <glib/gstdio.h>
#include <signal.h>

/* ---- plain life ---- */

static void
test_events (Fixture *fixture, gconstpointer data)
{
  guint  from = fixture->ear.events->len;
  gint64 before = g_get_real_time ();
  g_autofree char *words = NULL;

  g_assert_cmpint (virDomainSuspend (fixture->guest), ==, 0);
  g_assert_cmpint (virDomainResume (fixture->guest), ==, 0);
  g_assert_cmpint (virDomainDestroy (fixture->guest), ==, 0);
  wait_until (ear_find (&fixture->ear, from, VR_VIRT_STOPPED, UUID));
  words = ear_words (&fixture->ear, from, UUID);
  g_assert_cmpstr (words, ==, "qemu-stop suspended-paused qemu-resume resumed-unpaused stopped");
  for (guint i = from; i < fixture->ear.events->len; i++)
    {
      const SeenEvent *seen = fixture->ear.events->pdata[i];

      g_assert_cmpint (seen->time_us, >=, before);
      g_assert_cmpint (seen->time_us, <=, seen->seen_us);
    }
}

static void
test_look (Fixture *fixture, gconstpointer data)
{
  g_auto (Answer) answer = { 0 };
  const VrGuestNic *nic;

  look_at (fixture->ear.virt, UUID, &answer);
  g_assert_no_error (answer.error);
  g_assert_cmpint (answer.guest->state, ==, VR_VIRT_STATE_RUNNING);
  g_assert_false (answer.guest->migrating);
  nic = vr_guest_xml_find_nic (answer.guest->xml, MAC);
  g_assert_cmpstr (nic->bridge, ==, "br0");
  g_assert_nonnull (nic->target);
  g_assert_cmpuint (nic->addresses->len + nic->learned->len, ==, 0); /* no lease, no agent, no neighbour: no address, and no error */
}

static void
test_stamp (Fixture *fixture, gconstpointer data)
{
  guint from = fixture->ear.events->len;
  g_autofree char *words = NULL;
  g_auto (Answer) answer = { 0 };

  stamp_on (fixture->ear.virt, UUID, "<guest owner='h1' epoch='3'/>", &answer);
  g_assert_no_error (answer.error);
  look_at (fixture->ear.virt, UUID, &answer);
  g_assert_no_error (answer.error);
  g_assert_cmpstr (answer.guest->xml->metadata->owner, ==, "h1");
  g_assert_cmpint (virDomainSetMetadata (fixture->guest, VIR_DOMAIN_METADATA_TITLE, "t", NULL, NULL,
                                         VIR_DOMAIN_AFFECT_LIVE), ==, 0);
  wait_until (ear_find (&fixture->ear, from, VR_VIRT_CHANGED, UUID));
  words = ear_words (&fixture->ear, from, UUID);
  g_assert_cmpstr (words, ==, "changed"); /* by the title; the stamp came before it */
}

/* ---- a libvirtd in trouble ---- */

/* A look that must be answered by its deadline. */
static void
look_briefly (VrVirt *virt, const char *uuid, Answer *answer)
{
  answer_clear (answer);
  vr_virt_look_async (virt, uuid, 300, NULL, on_looked, answer);
  wait_until (answer->here);
}

static void
assert_works (Fixture *fixture)
{
  g_auto (Answer) answer = { 0 };
  guint from = fixture->ear.events->len;

  list_all (fixture->ear.virt, &answer);
  g_assert_no_error (answer.error);
  g_assert_nonnull (find_guest (answer.guests, UUID));
  forget_user (fixture);
  fixture->user = host_connect (&a);
  fixture->guest = virDomainLookupByUUIDString (fixture->user, UUID);
  g_assert_cmpint (virDomainSuspend (fixture->guest), ==, 0);
  wait_until (ear_find (&fixture->ear, from, VR_VIRT_SUSPENDED_PAUSED, UUID));
}

static void
test_restart (Fixture *fixture, gconstpointer data)
{
  g_auto (Answer) answer = { 0 };
  int number = GPOINTER_TO_INT (data);

  host_stop (&a, number);
  wait_until (fixture->ear.disconnected == 1);
  look_at (fixture->ear.virt, UUID, &answer);
  g_assert_error (answer.error, VR_VIRT_ERROR, VR_VIRT_ERROR_CONNECT);
  assert_main_loop_runs ();
  host_start (&a);
  wait_until (fixture->ear.connected == 2);
  g_assert_cmpuint (fixture->ear.disconnected, ==, 1);
  assert_works (fixture);
}

static void
test_hang (Fixture *fixture, gconstpointer data)
{
  g_auto (Answer) answer = { 0 };
  g_auto (Answer) cancelled = { 0 };
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();

  host_freeze (&a);
  vr_virt_list_async (fixture->ear.virt, 10 * PATIENCE_S * 1000, cancellable, on_listed, &cancelled);
  for (guint i = 0; i < 8; i++) /* more than there are slots */
    {
      look_briefly (fixture->ear.virt, UUID, &answer);
      g_assert_error (answer.error, VR_VIRT_ERROR, VR_VIRT_ERROR_TIMEOUT);
    }
  assert_main_loop_runs ();
  g_cancellable_cancel (cancellable);
  wait_until (cancelled.here);
  g_assert_error (cancelled.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  host_signal (&a, SIGCONT);
  assert_works (fixture);
}

/* Calls under way end with the libvirtd that they hang in. */
static void
test_hang_and_die (Fixture *fixture, gconstpointer data)
{
  g_auto (Answer) listed = { 0 };
  g_auto (Answer) stamped = { 0 };

  host_freeze (&a);
  vr_virt_list_async (fixture->ear.virt, 10 * PATIENCE_S * 1000, NULL, on_listed, &listed);
  vr_virt_stamp_async (fixture->ear.virt, UUID, "<guest/>", 10 * PATIENCE_S * 1000, NULL, on_stamped, &stamped);
  assert_main_loop_runs ();
  g_assert_false (listed.here || stamped.here);
  host_stop (&a, SIGKILL);
  wait_until (listed.here && stamped.here);
  g_assert_error (listed.error, VR_VIRT_ERROR, VR_VIRT_ERROR_CONNECT);
  g_assert_error (stamped.error, VR_VIRT_ERROR, VR_VIRT_ERROR_CONNECT);
  g_assert_false (vr_virt_is_connected (fixture->ear.virt));
  host_start (&a);
  wait_until (fixture->ear.connected == 2);
  assert_works (fixture);
}

/* The keepalive gives up a libvirtd that hangs; new connections to it hang as well, and are used when it goes on. */
static void
test_hang_for_long (Fixture *fixture, gconstpointer data)
{
  Ear late; /* of somebody who comes while it hangs */

  host_freeze (&a);
  ear_open (&late, a.uri);
  vr_virt_start (late.virt);
  wait_until (late.disconnected == 1);
  g_assert_nonnull (strstr (late.why, "does not answer"));
  wait_until (fixture->ear.disconnected == 1);
  assert_main_loop_runs ();
  host_signal (&a, SIGCONT);
  wait_until (fixture->ear.connected == 2 && late.connected == 1);
  g_assert_cmpuint (fixture->ear.disconnected, ==, 1);
  assert_works (fixture);
  wait_until (ear_find (&late, 0, VR_VIRT_SUSPENDED_PAUSED, UUID));
  ear_close (&late);
}

/* libvirt holds a guest's lock while its hook runs, and libvirtd a thread for each call that waits for it. */
static void
test_hook_hangs (Fixture *fixture, gconstpointer data)
{
  g_autofree char *xml = guest_xml ("slow", SLOW_UUID);
  g_autoptr (GSubprocess) starting = NULL;
  g_auto (Answer) answer = { 0 };

  g_assert_true (g_file_set_contents ("/run/slow.xml", xml, -1, NULL));
  g_assert_true (g_file_set_contents ("/run/hold", "", -1, NULL)); /* the hook of "slow" waits for its end */
  starting = g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_SILENCE, NULL, "virsh", "-c", a.uri, "create", "/run/slow.xml",
                               NULL);
  wait_until (g_file_test ("/run/held", G_FILE_TEST_EXISTS));
  for (guint i = 0; i < 6; i++)
    {
      look_briefly (fixture->ear.virt, SLOW_UUID, &answer);
      g_assert_error (answer.error, VR_VIRT_ERROR, VR_VIRT_ERROR_TIMEOUT);
      look_at (fixture->ear.virt, UUID, &answer); /* the others are not held up */
      g_assert_no_error (answer.error);
    }
  stamp_on (fixture->ear.virt, UUID, "<guest owner='h1'/>", &answer);
  g_assert_no_error (answer.error);
  g_assert_cmpuint (fixture->ear.disconnected, ==, 0);
  g_unlink ("/run/hold");
  look_at (fixture->ear.virt, SLOW_UUID, &answer);
  g_assert_no_error (answer.error);
  g_assert_true (g_subprocess_wait (starting, NULL, NULL));
  guest_destroy (&a, SLOW_UUID);
}

int
main (int argc, char **argv)
{
  int status;

  if (!world_up (&argc, &argv))
    return 0;
#define ADD(path, test, data) g_test_add ("/libvirtd/" path, Fixture, data, set_up, test, tear_down)
  ADD ("events", test_events, NULL);
  ADD ("look", test_look, NULL);
  ADD ("stamp", test_stamp, NULL);
  ADD ("hook-that-hangs", test_hook_hangs, NULL);
  ADD ("restart", test_restart, GINT_TO_POINTER (SIGTERM));
  ADD ("crash", test_restart, GINT_TO_POINTER (SIGKILL));
  ADD ("hang", test_hang, NULL);
  ADD ("hang-and-die", test_hang_and_die, NULL);
  ADD ("hang-for-long", test_hang_for_long, NULL);
  status = g_test_run ();
  world_down ();
  return status;
}
