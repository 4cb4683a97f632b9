/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What happens to the simulated hosts: guests start, migrate and stop, news arrives or does not, tunnels and daemons come and go. */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

#define ROUNDS 100
#define NEWS 5000

/* ---- guests: what QEMU and libvirt do, and say ---- */

static void
say_move (Sim *sim, guint i, const char *what)
{
  const SimGuest *guest = &sim->guests[i];

  sim_trace (sim, "%s: %s, at %s, to %s", guest->name, what, guest->at >= 0 ? sim->hosts[guest->at].name : "nowhere",
             guest->to >= 0 ? sim->hosts[guest->to].name : "nowhere");
}

static void
start (Sim *sim, guint i, guint host)
{
  SimGuest *guest = &sim->guests[i];

  guest->at = (int) host;
  guest->stamp = (SimStamp) { -1, -1, 0, 0 };
  memset (guest->spent, 0, sizeof guest->spent);
  sim->net.guests[i].runs = (int) host;
  sim->net.guests[i].tap_at[host] = TRUE;
  say_move (sim, i, "starts");
  sim_event (sim, host, i, SIM_STARTED);
}

static void
stop (Sim *sim, guint i)
{
  SimGuest *guest = &sim->guests[i];

  say_move (sim, i, "ends");
  sim->net.guests[i].runs = -1;
  sim->net.guests[i].tap_at[guest->at] = FALSE;
  sim_event (sim, (guint) guest->at, i, SIM_STOPPED);
  guest->at = -1;
}

/* The next step of its migration, or the first, to another host. */
static void
move_on (Sim *sim, guint i)
{
  SimGuest   *guest = &sim->guests[i];
  SimStation *station = &sim->net.guests[i];
  guint       at = (guint) guest->at, to = (guint) guest->to;

  switch (guest->phase)
    {
    case SIM_MOVE_NONE:
      to = station->home != at && sim_chance (sim, 35) ? station->home : (at + 1 + sim_below (sim, sim->net.n_hosts - 1)) % sim->net.n_hosts;
      if ((int) to == sim->liar) /* nobody trusts it with a guest */
        return;
      guest->to = (int) to;
      guest->phase = SIM_MOVE_BEGUN;
      guest->shown = TRUE;
      say_move (sim, i, "begins to migrate");
      if (!sim_chance (sim, 10)) /* hooks get lost */
        sim_event (sim, to, i, SIM_HOOK_MIGRATE);
      return;
    case SIM_MOVE_BEGUN:
      guest->phase = SIM_MOVE_QEMU;
      station->tap_at[to] = TRUE;
      say_move (sim, i, "is being copied");
      sim_event (sim, to, i, SIM_QEMU_WAITS);
      if (!sim_chance (sim, 10))
        sim_event (sim, at, i, SIM_LEAVING);
      return;
    case SIM_MOVE_QEMU:
      guest->phase = SIM_MOVE_STOPPED;
      station->runs = -1;
      say_move (sim, i, "is stopped");
      sim_event (sim, at, i, SIM_SUSPENDED);
      return;
    case SIM_MOVE_STOPPED:
      guest->phase = SIM_MOVE_RUNS;
      station->runs = (int) to;
      say_move (sim, i, "resumes");
      sim_event (sim, to, i, SIM_RESUMED);
      return;
    case SIM_MOVE_RUNS:
      guest->phase = SIM_MOVE_NONE;
      station->tap_at[at] = FALSE;
      guest->at = guest->to;
      guest->to = -1;
      say_move (sim, i, "has migrated");
      sim_event (sim, at, i, SIM_STOPPED_MIGRATED);
      return;
    }
}

static void
abort_move (Sim *sim, guint i)
{
  SimGuest   *guest = &sim->guests[i];
  SimStation *station = &sim->net.guests[i];
  SimPhase    phase = guest->phase;
  guint       at = (guint) guest->at, to = (guint) guest->to;

  say_move (sim, i, "its migration is aborted");
  guest->phase = SIM_MOVE_NONE;
  guest->to = -1;
  station->runs = guest->at;
  station->tap_at[to] = FALSE;
  if (phase != SIM_MOVE_BEGUN || !sim_chance (sim, 10))
    sim_event (sim, to, i, SIM_STOPPED);
  if (phase == SIM_MOVE_QEMU)
    sim_event (sim, at, i, SIM_CANCELLED);
  else if (phase == SIM_MOVE_STOPPED)
    sim_event (sim, at, i, SIM_UNPAUSED);
}

/*
 * May the guest be started at the host? A person does that who saw it end, so the news of that is there. Nothing keeps two QEMUs
 * on two hosts from being started by hand, and no log could.
 */
static gboolean
may_start (Sim *sim, guint i, guint host)
{
  for (guint h = 0; h < sim->net.n_hosts; h++)
    {
      if (sim->hosts[h].down)
        return FALSE;
      if (sim_unheard (sim, h, i) > 0)
        return FALSE;
      for (GList *l = sim->hosts[host].inbox[h].head; l != NULL; l = l->next)
        if (((VrRecord *) l->data)->uuid[7] == sim->guests[i].uuid[7])
          return FALSE;
    }
  return sim_custody (sim, host, i) == NULL;
}

