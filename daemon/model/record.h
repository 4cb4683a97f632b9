/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the migration log holds of guests and hosts: a record of a guest, a record of a host. Both are immutable once made and reference counted, and
 * may be shared between threads. Addresses are canonical text (GInetAddress's), MACs are lower case with colons.
 *
 * A guest's records form a chain of custody: running -> leaving -> moved -> running at the target -> …, each change of owner one
 * epoch more. An intent (incoming, withdrawn) is a target's wish beside that chain; it changes no owner, and counts only while the
 * guest's epoch is the intent's.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define VR_RECORD_ERROR (vr_record_error_quark ())
typedef enum {
  VR_RECORD_ERROR_MALFORMED, /* not JSON, a field missing, or a value out of range: the message names the field */
  VR_RECORD_ERROR_REFUSED,   /* well formed, but nothing that may be: by itself it breaks the chain of custody */
  VR_RECORD_ERROR_WAITS,     /* nothing that is known allows it: kept aside, and looked at again when more is known */
} VrRecordError;
GQuark vr_record_error_quark (void);

typedef enum {
  VR_STATE_RUNNING,   /* by the owner: it runs here */
  VR_STATE_LEAVING,   /* by the owner: migrating out to `target` */
  VR_STATE_MOVED,     /* by the old owner (now `origin`): the CPUs stopped for good; `owner` is the target, epoch + 1 */
  VR_STATE_RETURNED,  /* by the origin: it stopped and came back; `owner` is the writer, epoch + 1 */
  VR_STATE_STOPPED,   /* by the owner: it ended */
  VR_STATE_INCOMING,  /* intent, by the target: it is coming from `owner` */
  VR_STATE_WITHDRAWN, /* intent, by the target: it is not coming after all */
} VrState;

const char *vr_state_to_string (VrState state);
gboolean    vr_state_from_string (const char *text, VrState *state);
gboolean    vr_state_is_intent (VrState state);

typedef struct {
  char  *mac;
  char **addresses; /* NULL-terminated, never NULL, may be empty */
  guint  rate;      /* packets per second to it, as its owner measured when it began to leave; 0: not known. Of no account in comparisons */
} VrNic;

typedef struct {
  char      *uuid, *name;
  guint64    epoch; /* >= 1 */
  VrState    state;
  char      *owner;          /* the host that the guest belongs to as of this record */
  char      *origin, *target; /* of the latest migration; NULL where there was none */
  char      *home;           /* the host whose guest network its addresses belong to */
  char      *writer;
  gint64     time_us;        /* wall clock, microseconds since 1970; for people. It decides only between the intents of two targets */
  guint64    seq;            /* counts the writer's records, for the order of one writer's */
  char      *proof;          /* INCOMING: that its writer was given the guest's XML (proof.h); NULL: none */
  GPtrArray *nics;           /* of VrNic; never NULL */
} VrRecord;

VrNic    *vr_nic_new (const char *mac, const char *const *addresses);
void      vr_nic_free (VrNic *nic);

/* Epoch 1, running, no NICs. */
VrRecord *vr_record_new (const char *uuid, const char *name);
/*
 * A copy of `from` (its uuid, name, nics, home, epoch …) that a caller may still change before it shares it; seq and time_us
 * are 0: appending it to the log sets them. It has no proof: that would be of another record.
 */
VrRecord *vr_record_derive (const VrRecord *from, VrState state, const char *writer);
VrRecord *vr_record_ref (VrRecord *record);
void      vr_record_unref (VrRecord *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrRecord, vr_record_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrNic, vr_nic_free)

gboolean  vr_host_name_is_valid (const char *name); /* [A-Za-z0-9._-]{1,63} */
gboolean  vr_record_has_address (const VrRecord *record, const char *address); /* has one of its NICs it? */
gboolean  vr_record_equal_content (const VrRecord *a, const VrRecord *b); /* all but writer's seq and time */

/*
 * What a host says of itself. `networks` are gateway/prefix, "10.9.1.1/24": the gateway's address in the guest network.
 */
typedef struct {
  char    *name;
  char   **underlay; /* addresses that IKE and ESP use, v4 and v6 */
  char   **networks;
  char   **reach;    /* names of hosts whose networks it reaches through tunnels, "*" for all */
  char   **macs;     /* of its guest bridges: what its guests know as their gateway's MAC */
  char    *identity; /* IKE identity */
  guint64  seq;
} VrHost;

VrHost *vr_host_new (const char *name);
VrHost *vr_host_ref (VrHost *host);
void    vr_host_unref (VrHost *host);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrHost, vr_host_unref)

/* JSON, one object a line without its newline; vr_entry_from_json() (entry.h) reads it. */
char *vr_record_to_json (const VrRecord *record);
char *vr_host_to_json (const VrHost *host);

G_END_DECLS
