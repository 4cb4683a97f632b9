/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

enum { DEADLINE_MS = 20000 };

static int own_ns = -1;

/* ---- the program and its tests ---- */

static void
skip_all (const char *why)
{
  printf ("1..0 # SKIP %s: %s\n", why, g_strerror (errno));
  exit (0);
}

void
netns_init (int *argc, char ***argv)
{
  if (unshare (CLONE_NEWNS | CLONE_NEWNET) < 0)
    skip_all ("needs root, to make namespaces");
  if (mount ("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || mount ("tmpfs", "/run", "tmpfs", 0, NULL) < 0)
    skip_all ("needs to mount a tmpfs on /run");
  g_test_init (argc, argv, NULL);
}

static void
run_fresh (gconstpointer data)
{
  void (*test) (void) = (void (*) (void)) (gsize) data;

  g_assert_cmpint (unshare (CLONE_NEWNET), ==, 0);
  sh ("ip link set lo up; rm -rf /run/virt-relay; "
      "for i in all default; do echo 0 > /proc/sys/net/ipv6/conf/$i/accept_dad; echo 0 > /proc/sys/net/ipv6/conf/$i/dad_transmits; "
      "echo 1 > /proc/sys/net/ipv6/conf/$i/forwarding; echo 0 > /proc/sys/net/ipv4/conf/$i/rp_filter; done; echo 1 > /proc/sys/net/ipv4/ip_forward");
  own_ns = open ("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  g_assert_cmpint (own_ns, >=, 0);
  test ();
  close (own_ns);
  sh ("for n in $(ls /run/netns 2>/dev/null); do ip netns del $n; done");
}

void
netns_add (const char *name, void (*test) (void))
{
  g_test_add_data_func (name, (gpointer) (gsize) test, run_fresh);
}

/* ---- tools ---- */

static char *
run_shell (const char *command)
{
  const char *argv[] = { "sh", "-c", command, NULL };
  g_autoptr (GError) error = NULL;
  g_autofree char *out = NULL, *err = NULL;
  int status;

  g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out, &err, &status, &error);
  g_assert_no_error (error);
  if (!g_spawn_check_wait_status (status, NULL))
    g_error ("%s\n%s%s", command, out, err);
  return g_steal_pointer (&out);
}

void
sh (const char *format, ...)
{
  g_autofree char *command = NULL, *out = NULL;
  va_list args;

  va_start (args, format);
  command = g_strdup_vprintf (format, args);
  va_end (args);
  out = run_shell (command);
}

char *
sh_out (const char *format, ...)
{
  g_autofree char *command = NULL;
  va_list args;

  va_start (args, format);
  command = g_strdup_vprintf (format, args);
  va_end (args);
  return run_shell (command);
}

char *
dump_all (void)
{
  return sh_out (
      "ip route show table all; ip -6 route show table all; ip rule; ip -6 rule; "
      "for f in -4 -6; do ip $f neigh show nud permanent; ip $f neigh show proxy; done; "
      "bridge fdb show | grep static; nft list tables | sort | while read -r t; do nft list $t; done; ip -o link show | cut -d: -f2");
}

void
assert_same (const char *now, const char *before)
{
  g_auto (GStrv) a = g_strsplit (now, "\n", -1), b = g_strsplit (before, "\n", -1);

  for (guint i = 0; a[i] != NULL || b[i] != NULL; i++)
    if (g_strcmp0 (a[i], b[i]) != 0)
      g_error ("line %u was \"%s\" and is now \"%s\"", i + 1, b[i] != NULL ? b[i] : "(none)",
               a[i] != NULL ? a[i] : "(none)");
}

/* ---- plans ---- */

static const char *
word_after (char **words, const char *key)
{
  for (guint i = 0; words[i] != NULL && words[i + 1] != NULL; i++)
    if (g_str_equal (words[i], key))
      return words[i + 1];
  return NULL;
}

static guint32
number_after (char **words, const char *key)
{
  const char *word = word_after (words, key);

  return word != NULL ? (guint32) g_ascii_strtoull (word, NULL, 10) : 0;
}

static void
add_route (VrPlan *plan, char **words)
{
  VrRoute *route = g_new0 (VrRoute, 1);
  guint    at = 1;

  if (g_str_equal (words[1], "unreachable"))
    route->type = VR_ROUTE_UNREACHABLE, at = 2;
  else if (g_str_equal (words[1], "throw"))
    route->type = VR_ROUTE_THROW, at = 2;
  route->destination = g_strdup (words[at]);
  route->dev = g_strdup (word_after (words, "dev"));
  route->source = g_strdup (word_after (words, "src"));
  route->table = number_after (words, "table");
  route->metric = number_after (words, "metric");
  g_ptr_array_add (plan->routes, route);
}

static char *
unless (const char *word, const char *any)
{
  return g_str_equal (word, any) ? NULL : g_strdup (word);
}

static void
add_rule (VrPlan *plan, char **words)
{
  VrRule *rule = g_new0 (VrRule, 1);

  rule->v6 = g_str_equal (words[0], "rule6");
  rule->priority = g_ascii_strtoull (words[1], NULL, 10);
  rule->from = unless (word_after (words, "from"), "all");
  rule->to = unless (word_after (words, "to"), "all");
  rule->iif = unless (word_after (words, "iif"), "any");
  rule->table = number_after (words, "lookup");
  g_ptr_array_add (plan->rules, rule);
}

static void
add_neighbour (VrPlan *plan, char **words)
{
  VrNeighbour *neighbour = g_new0 (VrNeighbour, 1);

  neighbour->address = g_strdup (words[1]);
  neighbour->dev = g_strdup (word_after (words, "dev"));
  neighbour->mac = g_strdup (word_after (words, "lladdr"));
  g_ptr_array_add (plan->neighbours, neighbour);
}

static void
add_forwarding (VrPlan *plan, char **words)
{
  VrForwarding *forwarding = g_new0 (VrForwarding, 1);

  forwarding->mac = g_strdup (words[1]);
  forwarding->dev = g_strdup (word_after (words, "dev"));
  g_ptr_array_add (plan->forwardings, forwarding);
}

static void
add_element (VrPlan *plan, char **words, const char *line)
{
  VrElement  *element = g_new0 (VrElement, 1);
  const char *open = strchr (line, '{'), *shut = strrchr (line, '}');

  element->family = g_str_equal (words[1], "inet") ? VR_NFT_INET : VR_NFT_BRIDGE;
  element->set = g_strdup (words[2]);
  element->key = g_strstrip (g_strndup (open + 1, shut - open - 1));
  g_ptr_array_add (plan->elements, element);
}

static void
add_sysctl (VrPlan *plan, char **words)
{
  VrSysctl *sysctl = g_new0 (VrSysctl, 1);

  sysctl->path = g_strdup (words[1]);
  sysctl->value = g_strdup (word_after (words, "="));
  g_ptr_array_add (plan->sysctls, sysctl);
}

static void
add_queue (VrPlan *plan, char **words)
{
  VrQueue *queue = g_new0 (VrQueue, 1);

  queue->dev = g_strdup (words[1]);
  queue->length = g_ascii_strtoull (words[2], NULL, 10);
  g_ptr_array_add (plan->queues, queue);
}

static void
add_announcement (VrPlan *plan, char **words)
{
  VrAnnouncement *announcement = g_new0 (VrAnnouncement, 1);

  announcement->address = g_strdup (words[1]);
  announcement->mac = g_strdup (word_after (words, "at"));
  announcement->dev = g_strdup (word_after (words, "on"));
  g_ptr_array_add (plan->announcements, announcement);
}

static void
add_line (VrPlan *plan, const char *line)
{
  g_auto (GStrv) words = g_strsplit (line, " ", -1);

  if (g_str_equal (words[0], "route"))
    add_route (plan, words);
  else if (g_str_equal (words[0], "rule") || g_str_equal (words[0], "rule6"))
    add_rule (plan, words);
  else if (g_str_equal (words[0], "neighbour") || g_str_equal (words[0], "proxy"))
    add_neighbour (plan, words);
  else if (g_str_equal (words[0], "forwarding"))
    add_forwarding (plan, words);
  else if (g_str_equal (words[0], "element"))
    add_element (plan, words, line);
  else if (g_str_equal (words[0], "sysctl"))
    add_sysctl (plan, words);
  else if (g_str_equal (words[0], "queue"))
    add_queue (plan, words);
  else if (g_str_equal (words[0], "announce"))
    add_announcement (plan, words);
  else
    g_error ("not an item: %s", line);
}

static int
compare_lines (gconstpointer a, gconstpointer b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

/* The plan, checked against the text that it was made from. */
VrPlan *
plan_of (const char *text)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  g_autoptr (GPtrArray) sorted = g_ptr_array_new ();
  g_autofree char *again = NULL, *want = NULL;
  VrPlan *plan = vr_plan_new ();

  for (guint i = 0; lines[i] != NULL; i++)
    if (*lines[i] != '\0')
      {
        add_line (plan, lines[i]);
        g_ptr_array_add (sorted, lines[i]);
      }
  g_ptr_array_sort (sorted, compare_lines);
  g_ptr_array_add (sorted, (gpointer) "");
  g_ptr_array_add (sorted, NULL);
  want = g_strjoinv ("\n", (char **) sorted->pdata);
  again = vr_plan_to_string (plan);
  assert_same (again, want);
  return plan;
}

static char *
join_sorted (GPtrArray *lines)
{
  g_ptr_array_sort (lines, compare_lines);
  g_ptr_array_add (lines, NULL);
  return g_strjoinv ("\n", (char **) lines->pdata);
}

char *
apply (VrKernel *kernel, const char *lines)
{
  g_autoptr (VrPlan) plan = plan_of (lines);
  g_autoptr (GPtrArray) changes = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) error = NULL;
  gboolean ok = vr_kernel_apply (kernel, plan, changes, &error);

  g_assert_no_error (error);
  g_assert_true (ok);
  return join_sorted (changes);
}

char *
apply_error (VrKernel *kernel, const char *lines, char **changes)
{
  g_autoptr (VrPlan) plan = plan_of (lines);
  g_autoptr (GPtrArray) done = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) error = NULL;

  g_assert_false (vr_kernel_apply (kernel, plan, done, &error));
  g_assert_nonnull (error);
  *changes = join_sorted (done);
  return g_strdup (error->message);
}

