/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A tunnel between two hosts that comes up and goes down. tunnel-pair.h says how they are made. */
#include "tunnel-pair.h"

#include <signal.h>

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
  TUNNEL_TEST ("initiate-and-follow", NULL, initiate_and_follow);
  TUNNEL_TEST ("interface-at-once", NULL, interface_at_once);
  TUNNEL_TEST ("no-interface", NULL, no_interface);
  TUNNEL_TEST ("both-initiate", NULL, both_initiate);
  TUNNEL_TEST ("one-is-left-of-two", NULL, one_is_left);
  TUNNEL_TEST ("takeover", NULL, takeover);
  TUNNEL_TEST ("unreachable-then-there", NULL, unreachable_then_there);
  TUNNEL_TEST ("wrong-psk", NULL, wrong_psk);
  TUNNEL_TEST ("other-proposals", NULL, other_proposals);
  TUNNEL_TEST ("unreadable-proposal", NULL, unreadable_proposal);
  TUNNEL_TEST ("no-common-family", NULL, no_common_family);
  TUNNEL_TEST ("over-ipv6", NULL, over_ipv6);
  TUNNEL_TEST ("narrowed", NULL, narrowed);
  TUNNEL_TEST ("ready-takes-down", NULL, ready_takes_down);
  TUNNEL_TEST ("peer-leaves", NULL, peer_leaves);
  TUNNEL_TEST ("address-changes", NULL, address_changes);
  return g_test_run ();
}
