/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Elements of sets: read from libnftables' listings, and fitted to what a set can hold. */
#pragma once

#include "nft.h"
#include "ruleset.h"

G_BEGIN_DECLS

/* The elements in a listing of a table, named as a plan names them: line -> VrElement, added to `lines`. Sets that are
 * not ours are left out. */
void       vr_elements_read (JsonNode *listing, VrNftFamily family, GHashTable *lines);

/*
 * Of the wanted elements those that can be in their sets together: of networks that contain each other only the widest.
 * (transfer full) line -> VrElement (the array's).
 */
GHashTable *vr_elements_fit (GPtrArray *wanted);

/* The part of a map's key that finds it, before " : "; free with g_free. */
char      *vr_element_index (const VrElement *element);

/* Counters of elements of set `name` in a listing, as VrCounter "NAME KEY". */
void       vr_elements_read_counters (JsonNode *listing, const char *name, GPtrArray *counters);

G_END_DECLS
