/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is said to etcd's gateway, and what it may answer. The answers are those of etcd 3.4.23 and 3.5.16, shortened. */
#include "daemon/log/etcd-keys.h"
#include "daemon/log/etcd-message.h"

#include <json-glib/json-glib.h>
#include <string.h>

#define UUID "c7a5fdbd-edaf-9455-926a-d65c16db1809"

static VrEtcdAnswer *
parse (guint status, const char *json, GError **error)
{
  return vr_etcd_answer_parse (status, json, strlen (json), error);
}

static VrEtcdFrame *
parse_frame (const char *json, GError **error)
{
  return vr_etcd_frame_parse (json, strlen (json), error);
}

/* ---- saying ---- */

static void
test_range (void)
{
  g_autofree char *one = vr_etcd_say_range ("/a", NULL, 0, 0), *page = vr_etcd_say_range ("/a/", "/a0", 7, 500);

  g_assert_cmpstr (one, ==, "{\"key\":\"L2E=\"}");
  g_assert_cmpstr (page, ==, "{\"key\":\"L2Ev\",\"range_end\":\"L2Ew\",\"revision\":\"7\",\"limit\":\"500\"}");
}

static void
test_prefix_end (void)
{
  g_autofree char *end = vr_etcd_prefix_end ("/a/");

  g_assert_cmpstr (end, ==, "/a0");
}

static void
test_txn (void)
{
  const VrEtcdTxn txn = { .guard_key = "/m", .guard_value = "id", .key = "/k", .mod_revision = 4, .value = "v", .also_key = "/h",
                          .also_value = "v", .also_lease = 9 };
  g_autofree char *body = vr_etcd_say_txn (&txn);

  g_assert_cmpstr (body, ==,
                   "{\"compare\":[{\"target\":\"VALUE\",\"key\":\"L20=\",\"value\":\"aWQ=\"},"
                   "{\"target\":\"MOD\",\"key\":\"L2s=\",\"mod_revision\":\"4\"}],"
                   "\"success\":[{\"request_put\":{\"key\":\"L2s=\",\"value\":\"dg==\"}},"
                   "{\"request_put\":{\"key\":\"L2g=\",\"value\":\"dg==\",\"lease\":\"9\"}}],"
                   "\"failure\":[{\"request_range\":{\"key\":\"L2s=\"}},{\"request_range\":{\"key\":\"L20=\"}}]}");
}

/* A record that its own writer's word supersedes goes into the history alone. */
static void
test_txn_history_alone (void)
{
  const VrEtcdTxn txn = { .key = "/k", .also_key = "/h", .also_value = "v" };
  g_autofree char *body = vr_etcd_say_txn (&txn);

  g_assert_nonnull (strstr (body, "\"success\":[{\"request_put\":{\"key\":\"L2g=\""));
  g_assert_null (strstr (body, "\"request_put\":{\"key\":\"L2s=\""));
}

/* ---- understanding ---- */

static void
test_range_answer (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VrEtcdAnswer) answer = parse (200,
    "{\"header\":{\"cluster_id\":\"3\",\"revision\":\"12\",\"raft_term\":\"2\"},\"kvs\":[{\"key\":\"L2EveA==\",\"create_revision\":\"2\","
    "\"mod_revision\":\"2\",\"version\":\"1\",\"value\":\"aGk=\"},{\"key\":\"L2EveQ==\",\"mod_revision\":\"3\"}],\"more\":true,\"count\":\"9\"}",
    &error);
  const VrEtcdKv *kv;
  gsize len;

  g_assert_no_error (error);
  g_assert_cmpint (answer->revision, ==, 12);
  g_assert_true (answer->more);
  g_assert_cmpuint (answer->kvs->len, ==, 2);
  kv = answer->kvs->pdata[0];
  g_assert_cmpstr (kv->key, ==, "/a/x");
  g_assert_cmpint (kv->mod_revision, ==, 2);
  g_assert_cmpmem (g_bytes_get_data (kv->value, NULL), g_bytes_get_size (kv->value), "hi", 2);
  kv = answer->kvs->pdata[1];
  g_bytes_get_data (kv->value, &len); /* an empty value is left out */
  g_assert_cmpuint (len, ==, 0);
}

static void
test_txn_answer (void)
{
  g_autoptr (VrEtcdAnswer) yes = parse (200, "{\"header\":{\"revision\":\"2\"},\"succeeded\":true,\"responses\":[{\"response_put\":{}}]}", NULL);
  g_autoptr (VrEtcdAnswer) no = parse (200,
    "{\"header\":{\"revision\":\"2\"},\"responses\":[{\"response_range\":{\"kvs\":[{\"key\":\"L2s=\",\"value\":\"dg==\"}]}},"
    "{\"response_range\":{\"kvs\":[{\"key\":\"L20=\",\"value\":\"dg==\"}]}}]}", NULL);

  g_assert_true (yes->succeeded);
  g_assert_false (no->succeeded);
  g_assert_cmpuint (no->kvs->len, ==, 2);
  g_assert_cmpstr (((VrEtcdKv *) no->kvs->pdata[1])->key, ==, "/m");
}

