/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tunnels between two hosts, h1 and h2: two VrTunnels with a real charon each. The kernel is a fake one that only notes which interfaces it
 * was asked for, as charon's kernel-libipsec uses none.
 */
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>

#include "charon.h"
#include "daemon/tunnel/tunnels.h"
#include "harness.h"

/* ---- a kernel ---- */

struct _VrKernel {
  GObject     parent_instance;
  GHashTable *links;  /* name -> "IF_ID ALIAS" */
  gboolean    broken; /* it makes no interface */
};

G_DEFINE_FINAL_TYPE (VrKernel, vr_kernel, G_TYPE_OBJECT)

static void
vr_kernel_finalize (GObject *object)
{
  g_hash_table_unref (VR_KERNEL (object)->links);
  G_OBJECT_CLASS (vr_kernel_parent_class)->finalize (object);
}

static void
vr_kernel_class_init (VrKernelClass *class)
{
  G_OBJECT_CLASS (class)->finalize = vr_kernel_finalize;
}

static void
vr_kernel_init (VrKernel *kernel)
{
  kernel->links = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
}

gboolean
vr_kernel_ensure_xfrm (VrKernel *kernel, const char *name, guint32 if_id, const char *alias, guint32 mtu,
                       GError **error)
{
  if (kernel->broken)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED, "the kernel knows no XFRM interfaces");
      return FALSE;
    }
  g_hash_table_insert (kernel->links, g_strdup (name), g_strdup_printf ("%u %s", if_id, alias));
  return TRUE;
}

gboolean
vr_kernel_remove_link (VrKernel *kernel, const char *name, GError **error)
{
  g_hash_table_remove (kernel->links, name);
  return TRUE;
}

GPtrArray *
vr_kernel_our_links (VrKernel *kernel)
{
  GPtrArray     *names = g_ptr_array_new_with_free_func (g_free);
  GHashTableIter iter;
  gpointer       name;

  g_hash_table_iter_init (&iter, kernel->links);
  while (g_hash_table_iter_next (&iter, &name, NULL))
    g_ptr_array_add (names, g_strdup (name));
  return names;
}

/* ---- two hosts ---- */

typedef struct {
  const char *name;
  Charon     *charon;
  Watched    *watched;
  VrKernel   *kernel;
  VrConfig    config;
  VrTunnels  *tunnels;
  guint       n_changed, n_tries; /* n_tries: that charon began to initiate */
} Host;

typedef struct {
  Host h1, h2;
} Pair;

static VrHost *
record (const char *name, const char *address)
{
  VrHost *host = vr_host_new (name);

  g_strfreev (host->underlay);
  host->underlay = g_strsplit (address, " ", -1);
  g_free (host->identity);
  host->identity = g_strconcat (name, ".virt-relay", NULL);
  return host;
}

static void
on_changed (VrTunnels *tunnels, const char *peer, Host *host)
{
  host->n_changed++;
}

static void
on_log (VrVici *vici, const char *ike, guint64 unique_id, const char *line, Host *host)
{
  if (g_str_has_prefix (line, "initiating IKE_SA"))
    host->n_tries++;
}

static void
daemon_start (Host *host)
{
  host->tunnels = vr_tunnels_new (host->kernel, &host->config);
  g_signal_connect (host->tunnels, "changed", G_CALLBACK (on_changed), host);
  vr_tunnels_start (host->tunnels);
}

/* As at its exit: charon and the kernel keep what they have. Commands that were pending come back first. */
static void
daemon_stop (Host *host)
{
  VrTunnels *tunnels = host->tunnels;

  vr_tunnels_stop (tunnels);
  g_object_add_weak_pointer (G_OBJECT (tunnels), (gpointer *) &host->tunnels);
  g_object_unref (tunnels);
  WAIT_FOR (host->tunnels == NULL);
}

static void
host_init (Host *host, guint number)
{
  host->name = number == 0 ? "h1" : "h2";
  host->charon = charon_new (number);
  host->kernel = g_object_new (VR_TYPE_KERNEL, NULL);
  host->config = (VrConfig) {
    .host = record (host->name, host->charon->address),
    .auth = VR_AUTH_PSK,
    .psk = g_strdup ("a secret of all hosts"),
    .vici_uri = host->charon->uri,
    .proposals = (char *) "aes256gcm16-prfsha384-ecp384, aes256gcm16-prfsha384-ecp256",
    .esp_proposals = (char *) "aes256gcm16-ecp384 aes256gcm16",
    .dpd_delay_s = 600, /* longer than a test stops a charon: these give up asking within seconds */
    .takeover_delay_s = 20, /* longer than the other side may take */
  };
}

