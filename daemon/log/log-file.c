/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file is lines; the first is its header, each other one a record. A line is complete when its newline is there, and is taken
 * if its checksum is right, its record is well formed, and the record's writer is the host that the file belongs to.
 *
 * What a reader may meet: an incomplete last line (it is being written, or its writer died: wait, the writer cuts it off);
 * a damaged line with good ones after it (passed over at once); a damaged line at the end (network file systems may show the
 * new length before the data: wait a little, then pass over); another header, or a file shorter than what was read (written
 * anew: start over). The file is opened for each look, since that is when network file systems ask the server.
 */
#include "log-file.h"

#include "daemon/model/json-text.h"

#include <errno.h>
#include <fcntl.h>
#include <json-glib/json-glib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHECKSUM_LEN 16
#define HEADER_MAX 1024
#define FAULTS_SAID 3 /* lines of a file that are named in its trouble; the others are counted */

gboolean
vr_log_write (int fd, const char *data, gsize len)
{
  while (len > 0) {
    ssize_t n = write (fd, data, len);

    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0) {
      errno = n == 0 ? ENOSPC : errno;
      return FALSE;
    }
    data += n;
    len -= n;
  }
  return TRUE;
}

gboolean
vr_log_fail (GError **error, const char *verb, const char *path, int errnum)
{
  const char *cure;

  switch (errnum) {
  case ENOSPC:
  case EDQUOT:
  case EFBIG:
    cure = "make room there";
    break;
  case EROFS:
    cure = "mount it read-write";
    break;
  case EACCES:
  case EPERM:
    cure = "give virt-relayd's user access to it";
    break;
  case ENOENT:
  case ENOTDIR:
  case ESTALE:
    cure = "mount the storage, or create the directory";
    break;
  default:
    cure = "see to the storage";
  }
  g_set_error (error, VR_LOG_ERROR, VR_LOG_ERROR_STORAGE, "cannot %s %s: %s; %s", verb, path, g_strerror (errnum), cure);
  return FALSE;
}

/* ---- lines ---- */

static void
checksum (const char *json, gsize len, char out[CHECKSUM_LEN + 1])
{
  g_autofree char *sum = g_compute_checksum_for_data (G_CHECKSUM_SHA256, (const guchar *) json, len);

  memcpy (out, sum, CHECKSUM_LEN);
  out[CHECKSUM_LEN] = '\0';
}

char *
vr_log_line_make (const char *json)
{
  char sum[CHECKSUM_LEN + 1];

  checksum (json, strlen (json), sum);
  return g_strconcat (sum, " ", json, "\n", NULL);
}

const char *
vr_log_line_json (const char *line, gsize len)
{
  char sum[CHECKSUM_LEN + 1];

  if (len <= CHECKSUM_LEN + 1 || line[CHECKSUM_LEN] != ' ')
    return NULL;
  checksum (line + CHECKSUM_LEN + 1, len - CHECKSUM_LEN - 1, sum);
  return memcmp (sum, line, CHECKSUM_LEN) == 0 ? line + CHECKSUM_LEN + 1 : NULL;
}

char *
vr_log_header_make (const char *host, const char *machine, const char *id)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autofree char *json = NULL, *line = NULL;

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "kind");
  json_builder_add_string_value (builder, "log");
  json_builder_set_member_name (builder, "version");
  json_builder_add_int_value (builder, 1);
  json_builder_set_member_name (builder, "host");
  json_builder_add_string_value (builder, host);
  json_builder_set_member_name (builder, "machine");
  json_builder_add_string_value (builder, machine);
  json_builder_set_member_name (builder, "id");
  json_builder_add_string_value (builder, id);
  json = vr_json_end (builder, FALSE);
  line = vr_log_line_make (json);
  return g_strndup (line, strlen (line) - 1);
}

/* ---- the file ---- */

VrLogFile *
vr_log_file_new (const char *directory, const char *host)
{
  VrLogFile *file = g_new0 (VrLogFile, 1);
  g_autofree char *name = g_strconcat (host, VR_LOG_FILE_SUFFIX, NULL);

  file->path = g_build_filename (directory, name, NULL);
  file->host = g_strdup (host);
  file->line = 1;
  file->hold_us = VR_LOG_FILE_HOLD_US;
  file->faults = g_string_new (NULL);
  return file;
}

