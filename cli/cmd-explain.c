/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virt-relay explain: the path of a packet hop by hop, and what decides it. */
#include "cli/cli.h"

#include <stdio.h>

#include "cli/show.h"

static char *from;

static const GOptionEntry options[] = {
  { "from", 'f', 0, G_OPTION_ARG_STRING, &from, "the host whose guests send; without it: this one", "HOST" },
  { NULL },
};

/* ---- text ---- */

static void
show_line (GVariant *item, const char *key)
{
  const char *raw = vr_item_text (item, key, NULL);
  if (raw == NULL)
    return;
  g_autofree char *text = vr_show_text (raw);
  printf ("       %-7s %s\n", key, text);
}

static void
show_hop (GVariant *hop, gsize n)
{
  static const char *const reasons[] = { "filter", "rule", "route", "tunnel", "why" };
  g_autofree char *host = vr_show_text (vr_item_text (hop, "host", "-"));
  const char *role = vr_item_text (hop, "role", NULL), *out = vr_item_text (hop, "out", NULL), *next = vr_item_text (hop, "next", NULL);
  printf ("  %2" G_GSIZE_FORMAT "  %s%s%s%s %s", n, host, role != NULL ? " (" : "", role != NULL ? role : "", role != NULL ? ")" : "",
          vr_item_text (hop, "does", "-"));
  if (out != NULL)
    printf (" by %s", out);
  if (next != NULL)
    {
      g_autofree char *shown = vr_show_text (next);
      printf (" to %s", shown);
    }
  if (!vr_item_flag (hop, "verified"))
    printf ("%s  (concluded from the migration log)%s", vr_show_colour (VR_DIM), vr_show_colour (VR_PLAIN));
  putchar ('\n');
  for (guint i = 0; i < G_N_ELEMENTS (reasons); i++)
    show_line (hop, reasons[i]);
}

static void
show_way (GVariant *way)
{
  g_autoptr (GVariant) hops = g_variant_lookup_value (way, "hops", G_VARIANT_TYPE ("aa{sv}"));
  const char *outcome = vr_item_text (way, "outcome", "-");
  VrColour colour = g_str_equal (outcome, "arrives") ? VR_GOOD : g_str_equal (outcome, "is lost") ? VR_BAD : VR_WARN;
  printf ("\n%s%s: %s to %s %s%s%s\n", vr_item_flag (way, "back") ? "back" : "there",
          vr_item_flag (way, "direct") ? ", once the path is direct" : "", vr_item_text (way, "source", "-"),
          vr_item_text (way, "destination", "-"),
          vr_show_colour (colour), outcome, vr_show_colour (VR_PLAIN));
  for (gsize i = 0; hops != NULL && i < g_variant_n_children (hops); i++)
    {
      g_autoptr (GVariant) hop = g_variant_get_child_value (hops, i);
      show_hop (hop, i + 1);
    }
}

static void
show_head (GVariant *explanation)
{
  g_autoptr (GVariant) record = g_variant_lookup_value (explanation, "record", G_VARIANT_TYPE_VARDICT);
  const char *address = vr_item_text (explanation, "address", "-");
  g_autofree char *sender = vr_show_text (vr_item_text (explanation, "from", "-"));
  if (record == NULL)
    {
      printf ("%s (no guest's) and the guests of %s\n", address, sender);
      return;
    }
  g_autofree char *name = vr_show_text (vr_item_text (record, "name", "-")), *owner = vr_show_text (vr_item_text (record, "owner", "-"));
  g_autofree char *home = vr_show_text (vr_item_text (record, "home", "-")), *writer = vr_show_text (vr_item_text (record, "writer", "-"));
  g_autofree char *time = vr_show_time (vr_item_time (record, "time"));
  printf ("guest %s (%s) and the guests of %s\n  record  %s, epoch %" G_GUINT64_FORMAT ", owner %s, home %s; by %s, %s\n", name, address,
          sender, vr_item_text (record, "state", "-"), vr_item_number (record, "epoch"), owner, home, writer, time);
}

static gboolean
run (const VrCall *call, GError **error)
{
  g_autoptr (GVariant) explanation = NULL;
  if (!vr_bus_service_call_explain_sync (call->service, call->operands[0], from != NULL ? from : "", &explanation, NULL, error))
    return FALSE;
  if (call->json)
    {
      vr_show_json (explanation);
      return TRUE;
    }
  show_head (explanation);
  g_autoptr (GVariant) ways = g_variant_lookup_value (explanation, "ways", G_VARIANT_TYPE ("aa{sv}"));
  for (gsize i = 0; ways != NULL && i < g_variant_n_children (ways); i++)
    {
      g_autoptr (GVariant) way = g_variant_get_child_value (ways, i);
      show_way (way);
    }
  return TRUE;
}

const VrCommand vr_command_explain = {
  .name = "explain",
  .operands = "GUEST|ADDRESS",
  .summary = "the path of a packet there and back, hop by hop, and what decides it",
  .min_operands = 1,
  .max_operands = 1,
  .options = options,
  .run = run,
};
