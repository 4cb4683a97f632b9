/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * meter send: the sending end of the meter.
 *
 * Warms up first (until a few packets in a row were answered), so that ARP, ND and caches are filled before anything counts.
 * Then it sends numbered packets at an even rate until SIGTERM, SIGINT or --seconds, waits until the answers have settled, asks
 * the echo for its counts until it gets them, and prints JSON:
 *
 *   sent, asked (those to be answered: all, or one in --answer), received (answers), lost = asked - received, duplicated and reordered (both
 *   ways together), gap_ms: for the round trip, on the sender's clock; `there` and `back`: the same for each way. `there` is null if the echo gave no report.
 *
 * The rate is kept by the clock, not by a sleep after each packet; after a stall of more than 50 ms the schedule starts anew, so
 * that a sender that was not run for a while does not send a burst that overflows something.
 */
#include "meter.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MS INT64_C (1000000)
#define SECOND INT64_C (1000000000)
#define WARM_ANSWERS 3 /* answered packets in a row that make a warm path */

typedef struct
{
  const char *to;
  const char *ready; /* file to make when counting starts */
  int port;
  int size; /* bytes of UDP payload */
  int every; /* one packet in so many is answered */
  double rate;
  double warm_s, lead_s, seconds, settle_s, report_s;
} Options;

typedef struct
{
  int fd;
  struct sockaddr_in6 to;
  MeterPacket packet;
  int length;
  uint32_t every;
  uint32_t sent;
  int64_t first_ns, last_ns; /* when the first and the last numbered packet went out */
  Counter round_trip;        /* by the sender's number, those that are not to be answered left out */
  Counter back;              /* by the echo's number */
  int64_t *sent_ns;          /* when each was sent, by number; NULL: no memory for that */
  int64_t latency_ns[1024];  /* of the last packets, by number */
  int64_t latency_max_ns;
} Sender;

static volatile sig_atomic_t stopped;

static void
on_signal (int number)
{
  (void) number;
  stopped = 1;
}

static void
sender_put (Sender *sender, MeterKind kind, uint32_t number)
{
  sender->packet.header.kind = kind;
  sender->packet.header.number = number;
  sender->packet.header.arrival = sender->every;
  sendto (sender->fd, &sender->packet, sender->length, 0, (struct sockaddr *) &sender->to, sizeof sender->to);
}

/* Takes in what came, waiting until until_ns at most for something to come. Returns the kind of the last packet taken, or 0;
   its contents are left in answer. */
static int
sender_take (Sender *sender, MeterArrival *answer, int64_t until_ns)
{
  struct pollfd wait = {sender->fd, POLLIN, 0};
  const MeterHeader *header = &answer->packet.header;
  int64_t left_ns = until_ns - meter_now ();
  struct timespec timeout = {left_ns / SECOND, left_ns % SECOND};
  if (left_ns < 0)
    timeout = (struct timespec){0};
  if (ppoll (&wait, 1, &timeout, NULL) <= 0 || meter_receive (sender->fd, answer, 1) == 0 || answer->length < 0
      || header->run != sender->packet.header.run)
    return 0;
  if (header->kind == METER_DATA && header->number < sender->sent)
    {
      counter_add (&sender->round_trip, header->number / sender->every, answer->when_ns);
      counter_add (&sender->back, header->arrival, answer->when_ns);
      int64_t latency_ns = answer->when_ns - sender->latency_ns[header->number % 1024];
      if (sender->sent - header->number <= 1024 && latency_ns > sender->latency_max_ns)
        sender->latency_max_ns = latency_ns;
    }
  return header->kind;
}

/* How many answers there shall be to what was sent: numbers begin at 0. */
static uint32_t
sender_asked (const Sender *sender)
{
  return (sender->sent + sender->every - 1) / sender->every;
}

/* One packet at a time, each with as long as a slow guest may take: a guest that is busy is not kept so. */
static bool
sender_warm_up (Sender *sender, double seconds)
{
  MeterArrival answer;
  int in_a_row = 0;
  for (int64_t end_ns = meter_now () + (int64_t) (seconds * SECOND); !stopped && meter_now () < end_ns;)
    {
      int64_t until_ns = meter_now () + 3 * SECOND;
      bool answered = false;
      sender_put (sender, METER_WARM, 0);
      while (!answered && !stopped && meter_now () < until_ns)
        answered = sender_take (sender, &answer, until_ns) == METER_WARM;
      in_a_row = answered ? in_a_row + 1 : 0;
      if (in_a_row == WARM_ANSWERS)
        return true;
    }
  return false;
}

