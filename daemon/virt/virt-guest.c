/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest as libvirt describes it, asked for with calls that libvirt allows while a migration is under way.
 *
 * State and job must belong together: at an origin "paused (migrating)" with an outgoing job means that the guest was
 * handed over, at a target the same state means that it is awaited. So the state is read before and after the job,
 * until it stays the same.
 *
 * - outgoing: virDomainGetJobStats() says so.
 * - incoming: libvirt's QEMU driver refuses virDomainGetJobStats() with VIR_ERR_OPERATION_UNSUPPORTED at the target,
 *   and only there. The state is "paused (starting up)", then "paused (migrating)", or "running (post-copy)".
 *
 * virDomainGetJobStats() is a job itself: at an origin it waits for QEMU, whose monitor is deaf from STOP until all
 * memory is sent; elsewhere it waits 30 s for other jobs: the start of the guest, or somebody who asks a QEMU that
 * hangs. Therefore it is a call of its own, and not all depends on it. The other calls wait only while a hook of that
 * guest runs.
 *
 * Every libvirt function forgets the last error, even virDomainGetName(). What a message needs is fetched before.
 */
#include "daemon/virt/virt-guest.h"

#include "daemon/names.h"
#include "daemon/virt/virt-handles.h"

#define STEADY_TRIES 5

void
vr_virt_guest_free (VrVirtGuest *guest)
{
  g_clear_pointer (&guest->xml, vr_guest_xml_free);
  g_clear_pointer (&guest->answered, g_hash_table_unref);
  g_free (guest);
}

void
vr_virt_draft_free (VrVirtDraft *draft)
{
  g_clear_pointer (&draft->guest, vr_virt_guest_free);
  g_clear_pointer (&draft->neighbours, g_ptr_array_unref);
  g_free (draft);
}

/* ---- state and job ---- */

/* A guest to be asked about; the name is the domain's. */
typedef struct {
  virConnectPtr conn;
  virDomainPtr domain;
  const char *name;
  const char *host; /* vr_virt_new()'s */
} Asked;

static gboolean
refuse_inactive (const Asked *asked, GError **error)
{
  g_set_error (error, VR_VIRT_ERROR, VR_VIRT_ERROR_GONE, "guest %s does not run", asked->name);
  return FALSE;
}

static VrVirtJob
job_from_stats (virTypedParameterPtr params, int n_params)
{
  int operation = VIR_DOMAIN_JOB_OPERATION_UNKNOWN;

  virTypedParamsGetInt (params, n_params, VIR_DOMAIN_JOB_OPERATION, &operation);
  if (operation == VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT)
    return VR_VIRT_JOB_OUT;
  return operation == VIR_DOMAIN_JOB_OPERATION_MIGRATION_IN ? VR_VIRT_JOB_IN : VR_VIRT_JOB_NONE;
}

static gboolean
read_job (const Asked *asked, VrVirtJob *job, GError **error)
{
  virTypedParameterPtr params = NULL;
  int                  n_params = 0, type = VIR_DOMAIN_JOB_NONE;

  *job = VR_VIRT_JOB_NONE;
  if (virDomainGetJobStats (asked->domain, &type, &params, &n_params, 0) == 0)
    {
      if (type == VIR_DOMAIN_JOB_BOUNDED || type == VIR_DOMAIN_JOB_UNBOUNDED)
        *job = job_from_stats (params, n_params);
      virTypedParamsFree (params, n_params);
      return TRUE;
    }
  switch (virGetLastErrorCode ())
    {
    case VIR_ERR_OPERATION_UNSUPPORTED:
      *job = VR_VIRT_JOB_IN;
      return TRUE;
    case VIR_ERR_NO_SUPPORT: /* a driver without jobs (test:///) */
      return TRUE;
    case VIR_ERR_OPERATION_INVALID: /* it does not run, not any more */
      return refuse_inactive (asked, error);
    default:
      vr_virt_set_error (error, asked->conn, "ask for the job of guest %s", asked->name);
      return FALSE;
    }
}

static gboolean
read_state (const Asked *asked, VrVirtSituation *situation, GError **error)
{
  if (virDomainGetState (asked->domain, &situation->state, &situation->reason, 0) == 0)
    return situation->state != VIR_DOMAIN_SHUTOFF || refuse_inactive (asked, error);
  vr_virt_set_error (error, asked->conn, "ask for the state of guest %s", asked->name);
  return FALSE;
}

