/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two files of lines like those of the file engine, with records of all writers: "known" and "waiting". The first line says whose they
 * are; a file with another first line is of another log, or came from another machine, and is written anew when there is something to
 * write.
 *
 * Known records are appended as they come, and thrown out when they are superseded by a later one of the same writer in the same place.
 * Within the file each writer's records are in the order of seq, so any first part of it is a picture that once was right: a crash that
 * costs its end makes it older, never wrong. Waiting records count once fsync() said so; the file is removed when all of them
 * are where they belong.
 */
#include "log-copy.h"

#include "etcd-keys.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COMPACT_ABOVE (1024 * 1024)

VrLogCopy *
vr_log_copy_new (const char *directory, const char *host, const char *machine, const char *of)
{
  VrLogCopy *copy = g_new0 (VrLogCopy, 1);

  copy->directory = g_strdup (directory);
  copy->known = g_build_filename (directory, "known", NULL);
  copy->waiting = g_build_filename (directory, "waiting", NULL);
  copy->header = vr_log_header_make (host, machine, of);
  copy->compact_at = COMPACT_ABOVE;
  return copy;
}

void
vr_log_copy_free (VrLogCopy *copy)
{
  if (!copy)
    return;
  g_free (copy->directory);
  g_free (copy->known);
  g_free (copy->waiting);
  g_free (copy->header);
  g_free (copy);
}

/* ---- reading ---- */

/* *whole: bytes of the file that are right; 0 if it is not there, or not ours. */
static gboolean
load_file (VrLogCopy *copy, const char *path, GArray *entries, guint64 *whole, GError **error)
{
  g_autofree char *text = NULL;
  g_autoptr (GError) why = NULL;
  const char *line, *newline, *end;
  gsize len;

  *whole = 0;
  if (!g_file_get_contents (path, &text, &len, &why)) {
    if (g_error_matches (why, G_FILE_ERROR, G_FILE_ERROR_NOENT))
      return TRUE;
    g_set_error (error, VR_LOG_ERROR, VR_LOG_ERROR_STORAGE, "cannot read this host's copy of the log: %s", why->message);
    return FALSE;
  }
  end = text + len;
  newline = memchr (text, '\n', len);
  if (!newline || (gsize) (newline - text) != strlen (copy->header) || strncmp (text, copy->header, newline - text) != 0)
    return TRUE;
  for (line = newline + 1; (newline = memchr (line, '\n', end - line)); line = newline + 1) {
    const char *json = vr_log_line_json (line, newline - line);
    VrEntry entry;

    if (!json || !vr_entry_from_json (json, newline - json, &entry, NULL))
      break;
    g_array_append_val (entries, entry);
  }
  *whole = line - text;
  return TRUE;
}

/* Cuts off what a crash left behind the last whole line, so that what is appended can be read. */
static gboolean
mend_file (const char *path, guint64 whole, GError **error)
{
  struct stat st;

  if (stat (path, &st) < 0 || (guint64) st.st_size == whole)
    return TRUE;
  if (truncate (path, whole) < 0)
    return vr_log_fail (error, "cut off a damaged end of", path, errno);
  return TRUE;
}

gboolean
vr_log_copy_load (VrLogCopy *copy, GArray *known, GArray *waiting, GError **error)
{
  guint64 waiting_size;
  struct stat st;

  if (!load_file (copy, copy->known, known, &copy->known_size, error) || !load_file (copy, copy->waiting, waiting, &waiting_size, error))
    return FALSE;
  if (known->len > 0 && stat (copy->known, &st) == 0)
    copy->known_time_us = st.st_mtim.tv_sec * G_USEC_PER_SEC + st.st_mtim.tv_nsec / 1000;
  copy->compact_at = MAX (COMPACT_ABOVE, copy->known_size * 2);
  return mend_file (copy->known, copy->known_size, error) && mend_file (copy->waiting, waiting_size, error);
}

/* ---- writing ---- */

static GString *
lines_of (GPtrArray *json)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < json->len; i++) {
    g_autofree char *line = vr_log_line_make (json->pdata[i]);

    g_string_append (text, line);
  }
  return text;
}

