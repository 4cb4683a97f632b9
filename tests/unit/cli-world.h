/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virt-relay against a service of this file's own, on a private bus. The program under test is the test itself, called again with
 * --cli as its first argument: what a user calls, exit status, stdout and stderr included.
 */
#pragma once

#include <json-glib/json-glib.h>
#include <string.h>

#include "cli/cli.h"
#include "daemon/names.h"
#include "private-bus.h"

typedef struct {
  PrivateBus       bus;
  GDBusConnection *connection;
  VrBusService    *service;
  const char      *guests, *hosts, *records, *counters, *migrations; /* what is answered, as GVariant text */
  const char      *refuse;                              /* error name that every method answers; NULL: none */
  char            *asked_guest;
  guint            asked_newest;
  char            *asked_from;
  gboolean         flushed;
  int              status;                              /* of the last call */
  char            *out, *err;
} World;

/* ---- the service ---- */

static inline GVariant *
list_of (const char *text)
{
  g_autoptr (GError) error = NULL;
  GVariant *list = g_variant_parse (G_VARIANT_TYPE ("aa{sv}"), text, NULL, NULL, &error);
  g_assert_no_error (error);
  return list;
}

static inline gboolean
refused (World *world, GDBusMethodInvocation *invocation)
{
  if (world->refuse != NULL)
    g_dbus_method_invocation_return_dbus_error (invocation, world->refuse, "because the test says so");
  return world->refuse != NULL;
}

static inline gboolean
on_guests (VrBusService *service, GDBusMethodInvocation *invocation, World *world)
{
  if (!refused (world, invocation))
    vr_bus_service_complete_guests (service, invocation, list_of (world->guests));
  return TRUE;
}

static inline gboolean
on_hosts (VrBusService *service, GDBusMethodInvocation *invocation, World *world)
{
  if (!refused (world, invocation))
    vr_bus_service_complete_hosts (service, invocation, list_of (world->hosts));
  return TRUE;
}

static inline gboolean
on_log (VrBusService *service, GDBusMethodInvocation *invocation, const char *guest, guint newest, World *world)
{
  g_free (world->asked_guest);
  world->asked_guest = g_strdup (guest);
  world->asked_newest = newest;
  if (!refused (world, invocation))
    vr_bus_service_complete_log (service, invocation, list_of (world->records));
  return TRUE;
}

static inline gboolean
on_refused (VrBusService *service, GDBusMethodInvocation *invocation, World *world)
{
  if (!refused (world, invocation))
    vr_bus_service_complete_refused (service, invocation, list_of (world->records), g_variant_new_parsed ("{'h4': uint32 17}"));
  return TRUE;
}

#define MIGRATION(NAME) \
  "{'uuid': <'d0000000-0000-4000-8000-00000000000d'>, 'name': <'" NAME "'>, 'epoch': <uint64 3>, 'origin': <'h1'>, 'target': <'h3'>, " \
  "'complete': <true>, 'verdict': <'nothing lost; at most 2 duplicated'>, 'lost': <uint64 0>, 'waiting': <uint64 7>, 'way': <'queues'>, 'critical_ns': <uint64 84000>, " \
  "'phases': <{'flip': int64 1700000000001500, 'stop': 1700000000000500, 'resumed': 1700000000250500}>, " \
  "'hosts': <[{'host': <'h1'>, 'role': <'origin'>, 'nics': <[{'mac': <'52:54:00:00:00:64'>, 'counts': <{'came': uint64 500, 'relayed': 400}>}]>}]>}"

static inline gboolean
on_migrations (VrBusService *service, GDBusMethodInvocation *invocation, const char *guest, guint newest, World *world)
{
  g_free (world->asked_guest);
  world->asked_guest = g_strdup (guest);
  world->asked_newest = newest;
  if (!refused (world, invocation))
    vr_bus_service_complete_migrations (service, invocation, list_of (world->migrations != NULL ? world->migrations : "[" MIGRATION ("d") "]"));
  return TRUE;
}

static inline gboolean
on_counters (VrBusService *service, GDBusMethodInvocation *invocation, World *world)
{
  if (world->counters == NULL)
    g_dbus_method_invocation_return_dbus_error (invocation, VR_BUS_ERROR_FAILED, "nft said no");
  else
    vr_bus_service_complete_counters (service, invocation, list_of (world->counters));
  return TRUE;
}

