/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The migration log over storage that hangs, fills up, fails or goes away. The test's own write(), fsync() and pread() stand
 * before the C library's and do to files of the log what the test says, so that no privilege, mount or waiting is needed.
 */
#undef _FORTIFY_SOURCE
#include "log-fixture.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <systemd/sd-id128.h>

#define UUID2 "22222222-0000-4000-8000-000000000000"

/* ---- storage under the test's control ---- */

static GMutex lock;
static GCond changed;
static gboolean hold_fsync, hold_pread; /* calls wait while this is set */
static guint waiting;                   /* calls that wait */
static int fail_write, fail_fsync;      /* errno, or 0; a failing write writes half of it before */
static guint failed;                    /* calls that failed */

static gboolean
is_log (int fd)
{
  char link[64], path[4096];
  ssize_t n;

  g_snprintf (link, sizeof link, "/proc/self/fd/%d", fd);
  n = readlink (link, path, sizeof path - 1);
  if (n <= 0)
    return FALSE;
  path[n] = '\0';
  return strstr (path, "/vr-log-") && g_str_has_suffix (path, ".log");
}

/* Waits while *hold; then errno that the call shall fail with, or 0. */
static int
passage (int fd, gboolean *hold, int *fail)
{
  int errnum;

  if (!is_log (fd))
    return 0;
  g_mutex_lock (&lock);
  if (*hold) {
    waiting++;
    while (*hold)
      g_cond_wait (&changed, &lock);
    waiting--;
  }
  errnum = fail ? *fail : 0;
  g_mutex_unlock (&lock);
  return errnum;
}

static int
fail_with (int errnum)
{
  g_mutex_lock (&lock);
  failed++;
  g_mutex_unlock (&lock);
  errno = errnum;
  return -1;
}

ssize_t
write (int fd, const void *data, size_t len)
{
  static gboolean never;
  int errnum = passage (fd, &never, &fail_write);

  if (errnum == 0)
    return syscall (SYS_write, fd, data, len);
  if (len > 10) /* the call before the one that fails writes a part */
    return syscall (SYS_write, fd, data, len / 2);
  return fail_with (errnum);
}

int
fsync (int fd)
{
  int errnum = passage (fd, &hold_fsync, &fail_fsync);

  return errnum == 0 ? syscall (SYS_fsync, fd) : fail_with (errnum);
}

ssize_t
pread (int fd, void *data, size_t len, off_t offset)
{
  passage (fd, &hold_pread, NULL);
  return syscall (SYS_pread64, fd, data, len, offset);
}

static void
set_hold (gboolean *hold, gboolean value)
{
  g_mutex_lock (&lock);
  *hold = value;
  g_cond_broadcast (&changed);
  g_mutex_unlock (&lock);
}

static void
set_fail (int *fail, int errnum)
{
  g_mutex_lock (&lock);
  *fail = errnum;
  failed = 0;
  g_mutex_unlock (&lock);
}

static guint
get (guint *counter)
{
  guint value;

  g_mutex_lock (&lock);
  value = *counter;
  g_mutex_unlock (&lock);
  return value;
}

/* A machine-id of the test's own: a machine need not have one, and a container often has none. */
int
sd_id128_get_machine_app_specific (sd_id128_t application, sd_id128_t *id)
{
  *id = application;
  return 0;
}

/* ---- storage that hangs ---- */

static void
test_counts_once_durable (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autofree char *path = file_of (dir, "h1"), *text = NULL;
  g_autoptr (Host) h1 = host_start (dir, "h1");

  host_append_and_wait (h1, UUID, 1); /* the file is open */
  set_hold (&hold_fsync, TRUE);
  host_append (h1, UUID2, 1);
  wait_for (get (&waiting) == 1);
  text = file_text (path);
  g_assert_nonnull (strstr (text, UUID2)); /* the line is there already */
  run_for_ms (200);
  g_assert_cmpuint (h1->done, ==, 1);
  g_assert_cmpuint (h1->guests->len, ==, 1);
  set_hold (&hold_fsync, FALSE);
  wait_for (h1->done == 2);
  g_assert_cmpuint (h1->guests->len, ==, 2);
}

