/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the hosts' daemons do. A daemon handles one event or one record at a time, asks vr_custody_next() what to write as vr_relay_settle()
 * does, and writes it: into its own book at once, into the others' inboxes for later.
 */
#include "sim.h"

#include <string.h>

/* ---- small things ---- */

char *
sim_token_text (guint64 token)
{
  return token != 0 ? g_strdup_printf ("%064" G_GINT64_MODIFIER "x", token) : NULL;
}

void
sim_local_clear (SimLocal *local)
{
  g_clear_pointer (&local->sighting, vr_sighting_free);
  *local = (SimLocal) { 0 };
}

/* ---- writing records ---- */

guint
sim_unheard (const Sim *sim, guint host, guint i)
{
  guint n = 0;

  for (GList *l = sim->hosts[host].events.head; l != NULL; l = l->next)
    n += ((SimEvent *) l->data)->guest == i;
  return n;
}

gboolean
sim_is_behind (const Sim *sim, guint host, guint guest)
{
  for (guint k = 0; k < sim->net.n_hosts; k++)
    for (GList *l = sim->hosts[host].inbox[k].head; l != NULL; l = l->next)
      if (((VrRecord *) l->data)->uuid[7] == sim->guests[guest].uuid[7])
        return TRUE;
  return FALSE;
}

/*
 * May the record give an epoch to another owner than the one that had it already? Only where its writer is behind with its news: a host
 * that runs the guest, and does not know that it was given away, or that it was others' since it gave it away, claims it; an owner does not know that the guest goes elsewhere now.
 */
static gboolean
is_forgiven (const Sim *sim, guint host, guint guest, const VrRecord *record)
{
  gboolean claims = record->state == VR_STATE_RUNNING || record->state == VR_STATE_RETURNED;
  gboolean here = sim->net.guests[guest].runs == (int) host || sim_unheard (sim, host, guest) > 0; /* as far as it could know */

  return (record->state == VR_STATE_MOVED || (claims && here)) && sim_is_behind (sim, host, guest);
}

/* What no record may do, whatever its reader thinks of it. */
static void
check_record (Sim *sim, guint host, guint guest, const VrRecord *record)
{
  const VrRecord *before = sim_custody (sim, host, guest);
  VrPresence      presence = sim->hosts[host].locals[guest].presence;
  g_autofree char *epoch = g_strdup_printf ("%" G_GUINT64_FORMAT, record->epoch);
  const char      *owner;

  if (vr_state_is_intent (record->state) || (int) host == sim->liar)
    return;
  if (sim->liar >= 0 && (record->state == VR_STATE_MOVED || record->state == VR_STATE_LEAVING)
      && g_strcmp0 (record->target, sim->hosts[sim->liar].name) == 0)
    {
      if (presence == VR_PRESENCE_RUNNING)
        sim_fail (sim, "attracted", "%s gives %s, which runs there, to the liar %s", record->writer, record->name, record->owner);
      if (presence != VR_PRESENCE_ABSENT && sim->hosts[host].locals[guest].token != 0)
        sim_fail (sim, "misled", "%s takes the liar %s for the target of %s, whose XML carries a token", record->writer, record->target, record->name);
      sim->guests[guest].misled = TRUE;
    }
  if (sim->liar >= 0) /* a lie about where a guest goes makes honest hosts dispute: it costs packets, and brings them nowhere else */
    return;
  owner = g_hash_table_lookup (sim->guests[guest].owners, epoch);
  if (owner != NULL && !is_forgiven (sim, host, guest, record) && strstr (owner, record->owner) == NULL)
    sim_fail (sim, "one-owner", "epoch %s of %s belongs to %s and to %s", epoch, record->name, owner, record->owner);
  g_hash_table_replace (sim->guests[guest].owners, g_strdup (epoch), g_strconcat (record->owner, " ", owner, NULL));
  if (before == NULL || g_str_equal (before->owner, record->owner) || record->state == VR_STATE_STOPPED) /* that gives it to nobody */
    return;
  if (before->state == VR_STATE_MOVED && g_str_equal (before->writer, sim->hosts[host].name)) /* as long as nobody else has spoken */
    return;
  if (!g_str_equal (before->owner, sim->hosts[host].name) && presence != VR_PRESENCE_RUNNING)
    sim_fail (sim, "given-by-owner", "%s makes %s the owner of %s, which belonged to %s, and is %s there", record->writer, record->owner,
              record->name, before->owner, vr_presence_to_string (presence));
}

