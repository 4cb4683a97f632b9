/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "entry.h"

#include "record-fields.h"
#include "record-object.h"

#include <string.h>

#define OPEN_MAX 1024 /* "[" and "{" of a record: 2 for each NIC, and some in a guest's name */

void
vr_entry_clear (VrEntry *entry)
{
  g_clear_pointer (&entry->guest, vr_record_unref);
  g_clear_pointer (&entry->host, vr_host_unref);
  g_clear_pointer (&entry->ledger, vr_ledger_unref);
}

VrEntry
vr_entry_copy (const VrEntry *entry)
{
  return (VrEntry) {
    .guest = entry->guest ? vr_record_ref (entry->guest) : NULL,
    .host = entry->host ? vr_host_ref (entry->host) : NULL,
    .ledger = entry->ledger ? vr_ledger_ref (entry->ledger) : NULL,
  };
}

const char *
vr_entry_writer (const VrEntry *entry)
{
  return entry->guest ? entry->guest->writer : entry->host ? entry->host->name : entry->ledger->writer;
}

guint64
vr_entry_seq (const VrEntry *entry)
{
  return entry->guest ? entry->guest->seq : entry->host ? entry->host->seq : entry->ledger->seq;
}

char *
vr_entry_to_json (const VrEntry *entry)
{
  return entry->guest ? vr_record_to_json (entry->guest) : entry->host ? vr_host_to_json (entry->host) : vr_ledger_to_json (entry->ledger);
}

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
  kind = vr_field_string (json_object_get_member (object, "kind"));
  if (g_strcmp0 (kind, "guest") == 0)
    entry->guest = vr_record_from_object (object, error);
  else if (g_strcmp0 (kind, "host") == 0)
    entry->host = vr_host_from_object (object, error);
  else if (g_strcmp0 (kind, "ledger") == 0)
    entry->ledger = vr_ledger_from_object (object, error);
  else
    return vr_field_malformed (error, "kind", kind, "is neither \"guest\" nor \"host\" nor \"ledger\"");
  return entry->guest || entry->host || entry->ledger;
}