static void
test_write_hangs (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autofree char *path = file_of (dir, "h1");
  g_autoptr (Host) h1 = host_new (dir, "h1");

  g_object_set (h1->log, "deadline-ms", 300, NULL);
  vr_log_start (h1->log);
  host_append_and_wait (h1, UUID, 1);
  set_hold (&hold_fsync, TRUE);
  host_append (h1, UUID, 2);
  wait_for (*host_trouble (h1)); /* the main loop runs all the while */
  g_assert_nonnull (strstr (host_trouble (h1), path));
  set_hold (&hold_fsync, FALSE);
  wait_for (h1->done == 2);
  g_assert_cmpstr (host_trouble (h1), ==, "");
  g_assert_cmpuint (h1->errors->len, ==, 0);
}

static void
test_read_hangs (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autofree char *path = file_of (dir, "h1");
  g_autoptr (Host) h2 = host_new (dir, "h2");

  file_write_header (path, "h1", "m");
  file_append_record (path, "h1", 1, 1);
  set_hold (&hold_pread, TRUE);
  g_object_set (h2->log, "deadline-ms", 300, NULL);
  vr_log_start (h2->log);
  wait_for (strstr (host_trouble (h2), "reading"));
  g_assert_nonnull (strstr (host_trouble (h2), dir));
  g_assert_false (h2->ready);
  set_hold (&hold_pread, FALSE);
  wait_for (h2->ready && !*host_trouble (h2));
  g_assert_cmpuint (h2->guests->len, ==, 1);
}

/* What happens while the directory is read is not missed: no poll comes to the rescue within the test's deadline. */
static void
test_change_while_it_is_read (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autofree char *path = file_of (dir, "h1"), *later = file_of (dir, "h3");
  g_autoptr (Host) h2 = host_new (dir, "h2");

  file_write_header (path, "h1", "m");
  set_hold (&hold_pread, TRUE);
  vr_log_start (h2->log);
  wait_for (get (&waiting) == 2); /* the own file is being opened, and the directory is listed */
  file_write_header (later, "h3", "m");
  file_append_record (later, "h3", 1, 1);
  run_for_ms (200); /* inotify speaks */
  set_hold (&hold_pread, FALSE);
  wait_for (h2->guests->len == 1);
}