VrKernel *
new_kernel (void)
{
  g_autoptr (GError) error = NULL;
  VrKernel *kernel = vr_kernel_new (&error);

  g_assert_no_error (error);
  return kernel;
}

/* ---- waiting ---- */

static gboolean
tick (gpointer data)
{
  return G_SOURCE_CONTINUE;
}

gboolean
wait_for (Condition condition, gpointer data)
{
  gint64 deadline = g_get_monotonic_time () + DEADLINE_MS * G_TIME_SPAN_MILLISECOND;
  guint  source = g_timeout_add (5, tick, NULL);

  while (!condition (data) && g_get_monotonic_time () < deadline)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (source);
  return condition (data);
}

static void
count_changed (VrKernel *kernel, gpointer data)
{
  ((Changed *) data)->count++;
}

void
watch_changed (VrKernel *kernel, Changed *changed)
{
  changed->count = 0;
  changed->handler = g_signal_connect (kernel, "changed", G_CALLBACK (count_changed), changed);
}

static gboolean
has_changed (gpointer data)
{
  return ((Changed *) data)->count > 0;
}

void
expect_changed (Changed *changed)
{
  g_assert_true (wait_for (has_changed, changed));
  settle ();
  changed->count = 0;
}

static gboolean
set_flag (gpointer data)
{
  *(gboolean *) data = TRUE;
  return G_SOURCE_REMOVE;
}

