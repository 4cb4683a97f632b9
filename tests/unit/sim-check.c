/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The properties.
 *
 *   At any moment, whatever news is late:
 *     loop            no packet comes to a host twice
 *     in-clear        no packet to a known guest or another host's network, and none from a guest away from home, leaves in clear
 *     layers          and the routes alone, as well as the filter alone, see to that
 *     wrong-host      a host sends a guest's packet to nobody but the owner or home that its book names
 *     inbound-first   once the origin gave a guest away to a target that announced it, what it relays gets to the QEMU at the target, if the tunnel is up
 *     homecoming      as long as not all know that it came home, what its origin relays is delivered there, if the tunnel is up
 *     late-home       what the home sends on, from anybody, to the host that owned the guest until lately is taken there, not refused as foreign
 *     (one-owner, given-by-owner, says-it-once and refused are checked as records are written and read: sim-daemon.c)
 *     attracted       where a host lies, to which no guest was ever given, nobody believes that one's addresses are there (sim-liar.c)
 *   When all news has arrived, in the middle of a migration or not:
 *     reach           whoever has a tunnel to the guest's home reaches the guest, is answered, and the guest reaches the rest of the world
 *     detour          with no more than one relay between
 *     own-word        a host where a guest runs is its owner by its own book, or waits for the news that it is, or for being believed
 *   When all migrations are over, too:
 *     direct          who talks with a guest away from home soon does so straight, if he may; without a tunnel, through its home
 *     agree           all books say the same, and say where the guest runs
 *     leftovers       nothing is armed, and nothing is planned for a guest that is not there
 */
#include "sim.h"

#include "daemon/model/address.h"
#include "daemon/names.h"

#include <string.h>

#define PACKETS 4

/* ---- what went wrong, for people ---- */

static void
fail_packet (Sim *sim, const char *property, const char *sender, const SimAddress *to, const SimFate *fate, const char *wanted)
{
  g_autofree char *text = sim_fate_to_string (fate);

  sim_fail (sim, property, "from %s to %s: %s; %s", sender, to->text, text, wanted);
}

/* ---- at any moment ---- */

static int
guest_at (const Sim *sim, const SimAddress *address)
{
  for (guint i = 0; i < sim->net.n_guests; i++)
    if (strcmp (sim->net.guests[i].address.text, address->text) == 0)
      return (int) i;
  return -1;
}

static gboolean
is_somebodys_network (const Sim *sim, guint but, const SimAddress *to)
{
  for (guint i = 0; i < sim->net.n_hosts; i++)
    {
      g_autofree char *network = g_strdup_printf (to->v6 ? "%s/64" : "%s/24", sim->net.gateways[i][to->v6].text);

      if (i != but && vr_network_contains (network, to->text))
        return TRUE;
    }
  return FALSE;
}

/*
 * What a peer sends straight to a host that the guest left, of which the peer knows nothing, is dropped by that host's filter; but where the guest's QEMU waits
 * again, what goes to it may pass. That QEMU is for what owner, home and giver send, so by the route of the networks it goes to the home, and the filter there
 * drops it: a host must not send what is of a third one's network. Not worth a rule for every peer's tunnel: it is lost either way until the peer has the news.
 */
static gboolean
ends_at_home (const Sim *sim, guint here, guint guest, const SimFate *fate, guint hop)
{
  return sim->hosts[here].locals[guest].here && fate->end == SIM_DROPPED && hop + 2 == fate->n_path
         && fate->path[hop + 1] == (int) sim->net.guests[guest].home;
}

/* A guest that left a host where it was sent to straight is sent there until all that went there before has arrived: that host relays. */
static gboolean
came_from (const Sim *sim, const VrRecord *custody, const char *next)
{
  return sim->ordered && g_strcmp0 (custody->origin, next) == 0;
}

