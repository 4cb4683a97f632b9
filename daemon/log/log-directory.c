/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "log-directory.h"

#include <dirent.h>
#include <errno.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define BATCH 1000 /* records of one scan */

VrLogDirectory *
vr_log_directory_new (const char *path, const char *self, const char *machine, gboolean polling)
{
  VrLogDirectory *directory = g_new0 (VrLogDirectory, 1);

  directory->path = g_strdup (path);
  directory->self = g_strdup (self);
  directory->machine = g_strdup (machine);
  directory->files = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) vr_log_file_free);
  directory->inotify = polling ? -1 : inotify_init1 (IN_NONBLOCK | IN_CLOEXEC);
  directory->watch = -1;
  return directory;
}

void
vr_log_directory_free (VrLogDirectory *directory)
{
  if (!directory)
    return;
  if (directory->inotify >= 0)
    close (directory->inotify);
  g_hash_table_unref (directory->files);
  g_free (directory->path);
  g_free (directory->self);
  g_free (directory->machine);
  g_free (directory);
}

VrLogScan *
vr_log_scan_new (void)
{
  VrLogScan *scan = g_new0 (VrLogScan, 1);

  scan->entries = vr_log_entries_new ();
  scan->faults = g_string_new (NULL);
  return scan;
}

void
vr_log_scan_free (VrLogScan *scan)
{
  g_array_unref (scan->entries);
  g_string_free (scan->faults, TRUE);
  g_free (scan);
}

/* Does the kernel hear of every write here? On file systems that several machines share it does not; if in doubt, no. */
static gboolean
is_local (const char *path)
{
  static const guint32 local[] = {
    EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC, F2FS_SUPER_MAGIC, TMPFS_MAGIC, RAMFS_MAGIC, OVERLAYFS_SUPER_MAGIC,
  };
  struct statfs fs;

  if (statfs (path, &fs) < 0)
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (local); i++)
    if ((guint32) fs.f_type == local[i])
      return TRUE;
  return FALSE;
}

/* Storage comes and goes: the directory behind the path may be another one each time. */
static gboolean
watch (VrLogDirectory *directory)
{
  struct stat st;

  if (directory->inotify < 0 || stat (directory->path, &st) < 0)
    return FALSE;
  if (directory->watch >= 0 && st.st_dev == directory->watched_dev && st.st_ino == directory->watched_ino)
    return TRUE;
  if (directory->watch >= 0)
    inotify_rm_watch (directory->inotify, directory->watch);
  directory->watch = inotify_add_watch (directory->inotify, directory->path,
                                        IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF);
  directory->watched_dev = st.st_dev;
  directory->watched_ino = st.st_ino;
  return directory->watch >= 0;
}

/* The hosts that have a file. */
static GPtrArray *
list_hosts (VrLogDirectory *directory, GError **error)
{
  g_autoptr (GPtrArray) hosts = g_ptr_array_new_with_free_func (g_free);
  DIR *dir = opendir (directory->path);
  struct dirent *found;

  if (!dir) {
    vr_log_fail (error, "read the directory", directory->path, errno);
    return NULL;
  }
  while ((found = readdir (dir))) {
    g_autofree char *host = NULL;

    if (!g_str_has_suffix (found->d_name, VR_LOG_FILE_SUFFIX))
      continue;
    host = g_strndup (found->d_name, strlen (found->d_name) - strlen (VR_LOG_FILE_SUFFIX));
    if (vr_host_name_is_valid (host))
      g_ptr_array_add (hosts, g_steal_pointer (&host));
  }
  closedir (dir);
  return g_steal_pointer (&hosts);
}

static gboolean
is_gone (gpointer host, gpointer file, gpointer hosts)
{
  return !g_ptr_array_find_with_equal_func (hosts, host, g_str_equal, NULL);
}

static void
add_fault (VrLogScan *scan, const char *what)
{
  if (scan->faults->len > 0)
    g_string_append (scan->faults, "; ");
  g_string_append (scan->faults, what);
}

static void
scan_file (VrLogDirectory *directory, VrLogScan *scan, VrLogFile *file)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *faults = NULL;
  guint before = scan->entries->len;
  gboolean more = FALSE;

  if (before >= BATCH)
    scan->more = TRUE;
  else if (!vr_log_file_read (file, scan->entries, BATCH, &more, &error))
    add_fault (scan, error->message);
  scan->more |= more;
  scan->soon |= file->held_since_us != 0;
  faults = vr_log_file_faults (file);
  if (faults)
    add_fault (scan, faults);
  if (strcmp (file->host, directory->self) == 0 && file->machine && *file->machine && *directory->machine &&
      strcmp (file->machine, directory->machine) != 0)
    g_array_set_size (scan->entries, before);
}

gboolean
vr_log_directory_scan (VrLogDirectory *directory, VrLogScan *scan, GError **error)
{
  gboolean watched = watch (directory); /* before looking, so that nothing happens unseen in between */
  g_autoptr (GPtrArray) hosts = list_hosts (directory, error);

  if (!hosts)
    return FALSE;
  g_hash_table_foreach_remove (directory->files, is_gone, hosts);
  for (guint i = 0; i < hosts->len; i++) {
    VrLogFile *file = g_hash_table_lookup (directory->files, hosts->pdata[i]);

    if (!file) {
      file = vr_log_file_new (directory->path, hosts->pdata[i]);
      g_hash_table_insert (directory->files, file->host, file);
    }
    scan_file (directory, scan, file);
  }
  scan->soon |= scan->faults->len > 0 || !watched || !is_local (directory->path);
  return TRUE;
}
