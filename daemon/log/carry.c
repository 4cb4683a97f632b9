/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "carry.h"

#include "daemon/model/chain.h"
#include "log-directory.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

void
vr_carried_clear (VrCarried *carried)
{
  g_clear_pointer (&carried->notes, g_ptr_array_unref);
}

void
vr_carry_note (GPtrArray *notes, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_ptr_array_add (notes, g_strdup_vprintf (format, args));
  va_end (args);
}

static int
compare_entries (gconstpointer a, gconstpointer b)
{
  guint64 left = vr_entry_seq (a), right = vr_entry_seq (b);
  int names = strcmp (vr_entry_writer (a), vr_entry_writer (b));

  return names != 0 ? names : left < right ? -1 : left > right;
}

void
vr_carry_sort (GArray *entries)
{
  g_array_sort (entries, compare_entries);
}

/* ---- out of a directory ---- */

GArray *
vr_carry_from_directory (const char *directory, GPtrArray *notes, GError **error)
{
  /* Read as no host in particular, without inotify: the daemons go on writing meanwhile. */
  VrLogDirectory *all = vr_log_directory_new (directory, "", "", TRUE);
  g_autoptr (GArray) entries = vr_log_entries_new ();
  gboolean more = TRUE, ok = TRUE;

  while (more && ok) {
    VrLogScan *scan = vr_log_scan_new ();

    ok = vr_log_directory_scan (all, scan, error);
    more = scan->more;
    g_array_append_vals (entries, scan->entries->data, scan->entries->len);
    g_array_set_clear_func (scan->entries, NULL); /* they went over */
    if (!more && scan->faults->len > 0)
      vr_carry_note (notes, "%s", scan->faults->str);
    vr_log_scan_free (scan);
  }
  vr_log_directory_free (all);
  if (!ok)
    return NULL;
  vr_carry_sort (entries);
  return g_steal_pointer (&entries);
}

/* ---- text ---- */

char *
vr_carry_to_text (GArray *entries)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < entries->len; i++) {
    g_autofree char *json = vr_entry_to_json (&g_array_index (entries, VrEntry, i));

    g_string_append_printf (text, "%s\n", json);
  }
  return g_string_free (text, FALSE);
}

static gboolean
take_line (GArray *entries, const char *line, GError **error)
{
  VrEntry entry = { NULL };
  const char *fault;

  if (!vr_entry_from_json (line, -1, &entry, error))
    return FALSE;
  fault = entry.guest ? vr_chain_fault (entry.guest) : NULL;
  if (fault) {
    g_set_error_literal (error, VR_RECORD_ERROR, VR_RECORD_ERROR_REFUSED, fault);
    vr_entry_clear (&entry);
    return FALSE;
  }
  g_array_append_val (entries, entry);
  return TRUE;
}

GArray *
vr_carry_from_text (const char *text, const char *name, GError **error)
{
  g_autoptr (GArray) entries = vr_log_entries_new ();
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  for (guint i = 0; lines[i]; i++) {
    if (*lines[i] == '\0')
      continue;
    if (!take_line (entries, lines[i], error)) {
      g_prefix_error (error, "%s, line %u: ", name, i + 1);
      return NULL;
    }
  }
  vr_carry_sort (entries);
  return g_steal_pointer (&entries);
}

/* ---- into a directory ---- */

/* A whole file, durable, under a name that nobody has: FALSE with EEXIST in *errnum if somebody has. */
static gboolean
create_whole (const char *path, const char *text, gsize len, int *errnum, GError **error)
{
  g_autofree char *fresh = g_strdup_printf ("%s.carried-%d", path, getpid ());
  gboolean ok = g_file_set_contents_full (fresh, text, len, G_FILE_SET_CONTENTS_DURABLE, 0644, error);

  *errnum = 0;
  if (ok && link (fresh, path) < 0) {
    *errnum = errno;
    ok = vr_log_fail (error, "create", path, *errnum);
  }
  unlink (fresh);
  return ok;
}

static char *
file_of (GArray *entries, guint first, guint end)
{
  GString *text = g_string_new (NULL);
  /* No machine's: the host's daemon, wherever it runs, takes it for its own. */
  g_autofree char *id = g_uuid_string_random ();
  g_autofree char *header = vr_log_header_make (vr_entry_writer (&g_array_index (entries, VrEntry, first)), "", id);

  g_string_append_printf (text, "%s\n", header);
  for (guint i = first; i < end; i++) {
    g_autofree char *json = vr_entry_to_json (&g_array_index (entries, VrEntry, i)), *line = vr_log_line_make (json);

    g_string_append (text, line);
  }
  return g_string_free (text, FALSE);
}

/* The host has a file: what is in it stays as it is. */
static void
compare_with (GArray *present, GArray *entries, guint first, guint end, const char *path, VrCarried *carried)
{
  const char *writer = vr_entry_writer (&g_array_index (entries, VrEntry, first));
  guint64 last = 0;
  guint refused = 0;

  for (guint i = 0; i < present->len; i++)
    if (strcmp (vr_entry_writer (&g_array_index (present, VrEntry, i)), writer) == 0)
      last = MAX (last, vr_entry_seq (&g_array_index (present, VrEntry, i)));
  for (guint i = first; i < end; i++)
    refused += vr_entry_seq (&g_array_index (entries, VrEntry, i)) > last;
  carried->there += end - first - refused;
  carried->refused += refused;
  if (refused > 0)
    vr_carry_note (carried->notes, "%u records of %s are newer than what %s has, which is left as it is: stop virt-relayd on %s, move that file "
                   "away, and import again", refused, writer, path, writer);
}

static gboolean
carry_host (const char *directory, GArray *present, GArray *entries, guint first, guint end, VrCarried *carried, GError **error)
{
  const char *writer = vr_entry_writer (&g_array_index (entries, VrEntry, first));
  g_autofree char *name = g_strconcat (writer, VR_LOG_FILE_SUFFIX, NULL), *path = g_build_filename (directory, name, NULL);
  g_autofree char *text = file_of (entries, first, end);
  g_autoptr (GError) why = NULL;
  int errnum;

  if (create_whole (path, text, strlen (text), &errnum, &why)) {
    carried->written += end - first;
    return TRUE;
  }
  if (errnum == EEXIST) {
    compare_with (present, entries, first, end, path, carried);
    return TRUE;
  }
  g_set_error (error, VR_LOG_ERROR, VR_LOG_ERROR_STORAGE, "%s", why->message);
  return FALSE;
}

gboolean
vr_carry_into_directory (const char *directory, GArray *entries, VrCarried *carried, GError **error)
{
  g_autoptr (GPtrArray) faults = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GArray) present = vr_carry_from_directory (directory, faults, error);
  guint end;

  if (!present)
    return FALSE;
  carried->notes = g_ptr_array_new_with_free_func (g_free);
  for (guint first = 0; first < entries->len; first = end) {
    const char *writer = vr_entry_writer (&g_array_index (entries, VrEntry, first));

    for (end = first; end < entries->len && strcmp (vr_entry_writer (&g_array_index (entries, VrEntry, end)), writer) == 0; end++)
      ;
    if (!carry_host (directory, present, entries, first, end, carried, error))
      return FALSE;
  }
  return TRUE;
}