static void
test_frames (void)
{
  g_autoptr (VrEtcdFrame) created = parse_frame ("{\"result\":{\"header\":{\"revision\":\"5\"},\"created\":true}}", NULL);
  g_autoptr (VrEtcdFrame) events = parse_frame (
    "{\"result\":{\"header\":{\"revision\":\"7\"},\"events\":[{\"kv\":{\"key\":\"L2s=\",\"mod_revision\":\"6\",\"value\":\"dg==\"}},"
    "{\"type\":\"DELETE\",\"kv\":{\"key\":\"L20=\",\"mod_revision\":\"7\"}}]}}", NULL);

  g_assert_true (created->created);
  g_assert_cmpint (created->revision, ==, 5);
  g_assert_false (events->created);
  g_assert_cmpuint (events->kvs->len, ==, 2);
  g_assert_nonnull (((VrEtcdKv *) events->kvs->pdata[0])->value);
  g_assert_null (((VrEtcdKv *) events->kvs->pdata[1])->value);
  g_assert_cmpint (((VrEtcdKv *) events->kvs->pdata[1])->mod_revision, ==, 7);
}

/* ---- errors ---- */

typedef struct {
  const char *name;
  guint       status;
  const char *json;
  VrEtcdError error;
} Refusal;

static const Refusal refusals[] = {
  { "login", 400, "{\"error\":\"etcdserver: authentication failed, invalid user ID or password\",\"code\":3}", VR_ETCD_ERROR_LOGIN },
  { "no-user", 400, "{\"error\":\"etcdserver: user name is empty\",\"code\":3}", VR_ETCD_ERROR_LOGIN },
  { "token", 401, "{\"error\":\"etcdserver: invalid auth token\",\"code\":16}", VR_ETCD_ERROR_TOKEN },
  { "permission", 403, "{\"error\":\"etcdserver: permission denied\",\"code\":7}", VR_ETCD_ERROR_PERMISSION },
  { "permission-3.5", 403, "{\"code\":7,\"message\":\"etcdserver: permission denied\",\"details\":[]}", VR_ETCD_ERROR_PERMISSION },
  { "compacted", 400, "{\"error\":\"etcdserver: mvcc: required revision has been compacted\",\"code\":11}", VR_ETCD_ERROR_COMPACTED },
  { "lease", 404, "{\"error\":\"etcdserver: requested lease not found\",\"code\":5}", VR_ETCD_ERROR_NO_LEASE },
  { "no-leader", 503, "{\"error\":\"etcdserver: no leader\",\"code\":14}", VR_ETCD_ERROR_NO_QUORUM },
  { "timeout", 503, "{\"error\":\"etcdserver: request timed out\",\"code\":14}", VR_ETCD_ERROR_NO_QUORUM },
  { "space", 429, "{\"error\":\"etcdserver: mvcc: database space exceeded\",\"code\":8}", VR_ETCD_ERROR_FAILED },
  { "not-found", 404, "{\"error\":\"Not Found\",\"code\":5}", VR_ETCD_ERROR_VERSION },
  { "client-named", 400, "CommonName of client sending a request against gateway will be ignored and not used as expected\n", VR_ETCD_ERROR_TLS },
  { "html", 404, "<html>", VR_ETCD_ERROR_VERSION },
  { "empty", 200, "", VR_ETCD_ERROR_VERSION },
  { "array", 200, "[]", VR_ETCD_ERROR_VERSION },
  { "status", 302, "{}", VR_ETCD_ERROR_VERSION },
  { "no-key", 200, "{\"kvs\":[{}]}", VR_ETCD_ERROR_VERSION },
  { "kv-no-object", 200, "{\"kvs\":[1]}", VR_ETCD_ERROR_VERSION },
};

static void
test_refusal (gconstpointer data)
{
  const Refusal *refusal = data;
  g_autoptr (GError) error = NULL;

  g_assert_null (parse (refusal->status, refusal->json, &error));
  g_assert_error (error, VR_ETCD_ERROR, (int) refusal->error);
}

