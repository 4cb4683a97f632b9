/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The etcd engine while members die, stop, come back, forget, and hold what should not be there. */
#include "tests/unit/log-fixture.h"

#include "daemon/log/etcd-keys.h"

#include <signal.h>

#define UUID2 "22222222-0000-4000-8000-000000000000"

/* ---- three members, or one, for all tests that leave them as they were ---- */

static Cluster *three, *one;

static Cluster *
get_three (void)
{
  if (!three)
    three = cluster_new (3, FALSE);
  return three;
}

static Cluster *
get_one (void)
{
  if (!one)
    one = cluster_new (1, FALSE);
  return one;
}

/* A host whose members are in `dir`'s place; it finds out soon what is wrong. Not started. */
static Host *
make (Cluster *cluster, const char *dir, const char *name)
{
  Host *host;

  place_cluster = cluster;
  host = host_new (dir, name);
  g_object_set (host->log, "deadline-ms", 1500, "ping-ms", 200, NULL);
  return host;
}

static Host *
start (Cluster *cluster, const char *dir, const char *name)
{
  Host *host = make (cluster, dir, name);

  vr_log_start (host->log);
  wait_for (host->ready);
  return host;
}

static gboolean
is_away (Host *host)
{
  return strstr (host_trouble (host), "etcd is away") != NULL;
}

static gboolean
is_well (Host *host)
{
  return *host_trouble (host) == '\0';
}

static gboolean
saw (Host *host, guint64 epoch)
{
  return host->guests->len > 0 && host_guest (host, host->guests->len - 1)->epoch == epoch;
}

/* ---- members that die ---- */

/* Every member in turn, so the one that the hosts talk to, and the leader, are among them. */
static void
each_in_turn (int away)
{
  Cluster *cluster = get_three ();
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Host) h1 = start (cluster, dir, "h1"), h2 = start (cluster, dir, "h2");

  for (guint i = 0; i < 3; i++) {
    member_signal (cluster, i, away);
    host_append_and_wait (h1, UUID, i + 1);
    wait_for (saw (h2, i + 1));
    if (away == SIGSTOP)
      member_signal (cluster, i, SIGCONT);
    else
      member_start (cluster, i);
    cluster_wait (cluster);
  }
  wait_for (is_well (h1) && is_well (h2));
  g_assert_cmpuint (h2->guests->len, ==, 3);
}

static void
test_member_killed (void)
{
  each_in_turn (SIGKILL);
}

static void
test_leader_killed (void)
{
  Cluster *cluster = get_three ();
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Host) h1 = start (cluster, dir, "h1"), h2 = start (cluster, dir, "h2");
  int leader = cluster_leader (cluster);

  member_signal (cluster, leader, SIGKILL);
  host_append_and_wait (h1, UUID, 1);
  wait_for (saw (h2, 1));
  member_start (cluster, leader);
  cluster_wait (cluster);
  wait_for (is_well (h1) && is_well (h2));
}

static void
test_quorum_lost (void)
{
  Cluster *cluster = get_three ();
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Host) h1 = start (cluster, dir, "h1"), h2 = start (cluster, dir, "h2");

  host_append_and_wait (h1, UUID, 1);
  wait_for (saw (h2, 1));
  member_signal (cluster, 0, SIGKILL);
  member_signal (cluster, 1, SIGKILL);
  wait_for (is_away (h1) && is_away (h2));
  for (guint i = 2; i <= 4; i++)
    host_append_and_wait (h1, UUID, i); /* they count: they are on the disk */
  g_assert_cmpuint (h2->guests->len, ==, 1);
  member_start (cluster, 0);
  member_start (cluster, 1);
  wait_for (h2->guests->len == 4);
  for (guint i = 0; i < 4; i++)
    g_assert_cmpuint (host_guest (h2, i)->epoch, ==, i + 1);
  wait_for (is_well (h1) && is_well (h2));
}

static void
test_all_restarted (void)
{
  Cluster *cluster = get_three ();
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Host) h1 = start (cluster, dir, "h1"), h2 = start (cluster, dir, "h2");

  host_append_and_wait (h1, UUID, 1);
  for (guint i = 0; i < 3; i++)
    member_signal (cluster, i, SIGKILL);
  wait_for (is_away (h1) && is_away (h2));
  for (guint i = 0; i < 3; i++)
    member_start (cluster, i);
  wait_for (is_well (h1) && is_well (h2));
  host_append_and_wait (h1, UUID, 2);
  wait_for (saw (h2, 2));
  g_assert_cmpuint (h2->guests->len, ==, 2);
}

