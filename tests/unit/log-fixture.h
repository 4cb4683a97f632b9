/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the tests of the migration log share: a directory of their own, a log whose signals are noted down, waiting. With VR_TEST_ETCD the
 * log is the etcd engine's (tests/etcd/place.h), without it the file engine's.
 */
#pragma once

#include "daemon/log/log-file.h"
#include "daemon/log/log.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define UUID "c7a5fdbd-edaf-9455-926a-d65c16db1809"
#define WAIT_SECONDS 120

static inline gboolean
fixture_tick (gpointer data)
{
  return G_SOURCE_CONTINUE;
}

/* Runs the main loop until `condition` holds. */
#define wait_for(condition)                                                                \
  G_STMT_START                                                                             \
  {                                                                                        \
    gint64 deadline_ = g_get_monotonic_time () + WAIT_SECONDS * G_USEC_PER_SEC;            \
    guint tick_ = g_timeout_add (5, fixture_tick, NULL);                                   \
    while (!(condition)) {                                                                 \
      if (g_get_monotonic_time () > deadline_)                                             \
        g_error ("%s:%d: waited in vain for %s", __FILE__, __LINE__, #condition);          \
      g_main_context_iteration (NULL, TRUE);                                               \
    }                                                                                      \
    g_source_remove (tick_);                                                               \
  }                                                                                        \
  G_STMT_END

/* Runs the main loop for a while in which something must not happen; a slow machine makes this weaker, never wrong. */
static inline void
run_for_ms (guint ms)
{
  gint64 end = g_get_monotonic_time () + ms * 1000;
  guint tick = g_timeout_add (5, fixture_tick, NULL);

  while (g_get_monotonic_time () < end)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (tick);
}

/* ---- a directory ---- */

static inline char *
directory_new (void)
{
  GError *error = NULL;
  char *path = g_dir_make_tmp ("vr-log-XXXXXX", &error);

  g_assert_no_error (error);
  return path;
}

static void place_clear_all (const char *dir);

static inline void
directory_free (char *path)
{
  g_autoptr (GDir) dir = NULL;
  const char *name;

  place_clear_all (path);
  dir = g_dir_open (path, 0, NULL);
  while (dir && (name = g_dir_read_name (dir))) {
    g_autofree char *file = g_build_filename (path, name, NULL);

    g_remove (file);
  }
  g_rmdir (path);
  g_free (path);
}

typedef char Directory;
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Directory, directory_free)

static inline char *
file_of (const char *directory, const char *host)
{
  g_autofree char *name = g_strconcat (host, ".log", NULL);

  return g_build_filename (directory, name, NULL);
}

/* Not inline: GCC 12 takes what comes back for a pointer to `text`. */
G_GNUC_UNUSED G_GNUC_NO_INLINE static char *
file_text (const char *path)
{
  char *text = NULL;

  g_file_get_contents (path, &text, NULL, NULL);
  return text;
}

/* FALSE, too, as long as there is no such file. */
G_GNUC_UNUSED G_GNUC_NO_INLINE static gboolean
file_has (const char *path, const char *part)
{
  g_autofree char *text = file_text (path);

  return text && strstr (text, part) != NULL;
}

static inline guint
count_of (const char *text, const char *part)
{
  g_auto (GStrv) parts = g_strsplit (text, part, -1);

  return g_strv_length (parts) - 1;
}

static inline void
file_append (const char *path, const char *text)
{
  FILE *file = fopen (path, "a");

  g_assert_nonnull (file);
  g_assert_cmpint (fputs (text, file), >=, 0);
  g_assert_cmpint (fclose (file), ==, 0);
}

/* A whole file as another host would leave it, with a header and the lines given (NULL-terminated; owned by the caller). */
static inline void
file_write_header (const char *path, const char *host, const char *machine)
{
  g_autofree char *header = vr_log_header_make (host, machine, "1"), *text = g_strconcat (header, "\n", NULL);

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
}

/* ---- records ---- */

static inline VrRecord *
record_new (const char *uuid, const char *owner, guint64 epoch)
{
  VrRecord *record = vr_record_new (uuid, "web1");

  record->owner = g_strdup (owner);
  record->home = g_strdup ("h1");
  record->epoch = epoch;
  return record;
}

