/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The stamp: a guest that runs here carries its record in its XML, and with it a token, by which its target proves that it is the target
 * (model/proof.h). libvirt gives the XML to nobody but the host that the guest migrates to.
 *
 * A token is made for each epoch, and anew whenever it was given to a host that did not get the guest: after LEAVING, and after a proven
 * intent was withdrawn. Where it is kept is the XML alone: a daemon that starts anew reads it there. While a write is under way either may be what
 * a target is given, so both prove; those before are remembered to tell what is left of a migration that failed from a lie.
 *
 * What the book refuses for want of proof is looked into once more, with the XML as libvirt has it then, and only then said: metadata may have been
 * changed by others. The token stands in no message, and the metadata of a guest is never shown.
 */
#include "relay-private.h"

#include "daemon/logging.h"

#include <errno.h>
#include <sys/random.h>

#define STAMP_DEADLINE_MS (10 * 60 * 1000) /* it waits behind a migration */
#define SPENT_MAX 4
#define DECIDED G_MAXUINT

/* ---- tokens ---- */

/* NULL: the kernel has no random bytes (never, once it has booted). */
static char *
token_new (void)
{
  guchar   bytes[VR_TOKEN_BYTES];
  GString *text;

  if (getrandom (bytes, sizeof bytes, 0) != sizeof bytes)
    {
      g_warning ("no token for a guest's stamp: getrandom: %s; its target is believed without proof", g_strerror (errno));
      return NULL;
    }
  text = g_string_new (NULL);
  for (guint i = 0; i < sizeof bytes; i++)
    g_string_append_printf (text, "%02x", bytes[i]);
  return g_string_free (text, FALSE);
}

static void
spend (VrLocal *local, const char *token)
{
  if (token == NULL || g_ptr_array_find_with_equal_func (local->spent, token, g_str_equal, NULL))
    return;
  if (local->spent->len == SPENT_MAX)
    g_ptr_array_remove_index (local->spent, 0);
  g_ptr_array_add (local->spent, g_strdup (token));
}

/* The XML carries this now. */
static void
set_stamped (VrLocal *local, VrGuestMetadata *stamped /* taken */)
{
  const char *before = local->stamped != NULL ? local->stamped->token : NULL;

  if (stamped == NULL || g_strcmp0 (before, stamped->token) != 0)
    spend (local, before);
  g_clear_pointer (&local->stamped, vr_guest_metadata_free);
  local->stamped = stamped;
  if (!local->stamping && stamped != NULL && g_strcmp0 (stamped->token, local->fresh) == 0)
    g_clear_pointer (&local->fresh, g_free);
}

static gboolean
is_proven (VrRelay *self, const VrLocal *local)
{
  const VrGuest *guest = vr_book_guest (self->book, local->uuid);

  return guest != NULL && guest->intent != NULL && vr_book_judge (self->book, guest->intent) == VR_PROOF_GOOD;
}

/* Of an intent, and a later one of the same writer is another: about it nothing more is to be said, or it is looked into. */
typedef struct {
  guint64 seq;
  guint   sightings; /* so many times the guest's XML had been seen; DECIDED */
} Doubt;

static void
doubt_new (VrLocal *local, const VrRecord *intent, guint sightings)
{
  Doubt *made = g_new (Doubt, 1);

  *made = (Doubt) { intent->seq, sightings };
  g_hash_table_replace (local->doubts, g_strdup (intent->writer), made);
}

