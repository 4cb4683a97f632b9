/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/model/entry.h"

#include <string.h>

#define UUID "c7a5fdbd-edaf-9455-926a-d65c16db1809"
#define MAC "52:54:00:12:34:56"

static const char *const addresses[] = { "10.9.1.100", "fd00:9:1::100", NULL };

static VrRecord *
guest (void)
{
  VrRecord *record = vr_record_new (UUID, "web 1");

  record->epoch = 7;
  record->state = VR_STATE_MOVED;
  record->owner = g_strdup ("h3");
  record->origin = g_strdup ("h1");
  record->target = g_strdup ("h3");
  record->home = g_strdup ("h1");
  record->writer = g_strdup ("h1");
  record->time_us = 1700000000000001;
  record->seq = 9007199254740991;
  g_ptr_array_add (record->nics, vr_nic_new (MAC, addresses));
  g_ptr_array_add (record->nics, vr_nic_new ("52:54:00:12:34:57", NULL));
  return record;
}

static VrHost *
host (void)
{
  VrHost *h = vr_host_new ("h1");

  g_strfreev (h->underlay);
  h->underlay = g_strsplit ("192.0.2.1 2001:db8::1", " ", -1);
  g_strfreev (h->networks);
  h->networks = g_strsplit ("10.9.1.1/24 fd00:9:1::1/64", " ", -1);
  g_strfreev (h->reach);
  h->reach = g_strsplit ("h2 *", " ", -1);
  g_strfreev (h->macs);
  h->macs = g_strsplit (MAC, " ", -1);
  h->identity = g_strdup ("h1.virt-relay");
  h->seq = 12;
  return h;
}

/* ---- in memory ---- */

static void
test_states (void)
{
  for (VrState s = VR_STATE_RUNNING; s <= VR_STATE_WITHDRAWN; s++) {
    VrState back;

    g_assert_true (vr_state_from_string (vr_state_to_string (s), &back));
    g_assert_cmpint (back, ==, s);
    g_assert_cmpint (vr_state_is_intent (s), ==, s == VR_STATE_INCOMING || s == VR_STATE_WITHDRAWN);
  }
  g_assert_false (vr_state_from_string ("Running", &(VrState) { 0 }));
  g_assert_false (vr_state_from_string (NULL, &(VrState) { 0 }));
}

static void
test_host_names (void)
{
  g_autofree char *long_name = g_strnfill (64, 'a');

  g_assert_true (vr_host_name_is_valid ("h1"));
  g_assert_true (vr_host_name_is_valid ("Node_3.rack-7"));
  g_assert_true (vr_host_name_is_valid (long_name + 1));
  g_assert_false (vr_host_name_is_valid (long_name));
  g_assert_false (vr_host_name_is_valid (""));
  g_assert_false (vr_host_name_is_valid (NULL));
  g_assert_false (vr_host_name_is_valid ("../h1"));
  g_assert_false (vr_host_name_is_valid ("h\303\2511"));
}

static void
test_derive (void)
{
  g_autoptr (VrRecord) from = guest ();
  g_autoptr (VrRecord) derived = vr_record_derive (from, VR_STATE_RUNNING, "h3");

  g_assert_cmpint (derived->state, ==, VR_STATE_RUNNING);
  g_assert_cmpstr (derived->writer, ==, "h3");
  g_assert_cmpuint (derived->seq, ==, 0);
  g_assert_cmpint (derived->time_us, ==, 0);
  derived->state = from->state;
  g_free (derived->writer);
  derived->writer = g_strdup (from->writer);
  g_assert_true (vr_record_equal_content (from, derived));
}

static void
test_derive_is_deep (void)
{
  VrRecord *from = guest ();
  g_autoptr (VrRecord) derived = vr_record_derive (from, VR_STATE_MOVED, "h1");
  g_autoptr (VrRecord) same = guest ();

  vr_record_unref (from);
  g_assert_true (vr_record_equal_content (derived, same));
}

static void
test_equal_content_ignores_seq_and_time (void)
{
  g_autoptr (VrRecord) a = guest (), b = guest ();

  b->seq = 1;
  b->time_us = 1;
  g_assert_true (vr_record_equal_content (a, b));
}

