/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hosts and what their daemons do. A daemon handles one event or one record at a time, asks vr_custody_next() what to write as
 * vr_relay_settle() does, and writes it: into its own book at once, into the others' inboxes for later.
 */
#include "sim.h"

#include "daemon/names.h"

#include <string.h>

/* ---- small things ---- */

void
sim_trace (Sim *sim, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_string_append_vprintf (sim->trace, format, args);
  g_string_append_c (sim->trace, '\n');
  va_end (args);
}

void
sim_fail (Sim *sim, const char *property, const char *format, ...)
{
  va_list args;

  if (sim->failure != NULL)
    return;
  va_start (args, format);
  sim->failure = g_strdup_vprintf (format, args);
  va_end (args);
  sim->property = g_strdup (property);
  sim_trace (sim, "FAILED: %s: %s", property, sim->failure);
}

guint
sim_below (Sim *sim, guint n)
{
  return (guint) g_rand_int_range (sim->rand, 0, (gint) n);
}

gboolean
sim_chance (Sim *sim, guint percent)
{
  return sim_below (sim, 100) < percent;
}

const VrRecord *
sim_custody (const Sim *sim, guint host, guint guest)
{
  const VrGuest *known = vr_book_guest (sim->hosts[host].book, sim->guests[guest].uuid);

  return known != NULL && known->custody != NULL && known->custody->state != VR_STATE_STOPPED ? known->custody : NULL;
}

gboolean
sim_reaches (const Sim *sim, guint a, guint b)
{
  return g_strv_contains ((const char *const *) sim->hosts[a].reach, sim->hosts[b].name)
         || g_strv_contains ((const char *const *) sim->hosts[b].reach, sim->hosts[a].name);
}

static int
number_of (const char *name)
{
  return name != NULL ? atoi (name + 1) - 1 : -1;
}

static void refresh (gpointer data, guint i);

/* ---- making it ---- */

static void
make_host (Sim *sim, guint i)
{
  SimHost         *host = &sim->hosts[i];
  g_autofree char *reach = NULL;
  g_autoptr (GString) names = g_string_new (NULL);

  g_snprintf (host->name, sizeof host->name, "h%u", i + 1);
  for (guint k = 0; k < i; k++)
    if (sim_chance (sim, 60))
      g_string_append_printf (names, "%sh%u", names->len > 0 ? " " : "", k + 1);
  host->reach = g_strsplit (names->str, " ", -1);
  host->book = vr_book_new ();
  for (guint k = 0; k < sim->net.n_hosts; k++)
    {
      g_queue_init (&host->inbox[k]);
      host->records[k] = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_record_unref);
    }
  g_queue_init (&host->events);
  sim_path_init (host);
  host->dirty = TRUE;
}

static void
tell_of_host (const Sim *sim, VrBook *book, guint i)
{
  g_autofree char *network = g_strdup_printf (sim->v6 ? "%s/64" : "%s/24", sim->net.gateways[i][sim->v6].text);
  g_autofree char *mac = g_strdup_printf ("02:00:00:00:0%u:01", i + 1);
  const char      *networks[] = { network, NULL }, *underlay[] = { sim->net.underlays[i].text, NULL }, *macs[] = { mac, NULL };
  g_autoptr (VrHost) record = vr_host_new (sim->hosts[i].name);

  g_strfreev (record->underlay);
  record->underlay = g_strdupv ((char **) underlay);
  g_strfreev (record->networks);
  record->networks = g_strdupv ((char **) networks);
  g_strfreev (record->macs);
  record->macs = g_strdupv ((char **) macs);
  g_strfreev (record->reach);
  record->reach = g_strdupv (sim->hosts[i].reach);
  record->seq = 1;
  vr_book_add_host (book, record, NULL);
}

