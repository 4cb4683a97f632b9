/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "xml/guest-metadata.h"

#include "daemon/names.h"

#include <string.h>

static void
metadata_nic_free (gpointer data)
{
  VrMetadataNic *nic = data;

  g_free (nic->mac);
  g_ptr_array_unref (nic->addresses);
  g_ptr_array_unref (nic->learned);
  g_free (nic);
}

VrGuestMetadata *
vr_guest_metadata_new (void)
{
  VrGuestMetadata *metadata = g_new0 (VrGuestMetadata, 1);

  metadata->nics = g_ptr_array_new_with_free_func (metadata_nic_free);
  return metadata;
}

void
vr_guest_metadata_free (VrGuestMetadata *metadata)
{
  g_free (metadata->home);
  g_free (metadata->owner);
  g_free (metadata->token);
  g_ptr_array_unref (metadata->nics);
  g_free (metadata);
}

VrMetadataNic *
vr_guest_metadata_get_nic (VrGuestMetadata *metadata, const char *mac)
{
  VrMetadataNic *nic;

  for (guint i = 0; i < metadata->nics->len; i++)
    {
      nic = g_ptr_array_index (metadata->nics, i);
      if (g_ascii_strcasecmp (nic->mac, mac) == 0)
        return nic;
    }
  nic = g_new0 (VrMetadataNic, 1);
  nic->mac = g_strdup (mac);
  nic->addresses = g_ptr_array_new_with_free_func (g_free);
  nic->learned = g_ptr_array_new_with_free_func (g_free);
  g_ptr_array_add (metadata->nics, nic);
  return nic;
}

static void
add_once (const VrMetadataNic *nic, GPtrArray *list, const char *address)
{
  if (!g_ptr_array_find_with_equal_func (nic->addresses, address, g_str_equal, NULL)
      && !g_ptr_array_find_with_equal_func (nic->learned, address, g_str_equal, NULL))
    g_ptr_array_add (list, g_strdup (address));
}

void
vr_metadata_nic_add_address (VrMetadataNic *nic, const char *address)
{
  add_once (nic, nic->addresses, address);
}

void
vr_metadata_nic_add_learned (VrMetadataNic *nic, const char *address)
{
  add_once (nic, nic->learned, address);
}

static gboolean
list_equal (const GPtrArray *a, const GPtrArray *b)
{
  if (a->len != b->len)
    return FALSE;
  for (guint i = 0; i < a->len; i++)
    if (strcmp (g_ptr_array_index (a, i), g_ptr_array_index (b, i)) != 0)
      return FALSE;
  return TRUE;
}

static gboolean
nic_equal (const VrMetadataNic *a, const VrMetadataNic *b)
{
  return strcmp (a->mac, b->mac) == 0 && list_equal (a->addresses, b->addresses) && list_equal (a->learned, b->learned);
}

gboolean
vr_guest_metadata_equal (const VrGuestMetadata *a, const VrGuestMetadata *b)
{
  if (a == NULL || b == NULL)
    return a == b;
  if (g_strcmp0 (a->home, b->home) != 0 || g_strcmp0 (a->owner, b->owner) != 0 || a->epoch != b->epoch ||
      g_strcmp0 (a->token, b->token) != 0 || a->nics->len != b->nics->len)
    return FALSE;
  for (guint i = 0; i < a->nics->len; i++)
    if (!nic_equal (g_ptr_array_index (a->nics, i), g_ptr_array_index (b->nics, i)))
      return FALSE;
  return TRUE;
}

static void
append_attribute (GString *text, const char *name, const char *value)
{
  g_autofree char *escaped = value != NULL ? g_markup_escape_text (value, -1) : NULL;

  if (escaped != NULL)
    g_string_append_printf (text, " %s=\"%s\"", name, escaped);
}

static void
append_addresses (GString *text, const GPtrArray *addresses, const char *tag)
{
  for (guint i = 0; i < addresses->len; i++)
    {
      g_autofree char *escaped = g_markup_escape_text (g_ptr_array_index (addresses, i), -1);

      g_string_append_printf (text, "%s%s</address>", tag, escaped);
    }
}

static void
append_nic (GString *text, const VrMetadataNic *nic)
{
  g_string_append (text, "<nic");
  append_attribute (text, "mac", nic->mac);
  g_string_append_c (text, '>');
  append_addresses (text, nic->addresses, "<address>");
  append_addresses (text, nic->learned, "<address learned=\"yes\">");
  g_string_append (text, "</nic>");
}

char *
vr_guest_xml_format_metadata (const VrGuestMetadata *metadata)
{
  GString *text = g_string_new ("<" VR_METADATA_ELEMENT);

  append_attribute (text, "home", metadata->home);
  append_attribute (text, "owner", metadata->owner);
  if (metadata->epoch != 0)
    g_string_append_printf (text, " epoch=\"%" G_GUINT64_FORMAT "\"", metadata->epoch);
  append_attribute (text, "token", metadata->token);
  g_string_append_c (text, '>');
  for (guint i = 0; i < metadata->nics->len; i++)
    {
      const VrMetadataNic *nic = g_ptr_array_index (metadata->nics, i);

      if (nic->addresses->len + nic->learned->len > 0)
        append_nic (text, nic);
    }
  g_string_append (text, "</" VR_METADATA_ELEMENT ">");
  return g_string_free (text, FALSE);
}
