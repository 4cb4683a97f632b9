/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The switchover at the origin: a stand-in for QEMU has the guest's tap, the tunnel is a tap that the test reads, and frames are put into the
 * guest's tap as its bridge would.
 */
#include "daemon/switchover/switchover.h"

#include "daemon/switchover/outlet.h"
#include "frames.h"
#include "netns.h"
#include "standin.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PID_FILE "/run/d.pid"
#define PEER "10.9.2.50"
#define GUEST "10.9.1.100"
#define PEER6 "fd00:9:2::50"
#define GUEST6 "fd00:9:1::100"
#define PORT 4000

static const char *const addresses[] = { GUEST, GUEST6, NULL };

typedef struct {
  Standin      *qemu;
  int           tunnel;
  VrOutlet     *tap, *out; /* into the guest's tap; by the tunnel, as what is relayed */
  VrSwitchover *switchover;
  guint         flips;
} World;

static VrOutlet *
outlet (const char *dev)
{
  g_autoptr (GError) error = NULL;
  VrOutlet *made = vr_outlet_new (dev, &error);

  g_assert_no_error (error);
  return made;
}

static VrSwitchoverSetup *
setup_of (const char *pid_file, const char *tunnel, gsize copies, gsize kept)
{
  VrSwitchoverSetup *setup = vr_switchover_setup_new (pid_file, tunnel);

  setup->copies_memory = copies;
  setup->kept_memory = kept;
  vr_switchover_setup_add_nic (setup, "tap0", GUEST_MAC, GATEWAY_MAC, addresses);
  return setup;
}

#define MUCH (4 * 1024 * 1024)

static void
world_open (World *world, guint queues)
{
  /* The kernel's own reports of multicast groups would be frames to the guest too. */
  sh ("echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6");
  world->qemu = standin_start ("tap0", queues, TRUE, PID_FILE, NULL, NULL);
  world->tunnel = tap_open ("vr-h3", 0);
  sh ("ip link set vr-h3 arp off txqueuelen 4000; ip link set tap0 txqueuelen 1000");
  world->tap = outlet ("tap0");
  world->out = outlet ("vr-h3");
  world->switchover = NULL;
  world->flips = 0;
}

static void
arm (World *world, const char *pid_file, gsize copies, gsize kept)
{
  world->switchover = vr_switchover_arm (setup_of (pid_file, "vr-h3", copies, kept));
}

static void
world_new (World *world)
{
  world_open (world, 1);
  arm (world, PID_FILE, MUCH, MUCH);
}

static void
world_end (World *world)
{
  vr_switchover_free (world->switchover);
  vr_outlet_free (world->tap);
  vr_outlet_free (world->out);
  close (world->tunnel);
  if (world->qemu != NULL)
    standin_end (world->qemu);
}

static VrSwitchoverNic
counts_of (World *world)
{
  VrSwitchoverCounts counts;

  vr_switchover_get_counts (world->switchover, &counts);
  g_assert_cmpuint (counts.nics[0].to_guest, ==, counts.nics[0].delivered + counts.nics[0].resent + counts.nics[0].not_sent);
  return counts.nics[0];
}

/* ---- frames ---- */

static void
put (World *world, const Frame *frame)
{
  g_assert_cmpint (vr_outlet_send_frame (world->tap, &frame->header, frame->data, frame->len), ==, 0);
}

static void
put_text (World *world, const char *text)
{
  g_autoptr (Frame) frame = frame_udp (PEER, GUEST, PORT, text, TRUE);

  put (world, frame);
}

static void
put_texts (World *world, const char *texts)
{
  g_auto (GStrv) all = g_strsplit (texts, " ", -1);

  for (guint i = 0; all[i] != NULL; i++)
    put_text (world, all[i]);
}

/* The guest gets them. */
static void
deliver (World *world, const char *texts)
{
  g_auto (GStrv) all = g_strsplit (texts, " ", -1);

  for (guint i = 0; all[i] != NULL; i++)
    {
      put_text (world, all[i]);
      standin_expect (world->qemu, all[i]);
    }
}