void
vr_relay_know_tokens (VrRelay *self, VrLocal *local)
{
  g_autoptr (VrTokens)  tokens = NULL;
  g_autoptr (GPtrArray) before = g_ptr_array_new ();
  gboolean here = local->presence != VR_PRESENCE_ABSENT && local->presence != VR_PRESENCE_EXPECTED;

  g_ptr_array_extend (before, local->spent, NULL, NULL);
  g_ptr_array_add (before, NULL);
  if (here && local->sighting != NULL)
    tokens = vr_tokens_new (local->stamped != NULL ? local->stamped->token : NULL, local->fresh, (const char *const *) before->pdata);
  vr_book_set_tokens (self->book, local->uuid, tokens);
  if (is_proven (self, local))
    {
      local->shown = TRUE;
      doubt_new (local, vr_book_guest (self->book, local->uuid)->intent, DECIDED); /* if it fails the token is spent, and nobody is blamed */
    }
  else if (local->shown && local->presence == VR_PRESENCE_RUNNING)
    {
      local->shown = FALSE;
      local->renew = TRUE;
    }
}

/* ---- what is not proven ---- */

/*
 * Its writer was given the XML once, and nothing leaves. The target of a migration that failed may have announced the guest once more, as the epoch is another,
 * before it heard that its QEMU is gone, and takes that back. If it does not, it is looked into when the guest leaves.
 */
static gboolean
may_be_left_over (const VrRelay *self, const VrLocal *local, const VrRecord *intent)
{
  return local->presence == VR_PRESENCE_RUNNING && vr_book_judge (self->book, intent) == VR_PROOF_SPENT;
}

static void
doubt (VrRelay *self, VrLocal *local, VrRecord *intent)
{
  Doubt *before = g_hash_table_lookup (local->doubts, intent->writer);

  if (before == NULL || before->seq != intent->seq)
    {
      doubt_new (local, intent, local->sightings);
      vr_relay_look (self, local);
    }
  else if (before->sightings != DECIDED && before->sightings != local->sightings)
    {
      g_autofree char *why = vr_book_why (self->book, intent);

      before->sightings = DECIDED;
      vr_relay_refuse (self, intent, why);
    }
}

void
vr_relay_doubt (VrRelay *self, VrLocal *local)
{
  g_autoptr (GPtrArray) intents = vr_book_unproven (self->book, local->uuid);

  for (guint i = 0; i < intents->len; i++)
    if (!may_be_left_over (self, local, intents->pdata[i]))
      doubt (self, local, intents->pdata[i]);
}

static const char *
why_believed (VrRelay *self, const VrRecord *intent)
{
  return vr_book_judge (self->book, intent) == VR_PROOF_LACKING ? "[trust] intents lets it" : "the guest's XML carries no token yet";
}

void
vr_relay_say_unproven (VrRelay *self, const VrRecord *leaving)
{
  const VrRecord *intent = vr_book_intent_of (self->book, leaving->uuid, leaving->target);

  if (intent != NULL && vr_book_judge (self->book, intent) != VR_PROOF_GOOD)
    vr_log (G_LOG_LEVEL_MESSAGE, &(VrLogFields) { .record = leaving }, "guest %s: %s is believed to be its target without proof: %s", leaving->name,
            leaving->target, why_believed (self, intent));
}

/* ---- writing it ---- */

static VrGuestMetadata *
copy_metadata (const VrGuestMetadata *from)
{
  VrGuestMetadata *copy = vr_guest_metadata_new ();

  copy->home = g_strdup (from->home);
  copy->owner = g_strdup (from->owner);
  copy->epoch = from->epoch;
  copy->token = g_strdup (from->token);
  for (guint i = 0; i < from->nics->len; i++)
    {
      const VrMetadataNic *nic = from->nics->pdata[i];
      VrMetadataNic       *own = vr_guest_metadata_get_nic (copy, nic->mac);

      for (guint k = 0; k < nic->addresses->len; k++)
        vr_metadata_nic_add_address (own, nic->addresses->pdata[k]);
      for (guint k = 0; k < nic->learned->len; k++)
        vr_metadata_nic_add_learned (own, nic->learned->pdata[k]);
    }
  return copy;
}

void
vr_local_see_stamp (VrLocal *local, const VrGuestMetadata *metadata)
{
  local->sightings++;
  set_stamped (local, metadata != NULL ? copy_metadata (metadata) : NULL);
  if (metadata == NULL)
    return;
  local->sighting->home = g_strdup (metadata->home);
  local->sighting->owner = g_strdup (metadata->owner);
  local->sighting->epoch = metadata->epoch;
  local->sighting->token = g_strdup (metadata->token);
}