static void
host_start (Host *host)
{
  charon_start (host->charon);
  host->watched = watched_new_connected (host->charon->uri, PATIENT_MS);
  g_signal_connect (host->watched->vici, "log", G_CALLBACK (on_log), host);
}

static void
host_clear (Host *host)
{
  if (host->tunnels != NULL)
    daemon_stop (host);
  g_signal_handlers_disconnect_by_data (host->watched->vici, host);
  g_clear_pointer (&host->watched, watched_free);
  charon_free (host->charon);
  g_object_unref (host->kernel);
  vr_host_unref (host->config.host);
  g_free (host->config.psk);
}

static void
pair_up (Pair *pair, gconstpointer data)
{
  host_init (&pair->h1, 0);
  host_init (&pair->h2, 1);
  charon_connect (pair->h1.charon, pair->h2.charon);
  host_start (&pair->h1);
  host_start (&pair->h2);
  daemon_start (&pair->h1);
  daemon_start (&pair->h2);
}

static void
pair_down (Pair *pair, gconstpointer data)
{
  host_clear (&pair->h1);
  host_clear (&pair->h2);
}

static Host *
other (Pair *pair, Host *host)
{
  return host == &pair->h1 ? &pair->h2 : &pair->h1;
}

static void
want_at (Host *host, const char *peer, VrTunnelWish wish, const char *address)
{
  g_autoptr (GPtrArray) wanted = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_tunnel_free);
  VrTunnel             *tunnel = g_new0 (VrTunnel, 1);

  tunnel->peer = g_strdup (peer);
  tunnel->dev = vr_tunnel_dev (peer);
  tunnel->if_id = vr_tunnel_if_id (peer);
  tunnel->wish = wish;
  tunnel->host = record (peer, address);
  g_ptr_array_add (wanted, tunnel);
  vr_tunnels_want (host->tunnels, wanted);
}

static void
want (Pair *pair, Host *host, VrTunnelWish wish)
{
  Host *peer = other (pair, host);

  want_at (host, peer->name, wish, peer->charon->address);
}

static void
want_nobody (Host *host)
{
  g_autoptr (GPtrArray) nobody = g_ptr_array_new ();

  vr_tunnels_want (host->tunnels, nobody);
}

static gboolean
is_up (Pair *pair, Host *host)
{
  return vr_tunnels_is_up (host->tunnels, other (pair, host)->name);
}

static gboolean
both_up (Pair *pair)
{
  return is_up (pair, &pair->h1) && is_up (pair, &pair->h2);
}

static gboolean
both_down (Pair *pair)
{
  return !is_up (pair, &pair->h1) && !is_up (pair, &pair->h2);
}

static const char *
trouble (Pair *pair, Host *host)
{
  return vr_tunnels_trouble (host->tunnels, other (pair, host)->name);
}

static gboolean
trouble_says (Pair *pair, Host *host, const char *part)
{
  const char *text = trouble (pair, host);

  return text != NULL && strstr (text, part) != NULL;
}

static void
bring_up (Pair *pair)
{
  want (pair, &pair->h2, VR_TUNNEL_FOLLOW);
  want (pair, &pair->h1, VR_TUNNEL_INITIATE);
  WAIT_FOR (both_up (pair));
}

static guint
n_sas (Host *host)
{
  g_autoptr (GPtrArray) sas = list_sas (host->watched->vici, NULL);

  return sas->len;
}

/* The id of the only IKE_SA. */
static guint64
only_sa (Host *host)
{
  g_autoptr (GPtrArray) sas = list_sas (host->watched->vici, NULL);

  g_assert_cmpuint (sas->len, ==, 1);
  return ((VrViciIkeSa *) sas->pdata[0])->unique_id;
}

static gboolean
has_conn (Host *host, const char *name)
{
  g_auto (GStrv) conns = list_conns (host->watched->vici);

  return g_strv_contains ((const char *const *) conns, name);
}

