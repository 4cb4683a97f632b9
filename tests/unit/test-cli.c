/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virt-relay against a service of this file's own, on a private bus. The program under test is this very program, called again with
 * --cli as its first argument: what a user calls, exit status, stdout and stderr included.
 */
#include <json-glib/json-glib.h>
#include <locale.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/show.h"
#include "daemon/names.h"
#include "private-bus.h"

typedef struct {
  PrivateBus       bus;
  GDBusConnection *connection;
  VrBusService    *service;
  const char      *guests, *hosts, *records, *counters; /* what is answered, as GVariant text */
  const char      *refuse;                              /* error name that every method answers; NULL: none */
  char            *asked_guest;
  guint            asked_newest;
  int              status;                              /* of the last call */
  char            *out, *err;
} World;

/* ---- the service ---- */

static GVariant *
list_of (const char *text)
{
  g_autoptr (GError) error = NULL;
  GVariant *list = g_variant_parse (G_VARIANT_TYPE ("aa{sv}"), text, NULL, NULL, &error);
  g_assert_no_error (error);
  return list;
}

static gboolean
refused (World *world, GDBusMethodInvocation *invocation)
{
  if (world->refuse != NULL)
    g_dbus_method_invocation_return_dbus_error (invocation, world->refuse, "because the test says so");
  return world->refuse != NULL;
}

static gboolean
on_guests (VrBusService *service, GDBusMethodInvocation *invocation, World *world)
{
  if (!refused (world, invocation))
    vr_bus_service_complete_guests (service, invocation, list_of (world->guests));
  return TRUE;
}

static gboolean
on_hosts (VrBusService *service, GDBusMethodInvocation *invocation, World *world)
{
  if (!refused (world, invocation))
    vr_bus_service_complete_hosts (service, invocation, list_of (world->hosts));
  return TRUE;
}

static gboolean
on_log (VrBusService *service, GDBusMethodInvocation *invocation, const char *guest, guint newest, World *world)
{
  g_free (world->asked_guest);
  world->asked_guest = g_strdup (guest);
  world->asked_newest = newest;
  if (!refused (world, invocation))
    vr_bus_service_complete_log (service, invocation, list_of (world->records));
  return TRUE;
}

static gboolean
on_counters (VrBusService *service, GDBusMethodInvocation *invocation, World *world)
{
  if (world->counters == NULL)
    g_dbus_method_invocation_return_dbus_error (invocation, VR_BUS_ERROR_FAILED, "nft said no");
  else
    vr_bus_service_complete_counters (service, invocation, list_of (world->counters));
  return TRUE;
}

static void
serve (World *world)
{
  static const char *const troubles[] = { "IPv4 forwarding: is off; sysctl -w net.ipv4.ip_forward=1 turns it on", NULL };
  g_autoptr (GError) error = NULL;
  world->service = vr_bus_service_skeleton_new ();
  vr_bus_service_set_host (world->service, "h1");
  vr_bus_service_set_version (world->service, "1.2.3");
  vr_bus_service_set_ready (world->service, TRUE);
  vr_bus_service_set_troubles (world->service, troubles);
  g_signal_connect (world->service, "handle-guests", G_CALLBACK (on_guests), world);
  g_signal_connect (world->service, "handle-hosts", G_CALLBACK (on_hosts), world);
  g_signal_connect (world->service, "handle-log", G_CALLBACK (on_log), world);
  g_signal_connect (world->service, "handle-counters", G_CALLBACK (on_counters), world);
  g_dbus_interface_skeleton_export (G_DBUS_INTERFACE_SKELETON (world->service), world->connection, VR_BUS_PATH, &error);
  g_assert_no_error (error);
  g_autoptr (GVariant) reply = g_dbus_connection_call_sync (world->connection, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                                            "org.freedesktop.DBus", "RequestName",
                                                            g_variant_new ("(su)", VR_BUS_NAME, 0), NULL, G_DBUS_CALL_FLAGS_NONE, -1,
                                                            NULL, &error);
  g_assert_no_error (error);
}

