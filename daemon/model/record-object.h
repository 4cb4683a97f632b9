/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A record of each kind from its JSON object: for entry.c, and nobody else. */
#pragma once

#include "ledger.h"
#include "record.h"

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/* (transfer full), or NULL. */
VrRecord *vr_record_from_object (JsonObject *object, GError **error);
VrHost   *vr_host_from_object (JsonObject *object, GError **error);
VrLedger *vr_ledger_from_object (JsonObject *object, GError **error);

G_END_DECLS