/* Stopped, a member keeps its connections open and says nothing. */
static void
test_half_open (void)
{
  each_in_turn (SIGSTOP);
}

/* ---- a watcher that is left behind ---- */

static void
compact (const VrEtcdOptions *options)
{
  g_autofree char *range = vr_etcd_say_range ("/none", NULL, 0, 0), *body = NULL;
  g_autoptr (VrEtcdAnswer) now = cluster_call (options, "/v3/kv/range", range);

  body = g_strdup_printf ("{\"revision\": \"%" G_GINT64_FORMAT "\", \"physical\": true}", now->revision);
  vr_etcd_answer_free (cluster_call (options, "/v3/kv/compaction", body));
}

/* While the hosts cannot find the member: it listens somewhere else. */
static void
elsewhere (Cluster *cluster, gboolean elsewhere)
{
  char *host = strstr (cluster->members[0].client, "127.0.0.");

  member_signal (cluster, 0, SIGKILL);
  host[strlen ("127.0.0.")] = elsewhere ? '2' : '1';
  member_start (cluster, 0);
}

static void
test_compacted (void)
{
  g_autoptr (Cluster) cluster = cluster_new (1, FALSE);
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Host) h2 = NULL;
  g_autoptr (VrEtcdOptions) options = NULL;

  place_cluster = cluster;
  place_record (dir, UUID, "h1", 1, 1);
  h2 = start (cluster, dir, "h2");
  g_assert_true (saw (h2, 1));
  elsewhere (cluster, TRUE);
  wait_for (is_away (h2));
  for (guint i = 2; i <= 6; i++)
    place_record (dir, UUID, "h1", i, i);
  place_record (dir, UUID2, "h1", 1, 7);
  options = place_options (dir);
  compact (options);
  elsewhere (cluster, FALSE);
  wait_for (h2->guests->len == 3); /* what the list has: the last of each */
  g_assert_cmpuint (host_guest (h2, 1)->epoch, ==, 6);
  g_assert_cmpstr (host_guest (h2, 2)->uuid, ==, UUID2);
  place_record (dir, UUID, "h1", 7, 8);
  wait_for (saw (h2, 7) && is_well (h2));
}

/* A watch that is silent is taken up anew, and loses nothing by it. */
static void
test_renewed (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Host) h1 = start (get_one (), dir, "h1"), h2 = make (get_one (), dir, "h2");

  g_object_set (h2->log, "renew-ms", 20, NULL);
  vr_log_start (h2->log);
  wait_for (h2->ready);
  for (guint i = 1; i <= 20; i++) {
    host_append_and_wait (h1, UUID, i);
    run_for_ms (25);
  }
  wait_for (h2->guests->len == 20);
  for (guint i = 0; i < 20; i++)
    g_assert_cmpuint (host_guest (h2, i)->epoch, ==, i + 1);
  g_assert_true (is_well (h2));
}

/* ---- on this host's disk ---- */

static void
test_waits_over_a_restart (void)
{
  Cluster *cluster = get_one ();
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Host) h1 = start (cluster, dir, "h1"), h2 = start (cluster, dir, "h2"), again = NULL;
  g_autofree char *copy = place_copy (dir, "h1"), *waiting = g_build_filename (copy, "waiting", NULL);

  host_append_and_wait (h1, UUID, 1);
  wait_for (saw (h2, 1));
  member_signal (cluster, 0, SIGKILL);
  wait_for (is_away (h1));
  for (guint i = 2; i <= 4; i++)
    host_append_and_wait (h1, UUID, i);
  host_stop (g_steal_pointer (&h1));

  again = start (cluster, dir, "h1"); /* it is still away */
  g_assert_true (saw (again, 4));
  g_assert_true (is_away (again));
  host_append_and_wait (again, UUID, 5);
  g_assert_cmpuint (h2->guests->len, ==, 1);

  member_start (cluster, 0);
  wait_for (h2->guests->len == 5);
  for (guint i = 0; i < 5; i++)
    g_assert_cmpuint (host_guest (h2, i)->epoch, ==, i + 1);
  wait_for (is_well (again) && !g_file_test (waiting, G_FILE_TEST_EXISTS));
}