void
vr_log_file_free (VrLogFile *file)
{
  if (!file)
    return;
  g_free (file->path);
  g_free (file->host);
  g_free (file->header);
  g_free (file->machine);
  g_string_free (file->faults, TRUE);
  g_free (file);
}

GArray *
vr_log_entries_new (void)
{
  GArray *entries = g_array_new (FALSE, TRUE, sizeof (VrEntry));

  g_array_set_clear_func (entries, (GDestroyNotify) vr_entry_clear);
  return entries;
}

static void
file_fault (VrLogFile *file, const char *what)
{
  if (++file->n_faults > FAULTS_SAID)
    return;
  if (file->faults->len > 0)
    g_string_append (file->faults, "; ");
  g_string_append_printf (file->faults, "%s line %" G_GUINT64_FORMAT ": %s", file->path, file->line, what);
}

char *
vr_log_file_faults (const VrLogFile *file)
{
  if (file->n_faults == 0)
    return NULL;
  if (file->n_faults <= FAULTS_SAID)
    return g_strdup (file->faults->str);
  return g_strdup_printf ("%s; and %u lines more", file->faults->str, file->n_faults - FAULTS_SAID);
}

static void
file_start_over (VrLogFile *file)
{
  file->offset = 0;
  file->line = 1;
  file->skipping = file->alien = FALSE;
  file->held_since_us = 0;
  file->n_faults = 0;
  g_string_truncate (file->faults, 0);
  g_clear_pointer (&file->header, g_free);
  g_clear_pointer (&file->machine, g_free);
}

/* ---- the header ---- */

static const char *
member_string (JsonObject *object, const char *field)
{
  JsonNode *node = json_object_get_member (object, field);

  return node && JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_STRING ? json_node_get_string (node) : "";
}

static gint64
member_int (JsonObject *object, const char *field)
{
  JsonNode *node = json_object_get_member (object, field);

  return node && JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_INT64 ? json_node_get_int (node) : 0;
}

/* What is wrong with the header, or NULL. */
static char *
header_fault (VrLogFile *file, const char *line, gsize len)
{
  const char *json = vr_log_line_json (line, len);
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonNode *root;
  JsonObject *object;

  if (!json)
    return g_strdup ("not the header of a migration log, or damaged; the file is not read. Move it away if it is something else");
  root = json_parser_load_from_data (parser, json, len - (json - line), NULL) ? json_parser_get_root (parser) : NULL;
  if (!root || !JSON_NODE_HOLDS_OBJECT (root) || strcmp (member_string (json_node_get_object (root), "kind"), "log") != 0)
    return g_strdup ("not the header of a migration log; the file is not read. Move it away if it is something else");
  object = json_node_get_object (root);
  if (member_int (object, "version") != 1)
    return g_strdup ("written by a newer virt-relay; the file is not read. Update virt-relay on this host");
  if (strcmp (member_string (object, "host"), file->host) != 0)
    return g_strdup_printf ("this is the log of host \"%s\"; the file is not read. Was it copied? Remove it", member_string (object, "host"));
  file->machine = g_strdup (member_string (object, "machine"));
  return NULL;
}

/* Looks at the header, and starts over if it is not the one that was seen. *complete: it is there. */
static gboolean
file_look_at_header (VrLogFile *file, int fd, guint64 size, gboolean *complete, GError **error)
{
  char line[HEADER_MAX];
  ssize_t n = pread (fd, line, sizeof line, 0);
  const char *end = n > 0 ? memchr (line, '\n', n) : NULL;
  gsize len = end ? end - line : MAX (n, 0);
  g_autofree char *header = NULL, *fault = NULL;

  if (n < 0)
    return vr_log_fail (error, "read", file->path, errno);
  *complete = end || len == sizeof line;
  if (!*complete) {
    file_start_over (file);
    return TRUE;
  }
  header = g_strndup (line, len);
  if (g_strcmp0 (header, file->header) == 0 && size >= file->offset)
    return TRUE;

  file_start_over (file);
  file->header = g_steal_pointer (&header);
  fault = header_fault (file, line, len);
  if (fault)
    file_fault (file, fault);
  file->alien = fault != NULL;
  file->offset = len + 1;
  file->line = 2;
  return TRUE;
}

/* ---- records ---- */

