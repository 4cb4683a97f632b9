/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * meter ask --to ADDRESS [--wait SECONDS] [COMMAND]: the echo at ADDRESS runs COMMAND once, with a shell; its output is printed
 * and its exit status is ours. Without a COMMAND it is only asked for a sign of life. 124 when no answer came in time. The
 * question is repeated until it is answered.
 */
#include "meter.h"

#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int
meter_ask (int argc, char **argv)
{
  static const struct option options[] = {
      {"to", required_argument, NULL, 't'}, {"wait", required_argument, NULL, 'w'}, {"port", required_argument, NULL, 'p'}, {0}};
  const char *to = NULL;
  double wait_s = 5;
  int option, port = METER_PORT;
  while ((option = getopt_long (argc, argv, "+", options, NULL)) != -1)
    switch (option)
      {
      case 't':
        to = optarg;
        break;
      case 'w':
        wait_s = atof (optarg);
        break;
      case 'p':
        port = atoi (optarg);
        break;
      default:
        return 2;
      }
  const char *command = optind < argc ? argv[optind++] : NULL;
  if (!to || optind != argc || (command && strlen (command) > METER_MAX - sizeof (MeterHeader) - 1))
    {
      fprintf (stderr, "Usage: meter ask --to ADDRESS [--wait SECONDS] [--port N] [COMMAND]\n");
      return 2;
    }
  MeterPacket question = {.header = {.magic = METER_MAGIC, .kind = command ? METER_ASK : METER_WARM, .run = meter_random ()}};
  MeterKind expected = command ? METER_ANSWER : METER_WARM;
  size_t length = strlen (strcpy (question.text, command ? command : "")) + 1 + sizeof question.header;
  int fd = meter_socket ();
  static MeterArrival arrival;
  const MeterPacket *answer = &arrival.packet;
  struct sockaddr_in6 peer;
  meter_address (to, port, &peer);
  for (int64_t end_ns = meter_now () + (int64_t) (wait_s * 1e9); meter_now () < end_ns;)
    {
      struct pollfd wait = {fd, POLLIN, 0};
      sendto (fd, &question, length, 0, (struct sockaddr *) &peer, sizeof peer); /* no way yet: asked again below */
      if (poll (&wait, 1, 500) <= 0)
        continue;
      if (meter_receive (fd, &arrival, 1) == 0 || arrival.length < 0 || answer->header.kind != expected
          || answer->header.run != question.header.run)
        continue;
      if (command)
        fwrite (answer->text, 1, arrival.length - sizeof answer->header, stdout);
      return answer->header.number;
    }
  fprintf (stderr, "meter: no answer from %s in %.0f s\n", to, wait_s);
  return 124;
}
