/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two hosts with real libvirtds and QEMUs, and guests on them, for tests of daemon/virt. The program is started by
 * `in-private`, which gives it a world of its own; its argument is the folder of `host`.
 *
 * A guest has no operating system: its BIOS finds nothing to boot and waits. Part of its memory cannot be compressed,
 * so that a migration has something to copy.
 */
#pragma once

#include "tests/unit/virt-test.h"

#define UUID "11111111-2222-3333-4444-555555555555"
#define SLOW_UUID "22222222-2222-3333-4444-555555555555" /* the hook of a guest called "slow" waits while /run/hold is there */
#define MAC "52:54:00:00:00:64"

typedef struct {
  const char *name, *number, *uri;
  GSubprocess *libvirtd; /* NULL: not running */
} Host;

extern Host a, b;

gboolean world_up (int *argc, char ***argv); /* FALSE: not on this kernel, and that was said */
void     world_down (void);

void          host_start (Host *host); /* unless it runs; it takes some seconds to ask its QEMU what it can do */
void          host_signal (Host *host, int number);
void          host_freeze (Host *host); /* returns when none of its threads runs any more */
void          host_stop (Host *host, int number);
virConnectPtr host_connect (Host *host);

/* Runs a program to its end; whether it succeeded. */
gboolean run (const char *line);

char *guest_xml (const char *name, const char *uuid);
void  guest_destroy (Host *host, const char *uuid); /* if it is there */

/* Host a, and one guest on it. */
typedef struct {
  Ear ear;
  virConnectPtr user; /* somebody else's connection to a */
  virDomainPtr guest; /* through it */
} Fixture;

void set_up (Fixture *fixture, gconstpointer data);
void tear_down (Fixture *fixture, gconstpointer data);
void forget_user (Fixture *fixture);

/* The main loop goes round some more times. */
void assert_main_loop_runs (void);