static void
sender_run (Sender *sender, const Options *options, double seconds)
{
  MeterArrival answer;
  int64_t interval_ns = SECOND / options->rate, next_ns = meter_now ();
  int64_t end_ns = seconds > 0 ? next_ns + (int64_t) (seconds * SECOND) : INT64_MAX;
  sender->first_ns = next_ns;
  while (!stopped && next_ns < end_ns && sender->sent < COUNTER_MAX - 1)
    {
      int64_t now_ns = meter_now ();
      if (now_ns < next_ns)
        {
          sender_take (sender, &answer, next_ns);
          continue;
        }
      sender->latency_ns[sender->sent % 1024] = sender->last_ns = now_ns;
      if (sender->sent_ns)
        sender->sent_ns[sender->sent] = now_ns;
      sender_put (sender, METER_DATA, sender->sent++);
      next_ns = now_ns - next_ns > 50 * MS ? now_ns + interval_ns : next_ns + interval_ns;
      while (sender_take (sender, &answer, 0))
        ;
    }
}

/* The same traffic, of which nothing counts: an emulated guest is slow until it has been through all of its code once. */
static void
sender_lead (Sender *sender, const Options *options)
{
  sender_run (sender, options, options->lead_s);
  sender->packet.header.run = meter_random ();
  sender->sent = 0;
  sender->latency_max_ns = 0;
  counter_clear (&sender->round_trip);
  counter_clear (&sender->back);
}

/* Waits until everything was answered, or nothing came for settle_s; then fetches the echo's counts. */
static bool
sender_finish (Sender *sender, const Options *options, MeterReport *report)
{
  MeterArrival answer;
  int64_t settle_ns = options->settle_s * SECOND, quiet_ns = meter_now () + settle_ns;
  while (sender->round_trip.received < sender_asked (sender) && meter_now () < quiet_ns)
    if (sender_take (sender, &answer, quiet_ns))
      quiet_ns = meter_now () + settle_ns;
  while (sender_take (sender, &answer, meter_now () + 100 * MS)) /* duplicates that are still on their way */
    ;
  for (int64_t end_ns = meter_now () + (int64_t) (options->report_s * SECOND); meter_now () < end_ns;)
    {
      int64_t next_ns = meter_now () + 250 * MS;
      sender_put (sender, METER_REPORT, sender->sent);
      while (meter_now () < next_ns)
        if (sender_take (sender, &answer, next_ns) == METER_REPORT)
          {
            *report = answer.packet.report;
            return true;
          }
    }
  return false;
}

static void
print_ranges (const char *name, const CounterRange *ranges, uint32_t n)
{
  printf ("\"%s\": [", name);
  for (uint32_t i = 0; i < n && i < METER_RANGES; i++)
    printf ("%s[%u, %u]", i ? ", " : "", ranges[i].first, ranges[i].last);
  printf ("]");
}

/* When the first and the last of each range were sent, seconds of the wall clock. */
static void
print_when (const Sender *sender, const CounterRange *ranges, uint32_t n)
{
  printf (", \"missing_at\": [");
  for (uint32_t i = 0; sender->sent_ns && i < n && i < METER_RANGES; i++)
    printf ("%s[%.3f, %.3f]", i ? ", " : "", sender->sent_ns[ranges[i].first] / 1e9, sender->sent_ns[ranges[i].last] / 1e9);
  printf ("]");
}

static void
sender_print (Sender *sender, const Options *options, const MeterReport *there)
{
  CounterRange missing[METER_RANGES];
  const Counter *trip = &sender->round_trip, *back = &sender->back;
  uint32_t answered = there ? there->answered : back->received ? back->highest + 1 : 0;
  uint32_t asked = sender_asked (sender);
  uint32_t n = counter_missing (trip, asked, missing, METER_RANGES);

  /* Silence at either end counts too: from the first packet on, and until the last one. */
  if (sender->round_trip.received == 0)
    sender->round_trip.last_ns = sender->first_ns;
  counter_idle (&sender->round_trip, sender->last_ns);
  printf ("{\"to\": \"%s\", \"rate\": %g, \"seconds\": %.3f, \"sent\": %u, \"asked\": %u, \"received\": %u, \"lost\": %u, "
          "\"duplicated\": %u, \"reordered\": %u, \"gap_ms\": %.1f, \"latency_max_ms\": %.1f, ",
          options->to, options->rate, (sender->last_ns - sender->first_ns) / 1e9, sender->sent, asked, trip->received,
          asked - trip->received, back->duplicated + (there ? there->duplicated : 0), trip->reordered, trip->gap_ns / 1e6,
          sender->latency_max_ns / 1e6);
  print_ranges ("missing", missing, n);
  if (there)
    {
      printf (", \"there\": {\"sent\": %u, \"received\": %u, \"lost\": %u, \"duplicated\": %u, \"reordered\": %u, "
              "\"overflowed\": %u, \"guest_clock_gap_ms\": %.1f, ",
              sender->sent, there->received, sender->sent - there->received, there->duplicated, there->reordered,
              there->overflowed, there->gap_ns / 1e6);
      print_ranges ("missing", there->missing, there->n_missing);
      print_when (sender, there->missing, there->n_missing);
      printf ("}");
    }
  else
    printf (", \"there\": null");
  n = counter_missing (back, answered, missing, METER_RANGES);
  printf (", \"back\": {\"sent\": %u, \"received\": %u, \"lost\": %u, \"duplicated\": %u, \"reordered\": %u, \"gap_ms\": %.1f, ",
          answered, back->received, answered - back->received, back->duplicated, back->reordered, back->gap_ns / 1e6);
  print_ranges ("missing", missing, n);
  printf ("}}\n");
}

