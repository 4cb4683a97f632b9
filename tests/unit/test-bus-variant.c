/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From views to the words of the D-Bus API. */
#include "daemon/bus/bus-variant.h"

#define D "d0000000-0000-4000-8000-00000000000d"
#define E "e0000000-0000-4000-8000-00000000000e"

static void
assert_variant (GVariant *floating, const char *expected)
{
  g_autoptr (GVariant) value = g_variant_ref_sink (floating);
  g_autofree char *text = g_variant_print (value, FALSE);
  g_assert_cmpstr (text, ==, expected);
}

static VrRecord *
make_record (const char *uuid, const char *name, VrState state)
{
  static const char *const addresses[] = { "10.9.1.100", "fd00:9:1::100", NULL };
  VrRecord *record = vr_record_new (uuid, name);
  record->state = state;
  record->epoch = 3;
  record->seq = 9;
  record->time_us = 1700000000000001;
  g_clear_pointer (&record->owner, g_free);
  g_clear_pointer (&record->home, g_free);
  g_clear_pointer (&record->writer, g_free);
  record->owner = g_strdup ("h3");
  record->home = g_strdup ("h1");
  record->writer = g_strdup ("h1");
  g_ptr_array_add (record->nics, vr_nic_new ("52:54:00:00:00:64", addresses));
  return record;
}

#define RECORD_OF_D(state, more) \
  "{'uuid': <'" D "'>, 'name': <'d'>, 'state': <'" state "'>, 'epoch': <uint64 3>, 'owner': <'h3'>, 'home': <'h1'>, " more \
  "'writer': <'h1'>, 'time': <int64 1700000000000001>, 'seq': <uint64 9>, 'nics': <[{'mac': <'52:54:00:00:00:64'>, " \
  "'addresses': <['10.9.1.100', 'fd00:9:1::100']>}]>"

static void
test_record (void)
{
  g_autoptr (VrRecord) record = make_record (D, "d", VR_STATE_RUNNING);
  assert_variant (vr_bus_record_variant (record), RECORD_OF_D ("running", "") "}");
}

static void
test_record_of_migration (void)
{
  g_autoptr (VrRecord) record = make_record (D, "d", VR_STATE_MOVED);
  record->origin = g_strdup ("h1");
  record->target = g_strdup ("h3");
  assert_variant (vr_bus_record_variant (record), RECORD_OF_D ("moved", "'origin': <'h1'>, 'target': <'h3'>, ") "}");
}

static void
test_not_utf8 (void)
{
  g_autoptr (VrRecord) record = make_record (D, "d", VR_STATE_RUNNING);
  g_autoptr (GVariant) value = NULL;
  const char *name = NULL;
  g_free (record->name);
  record->name = g_strdup ("a\xff");
  value = g_variant_ref_sink (vr_bus_record_variant (record));
  g_assert_true (g_variant_lookup (value, "name", "&s", &name));
  g_assert_cmpstr (name, ==, "a\xef\xbf\xbd");
}

static void
test_guest (void)
{
  g_autoptr (VrRecord) record = make_record (D, "d", VR_STATE_MOVED);
  VrGuestView view = { .record = record, .role = "origin", .path = "vr-h3", .relayed = 12 };
  assert_variant (vr_bus_guest_variant (&view),
                  RECORD_OF_D ("moved", "") ", 'role': <'origin'>, 'path': <'vr-h3'>, 'relayed': <uint64 12>}");
}

static void
test_guest_incoming (void)
{
  g_autoptr (VrRecord) record = make_record (D, "d", VR_STATE_RUNNING);
  g_autoptr (VrRecord) intent = make_record (D, "d", VR_STATE_INCOMING);
  VrGuestView view = { .record = record, .intent = intent, .role = "origin", .path = "br0" };
  intent->target = g_strdup ("h4");
  assert_variant (vr_bus_guest_variant (&view),
                  RECORD_OF_D ("running", "") ", 'incoming': <'h4'>, 'role': <'origin'>, 'path': <'br0'>, 'relayed': <uint64 0>}");
}

static void
test_guest_withdrawn (void)
{
  g_autoptr (VrRecord) record = make_record (D, "d", VR_STATE_RUNNING);
  g_autoptr (VrRecord) intent = make_record (D, "d", VR_STATE_WITHDRAWN);
  g_autoptr (GVariant) value = NULL;
  VrGuestView view = { .record = record, .intent = intent };
  intent->target = g_strdup ("h4");
  value = g_variant_ref_sink (vr_bus_guest_variant (&view));
  g_assert_false (g_variant_lookup (value, "incoming", "s", NULL));
}

static void
set_list (char ***list, const char *words)
{
  g_strfreev (*list);
  *list = g_strsplit (words, " ", -1);
}

static VrHost *
make_host (const char *name)
{
  VrHost *host = vr_host_new (name);
  set_list (&host->underlay, "192.0.2.3 2001:db8::3");
  set_list (&host->networks, "10.9.3.1/24");
  g_free (host->identity);
  host->identity = g_strdup ("h3.virt-relay");
  return host;
}

