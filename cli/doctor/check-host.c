/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What runs on the host beside guests: virt-relayd, libvirt, and its hook. */
#include "cli/doctor/doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/show.h"
#include "daemon/names.h"

/* ---- virt-relayd ---- */

static void
check_config (const VrPatient *patient, GPtrArray *findings)
{
  g_autofree char *answer = patient->unprivileged ? NULL : vr_patient_run (patient, "virt-relayd", "--check-config", NULL);
  if (answer == NULL && !patient->unprivileged)
    vr_found (findings, "daemon", VR_CHECK_FAILURE, "virt-relayd --check-config says what is wrong", "the configuration " VR_CONFIG_FILE " is not right");
}

/* Each trouble that the daemon tells of names its cure itself. */
static void
check_troubles (const VrPatient *patient, GPtrArray *findings)
{
  g_auto (GStrv) troubles = NULL;
  g_variant_lookup (patient->properties, "Troubles", "^as", &troubles);
  for (guint i = 0; troubles != NULL && troubles[i] != NULL; i++)
    {
      /* these have checks of their own */
      if (g_str_has_prefix (troubles[i], "IPv4 forwarding") || g_str_has_prefix (troubles[i], "IPv6 forwarding")
          || g_str_has_prefix (troubles[i], "tunnel to ") || g_str_has_prefix (troubles[i], "strongSwan"))
        continue;
      g_autofree char *text = vr_show_text (troubles[i]);
      vr_found (findings, "daemon", VR_CHECK_FAILURE, NULL, "%s", text);
    }
}

void
vr_check_daemon (const VrPatient *patient, GPtrArray *findings)
{
  guint before = findings->len;
  if (patient->properties == NULL)
    {
      vr_found (findings, "daemon", VR_CHECK_FAILURE, "systemctl start virt-relayd",
                "virt-relayd tells nothing (%s): what follows is only what can be seen without it", patient->no_daemon);
      check_config (patient, findings);
      return;
    }
  if (!vr_item_flag (patient->properties, "Ready"))
    vr_found (findings, "daemon", VR_CHECK_WARNING, "virt-relay status says what it waits for", "virt-relayd runs, and is not ready yet");
  check_troubles (patient, findings);
  if (findings->len == before)
    vr_found (findings, "daemon", VR_CHECK_OK, NULL, "virt-relayd %s runs, is ready, and has no trouble",
              vr_item_text (patient->properties, "Version", "-"));
}

/* ---- libvirt ---- */

#define VERSION(major, minor) ((major) * 1000 + (minor))

void
vr_check_libvirt (const VrPatient *patient, GPtrArray *findings)
{
  g_autofree char *uri = vr_patient_config (patient, "libvirt", "uri", "qemu:///system");
  g_autofree char *out = vr_patient_run (patient, "virsh", "-r", "-c", uri, "version", "--daemon", NULL);
  const char *line = out != NULL ? strstr (out, "Running against daemon: ") : NULL;
  int major = 0, minor = 0;
  if (line == NULL || sscanf (line, "Running against daemon: %d.%d", &major, &minor) != 2)
    vr_found (findings, "libvirt", VR_CHECK_FAILURE, "systemctl start libvirtd (or virtqemud)", "libvirt does not answer at %s", uri);
  else if (VERSION (major, minor) < VERSION (8, 0))
    vr_found (findings, "libvirt", VR_CHECK_FAILURE, "install libvirt 8.0 or later", "libvirt %d.%d is too old for virt-relay", major, minor);
  else if (VERSION (major, minor) < VERSION (10, 5))
    vr_found (findings, "libvirt", VR_CHECK_OK, NULL,
              "libvirt %d.%d answers; it tells hooks no reason of a guest's end (from 10.5 on it does), so virt-relay waits for its events", major,
              minor);
  else
    vr_found (findings, "libvirt", VR_CHECK_OK, NULL, "libvirt %d.%d answers", major, minor);
}

/* ---- the hook ---- */

#define HOOKS "/etc/libvirt/hooks"
#define HOOK HOOKS "/qemu.d/virt-relay"

