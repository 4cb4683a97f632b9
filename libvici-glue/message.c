/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "message.h"

#include <errno.h>
#include <string.h>

#include "vici.h"

G_DEFINE_QUARK (vr-vici-error-quark, vr_vici_error)

#define NAME_MAX_BYTES 255
#define VALUE_MAX_BYTES 65535
#define MESSAGE_MAX_BYTES (500 * 1024) /* charon takes 512 KiB; the rest is for the packet around it */

struct _VrViciMessage {
  GPtrArray *items; /* of VrViciItem; searched from the front, since a section has some 30 at most */
};

static VrViciBlob *
blob_new (gconstpointer data, gsize len)
{
  VrViciBlob *blob = g_malloc (sizeof *blob + len + 1);

  blob->len = len;
  if (len > 0)
    memcpy (blob->data, data, len);
  blob->data[len] = '\0';
  return blob;
}

static void
blob_free (gpointer data)
{
  VrViciBlob *blob = data;

  explicit_bzero (blob->data, blob->len);
  g_free (blob);
}

static void
item_free (gpointer data)
{
  VrViciItem *item = data;

  g_free (item->name);
  g_clear_pointer (&item->values, g_ptr_array_unref);
  g_clear_pointer (&item->section, vr_vici_message_free);
  g_free (item);
}

VrViciMessage *
vr_vici_message_new (void)
{
  VrViciMessage *message = g_new0 (VrViciMessage, 1);

  message->items = g_ptr_array_new_with_free_func (item_free);
  return message;
}

void
vr_vici_message_free (VrViciMessage *message)
{
  if (message == NULL)
    return;
  g_ptr_array_unref (message->items);
  g_free (message);
}

static VrViciItem *
add_item (VrViciMessage *message, VrViciItemKind kind, const char *name)
{
  VrViciItem *item = g_new0 (VrViciItem, 1);

  item->kind = kind;
  item->name = g_strdup (name);
  if (kind != VR_VICI_ITEM_SECTION)
    item->values = g_ptr_array_new_with_free_func (blob_free);
  g_ptr_array_add (message->items, item);
  return item;
}

void
vr_vici_message_add_data (VrViciMessage *message, const char *name, gconstpointer data, gsize len)
{
  g_ptr_array_add (add_item (message, VR_VICI_ITEM_VALUE, name)->values, blob_new (data, len));
}

void
vr_vici_message_add (VrViciMessage *message, const char *name, const char *value)
{
  if (value != NULL)
    vr_vici_message_add_data (message, name, value, strlen (value));
}

void
vr_vici_message_add_number (VrViciMessage *message, const char *name, gint64 value)
{
  g_autofree char *text = g_strdup_printf ("%" G_GINT64_FORMAT, value);

  vr_vici_message_add (message, name, text);
}

void
vr_vici_message_begin_list (VrViciMessage *message, const char *name)
{
  add_item (message, VR_VICI_ITEM_LIST, name);
}

void
vr_vici_message_append_item (VrViciMessage *message, gconstpointer data, gsize len)
{
  VrViciItem *last;

  g_return_if_fail (message->items->len > 0);
  last = message->items->pdata[message->items->len - 1];
  g_return_if_fail (last->kind == VR_VICI_ITEM_LIST);
  g_ptr_array_add (last->values, blob_new (data, len));
}

void
vr_vici_message_add_list (VrViciMessage *message, const char *name, const char *const *values)
{
  if (values == NULL)
    return;
  vr_vici_message_begin_list (message, name);
  for (; *values != NULL; values++)
    vr_vici_message_append_item (message, *values, strlen (*values));
}

void
vr_vici_message_add_blobs (VrViciMessage *message, const char *name, GBytes *const *blobs)
{
  if (blobs == NULL)
    return;
  vr_vici_message_begin_list (message, name);
  for (; *blobs != NULL; blobs++)
    {
      gsize len;
      gconstpointer data = g_bytes_get_data (*blobs, &len);

      vr_vici_message_append_item (message, data, len);
    }
}

VrViciMessage *
vr_vici_message_add_section (VrViciMessage *message, const char *name)
{
  VrViciItem *item = add_item (message, VR_VICI_ITEM_SECTION, name);

  item->section = vr_vici_message_new ();
  return item->section;
}

