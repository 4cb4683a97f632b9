/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virt-relay.conf: every mistake, and what is said of it. */
#include "config-files.h"

#include <sys/stat.h>
#include <unistd.h>

/* ---- the secret's file ---- */

static void
test_psk_empty (Files *files, gconstpointer data)
{
  write_file (files, "psk", "\n", -1, 0600);
  assert_fails (files, LEAST, "test.conf: [tunnel] psk-file: {DIR}/psk is empty: make a secret with "
                "(umask 077; head -c 32 /dev/urandom | base64 > {DIR}/psk) and copy it to every host");
}

static void
test_psk_open_to_group (Files *files, gconstpointer data)
{
  write_file (files, "psk", "secret\n", -1, 0640);
  assert_fails (files, LEAST, "test.conf: [tunnel] psk-file: {DIR}/psk holds a secret and others may read or write it (mode 0640): "
                "chmod 600 {DIR}/psk");
}

static void
test_psk_of_another_user (Files *files, gconstpointer data)
{
  g_autofree char *path = g_build_filename (files->dir, "psk", NULL);
  if (chown (path, 4711, (gid_t) -1) != 0)
    {
      g_test_skip ("needs root");
      return;
    }
  assert_fails (files, LEAST, "test.conf: [tunnel] psk-file: {DIR}/psk holds a secret and belongs to user 4711: chown root {DIR}/psk");
}

static void
test_psk_keeps_inner_newlines (Files *files, gconstpointer data)
{
  write_file (files, "psk", " two\nlines \n\n", -1, 0600);
  g_autoptr (VrConfig) config = load_ok (files, LEAST);
  g_assert_cmpstr (config->psk, ==, " two\nlines \n");
}

static void
test_psk_nul (Files *files, gconstpointer data)
{
  write_file (files, "psk", "a\0b\n", 4, 0600);
  assert_fails (files, LEAST, "test.conf: [tunnel] psk-file: {DIR}/psk holds a NUL byte: write the secret as text, as "
                "(umask 077; head -c 32 /dev/urandom | base64 > {DIR}/psk) does");
}

static void
test_psk_size (Files *files, gconstpointer data)
{
  g_autofree char *long_one = g_strnfill (4097, 'x');
  long_one[4096] = '\n';
  write_file (files, "psk", long_one, 4097, 0600);
  g_autoptr (VrConfig) config = load_ok (files, LEAST);
  g_assert_cmpuint (strlen (config->psk), ==, 4096);

  long_one[4096] = 'x';
  write_file (files, "psk", long_one, 4097, 0600);
  assert_fails (files, LEAST, "test.conf: [tunnel] psk-file: {DIR}/psk holds more than 4096 bytes: that is no shared secret");
}

static void
test_psk_fifo (Files *files, gconstpointer data)
{
  g_autofree char *path = g_build_filename (files->dir, "fifo", NULL);
  g_assert_cmpint (mkfifo (path, 0600), ==, 0);
  assert_fails (files, HOST "[tunnel]\npsk-file = {DIR}/fifo\n", "test.conf: [tunnel] psk-file: {DIR}/fifo is not a file");
}

static void
test_key_open_to_others (Files *files, gconstpointer data)
{
  write_file (files, "key.pem", "key", -1, 0604);
  assert_fails (files, HOST "[tunnel]\nauth = certificate\ncertificate = {DIR}/cert.pem\nkey = {DIR}/key.pem\nca = {DIR}/ca.pem\n",
                "test.conf: [tunnel] key: {DIR}/key.pem holds a secret and others may read or write it (mode 0604): "
                "chmod 600 {DIR}/key.pem");
}

/* ---- what is wrong ---- */

typedef struct {
  const char *name, *text, *message;
} Mistake;

