/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The etcd engine with TLS, users and roles; and the check that says which part fails. */
#include "tests/unit/log-fixture.h"

#include "daemon/log/etcd-check.h"
#include "daemon/log/etcd-keys.h"

#include <signal.h>

#define PREFIX "/site"
#define PAGE_FOLDER "virt-relay-etcd" /* the how-to's */

static Cluster *tls, *users;

static Host *
host_with (const VrEtcdOptions *options, const char *dir, const char *name)
{
  g_autofree char *copy = place_copy (dir, name);
  g_autoptr (GError) error = NULL;
  VrLog *log = vr_etcd_log_new (options, copy, name, &error);

  g_assert_no_error (error);
  return host_adopt (log);
}

static Host *
start_with (const VrEtcdOptions *options, const char *dir, const char *name)
{
  Host *host = host_with (options, dir, name);

  g_object_set (host->log, "ping-ms", 200, NULL);
  vr_log_start (host->log);
  wait_for (host->ready);
  return host;
}

/* ---- users ---- */

static void
ask (const VrEtcdOptions *options, const char *path, const char *format, ...)
{
  va_list args;
  g_autofree char *body = NULL;

  va_start (args, format);
  body = g_strdup_vprintf (format, args);
  va_end (args);
  vr_etcd_answer_free (cluster_call (options, path, body));
}

static void
grant (const VrEtcdOptions *options, const char *role, const char *kind, const char *prefix)
{
  g_autofree char *end = vr_etcd_prefix_end (prefix);
  g_autofree char *key64 = g_base64_encode ((guchar *) prefix, strlen (prefix)), *end64 = g_base64_encode ((guchar *) end, strlen (end));

  ask (options, "/v3/auth/role/grant", "{\"name\": \"%s\", \"perm\": {\"permType\": \"%s\", \"key\": \"%s\", \"range_end\": \"%s\"}}", role, kind,
       key64, end64);
}

/* What the how-to says: each host reads all, and writes below its own name. */
static void
add_host (const VrEtcdOptions *options, const char *host)
{
  g_autofree char *now = g_strdup_printf (PREFIX "/now/%s/", host), *history = g_strdup_printf (PREFIX "/history/%s/", host);

  ask (options, "/v3/auth/user/add", "{\"name\": \"%s\", \"password\": \"secret of %s\"}", host, host);
  ask (options, "/v3/auth/role/add", "{\"name\": \"%s\"}", host);
  grant (options, host, "READ", PREFIX "/");
  grant (options, host, "READWRITE", now);
  grant (options, host, "READWRITE", history);
  ask (options, "/v3/auth/user/grant", "{\"user\": \"%s\", \"role\": \"%s\"}", host, host);
}

static void
make_users (const VrEtcdOptions *options)
{
  ask (options, "/v3/auth/user/add", "{\"name\": \"root\", \"password\": \"root\"}");
  ask (options, "/v3/auth/role/add", "{\"name\": \"root\"}");
  ask (options, "/v3/auth/user/grant", "{\"user\": \"root\", \"role\": \"root\"}");
  add_host (options, "h1");
  add_host (options, "h2");
  ask (options, "/v3/auth/enable", "{}");
}

static Cluster *
get_users (void)
{
  g_autoptr (VrEtcdOptions) options = NULL;

  if (users)
    return users;
  users = cluster_new (1, FALSE);
  options = cluster_options (users, PREFIX);
  make_users (options);
  return users;
}

static VrEtcdOptions *
options_of (const char *user, const char *password)
{
  VrEtcdOptions *options = cluster_options (get_users (), PREFIX);

  options->user = g_strdup (user);
  options->password = g_strdup (password);
  return options;
}

static void
test_users (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (VrEtcdOptions) o1 = options_of ("h1", "secret of h1"), o2 = options_of ("h2", "secret of h2");
  g_autoptr (Host) h1 = start_with (o1, dir, "h1"), h2 = start_with (o2, dir, "h2");

  host_append_and_wait (h1, UUID, 1);
  wait_for (h2->guests->len == 1);

  member_signal (users, 0, SIGKILL); /* with it go the tokens that it gave out */
  member_start (users, 0);
  wait_for (strstr (host_trouble (h1), "away") || h1->troubles->len == 0);
  host_append_and_wait (h1, UUID, 2);
  wait_for (h2->guests->len == 2 && *host_trouble (h1) == '\0' && *host_trouble (h2) == '\0');
}

