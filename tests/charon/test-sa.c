/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two real charons, each with a VrVici: what is loaded, brought up, listed, rekeyed and taken down. */
#include <stdio.h>
#include <string.h>

#include "charon.h"
#include "harness.h"

typedef struct {
  Charon  *left, *right;
  Watched *l, *r;
} Pair;

static void
pair_up (Pair *pair, gconstpointer data)
{
  pair->left = charon_new (0);
  pair->right = charon_new (1);
  charon_connect (pair->left, pair->right);
  charon_start (pair->left);
  charon_start (pair->right);
  pair->l = watched_new_connected (pair->left->uri, PATIENT_MS);
  pair->r = watched_new_connected (pair->right->uri, PATIENT_MS);
}

static void
pair_down (Pair *pair, gconstpointer data)
{
  watched_free (pair->l);
  watched_free (pair->r);
  charon_free (pair->left);
  charon_free (pair->right);
}

/* "peers" between the two, from the side of one, with the child "net". */
static void
load_conn (Watched *watched, const Charon *own, const Charon *other, const VrViciConnection *changes)
{
  static const char *const ids[] = { "host1.test", "host2.test" };
  static const char *const nets[][3] = { { "10.1.0.0/16", "fd01::/16", NULL }, { "10.2.0.0/16", "fd02::/16", NULL } };
  const guint n = g_str_has_suffix (own->address, "2");
  const VrViciChild child = {
    .name = "net",
    .local_ts = nets[n],
    .remote_ts = nets[1 - n],
    .esp_proposals = STRV ("aes256gcm16-ecp384"),
    .rekey_s = -1,
    .replay_window = 256,
    .if_id_in = 17,
    .if_id_out = 17,
  };
  const VrViciConnection conn = {
    .name = "peers",
    .local_addrs = STRV (own->address),
    .remote_addrs = STRV (other->address),
    .local_id = ids[n],
    .remote_id = ids[1 - n],
    .auth = changes != NULL ? changes->auth : VR_VICI_AUTH_PSK,
    .certs = changes != NULL ? changes->certs : NULL,
    .ca_certs = changes != NULL ? changes->ca_certs : NULL,
    .proposals = STRV ("aes256gcm16-prfsha384-ecp384"),
    .dpd_delay_s = 10,
    .children = &child,
    .n_children = 1,
  };
  g_auto (Answer) answer = { 0 };

  vr_vici_load_conn (watched->vici, &conn, 0, NULL, answered, &answer);
  expect_success (watched->vici, &answer);
}

static void
load_both (Pair *pair)
{
  load_psk (pair->l->vici, "key", STRV ("host1.test", "host2.test"), "a secret of the two");
  load_psk (pair->r->vici, "key", STRV ("host1.test", "host2.test"), "a secret of the two");
  load_conn (pair->l, pair->left, pair->right, NULL);
  load_conn (pair->r, pair->right, pair->left, NULL);
}

static void
initiate (Pair *pair)
{
  g_auto (Answer) answer = { 0 };

  vr_vici_initiate (pair->l->vici, "peers", "net", 0, NULL, answered, &answer);
  expect_success (pair->l->vici, &answer);
}

static void
bring_up (Pair *pair)
{
  load_both (pair);
  initiate (pair);
  WAIT_FOR (pair->l->n_child_up == 1 && pair->r->n_child_up == 1);
}

static void
test_version (Pair *pair, gconstpointer data)
{
  g_autofree char *text = version (pair->l->vici);

  g_assert_true (g_regex_match_simple ("^charon[a-z-]* [5-9]\\.[0-9]+", text, 0, 0));
}

static void
test_child_up (Pair *pair, gconstpointer data)
{
  bring_up (pair);
  g_assert_cmpuint (pair->l->n_ike_up, ==, 1);
  g_assert_cmpuint (pair->r->n_ike_up, ==, 1);
  g_assert_cmpstr (pair->l->last_ike, ==, "peers");
  g_assert_cmpstr (pair->l->last_child, ==, "net");
  g_assert_cmpstr (pair->l->last_remote_ts, ==, "10.2.0.0/16 fd02::/16");
  g_assert_cmpstr (pair->r->last_remote_ts, ==, "10.1.0.0/16 fd01::/16");
}

