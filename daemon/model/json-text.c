/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "json-text.h"

char *
vr_json_end (JsonBuilder *builder, gboolean pretty)
{
  g_autoptr (JsonNode) root = NULL;

  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  return json_to_string (root, pretty);
}
