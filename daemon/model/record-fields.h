/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading checked fields of a record: what record-json.c has for the other kinds of records in this folder, and nobody else. */
#pragma once

#include "record.h"

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

#define VR_FIELD_NUMBER_MAX ((G_GINT64_CONSTANT (1) << 53) - 1) /* what every JSON reader keeps exact */

typedef enum { VR_FIELD_TEXT, VR_FIELD_UUID, VR_FIELD_HOST, VR_FIELD_MAC } VrFieldKind;

/* *value: freed and set; one that is away, or null, leaves it alone, and is an error only if `required`. VR_RECORD_ERROR_MALFORMED names the field. */
gboolean vr_field_text (JsonObject *object, const char *field, gboolean required, VrFieldKind kind, char **value, GError **error);
gboolean vr_field_number (JsonObject *object, const char *field, gint64 min, gint64 *value, GError **error); /* min to 2^53-1 */

VrLedger *vr_ledger_from_object (JsonObject *object, GError **error); /* (transfer full), or NULL */

G_END_DECLS