static void
swanctl (Host *host, const char *command)
{
  const char *argv[] = { host->charon->swanctl, command, "--uri", host->charon->uri, NULL };
  g_autofree char *conf = g_build_filename (host->charon->dir, "swanctl.conf", NULL);
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_SILENCE);
  g_autoptr (GSubprocess) process = NULL;
  g_autoptr (GError) error = NULL;

  g_file_set_contents (conf, "# nothing\n", -1, &error);
  g_assert_no_error (error);
  g_subprocess_launcher_setenv (launcher, "SWANCTL_DIR", host->charon->dir, TRUE);
  process = g_subprocess_launcher_spawnv (launcher, argv, &error);
  g_assert_no_error (error);
  g_subprocess_wait_check (process, NULL, &error);
  g_assert_no_error (error);
}

/* ---- up ---- */

static void
test_initiate_and_follow (Pair *pair, gconstpointer data)
{
  g_autoptr (GHashTable) up = NULL;
  gint64                 since;

  bring_up (pair);
  g_assert_cmpuint (n_sas (&pair->h1), ==, 1);
  g_assert_cmpuint (n_sas (&pair->h2), ==, 1);
  g_assert_cmpuint (pair->h1.n_changed, >=, 1);
  g_assert_cmpuint (pair->h2.n_changed, >=, 1);
  up = vr_tunnels_up (pair->h1.tunnels);
  g_assert_cmpuint (g_hash_table_size (up), ==, 1);
  g_assert_true (g_hash_table_contains (up, "h2"));
  since = vr_tunnels_up_since (pair->h1.tunnels, "h2");
  g_assert_cmpint (ABS (g_get_real_time () - since), <, 60 * G_USEC_PER_SEC);
  g_assert_null (trouble (pair, &pair->h1));
  g_assert_null (vr_tunnels_trouble (pair->h1.tunnels, NULL));
}

static void
test_interface_at_once (Pair *pair, gconstpointer data)
{
  g_autofree char *expected = g_strdup_printf ("%u h2", vr_tunnel_if_id ("h2"));

  want (pair, &pair->h1, VR_TUNNEL_READY);
  g_assert_cmpstr (g_hash_table_lookup (pair->h1.kernel->links, "vr-h2"), ==, expected);
}

static void
test_no_interface (Pair *pair, gconstpointer data)
{
  pair->h1.kernel->broken = TRUE;
  want (pair, &pair->h2, VR_TUNNEL_FOLLOW);
  want (pair, &pair->h1, VR_TUNNEL_INITIATE);
  WAIT_FOR (is_up (pair, &pair->h2)); /* the other side cannot know */
  WAIT_FOR (n_sas (&pair->h1) == 1);
  g_assert_false (is_up (pair, &pair->h1));
  g_assert_true (trouble_says (pair, &pair->h1, "knows no XFRM interfaces"));

  pair->h1.kernel->broken = FALSE;
  WAIT_FOR (is_up (pair, &pair->h1));
  g_assert_null (trouble (pair, &pair->h1));
}

static void
test_both_initiate (Pair *pair, gconstpointer data)
{
  guint changed;

  want (pair, &pair->h1, VR_TUNNEL_INITIATE);
  want (pair, &pair->h2, VR_TUNNEL_INITIATE);
  WAIT_FOR (both_up (pair));
  harness_run_for (1000);
  changed = pair->h1.n_changed + pair->h2.n_changed;
  harness_run_for (3000);
  g_assert_true (both_up (pair));
  g_assert_cmpuint (pair->h1.n_changed + pair->h2.n_changed, ==, changed);
  g_assert_cmpuint (n_sas (&pair->h1), <=, 2);
}

static gboolean
one_is_left (Pair *pair)
{
  g_assert_true (both_up (pair)); /* all the time */
  return n_sas (&pair->h1) == 1 && n_sas (&pair->h2) == 1;
}

/*
 * Both initiate at once; TRUE if h1, which thins them out, has two then. FALSE: one host was so quick that the other had no reason to, or h1's charon
 * dropped its own at h2's first contact.
 */
