/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The D-Bus API over a real bus; bus-relay.c stands behind it. */
#include "bus-relay.h"

#include "daemon/data/bus-api.h"
#include "daemon/names.h"
#include "private-bus.h"

#define DEADLINE_S 60
#define UUID "d0000000-0000-4000-8000-00000000000d"

/* ---- the API on a bus ---- */

static PrivateBus bus;

typedef struct {
  VrRelay *relay;
  VrBus   *bus;
} World;

static void
world_set_up (World *world, gconstpointer data)
{
  the_trouble = NULL;
  counters_fail = FALSE;
  the_record = vr_record_new (UUID, "d");
  the_record->owner = g_strdup ("h3");
  world->relay = g_object_new (VR_TYPE_RELAY, NULL);
  world->bus = vr_bus_new (world->relay, "h1", "1.2.3");
}

static void
world_tear_down (World *world, gconstpointer data)
{
  vr_bus_stop (world->bus);
  g_clear_object (&world->bus);
  g_clear_object (&world->relay);
  g_clear_pointer (&the_record, vr_record_unref);
  private_bus_down (&bus);
}

/* ---- waiting ---- */

static gboolean
on_deadline (gpointer data)
{
  g_error ("nothing came within %d s", DEADLINE_S);
  return G_SOURCE_REMOVE;
}

#define wait_until(condition) \
  G_STMT_START \
  { \
    guint deadline_ = g_timeout_add_seconds (DEADLINE_S, on_deadline, NULL); \
    while (!(condition)) \
      g_main_context_iteration (NULL, TRUE); \
    g_source_remove (deadline_); \
  } \
  G_STMT_END

static void
on_result (GObject *source, GAsyncResult *result, gpointer data)
{
  *(GAsyncResult **) data = g_object_ref (result);
}

/* ---- a caller ---- */

static GDBusConnection *
connect_caller (void)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  g_dbus_connection_new_for_address (bus.address,
                                     G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                     NULL, NULL, on_result, &result);
  wait_until (result != NULL);
  GDBusConnection *connection = g_dbus_connection_new_for_address_finish (result, &error);
  g_assert_no_error (error);
  return connection;
}

static GVariant *
call (GDBusConnection *connection, const char *name, const char *path, const char *interface, const char *method, GVariant *arguments,
      GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_dbus_connection_call (connection, name, path, interface, method, arguments, NULL, G_DBUS_CALL_FLAGS_NONE, DEADLINE_S * 1000, NULL,
                          on_result, &result);
  wait_until (result != NULL);
  return g_dbus_connection_call_finish (connection, result, error);
}

static GVariant *
call_ours (GDBusConnection *connection, const char *method, GVariant *arguments, GError **error)
{
  return call (connection, VR_BUS_NAME, VR_BUS_PATH, VR_BUS_NAME, method, arguments, error);
}

static void
wait_for_name (GDBusConnection *connection)
{
  gboolean there = FALSE;
  guint deadline = g_timeout_add_seconds (DEADLINE_S, on_deadline, NULL);
  while (!there)
    {
      g_autoptr (GVariant) reply = call (connection, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                         "NameHasOwner", g_variant_new ("(s)", VR_BUS_NAME), NULL);
      g_variant_get (reply, "(b)", &there);
    }
  g_source_remove (deadline);
}

/* Bus and API are up; gives a caller. */
static GDBusConnection *
start (World *world)
{
  private_bus_up (&bus);
  vr_bus_start (world->bus);
  GDBusConnection *caller = connect_caller ();
  wait_for_name (caller);
  return caller;
}

static void
assert_answers (GDBusConnection *caller, const char *method, GVariant *arguments, const char *expected)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = call_ours (caller, method, arguments, &error);
  g_assert_no_error (error);
  g_autofree char *text = g_variant_print (reply, FALSE);
  g_assert_cmpstr (text, ==, expected);
}