#define HOST_H3 "{'name': <'h3'>, 'identity': <'h3.virt-relay'>, 'underlay': <['192.0.2.3', '2001:db8::3']>, " \
  "'networks': <['10.9.3.1/24']>, 'reach': <@as []>, "

static void
test_host_up (void)
{
  g_autoptr (VrHost) host = make_host ("h3");
  VrHostView view = { .host = host, .wanted = TRUE, .up = TRUE, .since_us = 5, .dev = "vr-h3" };
  assert_variant (vr_bus_host_variant (&view),
                  HOST_H3 "'self': <false>, 'wanted': <true>, 'up': <true>, 'since': <int64 5>, 'interface': <'vr-h3'>}");
}

static void
test_host_down (void)
{
  g_autoptr (VrHost) host = make_host ("h3");
  VrHostView view = { .host = host, .wanted = TRUE, .since_us = 5, .dev = "vr-h3", .trouble = "no answer" };
  assert_variant (vr_bus_host_variant (&view),
                  HOST_H3 "'self': <false>, 'wanted': <true>, 'up': <false>, 'interface': <'vr-h3'>, 'trouble': <'no answer'>}");
}

static void
test_host_self (void)
{
  g_autoptr (VrHost) host = make_host ("h3");
  VrHostView view = { .host = host, .self = TRUE };
  assert_variant (vr_bus_host_variant (&view), HOST_H3 "'self': <true>, 'wanted': <false>, 'up': <false>}");
}

static void
test_explanation (void)
{
  VrHop          hop = { .host = (char *) "h2", .does = (char *) "sends", .out = (char *) "vr-h1", .verified = TRUE };
  VrWay          way = { .back = TRUE, .source = (char *) "10.9.2.1", .outcome = VR_UNKNOWN };
  VrExplanation  explanation = { .address = (char *) "10.9.1.7", .from = (char *) "h2" };
  way.hops = g_ptr_array_new ();
  g_ptr_array_add (way.hops, &hop);
  explanation.ways = g_ptr_array_new ();
  g_ptr_array_add (explanation.ways, &way);
  assert_variant (vr_bus_explanation_variant (&explanation),
                  "{'address': <'10.9.1.7'>, 'from': <'h2'>, 'ways': <[{'direct': <false>, 'back': <true>, 'source': <'10.9.2.1'>, "
                  "'outcome': <'is not known'>, 'hops': <[{'host': <'h2'>, 'does': <'sends'>, 'out': <'vr-h1'>, 'verified': <true>}]>}]>}");
  g_ptr_array_unref (explanation.ways);
  g_ptr_array_unref (way.hops);
}

static void
test_counter (void)
{
  char name[] = "relay4 10.9.1.100";
  VrCounter counter = { .name = name, .packets = G_MAXUINT64, .bytes = 2 };
  assert_variant (vr_bus_counter_variant (&counter),
                  "{'name': <'relay4 10.9.1.100'>, 'packets': <uint64 18446744073709551615>, 'bytes': <uint64 2>}");
}

/* ---- lists ---- */

static char *
names_of (GVariant *floating)
{
  g_autoptr (GVariant) list = g_variant_ref_sink (floating);
  GString *names = g_string_new (NULL);
  g_assert_true (g_variant_is_of_type (list, G_VARIANT_TYPE ("aa{sv}")));
  for (gsize i = 0; i < g_variant_n_children (list); i++)
    {
      g_autoptr (GVariant) item = g_variant_get_child_value (list, i);
      const char *name = NULL;
      g_assert_true (g_variant_lookup (item, "name", "&s", &name));
      g_string_append_printf (names, " %s", name);
    }
  return g_string_free (names, FALSE);
}

static void
test_guests_sorted (void)
{
  g_autoptr (VrRecord) d = make_record (D, "d", VR_STATE_RUNNING);
  g_autoptr (VrRecord) e = make_record (E, "e", VR_STATE_RUNNING);
  g_autoptr (GPtrArray) views = g_ptr_array_new ();
  VrGuestView of_d = { .record = d }, of_e = { .record = e };
  g_ptr_array_add (views, &of_e);
  g_ptr_array_add (views, &of_d);
  g_autofree char *names = names_of (vr_bus_guests_variant (views));
  g_assert_cmpstr (names, ==, " d e");
  g_assert_true (views->pdata[0] == &of_e); /* the caller's array keeps its order */
}

static void
test_hosts_sorted (void)
{
  g_autoptr (VrHost) h1 = make_host ("h1");
  g_autoptr (VrHost) h2 = make_host ("h2");
  g_autoptr (GPtrArray) views = g_ptr_array_new ();
  VrHostView of_h1 = { .host = h1 }, of_h2 = { .host = h2 };
  g_ptr_array_add (views, &of_h2);
  g_ptr_array_add (views, &of_h1);
  g_autofree char *names = names_of (vr_bus_hosts_variant (views));
  g_assert_cmpstr (names, ==, " h1 h2");
}

