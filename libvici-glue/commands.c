/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands: their requests from our arguments, and our results from charon's answers. */
#include "private.h"

/* Answers of most commands: success = yes, or no with errmsg. */
static gboolean
decode_success (GTask *task, const VrViciMessage *answer, GPtrArray *streamed)
{
  const char *success = vr_vici_message_get (answer, "success");
  const char *why = vr_vici_message_get (answer, "errmsg");

  if (success == NULL)
    return FALSE;
  if (g_str_equal (success, "yes"))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_new_error (task, VR_VICI_ERROR, VR_VICI_ERROR_REFUSED, "%s: charon refused: %s; its log may say more",
                             (const char *) g_task_get_task_data (task), why != NULL && *why != '\0' ? why : "it gives no reason");
  return TRUE;
}

gboolean
vr_vici_finish (VrVici *vici, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, vici), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

/* Connections */

/* strongSwan's 0 is never, ours is charon's default. */
static void
add_lifetime (VrViciMessage *section, const char *name, int seconds)
{
  if (seconds != 0)
    vr_vici_message_add_number (section, name, MAX (seconds, 0));
}

static void
add_auth (VrViciMessage *section, const char *name, const VrViciConnection *conn, const char *id, const char *certs_name,
          GBytes *const *certs)
{
  VrViciMessage *auth = vr_vici_message_add_section (section, name);

  vr_vici_message_add (auth, "auth", conn->auth == VR_VICI_AUTH_PSK ? "psk" : "pubkey");
  vr_vici_message_add (auth, "id", id);
  if (conn->auth == VR_VICI_AUTH_PUBKEY)
    vr_vici_message_add_blobs (auth, certs_name, certs);
}

static void
add_child (VrViciMessage *children, const VrViciChild *child)
{
  VrViciMessage *section = vr_vici_message_add_section (children, child->name != NULL ? child->name : "");

  vr_vici_message_add_list (section, "local_ts", child->local_ts);
  vr_vici_message_add_list (section, "remote_ts", child->remote_ts);
  vr_vici_message_add_list (section, "esp_proposals", child->esp_proposals);
  if (child->if_id_in != 0)
    vr_vici_message_add_number (section, "if_id_in", child->if_id_in);
  if (child->if_id_out != 0)
    vr_vici_message_add_number (section, "if_id_out", child->if_id_out);
  add_lifetime (section, "rekey_time", child->rekey_s);
  if (child->replay_window != 0)
    vr_vici_message_add_number (section, "replay_window", MAX (child->replay_window, 0));
  vr_vici_message_add (section, "mode", "tunnel");
  vr_vici_message_add (section, "start_action", "none");
  vr_vici_message_add (section, "close_action", "none");
  vr_vici_message_add (section, "dpd_action", "clear");
}

static VrViciMessage *
connection_message (const VrViciConnection *conn)
{
  VrViciMessage *message = vr_vici_message_new ();
  VrViciMessage *section = vr_vici_message_add_section (message, conn->name != NULL ? conn->name : "");
  VrViciMessage *children;

  vr_vici_message_add_number (section, "version", 2);
  vr_vici_message_add_list (section, "local_addrs", conn->local_addrs);
  vr_vici_message_add_list (section, "remote_addrs", conn->remote_addrs);
  vr_vici_message_add_list (section, "proposals", conn->proposals);
  vr_vici_message_add_number (section, "dpd_delay", conn->dpd_delay_s);
  add_lifetime (section, "rekey_time", conn->rekey_s);
  vr_vici_message_add (section, "mobike", conn->mobike ? "yes" : "no");
  vr_vici_message_add (section, "unique", conn->unique != NULL ? conn->unique : "no");
  add_auth (section, "local-1", conn, conn->local_id, "certs", conn->certs);
  add_auth (section, "remote-1", conn, conn->remote_id, "cacerts", conn->ca_certs);
  children = vr_vici_message_add_section (section, "children");
  for (gsize i = 0; i < conn->n_children; i++)
    add_child (children, &conn->children[i]);
  return message;
}

/* What the command is about, for errors. */
static char *
about (const char *command, const char *object)
{
  return object != NULL ? g_strdup_printf ("%s %s", command, object) : g_strdup (command);
}

void
vr_vici_load_conn (VrVici *vici, const VrViciConnection *conn, guint timeout_ms, GCancellable *cancellable,
                   GAsyncReadyCallback callback, gpointer user_data)
{
  g_autofree char *what = about ("load-conn", conn->name);

  vr_vici_call (vici, "load-conn", what, connection_message (conn), decode_success, timeout_ms, cancellable, callback, user_data);
}

void
vr_vici_unload_conn (VrVici *vici, const char *name, guint timeout_ms, GCancellable *cancellable, GAsyncReadyCallback callback,
                     gpointer user_data)
{
  VrViciMessage *message = vr_vici_message_new ();
  g_autofree char *what = about ("unload-conn", name);

  vr_vici_message_add (message, "name", name);
  vr_vici_call (vici, "unload-conn", what, message, decode_success, timeout_ms, cancellable, callback, user_data);
}

static gboolean
decode_conns (GTask *task, const VrViciMessage *answer, GPtrArray *streamed)
{
  char **names = vr_vici_message_get_list (answer, "conns");

  if (names == NULL)
    return FALSE;
  g_task_return_pointer (task, names, (GDestroyNotify) g_strfreev);
  return TRUE;
}

void
vr_vici_list_conns (VrVici *vici, guint timeout_ms, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  vr_vici_call (vici, "get-conns", "get-conns", NULL, decode_conns, timeout_ms, cancellable, callback, user_data);
}

char **
vr_vici_list_conns_finish (VrVici *vici, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, vici), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* Credentials */

