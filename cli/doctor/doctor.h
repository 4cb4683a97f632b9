/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Is this host ready to give guests and to receive them? Checks look at a patient: the files below a root, what programs answer, what the
 * daemon says. Tests make patients of their own. Nothing here changes anything on the host.
 */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef enum { VR_CHECK_OK, VR_CHECK_WARNING, VR_CHECK_FAILURE } VrCheckResult;

const char *vr_check_result_to_string (VrCheckResult result); /* "ok", "warning", "failure" */

typedef struct {
  const char   *check;   /* its name */
  VrCheckResult result;
  char         *finding; /* one sentence */
  char         *cure;    /* the command that mends it; NULL: nothing to mend */
} VrFinding;

/* What a program wrote to stdout, (transfer full), and whether it ended well; NULL: it could not be started, or took too long. */
typedef char *(*VrRunProgram) (const char *const *argv, gboolean *ok, gpointer data);

typedef struct {
  const char  *root;     /* before every path; "": this host */
  VrRunProgram run;
  gpointer     run_data;
  gint64       now_us;   /* wall clock */
  GKeyFile    *config;   /* virt-relay.conf, unchecked; never NULL */
  /* what the daemon says, as of the D-Bus API; all NULL if it does not answer */
  GVariant    *properties, *hosts, *guests, *records, *migrations;
  const char  *no_daemon; /* why it does not answer */
  gboolean     unprivileged; /* whoever asks is not root: what only root sees is not looked at, rather than found missing */
} VrPatient;

/* Runs all checks; (transfer full) of VrFinding, at least one a check. */
GPtrArray *vr_doctor_examine (const VrPatient *patient);

/* What is expected of a migration of `guest` to `host`; findings likewise, of the check "before". */
GPtrArray *vr_doctor_before (const VrPatient *patient, const char *guest, const char *host);

VrCheckResult vr_doctor_worst (GPtrArray *findings);

/* ---- for the checks ---- */

typedef void (*VrCheck) (const VrPatient *patient, GPtrArray *findings);

void vr_check_daemon (const VrPatient *patient, GPtrArray *findings);
void vr_check_kernel (const VrPatient *patient, GPtrArray *findings);
void vr_check_forwarding (const VrPatient *patient, GPtrArray *findings);
void vr_check_filters (const VrPatient *patient, GPtrArray *findings);   /* rp_filter */
void vr_check_interfaces (const VrPatient *patient, GPtrArray *findings);
void vr_check_firewall (const VrPatient *patient, GPtrArray *findings);
void vr_check_libvirt (const VrPatient *patient, GPtrArray *findings);
void vr_check_hook (const VrPatient *patient, GPtrArray *findings);
void vr_check_switchover (const VrPatient *patient, GPtrArray *findings);
void vr_check_taps (const VrPatient *patient, GPtrArray *findings);
void vr_check_charon (const VrPatient *patient, GPtrArray *findings);
void vr_check_secrets (const VrPatient *patient, GPtrArray *findings);
void vr_check_tunnels (const VrPatient *patient, GPtrArray *findings);
void vr_check_mtu (const VrPatient *patient, GPtrArray *findings);
void vr_check_log (const VrPatient *patient, GPtrArray *findings);
void vr_check_clocks (const VrPatient *patient, GPtrArray *findings);

GPtrArray *vr_findings_new (void); /* of VrFinding */
void       vr_found (GPtrArray *findings, const char *check, VrCheckResult result, const char *cure, const char *format, ...)
  G_GNUC_PRINTF (5, 6); /* check: a constant */

char    *vr_patient_path (const VrPatient *patient, const char *path);   /* below its root */
char    *vr_patient_read (const VrPatient *patient, const char *path);   /* the file, blanks at its ends cut; NULL: not there */
gboolean vr_patient_exists (const VrPatient *patient, const char *path);
char   **vr_patient_list (const VrPatient *patient, const char *folder); /* names, sorted; never NULL */
/* stdout of a program; NULL if it did not end well */
char    *vr_patient_run (const VrPatient *patient, const char *program, ...) G_GNUC_NULL_TERMINATED;
char    *vr_patient_config (const VrPatient *patient, const char *group, const char *key, const char *otherwise);

/* Only root can look: says so and gives TRUE where root does not ask. */
gboolean vr_unseen (const VrPatient *patient, const char *check, GPtrArray *findings);

/* Runs programs for real, each for no longer than VR_PROGRAM_DEADLINE_S. */
#define VR_PROGRAM_DEADLINE_S 10
char *vr_run_program (const char *const *argv, gboolean *ok, gpointer data);

G_END_DECLS
