/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The path of a packet, hop by hop, and what decides it: for people. A pure function, as the plan is; what is told of this host is its
 * facts and its plan, what is told of others is what their plans come to by this host's book.
 */
#pragma once

#include "plan.h"

G_BEGIN_DECLS

typedef struct {
  char    *host, *role; /* for the guest: owner, target, origin, home, peer; NULL: it is no guest's address */
  char    *does;        /* "sends", "relays", "delivers"; "drops", "has no way" */
  char    *in, *out;    /* interfaces; of another host's bridge only that: "its bridge" */
  char    *next;        /* the host at the tunnel's other end; NULL: it leaves by no tunnel */
  char    *tunnel;      /* of `out`: "up", "down", "wanted up", "not wanted"; NULL likewise */
  char    *rule, *route, *filter; /* lines of the plan; NULL: none */
  char    *why;         /* a sentence, where no line of the plan says it; NULL */
  gboolean verified;    /* by this host's own facts; FALSE: concluded from the migration log */
} VrHop;

typedef enum { VR_ARRIVES, VR_LOST, VR_UNKNOWN } VrOutcome;

typedef struct {
  gboolean  direct;     /* as it would be after the switch to the direct path; FALSE: as it is now */
  gboolean  back;       /* the answer */
  char     *source, *destination;
  GPtrArray *hops;      /* of VrHop */
  VrOutcome outcome;    /* VR_UNKNOWN: it leaves virt-relay's hands */
} VrWay;

typedef struct {
  const VrRecord *record; /* of the guest, that decides; the book owns it; NULL: it is no guest's address */
  char           *address, *from, *from_address; /* from: a host; from_address, of its network, stands for its guests */
  GPtrArray      *ways;   /* of VrWay: there, back, and both again as they would be, if the path may still become direct */
} VrExplanation;

/*
 * How a packet gets from the guests of host `from` ("" or NULL: this one) to `whom`, the name, uuid or address of a guest, or an address of a
 * host's guest network; and the answer back. Of a guest with several addresses its first is taken. `plan` is what was made from
 * `facts`. NULL with G_IO_ERROR_NOT_FOUND (no such guest or address) or G_IO_ERROR_HOST_NOT_FOUND (no such host, or it has no guest network).
 */
VrExplanation *vr_explain (const VrFacts *facts, const VrPlan *plan, const char *whom, const char *from, GError **error);
void           vr_explanation_free (VrExplanation *explanation);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrExplanation, vr_explanation_free)

const char *vr_outcome_to_string (VrOutcome outcome); /* "arrives", "is lost", "is not known" */

G_END_DECLS
