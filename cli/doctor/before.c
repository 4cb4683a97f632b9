/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is expected of one migration before it begins: whether this host sees a reason why packets would be lost, how long the pause may be, which
 * path they will take. Nobody can promise what the target alone knows: its own doctor says whether it is ready to receive.
 */
#include "cli/doctor/doctor.h"

#include <string.h>

#include "cli/show.h"

#define CHECK "before"

static GVariant *
find_by_name (GVariant *items, const char *name)
{
  for (gsize i = 0; items != NULL && i < g_variant_n_children (items); i++)
    {
      g_autoptr (GVariant) item = g_variant_get_child_value (items, i);
      if (g_str_equal (vr_item_text (item, "name", ""), name) || g_ascii_strcasecmp (vr_item_text (item, "uuid", ""), name) == 0)
        return g_steal_pointer (&item);
    }
  return NULL;
}

static const char *
own_name (const VrPatient *patient)
{
  return vr_item_text (patient->properties, "Host", "-");
}

/* ---- who, from where, to where ---- */

static gboolean
check_who (const VrPatient *patient, GVariant *guest, const char *name, GPtrArray *findings)
{
  if (guest == NULL)
    {
      vr_found (findings, CHECK, VR_CHECK_FAILURE, "virt-relay guests", "the migration log knows no guest \"%s\"", name);
      return FALSE;
    }
  const char *owner = vr_item_text (guest, "owner", "-"), *state = vr_item_text (guest, "state", "-");
  if (!g_str_equal (owner, own_name (patient)))
    {
      g_autofree char *cure = g_strdup_printf ("ask on %s, where it is", owner);
      vr_found (findings, CHECK, VR_CHECK_FAILURE, cure, "guest %s is %s's, not this host's", name, owner);
      return FALSE;
    }
  if (!g_str_equal (state, "running") && !g_str_equal (state, "returned"))
    {
      vr_found (findings, CHECK, VR_CHECK_FAILURE, "virt-relay guests", "guest %s is %s, not running", name, state);
      return FALSE;
    }
  return TRUE;
}

static gboolean
check_target (const VrPatient *patient, GVariant *target, const char *name, GPtrArray *findings)
{
  if (target == NULL)
    vr_found (findings, CHECK, VR_CHECK_FAILURE, "start virt-relayd there, with the same migration log",
              "the migration log knows no host \"%s\": nothing would be relayed to it", name);
  else if (vr_item_flag (target, "self"))
    vr_found (findings, CHECK, VR_CHECK_FAILURE, "name another host", "%s is this host", name);
  return target != NULL && !vr_item_flag (target, "self");
}

/* ---- reasons why packets would be lost ---- */

static void
check_addresses (GVariant *guest, GPtrArray *findings)
{
  g_autoptr (GVariant) nics = g_variant_lookup_value (guest, "nics", G_VARIANT_TYPE ("aa{sv}"));
  for (gsize i = 0; nics != NULL && i < g_variant_n_children (nics); i++)
    {
      g_autoptr (GVariant) nic = g_variant_get_child_value (nics, i);
      g_autofree char *addresses = vr_item_list (nic, "addresses"), *cure = NULL;
      if (!g_str_equal (addresses, "-"))
        continue;
      cure = g_strdup_printf ("virsh edit %s: name it in its <metadata>, or in the interface's <ip>; or install the guest agent",
                              vr_item_text (guest, "name", "GUEST"));
      vr_found (findings, CHECK, VR_CHECK_FAILURE, cure, "no address of its NIC %s is known: what is sent to it is lost", vr_item_text (nic, "mac", "-"));
    }
  if (nics == NULL || g_variant_n_children (nics) == 0)
    vr_found (findings, CHECK, VR_CHECK_FAILURE, NULL, "it has no NIC that is known");
}

static void
check_tunnel (GVariant *target, const char *name, GPtrArray *findings)
{
  const char *trouble = vr_item_text (target, "trouble", NULL);
  if (vr_item_flag (target, "up"))
    vr_found (findings, CHECK, VR_CHECK_OK, NULL, "the tunnel to %s is up", name);
  else if (trouble != NULL)
    {
      g_autofree char *shown = vr_show_text (trouble);
      vr_found (findings, CHECK, VR_CHECK_FAILURE, "virt-relay doctor on both hosts", "the tunnel to %s is down, and would not come up in time: %s", name, shown);
    }
  else
    vr_found (findings, CHECK, VR_CHECK_OK, NULL, "the tunnel to %s is not needed yet; it comes up while the memory is copied", name);
}

/* What the checks of the host itself found decides for this migration, too. */
static void
check_host (const VrPatient *patient, GPtrArray *findings)
{
  static const VrCheck relevant[] = { vr_check_daemon, vr_check_kernel, vr_check_forwarding, vr_check_filters,
                                      vr_check_firewall, vr_check_switchover, vr_check_taps, vr_check_charon };
  for (guint i = 0; i < G_N_ELEMENTS (relevant); i++)
    {
      guint before = findings->len;
      relevant[i](patient, findings);
      for (guint k = findings->len; k > before; k--) /* what is right is not repeated */
        if (((VrFinding *) findings->pdata[k - 1])->result == VR_CHECK_OK)
          g_ptr_array_remove_index (findings, k - 1);
    }
}

/* ---- pause and path ---- */

static int
compare_times (gconstpointer a, gconstpointer b)
{
  gint64 x = *(const gint64 *) a, y = *(const gint64 *) b;
  return x < y ? -1 : x > y;
}

