/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The etcd engine against a scripted gateway that does what a real member does not do on demand: it answers nonsense, without end, not at all,
 * of another revision, or compacts between two pages. It runs in the same main loop as the log, so nothing here may wait.
 */
#include "log-fixture.h"

#include "daemon/log/etcd-client.h"
#include "daemon/log/etcd-keys.h"

#include <json-glib/json-glib.h>
#include <libsoup/soup.h>

#define PREFIX "/fake"
#define MANY (65 * 1024 * 1024) /* more than an answer may be long */

/* What a list of all hosts' last words is answered with, once; afterwards what there is. */
typedef enum { RIGHT, GARBAGE, ENDLESS, SILENT, COMPACTED } Answer;

typedef struct {
  SoupServer *server;
  char       *url;
  Answer      lists[4];        /* the next ones, from the first on */
  guint       n_lists, listed; /* how many are scripted, how many were asked for */
  guint       page;            /* records in one page; 0: all */
  guint       records;         /* of as many guests of h2 */
  guint       records_later;   /* once it was compacted; 0: as many */
  gint64      revision;
  const char *frames[4];       /* what the next watches say; NULL: that they are there */
  guint       n_frames, watches;
  char       *revision_asked;  /* that the last list is to be of; NULL: the latest */
  guint       txns, n_txns;    /* how many were asked for; how many are answered, the others are not: G_MAXUINT */
  SoupServerMessage *silent;   /* is never answered */
} Fake;

/* ---- requests ---- */

static JsonObject *
request_of (SoupServerMessage *message, JsonParser *parser)
{
  SoupMessageBody *body = soup_server_message_get_request_body (message);

  g_assert_true (json_parser_load_from_data (parser, body->data, body->length, NULL));
  return json_node_get_object (json_parser_get_root (parser));
}

static char *
key_of (JsonObject *request)
{
  gsize len;
  g_autofree guchar *key = g_base64_decode (json_object_get_string_member (request, "key"), &len);

  return g_strndup ((char *) key, len);
}

static void
answer (SoupServerMessage *message, guint status, const char *json)
{
  soup_server_message_set_status (message, status, NULL);
  soup_server_message_set_response (message, "application/json", SOUP_MEMORY_COPY, json, strlen (json));
}

/* ---- lists ---- */

static char *
uuid_of (guint i)
{
  return g_strdup_printf ("%08u-0000-4000-8000-000000000000", i);
}

static char *
record_key (guint i)
{
  g_autofree char *uuid = uuid_of (i);

  return g_strdup_printf (PREFIX "/now/h2/guest/%s", uuid);
}

/* The records from `from` on, as etcd says it. */
static char *
list_of (Fake *fake, const char *from)
{
  g_autoptr (GString) kvs = g_string_new (NULL);
  guint n = 0;
  gboolean more = FALSE;

  for (guint i = 0; i < fake->records && !more; i++) {
    g_autofree char *key = record_key (i), *uuid = uuid_of (i), *json = json_of (uuid, "h2", 1, i + 1);
    g_autofree char *key64 = g_base64_encode ((guchar *) key, strlen (key)), *json64 = g_base64_encode ((guchar *) json, strlen (json));

    if (strcmp (key, from) < 0)
      continue;
    more = fake->page > 0 && n == fake->page;
    if (!more)
      g_string_append_printf (kvs, "%s{\"key\": \"%s\", \"mod_revision\": \"2\", \"value\": \"%s\"}", n++ > 0 ? ", " : "", key64, json64);
  }
  return g_strdup_printf ("{\"header\": {\"revision\": \"%" G_GINT64_FORMAT "\"}, \"kvs\": [%s], \"more\": %s}", fake->revision, kvs->str,
                          more ? "true" : "false");
}

