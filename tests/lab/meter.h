/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the two ends of the meter say to each other: UDP datagrams in the machine's own byte order (both ends always run on
 * the same kind of machine). One header, then what the kind needs.
 */
#pragma once

#include "counter.h"

#include <netinet/in.h>

#define METER_PORT 9009
#define METER_MAGIC 0x56524d32u /* changes whenever the format changes */
#define METER_MAX 1400          /* bytes of a datagram: never a fragment on the underlay */
#define METER_RANGES 64         /* ranges of lost numbers in a report */

typedef enum
{
  METER_WARM = 1,    /* sender -> echo: answer with METER_WARM, count nothing */
  METER_DATA = 2,    /* sender -> echo: a numbered packet, whose number is answered if `arrival` divides it (0: each is); echo -> sender: its
                        answer, `arrival` numbers the answers */
  METER_REPORT = 3,  /* sender -> echo: what have you counted, of `number` packets?; echo -> sender: MeterReport follows */
  METER_ASK = 4,     /* asker -> echo: run the command that follows; `run` makes the question unique, so it can be repeated */
  METER_ANSWER = 5,  /* echo -> asker: `number` = exit status, the command's output follows */
} MeterKind;

typedef struct
{
  uint32_t magic;
  uint32_t kind; /* MeterKind */
  uint64_t run;  /* random, one for each run of `meter send` and each question of `meter ask` */
  uint32_t number;
  uint32_t arrival;
} MeterHeader;

typedef struct
{
  uint32_t received;
  uint32_t duplicated;
  uint32_t reordered;
  uint32_t answered; /* answers sent */
  int64_t gap_ns;    /* on the guest's clock, which stands still while QEMU has stopped the guest */
  uint32_t n_missing; /* ranges in all; at most METER_RANGES follow */
  uint32_t overflowed; /* packets that had no room in the guest's own socket: the echo was too slow, nobody else lost them */
  CounterRange missing[METER_RANGES];
} MeterReport;

typedef union
{
  MeterHeader header;
  struct
  {
    MeterHeader header_;
    MeterReport report;
  };
  struct
  {
    MeterHeader header__;
    char text[METER_MAX - sizeof (MeterHeader)];
  };
  uint8_t bytes[METER_MAX];
} MeterPacket;

/* Each runs one of the program's commands, argv[0] being its name; returns the exit status. */
int meter_send (int argc, char **argv);
int meter_echo (int argc, char **argv);
int meter_ask (int argc, char **argv);

typedef struct
{
  MeterPacket packet;
  int length; /* -1: it is none of the meter's */
  int64_t when_ns; /* when the kernel took it (CLOCK_REALTIME) */
  uint32_t overflowed; /* what the socket had no room for before it, in all */
  struct sockaddr_in6 peer;
} MeterArrival;

/* Receives what there is without waiting, n datagrams at most (METER_BATCH); returns how many came. */
#define METER_BATCH 32
int meter_receive (int fd, MeterArrival *arrivals, unsigned n);

/* A UDP socket for IPv6 and IPv4 with time stamps and large buffers. Exits the program when that fails. */
int meter_socket (void);

/* CLOCK_REALTIME, nanoseconds. */
int64_t meter_now (void);

/* Fills to with host (an address of either family, IPv4 as a mapped one) and port. Exits the program when host is no address. The
   sockets stay unconnected: a connected one hands an ICMP error to the next send(), which then sends nothing. */
void meter_address (const char *host, int port, struct sockaddr_in6 *to);

/* 64 random bits. */
uint64_t meter_random (void);