/* A whole new file in place of the old one, durable. */
static gboolean
replace_file (VrLogCopy *copy, const char *path, GPtrArray *json, guint64 *size, GError **error)
{
  g_autoptr (GString) text = lines_of (json);
  g_autoptr (GError) why = NULL;

  g_string_prepend_c (text, '\n');
  g_string_prepend (text, copy->header);
  if (g_mkdir_with_parents (copy->directory, 0700) < 0)
    return vr_log_fail (error, "create", copy->directory, errno);
  if (!g_file_set_contents_full (path, text->str, text->len, G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0600, &why)) {
    g_set_error (error, VR_LOG_ERROR, VR_LOG_ERROR_STORAGE, "cannot write this host's copy of the log: %s", why->message);
    return FALSE;
  }
  *size = text->len;
  return TRUE;
}

/* Appends, durably; what could not be written whole is taken back. *size: of the file, before and after. */
static gboolean
append_file (const char *path, GPtrArray *json, guint64 *size, GError **error)
{
  g_autoptr (GString) text = lines_of (json);
  int fd = open (path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW), errnum;

  if (fd < 0)
    return vr_log_fail (error, "open", path, errno);
  if (!vr_log_write (fd, text->str, text->len) || fsync (fd) < 0) {
    errnum = errno;
    if (ftruncate (fd, *size) < 0)
      g_debug ("%s: the incomplete line stays: %s", path, g_strerror (errno));
    close (fd);
    return vr_log_fail (error, "append to", path, errnum);
  }
  close (fd);
  *size += text->len;
  return TRUE;
}

/* Is the file there, ours, and of a size that is known? *size is its size then. */
static gboolean
is_ours (VrLogCopy *copy, const char *path, guint64 *size)
{
  gsize len = strlen (copy->header);
  g_autofree char *start = g_malloc0 (len + 2);
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  struct stat st;
  gboolean ours;

  if (fd < 0)
    return FALSE;
  ours = fstat (fd, &st) == 0 && pread (fd, start, len + 1, 0) == (ssize_t) len + 1 && strncmp (start, copy->header, len) == 0 &&
         start[len] == '\n';
  *size = ours ? (guint64) st.st_size : 0;
  close (fd);
  return ours;
}

gboolean
vr_log_copy_replace_known (VrLogCopy *copy, GPtrArray *json, GError **error)
{
  if (!replace_file (copy, copy->known, json, &copy->known_size, error))
    return FALSE;
  copy->compact_at = MAX (COMPACT_ABOVE, copy->known_size * 2);
  return TRUE;
}

/* Keeps the last record of each place. */
static gboolean
compact (VrLogCopy *copy, GError **error)
{
  g_autoptr (GArray) entries = vr_log_entries_new ();
  g_autoptr (GHashTable) later = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL); /* places, seen from the end */
  g_autoptr (GPtrArray) kept = g_ptr_array_new_with_free_func (g_free), json = g_ptr_array_new ();
  guint64 whole;

  if (!load_file (copy, copy->known, entries, &whole, error))
    return FALSE;
  for (guint i = entries->len; i > 0; i--) {
    const VrEntry *entry = &g_array_index (entries, VrEntry, i - 1);

    if (g_hash_table_add (later, vr_etcd_key_entry ("", entry)))
      g_ptr_array_add (kept, vr_entry_to_json (entry));
  }
  for (guint i = kept->len; i > 0; i--)
    g_ptr_array_add (json, kept->pdata[i - 1]);
  return vr_log_copy_replace_known (copy, json, error);
}

gboolean
vr_log_copy_add_known (VrLogCopy *copy, GPtrArray *json, GError **error)
{
  if (!is_ours (copy, copy->known, &copy->known_size))
    return vr_log_copy_replace_known (copy, json, error);
  if (!append_file (copy->known, json, &copy->known_size, error))
    return FALSE;
  return copy->known_size <= copy->compact_at || compact (copy, error);
}

gboolean
vr_log_copy_add_waiting (VrLogCopy *copy, GPtrArray *json, GError **error)
{
  guint64 size;

  if (is_ours (copy, copy->waiting, &size))
    return append_file (copy->waiting, json, &size, error);
  return replace_file (copy, copy->waiting, json, &size, error);
}

gboolean
vr_log_copy_drop_waiting (VrLogCopy *copy, GError **error)
{
  if (unlink (copy->waiting) < 0 && errno != ENOENT)
    return vr_log_fail (error, "remove", copy->waiting, errno);
  return TRUE;
}
