/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon's end of the hook, with what it saw and logged, and clients of its socket. */
#pragma once

#include "daemon/virt/hook-listener.h"
#include "hook-test.h"

#define XML "<domain type='kvm'><name>d</name></domain>"

typedef struct {
  Scratch scratch;
  VrHookListener *listener;
  GPtrArray *seen;     /* of VrHookEvent * */
  guint stop_after;    /* the handler stops the listener at this event; 0: never */
  guint files_at_last; /* how many files the spool had when the last handler ran */
  gint64 send_in_handler; /* the handler of the first event lets one of this time come over the socket; 0: does not */
} Fixture;

void log_begin (void); /* what is logged from here on, worse than information, is kept, of one test at a time */
gboolean was_logged (const char *part);

void set_up (Fixture *fixture, gconstpointer data); /* the listener is not started yet */
void tear_down (Fixture *fixture, gconstpointer data);
void start (Fixture *fixture);

const VrHookEvent *seen (const Fixture *fixture, guint i);
void assert_guests (const Fixture *fixture, const char *expected); /* of all events seen so far, in order */

/* Puts a file into the spool as the hook does: written aside, then renamed. */
void spool_text (const Fixture *fixture, gint64 time_us, const char *text);
void spool_event (const Fixture *fixture, const char *guest, gint64 time_us);

/* A client of the socket, which does not block. client_answer: NULL: nothing yet; "": the listener closed without an answer. */
GSocket *client_open (const Fixture *fixture);
char    *client_answer (GSocket *client);
void     client_send (GSocket *client, const char *text, gsize len); /* all of it, unless the listener closes before the end */
char    *exchange (const Fixture *fixture, const char *text, gsize len); /* from open to its answer */
void     send_event (const Fixture *fixture, const char *guest, gint64 time_us); /* it is taken */
