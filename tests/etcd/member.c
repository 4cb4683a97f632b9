/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "member.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_S 60

static const char *
program (void)
{
  return g_getenv ("VR_ETCD") ? g_getenv ("VR_ETCD") : "etcd";
}

gboolean
cluster_is_possible (void)
{
  g_autofree char *path = g_find_program_in_path (program ());

  return path != NULL;
}

static char *
free_url (const char *scheme)
{
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  socklen_t len = sizeof address;
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  g_assert_cmpint (bind (fd, (struct sockaddr *) &address, sizeof address), ==, 0);
  g_assert_cmpint (getsockname (fd, (struct sockaddr *) &address, &len), ==, 0);
  close (fd);
  return g_strdup_printf ("%s://127.0.0.1:%u", scheme, ntohs (address.sin_port));
}

static void
run (const char *dir, const char *command)
{
  g_autofree char *err = NULL;
  g_autoptr (GError) error = NULL;
  const char *argv[] = { "sh", "-ec", command, NULL };
  int status;

  g_spawn_sync (dir, (char **) argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL, NULL, &err, &status, &error);
  g_assert_no_error (error);
  if (status != 0)
    g_error ("%s: %s", command, err);
}

static void
make_certificates (Cluster *cluster)
{
  run (cluster->dir,
       "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -subj /CN=ca -days 2\n"
       "for name in server client; do\n"
       "  subject=/CN=$name\n"
       "  [ $name = server ] || subject=/O=$name\n" /* once there are users, the gateway takes no client with a common name */
       "  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $name.key -out $name.csr -subj $subject\n"
       "  printf 'subjectAltName=IP:127.0.0.1\\nextendedKeyUsage=serverAuth,clientAuth\\n' > ext\n"
       "  openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out $name.pem -days 2 -extfile ext\n"
       "done");
  cluster->ca = g_build_filename (cluster->dir, "ca.pem", NULL);
  cluster->certificate = g_build_filename (cluster->dir, "client.pem", NULL);
  cluster->key = g_build_filename (cluster->dir, "client.key", NULL);
}

static void
in_child (gpointer data)
{
  prctl (PR_SET_PDEATHSIG, SIGKILL); /* a test that aborts leaves nothing behind */
}

static char *
initial_cluster (Cluster *cluster)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < cluster->n; i++)
    g_string_append_printf (text, "%s%s=%s", i > 0 ? "," : "", cluster->members[i].name, cluster->members[i].peer);
  return g_string_free (text, FALSE);
}

void
member_start (Cluster *cluster, guint i)
{
  Member *member = &cluster->members[i];
  g_autofree char *all = initial_cluster (cluster), *log = g_strdup_printf ("%s/%s.log", cluster->dir, member->name);
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_autoptr (GError) error = NULL;
  const char *const plain[] = { program (), "--name", member->name, "--data-dir", member->name, "--listen-client-urls", member->client,
                                "--advertise-client-urls", member->client, "--listen-peer-urls", member->peer,
                                "--initial-advertise-peer-urls", member->peer, "--initial-cluster", all, "--logger", "zap", "--log-outputs", log,
                                "--heartbeat-interval", "50", "--election-timeout", "500" };
  const char *const tls[] = { "--cert-file", "server.pem", "--key-file", "server.key", "--client-cert-auth", "--trusted-ca-file", "ca.pem" };

  g_assert_cmpint (member->pid, ==, 0);
  for (guint a = 0; a < G_N_ELEMENTS (plain); a++)
    g_ptr_array_add (argv, (gpointer) plain[a]);
  for (guint a = 0; cluster->ca && a < G_N_ELEMENTS (tls); a++)
    g_ptr_array_add (argv, (gpointer) tls[a]);
  g_ptr_array_add (argv, NULL);
  g_spawn_async (cluster->dir, (char **) argv->pdata, NULL,
                 G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL, in_child, NULL,
                 &member->pid, &error);
  g_assert_no_error (error);
}

void
member_signal (Cluster *cluster, guint i, int signum)
{
  Member *member = &cluster->members[i];

  if (member->pid == 0)
    return;
  g_assert_cmpint (kill (member->pid, signum), ==, 0);
  if (signum != SIGKILL && signum != SIGTERM)
    return;
  while (waitpid (member->pid, NULL, 0) < 0 && errno == EINTR)
    ;
  g_spawn_close_pid (member->pid);
  member->pid = 0;
}

Cluster *
cluster_new (guint n, gboolean tls)
{
  Cluster *cluster = g_new0 (Cluster, 1);
  /* in memory, if there is such a place: what is tested is not the disk */
  const char *place = g_access ("/dev/shm", W_OK) == 0 ? "/dev/shm" : g_get_tmp_dir ();

  cluster->dir = g_build_filename (place, "vr-etcd-XXXXXX", NULL);
  g_assert_nonnull (g_mkdtemp (cluster->dir));
  if (tls)
    make_certificates (cluster);
  cluster->n = n;
  cluster->members = g_new0 (Member, n);
  for (guint i = 0; i < n; i++) {
    cluster->members[i].name = g_strdup_printf ("m%u", i);
    cluster->members[i].client = free_url (tls ? "https" : "http");
    cluster->members[i].peer = free_url ("http");
  }
  for (guint i = 0; i < n; i++)
    member_start (cluster, i);
  cluster_wait (cluster);
  return cluster;
}