static void
test_starts_from_the_copy (void)
{
  Cluster *cluster = get_one ();
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Host) h1 = start (cluster, dir, "h1"), h2 = start (cluster, dir, "h2"), again = NULL;
  g_autofree char *copy = place_copy (dir, "h2"), *known = g_build_filename (copy, "known", NULL);

  host_append_and_wait (h1, UUID, 1);
  wait_for (saw (h2, 1));
  wait_for (file_has (known, UUID));
  host_stop (g_steal_pointer (&h2));
  member_signal (cluster, 0, SIGKILL);

  again = start (cluster, dir, "h2");
  g_assert_true (saw (again, 1));
  g_assert_nonnull (strstr (host_trouble (again), "this host's copy of"));
  member_start (cluster, 0);
  host_append_and_wait (h1, UUID, 2);
  wait_for (saw (again, 2) && is_well (again));
}

/* Without a copy nothing is known, and that is not the same as that there is nothing. */
static void
test_not_ready_without_a_copy (void)
{
  Cluster *cluster = get_one ();
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Host) h1 = NULL;

  member_signal (cluster, 0, SIGKILL);
  h1 = make (cluster, dir, "h1");
  vr_log_start (h1->log);
  wait_for (is_away (h1));
  run_for_ms (300);
  g_assert_false (h1->ready);
  member_start (cluster, 0);
  wait_for (h1->ready && is_well (h1));
}

static void
wipe (Cluster *cluster)
{
  g_autofree char *command = g_strdup_printf ("rm -r '%s/m0'", cluster->dir);

  g_assert_true (g_spawn_command_line_sync (command, NULL, NULL, NULL, NULL));
}

/* The store is restored from an old backup, or lost: each host writes its last word again. */
static void
test_store_went_back (void)
{
  g_autoptr (Cluster) cluster = cluster_new (1, FALSE);
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Host) h1 = start (cluster, dir, "h1"), late = NULL;

  for (guint i = 1; i <= 5; i++)
    host_append_and_wait (h1, UUID, i);
  member_signal (cluster, 0, SIGKILL);
  wait_for (is_away (h1));
  wipe (cluster);
  member_start (cluster, 0);
  wait_for (is_well (h1));
  late = start (cluster, dir, "h2");
  wait_for (saw (late, 5));
  host_append_and_wait (h1, UUID, 6);
  wait_for (saw (late, 6));
}

/* ---- rules ---- */

/* What its own writer said before decides over it: it is in the history, and changes nothing for who comes late. */
static void
test_superseded_by_own (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Host) h1 = start (get_one (), dir, "h1"), late = NULL;
  g_autoptr (GPtrArray) history = NULL;

  host_append_and_wait (h1, UUID, 5);
  host_append_and_wait (h1, UUID, 3);
  late = start (get_one (), dir, "h2");
  g_assert_cmpuint (late->at_ready, ==, 1);
  g_assert_true (saw (late, 5));
  do {
    run_for_ms (10);
    g_clear_pointer (&history, g_ptr_array_unref);
    history = vr_log_history (late->log, UUID);
  } while (history->len < 2);
  g_assert_cmpuint (((VrRecord *) history->pdata[0])->epoch, ==, 3);
}

/* An intent does not hide what its writer said as owner. */
static void
test_intent_beside_custody (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Host) h1 = start (get_one (), dir, "h1"), late = NULL;
  g_autoptr (VrRecord) intent = record_new (UUID, "h2", 2);

  host_append_and_wait (h1, UUID, 1);
  intent->state = VR_STATE_INCOMING;
  intent->target = g_strdup ("h1");
  h1->asked++;
  vr_log_append_async (h1->log, intent, NULL, on_appended, h1);
  wait_for (h1->done == h1->asked);
  late = start (get_one (), dir, "h3");
  g_assert_cmpuint (late->at_ready, ==, 2);
}

static void
put_machine (const char *dir, const char *host, const char *machine)
{
  g_autoptr (VrEtcdOptions) options = place_options (dir);
  g_autofree char *key = vr_etcd_key_machine (options->prefix, host);

  cluster_put (options, key, machine);
}

static void
assert_name_taken (Host *host)
{
  host_append (host, UUID, 9);
  wait_for (host->done == host->asked);
  g_assert_cmpuint (host->errors->len, >, 0);
  g_assert_error (((GError *) host->errors->pdata[host->errors->len - 1]), VR_LOG_ERROR, VR_LOG_ERROR_NAME_TAKEN);
  g_assert_nonnull (strstr (host_trouble (host), "etcdctl del"));
}