static GVariant *
get_property (GDBusConnection *caller, const char *name)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = call (caller, VR_BUS_NAME, VR_BUS_PATH, "org.freedesktop.DBus.Properties", "Get",
                                     g_variant_new ("(ss)", VR_BUS_NAME, name), &error);
  g_assert_no_error (error);
  GVariant *value = NULL;
  g_variant_get (reply, "(v)", &value);
  return value;
}

static void
assert_property (GDBusConnection *caller, const char *name, const char *expected)
{
  g_autoptr (GVariant) value = get_property (caller, name);
  g_autofree char *text = g_variant_print (value, FALSE);
  g_assert_cmpstr (text, ==, expected);
}

static void
on_signal (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *signal,
           GVariant *arguments, gpointer data)
{
  (*(guint *) data)++;
}

static guint
count_signals (GDBusConnection *caller, const char *interface, const char *signal, guint *n)
{
  *n = 0;
  guint id = g_dbus_connection_signal_subscribe (caller, NULL, interface, signal, VR_BUS_PATH, NULL, G_DBUS_SIGNAL_FLAGS_NONE, on_signal,
                                                 n, NULL);
  wait_for_name (caller); /* an answer of the bus: it took the match before */
  return id;
}

/* ---- methods and properties ---- */

#define RECORD "{'uuid': <'" UUID "'>, 'name': <'d'>, 'state': <'running'>, 'epoch': <uint64 0>, 'owner': <'h3'>, "
#define REST "'time': <int64 0>, 'seq': <uint64 0>, 'nics': <@aa{sv} []>"

static void
test_guests (World *world, gconstpointer data)
{
  g_autoptr (GDBusConnection) caller = start (world);
  the_record->epoch = 0;
  assert_answers (caller, "Guests", NULL, "([" RECORD REST ", 'role': <'origin'>, 'relayed': <uint64 0>}],)");
}

static void
test_hosts (World *world, gconstpointer data)
{
  g_autoptr (GDBusConnection) caller = start (world);
  assert_answers (caller, "Hosts", NULL, "([{'name': <'h2'>, 'underlay': <@as []>, 'networks': <@as []>, 'reach': <@as []>, "
                  "'self': <false>, 'wanted': <false>, 'up': <false>}],)");
}

static void
test_log (World *world, gconstpointer data)
{
  g_autoptr (GDBusConnection) caller = start (world);
  the_record->epoch = 0;
  assert_answers (caller, "Log", g_variant_new ("(su)", "d", 1), "([" RECORD REST "}],)");
}

static void
test_refused (World *world, gconstpointer data)
{
  g_autoptr (GDBusConnection) caller = start (world);
  the_record->epoch = 0;
  assert_answers (caller, "Refused", NULL,
                  "([{'kind': <'guest'>, 'uuid': <'" UUID "'>, 'name': <'d'>, 'state': <'running'>, 'epoch': <uint64 0>, 'owner': <'h3'>, " REST
                  ", 'why': <\"it is not h4's to say\">, 'waits': <false>}, "
                  "{'kind': <'host'>, 'name': <'h4'>, 'underlay': <@as []>, 'networks': <@as []>, 'reach': <@as []>, 'writer': <'h4'>, "
                  "'seq': <uint64 0>, 'why': <'it takes what h1 has'>, 'waits': <true>}], {'h4': 17, 'h5': 1})");
}

static void
test_log_unknown (World *world, gconstpointer data)
{
  g_autoptr (GDBusConnection) caller = start (world);
  g_autoptr (GError) error = NULL;
  g_assert_null (call_ours (caller, "Log", g_variant_new ("(su)", "e", 0), &error));
  g_autofree char *name = g_dbus_error_get_remote_error (error);
  g_assert_cmpstr (name, ==, VR_BUS_ERROR_UNKNOWN_GUEST);
  g_dbus_error_strip_remote_error (error);
  g_assert_cmpstr (error->message, ==, "the migration log knows no guest with the name or uuid \"e\"");
}