/* A stolen credential of h1 cannot speak in the name of h2. */
static void
test_role_holds (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (VrEtcdOptions) options = options_of ("h1", "secret of h1");
  g_autoptr (Host) thief = host_with (options, dir, "h2");

  vr_log_start (thief->log);
  host_append (thief, UUID, 9);
  wait_for (strstr (host_trouble (thief), "permission denied"));
}

/* The how-to's block of commands that makes the users and roles, as it stands there. (transfer full) */
static char *
block_of_page (void)
{
  g_autofree char *page = NULL;
  char *last, *end, *block = NULL;

  g_assert_true (g_file_get_contents (ETCD_PAGE, &page, NULL, NULL));
  last = strstr (page, "etcdctl auth enable\n");
  g_assert_nonnull (last);
  end = strstr (last, "```");
  g_assert_nonnull (end);
  *end = '\0';
  block = g_strrstr (page, "```sh\n");
  g_assert_nonnull (block);
  return g_strdup (block + strlen ("```sh\n"));
}

/* Runs it at home in `dir`: in PAGE_FOLDER are the passwords afterwards. */
static void
run_page (Cluster *cluster, const char *dir)
{
  g_autofree char *block = block_of_page (), *quoted = g_shell_quote (block), *command = NULL, *out = NULL, *err = NULL;
  g_autofree char *folder = g_build_filename (dir, PAGE_FOLDER, NULL), *file = g_build_filename (folder, "etcdctl.env", NULL);
  g_autofree char *env = g_strdup_printf ("export ETCDCTL_API=3 ETCDCTL_ENDPOINTS=%s\n", cluster->members[0].client);
  g_autoptr (GError) error = NULL;
  int status;

  g_assert_cmpint (g_mkdir (folder, 0700), ==, 0);
  g_assert_true (g_file_set_contents (file, env, -1, NULL));
  command = g_strdup_printf ("env HOME='%s' sh -ec %s", dir, quoted);
  g_assert_true (g_spawn_command_line_sync (command, &out, &err, &status, &error));
  if (status != 0)
    g_error ("%s: %s", block, err);
}

static VrEtcdOptions *
options_of_page (Cluster *cluster, const char *dir, const char *host)
{
  VrEtcdOptions *options = cluster_options (cluster, "/virt-relay");
  g_autofree char *path = g_strdup_printf ("%s/" PAGE_FOLDER "/etcd-%s.password", dir, host), *password = file_text (path);

  options->user = g_strdup (host);
  options->password = g_strdup (g_strchomp (password));
  return options;
}

static void
test_as_the_page_says (void)
{
  g_autofree char *etcdctl = g_find_program_in_path ("etcdctl");
  g_autoptr (Cluster) cluster = cluster_new (1, FALSE);
  g_autoptr (Directory) page = directory_new (), dir = directory_new (), stolen = directory_new ();
  g_autoptr (VrEtcdOptions) o1 = NULL, o2 = NULL;
  g_autoptr (Host) h1 = NULL, h2 = NULL, thief = NULL;

  if (!etcdctl) {
    g_test_skip ("no etcdctl here: tests/setup installs it");
    return;
  }
  run_page (cluster, page);
  o1 = options_of_page (cluster, page, "h1");
  o2 = options_of_page (cluster, page, "h2");
  h1 = start_with (o1, dir, "h1");
  h2 = start_with (o2, dir, "h2");
  host_append_and_wait (h1, UUID, 1);
  wait_for (h2->guests->len == 1 && *host_trouble (h1) == '\0');
  thief = host_with (o1, stolen, "h2");
  vr_log_start (thief->log);
  host_append (thief, UUID, 9);
  wait_for (strstr (host_trouble (thief), "permission denied"));
  g_assert_cmpuint (h1->guests->len, ==, 1);
}

/* ---- TLS ---- */

static Cluster *
get_tls (void)
{
  if (!tls)
    tls = cluster_new (1, TRUE);
  return tls;
}

static void
test_tls (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (VrEtcdOptions) options = cluster_options (get_tls (), PREFIX);
  g_autoptr (Host) h1 = start_with (options, dir, "h1"), h2 = start_with (options, dir, "h2");

  host_append_and_wait (h1, UUID, 1);
  wait_for (h2->guests->len == 1);
  g_assert_cmpuint (h1->troubles->len + h2->troubles->len, ==, 0);
}

static void
test_tls_file_wrong (void)
{
  g_autoptr (VrEtcdOptions) options = cluster_options (get_tls (), PREFIX);
  g_autoptr (GError) error = NULL;

  g_free (options->ca);
  options->ca = g_strdup ("/dev/null/ca.pem");
  g_assert_null (vr_etcd_log_new (options, "/nowhere", "h1", &error));
  g_assert_error (error, VR_ETCD_ERROR, VR_ETCD_ERROR_TLS);
  g_assert_nonnull (strstr (error->message, "/dev/null/ca.pem"));
}

