/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the tests of this folder share: namespaces of their own, plans written as text, the tools, packets.
 *
 * A test program runs in a mount namespace of its own with an empty /run, and each of its tests in a new network
 * namespace, which has nothing but lo. Other namespaces ("hosts") are made by name and entered for a moment to open a
 * socket in them.
 */
#pragma once

#include "daemon/kernel/kernel.h"

#include <sys/socket.h>

/* Instead of g_test_init() and g_test_run(): skips everything, saying why, where namespaces cannot be had. */
void netns_init (int *argc, char ***argv);
void netns_add (const char *name, void (*test) (void)); /* runs in a fresh network namespace */

/* ---- tools: sh -c; a failure fails the test and shows what was said ---- */

void  sh (const char *format, ...) G_GNUC_PRINTF (1, 2);
char *sh_out (const char *format, ...) G_GNUC_PRINTF (1, 2); /* (transfer full) standard output */

/* All of this namespace that the kernel's side of a plan can change, as text. */
char *dump_all (void);
void  assert_same (const char *now, const char *before); /* names the first line that differs */

/* ---- plans ---- */

/* One item a line, as the *_to_string() functions of the model write them. */
VrPlan *plan_of (const char *lines);

/* Applies and fails the test on an error; (transfer full) the changes, sorted, one a line. */
char *apply (VrKernel *kernel, const char *lines);
char *apply_error (VrKernel *kernel, const char *lines, char **changes); /* likewise, but it must fail: the message */

VrKernel *new_kernel (void);

/* ---- waiting, for as long as a slow machine may need ---- */

typedef gboolean (*Condition) (gpointer data);
gboolean wait_for (Condition condition, gpointer data); /* runs the main loop; FALSE: it did not come true in 20 s */

typedef struct {
  guint  count;
  gulong handler;
} Changed;

void watch_changed (VrKernel *kernel, Changed *changed); /* counts the signal */
void expect_changed (Changed *changed);                  /* waits until it came, and sets it back to none */
void settle (void);                                      /* runs the main loop until all that is due now has come */

/* ---- hosts and packets ---- */

void host_new (const char *name); /* a namespace with lo up and no IPv6 duplicate detection */
void host_enter (const char *name);
void host_leave (void);

socklen_t address_of (const char *address, guint16 port, struct sockaddr_storage *native); /* its size */

/* A bound, non-blocking datagram socket in a host; "" is the test's own namespace. */
int  udp_open (const char *host, const char *address, guint16 port);
void udp_send (int fd, const char *address, guint16 port, const char *text);
/* Waits for the next datagram and asserts that it is `text`. Order is kept on the way, so what came before `text` would
 * be seen. */
void udp_expect (int fd, const char *text);
int  udp_error (int fd); /* waits for the error that an ICMP message left on a connected socket */

/* A counter of the kernel's, by name; 0 if there is none. */
guint64 counter_of (VrKernel *kernel, const char *name);
/* Waits until the counter reaches `packets`, and asserts that it is not more. */
void expect_counter (VrKernel *kernel, const char *name, guint64 packets);