static void
on_list (Fake *fake, SoupServerMessage *message, const char *from)
{
  g_autofree char *right = list_of (fake, from), *many = NULL;

  switch (fake->listed++ < fake->n_lists ? fake->lists[fake->listed - 1] : RIGHT) {
  case RIGHT:
    answer (message, 200, right);
    return;
  case GARBAGE:
    answer (message, 200, "<html>this is somebody else's port</html>");
    return;
  case ENDLESS:
    many = g_strnfill (MANY, ' ');
    answer (message, 200, many);
    return;
  case SILENT:
    soup_server_message_pause (message);
    g_set_object (&fake->silent, message);
    return;
  case COMPACTED:
    fake->records = fake->records_later > 0 ? fake->records_later : fake->records;
    answer (message, 400, "{\"error\": \"etcdserver: mvcc: required revision has been compacted\", \"code\": 11}");
  }
}

static void
on_range (SoupServer *server, SoupServerMessage *message, const char *path, GHashTable *query, gpointer data)
{
  Fake *fake = data;
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonObject *request = request_of (message, parser);
  g_autofree char *key = key_of (request);

  if (json_object_has_member (request, "range_end") && g_str_has_prefix (key, PREFIX "/now/")) {
    g_free (fake->revision_asked);
    fake->revision_asked = g_strdup (json_object_get_string_member_with_default (request, "revision", NULL));
    on_list (fake, message, key);
  }
  else
    answer (message, 200, "{\"header\": {\"revision\": \"5\"}}");
}

static void
on_txn (SoupServer *server, SoupServerMessage *message, const char *path, GHashTable *query, gpointer data)
{
  Fake *fake = data;

  if (fake->txns++ < fake->n_txns) {
    answer (message, 200, "{\"header\": {\"revision\": \"5\"}, \"succeeded\": true}");
    return;
  }
  soup_server_message_pause (message);
  g_set_object (&fake->silent, message);
}

static void
on_grant (SoupServer *server, SoupServerMessage *message, const char *path, GHashTable *query, gpointer data)
{
  answer (message, 200, "{\"header\": {\"revision\": \"5\"}, \"ID\": \"77\", \"TTL\": \"3600\"}");
}

static void
on_watch (SoupServer *server, SoupServerMessage *message, const char *path, GHashTable *query, gpointer data)
{
  Fake *fake = data;
  SoupMessageBody *body = soup_server_message_get_response_body (message);
  const char *frame = fake->watches < fake->n_frames ? fake->frames[fake->watches] : NULL;
  g_autofree char *there = g_strdup_printf ("{\"result\": {\"header\": {\"revision\": \"%" G_GINT64_FORMAT "\"}, \"created\": true}}\n", fake->revision);

  fake->watches++;
  soup_server_message_set_status (message, 200, NULL);
  soup_message_headers_set_encoding (soup_server_message_get_response_headers (message), SOUP_ENCODING_CHUNKED);
  soup_message_body_set_accumulate (body, FALSE);
  soup_message_body_append (body, SOUP_MEMORY_COPY, frame ? frame : there, strlen (frame ? frame : there));
} /* and goes on for ever: it is not complete */

static Fake *
fake_new (void)
{
  Fake *fake = g_new0 (Fake, 1);
  g_autoptr (GError) error = NULL;
  GSList *uris;

  fake->revision = 5;
  fake->n_txns = G_MAXUINT;
  fake->server = soup_server_new (NULL, NULL);
  soup_server_add_handler (fake->server, "/v3/kv/range", on_range, fake, NULL);
  soup_server_add_handler (fake->server, "/v3/kv/txn", on_txn, fake, NULL);
  soup_server_add_handler (fake->server, "/v3/lease/grant", on_grant, fake, NULL);
  soup_server_add_handler (fake->server, "/v3/watch", on_watch, fake, NULL);
  soup_server_listen_local (fake->server, 0, SOUP_SERVER_LISTEN_IPV4_ONLY, &error);
  g_assert_no_error (error);
  uris = soup_server_get_uris (fake->server);
  fake->url = g_strdup_printf ("http://127.0.0.1:%d", g_uri_get_port (uris->data));
  g_slist_free_full (uris, (GDestroyNotify) g_uri_unref);
  return fake;
}

