/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virt-relay-hook has nothing to hand over: it says why in one line, and neither delivers nor spools. */
#include "daemon/names.h"
#include "hook-run.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* The hook says one line with `part` in it, and neither delivers nor spools. */
static void
assert_drops (const Scratch *scratch, const char *wrap, const char *const *args, const char *input, gssize len, const char *part)
{
  Daemon *daemon = daemon_start (scratch, TAKE);
  g_autofree char *said = run_wrapped (scratch, wrap, args, input, len);

  assert_one_line (said, part);
  g_assert_cmpuint (count_files (scratch->spool), ==, 0);
  daemon_stop (daemon, scratch);
  g_unlink (scratch->socket);
}

static const char *const start_args[] = { "d", "start", "begin", "-", NULL };

static void
test_arguments (Scratch *scratch, gconstpointer data)
{
  static const char *const unknown[] = { "d", "levitate", "begin", "-", NULL };
  g_autofree char *name = g_strnfill (VR_EVENT_MAX_HEADER, 'x');
  const char *const long_name[] = { name, "start", "begin", "-", NULL };

  assert_drops (scratch, PIPED, start_args + 4, XML, -1, "run by libvirt");
  assert_drops (scratch, PIPED, start_args + 2, XML, -1, "run by libvirt");
  assert_drops (scratch, PIPED, unknown, XML, -1, "an operation that virt-relay does not know");
  assert_drops (scratch, PIPED, long_name, XML, -1, "");
}

static void
test_line_break_in_name (Scratch *scratch, gconstpointer data)
{
  static const char *const args[] = { "d\nvirt-relay-hook: forged", "levitate", "begin", "-", NULL };

  assert_drops (scratch, PIPED, args, XML, -1, "d?virt-relay-hook: forged");
}

static void
test_no_input (Scratch *scratch, gconstpointer data)
{
  assert_drops (scratch, PIPED, start_args, "", -1, "no domain XML");
  assert_drops (scratch, "exec \"$@\" </dev/null", start_args, "", -1, "no domain XML");
  assert_drops (scratch, "exec \"$@\" <&-", start_args, "", -1, "no domain XML");
}

static void
test_terminal (Scratch *scratch, gconstpointer data)
{
  g_autofree char *wrap = NULL;
  int terminal = posix_openpt (O_RDWR | O_NOCTTY);

  if (terminal < 0 || grantpt (terminal) != 0 || unlockpt (terminal) != 0)
    {
      g_test_skip ("no pseudo-terminals here");
      return;
    }
  wrap = g_strdup_printf ("exec \"$@\" <%s", ptsname (terminal));
  assert_drops (scratch, wrap, start_args, "", -1, "a terminal");
  g_close (terminal, NULL);
}

static void
test_garbage (Scratch *scratch, gconstpointer data)
{
  assert_drops (scratch, PIPED, start_args, "garbage", -1, "not a whole XML document");
  assert_drops (scratch, PIPED, start_args, " \n\t ", -1, "no domain XML");
  assert_drops (scratch, PIPED, start_args, "<domain><name>d</na", -1, "not a whole XML document");
  assert_drops (scratch, PIPED, start_args, "\0\0\0\0", 4, "not a whole XML document");
}

static void
test_too_large (Scratch *scratch, gconstpointer data)
{
  g_autofree char *xml = large_document (VR_EVENT_MAX_XML + 1);

  assert_drops (scratch, PIPED, start_args, xml, -1, "larger than 16 MiB");
}

static void
test_endless_input (Scratch *scratch, gconstpointer data)
{
  assert_drops (scratch, "exec \"$@\" </dev/zero", start_args, "", -1, "did not end within 1 s");
}

/* A writer that never closes its end. */
static void
test_input_stays_open (Scratch *scratch, gconstpointer data)
{
  g_autofree char *fifo = g_build_filename (scratch->dir, "fifo", NULL);
  g_autofree char *wrap = g_strdup_printf ("mkfifo '%s' && exec \"$@\" <>'%s'", fifo, fifo);

  assert_drops (scratch, wrap, start_args, "", -1, "did not end within 1 s");
}

int
main (int argc, char **argv)
{
#define ADD(path, function) g_test_add (path, Scratch, NULL, scratch_set_up, function, scratch_tear_down)
  g_test_init (&argc, &argv, NULL);
  ADD ("/hook/drop/arguments", test_arguments);
  ADD ("/hook/drop/line-break-in-name", test_line_break_in_name);
  ADD ("/hook/drop/no-input", test_no_input);
  ADD ("/hook/drop/terminal", test_terminal);
  ADD ("/hook/drop/garbage", test_garbage);
  ADD ("/hook/drop/too-large", test_too_large);
  ADD ("/hook/drop/endless-input", test_endless_input);
  ADD ("/hook/drop/input-stays-open", test_input_stays_open);
  return g_test_run ();
}
