/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Parts of the ledger: in memory, and as JSON. What is read was written by another host, so every field is checked as in
 * any record. Phases and counts that this release does not know are passed over, those that were not seen are left out.
 */
#include "ledger.h"

#include "json-text.h"
#include "record-fields.h"
#include "record-object.h"

#define NICS_MAX 256

static const char *const phase_names[] = {
  [VR_PHASE_INTENT] = "intent",     [VR_PHASE_TUNNEL] = "tunnel",   [VR_PHASE_ARMED] = "armed",       [VR_PHASE_LEAVING] = "leaving",
  [VR_PHASE_STOP] = "stop",         [VR_PHASE_EVENT] = "event",     [VR_PHASE_FLIP] = "flip",         [VR_PHASE_MOVED] = "moved",
  [VR_PHASE_RESUMED] = "resumed",   [VR_PHASE_RUNNING] = "running", [VR_PHASE_RETURNED] = "returned", [VR_PHASE_ANSWER] = "answer",
  [VR_PHASE_DIRECT] = "direct",     [VR_PHASE_COUNTED] = "counted",
};
G_STATIC_ASSERT (G_N_ELEMENTS (phase_names) == VR_N_PHASES);

static const char *const count_names[] = {
  [VR_COUNT_CAME] = "came",           [VR_COUNT_HANDED] = "handed",       [VR_COUNT_RELAYED] = "relayed",
  [VR_COUNT_ARRIVED] = "arrived",     [VR_COUNT_FRAMES] = "frames",
  [VR_COUNT_FLOODED] = "flooded",     [VR_COUNT_DELIVERED] = "delivered", [VR_COUNT_TAP_DROPPED] = "tap-dropped",
  [VR_COUNT_QUEUED] = "queued",       [VR_COUNT_DRAINED] = "drained",     [VR_COUNT_COPIED] = "copied",
  [VR_COUNT_RESENT] = "resent",       [VR_COUNT_UNSENT] = "unsent",       [VR_COUNT_TOO_LARGE] = "too-large",
  [VR_COUNT_PUSHED_BACK] = "pushed-back",
  [VR_COUNT_DUPLICATES] = "duplicates", [VR_COUNT_QUEUE] = "queue",       [VR_COUNT_MEMORY] = "memory",
  [VR_COUNT_RATE] = "rate",           [VR_COUNT_ANSWERS] = "answers",
  [VR_COUNT_OWN] = "own",             [VR_COUNT_LEFT] = "left",           [VR_COUNT_EXPIRED] = "expired",
  [VR_COUNT_FOREIGN_SOURCE] = "foreign-source", [VR_COUNT_FOREIGN_DESTINATION] = "foreign-destination", [VR_COUNT_CIRCLING] = "circling",
  [VR_COUNT_LARGE] = "large",         [VR_COUNT_LARGE_RELAYED] = "large-relayed",
};
G_STATIC_ASSERT (G_N_ELEMENTS (count_names) == VR_N_COUNTS && VR_N_COUNTS <= 32);

const char *
vr_phase_to_string (VrPhase phase)
{
  g_return_val_if_fail ((gsize) phase < VR_N_PHASES, "?");
  return phase_names[phase];
}

const char *
vr_count_to_string (VrCount count)
{
  g_return_val_if_fail ((gsize) count < VR_N_COUNTS, "?");
  return count_names[count];
}

/* ---- in memory ---- */

static void
nic_free (gpointer data)
{
  VrLedgerNic *nic = data;

  g_free (nic->mac);
  g_free (nic);
}

VrLedger *
vr_ledger_new (const char *uuid, const char *name, guint64 epoch, const char *origin, const char *target)
{
  VrLedger *ledger = g_atomic_rc_box_new0 (VrLedger);

  ledger->uuid = g_strdup (uuid);
  ledger->name = g_strdup (name);
  ledger->epoch = epoch;
  ledger->origin = g_strdup (origin);
  ledger->target = g_strdup (target);
  ledger->nics = g_ptr_array_new_with_free_func (nic_free);
  return ledger;
}

