/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records of guests and of hosts, to JSON and from it. Fields that are not known are passed over: a newer release may write more than this one understands. */
#include "record-fields.h"
#include "record-object.h"

#include "json-text.h"

#include <string.h>

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

/* ---- reading ---- */

static gboolean
read_nics (JsonObject *object, GPtrArray *nics, GError **error)
{
  JsonArray *array = vr_field_array (object, "nics", error);

  if (!array)
    return FALSE;
  for (guint i = 0; i < json_array_get_length (array); i++) {
    JsonNode *node = json_array_get_element (array, i);
    gint64 rate = 0;
    VrNic *nic;

    if (!JSON_NODE_HOLDS_OBJECT (node))
      return vr_field_malformed (error, "nics", NULL, "is not a list of objects");
    nic = g_new0 (VrNic, 1);
    g_ptr_array_add (nics, nic);
    if (!vr_field_text (json_node_get_object (node), "mac", TRUE, VR_FIELD_MAC, &nic->mac, error) ||
        !vr_field_list (json_node_get_object (node), "addresses", VR_FIELD_ADDRESS, &nic->addresses, error))
      return FALSE;
    if (json_object_has_member (json_node_get_object (node), "rate") &&
        !vr_field_number (json_node_get_object (node), "rate", 0, &rate, error))
      return FALSE;
    nic->rate = MIN (rate, G_MAXINT);
  }
  return TRUE;
}

VrRecord *
vr_record_from_object (JsonObject *object, GError **error)
{
  g_autoptr (VrRecord) record = vr_record_new (NULL, NULL);
  g_autofree char *state = NULL;
  gint64 epoch, seq;

  if (!vr_field_text (object, "uuid", TRUE, VR_FIELD_UUID, &record->uuid, error) ||
      !vr_field_text (object, "name", TRUE, VR_FIELD_TEXT, &record->name, error) ||
      !vr_field_number (object, "epoch", 1, &epoch, error) ||
      !vr_field_text (object, "state", TRUE, VR_FIELD_TEXT, &state, error) ||
      !vr_field_text (object, "owner", TRUE, VR_FIELD_HOST, &record->owner, error) ||
      !vr_field_text (object, "origin", FALSE, VR_FIELD_HOST, &record->origin, error) ||
      !vr_field_text (object, "target", FALSE, VR_FIELD_HOST, &record->target, error) ||
      !vr_field_text (object, "home", TRUE, VR_FIELD_HOST, &record->home, error) ||
      !vr_field_text (object, "writer", TRUE, VR_FIELD_HOST, &record->writer, error) ||
      !vr_field_text (object, "proof", FALSE, VR_FIELD_PROOF, &record->proof, error) ||
      !vr_field_number (object, "time_us", 0, &record->time_us, error) ||
      !vr_field_number (object, "seq", 1, &seq, error) ||
      !read_nics (object, record->nics, error))
    return NULL;
  if (!vr_state_from_string (state, &record->state)) {
    vr_field_malformed (error, "state", state, "is not a state");
    return NULL;
  }
  record->epoch = epoch;
  record->seq = seq;
  return g_steal_pointer (&record);
}

VrHost *
vr_host_from_object (JsonObject *object, GError **error)
{
  g_autoptr (VrHost) host = vr_host_new (NULL);
  gint64 seq;

  if (!vr_field_text (object, "name", TRUE, VR_FIELD_HOST, &host->name, error) ||
      !vr_field_list (object, "underlay", VR_FIELD_ADDRESS, &host->underlay, error) ||
      !vr_field_list (object, "networks", VR_FIELD_NETWORK, &host->networks, error) ||
      !vr_field_list (object, "reach", VR_FIELD_REACH, &host->reach, error) ||
      !vr_field_list (object, "macs", VR_FIELD_MAC, &host->macs, error) ||
      !vr_field_text (object, "identity", TRUE, VR_FIELD_TEXT, &host->identity, error) ||
      !vr_field_number (object, "seq", 1, &seq, error))
    return NULL;
  host->seq = seq;
  return g_steal_pointer (&host);
}