static void
fake_free (Fake *fake)
{
  soup_server_disconnect (fake->server);
  g_clear_object (&fake->silent);
  g_object_unref (fake->server);
  g_free (fake->url);
  g_free (fake->revision_asked);
  g_free (fake);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Fake, fake_free)

static void
script (Fake *fake, Answer first, Answer second)
{
  fake->lists[0] = first;
  fake->lists[1] = second;
  fake->n_lists = 2;
}

static Host *
host_of (const char *dir, const char *urls)
{
  g_auto (GStrv) endpoints = g_strsplit (urls, " ", -1);
  g_autofree char *prefix = g_strdup (PREFIX);
  const VrEtcdOptions options = { .endpoints = endpoints, .prefix = prefix, .history_s = 3600 };
  g_autoptr (GError) error = NULL;
  VrLog *log = vr_etcd_log_new (&options, dir, "h1", &error);

  g_assert_no_error (error);
  g_object_set (log, "deadline-ms", 1000, NULL);
  vr_log_start (log);
  return host_adopt (log);
}

static void
assert_knows (Host *host, guint n)
{
  wait_for (host->ready);
  g_assert_cmpuint (host->guests->len, ==, n);
}

/* ---- ---- */

static void
test_garbage (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Fake) fake = fake_new ();
  g_autoptr (Host) host = NULL;

  fake->records = 3;
  script (fake, GARBAGE, RIGHT);
  host = host_of (dir, fake->url);
  assert_knows (host, 3);
  g_assert_cmpuint (host->troubles->len, >, 0);
  g_assert_nonnull (strstr (host->troubles->pdata[0], fake->url)); /* it was said which one */
  wait_for (*host_trouble (host) == '\0');
}

static void
test_endless (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Fake) fake = fake_new ();
  g_autoptr (Host) host = NULL;

  fake->records = 3;
  script (fake, ENDLESS, RIGHT);
  host = host_of (dir, fake->url);
  g_object_set (host->log, "deadline-ms", 60000, NULL); /* not the time is what ends it */
  assert_knows (host, 3);
  g_assert_nonnull (strstr (host->troubles->pdata[0], "longer than 64 MiB"));
}

/* The connection stands, and nothing comes: the next endpoint is asked, and nobody hears of it. */
static void
test_silent (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Fake) silent = fake_new (), good = fake_new ();
  g_autofree char *urls = g_strdup_printf ("%s %s", silent->url, good->url);
  g_autoptr (Host) host = NULL;

  good->records = 3;
  script (silent, SILENT, SILENT);
  host = host_of (dir, urls);
  assert_knows (host, 3);
  g_assert_cmpuint (silent->listed, ==, 1);
  g_assert_cmpstr (host_trouble (host), ==, "");
}

/* Somebody compacts between two pages: what was read is forgotten, and all is read at another revision. */
static void
test_compacted_between_pages (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Fake) fake = fake_new ();
  g_autoptr (Host) host = NULL;

  fake->records = 5;
  fake->page = 2;
  script (fake, RIGHT, COMPACTED);
  host = host_of (dir, fake->url);
  assert_knows (host, 5);
  g_assert_cmpuint (fake->listed, ==, 5); /* one, one in vain, three */
  g_assert_cmpstr (host_trouble (host), ==, "");
}

/* ... also those guests that are not there any more */
static void
test_gone_between_pages (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Fake) fake = fake_new ();
  g_autoptr (Host) host = NULL;

  fake->records = 5;
  fake->records_later = 1;
  fake->page = 2;
  script (fake, RIGHT, COMPACTED);
  host = host_of (dir, fake->url);
  assert_knows (host, 1);
}

