/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One host's part of the ledger of one migration: what it saw happen when, and what it counted for each NIC. Each host writes its own
 * part into the migration log, and a later one in place of an earlier; put together they say where every packet went
 * (daemon/ledger/). Immutable once made and reference counted, may be shared between threads. Pure.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum {
  VR_PHASE_INTENT,   /* the target's intent was seen (at the target: written) */
  VR_PHASE_TUNNEL,   /* the tunnel between origin and target was up; earlier than the intent if it was up already */
  VR_PHASE_ARMED,    /* target: its routes, entries and queues stood */
  VR_PHASE_LEAVING,  /* origin: libvirt said that it migrates out */
  VR_PHASE_STOP,     /* origin: QEMU's own time of its STOP */
  VR_PHASE_EVENT,    /* origin: libvirt's event of it was here */
  VR_PHASE_FLIP,     /* origin: its routes lead into the target's tunnel */
  VR_PHASE_MOVED,    /* origin: `moved` was durable in the log */
  VR_PHASE_RESUMED,  /* target: libvirt's event that it runs was here */
  VR_PHASE_RUNNING,  /* target: `running` was durable in the log */
  VR_PHASE_RETURNED, /* origin: aborted after the stop, it runs here again */
  VR_PHASE_ANSWER,   /* peer: the first packet straight from the target was seen */
  VR_PHASE_DIRECT,   /* peer: what goes to it goes straight */
  VR_PHASE_COUNTED,  /* when the counts were read */
  VR_N_PHASES
} VrPhase;

typedef enum {
  VR_COUNT_CAME,       /* packets for the guest that this host got to send on, from anywhere */
  VR_COUNT_HANDED,     /* of these, sent to its bridge or tap here */
  VR_COUNT_RELAYED,    /* of these, sent into a tunnel */
  VR_COUNT_ARRIVED,    /* target: of these, that came through the origin's tunnel */
  VR_COUNT_FRAMES,     /* frames that the bridge sent to its tap */
  VR_COUNT_FLOODED,    /* of these, broadcast and multicast */
  VR_COUNT_DELIVERED,  /* frames that QEMU took from the tap (at the origin also those that were drained) */
  VR_COUNT_TAP_DROPPED, /* frames that the tap dropped: its queue was full, or it was going away */
  VR_COUNT_QUEUED,     /* target: frames in the tap's queue when the guest resumed */
  VR_COUNT_DRAINED,    /* origin: frames taken from the tap's queue after the stop */
  VR_COUNT_COPIED,     /* origin: copies that were held when it stopped */
  VR_COUNT_RESENT,     /* origin: frames sent after the guest */
  VR_COUNT_UNSENT,     /* origin: frames that should have been and could not be */
  VR_COUNT_PUSHED_BACK, /* origin: frames given back after an abort */
  VR_COUNT_DUPLICATES, /* origin: at worst so many of the re-sent were got twice */
  VR_COUNT_QUEUE,      /* length of the tap's queue, packets */
  VR_COUNT_MEMORY,     /* bytes that were held at most */
  VR_COUNT_RATE,       /* packets per second that still came or were relayed when this was counted: the counts are not final */
  VR_COUNT_ANSWERS,    /* peer: packets that came straight from the guest */
  VR_COUNT_OWN,        /* origin: packets of its own that it sent to the guest through the tunnel */
  VR_COUNT_TOO_LARGE,  /* origin: of the unsent, larger than the tunnel's MTU */
  VR_COUNT_LEFT,       /* origin: frames that waited in the tap when it was last seen, but for broadcast and multicast */
  VR_COUNT_EXPIRED,    /* of those that came, whose hop limit was over here: a marker of virt-relay's own (daemon/path/marker.c), a traceroute */
  VR_COUNT_FOREIGN_SOURCE, /* of those that came, dropped by the filter, as by the next two: for reasons that kernel/ruleset.c tells */
  VR_COUNT_FOREIGN_DESTINATION,
  VR_COUNT_CIRCLING,
  VR_COUNT_LARGE,         /* of those that came, larger than 1280 bytes, the least MTU that a tunnel may have, and to go into one */
  VR_COUNT_LARGE_RELAYED, /* of these, that were not too large for it: the kernel took them on */
  VR_N_COUNTS
} VrCount;

const char *vr_phase_to_string (VrPhase phase);
const char *vr_count_to_string (VrCount count);

typedef struct {
  char   *mac;
  guint32 known; /* bit VrCount: it was counted */
  guint64 counts[VR_N_COUNTS];
} VrLedgerNic;

typedef struct {
  char      *uuid, *name;
  guint64    epoch;            /* that the move made */
  char      *origin, *target;
  char      *writer;           /* which of them, or a peer, this part is of */
  char      *way, *why;        /* origin: "queues", "copies" or "route only", and why not better; NULL: not known */
  char      *partial;          /* why it is not counted from the beginning to the end; NULL: it is */
  gint64     time_us;          /* wall clock of writing */
  guint64    seq;              /* the writer's counter in the log */
  guint64    critical_ns;      /* origin: length of the critical section, 0: not known */
  gint64     phases[VR_N_PHASES]; /* wall clock, microseconds; 0: did not happen, or was not seen */
  GPtrArray *nics;             /* of VrLedgerNic */
} VrLedger;

VrLedger    *vr_ledger_new (const char *uuid, const char *name, guint64 epoch, const char *origin, const char *target);
VrLedger    *vr_ledger_ref (VrLedger *ledger);
void         vr_ledger_unref (VrLedger *ledger);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrLedger, vr_ledger_unref)

VrLedgerNic *vr_ledger_nic (VrLedger *ledger, const char *mac); /* made if it is not there */
void         vr_ledger_count (VrLedgerNic *nic, VrCount count, guint64 value);
gboolean     vr_ledger_knows (const VrLedgerNic *nic, VrCount count);

char        *vr_ledger_to_json (const VrLedger *ledger); /* one line; vr_entry_from_json() reads it */

G_END_DECLS
