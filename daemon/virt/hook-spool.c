/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files come from virt-relay-hook, which renames them into place when they are whole, so what is there under a final
 * name is an event or garbage. Garbage must not stand in the way of the events behind it, nor be lost to whoever
 * looks for the cause: it is moved aside.
 */
#include "daemon/virt/hook-spool.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_BAD 64
#define HALF_WRITTEN_AGE_S 600 /* the hook's child needs no more for one file */

static gboolean G_GNUC_PRINTF (3, 4)
fail (GError **error, int code, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_propagate_error (error, g_error_new_valist (G_FILE_ERROR, (int) g_file_error_from_errno (code), format, args));
  va_end (args);
  return FALSE;
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

static void
remove_half_written (const char *dir, const char *name)
{
  g_autofree char *path = g_build_filename (dir, name, NULL);
  struct stat status;

  if (lstat (path, &status) == 0 && status.st_mtime < g_get_real_time () / G_USEC_PER_SEC - HALF_WRITTEN_AGE_S)
    g_unlink (path);
}

GPtrArray *
vr_hook_spool_list (const char *dir, guint max, GError **error)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) local_error = NULL;
  g_autoptr (GDir) listing = g_dir_open (dir, 0, &local_error);
  const char *name;

  if (g_error_matches (local_error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
    return g_steal_pointer (&names);
  if (listing == NULL)
    {
      g_propagate_prefixed_error (error, g_steal_pointer (&local_error), "reading the spool of hook events: ");
      return NULL;
    }
  while ((name = g_dir_read_name (listing)) != NULL)
    if (name[0] == '.' && g_str_has_suffix (name, VR_SPOOL_SUFFIX))
      remove_half_written (dir, name);
    else if (strcmp (name, VR_SPOOL_BAD_DIR) != 0)
      g_ptr_array_add (names, g_strdup (name));
  g_ptr_array_sort (names, compare_names);
  if (names->len > max)
    g_ptr_array_set_size (names, (int) max);
  return g_steal_pointer (&names);
}

/* Reads a regular file of root's or our own, whole. */
static char *
read_file (const char *path, gsize *len, GError **error)
{
  const gsize limit = VR_EVENT_MAX_HEADER + VR_EVENT_MAX_XML;
  g_autofree char *data = NULL;
  struct stat status;
  ssize_t got = 1;
  gsize done = 0;
  int fd = open (path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

  if (fd < 0 || fstat (fd, &status) != 0)
    fail (error, errno, "%s", g_strerror (errno));
  else if (!S_ISREG (status.st_mode) || (status.st_uid != 0 && status.st_uid != geteuid ()))
    fail (error, EPERM, "not a regular file of root's");
  else if ((guint64) status.st_size > limit)
    fail (error, EFBIG, "larger than %" G_GSIZE_FORMAT " bytes", limit);
  else
    {
      data = g_malloc ((gsize) status.st_size + 1);
      while (done < (gsize) status.st_size && got > 0)
        {
          got = read (fd, data + done, (gsize) status.st_size - done);
          done += got > 0 ? (gsize) got : 0;
        }
      if (got < 0)
        {
          fail (error, errno, "%s", g_strerror (errno));
          g_clear_pointer (&data, g_free);
        }
    }
  if (fd >= 0)
    close (fd);
  *len = done;
  return g_steal_pointer (&data);
}

/* Keeps the newest MAX_BAD: names sort by time. */
static void
trim_bad (const char *bad_dir)
{
  g_autoptr (GPtrArray) names = vr_hook_spool_list (bad_dir, G_MAXUINT16, NULL);

  for (guint i = 0; names != NULL && i + MAX_BAD < names->len; i++)
    {
      g_autofree char *path = g_build_filename (bad_dir, g_ptr_array_index (names, i), NULL);

      g_remove (path);
    }
}

/* Moves what is no event out of the way and makes *error say where it is now. */
static void
move_aside (const char *dir, const char *name, GError **error)
{
  g_autofree char *path = g_build_filename (dir, name, NULL);
  g_autofree char *bad_dir = g_build_filename (dir, VR_SPOOL_BAD_DIR, NULL);
  g_autofree char *bad_path = g_build_filename (bad_dir, name, NULL);
  g_autofree char *why = g_strdup ((*error)->message);

  if ((g_mkdir (bad_dir, 0700) == 0 || errno == EEXIST) && g_rename (path, bad_path) == 0)
    {
      trim_bad (bad_dir);
      g_prefix_error (error, "%s is no hook event and was moved to %s: ", path, bad_path);
      return;
    }
  g_clear_error (error);
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "%s is no hook event (%s) and cannot be moved to %s; remove it", path,
               why, bad_dir);
}

VrHookEvent *
vr_hook_spool_load (const char *dir, const char *name, GError **error)
{
  g_autofree char *path = g_build_filename (dir, name, NULL);
  g_autoptr (GError) local_error = NULL;
  VrHookEvent *event = NULL;
  gsize len = 0;
  g_autofree char *data = read_file (path, &len, &local_error);

  if (data != NULL)
    event = vr_hook_event_parse (data, len, &local_error);
  if (event != NULL)
    return event;
  if (!g_error_matches (local_error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
    move_aside (dir, name, &local_error);
  g_propagate_error (error, g_steal_pointer (&local_error));
  return NULL;
}

gboolean
vr_hook_spool_remove (const char *dir, const char *name, GError **error)
{
  g_autofree char *path = g_build_filename (dir, name, NULL);

  if (g_unlink (path) == 0 || errno == ENOENT)
    return TRUE;
  return fail (error, errno, "removing %s, whose event was dealt with: %s; it will be handled again, remove it", path,
               g_strerror (errno));
}
