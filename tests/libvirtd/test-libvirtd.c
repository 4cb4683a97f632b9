/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * daemon/virt against real libvirtds and QEMUs: ones that are restarted, hang, wait for a hook, and migrate guests to
 * each other. The program is started by `in-private`, which gives it a world of its own; its argument is the folder
 * of `host`.
 *
 * The guest has no operating system: its BIOS finds nothing to boot and waits. Its memory has RAM_MIB of what cannot
 * be compressed, so that a migration has something to copy.
 */
#include "tests/unit/virt-test.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#define UUID "11111111-2222-3333-4444-555555555555"
#define SLOW_UUID "22222222-2222-3333-4444-555555555555"
#define MAC "52:54:00:00:00:64"
#define RAM_MIB 24

typedef struct {
  const char *name, *number, *uri;
  GSubprocess *libvirtd; /* NULL: not running */
} Host;

static Host a = { "a", "1", "qemu+unix:///system?socket=/run/a/run/libvirt-sock" };
static Host b = { "b", "2", "qemu+unix:///system?socket=/run/b/run/libvirt-sock" };
static const char *folder;

/* ---- hosts ---- */

static void
host_start (Host *host)
{
  g_autofree char *script = g_build_filename (folder, "host", NULL);
  g_autoptr (GError) error = NULL;

  if (host->libvirtd != NULL)
    return;
  host->libvirtd = g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_SILENCE, &error, script, host->name, host->number, NULL);
  g_assert_no_error (error);
}

static void
host_signal (Host *host, int number)
{
  g_assert_cmpint (kill (atoi (g_subprocess_get_identifier (host->libvirtd)), number), ==, 0);
}

static gboolean
all_frozen (const char *tasks)
{
  g_autoptr (GDir) dir = g_dir_open (tasks, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *file = g_build_filename (tasks, name, "stat", NULL);
      g_autofree char *stat = NULL;

      if (g_file_get_contents (file, &stat, NULL, NULL) && strstr (stat, ") T ") == NULL)
        return FALSE;
    }
  return TRUE;
}

/* Returns when none of its threads runs any more. */
static void
host_freeze (Host *host)
{
  g_autofree char *tasks = g_strdup_printf ("/proc/%s/task", g_subprocess_get_identifier (host->libvirtd));

  host_signal (host, SIGSTOP);
  wait_until (all_frozen (tasks));
}

static void
host_stop (Host *host, int number)
{
  host_signal (host, number);
  g_assert_true (g_subprocess_wait (host->libvirtd, NULL, NULL));
  g_clear_object (&host->libvirtd);
}

static virConnectPtr
host_connect (Host *host)
{
  virConnectPtr conn = virConnectOpen (host->uri);

  g_assert_nonnull (conn);
  return conn;
}

/* Runs a program to its end; whether it succeeded. */
static gboolean
run (const char *line)
{
  g_auto (GStrv) argv = NULL;
  g_autoptr (GError) error = NULL;
  int status = 0;

  g_assert_true (g_shell_parse_argv (line, NULL, &argv, &error));
  g_assert_true (g_spawn_sync (NULL, argv, NULL,
                               G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL,
                               NULL, NULL, &status, &error));
  return status == 0;
}

/* ---- guests ---- */

static char *
guest_xml (const char *name, const char *uuid)
{
  return g_strdup_printf (
    "<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><name>%s</name><uuid>%s</uuid>"
    "<memory unit='MiB'>64</memory><vcpu>1</vcpu><os><type arch='x86_64' machine='pc'>hvm</type></os><devices>"
    "<emulator>/usr/bin/qemu-system-x86_64</emulator><memballoon model='none'/>"
    "<interface type='bridge'><mac address='%s'/><source bridge='br0'/></interface></devices>"
    "<qemu:commandline><qemu:arg value='-device'/><qemu:arg value='loader,file=/run/noise,addr=0x1000000,force-raw=on'/>"
    "</qemu:commandline></domain>", name, uuid, g_str_equal (uuid, UUID) ? MAC : "52:54:00:00:00:65");
}

/* Stops it wherever it is. */
static void
guest_destroy (Host *host, const char *uuid)
{
  virConnectPtr conn = host_connect (host);
  virDomainPtr  domain = virDomainLookupByUUIDString (conn, uuid);

  if (domain != NULL)
    {
      virDomainDestroy (domain);
      virDomainFree (domain);
    }
  virConnectClose (conn);
}

/* ---- the fixture: host a, and one guest on it ---- */

