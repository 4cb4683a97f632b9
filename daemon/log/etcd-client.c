/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A call is one task: log in if need be, send, read the whole answer, parse. Its cancellable is its own, since three may end it: the
 * caller's cancellable, the deadline, and the end of the call. libsoup keeps connections open between calls; one that a deadline
 * interrupted is closed, so a member that went silent costs one deadline.
 *
 * Errors name the endpoint, and what failed: the name, the way there, TLS, the log-in, the permission, the version.
 */
#include "etcd-client.h"

#include <string.h>

#define ANSWER_MAX (64 * 1024 * 1024)
#define READ_SIZE (64 * 1024)
#define LOGIN_PATH "/v3/auth/authenticate"

struct _VrEtcd {
  VrEtcdOptions   *options;
  guint            current; /* of the endpoints */
  SoupSession     *session;
  GTlsCertificate *certificate;
  char            *token;
  gboolean         no_login; /* this cluster asks for none */
};

/* ---- options ---- */

VrEtcdOptions *
vr_etcd_options_copy (const VrEtcdOptions *options)
{
  VrEtcdOptions *copy = g_new0 (VrEtcdOptions, 1);

  copy->endpoints = g_strdupv (options->endpoints);
  copy->prefix = g_strdup (options->prefix);
  copy->ca = g_strdup (options->ca);
  copy->certificate = g_strdup (options->certificate);
  copy->key = g_strdup (options->key);
  copy->user = g_strdup (options->user);
  copy->password = g_strdup (options->password);
  copy->history_s = options->history_s;
  return copy;
}

void
vr_etcd_options_free (VrEtcdOptions *options)
{
  if (!options)
    return;
  g_strfreev (options->endpoints);
  g_free (options->prefix);
  g_free (options->ca);
  g_free (options->certificate);
  g_free (options->key);
  g_free (options->user);
  g_free (options->password);
  g_free (options);
}

/* ---- the object ---- */

static gboolean
load_tls (VrEtcd *etcd, GError **error)
{
  const VrEtcdOptions *options = etcd->options;
  g_autoptr (GError) why = NULL;

  if (options->ca) {
    g_autoptr (GTlsDatabase) database = g_tls_file_database_new (options->ca, &why);

    if (!database) {
      g_set_error (error, VR_ETCD_ERROR, VR_ETCD_ERROR_TLS, "cannot use %s, the CA of etcd's members: %s", options->ca, why->message);
      return FALSE;
    }
    soup_session_set_tls_database (etcd->session, database);
  }
  if (options->certificate) {
    etcd->certificate = g_tls_certificate_new_from_files (options->certificate, options->key, &why);
    if (!etcd->certificate) {
      g_set_error (error, VR_ETCD_ERROR, VR_ETCD_ERROR_TLS, "cannot use %s with %s to log in to etcd: %s", options->certificate, options->key,
                   why->message);
      return FALSE;
    }
  }
  return TRUE;
}

VrEtcd *
vr_etcd_new (const VrEtcdOptions *options, GError **error)
{
  g_autoptr (VrEtcd) etcd = g_rc_box_new0 (VrEtcd);

  etcd->options = vr_etcd_options_copy (options);
  /* A proxy of the environment is for people's browsing; a deadline stands behind each call. */
  etcd->session = soup_session_new_with_options ("proxy-resolver", NULL, "timeout", 0, "idle-timeout", 60, "max-conns", 64,
                                                 "max-conns-per-host", 32, NULL);
  if (!load_tls (etcd, error))
    return NULL;
  return g_steal_pointer (&etcd);
}

VrEtcd *
vr_etcd_ref (VrEtcd *etcd)
{
  return g_rc_box_acquire (etcd);
}

static void
etcd_clear (gpointer data)
{
  VrEtcd *etcd = data;

  vr_etcd_options_free (etcd->options);
  g_clear_object (&etcd->session);
  g_clear_object (&etcd->certificate);
  g_free (etcd->token);
}

void
vr_etcd_unref (VrEtcd *etcd)
{
  g_rc_box_release_full (etcd, etcd_clear);
}

const char *
vr_etcd_endpoint (const VrEtcd *etcd)
{
  return etcd->options->endpoints[etcd->current];
}

guint
vr_etcd_n_endpoints (const VrEtcd *etcd)
{
  return g_strv_length (etcd->options->endpoints);
}

void
vr_etcd_forget_token (VrEtcd *etcd)
{
  g_clear_pointer (&etcd->token, g_free);
  etcd->no_login = FALSE;
}

void
vr_etcd_next_endpoint (VrEtcd *etcd)
{
  etcd->current = (etcd->current + 1) % vr_etcd_n_endpoints (etcd);
  vr_etcd_forget_token (etcd);
}

SoupSession *
vr_etcd_session (VrEtcd *etcd)
{
  return etcd->session;
}