static gboolean
read_situation (const Asked *asked, VrVirtSituation *situation, GError **error)
{
  if (!read_state (asked, situation, error))
    return FALSE;
  for (guint i = 0; i < STEADY_TRIES; i++)
    {
      VrVirtSituation before = *situation;

      if (!read_job (asked, &situation->job, error) || !read_state (asked, situation, error))
        return FALSE;
      if (before.state == situation->state && before.reason == situation->reason)
        break;
    }
  return TRUE;
}

static VrVirtState
state_of (const VrVirtSituation *situation)
{
  switch (situation->state)
    {
    case VIR_DOMAIN_RUNNING:
    case VIR_DOMAIN_BLOCKED:
      return VR_VIRT_STATE_RUNNING;
    case VIR_DOMAIN_PAUSED:
      switch (situation->reason)
        {
        case VIR_DOMAIN_PAUSED_MIGRATION: /* without a job its migration failed and left it paused: nobody takes it over */
          return situation->job != VR_VIRT_JOB_NONE ? VR_VIRT_STATE_PAUSED_MIGRATING : VR_VIRT_STATE_PAUSED;
        case VIR_DOMAIN_PAUSED_POSTCOPY:
        case VIR_DOMAIN_PAUSED_POSTCOPY_FAILED: /* it was handed over before it failed */
          return VR_VIRT_STATE_PAUSED_MIGRATING;
        default:
          return VR_VIRT_STATE_PAUSED;
        }
    default:
      return VR_VIRT_STATE_OTHER;
    }
}

/* Whether these mean one thing at an origin, or in an ordinary start, and another at a target. */
static gboolean
is_ambiguous (const VrVirtSituation *situation)
{
  return situation->state == VIR_DOMAIN_PAUSED
         && (situation->reason == VIR_DOMAIN_PAUSED_MIGRATION || situation->reason == VIR_DOMAIN_PAUSED_STARTING_UP
             || situation->reason == VIR_DOMAIN_PAUSED_POSTCOPY_FAILED);
}

gboolean
vr_virt_guest_settle (VrVirtGuest *guest, const VrVirtSituation *situation)
{
  if (situation->job == VR_VIRT_JOB_UNKNOWN && is_ambiguous (situation))
    return FALSE;
  guest->state = state_of (situation);
  guest->incoming = situation->job == VR_VIRT_JOB_IN && guest->state != VR_VIRT_STATE_RUNNING;
  guest->migrating = situation->job == VR_VIRT_JOB_OUT || guest->incoming
                     || guest->state == VR_VIRT_STATE_PAUSED_MIGRATING;
  return TRUE;
}

/* ---- addresses ---- */

VrVirtAddress *
vr_virt_address_new (const char *mac, const char *address)
{
  g_autofree char *canonical_mac = mac != NULL ? vr_guest_xml_canonical_mac (mac, NULL) : NULL;
  g_autofree char *canonical = vr_guest_xml_canonical_address (address, NULL);
  VrVirtAddress   *found;

  if (canonical_mac == NULL || canonical == NULL)
    return NULL;
  found = g_new (VrVirtAddress, 1);
  found->mac = g_steal_pointer (&canonical_mac);
  found->address = g_steal_pointer (&canonical);
  return found;
}

void
vr_virt_address_free (VrVirtAddress *address)
{
  g_free (address->mac);
  g_free (address->address);
  g_free (address);
}

static gboolean
is_v6 (const char *address)
{
  return strchr (address, ':') != NULL;
}

static char *
question (const VrGuestNic *nic, gboolean v6)
{
  return g_strdup_printf ("%s %c", nic->mac, v6 ? '6' : '4');
}

/* Is this NIC's address of this family still to be found out? */
static gboolean
is_open (const VrVirtGuest *guest, const VrGuestNic *nic, gboolean v6)
{
  g_autofree char *key = question (nic, v6);

  return nic->type != VR_NIC_OTHER && !vr_guest_nic_names (nic, v6)
         && (guest->answered == NULL || !g_hash_table_contains (guest->answered, key));
}

gboolean
vr_virt_guest_lacks_address (const VrVirtGuest *guest)
{
  for (guint i = 0; i < guest->xml->nics->len; i++)
    if (is_open (guest, guest->xml->nics->pdata[i], FALSE) || is_open (guest, guest->xml->nics->pdata[i], TRUE))
      return TRUE;
  return FALSE;
}

static gboolean
has_learned (const VrGuestNic *nic, gboolean v6)
{
  for (guint i = 0; i < nic->learned->len; i++)
    if (is_v6 (nic->learned->pdata[i]) == v6)
      return TRUE;
  return FALSE;
}