/* Takes one complete line. FALSE: damaged, `what` says how. */
static gboolean
file_take_line (VrLogFile *file, const char *line, gsize len, GArray *entries, char **what)
{
  const char *json = vr_log_line_json (line, len);
  g_auto (VrEntry) entry = { NULL };
  g_autoptr (GError) error = NULL;
  const char *writer;

  if (!json) {
    *what = g_strdup ("its checksum is wrong: the storage damaged it. It is passed over");
    return FALSE;
  }
  if (!vr_entry_from_json (json, len - (json - line), &entry, &error)) {
    *what = g_strdup_printf ("not a record: %s. It is passed over", error->message);
    return FALSE;
  }
  writer = vr_entry_writer (&entry);
  if (strcmp (writer, file->host) != 0) {
    *what = g_strdup_printf ("written by %s, which has no say in this file. It is passed over", writer);
    return FALSE;
  }
  g_array_append_val (entries, entry);
  entry = (VrEntry) { NULL };
  return TRUE;
}

/* The start of the last line with a right checksum, or NULL. */
static const char *
last_good_line (const char *start, const char *end)
{
  const char *newline, *good = NULL;

  for (; (newline = memchr (start, '\n', end - start)); start = newline + 1)
    if (vr_log_line_json (start, newline - start))
      good = start;
  return good;
}

/* May the damaged lines at the end of the file still be on their way? */
static gboolean
file_holds (VrLogFile *file)
{
  gint64 now = g_get_monotonic_time ();

  if (file->held_since_us == 0)
    file->held_since_us = now;
  return now - file->held_since_us < file->hold_us;
}

/*
 * Takes the complete lines in [start, end), the bytes from file->offset on, which go to the file's end or fill the buffer. TRUE:
 * there may be more.
 */
static gboolean
file_take_lines (VrLogFile *file, const char *start, const char *end, gboolean at_end, GArray *entries, guint max)
{
  const char *newline, *good = NULL;
  gboolean good_known = FALSE;

  while (entries->len < max && (newline = memchr (start, '\n', end - start))) {
    g_autofree char *what = NULL;

    if (file->skipping) {
      file->skipping = FALSE;
    } else if (file_take_line (file, start, newline - start, entries, &what)) {
      file->held_since_us = 0;
    } else {
      if (!good_known)
        good = last_good_line (start, end);
      good_known = TRUE;
      if (at_end && (!good || good < start) && file_holds (file))
        return FALSE;
      file_fault (file, what);
    }
    file->offset += newline + 1 - start;
    file->line++;
    start = newline + 1;
  }
  if (entries->len >= max)
    return TRUE;
  if (!at_end && end - start >= VR_LOG_LINE_MAX) {
    if (!file->skipping)
      file_fault (file, "longer than 1 MiB. It is passed over");
    file->skipping = TRUE;
    file->offset += end - start;
  }
  return !at_end;
}

static gboolean
file_read_fd (VrLogFile *file, int fd, GArray *entries, guint max, gboolean *more, GError **error)
{
  g_autofree char *buffer = NULL;
  gboolean complete = FALSE;
  struct stat st;
  ssize_t n;

  if (fstat (fd, &st) < 0)
    return vr_log_fail (error, "read", file->path, errno);
  if (!S_ISREG (st.st_mode)) {
    g_set_error (error, VR_LOG_ERROR, VR_LOG_ERROR_STORAGE, "%s is not a regular file; remove it", file->path);
    return FALSE;
  }
  if (!file_look_at_header (file, fd, st.st_size, &complete, error))
    return FALSE;
  if (!complete || file->alien || (guint64) st.st_size == file->offset)
    return TRUE;

  buffer = g_malloc (VR_LOG_LINE_MAX);
  n = pread (fd, buffer, VR_LOG_LINE_MAX, file->offset);
  if (n < 0)
    return vr_log_fail (error, "read", file->path, errno);
  *more = file_take_lines (file, buffer, buffer + n, n < VR_LOG_LINE_MAX, entries, max);
  return TRUE;
}

gboolean
vr_log_file_read (VrLogFile *file, GArray *entries, guint max, gboolean *more, GError **error)
{
  int fd = open (file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hold us */
  gboolean ok;

  *more = FALSE;
  if (fd < 0)
    return vr_log_fail (error, "open", file->path, errno);
  ok = file_read_fd (file, fd, entries, max, more, error);
  close (fd);
  return ok;
}
