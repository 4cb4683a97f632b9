/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Records as JSON. What is read here was written by another host, and nothing behind this file looks at the form of a field
 * again: names end up in file names and interface names, addresses in routes. So every field is checked, lists are bounded, and
 * an error names the field. Fields that are not known are passed over: a newer release may write more than this one understands.
 */
#include "record-fields.h"

#include "address.h"
#include "json-text.h"
#include "proof.h"

#include <string.h>

#define LIST_MAX 256   /* elements of a list */
#define OPEN_MAX 1024  /* "[" and "{" of a record: 2 for each NIC, and some in a guest's name */
#define TEXT_MAX 255   /* bytes of a guest's name or an identity */
#define NUMBER_MAX VR_FIELD_NUMBER_MAX

/* ---- writing ---- */

static void
add_text (JsonBuilder *builder, const char *field, const char *value)
{
  if (!value)
    return;
  json_builder_set_member_name (builder, field);
  json_builder_add_string_value (builder, value);
}

static void
add_number (JsonBuilder *builder, const char *field, gint64 value)
{
  json_builder_set_member_name (builder, field);
  json_builder_add_int_value (builder, value);
}

static void
add_list (JsonBuilder *builder, const char *field, char **values)
{
  json_builder_set_member_name (builder, field);
  json_builder_begin_array (builder);
  for (char **value = values; value && *value; value++)
    json_builder_add_string_value (builder, *value);
  json_builder_end_array (builder);
}

char *
vr_record_to_json (const VrRecord *record)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  add_text (builder, "kind", "guest");
  add_text (builder, "uuid", record->uuid);
  add_text (builder, "name", record->name);
  add_number (builder, "epoch", record->epoch);
  add_text (builder, "state", vr_state_to_string (record->state));
  add_text (builder, "owner", record->owner);
  add_text (builder, "origin", record->origin);
  add_text (builder, "target", record->target);
  add_text (builder, "home", record->home);
  add_text (builder, "writer", record->writer);
  add_text (builder, "proof", record->proof);
  add_number (builder, "time_us", record->time_us);
  add_number (builder, "seq", record->seq);
  json_builder_set_member_name (builder, "nics");
  json_builder_begin_array (builder);
  for (guint i = 0; i < record->nics->len; i++) {
    const VrNic *nic = record->nics->pdata[i];

    json_builder_begin_object (builder);
    add_text (builder, "mac", nic->mac);
    add_list (builder, "addresses", nic->addresses);
    if (nic->rate > 0)
      add_number (builder, "rate", nic->rate);
    json_builder_end_object (builder);
  }
  json_builder_end_array (builder);
  return vr_json_end (builder, FALSE);
}

char *
vr_host_to_json (const VrHost *host)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  add_text (builder, "kind", "host");
  add_text (builder, "name", host->name);
  add_list (builder, "underlay", host->underlay);
  add_list (builder, "networks", host->networks);
  add_list (builder, "reach", host->reach);
  add_list (builder, "macs", host->macs);
  add_text (builder, "identity", host->identity);
  add_number (builder, "seq", host->seq);
  return vr_json_end (builder, FALSE);
}

/* ---- checks of one value: each gives what is wrong, or NULL ---- */

typedef const char *(*Check) (const char *value);

static const char *
check_host_name (const char *value)
{
  return vr_host_name_is_valid (value) ? NULL : "is not a host's name (1 to 63 of A-Z a-z 0-9 . _ -)";
}

static const char *
check_reach (const char *value)
{
  return strcmp (value, "*") == 0 ? NULL : check_host_name (value);
}

static const char *
check_text (const char *value)
{
  gsize len = strlen (value);

  if (len == 0 || len > TEXT_MAX)
    return "is empty or longer than 255 bytes";
  if (!g_utf8_validate (value, len, NULL))
    return "is not UTF-8";
  for (const char *p = value; *p; p = g_utf8_next_char (p))
    if (g_unichar_iscntrl (g_utf8_get_char (p)))
      return "has control characters in it";
  return NULL;
}

static const char *
check_uuid (const char *value)
{
  for (const char *p = value; *p; p++)
    if (g_ascii_isupper (*p))
      return "is not in lower case";
  return g_uuid_string_is_valid (value) ? NULL : "is not a UUID";
}

static const char *
check_proof (const char *value)
{
  return vr_token_is_valid (value) ? NULL : "is not 64 hexadecimal digits in lower case";
}

static const char *
check_mac (const char *value)
{
  if (strlen (value) != 17)
    return "is not a MAC address like 52:54:00:12:34:56";
  for (guint i = 0; i < 17; i++)
    if (i % 3 == 2 ? value[i] != ':' : !g_ascii_isxdigit (value[i]) || g_ascii_isupper (value[i]))
      return "is not a MAC address like 52:54:00:12:34:56, in lower case";
  if (g_ascii_xdigit_value (value[1]) & 1)
    return "is a multicast MAC address";
  return strcmp (value, "00:00:00:00:00:00") == 0 ? "is no device's MAC address" : NULL;
}

