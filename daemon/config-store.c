/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/config-store.h"

gboolean
vr_config_invalid (GError **error, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree char *message = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error_literal (error, VR_CONFIG_ERROR, VR_CONFIG_ERROR_INVALID, message);
  return FALSE;
}

gboolean
vr_config_store_text (gpointer field, char *text)
{
  char **at = field;
  g_free (*at);
  *at = text;
  return TRUE;
}

gboolean
vr_config_store_list (gpointer field, GPtrArray *items)
{
  char ***at = field;
  g_strfreev (*at);
  g_ptr_array_add (items, NULL);
  *at = (char **) g_ptr_array_steal (items, NULL);
  return TRUE;
}

GPtrArray *
vr_config_split_list (const char *text)
{
  g_auto (GStrv) parts = g_strsplit_set (text, " \t,", -1);
  GPtrArray *words = g_ptr_array_new_with_free_func (g_free);
  for (guint i = 0; parts[i] != NULL; i++)
    {
      if (parts[i][0] != '\0')
        g_ptr_array_add (words, g_strdup (parts[i]));
    }
  return words;
}

gboolean
vr_config_add_once (GPtrArray *items, char *item, GError **error)
{
  g_autofree char *owned = item;
  if (g_ptr_array_find_with_equal_func (items, owned, g_str_equal, NULL))
    return vr_config_invalid (error, "\"%s\" stands there twice", owned);
  g_ptr_array_add (items, g_steal_pointer (&owned));
  return TRUE;
}
