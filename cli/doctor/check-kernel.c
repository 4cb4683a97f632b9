/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel: can it do what virt-relay asks of it, and is it set so? */
#include "cli/doctor/doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/names.h"

/* ---- modules ---- */

/* Does a list of files of modules.dep or modules.builtin name the module? Modules write - and _ alike. */
static gboolean
lists_module (const char *list, const char *module)
{
  g_autofree char *pattern = g_strdelimit (g_strdup (module), "_", '.');
  g_autofree char *regex = g_strdup_printf ("(^|/)%s\\.ko(\\.[a-z0-9]+)?(:|\\s|$)", pattern);
  return list != NULL && g_regex_match_simple (regex, list, G_REGEX_MULTILINE, 0);
}

typedef enum { MODULE_THERE, MODULE_LOADABLE, MODULE_MISSING, MODULE_UNKNOWN } ModuleState;

static ModuleState
module_state (const VrPatient *patient, const char *module)
{
  g_autofree char *sys = g_strconcat ("/sys/module/", module, NULL), *release = vr_patient_read (patient, "/proc/sys/kernel/osrelease");
  g_autofree char *folder = g_strconcat ("/lib/modules/", release != NULL ? release : "", "/", NULL);
  g_autofree char *dep = g_strconcat (folder, "modules.dep", NULL), *builtin = g_strconcat (folder, "modules.builtin", NULL);
  g_autofree char *loadable = vr_patient_read (patient, dep), *built_in = vr_patient_read (patient, builtin);
  g_autofree char *disabled = vr_patient_read (patient, "/proc/sys/kernel/modules_disabled");
  if (vr_patient_exists (patient, sys) || lists_module (built_in, module))
    return MODULE_THERE;
  if (loadable == NULL)
    return MODULE_UNKNOWN;
  return lists_module (loadable, module) && g_strcmp0 (disabled, "1") != 0 ? MODULE_LOADABLE : MODULE_MISSING;
}

/* A feature that is seen in another way needs no module: a tunnel that is up has shown all of IPsec. */
static gboolean
ipsec_is_seen (const VrPatient *patient)
{
  for (gsize i = 0; patient->hosts != NULL && i < g_variant_n_children (patient->hosts); i++)
    {
      g_autoptr (GVariant) host = g_variant_get_child_value (patient->hosts, i);
      const char *interface = NULL;
      gboolean up = FALSE;
      g_variant_lookup (host, "up", "b", &up);
      g_variant_lookup (host, "interface", "&s", &interface);
      if (!up || interface == NULL)
        continue;
      g_autofree char *out = vr_patient_run (patient, "ip", "-d", "link", "show", "dev", interface, NULL);
      if (out != NULL && strstr (out, "xfrm if_id") != NULL)
        return TRUE;
    }
  return FALSE;
}

void
vr_check_kernel (const VrPatient *patient, GPtrArray *findings)
{
  static const struct {
    const char *module, *what;
    gboolean ipsec;
  } needed[] = { { "xfrm_user", "IPsec (XFRM)", TRUE },     { "esp4", "ESP over IPv4", TRUE },   { "esp6", "ESP over IPv6", TRUE },
                 { "xfrm_interface", "XFRM interfaces", TRUE }, { "nf_tables", "nftables", FALSE } };
  guint before = findings->len;
  gboolean seen = ipsec_is_seen (patient);
  g_autofree char *rules = vr_patient_run (patient, "nft", "list", "tables", NULL);
  for (guint i = 0; i < G_N_ELEMENTS (needed); i++)
    {
      gboolean works = needed[i].ipsec ? seen : rules != NULL || patient->unprivileged; /* who is not root may not ask nftables */
      ModuleState state = works ? MODULE_THERE : module_state (patient, needed[i].module);
      g_autofree char *cure = g_strconcat ("modprobe ", needed[i].module, NULL);
      if (state == MODULE_MISSING)
        vr_found (findings, "kernel", VR_CHECK_FAILURE, "boot a kernel that has it, such as the distribution's own (linux-image-amd64)",
                  "this kernel has no %s: its module %s is not there, or may not be loaded", needed[i].what, needed[i].module);
      if (state == MODULE_UNKNOWN)
        vr_found (findings, "kernel", VR_CHECK_WARNING, cure, "%s: whether this kernel has it cannot be seen (no module %s, and no list of modules)",
                  needed[i].what, needed[i].module);
    }
  if (!vr_patient_exists (patient, "/dev/net/tun"))
    vr_found (findings, "kernel", VR_CHECK_FAILURE, "modprobe tun", "/dev/net/tun is not there: guests get no taps");
  if (findings->len == before)
    vr_found (findings, "kernel", VR_CHECK_OK, NULL, "XFRM, ESP, XFRM interfaces, nftables and tun are there");
}

