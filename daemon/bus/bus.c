/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation
 *
 * connect -> export -> ask for the name -> there. Whatever fails, or a connection that closes, drops everything and
 * starts again from connect after a delay that doubles up to RETRY_MAX_S. The connection is our own, not g_bus_get()'s:
 * that one is shared, would end the process when it closes, and could not be made anew. The name is asked for by a
 * plain call, because g_bus_unown_name() waits for the bus.
 *
 * Each warning is given once, until the name is there again. Methods are answered in the main loop from what the relay
 * holds in memory. The relay's "changed" may come in bursts: one emission every CHANGED_MS passes them on.
 */
#include "daemon/bus/bus.h"

#include "daemon/bus/bus-variant.h"
#include "daemon/data/bus-api.h"
#include "daemon/names.h"

#define RETRY_MIN_S 1
#define RETRY_MAX_S 30
#define CALL_MS 10000
#define CHANGED_MS 100

#define REQUEST_NAME_DO_NOT_QUEUE 4 /* of the D-Bus specification */
#define REQUEST_NAME_PRIMARY_OWNER 1

struct _VrBus {
  GObject          parent;
  VrRelay         *relay;
  VrBusService    *service;
  GCancellable    *cancellable; /* of what is under way; NULL: stopped */
  GDBusConnection *connection;  /* NULL: not connected */
  guint            retry_id, retry_s;
  guint            changed_id;
  gboolean         warned;
};

G_DEFINE_TYPE (VrBus, vr_bus, G_TYPE_OBJECT)

static void connect_bus (VrBus *bus);

/* ---- there, away ---- */

static gboolean
on_retry (gpointer data)
{
  VrBus *bus = data;
  bus->retry_id = 0;
  connect_bus (bus);
  return G_SOURCE_REMOVE;
}

static void
drop (VrBus *bus)
{
  if (bus->connection == NULL)
    return;
  g_signal_handlers_disconnect_by_data (bus->connection, bus);
  if (g_dbus_interface_skeleton_has_connection (G_DBUS_INTERFACE_SKELETON (bus->service), bus->connection))
    g_dbus_interface_skeleton_unexport (G_DBUS_INTERFACE_SKELETON (bus->service));
  g_dbus_connection_close (bus->connection, NULL, NULL, NULL);
  g_clear_object (&bus->connection);
}

/* `why` it does not work now. */
static void
retry (VrBus *bus, const char *why)
{
  if (!bus->warned)
    g_warning ("no D-Bus API: %s; virt-relay goes on without it (its command line tool does not work) and tries again", why);
  bus->warned = TRUE;
  drop (bus);
  bus->retry_id = g_timeout_add_seconds (bus->retry_s, on_retry, bus);
  bus->retry_s = MIN (bus->retry_s * 2, RETRY_MAX_S);
}

static void
on_closed (GDBusConnection *connection, gboolean by_peer, GError *error, gpointer data)
{
  retry (data, error != NULL ? error->message : "the system bus closed the connection");
}

static void
on_name_answer (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (VrBus) bus = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  guint32 answer = 0;
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED) || G_DBUS_CONNECTION (source) != bus->connection)
    return; /* stopped, or already dropped */
  if (error != NULL)
    {
      g_dbus_error_strip_remote_error (error);
      g_autofree char *why = g_strdup_printf ("the system bus refuses the name " VR_BUS_NAME ": %s (is the policy "
                                              VR_BUS_NAME ".conf installed?)", error->message);
      retry (bus, why);
      return;
    }

  g_variant_get (reply, "(u)", &answer);
  if (answer != REQUEST_NAME_PRIMARY_OWNER)
    {
      retry (bus, "another process has the name " VR_BUS_NAME);
      return;
    }
  if (bus->warned)
    g_message ("the D-Bus API is there");
  bus->warned = FALSE;
  bus->retry_s = RETRY_MIN_S;
}

static void
on_connected (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (VrBus) bus = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusConnection) connection = g_dbus_connection_new_for_address_finish (result, &error);
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  if (connection == NULL)
    {
      retry (bus, error->message);
      return;
    }

  bus->connection = g_steal_pointer (&connection);
  g_signal_connect (bus->connection, "closed", G_CALLBACK (on_closed), bus);
  /* Exported before the name is ours: who sees the name can call. */
  if (!g_dbus_interface_skeleton_export (G_DBUS_INTERFACE_SKELETON (bus->service), bus->connection, VR_BUS_PATH, &error))
    {
      retry (bus, error->message);
      return;
    }
  g_dbus_connection_call (bus->connection, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                          "RequestName", g_variant_new ("(su)", VR_BUS_NAME, REQUEST_NAME_DO_NOT_QUEUE), G_VARIANT_TYPE ("(u)"),
                          G_DBUS_CALL_FLAGS_NONE, CALL_MS, bus->cancellable, on_name_answer, g_object_ref (bus));
}