/* A record as host `writer` would write it. */
static inline char *
json_of (const char *uuid, const char *writer, guint64 epoch, guint64 seq)
{
  g_autoptr (VrRecord) record = record_new (uuid, writer, epoch);

  record->writer = g_strdup (writer);
  record->seq = seq;
  record->time_us = seq;
  return vr_record_to_json (record);
}

static inline char *
line_of (const char *uuid, const char *writer, guint64 epoch, guint64 seq)
{
  g_autofree char *json = json_of (uuid, writer, epoch, seq);

  return vr_log_line_make (json);
}

static inline void
file_append_record (const char *path, const char *writer, guint64 epoch, guint64 seq)
{
  g_autofree char *line = line_of (UUID, writer, epoch, seq);

  file_append (path, line);
}

/* ---- one file, read without a log ---- */

typedef struct {
  char      *dir, *path;
  VrLogFile *file;    /* of h1; what is damaged at its end is not waited for */
  GArray    *entries; /* of the last read_all() */
} Reader;

static inline Reader *
reader_new (void)
{
  Reader *r = g_new0 (Reader, 1);

  r->dir = directory_new ();
  r->path = file_of (r->dir, "h1");
  r->file = vr_log_file_new (r->dir, "h1");
  r->file->hold_us = 0;
  r->entries = vr_log_entries_new ();
  return r;
}

static inline void
reader_free (Reader *r)
{
  g_array_unref (r->entries);
  vr_log_file_free (r->file);
  g_free (r->path);
  directory_free (r->dir);
  g_free (r);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Reader, reader_free)

/* How many records are new; `batch` at a time. */
static inline guint
read_batches (Reader *r, guint batch)
{
  gboolean more = TRUE;

  g_array_set_size (r->entries, 0);
  while (more) {
    g_autoptr (GError) error = NULL;

    vr_log_file_read (r->file, r->entries, r->entries->len + batch, &more, &error);
    g_assert_no_error (error);
  }
  return r->entries->len;
}

static inline guint
read_all (Reader *r)
{
  return read_batches (r, 1000);
}

static inline guint64
epoch_of (Reader *r, guint i)
{
  return g_array_index (r->entries, VrEntry, i).guest->epoch;
}

static inline void
assert_faults (Reader *r, const char *what)
{
  g_autofree char *faults = vr_log_file_faults (r->file);

  if (what) {
    g_assert_nonnull (faults);
    g_assert_nonnull (strstr (faults, r->path));
    g_assert_nonnull (strstr (faults, what));
  } else {
    g_assert_null (faults);
  }
}

/* ---- the engine under test ---- */

#ifdef VR_TEST_ETCD
#include "tests/etcd/place.h"

static inline void
place_clear_all (const char *dir)
{
  place_clear (dir);
}
#else
#define PLACE_KEEPS_ALL TRUE /* whoever comes late gets each record, not only the last of each writer */

static inline void
place_clear_all (const char *dir)
{
}

static inline VrLog *
place_log (const char *dir, const char *host)
{
  return vr_file_log_new (dir, host);
}

/* A record that `writer` wrote some time. */
static inline void
place_record (const char *dir, const char *uuid, const char *writer, guint64 epoch, guint64 seq)
{
  g_autofree char *path = file_of (dir, writer), *line = line_of (uuid, writer, epoch, seq);

  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    file_write_header (path, writer, "");
  file_append (path, line);
}

/* Where the others see it: an append's end says no less. */
static inline gboolean
place_has_written (const char *dir, const char *host)
{
  return TRUE;
}

/* All that `host` wrote is lost, and so is what it kept for itself. */
static inline void
place_lose (const char *dir, const char *host)
{
  g_autofree char *path = file_of (dir, host);

  g_assert_cmpint (g_remove (path), ==, 0);
}
#endif

/* ---- a log whose signals are noted down ---- */

typedef struct {
  VrLog     *log;
  GPtrArray *guests;   /* of VrRecord, as emitted */
  GPtrArray *hosts;    /* of VrHost */
  GPtrArray *ledgers;  /* of VrLedger */
  gboolean   ready;
  guint      at_ready; /* guests before "ready" */
  GPtrArray *troubles; /* of char*, as emitted */
  /* of the appends made by host_append() */
  guint      asked, done;
  GPtrArray *errors;   /* of GError, of those that failed */
} Host;

