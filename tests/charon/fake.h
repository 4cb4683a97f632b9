/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A charon that does what a test tells it to: a listening socket whose connections each have a thread that reads packets and calls the test's
 * handler for each, in that thread.
 */
#pragma once

#include "harness.h"
#include "libvici-glue/wire.h"

typedef struct Fake Fake;

typedef struct {
  Fake         *fake;
  int           fd;
  VrViciPacket *packet;  /* what the client asked */
} FakeRequest;

typedef void (*FakeHandler) (FakeRequest *request);

Fake       *fake_new (void);
void        fake_free (Fake *fake); /* waits for its threads */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Fake, fake_free)
const char *fake_uri (Fake *fake);

/* command: for requests of this name; NULL: for all. The others, and all when handler is NULL, are answered like charon does. */
void  fake_handle (Fake *fake, const char *command, FakeHandler handler);
guint fake_n_connections (Fake *fake); /* so far */
guint fake_n_requests (Fake *fake);    /* that went to the handler */
char *fake_last_request (Fake *fake);  /* (transfer full) the last that went to the handler, as text; NULL: none */

/* For handlers. */
void fake_answer_normally (FakeRequest *request);
void fake_send (FakeRequest *request, VrViciPacketType type, const char *name, const VrViciMessage *message);
void fake_send_bytes (FakeRequest *request, gconstpointer data, gsize len);
void fake_close (FakeRequest *request);

/* A fixture: a fake charon, and a VrVici that is connected to it; data: hang_ms. */
typedef struct {
  Fake    *fake;
  Watched *watched;
} FakePair;

void fake_pair_up (FakePair *pair, gconstpointer hang_ms);
void fake_pair_down (FakePair *pair, gconstpointer hang_ms);
#define ADD_FAKE(path, hang_ms, func) g_test_add (path, FakePair, GUINT_TO_POINTER (hang_ms), fake_pair_up, func, fake_pair_down)

/* From now on the fake behaves, and commands work. */
void check_works (FakePair *pair);

/* unload-conn is answered by handler: the caller sees this error; then the connection is made again and works. */
void check_breaks (FakePair *pair, FakeHandler handler, int code, const char *part);

/* Likewise, but the connection stays. */
void check_refuses (FakePair *pair, FakeHandler handler, int code, const char *part);
