/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The D-Bus API on the system bus: daemon/data/org.virtrelay1.xml, answered from the relay. The daemon works without a
 * bus: one that is away, or that refuses the name, is a warning in the journal and asked again. Main loop only; nothing
 * here waits.
 */
#pragma once

#include "daemon/relay/relay.h"

G_BEGIN_DECLS

#define VR_TYPE_BUS (vr_bus_get_type ())
G_DECLARE_FINAL_TYPE (VrBus, vr_bus, VR, BUS, GObject)

/* For `relay`, which is kept; to be made before the relay is started, whose "ready" becomes the property Ready. */
VrBus *vr_bus_new (VrRelay *relay, const char *host, const char *version);

void vr_bus_start (VrBus *bus); /* connects by and by */
void vr_bus_stop (VrBus *bus);  /* leaves the bus; the relay is told of nothing */

G_END_DECLS
