/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "harness.h"

#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static gboolean
on_tick (gpointer data)
{
  return G_SOURCE_CONTINUE;
}

guint
harness_start_ticking (void)
{
  return g_timeout_add (5, on_tick, NULL);
}

void
wait_for_connection (VrVici *vici)
{
  gint64 end = g_get_monotonic_time () + 30 * G_USEC_PER_SEC;
  guint tick = harness_start_ticking ();

  while (!vr_vici_is_connected (vici) && g_get_monotonic_time () < end)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (tick);
  if (!vr_vici_is_connected (vici))
    g_error ("not connected: %s", vr_vici_trouble (vici));
}

void
harness_run_for (guint ms)
{
  gint64 end = g_get_monotonic_time () + (gint64) ms * 1000;
  guint tick = harness_start_ticking ();

  while (g_get_monotonic_time () < end)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (tick);
}

static void
on_connected (VrVici *vici, Watched *watched)
{
  g_assert_true (vr_vici_is_connected (vici));
  g_assert_null (vr_vici_trouble (vici));
  watched->n_connected++;
}

static void
on_disconnected (VrVici *vici, const GError *why, Watched *watched)
{
  g_assert_false (vr_vici_is_connected (vici));
  g_assert_cmpstr (vr_vici_trouble (vici), ==, why->message);
  watched->n_disconnected++;
  g_clear_error (&watched->why);
  watched->why = g_error_copy (why);
}

static void
on_ike_updown (VrVici *vici, gboolean up, const VrViciIkeSa *ike, Watched *watched)
{
  if (up)
    watched->n_ike_up++;
  else
    watched->n_ike_down++;
}

static void
on_child_updown (VrVici *vici, gboolean up, const VrViciIkeSa *ike, const VrViciChildSa *child, Watched *watched)
{
  if (!up)
    {
      watched->n_child_down++;
      return;
    }
  watched->n_child_up++;
  g_free (watched->last_ike);
  g_free (watched->last_child);
  g_free (watched->last_remote_ts);
  watched->last_ike = g_strdup (ike->name);
  watched->last_child = g_strdup (child->name);
  watched->last_remote_ts = g_strjoinv (" ", child->remote_ts);
}

static void
on_ike_rekey (VrVici *vici, const VrViciIkeSa *old, const VrViciIkeSa *new, Watched *watched)
{
  g_assert_cmpuint (old->unique_id, !=, new->unique_id);
  watched->n_ike_rekey++;
}

static void
on_child_rekey (VrVici *vici, const VrViciIkeSa *ike, const VrViciChildSa *old, const VrViciChildSa *new, Watched *watched)
{
  g_assert_cmpuint (old->unique_id, !=, new->unique_id);
  g_assert_cmpstr (old->name, ==, new->name);
  watched->n_child_rekey++;
}

static void
on_log (VrVici *vici, const char *ike, guint64 unique_id, const char *line, Watched *watched)
{
  g_string_append_printf (watched->log, "%s: %s\n", ike, line);
}

Watched *
watched_new (const char *uri, guint hang_ms)
{
  Watched *watched = g_new0 (Watched, 1);

  if (g_getenv ("VIRT_RELAY_VICI_WORKER") == NULL)
    g_error ("VIRT_RELAY_VICI_WORKER must name the vici-worker that was built; \"meson test\" sets it");
  watched->log = g_string_new (NULL);
  watched->vici = g_object_new (VR_TYPE_VICI, "uri", uri, "probe-ms", 100, "hang-ms", hang_ms, NULL);
  g_signal_connect (watched->vici, "connected", G_CALLBACK (on_connected), watched);
  g_signal_connect (watched->vici, "disconnected", G_CALLBACK (on_disconnected), watched);
  g_signal_connect (watched->vici, "ike-updown", G_CALLBACK (on_ike_updown), watched);
  g_signal_connect (watched->vici, "child-updown", G_CALLBACK (on_child_updown), watched);
  g_signal_connect (watched->vici, "ike-rekey", G_CALLBACK (on_ike_rekey), watched);
  g_signal_connect (watched->vici, "child-rekey", G_CALLBACK (on_child_rekey), watched);
  g_signal_connect (watched->vici, "log", G_CALLBACK (on_log), watched);
  return watched;
}

Watched *
watched_new_connected (const char *uri, guint hang_ms)
{
  Watched *watched = watched_new (uri, hang_ms);

  wait_for_connection (watched->vici);
  return watched;
}

void
watched_free (Watched *watched)
{
  if (watched->vici != NULL)
    {
      vr_vici_close (watched->vici);
      g_signal_handlers_disconnect_by_data (watched->vici, watched);
      g_assert_finalize_object (watched->vici);
    }
  g_clear_error (&watched->why);
  g_free (watched->last_ike);
  g_free (watched->last_child);
  g_free (watched->last_remote_ts);
  g_string_free (watched->log, TRUE);
  g_free (watched);
}

