/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hears whom guests ask for by ARP and neighbour solicitations on the bridges where this host stands in for neighbours that they left
 * behind. Nobody lists those; a guest that asks for one names it.
 */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#define VR_TYPE_ASKING (vr_asking_get_type ())
G_DECLARE_FINAL_TYPE (VrAsking, vr_asking, VR, ASKING, GObject)

/* Signal "asked" (const char *dev, const char *address): canonical text; once for each question heard. Main context of construction. */
VrAsking *vr_asking_new (void);
/* Listens on these interfaces (of char *) and no others; one that is not there yet is left out: call again when it is. */
void      vr_asking_watch (VrAsking *self, GPtrArray *devs);

G_END_DECLS
