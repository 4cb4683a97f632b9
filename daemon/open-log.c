/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/open-log.h"

#include <errno.h>
#include <unistd.h>

#include "daemon/log/carry.h"
#include "daemon/log/etcd-check.h"
#include "daemon/names.h"

#define CHECK_MS 5000

/*
 * The default directory is ours to make. Another one is the administrator's: if it is not there, its storage is not
 * mounted. Under the unit's ProtectSystem=strict it is read-only as long as nothing else was said, whatever the file
 * system allows.
 */
static void
prepare_directory (const char *directory)
{
  if (g_str_equal (directory, VR_LOG_DIR))
    g_mkdir_with_parents (directory, 0700); /* what is wrong with it, the log says */
  if (access (directory, W_OK) < 0 && errno == EROFS && g_getenv ("INVOCATION_ID") != NULL)
    g_warning ("the migration log's directory %s is read-only here; if it is the unit that protects it: "
               "systemctl edit virt-relayd, [Service] ReadWritePaths=%s", directory, directory);
}

VrEtcdOptions *
vr_open_log_options (const VrConfig *config)
{
  const VrEtcdOptions options = {
    .endpoints = config->etcd_endpoints,
    .prefix = config->etcd_prefix,
    .ca = config->etcd_ca,
    .certificate = config->etcd_certificate,
    .key = config->etcd_key,
    .user = config->etcd_user,
    .password = config->etcd_password,
    .history_s = config->etcd_history_s,
  };
  return vr_etcd_options_copy (&options);
}

VrLog *
vr_open_log (const VrConfig *config, GError **error)
{
  if (config->engine == VR_ENGINE_ETCD)
    {
      g_autoptr (VrEtcdOptions) options = vr_open_log_options (config);
      return vr_etcd_log_new (options, VR_ETCD_DIR, config->host->name, error);
    }
  prepare_directory (config->log_directory);
  return vr_file_log_new (config->log_directory, config->host->name);
}

/* ---- the check ---- */

static void G_GNUC_PRINTF (2, 3)
add_line (GPtrArray *lines, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  if (lines != NULL)
    g_ptr_array_add (lines, g_strdup_vprintf (format, args));
  va_end (args);
}

static gboolean
check_directory (const char *directory, GPtrArray *lines, GError **error)
{
  if (access (directory, R_OK | W_OK | X_OK) < 0)
    {
      g_set_error (error, VR_LOG_ERROR, VR_LOG_ERROR_STORAGE, "the directory of the migration log, %s: %s; mount its storage, or create it",
                   directory, g_strerror (errno));
      return FALSE;
    }
  add_line (lines, "%s: can be read and written", directory);
  return TRUE;
}

static gboolean
check_etcd (const VrConfig *config, GPtrArray *lines, GError **error)
{
  g_autoptr (VrEtcdOptions) options = vr_open_log_options (config);
  g_autoptr (GPtrArray) findings = vr_etcd_check (options, config->host->name, CHECK_MS);
  const VrEtcdFinding *worst = NULL;
  gboolean serves = FALSE;

  for (guint i = 0; i < findings->len; i++)
    {
      const VrEtcdFinding *finding = findings->pdata[i];
      serves |= finding->part == NULL;
      worst = finding->part != NULL && worst == NULL ? finding : worst;
      if (finding->part == NULL)
        add_line (lines, "%s: name, connection, %slog-in, permissions and version are right", finding->endpoint,
                  g_str_has_prefix (finding->endpoint, "https:") ? "TLS, " : "");
      else
        add_line (lines, "%s: the %s fails: %s", finding->endpoint, finding->part, finding->message);
    }
  if (serves)
    return TRUE;
  g_set_error (error, VR_LOG_ERROR, VR_LOG_ERROR_STORAGE, "none of etcd's endpoints can be used; at %s the %s fails: %s", worst->endpoint,
               worst->part, worst->message);
  return FALSE;
}

gboolean
vr_open_log_check (const VrConfig *config, GPtrArray *lines, GError **error)
{
  if (config->engine == VR_ENGINE_ETCD)
    return check_etcd (config, lines, error);
  return check_directory (config->log_directory, lines, error);
}

/* ---- export, import ---- */

gboolean
vr_export_log (const VrConfig *config, const char *file, GPtrArray *lines, GError **error)
{
  g_autoptr (VrEtcdOptions) options = vr_open_log_options (config);
  g_autoptr (GArray) entries = config->engine == VR_ENGINE_ETCD ? vr_carry_from_etcd (options, lines, error)
                                                                : vr_carry_from_directory (config->log_directory, lines, error);
  if (entries == NULL)
    return FALSE;
  g_autofree char *text = vr_carry_to_text (entries);
  if (!g_file_set_contents_full (file, text, -1, G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0600, error))
    return FALSE;
  add_line (lines, "%s: %u records", file, entries->len);
  return TRUE;
}

gboolean
vr_import_log (const VrConfig *config, const char *file, GPtrArray *lines, GError **error)
{
  g_autofree char *text = NULL;
  if (!g_file_get_contents (file, &text, NULL, error))
    return FALSE;
  g_autoptr (GArray) entries = vr_carry_from_text (text, file, error);
  if (entries == NULL)
    return FALSE;

  g_auto (VrCarried) carried = { 0 };
  g_autoptr (VrEtcdOptions) options = vr_open_log_options (config);
  gboolean ok = config->engine == VR_ENGINE_ETCD ? vr_carry_into_etcd (options, entries, &carried, error)
                                                 : vr_carry_into_directory (config->log_directory, entries, &carried, error);
  for (guint i = 0; carried.notes != NULL && i < carried.notes->len; i++)
    add_line (lines, "%s", (char *) carried.notes->pdata[i]);
  add_line (lines, "%s: %u records: %u written, %u were there, or something newer, %u not written", file, entries->len, carried.written,
            carried.there, entries->len - carried.written - carried.there);
  if (!ok)
    g_prefix_error (error, "the import did not come to its end (run it again, it goes on): ");
  return ok;
}
