/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/doctor/doctor.h"

/* In the order in which they are shown: what the others rest on comes first. */
static const VrCheck checks[] = {
  vr_check_daemon, vr_check_kernel,  vr_check_forwarding, vr_check_filters, vr_check_interfaces, vr_check_firewall, vr_check_libvirt, vr_check_hook,
  vr_check_switchover, vr_check_taps, vr_check_charon, vr_check_secrets, vr_check_tunnels, vr_check_mtu, vr_check_log, vr_check_clocks,
};

const char *
vr_check_result_to_string (VrCheckResult result)
{
  static const char *const words[] = { "ok", "warning", "failure" };
  return words[result];
}

static void
finding_free (gpointer data)
{
  VrFinding *finding = data;
  g_free (finding->finding);
  g_free (finding->cure);
  g_free (finding);
}

void
vr_found (GPtrArray *findings, const char *check, VrCheckResult result, const char *cure, const char *format, ...)
{
  VrFinding *finding = g_new0 (VrFinding, 1);
  va_list args;
  finding->check = check;
  finding->result = result;
  finding->cure = g_strdup (cure);
  va_start (args, format);
  finding->finding = g_strdup_vprintf (format, args);
  va_end (args);
  g_ptr_array_add (findings, finding);
}

gboolean
vr_unseen (const VrPatient *patient, const char *check, GPtrArray *findings)
{
  if (patient->unprivileged)
    vr_found (findings, check, VR_CHECK_WARNING, "sudo virt-relay doctor", "not looked at: only root can");
  return patient->unprivileged;
}

GPtrArray *
vr_findings_new (void)
{
  return g_ptr_array_new_with_free_func (finding_free);
}

GPtrArray *
vr_doctor_examine (const VrPatient *patient)
{
  GPtrArray *findings = vr_findings_new ();
  for (guint i = 0; i < G_N_ELEMENTS (checks); i++)
    checks[i](patient, findings);
  return findings;
}

VrCheckResult
vr_doctor_worst (GPtrArray *findings)
{
  VrCheckResult worst = VR_CHECK_OK;
  for (guint i = 0; i < findings->len; i++)
    worst = MAX (worst, ((VrFinding *) findings->pdata[i])->result);
  return worst;
}
