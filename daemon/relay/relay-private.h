/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What this folder's files share, and nobody else. */
#pragma once

#include "daemon/kernel/asking.h"
#include "daemon/ledger/shelf.h"
#include "daemon/model/custody.h"
#include "daemon/model/linger.h"
#include "daemon/path/change.h"
#include "relay.h"
#include "daemon/switchover/switchover.h"

G_BEGIN_DECLS

/* A guest on this host, from its first sign to its last. */
typedef struct {
  char            *uuid;
  VrRelay         *relay;    /* not owned */
  VrPresence       presence;
  VrSighting      *sighting; /* NULL until its XML was seen */
  VrHere          *here;     /* NULL until it has a tap */
  guint            serial;   /* counts its events: what libvirt was asked before an event says nothing about after it */
  guint            timer;    /* EXPECTED: look whether it is really coming. RUNNING: claim it */
  gboolean         waited;   /* that time is over */
  gboolean         looking, look_again, stamping;
  gboolean         lacks_address; /* a NIC has none: libvirt may learn one any moment */
  gboolean         may_learn;     /* the XML does not name all families of all NICs: libvirt may learn others */
  GHashTable      *told;          /* set of the addresses that its administrator wrote into its metadata; NULL until its XML was seen */
  VrGuestMetadata *stamped;  /* what its live XML carries; NULL: nothing */
  char            *fresh;    /* stamp.c's: a token that is being written, or was to be; NULL: none */
  GPtrArray       *spent;    /* likewise: of char *, tokens before, the latest last */
  gboolean         shown, renew; /* likewise: a target has its token; it needs another */
  GHashTable      *doubts;   /* likewise: writer -> its intent that is not proven */
  guint            sightings; /* how often its XML was seen */
  VrSwitch        *flip;     /* the routes to where it is going, built beforehand; NULL: not known, or not possible yet */
  VrSwitch        *back;     /* and those as they are while it is here */
  VrSwitchover    *switchover; /* what it takes that no packet is lost; armed, or under way, or over */
  gint64           stop_us;  /* wall clock of QEMU's STOP; 0: it runs, or it is not known */
} VrLocal;

struct _VrRelay {
  GObject         parent_instance;

  const VrConfig *config;
  VrKernel       *kernel;
  VrLog          *log;
  VrTunnels      *tunnels;
  VrVirt         *virt;
  VrHookListener *hooks;
  VrAsking       *asking;
  GCancellable   *cancellable; /* of every call under way */

  VrBook         *book;
  GHashTable     *locals;    /* uuid -> VrLocal */
  gint64          last_hook_us; /* of the hook's last event */
  GHashTable     *asked;     /* set of "BRIDGE ADDRESS" */
  GHashTable     *answers;   /* "INTERFACE ADDRESS" -> packets: VrFacts's, as of the last look */
  GHashTable     *sought;    /* set of addresses: likewise */
  GHashTable     *direct;    /* set of "INTERFACE ADDRESS": paths of the last plan that are direct */
  GHashTable     *changed;   /* set of "INTERFACE ADDRESS": VrFacts's */
  GHashTable     *held;      /* set of "INTERFACE ADDRESS": paths that `change` is about */
  VrChange       *change;    /* a change of paths that is under way, or NULL */
  guint           path_look; /* source: look again */
  gboolean        path_known; /* looked once */
  VrLinger        linger;    /* guests that came home: linger.c's */
  GHashTable     *rates;     /* tap -> packets that it gets: rates.c's */
  guint           rate_wait; /* source: a rate is measured again */
  GHashTable     *up;        /* set of the peers whose tunnel was up when last told */
  GHashTable     *ledgers;   /* uuid -> the migration that is being counted: ledger.c's */
  GHashTable     *ledgers_closed; /* uuid -> epoch of the last that was written */
  VrShelf        *shelf;     /* what all hosts wrote */
  guint           ledger_look; /* source */
  GHashTable     *troubles;  /* what it is about -> what to say */
  GHashTable     *refused, *said, *waits; /* refused.c's: for good, said at the last look, waited at the last look */
  VrPlan         *plan;      /* applied last */
  void          (*reconcile) (VrRelay *self); /* relay.c sets it: for say.c, below all others */
  guint           idle, due, tick;
  guint           ticks;
  guint           retry;     /* a reconcile that failed is tried again */
  gboolean        log_ready;
  gboolean        virt_known; /* libvirt said at least once what runs here */
  gboolean        virt_away, is_ready;
  gboolean        flushed;    /* for good: nothing is planned any more */
};

/* say.c: below all others */
void vr_relay_reconcile_soon (VrRelay *self);
void vr_relay_reconcile_at (VrRelay *self, gint64 at_us); /* wall clock; instead of the time said before. G_MAXINT64: no time is known */
void vr_relay_trouble (VrRelay *self, const char *about, const char *what); /* what NULL: over */
void vr_relay_say_path (VrRelay *self, const VrPath *path); /* it became direct, or ceased to be */
void vr_relay_say_ready (VrRelay *self);
void vr_relay_say_changed (VrRelay *self); /* something that a view shows */
void vr_relay_say_moved (VrRelay *self, const VrRecord *custody, const char *from); /* a guest, from that host */

/* reconcile.c */
void vr_relay_reconcile (VrRelay *self);

/* records.c: own records */
void     vr_relay_write (VrRelay *self, VrRecord *record /* taken */);
/* This host's own record: its configuration, and the MACs that its guests know as their gateway's. Nothing while it says so already. Once the log is ready. */
void     vr_relay_write_host (VrRelay *self);
/* Any record into the book, as vr_book_add_record(); whoever listens is told if the guest belongs to another host now. */
gboolean vr_relay_enter (VrRelay *self, VrRecord *record, GError **error);
void     vr_relay_say_record (const VrRecord *record); /* in the journal */