/* What leaves by the tunnel: just these, in that order, whole and right, and then nothing. */
static void
expect_out (World *world, const char *texts)
{
  g_auto (GStrv) all = g_strsplit (texts, " ", -1);
  g_autoptr (Frame) last = frame_udp (PEER, "10.9.9.9", PORT, "last", FALSE);
  guint8 got[2048];

  g_assert_cmpint (vr_outlet_send_packet (world->out, NULL, last->data + ETH_HLEN, last->len - ETH_HLEN), ==, 0);
  for (guint i = 0;; i++)
    {
      gsize            len = tap_read (world->tunnel, FALSE, got, sizeof got);
      g_autofree char *text = frame_text (got, len);

      g_assert_true (frame_is_right (got, len));
      if (all[i] == NULL || *all[i] == '\0')
        {
          g_assert_cmpstr (text, ==, "last");
          return;
        }
      g_assert_cmpstr (text, ==, all[i]);
    }
}

/* What is relayed to the guest by the new route. */
static void
relay_text (World *world, const char *text)
{
  g_autoptr (Frame) frame = frame_udp (PEER, GUEST, PORT, text, TRUE);

  frame->header.csum_start -= ETH_HLEN;
  g_assert_cmpint (vr_outlet_send_packet (world->out, &frame->header, frame->data + ETH_HLEN, frame->len - ETH_HLEN), ==, 0);
}

/* ---- switching ---- */

static gboolean
flip (gpointer data)
{
  World *world = data;

  world->flips++;
  return TRUE;
}

static void
run_at (World *world, gint64 stop_us)
{
  g_assert_true (vr_switchover_run (world->switchover, stop_us, g_get_real_time (), flip, world));
  g_assert_cmpuint (world->flips, ==, 1);
}

static gboolean
has_let_go (gpointer data)
{
  World             *world = data;
  VrSwitchoverCounts counts;

  vr_switchover_get_counts (world->switchover, &counts);
  return counts.let_go_ns != 0;
}

/* Long enough that what came before is not taken for what QEMU swallowed around a stop. */
static void
let_it_grow_old (void)
{
  g_usleep (100 * 1000);
}

/* Long before the frames of a test: none of them is older than what QEMU may have swallowed. Long after: all are. */
#define LONG_BEFORE(STOP) ((STOP) - 1000 * G_USEC_PER_SEC)
#define LONG_AFTER(STOP) ((STOP) + 1000 * G_USEC_PER_SEC)

/* ---- tests ---- */

static void
test_queued (void)
{
  World world;
  gint64 stop;

  world_new (&world);
  deliver (&world, "1 2 3");
  let_it_grow_old ();
  stop = standin_stop (world.qemu, FALSE);
  put_texts (&world, "4 5 6");
  run_at (&world, LONG_AFTER (stop));
  expect_out (&world, "4 5 6");
  g_assert_cmpint (counts_of (&world).way, ==, VR_WAY_QUEUES);
  g_assert_cmpuint (counts_of (&world).queues, ==, 1);
  g_assert_cmpuint (counts_of (&world).delivered, ==, 3);
  g_assert_cmpuint (counts_of (&world).drained, ==, 3);
  g_assert_cmpuint (counts_of (&world).resent, ==, 3);
  g_assert_cmpuint (counts_of (&world).partial, ==, 3);
  g_assert_cmpuint (counts_of (&world).swallowed, ==, 0);
  world_end (&world);
}

/* One while it waited for its CPUs, one after: they are in no queue, and are sent all the same. */
static void
test_swallowed (void)
{
  World world;
  gint64 stop;

  world_new (&world);
  deliver (&world, "1 2 3");
  standin_begin_to_stop (world.qemu);
  put_text (&world, "4");
  standin_expect_swallowed (world.qemu, 1);
  stop = standin_stop (world.qemu, TRUE);
  put_text (&world, "5");
  standin_expect_swallowed (world.qemu, 2);
  put_texts (&world, "6 7");
  run_at (&world, LONG_BEFORE (stop));
  expect_out (&world, "4 5 6 7");
  g_assert_cmpuint (counts_of (&world).drained, ==, 2);
  g_assert_cmpuint (counts_of (&world).swallowed, ==, 2);
  g_assert_cmpuint (counts_of (&world).delivered, ==, 3);
  world_end (&world);
}

/* The guest was slow and its queue long: what was swallowed is as old as what is left, and older than the stop. */
static void
test_backlog (void)
{
  World world;
  gint64 stop;

  world_new (&world);
  deliver (&world, "1 2 3");
  let_it_grow_old ();
  standin_begin_to_stop (world.qemu);
  put_text (&world, "4");
  standin_expect_swallowed (world.qemu, 1);
  stop = standin_stop (world.qemu, TRUE);
  put_text (&world, "5");
  standin_expect_swallowed (world.qemu, 2);
  put_texts (&world, "6 7");
  run_at (&world, LONG_AFTER (stop));
  expect_out (&world, "4 5 6 7");
  g_assert_cmpuint (counts_of (&world).swallowed, ==, 2);
  world_end (&world);
}

