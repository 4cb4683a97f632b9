/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writing. A record counts when its line is in the file and fsync() said so. Until then nothing is known: a write that failed half-way, or an
 * fsync() that failed, may have left any part of the line, so the file is surveyed before the next write, what is unfinished is cut
 * off, and the line is written again in full (after a failed fsync() the kernel may call lost pages clean, so that asking again
 * proves nothing).
 *
 * Nobody else writes this file. If it is not as the last append left it, and the survey finds records that this host did not write,
 * or its header names another machine, then two hosts have one name: writing ends for good, since the log would tell lies.
 * A file that is shorter or older than it was (a restored backup) is accepted; seq rises all the same (log.c).
 *
 * Compaction writes HOST.log.new and renames it. Of each guest it keeps the record of custody that supersedes the others, the last
 * intent, the last VR_LOG_HISTORY_MAX records, and the last VR_LOG_LEDGERS_MAX parts of ledgers; of the host the last record.
 */
#include "own-file.h"

#include "daemon/model/book.h"
#include "log-engine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-id128.h>
#include <unistd.h>

#define COMPACT_ABOVE (2 * 1024 * 1024)
#define BATCH 1000
G_STATIC_ASSERT (VR_LOG_RECORD_MAX + 100 < VR_LOG_LINE_MAX); /* what is written can be read */

/* So that the file does not show the machine's id itself. */
#define APPLICATION_ID SD_ID128_MAKE (5d, 0c, 6e, 1a, 9b, 7f, 4c, 39, 8a, 02, 63, c4, 1e, b8, d7, 55)

char *
vr_log_machine_id (void)
{
  sd_id128_t id;

  if (sd_id128_get_machine_app_specific (APPLICATION_ID, &id) < 0)
    return g_strdup ("");
  return g_strdup (SD_ID128_TO_STRING (id));
}

VrOwnFile *
vr_own_file_new (const char *directory, const char *host)
{
  VrOwnFile *own = g_new0 (VrOwnFile, 1);
  g_autofree char *name = g_strconcat (host, VR_LOG_FILE_SUFFIX, NULL);

  own->directory = g_strdup (directory);
  own->path = g_build_filename (directory, name, NULL);
  own->host = g_strdup (host);
  own->machine = vr_log_machine_id ();
  own->compact_above = COMPACT_ABOVE;
  return own;
}

void
vr_own_file_free (VrOwnFile *own)
{
  if (!own)
    return;
  g_free (own->directory);
  g_free (own->path);
  g_free (own->host);
  g_free (own->machine);
  g_free (own->header);
  g_free (own);
}

/* ---- system calls ---- */

/* Makes a new name in the directory durable. Some network file systems cannot, and need not. */
static gboolean
sync_directory (const char *directory)
{
  int fd = open (directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC), errnum;
  gboolean ok;

  if (fd < 0)
    return FALSE;
  ok = fsync (fd) == 0 || errno == EINVAL || errno == ENOTSUP;
  errnum = errno;
  close (fd);
  errno = errnum;
  return ok;
}

/* ---- the survey ---- */

typedef struct {
  VrLogFile *file; /* read to its end */
  guint64    last_seq;
  GArray    *entries;
} Survey;

