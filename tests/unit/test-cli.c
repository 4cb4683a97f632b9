/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virt-relay's commands that answer once: text, JSON, failures, usage. */
#include "cli-world.h"

#include <locale.h>

#include "cli/show.h"

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
      g_assert_nonnull (strstr (world->out, "  status       this host"));
      g_assert_nonnull (strstr (world->out, "\n  log [GUEST] | export FILE | import FILE\n               the migration log"));
      g_assert_cmpint (world->status, ==, VR_EXIT_OK);
    }
}

static void
test_command_help (World *world, gconstpointer data)
{
  g_autofree char *first = NULL;
  call (world, "help log");
  first = g_strdup (world->out);
  call (world, "log --help");
  g_assert_cmpstr (world->out, ==, first);
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
    const char *words, *command, *message;
  } cases[] = {
    { "stat", "", "unknown command \"stat\"" },
    { "--json status", "", "unknown option --json (a command's options come after it)" },
    { "status d", " status", "\"d\" is one argument too many" },
    { "explain", " explain", "GUEST|ADDRESS is missing" },
    { "log d e", " log", "\"e\" is one argument too many" },
    { "log -n -1", " log", "\"-1\" is not a number of records" },
    { "log --newest=0", " log", "\"0\" is not a number of records" },
    { "log 'a\xff'", " log", "argument 1 is not UTF-8" },
    { "guests --nope", " guests", "unknown option --nope" },
    { "migrations --html", " migrations", "missing argument for --html" },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *expected = g_strdup_printf ("virt-relay%s: %s; virt-relay%s --help says how to call it\n", cases[i].command,
                                                   cases[i].message, cases[i].command);
      assert_fails (world, cases[i].words, VR_EXIT_USAGE, expected);
    }
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
