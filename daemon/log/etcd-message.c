/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The gateway turns JSON into gRPC and back; its errors are gRPC's codes with etcd's words. Where one code stands for several
 * things (InvalidArgument: wrong password, or a token that is too old), etcd's words decide; they have been the same since 3.2.
 */
#include "etcd-message.h"

#include "daemon/model/json-text.h"

#include <json-glib/json-glib.h>
#include <string.h>

#define DEPTH_MAX 32 /* brackets within brackets: etcd uses 8; json-glib 1.6 recurses without a limit */

G_DEFINE_QUARK (vr-etcd-error-quark, vr_etcd_error)

/* ---- saying ---- */

static void
add_base64 (JsonBuilder *builder, const char *field, const char *text)
{
  g_autofree char *encoded = g_base64_encode ((const guchar *) text, strlen (text));

  json_builder_set_member_name (builder, field);
  json_builder_add_string_value (builder, encoded);
}

static void
add_int64 (JsonBuilder *builder, const char *field, gint64 value)
{
  char text[32];

  g_snprintf (text, sizeof text, "%" G_GINT64_FORMAT, value);
  json_builder_set_member_name (builder, field);
  json_builder_add_string_value (builder, text);
}

static void
add_text (JsonBuilder *builder, const char *field, const char *text)
{
  json_builder_set_member_name (builder, field);
  json_builder_add_string_value (builder, text);
}

static void
begin (JsonBuilder *builder, const char *field)
{
  if (field)
    json_builder_set_member_name (builder, field);
  json_builder_begin_object (builder);
}

char *
vr_etcd_prefix_end (const char *prefix)
{
  char *behind = g_strdup (prefix);

  behind[strlen (behind) - 1]++; /* prefixes end in "/" */
  return behind;
}

char *
vr_etcd_say_range (const char *key, const char *range_end, gint64 revision, guint limit)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  begin (builder, NULL);
  add_base64 (builder, "key", key);
  if (range_end)
    add_base64 (builder, "range_end", range_end);
  if (revision > 0)
    add_int64 (builder, "revision", revision);
  if (limit > 0)
    add_int64 (builder, "limit", limit);
  return vr_json_end (builder, FALSE);
}

static void
add_put (JsonBuilder *builder, const char *key, const char *value, gint64 lease)
{
  begin (builder, NULL);
  begin (builder, "request_put");
  add_base64 (builder, "key", key);
  add_base64 (builder, "value", value);
  if (lease != 0)
    add_int64 (builder, "lease", lease);
  json_builder_end_object (builder);
  json_builder_end_object (builder);
}

static void
add_get (JsonBuilder *builder, const char *key)
{
  begin (builder, NULL);
  begin (builder, "request_range");
  add_base64 (builder, "key", key);
  json_builder_end_object (builder);
  json_builder_end_object (builder);
}

char *
vr_etcd_say_txn (const VrEtcdTxn *txn)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  begin (builder, NULL);
  json_builder_set_member_name (builder, "compare");
  json_builder_begin_array (builder);
  if (txn->guard_value) {
    begin (builder, NULL);
    add_text (builder, "target", "VALUE");
    add_base64 (builder, "key", txn->guard_key);
    add_base64 (builder, "value", txn->guard_value);
    json_builder_end_object (builder);
  }
  begin (builder, NULL);
  add_text (builder, "target", "MOD");
  add_base64 (builder, "key", txn->key);
  add_int64 (builder, "mod_revision", txn->mod_revision);
  json_builder_end_object (builder);
  json_builder_end_array (builder);

  json_builder_set_member_name (builder, "success");
  json_builder_begin_array (builder);
  if (txn->value)
    add_put (builder, txn->key, txn->value, txn->lease);
  if (txn->also_value)
    add_put (builder, txn->also_key, txn->also_value, txn->also_lease);
  json_builder_end_array (builder);

  json_builder_set_member_name (builder, "failure");
  json_builder_begin_array (builder);
  add_get (builder, txn->key);
  if (txn->guard_value)
    add_get (builder, txn->guard_key);
  json_builder_end_array (builder);
  return vr_json_end (builder, FALSE);
}

