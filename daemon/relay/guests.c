/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guests on this host: one presence for each, and the records that follow from it (model/custody.c). What happens to them comes in by
 * events.c; what libvirt says when looked at decides, unless something happened to the guest since the question was asked.
 */
#include "relay-private.h"

#define CALL_DEADLINE_MS 10000
#define CLAIM_DELAY_MS 5000
#define LIST_AGAIN_S 1
#define LEARN_TICKS 6 /* addresses that nothing announces are asked for again at each of so many ticks */

/* ---- one guest here ---- */

void
vr_local_free (VrLocal *local)
{
  g_clear_handle_id (&local->timer, g_source_remove);
  g_clear_pointer (&local->switchover, vr_switchover_free);
  g_clear_pointer (&local->sighting, vr_sighting_free);
  g_clear_pointer (&local->here, vr_here_free);
  g_clear_pointer (&local->stamped, vr_guest_metadata_free);
  g_clear_pointer (&local->spent, g_ptr_array_unref);
  g_clear_pointer (&local->doubts, g_hash_table_unref);
  g_free (local->fresh);
  g_clear_pointer (&local->told, g_hash_table_unref);
  g_clear_pointer (&local->flip, vr_switch_free);
  g_clear_pointer (&local->back, vr_switch_free);
  g_free (local->uuid);
  g_free (local);
}

VrLocal *
vr_relay_local (VrRelay *self, const char *uuid)
{
  VrLocal *local = g_hash_table_lookup (self->locals, uuid);

  if (local == NULL)
    {
      local = g_new0 (VrLocal, 1);
      local->uuid = g_strdup (uuid);
      local->relay = self;
      local->spent = g_ptr_array_new_with_free_func (g_free);
      local->doubts = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
      g_hash_table_insert (self->locals, local->uuid, local);
    }
  return local;
}

static VrNic *
nic_from_xml (const VrGuestNic *nic)
{
  g_autoptr (GPtrArray) addresses = g_ptr_array_new ();

  g_ptr_array_extend (addresses, nic->addresses, NULL, NULL);
  g_ptr_array_extend (addresses, nic->learned, NULL, NULL);
  g_ptr_array_add (addresses, NULL);
  return vr_nic_new (nic->mac, (const char *const *) addresses->pdata);
}

static void
see_nic (VrLocal *local, const VrGuestNic *nic)
{
  g_ptr_array_add (local->sighting->nics, nic_from_xml (nic));
  vr_here_add_nic (local->here, nic->mac, nic->target, nic->bridge);
  local->lacks_address |= nic->addresses->len + nic->learned->len == 0;
  local->may_learn |= !vr_guest_nic_names (nic, FALSE) || !vr_guest_nic_names (nic, TRUE);
  for (guint i = 0; nic->source == VR_ADDRESS_SOURCE_METADATA && i < nic->addresses->len; i++)
    g_hash_table_add (local->told, g_strdup (nic->addresses->pdata[i]));
}

/* Takes over what the XML says: names, NICs, addresses, taps, stamp. */
void
vr_local_see (VrLocal *local, const VrGuestXml *xml)
{
  gboolean tapped = FALSE;

  g_clear_pointer (&local->sighting, vr_sighting_free);
  g_clear_pointer (&local->here, vr_here_free);
  g_clear_pointer (&local->told, g_hash_table_unref);
  local->told = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  local->sighting = vr_sighting_new (xml->uuid, xml->name);
  local->here = vr_here_new (xml->uuid);
  local->lacks_address = local->may_learn = FALSE;
  for (guint i = 0; i < xml->nics->len; i++)
    {
      const VrGuestNic *nic = xml->nics->pdata[i];

      if (nic->type == VR_NIC_OTHER)
        continue;
      see_nic (local, nic);
      tapped = tapped || nic->target != NULL;
    }
  if (!tapped) /* `migrate begin`: no QEMU yet */
    g_clear_pointer (&local->here, vr_here_free);
  vr_local_see_stamp (local, xml->metadata);
}

typedef struct {
  VrRelay *relay;
  char    *uuid;
  guint    serial;
} Asked;

static Asked *
asked_new (VrRelay *self, VrLocal *local)
{
  Asked *asked = g_new0 (Asked, 1);

  asked->relay = g_object_ref (self);
  asked->uuid = g_strdup (local->uuid);
  asked->serial = local->serial;
  return asked;
}

