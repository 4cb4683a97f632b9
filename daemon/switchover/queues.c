/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QEMU's file descriptors of the tap are duplicated with pidfd_getfd(). Which they are is said by /proc/PID/fdinfo ("iff: TAP"), which may be
 * read by whoever may trace the process, and by nobody else; that a process has the tap open is also what shows that the file with its pid
 * is not stale.
 *
 * A duplicate shares its flags with QEMU's own, so none is ever changed: reads do not wait because each says so (RWF_NOWAIT), or, on
 * kernels whose taps do not know that, because QEMU set O_NONBLOCK.
 */
#include "queues.h"

#include "outlet.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef TUNGETDEVNETNS
#define TUNGETDEVNETNS _IO ('T', 227)
#endif

struct _VrQueues {
  GArray *fds; /* of int */
  gsize   header_size;
};

void
vr_queues_free (VrQueues *queues)
{
  if (queues == NULL)
    return;
  for (guint i = 0; i < queues->fds->len; i++)
    close (g_array_index (queues->fds, int, i));
  g_array_unref (queues->fds);
  g_free (queues);
}

static void
set_error (GError **error, const char *tap, const char *what, int number)
{
  g_set_error (error, VR_SWITCHOVER_ERROR, VR_SWITCHOVER_ERROR_QUEUES, "cannot have QEMU's queues of %s: %s: %s%s", tap, what,
               g_strerror (number),
               number == EPERM || number == EACCES
                 ? "; this needs CAP_SYS_PTRACE, kernel.yama.ptrace_scope below 3, and the security module's leave to trace QEMU"
                 : "");
}

static int
read_pid (const char *file, const char *tap, GError **error)
{
  g_autofree char *text = NULL;
  g_autoptr (GError) failure = NULL;
  guint64 pid;

  if (file == NULL || !g_file_get_contents (file, &text, NULL, &failure))
    {
      g_set_error (error, VR_SWITCHOVER_ERROR, VR_SWITCHOVER_ERROR_QUEUES, "cannot have QEMU's queues of %s: its process is not known: %s", tap,
                   failure != NULL ? failure->message : "no file names it");
      return -1;
    }
  if (g_ascii_string_to_unsigned (g_strstrip (text), 10, 2, G_MAXINT, &pid, NULL))
    return (int) pid;
  g_set_error (error, VR_SWITCHOVER_ERROR, VR_SWITCHOVER_ERROR_QUEUES, "cannot have QEMU's queues of %s: %s holds no process number", tap, file);
  return -1;
}

/* Does that file descriptor of the process lead to the tap? */
static gboolean
leads_to (const char *folder, const char *fd, const char *tap)
{
  g_autofree char *file = g_build_filename (folder, fd, NULL), *text = NULL;
  const char      *at;

  if (!g_file_get_contents (file, &text, NULL, NULL))
    return FALSE;
  at = strstr (text, "\niff:");
  return at != NULL && g_str_has_prefix (at + 6 + strspn (at + 6, "\t "), tap)
         && strchr ("\n", at[6 + strspn (at + 6, "\t ") + strlen (tap)]) != NULL;
}

/* A tap of the same name in another network namespace is not meant; where that cannot be found out, its name is all there is. */
static gboolean
is_in_other_namespace (int fd)
{
  struct stat theirs, own;
  int         namespace = ioctl (fd, TUNGETDEVNETNS);
  gboolean    other;

  if (namespace < 0)
    return FALSE;
  other = fstat (namespace, &theirs) == 0 && stat ("/proc/thread-self/ns/net", &own) == 0
          && (theirs.st_ino != own.st_ino || theirs.st_dev != own.st_dev);
  close (namespace);
  return other;
}

static gboolean
add (VrQueues *queues, int fd, const char *tap, GError **error)
{
  struct ifreq request = { 0 };
  int          size = 0;

  if (ioctl (fd, TUNGETIFF, &request) < 0
      || ((request.ifr_flags & IFF_VNET_HDR) != 0 && ioctl (fd, TUNGETVNETHDRSZ, &size) < 0))
    {
      set_error (error, tap, "asking for its kind", errno);
      return FALSE;
    }
  if (!g_str_equal (request.ifr_name, tap) || is_in_other_namespace (fd))
    {
      set_error (error, tap, "it is not the one of this network namespace", ENODEV);
      return FALSE;
    }
  queues->header_size = size;
  return TRUE;
}

static gboolean
take (VrQueues *queues, int process, const char *folder, const char *tap, GError **error)
{
  g_autoptr (GError) failure = NULL;
  g_autoptr (GDir) names = g_dir_open (folder, 0, &failure);
  const char *name;

  if (names == NULL)
    {
      g_set_error (error, VR_SWITCHOVER_ERROR, VR_SWITCHOVER_ERROR_QUEUES,
                   "cannot have QEMU's queues of %s: %s; this needs Linux 5.14 and CAP_SYS_PTRACE", tap, failure->message);
      return FALSE;
    }
  while ((name = g_dir_read_name (names)) != NULL)
    {
      int fd;

      if (!leads_to (folder, name, tap))
        continue;
      fd = pidfd_getfd (process, atoi (name), 0);
      if (fd < 0)
        {
          set_error (error, tap, "pidfd_getfd", errno);
          return FALSE;
        }
      g_array_append_val (queues->fds, fd);
      if (!add (queues, fd, tap, error))
        return FALSE;
    }
  if (queues->fds->len == 0)
    set_error (error, tap, folder, ENOENT);
  return queues->fds->len > 0;
}

VrQueues *
vr_queues_open (const char *pid_file, const char *tap, GError **error)
{
  g_autoptr (VrQueues) queues = g_new0 (VrQueues, 1);
  g_autofree char *folder = NULL;
  int pid = read_pid (pid_file, tap, error), process;
  gboolean taken;

  queues->fds = g_array_new (FALSE, FALSE, sizeof (int));
  if (pid < 0)
    return NULL;
  process = pidfd_open (pid, 0);
  if (process < 0)
    {
      set_error (error, tap, "pidfd_open", errno);
      return NULL;
    }
  folder = g_strdup_printf ("/proc/%d/fdinfo", pid);
  taken = take (queues, process, folder, tap, error);
  close (process);
  return taken ? g_steal_pointer (&queues) : NULL;
}

guint
vr_queues_count (const VrQueues *queues)
{
  return queues->fds->len;
}

gsize
vr_queues_header_size (const VrQueues *queues)
{
  return queues->header_size;
}

gssize
vr_queues_read (VrQueues *queues, guint queue, gpointer buffer, gsize size)
{
  int          fd = g_array_index (queues->fds, int, queue);
  struct iovec whole = { buffer, size };
  gssize       got;

  do
    got = preadv2 (fd, &whole, 1, -1, RWF_NOWAIT);
  while (got < 0 && errno == EINTR);
  if (got < 0 && errno == EOPNOTSUPP && (fcntl (fd, F_GETFL) & O_NONBLOCK) != 0)
    got = read (fd, buffer, size);
  return got > 0 ? got : -1;
}
