/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virt-relayd, seen from here. Calls wait for their answer, VR_CLIENT_TIMEOUT_MS at most. */
#pragma once

#include "daemon/data/bus-api.h"

G_BEGIN_DECLS

#define VR_CLIENT_TIMEOUT_MS 10000

/*
 * (transfer full), or NULL with an error that is fit to print: there is no bus. Whether the daemon runs is seen at the
 * first call.
 */
VrBusService *vr_client_open (GError **error);

/* All properties, a{sv}, fresh. */
GVariant *vr_client_properties (VrBusService *service, GError **error);

gboolean vr_client_is_away (const GError *error); /* of a call: virt-relayd does not run */

/* The error of a call in words for people, with what to do; (transfer full). */
char *vr_client_explain (GError *error);

G_END_DECLS