/* ---- sysctls ---- */

static gboolean
is_off (const VrPatient *patient, const char *path)
{
  g_autofree char *value = vr_patient_read (patient, path);
  return value != NULL && g_str_equal (value, "0");
}

void
vr_check_forwarding (const VrPatient *patient, GPtrArray *findings)
{
  guint before = findings->len;
  if (is_off (patient, "/proc/sys/net/ipv4/ip_forward"))
    vr_found (findings, "forwarding", VR_CHECK_FAILURE,
              "sysctl -w net.ipv4.ip_forward=1 (for good: echo net.ipv4.ip_forward=1 > /etc/sysctl.d/90-virt-relay.conf)",
              "IPv4 forwarding is off: this host passes no guest's packets on");
  if (is_off (patient, "/proc/sys/net/ipv6/conf/all/forwarding"))
    vr_found (findings, "forwarding", VR_CHECK_FAILURE,
              "sysctl -w net.ipv6.conf.all.forwarding=1 (for good: echo net.ipv6.conf.all.forwarding=1 >> /etc/sysctl.d/90-virt-relay.conf)",
              "IPv6 forwarding is off: this host passes no guest's packets on");
  if (findings->len == before)
    vr_found (findings, "forwarding", VR_CHECK_OK, NULL, "IPv4 and IPv6 are forwarded");
}

void
vr_check_filters (const VrPatient *patient, GPtrArray *findings)
{
  g_auto (GStrv) names = vr_patient_list (patient, "/proc/sys/net/ipv4/conf");
  g_autofree char *all = vr_patient_read (patient, "/proc/sys/net/ipv4/conf/all/rp_filter");
  guint before = findings->len, n = 0;
  for (guint i = 0; names[i] != NULL; i++)
    {
      g_autofree char *path = g_strdup_printf ("/proc/sys/net/ipv4/conf/%s/rp_filter", names[i]);
      g_autofree char *value = g_str_has_prefix (names[i], VR_LINK_PREFIX) ? vr_patient_read (patient, path) : NULL;
      if (value == NULL)
        continue;
      n++;
      if (MAX (atoi (value), all != NULL ? atoi (all) : 0) != 1) /* the kernel takes the larger of the two; 1 is strict */
        continue;
      g_autofree char *cure = g_strdup_printf ("sysctl -w net.ipv4.conf.%s.rp_filter=2", names[i]);
      vr_found (findings, "rp_filter", VR_CHECK_FAILURE, cure,
                "the reverse path filter of %s is strict: it drops what guests send that answer by another way (something set it back)", names[i]);
    }
  if (findings->len == before)
    vr_found (findings, "rp_filter", VR_CHECK_OK, NULL, "no tunnel's reverse path filter is strict (%u looked at)", n);
}

/* ---- interfaces ---- */

