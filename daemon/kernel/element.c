/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An element in a listing is, from the outside in: for maps an array of key and data; with counters an object "elem" of
 * "val" and "counter"; for several parts an object "concat"; and each part a string, or an object "prefix". What looks
 * otherwise is not ours.
 */
#include "element.h"

#include "rtnl.h"

#include <string.h>

/* ---- listings ---- */

static JsonObject *
member_object (JsonNode *node, const char *name)
{
  JsonNode *member;

  if (!JSON_NODE_HOLDS_OBJECT (node))
    return NULL;
  member = json_object_get_member (json_node_get_object (node), name);
  return member != NULL && JSON_NODE_HOLDS_OBJECT (member) ? json_node_get_object (member) : NULL;
}

/* The element without what is wrapped around it. `counter`: out, NULL if it has none. */
static JsonNode *
unwrap (JsonNode *node, JsonObject **counter)
{
  JsonObject *elem = member_object (node, "elem");

  *counter = NULL;
  if (elem == NULL || !json_object_has_member (elem, "val"))
    return node;
  if (json_object_has_member (elem, "counter") && JSON_NODE_HOLDS_OBJECT (json_object_get_member (elem, "counter")))
    *counter = json_object_get_object_member (elem, "counter");
  return json_object_get_member (elem, "val");
}

/* One part of a key in nft's syntax, or NULL. */
static char *
part_text (JsonNode *node, gboolean dev)
{
  JsonObject *prefix = member_object (node, "prefix");

  if (prefix != NULL)
    return g_strdup_printf ("%s/%" G_GINT64_FORMAT, json_object_get_string_member_with_default (prefix, "addr", "?"),
                            json_object_get_int_member_with_default (prefix, "len", -1));
  if (!JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_STRING)
    return NULL;
  return dev ? g_strdup_printf ("\"%s\"", json_node_get_string (node)) : json_node_dup_string (node);
}

/* A key of one or two parts, or NULL. */
static char *
key_text (JsonNode *node, gboolean dev)
{
  JsonNode *concat
      = JSON_NODE_HOLDS_OBJECT (node) ? json_object_get_member (json_node_get_object (node), "concat") : NULL;
  JsonArray       *parts = concat != NULL && JSON_NODE_HOLDS_ARRAY (concat) ? json_node_get_array (concat) : NULL;
  g_autofree char *first = NULL, *second = NULL;

  if (parts == NULL)
    return part_text (node, dev);
  if (json_array_get_length (parts) != 2)
    return NULL;
  first = part_text (json_array_get_element (parts, 0), dev);
  second = part_text (json_array_get_element (parts, 1), FALSE);
  return first != NULL && second != NULL ? g_strdup_printf ("%s . %s", first, second) : NULL;
}

static char *
element_text (JsonNode *node, const VrSet *set)
{
  JsonObject      *counter;
  g_autofree char *key = NULL, *data = NULL;
  JsonArray       *pair;

  if (!set->map)
    return key_text (unwrap (node, &counter), set->dev);
  pair = JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
  if (pair == NULL || json_array_get_length (pair) != 2)
    return NULL;
  key = key_text (unwrap (json_array_get_element (pair, 0), &counter), set->dev);
  data = part_text (json_array_get_element (pair, 1), FALSE);
  return key != NULL && data != NULL ? g_strdup_printf ("%s : %s", key, data) : NULL;
}

/* The set or map that an object of a listing is, with its elements; NULL: it is none, or is empty. */
static JsonArray *
object_elements (JsonNode *node, const char **name)
{
  JsonObject *object = member_object (node, "set");
  JsonNode   *elements;

  if (object == NULL)
    object = member_object (node, "map");
  if (object == NULL)
    return NULL;
  *name = json_object_get_string_member_with_default (object, "name", "");
  elements = json_object_get_member (object, "elem");
  return elements != NULL && JSON_NODE_HOLDS_ARRAY (elements) ? json_node_get_array (elements) : NULL;
}

void
vr_elements_read (JsonNode *listing, VrNftFamily family, GHashTable *lines)
{
  JsonArray *objects = vr_nft_objects (listing);

  for (guint i = 0; i < json_array_get_length (objects); i++)
    {
      const char  *name = NULL;
      JsonArray   *elements = object_elements (json_array_get_element (objects, i), &name);
      const VrSet *set = elements != NULL ? vr_set_by_name (family, name) : NULL;

      for (guint k = 0; set != NULL && k < json_array_get_length (elements); k++)
        {
          char      *key = element_text (json_array_get_element (elements, k), set);
          VrElement *element;

          if (key == NULL)
            continue;
          element = g_new0 (VrElement, 1);
          element->family = family;
          element->set = g_strdup (set->plan);
          element->key = key;
          g_hash_table_replace (lines, vr_element_to_string (element), element);
        }
    }
}

