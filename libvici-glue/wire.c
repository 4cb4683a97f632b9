/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire.h"

#include <string.h>

#include "vici.h"

#define DEPTH_MAX 16 /* charon's own messages go four deep */

/* libvici's arguments lack const; it copies what it is given. */
#define UNCONST(p) ((char *) (p))

static void
add_items (vici_req_t *req, const VrViciMessage *message)
{
  for (guint i = 0; i < vr_vici_message_n_items (message); i++)
    {
      const VrViciItem *item = vr_vici_message_item (message, i);
      VrViciBlob *blob;

      switch (item->kind)
        {
        case VR_VICI_ITEM_VALUE:
          blob = item->values->pdata[0];
          vici_add_key_value (req, item->name, blob->data, (int) blob->len);
          break;
        case VR_VICI_ITEM_LIST:
          vici_begin_list (req, item->name);
          for (guint k = 0; k < item->values->len; k++)
            {
              blob = item->values->pdata[k];
              vici_add_list_item (req, blob->data, (int) blob->len);
            }
          vici_end_list (req);
          break;
        case VR_VICI_ITEM_SECTION:
          vici_begin_section (req, item->name);
          add_items (req, item->section);
          vici_end_section (req);
          break;
        }
    }
}

vici_req_t *
vr_vici_wire_request (const char *command, const VrViciMessage *message)
{
  vici_req_t *req = vici_begin (UNCONST (command));

  if (message != NULL)
    add_items (req, message);
  return req;
}

static char *
parsed_name (vici_res_t *res)
{
  const char *name = vici_parse_name (res);

  return g_utf8_make_valid (name != NULL ? name : "", -1);
}

static char *
parsed_value (vici_res_t *res, gsize *len)
{
  int raw_len = 0;
  const char *raw = vici_parse_value (res, &raw_len);
  char *value = raw != NULL && raw_len > 0 ? g_utf8_make_valid (raw, raw_len) : g_strdup ("");

  *len = strlen (value);
  return value;
}

/* Takes in one element; *depth is the place in stack of the section that is open. FALSE: malformed. */
static gboolean
take_element (vici_res_t *res, vici_parse_t found, VrViciMessage **stack, guint *depth, gboolean *in_list)
{
  g_autofree char *name = NULL;
  g_autofree char *value = NULL;
  gsize len;

  if (*in_list && found != VICI_PARSE_LIST_ITEM && found != VICI_PARSE_END_LIST)
    return FALSE;
  switch (found)
    {
    case VICI_PARSE_BEGIN_SECTION:
      if (*depth + 1 >= DEPTH_MAX)
        return FALSE;
      name = parsed_name (res);
      stack[*depth + 1] = vr_vici_message_add_section (stack[*depth], name);
      ++*depth;
      return TRUE;
    case VICI_PARSE_END_SECTION:
      return (*depth)-- > 0;
    case VICI_PARSE_KEY_VALUE:
      name = parsed_name (res);
      value = parsed_value (res, &len);
      vr_vici_message_add_data (stack[*depth], name, value, len);
      return TRUE;
    case VICI_PARSE_BEGIN_LIST:
      name = parsed_name (res);
      vr_vici_message_begin_list (stack[*depth], name);
      return *in_list = TRUE;
    case VICI_PARSE_LIST_ITEM:
      if (!*in_list)
        return FALSE;
      value = parsed_value (res, &len);
      vr_vici_message_append_item (stack[*depth], value, len);
      return TRUE;
    case VICI_PARSE_END_LIST:
      *in_list = FALSE;
      return TRUE;
    default:
      return FALSE;
    }
}

VrViciMessage *
vr_vici_wire_parse (vici_res_t *res, GError **error)
{
  g_autoptr (VrViciMessage) root = vr_vici_message_new ();
  VrViciMessage *stack[DEPTH_MAX] = { root };
  guint depth = 0;
  gboolean in_list = FALSE;
  vici_parse_t found;

  while ((found = vici_parse (res)) != VICI_PARSE_END)
    {
      if (take_element (res, found, stack, &depth, &in_list))
        continue;
      g_set_error_literal (error, VR_VICI_ERROR, VR_VICI_ERROR_PROTOCOL, "charon sent a malformed message");
      return NULL;
    }
  if (depth == 0 && !in_list)
    return g_steal_pointer (&root);
  g_set_error_literal (error, VR_VICI_ERROR, VR_VICI_ERROR_PROTOCOL, "charon sent a message that ends in the middle");
  return NULL;
}