static void
add_bytes (VrViciMessage *message, const char *name, GBytes *bytes)
{
  gsize len;
  gconstpointer data = g_bytes_get_data (bytes, &len);

  vr_vici_message_add_data (message, name, data, len);
}

void
vr_vici_load_shared (VrVici *vici, const char *id, const char *const *owners, GBytes *secret, guint timeout_ms,
                     GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  VrViciMessage *message = vr_vici_message_new ();
  g_autofree char *what = about ("load-shared", id);

  vr_vici_message_add (message, "id", id);
  vr_vici_message_add (message, "type", "IKE");
  vr_vici_message_add_list (message, "owners", owners);
  add_bytes (message, "data", secret);
  vr_vici_call (vici, "load-shared", what, message, decode_success, timeout_ms, cancellable, callback, user_data);
}

void
vr_vici_unload_shared (VrVici *vici, const char *id, guint timeout_ms, GCancellable *cancellable, GAsyncReadyCallback callback,
                       gpointer user_data)
{
  VrViciMessage *message = vr_vici_message_new ();
  g_autofree char *what = about ("unload-shared", id);

  vr_vici_message_add (message, "id", id);
  vr_vici_call (vici, "unload-shared", what, message, decode_success, timeout_ms, cancellable, callback, user_data);
}

void
vr_vici_load_cert (VrVici *vici, GBytes *data, gboolean is_ca, guint timeout_ms, GCancellable *cancellable,
                   GAsyncReadyCallback callback, gpointer user_data)
{
  VrViciMessage *message = vr_vici_message_new ();

  vr_vici_message_add (message, "type", "X509");
  vr_vici_message_add (message, "flag", is_ca ? "CA" : "NONE");
  add_bytes (message, "data", data);
  vr_vici_call (vici, "load-cert", is_ca ? "load-cert (CA)" : "load-cert", message, decode_success, timeout_ms, cancellable, callback,
                user_data);
}

void
vr_vici_load_key (VrVici *vici, GBytes *data, guint timeout_ms, GCancellable *cancellable, GAsyncReadyCallback callback,
                  gpointer user_data)
{
  VrViciMessage *message = vr_vici_message_new ();

  vr_vici_message_add (message, "type", "any");
  add_bytes (message, "data", data);
  vr_vici_call (vici, "load-key", "load-key", message, decode_success, timeout_ms, cancellable, callback, user_data);
}

/* SAs */

void
vr_vici_initiate (VrVici *vici, const char *ike, const char *child, guint timeout_ms, GCancellable *cancellable,
                  GAsyncReadyCallback callback, gpointer user_data)
{
  VrViciMessage *message = vr_vici_message_new ();
  g_autofree char *what = about ("initiate", child);

  vr_vici_message_add (message, "ike", ike);
  vr_vici_message_add (message, "child", child);
  /* -1: charon does not wait for the outcome. A few waiting initiates to dead peers would take all of its threads. */
  vr_vici_message_add_number (message, "timeout", -1);
  vr_vici_call (vici, "initiate", what, message, decode_success, timeout_ms, cancellable, callback, user_data);
}

void
vr_vici_terminate (VrVici *vici, const char *ike, guint64 unique_id, const char *child, gboolean force, guint timeout_ms,
                   GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  VrViciMessage *message = vr_vici_message_new ();
  g_autofree char *what = about ("terminate", ike != NULL ? ike : child);

  if (unique_id != 0)
    vr_vici_message_add_number (message, "ike-id", (gint64) unique_id);
  else
    vr_vici_message_add (message, "ike", ike);
  vr_vici_message_add (message, "child", child);
  if (force)
    vr_vici_message_add (message, "force", "yes");
  vr_vici_message_add_number (message, "timeout", -1);
  vr_vici_call (vici, "terminate", what, message, decode_success, timeout_ms, cancellable, callback, user_data);
}

static gboolean
decode_sas (GTask *task, const VrViciMessage *answer, GPtrArray *streamed)
{
  g_autoptr (GPtrArray) sas = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_vici_ike_sa_free);

  for (guint i = 0; i < streamed->len; i++)
    {
      const char *name;
      const VrViciMessage *section = vr_vici_message_nth_section (streamed->pdata[i], 0, &name);
      VrViciIkeSa *sa = section != NULL ? vr_vici_ike_sa_decode (name, section) : NULL;

      if (sa == NULL)
        return FALSE;
      g_ptr_array_add (sas, sa);
    }
  g_task_return_pointer (task, g_steal_pointer (&sas), (GDestroyNotify) g_ptr_array_unref);
  return TRUE;
}

void
vr_vici_list_sas (VrVici *vici, const char *ike, guint timeout_ms, GCancellable *cancellable, GAsyncReadyCallback callback,
                  gpointer user_data)
{
  VrViciMessage *message = vr_vici_message_new ();
  g_autofree char *what = about ("list-sas", ike);

  vr_vici_message_add (message, "ike", ike);
  vr_vici_call (vici, "list-sas", what, message, decode_sas, timeout_ms, cancellable, callback, user_data);
}

GPtrArray *
vr_vici_list_sas_finish (VrVici *vici, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, vici), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* The daemon */

static gboolean
decode_version (GTask *task, const VrViciMessage *answer, GPtrArray *streamed)
{
  const char *program = vr_vici_message_get (answer, "daemon");
  const char *version = vr_vici_message_get (answer, "version");

  if (program == NULL || version == NULL)
    return FALSE;
  g_task_return_pointer (task, g_strdup_printf ("%s %s", program, version), g_free);
  return TRUE;
}

void
vr_vici_version (VrVici *vici, guint timeout_ms, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  vr_vici_call (vici, "version", "version", NULL, decode_version, timeout_ms, cancellable, callback, user_data);
}

char *
vr_vici_version_finish (VrVici *vici, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, vici), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}