static gboolean
made_two (Pair *pair)
{
  want (pair, &pair->h1, VR_TUNNEL_INITIATE);
  want (pair, &pair->h2, VR_TUNNEL_INITIATE);
  WAIT_FOR (both_up (pair));
  harness_run_for (1000); /* both negotiations are over */
  return n_sas (&pair->h1) == 2;
}

/* charon keeps what both initiated; one of the two hosts takes one down. */
static void
test_one_is_left (Pair *pair, gconstpointer data)
{
  guint tries = 1;

  for (; !made_two (pair) && tries < 10; tries++)
    {
      want (pair, &pair->h1, VR_TUNNEL_READY);
      want (pair, &pair->h2, VR_TUNNEL_READY);
      WAIT_FOR (n_sas (&pair->h1) == 0 && n_sas (&pair->h2) == 0);
    }
  g_assert_cmpuint (tries, <, 10);
  WAIT_FOR (one_is_left (pair));
  harness_run_for (1000);
  g_assert_true (one_is_left (pair));
}

static void
test_takeover (Pair *pair, gconstpointer data)
{
  gint64 start = g_get_monotonic_time ();

  pair->h2.config.takeover_delay_s = 1;
  want (pair, &pair->h1, VR_TUNNEL_READY);
  want (pair, &pair->h2, VR_TUNNEL_FOLLOW);
  WAIT_FOR (both_up (pair));
  g_assert_cmpint (g_get_monotonic_time () - start, >=, pair->h2.config.takeover_delay_s * G_USEC_PER_SEC);
}

static void
test_unreachable_then_there (Pair *pair, gconstpointer data)
{
  charon_kill (pair->h2.charon);
  want (pair, &pair->h2, VR_TUNNEL_FOLLOW);
  want (pair, &pair->h1, VR_TUNNEL_INITIATE);
  WAIT_FOR (trouble_says (pair, &pair->h1, "no answer from h2 at 10.99.0.2"));
  g_assert_false (is_up (pair, &pair->h1));
  WAIT_FOR (vr_tunnels_trouble (pair->h2.tunnels, NULL) != NULL);

  charon_start (pair->h2.charon);
  WAIT_FOR (both_up (pair));
  g_assert_null (trouble (pair, &pair->h1));
  g_assert_null (vr_tunnels_trouble (pair->h2.tunnels, NULL));
}

static void
test_wrong_psk (Pair *pair, gconstpointer data)
{
  guint changed, tries;

  g_free (pair->h2.config.psk);
  pair->h2.config.psk = g_strdup ("another secret");
  want (pair, &pair->h2, VR_TUNNEL_READY);
  want (pair, &pair->h1, VR_TUNNEL_INITIATE);
  WAIT_FOR (trouble_says (pair, &pair->h1, "authentication failed"));
  WAIT_FOR (trouble_says (pair, &pair->h2, "authentication failed"));
  g_test_message ("%s", trouble (pair, &pair->h1));
  g_test_message ("%s", trouble (pair, &pair->h2));
  g_assert_true (both_down (pair));

  /* Said once, though it is tried again and again. */
  WAIT_FOR (pair->h1.n_changed > 0 && pair->h2.n_changed > 0);
  tries = pair->h1.n_tries;
  WAIT_FOR (pair->h1.n_tries > tries); /* what the first try set off is said by now */
  changed = pair->h1.n_changed + pair->h2.n_changed;
  tries = pair->h1.n_tries;
  WAIT_FOR (pair->h1.n_tries >= tries + 2);
  g_assert_cmpuint (pair->h1.n_changed + pair->h2.n_changed, ==, changed);
}

static void
test_other_proposals (Pair *pair, gconstpointer data)
{
  pair->h2.config.proposals = (char *) "aes128gcm16-prfsha256-ecp256";
  want (pair, &pair->h2, VR_TUNNEL_READY);
  want (pair, &pair->h1, VR_TUNNEL_INITIATE);
  WAIT_FOR (trouble_says (pair, &pair->h1, "no algorithms in common"));
  g_test_message ("%s", trouble (pair, &pair->h1));
}

static void
test_unreadable_proposal (Pair *pair, gconstpointer data)
{
  pair->h1.config.proposals = (char *) "rot13";
  want (pair, &pair->h1, VR_TUNNEL_READY);
  WAIT_FOR (trouble_says (pair, &pair->h1, "charon does not have the connection to h2"));
  g_test_message ("%s", trouble (pair, &pair->h1));
  g_assert_false (has_conn (&pair->h1, "virt-relay-h2"));
}

