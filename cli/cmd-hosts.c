/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virt-relay hosts: every host that the migration log knows, and the tunnel to it. */
#include "cli/cli.h"
#include "cli/show.h"

static gboolean names;

static const GOptionEntry options[] = {
  { "names", 0, 0, G_OPTION_ARG_NONE, &names, "only the names, one a line", NULL },
  { NULL },
};

static gboolean
run (const VrCall *call, GError **error)
{
  g_autoptr (GVariant) hosts = NULL;
  if (!vr_bus_service_call_hosts_sync (call->service, &hosts, NULL, error))
    return FALSE;
  if (call->json || names)
    {
      (names ? vr_show_names : vr_show_json) (hosts);
      return TRUE;
    }

  g_autoptr (VrTable) table = vr_table_new ("NAME", "TUNNEL", "INTERFACE", "UNDERLAY", "NETWORKS", "REACH", "IDENTITY",
                                              NULL);
  for (gsize i = 0; i < g_variant_n_children (hosts); i++)
    {
      g_autoptr (GVariant) host = g_variant_get_child_value (hosts, i);
      g_autofree char *tunnel = vr_show_tunnel (host, g_get_real_time ());
      g_autofree char *underlay = vr_item_list (host, "underlay");
      g_autofree char *networks = vr_item_list (host, "networks");
      g_autofree char *reach = vr_item_list (host, "reach");
      vr_table_add (table, vr_item_text (host, "name", "-"), tunnel, vr_item_text (host, "interface", "-"), underlay, networks,
                    reach, vr_item_text (host, "identity", "-"), NULL);
    }
  vr_table_print (table, 0);
  return TRUE;
}

const VrCommand vr_command_hosts = {
  .name = "hosts",
  .summary = "every known host: its addresses, its guest networks, the tunnel to it",
  .options = options,
  .run = run,
};