/* When a process started, seconds since 1970; 0: it does not run. */
static gint64
start_of (const VrPatient *patient, const char *pid_file)
{
  g_autofree char *pid = vr_patient_read (patient, pid_file), *boot = vr_patient_read (patient, "/proc/stat");
  g_autofree char *path = pid != NULL && *pid != '\0' ? g_strdup_printf ("/proc/%s/stat", pid) : NULL;
  g_autofree char *stat_text = path != NULL ? vr_patient_read (patient, path) : NULL;
  const char *after_name = stat_text != NULL ? strrchr (stat_text, ')') : NULL, *booted = boot != NULL ? strstr (boot, "btime ") : NULL;
  if (after_name == NULL || booted == NULL)
    return 0;
  /* proc(5): the 22nd field is the start in clock ticks; the name, which may hold anything, is the 2nd */
  g_auto (GStrv) fields = g_strsplit (after_name + 2, " ", 21);
  if (g_strv_length (fields) < 20)
    return 0;
  return g_ascii_strtoll (booted + strlen ("btime "), NULL, 10) + g_ascii_strtoll (fields[19], NULL, 10) / sysconf (_SC_CLK_TCK);
}

/* A file's last change, its inode's included, seconds since 1970. */
static gint64
change_of (const VrPatient *patient, const char *path)
{
  g_autofree char *full = vr_patient_path (patient, path);
  struct stat status;
  return stat (full, &status) == 0 ? status.st_ctim.tv_sec : 0;
}

/* libvirt looks once, when it starts, whether there is any hook for QEMU; if there is, it looks into the folder each time. */
static gboolean
had_a_hook (const VrPatient *patient, gint64 start)
{
  g_auto (GStrv) names = vr_patient_list (patient, HOOKS "/qemu.d");
  gint64 single = change_of (patient, HOOKS "/qemu");
  if (single != 0 && single <= start)
    return TRUE;
  for (guint i = 0; names[i] != NULL; i++)
    {
      g_autofree char *path = g_build_filename (HOOKS "/qemu.d", names[i], NULL);
      gint64 change = change_of (patient, path);
      if (change != 0 && change <= start)
        return TRUE;
    }
  return FALSE;
}

/* An event since the daemon of libvirt started shows it, whatever the files' times say. */
static gboolean
was_called (const VrPatient *patient, gint64 start)
{
  return patient->properties != NULL && vr_item_time (patient->properties, "LastHookEvent") / G_USEC_PER_SEC > start;
}

static void
check_seen (const VrPatient *patient, GPtrArray *findings)
{
  static const struct {
    const char *pid_file, *unit;
  } daemons[] = { { "/run/libvirtd.pid", "libvirtd" }, { "/run/libvirt/libvirtd.pid", "libvirtd" }, { "/run/virtqemud.pid", "virtqemud" },
                  { "/run/libvirt/virtqemud.pid", "virtqemud" } };
  for (guint i = 0; i < G_N_ELEMENTS (daemons); i++)
    {
      gint64 start = start_of (patient, daemons[i].pid_file);
      g_autofree char *cure = g_strdup_printf ("systemctl restart %s (guests go on running)", daemons[i].unit);
      if (start == 0)
        continue;
      if (was_called (patient, start))
        vr_found (findings, "hook", VR_CHECK_OK, NULL, HOOK " is there, and %s calls it", daemons[i].unit);
      else if (had_a_hook (patient, start))
        vr_found (findings, "hook", VR_CHECK_OK, NULL, HOOK " is there, and %s has seen it", daemons[i].unit);
      else
        vr_found (findings, "hook", VR_CHECK_WARNING, cure,
                  "%s started before any hook was changed last; if it was the first one, %s does not call it before its next start",
                  daemons[i].unit, daemons[i].unit);
      return;
    }
  vr_found (findings, "hook", VR_CHECK_OK, NULL, HOOK " is there; libvirt is not running, and sees it when it starts");
}

void
vr_check_hook (const VrPatient *patient, GPtrArray *findings)
{
  g_autofree char *full = vr_patient_path (patient, HOOK);
  if (!g_file_test (full, G_FILE_TEST_EXISTS))
    vr_found (findings, "hook", VR_CHECK_FAILURE, "install virt-relay again, then systemctl restart libvirtd (guests go on running)",
              HOOK " is not there: this host never hears that a guest is coming");
  else if (!g_file_test (full, G_FILE_TEST_IS_EXECUTABLE))
    vr_found (findings, "hook", VR_CHECK_FAILURE, "chmod 755 " HOOK, HOOK " is not executable: libvirt passes it over");
  else
    check_seen (patient, findings);
}