static void
test_no_common_family (Pair *pair, gconstpointer data)
{
  want_at (&pair->h1, "h2", VR_TUNNEL_INITIATE, "2001:db8::2");
  WAIT_FOR (trouble_says (pair, &pair->h1, "2001:db8::2"));

  want_at (&pair->h1, "h2", VR_TUNNEL_INITIATE, "2001:db8::2 10.99.0.2");
  want (pair, &pair->h2, VR_TUNNEL_READY);
  WAIT_FOR (both_up (pair));
}

/* The daemon again, of a host that is reached over IPv6 alone. */
static void
move_to_v6 (Host *host)
{
  daemon_stop (host);
  g_strfreev (host->config.host->underlay);
  host->config.host->underlay = g_strsplit (host->charon->address6, " ", -1);
  daemon_start (host);
}

static void
test_over_ipv6 (Pair *pair, gconstpointer data)
{
  g_autoptr (GPtrArray) sas = NULL;

  move_to_v6 (&pair->h1);
  move_to_v6 (&pair->h2);
  want_at (&pair->h2, "h1", VR_TUNNEL_FOLLOW, "fd99::1");
  want_at (&pair->h1, "h2", VR_TUNNEL_INITIATE, "fd99::2");
  WAIT_FOR (both_up (pair));
  g_assert_null (trouble (pair, &pair->h1));
  sas = list_sas (pair->h1.watched->vici, NULL);
  g_assert_cmpuint (sas->len, ==, 1);
  g_assert_cmpstr (((VrViciIkeSa *) sas->pdata[0])->remote_host, ==, "fd99::2");
  want_at (&pair->h1, "h2", VR_TUNNEL_READY, "fd99::2");
  want_at (&pair->h2, "h1", VR_TUNNEL_READY, "fd99::1");
  WAIT_FOR (both_down (pair));
}

/* Something else at h2 answers, with less than everything. */
static void
test_narrowed (Pair *pair, gconstpointer data)
{
  const VrViciChild child = {
    .name = "narrow",
    .local_ts = (const char *const[]){ "10.2.0.0/16", NULL },
    .remote_ts = (const char *const[]){ "10.1.0.0/16", NULL },
  };
  const VrViciConnection conn = {
    .name = "somebody",
    .local_addrs = (const char *const[]){ "10.99.0.2", NULL },
    .remote_addrs = (const char *const[]){ "10.99.0.1", NULL },
    .local_id = "h2.virt-relay",
    .remote_id = "h1.virt-relay",
    .children = &child,
    .n_children = 1,
  };
  g_auto (Answer) answer = { 0 };

  load_psk (pair->h2.watched->vici, "somebody", (const char *const[]){ "h1.virt-relay", "h2.virt-relay", NULL }, pair->h1.config.psk);
  vr_vici_load_conn (pair->h2.watched->vici, &conn, 0, NULL, answered, &answer);
  expect_success (pair->h2.watched->vici, &answer);

  want (pair, &pair->h1, VR_TUNNEL_INITIATE);
  WAIT_FOR (trouble_says (pair, &pair->h1, "10.1.0.0/16 === 10.2.0.0/16"));
  g_test_message ("%s", trouble (pair, &pair->h1));
  g_assert_false (is_up (pair, &pair->h1));
}

/* ---- down ---- */

static void
test_ready_takes_down (Pair *pair, gconstpointer data)
{
  bring_up (pair);
  want (pair, &pair->h1, VR_TUNNEL_READY);
  want (pair, &pair->h2, VR_TUNNEL_READY);
  WAIT_FOR (both_down (pair));
  WAIT_FOR (n_sas (&pair->h1) == 0 && n_sas (&pair->h2) == 0);
  g_assert_cmpint (vr_tunnels_up_since (pair->h1.tunnels, "h2"), ==, 0);
  g_assert_true (has_conn (&pair->h1, "virt-relay-h2"));
  g_assert_true (has_conn (&pair->h2, "virt-relay-h1"));

  bring_up (pair);
}