/* QEMU took them and nothing came after them. */
static void
test_nothing_left (void)
{
  World world;
  gint64 stop;

  world_new (&world);
  deliver (&world, "1 2 3");
  stop = standin_stop (world.qemu, TRUE);
  put_text (&world, "4");
  standin_expect_swallowed (world.qemu, 1);
  run_at (&world, LONG_BEFORE (stop));
  expect_out (&world, "3 4");
  g_assert_cmpuint (counts_of (&world).drained, ==, 0);
  g_assert_cmpuint (counts_of (&world).swallowed, ==, 2);
  world_end (&world);
}

/* Nothing was swallowed: two that the guest has arrive twice, no more. */
static void
test_duplicates (void)
{
  World world;
  gint64 stop;

  world_new (&world);
  deliver (&world, "1 2 3 4 5");
  stop = standin_stop (world.qemu, FALSE);
  put_texts (&world, "6 7");
  run_at (&world, LONG_BEFORE (stop));
  expect_out (&world, "4 5 6 7");
  world_end (&world);
}

/* Frames that are alike to the last bit: as many as were left, and two. */
static void
test_alike (void)
{
  World world;
  gint64 stop;

  world_new (&world);
  deliver (&world, "x x x x x x x x");
  stop = standin_stop (world.qemu, FALSE);
  put_texts (&world, "x x x x");
  run_at (&world, LONG_AFTER (stop));
  g_assert_cmpuint (counts_of (&world).drained, ==, 4);
  g_assert_cmpuint (counts_of (&world).resent, >=, 4);
  g_assert_cmpuint (counts_of (&world).resent, <=, 6);
  world_end (&world);
}

static void
test_ipv6 (void)
{
  World world;
  g_autoptr (Frame) six = frame_udp (PEER6, GUEST6, PORT, "six", TRUE);
  g_autoptr (Frame) complete = frame_udp (PEER6, GUEST6, PORT, "complete", FALSE);
  gint64 stop;

  world_new (&world);
  stop = standin_stop (world.qemu, FALSE);
  put (&world, six);
  put (&world, complete);
  run_at (&world, LONG_AFTER (stop));
  expect_out (&world, "six complete");
  g_assert_cmpuint (counts_of (&world).partial, ==, 1);
  world_end (&world);
}

/* A frame of 64 KiB between two small ones: whole, in its place, segmented on its way out. */
static void
test_gso (void)
{
  World world;
  gint64 stop;
  guint8 got[2048];

  world_new (&world);
  stop = standin_stop (world.qemu, FALSE);
  for (guint v6 = 0; v6 < 2; v6++)
    {
      g_autoptr (Frame) large = frame_tcp (v6 ? PEER6 : PEER, v6 ? GUEST6 : GUEST, 40, 1000);

      put_text (&world, "before");
      put (&world, large);
      put_text (&world, "after");
    }
  run_at (&world, LONG_AFTER (stop));
  for (guint v6 = 0; v6 < 2; v6++)
    for (guint i = 0; i < 42; i++)
      {
        gsize            len = tap_read (world.tunnel, FALSE, got, sizeof got);
        g_autofree char *text = frame_text (got, len);

        g_assert_true (frame_is_right (got, len));
        g_assert_cmpstr (text, ==, i == 0 ? "before" : i == 41 ? "after" : NULL);
        if (text == NULL)
          g_assert_cmpuint (got[len - 1], ==, i - 1);
      }
  g_assert_cmpuint (counts_of (&world).gso, ==, 2);
  world_end (&world);
}

static gboolean
has_passed (gpointer data)
{
  return g_get_monotonic_time () >= *(gint64 *) data;
}

static void
put_large (World *world, guint frames)
{
  g_autoptr (Frame) large = frame_tcp (PEER, GUEST, 40, 1000);

  for (guint i = 0; i < frames; i++)
    {
      large->data[ETH_HLEN + sizeof (struct iphdr) + offsetof (struct tcphdr, seq)] = i; /* no two are alike; its checksum is partial */
      put (world, large);
    }
}

static void
expect_segments (World *world, guint segments)
{
  guint8 got[2048];

  for (guint i = 0; i < segments; i++)
    {
      gsize            len = tap_read (world->tunnel, FALSE, got, sizeof got);
      g_autofree char *text = frame_text (got, len);

      g_assert_true (frame_is_right (got, len));
      g_assert_cmpstr (text, ==, NULL);
      g_assert_cmpuint (got[len - 1], ==, i % 40);
    }
}

