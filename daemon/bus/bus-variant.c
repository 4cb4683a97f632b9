/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/bus/bus-variant.h"

/* D-Bus takes valid UTF-8 only; the text may be another host's. NULL: the key is left out. */
static void
add_text (GVariantBuilder *builder, const char *key, const char *text)
{
  if (text != NULL)
    g_variant_builder_add (builder, "{sv}", key, g_variant_new_take_string (g_utf8_make_valid (text, -1)));
}

static GVariant *
texts_variant (gpointer const *texts, guint n)
{
  GVariantBuilder builder;
  g_variant_builder_init (&builder, G_VARIANT_TYPE_STRING_ARRAY);
  for (guint i = 0; i < n; i++)
    g_variant_builder_add_value (&builder, g_variant_new_take_string (g_utf8_make_valid (texts[i], -1)));
  return g_variant_builder_end (&builder);
}

static void
add_list (GVariantBuilder *builder, const char *key, char **list)
{
  g_variant_builder_add (builder, "{sv}", key, texts_variant ((gpointer const *) list, g_strv_length (list)));
}

static GVariant *
nics_variant (GPtrArray *nics)
{
  GVariantBuilder builder;
  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < nics->len; i++)
    {
      const VrNic *nic = nics->pdata[i];
      g_variant_builder_open (&builder, G_VARIANT_TYPE_VARDICT);
      add_text (&builder, "mac", nic->mac);
      add_list (&builder, "addresses", nic->addresses);
      g_variant_builder_close (&builder);
    }
  return g_variant_builder_end (&builder);
}

static void
add_record (GVariantBuilder *builder, const VrRecord *record)
{
  add_text (builder, "uuid", record->uuid);
  add_text (builder, "name", record->name);
  add_text (builder, "state", vr_state_to_string (record->state));
  g_variant_builder_add (builder, "{sv}", "epoch", g_variant_new_uint64 (record->epoch));
  add_text (builder, "owner", record->owner);
  add_text (builder, "home", record->home);
  add_text (builder, "origin", record->origin);
  add_text (builder, "target", record->target);
  add_text (builder, "writer", record->writer);
  g_variant_builder_add (builder, "{sv}", "time", g_variant_new_int64 (record->time_us));
  g_variant_builder_add (builder, "{sv}", "seq", g_variant_new_uint64 (record->seq));
  g_variant_builder_add (builder, "{sv}", "nics", nics_variant (record->nics));
}

GVariant *
vr_bus_record_variant (const VrRecord *record)
{
  GVariantBuilder builder;
  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  add_record (&builder, record);
  return g_variant_builder_end (&builder);
}

GVariant *
vr_bus_guest_variant (const VrGuestView *view)
{
  GVariantBuilder builder;
  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  add_record (&builder, view->record);
  if (view->intent != NULL && view->intent->state == VR_STATE_INCOMING)
    add_text (&builder, "incoming", view->intent->target);
  add_text (&builder, "role", view->role);
  add_text (&builder, "path", view->path);
  g_variant_builder_add (&builder, "{sv}", "relayed", g_variant_new_uint64 (view->relayed));
  if (g_strcmp0 (view->role, "peer") == 0)
    g_variant_builder_add (&builder, "{sv}", "answers", g_variant_new_uint64 (view->answers));
  return g_variant_builder_end (&builder);
}

static void
add_host (GVariantBuilder *builder, const VrHost *host)
{
  add_text (builder, "name", host->name);
  add_text (builder, "identity", host->identity);
  add_list (builder, "underlay", host->underlay);
  add_list (builder, "networks", host->networks);
  add_list (builder, "reach", host->reach);
}

GVariant *
vr_bus_host_variant (const VrHostView *view)
{
  GVariantBuilder builder;
  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  add_host (&builder, view->host);
  g_variant_builder_add (&builder, "{sv}", "self", g_variant_new_boolean (view->self));
  g_variant_builder_add (&builder, "{sv}", "wanted", g_variant_new_boolean (view->wanted));
  g_variant_builder_add (&builder, "{sv}", "up", g_variant_new_boolean (view->up));
  if (view->up && view->since_us != 0)
    g_variant_builder_add (&builder, "{sv}", "since", g_variant_new_int64 (view->since_us));
  add_text (&builder, "interface", view->dev);
  add_text (&builder, "trouble", view->trouble);
  return g_variant_builder_end (&builder);
}

static GVariant *
refused_variant (const VrRefusedView *view)
{
  GVariantBuilder builder;
  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  add_text (&builder, "kind", view->record != NULL ? "guest" : "host");
  if (view->record != NULL)
    add_record (&builder, view->record);
  else
    {
      add_host (&builder, view->host);
      add_text (&builder, "writer", view->host->name);
      g_variant_builder_add (&builder, "{sv}", "seq", g_variant_new_uint64 (view->host->seq));
    }
  add_text (&builder, "why", view->why);
  g_variant_builder_add (&builder, "{sv}", "waits", g_variant_new_boolean (view->waits));
  return g_variant_builder_end (&builder);
}

GVariant *
vr_bus_counter_variant (const VrCounter *counter)
{
  GVariantBuilder builder;
  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  add_text (&builder, "name", counter->name);
  g_variant_builder_add (&builder, "{sv}", "packets", g_variant_new_uint64 (counter->packets));
  g_variant_builder_add (&builder, "{sv}", "bytes", g_variant_new_uint64 (counter->bytes));
  return g_variant_builder_end (&builder);
}

/* ---- lists ---- */

typedef GVariant *(*ItemVariant) (gconstpointer item);

static GVariant *
array_variant (GPtrArray *items, ItemVariant item_variant)
{
  GVariantBuilder builder;
  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < items->len; i++)
    g_variant_builder_add_value (&builder, item_variant (items->pdata[i]));
  return g_variant_builder_end (&builder);
}