#define D "'uuid': <'d0000000-0000-4000-8000-00000000000d'>, 'name': <'d'>, 'epoch': <uint64 3>, 'owner': <'h3'>, 'home': <'h1'>, " \
  "'origin': <'h1'>, 'target': <'h3'>, 'writer': <'h1'>, 'time': <int64 1700000000123456>, 'seq': <uint64 9>, " \
  "'nics': <[{'mac': <'52:54:00:00:00:64'>, 'addresses': <['10.9.1.100', 'fd00:9:1::100']>}]>"

static void
world_set_up (World *world, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  private_bus_init (&world->bus);
  private_bus_up (&world->bus);
  world->connection = g_dbus_connection_new_for_address_sync (world->bus.address,
                                                              G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT
                                                                | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                                              NULL, NULL, &error);
  g_assert_no_error (error);
  world->guests = "[{'state': <'moved'>, " D ", 'role': <'origin'>, 'path': <'vr-h3'>, 'relayed': <uint64 1234>}]";
  world->hosts = "[{'name': <'h1'>, 'identity': <'h1.virt-relay'>, 'underlay': <['192.0.2.1']>, "
                 "'networks': <['10.9.1.1/24', 'fd00:9:1::1/64']>, 'reach': <['*']>, 'self': <true>}, "
                 "{'name': <'h3'>, 'identity': <'h3.virt-relay'>, 'underlay': <['192.0.2.3']>, 'networks': <@as []>, 'reach': <@as []>, "
                 "'wanted': <true>, 'up': <false>, 'interface': <'vr-h3'>, 'trouble': <'no answer'>}]";
  world->records = "[{'state': <'moved'>, " D "}]";
  world->counters = "[{'name': <'relay4 10.9.1.100'>, 'packets': <uint64 1234>, 'bytes': <uint64 9>}, "
                    "{'name': <'spoofed'>, 'packets': <uint64 7>, 'bytes': <uint64 8>}, "
                    "{'name': <'unknown'>, 'packets': <uint64 0>, 'bytes': <uint64 0>}]";
}

static void
world_tear_down (World *world, gconstpointer data)
{
  g_clear_object (&world->service);
  g_dbus_connection_close_sync (world->connection, NULL, NULL);
  g_clear_object (&world->connection);
  private_bus_clear (&world->bus);
  g_free (world->asked_guest);
  g_free (world->out);
  g_free (world->err);
}

/* ---- the call ---- */

static void
on_result (GObject *source, GAsyncResult *result, gpointer data)
{
  *(GAsyncResult **) data = g_object_ref (result);
}

/* Calls virt-relay with these words; leaves its status and what it wrote in `world`. */
static void
call_at (World *world, const char *bus_address, const char *words)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GAsyncResult) result = NULL;
  g_autofree char *line = g_strconcat ("/proc/self/exe --cli ", words, NULL);
  g_auto (GStrv) argv = NULL;
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE);
  g_assert_true (g_shell_parse_argv (line, NULL, &argv, NULL));
  g_free (argv[0]);
  argv[0] = g_file_read_link ("/proc/self/exe", NULL);
  g_subprocess_launcher_setenv (launcher, "DBUS_SYSTEM_BUS_ADDRESS", bus_address, TRUE);
  g_subprocess_launcher_setenv (launcher, "TZ", "UTC", TRUE);
  g_subprocess_launcher_setenv (launcher, "LC_ALL", "C.UTF-8", TRUE);
  g_autoptr (GSubprocess) process = g_subprocess_launcher_spawnv (launcher, (const char *const *) argv, &error);
  g_assert_no_error (error);

  g_clear_pointer (&world->out, g_free);
  g_clear_pointer (&world->err, g_free);
  g_subprocess_communicate_utf8_async (process, NULL, NULL, on_result, &result);
  while (result == NULL)
    g_main_context_iteration (NULL, TRUE);
  g_subprocess_communicate_utf8_finish (process, result, &world->out, &world->err, &error);
  g_assert_no_error (error);
  g_assert_true (g_subprocess_get_if_exited (process));
  world->status = g_subprocess_get_exit_status (process);
}

static void
call (World *world, const char *words)
{
  call_at (world, world->bus.address, words);
}

static void
assert_prints (World *world, const char *words, const char *expected)
{
  call (world, words);
  g_assert_cmpstr (world->err, ==, "");
  g_assert_cmpstr (world->out, ==, expected);
  g_assert_cmpint (world->status, ==, VR_EXIT_OK);
}

