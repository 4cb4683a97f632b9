/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The answering end of the meter. Runs for ever, in the guest or in a namespace.
 *
 * It keeps one counter for each run of a sender, the oldest of which makes room for a new one. Answers go back at once and in
 * the order of arrival; if the sender says so, each so many packets has one: an emulated guest counts more than it can answer. A command (METER_ASK) runs in a child, so that answering never waits for it; its answer stays in
 * a file, because the question is repeated until an answer arrives, and the command must run once only.
 */
#include "meter.h"

#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sys/socket.h>
#include <unistd.h>

#define RUNS 16
#define QUESTIONS 64

typedef struct
{
  uint64_t run;
  uint64_t used; /* the run that was used longest ago makes room */
  uint32_t answered;
  uint32_t overflowed_before, overflowed; /* of the socket: when this run began, and as of its last packet */
  Counter counter;
} EchoRun;

static EchoRun runs[RUNS];
static uint64_t questions[QUESTIONS]; /* the last ones, a ring */
static unsigned n_questions;

static EchoRun *
echo_run_find (uint64_t run, uint32_t overflowed)
{
  static uint64_t clock;
  EchoRun *oldest = &runs[0];
  for (unsigned i = 0; i < RUNS; i++)
    {
      if (runs[i].run == run)
        {
          runs[i].used = ++clock;
          runs[i].overflowed = overflowed;
          return &runs[i];
        }
      if (runs[i].used < oldest->used)
        oldest = &runs[i];
    }
  counter_clear (&oldest->counter);
  *oldest = (EchoRun){.run = run, .used = ++clock, .overflowed_before = overflowed, .overflowed = overflowed};
  return oldest;
}

static void
echo_reply (int fd, const MeterPacket *packet, size_t length, const struct sockaddr_in6 *to)
{
  sendto (fd, packet, length, 0, (const struct sockaddr *) to, sizeof *to); /* lost is lost: the sender counts it */
}

static void
echo_report (int fd, MeterPacket *packet, EchoRun *run, const struct sockaddr_in6 *to)
{
  Counter *counter = &run->counter;
  packet->report = (MeterReport){.received = counter->received, .duplicated = counter->duplicated,
                                 .reordered = counter->reordered, .answered = run->answered, .gap_ns = counter->gap_ns,
                                 .overflowed = run->overflowed - run->overflowed_before};
  packet->report.n_missing = counter_missing (counter, packet->header.number, packet->report.missing, METER_RANGES);
  echo_reply (fd, packet, sizeof packet->header + sizeof packet->report, to);
}

static void
answer_name (char *name, size_t size, uint64_t question)
{
  snprintf (name, size, "/tmp/meter-answer-%016llx", (unsigned long long) question);
}

/* In a child: runs the command and leaves header and output in the answer's file. */
static void
question_run (const MeterPacket *question, const char *name)
{
  MeterPacket answer = {.header = question->header};
  char temporary[80];
  FILE *pipe = popen (question->text, "r");
  size_t n = pipe ? fread (answer.text, 1, sizeof answer.text, pipe) : 0;
  while (pipe && fgetc (pipe) != EOF) /* what has no room is read nevertheless, or the command would wait for ever */
    ;
  int status = pipe ? pclose (pipe) : -1;
  answer.header.kind = METER_ANSWER;
  answer.header.number = status == -1 ? 127 : WIFEXITED (status) ? WEXITSTATUS (status) : 128 + WTERMSIG (status);
  snprintf (temporary, sizeof temporary, "%s.new", name);
  FILE *file = fopen (temporary, "w");
  if (!file || fwrite (&answer, sizeof answer.header + n, 1, file) != 1 || fclose (file) || rename (temporary, name))
    perror ("meter: cannot keep an answer");
}

static void
echo_ask (int fd, MeterPacket *packet, int length, const struct sockaddr_in6 *to)
{
  char name[64];
  answer_name (name, sizeof name, packet->header.run);
  for (unsigned i = 0; i < QUESTIONS; i++)
    if (questions[i] == packet->header.run)
      {
        FILE *file = fopen (name, "r");
        size_t n = file ? fread (packet, 1, sizeof *packet, file) : 0;
        if (file)
          fclose (file);
        if (n)
          echo_reply (fd, packet, n, to);
        return;
      }
  packet->bytes[length < METER_MAX ? length : METER_MAX - 1] = '\0';
  questions[n_questions++ % QUESTIONS] = packet->header.run;
  if (fork () == 0)
    {
      signal (SIGCHLD, SIG_DFL);
      question_run (packet, name);
      _exit (0);
    }
}

static void
echo_data (int fd, MeterArrival *arrival)
{
  MeterPacket *packet = &arrival->packet;
  uint32_t every = packet->header.arrival ? packet->header.arrival : 1;
  EchoRun *run = echo_run_find (packet->header.run, arrival->overflowed);
  if (!counter_add (&run->counter, packet->header.number, arrival->when_ns) || packet->header.number % every != 0)
    return;
  packet->header.arrival = run->answered++;
  echo_reply (fd, packet, arrival->length, &arrival->peer);
}

static void
echo_handle (int fd, MeterArrival *arrival)
{
  MeterPacket *packet = &arrival->packet;
  if (arrival->length < 0)
    return;
  switch (packet->header.kind)
    {
    case METER_WARM:
      echo_reply (fd, packet, arrival->length, &arrival->peer);
      break;
    case METER_DATA:
      echo_data (fd, arrival);
      break;
    case METER_REPORT:
      echo_report (fd, packet, echo_run_find (packet->header.run, arrival->overflowed), &arrival->peer);
      break;
    case METER_ASK:
      echo_ask (fd, packet, arrival->length, &arrival->peer);
      break;
    default:
      break;
    }
}

int
meter_echo (int argc, char **argv)
{
  static const struct option options[] = {{"port", required_argument, NULL, 'p'}, {0}};
  int port = METER_PORT, option;
  while ((option = getopt_long (argc, argv, "", options, NULL)) != -1)
    if (option == 'p')
      port = atoi (optarg);
    else
      return 2;
  struct sockaddr_in6 own = {.sin6_family = AF_INET6, .sin6_port = htons (port)};
  int fd = meter_socket ();
  if (bind (fd, (struct sockaddr *) &own, sizeof own) < 0)
    {
      fprintf (stderr, "meter: cannot listen on port %d: %s\n", port, strerror (errno));
      return 2;
    }
  signal (SIGCHLD, SIG_IGN); /* the commands' children need no reaping */
  printf ("meter: listening\n");
  fflush (stdout);
  for (;;)
    {
      static MeterArrival arrivals[METER_BATCH];
      struct pollfd wait = {fd, POLLIN, 0};
      int n = meter_receive (fd, arrivals, METER_BATCH);
      for (int i = 0; i < n; i++)
        echo_handle (fd, &arrivals[i]);
      if (n < METER_BATCH)
        poll (&wait, 1, -1);
    }
}