static int
compare_guests (gconstpointer a, gconstpointer b)
{
  const VrGuestView *x = *(const VrGuestView *const *) a, *y = *(const VrGuestView *const *) b;
  int by_name = g_strcmp0 (x->record->name, y->record->name);
  return by_name != 0 ? by_name : g_strcmp0 (x->record->uuid, y->record->uuid);
}

static int
compare_hosts (gconstpointer a, gconstpointer b)
{
  const VrHostView *x = *(const VrHostView *const *) a, *y = *(const VrHostView *const *) b;
  return g_strcmp0 (x->host->name, y->host->name);
}

static GVariant *
sorted_variant (GPtrArray *items, GCompareFunc compare, ItemVariant item_variant)
{
  g_autoptr (GPtrArray) sorted = g_ptr_array_new (); /* shares the items */
  g_ptr_array_extend (sorted, items, NULL, NULL);
  g_ptr_array_sort (sorted, compare);
  return array_variant (sorted, item_variant);
}

GVariant *
vr_bus_guests_variant (GPtrArray *views)
{
  return sorted_variant (views, compare_guests, (ItemVariant) vr_bus_guest_variant);
}

GVariant *
vr_bus_hosts_variant (GPtrArray *views)
{
  return sorted_variant (views, compare_hosts, (ItemVariant) vr_bus_host_variant);
}

GVariant *
vr_bus_records_variant (GPtrArray *records)
{
  return array_variant (records, (ItemVariant) vr_bus_record_variant);
}

GVariant *
vr_bus_counters_variant (GPtrArray *counters)
{
  return array_variant (counters, (ItemVariant) vr_bus_counter_variant);
}

GVariant *
vr_bus_refused_variant (GPtrArray *views)
{
  return array_variant (views, (ItemVariant) refused_variant);
}

GVariant *
vr_bus_refused_counts_variant (GHashTable *counts)
{
  GVariantBuilder builder;
  g_autoptr (GList) writers = g_list_sort (g_hash_table_get_keys (counts), (GCompareFunc) strcmp);
  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a{su}"));
  for (GList *l = writers; l != NULL; l = l->next)
    g_variant_builder_add (&builder, "{su}", (char *) l->data, GPOINTER_TO_UINT (g_hash_table_lookup (counts, l->data)));
  return g_variant_builder_end (&builder);
}

GVariant *
vr_bus_texts_variant (GPtrArray *texts)
{
  return texts_variant ((gpointer const *) texts->pdata, texts->len);
}

/* ---- explanations ---- */

static void
add_flag (GVariantBuilder *builder, const char *key, gboolean flag)
{
  g_variant_builder_add (builder, "{sv}", key, g_variant_new_boolean (flag));
}

static GVariant *
hop_variant (const VrHop *hop)
{
  GVariantBuilder builder;
  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  add_text (&builder, "host", hop->host);
  add_text (&builder, "role", hop->role);
  add_text (&builder, "does", hop->does);
  add_text (&builder, "in", hop->in);
  add_text (&builder, "out", hop->out);
  add_text (&builder, "next", hop->next);
  add_text (&builder, "tunnel", hop->tunnel);
  add_text (&builder, "rule", hop->rule);
  add_text (&builder, "route", hop->route);
  add_text (&builder, "filter", hop->filter);
  add_text (&builder, "why", hop->why);
  add_flag (&builder, "verified", hop->verified);
  return g_variant_builder_end (&builder);
}

static GVariant *
way_variant (const VrWay *way)
{
  GVariantBuilder builder;
  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  add_flag (&builder, "direct", way->direct);
  add_flag (&builder, "back", way->back);
  add_text (&builder, "source", way->source);
  add_text (&builder, "destination", way->destination);
  add_text (&builder, "outcome", vr_outcome_to_string (way->outcome));
  g_variant_builder_add (&builder, "{sv}", "hops", array_variant (way->hops, (ItemVariant) hop_variant));
  return g_variant_builder_end (&builder);
}

GVariant *
vr_bus_explanation_variant (const VrExplanation *explanation)
{
  GVariantBuilder builder;
  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  add_text (&builder, "address", explanation->address);
  add_text (&builder, "from", explanation->from);
  add_text (&builder, "from_address", explanation->from_address);
  if (explanation->record != NULL)
    g_variant_builder_add (&builder, "{sv}", "record", vr_bus_record_variant (explanation->record));
  g_variant_builder_add (&builder, "{sv}", "ways", array_variant (explanation->ways, (ItemVariant) way_variant));
  return g_variant_builder_end (&builder);
}

GPtrArray *
vr_bus_select_records (GPtrArray *records, const char *guest, guint newest)
{
  g_autoptr (GHashTable) uuids = g_hash_table_new (g_str_hash, g_str_equal);
  for (guint i = 0; i < records->len; i++)
    {
      const VrRecord *record = records->pdata[i];
      if (guest[0] == '\0' || g_strcmp0 (record->name, guest) == 0 || g_ascii_strcasecmp (record->uuid, guest) == 0)
        g_hash_table_add (uuids, record->uuid);
    }
  if (guest[0] != '\0' && g_hash_table_size (uuids) == 0)
    return NULL;

  GPtrArray *selected = g_ptr_array_new ();
  for (guint i = 0; i < records->len; i++)
    {
      if (g_hash_table_contains (uuids, ((const VrRecord *) records->pdata[i])->uuid))
        g_ptr_array_add (selected, records->pdata[i]);
    }
  if (newest > 0 && selected->len > newest)
    g_ptr_array_remove_range (selected, 0, selected->len - newest);
  return selected;
}
