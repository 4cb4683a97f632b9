/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What happens around a tunnel: to charon, by others, and with certificates. tunnel-pair.h says how the two hosts are made. */
#include "tunnel-pair.h"

#include <glib/gstdio.h>
#include <signal.h>

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
  TUNNEL_TEST ("charon-restarts/initiator", "initiator", charon_restarts);
  TUNNEL_TEST ("charon-restarts/follower", "follower", charon_restarts);
  TUNNEL_TEST ("charon-ends", NULL, charon_ends);
  TUNNEL_TEST ("peer-is-silent", NULL, peer_is_silent);
  TUNNEL_TEST ("charon-hangs", NULL, charon_hangs);
  TUNNEL_TEST ("others-load-conns", "--load-conns", others_load);
  TUNNEL_TEST ("others-load-all", "--load-all", others_load);
  TUNNEL_TEST ("secret-is-loaded-again", NULL, secret_is_loaded_again);
  TUNNEL_TEST ("daemon-restarts", NULL, daemon_restarts);
  TUNNEL_TEST ("left-behind", NULL, left_behind);
  TUNNEL_TEST ("others-connection-stays", NULL, others_connection_stays);
  TUNNEL_TEST ("certificates", NULL, certificates);
  return g_test_run ();
}
