/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virt-relayd as a program: options, signals, what it does where neither libvirt nor charon nor a bus is there. */
#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

#include "daemon/names.h"
#include "netns.h"

#define DEADLINE_S 60
#define CONFIG "/run/virt-relay.conf"
#define NOTIFY "/run/notify"
#define ERRORS "/run/errors" /* what the daemon wrote to stderr */

static void
write_config (const char *more)
{
  g_autofree char *text = g_strconcat ("[host]\nname = h1\nunderlay = 192.0.2.1\nnetworks = 10.9.1.1/24\nbridge = br0\n",
                                       "[libvirt]\nuri = qemu+unix:///system?socket=/run/no-libvirt\n",
                                       "[log]\ndirectory = /run/log\n[tunnel]\npsk-file = /run/psk\nvici-socket = /run/no-charon\n",
                                       more, NULL);
  g_assert_true (g_file_set_contents (CONFIG, text, -1, NULL));
  g_assert_true (g_file_set_contents_full ("/run/psk", "secret\n", -1, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
  g_mkdir ("/run/log", 0700);
}

/* ---- running it to its end ---- */

typedef struct {
  int   status;
  char *out, *err;
} Result;

static void
result_clear (Result *result)
{
  g_clear_pointer (&result->out, g_free);
  g_clear_pointer (&result->err, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Result, result_clear)

static Result
call (const char *arguments)
{
  Result result = { 0 };
  g_autoptr (GError) error = NULL;
  g_autofree char *line = g_strconcat (VIRT_RELAYD " ", arguments, NULL);
  g_assert_true (g_spawn_command_line_sync (line, &result.out, &result.err, &result.status, &error));
  g_assert_no_error (error);
  result.status = WEXITSTATUS (result.status);
  return result;
}

static void
test_no_config (void)
{
  g_auto (Result) result = call ("--config /run/none.conf");
  g_assert_cmpint (result.status, ==, 1);
  g_assert_true (g_str_has_prefix (result.err, "virt-relayd: /run/none.conf is not there: copy "));
}

static void
test_check_config (void)
{
  write_config ("");
  g_auto (Result) result = call ("--check-config --config " CONFIG);
  g_assert_cmpint (result.status, ==, 0);
  g_assert_cmpstr (result.out, ==, CONFIG " is right\n");
}

static void
test_check_config_wrong (void)
{
  write_config ("dpd-delay = soon\n");
  g_auto (Result) result = call ("--check-config --config " CONFIG);
  g_assert_cmpint (result.status, ==, 1);
  g_assert_cmpstr (result.err, ==, "virt-relayd: " CONFIG ": [tunnel] dpd-delay: \"soon\" is not a number of seconds from 1 to 3600\n");
}

static void
test_usage (void)
{
  static const char *const wrong[] = { "--unknown", "argument", "--flush --check-config" };
  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++)
    {
      g_auto (Result) result = call (wrong[i]);
      g_assert_cmpint (result.status, ==, 2);
      g_assert_true (g_str_has_suffix (result.err, "; virt-relayd --help says how to call it\n"));
    }
}

/* ---- running it in the background ---- */

typedef struct {
  GSocket     *notify; /* in systemd's place */
  GSubprocess *process;
} Daemon;

static void
die_with_test (gpointer data)
{
  prctl (PR_SET_PDEATHSIG, SIGKILL);
}

static void
daemon_up (Daemon *daemon)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_NONE);
  g_autoptr (GSocketAddress) address = g_unix_socket_address_new (NOTIFY);
  g_unlink (NOTIFY);
  daemon->notify = g_socket_new (G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_DATAGRAM, G_SOCKET_PROTOCOL_DEFAULT, &error);
  g_assert_no_error (error);
  g_socket_bind (daemon->notify, address, TRUE, &error);
  g_assert_no_error (error);
  g_socket_set_timeout (daemon->notify, DEADLINE_S);

  g_subprocess_launcher_setenv (launcher, "NOTIFY_SOCKET", NOTIFY, TRUE);
  g_subprocess_launcher_setenv (launcher, VR_ENV_SPOOL_DIR, "/run/spool", TRUE);
  g_subprocess_launcher_setenv (launcher, "DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/run/no-bus", TRUE);
  g_subprocess_launcher_set_child_setup (launcher, die_with_test, NULL, NULL);
  g_subprocess_launcher_set_stderr_file_path (launcher, ERRORS);
  daemon->process = g_subprocess_launcher_spawn (launcher, &error, VIRT_RELAYD, "--config", CONFIG, NULL);
  g_assert_no_error (error);
}

/* Waits until systemd is told this, among other things. */
static void
await (Daemon *daemon, const char *told)
{
  char buffer[4096];
  do
    {
      g_autoptr (GError) error = NULL;
      gssize len = g_socket_receive (daemon->notify, buffer, sizeof buffer - 1, NULL, &error);
      g_assert_no_error (error);
      buffer[len] = '\0';
    }
  while (!g_str_has_prefix (buffer, told));
}

static char *
errors (void)
{
  char *text = NULL;
  g_assert_true (g_file_get_contents (ERRORS, &text, NULL, NULL));
  return text;
}

static void
daemon_down (Daemon *daemon, int signal)
{
  g_autoptr (GError) error = NULL;
  g_subprocess_send_signal (daemon->process, signal);
  g_assert_true (g_subprocess_wait (daemon->process, NULL, &error));
  g_assert_true (g_subprocess_get_if_exited (daemon->process));
  g_assert_cmpint (g_subprocess_get_exit_status (daemon->process), ==, 0);
  g_clear_object (&daemon->process);
  g_clear_object (&daemon->notify);
}

