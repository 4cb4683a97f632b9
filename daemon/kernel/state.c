/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A JSON object of three objects of strings. It is written before what it remembers is done: an entry too many is
 * harmless (what is not there is not removed), one too few would leave something behind.
 */
#include "state.h"

#include "daemon/model/json-text.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <string.h>

typedef enum { PART_FORWARDINGS, PART_SYSCTLS, PART_TABLES, N_PARTS } Part;

static const char *const part_names[N_PARTS] = { "forwardings", "sysctls", "tables" };

struct _VrKernelState {
  char       *path;
  GHashTable *parts[N_PARTS]; /* string -> string */
  gboolean    changed;
};

static gboolean
read_part (GHashTable *part, JsonObject *object)
{
  g_autoptr (GList) names = json_object_get_members (object);

  for (GList *name = names; name != NULL; name = name->next)
    {
      JsonNode *node = json_object_get_member (object, name->data);

      if (!JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_STRING)
        return FALSE;
      g_hash_table_replace (part, g_strdup (name->data), json_node_dup_string (node));
    }
  return TRUE;
}

static gboolean
read_file (VrKernelState *state, GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new_immutable ();
  JsonNode *root;

  if (!json_parser_load_from_file (parser, state->path, error))
    return FALSE;
  root = json_parser_get_root (parser);
  for (Part i = 0; root != NULL && JSON_NODE_HOLDS_OBJECT (root) && i < N_PARTS; i++)
    {
      JsonNode *part = json_object_get_member (json_node_get_object (root), part_names[i]);

      if (part == NULL)
        continue;
      if (!JSON_NODE_HOLDS_OBJECT (part) || !read_part (state->parts[i], json_node_get_object (part)))
        {
          g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "\"%s\" is not an object of strings", part_names[i]);
          return FALSE;
        }
    }
  return TRUE;
}

VrKernelState *
vr_kernel_state_load (const char *path)
{
  VrKernelState     *state = g_new0 (VrKernelState, 1);
  g_autoptr (GError) error = NULL;

  state->path = g_strdup (path);
  for (Part i = 0; i < N_PARTS; i++)
    state->parts[i] = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  if (!read_file (state, &error) && !g_error_matches (error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
    {
      g_message ("%s: damaged, going on without it (forwarding entries and sysctls that it remembered stay): %s", path,
                 error->message);
      for (Part i = 0; i < N_PARTS; i++)
        g_hash_table_remove_all (state->parts[i]);
    }
  return state;
}

void
vr_kernel_state_free (VrKernelState *state)
{
  if (state == NULL)
    return;
  for (Part i = 0; i < N_PARTS; i++)
    g_hash_table_unref (state->parts[i]);
  g_free (state->path);
  g_free (state);
}

static int
compare (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

static GPtrArray *
keys (GHashTable *part)
{
  GPtrArray     *all = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer       key;

  g_hash_table_iter_init (&iter, part);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    g_ptr_array_add (all, key);
  g_ptr_array_sort (all, compare);
  return all;
}

static char *
to_json (VrKernelState *state)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  for (Part i = 0; i < N_PARTS; i++)
    {
      g_autoptr (GPtrArray) names = keys (state->parts[i]);

      json_builder_set_member_name (builder, part_names[i]);
      json_builder_begin_object (builder);
      for (guint k = 0; k < names->len; k++)
        {
          json_builder_set_member_name (builder, names->pdata[k]);
          json_builder_add_string_value (builder, g_hash_table_lookup (state->parts[i], names->pdata[k]));
        }
      json_builder_end_object (builder);
    }
  return vr_json_end (builder, TRUE);
}

gboolean
vr_kernel_state_save (VrKernelState *state, GError **error)
{
  g_autofree char *directory = g_path_get_dirname (state->path);
  g_autofree char *json = NULL;

  if (!state->changed)
    return TRUE;
  json = to_json (state);
  if (g_mkdir_with_parents (directory, 0755) < 0)
    {
      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errno), "cannot make the directory %s: %s", directory,
                   g_strerror (errno));
      return FALSE;
    }
  if (!g_file_set_contents_full (state->path, json, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0644, error))
    return FALSE;
  state->changed = FALSE;
  return TRUE;
}

void
vr_kernel_state_clear (VrKernelState *state)
{
  for (Part i = 0; i < N_PARTS; i++)
    g_hash_table_remove_all (state->parts[i]);
  g_unlink (state->path);
  state->changed = FALSE;
}

static const char *
get (VrKernelState *state, Part part, const char *key)
{
  return g_hash_table_lookup (state->parts[part], key);
}

static void
set (VrKernelState *state, Part part, const char *key, const char *value)
{
  if (g_strcmp0 (get (state, part, key), value) == 0)
    return;
  if (value != NULL)
    g_hash_table_replace (state->parts[part], g_strdup (key), g_strdup (value));
  else
    g_hash_table_remove (state->parts[part], key);
  state->changed = TRUE;
}

gboolean
vr_kernel_state_has_forwarding (VrKernelState *state, const char *line)
{
  return get (state, PART_FORWARDINGS, line) != NULL;
}

void
vr_kernel_state_add_forwarding (VrKernelState *state, const char *line)
{
  set (state, PART_FORWARDINGS, line, "");
}

void
vr_kernel_state_remove_forwarding (VrKernelState *state, const char *line)
{
  set (state, PART_FORWARDINGS, line, NULL);
}

GPtrArray *
vr_kernel_state_forwardings (VrKernelState *state)
{
  return keys (state->parts[PART_FORWARDINGS]);
}

const char *
vr_kernel_state_sysctl (VrKernelState *state, const char *path)
{
  return get (state, PART_SYSCTLS, path);
}

void
vr_kernel_state_set_sysctl (VrKernelState *state, const char *path, const char *former)
{
  set (state, PART_SYSCTLS, path, former);
}

GPtrArray *
vr_kernel_state_sysctls (VrKernelState *state)
{
  return keys (state->parts[PART_SYSCTLS]);
}

const char *
vr_kernel_state_table (VrKernelState *state, const char *table)
{
  return get (state, PART_TABLES, table);
}

void
vr_kernel_state_set_table (VrKernelState *state, const char *table, const char *mark)
{
  set (state, PART_TABLES, table, mark);
}
