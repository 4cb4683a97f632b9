/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What our nftables tables are made of: the sets that a plan fills, and the chains that read them. */
#pragma once

#include "daemon/model/plan.h"

G_BEGIN_DECLS

typedef struct {
  VrNftFamily family;
  const char *plan;     /* its name in a plan */
  const char *name;     /* its name in the table */
  gboolean    dev;      /* keys begin with the name of an interface */
  gboolean    interval; /* keys may be networks */
  gboolean    map;      /* elements have data */
} VrSet;

const VrSet *vr_set_by_plan (VrNftFamily family, const char *plan); /* NULL: no such set */
const VrSet *vr_set_by_name (VrNftFamily family, const char *name);

/*
 * A part of the ruleset: commands that add to a table that is there. A part that a kernel cannot do is left out, and
 * `purpose` says what then does not work. The first part of each family makes the sets.
 */
typedef struct {
  VrNftFamily family;
  const char *name;
  const char *purpose;
  char       *text;
} VrPart;

GPtrArray *vr_ruleset_parts (void); /* of VrPart */
const char *vr_nft_family_name (VrNftFamily family);

G_END_DECLS