static void
write_record (Sim *sim, guint host, guint guest, VrRecord *record /* taken */)
{
  SimHost *writer = &sim->hosts[host];
  g_autoptr (VrRecord) own = record;
  g_autoptr (GError) error = NULL;

  if (sim->bug != NULL && sim->bug->record != NULL && !sim->bug->record (record))
    return;
  record->time_us = ++sim->clock + (gint64) host * 3; /* clocks differ */
  record->seq = ++writer->seq;
  sim_trace (sim, "  %s writes %s: %s, epoch %" G_GUINT64_FORMAT ", owner %s, origin %s, target %s, home %s", writer->name, record->name,
             vr_state_to_string (record->state), record->epoch, record->owner, record->origin, record->target, record->home);
  check_record (sim, host, guest, record);
  vr_book_add_record (writer->book, record, &error);
  if (g_error_matches (error, VR_RECORD_ERROR, VR_RECORD_ERROR_REFUSED))
    sim_fail (sim, "refused", "%s refuses its own record: %s", writer->name, error->message);
  g_ptr_array_add (writer->records[host], vr_record_ref (record));
  for (guint i = 0; i < sim->net.n_hosts; i++)
    if (i != host)
      g_queue_push_tail (&sim->hosts[i].inbox[host], vr_record_ref (record));
}

/* One for each owner and epoch; and after a migration that failed, because its target knows the one that was. */
static guint64
next_token (Sim *sim, guint guest, const VrRecord *custody)
{
  SimGuest *is = &sim->guests[guest];

  if (is->stamp.token != 0 && !is->shown && is->stamp.epoch == custody->epoch && is->stamp.owner == sim_host_number (custody->owner))
    return is->stamp.token;
  memmove (&is->spent[1], &is->spent[0], sizeof is->spent - sizeof is->spent[0]);
  is->spent[0] = is->stamp.token;
  is->shown = FALSE;
  return ++sim->tokens;
}

/*
 * The owner's daemon writes its record into the guest's XML, which a migration carries along; now and then that fails. libvirt lets nobody
 * write there while the guest migrates: that is so for the token here, not for the rest.
 */
static void
stamp (Sim *sim, guint host, guint guest)
{
  const VrRecord *custody = sim_custody (sim, host, guest);

  if (sim->hosts[host].locals[guest].presence != VR_PRESENCE_RUNNING || custody == NULL || sim_host_number (custody->owner) != (int) host
      || (!sim->guests[guest].odd && sim_chance (sim, 20)))
    return;
  if (sim->guests[guest].phase == SIM_MOVE_NONE && sim->guests[guest].at == (int) host)
    {
      sim->guests[guest].stamp.token = next_token (sim, guest, custody);
      sim->hosts[host].locals[guest].token = sim->guests[guest].stamp.token;
    }
  sim->guests[guest].stamp.home = sim_host_number (custody->home);
  sim->guests[guest].stamp.owner = (int) host;
  sim->guests[guest].stamp.epoch = custody->epoch;
}

