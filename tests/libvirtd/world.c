/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "world.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#define RAM_MIB 24

Host a = { "a", "1", "qemu+unix:///system?socket=/run/a/run/libvirt-sock" };
Host b = { "b", "2", "qemu+unix:///system?socket=/run/b/run/libvirt-sock" };
static const char *folder;

/* ---- hosts ---- */

void
host_start (Host *host)
{
  g_autofree char *script = g_build_filename (folder, "host", NULL);
  g_autoptr (GError) error = NULL;

  if (host->libvirtd != NULL)
    return;
  host->libvirtd = g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_SILENCE, &error, script, host->name, host->number, NULL);
  g_assert_no_error (error);
}

void
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
void
host_freeze (Host *host)
{
  g_autofree char *tasks = g_strdup_printf ("/proc/%s/task", g_subprocess_get_identifier (host->libvirtd));

  host_signal (host, SIGSTOP);
  wait_until (all_frozen (tasks));
}

void
host_stop (Host *host, int number)
{
  host_signal (host, number);
  g_assert_true (g_subprocess_wait (host->libvirtd, NULL, NULL));
  g_clear_object (&host->libvirtd);
}

virConnectPtr
host_connect (Host *host)
{
  virConnectPtr conn = virConnectOpen (host->uri);

  g_assert_nonnull (conn);
  return conn;
}

/* Runs a program to its end; whether it succeeded. */
gboolean
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

char *
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
void
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

void
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

void
forget_user (Fixture *fixture)
{
  g_clear_pointer (&fixture->guest, virDomainFree);
  g_clear_pointer (&fixture->user, virConnectClose);
}

void
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

void
assert_main_loop_runs (void)
{
  guint ticks = 0;
  guint id = g_timeout_add (10, count, &ticks);

  wait_until (ticks >= 50);
  g_source_remove (id);
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

gboolean
world_up (int *argc, char ***argv)
{
  signal (SIGPIPE, SIG_IGN);
  virt_test_init (argc, argv);
  g_assert_cmpint (*argc, ==, 2);
  folder = (*argv)[1];
  if (!run ("ip link add br0 type bridge") || !run ("ip link set br0 up"))
    {
      g_print ("1..0 # SKIP this kernel makes no bridges\n");
      return FALSE;
    }
  write_hook ();
  write_noise ();
  return TRUE;
}

void
world_down (void)
{
  if (a.libvirtd != NULL)
    host_stop (&a, SIGKILL);
  if (b.libvirtd != NULL)
    host_stop (&b, SIGKILL);
}