static void
assert_fails (World *world, const char *words, int status, const char *expected)
{
  call (world, words);
  g_assert_cmpstr (world->err, ==, expected);
  g_assert_cmpstr (world->out, ==, "");
  g_assert_cmpint (world->status, ==, status);
}

/* ---- text ---- */

static void
test_status (World *world, gconstpointer data)
{
  serve (world);
  assert_prints (world, "status",
                 "host h1: virt-relay 1.2.3, ready\n"
                 "  underlay  192.0.2.1\n"
                 "  networks  10.9.1.1/24 fd00:9:1::1/64\n"
                 "\n"
                 "tunnels\n"
                 "  PEER  INTERFACE  UNDERLAY   TUNNEL\n"
                 "  h3    vr-h3      192.0.2.3  down: no answer\n"
                 "\n"
                 "guests\n"
                 "  NAME  STATE  OWNER  PATH   RELAYED\n"
                 "  d     moved  h3     vr-h3  1234\n"
                 "\n"
                 "dropped\n"
                 "  spoofed: 7 packets\n"
                 "\n"
                 "troubles\n"
                 "  IPv4 forwarding: is off; sysctl -w net.ipv4.ip_forward=1 turns it on\n");
}

static void
test_status_quiet (World *world, gconstpointer data)
{
  static const char *const none[] = { NULL };
  world->guests = "[{'state': <'stopped'>, " D ", 'role': <'none'>, 'relayed': <uint64 0>}]";
  world->hosts = world->counters = "[]";
  serve (world);
  vr_bus_service_set_troubles (world->service, none);
  vr_bus_service_set_ready (world->service, FALSE);
  assert_prints (world, "status", "host h1: virt-relay 1.2.3, not ready yet\n\ntunnels\n  none\n\nguests\n  none\n");
}

/* The rest of the status is there all the same. */
static void
test_status_no_counters (World *world, gconstpointer data)
{
  world->counters = NULL;
  serve (world);
  call (world, "status");
  g_assert_cmpstr (world->err, ==, "virt-relay: no counters: nft said no\n");
  g_assert_nonnull (strstr (world->out, "  d     moved  h3     vr-h3  1234\n"));
  g_assert_null (strstr (world->out, "dropped"));
  g_assert_cmpint (world->status, ==, VR_EXIT_OK);
}

static void
test_guests (World *world, gconstpointer data)
{
  serve (world);
  assert_prints (world, "guests",
                 "NAME  STATE  EPOCH  OWNER  HOME  ROLE    PATH   RELAYED  ADDRESSES\n"
                 "d     moved  3      h3     h1    origin  vr-h3  1234     10.9.1.100 fd00:9:1::100\n");
}

static void
test_guests_leaving (World *world, gconstpointer data)
{
  world->guests = "[{'state': <'leaving'>, " D "}, {'state': <'running'>, " D ", 'incoming': <'h4'>}]";
  serve (world);
  call (world, "guests");
  g_assert_nonnull (strstr (world->out, "leaving to h3"));
  g_assert_nonnull (strstr (world->out, "running to h4"));
}

static void
test_hosts (World *world, gconstpointer data)
{
  serve (world);
  assert_prints (world, "hosts",
                 "NAME  TUNNEL           INTERFACE  UNDERLAY   NETWORKS                    REACH  IDENTITY\n"
                 "h1    this host        -          192.0.2.1  10.9.1.1/24 fd00:9:1::1/64  *      h1.virt-relay\n"
                 "h3    down: no answer  vr-h3      192.0.2.3  -                           -      h3.virt-relay\n");
}

static void
test_log (World *world, gconstpointer data)
{
  serve (world);
  assert_prints (world, "log",
                 "TIME                     GUEST  EPOCH  STATE  OWNER  ORIGIN  TARGET  WRITER\n"
                 "2023-11-14 22:13:20.123  d      3      moved  h3     h1      h3      h1\n");
  g_assert_cmpstr (world->asked_guest, ==, "");
  g_assert_cmpuint (world->asked_newest, ==, 0);
}

static void
test_log_of_guest (World *world, gconstpointer data)
{
  serve (world);
  call (world, "log d -n 5");
  g_assert_cmpint (world->status, ==, VR_EXIT_OK);
  g_assert_cmpstr (world->asked_guest, ==, "d");
  g_assert_cmpuint (world->asked_newest, ==, 5);
}