/* What was found for this NIC and family, at most as many as it may have. */
static GPtrArray *
addresses_for (const VrGuestNic *nic, gboolean v6, GPtrArray *found)
{
  GPtrArray *addresses = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < found->len && nic->addresses->len + addresses->len < VR_GUEST_XML_MAX_ADDRESSES; i++)
    {
      const VrVirtAddress *one = found->pdata[i];

      if (g_str_equal (one->mac, nic->mac) && is_v6 (one->address) == v6
          && !g_ptr_array_find_with_equal_func (addresses, one->address, g_str_equal, NULL))
        g_ptr_array_add (addresses, g_strdup (one->address));
    }
  return addresses;
}

/* In the place of what the NIC learned of this family; IPv4 stands first, so that the order does not depend on who answers when. */
static void
learn (VrGuestNic *nic, gboolean v6, GPtrArray *addresses)
{
  for (guint i = nic->learned->len; i > 0; i--)
    if (is_v6 (nic->learned->pdata[i - 1]) == v6)
      g_ptr_array_remove_index (nic->learned, i - 1);
  for (guint i = 0; i < addresses->len && nic->addresses->len + nic->learned->len < VR_GUEST_XML_MAX_ADDRESSES; i++)
    g_ptr_array_insert (nic->learned, v6 ? -1 : (int) i, g_strdup (addresses->pdata[i]));
}

static void
fill_family (VrVirtGuest *guest, VrGuestNic *nic, gboolean v6, GPtrArray *found, gboolean guess)
{
  g_autoptr (GPtrArray) addresses = addresses_for (nic, v6, found);

  if (addresses->len == 0 || !is_open (guest, nic, v6) || (guess && has_learned (nic, v6)))
    return;
  learn (nic, v6, addresses);
  if (guest->answered == NULL)
    guest->answered = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_hash_table_add (guest->answered, question (nic, v6));
}

static void
fill (VrVirtGuest *guest, GPtrArray *found, gboolean guess)
{
  for (guint i = 0; i < guest->xml->nics->len; i++)
    {
      fill_family (guest, guest->xml->nics->pdata[i], FALSE, found, guess);
      fill_family (guest, guest->xml->nics->pdata[i], TRUE, found, guess);
    }
}

void
vr_virt_guest_fill (VrVirtGuest *guest, GPtrArray *found)
{
  fill (guest, found, FALSE);
}

void
vr_virt_guest_guess (VrVirtGuest *guest, GPtrArray *found)
{
  fill (guest, found, TRUE);
}

/* NULL, with an error that seldom matters: not every source knows every guest. */
static GPtrArray *
ask_source (const Asked *asked, virDomainInterfaceAddressesSource source, GError **error)
{
  virDomainInterfacePtr *interfaces = NULL;
  g_autoptr (GPtrArray) found = NULL;
  int n = virDomainInterfaceAddresses (asked->domain, &interfaces, source, 0);

  if (n < 0)
    {
      vr_virt_set_error (error, asked->conn, "ask libvirt for addresses of guest %s", asked->name);
      return NULL;
    }
  found = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_virt_address_free);
  for (int i = 0; i < n; i++)
    {
      for (guint j = 0; j < interfaces[i]->naddrs; j++)
        {
          VrVirtAddress *address = vr_virt_address_new (interfaces[i]->hwaddr, interfaces[i]->addrs[j].addr);

          if (address != NULL)
            g_ptr_array_add (found, address);
        }
      virDomainInterfaceFree (interfaces[i]);
    }
  free (interfaces);
  return g_steal_pointer (&found);
}

/* ---- guests ---- */

static VrGuestXml *
read_xml (const Asked *asked, GError **error)
{
  char       *text = virDomainGetXMLDesc (asked->domain, 0);
  VrGuestXml *xml;

  if (text == NULL)
    {
      vr_virt_set_error (error, asked->conn, "read the XML of guest %s", asked->name);
      return NULL;
    }
  xml = vr_guest_xml_parse (text, -1, error);
  free (text);
  if (xml == NULL)
    g_prefix_error (error, "the XML of guest %s cannot be used: ", asked->name);
  return xml;
}

static gboolean
is_home (const Asked *asked, const VrGuestXml *xml)
{
  return asked->host == NULL || xml->metadata == NULL || xml->metadata->home == NULL
         || g_str_equal (xml->metadata->home, asked->host);
}

