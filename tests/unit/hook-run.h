/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virt-relay-hook as libvirt runs it, against a scripted daemon that takes, ignores or breaks off. After every run:
 * exit status 0, nothing on standard output.
 */
#pragma once

#include "hook-test.h"

#define XML "<domain type='kvm'>\n  <name>d</name>\n</domain>\n"

typedef enum {
  TAKE,    /* reads all, answers as it should */
  IGNORE,  /* reads all, answers nothing */
  REFUSE,  /* closes at once */
  BABBLE,  /* reads all, answers something else */
  READ_NOTHING, /* accepts and leaves the bytes where they are */
} Manner;

typedef struct {
  GSocket *socket;
  Manner manner;
  GThread *thread;
  GByteArray *got; /* what the last client sent; to be looked at when `served` says so */
  int served;      /* clients that have sent all */
  int taken;       /* ... whose event a test has looked at */
  int quit;
} Daemon;

/* Shell commands in which "$@" is the hook with its arguments, and $INPUT a file of what it is to read. */
#define PIPED "cat \"$INPUT\" 2>/dev/null | \"$@\"" /* as libvirt does it: a pipe, which the hook may leave unread */

Daemon *daemon_start (const Scratch *scratch, Manner manner); /* at the scratch's socket */
void    daemon_stop (Daemon *daemon, const Scratch *scratch);

GSocket *listen_at (const char *path); /* nobody accepts; one client may wait */
GSocket *connect_to (const char *path);

/*
 * Runs the hook in such a command, again and again on a machine so slow that the hook did not get `input` within its
 * second; gives what it said on standard error, to be freed.
 */
char *run_wrapped (const Scratch *scratch, const char *wrap, const char *const *args, const char *input, gssize input_len);
char *run (const Scratch *scratch, const char *guest, const char *operation, const char *input); /* as libvirt does it */
void  assert_one_line (const char *text, const char *part); /* the hook's, with that part */

/* The only event in the spool; what the latest run of the hook sent. A hook that found this machine too slow has left by now. */
VrHookEvent *spooled (const Scratch *scratch);
VrHookEvent *delivered (Daemon *daemon);

/* A document of `len` bytes. */
char *large_document (gsize len);
