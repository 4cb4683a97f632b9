/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is read here was written by another host, and nothing behind this file looks at the form of a field again: names end up in file names
 * and interface names, addresses in routes. So every field is checked, lists are bounded, and an error names the field.
 */
#include "record-fields.h"

#include "address.h"
#include "proof.h"

#include <string.h>

#define LIST_MAX 256 /* elements of a list */
#define TEXT_MAX 255 /* bytes of a guest's name or an identity */

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

static const Check checks[] = {
  [VR_FIELD_TEXT] = check_text,       [VR_FIELD_UUID] = check_uuid,   [VR_FIELD_HOST] = check_host_name,
  [VR_FIELD_MAC] = check_mac,         [VR_FIELD_REACH] = check_reach, [VR_FIELD_PROOF] = check_proof,
  [VR_FIELD_ADDRESS] = check_address, [VR_FIELD_NETWORK] = check_network,
};

/* ---- reading ---- */

gboolean
vr_field_malformed (GError **error, const char *field, const char *value, const char *what)
{
  g_autofree char *shown = value ? g_strndup (value, 80) : NULL;
  g_autofree char *safe = shown ? g_utf8_make_valid (shown, -1) : NULL;

  if (safe)
    g_set_error (error, VR_RECORD_ERROR, VR_RECORD_ERROR_MALFORMED, "field \"%s\": \"%s\" %s", field, safe, what);
  else
    g_set_error (error, VR_RECORD_ERROR, VR_RECORD_ERROR_MALFORMED, "field \"%s\" %s", field, what);
  return FALSE;
}

const char *
vr_field_string (JsonNode *node)
{
  return node && JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_STRING ? json_node_get_string (node) : NULL;
}

gboolean
vr_field_text (JsonObject *object, const char *field, gboolean required, VrFieldKind kind, char **value, GError **error)
{
  JsonNode *node = json_object_get_member (object, field);
  const char *text = vr_field_string (node), *why;

  if (!node || JSON_NODE_HOLDS_NULL (node))
    return required ? vr_field_malformed (error, field, NULL, "is missing") : TRUE;
  if (!text)
    return vr_field_malformed (error, field, NULL, "is not a string");
  why = checks[kind] (text);
  if (why)
    return vr_field_malformed (error, field, text, why);
  g_free (*value);
  *value = g_strdup (text);
  return TRUE;
}

gboolean
vr_field_number (JsonObject *object, const char *field, gint64 min, gint64 *value, GError **error)
{
  JsonNode *node = json_object_get_member (object, field);

  if (!node)
    return vr_field_malformed (error, field, NULL, "is missing");
  if (!JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_INT64)
    return vr_field_malformed (error, field, NULL, "is not a whole number");
  *value = json_node_get_int (node);
  if (*value < min || *value > VR_FIELD_NUMBER_MAX)
    return vr_field_malformed (error, field, NULL, min > 0 ? "is out of range: 1 to 2^53-1" : "is out of range: 0 to 2^53-1");
  return TRUE;
}

JsonArray *
vr_field_array (JsonObject *object, const char *field, GError **error)
{
  JsonNode *node = json_object_get_member (object, field);

  if (!node || !JSON_NODE_HOLDS_ARRAY (node)) {
    vr_field_malformed (error, field, NULL, node ? "is not a list" : "is missing");
    return NULL;
  }
  if (json_array_get_length (json_node_get_array (node)) > LIST_MAX) {
    vr_field_malformed (error, field, NULL, "has more than 256 elements");
    return NULL;
  }
  return json_node_get_array (node);
}

gboolean
vr_field_list (JsonObject *object, const char *field, VrFieldKind kind, char ***values, GError **error)
{
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func (g_free);
  JsonArray *array = vr_field_array (object, field, error);

  if (!array)
    return FALSE;
  for (guint i = 0; i < json_array_get_length (array); i++) {
    const char *text = vr_field_string (json_array_get_element (array, i));
    const char *why = text ? checks[kind] (text) : "is not a list of strings";

    if (why)
      return vr_field_malformed (error, field, text, why);
    g_ptr_array_add (list, g_strdup (text));
  }
  g_ptr_array_add (list, NULL);
  g_strfreev (*values);
  *values = (char **) g_ptr_array_steal (list, NULL);
  return TRUE;
}
