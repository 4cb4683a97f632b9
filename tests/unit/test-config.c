/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virt-relay.conf: every key, every default; its file, its example, its manual. */
#include "config-files.h"

#include "daemon/names.h"

/* ---- what is right ---- */

static void
test_trust (Files *files, gconstpointer data)
{
  g_autoptr (VrConfig) config = load_ok (files, LEAST "[trust]\nnetworks = h1:10.9.1.0/24 h1:FD00:9:1::/64\nstart = home\nintents = any\ntake-over = h3, h4\n");
  g_autoptr (VrConfig) least = load_ok (files, LEAST);
  const char *const networks[] = { "h1:10.9.1.0/24", "h1:fd00:9:1::/64", NULL }, *const hosts[] = { "h3", "h4", NULL };

  g_assert_cmpstrv (config->trust.networks, networks);
  g_assert_cmpstrv (config->trust.take_over, hosts);
  g_assert_false (config->trust.start_anywhere);
  g_assert_true (config->trust.unproven);
  g_assert_false (least->trust.unproven);
  g_assert_true (least->trust.start_anywhere);
  g_assert_null (least->trust.networks);
}

static void
test_defaults (Files *files, gconstpointer data)
{
  g_autoptr (VrConfig) config = load_ok (files, LEAST);
  assert_list (config->host->networks, "");
  assert_list (config->host->reach, "");
  assert_list (config->host->macs, "");
  g_assert_cmpstr (config->host->identity, ==, "h1.virt-relay");
  g_assert_null (config->bridge);
  g_assert_cmpstr (config->libvirt_uri, ==, "qemu:///system");
  g_assert_cmpstr (config->log_directory, ==, VR_LOG_DIR);
  g_assert_cmpint (config->auth, ==, VR_AUTH_PSK);
  g_assert_cmpstr (config->psk, ==, "a secret of our own");
  g_assert_null (config->certificate);
  g_assert_null (config->key);
  g_assert_null (config->ca);
  g_assert_cmpstr (config->vici_uri, ==, "unix:///run/charon.vici");
  g_assert_cmpstr (config->proposals, ==, "aes256gcm16-prfsha384-ecp384,aes256gcm16-prfsha384-x25519");
  g_assert_cmpstr (config->esp_proposals, ==, "aes256gcm16-ecp384,aes256gcm16-x25519");
  g_assert_cmpuint (config->dpd_delay_s, ==, 10);
  g_assert_cmpuint (config->takeover_delay_s, ==, 3);
  g_assert_cmpuint (config->mtu, ==, 1400);
  g_assert_cmpint (config->direct, ==, VR_DIRECT_BUILD);
  g_assert_cmpuint (config->threshold, ==, 10);
  g_assert_cmpuint (config->confirm_after_s, ==, 5);
  g_assert_true (config->ordered);
  g_assert_cmpuint (config->intent_timeout_s, ==, 10);
  g_assert_cmpuint (config->linger_s, ==, 15);
  g_assert_null (config->metrics_listen);
  g_assert_true (config->lossless);
  g_assert_cmpuint (config->copies_memory_mib, ==, 8);
  g_assert_cmpuint (config->kept_memory_mib, ==, 16);
}