static void
assert_empty (GVariant *floating, const char *type)
{
  g_autoptr (GVariant) value = g_variant_ref_sink (floating);
  g_assert_cmpstr (g_variant_get_type_string (value), ==, type);
  g_assert_cmpuint (g_variant_n_children (value), ==, 0);
}

static void
test_empty_lists (void)
{
  g_autoptr (GPtrArray) none = g_ptr_array_new ();
  assert_empty (vr_bus_guests_variant (none), "aa{sv}");
  assert_empty (vr_bus_hosts_variant (none), "aa{sv}");
  assert_empty (vr_bus_records_variant (none), "aa{sv}");
  assert_empty (vr_bus_counters_variant (none), "aa{sv}");
  assert_empty (vr_bus_texts_variant (none), "as");
}

static void
test_texts (void)
{
  g_autoptr (GPtrArray) texts = g_ptr_array_new ();
  g_ptr_array_add (texts, (char *) "one");
  g_ptr_array_add (texts, (char *) "two");
  assert_variant (vr_bus_texts_variant (texts), "['one', 'two']");
}

/* ---- the selection of records ---- */

typedef struct {
  GPtrArray *all;
} History;

static void
history_set_up (History *history, gconstpointer data)
{
  history->all = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_record_unref);
  g_ptr_array_add (history->all, make_record (D, "old-d", VR_STATE_RUNNING));
  g_ptr_array_add (history->all, make_record (E, "e", VR_STATE_RUNNING));
  g_ptr_array_add (history->all, make_record (D, "d", VR_STATE_LEAVING));
  g_ptr_array_add (history->all, make_record (D, "d", VR_STATE_MOVED));
}

static void
history_tear_down (History *history, gconstpointer data)
{
  g_ptr_array_unref (history->all);
}

static void
assert_selected (const History *history, const char *guest, guint newest, const char *expected)
{
  g_autoptr (GPtrArray) selected = vr_bus_select_records (history->all, guest, newest);
  g_autofree char *names = names_of (vr_bus_records_variant (selected));
  g_assert_cmpstr (names, ==, expected);
}

static void
test_select_all (History *history, gconstpointer data)
{
  assert_selected (history, "", 0, " old-d e d d");
}

static void
test_select_uuid (History *history, gconstpointer data)
{
  assert_selected (history, D, 0, " old-d d d");
  assert_selected (history, "D0000000-0000-4000-8000-00000000000D", 0, " old-d d d");
}

/* A guest that was renamed keeps its history. */
static void
test_select_name (History *history, gconstpointer data)
{
  assert_selected (history, "d", 0, " old-d d d");
  assert_selected (history, "old-d", 0, " old-d d d");
  assert_selected (history, "e", 0, " e");
}

static void
test_select_newest (History *history, gconstpointer data)
{
  assert_selected (history, "d", 2, " d d");
  assert_selected (history, "", 3, " e d d");
  assert_selected (history, "", 4, " old-d e d d");
}

static void
test_select_unknown (History *history, gconstpointer data)
{
  g_assert_null (vr_bus_select_records (history->all, "f", 0));
}

static void
test_select_empty_log (void)
{
  g_autoptr (GPtrArray) none = g_ptr_array_new ();
  g_autoptr (GPtrArray) selected = vr_bus_select_records (none, "", 0);
  g_assert_cmpuint (selected->len, ==, 0);
}

#define SELECT(path, function) g_test_add ("/bus-variant/select/" path, History, NULL, history_set_up, function, history_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/bus-variant/record/plain", test_record);
  g_test_add_func ("/bus-variant/record/of-migration", test_record_of_migration);
  g_test_add_func ("/bus-variant/record/not-utf8", test_not_utf8);
  g_test_add_func ("/bus-variant/guest/plain", test_guest);
  g_test_add_func ("/bus-variant/guest/incoming", test_guest_incoming);
  g_test_add_func ("/bus-variant/guest/withdrawn", test_guest_withdrawn);
  g_test_add_func ("/bus-variant/host/up", test_host_up);
  g_test_add_func ("/bus-variant/host/down", test_host_down);
  g_test_add_func ("/bus-variant/host/self", test_host_self);
  g_test_add_func ("/bus-variant/counter", test_counter);
  g_test_add_func ("/bus-variant/explanation", test_explanation);
  g_test_add_func ("/bus-variant/list/guests-sorted", test_guests_sorted);
  g_test_add_func ("/bus-variant/list/hosts-sorted", test_hosts_sorted);
  g_test_add_func ("/bus-variant/list/empty", test_empty_lists);
  g_test_add_func ("/bus-variant/list/texts", test_texts);
  SELECT ("all", test_select_all);
  SELECT ("uuid", test_select_uuid);
  SELECT ("name", test_select_name);
  SELECT ("newest", test_select_newest);
  SELECT ("unknown", test_select_unknown);
  g_test_add_func ("/bus-variant/select/empty-log", test_select_empty_log);
  return g_test_run ();
}
