/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What this host has with others: strongSwan, secrets, tunnels, their size. */
#include "cli/doctor/doctor.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/show.h"

/* ---- strongSwan ---- */

static char *
daemon_trouble (const VrPatient *patient, const char *about)
{
  g_auto (GStrv) troubles = NULL;
  g_autofree char *prefix = g_strconcat (about, ": ", NULL);
  if (patient->properties != NULL)
    g_variant_lookup (patient->properties, "Troubles", "^as", &troubles);
  for (guint i = 0; troubles != NULL && troubles[i] != NULL; i++)
    if (g_str_has_prefix (troubles[i], prefix))
      return vr_show_text (troubles[i] + strlen (prefix));
  return NULL;
}

static gboolean
has_plugin (const char *stats, const char *plugin)
{
  g_autofree char *pattern = g_strdup_printf ("loaded plugins:.* %s( |$)", plugin);
  return g_regex_match_simple (pattern, stats, G_REGEX_MULTILINE, 0);
}

static void
check_plugins (const char *stats, GPtrArray *findings)
{
  static const struct {
    const char *plugin, *package, *what;
  } needed[] = { { "vici", "charon-systemd", "takes connections from virt-relay" },
                 { "kernel-netlink", "libcharon-extra-plugins or libstrongswan", "puts tunnels into the kernel" },
                 { "socket-default", "charon-systemd", "speaks IKE" } };
  guint before = findings->len;
  for (guint i = 0; i < G_N_ELEMENTS (needed); i++)
    if (!has_plugin (stats, needed[i].plugin))
      {
        g_autofree char *cure = g_strdup_printf ("apt install %s, load = yes in /etc/strongswan.d/charon/%s.conf, systemctl restart strongswan",
                                                 needed[i].package, needed[i].plugin);
        vr_found (findings, "strongswan", VR_CHECK_FAILURE, cure, "charon has not loaded its plugin %s, which %s", needed[i].plugin, needed[i].what);
      }
  if (!has_plugin (stats, "openssl") && !has_plugin (stats, "gcm"))
    vr_found (findings, "strongswan", VR_CHECK_FAILURE, "apt install libstrongswan-standard-plugins && systemctl restart strongswan",
              "charon has neither the plugin openssl nor gcm: it cannot speak the default proposals");
  if (has_plugin (stats, "kernel-libipsec"))
    vr_found (findings, "strongswan", VR_CHECK_FAILURE, "load = no in /etc/strongswan.d/charon/kernel-libipsec.conf, systemctl restart strongswan",
              "charon has loaded kernel-libipsec, which knows no XFRM interfaces");
  if (findings->len == before)
    vr_found (findings, "strongswan", VR_CHECK_OK, NULL, "charon answers, and has the plugins that are needed");
}

void
vr_check_charon (const VrPatient *patient, GPtrArray *findings)
{
  g_autofree char *socket = vr_patient_config (patient, "tunnel", "vici-socket", "/run/charon.vici");
  g_autofree char *uri = g_strconcat ("unix://", socket, NULL);
  g_autofree char *stats = vr_patient_run (patient, "swanctl", "--stats", "--uri", uri, NULL);
  g_autofree char *trouble = daemon_trouble (patient, "strongSwan");
  if (vr_unseen (patient, "strongswan", findings))
    return;
  if (!vr_patient_exists (patient, socket) || stats == NULL)
    vr_found (findings, "strongswan", VR_CHECK_FAILURE, "systemctl start strongswan", "charon does not answer at %s: no tunnel can come up", socket);
  else if (trouble != NULL)
    vr_found (findings, "strongswan", VR_CHECK_FAILURE, NULL, "%s", trouble);
  else
    check_plugins (stats, findings);
}

/* ---- secrets ---- */

#define SOON (30 * 24 * 3600LL) /* seconds */

static void
check_psk (const VrPatient *patient, const char *file, GPtrArray *findings)
{
  g_autofree char *full = vr_patient_path (patient, file), *cure = NULL;
  struct stat status;
  if (stat (full, &status) < 0)
    {
      cure = g_strdup_printf ("copy it from another host: scp OTHER:%s %s", file, file);
      vr_found (findings, "secrets", VR_CHECK_FAILURE, cure, "the secret %s is not there", file);
      return;
    }
  if (status.st_mode & 077)
    {
      cure = g_strdup_printf ("chmod 600 %s", file);
      vr_found (findings, "secrets", VR_CHECK_FAILURE, cure, "the secret %s is open to others than root", file);
      return;
    }
  vr_found (findings, "secrets", VR_CHECK_OK, NULL, "the secret %s, for all peers, is there and closed", file);
}