void
settle (void)
{
  /* More than twice the interval at which signals are put together: what was due when this began has come by then. */
  gboolean over = FALSE;

  g_timeout_add_full (G_PRIORITY_LOW, 50, set_flag, &over, NULL);
  while (!over)
    g_main_context_iteration (NULL, TRUE);
}

/* ---- hosts and packets ---- */

void
host_new (const char *name)
{
  sh ("ip netns add %s && ip netns exec %s sh -c 'ip link set lo up; for i in all default; do "
      "echo 0 > /proc/sys/net/ipv6/conf/$i/accept_dad; echo 0 > /proc/sys/net/ipv6/conf/$i/dad_transmits; "
      "echo 0 > /proc/sys/net/ipv4/conf/$i/rp_filter; done'", name, name);
}

void
host_enter (const char *name)
{
  g_autofree char *path = g_strconcat ("/run/netns/", name, NULL);
  int fd = open (path, O_RDONLY | O_CLOEXEC);

  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (setns (fd, CLONE_NEWNET), ==, 0);
  close (fd);
}

void
host_leave (void)
{
  g_assert_cmpint (setns (own_ns, CLONE_NEWNET), ==, 0);
}

socklen_t
address_of (const char *address, guint16 port, struct sockaddr_storage *native)
{
  g_autoptr (GSocketAddress) parsed = g_inet_socket_address_new_from_string (address, port);

  g_assert_nonnull (parsed);
  g_assert_true (g_socket_address_to_native (parsed, native, sizeof *native, NULL));
  return g_socket_address_get_native_size (parsed);
}