static void
expect_text (World *world, const char *text)
{
  guint8           got[2048];
  gsize            len = tap_read (world->tunnel, FALSE, got, sizeof got);
  g_autofree char *is = frame_text (got, len);

  g_assert_cmpstr (is, ==, text);
}

/* More is in the tap than can be read in one pass, and copies of what came before were trimmed: what is read in the next pass was sent already. */
static void
test_read_later (void)
{
  World world;
  gint64 stop, until;

  world_open (&world, 1);
  arm (&world, PID_FILE, 2 * MUCH, MUCH);
  for (guint i = 0; i < 2100; i++)
    deliver (&world, "x");
  until = g_get_monotonic_time () + 100 * 1000;
  wait_for (has_passed, &until); /* they are trimmed */
  stop = standin_stop (world.qemu, FALSE);
  put_text (&world, "before");
  put_large (&world, 80);
  put_text (&world, "after");
  run_at (&world, LONG_AFTER (stop));
  g_assert_true (wait_for (has_let_go, &world));
  expect_text (&world, "before");
  expect_segments (&world, 80 * 40);
  expect_text (&world, "after");
  expect_out (&world, "");
  g_assert_cmpuint (counts_of (&world).drained, ==, 82);
  g_assert_cmpuint (counts_of (&world).resent, ==, 82 + counts_of (&world).swallowed);
  world_end (&world);
}

/* The copies have room for the beginnings of most large frames only: they are whole in the tap, some of them for the next pass. */
static void
test_large_not_whole (void)
{
  World world;
  gint64 stop;

  world_open (&world, 1);
  arm (&world, PID_FILE, 1, MUCH);
  stop = standin_stop (world.qemu, FALSE);
  put_text (&world, "before");
  put_large (&world, 80);
  put_text (&world, "after");
  run_at (&world, LONG_AFTER (stop));
  expect_text (&world, "before");
  expect_segments (&world, 80 * 40);
  expect_text (&world, "after");
  expect_out (&world, "");
  g_assert_cmpuint (counts_of (&world).not_sent, ==, 0);
  g_assert_cmpuint (counts_of (&world).gso, ==, 80);
  world_end (&world);
}

/* Almost as much waits in the tap as its queue holds, and the event comes late: the copies still have what QEMU swallowed before all that. */
static void
test_full_queue (void)
{
  enum { MANY = 900 };
  World world;
  gint64 stop, until;

  world_new (&world);
  standin_begin_to_stop (world.qemu);
  put_text (&world, "first");
  standin_expect_swallowed (world.qemu, 1);
  stop = standin_stop (world.qemu, TRUE);
  put_text (&world, "second");
  standin_expect_swallowed (world.qemu, 2);
  for (guint i = 0; i < MANY; i++)
    {
      g_autofree char *text = g_strdup_printf ("%u", i);

      put_text (&world, text);
    }
  until = g_get_monotonic_time () + 100 * 1000;
  wait_for (has_passed, &until); /* they are trimmed, if any are */
  run_at (&world, LONG_AFTER (stop));
  expect_text (&world, "first");
  expect_text (&world, "second");
  for (guint i = 0; i < MANY; i++)
    {
      g_autofree char *text = g_strdup_printf ("%u", i);

      expect_text (&world, text);
    }
  expect_out (&world, "");
  world_end (&world);
}

/* Only packets to the guest's addresses go into the tunnel. */
static void
test_others (void)
{
  World world;
  g_autoptr (Frame) other = frame_udp (PEER, "10.9.1.101", PORT, "not the guest's", FALSE);
  g_autoptr (Frame) arp = frame_other ("ff:ff:ff:ff:ff:ff", ETH_P_ARP, 28);
  g_autoptr (Frame) unknown = frame_other (GUEST_MAC, 0x88cc, 60);
  g_autoptr (Frame) broadcast = frame_udp (PEER, GUEST, PORT, "to everybody's MAC", FALSE);
  gint64 stop;

  memset (broadcast->data, 0xff, ETH_ALEN);
  world_new (&world);
  stop = standin_stop (world.qemu, FALSE);
  put (&world, arp);
  put (&world, other);
  put_text (&world, "1");
  put (&world, unknown);
  put (&world, broadcast);
  put_text (&world, "2");
  run_at (&world, LONG_BEFORE (stop));
  expect_out (&world, "1 2");
  g_assert_cmpuint (counts_of (&world).drained, ==, 6);
  world_end (&world);
}

