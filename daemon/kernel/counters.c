/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "counters.h"

#include "daemon/names.h"
#include "element.h"

static void
read_named_counters (JsonNode *listing, GPtrArray *counters)
{
  JsonArray *objects = vr_nft_objects (listing);

  for (guint i = 0; i < json_array_get_length (objects); i++)
    {
      JsonObject *object = json_array_get_object_element (objects, i);
      VrCounter  *counter;

      if (!json_object_has_member (object, "counter"))
        continue;
      object = json_object_get_object_member (object, "counter");
      counter = g_new0 (VrCounter, 1);
      counter->name = g_strdup (json_object_get_string_member_with_default (object, "name", "?"));
      counter->packets = json_object_get_int_member_with_default (object, "packets", 0);
      counter->bytes = json_object_get_int_member_with_default (object, "bytes", 0);
      g_ptr_array_add (counters, counter);
    }
}

/* One call each: a listing of the whole table would be one, but in the order of its sets and not in that in which packets pass them. */
static gboolean
read_sets (VrNft *nft, const char *family, const char *const *sets, gboolean backwards, GPtrArray *counters, GError **error)
{
  const guint n = g_strv_length ((char **) sets);

  for (guint i = 0; i < n; i++)
    {
      const char          *set = sets[backwards ? n - 1 - i : i];
      g_autofree char     *command = g_strdup_printf ("list set %s %s %s", family, VR_NFT_TABLE, set);
      g_autoptr (JsonNode) listing = vr_nft_list_json (nft, command, error);

      if (listing == NULL)
        return FALSE;
      vr_elements_read_counters (listing, set, counters);
    }
  return TRUE;
}

GPtrArray *
vr_tallies_read (VrNft *nft, gboolean backwards, GError **error)
{
  static const char *const inet[] = { "came4", "came6", "expired4", "expired6", "large4", "large6", "large-relayed4", "large-relayed6", "foreign-source4",
                                      "foreign-source6", "foreign-destination4", "foreign-destination6", "circling4", "circling6", "handed4", "handed6",
                                      "relay4", "relay6", "own4", "own6", "arrived4", "arrived6", NULL };
  static const char *const taps[] = { "tap-flood", "tap-out", NULL };
  g_autoptr (GPtrArray) counters = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_counter_free);
  gboolean has;

  for (guint i = 0; i < 2; i++)
    {
      gboolean    bridge = (i == 1) != backwards;
      const char *family = bridge ? "bridge" : "inet";

      if (!vr_nft_has_table (nft, family, &has, error))
        return NULL;
      if (has && !read_sets (nft, family, bridge ? taps : inet, backwards, counters, error))
        return NULL;
    }
  return g_steal_pointer (&counters);
}

GPtrArray *
vr_counters_read (VrNft *nft, GError **error)
{
  static const char *const sets[] = { "relay4", "relay6", "peer-guest4", "peer-guest6", "sought4", "sought6", NULL };
  g_autoptr (GPtrArray) counters = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_counter_free);
  g_autoptr (JsonNode) named = NULL;
  gboolean has;

  if (!vr_nft_has_table (nft, "inet", &has, error))
    return NULL;
  if (!has)
    return g_steal_pointer (&counters);
  named = vr_nft_list_json (nft, "list counters table inet " VR_NFT_TABLE, error);
  if (named == NULL)
    return NULL;
  read_named_counters (named, counters);
  if (!read_sets (nft, "inet", sets, FALSE, counters, error))
    return NULL;
  return g_steal_pointer (&counters);
}
