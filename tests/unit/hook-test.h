/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of hook and listener share: a scratch directory with socket and spool, events, waiting for a condition. */
#pragma once

#include "daemon/virt/hook-event.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>

/* Longer than any slow machine takes; a test that gets there has failed. */
#define PATIENCE_S 60

typedef struct {
  char *dir, *socket, *spool;
} Scratch;

static inline void
remove_tree (const char *path)
{
  g_autoptr (GDir) dir = g_file_test (path, G_FILE_TEST_IS_SYMLINK) ? NULL : g_dir_open (path, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, name, NULL);

      remove_tree (child);
    }
  g_remove (path);
}

static inline void
scratch_set_up (Scratch *scratch, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  scratch->dir = g_dir_make_tmp ("virt-relay-test-XXXXXX", &error);
  g_assert_no_error (error);
  scratch->socket = g_build_filename (scratch->dir, "hook.sock", NULL);
  scratch->spool = g_build_filename (scratch->dir, "spool", NULL);
}

static inline void
scratch_tear_down (Scratch *scratch, gconstpointer data)
{
  remove_tree (scratch->dir);
  g_free (scratch->dir);
  g_free (scratch->socket);
  g_free (scratch->spool);
}

/* How many entries a directory has that do not begin with a dot; 0 when it is not there. */
static inline guint
count_files (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;
  guint n = 0;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    n += name[0] != '.';
  return n;
}

static inline gboolean
on_out_of_patience (gpointer what)
{
  g_error ("no end of waiting for: %s", (const char *) what);
  return G_SOURCE_REMOVE;
}

/* Runs the main loop until the condition holds. */
#define WAIT_UNTIL(condition)                                                                       \
  G_STMT_START                                                                                      \
  {                                                                                                 \
    guint patience_ = g_timeout_add_seconds (PATIENCE_S, on_out_of_patience, (gpointer) #condition); \
    guint tick_ = g_timeout_add (5, wait_tick, NULL);                                               \
    while (!(condition))                                                                            \
      g_main_context_iteration (NULL, TRUE);                                                        \
    g_source_remove (tick_);                                                                        \
    g_source_remove (patience_);                                                                    \
  }                                                                                                 \
  G_STMT_END

static inline gboolean
wait_tick (gpointer data)
{
  return G_SOURCE_CONTINUE;
}

/* An event as the hook writes it. */
static inline char *
event_text (const char *guest, const char *operation, gint64 time_us, const char *xml)
{
  return g_strdup_printf (VR_EVENT_MAGIC "\nguest: %s\noperation: %s\nsub-operation: begin\nreason: -\ntime: %" G_GINT64_FORMAT
                          "\nlength: %" G_GSIZE_FORMAT "\n\n%s", guest, operation, time_us, strlen (xml), xml);
}
