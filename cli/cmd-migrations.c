/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virt-relay migrations: the ledger, a block for each migration. */
#include "cli/cli.h"
#include "cli/report.h"
#include "cli/show.h"

#include <stdio.h>

static guint newest; /* 0: all */
static char *html;   /* file; NULL: to the terminal */

static gboolean
parse_newest (const char *option, const char *value, gpointer data, GError **error)
{
  guint64 number;
  if (!g_ascii_string_to_unsigned (value, 10, 1, G_MAXUINT32, &number, NULL))
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "\"%s\" is not a number of migrations", value);
      return FALSE;
    }
  newest = (guint) number;
  return TRUE;
}

static const GOptionEntry options[] = {
  { "newest", 'n', 0, G_OPTION_ARG_CALLBACK, parse_newest, "no more than the newest N migrations", "N" },
  { "html", 0, 0, G_OPTION_ARG_FILENAME, &html, "write a page of its own to FILE", "FILE" },
  { NULL },
};

/* ---- words ---- */

/* "intent -1204.1, flip +0.8": in the order of their times, ms from `zero`. */
static char *
show_phases (GVariant *migration, gint64 zero)
{
  g_autoptr (GVariant) phases = g_variant_lookup_value (migration, "phases", G_VARIANT_TYPE ("a{sx}"));
  g_autoptr (GString) text = g_string_new (NULL);
  gsize  n = phases != NULL ? g_variant_n_children (phases) : 0;
  gint64 after = G_MININT64;

  for (gsize i = 0; i < n; i++) /* few: the next later one each time */
    {
      const char *best = NULL;
      gint64      best_at = G_MAXINT64;
      for (gsize k = 0; k < n; k++)
        {
          const char *name;
          gint64      at;
          g_variant_get_child (phases, k, "{&sx}", &name, &at);
          if (at > after && at < best_at)
            {
              best = name;
              best_at = at;
            }
        }
      if (best == NULL)
        break;
      g_string_append_printf (text, "%s%s %+.1f", text->len > 0 ? ", " : "", best, (double) (best_at - zero) / 1000);
      after = best_at;
    }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static void
print_counts (GVariant *host)
{
  g_autoptr (GVariant) nics = g_variant_lookup_value (host, "nics", G_VARIANT_TYPE ("aa{sv}"));
  for (gsize i = 0; nics != NULL && i < g_variant_n_children (nics); i++)
    {
      g_autoptr (GVariant) nic = g_variant_get_child_value (nics, i);
      g_autoptr (GVariant) counts = g_variant_lookup_value (nic, "counts", G_VARIANT_TYPE ("a{st}"));
      g_autoptr (GString) text = g_string_new (NULL);
      for (gsize k = 0; counts != NULL && k < g_variant_n_children (counts); k++)
        {
          const char *name;
          guint64     packets;
          g_variant_get_child (counts, k, "{&st}", &name, &packets);
          g_string_append_printf (text, "%s%s %" G_GUINT64_FORMAT, k > 0 ? ", " : "", name, packets);
        }
      g_autofree char *shown = vr_show_text (text->str);
      printf ("    %s  %s\n", vr_item_text (nic, "mac", "-"), shown);
    }
}

static void
print_migration (GVariant *migration)
{
  gint64 zero = vr_report_phase (migration, "stop");
  if (zero == 0)
    zero = vr_report_phase (migration, "flip");
  g_autofree char *name = vr_show_text (vr_item_text (migration, "name", "-"));
  g_autofree char *verdict = vr_show_text (vr_item_text (migration, "verdict", "-"));
  g_autofree char *time = vr_show_time (zero);
  g_autofree char *phases = show_phases (migration, zero);
  g_autofree char *why = vr_show_text (vr_item_text (migration, "why", ""));

  printf ("%s: %s -> %s, epoch %" G_GUINT64_FORMAT ", %s\n", name, vr_item_text (migration, "origin", "-"),
          vr_item_text (migration, "target", "-"), vr_item_number (migration, "epoch"), time);
  printf ("  %s\n", verdict);
  if (vr_item_text (migration, "way", NULL) != NULL)
    printf ("  switchover by %s%s%s", vr_item_text (migration, "way", ""), *why != '\0' ? ": " : "", why);
  if (vr_item_number (migration, "critical_ns") != 0)
    printf ("; critical section %.3f ms", (double) vr_item_number (migration, "critical_ns") / 1e6);
  if (vr_item_text (migration, "way", NULL) != NULL)
    putchar ('\n');
  printf ("  ms from %s: %s\n", vr_report_phase (migration, "stop") != 0 ? "QEMU's stop" : "the flip", phases);

  g_autoptr (GVariant) hosts = g_variant_lookup_value (migration, "hosts", G_VARIANT_TYPE ("aa{sv}"));
  for (gsize i = 0; hosts != NULL && i < g_variant_n_children (hosts); i++)
    {
      g_autoptr (GVariant) host = g_variant_get_child_value (hosts, i);
      printf ("  %s (%s)\n", vr_item_text (host, "host", "-"), vr_item_text (host, "role", "-"));
      print_counts (host);
    }
}

static gboolean
run (const VrCall *call, GError **error)
{
  g_autoptr (GVariant) migrations = NULL;
  const char *guest = call->operands[0] != NULL ? call->operands[0] : "";
  if (!vr_bus_service_call_migrations_sync (call->service, guest, newest, &migrations, NULL, error))
    return FALSE;
  if (html != NULL)
    {
      g_autofree char *page = vr_report_page (migrations);
      return g_file_set_contents (html, page, -1, error);
    }
  if (call->json)
    {
      vr_show_json (migrations);
      return TRUE;
    }
  for (gsize i = 0; i < g_variant_n_children (migrations); i++)
    {
      g_autoptr (GVariant) migration = g_variant_get_child_value (migrations, i);
      if (i > 0)
        putchar ('\n');
      print_migration (migration);
    }
  if (g_variant_n_children (migrations) == 0)
    puts ("none");
  return TRUE;
}

const VrCommand vr_command_migrations = {
  .name = "migrations",
  .operands = "[GUEST]",
  .summary = "every migration's ledger: what happened when, where every packet went, whether any was lost",
  .max_operands = 1,
  .options = options,
  .run = run,
};