static void
assert_explain_fails (GDBusConnection *caller, const char *whom, const char *from, const char *expected)
{
  g_autoptr (GError) error = NULL;
  g_assert_null (call_ours (caller, "Explain", g_variant_new ("(ss)", whom, from), &error));
  g_autofree char *name = g_dbus_error_get_remote_error (error);
  g_assert_cmpstr (name, ==, expected);
}

static void
test_explain (World *world, gconstpointer data)
{
  g_autoptr (GDBusConnection) caller = start (world);
  the_record->epoch = 0;
  assert_answers (caller, "Explain", g_variant_new ("(ss)", "d", "h2"),
                  "({'from': <'h2'>, 'record': <" RECORD REST "}>, 'ways': <@aa{sv} []>},)");
  assert_explain_fails (caller, "e", "", VR_BUS_ERROR_UNKNOWN_GUEST);
  assert_explain_fails (caller, "d", "h9", VR_BUS_ERROR_UNKNOWN_HOST);
}

static void
test_flush (World *world, gconstpointer data)
{
  g_autoptr (GDBusConnection) caller = start (world);
  g_autoptr (GError) error = NULL;
  was_flushed = flush_fails = FALSE;
  assert_answers (caller, "Flush", NULL, "()");
  g_assert_true (was_flushed);
  flush_fails = TRUE;
  g_assert_null (call_ours (caller, "Flush", NULL, &error));
  g_autofree char *name = g_dbus_error_get_remote_error (error);
  g_assert_cmpstr (name, ==, VR_BUS_ERROR_FAILED);
}

static void
test_counters (World *world, gconstpointer data)
{
  g_autoptr (GDBusConnection) caller = start (world);
  assert_answers (caller, "Counters", NULL, "([],)");
}

static void
test_counters_fail (World *world, gconstpointer data)
{
  g_autoptr (GDBusConnection) caller = start (world);
  g_autoptr (GError) error = NULL;
  counters_fail = TRUE;
  g_assert_null (call_ours (caller, "Counters", NULL, &error));
  g_autofree char *name = g_dbus_error_get_remote_error (error);
  g_dbus_error_strip_remote_error (error);
  g_assert_cmpstr (name, ==, VR_BUS_ERROR_FAILED);
  g_assert_cmpstr (error->message, ==, "nft said no");
}

static void
test_constant_properties (World *world, gconstpointer data)
{
  g_autoptr (GDBusConnection) caller = start (world);
  assert_property (caller, "Host", "'h1'");
  assert_property (caller, "Version", "'1.2.3'");
}

static void
test_ready (World *world, gconstpointer data)
{
  guint n;
  g_autoptr (GDBusConnection) caller = start (world);
  assert_property (caller, "Ready", "false");
  guint id = count_signals (caller, "org.freedesktop.DBus.Properties", "PropertiesChanged", &n);
  g_signal_emit_by_name (world->relay, "ready");
  wait_until (n > 0);
  assert_property (caller, "Ready", "true");
  g_dbus_connection_signal_unsubscribe (caller, id);
}

static void
test_troubles_at_start (World *world, gconstpointer data)
{
  the_trouble = "no forwarding";
  g_autoptr (GDBusConnection) caller = start (world);
  assert_property (caller, "Troubles", "['no forwarding']");
}

static void
test_troubles_change (World *world, gconstpointer data)
{
  guint n;
  g_autoptr (GDBusConnection) caller = start (world);
  assert_property (caller, "Troubles", "[]");
  guint id = count_signals (caller, "org.freedesktop.DBus.Properties", "PropertiesChanged", &n);
  the_trouble = "no forwarding";
  g_signal_emit_by_name (world->relay, "changed");
  wait_until (n > 0);
  assert_property (caller, "Troubles", "['no forwarding']");
  g_dbus_connection_signal_unsubscribe (caller, id);
}

