/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The migration log: can it be reached, do all hosts write into it, and do their clocks agree? */
#include "cli/doctor/doctor.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/show.h"
#include "daemon/names.h"

/* ---- reached, and written by all ---- */

static void
check_directory (const VrPatient *patient, const char *directory, GPtrArray *findings)
{
  g_autofree char *full = vr_patient_path (patient, directory);
  g_autofree char *cure = g_strdup_printf ("mount its storage, or mkdir %s", directory);
  if (!g_file_test (full, G_FILE_TEST_IS_DIR))
    vr_found (findings, "log", VR_CHECK_FAILURE, cure, "the migration log's directory %s is not there", directory);
  else if (access (full, W_OK) < 0 && geteuid () == 0)
    vr_found (findings, "log", VR_CHECK_FAILURE, "mount its storage for writing", "the migration log's directory %s cannot be written", directory);
}

/* The daemon's own check of each endpoint, a line each: "ENDPOINT: the PART fails: MESSAGE". One that serves is enough. */
static void
check_etcd (const VrPatient *patient, GPtrArray *findings)
{
  static const char *const argv[] = { "virt-relayd", "--check-log", NULL };
  static const char cure[] = "[log] endpoints, ca, user and the like in " VR_CONFIG_FILE "; virt-relayd --check-log looks again";
  gboolean serves = FALSE;
  g_autofree char *said = patient->run (argv, &serves, patient->run_data);
  g_auto (GStrv) lines = g_strsplit (said != NULL ? said : "", "\n", -1);
  guint before = findings->len;
  for (guint i = 0; lines[i] != NULL; i++)
    if (strstr (lines[i], " fails: ") != NULL)
      {
        g_autofree char *text = vr_show_text (lines[i]);
        vr_found (findings, "log", serves ? VR_CHECK_WARNING : VR_CHECK_FAILURE, cure, "etcd at %s", text);
      }
  if (!serves && findings->len == before)
    vr_found (findings, "log", VR_CHECK_FAILURE, "virt-relayd --check-log", "whether etcd can be used could not be told: virt-relayd --check-log does not end well");
}

static gboolean
is_known (const VrPatient *patient, const char *name)
{
  for (gsize i = 0; i < g_variant_n_children (patient->hosts); i++)
    {
      g_autoptr (GVariant) host = g_variant_get_child_value (patient->hosts, i);
      if (g_str_equal (vr_item_text (host, "name", ""), name))
        return TRUE;
    }
  return FALSE;
}

/* A host that another one wants to reach, and that never wrote. */
static void
check_missing (const VrPatient *patient, GPtrArray *findings)
{
  g_autoptr (GHashTable) said = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  for (gsize i = 0; i < g_variant_n_children (patient->hosts); i++)
    {
      g_autoptr (GVariant) host = g_variant_get_child_value (patient->hosts, i);
      g_auto (GStrv) reach = NULL;
      g_variant_lookup (host, "reach", "^as", &reach);
      for (guint k = 0; reach != NULL && reach[k] != NULL; k++)
        if (!g_str_equal (reach[k], "*") && !is_known (patient, reach[k]) && g_hash_table_add (said, g_strdup (reach[k])))
          vr_found (findings, "log", VR_CHECK_FAILURE,
                    "is virt-relayd started there, its [host] name spelt so, and its [log] the same as here?",
                    "%s wants to reach %s, which never wrote into the migration log", vr_item_text (host, "name", "-"), reach[k]);
    }
}

/* When each host wrote last, as far as the log's records tell. */
static char *
last_words (const VrPatient *patient)
{
  GString *words = g_string_new (NULL);
  for (gsize i = 0; i < g_variant_n_children (patient->hosts); i++)
    {
      g_autoptr (GVariant) host = g_variant_get_child_value (patient->hosts, i);
      const char *name = vr_item_text (host, "name", "-");
      gint64 last = 0;
      for (gsize k = 0; k < g_variant_n_children (patient->records); k++)
        {
          g_autoptr (GVariant) record = g_variant_get_child_value (patient->records, k);
          if (g_str_equal (vr_item_text (record, "writer", ""), name))
            last = MAX (last, vr_item_time (record, "time"));
        }
      g_autofree char *age = last != 0 ? vr_show_duration (patient->now_us - last) : NULL;
      g_autofree char *shown = vr_show_text (name);
      g_string_append_printf (words, "%s%s %s%s", words->len > 0 ? ", " : "", shown, age != NULL ? age : "about no guest yet",
                              age != NULL ? " ago" : "");
    }
  return g_string_free (words, FALSE);
}

