/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who may call what: a bus with virt-relay's policy on it, a service that answers nothing but is there, and busctl, called as an outsider. The
 * group libvirt need not exist here, so the policy is read with a group in its place that every system has. Needs root, to become others.
 */
#include "daemon/data/bus-api.h"

#include <string.h>
#include <unistd.h>

#include "daemon/names.h"
#include "private-bus.h"

#define GROUP "daemon" /* in the place of libvirt */
#define NOBODY "65534"

static PrivateBus bus;
static VrBusService *service;

/* ---- the bus ---- */

static char *
write_config (void)
{
  g_autofree char *policy = NULL, *policy_file = g_build_filename (bus.dir, "policy.conf", NULL);
  g_autoptr (GString) text = NULL;
  g_autoptr (GError) error = NULL;
  g_file_get_contents (BUS_POLICY, &policy, NULL, &error);
  g_assert_no_error (error);
  text = g_string_new (policy);
  g_assert_cmpuint (g_string_replace (text, "group=\"libvirt\"", "group=\"" GROUP "\"", 0), ==, 1);
  g_assert_true (g_file_set_contents (policy_file, text->str, -1, NULL));

  char *file = g_build_filename (bus.dir, "bus.conf", NULL);
  g_autofree char *config
    = g_strdup_printf ("<busconfig><type>system</type><listen>%s</listen><auth>EXTERNAL</auth><policy context=\"default\"><allow user=\"*\"/>"
                       "<deny own=\"*\"/><deny send_type=\"method_call\"/><allow send_type=\"signal\"/>"
                       "<allow send_requested_reply=\"true\" send_type=\"method_return\"/><allow send_requested_reply=\"true\" send_type=\"error\"/>"
                       "<allow receive_type=\"method_call\"/><allow receive_type=\"method_return\"/><allow receive_type=\"error\"/>"
                       "<allow receive_type=\"signal\"/><allow send_destination=\"org.freedesktop.DBus\"/></policy>"
                       "<include>%s</include></busconfig>", bus.address, policy_file);
  g_assert_true (g_file_set_contents (file, config, -1, NULL));
  return file;
}

static void
bus_up (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *file = NULL, *option = NULL;
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDERR_SILENCE);
  private_bus_init (&bus);
  g_assert_cmpint (g_chmod (bus.dir, 0755), ==, 0);
  file = write_config ();
  option = g_strconcat ("--config-file=", file, NULL);
  g_subprocess_launcher_set_child_setup (launcher, private_bus_die_with_test, NULL, NULL);
  bus.daemon = g_subprocess_launcher_spawn (launcher, &error, "dbus-daemon", "--nofork", "--nopidfile", "--nosyslog", option, NULL);
  g_assert_no_error (error);
  for (gint64 end = g_get_monotonic_time () + PRIVATE_BUS_DEADLINE_S * G_USEC_PER_SEC; !private_bus_answers (&bus);)
    {
      g_assert_cmpint (g_get_monotonic_time (), <, end);
      g_usleep (5000);
    }
}

static void
serve (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusConnection) connection
    = g_dbus_connection_new_for_address_sync (bus.address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                              NULL, NULL, &error);
  g_assert_no_error (error);
  service = vr_bus_service_skeleton_new ();
  vr_bus_service_set_host (service, "h1");
  g_dbus_interface_skeleton_export (G_DBUS_INTERFACE_SKELETON (service), g_object_ref (connection), VR_BUS_PATH, &error);
  g_assert_no_error (error);
  g_autoptr (GVariant) reply = g_dbus_connection_call_sync (connection, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                                            "RequestName", g_variant_new ("(su)", VR_BUS_NAME, 0), NULL, G_DBUS_CALL_FLAGS_NONE, -1,
                                                            NULL, &error);
  g_assert_no_error (error);
}

/* ---- callers ---- */

static void
on_result (GObject *source, GAsyncResult *result, gpointer data)
{
  *(GAsyncResult **) data = g_object_ref (result);
}

/* What busctl says, as a user in that one group; `groups` NULL: as root. */
static char *
busctl (const char *groups, const char *words)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GAsyncResult) result = NULL;
  g_autofree char *as = groups != NULL ? g_strdup_printf ("setpriv --reuid " NOBODY " --regid " NOBODY " --groups %s ", groups) : g_strdup ("");
  g_autofree char *line = g_strdup_printf ("%sbusctl --address=%s %s", as, bus.address, words);
  g_auto (GStrv) argv = NULL;
  char *out = NULL;
  g_assert_true (g_shell_parse_argv (line, NULL, &argv, NULL));
  g_autoptr (GSubprocess) process
    = g_subprocess_newv ((const char *const *) argv, G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_MERGE, &error);
  g_assert_no_error (error);
  g_subprocess_communicate_utf8_async (process, NULL, NULL, on_result, &result);
  while (result == NULL)
    g_main_context_iteration (NULL, TRUE);
  g_subprocess_communicate_utf8_finish (process, result, &out, NULL, &error);
  g_assert_no_error (error);
  return out;
}