static const char *
check_address (const char *value)
{
  g_autofree char *canonical = vr_address_canonical (value, NULL);

  if (!canonical)
    return "is not a unicast IP address";
  return strcmp (canonical, value) == 0 ? NULL : "is not written the canonical way";
}

static const char *
check_network (const char *value)
{
  g_autofree char *gateway = NULL;

  if (!vr_network_parse (value, &gateway, NULL, NULL))
    return "is not a gateway with its prefix length, like 10.9.1.1/24";
  return g_str_has_prefix (value, gateway) && value[strlen (gateway)] == '/' ? NULL : "is not written the canonical way";
}

/* ---- reading ---- */

static gboolean
malformed (GError **error, const char *field, const char *value, const char *what)
{
  g_autofree char *shown = value ? g_strndup (value, 80) : NULL;
  g_autofree char *safe = shown ? g_utf8_make_valid (shown, -1) : NULL;

  if (safe)
    g_set_error (error, VR_RECORD_ERROR, VR_RECORD_ERROR_MALFORMED, "field \"%s\": \"%s\" %s", field, safe, what);
  else
    g_set_error (error, VR_RECORD_ERROR, VR_RECORD_ERROR_MALFORMED, "field \"%s\" %s", field, what);
  return FALSE;
}

static const char *
node_string (JsonNode *node)
{
  return node && JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_STRING ? json_node_get_string (node) : NULL;
}

/* A field that is away, or null, is NULL; an error only if it is `required`. */
static gboolean
read_text (JsonObject *object, const char *field, gboolean required, Check check, char **value, GError **error)
{
  JsonNode *node = json_object_get_member (object, field);
  const char *text = node_string (node), *why;

  if (!node || JSON_NODE_HOLDS_NULL (node))
    return required ? malformed (error, field, NULL, "is missing") : TRUE;
  if (!text)
    return malformed (error, field, NULL, "is not a string");
  why = check (text);
  if (why)
    return malformed (error, field, text, why);
  g_free (*value);
  *value = g_strdup (text);
  return TRUE;
}

static gboolean
read_number (JsonObject *object, const char *field, gint64 min, gint64 *value, GError **error)
{
  JsonNode *node = json_object_get_member (object, field);

  if (!node)
    return malformed (error, field, NULL, "is missing");
  if (!JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_INT64)
    return malformed (error, field, NULL, "is not a whole number");
  *value = json_node_get_int (node);
  if (*value < min || *value > NUMBER_MAX)
    return malformed (error, field, NULL, min > 0 ? "is out of range: 1 to 2^53-1" : "is out of range: 0 to 2^53-1");
  return TRUE;
}

static JsonArray *
read_array (JsonObject *object, const char *field, GError **error)
{
  JsonNode *node = json_object_get_member (object, field);

  if (!node || !JSON_NODE_HOLDS_ARRAY (node)) {
    malformed (error, field, NULL, node ? "is not a list" : "is missing");
    return NULL;
  }
  if (json_array_get_length (json_node_get_array (node)) > LIST_MAX) {
    malformed (error, field, NULL, "has more than 256 elements");
    return NULL;
  }
  return json_node_get_array (node);
}

static gboolean
read_list (JsonObject *object, const char *field, Check check, char ***values, GError **error)
{
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func (g_free);
  JsonArray *array = read_array (object, field, error);

  if (!array)
    return FALSE;
  for (guint i = 0; i < json_array_get_length (array); i++) {
    const char *text = node_string (json_array_get_element (array, i));
    const char *why = text ? check (text) : "is not a list of strings";

    if (why)
      return malformed (error, field, text, why);
    g_ptr_array_add (list, g_strdup (text));
  }
  g_ptr_array_add (list, NULL);
  g_strfreev (*values);
  *values = (char **) g_ptr_array_steal (list, NULL);
  return TRUE;
}

static gboolean
read_nics (JsonObject *object, GPtrArray *nics, GError **error)
{
  JsonArray *array = read_array (object, "nics", error);

  if (!array)
    return FALSE;
  for (guint i = 0; i < json_array_get_length (array); i++) {
    JsonNode *node = json_array_get_element (array, i);
    gint64 rate = 0;
    VrNic *nic;

    if (!JSON_NODE_HOLDS_OBJECT (node))
      return malformed (error, "nics", NULL, "is not a list of objects");
    nic = g_new0 (VrNic, 1);
    g_ptr_array_add (nics, nic);
    if (!read_text (json_node_get_object (node), "mac", TRUE, check_mac, &nic->mac, error) ||
        !read_list (json_node_get_object (node), "addresses", check_address, &nic->addresses, error))
      return FALSE;
    if (json_object_has_member (json_node_get_object (node), "rate") &&
        !read_number (json_node_get_object (node), "rate", 0, &rate, error))
      return FALSE;
    nic->rate = MIN (rate, G_MAXINT);
  }
  return TRUE;
}