static void
check_fate (Sim *sim, const char *sender, int from_guest, const SimAddress *to, const SimFate *fate)
{
  guint last = (guint) fate->path[fate->n_path - 1];
  int   guest = guest_at (sim, to);

  if (fate->end == SIM_LOOP)
    fail_packet (sim, "loop", sender, to, fate, "no packet comes to a host twice");
  if (fate->end == SIM_IN_CLEAR && !sim->hosts[last].down)
    {
      if (guest >= 0 && sim_custody (sim, last, (guint) guest) != NULL)
        fail_packet (sim, "in-clear", sender, to, fate, "the guest is known there");
      if (is_somebodys_network (sim, last, to))
        fail_packet (sim, "in-clear", sender, to, fate, "the network is known there");
      if (from_guest >= 0 && sim->net.guests[from_guest].home != last && sim_custody (sim, last, (guint) from_guest) != NULL)
        fail_packet (sim, "in-clear", sender, to, fate, "the sender is away from home");
    }
  for (guint i = 0; guest >= 0 && i + 1 < fate->n_path; i++)
    {
      guint           here = (guint) fate->path[i];
      const VrRecord *custody = sim->hosts[here].down ? NULL : sim_custody (sim, here, (guint) guest);
      const char     *next = sim->hosts[fate->path[i + 1]].name;
      gboolean        through_home = from_guest >= 0 && g_str_equal (sim->hosts[sim->net.guests[from_guest].home].name, next);

      if (custody == NULL || g_str_equal (custody->owner, next) || (i == 0 && through_home))
        continue;
      if (ends_at_home (sim, here, (guint) guest, fate, i) || (i == 0 && came_from (sim, custody, next)))
        continue;
      if (!g_str_equal (custody->home, next) || (i > 0 && !(from_guest >= 0 && sim->net.guests[from_guest].home == here)))
        fail_packet (sim, "wrong-host", sender, to, fate, "a host sends to another than its book says");
    }
}

/* A packet that leaves the first host in clear, with one layer of the two gone. */
static void
check_layer (Sim *sim, const char *sender, const SimAddress *to, const SimFate *fate, const char *layer)
{
  if (fate->end == SIM_IN_CLEAR && fate->n_path == 1 && !sim->hosts[fate->path[0]].down)
    fail_packet (sim, "layers", sender, to, fate, layer);
}

/* Its home may be the last to hear that the host left which it sends to; that one relays what comes by its home, from anybody. */
static void
check_late_home (Sim *sim, const char *sender, guint guest, const SimFate *fate)
{
  guint           home = sim->net.guests[guest].home, last = (guint) fate->path[fate->n_path - 1];
  const VrRecord *custody = sim->hosts[last].down ? NULL : sim_custody (sim, last, guest);

  if (fate->end != SIM_DROPPED || !g_str_has_prefix (fate->reason, "foreign-") || fate->n_path < 2 || fate->path[fate->n_path - 2] != (int) home || custody == NULL
      || g_strcmp0 (custody->origin, sim->hosts[last].name) != 0 || g_str_equal (custody->owner, sim->hosts[last].name))
    return;
  if (custody->state == VR_STATE_MOVED || !g_str_equal (custody->owner, custody->home) || (sim->hosts[last].lingering & 1U << guest))
    fail_packet (sim, "late-home", sender, &sim->net.guests[guest].address, fate, "the host that it left must take what its home sends there");
}

static void
check_to_guest (Sim *sim, guint host, guint guest)
{
  const SimAddress *to = &sim->net.guests[guest].address;
  const VrRecord   *custody = sim_custody (sim, host, guest);
  const char       *self = sim->hosts[host].name;
  SimLayers         base = sim->bug != NULL ? sim->bug->layers : SIM_ALL;
  SimFate           fate = sim_send_from_neighbour (&sim->net, host, to, base);

  check_fate (sim, self, -1, to, &fate);
  check_late_home (sim, self, guest, &fate);
  fate = sim_send_from_host (&sim->net, host, to, base);
  check_fate (sim, self, -1, to, &fate);
  if (custody == NULL)
    return;
  fate = sim_send_from_host (&sim->net, host, to, base | SIM_NO_RULES);
  check_layer (sim, self, to, &fate, "the filter alone lets it out");
  if (!g_str_equal (custody->owner, self) && !g_str_equal (custody->home, self))
    return;
  fate = sim_send_from_host (&sim->net, host, to, base | SIM_NO_FILTER);
  check_layer (sim, self, to, &fate, "the routes alone let it out");
}

static gboolean
is_planned_here (const Sim *sim, guint host, guint guest)
{
  const VrRecord *custody = sim_custody (sim, host, guest);

  return !sim->hosts[host].down && custody != NULL && g_str_equal (custody->owner, sim->hosts[host].name)
         && sim->hosts[host].locals[guest].here && sim->hosts[host].locals[guest].presence != VR_PRESENCE_HANDED_OVER;
}

