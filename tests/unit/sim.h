/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A simulation of hosts with virt-relayd: guests that migrate, libvirt's events that come late, records that come later, tunnels that go
 * down, daemons that restart. All records come from vr_custody_next() and all plans from vr_plan_make(); the rest, what the daemon does
 * around them (daemon/relay/guests.c), is done here in short. Everything random comes from one seed.
 */
#pragma once

#include "daemon/model/custody.h"
#include "daemon/model/linger.h"
#include "sim-forward.h"

#define SIM_THRESHOLD 3 /* answers */
#define SIM_SPENT 4

typedef struct _Sim Sim;

/* Where a migration is. The guest's QEMU is at `at`, and from SIM_MOVE_QEMU on there is another at `to`. */
typedef enum {
  SIM_MOVE_NONE,
  SIM_MOVE_BEGUN,   /* the target's hook was called */
  SIM_MOVE_QEMU,    /* QEMU waits at the target, and memory is copied */
  SIM_MOVE_STOPPED, /* its CPUs stopped at the origin */
  SIM_MOVE_RUNS,    /* it runs at the target; the origin's QEMU is still there */
} SimPhase;

typedef enum {
  SIM_STARTED,
  SIM_HOOK_MIGRATE,
  SIM_QEMU_WAITS,
  SIM_LEAVING,
  SIM_SUSPENDED,
  SIM_RESUMED,
  SIM_UNPAUSED,
  SIM_STOPPED_MIGRATED,
  SIM_STOPPED,
  SIM_CANCELLED,
} SimEventKind;

typedef struct {
  int     home, owner; /* -1: none */
  guint64 epoch;
  guint64 token;       /* 0: none */
} SimStamp;

typedef struct {
  SimEventKind kind;
  guint        guest;
  SimStamp     stamp; /* in the XML that came with it */
} SimEvent;

typedef struct {
  char     uuid[37], name[8];
  SimPhase phase;
  int      at, to; /* -1: nowhere */
  SimStamp stamp;
  guint64  spent[SIM_SPENT]; /* tokens of earlier stamps, the latest first */
  gboolean shown;  /* its token was given to a target */
  gboolean misled; /* its owner took the liar's word for where it migrates to: docs/log.md says when that can be */
  gboolean odd;    /* its address is in no host's networks; then only its records and its stamp know its home */
  GHashTable *owners; /* epoch (as text) -> its owners' names, over all records of custody ever written */
} SimGuest;

/* What a host's daemon knows of a guest there: VrLocal, in short. */
typedef struct {
  gboolean    here, waited;
  VrPresence  presence;
  VrSighting *sighting;
  guint64     token; /* in the XML as it was last seen, or written */
} SimLocal;

typedef struct {
  char       name[4];
  char     **reach;
  VrBook    *book;
  VrPlan    *plan; /* the one that is applied */
  gboolean   dirty, down;
  GQueue     events;           /* of SimEvent: what libvirt has to say, in its order */
  GQueue     inbox[SIM_HOSTS]; /* of VrRecord: each writer's, in its order, still on their way */
  GPtrArray *records[SIM_HOSTS]; /* of VrRecord: each writer's, that arrived */
  guint64    seq;
  SimLocal   locals[SIM_GUESTS];
  GHashTable *held, *changed;  /* VrFacts's */
  guint      lingering;        /* bit I: guest I, when the plan was made */
  gint64     confirmed[SIM_GUESTS]; /* time_us of the record that was true, with the tunnel up, for longer than confirm-after */
} SimHost;

/* A bug, planted into all that the hosts plan, write and read. */
typedef struct _SimBug SimBug;
struct _SimBug {
  const char *name, *property; /* and the property that finds it */
  void     (*plan) (VrPlan *plan, const char *self);
  gboolean (*record) (VrRecord *record); /* changes a record before it is written; FALSE: it is not written at all */
  gboolean (*arrival) (const VrBook *book, VrRecord **record); /* changes a record that arrives; FALSE: it is lost */
  const char *unexplained; /* a set, likewise, that the explanations do not see */
  const char *without; /* a set of the filter, without 4 or 6, that plans put nothing in */
  SimLayers   layers;  /* what is missing everywhere */
  gboolean    liar;    /* one host lies (sim_set_liar()) … */
  gboolean    believed, anywhere; /* … and may take over what it was not given; and anybody may start what stopped */
  gboolean    hurried; /* whoever came home is no longer relayed there, whether all have heard of it or not */
  gboolean    unproven; /* … and what it announces needs no proof */
};

