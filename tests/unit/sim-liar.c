/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One host that lies: it writes whatever it likes, in its own name, for the engine sees to that. What it was not given, a guest or a token, it does not have.
 */
#include "sim.h"

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

/* All but the token, which it was not given: a proof of nothing, the true target's, or one by a token that it made up. */
static char *
false_proof (Sim *sim, const VrRecord *lie)
{
  const VrGuest   *known = vr_book_guest (sim->hosts[sim->liar].book, lie->uuid);
  g_autofree char *token = sim_token_text (G_MAXUINT32);

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

void
sim_check_liar (Sim *sim)
{
  for (guint h = 0; h < sim->net.n_hosts; h++)
    for (guint i = 0; i < sim->net.n_guests && (int) h != sim->liar; i++)
      {
        const VrRecord *custody = sim_custody (sim, h, i);

        if (custody != NULL && custody->nics->len > 0 && !sim->guests[i].misled && g_str_equal (custody->owner, sim->hosts[sim->liar].name))
          sim_fail (sim, "attracted", "%s believes that %s belongs to the liar %s", sim->hosts[h].name, sim->guests[i].name, custody->owner);
      }
}
