/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lab-init: process 1 of a PID namespace.
 *
 *   lab-init             reaps for ever; the namespace ends when it is killed
 *   lab-init CMD ARG...  runs CMD, reaps whatever else ends, and exits with CMD's status
 *
 * A process 1 that does not reap leaves zombies, and libvirtd waits 40 s for each QEMU that it probes then: to kill() a
 * zombie looks alive. When this process exits the kernel kills what is left in the namespace.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t
command_start (char **argv, const sigset_t *blocked)
{
  pid_t pid = fork ();
  if (pid == 0)
    {
      sigprocmask (SIG_UNBLOCK, blocked, NULL);
      execvp (argv[0], argv);
      fprintf (stderr, "lab-init: cannot run %s: %s\n", argv[0], strerror (errno));
      _exit (127);
    }
  return pid;
}

int
main (int argc, char **argv)
{
  sigset_t set;
  pid_t command = 0, pid;
  int status;

  /* All signals that matter are waited for, so none can come between a look and the wait. */
  sigemptyset (&set);
  sigaddset (&set, SIGCHLD);
  sigaddset (&set, SIGTERM);
  sigaddset (&set, SIGINT);
  sigprocmask (SIG_BLOCK, &set, NULL);
  if (argc > 1 && (command = command_start (argv + 1, &set)) < 0)
    {
      perror ("lab-init: fork");
      return 126;
    }
  for (;;)
    {
      while ((pid = waitpid (-1, &status, WNOHANG)) > 0)
        if (pid == command)
          return WIFEXITED (status) ? WEXITSTATUS (status) : 128 + WTERMSIG (status);
      int signal_number = sigwaitinfo (&set, NULL);
      if (command > 0 && (signal_number == SIGTERM || signal_number == SIGINT))
        kill (command, signal_number);
    }
}