/* QEMU's pause, by the clocks of origin and target, us; -1: not known. */
static gint64
pause_of (GVariant *migration)
{
  g_autoptr (GVariant) phases = g_variant_lookup_value (migration, "phases", G_VARIANT_TYPE ("a{sx}"));
  gint64 stop = 0, resumed = 0;
  if (phases == NULL || vr_item_flag (migration, "returned") || !g_variant_lookup (phases, "stop", "x", &stop)
      || !g_variant_lookup (phases, "resumed", "x", &resumed))
    return -1;
  return MAX (resumed - stop, -1);
}

/* The guest's earlier moves, as the ledger has them. */
static void
check_moves (const VrPatient *patient, GVariant *guest, GPtrArray *findings)
{
  g_autoptr (GArray) pauses = g_array_new (FALSE, FALSE, sizeof (gint64));
  guint losing = 0;
  for (gsize i = 0; i < g_variant_n_children (patient->migrations); i++)
    {
      g_autoptr (GVariant) migration = g_variant_get_child_value (patient->migrations, i);
      gint64 pause = pause_of (migration);
      if (pause < 0 || !g_str_equal (vr_item_text (migration, "uuid", ""), vr_item_text (guest, "uuid", "-")))
        continue;
      g_array_append_val (pauses, pause);
      losing += vr_item_number (migration, "lost") > 0;
    }
  if (pauses->len == 0)
    {
      vr_found (findings, CHECK, VR_CHECK_OK, NULL, "how long it will pause is not known: no ledger tells of an earlier move");
      return;
    }
  g_array_sort (pauses, compare_times);
  vr_found (findings, CHECK, VR_CHECK_OK, NULL, "expect a pause of about %" G_GINT64_FORMAT " ms: the median of its %u moves so far (longest %" G_GINT64_FORMAT " ms)",
            g_array_index (pauses, gint64, pauses->len / 2) / 1000, pauses->len, g_array_index (pauses, gint64, pauses->len - 1) / 1000);
  g_autofree char *cure = g_strdup_printf ("virt-relay migrations %s says where", vr_item_text (guest, "name", ""));
  if (losing > 0)
    vr_found (findings, CHECK, VR_CHECK_WARNING, cure, "%u of its %u moves so far lost packets", losing, pauses->len);
  else
    vr_found (findings, CHECK, VR_CHECK_OK, NULL, "none of its moves so far lost a packet");
}

static void
check_path (const VrPatient *patient, GVariant *guest, const char *target, GPtrArray *findings)
{
  const char *home = vr_item_text (guest, "home", "-"), *me = own_name (patient);
  g_autofree char *direct = vr_patient_config (patient, "path", "direct", "build"), *threshold = vr_patient_config (patient, "path", "threshold", "10");
  if (g_str_equal (target, home))
    vr_found (findings, CHECK, VR_CHECK_OK, NULL, "it goes home: everybody sends to %s, and nothing is relayed once it is there", target);
  else
    vr_found (findings, CHECK, VR_CHECK_OK, NULL, "what is sent to it goes to its home %s, and from there through the tunnel to %s", home, target);
  if (!g_str_equal (home, me) && !g_str_equal (target, home))
    vr_found (findings, CHECK, VR_CHECK_OK, NULL, "what still comes to %s is relayed to %s", me, target);
  if (g_str_equal (target, home) || g_str_equal (direct, "never"))
    return;
  vr_found (findings, CHECK, VR_CHECK_OK, NULL, "a peer that talks to it sends straight to %s after %s answers (by this host's [path]; direct = %s)", target,
            threshold, direct);
}

static GPtrArray *
conclude (GPtrArray *findings, const char *guest, const char *host)
{
  switch (vr_doctor_worst (findings))
    {
    case VR_CHECK_OK:
      vr_found (findings, CHECK, VR_CHECK_OK, NULL,
                "nothing is seen here that would lose a packet of %s on its way to %s; whether %s is ready to receive it, virt-relay doctor says there", guest, host,
                host);
      break;
    case VR_CHECK_WARNING:
      vr_found (findings, CHECK, VR_CHECK_WARNING, "see the warnings", "packets of %s may be lost on its way to %s", guest, host);
      break;
    case VR_CHECK_FAILURE:
    default:
      vr_found (findings, CHECK, VR_CHECK_FAILURE, "see the failures", "packets of %s would be lost, or nothing relayed, on its way to %s", guest, host);
    }
  return findings;
}

GPtrArray *
vr_doctor_before (const VrPatient *patient, const char *guest_name, const char *host_name)
{
  GPtrArray *findings = vr_findings_new ();
  g_autoptr (GVariant) guest = find_by_name (patient->guests, guest_name), target = find_by_name (patient->hosts, host_name);
  if (patient->properties == NULL)
    {
      vr_found (findings, CHECK, VR_CHECK_FAILURE, "systemctl start virt-relayd", "virt-relayd tells nothing (%s): without it nothing is relayed",
                patient->no_daemon);
      return findings;
    }
  check_host (patient, findings);
  if (check_who (patient, guest, guest_name, findings) && check_target (patient, target, host_name, findings))
    {
      check_addresses (guest, findings);
      check_tunnel (target, host_name, findings);
      check_moves (patient, guest, findings);
      check_path (patient, guest, host_name, findings);
    }
  return conclude (findings, guest_name, host_name);
}
