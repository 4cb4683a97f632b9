/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The metrics by HTTP: GET /metrics on a unix socket, or on an address. Who can connect can read: on a socket those whom its folder and mode let,
 * root alone by default; on an address everybody who reaches it. Main loop only; nothing here waits.
 */
#pragma once

#include "daemon/relay/relay.h"

G_BEGIN_DECLS

typedef struct _VrMetricsServer VrMetricsServer;

/* For `relay`, which is kept; to be made before the relay is started. */
VrMetricsServer *vr_metrics_server_new (VrRelay *relay, const char *host, const char *version);

/*
 * `listen`: the path of a socket, which is made anew (a socket that was left there is replaced), or ADDRESS:PORT. FALSE with an error of
 * G_IO_ERROR that says what to do.
 */
gboolean vr_metrics_server_start (VrMetricsServer *server, const char *listen, GError **error);
guint    vr_metrics_server_port (VrMetricsServer *server); /* that it listens on; 0: a socket, or nothing */
void     vr_metrics_server_free (VrMetricsServer *server); /* NULL is fine; its socket goes */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrMetricsServer, vr_metrics_server_free)

G_END_DECLS