static void
check_from_guest (Sim *sim, guint guest, const SimAddress *to)
{
  const SimStation *sender = &sim->net.guests[guest];
  SimLayers         base = sim->bug != NULL ? sim->bug->layers : SIM_ALL;
  SimFate           fate = sim_send_from_guest (&sim->net, guest, to, base);

  check_fate (sim, sim->guests[guest].name, (int) guest, to, &fate);
  if (sender->runs == (int) sender->home || !is_planned_here (sim, (guint) sender->runs, guest))
    return;
  fate = sim_send_from_guest (&sim->net, guest, to, base | SIM_NO_RULES);
  check_layer (sim, sim->guests[guest].name, to, &fate, "the filter alone lets it out");
  fate = sim_send_from_guest (&sim->net, guest, to, base | SIM_NO_FILTER);
  check_layer (sim, sim->guests[guest].name, to, &fate, "the routes alone let it out");
}

/* Whoever gives it the guest, the target is ready: it announced it, or knows that it has it. A hook may be lost, and what nobody announced goes by claims. */
static gboolean
is_ready (const SimHost *target, const SimGuest *guest)
{
  const VrGuest *known = vr_book_guest (target->book, guest->uuid);

  if (known != NULL && known->custody != NULL && g_str_equal (known->custody->owner, target->name))
    return TRUE;
  return vr_book_intent_of (target->book, guest->uuid, target->name) != NULL;
}

/* The origin wrote that the guest is the target's; the target's daemon heard all that libvirt said there. What is sent now must arrive. */
static void
check_inbound_first (Sim *sim, guint i)
{
  const SimGuest *guest = &sim->guests[i];
  const VrRecord *custody;
  const SimHost  *target;
  SimFate         fate;
  guint           at = (guint) guest->at, to = (guint) guest->to;

  if (guest->phase < SIM_MOVE_STOPPED)
    return;
  custody = sim_custody (sim, at, i);
  target = &sim->hosts[to];
  if (custody == NULL || custody->state != VR_STATE_MOVED || !g_str_equal (custody->owner, target->name) || !is_ready (target, guest)
      || !g_str_equal (custody->origin, sim->hosts[at].name) || target->down
      || sim->hosts[at].down || target->events.length > 0 || !target->locals[i].here || !sim->net.up[at][to] || !sim->net.up[to][at])
    return;
  fate = sim_send_from_host (&sim->net, at, &sim->net.guests[i].address, sim->bug != NULL ? sim->bug->layers : SIM_ALL);
  if (fate.end != SIM_DELIVERED || fate.path[fate.n_path - 1] != guest->to)
    fail_packet (sim, "inbound-first", sim->hosts[at].name, &sim->net.guests[i].address, &fate, "the target's QEMU must get it");
}

/* It came home, and not everybody heard of it: what the host that it came from sends on must arrive. */
static void
check_homecoming (Sim *sim, guint i)
{
  guint           home = sim->net.guests[i].home;
  const VrRecord *custody = sim_custody (sim, home, i);
  int             from;
  SimFate         fate;

  if (sim->hosts[home].down || !sim_lingers (sim, home, i) || !is_planned_here (sim, home, i) || sim->hosts[home].events.length > 0)
    return;
  from = sim_host_number (custody->origin);
  if (sim->hosts[from].down || !sim->net.up[from][home] || !sim->net.up[home][from])
    return;
  custody = sim_custody (sim, (guint) from, i);
  if (custody == NULL || !g_str_equal (custody->owner, sim->hosts[home].name) || g_strcmp0 (custody->origin, sim->hosts[from].name) != 0)
    return; /* it has other news */
  fate = sim_send_from_host (&sim->net, (guint) from, &sim->net.guests[i].address, sim->bug != NULL ? sim->bug->layers : SIM_ALL);
  if (fate.end != SIM_DELIVERED || fate.path[fate.n_path - 1] != (int) home)
    fail_packet (sim, "homecoming", sim->hosts[from].name, &sim->net.guests[i].address, &fate, "its home must get it");
}

void
sim_check_always (Sim *sim)
{
  for (guint i = 0; i < PACKETS && sim->failure == NULL; i++)
    {
      guint guest = sim_below (sim, sim->net.n_guests), other = sim_below (sim, sim->net.n_guests);
      guint host = sim_below (sim, sim->net.n_hosts);
      gboolean v6 = sim->net.guests[guest].address.v6;

      if (sim_chance (sim, 50))
        check_to_guest (sim, host, guest);
      else if (sim->net.guests[guest].runs >= 0)
        check_from_guest (sim, guest,
                          sim_chance (sim, 60) ? &sim->net.neighbours[host][v6]
                          : other != guest && sim->net.guests[other].address.v6 == v6 && sim_chance (sim, 60) ? &sim->net.guests[other].address
                                                                                           : &sim->net.outside[v6]);
    }
  for (guint i = 0; i < sim->net.n_guests && sim->failure == NULL; i++)
    {
      check_inbound_first (sim, i);
      check_homecoming (sim, i);
    }
}