void
vr_elements_read_counters (JsonNode *listing, const char *name, GPtrArray *counters)
{
  JsonArray *objects = vr_nft_objects (listing);

  for (guint i = 0; i < json_array_get_length (objects); i++)
    {
      const char *set = NULL;
      JsonArray  *elements = object_elements (json_array_get_element (objects, i), &set);

      for (guint k = 0; elements != NULL && g_str_equal (set, name) && k < json_array_get_length (elements); k++)
        {
          JsonObject      *counts;
          JsonNode        *value = unwrap (json_array_get_element (elements, k), &counts);
          g_autofree char *key = key_text (value, FALSE);
          VrCounter       *counter;

          if (counts == NULL || key == NULL)
            continue;
          counter = g_new0 (VrCounter, 1);
          counter->name = g_strdup_printf ("%s %s", name, key);
          counter->packets = json_object_get_int_member_with_default (counts, "packets", 0);
          counter->bytes = json_object_get_int_member_with_default (counts, "bytes", 0);
          g_ptr_array_add (counters, counter);
        }
    }
}

char *
vr_element_index (const VrElement *element)
{
  const char *data = strstr (element->key, " : ");

  return data != NULL ? g_strndup (element->key, data - element->key) : g_strdup (element->key);
}

/* ---- networks that contain each other ---- */

typedef struct {
  const VrElement *element;
  char            *scope; /* set and interface: only networks of one scope can be in each other's way */
  guint8           bytes[16], length;
  int              family;
} Network;

static void
network_free (gpointer data)
{
  Network *network = data;

  g_free (network->scope);
  g_free (network);
}

static Network *
network_new (const VrElement *element)
{
  g_autofree Network *network = g_new0 (Network, 1);
  const char         *dot = strstr (element->key, " . ");
  const char         *address = dot != NULL ? dot + 3 : element->key;

  network->element = element;
  if (!vr_prefix_parse (address, network->bytes, &network->family, &network->length))
    return NULL;
  network->scope = g_strdup_printf ("%s %.*s", element->set, (int) (address - element->key), element->key);
  return g_steal_pointer (&network);
}

static gboolean
contains (const Network *wide, const Network *narrow)
{
  guint whole = wide->length / 8, rest = wide->length % 8;

  if (wide->family != narrow->family || wide->length > narrow->length || !g_str_equal (wide->scope, narrow->scope))
    return FALSE;
  return memcmp (wide->bytes, narrow->bytes, whole) == 0
         && (rest == 0 || (wide->bytes[whole] ^ narrow->bytes[whole]) >> (8 - rest) == 0);
}

static int
compare_length (gconstpointer a, gconstpointer b)
{
  return (int) (*(const Network *const *) a)->length - (int) (*(const Network *const *) b)->length;
}

static void
fit_networks (GPtrArray *networks, GHashTable *lines)
{
  g_autoptr (GPtrArray) kept = g_ptr_array_new ();

  g_ptr_array_sort (networks, compare_length);
  for (guint i = 0; i < networks->len; i++)
    {
      gboolean inside = FALSE;

      for (guint k = 0; !inside && k < kept->len; k++)
        inside = contains (kept->pdata[k], networks->pdata[i]);
      if (inside)
        continue;
      g_ptr_array_add (kept, networks->pdata[i]);
      g_hash_table_replace (lines, vr_element_to_string (((Network *) networks->pdata[i])->element),
                            (gpointer) ((Network *) networks->pdata[i])->element);
    }
}

GHashTable *
vr_elements_fit (GPtrArray *wanted)
{
  GHashTable           *lines = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GPtrArray) networks = g_ptr_array_new_with_free_func (network_free);

  for (guint i = 0; i < wanted->len; i++)
    {
      VrElement   *element = wanted->pdata[i];
      const VrSet *set = vr_set_by_plan (element->family, element->set);
      Network     *network = set != NULL && set->interval ? network_new (element) : NULL;

      if (network != NULL)
        g_ptr_array_add (networks, network);
      else
        g_hash_table_replace (lines, vr_element_to_string (element),
                              element); /* what is malformed fails where it is added */
    }
  fit_networks (networks, lines);
  return lines;
}