void
vr_check_log (const VrPatient *patient, GPtrArray *findings)
{
  g_autofree char *directory = vr_patient_config (patient, "log", "directory", VR_LOG_DIR);
  g_autofree char *engine = vr_patient_config (patient, "log", "engine", "file");
  guint before = findings->len;
  if (vr_unseen (patient, "log", findings))
    return;
  if (g_str_equal (engine, "etcd"))
    check_etcd (patient, findings);
  else
    check_directory (patient, directory, findings);
  if (patient->hosts == NULL || patient->records == NULL)
    {
      if (findings->len == before)
        vr_found (findings, "log", VR_CHECK_WARNING, "systemctl start virt-relayd", "what is in the migration log is not known: only virt-relayd reads it");
      return;
    }
  check_missing (patient, findings);
  if (findings->len > before)
    return;
  g_autofree char *words = last_words (patient);
  vr_found (findings, "log", VR_CHECK_OK, NULL, "it can be reached; hosts wrote: %s", words);
}

/* ---- clocks ---- */

#define CLOCKS_MAY_DIFFER_US (2 * G_USEC_PER_SEC)
#define LONG_AGO_US (24 * 3600 * (gint64) G_USEC_PER_SEC) /* a clock that was wrong then may be right now */

/*
 * A record from the future shows a clock that is ahead of this one; a guest's next record of another writer that seems older than the one
 * that it follows shows two clocks that differ by at least that much.
 */
typedef struct {
  char  *who;
  gint64 apart_us;
} Worst;

static void
worse (Worst *worst, gint64 apart_us, char *who /* taken */)
{
  if (apart_us <= worst->apart_us)
    {
      g_free (who);
      return;
    }
  g_free (worst->who);
  worst->who = who;
  worst->apart_us = apart_us;
}

/* An intent stands beside the chain, and may be written late. */
static gboolean
is_intent (GVariant *record)
{
  const char *state = vr_item_text (record, "state", "");
  return g_str_equal (state, "incoming") || g_str_equal (state, "withdrawn");
}

/* It is the epochs that tell what came after what. */
static void
compare (GVariant *a, GVariant *b, gint64 now_us, Worst *worst)
{
  const char *first = vr_item_text (a, "writer", "-"), *second = vr_item_text (b, "writer", "-");
  gint64 before = vr_item_time (a, "time"), after = vr_item_time (b, "time");
  if (g_str_equal (first, second) || !g_str_equal (vr_item_text (a, "uuid", ""), vr_item_text (b, "uuid", ""))
      || vr_item_number (a, "epoch") >= vr_item_number (b, "epoch") || is_intent (a) || is_intent (b) || after < now_us - LONG_AGO_US)
    return;
  worse (worst, before - after, g_strdup_printf ("%s and %s", first, second));
}

void
vr_check_clocks (const VrPatient *patient, GPtrArray *findings)
{
  Worst worst = { NULL, CLOCKS_MAY_DIFFER_US };
  gsize n = patient->records != NULL ? g_variant_n_children (patient->records) : 0;
  for (gsize i = 0; i < n; i++)
    {
      g_autoptr (GVariant) record = g_variant_get_child_value (patient->records, i);
      worse (&worst, vr_item_time (record, "time") - patient->now_us, g_strdup_printf ("%s and this host", vr_item_text (record, "writer", "-")));
      for (gsize k = 0; k < n; k++)
        {
          g_autoptr (GVariant) other = g_variant_get_child_value (patient->records, k);
          compare (record, other, patient->now_us, &worst);
        }
    }
  g_autofree char *who = worst.who, *apart = vr_show_duration (worst.apart_us);
  if (patient->records == NULL)
    vr_found (findings, "clocks", VR_CHECK_WARNING, "systemctl start virt-relayd", "not known: only virt-relayd reads the migration log's times");
  else if (who != NULL)
    vr_found (findings, "clocks", VR_CHECK_FAILURE, "timedatectl set-ntp true on both (or chrony); timedatectl timesync-status shows whether it works",
              "the clocks of %s are apart by %s or more, as the migration log's times show", who, apart);
  else
    vr_found (findings, "clocks", VR_CHECK_OK, NULL, "no record's time shows that clocks are apart");
}
