/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * switchover-soak [--moves N] [--rate PACKETS/S] [--each PACKETS] [--queues N]
 *
 * A guest moves to and fro between two hosts, N times, while a sender behind the first one goes on sending numbered packets to it, IPv4 and IPv6.
 * Namespaces are the hosts, a veth is the tunnel, and a stand-in (tests/netns/standin.h) is QEMU: it stops, swallows and resumes as QEMU
 * does. The switchover is the product's own: daemon/switchover and the prepared routes of daemon/kernel.
 *
 *   s ── a ══ c      home is a: what s sends comes to a first, and goes on to c while the guest is there
 *
 * The guest leaves a by a's route to it, and c by c's. When it came home, a's own route is put right while the sender holds its breath until all is
 * delivered: how a path is changed without reordering is another matter than a switchover.
 *
 * Its last lines are the counts. It fails if a packet was lost, or if more than two a queue and move came twice. Packets that overtook others of
 * their flow are counted: where the processors are busy with other work, one by the new route passes one that waits for its turn.
 */
#include "daemon/kernel/kernel.h"
#include "daemon/switchover/switchover.h"
#include "tests/netns/frames.h"
#include "tests/netns/netns.h"
#include "tests/netns/standin.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define GUEST "10.9.1.100"
#define GUEST6 "fd00:9:1::100"
#define PORT 4000
#define TABLE_RELAYED "30321"
#define TABLE_ARRIVING "30322"
#define MEMORY (4 * 1024 * 1024)

enum { FLOWS = 8 }; /* even ones IPv4, odd ones IPv6 */

static int moves = 1000, rate = 10000, each = 3000, queues = 1;

/* Shared by the sender, the guest on either host, and the one who counts. */
typedef struct {
  guint64 sent;                 /* by the sender */
  gint    hold, held;           /* it shall pause; it does */
  guint64 received, duplicated, reordered;
  guint64 next[FLOWS];          /* the guest's: one more than the highest number that came */
  guint64 flow_sent[FLOWS];
  guint64 per_flow;             /* numbers that there is room for */
  guint8  seen[];               /* how often each came: FLOWS * per_flow */
} Shared;

typedef struct {
  guint32 flow;
  guint64 number;
} Numbered;

static Shared *shared;

/* ---- the guest ---- */

static void
take (const guint8 *frame, gsize len, gpointer data)
{
  Numbered packet;
  guint8  *seen;

  if (len < sizeof packet + 14 + 28)
    return;
  memcpy (&packet, frame + len - sizeof packet, sizeof packet);
  if (packet.flow >= FLOWS || packet.number >= shared->per_flow)
    return;
  seen = &shared->seen[packet.flow * shared->per_flow + packet.number];
  if (*seen < 255)
    ++*seen;
  if (*seen > 1)
    shared->duplicated++;
  else
    {
      shared->received++;
      shared->reordered += packet.number + 1 < shared->next[packet.flow];
    }
  shared->next[packet.flow] = MAX (shared->next[packet.flow], packet.number + 1);
}

/* ---- the sender ---- */

static void
send_one (int *fds, guint flow)
{
  struct sockaddr_storage to;
  socklen_t               size = address_of (flow % 2 == 0 ? GUEST : GUEST6, PORT + flow, &to);
  Numbered                packet = { flow, shared->flow_sent[flow] };

  while (sendto (fds[flow], &packet, sizeof packet, 0, (struct sockaddr *) &to, size) < 0)
    if (errno != EINTR && errno != ENOBUFS && errno != EAGAIN)
      _exit (1);
  shared->flow_sent[flow]++;
  __atomic_add_fetch (&shared->sent, 1, __ATOMIC_RELEASE);
}

