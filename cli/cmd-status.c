/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virt-relay status: one screen: this host, its tunnels, the guests, what was dropped, what is not as it should be. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/show.h"

typedef struct {
  GVariant *properties, *hosts, *guests, *counters;
} Status;

static void
status_clear (Status *status)
{
  g_clear_pointer (&status->properties, g_variant_unref);
  g_clear_pointer (&status->hosts, g_variant_unref);
  g_clear_pointer (&status->guests, g_variant_unref);
  g_clear_pointer (&status->counters, g_variant_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Status, status_clear)

static gboolean
ask (Status *status, VrBusService *service, GError **error)
{
  g_autoptr (GError) no_counters = NULL;
  status->properties = vr_client_properties (service, error);
  if (status->properties == NULL || !vr_bus_service_call_hosts_sync (service, &status->hosts, NULL, error)
      || !vr_bus_service_call_guests_sync (service, &status->guests, NULL, error))
    return FALSE;

  /* A kernel that gives no counters is in trouble: all the more reason to show the rest. */
  if (!vr_bus_service_call_counters_sync (service, &status->counters, NULL, &no_counters))
    {
      g_autofree char *why = vr_client_explain (no_counters);
      g_printerr ("virt-relay: no counters: %s\n", why);
      status->counters = g_variant_ref_sink (g_variant_new_array (G_VARIANT_TYPE_VARDICT, NULL, 0));
    }
  return TRUE;
}

/* ---- JSON ---- */

static void
show_json (const Status *status)
{
  GVariantBuilder builder;
  static const struct {
    const char *key, *property;
  } names[] = { { "host", "Host" }, { "version", "Version" }, { "ready", "Ready" }, { "troubles", "Troubles" } };

  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr (GVariant) value = g_variant_lookup_value (status->properties, names[i].property, NULL);
      if (value != NULL)
        g_variant_builder_add (&builder, "{sv}", names[i].key, value);
    }
  g_variant_builder_add (&builder, "{sv}", "hosts", status->hosts);
  g_variant_builder_add (&builder, "{sv}", "guests", status->guests);
  g_variant_builder_add (&builder, "{sv}", "counters", status->counters);
  vr_show_json (g_variant_builder_end (&builder));
}

/* ---- text ---- */

static void
show_host (const Status *status)
{
  g_autofree char *host = vr_show_text (vr_item_text (status->properties, "Host", "-"));
  printf ("host %s: virt-relay %s, %s\n", host, vr_item_text (status->properties, "Version", "-"),
          vr_item_flag (status->properties, "Ready") ? "ready" : "not ready yet");
  for (gsize i = 0; i < g_variant_n_children (status->hosts); i++)
    {
      g_autoptr (GVariant) item = g_variant_get_child_value (status->hosts, i);
      g_autofree char *underlay = vr_item_list (item, "underlay");
      g_autofree char *networks = vr_item_list (item, "networks");
      if (vr_item_flag (item, "self"))
        printf ("  underlay  %s\n  networks  %s\n", underlay, networks);
    }
}

static void
show_tunnels (const Status *status)
{
  g_autoptr (VrTable) table = vr_table_new ("PEER", "INTERFACE", "UNDERLAY", "TUNNEL", NULL);
  for (gsize i = 0; i < g_variant_n_children (status->hosts); i++)
    {
      g_autoptr (GVariant) host = g_variant_get_child_value (status->hosts, i);
      const char *interface = vr_item_text (host, "interface", NULL);
      g_autofree char *underlay = vr_item_list (host, "underlay");
      g_autofree char *tunnel = vr_show_tunnel (host, g_get_real_time ());
      if (interface != NULL && !vr_item_flag (host, "self"))
        vr_table_add (table, vr_item_text (host, "name", "-"), interface, underlay, tunnel, NULL);
    }
  printf ("\ntunnels\n");
  vr_table_print (table, 2);
}

static void
show_guests (const Status *status)
{
  g_autoptr (VrTable) table = vr_table_new ("NAME", "STATE", "OWNER", "PATH", "RELAYED", NULL);
  for (gsize i = 0; i < g_variant_n_children (status->guests); i++)
    {
      g_autoptr (GVariant) guest = g_variant_get_child_value (status->guests, i);
      g_autofree char *state = vr_show_guest_state (guest);
      g_autofree char *relayed = vr_show_number (vr_item_number (guest, "relayed"));
      if (!g_str_equal (state, "stopped"))
        vr_table_add (table, vr_item_text (guest, "name", "-"), state, vr_item_text (guest, "owner", "-"),
                      vr_item_text (guest, "path", "-"), relayed, NULL);
    }
  printf ("\nguests\n");
  vr_table_print (table, 2);
}

/*
 * What the filter dropped and why; nothing, not even a heading, if it dropped nothing. Counters of elements, "SET ADDRESS", count what
 * passed: they are told with their guests.
 */
static void
show_drops (const Status *status)
{
  gboolean headed = FALSE;
  for (gsize i = 0; i < g_variant_n_children (status->counters); i++)
    {
      g_autoptr (GVariant) counter = g_variant_get_child_value (status->counters, i);
      g_autofree char *name = vr_show_text (vr_item_text (counter, "name", "-"));
      guint64 packets = vr_item_number (counter, "packets");
      if (packets == 0 || strchr (name, ' ') != NULL)
        continue;
      printf ("%s  %s: %" G_GUINT64_FORMAT " packets\n", headed ? "" : "\ndropped\n", name, packets);
      headed = TRUE;
    }
}

static void
show_troubles (const Status *status)
{
  g_auto (GStrv) troubles = NULL;
  g_variant_lookup (status->properties, "Troubles", "^as", &troubles);
  for (guint i = 0; troubles != NULL && troubles[i] != NULL; i++)
    {
      g_autofree char *text = vr_show_text (troubles[i]);
      printf ("%s  %s\n", i == 0 ? "\ntroubles\n" : "", text);
    }
}

static gboolean
run (const VrCall *call, GError **error)
{
  g_auto (Status) status = { NULL };
  if (!ask (&status, call->service, error))
    return FALSE;
  if (call->json)
    {
      show_json (&status);
      return TRUE;
    }
  show_host (&status);
  show_tunnels (&status);
  show_guests (&status);
  show_drops (&status);
  show_troubles (&status);
  return TRUE;
}

const VrCommand vr_command_status = {
  .name = "status",
  .summary = "this host on one screen: tunnels, guests, and what is not as it should be, with its cure",
  .run = run,
};