static void
make_guest (Sim *sim, guint i)
{
  SimGuest   *guest = &sim->guests[i];
  SimStation *station = &sim->net.guests[i];
  char        address[48];

  g_snprintf (guest->uuid, sizeof guest->uuid, "0000000%u-2222-3333-4444-555555555555", i);
  g_snprintf (guest->name, sizeof guest->name, "g%u", i);
  guest->at = guest->to = -1;
  guest->stamp = (SimStamp) { -1, -1, 0, 0 };
  guest->odd = sim_chance (sim, 15);
  guest->owners = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  station->home = sim_below (sim, sim->net.n_hosts);
  station->runs = -1;
  g_snprintf (station->mac, sizeof station->mac, "52:54:00:00:00:%02u", i);
  g_snprintf (station->tap, sizeof station->tap, "vnet%u", i);
  if (guest->odd)
    g_snprintf (address, sizeof address, sim->v6 ? "fd00:77::%u" : "10.77.0.%u", 100 + i);
  else
    g_snprintf (address, sizeof address, sim->v6 ? "fd00:9:%u::%u" : "10.9.%u.%u", station->home + 1, 100 + i);
  sim_address_set (&station->address, address);
  sim_trace (sim, "guest %s: %s, home %s", guest->name, address, sim->hosts[station->home].name);
}

Sim *
sim_new (guint64 seed, const SimBug *bug)
{
  Sim         *sim = g_new0 (Sim, 1);
  const guint32 seeds[] = { (guint32) seed, (guint32) (seed >> 32) };

  sim->seed = seed;
  sim->bug = bug;
  sim->liar = -1;
  sim->rand = g_rand_new_with_seed_array (seeds, G_N_ELEMENTS (seeds));
  sim->trace = g_string_new (NULL);
  sim_net_init (&sim->net, 3 + MIN (sim_below (sim, SIM_HOSTS - 2), sim_below (sim, SIM_HOSTS - 2)));
  sim->net.refresh = refresh;
  sim->net.data = sim;
  sim->net.n_guests = 1 + sim_below (sim, SIM_GUESTS);
  sim->v6 = sim_chance (sim, 30);
  sim->ordered = seed % 3 != 0;
  sim->direct = sim_chance (sim, 60) ? VR_DIRECT_BUILD : sim_chance (sim, 60) ? VR_DIRECT_EXISTING : VR_DIRECT_NEVER;
  for (guint i = 0; i < sim->net.n_hosts; i++)
    {
      g_autofree char *reach = NULL;

      make_host (sim, i);
      reach = g_strjoinv (" ", sim->hosts[i].reach);
      sim_trace (sim, "host %s reaches: %s", sim->hosts[i].name, reach);
    }
  for (guint i = 0; i < sim->net.n_hosts; i++)
    for (guint k = 0; k < sim->net.n_hosts; k++)
      tell_of_host (sim, sim->hosts[i].book, k);
  for (guint i = 0; i < sim->net.n_guests; i++)
    make_guest (sim, i);
  return sim;
}

gboolean
sim_set_liar (Sim *sim)
{
  sim->liar = (int) sim_below (sim, sim->net.n_hosts);
  for (guint i = 0; i < sim->net.n_guests; i++)
    if (sim->guests[i].odd || (int) sim->net.guests[i].home == sim->liar)
      return FALSE; /* it has the say over those at home there, and over nobody's anybody has */
  sim->take_over[0] = sim->hosts[sim->liar].name;
  sim->trust = (VrTrust) { .start_anywhere = sim->bug != NULL && sim->bug->anywhere,
                           .unproven = sim->bug != NULL && sim->bug->unproven,
                           .take_over = sim->bug != NULL && sim->bug->believed ? sim->take_over : NULL };
  for (guint i = 0; i < sim->net.n_hosts; i++)
    vr_book_set_trust (sim->hosts[i].book, &sim->trust);
  sim_trace (sim, "%s is a liar", sim->hosts[sim->liar].name);
  return TRUE;
}

static void
local_clear (SimLocal *local)
{
  g_clear_pointer (&local->sighting, vr_sighting_free);
  *local = (SimLocal) { 0 };
}