/* ---- when all news has arrived ---- */

static void
expect (Sim *sim, const char *sender, const SimAddress *to, const SimFate *fate, guint host, guint tunnels)
{
  if (fate->end != SIM_DELIVERED || fate->path[fate->n_path - 1] != (int) host)
    {
      g_autofree char *wanted = g_strdup_printf ("it must be delivered at %s", sim->hosts[host].name);

      fail_packet (sim, "reach", sender, to, fate, wanted);
    }
  else if (fate->n_path - 1 > tunnels)
    fail_packet (sim, "detour", sender, to, fate, "that is a relay too much");
}

static SimFate
send_again (Sim *sim, guint guest, const SimAddress *to)
{
  SimLayers base = sim->bug != NULL ? sim->bug->layers : SIM_ALL;
  SimFate   fate = sim_send_from_guest (&sim->net, guest, to, base);

  if (fate.end == SIM_NOBODY) /* its ARP was heard: asked again, it is answered */
    {
      sim->hosts[sim->net.guests[guest].runs].dirty = TRUE;
      fate = sim_send_from_guest (&sim->net, guest, to, base);
    }
  return fate;
}

/* The guest belongs to `place`, where its QEMU is: the neighbours behind `host` and it reach each other. */
static void
check_pair (Sim *sim, guint guest, guint place, guint host)
{
  const SimStation *station = &sim->net.guests[guest];
  const SimAddress *neighbour = &sim->net.neighbours[host][station->address.v6];
  SimLayers         base = sim->bug != NULL ? sim->bug->layers : SIM_ALL;
  guint             far = station->home != place, farther = station->home != host;
  guint             tunnels = host == place ? 0 : far + farther;
  SimFate           fate;

  if (host != place && host != station->home && (sim->guests[guest].odd || !sim_reaches (sim, host, station->home)))
    return;
  fate = sim_send_from_neighbour (&sim->net, host, &station->address, base);
  expect (sim, neighbour->text, &station->address, &fate, place, tunnels);
  fate = sim_send_from_host (&sim->net, host, &station->address, base);
  expect (sim, sim->hosts[host].name, &station->address, &fate, place, tunnels);
  if (station->runs != (int) place)
    return;
  fate = send_again (sim, guest, neighbour);
  expect (sim, sim->guests[guest].name, neighbour, &fate, host, tunnels);
}

static void
check_world (Sim *sim, guint guest)
{
  const SimStation *station = &sim->net.guests[guest];
  const SimAddress *outside = &sim->net.outside[station->address.v6];
  SimFate           fate = send_again (sim, guest, outside);

  if (fate.end != SIM_IN_CLEAR || fate.path[fate.n_path - 1] != (int) station->home || fate.n_path > 2)
    fail_packet (sim, "reach", sim->guests[guest].name, outside, &fate, "the rest of the world is reached from its home");
}

/* Two guests, each where it belongs, reach each other through the home of each. */
static void
check_guests (Sim *sim, guint a, guint b, guint place_b)
{
  const SimStation *from = &sim->net.guests[a], *to = &sim->net.guests[b];
  guint             place_a = (guint) from->runs;
  guint             tunnels = (place_a != from->home) + (from->home != to->home) + (to->home != place_b);
  SimFate           fate;

  if (from->address.v6 != to->address.v6)
    return;
  if (place_a != place_b && from->home != to->home
      && (sim->guests[a].odd || sim->guests[b].odd || !sim_reaches (sim, from->home, to->home)))
    return;
  fate = send_again (sim, a, &to->address);
  expect (sim, sim->guests[a].name, &to->address, &fate, place_b, place_a == place_b ? 2 : tunnels);
}

/* The host that the log gives the guest to, if its QEMU is there; else -1. */
static int
place_of (const Sim *sim, guint i)
{
  const SimGuest *guest = &sim->guests[i];
  int             place = guest->phase >= SIM_MOVE_STOPPED ? guest->to : guest->at;
  const VrRecord *custody = place >= 0 ? sim_custody (sim, (guint) place, i) : NULL;

  return custody != NULL && g_str_equal (custody->owner, sim->hosts[place].name) ? place : -1;
}