static const Mistake mistakes[] = {
  /* form */
  { "no-group", "underlay = 192.0.2.1\n", "test.conf: ..." },
  { "no-equals", LEAST "dpd-delay 10\n", "test.conf: ..." },
  { "unknown-group", LEAST "[tunel]\n", "test.conf: [tunel] unknown group; did you mean [tunnel]?" },
  { "unknown-key", LEAST "dpd-dely = 10\n", "test.conf: [tunnel] dpd-dely: unknown key; did you mean dpd-delay?" },
  { "nearest-of-group", LEAST "dpd_delay = 10\n", "test.conf: [tunnel] dpd_delay: unknown key; did you mean dpd-delay?" },
  { "key-of-another-group", HOST "dpd-delay = 10\n" PSK, "test.conf: [host] dpd-delay: this key belongs in [tunnel]" },
  { "translated-key", HOST "bridge[de] = br0\n" PSK, "test.conf: [host] bridge[de]: unknown key; did you mean bridge?" },
  { "twice", LEAST "dpd-delay = 1\ndpd-delay = 1\n",
    "test.conf: [tunnel] dpd-delay: given a second time in line 7; a list stands in one line" },
  { "twice-in-two-parts", LEAST "[host]\nname=h2\n",
    "test.conf: [host] name: given a second time in line 7; a list stands in one line" },
  { "comment-behind", LEAST "dpd-delay = 10 # seconds\n",
    "test.conf: [tunnel] dpd-delay: \"#\" does not begin a comment here: put the comment on a line of its own (for a real # write \\s#)" },
  { "comment-for-value", HOST "identity = # none\n" PSK,
    "test.conf: [host] identity: \"#\" does not begin a comment here: put the comment on a line of its own (for a real # write \\s#)" },
  { "empty", LEAST "dpd-delay =\n", "test.conf: [tunnel] dpd-delay: has no value: give it one, or remove the line" },
  { "empty-list", LEAST "proposals = , ,\n", "test.conf: [tunnel] proposals: has no value: give it one, or remove the line" },
  { "bad-escape", LEAST "[log]\ndirectory = /srv/\\x\n", "test.conf: [log] directory: ..." },
  { "not-utf8", HOST "identity = a\xff\n" PSK, "test.conf: [host] identity: ..." },
  /* [host] */
  { "name", "[host]\nname = h 1\nunderlay = 192.0.2.1\n" PSK,
    "test.conf: [host] name: \"h 1\" is not a host's name: 1 to 63 letters, digits, dots, dashes and underscores" },
  { "underlay-missing", "[host]\nname = h1\n" PSK,
    "test.conf: [host] underlay: is missing: give this host's addresses for IKE and ESP" },
  { "underlay", "[host]\nname = h1\nunderlay = 192.0.2\n" PSK,
    "test.conf: [host] underlay: \"192.0.2\" is not an IP address; write it like 10.9.1.100 or fd00:9:1::100" },
  { "underlay-twice", "[host]\nname = h1\nunderlay = 2001:db8::1 2001:DB8:0::1\n" PSK,
    "test.conf: [host] underlay: \"2001:db8::1\" stands there twice" },
  { "underlay-in-guest-network", "[host]\nname = h1\nunderlay = 192.0.2.1 10.9.1.7\nnetworks = 10.9.1.1/24\nbridge = br0\n" PSK,
    "test.conf: [host] underlay: 10.9.1.7 lies in the guest network 10.9.1.1/24: the tunnels would run through themselves" },
  { "networks", HOST "networks = 10.9.1.0/24\nbridge = br0\n" PSK, "test.conf: [host] networks: ..." },
  { "networks-no-prefix", HOST "networks = 10.9.1.1\nbridge = br0\n" PSK, "test.conf: [host] networks: ..." },
  { "networks-overlap", HOST "networks = 10.9.1.1/24 10.9.0.1/16\nbridge = br0\n" PSK,
    "test.conf: [host] networks: 10.9.1.1/24 and 10.9.0.1/16 overlap" },
  { "networks-v6-overlap", HOST "networks = fd00:9::1/48 fd00:9:0:1::1/64\nbridge = br0\n" PSK,
    "test.conf: [host] networks: fd00:9::1/48 and fd00:9:0:1::1/64 overlap" },
  { "bridge-missing", HOST "networks = 10.9.1.1/24\n" PSK, "test.conf: [host] bridge: is missing: name the bridge of the networks" },
  { "networks-missing", HOST "bridge = br0\n" PSK, "test.conf: [host] bridge: goes with networks, which is missing" },
  { "bridge", HOST "networks = 10.9.1.1/24\nbridge = a-name-of-16-let\n" PSK,
    "test.conf: [host] bridge: \"a-name-of-16-let\" is not the name of a network interface (1 to 15 characters, no blanks, no slash)" },
  { "bridge-ours", HOST "networks = 10.9.1.1/24\nbridge = vr-h2\n" PSK,
    "test.conf: [host] bridge: \"vr-h2\": names that begin with vr- belong to the tunnels" },
  { "reach", HOST "reach = h2 h/3\n" PSK, "test.conf: [host] reach: \"h/3\" is not a host's name, and not *" },
  { "reach-all-and-one", HOST "reach = h2 *\n" PSK, "test.conf: [host] reach: \"*\" means all hosts: write it alone" },
  { "reach-twice", HOST "reach = h2 h2\n" PSK, "test.conf: [host] reach: \"h2\" stands there twice" },
  { "reach-self", HOST "reach = h1\n" PSK, "test.conf: [host] reach: \"h1\" is this host itself" },
  { "identity", HOST "identity = \"h1\"\n" PSK,
    "test.conf: [host] identity: holds a quote or a control character; write a domain name such as h1.example.net, "
    "or a certificate's subject such as C=CH, CN=h1" },
  /* [libvirt], [log] */
  { "uri-driver", LEAST "[libvirt]\nuri = xen:///system\n",
    "test.conf: [libvirt] uri: \"xen:///system\" is no URI of libvirt's QEMU driver, such as qemu:///system" },
  { "uri", LEAST "[libvirt]\nuri = system\n",
    "test.conf: [libvirt] uri: \"system\" is no URI of libvirt's QEMU driver, such as qemu:///system" },
  { "uri-remote", LEAST "[libvirt]\nuri = qemu+ssh://h2/system\n",
    "test.conf: [libvirt] uri: \"qemu+ssh://h2/system\" names the host \"h2\": virt-relayd works with the libvirt of its own host; "
    "run it there too" },
  { "engine", LEAST "[log]\nengine = redis\n", "test.conf: [log] engine: \"redis\" is neither file nor etcd" },
  { "etcd-endpoints-missing", LEAST "[log]\nengine = etcd\n",
    "test.conf: [log] endpoints: is missing; engine = etcd needs the URLs of the cluster's members" },
  { "etcd-endpoint", ETCD ("127.0.0.1:2379"),
    "test.conf: [log] endpoints: \"127.0.0.1:2379\" is not the URL of an etcd member, such as https://etcd1.example.org:2379" },
  { "etcd-endpoint-path", ETCD ("http://a/v3"),
    "test.conf: [log] endpoints: \"http://a/v3\": there is no path in an etcd member's URL: remove /v3" },
  { "etcd-endpoint-user", ETCD ("http://u:p@a"), "test.conf: [log] endpoints: ..." },
  { "etcd-endpoint-twice", ETCD ("http://a http://a:2379/"), "test.conf: [log] endpoints: http://a:2379 is given twice" },
  { "etcd-endpoints-mixed", ETCD ("http://a https://b"),
    "test.conf: [log] endpoints: some are http and some are https: one of them would be the weak one" },
  { "etcd-prefix", ETCD ("http://a") "prefix = /a/\n", "test.conf: [log] prefix: ..." },
  { "etcd-prefix-relative", ETCD ("http://a") "prefix = a\n", "test.conf: [log] prefix: ..." },
  { "etcd-key-missing", ETCD ("https://a") "certificate = {DIR}/cert.pem\n",
    "test.conf: [log] key: is missing: certificate and key go together" },
  { "etcd-ca-without-tls", ETCD ("http://a") "ca = {DIR}/ca.pem\n", "test.conf: [log] ca: goes with endpoints that are https" },
  { "etcd-password-missing", ETCD ("http://a") "user = h1\n",
    "test.conf: [log] password-file: is missing: user and password-file go together" },
  { "etcd-user", ETCD ("http://a") "user = h 1\n", "test.conf: [log] user: ..." },
  { "etcd-history", ETCD ("http://a") "history = 90\n", "test.conf: [log] history: \"90\" is not a number of days from 1d to 3650d" },
  { "etcd-directory", ETCD ("http://a") "directory = /srv\n",
    "test.conf: [log] directory: goes with engine = file: remove it, or change engine" },
  { "file-endpoints", LEAST "[log]\nendpoints = http://a\n",
    "test.conf: [log] endpoints: goes with engine = etcd: remove it, or change engine" },
  { "directory", LEAST "[log]\ndirectory = log\n", "test.conf: [log] directory: \"log\" is not an absolute path" },
  /* [tunnel] */
  { "auth", HOST "[tunnel]\nauth = password\n", "test.conf: [tunnel] auth: \"password\" is neither psk nor certificate" },
  { "psk-missing", HOST, "test.conf: [tunnel] psk-file: is missing; auth = psk needs it" },
  { "psk-not-there", HOST "[tunnel]\npsk-file = {DIR}/none\n",
    "test.conf: [tunnel] psk-file: cannot read {DIR}/none: No such file or directory" },
  { "psk-relative", HOST "[tunnel]\npsk-file = psk\n", "test.conf: [tunnel] psk-file: \"psk\" is not an absolute path" },
  { "psk-with-certificate", LEAST "auth = certificate\n",
    "test.conf: [tunnel] psk-file: goes with auth = psk: remove it, or change auth" },
  { "certificate-with-psk", LEAST "ca = {DIR}/ca.pem\n",
    "test.conf: [tunnel] ca: goes with auth = certificate: remove it, or change auth" },
  { "certificate-missing", HOST "[tunnel]\nauth = certificate\nkey = {DIR}/key.pem\nca = {DIR}/ca.pem\n",
    "test.conf: [tunnel] certificate: is missing; auth = certificate needs it" },
  { "key-missing", HOST "[tunnel]\nauth = certificate\ncertificate = {DIR}/cert.pem\nca = {DIR}/ca.pem\n",
    "test.conf: [tunnel] key: is missing; auth = certificate needs it" },
  { "ca-missing", HOST "[tunnel]\nauth = certificate\ncertificate = {DIR}/cert.pem\nkey = {DIR}/key.pem\n",
    "test.conf: [tunnel] ca: is missing; auth = certificate needs it" },
  { "certificate-not-there", HOST "[tunnel]\nauth = certificate\ncertificate = {DIR}/none\n",
    "test.conf: [tunnel] certificate: cannot read {DIR}/none: No such file or directory" },
  { "certificate-is-directory", HOST "[tunnel]\nauth = certificate\ncertificate = {DIR}\n",
    "test.conf: [tunnel] certificate: {DIR} is not a file" },
  { "vici-socket", LEAST "vici-socket = tcp://127.0.0.1:4502\n",
    "test.conf: [tunnel] vici-socket: \"tcp://127.0.0.1:4502\" is not the path of a socket, such as /run/charon.vici" },
  { "proposals", LEAST "proposals = AES256;ecp384\n",
    "test.conf: [tunnel] proposals: \"AES256;ecp384\" is no proposal in strongSwan's notation, such as aes256gcm16-prfsha384-ecp384" },
  { "esp-null", LEAST "esp-proposals = aes256gcm16-ecp384 null-sha256\n",
    "test.conf: [tunnel] esp-proposals: \"null-sha256\" would send guests' packets in clear" },
  { "esp-gmac", LEAST "esp-proposals = aes256gmac-ecp384\n",
    "test.conf: [tunnel] esp-proposals: \"aes256gmac-ecp384\" would send guests' packets in clear" },
  { "dpd-delay", LEAST "dpd-delay = abc\n", "test.conf: [tunnel] dpd-delay: \"abc\" is not a number of seconds from 1 to 3600" },
  { "dpd-delay-zero", LEAST "dpd-delay = 0\n", "test.conf: [tunnel] dpd-delay: \"0\" is not a number of seconds from 1 to 3600" },
  { "takeover-delay", LEAST "takeover-delay = 3601\n",
    "test.conf: [tunnel] takeover-delay: \"3601\" is not a number of seconds from 1 to 3600" },
  { "mtu", LEAST "mtu = 1279\n", "test.conf: [tunnel] mtu: \"1279\" is not a number of bytes from 1280 to 9000" },
  /* [path] */
  { "direct", LEAST "[path]\ndirect = yes\n", "test.conf: [path] direct: \"yes\" is none of build, existing and never" },
  { "threshold", LEAST "[path]\nthreshold = 0\n",
    "test.conf: [path] threshold: \"0\" is not a number of packets from 1 to 1000000" },
  { "ordered", LEAST "[path]\nordered = 1\n", "test.conf: [path] ordered: \"1\" is neither yes nor no" },
  { "confirm-after", LEAST "[path]\nconfirm-after = 0\n",
    "test.conf: [path] confirm-after: \"0\" is not a number of seconds from 1 to 3600" },
  /* [migration] */
  { "trust-start", LEAST "[trust]\nstart = maybe\n", "test.conf: [trust] start: \"maybe\" is neither anywhere nor home" },
  { "trust-intents", LEAST "[trust]\nintents = some\n", "test.conf: [trust] intents: \"some\" is neither proven nor any" },
  { "trust-no-network", LEAST "[trust]\nnetworks = h1:10.9.1.0\n", "test.conf: [trust] networks: \"h1:10.9.1.0\" does not end in a network: write it like h1:10.9.1.0/24 or h1:fd00:9:1::/64" },
  { "trust-no-host", LEAST "[trust]\nnetworks = 10.9.1.0/24\n", "test.conf: [trust] networks: \"10.9.1.0/24\" does not begin with a host's name: write it like h1:10.9.1.0/24" },
  { "trust-take-over", LEAST "[trust]\ntake-over = h/3\n", "test.conf: [trust] take-over: \"h/3\" is not a host's name" },
  { "lossless", LEAST "[migration]\nlossless = maybe\n", "test.conf: [migration] lossless: \"maybe\" is neither yes nor no" },
  { "linger", LEAST "[migration]\nlinger = 0\n", "test.conf: [migration] linger: \"0\" is not a number of seconds from 1 to 3600" },
  { "copies-memory", LEAST "[migration]\ncopies-memory = 0\n",
    "test.conf: [migration] copies-memory: \"0\" is not a number of MiB from 1 to 4096" },
  { "listen", LEAST "[metrics]\nlisten = 9732\n",
    "test.conf: [metrics] listen: \"9732\" is neither the path of a socket nor ADDRESS:PORT, such as 127.0.0.1:9732 or [::1]:9732" },
  { "listen-port", LEAST "[metrics]\nlisten = 127.0.0.1:70000\n",
    "test.conf: [metrics] listen: \"127.0.0.1:70000\" is neither the path of a socket nor ADDRESS:PORT, such as 127.0.0.1:9732 or [::1]:9732" },
  { "listen-brackets", LEAST "[metrics]\nlisten = ::1:9732\n",
    "test.conf: [metrics] listen: \"::1:9732\" is neither the path of a socket nor ADDRESS:PORT, such as 127.0.0.1:9732 or [::1]:9732" },
  { "intent-timeout", LEAST "[migration]\nintent-timeout = -1\n",
    "test.conf: [migration] intent-timeout: \"-1\" is not a number of seconds from 1 to 3600" },
  { "queue-memory", LEAST "[migration]\nqueue-memory = 0\n",
    "test.conf: [migration] queue-memory: \"0\" is not a number of MiB from 1 to 4096" },
};

