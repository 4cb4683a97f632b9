/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Real charons in network namespaces of their own, joined by a veth pair, with private configuration, log and VICI socket. As
 * the kernel may have no ESP, they use strongSwan's kernel-libipsec. All processes die with the test.
 */
#pragma once

#include <gio/gio.h>

/* NULL, or why these tests cannot run here: not root, no charon. */
const char *charon_unavailable (void);

typedef struct {
  char        *dir, *uri, *conf;
  char        *swanctl;        /* the program to call for this one */
  const char  *address6;       /* on the link between the two: fd99::1 or fd99::2 */
  const char  *address;        /* on the link between the two: 10.99.0.1 or 10.99.0.2; also has 10.N.0.1/16 and fd0N::1/16 */
  GSubprocess *holder;         /* keeps the namespace */
  GSubprocess *process;        /* charon; NULL: not started */
} Charon;

/* Namespaces, configuration; not yet started. */
Charon *charon_new (guint number);
void    charon_free (Charon *charon); /* kills it */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Charon, charon_free)

void charon_connect (Charon *one, Charon *two); /* the veth pair */
void charon_start (Charon *charon);
void charon_kill (Charon *charon);              /* and waits for its end */
void charon_signal (Charon *charon, int signal); /* and, for SIGSTOP, waits until it stands */
