/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* What went wrong in a run that tries everything: the first error, and how many followed it. */
typedef struct {
  GError *first;
  guint   more;
} VrTrouble;

void     vr_trouble_take (VrTrouble *trouble, GError *error); /* (transfer full); NULL is no trouble */
gboolean vr_trouble_propagate (VrTrouble *trouble, GError **error); /* TRUE: there was none; empties it */

G_END_DECLS