static void
test_stop_while_it_hangs (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Host) h1 = host_start (dir, "h1");

  host_append_and_wait (h1, UUID, 1);
  set_hold (&hold_fsync, TRUE);
  host_append (h1, UUID, 2);
  host_append (h1, UUID, 3);
  wait_for (get (&waiting) == 1);
  vr_log_stop (h1->log);
  wait_for (h1->done == 3); /* while it still hangs */
  g_assert_cmpuint (get (&waiting), ==, 1);
  g_assert_cmpuint (h1->errors->len, ==, 2);
  g_assert_error (((GError *) h1->errors->pdata[0]), G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_error (((GError *) h1->errors->pdata[1]), G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpuint (h1->guests->len, ==, 1);
  set_hold (&hold_fsync, FALSE);
}

static void
test_stop_between_tries (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Host) h1 = host_start (dir, "h1");

  host_append_and_wait (h1, UUID, 1);
  set_fail (&fail_fsync, EIO);
  host_append (h1, UUID, 2);
  wait_for (*host_trouble (h1));
  vr_log_stop (h1->log);
  wait_for (h1->done == 2);
  set_fail (&fail_fsync, 0);
  g_assert_cmpuint (h1->errors->len, ==, 1);
  g_assert_error (((GError *) h1->errors->pdata[0]), G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

/* ---- storage that fails ---- */

/* While `fail` is set the append waits and that is said once; afterwards the record is in the file once. */
static void
check_failing (int *fail, int errnum, const char *cure)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autofree char *path = file_of (dir, "h1"), *text = NULL;
  g_autoptr (Host) h1 = host_start (dir, "h1"), h2 = host_start (dir, "h2");

  host_append_and_wait (h1, UUID, 1);
  set_fail (fail, errnum);
  host_append (h1, UUID2, 1);
  host_append (h1, UUID, 2);
  wait_for (get (&failed) >= 4); /* it was tried again */
  g_assert_cmpuint (h1->done, ==, 1);
  g_assert_cmpuint (h1->troubles->len, ==, 1);
  g_assert_nonnull (strstr (host_trouble (h1), path));
  g_assert_nonnull (strstr (host_trouble (h1), g_strerror (errnum)));
  g_assert_nonnull (strstr (host_trouble (h1), cure));
  set_fail (fail, 0);
  wait_for (h1->done == 3 && h2->guests->len == 3);
  g_assert_cmpstr (host_trouble (h1), ==, "");
  g_assert_cmpuint (h1->errors->len, ==, 0);
  wait_for (h2->troubles->len == 0 || *host_trouble (h2) == '\0'); /* it may have read what h1 then took back */
  g_assert_cmpuint (host_guest (h2, 2)->epoch, ==, 2); /* in order */
  text = file_text (path);
  g_assert_cmpuint (count_of (text, UUID2), ==, 1);
}

static void
test_full (void)
{
  check_failing (&fail_write, ENOSPC, "make room");
}

static void
test_fsync_fails (void)
{
  check_failing (&fail_fsync, EIO, "see to the storage");
}

static void
test_read_only (void)
{
  check_failing (&fail_write, EROFS, "read-write");
}

static void
test_full_at_start (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autofree char *path = file_of (dir, "h2"), *own = file_of (dir, "h1"), *text = NULL;
  g_autoptr (Host) h1 = NULL;

  file_write_header (path, "h2", "m");
  file_append_record (path, "h2", 1, 1);
  set_fail (&fail_write, ENOSPC);
  h1 = host_start (dir, "h1"); /* what others wrote is known all the same */
  g_assert_cmpuint (h1->at_ready, ==, 1);
  host_append (h1, UUID2, 1);
  wait_for (*host_trouble (h1));
  set_fail (&fail_write, 0);
  wait_for (h1->done == 1);
  wait_for (!*host_trouble (h1));
  text = file_text (own);
  g_assert_cmpuint (count_of (text, "\n"), ==, 2);
  g_assert_cmpuint (count_of (text, "\"kind\":\"log\""), ==, 1);
}

/* ---- storage that is away ---- */

static void
test_directory_away (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Host) h1 = host_new (dir, "h1");

  g_assert_cmpint (g_rmdir (dir), ==, 0);
  g_assert_true (g_file_set_contents (dir, "in the way", -1, NULL));
  vr_log_start (h1->log);
  host_append (h1, UUID, 1);
  wait_for (strstr (host_trouble (h1), "directory") && strstr (host_trouble (h1), ".log"));
  g_assert_nonnull (strstr (host_trouble (h1), dir));
  g_assert_nonnull (strstr (host_trouble (h1), g_strerror (ENOTDIR)));
  g_assert_false (h1->ready);
  g_assert_cmpint (g_remove (dir), ==, 0);
  g_assert_cmpint (g_mkdir (dir, 0700), ==, 0);
  wait_for (h1->ready && h1->done == 1 && !*host_trouble (h1));
  g_assert_cmpuint (h1->errors->len, ==, 0);
}

static void
test_directory_goes_and_comes (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autofree char *away = g_strconcat (dir, ".away", NULL);
  g_autoptr (Host) h1 = host_start (dir, "h1"), h2 = host_start (dir, "h2");

  host_append_and_wait (h1, UUID, 1);
  g_assert_cmpint (g_rename (dir, away), ==, 0);
  wait_for (*host_trouble (h2));
  host_append (h1, UUID, 2);
  run_for_ms (200);
  g_assert_cmpuint (h1->done, ==, 1);
  g_assert_cmpint (g_rename (away, dir), ==, 0);
  wait_for (h1->done == 2 && h2->guests->len == 2);
  wait_for (!*host_trouble (h1) && !*host_trouble (h2));
}

static void
test_file_gone (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autofree char *path = file_of (dir, "h1"), *aside = g_strconcat (path, ".aside", NULL);
  g_autoptr (Host) h1 = host_start (dir, "h1");

  host_append_and_wait (h1, UUID, 1);
  g_assert_cmpint (g_rename (path, aside), ==, 0);
  host_append (h1, UUID, 2);
  wait_for (*host_trouble (h1));
  g_assert_nonnull (strstr (host_trouble (h1), path));
  g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS)); /* beneath a mount point it would be lost */
  g_assert_cmpint (g_rename (aside, path), ==, 0);
  wait_for (h1->done == 2);
  g_assert_cmpuint (h1->errors->len, ==, 0);
}

/* ---- another machine with our name ---- */

