/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The migration log on file systems that fill up, turn read-only and hang: real ones, in a mount namespace of the test's own. What hangs is a
 * FUSE file system whose process is stopped, as a share is whose server went silent; another host sees the folder behind it, like that
 * server's other clients. That the test goes on at all shows that nothing in the main loop waits.
 */
#include "log-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#define KIB 1024
#define SIZE (256 * KIB) /* of the small file system */

/* ---- a small file system ---- */

static char *
small_new (void)
{
  char *dir = directory_new ();

  g_assert_cmpint (mount ("vr-test", dir, "tmpfs", 0, "size=256k"), ==, 0);
  return dir;
}

static void
small_free (char *dir)
{
  g_assert_cmpint (umount2 (dir, MNT_DETACH), ==, 0);
  directory_free (dir);
}

typedef char Small;
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Small, small_free)

static char *
fill (const char *dir)
{
  char *path = g_build_filename (dir, "somebody-elses", NULL), block[KIB] = { 0 };
  int fd = open (path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

  g_assert_cmpint (fd, >=, 0);
  while (write (fd, block, sizeof block) > 0)
    ;
  g_assert_cmpint (errno, ==, ENOSPC);
  close (fd);
  return path;
}

/* All `n` records that were asked for are there, in order, for whoever reads the directory afresh. */
static void
assert_all_there (const char *dir, guint n)
{
  g_autoptr (Host) late = host_start (dir, "h9");

  wait_for (late->guests->len == n);
  for (guint i = 0; i < n; i++)
    g_assert_cmpuint (host_guest (late, i)->epoch, ==, i + 1);
}

/* Fills what is left of its file system's last page, too: from there on nothing goes in. */
static guint
append_until_full (Host *host)
{
  guint epoch = 1;

  while (*host_trouble (host) == '\0') {
    host_append (host, UUID, ++epoch);
    wait_for (host->done == host->asked || *host_trouble (host));
    g_assert_cmpuint (epoch, <, SIZE / 100);
  }
  return epoch;
}

/* Is the host's own file made? It may be ready before. */
static gboolean
has_file (const char *dir, const char *name)
{
  g_autofree char *path = g_build_filename (dir, name, NULL);
  GStatBuf info;

  return g_stat (path, &info) == 0 && info.st_size > 0;
}

static void
test_full (void)
{
  g_autoptr (Small) dir = small_new ();
  g_autoptr (Host) h1 = host_start (dir, "h1"), h2 = host_start (dir, "h2");
  g_autofree char *path = NULL;
  guint last;

  wait_for (has_file (dir, "h2.log"));
  host_append_and_wait (h1, UUID, 1);
  path = fill (dir);
  last = append_until_full (h1);
  g_assert_nonnull (strstr (host_trouble (h1), g_strerror (ENOSPC)));
  host_append (h1, UUID, last + 1);
  wait_for (h2->guests->len == last - 1); /* which reads all that counts, and nothing torn */
  g_assert_cmpstr (host_trouble (h2), ==, "");
  g_assert_cmpuint (h1->done, ==, h1->asked - 2);

  g_assert_cmpint (g_remove (path), ==, 0);
  wait_for (h1->done == h1->asked && h2->guests->len == last + 1 && *host_trouble (h1) == '\0');
  g_assert_cmpuint (h1->errors->len, ==, 0);
  assert_all_there (dir, last + 1);
}

static void
test_read_only (void)
{
  g_autoptr (Small) dir = small_new ();
  g_autoptr (Host) h1 = host_start (dir, "h1"), h2 = host_start (dir, "h2");

  host_append_and_wait (h1, UUID, 1);
  wait_for (h2->guests->len == 1 && has_file (dir, "h2.log"));
  g_assert_cmpint (mount (NULL, dir, NULL, MS_REMOUNT | MS_RDONLY, NULL), ==, 0);
  host_append (h1, UUID, 2);
  wait_for (strstr (host_trouble (h1), g_strerror (EROFS)));
  g_assert_cmpstr (host_trouble (h2), ==, ""); /* reading goes on */
  g_assert_cmpint (mount (NULL, dir, NULL, MS_REMOUNT, NULL), ==, 0);
  wait_for (h1->done == 2 && h2->guests->len == 2 && *host_trouble (h1) == '\0');
  assert_all_there (dir, 2);
}

/* ---- a share that hangs ---- */

typedef struct {
  char *behind, *dir; /* the folder, and where it is seen through the share */
  GPid  server;
} Share;

static void
in_child (gpointer data)
{
  prctl (PR_SET_PDEATHSIG, SIGKILL);
}

static gboolean
is_mounted (const char *dir)
{
  struct statfs fs;

  return statfs (dir, &fs) == 0 && (guint32) fs.f_type == FUSE_SUPER_MAGIC;
}

static Share *
share_new (void)
{
  Share *share = g_new0 (Share, 1);
  g_autoptr (GError) error = NULL;

  share->behind = directory_new ();
  share->dir = directory_new ();
  const char *argv[] = { "bindfs", "-f", "-o", "attr_timeout=0,entry_timeout=0", share->behind, share->dir, NULL };
  g_spawn_async (NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, in_child, NULL, &share->server, &error);
  g_assert_no_error (error);
  wait_for (is_mounted (share->dir));
  return share;
}

static void
share_free (Share *share)
{
  kill (share->server, SIGCONT);
  g_assert_cmpint (umount2 (share->dir, MNT_DETACH), ==, 0);
  kill (share->server, SIGKILL);
  waitpid (share->server, NULL, 0);
  g_spawn_close_pid (share->server);
  directory_free (share->dir);
  directory_free (share->behind);
  g_free (share);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Share, share_free)

static void
share_signal (Share *share, int signum)
{
  int status;

  g_assert_cmpint (kill (share->server, signum), ==, 0);
  if (signum == SIGSTOP)
    g_assert_cmpint (waitpid (share->server, &status, WUNTRACED), ==, share->server); /* from here on it does nothing */
}

/* `what`: "reading" or "writing": each has a deadline of its own */
static gboolean
hangs (Host *host, const char *what)
{
  return strstr (host_trouble (host), what) != NULL && strstr (host_trouble (host), "is its storage away?") != NULL;
}

static Host *
host_on (const char *dir, const char *name)
{
  Host *host = host_new (dir, name);

  g_object_set (host->log, "deadline-ms", 300, NULL);
  vr_log_start (host->log);
  return host;
}

static void
test_hangs (void)
{
  g_autoptr (Share) share = share_new ();
  g_autoptr (Host) h1 = host_on (share->dir, "h1"), h2 = host_start (share->behind, "h2");

  wait_for (h1->ready);
  host_append_and_wait (h1, UUID, 1);
  wait_for (h2->guests->len == 1);
  share_signal (share, SIGSTOP);
  host_append (h1, UUID, 2);
  host_append (h1, UUID, 3);
  wait_for (hangs (h1, "writing ") && hangs (h1, "reading "));
  g_assert_cmpuint (h1->done, ==, 1);
  g_assert_cmpuint (h2->guests->len, ==, 1);
  g_assert_cmpstr (host_trouble (h2), ==, ""); /* the other one works */

  share_signal (share, SIGCONT);
  wait_for (h1->done == 3 && h2->guests->len == 3 && *host_trouble (h1) == '\0');
  g_assert_cmpuint (h1->errors->len, ==, 0);
  assert_all_there (share->behind, 3);
}

/* What comes late is read when it can be; inotify says nothing here. */
static void
test_hangs_for_the_reader (void)
{
  g_autoptr (Share) share = share_new ();
  g_autoptr (Host) h1 = host_on (share->dir, "h1"), h2 = host_start (share->behind, "h2");

  wait_for (h1->ready);
  share_signal (share, SIGSTOP);
  wait_for (hangs (h1, "reading ")); /* it looks by itself */
  host_append_and_wait (h2, UUID, 1);
  share_signal (share, SIGCONT);
  wait_for (h1->guests->len == 1 && *host_trouble (h1) == '\0');
}

static void
test_hangs_at_start (void)
{
  g_autoptr (Share) share = share_new ();
  g_autoptr (Host) h1 = NULL;

  share_signal (share, SIGSTOP);
  h1 = host_on (share->dir, "h1");
  host_append (h1, UUID, 1);
  wait_for (hangs (h1, "writing ") && hangs (h1, "reading "));
  g_assert_false (h1->ready);
  g_assert_cmpuint (h1->done, ==, 0);
  share_signal (share, SIGCONT);
  wait_for (h1->ready && h1->done == 1 && *host_trouble (h1) == '\0');
}

static gboolean
has_fuse (void)
{
  g_autofree char *bindfs = g_find_program_in_path ("bindfs");

  return bindfs && g_access ("/dev/fuse", R_OK | W_OK) == 0;
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  if (unshare (CLONE_NEWNS) < 0 || mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
    g_print ("1..0 # SKIP no mount namespace: %s; be root\n", g_strerror (errno));
    return 77;
  }
  g_test_add_func ("/log-mounts/full", test_full);
  g_test_add_func ("/log-mounts/read-only", test_read_only);
  if (has_fuse ()) {
    g_test_add_func ("/log-mounts/hangs/writer", test_hangs);
    g_test_add_func ("/log-mounts/hangs/reader", test_hangs_for_the_reader);
    g_test_add_func ("/log-mounts/hangs/at-start", test_hangs_at_start);
  } else {
    g_test_message ("what hangs needs /dev/fuse and bindfs: left out");
  }
  return g_test_run ();
}