/* Every method and property answers something, or says that it is not implemented; only the bus says that access is denied. */
static void
assert_access (const char *groups, const char *words, gboolean allowed)
{
  g_autofree char *said = busctl (groups, words);
  gboolean denied = strstr (said, "ccess denied") != NULL || strstr (said, "AccessDenied") != NULL || strstr (said, "Rejected send") != NULL;
  if (denied == allowed)
    g_error ("%s as %s: %s", words, groups != NULL ? groups : "root", said);
}

#define CALL "call " VR_BUS_NAME " " VR_BUS_PATH " " VR_BUS_NAME " "
#define HOST "get-property " VR_BUS_NAME " " VR_BUS_PATH " " VR_BUS_NAME " Host"

static const char *const reading[] = { CALL "Guests", CALL "Hosts", CALL "Log su d 1", CALL "Refused", CALL "Counters", CALL "Explain ss d h2", HOST,
                                       "introspect " VR_BUS_NAME " " VR_BUS_PATH };

static void
test_group_reads (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (reading); i++)
    assert_access (GROUP, reading[i], TRUE);
}

static void
test_group_changes_nothing (void)
{
  assert_access (GROUP, CALL "Flush", FALSE);
}

static void
test_others_do_not_read (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (reading); i++)
    assert_access (NOBODY, reading[i], FALSE);
  assert_access (NOBODY, CALL "Flush", FALSE);
}

static void
test_root_does_all (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (reading); i++)
    assert_access (NULL, reading[i], TRUE);
  assert_access (NULL, CALL "Flush", TRUE);
}

static void
test_nobody_owns (void)
{
  assert_access (NOBODY, "call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus RequestName su org.virtrelay1 0", FALSE);
  assert_access (GROUP, "call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus RequestName su org.virtrelay1 0", FALSE);
}

/* ---- signals ---- */

static gboolean
on_move (gpointer data)
{
  vr_bus_service_emit_guest_moved (service, "d0000000-0000-4000-8000-00000000000d", "d", "h1", "h3", 2);
  return G_SOURCE_CONTINUE;
}

/* What a listener in that group gets of a signal that is sent again and again, until something else comes by. */
static char *
listen (const char *group)
{
  g_autofree char *line = g_strdup_printf ("sh -c \"timeout 20 setpriv --reuid " NOBODY " --regid " NOBODY " --groups %s gdbus monitor "
                                           "--address %s --dest " VR_BUS_NAME " | grep -m 1 -o -e GuestMoved\"", group, bus.address);
  g_auto (GStrv) argv = NULL;
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  char *out = NULL;
  guint source = g_timeout_add (100, on_move, NULL);
  g_assert_true (g_shell_parse_argv (line, NULL, &argv, NULL));
  g_autoptr (GSubprocess) process = g_subprocess_newv ((const char *const *) argv, G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error);
  g_assert_no_error (error);
  g_subprocess_communicate_utf8_async (process, NULL, NULL, on_result, &result);
  while (result == NULL)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (source);
  g_subprocess_communicate_utf8_finish (process, result, &out, NULL, &error);
  g_assert_no_error (error);
  return out;
}

static void
test_group_hears (void)
{
  g_autofree char *heard = listen (GROUP);
  g_assert_cmpstr (heard, ==, "GuestMoved\n");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  if (geteuid () != 0)
    {
      g_print ("1..0 # SKIP needs root, to become others\n");
      return 0;
    }
  bus_up ();
  serve ();
  g_test_add_func ("/bus-policy/group-reads", test_group_reads);
  g_test_add_func ("/bus-policy/group-changes-nothing", test_group_changes_nothing);
  g_test_add_func ("/bus-policy/others-do-not-read", test_others_do_not_read);
  g_test_add_func ("/bus-policy/root-does-all", test_root_does_all);
  g_test_add_func ("/bus-policy/nobody-owns", test_nobody_owns);
  g_test_add_func ("/bus-policy/group-hears", test_group_hears);
  return g_test_run ();
}