static void
connect_bus (VrBus *bus)
{
  g_autoptr (GError) error = NULL;
  /* For the system bus this reads an environment variable and nothing else. */
  g_autofree char *address = g_dbus_address_get_for_bus_sync (G_BUS_TYPE_SYSTEM, NULL, &error);
  if (address == NULL)
    {
      retry (bus, error->message);
      return;
    }
  g_dbus_connection_new_for_address (address,
                                     G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT
                                       | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                     NULL, bus->cancellable, on_connected, g_object_ref (bus));
}

/* ---- methods ---- */

static gboolean
on_guests (VrBusService *service, GDBusMethodInvocation *invocation, VrBus *bus)
{
  g_autoptr (GPtrArray) views = vr_relay_guests (bus->relay);
  vr_bus_service_complete_guests (service, invocation, vr_bus_guests_variant (views));
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
on_hosts (VrBusService *service, GDBusMethodInvocation *invocation, VrBus *bus)
{
  g_autoptr (GPtrArray) views = vr_relay_hosts (bus->relay);
  vr_bus_service_complete_hosts (service, invocation, vr_bus_hosts_variant (views));
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
on_log (VrBusService *service, GDBusMethodInvocation *invocation, const char *guest, guint newest, VrBus *bus)
{
  g_autoptr (GPtrArray) history = vr_log_history (vr_relay_log (bus->relay), NULL);
  g_autoptr (GPtrArray) records = vr_bus_select_records (history, guest, newest);
  if (records != NULL)
    {
      vr_bus_service_complete_log (service, invocation, vr_bus_records_variant (records));
      return G_DBUS_METHOD_INVOCATION_HANDLED;
    }
  g_autofree char *message = g_strdup_printf ("the migration log knows no guest with the name or uuid \"%s\"", guest);
  g_dbus_method_invocation_return_dbus_error (invocation, VR_BUS_ERROR_UNKNOWN_GUEST, message);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
on_refused (VrBusService *service, GDBusMethodInvocation *invocation, VrBus *bus)
{
  g_autoptr (GPtrArray) views = vr_relay_refused (bus->relay);
  g_autoptr (GHashTable) counts = vr_relay_refused_counts (bus->relay);
  vr_bus_service_complete_refused (service, invocation, vr_bus_refused_variant (views), vr_bus_refused_counts_variant (counts));
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
on_migrations (VrBusService *service, GDBusMethodInvocation *invocation, const char *guest, guint newest, VrBus *bus)
{
  g_autoptr (GPtrArray) migrations = vr_relay_migrations (bus->relay, guest);
  if (migrations != NULL)
    {
      vr_bus_service_complete_migrations (service, invocation, vr_bus_migrations_variant (migrations, newest));
      return G_DBUS_METHOD_INVOCATION_HANDLED;
    }
  g_autofree char *message = g_strdup_printf ("the migration log knows no guest with the name or uuid \"%s\"", guest);
  g_dbus_method_invocation_return_dbus_error (invocation, VR_BUS_ERROR_UNKNOWN_GUEST, message);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
on_counters (VrBusService *service, GDBusMethodInvocation *invocation, VrBus *bus)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) counters = vr_kernel_counters (vr_relay_kernel (bus->relay), &error);
  if (counters != NULL)
    vr_bus_service_complete_counters (service, invocation, vr_bus_counters_variant (counters));
  else
    g_dbus_method_invocation_return_dbus_error (invocation, VR_BUS_ERROR_FAILED, error->message);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
on_explain (VrBusService *service, GDBusMethodInvocation *invocation, const char *whom, const char *from, VrBus *bus)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VrExplanation) explanation = vr_relay_explain (bus->relay, whom, from, &error);
  if (explanation != NULL)
    vr_bus_service_complete_explain (service, invocation, vr_bus_explanation_variant (explanation));
  else
    g_dbus_method_invocation_return_dbus_error (invocation,
                                                g_error_matches (error, G_IO_ERROR, G_IO_ERROR_HOST_NOT_FOUND)
                                                  ? VR_BUS_ERROR_UNKNOWN_HOST
                                                  : VR_BUS_ERROR_UNKNOWN_GUEST,
                                                error->message);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
on_flush (VrBusService *service, GDBusMethodInvocation *invocation, VrBus *bus)
{
  g_autoptr (GError) error = NULL;
  if (vr_relay_flush (bus->relay, &error))
    vr_bus_service_complete_flush (service, invocation);
  else
    g_dbus_method_invocation_return_dbus_error (invocation, VR_BUS_ERROR_FAILED, error->message);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

/* ---- what the relay says ---- */

static void
update_properties (VrBus *bus)
{
  g_autoptr (GPtrArray) troubles = vr_relay_troubles (bus->relay);
  g_autoptr (GVariant) value = g_variant_ref_sink (vr_bus_texts_variant (troubles));
  g_autofree const char **texts = g_variant_get_strv (value, NULL);
  vr_bus_service_set_troubles (bus->service, texts);
  vr_bus_service_set_last_hook_event (bus->service, vr_relay_last_hook_us (bus->relay));
}

static gboolean
on_changed_due (gpointer data)
{
  VrBus *bus = data;
  bus->changed_id = 0;
  update_properties (bus);
  vr_bus_service_emit_changed (bus->service);
  return G_SOURCE_REMOVE;
}

static void
on_relay_changed (VrRelay *relay, VrBus *bus)
{
  if (bus->changed_id == 0 && bus->cancellable != NULL)
    bus->changed_id = g_timeout_add (CHANGED_MS, on_changed_due, bus);
}

static void
on_relay_ready (VrRelay *relay, VrBus *bus)
{
  vr_bus_service_set_ready (bus->service, TRUE);
  on_relay_changed (relay, bus);
}

/* D-Bus takes valid UTF-8 only; names may be another host's, texts anybody's. */
static char *
valid (const char *text)
{
  return g_utf8_make_valid (text != NULL ? text : "", -1);
}

static void
on_guest_moved (VrRelay *relay, const VrRecord *record, const char *from, VrBus *bus)
{
  g_autofree char *name = valid (record->name);
  vr_bus_service_emit_guest_moved (bus->service, record->uuid, name, from, record->owner, record->epoch);
}

static void
on_path_changed (VrRelay *relay, const VrPath *path, VrBus *bus)
{
  vr_bus_service_emit_path_changed (bus->service, path->address, path->owner, path->state == VR_PATH_DIRECT);
}

static void
on_tunnel_changed (VrRelay *relay, const char *peer, gboolean up, const char *trouble, VrBus *bus)
{
  g_autofree char *text = valid (trouble);
  vr_bus_service_emit_tunnel_changed (bus->service, peer, up, text);
}

static void
on_trouble (VrRelay *relay, const char *about, const char *what, gboolean began, VrBus *bus)
{
  g_autofree char *subject = valid (about), *text = valid (what);
  if (began)
    vr_bus_service_emit_trouble_began (bus->service, subject, text);
  else
    vr_bus_service_emit_trouble_ended (bus->service, subject, text);
}

/* ---- the object ---- */

void
vr_bus_start (VrBus *bus)
{
  g_return_if_fail (VR_IS_BUS (bus));
  if (bus->cancellable != NULL)
    return;
  bus->cancellable = g_cancellable_new ();
  bus->retry_s = RETRY_MIN_S;
  update_properties (bus);
  connect_bus (bus);
}

void
vr_bus_stop (VrBus *bus)
{
  g_return_if_fail (VR_IS_BUS (bus));
  g_cancellable_cancel (bus->cancellable);
  g_clear_object (&bus->cancellable);
  g_clear_handle_id (&bus->retry_id, g_source_remove);
  g_clear_handle_id (&bus->changed_id, g_source_remove);
  drop (bus);
}

static void
vr_bus_dispose (GObject *object)
{
  VrBus *bus = VR_BUS (object);
  vr_bus_stop (bus);
  if (bus->relay != NULL)
    g_signal_handlers_disconnect_by_data (bus->relay, bus);
  g_clear_object (&bus->relay);
  g_clear_object (&bus->service);
  G_OBJECT_CLASS (vr_bus_parent_class)->dispose (object);
}

static void
vr_bus_class_init (VrBusClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = vr_bus_dispose;
}

static void
vr_bus_init (VrBus *bus)
{
  bus->service = vr_bus_service_skeleton_new ();
  g_signal_connect (bus->service, "handle-guests", G_CALLBACK (on_guests), bus);
  g_signal_connect (bus->service, "handle-hosts", G_CALLBACK (on_hosts), bus);
  g_signal_connect (bus->service, "handle-log", G_CALLBACK (on_log), bus);
  g_signal_connect (bus->service, "handle-refused", G_CALLBACK (on_refused), bus);
  g_signal_connect (bus->service, "handle-migrations", G_CALLBACK (on_migrations), bus);
  g_signal_connect (bus->service, "handle-counters", G_CALLBACK (on_counters), bus);
  g_signal_connect (bus->service, "handle-flush", G_CALLBACK (on_flush), bus);
  g_signal_connect (bus->service, "handle-explain", G_CALLBACK (on_explain), bus);
}

VrBus *
vr_bus_new (VrRelay *relay, const char *host, const char *version)
{
  VrBus *bus = g_object_new (VR_TYPE_BUS, NULL);
  bus->relay = g_object_ref (relay);
  vr_bus_service_set_host (bus->service, host);
  vr_bus_service_set_version (bus->service, version);
  g_signal_connect (relay, "changed", G_CALLBACK (on_relay_changed), bus);
  g_signal_connect (relay, "ready", G_CALLBACK (on_relay_ready), bus);
  g_signal_connect (relay, "guest-moved", G_CALLBACK (on_guest_moved), bus);
  g_signal_connect (relay, "path-changed", G_CALLBACK (on_path_changed), bus);
  g_signal_connect (relay, "tunnel-changed", G_CALLBACK (on_tunnel_changed), bus);
  g_signal_connect (relay, "trouble", G_CALLBACK (on_trouble), bus);
  return bus;
}