/* What gets to the tap after the flip goes after the guest, too; then the queues are let go of, and the tap goes with QEMU. */
static void
test_follow_up (void)
{
  World world;
  gint64 stop;

  world_new (&world);
  stop = standin_stop (world.qemu, FALSE);
  put_text (&world, "1");
  run_at (&world, LONG_AFTER (stop));
  put_text (&world, "2");
  g_assert_true (wait_for (has_let_go, &world));
  expect_out (&world, "1 2");
  g_assert_cmpstr (vr_switchover_get_state (world.switchover), ==, "keeping");
  standin_end (g_steal_pointer (&world.qemu));
  g_assert_cmpuint (if_nametoindex ("tap0"), ==, 0);
  world_end (&world);
}

/* Each queue swallows its own, and flows keep their order. */
static void
test_queues (void)
{
  enum { FLOWS = 12, EACH = 4 };
  World world;
  gint64 stop = 0;
  guint next[FLOWS] = { 0 }, total = 0;

  world_open (&world, 4);
  arm (&world, PID_FILE, MUCH, MUCH);
  for (guint n = 0; n < EACH; n++)
    for (guint flow = 0; flow < FLOWS; flow++)
      {
        g_autofree char *text = g_strdup_printf ("%u %u", flow, n);
        g_autoptr (Frame) frame = frame_udp (PEER, GUEST, 5000 + flow, text, FALSE);

        if (n == 1 && flow == 0)
          standin_begin_to_stop (world.qemu);
        if (n == 2 && flow == 0)
          stop = standin_stop (world.qemu, TRUE);
        put (&world, frame);
        if (n == 0)
          standin_expect (world.qemu, text);
        if (n > 0 && n < 3)
          g_usleep (1000 * 5); /* so that the stand-in takes what it takes; what it does not take in time is left in the queue */
      }
  run_at (&world, LONG_BEFORE (stop));
  g_assert_cmpuint (counts_of (&world).queues, ==, 4);
  g_assert_cmpuint (counts_of (&world).swallowed, <=, 8);
  total = counts_of (&world).resent;
  g_assert_cmpuint (total, >=, FLOWS * (EACH - 1));
  for (guint i = 0; i < total; i++)
    {
      guint8           got[2048];
      gsize            len = tap_read (world.tunnel, FALSE, got, sizeof got);
      g_autofree char *text = frame_text (got, len);
      guint            flow, n;

      g_assert_cmpint (sscanf (text, "%u %u", &flow, &n), ==, 2);
      if (next[flow] == 0)
        next[flow] = n == 0 ? 0 : 1;
      g_assert_cmpuint (n, ==, next[flow]);
      next[flow]++;
    }
  for (guint flow = 0; flow < FLOWS; flow++)
    g_assert_cmpuint (next[flow], ==, EACH);
  world_end (&world);
}

/* Two NICs: each one's frames out of its own tap, the routes changed once, and back each into its own. */
static void
test_nics (void)
{
  static const char *const second[] = { "10.9.1.200", NULL };
  World world;
  VrSwitchoverSetup *setup = setup_of (PID_FILE, "vr-h3", MUCH, MUCH);
  VrSwitchoverCounts counts;
  Standin *other;
  g_autoptr (VrOutlet) tap1 = NULL;
  g_autoptr (Frame) frame = frame_udp (PEER, second[0], PORT, "2", TRUE);
  gint64 stop;

  world_open (&world, 1);
  other = standin_start ("tap1", 1, TRUE, "/run/other.pid", NULL, NULL);
  tap1 = outlet ("tap1");
  vr_switchover_setup_add_nic (setup, "tap1", "52:54:00:00:00:02", GATEWAY_MAC, second);
  world.switchover = vr_switchover_arm (setup);
  stop = standin_stop (world.qemu, FALSE);
  standin_stop (other, FALSE);
  put_text (&world, "1");
  g_assert_cmpint (vr_outlet_send_frame (tap1, &frame->header, frame->data, frame->len), ==, 0);
  run_at (&world, LONG_BEFORE (stop));
  expect_out (&world, "1 2");
  standin_resume (world.qemu);
  standin_resume (other);
  g_assert_true (vr_switchover_return (world.switchover, flip, &world));
  standin_expect (world.qemu, "1");
  standin_expect (other, "2");
  vr_switchover_get_counts (world.switchover, &counts);
  g_assert_cmpuint (counts.n_nics, ==, 2);
  g_assert_cmpint (counts.nics[0].way, ==, VR_WAY_QUEUES);
  g_assert_cmpint (counts.nics[1].way, ==, VR_WAY_COPIES); /* another process has it: one QEMU is looked at */
  g_assert_cmpuint (counts.nics[0].pushed_back, ==, 1);
  g_assert_cmpuint (counts.nics[1].pushed_back, ==, 1);
  standin_end (other);
  world_end (&world);
}