static VrVirtDraft *
describe (const Asked *asked, GError **error)
{
  g_autoptr (VrVirtDraft) draft = g_new0 (VrVirtDraft, 1);
  g_autoptr (GPtrArray) leases = NULL;

  draft->guest = g_new0 (VrVirtGuest, 1);
  if (!read_state (asked, &draft->situation, error) || (draft->guest->xml = read_xml (asked, error)) == NULL)
    return NULL;
  if (vr_virt_guest_lacks_address (draft->guest) && is_home (asked, draft->guest->xml)
      && (leases = ask_source (asked, VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE, NULL)) != NULL)
    vr_virt_guest_fill (draft->guest, leases);
  if (vr_virt_guest_lacks_address (draft->guest))
    draft->neighbours = ask_source (asked, VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_ARP, NULL);
  return g_steal_pointer (&draft);
}

/* The domain is to be freed. */
static gboolean
look_up (Asked *asked, virConnectPtr conn, const char *uuid, GError **error)
{
  asked->conn = conn;
  asked->domain = virDomainLookupByUUIDString (conn, uuid);
  if (asked->domain == NULL)
    {
      vr_virt_set_error (error, conn, "find guest %s", uuid);
      return FALSE;
    }
  asked->name = virDomainGetName (asked->domain);
  return TRUE;
}

static void
asked_clear (Asked *asked)
{
  g_clear_pointer (&asked->domain, virDomainFree);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Asked, asked_clear)

VrVirtDraft *
vr_virt_guest_look (virConnectPtr conn, const char *uuid, const char *host, GError **error)
{
  g_auto (Asked) asked = { .host = host };

  return look_up (&asked, conn, uuid, error) ? describe (&asked, error) : NULL;
}

VrVirtSituation *
vr_virt_guest_situate (virConnectPtr conn, const char *uuid, GError **error)
{
  g_auto (Asked) asked = { 0 };
  VrVirtSituation situation = { 0 };

  if (!look_up (&asked, conn, uuid, error) || !read_situation (&asked, &situation, error))
    return NULL;
  return g_memdup2 (&situation, sizeof situation);
}

/* FALSE: the whole list is lost. */
static gboolean
list_one (GPtrArray *drafts, virConnectPtr conn, virDomainPtr domain, const char *host, GError **error)
{
  Asked asked = { conn, domain, virDomainGetName (domain), host };
  g_autoptr (GError) why = NULL;
  VrVirtDraft *draft = describe (&asked, &why);

  if (draft != NULL)
    g_ptr_array_add (drafts, draft);
  else if (why->domain == VR_GUEST_XML_ERROR)
    g_warning ("%s; it is left alone", why->message);
  else if (!g_error_matches (why, VR_VIRT_ERROR, VR_VIRT_ERROR_GONE))
    {
      g_propagate_error (error, g_steal_pointer (&why));
      return FALSE;
    }
  return TRUE;
}

GPtrArray *
vr_virt_guest_list (virConnectPtr conn, const char *host, GError **error)
{
  g_autoptr (GPtrArray) drafts = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_virt_draft_free);
  virDomainPtr *domains = NULL;
  gboolean      fine = TRUE;
  int           n = virConnectListAllDomains (conn, &domains, VIR_CONNECT_LIST_DOMAINS_ACTIVE);

  if (n < 0)
    {
      vr_virt_set_error (error, conn, "list the guests");
      return NULL;
    }
  for (int i = 0; i < n; i++)
    {
      fine = fine && list_one (drafts, conn, domains[i], host, error);
      virDomainFree (domains[i]);
    }
  free (domains);
  return fine ? g_steal_pointer (&drafts) : NULL;
}

GPtrArray *
vr_virt_guest_ask_agent (virConnectPtr conn, const char *uuid, GError **error)
{
  g_auto (Asked) asked = { 0 };

  return look_up (&asked, conn, uuid, error) ? ask_source (&asked, VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT, error) : NULL;
}

gboolean
vr_virt_guest_stamp (virConnectPtr conn, const char *uuid, const char *element, GError **error)
{
  g_auto (Asked) asked = { 0 };
  g_autoptr (GError) why = NULL;

  if (!look_up (&asked, conn, uuid, error))
    return FALSE;
  if (virDomainSetMetadata (asked.domain, VIR_DOMAIN_METADATA_ELEMENT, element, VR_METADATA_PREFIX, VR_METADATA_NS,
                            VIR_DOMAIN_AFFECT_LIVE) == 0)
    return TRUE;
  vr_virt_set_error (&why, conn, "write into the metadata of guest %s", asked.name);
  if (why->code == VR_VIRT_ERROR_CALL && virDomainIsActive (asked.domain) == 0)
    why->code = VR_VIRT_ERROR_GONE;
  g_propagate_error (error, g_steal_pointer (&why));
  return FALSE;
}