/* news.c: what comes from the log */
void vr_relay_news_connect (VrRelay *self);

/* refused.c: records that the book does not believe */
void vr_relay_refuse (VrRelay *self, VrRecord *record, const char *why); /* it can never be */
void vr_relay_look_for_refused (VrRelay *self); /* now and then */
void vr_relay_refused_init (VrRelay *self);
void vr_relay_refused_clear (VrRelay *self);

/* guests.c: guests on this host -> records */
VrLocal *vr_relay_local (VrRelay *self, const char *uuid); /* made if it is not known */
void     vr_local_see (VrLocal *local, const VrGuestXml *xml); /* takes over names, NICs, addresses, taps, stamp */
void     vr_local_free (VrLocal *local);
void     vr_relay_set_presence (VrRelay *self, VrLocal *local, VrPresence presence); /* an event: older answers of libvirt are void */
void     vr_relay_look (VrRelay *self, VrLocal *local); /* asks libvirt what it is */
void     vr_relay_list (VrRelay *self);
void     vr_relay_settle (VrRelay *self, VrLocal *local);
void     vr_relay_settle_all (VrRelay *self);
/* A guest that the log says is here, or coming, and of which libvirt knows nothing: it is absent, like any other. */
void     vr_relay_settle_unseen (VrRelay *self, const char *uuid);
void     vr_relay_look_for_addresses (VrRelay *self);

/* stamp.c: what its XML carries of it */
void     vr_local_see_stamp (VrLocal *local, const VrGuestMetadata *metadata); /* NULL: there is none. The sighting is there */
void     vr_relay_know_tokens (VrRelay *self, VrLocal *local); /* into the book */
void     vr_relay_stamp (VrRelay *self, VrLocal *local);      /* if there is something new to write */
void     vr_relay_doubt (VrRelay *self, VrLocal *local);      /* intents that are not proven are looked into, and refused */
void     vr_relay_say_unproven (VrRelay *self, const VrRecord *leaving); /* if its target is believed without proof */

/* events.c: libvirt and its hooks -> guests on this host */
void     vr_relay_events_connect (VrRelay *self);

/* path.c: what the plan has to know to send straight to guests that are other hosts' */
void vr_relay_path_look (VrRelay *self); /* reads the counters */
void vr_relay_path_fill (VrRelay *self, VrFacts *facts);
void vr_relay_path_watch (VrRelay *self); /* after a new plan */
gint64 vr_relay_path_next (VrRelay *self); /* when the next path is sure without an answer; G_MAXINT64: none by itself */
void vr_relay_path_stop (VrRelay *self);

/* linger.c: guests that came home, and of which not everybody may have heard */
void vr_relay_linger_init (VrRelay *self);
void vr_relay_linger_log (VrRelay *self, gboolean away); /* the log is away, or back; said again: nothing changes */
void vr_relay_linger_fill (VrRelay *self, VrFacts *facts);
gint64 vr_relay_linger_next (VrRelay *self); /* when the next one ends; G_MAXINT64: none does by itself */

/* rates.c: how much comes to guests here */
void vr_relay_rates_stop (VrRelay *self);
void vr_relay_rates_sample (VrRelay *self); /* now and then */
void vr_relay_rates_fill (VrRelay *self, VrRecord *leaving); /* how much comes to each NIC, before the record is shared */

/* ledger.c: the ledger of each migration */
void vr_relay_ledger_init (VrRelay *self);
void vr_relay_ledger_connect (VrRelay *self);
void vr_relay_ledger_look (VrRelay *self); /* after a new plan */
void vr_relay_ledger_note (VrRelay *self, const char *uuid, VrPhase phase, gint64 at_us /* wall clock; 0: not known */);
void vr_relay_ledger_record (VrRelay *self, const VrRecord *record); /* it is in the log */
void vr_relay_ledger_direct (VrRelay *self, const char *address); /* what goes to it goes straight now */
void vr_relay_ledger_switchover (VrRelay *self, const char *uuid, const VrSwitchoverCounts *counts); /* copied; what it did so far */
void vr_relay_ledger_stop (VrRelay *self);
void vr_relay_ledger_clear (VrRelay *self);

/* ledger-find.c: which migration this host has to count */
typedef enum { VR_ROLE_ORIGIN, VR_ROLE_TARGET, VR_ROLE_PEER } VrLedgerRole;
typedef struct {
  VrLedgerRole role;
  guint64      epoch;           /* that the move makes, or made */
  const char  *origin, *target; /* the book's */
  gboolean     late;            /* it began without this daemon */
} VrLedgerCase;
/* One that is under way, or just was; FALSE: none that this host has to do with, or its part is written. */
gboolean vr_relay_ledger_find (VrRelay *self, const VrGuest *guest, VrLedgerCase *found);

/* change.c: brings about that paths become direct, in order */
void vr_relay_change_known (VrRelay *self); /* before the first plan: what is direct already */
void vr_relay_change_check (VrRelay *self); /* a new plan, before it is applied: is what is under way still right? */
void vr_relay_change_next (VrRelay *self);  /* a new plan was applied: begins what is due */
void vr_relay_change_stop (VrRelay *self);

/* flip.c: the switchover */
void     vr_relay_prepare_flip (VrRelay *self, VrLocal *local);
void     vr_relay_flip (VrRelay *self, VrLocal *local, gint64 event_us);
void     vr_relay_flip_back (VrRelay *self, VrLocal *local); /* it was flipped, and it runs here again */
VrFacts *vr_relay_facts_new (VrRelay *self);
void     vr_relay_facts_free (VrFacts *facts);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrFacts, vr_relay_facts_free)

G_END_DECLS