static void
test_last_hook_event (World *world, gconstpointer data)
{
  guint n;
  the_hook_us = 0;
  g_autoptr (GDBusConnection) caller = start (world);
  assert_property (caller, "LastHookEvent", "0");
  guint id = count_signals (caller, "org.freedesktop.DBus.Properties", "PropertiesChanged", &n);
  the_hook_us = 1700000001500000;
  g_signal_emit_by_name (world->relay, "changed");
  wait_until (n > 0);
  assert_property (caller, "LastHookEvent", "1700000001500000");
  g_dbus_connection_signal_unsubscribe (caller, id);
}

/* Each of the relay's signals comes out with its arguments. */
static void
on_any_signal (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *signal, GVariant *arguments,
               gpointer data)
{
  g_autofree char *text = g_variant_print (arguments, FALSE);
  if (!g_str_equal (signal, "Changed"))
    g_string_append_printf (data, "%s %s\n", signal, text);
}

static void
test_signals (World *world, gconstpointer data)
{
  g_autoptr (GDBusConnection) caller = start (world);
  g_autoptr (GString) heard = g_string_new (NULL);
  VrPath path = { .address = (char *) "10.9.1.100", .owner = (char *) "h3", .state = VR_PATH_DIRECT };
  guint n, all, id = count_signals (caller, VR_BUS_NAME, "Changed", &n);
  all = g_dbus_connection_signal_subscribe (caller, NULL, VR_BUS_NAME, NULL, VR_BUS_PATH, NULL, G_DBUS_SIGNAL_FLAGS_NONE, on_any_signal, heard, NULL);
  g_signal_emit_by_name (world->relay, "guest-moved", the_record, "h1");
  g_signal_emit_by_name (world->relay, "path-changed", &path);
  g_signal_emit_by_name (world->relay, "tunnel-changed", "h3", FALSE, "no answer");
  g_signal_emit_by_name (world->relay, "trouble", "a", "b\xff", TRUE);
  g_signal_emit_by_name (world->relay, "trouble", "a", "b", FALSE);
  g_signal_emit_by_name (world->relay, "changed");
  wait_until (n > 0); /* and that comes last */
  g_assert_cmpstr (heard->str, ==, "GuestMoved ('" UUID "', 'd', 'h1', 'h3', 1)\nPathChanged ('10.9.1.100', 'h3', true)\n"
                                   "TunnelChanged ('h3', false, 'no answer')\nTroubleBegan ('a', 'b\xef\xbf\xbd')\nTroubleEnded ('a', 'b')\n");
  g_dbus_connection_signal_unsubscribe (caller, all);
  g_dbus_connection_signal_unsubscribe (caller, id);
}

/* A burst is one signal; the next change is one more. */
static void
test_changed (World *world, gconstpointer data)
{
  guint n;
  g_autoptr (GDBusConnection) caller = start (world);
  guint id = count_signals (caller, VR_BUS_NAME, "Changed", &n);
  for (guint i = 0; i < 50; i++)
    g_signal_emit_by_name (world->relay, "changed");
  wait_until (n > 0);
  g_signal_emit_by_name (world->relay, "changed");
  wait_until (n > 1);
  g_assert_cmpuint (n, ==, 2);
  g_dbus_connection_signal_unsubscribe (caller, id);
}

/* ---- a bus that is away ---- */

static guint n_warnings;

static GLogWriterOutput
count_warnings (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer data)
{
  if (level & G_LOG_LEVEL_WARNING)
    n_warnings++;
  return (level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL)) ? g_log_writer_default (level, fields, n_fields, data)
                                                             : G_LOG_WRITER_HANDLED;
}