/* What the daemon knows of the tokens of a guest that runs there goes into its book. */
static void
know_tokens (Sim *sim, guint host, guint guest)
{
  const SimLocal  *local = &sim->hosts[host].locals[guest];
  g_autofree char *token = sim_token_text (local->token);
  g_autoptr (GStrvBuilder) before = g_strv_builder_new ();
  g_auto (GStrv)        spent = NULL;
  g_autoptr (VrTokens) tokens = NULL;

  for (guint i = 0; i < SIM_SPENT && sim->guests[guest].spent[i] != 0; i++)
    {
      g_autofree char *text = sim_token_text (sim->guests[guest].spent[i]);

      g_strv_builder_add (before, text);
    }
  spent = g_strv_builder_end (before);
  if (local->sighting != NULL && local->presence != VR_PRESENCE_ABSENT && local->presence != VR_PRESENCE_EXPECTED)
    tokens = vr_tokens_new (token, NULL, (const char *const *) spent);
  vr_book_set_tokens (sim->hosts[host].book, sim->guests[guest].uuid, tokens);
}

static void
settle (Sim *sim, guint host, guint guest)
{
  SimHost  *self = &sim->hosts[host];
  SimLocal *local = &self->locals[guest];
  VrRecord *record;

  self->dirty = TRUE;
  know_tokens (sim, host, guest);
  if (local->sighting == NULL && (local->presence == VR_PRESENCE_EXPECTED || local->presence == VR_PRESENCE_RUNNING))
    return;
  record = vr_custody_next (self->name, self->book, sim->guests[guest].uuid, local->presence, local->sighting, local->waited);
  if (record != NULL)
    {
      g_autoptr (VrRecord) first = vr_record_ref (record);
      g_autoptr (VrRecord) again = NULL;

      write_record (sim, host, guest, record);
      again = vr_custody_next (self->name, self->book, first->uuid, local->presence, local->sighting, local->waited);
      if (again != NULL && sim->bug == NULL && vr_record_equal_content (first, again))
        sim_fail (sim, "says-it-once", "%s would write the same record of %s again and again: %s, epoch %" G_GUINT64_FORMAT, self->name,
                  first->name, vr_state_to_string (first->state), first->epoch);
    }
  if (local->presence == VR_PRESENCE_ABSENT)
    sim_local_clear (local);
  else
    stamp (sim, host, guest);
  know_tokens (sim, host, guest);
}

/* ---- what libvirt says ---- */

static void
see (Sim *sim, guint host, guint guest, SimStamp stamp, gboolean tapped)
{
  SimLocal   *local = &sim->hosts[host].locals[guest];
  const char *addresses[] = { sim->net.guests[guest].address.text, NULL };

  g_clear_pointer (&local->sighting, vr_sighting_free);
  local->sighting = vr_sighting_new (sim->guests[guest].uuid, sim->guests[guest].name);
  g_ptr_array_add (local->sighting->nics, vr_nic_new (sim->net.guests[guest].mac, addresses));
  local->here = tapped;
  local->token = stamp.token;
  if (stamp.owner < 0)
    return;
  local->sighting->token = sim_token_text (stamp.token);
  local->sighting->home = g_strdup (sim->hosts[stamp.home].name);
  local->sighting->owner = g_strdup (sim->hosts[stamp.owner].name);
  local->sighting->epoch = stamp.epoch;
}

static void
set_presence (Sim *sim, guint host, guint guest, VrPresence presence)
{
  SimLocal *local = &sim->hosts[host].locals[guest];

  if (local->presence != presence)
    local->waited = FALSE;
  local->presence = presence;
  settle (sim, host, guest);
}

/* What libvirt would say of the guest if it were asked now. */
static VrPresence
look (const Sim *sim, guint host, guint guest, gboolean *tapped)
{
  const SimGuest *is = &sim->guests[guest];

  *tapped = sim->net.guests[guest].tap_at[host];
  if (is->at == (int) host)
    return is->phase >= SIM_MOVE_STOPPED ? VR_PRESENCE_HANDED_OVER : is->phase == SIM_MOVE_QEMU ? VR_PRESENCE_LEAVING : VR_PRESENCE_RUNNING;
  if (is->to != (int) host || is->phase <= SIM_MOVE_BEGUN)
    return VR_PRESENCE_ABSENT;
  return is->phase == SIM_MOVE_RUNS ? VR_PRESENCE_RUNNING : VR_PRESENCE_EXPECTED;
}

