/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Blocking calls into libvirt, made on worker threads and answered in the main loop: by their result, their deadline,
 * their cancellable or the end of the session, whichever comes first. Theory of operation: virt-calls.c. Main thread,
 * but for the work.
 */
#pragma once

#include "daemon/virt/virt-session.h"

G_BEGIN_DECLS

/* Who waits for whom: each lane has its own number of calls under way at most. */
typedef enum {
  VR_VIRT_LANE_QUICK, /* libvirtd answers at once */
  VR_VIRT_LANE_JOB,   /* it asks QEMU, or waits for those who do */
  VR_VIRT_LANE_AGENT, /* it waits for the guest's agent */
  VR_VIRT_LANE_STAMP, /* it waits behind jobs; tried again for as long as libvirt gives up waiting for the job */
  VR_VIRT_N_LANES
} VrVirtLane;

typedef struct {
  VrVirtLane lane;
  const char *key;     /* a guest's uuid, or "": calls of a lane with one key are made one after the other */
  const char *purpose; /* static, for messages: "look at a guest" */
  /* On a worker thread; blocks; gives the answer, or NULL with an error. */
  gpointer (*work) (virConnectPtr conn, gconstpointer args, GError **error);
  gpointer args;       /* owned by the call */
  GDestroyNotify free_args;   /* in the main loop, when the work is done or will never be done; may be NULL */
  GDestroyNotify free_result; /* of an answer that comes too late; in the main loop; may be NULL */
} VrVirtRequest;

/* libvirtd turned out to be gone before libvirt's own callback said so. */
typedef void (*VrVirtBroken) (const char *why, gpointer owner);

typedef struct _VrVirtCalls VrVirtCalls;

VrVirtCalls *vr_virt_calls_new (VrVirtBroken broken, gpointer owner);
/* As vr_virt_calls_end(), and `broken` is called no more. Threads that libvirt holds stay until it lets go. */
void         vr_virt_calls_free (VrVirtCalls *calls);

/* From now on calls are made in this session. */
void vr_virt_calls_begin (VrVirtCalls *calls, VrVirtSession *session);

/* No session: ends everything that waits, and each call to come, with VR_VIRT_ERROR_CONNECT and `why`. */
void vr_virt_calls_end (VrVirtCalls *calls, const char *why);

/*
 * Makes a call; its answer is the pointer of `task`, of which it takes a reference (transfer full) and whose
 * cancellable counts. deadline_ms runs from now on, waiting for a turn included.
 */
void vr_virt_calls_make (VrVirtCalls *calls, const VrVirtRequest *request, guint deadline_ms, GTask *task);

G_END_DECLS