static void
test_name_taken_by_machine (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autofree char *path = file_of (dir, "h1"), *before = NULL, *after = NULL;
  g_autoptr (Host) h1 = host_new (dir, "h1");

  file_write_header (path, "h1", "another-machine");
  file_append_record (path, "h1", 1, 1);
  before = file_text (path);
  vr_log_start (h1->log);
  host_append (h1, UUID, 2);
  wait_for (h1->done == 1);
  g_assert_cmpuint (h1->errors->len, ==, 1);
  g_assert_error (((GError *) h1->errors->pdata[0]), VR_LOG_ERROR, VR_LOG_ERROR_NAME_TAKEN);
  g_assert_nonnull (strstr (host_trouble (h1), path));
  g_assert_nonnull (strstr (host_trouble (h1), "virt-relay.conf"));
  wait_for (h1->ready);
  g_assert_cmpuint (h1->guests->len, ==, 0);
  after = file_text (path);
  g_assert_cmpstr (after, ==, before);
}

static void
test_name_taken_while_idle (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autofree char *path = file_of (dir, "h1");
  g_autoptr (Host) h1 = host_start (dir, "h1");

  host_append_and_wait (h1, UUID, 1);
  file_append_record (path, "h1", 5, host_guest (h1, 0)->seq + 1000);
  wait_for (*host_trouble (h1));
  host_append (h1, UUID, 2);
  wait_for (h1->done == 2);
  g_assert_cmpuint (h1->errors->len, ==, 1);
  g_assert_error (((GError *) h1->errors->pdata[0]), VR_LOG_ERROR, VR_LOG_ERROR_NAME_TAKEN);
  g_assert_cmpuint (h1->guests->len, ==, 1);
}

/* ---- a write that was interrupted ---- */

static void
test_torn_line_of_own (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autofree char *path = file_of (dir, "h1"), *text = NULL;
  g_autoptr (Host) h1 = host_start (dir, "h1"), again = NULL;

  host_append_and_wait (h1, UUID, 1);
  host_stop (g_steal_pointer (&h1));
  file_append (path, "0123456789abcdef {\"kind\":\"gue");
  again = host_start (dir, "h1");
  wait_for (*host_trouble (again));
  g_assert_nonnull (strstr (host_trouble (again), path));
  g_assert_cmpuint (again->guests->len, ==, 1);
  host_append_and_wait (again, UUID, 2);
  g_assert_cmpstr (host_trouble (again), ==, "");
  text = file_text (path);
  g_assert_null (strstr (text, "0123456789abcdef"));
  g_assert_cmpuint (count_of (text, "\n"), ==, 3);
}

static void
test_torn_line_of_other (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autofree char *path = file_of (dir, "h1"), *line = line_of (UUID, "h1", 1, 1);
  g_autofree char *half = g_strndup (line, 40);
  g_autoptr (Host) h2 = NULL;

  file_write_header (path, "h1", "m");
  file_append (path, half);
  h2 = host_start (dir, "h2");
  g_assert_cmpuint (h2->guests->len, ==, 0);
  file_append (path, line + 40);
  wait_for (h2->guests->len == 1);
  g_assert_cmpuint (h2->troubles->len, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/log-storage/counts-once-durable", test_counts_once_durable);
  g_test_add_func ("/log-storage/hangs/write", test_write_hangs);
  g_test_add_func ("/log-storage/hangs/read", test_read_hangs);
  g_test_add_func ("/log-storage/hangs/change-while-read", test_change_while_it_is_read);
  g_test_add_func ("/log-storage/hangs/stop", test_stop_while_it_hangs);
  g_test_add_func ("/log-storage/fails/stop-between-tries", test_stop_between_tries);
  g_test_add_func ("/log-storage/fails/full", test_full);
  g_test_add_func ("/log-storage/fails/fsync", test_fsync_fails);
  g_test_add_func ("/log-storage/fails/read-only", test_read_only);
  g_test_add_func ("/log-storage/fails/full-at-start", test_full_at_start);
  g_test_add_func ("/log-storage/away/directory", test_directory_away);
  g_test_add_func ("/log-storage/away/goes-and-comes", test_directory_goes_and_comes);
  g_test_add_func ("/log-storage/away/file-gone", test_file_gone);
  g_test_add_func ("/log-storage/name-taken/machine", test_name_taken_by_machine);
  g_test_add_func ("/log-storage/name-taken/while-idle", test_name_taken_while_idle);
  g_test_add_func ("/log-storage/torn-line/own", test_torn_line_of_own);
  g_test_add_func ("/log-storage/torn-line/other", test_torn_line_of_other);
  return g_test_run ();
}