static void
test_control_characters (World *world, gconstpointer data)
{
  world->records = "[{'name': <'a\\u001b[31mb\\nc'>}]";
  serve (world);
  call (world, "log");
  g_assert_nonnull (strstr (world->out, "a\\x{1b}[31mb\\x{a}c"));
  g_assert_null (strchr (world->out, '\033'));
}

/* ---- JSON ---- */

static JsonNode *
call_json (World *world, const char *words)
{
  g_autoptr (GError) error = NULL;
  call (world, words);
  g_assert_cmpstr (world->err, ==, "");
  g_assert_cmpint (world->status, ==, VR_EXIT_OK);
  JsonNode *node = json_from_string (world->out, &error);
  g_assert_no_error (error);
  return node;
}

static void
assert_json (JsonNode *node, const char *expected)
{
  g_autofree char *text = json_to_string (node, FALSE);
  g_assert_cmpstr (text, ==, expected);
}

#define JSON_D "\"uuid\":\"d0000000-0000-4000-8000-00000000000d\",\"name\":\"d\",\"epoch\":3,\"owner\":\"h3\",\"home\":\"h1\"," \
  "\"origin\":\"h1\",\"target\":\"h3\",\"writer\":\"h1\",\"time\":1700000000123456,\"seq\":9," \
  "\"nics\":[{\"mac\":\"52:54:00:00:00:64\",\"addresses\":[\"10.9.1.100\",\"fd00:9:1::100\"]}]"
#define JSON_GUEST "{\"state\":\"moved\"," JSON_D ",\"role\":\"origin\",\"path\":\"vr-h3\",\"relayed\":1234}"
#define JSON_HOSTS "[{\"name\":\"h1\",\"identity\":\"h1.virt-relay\",\"underlay\":[\"192.0.2.1\"]," \
  "\"networks\":[\"10.9.1.1/24\",\"fd00:9:1::1/64\"],\"reach\":[\"*\"],\"self\":true}," \
  "{\"name\":\"h3\",\"identity\":\"h3.virt-relay\",\"underlay\":[\"192.0.2.3\"],\"networks\":[],\"reach\":[],\"wanted\":true," \
  "\"up\":false,\"interface\":\"vr-h3\",\"trouble\":\"no answer\"}]"

static void
test_json_guests (World *world, gconstpointer data)
{
  serve (world);
  g_autoptr (JsonNode) node = call_json (world, "guests --json");
  assert_json (node, "[" JSON_GUEST "]");
}

static void
test_json_hosts (World *world, gconstpointer data)
{
  serve (world);
  g_autoptr (JsonNode) node = call_json (world, "hosts --json");
  assert_json (node, JSON_HOSTS);
}

static void
test_json_log (World *world, gconstpointer data)
{
  serve (world);
  g_autoptr (JsonNode) node = call_json (world, "log --json");
  assert_json (node, "[{\"state\":\"moved\"," JSON_D "}]");
}

static void
test_json_empty (World *world, gconstpointer data)
{
  world->guests = "[]";
  serve (world);
  g_autoptr (JsonNode) node = call_json (world, "guests --json");
  assert_json (node, "[]");
}

static void
test_json_status (World *world, gconstpointer data)
{
  world->counters = "[{'name': <'spoofed'>, 'packets': <uint64 7>, 'bytes': <uint64 8>}]";
  serve (world);
  g_autoptr (JsonNode) node = call_json (world, "status --json");
  assert_json (node, "{\"host\":\"h1\",\"version\":\"1.2.3\",\"ready\":true,"
                     "\"troubles\":[\"IPv4 forwarding: is off; sysctl -w net.ipv4.ip_forward=1 turns it on\"],\"hosts\":" JSON_HOSTS ","
                     "\"guests\":[" JSON_GUEST "],\"counters\":[{\"name\":\"spoofed\",\"packets\":7,\"bytes\":8}]}");
}

/* ---- failures ---- */

static void
test_no_bus (World *world, gconstpointer data)
{
  call_at (world, "unix:path=/nonexistent/bus", "status");
  g_assert_true (g_str_has_prefix (world->err, "virt-relay: cannot reach the system bus (does dbus run?): "));
  g_assert_cmpstr (world->out, ==, "");
  g_assert_cmpint (world->status, ==, VR_EXIT_ERROR);
}

