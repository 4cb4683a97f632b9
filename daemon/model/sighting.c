/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sighting.h"

VrSighting *
vr_sighting_new (const char *uuid, const char *name)
{
  VrSighting *sighting = g_new0 (VrSighting, 1);

  sighting->uuid = g_strdup (uuid);
  sighting->name = g_strdup (name);
  sighting->nics = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_nic_free);
  return sighting;
}

void
vr_sighting_free (VrSighting *sighting)
{
  if (sighting == NULL)
    return;
  g_free (sighting->uuid);
  g_free (sighting->name);
  g_free (sighting->home);
  g_free (sighting->owner);
  g_free (sighting->token);
  g_ptr_array_unref (sighting->nics);
  g_free (sighting);
}

static void
take_nics (VrRecord *record, GPtrArray *nics)
{
  g_ptr_array_set_size (record->nics, 0);
  for (guint i = 0; i < nics->len; i++)
    {
      const VrNic *nic = nics->pdata[i];

      g_ptr_array_add (record->nics, vr_nic_new (nic->mac, (const char *const *) nic->addresses));
    }
}

static gboolean
has_address (GPtrArray *nics)
{
  for (guint i = 0; i < nics->len; i++)
    if (((VrNic *) nics->pdata[i])->addresses[0] != NULL)
      return TRUE;
  return FALSE;
}

/* The XML of a running guest knows its name and NICs best. */
void
vr_sighting_fill (const VrSighting *sighting, VrRecord *record)
{
  g_free (record->name);
  record->name = g_strdup (sighting->name);
  if (has_address (sighting->nics) || !has_address (record->nics))
    take_nics (record, sighting->nics);
}

char *
vr_sighting_home (const VrSighting *sighting, const VrBook *book, const char *otherwise)
{
  const char *holder = vr_book_holder (book, sighting->nics);

  return g_strdup (holder != NULL ? holder : sighting->home != NULL ? sighting->home : otherwise);
}

VrRecord *
vr_sighting_record (const VrSighting *sighting, const VrBook *book, VrState state, const char *self)
{
  VrRecord *record = vr_record_new (sighting->uuid, sighting->name);

  record->state = state;
  record->writer = g_strdup (self);
  record->home = vr_sighting_home (sighting, book, self);
  take_nics (record, sighting->nics);
  return record;
}