static void
test_list_sas (Pair *pair, gconstpointer data)
{
  g_autoptr (GPtrArray) none = list_sas (pair->l->vici, NULL);
  g_autoptr (GPtrArray) sas = NULL;
  const VrViciIkeSa *ike;
  const VrViciChildSa *child;
  g_autofree char *local = NULL;

  g_assert_cmpuint (none->len, ==, 0);
  bring_up (pair);
  sas = list_sas (pair->l->vici, "peers");
  g_assert_cmpuint (sas->len, ==, 1);
  ike = sas->pdata[0];
  g_assert_cmpstr (ike->name, ==, "peers");
  g_assert_cmpstr (ike->state, ==, "ESTABLISHED");
  g_assert_cmpuint (ike->unique_id, >, 0);
  g_assert_true (ike->initiator);
  g_assert_cmpstr (ike->local_host, ==, "10.99.0.1");
  g_assert_cmpstr (ike->remote_host, ==, "10.99.0.2");
  g_assert_cmpstr (ike->local_id, ==, "host1.test");
  g_assert_cmpstr (ike->remote_id, ==, "host2.test");
  g_assert_cmpuint (ike->children->len, ==, 1);
  child = ike->children->pdata[0];
  g_assert_cmpstr (child->name, ==, "net");
  g_assert_cmpstr (child->state, ==, "INSTALLED");
  g_assert_cmpstr (child->mode, ==, "TUNNEL");
  g_assert_true (vr_vici_child_sa_is_up (child));
  g_assert_cmpuint (child->if_id_in, ==, 17);
  g_assert_cmpuint (child->if_id_out, ==, 17);
  local = g_strjoinv (" ", child->local_ts);
  g_assert_cmpstr (local, ==, "10.1.0.0/16 fd01::/16");
}

static void
test_list_sas_of_one_connection (Pair *pair, gconstpointer data)
{
  g_autoptr (GPtrArray) other = NULL;
  g_autoptr (GPtrArray) all = NULL;

  bring_up (pair);
  other = list_sas (pair->l->vici, "somebody else");
  all = list_sas (pair->l->vici, NULL);
  g_assert_cmpuint (other->len, ==, 0);
  g_assert_cmpuint (all->len, ==, 1);
}

static void
test_terminate_child (Pair *pair, gconstpointer data)
{
  g_auto (Answer) answer = { 0 };

  bring_up (pair);
  vr_vici_terminate (pair->l->vici, "peers", 0, "net", FALSE, 0, NULL, answered, &answer);
  expect_success (pair->l->vici, &answer);
  WAIT_FOR (pair->l->n_child_down == 1 && pair->r->n_child_down == 1);
  g_assert_cmpuint (pair->l->n_ike_down, ==, 0);
}

static void
test_terminate_ike_by_id (Pair *pair, gconstpointer data)
{
  g_auto (Answer) answer = { 0 };
  g_autoptr (GPtrArray) sas = NULL;
  g_autoptr (GPtrArray) after = NULL;

  bring_up (pair);
  sas = list_sas (pair->l->vici, NULL);
  vr_vici_terminate (pair->l->vici, NULL, ((VrViciIkeSa *) sas->pdata[0])->unique_id, NULL, FALSE, 0, NULL, answered, &answer);
  expect_success (pair->l->vici, &answer);
  WAIT_FOR (pair->l->n_ike_down == 1 && pair->r->n_ike_down == 1);
  after = list_sas (pair->l->vici, NULL);
  g_assert_cmpuint (after->len, ==, 0);
}

static void
test_terminate_with_dead_peer (Pair *pair, gconstpointer data)
{
  g_auto (Answer) answer = { 0 };

  bring_up (pair);
  charon_kill (pair->right);
  vr_vici_terminate (pair->l->vici, "peers", 0, NULL, TRUE, 0, NULL, answered, &answer);
  expect_success (pair->l->vici, &answer);
  WAIT_FOR (pair->l->n_ike_down == 1);
}

static void
test_terminate_nothing (Pair *pair, gconstpointer data)
{
  g_auto (Answer) answer = { 0 };

  vr_vici_terminate (pair->l->vici, "peers", 0, NULL, FALSE, 0, NULL, answered, &answer);
  expect_error (pair->l->vici, &answer, VR_VICI_ERROR, VR_VICI_ERROR_REFUSED, "no matching SAs");
}

static void
test_rekey_child (Pair *pair, gconstpointer data)
{
  bring_up (pair);
  g_bytes_unref (output_of (STRV (pair->left->swanctl, "--rekey", "--child", "net", "--uri", pair->left->uri), NULL));
  WAIT_FOR (pair->l->n_child_rekey == 1 && pair->r->n_child_rekey == 1);
  g_assert_cmpuint (pair->l->n_child_up, ==, 1);
}

static void
test_rekey_ike (Pair *pair, gconstpointer data)
{
  bring_up (pair);
  g_bytes_unref (output_of (STRV (pair->left->swanctl, "--rekey", "--ike", "peers", "--uri", pair->left->uri), NULL));
  WAIT_FOR (pair->l->n_ike_rekey == 1 && pair->r->n_ike_rekey == 1);
  g_assert_cmpuint (pair->l->n_ike_up, ==, 1);
}