static void
test_peer_leaves (Pair *pair, gconstpointer data)
{
  bring_up (pair);
  want_nobody (&pair->h1);
  g_assert_false (is_up (pair, &pair->h1));
  g_assert_cmpuint (g_hash_table_size (pair->h1.kernel->links), ==, 0);
  WAIT_FOR (n_sas (&pair->h1) == 0 && !has_conn (&pair->h1, "virt-relay-h2"));
  WAIT_FOR (!is_up (pair, &pair->h2));

  bring_up (pair);
}

static void
test_address_changes (Pair *pair, gconstpointer data)
{
  want (pair, &pair->h2, VR_TUNNEL_READY);
  want_at (&pair->h1, "h2", VR_TUNNEL_INITIATE, "10.99.0.9");
  WAIT_FOR (trouble_says (pair, &pair->h1, "10.99.0.9"));

  want (pair, &pair->h1, VR_TUNNEL_INITIATE);
  WAIT_FOR (both_up (pair));
  g_assert_null (trouble (pair, &pair->h1));

  want_at (&pair->h1, "h2", VR_TUNNEL_INITIATE, "10.99.0.9");
  g_assert_false (is_up (pair, &pair->h1)); /* h2 said that it is elsewhere now */
  WAIT_FOR (n_sas (&pair->h2) == 0);
}

/* ---- charon and others ---- */

static void
test_charon_restarts (Pair *pair, gconstpointer data)
{
  Host  *restarted = g_strcmp0 (data, "initiator") == 0 ? &pair->h1 : &pair->h2;
  gint64 start;

  pair->h2.config.takeover_delay_s = 1; /* the other side does not know that it has to initiate */
  bring_up (pair);
  charon_kill (restarted->charon);
  WAIT_FOR (vr_tunnels_trouble (restarted->tunnels, NULL) != NULL);
  g_assert_true (is_up (pair, restarted)); /* for all that is known, its SAs live on */

  charon_start (restarted->charon);
  start = g_get_monotonic_time ();
  WAIT_FOR (vr_tunnels_trouble (restarted->tunnels, NULL) == NULL);
  WAIT_FOR (vr_vici_is_connected (restarted->watched->vici));
  WAIT_FOR (n_sas (restarted) == 1);
  WAIT_FOR (both_up (pair));
  g_test_message ("up %.2f s after charon's start", (g_get_monotonic_time () - start) / 1e6);
  WAIT_FOR (n_sas (&pair->h1) == 1 && n_sas (&pair->h2) == 1); /* the other side forgot what it had */
}

static gboolean
is_silent (Pair *pair)
{
  return !is_up (pair, &pair->h1) && trouble_says (pair, &pair->h1, "does not answer any more");
}

/* As when the underlay dies: charon goes on asking for minutes. The tunnel is left alone meanwhile, and good again at once. */
static void
test_peer_is_silent (Pair *pair, gconstpointer data)
{
  guint64 id;

  pair->h1.config.dpd_delay_s = 1;
  bring_up (pair);
  id = only_sa (&pair->h1);
  charon_signal (pair->h2.charon, SIGSTOP);
  WAIT_FOR (is_silent (pair));
  g_assert_cmpuint (only_sa (&pair->h1), ==, id);
  charon_signal (pair->h2.charon, SIGCONT);
  WAIT_FOR (is_up (pair, &pair->h1));
  g_assert_null (trouble (pair, &pair->h1));
  g_assert_cmpuint (only_sa (&pair->h1), ==, id);
}

/* A charon that is told to end takes its SAs with it, and says so. */
static void
test_charon_ends (Pair *pair, gconstpointer data)
{
  bring_up (pair);
  charon_signal (pair->h1.charon, SIGTERM);
  WAIT_FOR (both_down (pair));
  WAIT_FOR (vr_tunnels_trouble (pair->h1.tunnels, NULL) != NULL);
  charon_kill (pair->h1.charon);

  charon_start (pair->h1.charon);
  WAIT_FOR (both_up (pair));
}

