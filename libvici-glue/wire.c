/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A packet is a length, a type and, as the type has it, a name and a message. A message is a sequence of elements, each a type
 * byte and, as the type has it, a name behind an 8-bit length and a value behind a 16-bit length. Sections nest; lists have values
 * only, and do not nest. All lengths are big-endian.
 *
 * What comes in is not trusted: every length is checked against what is left, nesting is bounded, and what charon says is made valid UTF-8
 * (a NUL within it becomes a replacement character), so that whoever reads the tree need not care. The values of requests are bytes.
 */
#include "wire.h"

#include <string.h>

#include "vici.h"

#define DEPTH_MAX 16 /* charon's own messages go four deep */

typedef enum { SECTION_START = 1, SECTION_END, KEY_VALUE, LIST_START, LIST_ITEM, LIST_END } Element;

void
vr_vici_packet_clear (VrViciPacket *packet)
{
  g_clear_pointer (&packet->name, g_free);
  g_clear_pointer (&packet->message, vr_vici_message_free);
}

/* Encoding */

static void
put_byte (GByteArray *out, guint8 byte)
{
  g_byte_array_append (out, &byte, 1);
}

static void
put_name (GByteArray *out, const char *name)
{
  gsize len = strlen (name);

  put_byte (out, (guint8) len);
  g_byte_array_append (out, (const guint8 *) name, (guint) len);
}

static void
put_value (GByteArray *out, const VrViciBlob *blob)
{
  guint16 len = GUINT16_TO_BE ((guint16) blob->len);

  g_byte_array_append (out, (const guint8 *) &len, sizeof len);
  g_byte_array_append (out, (const guint8 *) blob->data, (guint) blob->len);
}

static void
put_message (GByteArray *out, const VrViciMessage *message)
{
  static const Element starts[] = {
    [VR_VICI_ITEM_VALUE] = KEY_VALUE, [VR_VICI_ITEM_LIST] = LIST_START, [VR_VICI_ITEM_SECTION] = SECTION_START
  };

  for (guint i = 0; i < vr_vici_message_n_items (message); i++)
    {
      const VrViciItem *item = vr_vici_message_item (message, i);

      put_byte (out, starts[item->kind]);
      put_name (out, item->name);
      switch (item->kind)
        {
        case VR_VICI_ITEM_VALUE:
          put_value (out, item->values->pdata[0]);
          break;
        case VR_VICI_ITEM_LIST:
          for (guint k = 0; k < item->values->len; k++)
            {
              put_byte (out, LIST_ITEM);
              put_value (out, item->values->pdata[k]);
            }
          put_byte (out, LIST_END);
          break;
        case VR_VICI_ITEM_SECTION:
          put_message (out, item->section);
          put_byte (out, SECTION_END);
          break;
        }
    }
}

GByteArray *
vr_vici_packet_encode (VrViciPacketType type, const char *name, const VrViciMessage *message)
{
  guint32 len = 0;
  gsize total = sizeof len + 2 + (name != NULL ? strlen (name) : 0) + (message != NULL ? vr_vici_message_len (message) : 0);
  /* all at once, so that no copy of a secret is left behind when it grows */
  GByteArray *out = g_byte_array_sized_new ((guint) total);

  g_byte_array_append (out, (const guint8 *) &len, sizeof len);
  put_byte (out, (guint8) type);
  if (name != NULL)
    put_name (out, name);
  if (message != NULL)
    put_message (out, message);
  len = GUINT32_TO_BE (out->len - (guint32) sizeof len);
  memcpy (out->data, &len, sizeof len);
  return out;
}

/* Decoding */

typedef struct {
  const guint8 *data;
  gsize         left;
  gboolean      raw; /* values are bytes, not text */
} Reader;

static gboolean
take_bytes (Reader *in, gsize len, const guint8 **bytes)
{
  if (in->left < len)
    return FALSE;
  *bytes = in->data;
  in->data += len;
  in->left -= len;
  return TRUE;
}

static gboolean
take_byte (Reader *in, guint8 *byte)
{
  const guint8 *p;

  if (!take_bytes (in, 1, &p))
    return FALSE;
  *byte = *p;
  return TRUE;
}

