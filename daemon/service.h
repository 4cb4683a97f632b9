/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What systemd is told: READY=1, STATUS=, the watchdog's sign of life, reload and stop. Without systemd ($NOTIFY_SOCKET
 * is not set) nothing is. Main loop only; nothing here waits.
 */
#pragma once

#include "daemon/relay/relay.h"

G_BEGIN_DECLS

typedef struct _VrService VrService;

/*
 * The relay outlives it and is not started yet. READY=1 is sent when the relay is ready, and after `grace_s` seconds at
 * the latest. Signs of life begin at once.
 */
VrService *vr_service_new (VrRelay *relay, guint grace_s);
void       vr_service_free (VrService *service);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrService, vr_service_free)

void vr_service_reloading (VrService *service);
void vr_service_reloaded (VrService *service);
void vr_service_stopping (VrService *service);

/* The text of STATUS=: tunnels, troubles; (transfer full). `hosts` of VrHostView, `troubles` of char *. Pure. */
char *vr_service_status (gboolean ready, GPtrArray *hosts, GPtrArray *troubles);

G_END_DECLS
