/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "standin.h"

#include "frames.h"

#include <errno.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DEADLINE_MS = 20000, MAX_QUEUES = 8 };

struct _Standin {
  pid_t pid;
  int   commands, texts; /* ends of socket pairs */
};

/* ---- the stand-in's own process ---- */

typedef struct {
  int         fds[MAX_QUEUES];
  guint       queues, swallow[MAX_QUEUES], swallowed; /* how many frames each may still swallow; how many were */
  gboolean    running;
  guint8     *held[MAX_QUEUES];
  gssize      held_len[MAX_QUEUES];
  int         commands, texts;
  StandinTake take;
  gpointer    data;
} Own;

static const gsize header_size = sizeof (struct virtio_net_hdr);

static void
give (Own *own, const guint8 *read, gssize len)
{
  g_autofree char *text = NULL;

  if (len <= (gssize) header_size)
    return;
  if (own->take != NULL)
    {
      own->take (read + header_size, len - header_size, own->data);
      return;
    }
  text = frame_text (read + header_size, len - header_size);
  if (text != NULL)
    send (own->texts, text, strlen (text), 0);
}

static void
read_queue (Own *own, guint queue, guint8 *buffer)
{
  gssize len;

  if (!own->running && own->swallow[queue] == 0)
    return;
  len = read (own->fds[queue], buffer, FRAME_MAX);
  if (len < 0)
    return;
  if (own->running)
    {
      give (own, buffer, len);
      return;
    }
  own->swallow[queue]--;
  own->swallowed++;
  own->held_len[queue] = len;
  memcpy (own->held[queue], buffer, len);
}

static void
stop (Own *own, gboolean swallow)
{
  gint64 now;

  own->running = FALSE;
  for (guint i = 0; i < own->queues; i++)
    {
      own->swallow[i] = swallow ? 1 : 0;
      own->held_len[i] = 0; /* what was taken while it waited for its CPUs is gone */
    }
  now = g_get_real_time ();
  send (own->commands, &now, sizeof now, 0);
}

static void
say_swallowed (Own *own)
{
  gint64 count = own->swallowed;

  send (own->commands, &count, sizeof count, 0);
}

static void
resume (Own *own)
{
  gint64 done = 0;

  own->running = TRUE;
  for (guint i = 0; i < own->queues; i++)
    {
      give (own, own->held[i], own->held_len[i]);
      own->held_len[i] = 0;
    }
  send (own->commands, &done, sizeof done, 0);
}

static void
run (Own *own)
{
  guint8 *buffer = g_malloc (FRAME_MAX);

  for (;;)
    {
      struct pollfd waiting[MAX_QUEUES + 1] = { { .fd = own->commands, .events = POLLIN } };
      char          command[2];

      for (guint i = 0; i < own->queues; i++)
        waiting[i + 1] = (struct pollfd) { .fd = own->running || own->swallow[i] > 0 ? own->fds[i] : -1, .events = POLLIN };
      poll (waiting, own->queues + 1, -1);
      if (waiting[0].revents != 0)
        {
          if (recv (own->commands, command, sizeof command, 0) <= 0)
            _exit (0);
          if (command[0] == 'S')
            stop (own, command[1]);
          else if (command[0] == 'C')
            say_swallowed (own);
          else
            resume (own);
          continue;
        }
      for (guint i = 0; i < own->queues; i++)
        if (waiting[i + 1].revents != 0)
          read_queue (own, i, buffer);
    }
}

static void
be_standin (Own *own, const char *tap, const char *pid_file)
{
  g_autofree char *pid = g_strdup_printf ("%d", getpid ());
  gint64           ready = 0;

  prctl (PR_SET_PDEATHSIG, SIGKILL);
  for (guint i = 0; i < own->queues; i++)
    {
      own->fds[i] = tap_open (tap, IFF_VNET_HDR | (own->queues > 1 ? IFF_MULTI_QUEUE : 0));
      own->held[i] = g_malloc (FRAME_MAX);
      if (ioctl (own->fds[i], TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) < 0) /* as a virtio guest wants */
        _exit (1);
    }
  if (!g_file_set_contents (pid_file, pid, -1, NULL))
    _exit (1);
  send (own->commands, &ready, sizeof ready, 0);
  run (own);
}

/* ---- the test's side ---- */

static gint64
answer (Standin *standin)
{
  struct pollfd waiting = { .fd = standin->commands, .events = POLLIN };
  gint64        value;

  if (poll (&waiting, 1, DEADLINE_MS) <= 0 || recv (standin->commands, &value, sizeof value, 0) != sizeof value)
    g_error ("the stand-in does not answer");
  return value;
}

Standin *
standin_start (const char *tap, guint queues, gboolean running, const char *pid_file, StandinTake take, gpointer data)
{
  Standin *standin = g_new0 (Standin, 1);
  int      commands[2], texts[2];

  g_assert_cmpuint (queues, <=, MAX_QUEUES);
  g_assert_cmpint (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, commands), ==, 0);
  g_assert_cmpint (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, texts), ==, 0);
  standin->commands = commands[0];
  standin->texts = texts[0];
  standin->pid = fork ();
  if (standin->pid == 0)
    {
      Own own = { .queues = queues, .running = running, .commands = commands[1], .texts = texts[1], .take = take, .data = data };

      close (commands[0]);
      close (texts[0]);
      be_standin (&own, tap, pid_file);
    }
  close (commands[1]);
  close (texts[1]);
  answer (standin);
  return standin;
}

static gint64
tell (Standin *standin, char what, char how)
{
  char command[2] = { what, how };

  g_assert_cmpint (send (standin->commands, command, sizeof command, 0), ==, sizeof command);
  return answer (standin);
}

void
standin_begin_to_stop (Standin *standin)
{
  tell (standin, 'S', TRUE);
}

gint64
standin_stop (Standin *standin, gboolean swallow)
{
  return tell (standin, 'S', swallow);
}

void
standin_expect_swallowed (Standin *standin, guint frames)
{
  gint64 deadline = g_get_monotonic_time () + DEADLINE_MS * 1000;

  while (tell (standin, 'C', 0) < frames)
    {
      g_assert_cmpint (g_get_monotonic_time (), <, deadline);
      g_usleep (1000);
    }
}

void
standin_resume (Standin *standin)
{
  tell (standin, 'R', 0);
}

void
standin_end (Standin *standin)
{
  kill (standin->pid, SIGKILL);
  waitpid (standin->pid, NULL, 0);
  close (standin->commands);
  close (standin->texts);
  g_free (standin);
}

pid_t
standin_pid (const Standin *standin)
{
  return standin->pid;
}

void
standin_expect (Standin *standin, const char *text)
{
  struct pollfd waiting = { .fd = standin->texts, .events = POLLIN };
  char          got[256] = "";

  if (poll (&waiting, 1, DEADLINE_MS) <= 0)
    g_error ("the guest did not get \"%s\"", text);
  g_assert_cmpint (recv (standin->texts, got, sizeof got - 1, 0), >, 0);
  g_assert_cmpstr (got, ==, text);
}