/* The token that the XML should carry, if it carries none of this epoch and owner, or one that another host knows. */
static const char *
token_of (const VrRecord *record, VrLocal *local)
{
  const VrGuestMetadata *is = local->stamped;

  if (local->fresh == NULL && !local->renew && is != NULL && is->token != NULL && is->epoch == record->epoch && g_strcmp0 (is->owner, record->owner) == 0)
    return is->token;
  if (local->fresh == NULL)
    local->fresh = token_new ();
  local->renew = FALSE;
  return local->fresh;
}

/* What its administrator did not write there is marked: another source may know better later. */
static VrGuestMetadata *
stamp_of (const VrRecord *record, VrLocal *local)
{
  VrGuestMetadata *stamp = vr_guest_metadata_new ();

  stamp->home = g_strdup (record->home);
  stamp->owner = g_strdup (record->owner);
  stamp->epoch = record->epoch;
  stamp->token = g_strdup (token_of (record, local));
  for (guint i = 0; i < record->nics->len; i++)
    {
      const VrNic *nic = record->nics->pdata[i];

      for (char **address = nic->addresses; *address != NULL; address++)
        if (g_hash_table_contains (local->told, *address))
          vr_metadata_nic_add_address (vr_guest_metadata_get_nic (stamp, nic->mac), *address);
        else
          vr_metadata_nic_add_learned (vr_guest_metadata_get_nic (stamp, nic->mac), *address);
    }
  return stamp;
}

typedef struct {
  VrRelay         *relay;
  char            *uuid;
  VrGuestMetadata *stamp;
} Writing;

static void
writing_free (Writing *writing)
{
  g_object_unref (writing->relay);
  g_free (writing->uuid);
  g_clear_pointer (&writing->stamp, vr_guest_metadata_free);
  g_free (writing);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Writing, writing_free)

static void
on_stamped (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (Writing) writing = data;
  g_autoptr (GError) error = NULL;
  VrLocal *local;

  if (!vr_virt_stamp_finish (VR_VIRT (source), result, &error))
    g_info ("guest %s: its record was not stamped into its XML: %s", writing->uuid, error->message);
  if (g_cancellable_is_cancelled (writing->relay->cancellable))
    return;
  local = g_hash_table_lookup (writing->relay->locals, writing->uuid);
  if (local == NULL)
    return;
  local->stamping = FALSE;
  if (error != NULL)
    return; /* the next tick or event tries again, with the same token: it may be there all the same */
  set_stamped (local, g_steal_pointer (&writing->stamp));
  vr_relay_settle (writing->relay, local); /* the record may have changed meanwhile */
}

void
vr_relay_stamp (VrRelay *self, VrLocal *local)
{
  const VrGuest   *guest = vr_book_guest (self->book, local->uuid);
  g_autofree char *text = NULL;
  g_autoptr (VrGuestMetadata) wanted = NULL;
  Writing *writing;

  if (local->sighting == NULL || local->stamping || local->presence != VR_PRESENCE_RUNNING || guest == NULL || guest->custody == NULL
      || !g_str_equal (guest->custody->owner, self->config->host->name))
    return;
  wanted = stamp_of (guest->custody, local);
  if (vr_guest_metadata_equal (wanted, local->stamped))
    return;
  text = vr_guest_xml_format_metadata (wanted);
  local->stamping = TRUE;
  writing = g_new0 (Writing, 1);
  writing->relay = g_object_ref (self);
  writing->uuid = g_strdup (local->uuid);
  writing->stamp = g_steal_pointer (&wanted);
  vr_relay_know_tokens (self, local); /* from now on the new one proves, too */
  vr_virt_stamp_async (self->virt, local->uuid, text, STAMP_DEADLINE_MS, self->cancellable, on_stamped, writing);
}