typedef struct {
  Ear ear;
  virConnectPtr user; /* somebody else's connection to a */
  virDomainPtr guest; /* through it */
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  g_autofree char *xml = guest_xml ("g1", UUID);

  host_start (&a);
  ear_open (&fixture->ear, a.uri);
  vr_virt_start (fixture->ear.virt);
  wait_until (fixture->ear.connected > 0);
  fixture->ear.disconnected = 0; /* it may just have been started */
  fixture->user = host_connect (&a);
  fixture->guest = virDomainCreateXML (fixture->user, xml, 0);
  if (fixture->guest == NULL)
    g_error ("the guest cannot be started: %s; see /run/a/libvirtd.log", virGetLastErrorMessage ());
  wait_until (ear_find (&fixture->ear, 0, VR_VIRT_STARTED, UUID));
}

static void
forget_user (Fixture *fixture)
{
  g_clear_pointer (&fixture->guest, virDomainFree);
  g_clear_pointer (&fixture->user, virConnectClose);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  forget_user (fixture);
  guest_destroy (&a, UUID);
  ear_close (&fixture->ear);
}

/* The main loop goes round some more times. */
static gboolean
count (gpointer data)
{
  (*(guint *) data)++;
  return G_SOURCE_CONTINUE;
}

static void
assert_main_loop_runs (void)
{
  guint ticks = 0;
  guint id = g_timeout_add (10, count, &ticks);

  wait_until (ticks >= 50);
  g_source_remove (id);
}

/* A look that must be answered by its deadline. */
static void
look_briefly (VrVirt *virt, const char *uuid, Answer *answer)
{
  answer_clear (answer);
  vr_virt_look_async (virt, uuid, 300, NULL, on_looked, answer);
  wait_until (answer->here);
}

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

/* ---- migrations from a to b ---- */

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

/* ---- the world ---- */

static void
write_hook (void)
{
  static const char *const hook = "#!/bin/sh\n"
                                  "[ \"$1 $2\" = \"slow started\" ] || exit 0\n"
                                  ": > /run/held\n"
                                  "while [ -e /run/hold ]; do sleep 0.05; done\n";

  g_assert_cmpint (g_mkdir_with_parents ("/run/a/etc/hooks", 0755), ==, 0);
  g_assert_true (g_file_set_contents ("/run/a/etc/hooks/qemu", hook, -1, NULL));
  g_assert_cmpint (chmod ("/run/a/etc/hooks/qemu", 0755), ==, 0);
}

static void
write_noise (void)
{
  g_autofree guint32 *noise = g_new (guint32, RAM_MIB << 18);
  g_autoptr (GRand) random = g_rand_new_with_seed (1);

  for (guint i = 0; i < RAM_MIB << 18; i++)
    noise[i] = g_rand_int (random);
  g_assert_true (g_file_set_contents ("/run/noise", (const char *) noise, RAM_MIB << 20, NULL));
}

int
main (int argc, char **argv)
{
  int status;

  signal (SIGPIPE, SIG_IGN);
  virt_test_init (&argc, &argv);
  g_assert_cmpint (argc, ==, 2);
  folder = argv[1];
  if (!run ("ip link add br0 type bridge") || !run ("ip link set br0 up"))
    {
      g_print ("1..0 # SKIP this kernel makes no bridges\n");
      return 0;
    }
  write_hook ();
  write_noise ();
  host_start (&b); /* both probe QEMU for some seconds */
#define ADD(path, test, data) g_test_add ("/libvirtd/" path, Fixture, data, set_up, test, tear_down)
  ADD ("events", test_events, NULL);
  ADD ("look", test_look, NULL);
  ADD ("stamp", test_stamp, NULL);
  ADD ("hook-that-hangs", test_hook_hangs, NULL);
#define ADD_MIGRATION(path, test) \
  g_test_add ("/libvirtd/migration/" path, Migration, NULL, migration_set_up, test, migration_tear_down)
  ADD_MIGRATION ("whole", test_migration);
  ADD_MIGRATION ("aborted-before-stop", test_abort_before_stop);
  ADD_MIGRATION ("aborted-after-stop", test_abort_after_stop);
  ADD_MIGRATION ("target-dies-after-stop", test_target_dies);
  ADD_MIGRATION ("post-copy", test_postcopy);
  ADD ("restart", test_restart, GINT_TO_POINTER (SIGTERM));
  ADD ("crash", test_restart, GINT_TO_POINTER (SIGKILL));
  ADD ("hang", test_hang, NULL);
  ADD ("hang-and-die", test_hang_and_die, NULL);
  ADD ("hang-for-long", test_hang_for_long, NULL);
  status = g_test_run ();
  if (a.libvirtd != NULL)
    host_stop (&a, SIGKILL);
  host_stop (&b, SIGKILL);
  return status;
}