static void
test_not_running (World *world, gconstpointer data)
{
  const char *expected = "virt-relay: virt-relayd is not running: systemctl start virt-relayd\n";
  assert_fails (world, "status", VR_EXIT_ERROR, expected);
  assert_fails (world, "guests --json", VR_EXIT_ERROR, expected);
  assert_fails (world, "hosts", VR_EXIT_ERROR, expected);
  assert_fails (world, "log", VR_EXIT_ERROR, expected);
}

static void
test_denied (World *world, gconstpointer data)
{
  world->refuse = "org.freedesktop.DBus.Error.AccessDenied";
  serve (world);
  assert_fails (world, "guests", VR_EXIT_ERROR,
                "virt-relay: not permitted: be root, or a member of the group libvirt (adduser USER libvirt, then log in again)\n");
}

static void
test_no_answer (World *world, gconstpointer data)
{
  world->refuse = "org.freedesktop.DBus.Error.NoReply";
  serve (world);
  assert_fails (world, "guests", VR_EXIT_ERROR, "virt-relay: virt-relayd does not answer: journalctl -u virt-relayd may say why\n");
}

static void
test_other_version (World *world, gconstpointer data)
{
  world->refuse = "org.freedesktop.DBus.Error.UnknownMethod";
  serve (world);
  call (world, "guests");
  g_assert_true (g_str_has_prefix (world->err, "virt-relay: virt-relayd is of another version ("));
  g_assert_cmpint (world->status, ==, VR_EXIT_ERROR);
}

static void
test_unknown_guest (World *world, gconstpointer data)
{
  world->refuse = VR_BUS_ERROR_UNKNOWN_GUEST;
  serve (world);
  assert_fails (world, "log e", VR_EXIT_ERROR, "virt-relay: because the test says so\n");
}

static void
test_full_disk (World *world, gconstpointer data)
{
  serve (world);
  g_autoptr (GError) error = NULL;
  g_autofree char *self = g_file_read_link ("/proc/self/exe", NULL);
  g_autofree char *command = g_strdup_printf ("exec '%s' --cli --version > /dev/full", self);
  g_autoptr (GSubprocess) process = g_subprocess_new (G_SUBPROCESS_FLAGS_STDERR_SILENCE, &error, "sh", "-c", command, NULL);
  g_assert_no_error (error);
  g_assert_true (g_subprocess_wait (process, NULL, NULL));
  g_assert_cmpint (g_subprocess_get_exit_status (process), ==, VR_EXIT_ERROR);
}

/* ---- usage ---- */

static void
test_no_command (World *world, gconstpointer data)
{
  call (world, "");
  g_assert_true (g_str_has_prefix (world->err, "Usage: virt-relay COMMAND"));
  g_assert_cmpstr (world->out, ==, "");
  g_assert_cmpint (world->status, ==, VR_EXIT_USAGE);
}

static void
test_help (World *world, gconstpointer data)
{
  static const char *const words[] = { "--help", "-h", "help" };
  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    {
      call (world, words[i]);
      g_assert_cmpstr (world->err, ==, "");
      g_assert_true (g_str_has_prefix (world->out, "Usage: virt-relay COMMAND"));
      g_assert_nonnull (strstr (world->out, "  log [GUEST]  "));
      g_assert_cmpint (world->status, ==, VR_EXIT_OK);
    }
}

static void
test_command_help (World *world, gconstpointer data)
{
  call (world, "log --help");
  g_assert_nonnull (strstr (world->out, "virt-relay log [OPTION…] [GUEST]"));
  g_assert_nonnull (strstr (world->out, "--json"));
  g_assert_nonnull (strstr (world->out, "--newest=N"));
  g_assert_cmpint (world->status, ==, VR_EXIT_OK);
}

static void
test_version (World *world, gconstpointer data)
{
  call (world, "--version");
  g_assert_true (g_regex_match_simple ("^virt-relay [0-9.]+\n$", world->out, 0, 0));
  g_assert_cmpint (world->status, ==, VR_EXIT_OK);
}