/* A daemon that is up hears of a guest's last step but one, and of all before a new migration: libvirt takes longer than its events. */
static void
catch_up (Sim *sim, guint i)
{
  guint allowed = sim->guests[i].phase != SIM_MOVE_NONE;

  for (guint h = 0; h < sim->net.n_hosts; h++)
    while (sim_unheard (sim, h, i) > allowed)
      sim_handle_event (sim, h);
}

static void
step_guest (Sim *sim, guint i)
{
  SimGuest *guest = &sim->guests[i];
  guint     host = sim_below (sim, sim->net.n_hosts);

  catch_up (sim, i);
  if (guest->at < 0)
    {
      gboolean first = g_hash_table_size (guest->owners) == 0;

      if ((first && (guest->odd || sim_chance (sim, 70))) || sim->liar >= 0)
        host = sim->net.guests[i].home;
      if (may_start (sim, i, host))
        start (sim, i, host);
    }
  else if (guest->phase == SIM_MOVE_NONE && sim_chance (sim, 8))
    stop (sim, i);
  else if (guest->odd && guest->stamp.owner < 0)
    return; /* nobody could know its home */
  else if (guest->phase != SIM_MOVE_NONE && guest->phase != SIM_MOVE_RUNS && sim_chance (sim, 12))
    abort_move (sim, i);
  else
    move_on (sim, i);
}

/* ---- news ---- */

static gboolean
deliver_something (Sim *sim)
{
  guint n = sim->net.n_hosts, first = sim_below (sim, n * n);

  for (guint k = 0; k < n * n; k++)
    if (sim_deliver (sim, (first + k) % (n * n) / n, (first + k) % n))
      return TRUE;
  return FALSE;
}

static gboolean
hear_something (Sim *sim)
{
  guint first = sim_below (sim, sim->net.n_hosts);

  for (guint k = 0; k < sim->net.n_hosts; k++)
    if (sim_handle_event (sim, (first + k) % sim->net.n_hosts))
      return TRUE;
  return FALSE;
}

/* A record that a later one of the same writer replaces need not arrive. */
static void
lose_record (Sim *sim)
{
  GQueue *inbox = &sim->hosts[sim_below (sim, sim->net.n_hosts)].inbox[sim_below (sim, sim->net.n_hosts)];

  for (GList *l = inbox->head; l != NULL; l = l->next)
    for (GList *later = l->next; later != NULL; later = later->next)
      {
        const VrRecord *a = l->data, *b = later->data;

        if (!g_str_equal (a->uuid, b->uuid) || vr_state_is_intent (a->state) != vr_state_is_intent (b->state))
          continue;
        sim_trace (sim, "lost: %s %s of %s", a->name, vr_state_to_string (a->state), a->writer);
        vr_record_unref (l->data);
        g_queue_delete_link (inbox, l);
        return;
      }
}

static gboolean
some_timer (Sim *sim)
{
  guint n = sim->net.n_hosts * sim->net.n_guests, first = sim_below (sim, n);

  for (guint k = 0; k < n; k++)
    if (sim_timer (sim, (first + k) % n / sim->net.n_guests, (first + k) % sim->net.n_guests))
      return TRUE;
  return FALSE;
}

/* ---- tunnels ---- */

void
sim_set_tunnel (Sim *sim, guint a, guint b, gboolean up)
{
  if (a == b || sim->net.up[a][b] == up)
    return;
  sim->net.up[a][b] = up;
  sim->hosts[a].dirty = TRUE;
  for (guint i = 0; i < sim->net.n_guests && !up; i++)
    {
      const VrRecord *custody = sim_custody (sim, a, i);

      if (custody != NULL && g_str_equal (custody->owner, sim->hosts[b].name))
        sim->hosts[a].confirmed[i] = 0;
    }
}

static void
step_tunnel (Sim *sim)
{
  guint    a = sim_below (sim, sim->net.n_hosts), b = sim_below (sim, sim->net.n_hosts);
  gboolean up = sim_chance (sim, 70);

  sim_set_tunnel (sim, a, b, up);
  if (sim_chance (sim, 70))
    sim_set_tunnel (sim, b, a, up);
}

static gboolean
wants_tunnel (const Sim *sim, guint a, guint b)
{
  const GPtrArray *tunnels = sim->hosts[a].plan->tunnels;

  for (guint i = 0; i < tunnels->len; i++)
    if (g_str_equal (((VrTunnel *) tunnels->pdata[i])->peer, sim->hosts[b].name))
      return ((VrTunnel *) tunnels->pdata[i])->wish != VR_TUNNEL_READY;
  return FALSE;
}