SoupMessage *
vr_etcd_message (VrEtcd *etcd, const char *path, const char *body)
{
  g_autofree char *url = g_strconcat (vr_etcd_endpoint (etcd), path, NULL);
  g_autoptr (GBytes) bytes = g_bytes_new (body, strlen (body));
  SoupMessage *message = soup_message_new ("POST", url);

  soup_message_set_request_body_from_bytes (message, "application/json", bytes);
  soup_message_add_flags (message, SOUP_MESSAGE_NO_REDIRECT);
  if (etcd->token)
    soup_message_headers_replace (soup_message_get_request_headers (message), "Authorization", etcd->token);
  if (etcd->certificate)
    soup_message_set_tls_client_certificate (message, etcd->certificate);
  return message;
}

/* ---- what failed ---- */

static const char *
certificate_fault (GTlsCertificateFlags flags)
{
  if (flags & G_TLS_CERTIFICATE_UNKNOWN_CA)
    return "its certificate is not signed by the CA in [log] ca";
  if (flags & G_TLS_CERTIFICATE_BAD_IDENTITY)
    return "its certificate does not name it: the endpoint has to be written as the certificate has it";
  if (flags & G_TLS_CERTIFICATE_NOT_ACTIVATED)
    return "its certificate is not valid yet: is this host's clock right?";
  if (flags & G_TLS_CERTIFICATE_EXPIRED)
    return "its certificate has expired (or this host's clock is wrong)";
  return flags ? "its certificate is not acceptable" : NULL;
}

GError *
vr_etcd_transport_error (VrEtcd *etcd, SoupMessage *message, const GError *error)
{
  const char *endpoint = vr_etcd_endpoint (etcd), *fault;

  if (error->domain == VR_ETCD_ERROR)
    return g_error_new (VR_ETCD_ERROR, error->code, "%s: %s", endpoint, error->message);
  if (error->domain == G_TLS_ERROR) {
    fault = certificate_fault (soup_message_get_tls_peer_certificate_errors (message));
    return g_error_new (VR_ETCD_ERROR, VR_ETCD_ERROR_TLS, "%s: TLS: %s", endpoint, fault ? fault : error->message);
  }
  if (error->domain == G_RESOLVER_ERROR)
    return g_error_new (VR_ETCD_ERROR, VR_ETCD_ERROR_RESOLVE, "%s: its name is not known: %s", endpoint, error->message);
  return g_error_new (VR_ETCD_ERROR, VR_ETCD_ERROR_CONNECT, "%s: no connection: %s", endpoint, error->message);
}

/* ---- a call ---- */

typedef struct {
  VrEtcd       *etcd;
  char         *path, *body;
  guint         deadline_ms;
  GSource      *deadline;
  GCancellable *mine, *callers;
  gulong        chained;
  gboolean      late, logging_in, renewed;
  SoupMessage  *message;
  GInputStream *stream;
  GByteArray   *answer;
} Call;

static void
call_free (gpointer data)
{
  Call *call = data;

  if (call->chained)
    g_cancellable_disconnect (call->callers, call->chained);
  if (call->deadline)
    g_source_destroy (call->deadline);
  g_clear_pointer (&call->deadline, g_source_unref);
  g_clear_object (&call->mine);
  g_clear_object (&call->callers);
  g_clear_object (&call->message);
  g_clear_object (&call->stream);
  g_clear_pointer (&call->answer, g_byte_array_unref);
  g_free (call->path);
  g_free (call->body);
  vr_etcd_unref (call->etcd);
  g_free (call);
}

static void call_send (GTask *task);

static gboolean
call_on_deadline (gpointer data)
{
  Call *call = data;

  call->late = TRUE;
  g_cancellable_cancel (call->mine);
  return G_SOURCE_REMOVE;
}

static void
call_on_cancelled (GCancellable *cancellable, gpointer mine)
{
  g_cancellable_cancel (mine);
}

/* Ends the call with what `error` means. */
static void
call_fail (GTask *task, const GError *error)
{
  Call *call = g_task_get_task_data (task);

  if (call->late)
    g_task_return_new_error (task, VR_ETCD_ERROR, VR_ETCD_ERROR_SILENT, "%s: no answer within %u ms", vr_etcd_endpoint (call->etcd),
                             call->deadline_ms);
  else if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    g_task_return_error (task, g_error_copy (error));
  else
    g_task_return_error (task, vr_etcd_transport_error (call->etcd, call->message, error));
}

static gboolean
needs_login (const VrEtcd *etcd)
{
  return etcd->options->user && !etcd->token && !etcd->no_login;
}