/* Started without a bus: said once, although it is tried again more than once; there as soon as the bus is. */
static void
test_bus_comes_later (World *world, gconstpointer data)
{
  n_warnings = 0;
  vr_bus_start (world->bus);
  wait_until (n_warnings == 1);
  gint64 end = g_get_monotonic_time () + 2 * G_USEC_PER_SEC;
  while (g_get_monotonic_time () < end)
    {
      g_main_context_iteration (NULL, FALSE);
      g_usleep (10000);
    }
  g_assert_cmpuint (n_warnings, ==, 1);

  private_bus_up (&bus);
  g_autoptr (GDBusConnection) caller = connect_caller ();
  wait_for_name (caller);
  assert_property (caller, "Host", "'h1'");
}

static void
test_bus_restarts (World *world, gconstpointer data)
{
  GDBusConnection *caller = start (world);
  n_warnings = 0;
  g_dbus_connection_set_exit_on_close (caller, FALSE);
  private_bus_down (&bus);
  g_clear_object (&caller);
  wait_until (n_warnings == 1);

  private_bus_up (&bus);
  caller = connect_caller ();
  wait_for_name (caller);
  assert_property (caller, "Host", "'h1'");
  g_clear_object (&caller);
}

static void
test_name_taken (World *world, gconstpointer data)
{
  private_bus_up (&bus);
  g_autoptr (GDBusConnection) other = connect_caller ();
  g_autoptr (GVariant) taken = call (other, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "RequestName",
                                     g_variant_new ("(su)", VR_BUS_NAME, 0), NULL);
  n_warnings = 0;
  vr_bus_start (world->bus);
  wait_until (n_warnings == 1);

  g_autoptr (GVariant) released = call (other, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "ReleaseName",
                                        g_variant_new ("(s)", VR_BUS_NAME), NULL);
  wait_for_name (other);
  assert_property (other, "Host", "'h1'");
}

static void
test_stop (World *world, gconstpointer data)
{
  g_autoptr (GDBusConnection) caller = start (world);
  g_autoptr (GError) error = NULL;
  vr_bus_stop (world->bus);
  gboolean there = TRUE;
  while (there)
    {
      g_autoptr (GVariant) reply = call (caller, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                         "NameHasOwner", g_variant_new ("(s)", VR_BUS_NAME), &error);
      g_assert_no_error (error);
      g_variant_get (reply, "(b)", &there);
    }
  g_signal_emit_by_name (world->relay, "changed"); /* must not wake it */
  vr_bus_start (world->bus);
  wait_for_name (caller);
}

#define ADD(path, function) g_test_add ("/bus/" path, World, NULL, world_set_up, function, world_tear_down)

int
main (int argc, char **argv)
{
  private_bus_init (&bus);
  g_setenv ("DBUS_SYSTEM_BUS_ADDRESS", bus.address, TRUE);
  g_test_init (&argc, &argv, NULL);
  g_log_set_writer_func (count_warnings, NULL, NULL);
  g_log_set_always_fatal (G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL); /* warnings are what some tests wait for */
  ADD ("guests", test_guests);
  ADD ("hosts", test_hosts);
  ADD ("log", test_log);
  ADD ("log-unknown", test_log_unknown);
  ADD ("refused", test_refused);
  ADD ("explain", test_explain);
  ADD ("flush", test_flush);
  ADD ("counters", test_counters);
  ADD ("counters-fail", test_counters_fail);
  ADD ("properties", test_constant_properties);
  ADD ("ready", test_ready);
  ADD ("last-hook-event", test_last_hook_event);
  ADD ("troubles-at-start", test_troubles_at_start);
  ADD ("troubles-change", test_troubles_change);
  ADD ("changed", test_changed);
  ADD ("signals", test_signals);
  ADD ("bus-comes-later", test_bus_comes_later);
  ADD ("bus-restarts", test_bus_restarts);
  ADD ("name-taken", test_name_taken);
  ADD ("stop", test_stop);
  int failed = g_test_run ();
  private_bus_clear (&bus);
  return failed;
}
