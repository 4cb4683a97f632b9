/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The chain of custody: which record of a guest may follow which. Pure; chain.c has the rules, one by one. */
#pragma once

#include "record.h"

G_BEGIN_DECLS

/* Whom this host trusts with what, beyond what the hosts' own records say; [trust] of the configuration. */
typedef struct {
  char   **networks;       /* "h1:10.9.1.0/24": if any, the only guest networks that hosts may have */
  gboolean start_anywhere; /* a guest that runs nowhere may be started on any host; else at home, or where it ran last */
  char   **take_over;      /* hosts that may take over a guest that was not given to them */
  gboolean unproven;       /* a target's word counts without proof that it was given the guest's XML (proof.h) */
} VrTrust;

/* What is wrong with the record whatever was recorded before, or NULL. */
const char *vr_chain_fault (const VrRecord *record);

/*
 * Does `a` decide over `b`, both records of custody of one guest? The higher epoch; then the owner's word over the old owner's (moved);
 * then the writer's later one; between two that claim the same epoch, the smaller writer's name, so that every host decides alike.
 */
gboolean vr_record_supersedes (const VrRecord *a, const VrRecord *b);

/*
 * May `record`, of custody, follow `custody`, which it supersedes? `custody` NULL: nothing is known of the guest. `home`, `home_before`:
 * the host that has the say over the guest's addresses now, and by `custody`; NULL: nobody has. `trust` NULL: start anywhere.
 */
gboolean vr_chain_follows (const VrRecord *custody, const char *home_before, const VrRecord *record, const char *home, const VrTrust *trust);

G_END_DECLS
