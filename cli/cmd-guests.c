/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virt-relay guests: every guest that the migration log knows, and this host's way to it. */
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
  g_autoptr (GVariant) guests = NULL;
  if (!vr_bus_service_call_guests_sync (call->service, &guests, NULL, error))
    return FALSE;
  if (call->json || names)
    {
      (names ? vr_show_names : vr_show_json) (guests);
      return TRUE;
    }

  g_autoptr (VrTable) table = vr_table_new ("NAME", "STATE", "EPOCH", "OWNER", "HOME", "ROLE", "PATH", "RELAYED",
                                              "ADDRESSES", NULL);
  for (gsize i = 0; i < g_variant_n_children (guests); i++)
    {
      g_autoptr (GVariant) guest = g_variant_get_child_value (guests, i);
      g_autofree char *state = vr_show_guest_state (guest);
      g_autofree char *epoch = vr_show_number (vr_item_number (guest, "epoch"));
      g_autofree char *relayed = vr_show_number (vr_item_number (guest, "relayed"));
      g_autofree char *addresses = vr_item_addresses (guest);
      vr_table_add (table, vr_item_text (guest, "name", "-"), state, epoch, vr_item_text (guest, "owner", "-"),
                    vr_item_text (guest, "home", "-"), vr_item_text (guest, "role", "-"), vr_item_text (guest, "path", "-"),
                    relayed, addresses, NULL);
    }
  vr_table_print (table, 0);
  return TRUE;
}

const VrCommand vr_command_guests = {
  .name = "guests",
  .summary = "every known guest: its owner and home, this host's role and way to it, packets relayed",
  .options = options,
  .run = run,
};