void
sim_free (Sim *sim)
{
  for (guint i = 0; i < sim->net.n_hosts; i++)
    {
      SimHost *host = &sim->hosts[i];

      for (guint k = 0; k < sim->net.n_hosts; k++)
        {
          g_queue_clear_full (&host->inbox[k], (GDestroyNotify) vr_record_unref);
          g_ptr_array_unref (host->records[k]);
        }
      for (guint k = 0; k < SIM_GUESTS; k++)
        local_clear (&host->locals[k]);
      g_queue_clear_full (&host->events, g_free);
      g_strfreev (host->reach);
      vr_book_free (host->book);
      g_clear_pointer (&host->plan, vr_plan_free);
      sim_path_clear (host);
    }
  for (guint i = 0; i < sim->net.n_guests; i++)
    g_hash_table_unref (sim->guests[i].owners);
  sim_net_clear (&sim->net);
  g_rand_free (sim->rand);
  g_string_free (sim->trace, TRUE);
  g_free (sim->failure);
  g_free (sim->property);
  g_free (sim);
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

/* Is there news of the guest that the host could not know of? */
static gboolean
is_behind (const Sim *sim, guint host, guint guest)
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

  return (record->state == VR_STATE_MOVED || (claims && here)) && is_behind (sim, host, guest);
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

static char *
some_host (Sim *sim)
{
  return g_strdup (sim->hosts[sim_below (sim, 3) > 0 ? (guint) sim->liar : sim_below (sim, sim->net.n_hosts)].name);
}

static void
copy_list (char ***to, char **from)
{
  g_strfreev (*to);
  *to = g_strdupv (from);
}

/* It has somebody else's guest network, it says. */
static void
lie_of_itself (Sim *sim)
{
  SimHost *liar = &sim->hosts[sim->liar];
  guint    victim = sim_below (sim, sim->net.n_hosts);
  const VrHost *before = vr_book_host (liar->book, liar->name), *of = vr_book_host (liar->book, sim->hosts[victim].name);
  g_autoptr (VrHost) lie = NULL;

  if (before == NULL || of == NULL) /* its daemon is down, and reads nothing */
    return;
  lie = vr_host_new (liar->name);
  lie->seq = ++liar->seq;
  lie->identity = g_strdup (sim_chance (sim, 70) ? before->identity : of->identity);
  copy_list (&lie->underlay, sim_chance (sim, 70) ? before->underlay : of->underlay);
  copy_list (&lie->networks, of->networks);
  copy_list (&lie->reach, before->reach);
  copy_list (&lie->macs, before->macs);
  sim_trace (sim, "  %s says that it has the networks of %s", liar->name, sim->hosts[victim].name);
  for (guint i = 0; i < sim->net.n_hosts; i++)
    if ((int) i != sim->liar && !sim->hosts[i].down)
      {
        sim->hosts[i].dirty = TRUE;
        vr_book_add_host (sim->hosts[i].book, lie, NULL);
      }
}

static char *
token_text (guint64 token)
{
  return token != 0 ? g_strdup_printf ("%064" G_GINT64_MODIFIER "x", token) : NULL;
}

/* All but the token, which it was not given: a proof of nothing, the true target's, or one by a token that it made up. */
static char *
false_proof (Sim *sim, const VrRecord *lie)
{
  const VrGuest   *known = vr_book_guest (sim->hosts[sim->liar].book, lie->uuid);
  g_autofree char *token = token_text (G_MAXUINT32);

  switch (sim_below (sim, 4))
    {
    case 0:
      return NULL;
    case 1:
      return g_strdup (token);
    case 2:
      return known != NULL && known->intent != NULL ? g_strdup (known->intent->proof) : NULL;
    default:
      return vr_proof_make (token, lie);
    }
}

/* While a guest really migrates, the liar announces it, rightly in all but that it comes there; its clock is ahead. */
static gboolean
lie_of_a_move (Sim *sim, guint guest)
{
  SimHost        *liar = &sim->hosts[sim->liar];
  const SimGuest *is = &sim->guests[guest];
  const VrRecord *custody = is->phase != SIM_MOVE_NONE ? sim_custody (sim, (guint) is->at, guest) : NULL;
  g_autoptr (VrRecord) lie = NULL;

  if (custody == NULL || g_str_equal (custody->owner, liar->name) || custody->nics->len == 0)
    return FALSE;
  lie = vr_record_derive (custody, VR_STATE_INCOMING, liar->name);
  g_free (lie->origin);
  lie->origin = g_strdup (custody->owner);
  g_free (lie->target);
  lie->target = g_strdup (liar->name);
  lie->time_us = ++sim->clock + 1000;
  lie->seq = ++liar->seq;
  lie->proof = false_proof (sim, lie);
  sim_trace (sim, "  %s lies that %s comes to it, epoch %" G_GUINT64_FORMAT, liar->name, lie->name, lie->epoch);
  g_ptr_array_add (liar->records[sim->liar], vr_record_ref (lie));
  for (guint i = 0; i < sim->net.n_hosts; i++)
    if ((int) i != sim->liar)
      g_queue_push_tail (&sim->hosts[i].inbox[sim->liar], vr_record_ref (lie));
  return TRUE;
}

/* Any record at all, of custody, an intent, or of itself, as long as it is the liar's own word: the engine sees to that. */
void
sim_lie (Sim *sim)
{
  static const VrState states[] = { VR_STATE_RUNNING, VR_STATE_RUNNING, VR_STATE_LEAVING, VR_STATE_MOVED, VR_STATE_RETURNED, VR_STATE_STOPPED,
                                    VR_STATE_INCOMING, VR_STATE_INCOMING, VR_STATE_WITHDRAWN };
  guint       guest = sim_below (sim, sim->net.n_guests);
  const VrRecord *known = sim_custody (sim, (guint) sim->liar, guest);
  const char *addresses[] = { sim->net.guests[guest].address.text, NULL };
  SimHost    *liar = &sim->hosts[sim->liar];
  g_autoptr (VrRecord) lie = vr_record_new (sim->guests[guest].uuid, sim->guests[guest].name);

  if (sim_chance (sim, 10))
    {
      lie_of_itself (sim);
      return;
    }
  if (sim_chance (sim, 50) && lie_of_a_move (sim, guest))
    return;
  lie->state = states[sim_below (sim, G_N_ELEMENTS (states))];
  lie->epoch = sim_chance (sim, 20) ? 1 + sim_below (sim, 1000) : (known != NULL ? known->epoch : 1) + sim_below (sim, 3);
  lie->writer = g_strdup (liar->name);
  lie->owner = some_host (sim);
  lie->origin = some_host (sim);
  lie->target = sim_chance (sim, 50) ? g_strdup (lie->owner) : some_host (sim);
  lie->home = sim_chance (sim, 60) ? g_strdup (sim->hosts[sim->net.guests[guest].home].name) : some_host (sim);
  lie->time_us = ++sim->clock;
  lie->seq = ++liar->seq;
  if (!sim_chance (sim, 10))
    g_ptr_array_add (lie->nics, vr_nic_new (sim->net.guests[guest].mac, addresses));
  sim_trace (sim, "  %s lies about %s: %s, epoch %" G_GUINT64_FORMAT ", owner %s, origin %s, target %s, home %s", liar->name, lie->name,
             vr_state_to_string (lie->state), lie->epoch, lie->owner, lie->origin, lie->target, lie->home);
  g_ptr_array_add (liar->records[sim->liar], vr_record_ref (lie));
  for (guint i = 0; i < sim->net.n_hosts; i++)
    if ((int) i != sim->liar)
      g_queue_push_tail (&sim->hosts[i].inbox[sim->liar], vr_record_ref (lie));
}

/* One for each owner and epoch; and after a migration that failed, because its target knows the one that was. */
static guint64
next_token (Sim *sim, guint guest, const VrRecord *custody)
{
  SimGuest *is = &sim->guests[guest];

  if (is->stamp.token != 0 && !is->shown && is->stamp.epoch == custody->epoch && is->stamp.owner == number_of (custody->owner))
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

  if (sim->hosts[host].locals[guest].presence != VR_PRESENCE_RUNNING || custody == NULL || number_of (custody->owner) != (int) host
      || (!sim->guests[guest].odd && sim_chance (sim, 20)))
    return;
  if (sim->guests[guest].phase == SIM_MOVE_NONE && sim->guests[guest].at == (int) host)
    {
      sim->guests[guest].stamp.token = next_token (sim, guest, custody);
      sim->hosts[host].locals[guest].token = sim->guests[guest].stamp.token;
    }
  sim->guests[guest].stamp.home = number_of (custody->home);
  sim->guests[guest].stamp.owner = (int) host;
  sim->guests[guest].stamp.epoch = custody->epoch;
}

/* What the daemon knows of the tokens of a guest that runs there goes into its book. */
static void
know_tokens (Sim *sim, guint host, guint guest)
{
  const SimLocal  *local = &sim->hosts[host].locals[guest];
  g_autofree char *token = token_text (local->token);
  g_autoptr (GStrvBuilder) before = g_strv_builder_new ();
  g_auto (GStrv)        spent = NULL;
  g_autoptr (VrTokens) tokens = NULL;

  for (guint i = 0; i < SIM_SPENT && sim->guests[guest].spent[i] != 0; i++)
    {
      g_autofree char *text = token_text (sim->guests[guest].spent[i]);

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
    local_clear (local);
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
  local->sighting->token = token_text (stamp.token);
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
  refresh (sim, host); /* it leaves its plan behind */
  self->down = TRUE;
  sim_path_down (sim, host);
  g_queue_clear_full (&self->events, g_free);
  for (guint i = 0; i < sim->net.n_guests; i++)
    local_clear (&self->locals[i]);
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

      tell_of_host (sim, self->book, k);
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

/* ---- plans ---- */

void
sim_plant (const SimBug *bug, VrPlan *plan, const char *self)
{
  for (guint i = plan->elements->len; bug->without != NULL && i > 0; i--)
    {
      const char *set = ((VrElement *) plan->elements->pdata[i - 1])->set;

      if (g_str_has_prefix (set, bug->without) && strlen (set) <= strlen (bug->without) + 1)
        g_ptr_array_remove_index (plan->elements, i - 1);
    }
  if (bug->plan != NULL)
    bug->plan (plan, self);
}

void
sim_with_facts (Sim *sim, guint i, SimUseFacts use, gpointer data)
{
  SimHost *host = &sim->hosts[i];
  g_autoptr (GHashTable) here = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) vr_here_free);
  g_autoptr (GHashTable) tunnels = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GHashTable) macs = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GHashTable) waited = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autofree char       *mac = g_strdup_printf ("02:00:00:00:0%u:01", i + 1);
  VrFacts facts = { .self = host->name, .bridge = "br0", .book = host->book, .here = here, .tunnels = tunnels, .macs = macs,
                    .asked = sim->net.asked[i], .direct = sim->direct, .threshold = SIM_THRESHOLD, .answers = sim->net.answers[i],
                    .sought = sim->net.sought[i], .waited = waited,
                    .ordered = sim->ordered, .held = host->held, .changed = host->changed };

  g_hash_table_replace (macs, (gpointer) "br0", mac);
  for (guint k = 0; k < sim->net.n_hosts; k++)
    if (sim->net.up[i][k])
      g_hash_table_add (tunnels, sim->hosts[k].name);
  for (guint k = 0; k < sim->net.n_guests; k++)
    {
      const VrRecord *custody = sim_custody (sim, i, k);

      if (custody != NULL && custody->time_us == host->confirmed[k])
        g_hash_table_add (waited, g_strdup_printf (VR_LINK_PREFIX "%s %s", custody->owner, sim->net.guests[k].address.text));
    }
  for (guint k = 0; k < sim->net.n_guests; k++)
    if (host->locals[k].here && host->locals[k].presence != VR_PRESENCE_ABSENT && host->locals[k].presence != VR_PRESENCE_HANDED_OVER)
      {
        VrHere *there = vr_here_new (sim->guests[k].uuid);

        vr_here_add_nic (there, sim->net.guests[k].mac, sim->net.guests[k].tap, "br0");
        g_hash_table_replace (here, there->uuid, there);
      }
  use (sim, i, &facts, data);
}

static void
plan_host (Sim *sim, guint i, const VrFacts *facts, gpointer data)
{
  SimHost *host = &sim->hosts[i];

  g_clear_pointer (&sim->net.kernels[i], sim_kernel_free);
  g_clear_pointer (&host->plan, vr_plan_free);
  host->plan = vr_plan_make (facts);
  sim_path_planned (host);
  if (sim->bug != NULL)
    sim_plant (sim->bug, host->plan, host->name);
  sim->net.kernels[i] = sim_kernel_new (host->plan);
  sim_kernel_keep_counters (sim->net.kernels[i], &sim->net, i);
  host->dirty = FALSE;
}

static void
refresh (gpointer data, guint i)
{
  Sim           *sim = data;
  const SimHost *host = &sim->hosts[i];

  if (host->dirty && !(host->down && host->plan != NULL))
    sim_with_facts (sim, i, plan_host, NULL);
}

void
sim_plan (Sim *sim)
{
  for (guint i = 0; i < sim->net.n_hosts; i++)
    refresh (sim, i);
}