char *
vr_etcd_say_watch (const char *key, const char *range_end, gint64 revision)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  begin (builder, NULL);
  begin (builder, "create_request");
  add_base64 (builder, "key", key);
  add_base64 (builder, "range_end", range_end);
  add_int64 (builder, "start_revision", revision);
  json_builder_set_member_name (builder, "progress_notify");
  json_builder_add_boolean_value (builder, TRUE);
  json_builder_end_object (builder);
  return vr_json_end (builder, FALSE);
}

char *
vr_etcd_say_lease (guint64 seconds)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  begin (builder, NULL);
  add_int64 (builder, "TTL", seconds);
  return vr_json_end (builder, FALSE);
}

char *
vr_etcd_say_login (const char *user, const char *password)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  begin (builder, NULL);
  add_text (builder, "name", user);
  add_text (builder, "password", password);
  return vr_json_end (builder, FALSE);
}

/* ---- understanding ---- */

static void
kv_free (gpointer data)
{
  VrEtcdKv *kv = data;

  g_free (kv->key);
  g_clear_pointer (&kv->value, g_bytes_unref);
  g_free (kv);
}

static const char *
member_text (JsonObject *object, const char *field)
{
  JsonNode *node = json_object_get_member (object, field);

  return node && JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_STRING ? json_node_get_string (node) : NULL;
}

/* A number that goes as a number or as a string; 0 if it is left out. */
static gint64
member_int64 (JsonObject *object, const char *field)
{
  JsonNode *node = json_object_get_member (object, field);
  const char *text = member_text (object, field);
  gint64 value = 0;

  if (text)
    return g_ascii_string_to_signed (text, 10, G_MININT64, G_MAXINT64, &value, NULL) ? value : 0;
  return node && JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_INT64 ? json_node_get_int (node) : 0;
}

static gboolean
member_true (JsonObject *object, const char *field)
{
  JsonNode *node = json_object_get_member (object, field);

  return node && JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_BOOLEAN && json_node_get_boolean (node);
}

static JsonObject *
member_object (JsonObject *object, const char *field)
{
  JsonNode *node = json_object_get_member (object, field);

  return node && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
}

static JsonArray *
member_array (JsonObject *object, const char *field)
{
  JsonNode *node = json_object_get_member (object, field);

  return node && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
}

static JsonObject *
element_object (JsonArray *array, guint i)
{
  JsonNode *node = json_array_get_element (array, i);

  return JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
}

static gint64
header_revision (JsonObject *object)
{
  JsonObject *header = member_object (object, "header");

  return header ? member_int64 (header, "revision") : 0;
}

static gboolean
not_etcd (GError **error, const char *what)
{
  g_set_error (error, VR_ETCD_ERROR, VR_ETCD_ERROR_VERSION, "what answers there does not speak etcd's API v3 (etcd 3.4 or later): %s", what);
  return FALSE;
}

static VrEtcdError
error_from_grpc (gint64 code, const char *words)
{
  if (strstr (words, "has been compacted"))
    return VR_ETCD_ERROR_COMPACTED;
  if (strstr (words, "lease not found"))
    return VR_ETCD_ERROR_NO_LEASE;
  if (strstr (words, "invalid auth token") || strstr (words, "auth store is old"))
    return VR_ETCD_ERROR_TOKEN;
  if (strstr (words, "authentication failed") || strstr (words, "user name is empty") || strstr (words, "user name not found"))
    return VR_ETCD_ERROR_LOGIN;
  switch (code) {
  case 7:
    return VR_ETCD_ERROR_PERMISSION;
  case 16:
    return VR_ETCD_ERROR_TOKEN;
  case 4:  /* DeadlineExceeded */
  case 14: /* Unavailable: no leader, leader changed, request timed out, too many requests */
    return VR_ETCD_ERROR_NO_QUORUM;
  case 5: /* NotFound, Unimplemented */
  case 12:
    return VR_ETCD_ERROR_VERSION;
  default:
    return VR_ETCD_ERROR_FAILED;
  }
}

