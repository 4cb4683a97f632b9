/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A way to a member on which something happens: bytes are passed on both ways, on threads of their own, and the next transaction
 * after between_arm() is held while somebody else writes, or its answer is lost.
 */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct _Between Between;

Between    *between_new (const char *member); /* a URL, http://127.0.0.1:PORT */
void        between_free (Between *between);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Between, between_free)

const char *between_url (const Between *between);

/* Before the next transaction goes to the member `meanwhile` is called, once, on a thread with a context of its own; NULL: its answer is lost. */
void        between_arm (Between *between, void (*meanwhile) (gpointer), gpointer data);
gboolean    between_happened (Between *between);

G_END_DECLS