/* Tunnels that somebody wants come up; of the others, those that are half up go down. */
static gboolean
bring_tunnels_up (Sim *sim)
{
  gboolean changed = FALSE;

  for (guint a = 0; a < sim->net.n_hosts; a++)
    for (guint b = 0; b < a; b++)
      {
        gboolean up = wants_tunnel (sim, a, b) || wants_tunnel (sim, b, a) || (sim->net.up[a][b] && sim->net.up[b][a]);

        changed = changed || sim->net.up[a][b] != up || sim->net.up[b][a] != up;
        sim_set_tunnel (sim, a, b, up);
        sim_set_tunnel (sim, b, a, up);
      }
  return changed;
}

/* The tunnel was up, and the guest behind it, for long: what goes there may go straight without an answer. */
static void
confirm (Sim *sim, guint host, guint i)
{
  const VrRecord *custody = sim_custody (sim, host, i);

  if (custody == NULL || custody->state != VR_STATE_RUNNING || !sim->net.up[host][atoi (custody->owner + 1) - 1])
    return;
  sim->hosts[host].confirmed[i] = custody->time_us;
  sim->hosts[host].dirty = TRUE;
}

static gboolean
change_paths (Sim *sim)
{
  gboolean changed = FALSE;

  for (guint i = 0; i < sim->net.n_hosts; i++)
    while (sim_path_step (sim, i))
      {
        changed = TRUE;
        sim_plan (sim);
      }
  return changed;
}

/* ---- all together ---- */

void
sim_step (Sim *sim)
{
  guint dice = sim_below (sim, 100);
  guint host = sim_below (sim, sim->net.n_hosts);

  if (dice < 25)
    step_guest (sim, sim_below (sim, sim->net.n_guests));
  else if (dice < 55)
    hear_something (sim);
  else if (dice < 83)
    deliver_something (sim);
  else if (dice < 86)
    lose_record (sim);
  else if (dice < 95)
    step_tunnel (sim);
  else if (dice < 97)
    {
      some_timer (sim);
      confirm (sim, host, sim_below (sim, sim->net.n_guests));
    }
  else if (sim->hosts[host].down)
    sim_daemon_up (sim, host, sim_chance (sim, 50));
  else
    sim_daemon_down (sim, host);
  sim->hosts[host].dirty = sim->hosts[host].dirty || sim->net.news[host];
  sim->net.news[host] = FALSE;
  if (dice % 3 == 0)
    sim_path_step (sim, host);
}

/* FALSE: there was none. */
static gboolean
hear_all (Sim *sim)
{
  gboolean news = FALSE;

  for (guint i = 0; i < NEWS && sim->failure == NULL; i++)
    {
      if (!hear_something (sim) && !deliver_something (sim))
        return news;
      news = TRUE;
    }
  sim_fail (sim, "calms-down", "there is no end of news");
  return news;
}

static void
settle (Sim *sim, gboolean timers)
{
  for (guint i = 0; i < sim->net.n_hosts; i++)
    if (sim->hosts[i].down)
      sim_daemon_up (sim, i, sim_chance (sim, 50));
  for (guint round = 0; round < ROUNDS && sim->failure == NULL; round++)
    {
      gboolean news = hear_all (sim);

      sim_plan (sim);
      if (!news && !bring_tunnels_up (sim) && !change_paths (sim) && !(timers && some_timer (sim)))
        return;
      sim_plan (sim);
    }
  sim_fail (sim, "calms-down", "there is no end of news");
}

void
sim_look (Sim *sim)
{
  for (guint round = 0; round < ROUNDS; round++)
    {
      for (guint i = 0; i < sim->net.n_hosts; i++)
        {
          sim->hosts[i].dirty = sim->hosts[i].dirty || sim->net.news[i];
          sim->net.news[i] = FALSE;
        }
      sim_plan (sim);
      if (!bring_tunnels_up (sim) && !change_paths (sim))
        return;
    }
  sim_fail (sim, "calms-down", "tunnels come and go");
}

void
sim_settle (Sim *sim)
{
  sim_trace (sim, "-- all news arrives");
  settle (sim, FALSE);
}

void
sim_calm (Sim *sim)
{
  sim_trace (sim, "-- all comes to an end");
  for (guint i = 0; i < sim->net.n_guests; i++)
    while (sim->guests[i].phase != SIM_MOVE_NONE)
      if (sim->guests[i].phase != SIM_MOVE_RUNS && sim_chance (sim, 20))
        abort_move (sim, i);
      else
        move_on (sim, i);
  settle (sim, TRUE);
}

void
sim_run (Sim *sim, guint steps)
{
  for (guint i = 0; i < steps && sim->failure == NULL; i++)
    {
      sim_step (sim);
      if (sim->liar >= 0)
        {
          if (sim_chance (sim, 30))
            sim_lie (sim);
          sim_check_liar (sim);
        }
      if (sim->liar < 0 && sim_chance (sim, 60))
        sim_check_always (sim);
      if (sim->failure != NULL || !sim_chance (sim, 5))
        continue;
      sim_settle (sim);
      if (sim->liar < 0)
        sim_check_settled (sim);
    }
  if (sim->failure != NULL)
    return;
  if (sim->liar >= 0)
    {
      sim_settle (sim);
      sim_check_liar (sim);
      return;
    }
  sim_calm (sim);
  sim_check_settled (sim);
  sim_check_calm (sim);
}