#define D "'uuid': <'d0000000-0000-4000-8000-00000000000d'>, 'name': <'d'>, 'epoch': <uint64 3>, 'owner': <'h3'>, 'home': <'h1'>, " \
  "'origin': <'h1'>, 'target': <'h3'>, 'writer': <'h1'>, 'time': <int64 1700000000123456>, 'seq': <uint64 9>, " \
  "'nics': <[{'mac': <'52:54:00:00:00:64'>, 'addresses': <['10.9.1.100', 'fd00:9:1::100']>}]>"

#define EXPLANATION \
  "{'address': <'10.9.1.100'>, 'from': <'h2'>, 'from_address': <'10.9.2.1'>, 'record': <{'state': <'running'>, " D "}>, 'ways': <[" \
  "{'direct': <false>, 'back': <false>, 'source': <'10.9.2.1'>, 'destination': <'10.9.1.100'>, 'outcome': <'arrives'>, 'hops': <[" \
  "{'host': <'h2'>, 'role': <'peer'>, 'does': <'sends'>, 'out': <'vr-h1'>, 'next': <'h1'>, 'tunnel': <'up'>, 'route': <'route R'>, " \
  "'verified': <true>}, {'host': <'h1'>, 'does': <'delivers'>, 'out': <'br0'>, 'filter': <'element E'>, 'why': <'because'>, " \
  "'verified': <false>}]>}]>}"

static inline gboolean
on_explain (VrBusService *service, GDBusMethodInvocation *invocation, const char *whom, const char *from, World *world)
{
  g_free (world->asked_guest);
  world->asked_guest = g_strdup (whom);
  g_free (world->asked_from);
  world->asked_from = g_strdup (from);
  if (!refused (world, invocation))
    vr_bus_service_complete_explain (service, invocation, g_variant_new_parsed (EXPLANATION));
  return TRUE;
}

static inline gboolean
on_flush (VrBusService *service, GDBusMethodInvocation *invocation, World *world)
{
  if (!refused (world, invocation))
    vr_bus_service_complete_flush (service, invocation);
  world->flushed = TRUE;
  return TRUE;
}

static inline void
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
  g_signal_connect (world->service, "handle-refused", G_CALLBACK (on_refused), world);
  g_signal_connect (world->service, "handle-migrations", G_CALLBACK (on_migrations), world);
  g_signal_connect (world->service, "handle-counters", G_CALLBACK (on_counters), world);
  g_signal_connect (world->service, "handle-explain", G_CALLBACK (on_explain), world);
  g_signal_connect (world->service, "handle-flush", G_CALLBACK (on_flush), world);
  g_dbus_interface_skeleton_export (G_DBUS_INTERFACE_SKELETON (world->service), world->connection, VR_BUS_PATH, &error);
  g_assert_no_error (error);
  g_autoptr (GVariant) reply = g_dbus_connection_call_sync (world->connection, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                                            "org.freedesktop.DBus", "RequestName",
                                                            g_variant_new ("(su)", VR_BUS_NAME, 0), NULL, G_DBUS_CALL_FLAGS_NONE, -1,
                                                            NULL, &error);
  g_assert_no_error (error);
}

static inline void
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
                    "{'name': <'sought4 10.9.3.7'>, 'packets': <uint64 3>, 'bytes': <uint64 4>}, "
                    "{'name': <'arrived4 vr-h3 . 10.9.1.100'>, 'packets': <uint64 3>, 'bytes': <uint64 4>}, "
                    "{'name': <'unknown'>, 'packets': <uint64 0>, 'bytes': <uint64 0>}]";
}

static inline void
world_tear_down (World *world, gconstpointer data)
{
  g_clear_object (&world->service);
  g_dbus_connection_close_sync (world->connection, NULL, NULL);
  g_clear_object (&world->connection);
  private_bus_clear (&world->bus);
  g_free (world->asked_guest);
  g_free (world->asked_from);
  g_free (world->out);
  g_free (world->err);
}

/* ---- the call ---- */

static inline void
on_result (GObject *source, GAsyncResult *result, gpointer data)
{
  *(GAsyncResult **) data = g_object_ref (result);
}

/* Calls virt-relay with these words; leaves its status and what it wrote in `world`. */
static inline void
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

static inline void
call (World *world, const char *words)
{
  call_at (world, world->bus.address, words);
}

static inline void
assert_prints (World *world, const char *words, const char *expected)
{
  call (world, words);
  g_assert_cmpstr (world->err, ==, "");
  g_assert_cmpstr (world->out, ==, expected);
  g_assert_cmpint (world->status, ==, VR_EXIT_OK);
}

static inline void
assert_fails (World *world, const char *words, int status, const char *expected)
{
  call (world, words);
  g_assert_cmpstr (world->err, ==, expected);
  g_assert_cmpstr (world->out, ==, "");
  g_assert_cmpint (world->status, ==, status);
}