/* Neither libvirt nor charon nor a bus: ready all the same, and each is named. */
static void
test_alone (void)
{
  Daemon daemon;
  write_config ("");
  daemon_up (&daemon);
  await (&daemon, "READY=1");
  daemon_down (&daemon, SIGTERM);
  g_autofree char *text = errors ();
  g_assert_nonnull (strstr (text, "virt-relayd: version "));
  g_assert_nonnull (strstr (text, "virt-relayd: warning: libvirt: "));
  g_assert_nonnull (strstr (text, "virt-relayd: warning: no D-Bus API: "));
}

/* Waits until the daemon wrote this. */
static void
await_error (const char *wanted)
{
  for (gint64 end = g_get_monotonic_time () + DEADLINE_S * G_USEC_PER_SEC;;)
    {
      g_autofree char *text = errors ();
      if (strstr (text, wanted) != NULL)
        return;
      if (g_get_monotonic_time () > end)
        g_error ("waited in vain for \"%s\" in: %s", wanted, text);
      g_usleep (10000);
    }
}

/* The log can be read only after libvirt was found to be away: ready then, not when the grace is over. */
static void
test_log_later (void)
{
  Daemon daemon;
  write_config ("");
  g_assert_cmpint (g_rename ("/run/log", "/run/log-later"), ==, 0);
  daemon_up (&daemon);
  await_error ("virt-relayd: warning: libvirt: ");
  await_error ("virt-relayd: warning: migration log: ");
  g_assert_cmpint (g_rename ("/run/log-later", "/run/log"), ==, 0);
  await_error ("virt-relayd: ready\n");
  daemon_down (&daemon, SIGTERM);
}

static void
test_stop (void)
{
  static const int signals[] = { SIGTERM, SIGINT };
  write_config ("");
  for (guint i = 0; i < G_N_ELEMENTS (signals); i++)
    {
      Daemon daemon;
      daemon_up (&daemon);
      await (&daemon, "READY=1");
      g_subprocess_send_signal (daemon.process, signals[i]);
      await (&daemon, "STOPPING=1");
      daemon_down (&daemon, 0);
      g_assert_false (g_file_test (VR_HOOK_SOCKET, G_FILE_TEST_EXISTS));
    }
}

static void
reload (Daemon *daemon)
{
  g_subprocess_send_signal (daemon->process, SIGHUP);
  await (daemon, "RELOADING=1\nMONOTONIC_USEC=");
  await (daemon, "READY=1");
}

static void
test_reload (void)
{
  Daemon daemon;
  write_config ("");
  daemon_up (&daemon);
  await (&daemon, "READY=1");
  reload (&daemon);
  write_config ("dpd-delay = 77\n");
  reload (&daemon);
  write_config ("dpd-delay = soon\n");
  reload (&daemon);
  daemon_down (&daemon, SIGTERM);

  g_autofree char *text = errors ();
  g_assert_nonnull (strstr (text, "virt-relayd: configuration read again: nothing changed\n"));
  g_assert_nonnull (strstr (text, "configuration changed, and counts from the next start on: [tunnel] dpd-delay; systemctl restart"));
  g_assert_nonnull (strstr (text, "configuration not taken, the old one stays: " CONFIG ": [tunnel] dpd-delay: \"soon\" is not"));
}

/* A second one ends, and the first one goes on. */
static void
test_twice (void)
{
  Daemon daemon;
  write_config ("");
  daemon_up (&daemon);
  await (&daemon, "READY=1");
  g_auto (Result) result = call ("--config " CONFIG);
  g_assert_cmpint (result.status, ==, 1);
  g_assert_nonnull (strstr (result.err, "another process listens there"));
  reload (&daemon);
  daemon_down (&daemon, SIGTERM);
}

static void
test_flush (void)
{
  sh ("ip link add vr-h2 group 118 type veth peer name other; ip link set vr-h2 up; ip route add 10.9.1.100/32 dev vr-h2 proto %d",
      VR_ROUTE_PROTOCOL);
  g_auto (Result) result = call ("--flush");
  g_assert_cmpstr (result.err, ==, "");
  g_assert_cmpint (result.status, ==, 0);
  g_autofree char *links = sh_out ("ip -o link; ip route show table all proto %d", VR_ROUTE_PROTOCOL);
  g_assert_null (strstr (links, "vr-h2"));
}

static void
test_flush_while_running (void)
{
  Daemon daemon;
  write_config ("");
  daemon_up (&daemon);
  await (&daemon, "READY=1");
  sh ("ip link add vr-h2 type veth peer name other");
  g_auto (Result) result = call ("--flush");
  g_assert_cmpint (result.status, ==, 1);
  g_assert_nonnull (strstr (result.err, "virt-relayd is running"));
  daemon_down (&daemon, SIGTERM);
}

int
main (int argc, char **argv)
{
  netns_init (&argc, &argv);
  netns_add ("/daemon/no-config", test_no_config);
  netns_add ("/daemon/check-config", test_check_config);
  netns_add ("/daemon/check-config-wrong", test_check_config_wrong);
  netns_add ("/daemon/usage", test_usage);
  netns_add ("/daemon/alone", test_alone);
  netns_add ("/daemon/log-later", test_log_later);
  netns_add ("/daemon/stop", test_stop);
  netns_add ("/daemon/reload", test_reload);
  netns_add ("/daemon/twice", test_twice);
  netns_add ("/daemon/flush", test_flush);
  netns_add ("/daemon/flush-while-running", test_flush_while_running);
  return g_test_run ();
}
