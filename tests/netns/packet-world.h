/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host whose filter and routes packets meet. The test's own namespace is the host; around it
 *
 *   p1 --- vr-p1  [host]  vr-p2 --- p2       peers, behind veths in the tunnels' place: 10.9.2.7 and 10.9.3.7
 *          tap0 - br0  plain0                guest: a guest on the bridge, 10.9.1.100
 *            |           |                   outside: the world, without a tunnel, 192.0.2.9
 *          guest      outside
 *
 * and the same with IPv6.
 */
#pragma once

#include "netns.h"

enum { PACKET_PORT = 4000 };

typedef struct {
  const char *digit;                          /* of the twin sets */
  const char *ip;                             /* the option of ip(8) */
  const char *guest, *p1, *p2, *outside, *host;
  const char *gone;    /* a guest of this host's that runs at p2 */
  const char *visitor; /* a guest of p1's that runs here */
  const char *stranger;                       /* an address that nobody knows */
  const char *network1, *network2, *own, *length;
} PacketFamily;

typedef struct {
  const PacketFamily *v;
  VrKernel *kernel;
} PacketWorld;

/* Runs `check` in a new world, for each family. */
void  packet_for_both (void (*check) (PacketWorld *w));

/* What every plan holds (the peers' networks, the guest here, the one at p2, p1's here), and `more`. */
void  packet_apply_with (PacketWorld *w, const char *more);
char *packet_relay_route (const PacketFamily *v); /* for `more`: the one at p2 is sent there */

/* One datagram, from `host` with the source `from`, to port PACKET_PORT of `to`. */
void  packet_send_from (const char *host, const char *from, const char *to, const char *text);