static gboolean
take_name (Reader *in, char **name)
{
  const guint8 *p;
  guint8 len;

  if (!take_byte (in, &len) || !take_bytes (in, len, &p))
    return FALSE;
  *name = g_utf8_make_valid ((const char *) p, len);
  return TRUE;
}

static gboolean
take_value (Reader *in, char **value, gsize *len)
{
  const guint8 *p;

  if (!take_bytes (in, 2, &p))
    return FALSE;
  *len = (gsize) p[0] << 8 | p[1];
  if (!take_bytes (in, *len, &p))
    return FALSE;
  if (in->raw)
    *value = g_memdup2 (p, *len);
  else
    {
      *value = g_utf8_make_valid ((const char *) p, (gssize) *len);
      *len = strlen (*value);
    }
  return TRUE;
}

typedef struct {
  guint          depth;
  gboolean       in_list;
  VrViciMessage *stack[DEPTH_MAX]; /* [0]: the message; [depth]: the section that is open */
} Place;

static gboolean
take_in_list (Reader *in, Element element, Place *place)
{
  g_autofree char *value = NULL;
  gsize len;

  if (element == LIST_END)
    {
      place->in_list = FALSE;
      return TRUE;
    }
  if (element != LIST_ITEM || !take_value (in, &value, &len))
    return FALSE;
  vr_vici_message_append_item (place->stack[place->depth], value, len);
  explicit_bzero (value, len);
  return TRUE;
}

static gboolean
take_in_section (Reader *in, Element element, Place *place)
{
  VrViciMessage *section = place->stack[place->depth];
  g_autofree char *name = NULL;
  g_autofree char *value = NULL;
  gsize len;

  if (element == SECTION_END)
    {
      if (place->depth == 0)
        return FALSE;
      place->depth--;
      return TRUE;
    }
  if ((element != SECTION_START && element != KEY_VALUE && element != LIST_START) || !take_name (in, &name))
    return FALSE;
  if (element == SECTION_START)
    {
      if (place->depth + 1 == DEPTH_MAX)
        return FALSE;
      place->stack[++place->depth] = vr_vici_message_add_section (section, name);
      return TRUE;
    }
  if (element == LIST_START)
    {
      vr_vici_message_begin_list (section, name);
      place->in_list = TRUE;
      return TRUE;
    }
  if (!take_value (in, &value, &len))
    return FALSE;
  vr_vici_message_add_data (section, name, value, len);
  explicit_bzero (value, len); /* it may be a secret */
  return TRUE;
}

static VrViciMessage *
take_message (Reader *in)
{
  g_autoptr (VrViciMessage) message = vr_vici_message_new ();
  Place place = { .stack = { message } };
  guint8 element;

  while (take_byte (in, &element))
    if (!(place.in_list ? take_in_list : take_in_section) (in, element, &place))
      return NULL;
  return place.depth == 0 && !place.in_list ? g_steal_pointer (&message) : NULL;
}

gboolean
vr_vici_packet_decode (const guint8 *data, gsize len, VrViciPacket *packet, GError **error)
{
  Reader in = { data, len, FALSE };
  gboolean good;
  guint8 type = 0;

  *packet = (VrViciPacket){ 0 };
  good = take_byte (&in, &type) && type <= VR_VICI_EVENT;
  packet->type = type;
  in.raw = type == VR_VICI_CMD_REQUEST; /* from the owner, not from charon: keys, certificates */
  if (good && (type == VR_VICI_CMD_REQUEST || type == VR_VICI_EVENT || type == VR_VICI_EVENT_REGISTER || type == VR_VICI_EVENT_UNREGISTER))
    good = take_name (&in, &packet->name);
  if (good && (type == VR_VICI_CMD_REQUEST || type == VR_VICI_CMD_RESPONSE || type == VR_VICI_EVENT))
    good = (packet->message = take_message (&in)) != NULL;
  if (good && in.left == 0)
    return TRUE;
  vr_vici_packet_clear (packet);
  g_set_error (error, VR_VICI_ERROR, VR_VICI_ERROR_PROTOCOL, "malformed packet, type %u, %zu bytes", type, len);
  return FALSE;
}
