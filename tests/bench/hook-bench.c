/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long libvirt waits for virt-relay-hook: from posix_spawn() until it has been reaped, with the XML of a guest on
 * its standard input, RUNS times with the daemon's listener answering (in this process, on another thread than the
 * one that measures), and RUNS times with nobody there, so that the event goes to a spool on this disk. After each run
 * one of /bin/true, which is what starting any program costs at that moment; "more" is what the hook takes beyond it,
 * pair by pair. One line on standard output.
 *
 *     hook-bench RUNS XMLFILE
 */
#include "daemon/names.h"
#include "daemon/virt/hook-listener.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct {
  guint runs;
  char *xml;
  gsize xml_len;
  GMainLoop *loop;
  struct Times *daemon, *spool;
} Bench;

/* All sorted, in ms. */
typedef struct Times {
  double *hook, *nothing, *more; /* more: of each pair */
} Times;

/* One run, in ms. */
static double
run_once (const Bench *bench, const char *program)
{
  char *argv[] = { (char *) program, (char *) "guest", (char *) "migrate", (char *) "begin", (char *) "-", NULL };
  posix_spawn_file_actions_t actions;
  int ends[2], status = 0;
  gint64 begin;
  pid_t pid;

  if (pipe2 (ends, O_CLOEXEC) != 0)
    g_error ("no pipe");
  posix_spawn_file_actions_init (&actions);
  posix_spawn_file_actions_adddup2 (&actions, ends[0], STDIN_FILENO);
  posix_spawn_file_actions_addopen (&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0); /* "the spool is slow": the times say so */
  begin = g_get_monotonic_time ();
  if (posix_spawn (&pid, program, &actions, NULL, argv, environ) != 0)
    g_error ("%s cannot be run", program);
  close (ends[0]);
  (void) !write (ends[1], bench->xml, bench->xml_len); /* it fits into the pipe; /bin/true does not read it */
  close (ends[1]);
  if (waitpid (pid, &status, 0) != pid || status != 0)
    g_error ("%s failed", program);
  posix_spawn_file_actions_destroy (&actions);
  return (double) (g_get_monotonic_time () - begin) / 1000;
}

static int
compare (const void *a, const void *b)
{
  const double left = *(const double *) a, right = *(const double *) b;

  return left < right ? -1 : left > right;
}

/* Pairs of the hook and /bin/true; `after` (nullable) is called after each hook. */
static Times *
run_pairs (const Bench *bench, void (*after) (const char *), const char *data)
{
  Times *times = g_new (Times, 1);

  *times = (Times) { g_new (double, bench->runs), g_new (double, bench->runs), g_new (double, bench->runs) };
  for (guint i = 0; i < bench->runs; i++)
    {
      times->hook[i] = run_once (bench, VIRT_RELAY_HOOK);
      if (after != NULL)
        after (data);
      times->nothing[i] = run_once (bench, "/bin/true");
      times->more[i] = times->hook[i] - times->nothing[i];
    }
  qsort (times->hook, bench->runs, sizeof (double), compare);
  qsort (times->nothing, bench->runs, sizeof (double), compare);
  qsort (times->more, bench->runs, sizeof (double), compare);
  return times;
}

static gpointer
measure_with_daemon (gpointer data)
{
  Bench *bench = data;

  bench->daemon = run_pairs (bench, NULL, NULL);
  g_main_loop_quit (bench->loop);
  return NULL;
}

static void
on_event (VrHookListener *listener, VrHookEvent *event, gpointer counter)
{
  ++*(guint *) counter;
}

static void
print (const Bench *bench, const char *what, const Times *times)
{
  const struct {
    const char   *name;
    const double *ms;
  } parts[] = { { "", times->hook }, { "/bin/true ", times->nothing }, { "more ", times->more } };

  g_print (", %s:", what);
  for (guint i = 0; i < G_N_ELEMENTS (parts); i++)
    g_print ("%s %smedian %.2f ms p99 %.2f ms", i > 0 ? "," : "", parts[i].name, parts[i].ms[bench->runs / 2], parts[i].ms[bench->runs * 99 / 100]);
}

static void
empty (const char *spool)
{
  g_autoptr (GDir) dir = g_dir_open (spool, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (spool, name, NULL);

      if (name[0] != '.') /* a file that is still being written */
        g_unlink (path);
    }
}

/* The spool is emptied as it goes, or the last runs would find it full. */
static Times *
measure_spool (const Bench *bench, const char *spool)
{
  Times *times = run_pairs (bench, empty, spool);

  for (guint i = 0; i < 100 && g_rmdir (spool) != 0; i++) /* where the disk was slow, a hook's child still writes */
    {
      empty (spool);
      g_usleep (50000);
    }
  return times;
}

int
main (int argc, char **argv)
{
  Bench bench = { .loop = g_main_loop_new (NULL, FALSE) };
  g_autofree char *dir = g_dir_make_tmp ("hook-bench-XXXXXX", NULL);
  g_autofree char *socket = g_build_filename (dir, "hook.sock", NULL), *spool = g_build_filename (dir, "spool", NULL);
  g_autoptr (VrHookListener) listener = NULL;
  guint answered = 0;

  if (argc != 3 || (bench.runs = (guint) atoi (argv[1])) < 1 ||
      !g_file_get_contents (argv[2], &bench.xml, &bench.xml_len, NULL) || bench.xml_len > 32 * 1024)
    {
      g_printerr ("usage: hook-bench RUNS XMLFILE (at most 32 KiB)\n");
      return 2;
    }
  g_setenv (VR_ENV_HOOK_SOCKET, socket, TRUE);
  g_setenv (VR_ENV_SPOOL_DIR, spool, TRUE);
  signal (SIGPIPE, SIG_IGN);
  listener = vr_hook_listener_new (NULL, NULL);
  g_signal_connect (listener, "event", G_CALLBACK (on_event), &answered);
  if (!vr_hook_listener_start (listener, NULL))
    g_error ("the listener does not start");
  g_thread_unref (g_thread_new ("measure", measure_with_daemon, &bench));
  g_main_loop_run (bench.loop);
  vr_hook_listener_stop (listener);
  bench.spool = measure_spool (&bench, spool);
  g_print ("hook-bench: %u runs, %" G_GSIZE_FORMAT " bytes of XML, %u answered", bench.runs, bench.xml_len, answered);
  print (&bench, "daemon there", bench.daemon);
  print (&bench, "daemon away", bench.spool);
  g_print ("\n");
  g_rmdir (dir);
  return 0;
}
