/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What this host sees of a guest in its XML, and what of that goes into a record. Pure. */
#pragma once

#include "book.h"

G_BEGIN_DECLS

/* What a guest's XML says of it. */
typedef struct {
  char      *uuid, *name;
  GPtrArray *nics;        /* of VrNic; those that no address is known of included */
  char      *home, *owner; /* from the stamp that it carries; NULL: none */
  guint64    epoch;       /* likewise; 0: none */
  char      *token;       /* likewise; whoever has it was given this XML (proof.h) */
} VrSighting;

VrSighting *vr_sighting_new (const char *uuid, const char *name);
void        vr_sighting_free (VrSighting *sighting);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrSighting, vr_sighting_free)

/* Takes over name and NICs. But an XML that has no address at all takes none away. */
void      vr_sighting_fill (const VrSighting *sighting, VrRecord *record);
/* (transfer full): the host whose network its addresses are in, else what its stamp says, else `otherwise`. */
char     *vr_sighting_home (const VrSighting *sighting, const VrBook *book, const char *otherwise);
/* (transfer full): a record by `self` of a guest that the log does not know, from its XML alone; it has no owner yet. */
VrRecord *vr_sighting_record (const VrSighting *sighting, const VrBook *book, VrState state, const char *self);

G_END_DECLS
