/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The nftables side of a plan: makes the tables, once and at once, and then only adds and removes elements, so that what
 * they count goes on. In two steps, because what a plan adds comes before, and what it takes away after, everything else
 * of it.
 */
#pragma once

#include "nft.h"
#include "rtnl.h"
#include "state.h"

G_BEGIN_DECLS

typedef struct _VrFilter VrFilter;

VrFilter *vr_filter_new (VrNft *nft, VrKernelState *state); /* both are borrowed and outlive it */
void      vr_filter_free (VrFilter *filter);

void      vr_filter_add (VrFilter *filter, GPtrArray *wanted /* of VrElement */, GPtrArray *changes, VrTrouble *trouble);
void      vr_filter_remove (VrFilter *filter, GPtrArray *wanted, GPtrArray *changes, VrTrouble *trouble);
void      vr_filter_flush (VrFilter *filter, VrTrouble *trouble);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrFilter, vr_filter_free)

G_END_DECLS
