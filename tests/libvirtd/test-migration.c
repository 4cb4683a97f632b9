/* SPDX-License-Identifier: GPL-2.0-or-later */
/* daemon/virt on both sides of migrations between two real libvirtds, whole and broken off. */
#include "world.h"

#include <signal.h>

typedef struct {
  Fixture at_a;
  Ear at_b;
  guint from_a, from_b; /* where this migration's events begin */
  GSubprocess *virsh;   /* NULL: no migration yet, or it was waited for */
} Migration;

static void
migration_set_up (Migration *migration, gconstpointer data)
{
  host_start (&b);
  set_up (&migration->at_a, NULL);
  ear_open (&migration->at_b, b.uri);
  vr_virt_start (migration->at_b.virt);
  wait_until (migration->at_b.connected > 0);
}

static void
shape (const char *rate)
{
  g_autofree char *line = g_strdup_printf ("tc qdisc replace dev lo root tbf rate %s burst 256kb latency 100ms", rate);

  g_assert_true (run (line));
}

static void
migrate (Migration *migration, const char *options)
{
  g_autofree char *line = g_strdup_printf ("virsh -c %s migrate %s g1 %s tcp://127.0.0.1", a.uri, options, b.uri);
  g_auto (GStrv) argv = g_strsplit (line, " ", -1);

  g_ptr_array_set_size (migration->at_a.ear.events, 0);
  g_ptr_array_set_size (migration->at_b.events, 0);
  migration->virsh = g_subprocess_newv ((const char *const *) argv,
                                        G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_SILENCE, NULL);
  g_assert_nonnull (migration->virsh);
}

/* Waits for its end, with the main loop; whether it succeeded. */
static gboolean
migrate_end (Migration *migration)
{
  gboolean success;

  wait_until (g_subprocess_get_identifier (migration->virsh) == NULL);
  success = g_subprocess_get_successful (migration->virsh);
  g_clear_object (&migration->virsh);
  return success;
}

static void
migration_tear_down (Migration *migration, gconstpointer data)
{
  run ("tc qdisc del dev lo root");
  if (migration->virsh != NULL)
    migrate_end (migration);
  guest_destroy (&b, UUID);
  ear_close (&migration->at_b);
  tear_down (&migration->at_a, NULL);
}

static const SeenEvent *
at_a (Migration *migration, VrVirtWhat what)
{
  return ear_find (&migration->at_a.ear, 0, what, UUID);
}

static const SeenEvent *
at_b (Migration *migration, VrVirtWhat what)
{
  return ear_find (&migration->at_b, 0, what, UUID);
}

/* All events of the guest; "leaving", which comes as often as it likes, only before the first other one. */
static char *
story (Ear *ear)
{
  for (guint i = ear->events->len; i > 1; i--)
    if (((SeenEvent *) ear->events->pdata[i - 1])->what == VR_VIRT_LEAVING)
      g_ptr_array_remove_index (ear->events, i - 1);
  return ear_words (ear, 0, UUID);
}

static void
test_migration (Migration *migration, gconstpointer data)
{
  g_autofree char *origin = NULL, *target = NULL;
  g_auto (Answer) answer = { 0 };
  const SeenEvent *stop, *suspended;

  migrate (migration, "--live");
  g_assert_true (migrate_end (migration));
  wait_until (at_a (migration, VR_VIRT_STOPPED_MIGRATED) && at_b (migration, VR_VIRT_RESUMED_MIGRATED));
  stop = at_a (migration, VR_VIRT_QEMU_STOP);
  suspended = at_a (migration, VR_VIRT_SUSPENDED_MIGRATED);
  g_assert_cmpint (stop->time_us, <=, suspended->time_us);
  g_test_message ("QEMU's STOP to the handler: %" G_GINT64_FORMAT " us", suspended->seen_us - stop->time_us);
  origin = story (&migration->at_a.ear);
  g_assert_cmpstr (origin, ==, "leaving qemu-stop suspended-migrated stopped-migrated");
  target = story (&migration->at_b);
  g_assert_cmpstr (target, ==, "started-migrated qemu-resume resumed-migrated");
  look_at (migration->at_a.ear.virt, UUID, &answer);
  g_assert_error (answer.error, VR_VIRT_ERROR, VR_VIRT_ERROR_GONE);
  look_at (migration->at_b.virt, UUID, &answer);
  g_assert_no_error (answer.error);
  g_assert_cmpint (answer.guest->state, ==, VR_VIRT_STATE_RUNNING);
  g_assert_false (answer.guest->migrating);
}