static void
test_mistake (Files *files, gconstpointer data)
{
  const Mistake *mistake = data;
  assert_fails (files, mistake->text, mistake->message);
}

static void
test_nul_in_file (void)
{
  g_autoptr (GError) error = NULL;
  g_assert_null (vr_config_load_data ("[host]\0", 7, "test.conf", &error));
  g_assert_cmpstr (error->message, ==, "test.conf: holds a NUL byte: not a text file");
}

static void
add_mistakes (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (mistakes); i++)
    {
      g_autofree char *path = g_strdup_printf ("/config/mistake/%s", mistakes[i].name);
      g_test_add (path, Files, &mistakes[i], files_set_up, test_mistake, files_tear_down);
    }
}

int
main (int argc, char **argv)
{
  g_setenv ("LC_ALL", "C.UTF-8", TRUE);
  g_test_init (&argc, &argv, NULL);
  ADD ("psk/empty", test_psk_empty);
  ADD ("psk/open-to-group", test_psk_open_to_group);
  ADD ("psk/of-another-user", test_psk_of_another_user);
  ADD ("psk/keeps-inner-newlines", test_psk_keeps_inner_newlines);
  ADD ("psk/nul", test_psk_nul);
  ADD ("psk/size", test_psk_size);
  ADD ("psk/fifo", test_psk_fifo);
  ADD ("key-open-to-others", test_key_open_to_others);
  add_mistakes ();
  g_test_add_func ("/config/nul-in-file", test_nul_in_file);
  return g_test_run ();
}