static void
asked_free (Asked *asked)
{
  g_object_unref (asked->relay);
  g_free (asked->uuid);
  g_free (asked);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Asked, asked_free)

/* ---- presence, and what follows from it ---- */

static gboolean
on_timer (gpointer data)
{
  const Asked *asked = data; /* freed with the source */
  VrLocal     *local = g_hash_table_lookup (asked->relay->locals, asked->uuid);

  if (local == NULL)
    return G_SOURCE_REMOVE;
  local->timer = 0;
  local->waited = TRUE;
  if (local->presence == VR_PRESENCE_EXPECTED || local->presence == VR_PRESENCE_ABSENT)
    vr_relay_look (asked->relay, local);
  else
    vr_relay_settle (asked->relay, local);
  return G_SOURCE_REMOVE;
}

static void
start_timer (VrRelay *self, VrLocal *local, guint ms)
{
  g_clear_handle_id (&local->timer, g_source_remove);
  local->timer = g_timeout_add_full (G_PRIORITY_DEFAULT, ms, on_timer, asked_new (self, local), (GDestroyNotify) asked_free);
}

void
vr_relay_set_presence (VrRelay *self, VrLocal *local, VrPresence presence)
{
  local->serial++;
  if (local->presence != presence)
    {
      g_info ("guest %s: %s, was %s", local->sighting != NULL ? local->sighting->name : local->uuid,
              vr_presence_to_string (presence), vr_presence_to_string (local->presence));
      local->renew |= presence == VR_PRESENCE_RUNNING && (local->presence == VR_PRESENCE_LEAVING || local->presence == VR_PRESENCE_HANDED_OVER);
      local->presence = presence;
      local->waited = FALSE;
      g_clear_handle_id (&local->timer, g_source_remove);
      if (presence == VR_PRESENCE_EXPECTED)
        start_timer (self, local, self->config->intent_timeout_s * 1000);
    }
  vr_relay_settle (self, local);
}

void
vr_relay_settle (VrRelay *self, VrLocal *local)
{
  const char *me = self->config->host->name;
  VrRecord   *record;

  vr_relay_reconcile_soon (self);
  if (!self->log_ready)
    return;
  if (local->sighting == NULL && local->presence != VR_PRESENCE_ABSENT && local->presence != VR_PRESENCE_HANDED_OVER)
    return; /* its XML is on its way */
  vr_relay_know_tokens (self, local);
  record = vr_custody_next (me, self->book, local->uuid, local->presence, local->sighting, local->waited);
  if (record != NULL && record->state == VR_STATE_LEAVING)
    {
      vr_relay_say_unproven (self, record);
      vr_relay_rates_fill (self, record);
    }
  if (record != NULL)
    vr_relay_write (self, record);
  vr_relay_doubt (self, local);
  if (local->timer == 0 && !local->waited
      && vr_custody_waits (me, self->book, local->uuid, local->presence, local->sighting))
    start_timer (self, local, CLAIM_DELAY_MS);
  if (local->presence != VR_PRESENCE_ABSENT)
    vr_relay_stamp (self, local);
  else if (local->timer == 0)
    g_hash_table_remove (self->locals, local->uuid);
}

void
vr_relay_settle_unseen (VrRelay *self, const char *uuid)
{
  if (self->log_ready && self->virt_known && !g_hash_table_contains (self->locals, uuid))
    vr_relay_settle (self, vr_relay_local (self, uuid));
}

void
vr_relay_settle_all (VrRelay *self)
{
  g_autoptr (GList) locals = g_hash_table_get_values (self->locals);
  g_autoptr (GPtrArray) uuids = NULL;

  for (GList *l = locals; l != NULL; l = l->next)
    vr_relay_settle (self, l->data);
  uuids = vr_book_guest_uuids (self->book);
  for (guint i = 0; i < uuids->len; i++)
    vr_relay_settle_unseen (self, uuids->pdata[i]);
}

/* ---- looking ---- */

static VrPresence
presence_of (const VrVirtGuest *guest)
{
  if (guest->incoming)
    return VR_PRESENCE_EXPECTED;
  if (guest->state == VR_VIRT_STATE_PAUSED_MIGRATING)
    return VR_PRESENCE_HANDED_OVER;
  return guest->migrating ? VR_PRESENCE_LEAVING : VR_PRESENCE_RUNNING;
}

