/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a check may look at: files below the patient's root, programs' answers, its configuration. */
#include "cli/doctor/doctor.h"

#include <string.h>

char *
vr_patient_path (const VrPatient *patient, const char *path)
{
  return g_strconcat (patient->root, path, NULL);
}

char *
vr_patient_read (const VrPatient *patient, const char *path)
{
  g_autofree char *full = vr_patient_path (patient, path);
  char *text = NULL;
  return g_file_get_contents (full, &text, NULL, NULL) ? g_strstrip (text) : NULL;
}

gboolean
vr_patient_exists (const VrPatient *patient, const char *path)
{
  g_autofree char *full = vr_patient_path (patient, path);
  return g_file_test (full, G_FILE_TEST_EXISTS);
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

char **
vr_patient_list (const VrPatient *patient, const char *folder)
{
  g_autofree char *full = vr_patient_path (patient, folder);
  g_autoptr (GDir) dir = g_dir_open (full, 0, NULL);
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  for (const char *name = dir != NULL ? g_dir_read_name (dir) : NULL; name != NULL; name = g_dir_read_name (dir))
    g_ptr_array_add (names, g_strdup (name));
  g_ptr_array_sort (names, compare_names);
  g_ptr_array_add (names, NULL);
  return (char **) g_ptr_array_free (g_steal_pointer (&names), FALSE);
}

char *
vr_patient_run (const VrPatient *patient, const char *program, ...)
{
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  gboolean ok = FALSE;
  va_list words;
  g_ptr_array_add (argv, (gpointer) program);
  va_start (words, program);
  for (const char *word = va_arg (words, const char *); word != NULL; word = va_arg (words, const char *))
    g_ptr_array_add (argv, (gpointer) word);
  va_end (words);
  g_ptr_array_add (argv, NULL);

  g_autofree char *out = patient->run ((const char *const *) argv->pdata, &ok, patient->run_data);
  return ok ? g_steal_pointer (&out) : NULL;
}

char *
vr_patient_config (const VrPatient *patient, const char *group, const char *key, const char *otherwise)
{
  g_autofree char *value = g_key_file_get_string (patient->config, group, key, NULL);
  if (value != NULL)
    g_strstrip (value);
  return value != NULL && *value != '\0' ? g_steal_pointer (&value) : g_strdup (otherwise);
}

/* ---- programs ---- */

typedef struct {
  GSubprocess *process;
  char        *out;
  gboolean     done, late;
} Run;

static void
on_done (GObject *source, GAsyncResult *result, gpointer data)
{
  Run *run = data;
  g_subprocess_communicate_utf8_finish (G_SUBPROCESS (source), result, &run->out, NULL, NULL);
  run->done = TRUE;
}

static gboolean
on_late (gpointer data)
{
  Run *run = data;
  run->late = TRUE;
  g_subprocess_force_exit (run->process);
  return G_SOURCE_CONTINUE;
}

char *
vr_run_program (const char *const *argv, gboolean *ok, gpointer data)
{
  g_autoptr (GSubprocessLauncher) launcher
    = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_SILENCE);
  g_subprocess_launcher_setenv (launcher, "LC_ALL", "C", TRUE);
  g_autoptr (GSubprocess) process = g_subprocess_launcher_spawnv (launcher, argv, NULL);
  *ok = FALSE;
  if (process == NULL)
    return NULL;

  Run run = { .process = process };
  guint deadline = g_timeout_add_seconds (VR_PROGRAM_DEADLINE_S, on_late, &run);
  g_subprocess_communicate_utf8_async (process, NULL, NULL, on_done, &run);
  while (!run.done)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (deadline);
  g_subprocess_wait (process, NULL, NULL);
  *ok = !run.late && g_subprocess_get_successful (process);
  if (run.late)
    g_clear_pointer (&run.out, g_free);
  return run.out;
}