/* ---- where something cannot be had ---- */

static void
expect_copies_way (World *world, const char *why)
{
  gint64 stop;

  deliver (world, "1 2");
  stop = standin_stop (world->qemu, TRUE);
  put_text (world, "3");
  put_texts (world, "4 5");
  run_at (world, LONG_BEFORE (stop)); /* as if the margin covered all */
  expect_out (world, "1 2 3 4 5");
  g_assert_cmpint (counts_of (world).way, ==, VR_WAY_COPIES);
  g_assert_nonnull (strstr (counts_of (world).reason, why));
}

static void
test_no_process (void)
{
  World world;

  world_open (&world, 1);
  arm (&world, NULL, MUCH, MUCH);
  expect_copies_way (&world, "its process is not known");
  world_end (&world);
}

/* The file names a process that does not have the tap. */
static void
test_wrong_process (void)
{
  World world;

  world_open (&world, 1);
  sh ("echo %d > /run/other.pid", getpid ());
  arm (&world, "/run/other.pid", MUCH, MUCH);
  expect_copies_way (&world, "cannot have QEMU's queues of tap0");
  world_end (&world);
}

/* This thread's right to trace others: taken, or given back. */
static void
may_trace (gboolean may)
{
  struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
  struct __user_cap_data_struct   data[2];

  g_assert_cmpint (syscall (SYS_capget, &header, data), ==, 0);
  if (may)
    data[0].effective |= CAP_TO_MASK (CAP_SYS_PTRACE);
  else
    data[0].effective &= ~CAP_TO_MASK (CAP_SYS_PTRACE);
  g_assert_cmpint (syscall (SYS_capset, &header, data), ==, 0);
}

static void
test_denied (void)
{
  World world;

  prctl (PR_SET_DUMPABLE, 0); /* the stand-in is born like that: only who may trace anybody may trace it */
  world_open (&world, 1);
  prctl (PR_SET_DUMPABLE, 1);
  may_trace (FALSE);
  arm (&world, PID_FILE, MUCH, MUCH);
  may_trace (TRUE);
  expect_copies_way (&world, "CAP_SYS_PTRACE");
  world_end (&world);
}

static void
test_route_only (void)
{
  World world;
  VrSwitchoverSetup *off = setup_of (PID_FILE, "vr-h3", MUCH, MUCH);

  world_open (&world, 1);
  world.switchover = vr_switchover_arm (setup_of (PID_FILE, "vr-h9", MUCH, MUCH));
  put_text (&world, "1");
  run_at (&world, g_get_real_time ());
  g_assert_cmpint (counts_of (&world).way, ==, VR_WAY_ROUTE_ONLY);
  g_assert_nonnull (strstr (counts_of (&world).reason, "vr-h9"));
  vr_switchover_free (world.switchover);
  off->off = g_strdup ("switched off");
  world.flips = 0;
  world.switchover = vr_switchover_arm (off);
  run_at (&world, g_get_real_time ());
  g_assert_cmpint (counts_of (&world).way, ==, VR_WAY_ROUTE_ONLY);
  g_assert_cmpstr (counts_of (&world).reason, ==, "switched off");
  expect_out (&world, "");
  world_end (&world);
}

/* The copies have room for the first 64 and the tap for all: what has no copy is sent as it was read, in order. */
static void
test_overflow (void)
{
  enum { MANY = 300 };
  World world;
  gint64 stop;

  world_open (&world, 1);
  arm (&world, PID_FILE, 1, MUCH);
  stop = standin_stop (world.qemu, FALSE);
  for (guint i = 0; i < MANY; i++)
    {
      g_autofree char *text = g_strdup_printf ("%u", i);

      put_text (&world, text);
    }
  run_at (&world, LONG_BEFORE (stop));
  g_assert_cmpuint (counts_of (&world).copies_lost, >, 0);
  g_assert_cmpuint (counts_of (&world).resent, ==, MANY);
  for (guint i = 0; i < MANY; i++)
    {
      g_autofree char *text = g_strdup_printf ("%u", i);

      expect_text (&world, text);
    }
  world_end (&world);
}