static void
test_equal_content_sees_every_field (void)
{
  g_autoptr (VrRecord) a = guest ();
  const gsize texts[] = { G_STRUCT_OFFSET (VrRecord, uuid),   G_STRUCT_OFFSET (VrRecord, name), G_STRUCT_OFFSET (VrRecord, owner),
                          G_STRUCT_OFFSET (VrRecord, origin), G_STRUCT_OFFSET (VrRecord, target), G_STRUCT_OFFSET (VrRecord, home),
                          G_STRUCT_OFFSET (VrRecord, writer) };

  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++) {
    g_autoptr (VrRecord) b = guest ();
    char **text = G_STRUCT_MEMBER_P (b, texts[i]);

    g_clear_pointer (text, g_free);
    g_assert_false (vr_record_equal_content (a, b));
    *text = g_strdup ("other");
    g_assert_false (vr_record_equal_content (a, b));
  }
  for (int i = 0; i < 5; i++) {
    g_autoptr (VrRecord) b = guest ();
    VrNic *nic = b->nics->pdata[0];

    if (i == 0)
      b->epoch++;
    else if (i == 1)
      b->state = VR_STATE_STOPPED;
    else if (i == 2)
      g_ptr_array_set_size (b->nics, 1);
    else if (i == 3)
      nic->mac[16] = '0';
    else
      nic->addresses[0][0] = '2';
    g_assert_false (vr_record_equal_content (a, b));
  }
}

static void
test_mac_lower_case (void)
{
  g_autoptr (VrNic) nic = vr_nic_new ("52:54:00:AB:CD:EF", addresses);

  g_assert_cmpstr (nic->mac, ==, "52:54:00:ab:cd:ef");
}

/* ---- JSON ---- */

static void
test_guest_round_trip (void)
{
  g_autoptr (VrRecord) record = guest ();
  g_autofree char *json = vr_record_to_json (record);
  g_auto (VrEntry) entry = { NULL };
  g_autoptr (GError) error = NULL;

  g_assert_null (strchr (json, '\n'));
  vr_entry_from_json (json, -1, &entry, &error);
  g_assert_no_error (error);
  g_assert_nonnull (entry.guest);
  g_assert_null (entry.host);
  g_assert_true (vr_record_equal_content (record, entry.guest));
  g_assert_cmpuint (entry.guest->seq, ==, record->seq);
  g_assert_cmpint (entry.guest->time_us, ==, record->time_us);
}

