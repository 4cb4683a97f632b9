/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/client.h"

#include "daemon/names.h"

VrBusService *
vr_client_open (GError **error)
{
  g_autoptr (GDBusConnection) connection = g_bus_get_sync (G_BUS_TYPE_SYSTEM, NULL, error);
  if (connection == NULL)
    {
      g_prefix_error (error, "cannot reach the system bus (does dbus run?): ");
      return NULL;
    }
  /* Nothing is loaded beforehand: that the daemon is away or says no is then the answer to a call, and can be explained. */
  VrBusService *service = vr_bus_service_proxy_new_sync (connection,
                                                         G_DBUS_PROXY_FLAGS_DO_NOT_LOAD_PROPERTIES
                                                           | G_DBUS_PROXY_FLAGS_DO_NOT_CONNECT_SIGNALS,
                                                         VR_BUS_NAME, VR_BUS_PATH, NULL, error);
  if (service != NULL)
    g_dbus_proxy_set_default_timeout (G_DBUS_PROXY (service), VR_CLIENT_TIMEOUT_MS);
  return service;
}

GVariant *
vr_client_properties (VrBusService *service, GError **error)
{
  g_autoptr (GVariant) reply = g_dbus_proxy_call_sync (G_DBUS_PROXY (service), "org.freedesktop.DBus.Properties.GetAll",
                                                       g_variant_new ("(s)", VR_BUS_NAME), G_DBUS_CALL_FLAGS_NONE, -1, NULL,
                                                       error);
  if (reply == NULL)
    return NULL;
  if (!g_variant_is_of_type (reply, G_VARIANT_TYPE ("(a{sv})")))
    {
      g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_METHOD, "properties of type %s",
                   g_variant_get_type_string (reply));
      return NULL;
    }
  return g_variant_get_child_value (reply, 0);
}

static gboolean
is_one_of (const GError *error, const GDBusError *codes, guint n)
{
  for (guint i = 0; i < n; i++)
    {
      if (g_error_matches (error, G_DBUS_ERROR, codes[i]))
        return TRUE;
    }
  return FALSE;
}

gboolean
vr_client_is_away (const GError *error)
{
  static const GDBusError away[] = { G_DBUS_ERROR_SERVICE_UNKNOWN, G_DBUS_ERROR_NAME_HAS_NO_OWNER };

  return is_one_of (error, away, G_N_ELEMENTS (away));
}

char *
vr_client_explain (GError *error)
{
  static const GDBusError denied[] = { G_DBUS_ERROR_ACCESS_DENIED, G_DBUS_ERROR_AUTH_FAILED };
  static const GDBusError silent[] = { G_DBUS_ERROR_NO_REPLY, G_DBUS_ERROR_TIMEOUT, G_DBUS_ERROR_TIMED_OUT };
  static const GDBusError other[] = { G_DBUS_ERROR_UNKNOWN_METHOD, G_DBUS_ERROR_UNKNOWN_INTERFACE, G_DBUS_ERROR_UNKNOWN_OBJECT,
                                      G_DBUS_ERROR_INVALID_ARGS };

  if (vr_client_is_away (error))
    return g_strdup ("virt-relayd is not running: systemctl start virt-relayd");
  if (is_one_of (error, denied, G_N_ELEMENTS (denied)))
    return g_strdup ("not permitted: be root, or a member of the group libvirt (adduser USER libvirt, then log in again)");
  if (is_one_of (error, silent, G_N_ELEMENTS (silent)) || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
    return g_strdup ("virt-relayd does not answer: journalctl -u virt-relayd may say why");
  if (is_one_of (error, other, G_N_ELEMENTS (other)))
    return g_strdup_printf ("virt-relayd is of another version (%s): systemctl restart virt-relayd", error->message);
  g_dbus_error_strip_remote_error (error);
  return g_strdup (error->message);
}