struct _Sim {
  guint64       seed;
  GRand        *rand;
  gboolean      v6; /* all that they have is IPv6; else IPv4 */
  VrDirect      direct;
  gboolean      ordered;
  SimNet        net;
  SimHost       hosts[SIM_HOSTS];
  SimGuest      guests[SIM_GUESTS];
  const SimBug *bug; /* NULL: none */
  int           liar;  /* the host that lies, -1: none */
  VrTrust       trust; /* of every host, where there is a liar */
  char         *take_over[2];
  gint64        clock;
  guint64       tokens; /* made so far */
  GString      *trace;
  char         *failure, *property; /* the first, or NULL */
};

Sim       *sim_new (guint64 seed, const SimBug *bug);
void       sim_free (Sim *sim);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Sim, sim_free)

int        sim_host_number (const char *name); /* NULL: -1 */
void       sim_trace (Sim *sim, const char *format, ...) G_GNUC_PRINTF (2, 3);
void       sim_fail (Sim *sim, const char *property, const char *format, ...) G_GNUC_PRINTF (3, 4);
gboolean   sim_chance (Sim *sim, guint percent);
guint      sim_below (Sim *sim, guint n);

const VrRecord *sim_custody (const Sim *sim, guint host, guint guest); /* what the host's book says, if the guest is not stopped; or NULL */
gboolean   sim_reaches (const Sim *sim, guint a, guint b); /* a tunnel joins their networks */

gboolean   sim_is_behind (const Sim *sim, guint host, guint guest); /* is there news of the guest that the host could not know of? */

/* sim.c: the hosts, and their plans */
gboolean   sim_lingers (const Sim *sim, guint host, guint guest); /* as that host's daemon sees it */
void       sim_tell_of_host (const Sim *sim, VrBook *book, guint host);      /* puts its record in there */
typedef void (*SimUseFacts) (Sim *sim, guint host, const VrFacts *facts, gpointer data);
void       sim_with_facts (Sim *sim, guint host, SimUseFacts use, gpointer data); /* what the daemon's plan is made of now */
void       sim_plant (const SimBug *bug, VrPlan *plan, const char *self);
void       sim_refresh (gpointer sim, guint host); /* its daemon applies its plan, if it is up and there is a new one */
void       sim_plan (Sim *sim);                    /* all do */

/* sim-daemon.c: what the daemon of a host does */
void       sim_event (Sim *sim, guint host, guint guest, SimEventKind kind); /* libvirt says it, the daemon hears it later */
gboolean   sim_handle_event (Sim *sim, guint host);                          /* FALSE: there is none */
guint      sim_unheard (const Sim *sim, guint host, guint guest);            /* how many of the guest */
gboolean   sim_deliver (Sim *sim, guint host, guint writer);                 /* one record; FALSE: there is none */
gboolean   sim_timer (Sim *sim, guint host, guint guest);                    /* whatever the daemon waits for was waited for */
void       sim_daemon_down (Sim *sim, guint host);
void       sim_daemon_up (Sim *sim, guint host, gboolean reads_all);
void       sim_local_clear (SimLocal *local);
char      *sim_token_text (guint64 token); /* as a guest's XML has it; NULL: 0 */

/* sim-liar.c */
gboolean   sim_set_liar (Sim *sim);      /* one host, to which no guest ever comes, writes whatever it likes; FALSE: there is no such host */
void       sim_lie (Sim *sim);           /* it writes a record of some guest */
void       sim_check_liar (Sim *sim);    /* the property "attracted", at any moment */

/* sim-run.c: what happens */
void       sim_step (Sim *sim);   /* something */
void       sim_set_tunnel (Sim *sim, guint a, guint b, gboolean up); /* as a sees it */
void       sim_look (Sim *sim);   /* the daemons read their counters, and the tunnels that are wanted come up */
void       sim_settle (Sim *sim); /* all news arrives and the tunnels that are wanted come up; migrations stay where they are */
void       sim_calm (Sim *sim);   /* and all migrations come to an end */
void       sim_run (Sim *sim, guint steps);

/* sim-path.c: how paths change */
void       sim_path_init (SimHost *host);
void       sim_path_clear (SimHost *host);
void       sim_path_planned (SimHost *host);
gboolean   sim_path_step (Sim *sim, guint host); /* FALSE: no path of that host is changing */
void       sim_path_down (Sim *sim, guint host);

/* sim-check.c: what must be true */
void       sim_check_always (Sim *sim);  /* at any moment; a few packets, at random */
void       sim_check_settled (Sim *sim);
void       sim_check_calm (Sim *sim);

/* sim-explain.c: what is explained to people is what happens */
void       sim_check_explained (Sim *sim);