VrLedger *
vr_ledger_ref (VrLedger *ledger)
{
  return g_atomic_rc_box_acquire (ledger);
}

static void
ledger_clear (gpointer data)
{
  VrLedger *ledger = data;

  g_free (ledger->uuid);
  g_free (ledger->name);
  g_free (ledger->origin);
  g_free (ledger->target);
  g_free (ledger->writer);
  g_free (ledger->way);
  g_free (ledger->why);
  g_free (ledger->partial);
  g_ptr_array_unref (ledger->nics);
}

void
vr_ledger_unref (VrLedger *ledger)
{
  g_atomic_rc_box_release_full (ledger, ledger_clear);
}

VrLedgerNic *
vr_ledger_nic (VrLedger *ledger, const char *mac)
{
  VrLedgerNic *nic;

  for (guint i = 0; i < ledger->nics->len; i++)
    {
      nic = ledger->nics->pdata[i];
      if (g_str_equal (nic->mac, mac))
        return nic;
    }
  nic = g_new0 (VrLedgerNic, 1);
  nic->mac = g_strdup (mac);
  g_ptr_array_add (ledger->nics, nic);
  return nic;
}

void
vr_ledger_count (VrLedgerNic *nic, VrCount count, guint64 value)
{
  nic->counts[count] = value;
  nic->known |= 1u << count;
}

gboolean
vr_ledger_knows (const VrLedgerNic *nic, VrCount count)
{
  return (nic->known & 1u << count) != 0;
}

/* ---- as JSON ---- */

static void
add_text (JsonBuilder *builder, const char *field, const char *value)
{
  if (value == NULL)
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
add_phases (JsonBuilder *builder, const VrLedger *ledger)
{
  json_builder_set_member_name (builder, "phases");
  json_builder_begin_object (builder);
  for (VrPhase p = 0; p < VR_N_PHASES; p++)
    if (ledger->phases[p] != 0)
      add_number (builder, phase_names[p], ledger->phases[p]);
  json_builder_end_object (builder);
}

static void
add_nic (JsonBuilder *builder, const VrLedgerNic *nic)
{
  json_builder_begin_object (builder);
  add_text (builder, "mac", nic->mac);
  json_builder_set_member_name (builder, "counts");
  json_builder_begin_object (builder);
  for (VrCount c = 0; c < VR_N_COUNTS; c++)
    if (vr_ledger_knows (nic, c))
      add_number (builder, count_names[c], MIN (nic->counts[c], (guint64) VR_FIELD_NUMBER_MAX));
  json_builder_end_object (builder);
  json_builder_end_object (builder);
}

char *
vr_ledger_to_json (const VrLedger *ledger)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  add_text (builder, "kind", "ledger");
  add_text (builder, "uuid", ledger->uuid);
  add_text (builder, "name", ledger->name);
  add_number (builder, "epoch", ledger->epoch);
  add_text (builder, "origin", ledger->origin);
  add_text (builder, "target", ledger->target);
  add_text (builder, "writer", ledger->writer);
  add_text (builder, "way", ledger->way);
  add_text (builder, "why", ledger->why);
  add_text (builder, "partial", ledger->partial);
  add_number (builder, "time_us", ledger->time_us);
  add_number (builder, "seq", ledger->seq);
  add_number (builder, "critical_ns", ledger->critical_ns);
  add_phases (builder, ledger);
  json_builder_set_member_name (builder, "nics");
  json_builder_begin_array (builder);
  for (guint i = 0; i < ledger->nics->len; i++)
    add_nic (builder, ledger->nics->pdata[i]);
  json_builder_end_array (builder);
  return vr_json_end (builder, FALSE);
}

static JsonObject *
read_object (JsonObject *object, const char *field, GError **error)
{
  JsonNode *node = json_object_get_member (object, field);

  if (node != NULL && JSON_NODE_HOLDS_OBJECT (node))
    return json_node_get_object (node);
  g_set_error (error, VR_RECORD_ERROR, VR_RECORD_ERROR_MALFORMED, "field \"%s\" %s", field, node != NULL ? "is not an object" : "is missing");
  return NULL;
}