static void
survey_clear (Survey *survey)
{
  g_clear_pointer (&survey->file, vr_log_file_free);
  g_clear_pointer (&survey->entries, g_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Survey, survey_clear)

static gboolean
survey_make (Survey *survey, VrOwnFile *own, gboolean keep_entries, GError **error)
{
  gboolean more = TRUE;

  survey->file = vr_log_file_new (own->directory, own->host);
  survey->file->hold_us = 0;
  survey->entries = vr_log_entries_new ();
  while (more) {
    guint from = keep_entries ? survey->entries->len : 0;

    g_array_set_size (survey->entries, from);
    if (!vr_log_file_read (survey->file, survey->entries, from + BATCH, &more, error))
      return FALSE;
    for (guint i = from; i < survey->entries->len; i++) {
      const VrEntry *entry = &g_array_index (survey->entries, VrEntry, i);

      survey->last_seq = MAX (survey->last_seq, vr_entry_seq (entry));
    }
  }
  if (survey->file->alien || survey->file->skipping) {
    g_set_error (error, VR_LOG_ERROR, VR_LOG_ERROR_STORAGE, "cannot use this host's log: %s",
                 survey->file->faults->len > 0 ? survey->file->faults->str : own->path);
    return FALSE;
  }
  return TRUE;
}

/* ---- repair: from whatever is there to a file that can be appended to ---- */

void
vr_own_file_name_taken (const VrOwnFile *own, const char *why, GError **error)
{
  g_set_error (error, VR_LOG_ERROR, VR_LOG_ERROR_NAME_TAKEN,
               "another machine seems to be host \"%s\" too: %s %s. Give one of them another name in virt-relay.conf, or, if the other "
               "one is gone for good, or this one was installed anew, move the file away; then restart virt-relayd",
               own->host, own->path, why);
}

/* Is `line`, whole, the last thing in the file? */
static gboolean
ends_in (int fd, guint64 size, const char *line)
{
  gsize len = strlen (line);
  g_autofree char *tail = g_malloc (len);

  return size >= len && pread (fd, tail, len, size - len) == (ssize_t) len && memcmp (tail, line, len) == 0;
}

static gboolean
write_header (VrOwnFile *own, int fd, GError **error)
{
  g_autofree char *id = g_uuid_string_random (), *header = vr_log_header_make (own->host, own->machine, id);
  g_autofree char *line = g_strconcat (header, "\n", NULL);

  if (!vr_log_write (fd, line, strlen (line)) || fsync (fd) < 0 || !sync_directory (own->directory))
    return vr_log_fail (error, "write to", own->path, errno);
  g_free (own->header);
  own->header = g_steal_pointer (&header);
  own->size = strlen (line);
  return TRUE;
}

static gboolean
cut_off (VrOwnFile *own, int fd, guint64 size, guint64 keep, char **report, GError **error)
{
  if (size == keep)
    return TRUE;
  if (ftruncate (fd, keep) < 0 || fsync (fd) < 0)
    return vr_log_fail (error, "cut off the incomplete last line of", own->path, errno);
  if (report)
    *report = g_strdup_printf ("cut off %" G_GUINT64_FORMAT " bytes of an incomplete last line from %s: a write was interrupted; "
                               "no record that counted is lost", size - keep, own->path);
  return TRUE;
}

/* `pending`, with its seq, is the line that an earlier try may have left; NULL when the log is opened. */
static gboolean
repair (VrOwnFile *own, int fd, const char *pending, guint64 seq, char **report, GError **error)
{
  g_auto (Survey) survey = { NULL };
  struct stat st;
  guint64 keep;

  if (!survey_make (&survey, own, FALSE, error))
    return FALSE;
  keep = survey.file->offset;
  if (survey.file->machine && *survey.file->machine && *own->machine && strcmp (survey.file->machine, own->machine) != 0) {
    vr_own_file_name_taken (own, "was written on a machine with another machine-id", error);
    return FALSE;
  }
  if (own->opened && survey.last_seq > own->last_seq) {
    if (!pending || survey.last_seq != seq || !ends_in (fd, keep, pending)) {
      vr_own_file_name_taken (own, "has records in it that this one did not write", error);
      return FALSE;
    }
    keep -= strlen (pending);
  }
  if (fstat (fd, &st) < 0)
    return vr_log_fail (error, "read", own->path, errno);
  if (!cut_off (own, fd, st.st_size, keep, report, error))
    return FALSE;
  if (keep == 0) {
    if (!write_header (own, fd, error))
      return FALSE;
  } else {
    g_free (own->header);
    own->header = g_strdup (survey.file->header);
    own->size = keep;
  }
  own->last_seq = MAX (own->last_seq, pending ? 0 : survey.last_seq);
  own->sound = TRUE;
  return TRUE;
}

gboolean
vr_own_file_open (VrOwnFile *own, char **report, GError **error)
{
  int fd = open (own->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644);
  gboolean ok;

  if (fd < 0)
    return vr_log_fail (error, "open", own->path, errno);
  ok = repair (own, fd, NULL, 0, report, error);
  close (fd);
  if (!ok)
    return FALSE;
  own->opened = TRUE;
  return TRUE;
}

/* ---- compaction ---- */

typedef struct {
  const VrEntry *custody, *intent;
  GQueue         last;    /* of const VrEntry */
  GQueue         ledgers; /* of const VrEntry */
} Kept;

static void
kept_free (gpointer data)
{
  Kept *kept = data;

  g_queue_clear (&kept->last);
  g_queue_clear (&kept->ledgers);
  g_free (kept);
}

static Kept *
kept_of (GHashTable *guests, const char *uuid)
{
  Kept *kept = g_hash_table_lookup (guests, uuid);

  if (kept)
    return kept;
  kept = g_new0 (Kept, 1);
  g_queue_init (&kept->last);
  g_queue_init (&kept->ledgers);
  g_hash_table_insert (guests, (gpointer) uuid, kept);
  return kept;
}

static void
keep_last (GQueue *last, const VrEntry *entry, guint max)
{
  g_queue_push_tail (last, (gpointer) entry);
  if (last->length > max)
    g_queue_pop_head (last);
}

static void
keep_guest (GHashTable *guests, const VrEntry *entry)
{
  Kept *kept = kept_of (guests, entry->guest->uuid);

  if (vr_state_is_intent (entry->guest->state))
    kept->intent = entry;
  else if (!kept->custody || vr_record_supersedes (entry->guest, kept->custody->guest))
    kept->custody = entry;
  keep_last (&kept->last, entry, VR_LOG_HISTORY_MAX);
}

/* The set of entries that are not superseded. */
static GHashTable *
entries_to_keep (GArray *entries)
{
  GHashTable *keep = g_hash_table_new (NULL, NULL);
  g_autoptr (GHashTable) guests = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, kept_free);
  const VrEntry *host = NULL;
  GHashTableIter iter;
  gpointer value;

  for (guint i = 0; i < entries->len; i++) {
    const VrEntry *entry = &g_array_index (entries, VrEntry, i);

    if (entry->guest)
      keep_guest (guests, entry);
    else if (entry->ledger)
      keep_last (&kept_of (guests, entry->ledger->uuid)->ledgers, entry, VR_LOG_LEDGERS_MAX);
    else
      host = entry;
  }
  g_hash_table_add (keep, (gpointer) host);
  g_hash_table_iter_init (&iter, guests);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    Kept *kept = value;

    g_hash_table_add (keep, (gpointer) kept->custody);
    g_hash_table_add (keep, (gpointer) kept->intent);
    for (GList *l = kept->last.head; l; l = l->next)
      g_hash_table_add (keep, l->data);
    for (GList *l = kept->ledgers.head; l; l = l->next)
      g_hash_table_add (keep, l->data);
  }
  return keep;
}