static void
test_too_large (void)
{
  World world;
  gint64 stop;

  world_new (&world);
  sh ("ip link set vr-h3 mtu 1280");
  stop = standin_stop (world.qemu, FALSE);
  put_text (&world, "1");
  {
    g_autoptr (Frame) large = frame_tcp (PEER, GUEST, 1, 1400);

    put (&world, large);
  }
  put_text (&world, "2");
  run_at (&world, LONG_AFTER (stop));
  expect_out (&world, "1 2");
  g_assert_cmpuint (counts_of (&world).not_sent, ==, 1);
  g_assert_cmpuint (counts_of (&world).too_large, ==, 1);
  g_assert_cmpint (counts_of (&world).not_sent_errno, ==, EMSGSIZE);
  world_end (&world);
}

/* ---- called off, and back ---- */

static char *
traces (void)
{
  return sh_out ("ls /proc/%d/fd | wc -l; wc -l < /proc/%d/net/packet; ip -d link show tap0 | head -3", getpid (), getpid ());
}

static void
test_called_off (void)
{
  World world;
  g_autofree char *before = NULL, *after = NULL;

  world_open (&world, 1);
  before = traces ();
  arm (&world, PID_FILE, MUCH, MUCH);
  deliver (&world, "1 2 3");
  g_clear_pointer (&world.switchover, vr_switchover_free);
  after = traces ();
  assert_same (after, before);
  deliver (&world, "4 5");
  expect_out (&world, "");
  standin_end (g_steal_pointer (&world.qemu));
  g_assert_cmpuint (if_nametoindex ("tap0"), ==, 0);
  world_end (&world);
}

static gboolean
flip_back (gpointer data)
{
  World *world = data;

  put_text (world, "old-route");
  world->flips++;
  return TRUE;
}

/* All that left comes back, before what goes by the old route again. */
static void
test_abort (void)
{
  World world;
  g_autoptr (Frame) six = frame_udp (PEER6, GUEST6, PORT, "six", TRUE);
  gint64 stop;

  world_new (&world);
  stop = standin_stop (world.qemu, FALSE);
  put_texts (&world, "1 2");
  put (&world, six);
  run_at (&world, LONG_AFTER (stop));
  relay_text (&world, "3");
  g_assert_true (wait_for (has_let_go, &world));
  relay_text (&world, "4");
  standin_resume (world.qemu);
  g_assert_true (vr_switchover_return (world.switchover, flip_back, &world));
  standin_expect (world.qemu, "1");
  standin_expect (world.qemu, "2");
  standin_expect (world.qemu, "six");
  standin_expect (world.qemu, "3");
  standin_expect (world.qemu, "4");
  standin_expect (world.qemu, "old-route");
  g_assert_cmpuint (counts_of (&world).pushed_back, ==, 5);
  g_assert_false (vr_switchover_return (world.switchover, flip_back, &world));
  world_end (&world);
}

/* Nothing older than the migration: what waited for a paused guest before it was armed is not sent, what left by the tunnel before the stop is not given
 * back. */
static void
test_older (void)
{
  World world;
  gint64 stop;

  world_open (&world, 1);
  stop = standin_stop (world.qemu, FALSE);
  put_texts (&world, "old older");
  arm (&world, PID_FILE, MUCH, MUCH);
  relay_text (&world, "not-of-this-move");
  put_text (&world, "1");
  run_at (&world, LONG_BEFORE (stop));
  relay_text (&world, "2");
  expect_out (&world, "not-of-this-move 1 2");
  g_assert_cmpuint (counts_of (&world).drained, ==, 3);
  standin_resume (world.qemu);
  g_assert_true (vr_switchover_return (world.switchover, flip_back, &world));
  standin_expect (world.qemu, "1");
  standin_expect (world.qemu, "2");
  standin_expect (world.qemu, "old-route");
  world_end (&world);
}

/* More than the tap's queue holds, and the guest does not read yet: the queue is made longer. */
static void
test_abort_many (void)
{
  enum { MANY = 1500 };
  World world;
  gint64 stop;

  world_new (&world);
  stop = standin_stop (world.qemu, FALSE);
  run_at (&world, LONG_AFTER (stop));
  for (guint i = 0; i < MANY; i++)
    {
      g_autofree char *text = g_strdup_printf ("%u", i);

      relay_text (&world, text);
    }
  g_assert_true (vr_switchover_return (world.switchover, flip, &world));
  g_assert_cmpuint (counts_of (&world).pushed_back, ==, MANY);
  standin_resume (world.qemu);
  for (guint i = 0; i < MANY; i++)
    {
      g_autofree char *text = g_strdup_printf ("%u", i);

      standin_expect (world.qemu, text);
    }
  world_end (&world);
}