void
sim_event (Sim *sim, guint host, guint guest, SimEventKind kind)
{
  SimEvent *event = g_new0 (SimEvent, 1);

  *event = (SimEvent) { kind, guest, sim->guests[guest].stamp };
  if (sim->hosts[host].down)
    g_free (event); /* when the daemon is back it looks for itself */
  else
    g_queue_push_tail (&sim->hosts[host].events, event);
}

static void
hear (Sim *sim, guint host, const SimEvent *event)
{
  SimLocal *local = &sim->hosts[host].locals[event->guest];
  guint     guest = event->guest;

  switch (event->kind)
    {
    case SIM_STARTED:
      see (sim, host, guest, event->stamp, TRUE);
      set_presence (sim, host, guest, VR_PRESENCE_RUNNING);
      return;
    case SIM_HOOK_MIGRATE:
      see (sim, host, guest, event->stamp, FALSE);
      set_presence (sim, host, guest, VR_PRESENCE_EXPECTED);
      return;
    case SIM_QEMU_WAITS:
      see (sim, host, guest, event->stamp, TRUE);
      set_presence (sim, host, guest, VR_PRESENCE_EXPECTED);
      return;
    case SIM_LEAVING:
      if (local->presence == VR_PRESENCE_RUNNING)
        set_presence (sim, host, guest, VR_PRESENCE_LEAVING);
      return;
    case SIM_SUSPENDED:
      set_presence (sim, host, guest, VR_PRESENCE_HANDED_OVER);
      return;
    case SIM_RESUMED:
      set_presence (sim, host, guest, VR_PRESENCE_RUNNING);
      return;
    case SIM_UNPAUSED:
      if (local->presence == VR_PRESENCE_HANDED_OVER)
        set_presence (sim, host, guest, VR_PRESENCE_RUNNING);
      return;
    case SIM_STOPPED_MIGRATED:
      if (local->presence == VR_PRESENCE_RUNNING || local->presence == VR_PRESENCE_LEAVING)
        set_presence (sim, host, guest, VR_PRESENCE_HANDED_OVER);
      set_presence (sim, host, guest, VR_PRESENCE_ABSENT);
      return;
    case SIM_STOPPED:
      set_presence (sim, host, guest, VR_PRESENCE_ABSENT);
      return;
    case SIM_CANCELLED:
      if (local->presence == VR_PRESENCE_LEAVING)
        set_presence (sim, host, guest, VR_PRESENCE_RUNNING);
      return;
    }
}

gboolean
sim_handle_event (Sim *sim, guint host)
{
  static const char *const names[] = { "started", "hook migrate", "QEMU waits", "leaving", "suspended", "resumed", "unpaused",
                                       "stopped/migrated", "stopped", "cancelled" };
  g_autofree SimEvent *event = sim->hosts[host].down ? NULL : g_queue_pop_head (&sim->hosts[host].events);

  if (event == NULL)
    return FALSE;
  sim_trace (sim, "%s hears: %s %s", sim->hosts[host].name, sim->guests[event->guest].name, names[event->kind]);
  hear (sim, host, event);
  return TRUE;
}

/* ---- the log, timers, restarts ---- */

static void
take_record (Sim *sim, guint host, guint writer, VrRecord *record)
{
  SimHost *self = &sim->hosts[host];
  g_autoptr (GError) error = NULL;
  guint guest = (guint) (record->uuid[7] - '0');

  g_ptr_array_add (self->records[writer], vr_record_ref (record));
  self->dirty = TRUE;
  if (vr_book_add_record (self->book, record, &error) || error != NULL)
    settle (sim, host, guest);
  if (g_error_matches (error, VR_RECORD_ERROR, VR_RECORD_ERROR_REFUSED) && (int) writer != sim->liar)
    sim_fail (sim, "refused", "%s: %s", self->name, error->message);
}