static GString *
compacted (VrOwnFile *own, GArray *entries)
{
  g_autoptr (GHashTable) keep = entries_to_keep (entries);
  g_autofree char *id = g_uuid_string_random (), *header = vr_log_header_make (own->host, own->machine, id);
  GString *text = g_string_new (header);

  g_string_append_c (text, '\n');
  for (guint i = 0; i < entries->len; i++) {
    const VrEntry *entry = &g_array_index (entries, VrEntry, i);
    g_autofree char *json = NULL, *line = NULL;

    if (!g_hash_table_contains (keep, entry))
      continue;
    json = vr_entry_to_json (entry);
    line = vr_log_line_make (json);
    g_string_append (text, line);
  }
  return text;
}

static gboolean
replace_file (VrOwnFile *own, const GString *text, GError **error)
{
  g_autofree char *fresh = g_strconcat (own->path, ".new", NULL);
  int fd = open (fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
  gboolean ok;
  int errnum;

  if (fd < 0)
    return vr_log_fail (error, "create", fresh, errno);
  ok = vr_log_write (fd, text->str, text->len) && fsync (fd) == 0;
  errnum = errno;
  close (fd);
  if (ok && rename (fresh, own->path) == 0) {
    sync_directory (own->directory); /* either name leads to a whole log */
    return TRUE;
  }
  errnum = ok ? errno : errnum;
  unlink (fresh);
  return vr_log_fail (error, "write", fresh, errnum);
}

/* Only right after an append, when the file is known to be ours and whole. */
static gboolean
compact (VrOwnFile *own, GError **error)
{
  g_auto (Survey) survey = { NULL };
  g_autoptr (GString) text = NULL;

  own->compact_at = own->size * 2;
  if (!survey_make (&survey, own, TRUE, error))
    return FALSE;
  text = compacted (own, survey.entries);
  if (text->len > own->size / 2)
    return TRUE;
  own->sound = FALSE;
  if (!replace_file (own, text, error))
    return FALSE;
  g_free (own->header);
  own->header = g_strndup (text->str, strchr (text->str, '\n') - text->str);
  own->size = text->len;
  own->compact_at = own->size * 2;
  own->sound = TRUE;
  return TRUE;
}

/* ---- appending ---- */

/* Is the file as the last append left it? */
static gboolean
is_untouched (VrOwnFile *own, int fd)
{
  gsize len = own->header ? strlen (own->header) : 0;
  g_autofree char *header = g_malloc0 (len + 1);
  struct stat st;

  return own->sound && fstat (fd, &st) == 0 && (guint64) st.st_size == own->size &&
         pread (fd, header, len, 0) == (ssize_t) len && strcmp (header, own->header) == 0;
}

static gboolean
append_fd (VrOwnFile *own, int fd, guint64 seq, const char *line, GError **error)
{
  gsize len = strlen (line);
  int errnum;

  if (!is_untouched (own, fd) && !repair (own, fd, line, seq, NULL, error))
    return FALSE;
  own->sound = FALSE;
  if (!vr_log_write (fd, line, len) || fsync (fd) < 0) {
    errnum = errno;
    if (ftruncate (fd, own->size) < 0)
      g_debug ("%s: the incomplete line stays until the next try: %s", own->path, g_strerror (errno));
    return vr_log_fail (error, "append to", own->path, errnum);
  }
  own->size += len;
  own->last_seq = seq;
  own->sound = TRUE;
  return TRUE;
}

gboolean
vr_own_file_append (VrOwnFile *own, guint64 seq, const char *json, GError **error)
{
  g_autofree char *line = vr_log_line_make (json);
  g_autoptr (GError) why = NULL;
  gboolean ok;
  int fd;

  fd = open (own->path, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0 && errno == ENOENT) {
    /* Not created anew: where the storage was unmounted, the record would land beneath the mount point. */
    g_set_error (error, VR_LOG_ERROR, VR_LOG_ERROR_STORAGE,
                 "%s is gone; mount the storage again, or, if the file was removed for good, restart virt-relayd", own->path);
    return FALSE;
  }
  if (fd < 0)
    return vr_log_fail (error, "open", own->path, errno);
  ok = append_fd (own, fd, seq, line, error);
  close (fd);

  if (ok && own->size > MAX (own->compact_above, own->compact_at) && !compact (own, &why))
    g_info ("compaction of the migration log is put off: %s", why->message);
  return ok;
}