/* However long it takes to read them: all pages show the store at one moment */
static void
test_pages_of_one_revision (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Fake) fake = fake_new ();
  g_autoptr (Host) host = NULL;

  fake->records = 5;
  fake->page = 2;
  fake->revision = 41;
  host = host_of (dir, fake->url);
  assert_knows (host, 5);
  g_assert_cmpuint (fake->listed, ==, 3);
  g_assert_cmpstr (fake->revision_asked, ==, "41");
}

/* Of three records that wait on the disk etcd takes one, and no more: the other two wait there still, for whoever starts next */
static void
test_waits_for_all (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autofree char *waiting = g_build_filename (dir, "waiting", NULL);
  g_autoptr (Fake) fake = fake_new ();
  g_autoptr (Host) host = NULL, again = NULL;

  host = host_of (dir, fake->url);
  wait_for (host->ready && fake->watches == 1 && *host_trouble (host) == '\0');
  fake->n_txns = fake->txns;
  for (guint i = 1; i <= 3; i++)
    host_append_and_wait (host, UUID, i); /* they count: they are on the disk */
  fake->n_txns = fake->txns + 1;
  soup_server_message_unpause (fake->silent);
  answer (fake->silent, 200, "{\"header\": {\"revision\": \"5\"}, \"succeeded\": true}");
  wait_for (fake->txns > fake->n_txns);
  run_for_ms (200);
  host_stop (g_steal_pointer (&host));
  g_assert_true (file_has (waiting, "\"epoch\":3"));
  fake->n_txns = G_MAXUINT;
  again = host_of (dir, fake->url);
  wait_for (!g_file_test (waiting, G_FILE_TEST_EXISTS));
}

/* A store that is older than what is known of it is listed again before anything of it is believed. */
static void
test_older_revision (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Fake) fake = fake_new ();
  g_autoptr (Host) host = NULL;

  fake->records = 3;
  fake->frames[0] = "{\"result\": {\"header\": {\"revision\": \"2\"}, \"created\": true}}\n";
  fake->n_frames = 1;
  host = host_of (dir, fake->url);
  assert_knows (host, 3);
  wait_for (fake->listed == 2 && fake->watches == 2);
  g_assert_cmpstr (host_trouble (host), ==, "");
}

static void
test_garbage_in_the_watch (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Fake) fake = fake_new ();
  g_autoptr (Host) host = NULL;

  fake->records = 3;
  fake->frames[0] = "{\"result\": {\"header\": {\"revision\": \"5\"}, \"created\": true}}\nnonsense\n";
  fake->frames[1] = "{\"result\": {\"events\": [{\"kv\": 7}]}}\n";
  fake->n_frames = 2;
  host = host_of (dir, fake->url);
  assert_knows (host, 3);
  wait_for (fake->watches == 3 && *host_trouble (host) == '\0');
  g_assert_cmpuint (fake->listed, ==, 1); /* it goes on from where it was */
}

/* A watch that says nothing at all, not even that it is there. */
static void
test_silent_watch (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Fake) fake = fake_new ();
  g_autoptr (Host) host = NULL;

  fake->frames[0] = " ";
  fake->n_frames = 1;
  host = host_of (dir, fake->url);
  assert_knows (host, 0);
  wait_for (fake->watches == 2 && *host_trouble (host) == '\0');
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/etcd-fake/garbage", test_garbage);
  g_test_add_func ("/etcd-fake/endless", test_endless);
  g_test_add_func ("/etcd-fake/silent", test_silent);
  g_test_add_func ("/etcd-fake/compacted-between-pages", test_compacted_between_pages);
  g_test_add_func ("/etcd-fake/gone-between-pages", test_gone_between_pages);
  g_test_add_func ("/etcd-fake/pages-of-one-revision", test_pages_of_one_revision);
  g_test_add_func ("/etcd-fake/waits-for-all", test_waits_for_all);
  g_test_add_func ("/etcd-fake/older-revision", test_older_revision);
  g_test_add_func ("/etcd-fake/garbage-in-the-watch", test_garbage_in_the_watch);
  g_test_add_func ("/etcd-fake/silent-watch", test_silent_watch);
  return g_test_run ();
}