/* A daemon that sees the guest run says whose it is, unless it waits for another's word. */
static void
check_own_word (Sim *sim, guint i)
{
  const SimStation *station = &sim->net.guests[i];
  const SimHost    *host;
  const VrRecord   *custody;

  if (station->runs < 0)
    return;
  host = &sim->hosts[station->runs];
  custody = sim_custody (sim, (guint) station->runs, i);
  if (host->locals[i].presence != VR_PRESENCE_RUNNING
      || vr_custody_waits (host->name, host->book, sim->guests[i].uuid, VR_PRESENCE_RUNNING, host->locals[i].sighting))
    return;
  if (custody != NULL && vr_book_claim_of (host->book, sim->guests[i].uuid, host->name) != NULL)
    return; /* it said so; whom it was given to by mistake has to say first that it is not there */
  if (custody == NULL || !g_str_equal (custody->owner, host->name))
    sim_fail (sim, "own-word", "%s runs at %s, whose book says: %s", sim->guests[i].name, host->name,
              custody != NULL ? custody->owner : "nowhere");
}

/*
 * A host was given a guest by mistake that was never there, as its giver followed somebody's claim of before, or the host expects a guest that does not come: that
 * ends when it was waited for long enough.
 */
static gboolean
waits_in_vain (const Sim *sim, guint i)
{
  for (guint h = 0; h < sim->net.n_hosts; h++)
    {
      const SimHost  *host = &sim->hosts[h];
      const SimLocal *local = &host->locals[i];

      if (local->presence == VR_PRESENCE_EXPECTED && sim->guests[i].to != (int) h)
        return TRUE;
      if (local->presence == VR_PRESENCE_ABSENT && !local->waited
          && vr_custody_waits (host->name, host->book, sim->guests[i].uuid, VR_PRESENCE_ABSENT, NULL))
        return TRUE;
    }
  return FALSE;
}

void
sim_check_settled (Sim *sim)
{
  for (guint i = 0; i < sim->net.n_guests; i++)
    check_own_word (sim, i);
  for (guint i = 0; i < sim->net.n_guests; i++)
    {
      int place = place_of (sim, i);

      if (place < 0 || waits_in_vain (sim, i))
        continue;
      for (guint h = 0; h < sim->net.n_hosts && sim->failure == NULL; h++)
        check_pair (sim, i, (guint) place, h);
      if (sim->net.guests[i].runs == place)
        check_world (sim, i);
      for (guint k = 0; k < sim->net.n_guests && sim->failure == NULL; k++)
        if (k != i && sim->net.guests[k].runs >= 0 && place_of (sim, k) == sim->net.guests[k].runs)
          check_guests (sim, k, i, (guint) place);
    }
}

/* ---- when all migrations are over ---- */

static void
talk (Sim *sim, guint guest, guint host)
{
  const SimStation *station = &sim->net.guests[guest];

  for (guint i = 0; i <= SIM_THRESHOLD; i++)
    {
      sim_send_from_neighbour (&sim->net, host, &station->address, SIM_ALL);
      send_again (sim, guest, &sim->net.neighbours[host][station->address.v6]);
    }
}

/* The neighbours behind a peer talk with a guest away from home: straight, if that may be; and through its home when that ends. */
static void
check_peer (Sim *sim, guint guest, guint host)
{
  const SimStation *station = &sim->net.guests[guest];
  guint             place = (guint) station->runs;
  gboolean          straight;
  SimFate           fate;

  straight = sim->net.up[host][place] && sim->direct != VR_DIRECT_NEVER;
  if (sim->direct == VR_DIRECT_BUILD && !straight)
    sim_fail (sim, "direct", "%s has no tunnel to %s, where %s is", sim->hosts[host].name, sim->hosts[place].name, sim->guests[guest].name);
  fate = sim_send_from_neighbour (&sim->net, host, &station->address, SIM_ALL);
  expect (sim, sim->hosts[host].name, &station->address, &fate, place, straight ? 1 : 2);
  if (!straight)
    return;
  sim_trace (sim, "-- the tunnel between %s and %s goes down", sim->hosts[host].name, sim->hosts[place].name);
  sim_set_tunnel (sim, host, place, FALSE);
  sim_set_tunnel (sim, place, host, FALSE);
  sim_plan (sim);
  check_pair (sim, guest, place, host);
}

