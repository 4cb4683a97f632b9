/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading checked fields of a record: what this folder's kinds of records share, and nobody else. */
#pragma once

#include "record.h"

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

#define VR_FIELD_NUMBER_MAX ((G_GINT64_CONSTANT (1) << 53) - 1) /* what every JSON reader keeps exact */

typedef enum {
  VR_FIELD_TEXT, VR_FIELD_UUID, VR_FIELD_HOST, VR_FIELD_MAC, VR_FIELD_REACH, VR_FIELD_PROOF, VR_FIELD_ADDRESS, VR_FIELD_NETWORK
} VrFieldKind;

/* *value: freed and set; one that is away, or null, leaves it alone, and is an error only if `required`. VR_RECORD_ERROR_MALFORMED names the field. */
gboolean vr_field_text (JsonObject *object, const char *field, gboolean required, VrFieldKind kind, char **value, GError **error);
gboolean vr_field_number (JsonObject *object, const char *field, gint64 min, gint64 *value, GError **error); /* min to 2^53-1 */
gboolean vr_field_list (JsonObject *object, const char *field, VrFieldKind kind, char ***values, GError **error); /* *values: freed and set */
JsonArray *vr_field_array (JsonObject *object, const char *field, GError **error); /* of at most 256 elements; NULL: an error */
const char *vr_field_string (JsonNode *node); /* NULL: it is none, or no string */
/* FALSE, with the error that says so of the field; `value` NULL: without it. */
gboolean vr_field_malformed (GError **error, const char *field, const char *value, const char *what);

G_END_DECLS