static void
test_wrong_usage (World *world, gconstpointer data)
{
  static const struct {
    const char *words, *message;
  } cases[] = {
    { "stat", "unknown command \"stat\"" },
    { "--json status", "unknown option --json (a command's options come after it)" },
    { "status d", "status: \"d\" is one argument too many" },
    { "log d e", "log: \"e\" is one argument too many" },
    { "log -n -1", "log: \"-1\" is not a number of records" },
    { "log --newest=0", "log: \"0\" is not a number of records" },
    { "log 'a\xff'", "log: argument 1 is not UTF-8" },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *expected = g_strdup_printf ("virt-relay: %s; virt-relay --help says how to call it\n", cases[i].message);
      assert_fails (world, cases[i].words, VR_EXIT_USAGE, expected);
    }
  call (world, "guests --unknown");
  g_assert_cmpint (world->status, ==, VR_EXIT_USAGE);
}

/* ---- words ---- */

static void
assert_owned (char *text, const char *expected)
{
  g_assert_cmpstr (text, ==, expected);
  g_free (text);
}

static void
test_duration (void)
{
  assert_owned (vr_show_duration (-5), "0s");
  assert_owned (vr_show_duration (59999999), "59s");
  assert_owned (vr_show_duration (60 * G_USEC_PER_SEC), "1m 0s");
  assert_owned (vr_show_duration ((gint64) (3 * 3600 + 125) * G_USEC_PER_SEC), "3h 2m");
  assert_owned (vr_show_duration ((gint64) (50 * 86400 + 7200) * G_USEC_PER_SEC), "50d 2h");
}

static void
assert_tunnel (const char *host_text, const char *expected)
{
  g_autoptr (GVariant) host = g_variant_parse (G_VARIANT_TYPE_VARDICT, host_text, NULL, NULL, NULL);
  g_assert_nonnull (host);
  assert_owned (vr_show_tunnel (host, 100 * G_USEC_PER_SEC), expected);
}

static void
test_tunnel (void)
{
  assert_tunnel ("{'self': <true>}", "this host");
  assert_tunnel ("{'wanted': <true>, 'up': <true>, 'since': <int64 90000000>}", "up for 10s");
  assert_tunnel ("{'wanted': <false>, 'up': <true>}", "up");
  assert_tunnel ("{'wanted': <false>, 'up': <false>}", "not needed");
  assert_tunnel ("{'wanted': <true>, 'up': <false>}", "down");
  assert_tunnel ("{'wanted': <true>, 'up': <false>, 'trouble': <'no answer'>}", "down: no answer");
}

#define ADD(path, function) g_test_add ("/cli/" path, World, NULL, world_set_up, function, world_tear_down)

int
main (int argc, char **argv)
{
  setlocale (LC_ALL, "");
  if (argc > 1 && g_str_equal (argv[1], "--cli"))
    return vr_cli_main (argc - 1, argv + 1);

  g_test_init (&argc, &argv, NULL);
  ADD ("text/status", test_status);
  ADD ("text/status-quiet", test_status_quiet);
  ADD ("text/status-no-counters", test_status_no_counters);
  ADD ("text/guests", test_guests);
  ADD ("text/guests-leaving", test_guests_leaving);
  ADD ("text/hosts", test_hosts);
  ADD ("text/log", test_log);
  ADD ("text/log-of-guest", test_log_of_guest);
  ADD ("text/control-characters", test_control_characters);
  ADD ("json/status", test_json_status);
  ADD ("json/guests", test_json_guests);
  ADD ("json/hosts", test_json_hosts);
  ADD ("json/log", test_json_log);
  ADD ("json/empty", test_json_empty);
  ADD ("failure/no-bus", test_no_bus);
  ADD ("failure/not-running", test_not_running);
  ADD ("failure/denied", test_denied);
  ADD ("failure/no-answer", test_no_answer);
  ADD ("failure/other-version", test_other_version);
  ADD ("failure/unknown-guest", test_unknown_guest);
  ADD ("failure/full-disk", test_full_disk);
  ADD ("usage/no-command", test_no_command);
  ADD ("usage/help", test_help);
  ADD ("usage/command-help", test_command_help);
  ADD ("usage/version", test_version);
  ADD ("usage/wrong", test_wrong_usage);
  g_test_add_func ("/cli/words/duration", test_duration);
  g_test_add_func ("/cli/words/tunnel", test_tunnel);
  return g_test_run ();
}