/* The answer to the log-in. FALSE: the call is over. */
static gboolean
call_logged_in (GTask *task, VrEtcdAnswer *answer, const GError *error)
{
  Call *call = g_task_get_task_data (task);

  if (answer && answer->token) {
    g_free (call->etcd->token);
    call->etcd->token = g_steal_pointer (&answer->token);
    return TRUE;
  }
  if (error && strstr (error->message, "authentication is not enabled")) {
    call->etcd->no_login = TRUE;
    return TRUE;
  }
  if (error) {
    call_fail (task, error);
  } else {
    g_autoptr (GError) why = g_error_new_literal (VR_ETCD_ERROR, VR_ETCD_ERROR_VERSION, "it answers a log-in without a token");

    call_fail (task, why);
  }
  return FALSE;
}

static void
call_answered (GTask *task)
{
  Call *call = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (VrEtcdAnswer) answer = vr_etcd_answer_parse (soup_message_get_status (call->message), (char *) call->answer->data,
                                                          call->answer->len, &error);

  if (call->logging_in) {
    call->logging_in = FALSE;
    if (call_logged_in (task, answer, error))
      call_send (task);
  } else if (answer) {
    g_task_return_pointer (task, g_steal_pointer (&answer), (GDestroyNotify) vr_etcd_answer_free);
  } else if (g_error_matches (error, VR_ETCD_ERROR, VR_ETCD_ERROR_TOKEN) && call->etcd->options->user && !call->renewed) {
    call->renewed = TRUE;
    vr_etcd_forget_token (call->etcd);
    call_send (task);
  } else {
    call_fail (task, error);
  }
}

static void
call_on_read (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Call *call = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = g_input_stream_read_bytes_finish (G_INPUT_STREAM (source), result, &error);

  if (!bytes) {
    call_fail (task, error);
  } else if (g_bytes_get_size (bytes) == 0) {
    call_answered (task);
  } else if (call->answer->len + g_bytes_get_size (bytes) > ANSWER_MAX) {
    error = g_error_new_literal (VR_ETCD_ERROR, VR_ETCD_ERROR_VERSION, "an answer that is longer than 64 MiB");
    call_fail (task, error);
  } else {
    g_byte_array_append (call->answer, g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
    g_input_stream_read_bytes_async (call->stream, READ_SIZE, G_PRIORITY_DEFAULT, call->mine, call_on_read, g_steal_pointer (&task));
  }
}

static void
call_on_sent (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Call *call = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;

  call->stream = soup_session_send_finish (SOUP_SESSION (source), result, &error);
  if (!call->stream) {
    call_fail (task, error);
    return;
  }
  g_input_stream_read_bytes_async (call->stream, READ_SIZE, G_PRIORITY_DEFAULT, call->mine, call_on_read, g_steal_pointer (&task));
}

static void
call_send (GTask *task)
{
  Call *call = g_task_get_task_data (task);
  VrEtcd *etcd = call->etcd;

  g_clear_object (&call->message);
  g_clear_object (&call->stream);
  g_byte_array_set_size (call->answer, 0);
  call->logging_in = needs_login (etcd);
  if (call->logging_in) {
    g_autofree char *login = vr_etcd_say_login (etcd->options->user, etcd->options->password);

    call->message = vr_etcd_message (etcd, LOGIN_PATH, login);
  } else {
    call->message = vr_etcd_message (etcd, call->path, call->body);
  }
  soup_session_send_async (etcd->session, call->message, G_PRIORITY_DEFAULT, call->mine, call_on_sent, g_object_ref (task));
}

void
vr_etcd_call_async (VrEtcd *etcd, const char *path, const char *body, guint deadline_ms, GCancellable *cancellable,
                    GAsyncReadyCallback callback, gpointer data)
{
  g_autoptr (GTask) task = g_task_new (NULL, NULL, callback, data);
  Call *call = g_new0 (Call, 1);

  call->etcd = vr_etcd_ref (etcd);
  call->path = g_strdup (path);
  call->body = g_strdup (body);
  call->deadline_ms = deadline_ms;
  call->answer = g_byte_array_new ();
  call->mine = g_cancellable_new ();
  g_task_set_task_data (task, call, call_free);
  if (cancellable) {
    call->callers = g_object_ref (cancellable);
    call->chained = g_cancellable_connect (cancellable, G_CALLBACK (call_on_cancelled), g_object_ref (call->mine), g_object_unref);
  }
  call->deadline = g_timeout_source_new (deadline_ms);
  g_source_set_callback (call->deadline, call_on_deadline, call, NULL);
  g_source_attach (call->deadline, g_main_context_get_thread_default ());
  call_send (task);
}

VrEtcdAnswer *
vr_etcd_call_finish (VrEtcd *etcd, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, NULL), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
on_called (GObject *source, GAsyncResult *result, gpointer data)
{
  *(GAsyncResult **) data = g_object_ref (result);
}

VrEtcdAnswer *
vr_etcd_call_wait (VrEtcd *etcd, const char *path, const char *body, guint deadline_ms, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  vr_etcd_call_async (etcd, path, body, deadline_ms, NULL, on_called, &result);
  while (!result)
    g_main_context_iteration (g_main_context_get_thread_default (), TRUE);
  return vr_etcd_call_finish (etcd, result, error);
}
