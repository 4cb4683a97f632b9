/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where things stand in etcd. Pure. Every host writes below its own name only, so that a role can be given just that (and so
 * that hosts never race each other for a key):
 *
 *   PREFIX/now/HOST/machine              which machine is HOST
 *   PREFIX/now/HOST/host                 what it says of itself
 *   PREFIX/now/HOST/guest/UUID           its latest record of custody of a guest: of those that it wrote, the one that supersedes
 *   PREFIX/now/HOST/intent/UUID          its latest intent
 *   PREFIX/now/HOST/ledger/UUID/EPOCH    its part of a migration's ledger
 *   PREFIX/history/HOST/UUID/SEQ         each of its records of a guest
 *
 * Intents, ledgers and history go with a lease; what a guest's path depends on has none.
 */
#pragma once

#include "daemon/model/entry.h"

G_BEGIN_DECLS

/* All (transfer full). */
char    *vr_etcd_key_now (const char *prefix);     /* "PREFIX/now/" */
char    *vr_etcd_key_history (const char *prefix); /* "PREFIX/history/" */
char    *vr_etcd_key_machine (const char *prefix, const char *host);
gboolean vr_etcd_key_is_machine (const char *key); /* of any host */
char    *vr_etcd_key_entry (const char *prefix, const VrEntry *entry);         /* below now/ */
char    *vr_etcd_key_entry_history (const char *prefix, const VrEntry *entry); /* NULL: it has none */

gboolean vr_etcd_entry_expires (const VrEntry *entry); /* goes with a lease */

/* The host below whose name `key` stands, in now/ or history/; NULL if it is none of ours. (transfer full) */
char    *vr_etcd_key_host (const char *prefix, const char *key);

/* May `entry` take the place of what its own writer wrote before under the same key? `before` NULL: nothing is there. */
gboolean vr_etcd_entry_replaces (const VrEntry *entry, const VrEntry *before);

G_END_DECLS
