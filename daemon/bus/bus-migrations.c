/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Migrations() in the words of the D-Bus API. */
#include "daemon/bus/bus-variant.h"

static void
add_text (GVariantBuilder *builder, const char *key, const char *text)
{
  if (text != NULL)
    g_variant_builder_add (builder, "{sv}", key, g_variant_new_take_string (g_utf8_make_valid (text, -1)));
}

static void
add_number (GVariantBuilder *builder, const char *key, guint64 number)
{
  g_variant_builder_add (builder, "{sv}", key, g_variant_new_uint64 (number));
}

static GVariant *
nics_variant (const VrLedger *part)
{
  GVariantBuilder builder;
  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < part->nics->len; i++)
    {
      const VrLedgerNic *nic = part->nics->pdata[i];
      GVariantBuilder    counts;
      g_variant_builder_init (&counts, G_VARIANT_TYPE ("a{st}"));
      for (VrCount c = 0; c < VR_N_COUNTS; c++)
        {
          if (vr_ledger_knows (nic, c))
            g_variant_builder_add (&counts, "{st}", vr_count_to_string (c), nic->counts[c]);
        }
      g_variant_builder_open (&builder, G_VARIANT_TYPE_VARDICT);
      add_text (&builder, "mac", nic->mac);
      g_variant_builder_add (&builder, "{sv}", "counts", g_variant_builder_end (&counts));
      g_variant_builder_close (&builder);
    }
  return g_variant_builder_end (&builder);
}

static void
add_phases (GVariantBuilder *builder, const gint64 *phases)
{
  GVariantBuilder times;
  g_variant_builder_init (&times, G_VARIANT_TYPE ("a{sx}"));
  for (VrPhase p = 0; p < VR_N_PHASES; p++)
    {
      if (phases[p] != 0)
        g_variant_builder_add (&times, "{sx}", vr_phase_to_string (p), phases[p]);
    }
  g_variant_builder_add (builder, "{sv}", "phases", g_variant_builder_end (&times));
}

static GVariant *
hosts_variant (const VrMigration *m)
{
  GVariantBuilder builder;
  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < m->parts->len; i++)
    {
      const VrLedger *part = m->parts->pdata[i];
      g_variant_builder_open (&builder, G_VARIANT_TYPE_VARDICT);
      add_text (&builder, "host", part->writer);
      add_text (&builder, "role", g_str_equal (part->writer, m->origin) ? "origin" : g_str_equal (part->writer, m->target) ? "target" : "peer");
      add_text (&builder, "partial", part->partial);
      add_phases (&builder, part->phases);
      g_variant_builder_add (&builder, "{sv}", "nics", nics_variant (part));
      g_variant_builder_close (&builder);
    }
  return g_variant_builder_end (&builder);
}

static GVariant *
losses_variant (const GPtrArray *losses)
{
  GVariantBuilder builder;
  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < losses->len; i++)
    {
      const VrLoss *loss = losses->pdata[i];
      g_variant_builder_open (&builder, G_VARIANT_TYPE_VARDICT);
      add_text (&builder, "host", loss->host);
      add_text (&builder, "mac", loss->mac);
      add_text (&builder, "where", loss->where);
      add_number (&builder, "packets", loss->packets);
      g_variant_builder_close (&builder);
    }
  return g_variant_builder_end (&builder);
}

static GVariant *
migration_variant (const VrMigration *m)
{
  const VrLedger *origin = vr_migration_part (m, m->origin);
  gint64          phases[VR_N_PHASES];
  GVariantBuilder builder;
  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  add_text (&builder, "uuid", m->uuid);
  add_text (&builder, "name", m->name);
  add_number (&builder, "epoch", m->epoch);
  add_text (&builder, "origin", m->origin);
  add_text (&builder, "target", m->target);
  g_variant_builder_add (&builder, "{sv}", "complete", g_variant_new_boolean (m->complete));
  g_variant_builder_add (&builder, "{sv}", "returned", g_variant_new_boolean (m->returned));
  add_text (&builder, "verdict", m->verdict);
  add_number (&builder, "lost", m->lost);
  add_number (&builder, "refused", m->refused);
  add_number (&builder, "waiting", m->waiting);
  add_number (&builder, "duplicates", m->duplicates);
  g_variant_builder_add (&builder, "{sv}", "losses", losses_variant (m->losses));
  g_variant_builder_add (&builder, "{sv}", "refusals", losses_variant (m->refusals));
  g_variant_builder_add (&builder, "{sv}", "waits", losses_variant (m->waits));
  g_variant_builder_add (&builder, "{sv}", "faults", vr_bus_texts_variant (m->faults));
  if (origin != NULL)
    {
      add_text (&builder, "way", origin->way);
      add_text (&builder, "why", origin->why);
      if (origin->critical_ns != 0)
        add_number (&builder, "critical_ns", origin->critical_ns);
    }
  for (VrPhase p = 0; p < VR_N_PHASES; p++)
    phases[p] = vr_migration_phase (m, p);
  add_phases (&builder, phases);
  g_variant_builder_add (&builder, "{sv}", "hosts", hosts_variant (m));
  return g_variant_builder_end (&builder);
}

GVariant *
vr_bus_migrations_variant (GPtrArray *migrations, guint newest)
{
  GVariantBuilder builder;
  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = newest > 0 && migrations->len > newest ? migrations->len - newest : 0; i < migrations->len; i++)
    g_variant_builder_add_value (&builder, migration_variant (migrations->pdata[i]));
  return g_variant_builder_end (&builder);
}
