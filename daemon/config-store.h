/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the readers of config-values.h share: they complain, take a list's words apart, and store. */
#pragma once

#include "daemon/config.h"

G_BEGIN_DECLS

gboolean   vr_config_invalid (GError **error, const char *format, ...) G_GNUC_PRINTF (2, 3); /* VR_CONFIG_ERROR_INVALID; FALSE */
gboolean   vr_config_store_text (gpointer field, char *text);        /* a char *; takes `text`; TRUE */
gboolean   vr_config_store_list (gpointer field, GPtrArray *items);  /* a char **; takes what is in `items`, of char *; TRUE */
GPtrArray *vr_config_split_list (const char *text);                  /* words between blanks and commas; (transfer full) of char * */
gboolean   vr_config_add_once (GPtrArray *items, char *item, GError **error); /* takes `item`; FALSE: it is there already */

G_END_DECLS