static gboolean
fail_with_words (GError **error, gint64 code, const char *words)
{
  g_autofree char *safe = g_utf8_make_valid (words, MIN (strlen (words), 300));
  VrEtcdError kind = error_from_grpc (code, words);
  const char *cure = "";

  if (kind == VR_ETCD_ERROR_PERMISSION)
    cure = "; the user's role must allow reading all keys below the prefix and writing this host's own";
  else if (kind == VR_ETCD_ERROR_LOGIN)
    cure = "; see [log] user and password-file";
  else if (kind == VR_ETCD_ERROR_NO_QUORUM)
    cure = "; do enough of its members run?";
  else if (strstr (words, "space exceeded"))
    cure = "; compact and defragment it, then etcdctl alarm disarm";
  g_set_error (error, VR_ETCD_ERROR, kind, "etcd says: %s%s", safe, cure);
  return FALSE;
}

static gboolean
depth_is_sane (const char *json, gsize len)
{
  guint depth = 0;
  gboolean in_text = FALSE;

  for (gsize i = 0; i < len; i++) {
    if (in_text && json[i] == '\\')
      i++;
    else if (json[i] == '"')
      in_text = !in_text;
    else if (!in_text && (json[i] == '{' || json[i] == '['))
      depth++;
    else if (!in_text && (json[i] == '}' || json[i] == ']') && depth > 0)
      depth--;
    if (depth > DEPTH_MAX)
      return FALSE;
  }
  return TRUE;
}

static void
fail_without_object (GError **error, guint status, const char *text, gsize len)
{
  g_autofree char *what = g_strdup_printf ("HTTP status %u, and no JSON object", status);

  /* To gRPC the name is a user's, and the gateway, which is a client with a certificate of its own there, would lose it. */
  if (status == 400 && len > 0 && g_strstr_len (text, len, "CommonName of client"))
    g_set_error_literal (error, VR_ETCD_ERROR, VR_ETCD_ERROR_TLS,
                         "etcd has users, and its JSON gateway then takes no client whose certificate has a common name (CN): "
                         "give this host a certificate without one, see [log] certificate");
  else
    not_etcd (error, what);
}

/* The object in `json`, owned by the parser; NULL with an error if it is none, or one of the gateway's errors. */
static JsonObject *
load (JsonParser *parser, guint status, const char *json, gsize len, GError **error)
{
  JsonNode *root = NULL;
  JsonObject *object, *inner;
  const char *words;

  if (len > 0 && depth_is_sane (json, len) && json_parser_load_from_data (parser, json, len, NULL))
    root = json_parser_get_root (parser);
  if (!root || !JSON_NODE_HOLDS_OBJECT (root)) {
    fail_without_object (error, status, json, len);
    return NULL;
  }
  object = json_node_get_object (root);
  inner = member_object (object, "error"); /* in a stream the error is an object */
  words = inner ? member_text (inner, "message") : member_text (object, "error");
  if (!words && status != 200) /* etcd 3.5 */
    words = member_text (object, "message");
  if (words || inner) {
    JsonObject *says = inner ? inner : object;
    gint64 code = json_object_has_member (says, "grpc_code") ? member_int64 (says, "grpc_code") : member_int64 (says, "code");

    fail_with_words (error, code, words ? words : "an error without a message");
    return NULL;
  }
  if (status != 200) {
    g_autofree char *what = g_strdup_printf ("HTTP status %u", status);

    not_etcd (error, what);
    return NULL;
  }
  return object;
}

static gboolean
add_kv (GPtrArray *kvs, JsonObject *object, gboolean deleted, GError **error)
{
  VrEtcdKv *kv = g_new0 (VrEtcdKv, 1);
  const char *key = object ? member_text (object, "key") : NULL, *value = object ? member_text (object, "value") : NULL;
  gsize len = 0;
  guchar *data;

  g_ptr_array_add (kvs, kv);
  if (!key)
    return not_etcd (error, "a key-value pair without a key");
  data = g_base64_decode (key, &len);
  kv->key = g_strndup ((char *) data, len);
  g_free (data);
  if (strlen (kv->key) != len || !g_utf8_validate (kv->key, len, NULL)) {
    g_free (kv->key);
    kv->key = g_strdup (""); /* somebody else's, and none of ours */
  }
  kv->mod_revision = member_int64 (object, "mod_revision");
  if (deleted)
    return TRUE;
  data = g_base64_decode (value ? value : "", &len);
  kv->value = g_bytes_new_take (data, len);
  return TRUE;
}

