/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lengths of taps' queues: longer for a guest that comes, and left alone from then on. */
#include "frames.h"
#include "netns.h"

#include "daemon/switchover/outlet.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int
queue_of (const char *dev)
{
  g_autofree char *text = sh_out ("ip link show %s | sed -n 's/.* qlen //p'", dev);

  return atoi (text);
}

static void
make_tap (guint length)
{
  sh ("ip tuntap add tap0 mode tap && ip link set tap0 txqueuelen %u up", length);
}

/* Longer, if it is not long enough; and so it stays when nobody wants it any more, and for a daemon that starts anew. */
static void
test_longer (void)
{
  g_autoptr (VrKernel) kernel = NULL, anew = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *longer = NULL, *shorter = NULL, *emptied = NULL;

  make_tap (700);
  kernel = new_kernel ();
  longer = apply (kernel, "queue tap0 2500\n");
  g_assert_nonnull (strstr (longer, "+ queue tap0 2500"));
  g_assert_cmpint (queue_of ("tap0"), ==, 2500);
  shorter = apply (kernel, "queue tap0 2000\n");
  g_assert_cmpstr (shorter, ==, "");
  emptied = apply (kernel, "");
  g_assert_cmpstr (emptied, ==, "");
  g_assert_cmpint (queue_of ("tap0"), ==, 2500);
  g_clear_object (&kernel);
  anew = new_kernel ();
  g_clear_pointer (&emptied, g_free);
  emptied = apply (anew, "");
  g_assert_cmpstr (emptied, ==, "");
  g_assert_true (vr_kernel_flush (anew, &error));
  g_assert_no_error (error);
  g_assert_cmpint (queue_of ("tap0"), ==, 2500);
}

/* ---- while packets come ---- */

enum { TAPS = 10, LEAST = 500, PAUSE_US = 50 };

/* Numbered frames into a tap, one each PAUSE_US, by a thread, until it is told to end. */
typedef struct {
  VrOutlet *tap;
  guint     sent;
  gboolean  end;
} Sender;

static gpointer
send_frames (gpointer data)
{
  Sender *sender = data;

  while (!__atomic_load_n (&sender->end, __ATOMIC_ACQUIRE))
    {
      g_autofree char *number = g_strdup_printf ("%u", sender->sent);
      g_autoptr (Frame) frame = frame_udp ("10.9.2.50", "10.9.1.100", 4000, number, FALSE);

      if (vr_outlet_send_frame (sender->tap, &frame->header, frame->data, frame->len) != 0)
        g_error ("frame %s was not sent", number);
      __atomic_store_n (&sender->sent, sender->sent + 1, __ATOMIC_RELEASE);
      g_usleep (PAUSE_US);
    }
  return NULL;
}

static void
await_sent (Sender *sender, guint more)
{
  guint until = __atomic_load_n (&sender->sent, __ATOMIC_ACQUIRE) + more;

  while (__atomic_load_n (&sender->sent, __ATOMIC_ACQUIRE) < until)
    g_usleep (1000);
}

/* Each of them is in the tap, in order. */
static void
expect_all (int fd, guint sent)
{
  for (guint i = 0; i < sent; i++)
    {
      g_autofree char *number = g_strdup_printf ("%u", i), *got = NULL;
      guint8 frame[2048];
      gsize  len = tap_read (fd, FALSE, frame, sizeof frame);

      got = frame_text (frame, len);
      g_assert_cmpstr (got, ==, number);
    }
}

/* A guest came, and packets come to it: when nothing of its queue is wanted any more, none of them is lost. */
static void
test_nothing_is_lost (void)
{
  g_autoptr (VrKernel) kernel = NULL;

  sh ("echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6");
  kernel = new_kernel ();
  for (guint i = 0; i < TAPS; i++)
    {
      int     fd = tap_open ("tap0", 0);
      Sender  sender = { 0 };
      GThread *thread;
      g_autofree char *longer = NULL, *emptied = NULL;

      sh ("ip link set tap0 txqueuelen 100000"); /* nobody reads them before the end */
      longer = apply (kernel, "queue tap0 200000\n");
      g_assert_cmpint (queue_of ("tap0"), ==, 200000);
      sender.tap = vr_outlet_new ("tap0", NULL);
      g_assert_nonnull (sender.tap);
      thread = g_thread_new ("sender", send_frames, &sender);
      await_sent (&sender, LEAST);
      emptied = apply (kernel, "");
      await_sent (&sender, LEAST);
      __atomic_store_n (&sender.end, TRUE, __ATOMIC_RELEASE);
      g_thread_join (thread);
      expect_all (fd, sender.sent);
      vr_outlet_free (sender.tap);
      close (fd);
    }
}

int
main (int argc, char **argv)
{
  netns_init (&argc, &argv);
  netns_add ("/kernel/queue/longer", test_longer);
  netns_add ("/kernel/queue/nothing-is-lost", test_nothing_is_lost);
  return g_test_run ();
}