void
answered (GObject *source, GAsyncResult *result, gpointer data)
{
  Answer *answer = data;

  answer->n_calls++;
  g_assert_cmpuint (answer->n_calls, ==, 1);
  answer->result = g_object_ref (result);
}

void
answer_clear (Answer *answer)
{
  g_clear_object (&answer->result);
  answer->n_calls = 0;
}

void
expect_success (VrVici *vici, Answer *answer)
{
  g_autoptr (GError) error = NULL;
  gboolean done;

  WAIT_FOR (answer->result != NULL);
  done = vr_vici_finish (vici, answer->result, &error);
  g_assert_no_error (error);
  g_assert_true (done);
  answer_clear (answer);
}

void
expect_error (VrVici *vici, Answer *answer, GQuark domain, int code, const char *part)
{
  g_autoptr (GError) error = NULL;

  WAIT_FOR (answer->result != NULL);
  g_assert_null (g_task_propagate_pointer (G_TASK (answer->result), &error));
  g_assert_error (error, domain, code);
  g_test_message ("%s", error->message);
  if (strstr (error->message, part) == NULL)
    g_error ("\"%s\" does not say \"%s\"", error->message, part);
  answer_clear (answer);
}

void
load_psk (VrVici *vici, const char *id, const char *const *owners, const char *secret)
{
  g_auto (Answer) answer = { 0 };
  g_autoptr (GBytes) bytes = g_bytes_new (secret, strlen (secret));

  vr_vici_load_shared (vici, id, owners, bytes, 0, NULL, answered, &answer);
  expect_success (vici, &answer);
}

GPtrArray *
list_sas (VrVici *vici, const char *ike)
{
  g_auto (Answer) answer = { 0 };
  g_autoptr (GError) error = NULL;
  GPtrArray *sas;

  vr_vici_list_sas (vici, ike, 0, NULL, answered, &answer);
  WAIT_FOR (answer.result != NULL);
  sas = vr_vici_list_sas_finish (vici, answer.result, &error);
  g_assert_no_error (error);
  return sas;
}

char **
list_conns (VrVici *vici)
{
  g_auto (Answer) answer = { 0 };
  g_autoptr (GError) error = NULL;
  char **conns;

  vr_vici_list_conns (vici, 0, NULL, answered, &answer);
  WAIT_FOR (answer.result != NULL);
  conns = vr_vici_list_conns_finish (vici, answer.result, &error);
  g_assert_no_error (error);
  return conns;
}

char *
version (VrVici *vici)
{
  g_auto (Answer) answer = { 0 };
  g_autoptr (GError) error = NULL;
  char *text;

  vr_vici_version (vici, 0, NULL, answered, &answer);
  WAIT_FOR (answer.result != NULL);
  text = vr_vici_version_finish (vici, answer.result, &error);
  g_assert_no_error (error);
  return text;
}

GBytes *
output_of (const char *const *argv, const char *dir)
{
  g_autoptr (GSubprocessLauncher) launcher =
    g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_SILENCE);
  g_autoptr (GSubprocess) process = NULL;
  g_autoptr (GError) error = NULL;
  GBytes *output = NULL;

  if (dir != NULL)
    g_subprocess_launcher_set_cwd (launcher, dir);
  process = g_subprocess_launcher_spawnv (launcher, argv, &error);
  g_assert_no_error (error);
  g_subprocess_communicate (process, NULL, NULL, &output, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (g_subprocess_get_successful (process));
  return output;
}

/* From /proc/PID/stat: "PID (NAME) STATE PPID ..." */
GArray *
worker_pids (void)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc", 0, NULL);
  g_autofree char *wanted = g_strdup_printf (" %d ", (int) getpid ());
  GArray *pids = g_array_new (FALSE, FALSE, sizeof (int));
  const char *name;

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename ("/proc", name, "stat", NULL);
      g_autofree char *stat = NULL;
      int pid = atoi (name);
      const char *end;

      if (pid == 0 || !g_file_get_contents (path, &stat, NULL, NULL) || strstr (stat, "(vici-worker)") == NULL)
        continue;
      end = strrchr (stat, ')');
      if (g_str_has_prefix (end + 3, wanted) && end[2] != 'Z')
        g_array_append_val (pids, pid);
    }
  return pids;
}

char *
make_temp_dir (void)
{
  g_autoptr (GError) error = NULL;
  char *dir = g_dir_make_tmp ("vr-charon-XXXXXX", &error);

  g_assert_no_error (error);
  return dir;
}

void
remove_temp_dir (const char *dir)
{
  g_autoptr (GDir) handle = g_dir_open (dir, 0, NULL);
  const char *name;

  while (handle != NULL && (name = g_dir_read_name (handle)) != NULL)
    {
      g_autofree char *path = g_build_filename (dir, name, NULL);

      g_unlink (path);
    }
  g_rmdir (dir);
}