static void
seen (VrRelay *self, const VrVirtGuest *guest, guint serial)
{
  VrLocal *local = vr_relay_local (self, guest->xml->uuid);

  vr_local_see (local, guest->xml);
  if (local->serial == serial)
    vr_relay_set_presence (self, local, presence_of (guest));
  else
    vr_relay_settle (self, local);
}

static void
on_looked (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (Asked) asked = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (VrVirtGuest) guest = vr_virt_look_finish (VR_VIRT (source), result, &error);
  VrRelay *self = asked->relay;
  VrLocal *local;
  gboolean again;

  if (g_cancellable_is_cancelled (self->cancellable))
    return;
  local = g_hash_table_lookup (self->locals, asked->uuid);
  if (local == NULL)
    return;
  local->looking = FALSE;
  again = local->look_again;
  local->look_again = FALSE;
  if (guest != NULL)
    seen (self, guest, asked->serial);
  else if (g_error_matches (error, VR_VIRT_ERROR, VR_VIRT_ERROR_GONE) && local->serial == asked->serial)
    {
      vr_relay_set_presence (self, local, VR_PRESENCE_ABSENT);
      return;
    }
  else
    g_info ("guest %s: cannot look at it: %s", asked->uuid, error->message);
  if (again)
    vr_relay_look (self, local);
  else if ((local->presence == VR_PRESENCE_EXPECTED || local->presence == VR_PRESENCE_ABSENT) && local->timer == 0)
    start_timer (self, local, self->config->intent_timeout_s * 1000);
}

void
vr_relay_look (VrRelay *self, VrLocal *local)
{
  if (local->looking)
    {
      local->look_again = TRUE;
      return;
    }
  local->looking = TRUE;
  vr_virt_look_async (self->virt, local->uuid, CALL_DEADLINE_MS, self->cancellable, on_looked, asked_new (self, local));
}

void
vr_relay_look_for_addresses (VrRelay *self)
{
  gboolean       all = ++self->ticks % LEARN_TICKS == 0;
  GHashTableIter iter;
  VrLocal       *local;

  g_hash_table_iter_init (&iter, self->locals);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &local))
    {
      if ((local->lacks_address || (local->may_learn && all)) && local->presence == VR_PRESENCE_RUNNING)
        vr_relay_look (self, local);
      vr_relay_stamp (self, local);
    }
}

static gboolean
on_list_again (gpointer data)
{
  VrRelay *self = data;

  if (!g_cancellable_is_cancelled (self->cancellable) && vr_virt_is_connected (self->virt))
    vr_relay_list (self);
  return G_SOURCE_REMOVE;
}

static void
on_listed (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (VrRelay) self = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) guests = vr_virt_list_finish (VR_VIRT (source), result, &error);
  g_autoptr (GHashTable) there = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GList) locals = NULL;

  if (g_cancellable_is_cancelled (self->cancellable))
    return;
  if (guests == NULL)
    {
      vr_relay_trouble (self, "libvirt", error->message);
      g_timeout_add_seconds_full (G_PRIORITY_DEFAULT, LIST_AGAIN_S, on_list_again, g_object_ref (self), g_object_unref);
      return;
    }
  vr_relay_trouble (self, "libvirt", NULL);
  self->virt_known = TRUE;
  for (guint i = 0; i < guests->len; i++)
    {
      const VrVirtGuest *guest = guests->pdata[i];
      VrLocal           *local = vr_relay_local (self, guest->xml->uuid);

      g_hash_table_add (there, guest->xml->uuid);
      seen (self, guest, local->serial);
    }
  locals = g_hash_table_get_values (self->locals);
  for (GList *l = locals; l != NULL; l = l->next)
    if (!g_hash_table_contains (there, ((VrLocal *) l->data)->uuid))
      vr_relay_look (self, l->data); /* it may have come while libvirt made its list */
  vr_relay_settle_all (self);
  vr_relay_reconcile_soon (self);
}

void
vr_relay_list (VrRelay *self)
{
  vr_virt_list_async (self->virt, CALL_DEADLINE_MS, self->cancellable, on_listed, g_object_ref (self));
}