/* The filter, and nftables' wildcards with it, take every vr-… for a tunnel. */
void
vr_check_interfaces (const VrPatient *patient, GPtrArray *findings)
{
  g_auto (GStrv) names = vr_patient_list (patient, "/sys/class/net");
  guint before = findings->len, n = 0;
  for (guint i = 0; names[i] != NULL; i++)
    {
      g_autofree char *path = g_strdup_printf ("/sys/class/net/%s/netdev_group", names[i]);
      g_autofree char *group = NULL;
      if (!g_str_has_prefix (names[i], VR_LINK_PREFIX) || g_str_equal (names[i], VR_HOLD_LINK) || (group = vr_patient_read (patient, path)) == NULL)
        continue;
      n++;
      if (atoi (group) == VR_LINK_GROUP)
        continue;
      g_autofree char *cure = g_strdup_printf ("ip link set %s down name NAME (and in the configuration that makes it)", names[i]);
      vr_found (findings, "interfaces", VR_CHECK_FAILURE, cure,
                "%s is not virt-relay's, but virt-relay's filter takes all " VR_LINK_PREFIX "… for tunnels and drops what comes by it", names[i]);
    }
  if (findings->len == before)
    vr_found (findings, "interfaces", VR_CHECK_OK, NULL, "the interfaces called " VR_LINK_PREFIX "… are virt-relay's (%u looked at)", n);
}

/* ---- the switchover ---- */

void
vr_check_switchover (const VrPatient *patient, GPtrArray *findings)
{
  g_autofree char *release = vr_patient_read (patient, "/proc/sys/kernel/osrelease");
  g_autofree char *scope = vr_patient_read (patient, "/proc/sys/kernel/yama/ptrace_scope");
  int major = 0, minor = 0;
  guint before = findings->len;
  if (release != NULL && sscanf (release, "%d.%d", &major, &minor) == 2 && (major < 5 || (major == 5 && minor < 6)))
    vr_found (findings, "switchover", VR_CHECK_WARNING, "boot a kernel of 5.6 or later",
              "kernel %s has no pidfd_getfd: what is in a leaving guest's queue at the switchover cannot be taken out of it", release);
  if (g_strcmp0 (scope, "3") == 0)
    vr_found (findings, "switchover", VR_CHECK_WARNING, "set kernel.yama.ptrace_scope to 2 or less in /etc/sysctl.d, and reboot: 3 stays until then",
              "kernel.yama.ptrace_scope is 3: what is in a leaving guest's queue at the switchover cannot be taken out of it");
  if (findings->len == before)
    vr_found (findings, "switchover", VR_CHECK_OK, NULL, "the queues of leaving guests can be reached (kernel %s, ptrace scope %s)",
              release != NULL ? release : "unknown", scope != NULL ? scope : "not limited");
}

#define SHORT_QUEUE 1000 /* the kernel's default */

void
vr_check_taps (const VrPatient *patient, GPtrArray *findings)
{
  g_auto (GStrv) names = vr_patient_list (patient, "/sys/class/net");
  guint before = findings->len, n = 0, shortest = G_MAXUINT;
  for (guint i = 0; names[i] != NULL; i++)
    {
      g_autofree char *flags = g_strdup_printf ("/sys/class/net/%s/tun_flags", names[i]);
      g_autofree char *path = g_strdup_printf ("/sys/class/net/%s/tx_queue_len", names[i]);
      g_autofree char *text = vr_patient_exists (patient, flags) ? vr_patient_read (patient, path) : NULL;
      guint length = text != NULL ? (guint) atoi (text) : 0;
      if (text == NULL)
        continue;
      n++;
      shortest = MIN (shortest, length);
      if (length >= SHORT_QUEUE)
        continue;
      g_autofree char *cure = g_strdup_printf ("ip link set %s txqueuelen 10000", names[i]);
      vr_found (findings, "taps", VR_CHECK_WARNING, cure, "%s queues %u packets: at a switchover what is more than that is lost", names[i], length);
    }
  if (findings->len == before && n == 0)
    vr_found (findings, "taps", VR_CHECK_OK, NULL, "no guest's tap is here now");
  else if (findings->len == before)
    vr_found (findings, "taps", VR_CHECK_OK, NULL, "%u taps, the shortest queue takes %u packets", n, shortest);
}
