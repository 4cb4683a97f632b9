/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virt-relay doctor: is this host ready to give guests and to receive them, and what mends it. */
#include "cli/cli.h"

#include <stdio.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/doctor/doctor.h"
#include "cli/show.h"
#include "daemon/names.h"

#define NEWEST_RECORDS 200 /* enough for what the checks look for */
#define NEWEST_MIGRATIONS 100

static gboolean before;

static const GOptionEntry options[] = {
  { "before", 'b', 0, G_OPTION_ARG_NONE, &before, "what is expected of a migration of GUEST to HOST", NULL },
  { NULL },
};

/* ---- the patient ---- */

static void
patient_clear (VrPatient *patient)
{
  g_clear_pointer (&patient->config, g_key_file_unref);
  g_clear_pointer (&patient->properties, g_variant_unref);
  g_clear_pointer (&patient->hosts, g_variant_unref);
  g_clear_pointer (&patient->guests, g_variant_unref);
  g_clear_pointer (&patient->records, g_variant_unref);
  g_clear_pointer (&patient->migrations, g_variant_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (VrPatient, patient_clear)

/* All or nothing: a daemon that dies in between has told nothing. Gives why it did not; (transfer full). */
static char *
ask (VrPatient *patient, VrBusService *service)
{
  g_autoptr (GError) error = NULL;
  if (service == NULL)
    return g_strdup ("the system bus cannot be reached");
  patient->properties = vr_client_properties (service, &error);
  if (patient->properties != NULL && vr_bus_service_call_hosts_sync (service, &patient->hosts, NULL, &error)
      && vr_bus_service_call_guests_sync (service, &patient->guests, NULL, &error)
      && vr_bus_service_call_log_sync (service, "", NEWEST_RECORDS, &patient->records, NULL, &error)
      && vr_bus_service_call_migrations_sync (service, "", NEWEST_MIGRATIONS, &patient->migrations, NULL, &error))
    return NULL;
  g_clear_pointer (&patient->properties, g_variant_unref);
  g_clear_pointer (&patient->hosts, g_variant_unref);
  g_clear_pointer (&patient->guests, g_variant_unref);
  g_clear_pointer (&patient->records, g_variant_unref);
  return vr_client_is_away (error) ? g_strdup ("it does not run") : vr_client_explain (error);
}

/* ---- showing ---- */

static void
show_json (GPtrArray *findings)
{
  GVariantBuilder builder, list;
  g_variant_builder_init (&list, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < findings->len; i++)
    {
      const VrFinding *finding = findings->pdata[i];
      g_variant_builder_open (&list, G_VARIANT_TYPE_VARDICT);
      g_variant_builder_add (&list, "{sv}", "check", g_variant_new_string (finding->check));
      g_variant_builder_add (&list, "{sv}", "result", g_variant_new_string (vr_check_result_to_string (finding->result)));
      g_variant_builder_add (&list, "{sv}", "finding", g_variant_new_take_string (g_utf8_make_valid (finding->finding, -1)));
      if (finding->cure != NULL)
        g_variant_builder_add (&list, "{sv}", "cure", g_variant_new_take_string (g_utf8_make_valid (finding->cure, -1)));
      g_variant_builder_close (&list);
    }
  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&builder, "{sv}", "result", g_variant_new_string (vr_check_result_to_string (vr_doctor_worst (findings))));
  g_variant_builder_add (&builder, "{sv}", "findings", g_variant_builder_end (&list));
  vr_show_json (g_variant_builder_end (&builder));
}

static void
show (GPtrArray *findings)
{
  static const VrColour colours[] = { VR_GOOD, VR_WARN, VR_BAD };
  guint counts[] = { 0, 0, 0 };
  for (guint i = 0; i < findings->len; i++)
    {
      const VrFinding *finding = findings->pdata[i];
      g_autofree char *text = vr_show_text (finding->finding), *cure = finding->cure != NULL ? vr_show_text (finding->cure) : NULL;
      counts[finding->result]++;
      printf ("%s%-7s%s  %-10s  %s\n", vr_show_colour (colours[finding->result]), vr_check_result_to_string (finding->result), vr_show_colour (VR_PLAIN),
              finding->check, text);
      if (cure != NULL)
        printf ("%21s-> %s\n", "", cure);
    }
  printf ("\n%u ok, %u warnings, %u failures\n", counts[VR_CHECK_OK], counts[VR_CHECK_WARNING], counts[VR_CHECK_FAILURE]);
}

static gboolean
run (const VrCall *call, GError **error)
{
  const char *guest = call->operands[0], *host = guest != NULL ? call->operands[1] : NULL;
  if (before ? host == NULL : guest != NULL)
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, "GUEST and HOST go with --before, and only with it");
      return FALSE;
    }

  g_auto (VrPatient) patient = { .root = "", .run = vr_run_program, .now_us = g_get_real_time (), .unprivileged = geteuid () != 0 };
  g_autofree char *why = ask (&patient, call->service);
  patient.no_daemon = why;
  patient.config = g_key_file_new ();
  g_key_file_load_from_file (patient.config, VR_CONFIG_FILE, G_KEY_FILE_NONE, NULL); /* what is wrong with it, a check says */

  g_autoptr (GPtrArray) findings = before ? vr_doctor_before (&patient, guest, host) : vr_doctor_examine (&patient);
  (call->json ? show_json : show) (findings);
  return vr_doctor_worst (findings) != VR_CHECK_FAILURE;
}

const VrCommand vr_command_doctor = {
  .name = "doctor",
  .operands = "[--before GUEST HOST]",
  .summary = "is this host ready to give and to receive guests, and what mends it",
  .max_operands = 2,
  .alone = TRUE,
  .options = options,
  .run = run,
};