static gboolean
read_phases (JsonObject *object, VrLedger *ledger, GError **error)
{
  JsonObject *phases = read_object (object, "phases", error);

  for (VrPhase p = 0; phases != NULL && p < VR_N_PHASES; p++)
    if (json_object_has_member (phases, phase_names[p])
        && !vr_field_number (phases, phase_names[p], 0, &ledger->phases[p], error))
      return FALSE;
  return phases != NULL;
}

static gboolean
read_nic (JsonObject *object, VrLedger *ledger, GError **error)
{
  g_autofree char *mac = NULL;
  JsonObject  *counts = read_object (object, "counts", error);
  VrLedgerNic *nic;
  gint64       value;

  if (counts == NULL || !vr_field_text (object, "mac", TRUE, VR_FIELD_MAC, &mac, error))
    return FALSE;
  nic = vr_ledger_nic (ledger, mac);
  for (VrCount c = 0; c < VR_N_COUNTS; c++)
    {
      if (!json_object_has_member (counts, count_names[c]))
        continue;
      if (!vr_field_number (counts, count_names[c], 0, &value, error))
        return FALSE;
      vr_ledger_count (nic, c, value);
    }
  return TRUE;
}

static gboolean
read_nics (JsonObject *object, VrLedger *ledger, GError **error)
{
  JsonNode  *node = json_object_get_member (object, "nics");
  JsonArray *nics = node != NULL && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;

  if (nics == NULL || json_array_get_length (nics) > NICS_MAX)
    {
      g_set_error (error, VR_RECORD_ERROR, VR_RECORD_ERROR_MALFORMED, "field \"nics\" is not a list of at most %d NICs", NICS_MAX);
      return FALSE;
    }
  for (guint i = 0; i < json_array_get_length (nics); i++)
    {
      JsonNode *nic = json_array_get_element (nics, i);

      if (!JSON_NODE_HOLDS_OBJECT (nic))
        {
          g_set_error_literal (error, VR_RECORD_ERROR, VR_RECORD_ERROR_MALFORMED, "field \"nics\" is not a list of objects");
          return FALSE;
        }
      if (!read_nic (json_node_get_object (nic), ledger, error))
        return FALSE;
    }
  return TRUE;
}

VrLedger *
vr_ledger_from_object (JsonObject *object, GError **error)
{
  g_autoptr (VrLedger) ledger = vr_ledger_new (NULL, NULL, 1, NULL, NULL);
  gint64 epoch, seq, critical;

  if (!vr_field_text (object, "uuid", TRUE, VR_FIELD_UUID, &ledger->uuid, error)
      || !vr_field_text (object, "name", TRUE, VR_FIELD_TEXT, &ledger->name, error)
      || !vr_field_number (object, "epoch", 1, &epoch, error)
      || !vr_field_text (object, "origin", TRUE, VR_FIELD_HOST, &ledger->origin, error)
      || !vr_field_text (object, "target", TRUE, VR_FIELD_HOST, &ledger->target, error)
      || !vr_field_text (object, "writer", TRUE, VR_FIELD_HOST, &ledger->writer, error)
      || !vr_field_text (object, "way", FALSE, VR_FIELD_TEXT, &ledger->way, error)
      || !vr_field_text (object, "why", FALSE, VR_FIELD_TEXT, &ledger->why, error)
      || !vr_field_text (object, "partial", FALSE, VR_FIELD_TEXT, &ledger->partial, error)
      || !vr_field_number (object, "time_us", 0, &ledger->time_us, error)
      || !vr_field_number (object, "seq", 1, &seq, error)
      || !vr_field_number (object, "critical_ns", 0, &critical, error)
      || !read_phases (object, ledger, error) || !read_nics (object, ledger, error))
    return NULL;
  ledger->epoch = epoch;
  ledger->seq = seq;
  ledger->critical_ns = critical;
  return g_steal_pointer (&ledger);
}
