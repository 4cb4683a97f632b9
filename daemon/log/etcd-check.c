/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The permission to write is asked for with a transaction whose comparison cannot hold: etcd looks at what the user may do before it
 * looks at what is compared.
 */
#include "etcd-check.h"

#include "etcd-keys.h"
#include "own-file.h"

#include <string.h>

static void
finding_free (gpointer data)
{
  VrEtcdFinding *finding = data;

  g_free (finding->endpoint);
  g_free (finding->message);
  g_free (finding);
}

static const char *
part_of (const GError *error)
{
  static const char *const parts[] = {
    [VR_ETCD_ERROR_RESOLVE] = "name", [VR_ETCD_ERROR_CONNECT] = "connection", [VR_ETCD_ERROR_TLS] = "TLS", [VR_ETCD_ERROR_LOGIN] = "log-in",
    [VR_ETCD_ERROR_TOKEN] = "log-in", [VR_ETCD_ERROR_PERMISSION] = "permission", [VR_ETCD_ERROR_VERSION] = "version",
    [VR_ETCD_ERROR_SILENT] = "connection", [VR_ETCD_ERROR_NO_QUORUM] = "quorum", [VR_ETCD_ERROR_COMPACTED] = "version",
    [VR_ETCD_ERROR_NO_LEASE] = "version", [VR_ETCD_ERROR_FAILED] = "quorum",
  };

  return parts[error->code];
}

static gboolean
check_machine (const VrEtcdAnswer *answer, const char *key, GError **error)
{
  g_autofree char *machine = vr_log_machine_id ();

  for (guint i = 0; i < answer->kvs->len; i++) {
    const VrEtcdKv *kv = answer->kvs->pdata[i];
    gsize len;
    const char *value = g_bytes_get_data (kv->value, &len);

    if (len == strlen (machine) && strncmp (value ? value : "", machine, len) == 0)
      continue;
    g_set_error (error, VR_LOG_ERROR, VR_LOG_ERROR_NAME_TAKEN,
                 "another machine is known there by this host's name; give one of them another [host] name, or, if it is gone for good: "
                 "etcdctl del %s", key);
    return FALSE;
  }
  return TRUE;
}

static gboolean
check_endpoint (VrEtcd *etcd, const VrEtcdOptions *options, const char *self, guint deadline_ms, GError **error)
{
  g_autofree char *now = vr_etcd_key_now (options->prefix), *past = vr_etcd_key_history (options->prefix), *end = vr_etcd_prefix_end (now);
  g_autofree char *machine = vr_etcd_key_machine (options->prefix, self), *history = g_strconcat (past, self, "/check", NULL);
  const VrEtcdTxn never = { .key = machine, .mod_revision = G_MAXINT64, .value = "", .also_key = history, .also_value = "" };
  g_autofree char *read = vr_etcd_say_range (now, end, 0, 1), *write = vr_etcd_say_txn (&never), *own = NULL;
  g_autoptr (VrEtcdAnswer) list = vr_etcd_call_wait (etcd, "/v3/kv/range", read, deadline_ms, error), taken = NULL, claimed = NULL;

  if (!list)
    return FALSE;
  taken = vr_etcd_call_wait (etcd, "/v3/kv/txn", write, deadline_ms, error);
  if (!taken)
    return FALSE;
  own = vr_etcd_say_range (machine, NULL, 0, 0);
  claimed = vr_etcd_call_wait (etcd, "/v3/kv/range", own, deadline_ms, error);
  return claimed && check_machine (claimed, machine, error);
}

GPtrArray *
vr_etcd_check (const VrEtcdOptions *options, const char *self, guint deadline_ms)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  GPtrArray *findings = g_ptr_array_new_with_free_func (finding_free);
  g_autoptr (GError) unusable = NULL;
  VrEtcd *etcd;

  g_main_context_push_thread_default (context);
  etcd = vr_etcd_new (options, &unusable);
  for (char **endpoint = options->endpoints; *endpoint; endpoint++) {
    VrEtcdFinding *finding = g_new0 (VrEtcdFinding, 1);
    g_autoptr (GError) error = NULL;

    g_ptr_array_add (findings, finding);
    finding->endpoint = g_strdup (*endpoint);
    if (etcd && check_endpoint (etcd, options, self, deadline_ms, &error)) {
      vr_etcd_next_endpoint (etcd);
      continue;
    }
    finding->part = unusable ? "files" : error->domain == VR_ETCD_ERROR ? part_of (error) : "machine";
    finding->message = g_strdup (unusable ? unusable->message : error->message);
    if (etcd)
      vr_etcd_next_endpoint (etcd);
  }
  g_clear_pointer (&etcd, vr_etcd_unref);
  while (g_main_context_iteration (context, FALSE))
    ; /* what was cancelled goes */
  g_main_context_pop_thread_default (context);
  return findings;
}
