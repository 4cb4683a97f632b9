/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The origin of a guest, around a switchover: a stand-in for QEMU has the guest's tap, tap0; the tunnel, vr-h3, is a tap that the test reads; frames are
 * put into the guest's tap as its bridge would. Frames that are texts are UDP from PEER to GUEST, with partial checksums; `texts` are parted by
 * spaces.
 */
#pragma once

#include "frames.h"
#include "standin.h"

#include "daemon/switchover/outlet.h"
#include "daemon/switchover/switchover.h"

#define PID_FILE "/run/d.pid"
#define PEER "10.9.2.50"
#define GUEST "10.9.1.100"
#define PEER6 "fd00:9:2::50"
#define GUEST6 "fd00:9:1::100"
#define PORT 4000
#define MUCH (4 * 1024 * 1024) /* bytes, for copies or what is kept */

/* Long before the frames of a test: none of them is older than what QEMU may have swallowed. Long after: all are. */
#define LONG_BEFORE(STOP) ((STOP) - 1000 * G_USEC_PER_SEC)
#define LONG_AFTER(STOP) ((STOP) + 1000 * G_USEC_PER_SEC)

extern const char *const world_addresses[]; /* the guest's; NULL at the end */

typedef struct {
  Standin      *qemu;
  int           tunnel;
  VrOutlet     *tap, *out; /* into the guest's tap; by the tunnel, as what is relayed */
  VrSwitchover *switchover;
  guint         flips;
} World;

/* ---- before ---- */

VrSwitchoverSetup *world_setup (const char *pid_file, const char *tunnel, gsize copies, gsize kept); /* of memory, bytes */
VrOutlet          *world_outlet (const char *dev);
void               world_open (World *world, guint queues); /* nothing is armed yet */
void               world_arm (World *world, const char *pid_file, gsize copies, gsize kept);
void               world_new (World *world); /* both, with one queue and MUCH memory */
void               world_end (World *world);

/* ---- frames ---- */

void world_put (World *world, const Frame *frame); /* into the guest's tap */
void world_put_text (World *world, const char *text);
void world_put_texts (World *world, const char *texts);
void world_deliver (World *world, const char *texts); /* likewise, and the guest gets them */
void world_relay_text (World *world, const char *text); /* by the new route */

/* What leaves by the tunnel: just these, in that order, whole and right, and then nothing; or the next one. */
void world_expect_out (World *world, const char *texts);
void world_expect_text (World *world, const char *text);

/* ---- the switchover ---- */

gboolean        world_flip (gpointer world); /* counts its calls */
void            world_run_at (World *world, gint64 stop_us); /* flips once */
gboolean        world_has_let_go (gpointer world);
gboolean        world_has_returned (gpointer world);
VrSwitchoverNic world_counts (World *world); /* of tap0; they add up */
