/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * meter: the lab's traffic meter.
 *
 *   meter send ...  sends numbered datagrams, takes the answers, prints what became of both as JSON (meter-send.c)
 *   meter echo      answers them, and says at the end what it got (meter-echo.c)
 *   meter ask ...   has the echo run a command and prints its output (meter-ask.c)
 *
 * The way there and the way back are counted apart: the echo counts the numbers that came, and numbers its answers with a
 * count of its own. So a packet that was lost on the way there is never taken for an answer lost on the way back.
 * Static, so that the same program is the guest's.
 */
#include "meter.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

int64_t
meter_now (void)
{
  struct timespec t;
  clock_gettime (CLOCK_REALTIME, &t);
  return t.tv_sec * INT64_C (1000000000) + t.tv_nsec;
}

uint64_t
meter_random (void)
{
  uint64_t n = 0;
  if (getrandom (&n, sizeof n, GRND_NONBLOCK) != sizeof n) /* a guest may have no entropy yet */
    n = (uint64_t) meter_now () * 2654435761u ^ (uint64_t) getpid ();
  return n;
}

int
meter_socket (void)
{
  int fd = socket (AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  int off = 0, on = 1, size = 8 << 20;
  if (fd < 0 || setsockopt (fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) < 0
      || setsockopt (fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) < 0
      || setsockopt (fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on) < 0)
    {
      perror ("meter: cannot make a UDP socket");
      exit (2);
    }
  /* Beyond the sysctl's limit where we may; where we may not, the limit itself. */
  if (setsockopt (fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0)
    setsockopt (fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  if (setsockopt (fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) < 0)
    setsockopt (fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  return fd;
}

void
meter_address (const char *host, int port, struct sockaddr_in6 *to)
{
  char mapped[64];
  *to = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons (port)};
  snprintf (mapped, sizeof mapped, "%s%s", strchr (host, ':') ? "" : "::ffff:", host);
  if (inet_pton (AF_INET6, mapped, &to->sin6_addr) == 1)
    return;
  fprintf (stderr, "meter: '%s' is no IPv4 or IPv6 address\n", host);
  exit (2);
}

static void
arrival_fill (MeterArrival *arrival, struct mmsghdr *message, int64_t now_ns)
{
  arrival->length = (int) message->msg_len;
  arrival->when_ns = now_ns;
  arrival->overflowed = 0;
  if (message->msg_len < sizeof arrival->packet.header || arrival->packet.header.magic != METER_MAGIC)
    arrival->length = -1;
  for (struct cmsghdr *c = CMSG_FIRSTHDR (&message->msg_hdr); c; c = CMSG_NXTHDR (&message->msg_hdr, c))
    if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS)
      {
        struct timespec t;
        memcpy (&t, CMSG_DATA (c), sizeof t);
        arrival->when_ns = t.tv_sec * INT64_C (1000000000) + t.tv_nsec;
      }
    else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL)
      memcpy (&arrival->overflowed, CMSG_DATA (c), sizeof arrival->overflowed);
}

int
meter_receive (int fd, MeterArrival *arrivals, unsigned n)
{
  static union
  {
    struct cmsghdr aligned;
    char bytes[128];
  } controls[METER_BATCH];
  struct mmsghdr messages[METER_BATCH];
  struct iovec data[METER_BATCH];
  n = n < METER_BATCH ? n : METER_BATCH;
  for (unsigned i = 0; i < n; i++)
    {
      data[i] = (struct iovec){&arrivals[i].packet, sizeof arrivals[i].packet};
      messages[i].msg_hdr = (struct msghdr){.msg_name = &arrivals[i].peer, .msg_namelen = sizeof arrivals[i].peer, .msg_iov = &data[i],
                                            .msg_iovlen = 1, .msg_control = &controls[i], .msg_controllen = sizeof controls[i]};
    }
  int came = recvmmsg (fd, messages, n, MSG_DONTWAIT, NULL);
  int64_t now_ns = meter_now ();
  for (int i = 0; i < came; i++)
    arrival_fill (&arrivals[i], &messages[i], now_ns);
  return came > 0 ? came : 0;
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *name;
    int (*run) (int argc, char **argv);
  } commands[] = {{"send", meter_send}, {"echo", meter_echo}, {"ask", meter_ask}};
  for (unsigned i = 0; argc > 1 && i < sizeof commands / sizeof commands[0]; i++)
    if (!strcmp (argv[1], commands[i].name))
      return commands[i].run (argc - 1, argv + 1);
  fprintf (stderr, "Usage: meter send --to ADDRESS [OPTION...] | meter echo [--port N] | meter ask --to ADDRESS [OPTION...] COMMAND\n");
  return 2;
}
