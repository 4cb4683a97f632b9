/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A stand-in for QEMU with a guest in it: a process that has a tap open, gives what it reads to the "guest", and stops, swallows, resumes and ends
 * as QEMU does. It starts at once and needs no emulation.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

typedef struct _Standin Standin;

/* What the guest does with a frame; runs in the stand-in's process. NULL: UDP payloads are told to the test, see standin_expect(). */
typedef void (*StandinTake) (const guint8 *frame, gsize len, gpointer data);

/*
 * Makes and opens the tap with that many queues (with virtio_net headers and the offloads of a virtio guest) in the network namespace of now, and runs, or is
 * stopped as at a target. Returns when it does; its pid is in the file.
 */
Standin *standin_start (const char *tap, guint queues, gboolean running, const char *pid_file, StandinTake take, gpointer data);

/*
 * Stops as QEMU does for a migration. While it waits for its CPUs it takes one more frame off each queue, which is dropped; from its stop on, if
 * `swallow`, another one, which is kept for the guest until it resumes. Gives the time of the stop, wall clock, us.
 */
void     standin_begin_to_stop (Standin *standin);
gint64   standin_stop (Standin *standin, gboolean swallow);
/* Waits until it has swallowed that many frames since it was started. */
void     standin_expect_swallowed (Standin *standin, guint frames);
void     standin_resume (Standin *standin);
void     standin_end (Standin *standin); /* and frees it */
pid_t    standin_pid (const Standin *standin);

/* Waits for the next UDP payload that the guest got, and asserts that it is this. */
void     standin_expect (Standin *standin, const char *text);