static void
test_frame_refusals (void)
{
  g_autoptr (GError) compacted = NULL, permission = NULL, token = NULL, nothing = NULL, event = NULL;

  g_assert_null (parse_frame ("{\"result\":{\"canceled\":true,\"compact_revision\":\"9\"}}", &compacted));
  g_assert_error (compacted, VR_ETCD_ERROR, VR_ETCD_ERROR_COMPACTED);
  g_assert_null (parse_frame ("{\"result\":{\"created\":true,\"canceled\":true,\"cancel_reason\":\"rpc error: code = PermissionDenied\"}}",
                              &permission));
  g_assert_error (permission, VR_ETCD_ERROR, VR_ETCD_ERROR_PERMISSION);
  g_assert_null (parse_frame ("{\"error\":{\"grpc_code\":16,\"message\":\"etcdserver: invalid auth token\"}}", &token));
  g_assert_error (token, VR_ETCD_ERROR, VR_ETCD_ERROR_TOKEN);
  g_assert_null (parse_frame ("{}", &nothing));
  g_assert_error (nothing, VR_ETCD_ERROR, VR_ETCD_ERROR_VERSION);
  g_assert_null (parse_frame ("{\"result\":{\"events\":[7]}}", &event));
  g_assert_error (event, VR_ETCD_ERROR, VR_ETCD_ERROR_VERSION);
}

static void
test_deep (void)
{
  g_autofree char *deep = g_strnfill (200000, '[');
  g_autoptr (GError) error = NULL;

  g_assert_null (parse (200, deep, &error));
  g_assert_error (error, VR_ETCD_ERROR, VR_ETCD_ERROR_VERSION);
}

/* ---- keys ---- */

static void
assert_key (VrEntry entry, const char *now, const char *history, gboolean expires)
{
  g_autofree char *key = vr_etcd_key_entry ("/p", &entry), *past = vr_etcd_key_entry_history ("/p", &entry);

  g_assert_cmpstr (key, ==, now);
  g_assert_cmpstr (past, ==, history);
  g_assert_cmpint (vr_etcd_entry_expires (&entry), ==, expires);
}

static void
test_keys (void)
{
  g_autoptr (VrRecord) record = vr_record_new (UUID, "web1"), intent = vr_record_new (UUID, "web1");
  g_autoptr (VrHost) host = vr_host_new ("h1");
  g_autoptr (VrLedger) ledger = vr_ledger_new (UUID, "web1", 7, "h1", "h3");

  record->writer = g_strdup ("h1");
  record->seq = 255;
  intent->writer = g_strdup ("h3");
  intent->state = VR_STATE_INCOMING;
  intent->seq = 1;
  ledger->writer = g_strdup ("h1");
  assert_key ((VrEntry) { .guest = record }, "/p/now/h1/guest/" UUID, "/p/history/h1/" UUID "/00000000000000ff", FALSE);
  assert_key ((VrEntry) { .guest = intent }, "/p/now/h3/intent/" UUID, "/p/history/h3/" UUID "/0000000000000001", TRUE);
  assert_key ((VrEntry) { .host = host }, "/p/now/h1/host", NULL, FALSE);
  assert_key ((VrEntry) { .ledger = ledger }, "/p/now/h1/ledger/" UUID "/7", NULL, TRUE);
}

static void
test_key_host (void)
{
  g_autofree char *now = vr_etcd_key_host ("/p", "/p/now/h1/guest/x"), *past = vr_etcd_key_host ("/p", "/p/history/h2/x/1");

  g_assert_cmpstr (now, ==, "h1");
  g_assert_cmpstr (past, ==, "h2");
  g_assert_null (vr_etcd_key_host ("/p", "/q/now/h1/x"));
  g_assert_null (vr_etcd_key_host ("/p", "/p/now/h1"));
  g_assert_null (vr_etcd_key_host ("/p", "/p/now//x"));
  g_assert_null (vr_etcd_key_host ("/p", "/p/else/h1/x"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/etcd-message/say/range", test_range);
  g_test_add_func ("/etcd-message/say/prefix-end", test_prefix_end);
  g_test_add_func ("/etcd-message/say/txn", test_txn);
  g_test_add_func ("/etcd-message/say/history-alone", test_txn_history_alone);
  g_test_add_func ("/etcd-message/answer/range", test_range_answer);
  g_test_add_func ("/etcd-message/answer/txn", test_txn_answer);
  g_test_add_func ("/etcd-message/answer/frames", test_frames);
  for (guint i = 0; i < G_N_ELEMENTS (refusals); i++) {
    g_autofree char *path = g_strconcat ("/etcd-message/refusal/", refusals[i].name, NULL);

    g_test_add_data_func (path, &refusals[i], test_refusal);
  }
  g_test_add_func ("/etcd-message/refusal/frames", test_frame_refusals);
  g_test_add_func ("/etcd-message/deep", test_deep);
  g_test_add_func ("/etcd-message/keys", test_keys);
  g_test_add_func ("/etcd-message/key-host", test_key_host);
  return g_test_run ();
}