static void
assert_situation (VrVirt *virt, VrVirtState state, gboolean incoming)
{
  g_auto (Answer) listed = { 0 };
  g_auto (Answer) looked = { 0 };
  const VrVirtGuest *guest;

  look_at (virt, UUID, &looked);
  g_assert_no_error (looked.error);
  g_assert_cmpint (looked.guest->state, ==, state);
  g_assert_true (looked.guest->migrating);
  g_assert_true (looked.guest->incoming == incoming);
  list_all (virt, &listed);
  g_assert_no_error (listed.error);
  guest = find_guest (listed.guests, UUID);
  g_assert_nonnull (guest);
  g_assert_cmpint (guest->state, ==, state);
  g_assert_true (guest->migrating);
  g_assert_true (guest->incoming == incoming);
}

/* Nothing but QEMU itself tells the origin that its guest stays. A stamp waits for that moment. */
static void
test_abort_before_stop (Migration *migration, gconstpointer data)
{
  g_autofree char *origin = NULL, *target = NULL;
  g_auto (Answer) stamped = { 0 };

  migrate (migration, "--live --bandwidth 1");
  wait_until (at_a (migration, VR_VIRT_LEAVING));
  assert_situation (migration->at_a.ear.virt, VR_VIRT_STATE_RUNNING, FALSE);
  assert_situation (migration->at_b.virt, VR_VIRT_STATE_PAUSED_MIGRATING, TRUE);
  vr_virt_stamp_async (migration->at_a.ear.virt, UUID, "<guest owner='h1'/>", PATIENCE_S * 1000, NULL, on_stamped,
                       &stamped);
  assert_main_loop_runs ();
  g_assert_false (stamped.here);
  g_assert_cmpint (virDomainAbortJob (migration->at_a.guest), ==, 0);
  g_assert_false (migrate_end (migration));
  wait_until (at_a (migration, VR_VIRT_MIGRATION_CANCELLED) && at_b (migration, VR_VIRT_STOPPED_FAILED) && stamped.here);
  g_assert_no_error (stamped.error);
  origin = story (&migration->at_a.ear);
  g_assert_cmpstr (origin, ==, "leaving migration-cancelled");
  target = story (&migration->at_b);
  g_assert_cmpstr (target, ==, "started-migrated migration-cancelled stopped-failed");
}

static void
assert_came_back (Migration *migration)
{
  g_auto (Answer) answer = { 0 };

  wait_until (at_a (migration, VR_VIRT_RESUMED_UNPAUSED) && at_b (migration, VR_VIRT_STOPPED_FAILED));
  look_at (migration->at_a.ear.virt, UUID, &answer);
  g_assert_no_error (answer.error);
  g_assert_cmpint (answer.guest->state, ==, VR_VIRT_STATE_RUNNING);
  g_assert_false (answer.guest->migrating);
  look_at (migration->at_b.virt, UUID, &answer);
  g_assert_error (answer.error, VR_VIRT_ERROR, VR_VIRT_ERROR_GONE);
}

/* Not live: the CPUs stop, and then the memory is copied. */
static void
test_abort_after_stop (Migration *migration, gconstpointer data)
{
  g_autofree char *origin = NULL;

  migrate (migration, "--bandwidth 1");
  wait_until (at_a (migration, VR_VIRT_SUSPENDED_MIGRATED) && at_b (migration, VR_VIRT_STARTED_MIGRATED));
  assert_situation (migration->at_a.ear.virt, VR_VIRT_STATE_PAUSED_MIGRATING, FALSE);
  assert_situation (migration->at_b.virt, VR_VIRT_STATE_PAUSED_MIGRATING, TRUE);
  g_assert_cmpint (virDomainAbortJob (migration->at_a.guest), ==, 0);
  g_assert_false (migrate_end (migration));
  assert_came_back (migration);
  origin = story (&migration->at_a.ear);
  g_assert_nonnull (g_strrstr (origin, "migration-cancelled"));
}

/*
 * The target's QEMU dies while the origin's sends the rest of the memory. Asked for the job, the origin's then says
 * nothing. Whether the guest was handed over or is awaited cannot be told without it; better no list than a wrong
 * one.
 */