gboolean
sim_deliver (Sim *sim, guint host, guint writer)
{
  SimHost *self = &sim->hosts[host];
  g_autoptr (VrRecord) record = self->down ? NULL : g_queue_pop_head (&self->inbox[writer]);

  if (record == NULL)
    return FALSE;
  sim_trace (sim, "%s reads of %s: %s %s, epoch %" G_GUINT64_FORMAT, self->name, record->writer, record->name,
             vr_state_to_string (record->state), record->epoch);
  if (sim->bug == NULL || sim->bug->arrival == NULL || sim->bug->arrival (self->book, &record))
    take_record (sim, host, writer, record);
  return TRUE;
}

gboolean
sim_timer (Sim *sim, guint host, guint guest)
{
  SimHost   *self = &sim->hosts[host];
  SimLocal  *local = &self->locals[guest];
  VrPresence now;
  gboolean   tapped;

  if (self->down || local->waited)
    return FALSE;
  if (local->presence == VR_PRESENCE_EXPECTED)
    {
      now = look (sim, host, guest, &tapped);
      if (now == VR_PRESENCE_EXPECTED)
        return FALSE;
      sim_trace (sim, "%s expected %s for long, and finds it %s", self->name, sim->guests[guest].name, vr_presence_to_string (now));
      see (sim, host, guest, sim->guests[guest].stamp, tapped);
      set_presence (sim, host, guest, now);
      return TRUE;
    }
  if (!vr_custody_waits (self->name, self->book, sim->guests[guest].uuid, local->presence, local->sighting))
    return FALSE;
  sim_trace (sim, "%s waited for %s for long", self->name, sim->guests[guest].name);
  local->waited = TRUE;
  settle (sim, host, guest);
  return TRUE;
}

void
sim_daemon_down (Sim *sim, guint host)
{
  SimHost *self = &sim->hosts[host];

  sim_trace (sim, "%s: the daemon goes down", self->name);
  sim_refresh (sim, host); /* it leaves its plan behind */
  self->down = TRUE;
  sim_path_down (sim, host);
  g_queue_clear_full (&self->events, g_free);
  for (guint i = 0; i < sim->net.n_guests; i++)
    sim_local_clear (&self->locals[i]);
  vr_book_free (self->book);
  self->book = vr_book_new ();
}

/* The records that it had, and perhaps all there are, in any order between writers. */
static void
read_log (Sim *sim, guint host, gboolean reads_all)
{
  SimHost *self = &sim->hosts[host];
  guint    next[SIM_HOSTS] = { 0 }, left = 0;

  vr_book_set_trust (self->book, sim->liar >= 0 ? &sim->trust : NULL);
  vr_book_hold (self->book);
  for (guint k = 0; k < sim->net.n_hosts; k++)
    {
      VrRecord *record;

      sim_tell_of_host (sim, self->book, k);
      while (reads_all && (record = g_queue_pop_head (&self->inbox[k])) != NULL)
        g_ptr_array_add (self->records[k], record);
      left += self->records[k]->len;
    }
  while (left > 0)
    {
      guint k = sim_below (sim, sim->net.n_hosts);

      if (next[k] == self->records[k]->len)
        continue;
      vr_book_add_record (self->book, self->records[k]->pdata[next[k]++], NULL);
      left--;
    }
  vr_book_open (self->book);
}

void
sim_daemon_up (Sim *sim, guint host, gboolean reads_all)
{
  SimHost *self = &sim->hosts[host];

  sim_trace (sim, "%s: the daemon comes up%s", self->name, reads_all ? " and reads all that was written" : "");
  self->down = FALSE;
  read_log (sim, host, reads_all);
  for (guint i = 0; i < sim->net.n_guests; i++)
    {
      gboolean   tapped;
      VrPresence now = look (sim, host, i, &tapped);

      if (now != VR_PRESENCE_ABSENT)
        see (sim, host, i, sim->guests[i].stamp, tapped);
      set_presence (sim, host, i, now);
    }
}