static gboolean
is_peer (const Sim *sim, guint guest, guint host)
{
  const SimStation *station = &sim->net.guests[guest];

  if (host == (guint) station->runs || host == station->home || !sim_reaches (sim, host, station->home))
    return FALSE;
  /* an origin relays, whether the tunnel is up or not */
  return g_strcmp0 (sim_custody (sim, host, guest)->origin, sim->hosts[host].name) != 0;
}

static void
check_direct (Sim *sim, guint guest)
{
  const SimStation *station = &sim->net.guests[guest];

  if (station->runs < 0 || station->runs == (int) station->home || sim->guests[guest].odd)
    return;
  for (guint round = 0; round < 2; round++) /* it is seen to be sought; and with the tunnel up, answers are counted */
    {
      for (guint h = 0; h < sim->net.n_hosts; h++)
        if (is_peer (sim, guest, h))
          talk (sim, guest, h);
      sim_look (sim);
    }
  for (guint h = 0; h < sim->net.n_hosts && sim->failure == NULL; h++)
    if (is_peer (sim, guest, h))
      check_peer (sim, guest, h);
  sim_look (sim);
}

static void
check_agreed (Sim *sim, guint i)
{
  const SimGuest *guest = &sim->guests[i];
  const VrGuest  *first = vr_book_guest (sim->hosts[0].book, guest->uuid);

  for (guint h = 0; h < sim->net.n_hosts; h++)
    {
      const VrGuest  *known = vr_book_guest (sim->hosts[h].book, guest->uuid);
      const VrRecord *custody = sim_custody (sim, h, i);

      if ((known == NULL) != (first == NULL)
          || (known != NULL && ((known->custody == NULL) != (first->custody == NULL)
                                || (known->custody != NULL && !vr_record_equal_content (known->custody, first->custody)))))
        sim_fail (sim, "agree", "h1 and %s differ about %s", sim->hosts[h].name, guest->name);
      if (known != NULL && known->intent != NULL)
        sim_fail (sim, "leftovers", "%s believes that %s is coming to %s", sim->hosts[h].name, guest->name, known->intent->target);
      if (guest->at >= 0 && (custody == NULL || !g_str_equal (custody->owner, sim->hosts[guest->at].name)))
        sim_fail (sim, "agree", "%s runs at %s, but %s believes: %s", guest->name, sim->hosts[guest->at].name, sim->hosts[h].name,
                  custody != NULL ? custody->owner : "nowhere");
      if (guest->at < 0 && custody != NULL)
        sim_fail (sim, "leftovers", "%s runs nowhere, but %s believes: %s", guest->name, sim->hosts[h].name, custody->owner);
    }
}

static void
check_leftovers (Sim *sim, guint host)
{
  g_autofree char *text = vr_plan_to_string (sim->hosts[host].plan);
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  g_autofree char *armed = g_strdup_printf ("table %d", VR_TABLE_ARMED), *lookup = g_strdup_printf ("lookup %d", VR_TABLE_ARMED);

  for (guint k = 0; lines[k] != NULL; k++)
    {
      if (strstr (lines[k], armed) != NULL || strstr (lines[k], lookup) != NULL)
        sim_fail (sim, "leftovers", "%s is still armed: %s", sim->hosts[host].name, lines[k]);
      for (guint i = 0; i < sim->net.n_guests; i++)
        {
          const SimStation *station = &sim->net.guests[i];
          g_auto (GStrv) words = g_strsplit_set (lines[k], " /", -1);

          if (sim->guests[i].at >= 0 || g_str_has_prefix (lines[k], "proxy ")) /* a guest away from home may have asked for it */
            continue;
          if (g_strv_contains ((const char *const *) words, station->address.text)
              || g_strv_contains ((const char *const *) words, station->mac))
            sim_fail (sim, "leftovers", "%s runs nowhere, but %s plans: %s", sim->guests[i].name, sim->hosts[host].name, lines[k]);
        }
    }
}

void
sim_check_calm (Sim *sim)
{
  for (guint i = 0; i < sim->net.n_guests && sim->failure == NULL; i++)
    check_agreed (sim, i);
  for (guint h = 0; h < sim->net.n_hosts && sim->failure == NULL; h++)
    check_leftovers (sim, h);
  sim_check_explained (sim);
  for (guint i = 0; i < sim->net.n_guests && sim->failure == NULL; i++)
    check_direct (sim, i);
  sim_check_explained (sim);
}