static void
be_sender (void)
{
  int             fds[FLOWS];
  struct timespec next;

  prctl (PR_SET_PDEATHSIG, SIGKILL);
  for (guint flow = 0; flow < FLOWS; flow++)
    fds[flow] = udp_open ("s", flow % 2 == 0 ? "10.9.2.50" : "fd00:9:2::50", PORT + flow);
  clock_gettime (CLOCK_MONOTONIC, &next);
  for (guint64 n = 0;; n++)
    {
      struct timespec now;

      while (__atomic_load_n (&shared->hold, __ATOMIC_ACQUIRE))
        {
          __atomic_store_n (&shared->held, TRUE, __ATOMIC_RELEASE);
          g_usleep (200);
        }
      __atomic_store_n (&shared->held, FALSE, __ATOMIC_RELEASE);
      send_one (fds, n % FLOWS);
      next.tv_nsec += 1000000000 / rate;
      if (next.tv_nsec >= 1000000000)
        {
          next.tv_nsec -= 1000000000;
          next.tv_sec++;
        }
      clock_gettime (CLOCK_MONOTONIC, &now);
      if (now.tv_sec > next.tv_sec + 1 || (now.tv_sec - next.tv_sec) * 1000000000LL + now.tv_nsec - next.tv_nsec > 20000000)
        next = now; /* after a stall no burst */
      clock_nanosleep (CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
    }
}

static guint64
sent_so_far (void)
{
  return __atomic_load_n (&shared->sent, __ATOMIC_ACQUIRE);
}

static gboolean
is_held (gpointer data)
{
  return __atomic_load_n (&shared->held, __ATOMIC_ACQUIRE);
}

/* All that was sent has come; or, for two seconds, nothing more. */
static gboolean
is_quiet (gpointer data)
{
  static guint64 before;
  static gint64  since;
  guint64        received = __atomic_load_n (&shared->received, __ATOMIC_ACQUIRE);

  if (received != before || since == 0)
    since = g_get_monotonic_time ();
  before = received;
  return received == sent_so_far () || g_get_monotonic_time () - since > 2 * G_USEC_PER_SEC;
}

static void
hold (gboolean on)
{
  __atomic_store_n (&shared->hold, on, __ATOMIC_RELEASE);
  if (!on)
    return;
  g_assert_true (wait_for (is_held, NULL));
  g_assert_true (wait_for (is_quiet, NULL));
}

/* ---- the hosts ---- */

typedef struct {
  const char *name, *tunnel, *table; /* the table whose route the guest leaves by */
  char       *pid_file;
  VrKernel   *kernel;
  Standin    *qemu;
} Host;

static Host host_a = { .name = "a", .tunnel = "vr-c", .table = TABLE_RELAYED }, host_c = { .name = "c", .tunnel = "vr-a", .table = TABLE_ARRIVING };

static void
route (Host *host, const char *table, const char *dev)
{
  sh ("ip -n %s route replace " GUEST " dev %s table %s metric 10; ip -n %s -6 route replace " GUEST6 " dev %s table %s metric 10", host->name,
      dev, table, host->name, dev, table);
}

/* QEMU, waiting for its guest's memory; the target's side of what the daemon does for it. */
static void
start_qemu (Host *host, gboolean running)
{
  host_enter (host->name);
  host->qemu = standin_start ("tap0", queues, running, host->pid_file, take, NULL);
  host_leave ();
  sh ("ip -n %s link set tap0 txqueuelen 20000; ip -n %s neigh replace " GUEST " lladdr " GUEST_MAC " dev tap0 nud permanent; "
      "ip -n %s neigh replace " GUEST6 " lladdr " GUEST_MAC " dev tap0 nud permanent", host->name, host->name, host->name);
}

static void
make_host (Host *host)
{
  host->pid_file = g_strdup_printf ("/run/%s.pid", host->name);
  sh ("ip netns exec %s sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding; "
      "for f in -4 -6; do ip $f rule add iif %s lookup " TABLE_ARRIVING " pref 7600; ip $f rule add lookup " TABLE_RELAYED " pref 7610; done'",
      host->name, host->tunnel);
  host_enter (host->name);
  host->kernel = new_kernel ();
  host_leave ();
}

static void
make_world (void)
{
  host_new ("s");
  host_new ("a");
  host_new ("c");
  /* the same MAC at both ends, and no ARP: an interface of layer 3, for all that routes see */
  sh ("ip link add eth0 netns s type veth peer name s0 netns a; "
      "ip link add vr-c netns a address 02:00:00:00:00:01 type veth peer name vr-a address 02:00:00:00:00:01 netns c; "
      "ip -n s link set eth0 up; ip -n a link set s0 up; ip -n a link set vr-c arp off up; ip -n c link set vr-a arp off up; "
      "ip -n s addr add 10.9.2.50/24 dev eth0; ip -n s addr add fd00:9:2::50/64 dev eth0 nodad; "
      "ip -n a addr add 10.9.2.1/24 dev s0; ip -n a addr add fd00:9:2::1/64 dev s0 nodad; "
      "ip -n s route add default via 10.9.2.1; ip -n s -6 route add default via fd00:9:2::1");
  make_host (&host_a);
  make_host (&host_c);
}

/* ---- a move ---- */

typedef struct {
  guint64 drained, resent, swallowed, late, not_sent, lost_copies;
  guint   worst_duplicated;
  GArray *critical_ns, *stop_to_flip_ns;
} Sums;

static gboolean
commit (gpointer data)
{
  return vr_switch_commit (data, NULL, NULL);
}

static VrSwitch *
prepare (Host *host)
{
  g_autofree char *lines = g_strdup_printf ("route " GUEST "/32 dev %s table %s metric 10\nroute " GUEST6 "/128 dev %s table %s metric 10\n",
                                            host->tunnel, host->table, host->tunnel, host->table);
  g_autoptr (VrPlan) plan = plan_of (lines);
  g_autoptr (GError) error = NULL;
  VrSwitch *sw;

  settle (); /* the kernel's word of the new interfaces */
  sw = vr_switch_prepare (host->kernel, NULL, plan->routes, &error);
  g_assert_no_error (error);
  return sw;
}

static VrSwitchover *
arm (Host *host)
{
  static const char *const addresses[] = { GUEST, GUEST6, NULL };
  VrSwitchoverSetup       *setup = vr_switchover_setup_new (host->pid_file, host->tunnel);
  VrSwitchover            *switchover;

  setup->copies_memory = setup->kept_memory = MEMORY;
  vr_switchover_setup_add_nic (setup, "tap0", GUEST_MAC, GATEWAY_MAC, addresses);
  host_enter (host->name);
  switchover = vr_switchover_arm (setup);
  host_leave ();
  return switchover;
}

static gboolean
has_passed (gpointer data)
{
  return g_get_monotonic_time () >= *(gint64 *) data;
}

static void
let_pass_us (gint64 us)
{
  gint64 until = g_get_monotonic_time () + us;

  wait_for (has_passed, &until);
}

static gboolean
has_let_go (gpointer data)
{
  VrSwitchoverCounts counts;

  vr_switchover_get_counts (data, &counts);
  return counts.let_go_ns != 0;
}

static void
add_up (Sums *sums, VrSwitchover *switchover, gint64 stop_us)
{
  VrSwitchoverCounts counts;
  gint64             critical, to_flip;

  vr_switchover_get_counts (switchover, &counts);
  g_assert_cmpint (counts.nics[0].way, ==, VR_WAY_QUEUES);
  g_assert_cmpuint (counts.nics[0].to_guest, ==, counts.nics[0].delivered + counts.nics[0].resent + counts.nics[0].not_sent);
  sums->drained += counts.nics[0].drained;
  sums->resent += counts.nics[0].resent;
  sums->swallowed += counts.nics[0].swallowed;
  sums->not_sent += counts.nics[0].not_sent;
  sums->lost_copies += counts.nics[0].copies_lost;
  sums->late += counts.late;
  critical = counts.end_ns - counts.begin_ns;
  to_flip = counts.flip_end_ns - stop_us * 1000;
  g_array_append_val (sums->critical_ns, critical);
  g_array_append_val (sums->stop_to_flip_ns, to_flip);
}

static void
move (Host *origin, Host *target, Sums *sums)
{
  g_autoptr (VrSwitch) sw = NULL;
  g_autoptr (VrSwitchover) switchover = NULL;
  gint64  stop_us;
  guint64 before;

  start_qemu (target, FALSE);
  route (target, TABLE_ARRIVING, "tap0");
  sw = prepare (origin);
  switchover = arm (origin);
  let_pass_us (g_random_int_range (2000, 20000));
  before = shared->duplicated;
  standin_begin_to_stop (origin->qemu);
  g_usleep (g_random_int_range (0, 2000));
  stop_us = standin_stop (origin->qemu, TRUE);
  g_usleep (g_random_int_range (200, 4000)); /* libvirt's event is on its way */
  vr_switchover_run (switchover, stop_us, g_get_real_time (), commit, sw);
  g_assert_true (wait_for (has_let_go, switchover));
  let_pass_us (g_random_int_range (0, 20000));
  standin_resume (target->qemu);
  standin_end (g_steal_pointer (&origin->qemu));
  add_up (sums, switchover, stop_us);
  let_pass_us (5000);
  sums->worst_duplicated = MAX (sums->worst_duplicated, (guint) (shared->duplicated - before));
}

static gboolean
has_sent (gpointer data)
{
  return sent_so_far () >= *(guint64 *) data;
}

/* ---- counting ---- */

static int
compare (gconstpointer a, gconstpointer b)
{
  gint64 x = *(const gint64 *) a, y = *(const gint64 *) b;

  return x < y ? -1 : x > y;
}

static void
print_times (const char *what, GArray *ns)
{
  g_array_sort (ns, compare);
  printf ("# %s us: median %.1f, p99 %.1f, max %.1f\n", what, g_array_index (ns, gint64, ns->len / 2) / 1e3,
          g_array_index (ns, gint64, (ns->len - 1) * 99 / 100) / 1e3, g_array_index (ns, gint64, ns->len - 1) / 1e3);
}

static void
print_sums (Sums *sums)
{
  guint64 lost = sent_so_far () - shared->received;

  printf ("# moves %d, queues %d, rate %d\n", moves, queues, rate);
  printf ("# sent %" G_GUINT64_FORMAT ", lost %" G_GUINT64_FORMAT ", duplicated %" G_GUINT64_FORMAT " (at most %u a move), reordered %" G_GUINT64_FORMAT
          "\n", sent_so_far (), lost, shared->duplicated, sums->worst_duplicated, shared->reordered);
  printf ("# drained %" G_GUINT64_FORMAT ", sent after the guest %" G_GUINT64_FORMAT " (swallowed or twice %" G_GUINT64_FORMAT ", late %" G_GUINT64_FORMAT
          "), not sent %" G_GUINT64_FORMAT ", copies lost %" G_GUINT64_FORMAT "\n", sums->drained, sums->resent, sums->swallowed, sums->late,
          sums->not_sent, sums->lost_copies);
  print_times ("critical section", sums->critical_ns);
  print_times ("stop to flip (0.2 to 4 ms of it made up, for libvirt's event)", sums->stop_to_flip_ns);
  fflush (stdout);
}

static void
soak (void)
{
  Sums  sums = { .critical_ns = g_array_new (FALSE, FALSE, sizeof (gint64)), .stop_to_flip_ns = g_array_new (FALSE, FALSE, sizeof (gint64)) };
  pid_t sender;

  make_world ();
  start_qemu (&host_a, TRUE);
  route (&host_a, TABLE_RELAYED, "tap0");
  route (&host_a, TABLE_ARRIVING, "tap0");
  sender = fork ();
  if (sender == 0)
    be_sender ();
  for (int n = 0; n < moves; n++)
    {
      guint64 until = (guint64) (n + 1) * each;

      if (n % 2 == 0)
        move (&host_a, &host_c, &sums);
      else
        {
          move (&host_c, &host_a, &sums);
          hold (TRUE);
          route (&host_a, TABLE_RELAYED, "tap0");
          hold (FALSE);
        }
      while (!has_sent (&until))
        wait_for (has_sent, &until);
      if ((n + 1) % 100 == 0)
        {
          printf ("# %d moves, %" G_GUINT64_FORMAT " sent\n", n + 1, sent_so_far ());
          fflush (stdout);
        }
    }
  hold (TRUE);
  kill (sender, SIGKILL);
  waitpid (sender, NULL, 0);
  print_sums (&sums);
  g_assert_cmpuint (shared->received, ==, sent_so_far ());
  g_assert_cmpuint (sums.worst_duplicated, <=, (guint) (2 * queues));
  g_clear_object (&host_a.kernel);
  g_clear_object (&host_c.kernel);
  g_clear_pointer (&host_a.qemu, standin_end);
  if (host_c.qemu != NULL)
    standin_end (host_c.qemu);
}

int
main (int argc, char **argv)
{
  GOptionEntry options[] = {
    { "moves", 0, 0, G_OPTION_ARG_INT, &moves, "How often the guest moves (1000)", "N" },
    { "rate", 0, 0, G_OPTION_ARG_INT, &rate, "Packets a second (10000)", "N" },
    { "each", 0, 0, G_OPTION_ARG_INT, &each, "Packets for each move, at least (3000)", "N" },
    { "queues", 0, 0, G_OPTION_ARG_INT, &queues, "Queues of the guest's tap (1)", "N" },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  guint64 per_flow;

  g_option_context_add_main_entries (context, options, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error) || moves < 1 || rate < 1 || each < 1 || queues < 1 || queues > 8)
    {
      fprintf (stderr, "switchover-soak: %s; --help lists the options\n", error != NULL ? error->message : "a number is out of range");
      return 2;
    }
  per_flow = ((guint64) moves * each * 2 + (guint64) rate * moves) / FLOWS; /* a move takes under a second */
  shared = mmap (NULL, sizeof *shared + per_flow * FLOWS, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  g_assert_true (shared != MAP_FAILED);
  shared->per_flow = per_flow;
  netns_init (&argc, &argv);
  netns_add ("/switchover/soak", soak);
  return g_test_run ();
}
