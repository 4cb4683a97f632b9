/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest as libvirt describes it, asked for with calls that libvirt allows while a migration is under way.
 *
 * State and job must belong together: at an origin "paused (migrating)" with an outgoing job means that the guest was handed over, at
 * a target the same state means that it is awaited. So the state is read before and after the job, until it stays the same.
 *
 * - outgoing: virDomainGetJobStats() says so.
 * - incoming: libvirt's QEMU driver refuses virDomainGetJobStats() with VIR_ERR_OPERATION_UNSUPPORTED at the target, and
 *   only there. The state is "paused (starting up)", then "paused (migrating)", or "running (post-copy)".
 * - virDomainGetJobStats() waits for a guest that is just being started, at most 30 s; the other calls wait only while a hook
 *   of that guest runs.
 */
#include "daemon/virt/virt-guest.h"

#include "daemon/names.h"
#include "daemon/virt/virt-handles.h"

#define STEADY_TRIES 5

void
vr_virt_guest_free (VrVirtGuest *guest)
{
  g_clear_pointer (&guest->xml, vr_guest_xml_free);
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

typedef enum { JOB_NONE, JOB_OUT, JOB_IN } Job;

static Job
job_from_stats (virTypedParameterPtr params, int n_params)
{
  int operation = VIR_DOMAIN_JOB_OPERATION_UNKNOWN;

  virTypedParamsGetInt (params, n_params, VIR_DOMAIN_JOB_OPERATION, &operation);
  if (operation == VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT)
    return JOB_OUT;
  return operation == VIR_DOMAIN_JOB_OPERATION_MIGRATION_IN ? JOB_IN : JOB_NONE;
}

/* A driver without jobs (test:///) says VIR_ERR_NO_SUPPORT. */
static gboolean
read_job (virDomainPtr domain, Job *job, GError **error)
{
  virTypedParameterPtr params = NULL;
  int                  n_params = 0, type = VIR_DOMAIN_JOB_NONE;
  g_autoptr (GError) why = NULL;

  *job = JOB_NONE;
  if (virDomainGetJobStats (domain, &type, &params, &n_params, 0) == 0)
    {
      if (type == VIR_DOMAIN_JOB_BOUNDED || type == VIR_DOMAIN_JOB_UNBOUNDED)
        *job = job_from_stats (params, n_params);
      virTypedParamsFree (params, n_params);
      return TRUE;
    }
  switch (virGetLastErrorCode ())
    {
    case VIR_ERR_OPERATION_UNSUPPORTED:
      *job = JOB_IN;
      return TRUE;
    case VIR_ERR_NO_SUPPORT:
      return TRUE;
    case VIR_ERR_OPERATION_INVALID: /* not running, not any more */
      g_set_error (error, VR_VIRT_ERROR, VR_VIRT_ERROR_GONE, "guest %s does not run", virDomainGetName (domain));
      return FALSE;
    default:
      vr_virt_set_error (&why, virDomainGetConnect (domain), "ask for the job of guest %s", virDomainGetName (domain));
      if (g_error_matches (why, VR_VIRT_ERROR, VR_VIRT_ERROR_CALL))
        {
          g_info ("%s; taken for no migration", why->message); /* a QEMU in trouble must not hide all other guests */
          return TRUE;
        }
      g_propagate_error (error, g_steal_pointer (&why));
      return FALSE;
    }
}

static VrVirtState
state_from_libvirt (int state, int reason)
{
  switch (state)
    {
    case VIR_DOMAIN_RUNNING:
    case VIR_DOMAIN_BLOCKED:
      return VR_VIRT_STATE_RUNNING;
    case VIR_DOMAIN_PAUSED:
      switch (reason)
        {
        case VIR_DOMAIN_PAUSED_MIGRATION:
        case VIR_DOMAIN_PAUSED_POSTCOPY:
        case VIR_DOMAIN_PAUSED_POSTCOPY_FAILED:
          return VR_VIRT_STATE_PAUSED_MIGRATING;
        default:
          return VR_VIRT_STATE_PAUSED;
        }
    default:
      return VR_VIRT_STATE_OTHER;
    }
}

static gboolean
read_state (virDomainPtr domain, int *state, int *reason, GError **error)
{
  if (virDomainGetState (domain, state, reason, 0) < 0)
    {
      vr_virt_set_error (error, virDomainGetConnect (domain), "ask for the state of guest %s", virDomainGetName (domain));
      return FALSE;
    }
  if (*state != VIR_DOMAIN_SHUTOFF)
    return TRUE;
  g_set_error (error, VR_VIRT_ERROR, VR_VIRT_ERROR_GONE, "guest %s does not run", virDomainGetName (domain));
  return FALSE;
}

static gboolean
read_situation (virDomainPtr domain, VrVirtGuest *guest, GError **error)
{
  int state, reason, state_after = -1, reason_after = -1;
  Job job = JOB_NONE;

  if (!read_state (domain, &state_after, &reason_after, error))
    return FALSE;
  for (guint i = 0; i < STEADY_TRIES; i++)
    {
      state = state_after;
      reason = reason_after;
      if (!read_job (domain, &job, error) || !read_state (domain, &state_after, &reason_after, error))
        return FALSE;
      if (state == state_after && reason == reason_after)
        break;
    }
  guest->state = state_from_libvirt (state_after, reason_after);
  guest->incoming = job == JOB_IN && guest->state != VR_VIRT_STATE_RUNNING;
  guest->migrating = job == JOB_OUT || guest->incoming;
  /* Its migration failed and it was left paused: nobody takes it over. (A failed post-copy did hand it over.) */
  if (job == JOB_NONE && state_after == VIR_DOMAIN_PAUSED && reason_after == VIR_DOMAIN_PAUSED_MIGRATION)
    guest->state = VR_VIRT_STATE_PAUSED;
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
nic_lacks_address (const VrGuestNic *nic)
{
  return nic->type != VR_NIC_OTHER && nic->addresses->len == 0;
}

gboolean
vr_virt_guest_lacks_address (const VrVirtGuest *guest)
{
  for (guint i = 0; i < guest->xml->nics->len; i++)
    if (nic_lacks_address (guest->xml->nics->pdata[i]))
      return TRUE;
  return FALSE;
}

static void
nic_fill (VrGuestNic *nic, GPtrArray *found)
{
  for (guint i = 0; i < found->len && nic->addresses->len < VR_GUEST_XML_MAX_ADDRESSES; i++)
    {
      const VrVirtAddress *one = found->pdata[i];

      if (g_str_equal (one->mac, nic->mac)
          && !g_ptr_array_find_with_equal_func (nic->addresses, one->address, g_str_equal, NULL))
        g_ptr_array_add (nic->addresses, g_strdup (one->address));
    }
}

void
vr_virt_guest_fill (VrVirtGuest *guest, GPtrArray *found)
{
  for (guint i = 0; i < guest->xml->nics->len; i++)
    if (nic_lacks_address (guest->xml->nics->pdata[i]))
      nic_fill (guest->xml->nics->pdata[i], found);
}

/* NULL, without an error: this source cannot say, and libvirt's words about it are in the debug log. */
static GPtrArray *
ask_source (virDomainPtr domain, virDomainInterfaceAddressesSource source)
{
  virDomainInterfacePtr *interfaces = NULL;
  g_autoptr (GPtrArray) found = NULL;
  int n = virDomainInterfaceAddresses (domain, &interfaces, source, 0);

  if (n < 0)
    {
      g_debug ("guest %s: no addresses from source %d: %s", virDomainGetName (domain), (int) source, virGetLastErrorMessage ());
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

static VrVirtDraft *
describe (virDomainPtr domain, GError **error)
{
  g_autoptr (VrVirtDraft) draft = g_new0 (VrVirtDraft, 1);
  g_autoptr (GPtrArray) leases = NULL;
  char *xml;

  draft->guest = g_new0 (VrVirtGuest, 1);
  if (!read_situation (domain, draft->guest, error))
    return NULL;
  xml = virDomainGetXMLDesc (domain, 0);
  if (xml == NULL)
    {
      vr_virt_set_error (error, virDomainGetConnect (domain), "read the XML of guest %s", virDomainGetName (domain));
      return NULL;
    }
  draft->guest->xml = vr_guest_xml_parse (xml, -1, error);
  free (xml);
  if (draft->guest->xml == NULL)
    {
      g_prefix_error (error, "the XML of guest %s cannot be used: ", virDomainGetName (domain));
      return NULL;
    }
  if (vr_virt_guest_lacks_address (draft->guest)
      && (leases = ask_source (domain, VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE)) != NULL)
    vr_virt_guest_fill (draft->guest, leases);
  if (vr_virt_guest_lacks_address (draft->guest))
    draft->neighbours = ask_source (domain, VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_ARP);
  return g_steal_pointer (&draft);
}

static virDomainPtr
look_up (virConnectPtr conn, const char *uuid, GError **error)
{
  virDomainPtr domain = virDomainLookupByUUIDString (conn, uuid);

  if (domain == NULL)
    vr_virt_set_error (error, conn, "find guest %s", uuid);
  return domain;
}

VrVirtDraft *
vr_virt_guest_look (virConnectPtr conn, const char *uuid, GError **error)
{
  g_autoptr (virDomain) domain = look_up (conn, uuid, error);

  return domain != NULL ? describe (domain, error) : NULL;
}

/* FALSE: the whole list is lost. */
static gboolean
list_one (GPtrArray *drafts, virDomainPtr domain, GError **error)
{
  g_autoptr (GError) why = NULL;
  VrVirtDraft *draft = describe (domain, &why);

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
vr_virt_guest_list (virConnectPtr conn, GError **error)
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
      fine = fine && list_one (drafts, domains[i], error);
      virDomainFree (domains[i]);
    }
  free (domains);
  return fine ? g_steal_pointer (&drafts) : NULL;
}

GPtrArray *
vr_virt_guest_ask_agent (virConnectPtr conn, const char *uuid, GError **error)
{
  g_autoptr (virDomain) domain = look_up (conn, uuid, error);
  GPtrArray *found;

  if (domain == NULL)
    return NULL;
  found = ask_source (domain, VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT);
  if (found == NULL)
    vr_virt_set_error (error, conn, "ask the agent of guest %s", virDomainGetName (domain));
  return found;
}

gboolean
vr_virt_guest_stamp (virConnectPtr conn, const char *uuid, const char *element, GError **error)
{
  g_autoptr (virDomain) domain = look_up (conn, uuid, error);
  g_autoptr (GError) why = NULL;

  if (domain == NULL)
    return FALSE;
  if (virDomainSetMetadata (domain, VIR_DOMAIN_METADATA_ELEMENT, element, VR_METADATA_PREFIX, VR_METADATA_NS, VIR_DOMAIN_AFFECT_LIVE)
      == 0)
    return TRUE;
  vr_virt_set_error (&why, conn, "write into the metadata of guest %s", virDomainGetName (domain));
  if (why->code == VR_VIRT_ERROR_CALL && virDomainIsActive (domain) == 0)
    why->code = VR_VIRT_ERROR_GONE;
  g_propagate_error (error, g_steal_pointer (&why));
  return FALSE;
}