static void
check_certificate (const VrPatient *patient, const char *key, GPtrArray *findings)
{
  g_autofree char *file = vr_patient_config (patient, "tunnel", key, "");
  g_autofree char *full = vr_patient_path (patient, file);
  g_autoptr (GError) error = NULL;
  g_autoptr (GTlsCertificate) certificate = g_tls_certificate_new_from_file (full, &error);
  g_autoptr (GDateTime) end = NULL;
  if (certificate == NULL)
    {
      vr_found (findings, "secrets", VR_CHECK_FAILURE, "virt-relayd --check-config says what is wrong", "[tunnel] %s %s cannot be read: %s", key,
                file, error->message);
      return;
    }
  end = g_tls_certificate_get_not_valid_after (certificate);
  gint64 left = end != NULL ? g_date_time_to_unix (end) - patient->now_us / G_USEC_PER_SEC : G_MAXINT64;
  g_autofree char *day = end != NULL ? g_date_time_format (end, "%Y-%m-%d") : g_strdup ("some day");
  if (left < 0)
    vr_found (findings, "secrets", VR_CHECK_FAILURE, "make a new one, and systemctl restart virt-relayd", "[tunnel] %s %s ended on %s", key, file, day);
  else if (left < SOON)
    vr_found (findings, "secrets", VR_CHECK_WARNING, "make a new one in time", "[tunnel] %s %s ends on %s", key, file, day);
  else
    vr_found (findings, "secrets", VR_CHECK_OK, NULL, "[tunnel] %s %s is good until %s", key, file, day);
}

void
vr_check_secrets (const VrPatient *patient, GPtrArray *findings)
{
  g_autofree char *auth = vr_patient_config (patient, "tunnel", "auth", "psk");
  g_autofree char *psk = vr_patient_config (patient, "tunnel", "psk-file", NULL);
  if (vr_unseen (patient, "secrets", findings))
    return;
  if (g_str_equal (auth, "certificate"))
    {
      check_certificate (patient, "certificate", findings);
      check_certificate (patient, "ca", findings);
    }
  else if (psk != NULL)
    check_psk (patient, psk, findings);
  else
    vr_found (findings, "secrets", VR_CHECK_FAILURE, "virt-relayd --check-config says what is missing", "no secret is configured: [tunnel] psk-file");
}

/* ---- tunnels ---- */

static char *
list_first (GVariant *item, const char *key)
{
  g_auto (GStrv) list = NULL;
  g_variant_lookup (item, key, "^as", &list);
  return list != NULL ? g_strdup (list[0]) : NULL;
}

/* The first IPv4 address of a list, without a prefix length; NULL: none. */
static char *
first_ipv4 (GVariant *host, const char *key)
{
  g_auto (GStrv) list = NULL;
  g_variant_lookup (host, key, "^as", &list);
  for (guint i = 0; list != NULL && list[i] != NULL; i++)
    if (strchr (list[i], ':') == NULL)
      return g_strndup (list[i], strcspn (list[i], "/"));
  return NULL;
}

static GVariant *
own_host (const VrPatient *patient)
{
  for (gsize i = 0; i < g_variant_n_children (patient->hosts); i++)
    {
      g_autoptr (GVariant) host = g_variant_get_child_value (patient->hosts, i);
      if (vr_item_flag (host, "self"))
        return g_steal_pointer (&host);
    }
  return NULL;
}

static gboolean
names_in_reach (GVariant *a, GVariant *b)
{
  g_auto (GStrv) reach = NULL;
  g_variant_lookup (a, "reach", "^as", &reach);
  return reach != NULL
         && (g_strv_contains ((const char *const *) reach, "*") || g_strv_contains ((const char *const *) reach, vr_item_text (b, "name", "")));
}

/* Only where one of them reaches the other's networks does either answer the other's gateway through the tunnel. */
static gboolean
can_be_asked (GVariant *me, GVariant *peer)
{
  return names_in_reach (me, peer) || names_in_reach (peer, me);
}

static gboolean
answers (const VrPatient *patient, const char *from, const char *to, const char *size)
{
  g_autofree char *out
    = size == NULL ? vr_patient_run (patient, "ping", "-n", "-c", "3", "-i", "0.3", "-W", "2", "-I", from, to, NULL)
                   : vr_patient_run (patient, "ping", "-n", "-c", "3", "-i", "0.3", "-W", "2", "-M", "do", "-s", size, "-I", from, to, NULL);
  return out != NULL;
}

static gboolean
is_through (const VrPatient *patient, const char *to, const char *interface)
{
  g_autofree char *out = vr_patient_run (patient, "ip", "route", "get", to, NULL);
  g_autofree char *dev = g_strdup_printf (" dev %s ", interface);
  return out != NULL && strstr (out, dev) != NULL;
}

/* Both directions: a gateway of a reached network is asked through the tunnel, and its answer can come by no other way. */
static void
check_directions (const VrPatient *patient, GVariant *me, GVariant *peer, GPtrArray *findings)
{
  const char *name = vr_item_text (peer, "name", "-"), *interface = vr_item_text (peer, "interface", "-");
  g_autofree char *mine = first_ipv4 (me, "networks"), *theirs = first_ipv4 (peer, "networks"), *since = vr_show_tunnel (peer, patient->now_us);
  if (mine == NULL || theirs == NULL || !can_be_asked (me, peer) || !is_through (patient, theirs, interface))
    vr_found (findings, "tunnels", VR_CHECK_OK, NULL, "%s: %s (what passes through it was not tried: no network is reached there)", name, since);
  else if (answers (patient, mine, theirs, NULL))
    vr_found (findings, "tunnels", VR_CHECK_OK, NULL, "%s: %s, and packets pass both ways", name, since);
  else
    vr_found (findings, "tunnels", VR_CHECK_FAILURE,
              "virt-relay doctor on the other host; is ESP (protocol 50, or UDP port 4500) let through between the two, both ways?",
              "%s: the tunnel is up, and %s does not answer through it", name, theirs);
}