static void
test_every_key (Files *files, gconstpointer data)
{
  g_autoptr (VrConfig) config = load_ok (files,
    "# a comment\n[host]\nname = alpha.example-1\nunderlay = 192.0.2.1, 2001:DB8:0::1\nnetworks = 10.9.1.1/24 fd00:9:1:0::1/64\n"
    "bridge = br-guests\nreach = h2 h3\nidentity = C=CH, O=Example, CN=alpha\n"
    "[libvirt]\nuri = qemu+unix:///system?socket=/run/x\n[log]\ndirectory = /srv/log\n"
    "[tunnel]\nauth = certificate\ncertificate = {DIR}/cert.pem\nkey = {DIR}/key.pem\nca = {DIR}/ca.pem\n"
    "vici-socket = /run/other.vici\nproposals = aes256gcm16-prfsha256-x25519 default\nesp-proposals = aes128gcm16-x25519\n"
    "dpd-delay = 1\ntakeover-delay = 3600\nmtu = 8900\n[path]\ndirect = existing\nthreshold = 1\n"
    "confirm-after = 60\nordered = no\n[migration]\nintent-timeout = 77\nlinger = 120\nqueue-memory = 4096\nlossless = no\n"
    "copies-memory = 1\nkept-memory = 7\n[metrics]\nlisten = [::1]:9732\n");
  g_assert_cmpstr (config->metrics_listen, ==, "[::1]:9732");
  g_assert_cmpuint (config->queue_memory_mib, ==, 4096);
  g_assert_false (config->lossless);
  g_assert_cmpuint (config->copies_memory_mib, ==, 1);
  g_assert_cmpuint (config->kept_memory_mib, ==, 7);
  g_assert_cmpstr (config->host->name, ==, "alpha.example-1");
  assert_list (config->host->underlay, "192.0.2.1 2001:db8::1");
  assert_list (config->host->networks, "10.9.1.1/24 fd00:9:1::1/64");
  assert_list (config->host->reach, "h2 h3");
  g_assert_cmpstr (config->host->identity, ==, "C=CH, O=Example, CN=alpha");
  g_assert_cmpstr (config->bridge, ==, "br-guests");
  g_assert_cmpstr (config->libvirt_uri, ==, "qemu+unix:///system?socket=/run/x");
  g_assert_cmpstr (config->log_directory, ==, "/srv/log");
  g_assert_cmpint (config->auth, ==, VR_AUTH_CERTIFICATE);
  g_assert_null (config->psk);
  g_assert_true (g_str_has_suffix (config->certificate, "/cert.pem"));
  g_assert_true (g_str_has_suffix (config->key, "/key.pem"));
  g_assert_true (g_str_has_suffix (config->ca, "/ca.pem"));
  g_assert_cmpstr (config->vici_uri, ==, "unix:///run/other.vici");
  g_assert_cmpstr (config->proposals, ==, "aes256gcm16-prfsha256-x25519,default");
  g_assert_cmpstr (config->esp_proposals, ==, "aes128gcm16-x25519");
  g_assert_cmpuint (config->dpd_delay_s, ==, 1);
  g_assert_cmpuint (config->takeover_delay_s, ==, 3600);
  g_assert_cmpuint (config->mtu, ==, 8900);
  g_assert_cmpint (config->direct, ==, VR_DIRECT_EXISTING);
  g_assert_cmpuint (config->threshold, ==, 1);
  g_assert_cmpuint (config->confirm_after_s, ==, 60);
  g_assert_false (config->ordered);
  g_assert_cmpuint (config->intent_timeout_s, ==, 77);
  g_assert_cmpuint (config->linger_s, ==, 120);
}

static void
test_name_from_host_name (Files *files, gconstpointer data)
{
  g_autoptr (VrConfig) config = load_ok (files, "[host]\nunderlay = 192.0.2.1\n" PSK);
  g_autofree char *expected = g_strndup (g_get_host_name (), strcspn (g_get_host_name (), "."));
  g_assert_cmpstr (config->host->name, ==, expected);
}

static void
test_reach_all (Files *files, gconstpointer data)
{
  g_autoptr (VrConfig) config = load_ok (files, HOST "reach = *\n" PSK);
  assert_list (config->host->reach, "*");
}

static void
test_vici_uri (Files *files, gconstpointer data)
{
  g_autoptr (VrConfig) config = load_ok (files, LEAST "vici-socket = unix:///run/other.vici\n");
  g_assert_cmpstr (config->vici_uri, ==, "unix:///run/other.vici");
}

static void
test_escaped_hash (Files *files, gconstpointer data)
{
  g_autoptr (VrConfig) config = load_ok (files, LEAST "[log]\ndirectory = /srv/log\\s#1\n");
  g_assert_cmpstr (config->log_directory, ==, "/srv/log #1");
}

static void
test_networks_v4_beside_v6 (Files *files, gconstpointer data)
{
  g_autoptr (VrConfig) config = load_ok (files, HOST "networks = 10.9.1.1/24 10.9.2.1/24 fd00:9:1::1/64\nbridge = br0\n" PSK);
  g_assert_cmpuint (g_strv_length (config->host->networks), ==, 3);
}

/* ---- files ---- */