static void
test_wrong_secret (Pair *pair, gconstpointer data)
{
  load_both (pair);
  load_psk (pair->r->vici, "key", STRV ("host1.test", "host2.test"), "another secret");
  initiate (pair);
  WAIT_FOR (strstr (pair->l->log->str, "peers: received AUTHENTICATION_FAILED") != NULL);
  g_assert_cmpuint (pair->l->n_child_up, ==, 0);
}

static void
test_unload_shared (Pair *pair, gconstpointer data)
{
  g_auto (Answer) answer = { 0 };

  load_both (pair);
  vr_vici_unload_shared (pair->l->vici, "key", 0, NULL, answered, &answer);
  expect_success (pair->l->vici, &answer);
  initiate (pair);
  WAIT_FOR (strstr (pair->l->log->str, "peers: no shared key found") != NULL);
  g_assert_cmpuint (pair->l->n_child_up, ==, 0);
}

static void
test_conns (Pair *pair, gconstpointer data)
{
  g_auto (Answer) answer = { 0 };
  g_auto (GStrv) before = list_conns (pair->l->vici);
  g_auto (GStrv) loaded = NULL;
  g_auto (GStrv) unloaded = NULL;

  g_assert_cmpuint (g_strv_length (before), ==, 0);
  load_conn (pair->l, pair->left, pair->right, NULL);
  loaded = list_conns (pair->l->vici);
  g_assert_cmpuint (g_strv_length (loaded), ==, 1);
  g_assert_cmpstr (loaded[0], ==, "peers");
  vr_vici_unload_conn (pair->l->vici, "peers", 0, NULL, answered, &answer);
  expect_success (pair->l->vici, &answer);
  unloaded = list_conns (pair->l->vici);
  g_assert_cmpuint (g_strv_length (unloaded), ==, 0);
}

static void
test_unload_leaves_sa (Pair *pair, gconstpointer data)
{
  g_auto (Answer) answer = { 0 };
  g_autoptr (GPtrArray) sas = NULL;

  bring_up (pair);
  vr_vici_unload_conn (pair->l->vici, "peers", 0, NULL, answered, &answer);
  expect_success (pair->l->vici, &answer);
  sas = list_sas (pair->l->vici, NULL);
  g_assert_cmpuint (sas->len, ==, 1);
}

static void
test_bad_proposal (Pair *pair, gconstpointer data)
{
  const VrViciConnection conn = { .name = "bad", .proposals = STRV ("rot13-md17") };
  g_auto (Answer) answer = { 0 };

  vr_vici_load_conn (pair->l->vici, &conn, 0, NULL, answered, &answer);
  expect_error (pair->l->vici, &answer, VR_VICI_ERROR, VR_VICI_ERROR_REFUSED, "proposals");
}

static void
test_unknown_names (Pair *pair, gconstpointer data)
{
  g_auto (Answer) answer = { 0 };

  vr_vici_unload_conn (pair->l->vici, "nobody", 0, NULL, answered, &answer);
  expect_error (pair->l->vici, &answer, VR_VICI_ERROR, VR_VICI_ERROR_REFUSED, "nobody");
  vr_vici_initiate (pair->l->vici, "nobody", "net", 0, NULL, answered, &answer);
  expect_error (pair->l->vici, &answer, VR_VICI_ERROR, VR_VICI_ERROR_REFUSED, "not found");
}

/* Certificates */

static void
save (const char *dir, const char *name, GBytes *bytes)
{
  g_autofree char *path = g_build_filename (dir, name, NULL);
  g_autoptr (GError) error = NULL;

  g_file_set_contents (path, g_bytes_get_data (bytes, NULL), (gssize) g_bytes_get_size (bytes), &error);
  g_assert_no_error (error);
}

typedef struct {
  GBytes *ca, *key, *cert;
} Identity;

/* In PEM, or all in DER. */
static Identity
make_identity (const char *dir, const char *name, const char *form)
{
  g_autofree char *dn = g_strdup_printf ("CN=%s", name);
  Identity id = { 0 };

  id.key = output_of (STRV ("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-outform", form), dir);
  save (dir, "key", id.key);
  id.ca = output_of (STRV ("openssl", "x509", "-in", "ca.pem", "-outform", form), dir);
  id.cert = output_of (STRV ("pki", "--issue", "--cacert", "ca.pem", "--cakey", "ca-key.pem", "--type", "priv", "--in", "key", "--dn", dn,
                             "--san", name, "--outform", g_ascii_strcasecmp (form, "PEM") == 0 ? "pem" : "der"), dir);
  return id;
}

static void
identity_clear (Identity *id)
{
  g_bytes_unref (id->ca);
  g_bytes_unref (id->key);
  g_bytes_unref (id->cert);
}