/* ---- the check ---- */

static void
assert_part (const VrEtcdOptions *options, const char *part)
{
  g_autoptr (GPtrArray) findings = vr_etcd_check (options, "h1", 60000);
  const VrEtcdFinding *finding = findings->pdata[0];

  g_assert_cmpuint (findings->len, ==, g_strv_length (options->endpoints));
  g_test_message ("%s", finding->message ? finding->message : "");
  g_assert_cmpstr (finding->part, ==, part);
  g_assert_cmpint (finding->message != NULL, ==, part != NULL);
}

static void
set_endpoint (VrEtcdOptions *options, const char *url)
{
  g_strfreev (options->endpoints);
  options->endpoints = g_strsplit (url, " ", -1);
}

static void
test_check_names (void)
{
  g_autoptr (VrEtcdOptions) options = options_of ("h1", "secret of h1");

  assert_part (options, NULL);
  set_endpoint (options, "http://127.0.0.1:1");
  assert_part (options, "connection");
  set_endpoint (options, "http://no-such-host.invalid:2379");
  assert_part (options, "name");
}

static void
test_check_login (void)
{
  g_autoptr (VrEtcdOptions) wrong = options_of ("h1", "guessed"), none = options_of (NULL, NULL), alien = options_of ("h2", "secret of h2");

  assert_part (wrong, "log-in");
  assert_part (none, "log-in");
  assert_part (alien, "permission");
}

static void
test_check_tls (void)
{
  g_autoptr (VrEtcdOptions) good = cluster_options (get_tls (), PREFIX), bad = cluster_options (get_tls (), PREFIX), plain = NULL;
  g_autofree char *url = NULL;

  assert_part (good, NULL);
  g_clear_pointer (&bad->ca, g_free); /* the system's know nothing of this cluster */
  assert_part (bad, "TLS");
  plain = options_of (NULL, NULL);
  url = g_strconcat ("https", strchr (plain->endpoints[0], ':'), NULL);
  set_endpoint (good, url);
  assert_part (good, "TLS");
}

/* Users, and clients that have to show a certificate: one with a common name is refused, and the check says what to do. */
static void
test_check_named_client (void)
{
  g_autoptr (Cluster) cluster = cluster_new (1, TRUE);
  g_autoptr (VrEtcdOptions) options = cluster_options (cluster, PREFIX);
  g_autoptr (GPtrArray) findings = NULL;
  const VrEtcdFinding *finding;

  make_users (options);
  options->user = g_strdup ("h1");
  options->password = g_strdup ("secret of h1");
  assert_part (options, NULL);
  g_free (options->certificate);
  g_free (options->key);
  options->certificate = g_build_filename (cluster->dir, "server.pem", NULL);
  options->key = g_build_filename (cluster->dir, "server.key", NULL);
  findings = vr_etcd_check (options, "h1", 60000);
  finding = findings->pdata[0];
  g_assert_cmpstr (finding->part, ==, "TLS");
  g_assert_nonnull (strstr (finding->message, "a certificate without one, see [log] certificate"));
}

static void
test_check_machine (void)
{
  g_autoptr (VrEtcdOptions) options = cluster_options (get_tls (), "/other");
  g_autofree char *key = vr_etcd_key_machine ("/other", "h1");

  cluster_put (options, key, "another");
  assert_part (options, "machine");
}

int
main (int argc, char **argv)
{
  int result;

  g_test_init (&argc, &argv, NULL);
  if (!cluster_is_possible ())
    return 77;
  g_test_add_func ("/etcd/secure/users", test_users);
  g_test_add_func ("/etcd/secure/role-holds", test_role_holds);
  g_test_add_func ("/etcd/secure/as-the-page-says", test_as_the_page_says);
  g_test_add_func ("/etcd/secure/tls", test_tls);
  g_test_add_func ("/etcd/secure/tls-file-wrong", test_tls_file_wrong);
  g_test_add_func ("/etcd/check/names", test_check_names);
  g_test_add_func ("/etcd/check/log-in", test_check_login);
  g_test_add_func ("/etcd/check/tls", test_check_tls);
  g_test_add_func ("/etcd/check/named-client", test_check_named_client);
  g_test_add_func ("/etcd/check/machine", test_check_machine);
  result = g_test_run ();
  g_clear_pointer (&tls, cluster_free);
  g_clear_pointer (&users, cluster_free);
  return result;
}