static void
test_charon_hangs (Pair *pair, gconstpointer data)
{
  guint64 id;

  bring_up (pair);
  id = only_sa (&pair->h1);
  charon_signal (pair->h1.charon, SIGSTOP);
  WAIT_FOR (vr_tunnels_trouble (pair->h1.tunnels, NULL) != NULL);
  g_assert_true (is_up (pair, &pair->h1));
  charon_signal (pair->h1.charon, SIGCONT);
  WAIT_FOR (vr_tunnels_trouble (pair->h1.tunnels, NULL) == NULL);
  WAIT_FOR (vr_vici_is_connected (pair->h1.watched->vici));
  harness_run_for (1000);
  g_assert_true (both_up (pair));
  g_assert_cmpuint (only_sa (&pair->h1), ==, id);
}

/* swanctl --load-all and its like take away what is not in swanctl's files; the SA stays, and nothing is initiated again. */
static void
test_others_load (Pair *pair, gconstpointer command)
{
  guint64 id;
  guint   changed;

  bring_up (pair);
  id = only_sa (&pair->h1);
  changed = pair->h1.n_changed;
  swanctl (&pair->h1, command);
  WAIT_FOR (has_conn (&pair->h1, "virt-relay-h2"));
  harness_run_for (500);
  g_assert_true (is_up (pair, &pair->h1));
  g_assert_cmpuint (pair->h1.n_changed, ==, changed);
  g_assert_cmpuint (only_sa (&pair->h1), ==, id);
}

static void
test_secret_is_loaded_again (Pair *pair, gconstpointer data)
{
  want (pair, &pair->h1, VR_TUNNEL_READY);
  want (pair, &pair->h2, VR_TUNNEL_READY);
  WAIT_FOR (has_conn (&pair->h1, "virt-relay-h2"));
  WAIT_FOR (has_conn (&pair->h2, "virt-relay-h1"));
  swanctl (&pair->h1, "--load-all");
  WAIT_FOR (has_conn (&pair->h1, "virt-relay-h2"));

  want (pair, &pair->h2, VR_TUNNEL_INITIATE);
  WAIT_FOR (both_up (pair));
}

static void
test_daemon_restarts (Pair *pair, gconstpointer data)
{
  guint64 id;

  bring_up (pair);
  id = only_sa (&pair->h1);
  daemon_stop (&pair->h1);
  daemon_start (&pair->h1);
  want (pair, &pair->h1, VR_TUNNEL_INITIATE);
  WAIT_FOR (is_up (pair, &pair->h1));
  harness_run_for (500);
  g_assert_cmpuint (only_sa (&pair->h1), ==, id);
  g_assert_cmpuint (pair->h1.watched->n_child_up, ==, 1);
  g_assert_cmpuint (pair->h1.watched->n_child_down, ==, 0);
}

static void
test_left_behind (Pair *pair, gconstpointer data)
{
  bring_up (pair);
  daemon_stop (&pair->h1);
  daemon_start (&pair->h1);
  harness_run_for (1500);
  g_assert_cmpuint (n_sas (&pair->h1), ==, 1); /* nobody said what is wanted yet */

  want_nobody (&pair->h1);
  g_assert_cmpuint (g_hash_table_size (pair->h1.kernel->links), ==, 0);
  WAIT_FOR (n_sas (&pair->h1) == 0 && !has_conn (&pair->h1, "virt-relay-h2"));
}

static void
test_others_connection_stays (Pair *pair, gconstpointer data)
{
  const VrViciConnection conn = { .name = "mine", .remote_addrs = (const char *const[]){ "10.99.0.77", NULL } };
  g_auto (Answer) answer = { 0 };

  vr_vici_load_conn (pair->h1.watched->vici, &conn, 0, NULL, answered, &answer);
  expect_success (pair->h1.watched->vici, &answer);
  bring_up (pair);
  want_nobody (&pair->h1);
  WAIT_FOR (!has_conn (&pair->h1, "virt-relay-h2"));
  g_assert_true (has_conn (&pair->h1, "mine"));
}

/* ---- certificates ---- */

static void
shell (const char *dir, const char *script)
{
  const char        *argv[] = { "sh", "-ec", script, NULL };
  g_autofree char   *complaint = NULL; /* and what pki has to say of plugins that it does without */
  g_autoptr (GError) error = NULL;
  int                status;

  g_spawn_sync (dir, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, &complaint, &status, &error);
  g_assert_no_error (error);
  if (!g_spawn_check_wait_status (status, NULL))
    g_error ("%s", complaint);
}