static void
load_identity (Watched *watched, const Identity *id, const Charon *own, const Charon *other)
{
  GBytes *certs[] = { id->cert, NULL };
  GBytes *cas[] = { id->ca, NULL };
  const VrViciConnection changes = { .auth = VR_VICI_AUTH_PUBKEY, .certs = certs, .ca_certs = cas };
  g_auto (Answer) answer = { 0 };

  vr_vici_load_cert (watched->vici, id->ca, TRUE, 0, NULL, answered, &answer);
  expect_success (watched->vici, &answer);
  vr_vici_load_key (watched->vici, id->key, 0, NULL, answered, &answer);
  expect_success (watched->vici, &answer);
  load_conn (watched, own, other, &changes);
}

static void
test_certificates (Pair *pair, gconstpointer form)
{
  g_autofree char *dir = make_temp_dir ();
  Identity one, two;
  g_autoptr (GBytes) ca_key =
    output_of (STRV ("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"), dir);
  g_autoptr (GBytes) ca = NULL;

  save (dir, "ca-key.pem", ca_key);
  ca = output_of (STRV ("pki", "--self", "--ca", "--type", "priv", "--in", "ca-key.pem", "--dn", "CN=test CA", "--outform", "pem"), dir);
  save (dir, "ca.pem", ca);
  one = make_identity (dir, "host1.test", form);
  two = make_identity (dir, "host2.test", form);
  load_identity (pair->l, &one, pair->left, pair->right);
  load_identity (pair->r, &two, pair->right, pair->left);
  initiate (pair);
  WAIT_FOR (pair->l->n_child_up == 1 && pair->r->n_child_up == 1);
  identity_clear (&one);
  identity_clear (&two);
  remove_temp_dir (dir);
}

static void
test_bad_credentials (Pair *pair, gconstpointer data)
{
  g_autoptr (GBytes) garbage = g_bytes_new_static ("not a certificate", 17);
  g_auto (Answer) answer = { 0 };

  vr_vici_load_cert (pair->l->vici, garbage, FALSE, 0, NULL, answered, &answer);
  expect_error (pair->l->vici, &answer, VR_VICI_ERROR, VR_VICI_ERROR_REFUSED, "parsing X509 certificate failed");
  vr_vici_load_key (pair->l->vici, garbage, 0, NULL, answered, &answer);
  expect_error (pair->l->vici, &answer, VR_VICI_ERROR, VR_VICI_ERROR_REFUSED, "private key failed");
}

static void
test_not_a_ca (Pair *pair, gconstpointer data)
{
  g_autofree char *dir = make_temp_dir ();
  g_autoptr (GBytes) key = output_of (STRV ("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"), dir);
  g_autoptr (GBytes) cert = NULL;
  g_auto (Answer) answer = { 0 };

  save (dir, "key", key);
  cert = output_of (STRV ("pki", "--self", "--type", "priv", "--in", "key", "--dn", "CN=nobody", "--outform", "pem"), dir);
  vr_vici_load_cert (pair->l->vici, cert, TRUE, 0, NULL, answered, &answer);
  expect_error (pair->l->vici, &answer, VR_VICI_ERROR, VR_VICI_ERROR_REFUSED, "CA basic constraint");
  remove_temp_dir (dir);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  if (charon_unavailable () != NULL)
    {
      printf ("1..0 # SKIP %s\n", charon_unavailable ());
      return 0;
    }
#define ADD(path, data, func) g_test_add (path, Pair, data, pair_up, func, pair_down)
  ADD ("/sa/version", NULL, test_version);
  ADD ("/sa/child-up", NULL, test_child_up);
  ADD ("/sa/list", NULL, test_list_sas);
  ADD ("/sa/list-one-connection", NULL, test_list_sas_of_one_connection);
  ADD ("/sa/terminate-child", NULL, test_terminate_child);
  ADD ("/sa/terminate-ike-by-id", NULL, test_terminate_ike_by_id);
  ADD ("/sa/terminate-with-dead-peer", NULL, test_terminate_with_dead_peer);
  ADD ("/sa/terminate-nothing", NULL, test_terminate_nothing);
  ADD ("/sa/rekey-child", NULL, test_rekey_child);
  ADD ("/sa/rekey-ike", NULL, test_rekey_ike);
  ADD ("/sa/wrong-secret", NULL, test_wrong_secret);
  ADD ("/sa/unload-shared", NULL, test_unload_shared);
  ADD ("/sa/conns", NULL, test_conns);
  ADD ("/sa/unload-leaves-sa", NULL, test_unload_leaves_sa);
  ADD ("/sa/bad-proposal", NULL, test_bad_proposal);
  ADD ("/sa/unknown-names", NULL, test_unknown_names);
  ADD ("/sa/certificates-pem", "PEM", test_certificates);
  ADD ("/sa/certificates-der", "DER", test_certificates);
  ADD ("/sa/bad-credentials", NULL, test_bad_credentials);
  ADD ("/sa/not-a-ca", NULL, test_not_a_ca);
  return g_test_run ();
}
