/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virt-relay log: the records of the migration log. */
#include "cli/cli.h"
#include "cli/show.h"

static guint newest; /* 0: all */

static gboolean
parse_newest (const char *option, const char *value, gpointer data, GError **error)
{
  guint64 number;
  if (!g_ascii_string_to_unsigned (value, 10, 1, G_MAXUINT32, &number, NULL))
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "log: \"%s\" is not a number of records", value);
      return FALSE;
    }
  newest = (guint) number;
  return TRUE;
}

static const GOptionEntry options[] = {
  { "newest", 'n', 0, G_OPTION_ARG_CALLBACK, parse_newest, "no more than the newest N records", "N" },
  { NULL },
};

static gboolean
run (const VrCall *call, GError **error)
{
  g_autoptr (GVariant) records = NULL;
  const char *guest = call->operands[0] != NULL ? call->operands[0] : "";
  if (!vr_bus_service_call_log_sync (call->service, guest, newest, &records, NULL, error))
    return FALSE;
  if (call->json)
    {
      vr_show_json (records);
      return TRUE;
    }

  g_autoptr (VrTable) table = vr_table_new ("TIME", "GUEST", "EPOCH", "STATE", "OWNER", "ORIGIN", "TARGET",
                                              "WRITER", NULL);
  for (gsize i = 0; i < g_variant_n_children (records); i++)
    {
      g_autoptr (GVariant) record = g_variant_get_child_value (records, i);
      g_autofree char *time = vr_show_time (vr_item_time (record, "time"));
      g_autofree char *epoch = vr_show_number (vr_item_number (record, "epoch"));
      vr_table_add (table, time, vr_item_text (record, "name", "-"), epoch, vr_item_text (record, "state", "-"),
                    vr_item_text (record, "owner", "-"), vr_item_text (record, "origin", "-"),
                    vr_item_text (record, "target", "-"), vr_item_text (record, "writer", "-"), NULL);
    }
  vr_table_print (table, 0);
  return TRUE;
}

const VrCommand vr_command_log = {
  .name = "log",
  .operands = "[GUEST]",
  .summary = "the migration log, oldest record first: of one guest (name or uuid), or of all",
  .max_operands = 1,
  .options = options,
  .run = run,
};