static void
test_load_file (Files *files, gconstpointer data)
{
  g_autofree char *text = expand (files, LEAST);
  g_autofree char *path = g_build_filename (files->dir, "virt-relay.conf", NULL);
  g_autoptr (GError) error = NULL;
  write_file (files, "virt-relay.conf", text, -1, 0644);
  g_autoptr (VrConfig) config = vr_config_load (path, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (config->host->name, ==, "h1");
}

static void
test_no_file (Files *files, gconstpointer data)
{
  g_autofree char *path = g_build_filename (files->dir, "virt-relay.conf", NULL);
  g_autoptr (GError) error = NULL;
  g_assert_null (vr_config_load (path, &error));
  g_assert_error (error, VR_CONFIG_ERROR, VR_CONFIG_ERROR_READ);
  g_assert_nonnull (strstr (error->message, path));
  g_assert_nonnull (strstr (error->message, "copy /usr/share/doc/virt-relay/virt-relay.conf.example to it"));
}

static void
test_unreadable_file (Files *files, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_assert_null (vr_config_load (files->dir, &error));
  g_assert_error (error, VR_CONFIG_ERROR, VR_CONFIG_ERROR_READ);
  g_assert_true (g_str_has_prefix (error->message, "cannot read the configuration: "));
}

/* ---- comparing ---- */

static void
test_changes_none (Files *files, gconstpointer data)
{
  g_autoptr (VrConfig) before = load_ok (files, LEAST);
  g_autoptr (VrConfig) after = load_ok (files, "# only a comment\n" LEAST "dpd-delay = 10\n");
  g_autoptr (GPtrArray) changes = vr_config_changes (before, after);
  g_assert_cmpuint (changes->len, ==, 0);
}

static void
test_changes (Files *files, gconstpointer data)
{
  g_autoptr (VrConfig) before = load_ok (files, LEAST);
  write_file (files, "psk", "another\n", -1, 0600);
  g_autoptr (VrConfig) after = load_ok (files, HOST "reach = *\n" PSK "takeover-delay = 5\n");
  g_autoptr (GPtrArray) changes = vr_config_changes (before, after);
  g_ptr_array_add (changes, NULL);
  assert_list ((char **) changes->pdata, "[host] reach [tunnel] psk-file [tunnel] takeover-delay");
}

static void
test_changes_auth (Files *files, gconstpointer data)
{
  g_autoptr (VrConfig) before = load_ok (files, LEAST);
  g_autoptr (VrConfig) after = load_ok (files, HOST "[tunnel]\nauth = certificate\ncertificate = {DIR}/cert.pem\n"
                                                    "key = {DIR}/key.pem\nca = {DIR}/ca.pem\n");
  g_autoptr (GPtrArray) changes = vr_config_changes (before, after);
  g_ptr_array_add (changes, NULL);
  assert_list ((char **) changes->pdata, "[tunnel] auth [tunnel] psk-file [tunnel] certificate [tunnel] key [tunnel] ca");
}

/* ---- etcd ---- */

static void
test_etcd (Files *files, gconstpointer data)
{
  g_autoptr (VrConfig) config = load_ok (files, ETCD ("https://etcd1 https://[2001:db8::1]:4000/")
                                         "prefix = /site/a\nca = {DIR}/ca.pem\ncertificate = {DIR}/cert.pem\nkey = {DIR}/key.pem\n"
                                         "user = h1\npassword-file = {DIR}/psk\nhistory = 7d\n");
  g_assert_cmpint (config->engine, ==, VR_ENGINE_ETCD);
  assert_list (config->etcd_endpoints, "https://etcd1:2379 https://[2001:db8::1]:4000");
  g_assert_cmpstr (config->etcd_prefix, ==, "/site/a");
  g_assert_true (g_str_has_suffix (config->etcd_ca, "/ca.pem"));
  g_assert_true (g_str_has_suffix (config->etcd_certificate, "/cert.pem"));
  g_assert_true (g_str_has_suffix (config->etcd_key, "/key.pem"));
  g_assert_cmpstr (config->etcd_user, ==, "h1");
  g_assert_cmpstr (config->etcd_password, ==, "a secret of our own");
  g_assert_cmpuint (config->etcd_history_s, ==, 7 * 24 * 3600);
}

static void
test_etcd_defaults (Files *files, gconstpointer data)
{
  g_autoptr (VrConfig) config = load_ok (files, ETCD ("http://127.0.0.1"));
  g_assert_cmpstr (config->etcd_prefix, ==, VR_ETCD_PREFIX);
  g_assert_cmpuint (config->etcd_history_s, ==, 90 * 24 * 3600);
  g_assert_null (config->etcd_ca);
  g_assert_null (config->etcd_user);
}

/* ---- the example ---- */

static char *
read_source (const char *name)
{
  g_autofree char *top = g_canonicalize_filename ("../../..", g_getenv ("VR_TEST_DATA"));
  g_autofree char *path = g_build_filename (top, name, NULL);
  g_autoptr (GError) error = NULL;
  char *text = NULL;
  g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  return text;
}

static char *
read_example (const Files *files)
{
  g_autofree char *original = read_source ("daemon/data/virt-relay.conf.example");
  g_auto (GStrv) parts = g_strsplit (original, "/etc/virt-relay.psk\n\n", -1); /* the key's value, not the comment's command */
  g_assert_cmpuint (g_strv_length (parts), ==, 2);
  return g_strdup_printf ("%s%s/psk\n\n%s", parts[0], files->dir, parts[1]);
}

static void
test_example_is_valid (Files *files, gconstpointer data)
{
  g_autofree char *text = read_example (files);
  g_autoptr (VrConfig) config = load_ok (files, text);
  assert_list (config->host->underlay, "192.0.2.1");
}

/* With the "#" taken from every key but those of certificates and etcd, only what has no default may differ. */
static void
test_example_states_defaults (Files *files, gconstpointer data)
{
  g_autofree char *text = read_example (files);
  g_autoptr (VrConfig) plain = load_ok (files, text);
  g_autoptr (GRegex) keys = g_regex_new ("^#(?!certificate|key|ca|endpoints|prefix|user|password-file|history)([a-z-]+ = )", G_REGEX_MULTILINE, 0, NULL);
  g_autofree char *all = g_regex_replace (keys, text, -1, 0, "\\1", 0, NULL);
  g_autoptr (VrConfig) config = load_ok (files, all);

  g_autoptr (GPtrArray) changes = vr_config_changes (plain, config);
  for (guint i = changes->len; i > 0; i--)
    {
      if (g_str_equal (changes->pdata[i - 1], "[host] name") || g_str_equal (changes->pdata[i - 1], "[host] identity"))
        g_ptr_array_remove_index (changes, i - 1); /* depend on the host name of the machine */
    }
  g_ptr_array_add (changes, NULL);
  assert_list ((char **) changes->pdata, "[host] networks [host] bridge [host] reach [trust] networks [trust] take-over [metrics] listen");
  g_assert_cmpstr (config->host->identity, ==, "h1.virt-relay");
}

/* Every key of the example, in virt-relay.conf(5). */
static void
test_manual_has_every_key (Files *files, gconstpointer data)
{
  g_autofree char *example = read_source ("daemon/data/virt-relay.conf.example");
  g_autofree char *manual = read_source ("docs/man/virt-relay.conf.5");
  g_autoptr (GRegex) keys = g_regex_new ("^#?([a-z-]+) = ", G_REGEX_MULTILINE, 0, NULL);
  g_autoptr (GMatchInfo) match = NULL;
  guint n = 0;
  for (g_regex_match (keys, example, 0, &match); g_match_info_matches (match); g_match_info_next (match, NULL), n++)
    {
      g_autofree char *key = g_match_info_fetch (match, 1);
      g_autofree char *entry = g_strdup_printf ("^\\.It Cm (.* )?%s( |$)", key);
      g_test_message ("%s", key);
      g_assert_true (g_regex_match_simple (entry, manual, G_REGEX_MULTILINE, 0));
    }
  g_assert_cmpuint (n, >=, 40);
}

int
main (int argc, char **argv)
{
  g_setenv ("LC_ALL", "C.UTF-8", TRUE);
  g_test_init (&argc, &argv, NULL);
  ADD ("defaults", test_defaults);
  ADD ("trust", test_trust);
  ADD ("every-key", test_every_key);
  ADD ("name-from-host-name", test_name_from_host_name);
  ADD ("reach-all", test_reach_all);
  ADD ("vici-uri", test_vici_uri);
  ADD ("escaped-hash", test_escaped_hash);
  ADD ("networks-v4-beside-v6", test_networks_v4_beside_v6);
  ADD ("file/load", test_load_file);
  ADD ("file/none", test_no_file);
  ADD ("file/unreadable", test_unreadable_file);
  ADD ("changes/none", test_changes_none);
  ADD ("changes/some", test_changes);
  ADD ("changes/auth", test_changes_auth);
  ADD ("etcd/all", test_etcd);
  ADD ("etcd/defaults", test_etcd_defaults);
  ADD ("example/valid", test_example_is_valid);
  ADD ("example/states-defaults", test_example_states_defaults);
  ADD ("manual-has-every-key", test_manual_has_every_key);
  return g_test_run ();
}