/* Back while passes are still due: the tap is the guest's again, and nobody else reads it. */
static void
test_abort_early (void)
{
  World world;
  gint64 stop;

  world_new (&world);
  stop = standin_stop (world.qemu, FALSE);
  run_at (&world, LONG_AFTER (stop));
  standin_resume (world.qemu);
  g_assert_true (vr_switchover_return (world.switchover, flip, &world));
  standin_stop (world.qemu, FALSE);
  put_text (&world, "1");
  settle ();
  standin_resume (world.qemu);
  standin_expect (world.qemu, "1");
  expect_out (&world, "");
  world_end (&world);
}

static void
test_kept_bounded (void)
{
  World world;
  VrSwitchoverCounts counts;
  gint64 stop;

  world_open (&world, 1);
  arm (&world, PID_FILE, MUCH, 1); /* the least: 64 */
  stop = standin_stop (world.qemu, FALSE);
  run_at (&world, LONG_AFTER (stop));
  for (guint i = 0; i < 100; i++)
    relay_text (&world, "x");
  standin_resume (world.qemu);
  g_assert_true (vr_switchover_return (world.switchover, flip, &world));
  vr_switchover_get_counts (world.switchover, &counts);
  g_assert_cmpuint (counts.kept, ==, 64);
  g_assert_cmpuint (counts.kept_dropped, ==, 36);
  g_assert_cmpuint (counts.nics[0].pushed_back, ==, 64);
  world_end (&world);
}

/* It is armed anew only if something is different. */
static void
test_fits (void)
{
  World world;
  g_autoptr (VrSwitchoverSetup) same = setup_of (PID_FILE, "vr-h3", MUCH, MUCH);
  g_autoptr (VrSwitchoverSetup) elsewhere = setup_of (PID_FILE, "vr-h4", MUCH, MUCH);
  g_autoptr (VrSwitchoverSetup) more = setup_of (PID_FILE, "vr-h3", MUCH, MUCH);

  vr_switchover_setup_add_nic (more, "tap1", GUEST_MAC, GATEWAY_MAC, addresses);
  world_new (&world);
  g_assert_true (vr_switchover_fits (world.switchover, same));
  g_assert_false (vr_switchover_fits (world.switchover, elsewhere));
  g_assert_false (vr_switchover_fits (world.switchover, more));
  close (world.tunnel);
  world.tunnel = tap_open ("vr-h3", 0);
  g_assert_false (vr_switchover_fits (world.switchover, same));
  world_end (&world);
}

int
main (int argc, char **argv)
{
  netns_init (&argc, &argv);
  netns_add ("/switchover/queued", test_queued);
  netns_add ("/switchover/swallowed", test_swallowed);
  netns_add ("/switchover/backlog", test_backlog);
  netns_add ("/switchover/nothing-left", test_nothing_left);
  netns_add ("/switchover/duplicates", test_duplicates);
  netns_add ("/switchover/alike", test_alike);
  netns_add ("/switchover/ipv6", test_ipv6);
  netns_add ("/switchover/gso", test_gso);
  netns_add ("/switchover/read-later", test_read_later);
  netns_add ("/switchover/large-not-whole", test_large_not_whole);
  netns_add ("/switchover/full-queue", test_full_queue);
  netns_add ("/switchover/others", test_others);
  netns_add ("/switchover/follow-up", test_follow_up);
  netns_add ("/switchover/queues", test_queues);
  netns_add ("/switchover/nics", test_nics);
  netns_add ("/switchover/no-process", test_no_process);
  netns_add ("/switchover/wrong-process", test_wrong_process);
  netns_add ("/switchover/denied", test_denied);
  netns_add ("/switchover/route-only", test_route_only);
  netns_add ("/switchover/overflow", test_overflow);
  netns_add ("/switchover/too-large", test_too_large);
  netns_add ("/switchover/called-off", test_called_off);
  netns_add ("/switchover/abort", test_abort);
  netns_add ("/switchover/older", test_older);
  netns_add ("/switchover/abort-many", test_abort_many);
  netns_add ("/switchover/abort-early", test_abort_early);
  netns_add ("/switchover/kept-bounded", test_kept_bounded);
  netns_add ("/switchover/fits", test_fits);
  return g_test_run ();
}