static void
test_target_dies (Migration *migration, gconstpointer data)
{
  g_autofree char *pid = NULL;
  g_auto (Answer) listed = { 0 };

  shape ("4mbit");
  migrate (migration, "--live --bandwidth 1");
  wait_until (at_a (migration, VR_VIRT_LEAVING));
  g_assert_cmpint (virDomainMigrateSetMaxDowntime (migration->at_a.guest, 100000, 0), ==, 0);
  wait_until (at_a (migration, VR_VIRT_SUSPENDED_MIGRATED));
  assert_situation (migration->at_b.virt, VR_VIRT_STATE_PAUSED_MIGRATING, TRUE);
  for (guint i = 0; i < 3 && listed.error == NULL; i++)
    {
      const VrVirtGuest *guest;

      list_all (migration->at_a.ear.virt, &listed);
      if (listed.error != NULL)
        break;
      guest = find_guest (listed.guests, UUID); /* it was quick enough */
      g_assert_cmpint (guest->state, ==, VR_VIRT_STATE_PAUSED_MIGRATING);
      g_assert_false (guest->incoming);
    }
  if (listed.error != NULL)
    g_assert_error (listed.error, VR_VIRT_ERROR, VR_VIRT_ERROR_TIMEOUT);
  g_assert_true (g_file_get_contents ("/run/b/run/qemu/g1.pid", &pid, NULL, NULL));
  g_assert_cmpint (kill (atoi (pid), SIGKILL), ==, 0);
  g_assert_false (migrate_end (migration));
  assert_came_back (migration);
}

/*
 * libvirt says twice that the guest was handed over; we say it once. At the target it runs long before its memory is
 * there.
 */
static void
test_postcopy (Migration *migration, gconstpointer data)
{
  g_autofree char *origin = NULL, *target = NULL;
  g_auto (Answer) answer = { 0 };

  shape ("16mbit");
  migrate (migration, "--live --postcopy --bandwidth 1");
  wait_until (at_a (migration, VR_VIRT_LEAVING) || g_subprocess_get_identifier (migration->virsh) == NULL);
  if (g_subprocess_get_identifier (migration->virsh) == NULL)
    {
      g_test_skip ("this kernel or QEMU knows no post-copy");
      return;
    }
  g_assert_cmpint (virDomainMigrateStartPostCopy (migration->at_a.guest, 0), ==, 0);
  wait_until (at_b (migration, VR_VIRT_RESUMED_POSTCOPY));
  look_at (migration->at_b.virt, UUID, &answer);
  g_assert_no_error (answer.error);
  g_assert_cmpint (answer.guest->state, ==, VR_VIRT_STATE_RUNNING);
  g_assert_false (answer.guest->incoming);
  g_assert_false (answer.guest->migrating);
  g_assert_null (at_b (migration, VR_VIRT_RESUMED_MIGRATED)); /* so that was in the middle of it */
  assert_situation (migration->at_a.ear.virt, VR_VIRT_STATE_PAUSED_MIGRATING, FALSE);
  g_assert_true (run ("tc qdisc del dev lo root"));
  g_assert_true (migrate_end (migration));
  wait_until (at_a (migration, VR_VIRT_STOPPED_MIGRATED) && at_b (migration, VR_VIRT_RESUMED_MIGRATED));
  origin = story (&migration->at_a.ear);
  g_assert_cmpstr (origin, ==, "leaving qemu-stop suspended-migrated stopped-migrated");
  target = story (&migration->at_b);
  g_assert_cmpstr (target, ==, "started-migrated qemu-resume resumed-postcopy resumed-migrated");
}

int
main (int argc, char **argv)
{
  int status;

  if (!world_up (&argc, &argv))
    return 0;
  host_start (&b); /* both ask QEMU at the same time */
#define ADD(path, test) g_test_add ("/libvirtd/migration/" path, Migration, NULL, migration_set_up, test, migration_tear_down)
  ADD ("whole", test_migration);
  ADD ("aborted-before-stop", test_abort_before_stop);
  ADD ("aborted-after-stop", test_abort_after_stop);
  ADD ("target-dies-after-stop", test_target_dies);
  ADD ("post-copy", test_postcopy);
  status = g_test_run ();
  world_down ();
  return status;
}