static inline void
on_guest (VrLog *log, VrRecord *record, gpointer data)
{
  Host *host = data;

  g_ptr_array_add (host->guests, vr_record_ref (record));
}

static inline void
on_host (VrLog *log, VrHost *record, gpointer data)
{
  Host *host = data;

  g_ptr_array_add (host->hosts, vr_host_ref (record));
}

static inline void
on_ledger (VrLog *log, VrLedger *ledger, gpointer data)
{
  Host *host = data;

  g_ptr_array_add (host->ledgers, vr_ledger_ref (ledger));
}

static inline void
on_ready (VrLog *log, gpointer data)
{
  Host *host = data;

  g_assert_false (host->ready);
  host->ready = TRUE;
  host->at_ready = host->guests->len;
}

static inline void
on_trouble (VrLog *log, const char *what, gpointer data)
{
  Host *host = data;

  g_ptr_array_add (host->troubles, g_strdup (what));
}

/* Takes the log. */
static inline Host *
host_adopt (VrLog *log)
{
  Host *host = g_new0 (Host, 1);

  host->log = log;
  host->guests = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_record_unref);
  host->hosts = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_host_unref);
  host->ledgers = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_ledger_unref);
  host->troubles = g_ptr_array_new_with_free_func (g_free);
  host->errors = g_ptr_array_new_with_free_func ((GDestroyNotify) g_error_free);
  g_signal_connect (host->log, "guest", G_CALLBACK (on_guest), host);
  g_signal_connect (host->log, "host", G_CALLBACK (on_host), host);
  g_signal_connect (host->log, "ledger", G_CALLBACK (on_ledger), host);
  g_signal_connect (host->log, "ready", G_CALLBACK (on_ready), host);
  g_signal_connect (host->log, "trouble", G_CALLBACK (on_trouble), host);
  return host;
}

static inline Host *
host_new (const char *directory, const char *name)
{
  return host_adopt (place_log (directory, name));
}

/* Started, and ready. */
static inline Host *
host_start (const char *directory, const char *name)
{
  Host *host = host_new (directory, name);

  vr_log_start (host->log);
  wait_for (host->ready);
  return host;
}

/* Stops it and waits until no worker thread has it any more, so that nothing of it is left behind. */
static inline void
host_stop (Host *host)
{
  gpointer log = host->log;

  vr_log_stop (host->log);
  g_signal_handlers_disconnect_by_data (host->log, host);
  g_object_add_weak_pointer (log, &log);
  g_object_unref (host->log);
  wait_for (!log);
  g_ptr_array_unref (host->guests);
  g_ptr_array_unref (host->hosts);
  g_ptr_array_unref (host->ledgers);
  g_ptr_array_unref (host->troubles);
  g_ptr_array_unref (host->errors);
  g_free (host);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Host, host_stop)

static inline void
on_appended (GObject *source, GAsyncResult *result, gpointer data)
{
  Host *host = data;
  GError *error = NULL;

  if (!vr_log_append_finish (VR_LOG (source), result, &error))
    g_ptr_array_add (host->errors, error);
  host->done++;
}

static inline void
host_append (Host *host, const char *uuid, guint64 epoch)
{
  g_autoptr (VrRecord) record = record_new (uuid, "h1", epoch);

  host->asked++;
  vr_log_append_async (host->log, record, NULL, on_appended, host);
}

static inline void
host_append_and_wait (Host *host, const char *uuid, guint64 epoch)
{
  host_append (host, uuid, epoch);
  wait_for (host->done == host->asked);
  g_assert_cmpuint (host->errors->len, ==, 0);
}

/* The trouble that stands now. */
static inline const char *
host_trouble (Host *host)
{
  return host->troubles->len > 0 ? host->troubles->pdata[host->troubles->len - 1] : "";
}

static inline const VrRecord *
host_guest (Host *host, guint i)
{
  g_assert_cmpuint (host->guests->len, >, i);
  return host->guests->pdata[i];
}