static bool
parse (int argc, char **argv, Options *options)
{
  static const struct option names[] = {
      {"to", required_argument, NULL, 't'},      {"port", required_argument, NULL, 'p'},   {"rate", required_argument, NULL, 'r'},
      {"size", required_argument, NULL, 's'},    {"warm", required_argument, NULL, 'w'},   {"ready", required_argument, NULL, 'R'},
      {"seconds", required_argument, NULL, 'S'}, {"settle", required_argument, NULL, 'q'}, {"report", required_argument, NULL, 'e'},
      {"answer", required_argument, NULL, 'a'},
      {"lead", required_argument, NULL, 'l'},
      {0}};
  int option;
  while ((option = getopt_long (argc, argv, "", names, NULL)) != -1)
    switch (option)
      {
      case 't': options->to = optarg; break;
      case 'p': options->port = atoi (optarg); break;
      case 'r': options->rate = atof (optarg); break;
      case 's': options->size = atoi (optarg); break;
      case 'w': options->warm_s = atof (optarg); break;
      case 'R': options->ready = optarg; break;
      case 'S': options->seconds = atof (optarg); break;
      case 'q': options->settle_s = atof (optarg); break;
      case 'e': options->report_s = atof (optarg); break;
      case 'l': options->lead_s = atof (optarg); break;
      case 'a': options->every = atoi (optarg); break;
      default: return false;
      }
  return options->to && optind == argc && options->rate >= 1 && options->rate <= 1e5
         && options->every >= 1 && options->size >= (int) sizeof (MeterHeader) && options->size <= METER_MAX;
}

int
meter_send (int argc, char **argv)
{
  Options options = {.port = METER_PORT, .size = 64, .rate = 100, .every = 1, .warm_s = 90, .settle_s = 3, .report_s = 10};
  MeterReport report;
  static Sender sender;
  if (!parse (argc, argv, &options))
    {
      fprintf (stderr, "Usage: meter send --to ADDRESS [--rate PACKETS/S] [--size BYTES] [--port N] [--seconds N] [--ready FILE]\n"
                       "       [--warm N] [--settle N] [--report N]   longest waits in seconds; --warm 0: do not warm up\n"
                       "       [--answer N]   one packet in N is answered\n"
                       "       [--lead SECONDS]   of the same traffic before anything counts\n");
      return 2;
    }
  struct sigaction action = {.sa_handler = on_signal};
  sigaction (SIGTERM, &action, NULL);
  sigaction (SIGINT, &action, NULL);
  sender.fd = meter_socket ();
  sender.length = options.size;
  sender.every = options.every;
  sender.packet.header = (MeterHeader){.magic = METER_MAGIC, .run = meter_random ()};
  meter_address (options.to, options.port, &sender.to);
  if (options.warm_s > 0 && !sender_warm_up (&sender, options.warm_s))
    {
      fprintf (stderr, "meter: %s did not answer %d packets in a row within %.0f s\n", options.to, WARM_ANSWERS, options.warm_s);
      return 1;
    }
  if (options.lead_s > 0)
    sender_lead (&sender, &options);
  sender.sent_ns = malloc (COUNTER_MAX * sizeof *sender.sent_ns); /* what is not written to takes no memory */
  FILE *file = options.ready ? fopen (options.ready, "w") : NULL;
  if (file)
    fclose (file);
  sender_run (&sender, &options, options.seconds);
  bool reported = sender_finish (&sender, &options, &report);
  sender_print (&sender, &options, reported ? &report : NULL);
  return 0;
}