static void
use_certificates (Host *host, const char *dir)
{
  host->config.auth = VR_AUTH_CERTIFICATE;
  host->config.certificate = g_strdup_printf ("%s/%s.pem", dir, host->name);
  host->config.key = g_strdup_printf ("%s/%s.key", dir, host->name);
  host->config.ca = g_build_filename (dir, "ca.pem", NULL);
}

static void
forget_certificates (Host *host)
{
  g_free (host->config.certificate);
  g_free (host->config.key);
  g_free (host->config.ca);
}

static void
test_certificates (Pair *pair, gconstpointer data)
{
  static const char script[] =
    "pki --gen --type ecdsa --size 256 --outform pem > ca.key\n"
    "pki --self --ca --type ecdsa --in ca.key --dn CN=ca --outform pem > ca.pem\n"
    "for h in h1 h2; do\n"
    "  pki --gen --type ecdsa --size 256 --outform pem > $h.key\n"
    "  pki --issue --type priv --in $h.key --cacert ca.pem --cakey ca.key --dn CN=$h --san $h.virt-relay --outform pem > $h.pem\n"
    "done\n";
  g_autofree char *dir = make_temp_dir ();
  g_autofree char *key = g_build_filename (dir, "h1.key", NULL), *away = g_build_filename (dir, "away", NULL);

  shell (dir, script);
  use_certificates (&pair->h1, dir);
  use_certificates (&pair->h2, dir);
  g_rename (key, away);
  want (pair, &pair->h2, VR_TUNNEL_FOLLOW);
  want (pair, &pair->h1, VR_TUNNEL_INITIATE);
  WAIT_FOR (trouble_says (pair, &pair->h1, key));
  g_test_message ("%s", trouble (pair, &pair->h1));

  g_rename (away, key);
  WAIT_FOR (both_up (pair));
  g_assert_null (trouble (pair, &pair->h1));
  remove_temp_dir (dir);
  daemon_stop (&pair->h1);
  daemon_stop (&pair->h2);
  forget_certificates (&pair->h1);
  forget_certificates (&pair->h2);
}

#define ADD(path, data, name) g_test_add ("/tunnels/" path, Pair, data, pair_up, test_##name, pair_down)

int
main (int argc, char *argv[])
{
  const char *why = charon_unavailable ();

  g_test_init (&argc, &argv, NULL);
  if (why != NULL)
    {
      g_print ("1..0 # SKIP %s\n", why);
      return 0;
    }
  ADD ("initiate-and-follow", NULL, initiate_and_follow);
  ADD ("interface-at-once", NULL, interface_at_once);
  ADD ("no-interface", NULL, no_interface);
  ADD ("both-initiate", NULL, both_initiate);
  ADD ("one-is-left-of-two", NULL, one_is_left);
  ADD ("takeover", NULL, takeover);
  ADD ("unreachable-then-there", NULL, unreachable_then_there);
  ADD ("wrong-psk", NULL, wrong_psk);
  ADD ("other-proposals", NULL, other_proposals);
  ADD ("unreadable-proposal", NULL, unreadable_proposal);
  ADD ("no-common-family", NULL, no_common_family);
  ADD ("over-ipv6", NULL, over_ipv6);
  ADD ("narrowed", NULL, narrowed);
  ADD ("ready-takes-down", NULL, ready_takes_down);
  ADD ("peer-leaves", NULL, peer_leaves);
  ADD ("address-changes", NULL, address_changes);
  ADD ("charon-restarts/initiator", "initiator", charon_restarts);
  ADD ("charon-restarts/follower", "follower", charon_restarts);
  ADD ("charon-ends", NULL, charon_ends);
  ADD ("peer-is-silent", NULL, peer_is_silent);
  ADD ("charon-hangs", NULL, charon_hangs);
  ADD ("others-load-conns", "--load-conns", others_load);
  ADD ("others-load-all", "--load-all", others_load);
  ADD ("secret-is-loaded-again", NULL, secret_is_loaded_again);
  ADD ("daemon-restarts", NULL, daemon_restarts);
  ADD ("left-behind", NULL, left_behind);
  ADD ("others-connection-stays", NULL, others_connection_stays);
  ADD ("certificates", NULL, certificates);
  return g_test_run ();
}
