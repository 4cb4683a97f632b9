/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who owns a guest: what this host has to write into the log, from what the log says and what libvirt says here. A pure function of
 * both, asked again whenever either changes, so that an event missed, doubled or late makes no difference.
 */
#pragma once

#include "sighting.h"

G_BEGIN_DECLS

/* A guest on this host, as libvirt and its hooks tell. */
typedef enum {
  VR_PRESENCE_ABSENT,      /* no QEMU of it here, and none expected */
  VR_PRESENCE_EXPECTED,    /* a migration to this host began; its QEMU may be there, waiting for its memory */
  VR_PRESENCE_RUNNING,     /* it runs here, or is paused by its user */
  VR_PRESENCE_LEAVING,     /* it runs here, and its memory is being copied out */
  VR_PRESENCE_HANDED_OVER, /* its CPUs stopped here for good */
} VrPresence;

const char *vr_presence_to_string (VrPresence presence);

/*
 * The record that `self` has to write now, or NULL if the log says what is (transfer full, not shared yet).
 * `sighting` may be NULL only with ABSENT. `waited`: the other host was waited for long enough: the owner that should have
 * given a guest away that runs here, or the origin that may take one back that is not here.
 */
VrRecord *vr_custody_next (const char *self, const VrBook *book, const char *uuid, VrPresence presence,
                           const VrSighting *sighting, gboolean waited);

/* Does vr_custody_next() with `waited` TRUE write what it does not write without? Then the caller waits, and asks again. */
gboolean  vr_custody_waits (const char *self, const VrBook *book, const char *uuid, VrPresence presence, const VrSighting *sighting);

G_END_DECLS