static void
test_name_taken_at_start (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Host) h1 = NULL, h2 = NULL;

  place_cluster = get_one ();
  put_machine (dir, "h1", "another");
  h1 = start (get_one (), dir, "h1");
  assert_name_taken (h1);
  h2 = start (get_one (), dir, "h2");
  host_append_and_wait (h2, UUID, 1); /* the others go on, and are read */
  wait_for (saw (h1, 1));
}

static void
test_name_taken_later (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Host) h1 = start (get_one (), dir, "h1");

  host_append_and_wait (h1, UUID, 1);
  put_machine (dir, "h1", "another");
  wait_for (strstr (host_trouble (h1), "etcdctl del")); /* also of a host that has nothing to write */
  assert_name_taken (h1);
}

/* ---- what should not be there ---- */

static void
test_strange_keys (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Host) h1 = start (get_one (), dir, "h1"), h2 = NULL;
  g_autoptr (VrEtcdOptions) options = place_options (dir);
  g_autofree char *garbage = g_strconcat (options->prefix, "/now/h9/guest/x", NULL);
  g_autofree char *foreign = g_strconcat (options->prefix, "/now/h9/guest/" UUID, NULL), *json = json_of (UUID, "h1", 99, 1);
  g_autofree char *remove = vr_etcd_say_range (garbage, NULL, 0, 0), *remove2 = vr_etcd_say_range (foreign, NULL, 0, 0);

  cluster_put (options, garbage, "{");
  cluster_put (options, foreign, json); /* h9 speaks in h1's name */
  wait_for (strstr (host_trouble (h1), garbage) && strstr (host_trouble (h1), foreign));
  h2 = start (get_one (), dir, "h2");
  wait_for (strstr (host_trouble (h2), foreign));
  g_assert_cmpuint (h1->guests->len + h2->guests->len, ==, 0);
  host_append_and_wait (h1, UUID, 1);
  wait_for (saw (h2, 1));
  vr_etcd_answer_free (cluster_call (options, "/v3/kv/deleterange", remove));
  vr_etcd_answer_free (cluster_call (options, "/v3/kv/deleterange", remove2));
  wait_for (is_well (h1) && is_well (h2));
}

static void
test_pages (void)
{
  g_autoptr (Directory) dir = directory_new ();
  g_autoptr (Host) h2 = NULL;

  place_cluster = get_one ();
  for (guint i = 1; i <= 20; i++) {
    g_autofree char *uuid = g_strdup_printf ("22222222-0000-4000-8000-%012u", i);

    place_record (dir, uuid, i % 2 ? "h1" : "h3", 1, 100 - i);
  }
  h2 = make (get_one (), dir, "h2");
  g_object_set (h2->log, "page", 3, NULL);
  vr_log_start (h2->log);
  wait_for (h2->ready);
  g_assert_cmpuint (h2->at_ready, ==, 20);
}

int
main (int argc, char **argv)
{
  int result;

  g_test_init (&argc, &argv, NULL);
  if (!cluster_is_possible ())
    return 77;
  g_test_add_func ("/etcd/member-killed", test_member_killed);
  g_test_add_func ("/etcd/leader-killed", test_leader_killed);
  g_test_add_func ("/etcd/quorum-lost", test_quorum_lost);
  g_test_add_func ("/etcd/all-restarted", test_all_restarted);
  g_test_add_func ("/etcd/half-open", test_half_open);
  g_test_add_func ("/etcd/compacted", test_compacted);
  g_test_add_func ("/etcd/renewed", test_renewed);
  g_test_add_func ("/etcd/disk/waits-over-a-restart", test_waits_over_a_restart);
  g_test_add_func ("/etcd/disk/starts-from-the-copy", test_starts_from_the_copy);
  g_test_add_func ("/etcd/disk/not-ready-without", test_not_ready_without_a_copy);
  g_test_add_func ("/etcd/store-went-back", test_store_went_back);
  g_test_add_func ("/etcd/superseded-by-own", test_superseded_by_own);
  g_test_add_func ("/etcd/intent-beside-custody", test_intent_beside_custody);
  g_test_add_func ("/etcd/name-taken/at-start", test_name_taken_at_start);
  g_test_add_func ("/etcd/name-taken/later", test_name_taken_later);
  g_test_add_func ("/etcd/strange-keys", test_strange_keys);
  g_test_add_func ("/etcd/pages", test_pages);
  result = g_test_run ();
  g_clear_pointer (&three, cluster_free);
  g_clear_pointer (&one, cluster_free);
  return result;
}
