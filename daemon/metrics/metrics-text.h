/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Prometheus' text format of what the daemon knows. Pure: it only reads its arguments. */
#pragma once

#include "daemon/relay/relay.h"

G_BEGIN_DECLS

typedef struct {
  const char *host, *version;
  gboolean    ready;
  GPtrArray  *guests, *hosts; /* of VrGuestView, VrHostView */
  GPtrArray  *troubles;       /* of char *, "ABOUT: WHAT" */
  GPtrArray  *counters;       /* of VrCounter; NULL: they could not be read, and are left out */
  gint64      last_hook_us;   /* 0: none came */
  guint64     moved_in, moved_out, moved_elsewhere; /* guests, since the daemon started */
} VrMetrics;

char *vr_metrics_text (const VrMetrics *metrics);

G_END_DECLS