void
cluster_free (Cluster *cluster)
{
  g_autofree char *remove = g_strdup_printf ("rm -r '%s'", cluster->dir);

  for (guint i = 0; i < cluster->n; i++) {
    member_signal (cluster, i, SIGKILL);
    g_free (cluster->members[i].name);
    g_free (cluster->members[i].client);
    g_free (cluster->members[i].peer);
  }
  run (NULL, remove);
  g_free (cluster->members);
  g_free (cluster->dir);
  g_free (cluster->ca);
  g_free (cluster->certificate);
  g_free (cluster->key);
  g_free (cluster);
}

VrEtcdOptions *
cluster_options (Cluster *cluster, const char *prefix)
{
  VrEtcdOptions *options = g_new0 (VrEtcdOptions, 1);

  options->endpoints = g_new0 (char *, cluster->n + 1);
  for (guint i = 0; i < cluster->n; i++)
    options->endpoints[i] = g_strdup (cluster->members[i].client);
  options->prefix = g_strdup (prefix);
  options->ca = g_strdup (cluster->ca);
  options->certificate = g_strdup (cluster->certificate);
  options->key = g_strdup (cluster->key);
  options->history_s = 3600;
  return options;
}

/* ---- calls ---- */

VrEtcdAnswer *
cluster_call (const VrEtcdOptions *options, const char *path, const char *body)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VrEtcd) etcd = vr_etcd_new (options, &error);
  gint64 deadline = g_get_monotonic_time () + WAIT_S * G_USEC_PER_SEC;

  g_assert_no_error (error);
  for (;;) {
    VrEtcdAnswer *answer = vr_etcd_call_wait (etcd, path, body, 3000, &error);

    if (answer)
      return answer;
    if (g_get_monotonic_time () > deadline || g_error_matches (error, VR_ETCD_ERROR, VR_ETCD_ERROR_FAILED))
      g_error ("%s %s: %s", path, body, error->message);
    g_clear_error (&error);
    vr_etcd_next_endpoint (etcd);
    g_usleep (50000);
  }
}

void
cluster_put (const VrEtcdOptions *options, const char *key, const char *value)
{
  g_autofree char *key64 = g_base64_encode ((const guchar *) key, strlen (key));
  g_autofree char *value64 = g_base64_encode ((const guchar *) value, strlen (value));
  g_autofree char *body = g_strdup_printf ("{\"key\": \"%s\", \"value\": \"%s\"}", key64, value64);

  vr_etcd_answer_free (cluster_call (options, "/v3/kv/put", body));
}

void
cluster_wait (Cluster *cluster)
{
  g_autoptr (VrEtcdOptions) options = cluster_options (cluster, "/wait");
  g_autofree char *body = vr_etcd_say_range ("/wait", NULL, 0, 0);

  vr_etcd_answer_free (cluster_call (options, "/v3/kv/range", body));
}

JsonParser *
member_ask (Member *member, const char *path, const char *body)
{
  g_autofree char *url = g_strconcat (member->client, path, NULL);
  g_autoptr (SoupSession) session = soup_session_new_with_options ("timeout", 5, NULL);
  g_autoptr (SoupMessage) message = soup_message_new ("POST", url);
  g_autoptr (GBytes) bytes = g_bytes_new (body, strlen (body)), answer = NULL;
  g_autoptr (JsonParser) parser = json_parser_new ();

  soup_message_set_request_body_from_bytes (message, "application/json", bytes);
  answer = soup_session_send_and_read (session, message, NULL, NULL);
  if (!answer || !json_parser_load_from_data (parser, g_bytes_get_data (answer, NULL), g_bytes_get_size (answer), NULL))
    return NULL;
  return g_steal_pointer (&parser);
}

static const char *
number_of (JsonObject *object, const char *field)
{
  return json_object_get_string_member_with_default (object, field, "0");
}

char *
member_lease (Member *member, const char *key, guint *seconds)
{
  g_autofree char *range = vr_etcd_say_range (key, NULL, 0, 0), *lease = NULL, *body = NULL;
  g_autoptr (JsonParser) found = member_ask (member, "/v3/kv/range", range), granted = NULL;
  JsonObject *object = json_node_get_object (json_parser_get_root (found));

  if (!json_object_has_member (object, "kvs"))
    g_error ("%s is not there", key);
  object = json_array_get_object_element (json_object_get_array_member (object, "kvs"), 0);
  lease = g_strdup (number_of (object, "lease"));
  if (strcmp (lease, "0") == 0)
    return NULL;
  body = g_strdup_printf ("{\"ID\": \"%s\"}", lease);
  granted = member_ask (member, "/v3/lease/timetolive", body);
  object = json_node_get_object (json_parser_get_root (granted));
  *seconds = g_ascii_strtoull (number_of (object, "grantedTTL"), NULL, 10);
  return g_steal_pointer (&lease);
}

int
cluster_leader (Cluster *cluster)
{
  for (guint tries = 0; tries < WAIT_S * 10; tries++) {
    for (guint i = 0; i < cluster->n; i++) {
      g_autoptr (JsonParser) parser = cluster->members[i].pid ? member_ask (&cluster->members[i], "/v3/maintenance/status", "{}") : NULL;
      JsonObject *object = parser ? json_node_get_object (json_parser_get_root (parser)) : NULL;
      JsonObject *header = object && json_object_has_member (object, "header") ? json_object_get_object_member (object, "header") : NULL;

      if (header && strcmp (number_of (object, "leader"), "0") != 0 && strcmp (number_of (object, "leader"), number_of (header, "member_id")) == 0)
        return i;
    }
    g_usleep (100000);
  }
  g_error ("no leader");
}