static VrRecord *
read_guest (JsonObject *object, GError **error)
{
  g_autoptr (VrRecord) record = vr_record_new (NULL, NULL);
  g_autofree char *state = NULL;
  gint64 epoch, seq;

  if (!read_text (object, "uuid", TRUE, check_uuid, &record->uuid, error) ||
      !read_text (object, "name", TRUE, check_text, &record->name, error) ||
      !read_number (object, "epoch", 1, &epoch, error) ||
      !read_text (object, "state", TRUE, check_text, &state, error) ||
      !read_text (object, "owner", TRUE, check_host_name, &record->owner, error) ||
      !read_text (object, "origin", FALSE, check_host_name, &record->origin, error) ||
      !read_text (object, "target", FALSE, check_host_name, &record->target, error) ||
      !read_text (object, "home", TRUE, check_host_name, &record->home, error) ||
      !read_text (object, "writer", TRUE, check_host_name, &record->writer, error) ||
      !read_text (object, "proof", FALSE, check_proof, &record->proof, error) ||
      !read_number (object, "time_us", 0, &record->time_us, error) ||
      !read_number (object, "seq", 1, &seq, error) ||
      !read_nics (object, record->nics, error))
    return NULL;
  if (!vr_state_from_string (state, &record->state)) {
    malformed (error, "state", state, "is not a state");
    return NULL;
  }
  record->epoch = epoch;
  record->seq = seq;
  return g_steal_pointer (&record);
}

static VrHost *
read_host (JsonObject *object, GError **error)
{
  g_autoptr (VrHost) host = vr_host_new (NULL);
  gint64 seq;

  if (!read_text (object, "name", TRUE, check_host_name, &host->name, error) ||
      !read_list (object, "underlay", check_address, &host->underlay, error) ||
      !read_list (object, "networks", check_network, &host->networks, error) ||
      !read_list (object, "reach", check_reach, &host->reach, error) ||
      !read_list (object, "macs", check_mac, &host->macs, error) ||
      !read_text (object, "identity", TRUE, check_text, &host->identity, error) ||
      !read_number (object, "seq", 1, &seq, error))
    return NULL;
  host->seq = seq;
  return g_steal_pointer (&host);
}

/* ---- for the other kinds of records ---- */

gboolean
vr_field_text (JsonObject *object, const char *field, gboolean required, VrFieldKind kind, char **value, GError **error)
{
  static const Check checks[] = {
    [VR_FIELD_TEXT] = check_text, [VR_FIELD_UUID] = check_uuid, [VR_FIELD_HOST] = check_host_name, [VR_FIELD_MAC] = check_mac,
  };

  return read_text (object, field, required, checks[kind], value, error);
}

gboolean
vr_field_number (JsonObject *object, const char *field, gint64 min, gint64 *value, GError **error)
{
  return read_number (object, field, min, value, error);
}

/* ---- any record ---- */

/* json-glib 1.6 recurses for each bracket without a limit: a long line of them would end the process. */
static gboolean
nesting_is_sane (const char *json, gsize len)
{
  guint open = 0;

  for (gsize i = 0; i < len; i++)
    open += json[i] == '[' || json[i] == '{';
  return open <= OPEN_MAX;
}

gboolean
vr_entry_from_json (const char *json, gssize len, VrEntry *entry, GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new_immutable ();
  g_autoptr (GError) why = NULL;
  JsonNode *root;
  JsonObject *object;
  const char *kind;

  *entry = (VrEntry) { NULL };
  if (!nesting_is_sane (json, len < 0 ? strlen (json) : (gsize) len)) {
    g_set_error_literal (error, VR_RECORD_ERROR, VR_RECORD_ERROR_MALFORMED, "too many brackets for a record");
    return FALSE;
  }
  if (!json_parser_load_from_data (parser, json, len, &why)) {
    g_set_error (error, VR_RECORD_ERROR, VR_RECORD_ERROR_MALFORMED, "not JSON: %s", why->message);
    return FALSE;
  }
  root = json_parser_get_root (parser);
  if (!root || !JSON_NODE_HOLDS_OBJECT (root)) {
    g_set_error_literal (error, VR_RECORD_ERROR, VR_RECORD_ERROR_MALFORMED, "not a JSON object");
    return FALSE;
  }
  object = json_node_get_object (root);
  kind = node_string (json_object_get_member (object, "kind"));
  if (g_strcmp0 (kind, "guest") == 0)
    entry->guest = read_guest (object, error);
  else if (g_strcmp0 (kind, "host") == 0)
    entry->host = read_host (object, error);
  else if (g_strcmp0 (kind, "ledger") == 0)
    entry->ledger = vr_ledger_from_object (object, error);
  else
    return malformed (error, "kind", kind, "is neither \"guest\" nor \"host\" nor \"ledger\"");
  return entry->guest || entry->host || entry->ledger;
}