static void
check_tunnel (const VrPatient *patient, GVariant *me, GVariant *peer, GPtrArray *findings)
{
  g_autofree char *name = vr_show_text (vr_item_text (peer, "name", "-")), *underlay = list_first (peer, "underlay");
  g_autofree char *trouble = vr_show_text (vr_item_text (peer, "trouble", "it does not come up; journalctl -u strongswan says more"));
  g_autofree char *cure = g_strdup_printf ("ping %s; is UDP 500 and 4500, and ESP, let through between the two? virt-relay doctor there",
                                           underlay != NULL ? underlay : name);
  if (vr_item_flag (peer, "up"))
    check_directions (patient, me, peer, findings);
  else if (vr_item_flag (peer, "wanted"))
    vr_found (findings, "tunnels", VR_CHECK_FAILURE, cure, "%s: the tunnel is down: %s", name, trouble);
  else
    vr_found (findings, "tunnels", VR_CHECK_OK, NULL, "%s: not needed now", name);
}

void
vr_check_tunnels (const VrPatient *patient, GPtrArray *findings)
{
  g_autoptr (GVariant) me = patient->hosts != NULL ? own_host (patient) : NULL;
  guint before = findings->len;
  for (gsize i = 0; me != NULL && i < g_variant_n_children (patient->hosts); i++)
    {
      g_autoptr (GVariant) peer = g_variant_get_child_value (patient->hosts, i);
      if (!vr_item_flag (peer, "self"))
        check_tunnel (patient, me, peer, findings);
    }
  if (findings->len > before)
    return;
  if (patient->hosts == NULL)
    vr_found (findings, "tunnels", VR_CHECK_WARNING, "systemctl start virt-relayd", "not known: only virt-relayd knows them");
  else
    vr_found (findings, "tunnels", VR_CHECK_WARNING,
              "start virt-relayd on the other hosts; do all of them use the same migration log ([log] in " "/etc/virt-relay.conf)?",
              "the migration log knows no other host");
}

/* ---- size ---- */

#define PING_OVERHEAD 28 /* IPv4 and ICMP */
#define ESP_OVERHEAD 62  /* of AES-GCM over IPv4, at most, without NAT traversal: IP 20, ESP 8, IV 8, padding and trailer up to 5 + 5, ICV 16 */

/* `size`: of the whole packet. A peer that answers no small packet either says nothing about large ones. */
static gboolean
is_too_large (const VrPatient *patient, const char *from, const char *to, int size)
{
  g_autofree char *payload = g_strdup_printf ("%d", size - PING_OVERHEAD);
  return answers (patient, from, to, "56") && !answers (patient, from, to, payload);
}

void
vr_check_mtu (const VrPatient *patient, GPtrArray *findings)
{
  g_autoptr (GVariant) me = patient->hosts != NULL ? own_host (patient) : NULL;
  g_autofree char *text = vr_patient_config (patient, "tunnel", "mtu", "1400");
  g_autofree char *own_underlay = me != NULL ? first_ipv4 (me, "underlay") : NULL;
  int mtu = atoi (text);
  guint before = findings->len;
  g_autofree char *ping = g_find_program_in_path ("ping");

  if (ping == NULL && patient->run == vr_run_program)
    {
      vr_found (findings, "mtu", VR_CHECK_WARNING, "apt install iputils-ping", "not tried: there is no ping");
      return;
    }
  for (gsize i = 0; own_underlay != NULL && i < g_variant_n_children (patient->hosts); i++)
    {
      g_autoptr (GVariant) peer = g_variant_get_child_value (patient->hosts, i);
      g_autofree char *underlay = first_ipv4 (peer, "underlay");
      if (vr_item_flag (peer, "self") || underlay == NULL || !is_too_large (patient, own_underlay, underlay, mtu + ESP_OVERHEAD))
        continue;
      vr_found (findings, "mtu", VR_CHECK_FAILURE,
                "find the largest N that ping -M do -s N passes; set [tunnel] mtu to N less 34 on all hosts, and systemctl restart virt-relayd",
                "%s: packets of %d bytes do not reach %s, and a tunnel with [tunnel] mtu = %d makes such ones", vr_item_text (peer, "name", "-"),
                mtu + ESP_OVERHEAD, underlay, mtu);
    }
  if (findings->len == before && own_underlay != NULL)
    vr_found (findings, "mtu", VR_CHECK_OK, NULL, "tunnels' packets of %d bytes fit the underlay, where hosts answer ping", mtu);
  else if (findings->len == before)
    vr_found (findings, "mtu", VR_CHECK_WARNING, "systemctl start virt-relayd", "not tried: only virt-relayd knows the other hosts");
}