int
udp_open (const char *host, const char *address, guint16 port)
{
  struct sockaddr_storage native;
  socklen_t size = address_of (address, port, &native);
  int on = 1, fd, failed;

  if (*host != '\0')
    host_enter (host);
  fd = socket (native.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (*host != '\0')
    host_leave ();
  g_assert_cmpint (fd, >=, 0);
  /* An address that the host does not have may be a sender's all the same; and every ICMP error is to be seen. */
  if (native.ss_family == AF_INET)
    failed = setsockopt (fd, IPPROTO_IP, IP_TRANSPARENT, &on, sizeof on)
             | setsockopt (fd, IPPROTO_IP, IP_RECVERR, &on, sizeof on);
  else
    failed = setsockopt (fd, IPPROTO_IPV6, IPV6_TRANSPARENT, &on, sizeof on)
             | setsockopt (fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof on);
  g_assert_cmpint (failed, ==, 0);
  g_assert_cmpint (bind (fd, (struct sockaddr *) &native, size), ==, 0);
  return fd;
}

void
udp_send (int fd, const char *address, guint16 port, const char *text)
{
  struct sockaddr_storage native;
  socklen_t size = address_of (address, port, &native);

  if (sendto (fd, text, strlen (text), 0, (struct sockaddr *) &native, size) < 0)
    g_error ("send \"%s\" to %s: %s", text, address, g_strerror (errno));
}

void
udp_expect (int fd, const char *text)
{
  struct pollfd waiting = { .fd = fd, .events = POLLIN };
  char   buffer[2048] = "";
  gssize got;

  if (poll (&waiting, 1, DEADLINE_MS) <= 0)
    g_error ("\"%s\" did not arrive", text);
  got = recv (fd, buffer, sizeof buffer - 1, 0);
  g_assert_cmpint (got, >=, 0);
  buffer[got] = '\0';
  g_assert_cmpstr (buffer, ==, text);
}

int
udp_error (int fd)
{
  struct pollfd waiting = { .fd = fd };
  int       error = 0;
  socklen_t size = sizeof error;

  g_assert_cmpint (poll (&waiting, 1, DEADLINE_MS), >, 0);
  g_assert_cmpint (getsockopt (fd, SOL_SOCKET, SO_ERROR, &error, &size), ==, 0);
  return error;
}

guint64
counter_of (VrKernel *kernel, const char *name)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) counters = vr_kernel_counters (kernel, &error);

  g_assert_no_error (error);
  for (guint i = 0; i < counters->len; i++)
    {
      const VrCounter *counter = counters->pdata[i];

      if (g_str_equal (counter->name, name))
        return counter->packets;
    }
  return 0;
}

typedef struct {
  VrKernel   *kernel;
  const char *name;
  guint64     packets;
} Expected;

static gboolean
counter_reached (gpointer data)
{
  const Expected *expected = data;

  return counter_of (expected->kernel, expected->name) >= expected->packets;
}

void
expect_counter (VrKernel *kernel, const char *name, guint64 packets)
{
  Expected expected = { kernel, name, packets };

  wait_for (counter_reached, &expected);
  g_assert_cmpuint (counter_of (kernel, name), ==, packets);
}
