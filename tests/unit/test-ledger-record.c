/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One host's part of a ledger: as JSON, and back. */
#include "daemon/model/entry.h"

#include <string.h>

#define UUID "c7a5fdbd-edaf-9455-926a-d65c16db1809"
#define MAC "52:54:00:12:34:56"

static VrLedger *
part (void)
{
  VrLedger    *ledger = vr_ledger_new (UUID, "web 1", 8, "h1", "h3");
  VrLedgerNic *nic = vr_ledger_nic (ledger, MAC);

  ledger->writer = g_strdup ("h1");
  ledger->way = g_strdup ("queues");
  ledger->seq = 17;
  ledger->time_us = 1700000000000001;
  ledger->critical_ns = 84000;
  ledger->phases[VR_PHASE_STOP] = 1700000000000002;
  vr_ledger_count (nic, VR_COUNT_RELAYED, 418);
  vr_ledger_count (nic, VR_COUNT_TAP_DROPPED, 0);
  return ledger;
}

static VrLedger *
again (const char *json, GError **error)
{
  VrEntry entry = { NULL };

  vr_entry_from_json (json, -1, &entry, error);
  g_assert_null (entry.guest);
  return entry.ledger;
}

static void
test_round_trip (void)
{
  g_autoptr (VrLedger) ledger = part ();
  g_autofree char *json = vr_ledger_to_json (ledger), *json_again = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (VrLedger) back = again (json, &error);

  g_assert_no_error (error);
  g_assert_null (strchr (json, '\n'));
  g_assert_cmpuint (back->epoch, ==, 8);
  g_assert_cmpint (back->phases[VR_PHASE_STOP], ==, 1700000000000002);
  g_assert_cmpuint (vr_ledger_nic (back, MAC)->counts[VR_COUNT_RELAYED], ==, 418);
  json_again = vr_ledger_to_json (back);
  g_assert_cmpstr (json_again, ==, json);
  g_assert_null (back->partial);
}

static void
test_partial (void)
{
  g_autoptr (VrLedger) ledger = part (), back = NULL;
  g_autofree char *json = NULL;

  ledger->partial = g_strdup ("started anew");
  json = vr_ledger_to_json (ledger);
  back = again (json, NULL);
  g_assert_cmpstr (back->partial, ==, "started anew");
}

/* That nothing was dropped is something else than that nobody counted. */
static void
test_unknown_is_not_zero (void)
{
  g_autoptr (VrLedger) ledger = part ();
  g_autofree char *json = vr_ledger_to_json (ledger);
  g_autoptr (VrLedger) back = again (json, NULL);
  const VrLedgerNic *nic = vr_ledger_nic (back, MAC);

  g_assert_true (vr_ledger_knows (nic, VR_COUNT_TAP_DROPPED));
  g_assert_false (vr_ledger_knows (nic, VR_COUNT_DRAINED));
}

static void
test_newer_release_is_understood (void)
{
  g_autoptr (VrLedger) ledger = part ();
  g_autofree char *json = vr_ledger_to_json (ledger);
  g_autoptr (GString) newer = g_string_new (json);
  g_autoptr (GError) error = NULL;
  g_autoptr (VrLedger) back = NULL;

  g_string_replace (newer, "\"stop\":", "\"halt\":5,\"stop\":", 1);
  g_string_replace (newer, "\"relayed\":", "\"teleported\":\"many\",\"relayed\":", 1);
  back = again (newer->str, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (vr_ledger_nic (back, MAC)->counts[VR_COUNT_RELAYED], ==, 418);
}

static const struct {
  const char *name, *old, *new, *message;
} bads[] = {
  { "count-negative", "\"relayed\":418", "\"relayed\":-1", "relayed" },
  { "count-text", "\"relayed\":418", "\"relayed\":\"418\"", "relayed" },
  { "phase-text", "\"stop\":1700000000000002", "\"stop\":\"now\"", "stop" },
  { "origin", "\"origin\":\"h1\"", "\"origin\":\"../h1\"", "origin" },
  { "way", "\"way\":\"queues\"", "\"way\":\"\\u001b[2J\"", "way" },
  { "mac", MAC, "somewhere", "mac" },
  { "counts", "\"counts\":{", "\"accounts\":{", "counts" },
  { "nics", "\"nics\":[", "\"nics\":[5,", "nics" },
};

static void
test_bad_field (gconstpointer data)
{
  const guint i = GPOINTER_TO_UINT (data);
  g_autoptr (VrLedger) ledger = part ();
  g_autofree char *json = vr_ledger_to_json (ledger);
  g_autoptr (GString) bad = g_string_new (json);
  g_autoptr (GError) error = NULL;

  g_assert_cmpuint (g_string_replace (bad, bads[i].old, bads[i].new, 0), ==, 1);
  g_assert_null (again (bad->str, &error));
  g_assert_error (error, VR_RECORD_ERROR, VR_RECORD_ERROR_MALFORMED);
  g_assert_nonnull (strstr (error->message, bads[i].message));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ledger-record/round-trip", test_round_trip);
  g_test_add_func ("/ledger-record/partial", test_partial);
  g_test_add_func ("/ledger-record/unknown-is-not-zero", test_unknown_is_not_zero);
  g_test_add_func ("/ledger-record/newer-release", test_newer_release_is_understood);
  for (guint i = 0; i < G_N_ELEMENTS (bads); i++)
    {
      g_autofree char *path = g_strconcat ("/ledger-record/bad/", bads[i].name, NULL);

      g_test_add_data_func (path, GUINT_TO_POINTER (i), test_bad_field);
    }
  return g_test_run ();
}