gsize
vr_vici_message_len (const VrViciMessage *message)
{
  gsize total = 0;

  for (guint i = 0; i < message->items->len; i++)
    {
      const VrViciItem *item = message->items->pdata[i];

      total += 1 + 1 + strlen (item->name);
      if (item->section != NULL)
        total += vr_vici_message_len (item->section);
      for (guint k = 0; item->values != NULL && k < item->values->len; k++)
        total += 1 + 2 + ((const VrViciBlob *) item->values->pdata[k])->len;
      if (item->kind != VR_VICI_ITEM_VALUE)
        total += 1;
      else
        total -= 1; /* its value has no type byte of its own */
    }
  return total;
}

/* Whether all fits its length field. */
static gboolean
check_items (const VrViciMessage *message, const char *what, GError **error)
{
  for (guint i = 0; i < message->items->len; i++)
    {
      const VrViciItem *item = message->items->pdata[i];
      gsize name_len = strlen (item->name);

      if (name_len == 0 || name_len > NAME_MAX_BYTES)
        {
          g_set_error (error, VR_VICI_ERROR, VR_VICI_ERROR_INVALID, "%s: the name \"%.64s\" has %zu bytes, VICI takes 1 to %d", what,
                       item->name, name_len, NAME_MAX_BYTES);
          return FALSE;
        }
      if (item->section != NULL && !check_items (item->section, what, error))
        return FALSE;
      for (guint k = 0; item->values != NULL && k < item->values->len; k++)
        {
          const VrViciBlob *blob = item->values->pdata[k];

          if (blob->len <= VALUE_MAX_BYTES)
            continue;
          g_set_error (error, VR_VICI_ERROR, VR_VICI_ERROR_INVALID, "%s: %s has %zu bytes, VICI takes at most %d", what, item->name,
                       blob->len, VALUE_MAX_BYTES);
          return FALSE;
        }
    }
  return TRUE;
}

gboolean
vr_vici_message_check (const VrViciMessage *message, const char *what, GError **error)
{
  gsize total;

  if (!check_items (message, what, error))
    return FALSE;
  total = vr_vici_message_len (message);
  if (total <= MESSAGE_MAX_BYTES)
    return TRUE;
  g_set_error (error, VR_VICI_ERROR, VR_VICI_ERROR_INVALID, "%s: %zu bytes, VICI takes at most %d", what, total, MESSAGE_MAX_BYTES);
  return FALSE;
}

static const VrViciItem *
find (const VrViciMessage *message, VrViciItemKind kind, const char *name)
{
  for (guint i = 0; i < message->items->len; i++)
    {
      const VrViciItem *item = message->items->pdata[i];

      if (item->kind == kind && g_str_equal (item->name, name))
        return item;
    }
  return NULL;
}

const char *
vr_vici_message_get (const VrViciMessage *message, const char *name)
{
  const VrViciItem *item = find (message, VR_VICI_ITEM_VALUE, name);

  return item != NULL ? ((const VrViciBlob *) item->values->pdata[0])->data : NULL;
}

guint64
vr_vici_message_get_number (const VrViciMessage *message, const char *name, guint base)
{
  const char *text = vr_vici_message_get (message, name);
  guint64 value = 0;

  if (text == NULL || !g_ascii_string_to_unsigned (text, base, 0, G_MAXUINT64, &value, NULL))
    return 0;
  return value;
}

gboolean
vr_vici_message_is_yes (const VrViciMessage *message, const char *name)
{
  return g_strcmp0 (vr_vici_message_get (message, name), "yes") == 0;
}

char **
vr_vici_message_get_list (const VrViciMessage *message, const char *name)
{
  const VrViciItem *item = find (message, VR_VICI_ITEM_LIST, name);
  char **list;

  if (item == NULL)
    return NULL;
  list = g_new0 (char *, item->values->len + 1);
  for (guint i = 0; i < item->values->len; i++)
    list[i] = g_strdup (((const VrViciBlob *) item->values->pdata[i])->data);
  return list;
}

VrViciMessage *
vr_vici_message_get_section (const VrViciMessage *message, const char *name)
{
  const VrViciItem *item = find (message, VR_VICI_ITEM_SECTION, name);

  return item != NULL ? item->section : NULL;
}

VrViciMessage *
vr_vici_message_nth_section (const VrViciMessage *message, guint n, const char **name)
{
  for (guint i = 0; i < message->items->len; i++)
    {
      const VrViciItem *item = message->items->pdata[i];

      if (item->kind != VR_VICI_ITEM_SECTION || n-- > 0)
        continue;
      if (name != NULL)
        *name = item->name;
      return item->section;
    }
  return NULL;
}

guint
vr_vici_message_n_items (const VrViciMessage *message)
{
  return message->items->len;
}

const VrViciItem *
vr_vici_message_item (const VrViciMessage *message, guint n)
{
  return message->items->pdata[n];
}
