/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "charon.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

static const char *
charon_program (void)
{
  static const char *const places[] = { "/usr/sbin/charon-systemd", "/usr/lib/ipsec/charon", "/usr/libexec/strongswan/charon" };

  for (guint i = 0; i < G_N_ELEMENTS (places); i++)
    if (access (places[i], X_OK) == 0)
      return places[i];
  return NULL;
}

const char *
charon_unavailable (void)
{
  if (geteuid () != 0)
    return "needs root, for network namespaces";
  if (charon_program () == NULL)
    return "needs charon-systemd: run tests/setup";
  if (access ("/dev/net/tun", R_OK) != 0)
    return "needs /dev/net/tun, for kernel-libipsec";
  return NULL;
}

static void
die_with_parent (gpointer data)
{
  prctl (PR_SET_PDEATHSIG, SIGKILL);
}

static GSubprocess *
spawn (const char *env, const char *const *argv)
{
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_SILENCE);
  g_autoptr (GError) error = NULL;
  GSubprocess *process;

  g_subprocess_launcher_set_child_setup (launcher, die_with_parent, NULL, NULL);
  if (env != NULL)
    g_subprocess_launcher_setenv (launcher, "STRONGSWAN_CONF", env, TRUE);
  process = g_subprocess_launcher_spawnv (launcher, argv, &error);
  g_assert_no_error (error);
  return process;
}

static void G_GNUC_NULL_TERMINATED
run (const char *first, ...)
{
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_autoptr (GSubprocess) process = NULL;
  g_autoptr (GError) error = NULL;
  va_list args;

  va_start (args, first);
  for (const char *arg = first; arg != NULL; arg = va_arg (args, const char *))
    g_ptr_array_add (argv, (gpointer) arg);
  va_end (args);
  g_ptr_array_add (argv, NULL);
  process = spawn (NULL, (const char *const *) argv->pdata);
  g_subprocess_wait_check (process, NULL, &error);
  g_assert_no_error (error);
}

static void
write_conf (Charon *charon)
{
  /* short retransmissions: a test that waits for a dead peer waits for 2 s, not for 165 */
  g_autofree char *text = g_strdup_printf (
    "%s {\n"
    "  load = random nonce openssl pem pkcs1 pkcs8 x509 pubkey revocation constraints kdf hmac sha2 sha1 gcm aes"
    " kernel-libipsec kernel-netlink socket-default vici\n"
    "  retransmit_timeout = 0.5\n"
    "  retransmit_tries = 2\n"
    "  plugins {\n"
    "    vici {\n"
    "      socket = %s\n"
    "    }\n"
    "  }\n"
    "  filelog {\n"
    "    test {\n"
    "      path = %s/charon.log\n"
    "      default = 1\n"
    "      flush_line = yes\n"
    "    }\n"
    "  }\n"
    "}\n",
    g_str_has_suffix (charon_program (), "systemd") ? "charon-systemd" : "charon", charon->uri, charon->dir);
  g_autoptr (GError) error = NULL;

  g_file_set_contents (charon->conf, text, -1, &error);
  g_assert_no_error (error);
}

/* Where AppArmor is, Debian's profile lets the installed swanctl read /etc/swanctl and talk to the system's charon only. */
static char *
copy_swanctl (const char *dir)
{
  g_autofree char *installed = g_find_program_in_path ("swanctl");
  char *copy = g_build_filename (dir, "swanctl", NULL);

  g_assert_nonnull (installed);
  run ("cp", installed, copy, NULL);
  return copy;
}

Charon *
charon_new (guint number)
{
  static const char *const addresses[] = { "10.99.0.1", "10.99.0.2" }, *const addresses6[] = { "fd99::1", "fd99::2" };
  /* kernel-libipsec wants an address of its own in each local selector, for the route that it makes */
  static const char hold[] = "ip link set lo up && ip address add 10.$1.0.1/16 dev lo && ip address add fd0$1::1/16 dev lo && "
                             "touch \"$0\" && exec sleep 3600";
  const char *argv[] = { "unshare", "--net", "sh", "-c", hold, NULL, number == 0 ? "1" : "2", NULL };
  Charon *charon = g_new0 (Charon, 1);
  g_autofree char *ready = NULL;

  g_assert_cmpuint (number, <, G_N_ELEMENTS (addresses));
  charon->dir = make_temp_dir ();
  charon->uri = g_strdup_printf ("unix://%s/charon.vici", charon->dir);
  charon->conf = g_build_filename (charon->dir, "strongswan.conf", NULL);
  charon->swanctl = copy_swanctl (charon->dir);
  charon->address = addresses[number];
  charon->address6 = addresses6[number];
  write_conf (charon);

  ready = g_build_filename (charon->dir, "ready", NULL);
  argv[5] = ready;
  charon->holder = spawn (NULL, argv);
  WAIT_FOR (access (ready, F_OK) == 0);
  return charon;
}

void
charon_connect (Charon *one, Charon *two)
{
  const char *pid_one = g_subprocess_get_identifier (one->holder);
  const char *pid_two = g_subprocess_get_identifier (two->holder);
  Charon *both[] = { one, two };

  run ("ip", "link", "add", "link0", "netns", pid_one, "type", "veth", "peer", "name", "link0", "netns", pid_two, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (both); i++)
    {
      const char *pid = g_subprocess_get_identifier (both[i]->holder);
      g_autofree char *address = g_strconcat (both[i]->address, "/24", NULL);
      g_autofree char *address6 = g_strconcat (both[i]->address6, "/64", NULL);

      run ("nsenter", "-t", pid, "-n", "ip", "address", "add", address, "dev", "link0", NULL);
      run ("nsenter", "-t", pid, "-n", "ip", "address", "add", address6, "dev", "link0", "nodad", NULL);
      run ("nsenter", "-t", pid, "-n", "ip", "link", "set", "link0", "up", NULL);
    }
}

void
charon_start (Charon *charon)
{
  const char *argv[] = { "nsenter", "-t", g_subprocess_get_identifier (charon->holder), "-n", charon_program (), NULL };

  g_assert_null (charon->process);
  charon->process = spawn (charon->conf, argv);
}

void
charon_signal (Charon *charon, int signal)
{
  pid_t pid = (pid_t) g_ascii_strtoll (g_subprocess_get_identifier (charon->process), NULL, 10);
  siginfo_t info;

  g_subprocess_send_signal (charon->process, signal);
  if (signal == SIGSTOP) /* its threads run on for a while */
    g_assert_cmpint (waitid (P_PID, (id_t) pid, &info, WSTOPPED), ==, 0);
}

void
charon_kill (Charon *charon)
{
  g_subprocess_force_exit (charon->process);
  g_subprocess_wait (charon->process, NULL, NULL);
  g_clear_object (&charon->process);
}

void
charon_free (Charon *charon)
{
  if (charon->process != NULL)
    charon_kill (charon);
  g_subprocess_force_exit (charon->holder);
  g_subprocess_wait (charon->holder, NULL, NULL);
  g_object_unref (charon->holder);
  remove_temp_dir (charon->dir);
  g_free (charon->dir);
  g_free (charon->uri);
  g_free (charon->conf);
  g_free (charon->swanctl);
  g_free (charon);
}
