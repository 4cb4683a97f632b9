/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records in memory: making, copying, comparing. Their JSON is in record-json.c. */
#include "record.h"

#include <string.h>

G_DEFINE_QUARK (vr-record-error-quark, vr_record_error)

static const char *const state_names[] = {
  [VR_STATE_RUNNING] = "running",   [VR_STATE_LEAVING] = "leaving",   [VR_STATE_MOVED] = "moved",         [VR_STATE_RETURNED] = "returned",
  [VR_STATE_STOPPED] = "stopped",   [VR_STATE_INCOMING] = "incoming", [VR_STATE_WITHDRAWN] = "withdrawn",
};
G_STATIC_ASSERT (G_N_ELEMENTS (state_names) == VR_STATE_WITHDRAWN + 1);

const char *
vr_state_to_string (VrState state)
{
  g_return_val_if_fail ((gsize) state < G_N_ELEMENTS (state_names), "?");
  return state_names[state];
}

gboolean
vr_state_from_string (const char *text, VrState *state)
{
  for (gsize i = 0; i < G_N_ELEMENTS (state_names); i++)
    if (g_strcmp0 (text, state_names[i]) == 0) {
      *state = i;
      return TRUE;
    }
  return FALSE;
}

gboolean
vr_state_is_intent (VrState state)
{
  return state == VR_STATE_INCOMING || state == VR_STATE_WITHDRAWN;
}

gboolean
vr_host_name_is_valid (const char *name)
{
  gsize len = name ? strlen (name) : 0;

  return len >= 1 && len <= 63 &&
         strspn (name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == len;
}

VrNic *
vr_nic_new (const char *mac, const char *const *addresses)
{
  VrNic *nic = g_new0 (VrNic, 1);

  nic->mac = g_ascii_strdown (mac, -1);
  nic->addresses = addresses ? g_strdupv ((char **) addresses) : g_new0 (char *, 1);
  return nic;
}

void
vr_nic_free (VrNic *nic)
{
  if (!nic)
    return;
  g_free (nic->mac);
  g_strfreev (nic->addresses);
  g_free (nic);
}

VrRecord *
vr_record_new (const char *uuid, const char *name)
{
  VrRecord *record = g_atomic_rc_box_new0 (VrRecord);

  record->uuid = g_strdup (uuid);
  record->name = g_strdup (name);
  record->epoch = 1;
  record->state = VR_STATE_RUNNING;
  record->nics = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_nic_free);
  return record;
}

VrRecord *
vr_record_derive (const VrRecord *from, VrState state, const char *writer)
{
  VrRecord *record = vr_record_new (from->uuid, from->name);

  record->epoch = from->epoch;
  record->state = state;
  record->owner = g_strdup (from->owner);
  record->origin = g_strdup (from->origin);
  record->target = g_strdup (from->target);
  record->home = g_strdup (from->home);
  record->writer = g_strdup (writer);
  for (guint i = 0; i < from->nics->len; i++) {
    const VrNic *nic = from->nics->pdata[i];

    g_ptr_array_add (record->nics, vr_nic_new (nic->mac, (const char *const *) nic->addresses));
    ((VrNic *) record->nics->pdata[i])->rate = nic->rate;
  }
  return record;
}

VrRecord *
vr_record_ref (VrRecord *record)
{
  return g_atomic_rc_box_acquire (record);
}

static void
record_clear (gpointer data)
{
  VrRecord *record = data;

  g_free (record->uuid);
  g_free (record->name);
  g_free (record->owner);
  g_free (record->origin);
  g_free (record->target);
  g_free (record->home);
  g_free (record->writer);
  g_free (record->proof);
  g_ptr_array_unref (record->nics);
}

void
vr_record_unref (VrRecord *record)
{
  g_atomic_rc_box_release_full (record, record_clear);
}

gboolean
vr_record_has_address (const VrRecord *record, const char *address)
{
  for (guint i = 0; i < record->nics->len; i++)
    if (g_strv_contains ((const char *const *) ((VrNic *) record->nics->pdata[i])->addresses, address))
      return TRUE;
  return FALSE;
}

gboolean
vr_record_equal_content (const VrRecord *a, const VrRecord *b)
{
  if (g_strcmp0 (a->uuid, b->uuid) != 0 || g_strcmp0 (a->name, b->name) != 0 || a->epoch != b->epoch || a->state != b->state ||
      g_strcmp0 (a->owner, b->owner) != 0 || g_strcmp0 (a->origin, b->origin) != 0 || g_strcmp0 (a->target, b->target) != 0 ||
      g_strcmp0 (a->home, b->home) != 0 || g_strcmp0 (a->writer, b->writer) != 0 ||
      g_strcmp0 (a->proof, b->proof) != 0 || a->nics->len != b->nics->len)
    return FALSE;

  for (guint i = 0; i < a->nics->len; i++) {
    const VrNic *x = a->nics->pdata[i], *y = b->nics->pdata[i];

    if (strcmp (x->mac, y->mac) != 0 ||
        !g_strv_equal ((const char *const *) x->addresses, (const char *const *) y->addresses))
      return FALSE;
  }
  return TRUE;
}

VrHost *
vr_host_new (const char *name)
{
  VrHost *host = g_atomic_rc_box_new0 (VrHost);

  host->name = g_strdup (name);
  host->underlay = g_new0 (char *, 1);
  host->networks = g_new0 (char *, 1);
  host->reach = g_new0 (char *, 1);
  host->macs = g_new0 (char *, 1);
  return host;
}

VrHost *
vr_host_ref (VrHost *host)
{
  return g_atomic_rc_box_acquire (host);
}

static void
host_clear (gpointer data)
{
  VrHost *host = data;

  g_free (host->name);
  g_strfreev (host->underlay);
  g_strfreev (host->networks);
  g_strfreev (host->reach);
  g_strfreev (host->macs);
  g_free (host->identity);
}

void
vr_host_unref (VrHost *host)
{
  g_atomic_rc_box_release_full (host, host_clear);
}