static gboolean
add_kvs (GPtrArray *kvs, JsonObject *range, GError **error)
{
  JsonArray *array = member_array (range, "kvs");

  for (guint i = 0; array && i < json_array_get_length (array); i++)
    if (!add_kv (kvs, element_object (array, i), FALSE, error))
      return FALSE;
  return TRUE;
}

VrEtcdAnswer *
vr_etcd_answer_parse (guint status, const char *json, gsize len, GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new_immutable ();
  g_autoptr (VrEtcdAnswer) answer = NULL;
  JsonObject *object = load (parser, status, json, len, error), *range;
  JsonArray *responses;

  if (!object)
    return NULL;
  answer = g_new0 (VrEtcdAnswer, 1);
  answer->kvs = g_ptr_array_new_with_free_func (kv_free);
  answer->revision = header_revision (object);
  answer->more = member_true (object, "more");
  answer->succeeded = member_true (object, "succeeded");
  answer->lease = member_int64 (object, "ID");
  answer->token = g_strdup (member_text (object, "token"));
  if (!add_kvs (answer->kvs, object, error))
    return NULL;
  responses = member_array (object, "responses");
  for (guint i = 0; responses && i < json_array_get_length (responses); i++) {
    JsonObject *response = element_object (responses, i);

    range = response ? member_object (response, "response_range") : NULL;
    if (range && !add_kvs (answer->kvs, range, error))
      return NULL;
  }
  return g_steal_pointer (&answer);
}

void
vr_etcd_answer_free (VrEtcdAnswer *answer)
{
  if (!answer)
    return;
  g_ptr_array_unref (answer->kvs);
  g_free (answer->token);
  g_free (answer);
}

static gboolean
frame_was_cancelled (JsonObject *result, GError **error)
{
  const char *reason = member_text (result, "cancel_reason");

  if (!member_true (result, "canceled"))
    return FALSE;
  if (member_int64 (result, "compact_revision") > 0)
    g_set_error_literal (error, VR_ETCD_ERROR, VR_ETCD_ERROR_COMPACTED, "the revision to watch from has been compacted");
  else if (reason && (strstr (reason, "permission denied") || strstr (reason, "PermissionDenied")))
    fail_with_words (error, 7, reason);
  else
    fail_with_words (error, 0, reason && *reason ? reason : "the watch is cancelled");
  return TRUE;
}

VrEtcdFrame *
vr_etcd_frame_parse (const char *json, gsize len, GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new_immutable ();
  g_autoptr (VrEtcdFrame) frame = NULL;
  JsonObject *object = load (parser, 200, json, len, error), *result;
  JsonArray *events;

  if (!object)
    return NULL;
  result = member_object (object, "result");
  if (!result) {
    not_etcd (error, "a watch that says neither a result nor an error");
    return NULL;
  }
  if (frame_was_cancelled (result, error))
    return NULL;
  frame = g_new0 (VrEtcdFrame, 1);
  frame->kvs = g_ptr_array_new_with_free_func (kv_free);
  frame->revision = header_revision (result);
  frame->created = member_true (result, "created");
  events = member_array (result, "events");
  for (guint i = 0; events && i < json_array_get_length (events); i++) {
    JsonObject *event = element_object (events, i);

    if (!event || !add_kv (frame->kvs, member_object (event, "kv"), g_strcmp0 (member_text (event, "type"), "DELETE") == 0, error)) {
      if (error && !*error)
        not_etcd (error, "an event that is none");
      return NULL;
    }
  }
  return g_steal_pointer (&frame);
}

void
vr_etcd_frame_free (VrEtcdFrame *frame)
{
  if (!frame)
    return;
  g_ptr_array_unref (frame->kvs);
  g_free (frame);
}
