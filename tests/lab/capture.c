/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * capture [--plain] --to FILE PORT...: what crosses the underlay?
 *
 * Looks at every frame that enters the underlay's switch through one of the PORTs (so each frame counts once, where its sender's
 * cable ends) and sorts it: ESP, IKE, a plain tunnel, cleartext, anything else. Cleartext is every frame that shows something of a
 * guest: a guest address in its outer IP header, ARP or ND for one, a guest's MAC as its source, or a tunnel without encryption.
 * With --plain (the lab's native form, which has no ESP) VXLAN is what stands in for ESP and is no cleartext.
 *
 * SIGUSR1: FILE is written anew, after all frames that had arrived before. SIGTERM: the same, and the end.
 * `dropped` in the output are frames that the kernel had no room to keep for us: only where it is 0 does the rest prove anything.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#define PORTS 16
#define FLOWS 512
#define SAMPLES 20

typedef enum
{
  KIND_OTHER,
  KIND_ESP,
  KIND_IKE,
  KIND_PLAIN,
  KIND_CLEARTEXT,
} Kind;

static const char *const kind_names[] = {"other", "esp", "ike", "plain", "cleartext"};

/* What one frame is: its kind and the addresses (of the packet, or that an ARP or ND is about). */
typedef struct
{
  Kind kind;
  const char *what;
  char source[INET6_ADDRSTRLEN], target[INET6_ADDRSTRLEN];
} Verdict;

typedef struct
{
  Kind kind;
  char source[INET6_ADDRSTRLEN], target[INET6_ADDRSTRLEN];
  unsigned long frames;
  double first, last;
} Flow;

typedef struct
{
  Verdict verdict;
  double time;
  char port[IF_NAMESIZE];
} Sample;

static bool plain_allowed;
static Flow flows[FLOWS];
static unsigned n_flows;
static Sample samples[SAMPLES];
static unsigned long totals[KIND_CLEARTEXT + 1], n_frames, n_dropped;

static bool
is_guest4 (const uint8_t *address)
{
  return address[0] == 10 && address[1] == 9;
}

static bool
is_guest6 (const uint8_t *address)
{
  static const uint8_t prefix[] = {0xfd, 0, 0, 9};
  return !memcmp (address, prefix, sizeof prefix);
}

static void
verdict_addresses (Verdict *verdict, int family, const uint8_t *source, const uint8_t *target)
{
  inet_ntop (family, source, verdict->source, sizeof verdict->source);
  inet_ntop (family, target, verdict->target, sizeof verdict->target);
}

static void
judge_udp (Verdict *verdict, const uint8_t *udp, size_t size)
{
  if (size < 12)
    return;
  unsigned port = udp[2] << 8 | udp[3], other = udp[0] << 8 | udp[1];
  static const uint8_t no_spi[4];
  if (port == 500 || other == 500)
    verdict->kind = KIND_IKE;
  else if (port == 4500 || other == 4500) /* IKE stands behind four zero bytes there */
    verdict->kind = memcmp (udp + 8, no_spi, 4) ? KIND_ESP : KIND_IKE;
  else if (port == 4789)
    verdict->kind = plain_allowed ? KIND_PLAIN : KIND_CLEARTEXT, verdict->what = "vxlan";
}

static void
judge_protocol (Verdict *verdict, unsigned protocol, const uint8_t *payload, size_t size)
{
  if (protocol == IPPROTO_ESP)
    verdict->kind = KIND_ESP;
  else if (protocol == IPPROTO_UDP)
    judge_udp (verdict, payload, size);
  else if (protocol == IPPROTO_IPIP || protocol == IPPROTO_IPV6 || protocol == IPPROTO_GRE)
    verdict->kind = KIND_CLEARTEXT, verdict->what = "tunnel without encryption";
}

static void
judge_ip4 (Verdict *verdict, const uint8_t *ip, size_t size)
{
  size_t header = size >= 20 ? (ip[0] & 15) * 4u : 0;
  if (header < 20 || size < header)
    return;
  verdict_addresses (verdict, AF_INET, ip + 12, ip + 16);
  judge_protocol (verdict, ip[9], ip + header, size - header);
  if (is_guest4 (ip + 12) || is_guest4 (ip + 16))
    verdict->kind = KIND_CLEARTEXT, verdict->what = "ip";
}

static void
judge_ip6 (Verdict *verdict, const uint8_t *ip, size_t size)
{
  if (size < 40)
    return;
  verdict_addresses (verdict, AF_INET6, ip + 8, ip + 24);
  judge_protocol (verdict, ip[6], ip + 40, size - 40);
  if (is_guest6 (ip + 8) || is_guest6 (ip + 24))
    verdict->kind = KIND_CLEARTEXT, verdict->what = "ip6";
  else if (ip[6] == IPPROTO_ICMPV6 && size >= 64 && (ip[40] == 135 || ip[40] == 136) && is_guest6 (ip + 48))
    {
      verdict->kind = KIND_CLEARTEXT, verdict->what = "nd";
      verdict_addresses (verdict, AF_INET6, ip + 8, ip + 48);
    }
}

static void
judge_arp (Verdict *verdict, const uint8_t *arp, size_t size)
{
  if (size < 28)
    return;
  verdict_addresses (verdict, AF_INET, arp + 14, arp + 24);
  if (is_guest4 (arp + 14) || is_guest4 (arp + 24))
    verdict->kind = KIND_CLEARTEXT, verdict->what = "arp";
}

static Verdict
judge (const uint8_t *frame, size_t size)
{
  static const uint8_t guest_mac[] = {0x52, 0x54, 0};
  Verdict verdict = {.kind = KIND_OTHER, .what = ""};
  size_t at = 12;
  while (at + 6 <= size && frame[at] == 0x81 && frame[at + 1] == 0) /* VLAN tags */
    at += 4;
  if (at + 2 > size)
    return verdict;
  unsigned type = frame[at] << 8 | frame[at + 1];
  const uint8_t *payload = frame + at + 2;
  size_t left = size - at - 2;
  if (type == ETH_P_IP)
    judge_ip4 (&verdict, payload, left);
  else if (type == ETH_P_IPV6)
    judge_ip6 (&verdict, payload, left);
  else if (type == ETH_P_ARP)
    judge_arp (&verdict, payload, left);
  if (verdict.kind != KIND_CLEARTEXT && !memcmp (frame + 6, guest_mac, sizeof guest_mac))
    verdict.kind = KIND_CLEARTEXT, verdict.what = "frame from a guest's MAC";
  return verdict;
}

static void
count (const Verdict *verdict, double now, int port)
{
  unsigned i = 0;
  n_frames++;
  if (verdict->kind == KIND_CLEARTEXT && totals[KIND_CLEARTEXT] < SAMPLES)
    {
      Sample *sample = &samples[totals[KIND_CLEARTEXT]];
      *sample = (Sample){.verdict = *verdict, .time = now};
      if (!if_indextoname (port, sample->port))
        snprintf (sample->port, sizeof sample->port, "%d", port);
    }
  totals[verdict->kind]++;
  while (i < n_flows && (flows[i].kind != verdict->kind || strcmp (flows[i].source, verdict->source)
                         || strcmp (flows[i].target, verdict->target)))
    i++;
  if (i == FLOWS)
    return; /* the totals hold nevertheless */
  if (i == n_flows)
    {
      flows[n_flows++] = (Flow){.kind = verdict->kind, .first = now};
      strcpy (flows[i].source, verdict->source);
      strcpy (flows[i].target, verdict->target);
    }
  flows[i].frames++;
  flows[i].last = now;
}

static void
take_frames (int fd, const int *ports, unsigned n_ports)
{
  static uint8_t frame[256]; /* headers are enough */
  for (;;)
    {
      struct sockaddr_ll from;
      socklen_t length = sizeof from;
      struct timespec now;
      ssize_t n = recvfrom (fd, frame, sizeof frame, MSG_DONTWAIT, (struct sockaddr *) &from, &length);
      if (n < 0)
        return;
      for (unsigned i = 0; i < n_ports; i++)
        if (ports[i] == from.sll_ifindex && from.sll_pkttype != PACKET_OUTGOING)
          {
            clock_gettime (CLOCK_REALTIME, &now);
            Verdict verdict = judge (frame, n);
            count (&verdict, now.tv_sec + now.tv_nsec / 1e9, from.sll_ifindex);
          }
    }
}

static void
write_report (int fd, const char *name)
{
  struct tpacket_stats statistics;
  socklen_t length = sizeof statistics;
  char temporary[4096];
  if (!getsockopt (fd, SOL_PACKET, PACKET_STATISTICS, &statistics, &length))
    n_dropped += statistics.tp_drops; /* the kernel starts anew with each question */
  snprintf (temporary, sizeof temporary, "%s.new", name);
  FILE *file = fopen (temporary, "w");
  if (!file)
    {
      fprintf (stderr, "capture: cannot write %s: %s\n", temporary, strerror (errno));
      exit (2);
    }
  fprintf (file, "{\"frames\": %lu, \"dropped\": %lu", n_frames, n_dropped);
  for (unsigned i = 0; i <= KIND_CLEARTEXT; i++)
    fprintf (file, ", \"%s\": %lu", kind_names[i], totals[i]);
  fprintf (file, ", \"flows\": [");
  for (unsigned i = 0; i < n_flows; i++)
    fprintf (file, "%s{\"kind\": \"%s\", \"source\": \"%s\", \"target\": \"%s\", \"frames\": %lu, \"first\": %.6f, \"last\": %.6f}",
             i ? ", " : "", kind_names[flows[i].kind], flows[i].source, flows[i].target, flows[i].frames, flows[i].first,
             flows[i].last);
  fprintf (file, "], \"cleartext_first\": [");
  for (unsigned i = 0; i < totals[KIND_CLEARTEXT] && i < SAMPLES; i++)
    fprintf (file, "%s{\"time\": %.6f, \"port\": \"%s\", \"source\": \"%s\", \"target\": \"%s\", \"what\": \"%s\"}", i ? ", " : "",
             samples[i].time, samples[i].port, samples[i].verdict.source, samples[i].verdict.target, samples[i].verdict.what);
  fprintf (file, "]}\n");
  if (fclose (file) || rename (temporary, name))
    fprintf (stderr, "capture: cannot write %s: %s\n", name, strerror (errno));
}

static int
open_socket (void)
{
  int size = 32 << 20, fd = socket (AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons (ETH_P_ALL));
  if (fd < 0)
    {
      perror ("capture: cannot open a packet socket (root is needed)");
      exit (2);
    }
  if (setsockopt (fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0)
    perror ("capture: cannot enlarge the buffer");
  return fd;
}

int
main (int argc, char **argv)
{
  int ports[PORTS], first = 1;
  unsigned n_ports = 0;
  const char *name = NULL;
  for (; first < argc && argv[first][0] == '-'; first++)
    if (!strcmp (argv[first], "--plain"))
      plain_allowed = true;
    else if (!strcmp (argv[first], "--to") && first + 1 < argc)
      name = argv[++first];
  for (int i = first; i < argc && n_ports < PORTS; i++)
    if (!(ports[n_ports++] = if_nametoindex (argv[i])))
      {
        fprintf (stderr, "capture: no interface '%s' here\n", argv[i]);
        return 2;
      }
  if (!name || !n_ports)
    {
      fprintf (stderr, "Usage: capture [--plain] --to FILE PORT...\n");
      return 2;
    }
  sigset_t set;
  sigemptyset (&set);
  sigaddset (&set, SIGUSR1);
  sigaddset (&set, SIGTERM);
  sigprocmask (SIG_BLOCK, &set, NULL);
  struct pollfd wait[2] = {{signalfd (-1, &set, SFD_CLOEXEC), POLLIN, 0}, {open_socket (), POLLIN, 0}};
  write_report (wait[1].fd, name);
  for (;;)
    {
      struct signalfd_siginfo info;
      poll (wait, 2, -1);
      take_frames (wait[1].fd, ports, n_ports);
      if (!(wait[0].revents & POLLIN) || read (wait[0].fd, &info, sizeof info) != sizeof info)
        continue;
      write_report (wait[1].fd, name);
      if (info.ssi_signo == SIGTERM)
        return 0;
    }
}