static void
test_rate_round_trip (void)
{
  g_autoptr (VrRecord) record = guest (), derived = NULL;
  g_autofree char *without = vr_record_to_json (record), *json = NULL;
  g_auto (VrEntry) entry = { NULL };
  g_autoptr (GError) error = NULL;

  g_assert_null (strstr (without, "rate"));
  ((VrNic *) record->nics->pdata[1])->rate = 5000;
  json = vr_record_to_json (record);
  vr_entry_from_json (json, -1, &entry, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (((VrNic *) entry.guest->nics->pdata[0])->rate, ==, 0);
  g_assert_cmpuint (((VrNic *) entry.guest->nics->pdata[1])->rate, ==, 5000);
  derived = vr_record_derive (record, VR_STATE_MOVED, "h1");
  g_assert_cmpuint (((VrNic *) derived->nics->pdata[1])->rate, ==, 5000);
}

static void
test_optional_fields_round_trip (void)
{
  g_autoptr (VrRecord) record = guest ();
  g_auto (VrEntry) entry = { NULL };
  g_autofree char *json = NULL;
  g_autoptr (GError) error = NULL;

  g_clear_pointer (&record->origin, g_free);
  g_clear_pointer (&record->target, g_free);
  json = vr_record_to_json (record);
  vr_entry_from_json (json, -1, &entry, &error);
  g_assert_no_error (error);
  g_assert_true (vr_record_equal_content (record, entry.guest));
}

static void
test_odd_name_round_trip (void)
{
  g_autoptr (VrRecord) record = guest ();
  g_auto (VrEntry) entry = { NULL };
  g_autofree char *json = NULL;
  g_autoptr (GError) error = NULL;

  g_free (record->name);
  record->name = g_strdup ("a \"b\" \\ [c] {d} /* e */ \303\251");
  json = vr_record_to_json (record);
  vr_entry_from_json (json, -1, &entry, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (entry.guest->name, ==, record->name);
}

static void
test_host_round_trip (void)
{
  g_autoptr (VrHost) h = host ();
  g_autofree char *json = vr_host_to_json (h), *again = NULL;
  g_auto (VrEntry) entry = { NULL };
  g_autoptr (GError) error = NULL;

  vr_entry_from_json (json, -1, &entry, &error);
  g_assert_no_error (error);
  g_assert_null (entry.guest);
  g_assert_cmpstr (entry.host->name, ==, "h1");
  g_assert_cmpstr (entry.host->networks[1], ==, "fd00:9:1::1/64");
  g_assert_cmpstr (entry.host->reach[1], ==, "*");
  g_assert_cmpuint (entry.host->seq, ==, 12);
  again = vr_host_to_json (entry.host);
  g_assert_cmpstr (again, ==, json);
}

static void
test_length_is_kept_to (void)
{
  g_autoptr (VrHost) h = host ();
  g_autofree char *json = vr_host_to_json (h), *with_rest = g_strconcat (json, "rubbish", NULL);
  g_auto (VrEntry) entry = { NULL };

  g_assert_true (vr_entry_from_json (with_rest, strlen (json), &entry, NULL));
}

static void
test_unknown_field_passed_over (void)
{
  g_autoptr (VrHost) h = host ();
  g_autofree char *json = vr_host_to_json (h), *more = g_strconcat ("{\"colour\":[1,{}],", json + 1, NULL);
  g_auto (VrEntry) entry = { NULL };

  g_assert_true (vr_entry_from_json (more, -1, &entry, NULL));
}

/* One field of a good record, `from`, is replaced by `to`: refused, and the message names `field`. */
typedef struct {
  const char *name, *from, *to, *field;
  gboolean    host;
} Bad;

static const Bad bads[] = {
  { "kind-unknown", "\"kind\":\"guest\"", "\"kind\":\"ghost\"", "kind" },
  { "kind-missing", "\"kind\":\"guest\",", "", "kind" },
  { "kind-number", "\"kind\":\"guest\"", "\"kind\":1", "kind" },
  { "uuid-missing", "\"uuid\":\"" UUID "\",", "", "uuid" },
  { "uuid-null", "\"uuid\":\"" UUID "\"", "\"uuid\":null", "uuid" },
  { "uuid-short", UUID, "c7a5fdbd", "uuid" },
  { "uuid-upper", UUID, "C7A5fdbd-edaf-9455-926a-d65c16db1809", "uuid" },
  { "name-empty", "web 1", "", "name" },
  { "name-control", "web 1", "web\\n1", "name" },
  { "name-nul", "web 1", "\\u0000", "name" },
  { "name-number", "\"web 1\"", "5", "name" },
  { "epoch-zero", "\"epoch\":7", "\"epoch\":0", "epoch" },
  { "epoch-negative", "\"epoch\":7", "\"epoch\":-7", "epoch" },
  { "epoch-huge", "\"epoch\":7", "\"epoch\":9223372036854775807", "epoch" },
  { "epoch-fraction", "\"epoch\":7", "\"epoch\":7.5", "epoch" },
  { "epoch-string", "\"epoch\":7", "\"epoch\":\"7\"", "epoch" },
  { "epoch-missing", "\"epoch\":7,", "", "epoch" },
  { "state-unknown", "\"moved\"", "\"flying\"", "state" },
  { "owner-missing", "\"owner\":\"h3\",", "", "owner" },
  { "owner-bad", "\"owner\":\"h3\"", "\"owner\":\"../etc\"", "owner" },
  { "origin-bad", "\"origin\":\"h1\"", "\"origin\":\"\"", "origin" },
  { "target-bad", "\"target\":\"h3\"", "\"target\":\"a b\"", "target" },
  { "home-missing", "\"home\":\"h1\",", "", "home" },
  { "writer-missing", "\"writer\":\"h1\",", "", "writer" },
  { "time-missing", "\"time_us\":1700000000000001,", "", "time_us" },
  { "seq-zero", "\"seq\":9007199254740991", "\"seq\":0", "seq" },
  { "seq-huge", "\"seq\":9007199254740991", "\"seq\":9007199254740992", "seq" },
  { "nics-missing", ",\"nics\":", ",\"nix\":", "nics" },
  { "nics-object", "\"nics\":[{", "\"nics\":{\"a\":[{", "nics" },
  { "nics-strings", "\"nics\":[", "\"nics\":[\"a\",", "nics" },
  { "mac-short", MAC, "52:54:00:12:34", "mac" },
  { "mac-upper", MAC, "52:54:00:AB:34:56", "mac" },
  { "mac-dashes", MAC, "52-54-00-12-34-56", "mac" },
  { "mac-multicast", MAC, "53:54:00:12:34:56", "mac" },
  { "mac-zero", MAC, "00:00:00:00:00:00", "mac" },
  { "address-no-list", "\"addresses\":[]", "\"addresses\":\"10.9.1.1\"", "addresses" },
  { "address-number", "\"addresses\":[]", "\"addresses\":[4]", "addresses" },
  { "address-multicast", "10.9.1.100", "224.0.0.5", "addresses" },
  { "address-uncanonical", "fd00:9:1::100", "fd00:9:1:0::100", "addresses" },
  { "host-name", "\"name\":\"h1\"", "\"name\":\"h/1\"", "name", TRUE },
  { "host-underlay", "192.0.2.1", "192.0.2", "underlay", TRUE },
  { "host-underlay-missing", "\"underlay\"", "\"under\"", "underlay", TRUE },
  { "host-network", "10.9.1.1/24", "10.9.1.0/24", "networks", TRUE },
  { "host-network-uncanonical", "fd00:9:1::1/64", "fd00:9:1:0::1/64", "networks", TRUE },
  { "host-network-leading-zero", "10.9.1.1/24", "10.9.1.1/024", "networks", TRUE },
  { "host-reach", "\"*\"", "\"**\"", "reach", TRUE },
  { "host-macs", MAC, "x", "macs", TRUE },
  { "host-identity", "\"h1.virt-relay\"", "\"\"", "identity", TRUE },
  { "host-identity-missing", "\"identity\":\"h1.virt-relay\",", "", "identity", TRUE },
  { "host-seq", "\"seq\":12", "\"seq\":true", "seq", TRUE },
};

static void
test_bad_field (gconstpointer data)
{
  const Bad *bad = data;
  g_autoptr (VrRecord) record = guest ();
  g_autoptr (VrHost) h = host ();
  g_autofree char *json = bad->host ? vr_host_to_json (h) : vr_record_to_json (record);
  g_autoptr (GString) text = g_string_new (json);
  g_autofree char *field = g_strdup_printf ("\"%s\"", bad->field);
  g_auto (VrEntry) entry = { NULL };
  g_autoptr (GError) error = NULL;

  g_assert_cmpuint (g_string_replace (text, bad->from, bad->to, 1), ==, 1);
  if (strcmp (bad->name, "nics-object") == 0) /* closes what it opened */
    g_string_insert_c (text, text->len - 1, '}');
  g_assert_false (vr_entry_from_json (text->str, text->len, &entry, &error));
  g_assert_error (error, VR_RECORD_ERROR, VR_RECORD_ERROR_MALFORMED);
  g_assert_nonnull (strstr (error->message, field));
  g_assert_null (entry.guest);
  g_assert_null (entry.host);
}

static void
test_not_a_record (void)
{
  static const char *const texts[] = { "", " ", "{", "null", "[]", "1", "\"guest\"", "{}", "{\"kind\":\"guest\"", "\377\376", "{\"kind\"" };

  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++) {
    g_auto (VrEntry) entry = { NULL };
    g_autoptr (GError) error = NULL;

    g_assert_false (vr_entry_from_json (texts[i], -1, &entry, &error));
    g_assert_error (error, VR_RECORD_ERROR, VR_RECORD_ERROR_MALFORMED);
  }
}

static void
test_deep_nesting (void)
{
  g_autofree char *brackets = g_strnfill (1024 * 1024, '[');
  g_auto (VrEntry) entry = { NULL };
  g_autoptr (GError) error = NULL;

  g_assert_false (vr_entry_from_json (brackets, -1, &entry, &error));
  g_assert_error (error, VR_RECORD_ERROR, VR_RECORD_ERROR_MALFORMED);
}

static void
test_too_many_nics (void)
{
  g_autoptr (VrRecord) record = guest ();
  g_autofree char *json = NULL;
  g_auto (VrEntry) entry = { NULL };
  g_autoptr (GError) error = NULL;

  while (record->nics->len < 257)
    g_ptr_array_add (record->nics, vr_nic_new (MAC, NULL));
  json = vr_record_to_json (record);
  g_assert_false (vr_entry_from_json (json, -1, &entry, &error));
  g_assert_error (error, VR_RECORD_ERROR, VR_RECORD_ERROR_MALFORMED);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/record/states", test_states);
  g_test_add_func ("/record/host-names", test_host_names);
  g_test_add_func ("/record/derive", test_derive);
  g_test_add_func ("/record/derive-is-deep", test_derive_is_deep);
  g_test_add_func ("/record/equal-content/ignores-seq-and-time", test_equal_content_ignores_seq_and_time);
  g_test_add_func ("/record/equal-content/sees-every-field", test_equal_content_sees_every_field);
  g_test_add_func ("/record/mac-lower-case", test_mac_lower_case);
  g_test_add_func ("/record/json/guest", test_guest_round_trip);
  g_test_add_func ("/record/json/rate", test_rate_round_trip);
  g_test_add_func ("/record/json/optional-fields", test_optional_fields_round_trip);
  g_test_add_func ("/record/json/odd-name", test_odd_name_round_trip);
  g_test_add_func ("/record/json/host", test_host_round_trip);
  g_test_add_func ("/record/json/length", test_length_is_kept_to);
  g_test_add_func ("/record/json/unknown-field", test_unknown_field_passed_over);
  g_test_add_func ("/record/json/not-a-record", test_not_a_record);
  g_test_add_func ("/record/json/deep-nesting", test_deep_nesting);
  g_test_add_func ("/record/json/too-many-nics", test_too_many_nics);
  for (gsize i = 0; i < G_N_ELEMENTS (bads); i++) {
    g_autofree char *path = g_strdup_printf ("/record/json/bad/%s", bads[i].name);

    g_test_add_data_func (path, &bads[i], test_bad_field);
  }
  return g_test_run ();
}
