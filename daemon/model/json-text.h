/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/* Ends the object that the builder began with, and gives it as text in one line, or `pretty`; g_free(). */
char *vr_json_end (JsonBuilder *builder, gboolean pretty);

G_END_DECLS
