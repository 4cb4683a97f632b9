/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Properties of the plan and of custody, over thousands of random histories of a few hosts (sim.h); sim-check.c says what they are.
 *
 * A failure prints the seed, what happened, and the plans. Seeds 1 to RUNS are looked at; VR_SIM_SEED=N runs that one history alone,
 * VR_SIM_RUNS=M that many, and both as many from that one on.
 */
#include "sim.h"

#include "daemon/names.h"

#include <stdlib.h>
#include <string.h>

#define RUNS 1000
#define PLANTED_RUNS 600
#define STEPS 60

static guint64
number_from_env (const char *name, guint64 otherwise)
{
  const char *text = g_getenv (name);

  return text != NULL ? g_ascii_strtoull (text, NULL, 10) : otherwise;
}

/* The failed history, and what every host planned in the end. */
static void
print_failure (const Sim *sim)
{
  g_auto (GStrv) steps = g_strsplit (sim->trace->str, "\n", -1);

  for (guint i = 0; steps[i] != NULL; i++)
    g_test_message ("%s", steps[i]);
  for (guint h = 0; h < sim->net.n_hosts; h++)
    {
      g_autofree char *text = sim->hosts[h].plan != NULL ? vr_plan_to_string (sim->hosts[h].plan) : g_strdup ("");
      g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

      for (guint i = 0; lines[i] != NULL; i++)
        if (g_str_has_prefix (lines[i], "route") || g_str_has_prefix (lines[i], "rule") || g_str_has_prefix (lines[i], "tunnel")
            || strstr (lines[i], "peer-") != NULL || strstr (lines[i], "here") != NULL)
          g_test_message ("%s plans: %s", sim->hosts[h].name, lines[i]);
    }
  for (guint h = 0; h < sim->net.n_hosts; h++)
    for (guint i = 0; i < sim->net.n_guests; i++)
      {
        const VrGuest *known = vr_book_guest (sim->hosts[h].book, sim->guests[i].uuid);
        g_autoptr (GPtrArray) waiting = vr_book_waiting (sim->hosts[h].book, sim->guests[i].uuid);

        if (known != NULL && known->custody != NULL)
          g_test_message ("%s believes of %s: %s, epoch %" G_GUINT64_FORMAT ", owner %s", sim->hosts[h].name, sim->guests[i].name,
                          vr_state_to_string (known->custody->state), known->custody->epoch, known->custody->owner);
        for (guint k = 0; k < waiting->len; k++)
          {
            g_autofree char *why = vr_book_why (sim->hosts[h].book, waiting->pdata[k]);

            g_test_message ("%s: %s", sim->hosts[h].name, why);
          }
      }
  g_test_message ("%s: %s", sim->property, sim->failure);
  g_test_message ("to see this again: VR_SIM_SEED=%" G_GUINT64_FORMAT, sim->seed);
}

/* The seeds to look at: by default 1 to RUNS; VR_SIM_SEED=N the one, with VR_SIM_RUNS=M as many from it on. */
static void
seeds_from_env (guint64 *first, guint64 *n)
{
  gboolean chosen = g_getenv ("VR_SIM_SEED") != NULL;

  *first = number_from_env ("VR_SIM_SEED", 1);
  *n = number_from_env ("VR_SIM_RUNS", chosen ? 1 : RUNS);
}

static void
test_histories (void)
{
  guint64 first, n;

  seeds_from_env (&first, &n);
  for (guint64 seed = first; seed < first + n; seed++)
    {
      g_autoptr (Sim) sim = sim_new (seed, NULL);

      sim_run (sim, STEPS);
      if (sim->failure == NULL)
        continue;
      print_failure (sim);
      g_test_fail ();
      return;
    }
}

/* One host writes whatever it likes in its own name: it gets nobody's packets. */
static void
test_liar (void)
{
  guint64 first, n;
  guint   with_liar = 0;

  seeds_from_env (&first, &n);
  for (guint64 seed = first; seed < first + n; seed++)
    {
      g_autoptr (Sim) sim = sim_new (seed, NULL);

      if (!sim_set_liar (sim))
        continue;
      with_liar++;
      sim_run (sim, STEPS);
      if (sim->failure == NULL)
        continue;
      print_failure (sim);
      g_test_fail ();
      return;
    }
  g_assert_true (n < RUNS || with_liar > n / 8);
}

/* ---- planted bugs: what the properties are good for ---- */

static void
drop_routes (VrPlan *plan, gboolean (*is_it) (const VrRoute *route))
{
  for (guint i = plan->routes->len; i > 0; i--)
    if (is_it (plan->routes->pdata[i - 1]))
      g_ptr_array_remove_index (plan->routes, i - 1);
}

static void
drop_rules (VrPlan *plan, guint32 priority)
{
  for (guint i = plan->rules->len; i > 0; i--)
    if (((VrRule *) plan->rules->pdata[i - 1])->priority == priority)
      g_ptr_array_remove_index (plan->rules, i - 1);
}

static gboolean
is_unreachable (const VrRoute *route)
{
  return route->type == VR_ROUTE_UNREACHABLE;
}

static gboolean
is_throw (const VrRoute *route)
{
  return route->type == VR_ROUTE_THROW;
}

static gboolean
is_relay (const VrRoute *route)
{
  return route->table == VR_TABLE_GUESTS && route->dev != NULL && g_str_has_prefix (route->dev, VR_LINK_PREFIX);
}

static gboolean
is_straight_answer (const VrRoute *route)
{
  return route->table != VR_TABLE_GUESTS && route->table != VR_TABLE_NETWORKS && route->type == VR_ROUTE_VIA_DEV
         && g_str_has_prefix (route->dev, VR_LINK_PREFIX) && !g_str_has_suffix (route->destination, "/0");
}

static void
no_unreachable (VrPlan *plan, const char *self)
{
  drop_routes (plan, is_unreachable);
}

static void
no_throw (VrPlan *plan, const char *self)
{
  drop_routes (plan, is_throw);
}

static void
no_relay (VrPlan *plan, const char *self)
{
  drop_routes (plan, is_relay);
}

static void
no_straight_answers (VrPlan *plan, const char *self)
{
  drop_routes (plan, is_straight_answer);
}

static void
not_armed (VrPlan *plan, const char *self)
{
  drop_rules (plan, VR_RULE_ARMED);
}

static void
not_away (VrPlan *plan, const char *self)
{
  drop_rules (plan, VR_RULE_AWAY);
}

static void
armed_for_all (VrPlan *plan, const char *self)
{
  for (guint i = 0; i < plan->rules->len; i++)
    if (((VrRule *) plan->rules->pdata[i])->priority == VR_RULE_ARMED)
      g_clear_pointer (&((VrRule *) plan->rules->pdata[i])->iif, g_free);
}

static void
set_dev (VrRoute *route, const char *dev)
{
  g_free (route->dev);
  route->dev = g_strdup (dev);
}

/* What comes for a guest on its way here is sent back. */
static void
armed_forwards (VrPlan *plan, const char *self)
{
  const char *back = NULL;

  for (guint i = 0; i < plan->rules->len; i++)
    if (((VrRule *) plan->rules->pdata[i])->priority == VR_RULE_ARMED)
      back = ((VrRule *) plan->rules->pdata[i])->iif;
  for (guint i = 0; i < plan->routes->len && back != NULL; i++)
    if (((VrRoute *) plan->routes->pdata[i])->table == VR_TABLE_ARMED && ((VrRoute *) plan->routes->pdata[i])->dev != NULL)
      set_dev (plan->routes->pdata[i], back);
}

/* Relayed to a host that has nothing to do with the guest. */
static void
relay_elsewhere (VrPlan *plan, const char *self)
{
  for (guint i = 0; i < plan->routes->len; i++)
    if (is_relay (plan->routes->pdata[i]) && !g_str_equal (self, "h1"))
      set_dev (plan->routes->pdata[i], VR_LINK_PREFIX "h1");
}

/* Straight, whether any answer came or not, and whether the tunnel is up or not. */
static void
straight_at_once (VrPlan *plan, const char *self)
{
  for (guint i = 0; i < plan->paths->len; i++)
    {
      const VrPath *path = plan->paths->pdata[i];
      VrRoute      *route = g_new0 (VrRoute, 1);

      route->destination = g_strconcat (path->address, strchr (path->address, ':') != NULL ? "/128" : "/32", NULL);
      route->dev = vr_tunnel_dev (path->owner);
      route->table = VR_TABLE_GUESTS;
      route->metric = VR_METRIC;
      g_ptr_array_add (plan->routes, route);
    }
}

static void
never_straight (VrPlan *plan, const char *self)
{
  for (guint i = 0; i < plan->paths->len; i++)
    for (guint k = plan->routes->len; k > 0; k--)
      {
        const VrRoute *route = plan->routes->pdata[k - 1];

        if (is_relay (route) && g_str_has_prefix (route->destination, ((VrPath *) plan->paths->pdata[i])->address))
          g_ptr_array_remove_index (plan->routes, k - 1);
      }
}

static gboolean
leads_elsewhere (const VrPlan *plan, const char *key)
{
  const char *address = strstr (key, " . ");

  for (guint i = 0; address != NULL && i < plan->routes->len; i++)
    if (is_relay (plan->routes->pdata[i]) && g_str_has_prefix (((VrRoute *) plan->routes->pdata[i])->destination, address + strlen (" . ")))
      return TRUE;
  return FALSE;
}

/* Who gave the guest away takes nothing for it any more but from those who may send there by themselves. */
static void
home_not_admitted (VrPlan *plan, const char *self)
{
  for (guint i = plan->elements->len; i > 0; i--)
    {
      const VrElement *element = plan->elements->pdata[i - 1];

      if (g_str_has_prefix (element->set, "peer-homed") && leads_elsewhere (plan, element->key))
        g_ptr_array_remove_index (plan->elements, i - 1);
    }
}

static void
no_proxies (VrPlan *plan, const char *self)
{
  g_ptr_array_set_size (plan->neighbours, 0);
}

static void
no_tunnels (VrPlan *plan, const char *self)
{
  for (guint i = 0; i < plan->tunnels->len; i++)
    ((VrTunnel *) plan->tunnels->pdata[i])->wish = VR_TUNNEL_READY;
}

static void
set_string (char **place, const char *value)
{
  char *copy = g_strdup (value);

  g_free (*place);
  *place = copy;
}

static gboolean
moved_in_the_same_epoch (VrRecord *record)
{
  if (record->state == VR_STATE_MOVED)
    record->epoch--;
  return TRUE;
}

static gboolean
returned_in_the_same_epoch (VrRecord *record)
{
  if (record->state == VR_STATE_RETURNED)
    record->epoch--;
  return TRUE;
}

static gboolean
intent_owns (VrRecord *record)
{
  if (record->state != VR_STATE_INCOMING)
    return TRUE;
  record->state = VR_STATE_RUNNING;
  record->epoch++;
  set_string (&record->owner, record->target);
  return TRUE;
}

static gboolean
moved_to_nobody (VrRecord *record)
{
  if (record->state == VR_STATE_MOVED)
    set_string (&record->target, record->home);
  return TRUE;
}

static gboolean
no_returned (VrRecord *record)
{
  return record->state != VR_STATE_RETURNED;
}

static gboolean
no_withdrawn (VrRecord *record)
{
  return record->state != VR_STATE_WITHDRAWN;
}

static gboolean
no_stopped (VrRecord *record)
{
  return record->state != VR_STATE_STOPPED;
}

static gboolean
no_stopped_arrives (const VrBook *book, VrRecord **record)
{
  return (*record)->state != VR_STATE_STOPPED;
}

/* Who hears that a guest is coming somewhere believes that it is there. */
static gboolean
intent_believed (const VrBook *book, VrRecord **record)
{
  VrRecord *moved;

  if ((*record)->state != VR_STATE_INCOMING)
    return TRUE;
  moved = vr_record_derive (*record, VR_STATE_MOVED, (*record)->origin);
  moved->epoch++;
  moved->seq = (*record)->seq;
  set_string (&moved->owner, (*record)->target);
  vr_record_unref (*record);
  *record = moved;
  return TRUE;
}

/* Whoever wrote it: it is taken for the word of the one that has the say. */
static gboolean
writer_not_checked (const VrBook *book, VrRecord **record)
{
  VrState         state = (*record)->state;
  gboolean        givers = state == VR_STATE_MOVED || state == VR_STATE_RETURNED;
  const VrGuest  *guest = vr_book_guest (book, (*record)->uuid);
  VrRecord       *other;

  if (guest == NULL || guest->custody == NULL || vr_state_is_intent (state) || !givers)
    return TRUE;
  other = vr_record_derive (*record, state, guest->custody->owner);
  other->seq = (*record)->seq;
  set_string (&other->origin, guest->custody->owner);
  vr_record_unref (*record);
  *record = other;
  return TRUE;
}

/* The last that arrives counts, whatever its epoch. */
static gboolean
last_arrival_wins (const VrBook *book, VrRecord **record)
{
  const VrGuest *guest = vr_book_guest (book, (*record)->uuid);
  VrRecord      *newer;

  if (guest == NULL || guest->custody == NULL || vr_state_is_intent ((*record)->state) || (*record)->epoch >= guest->custody->epoch)
    return TRUE;
  newer = vr_record_derive (*record, (*record)->state, (*record)->writer);
  newer->epoch = guest->custody->epoch + 1;
  newer->seq = (*record)->seq;
  vr_record_unref (*record);
  *record = newer;
  return TRUE;
}

static const SimBug bugs[] = {
  { .name = "no-unreachable-routes", .property = "layers", .plan = no_unreachable },
  { .name = "no-set-guest", .property = "layers", .without = "guest" },
  { .name = "no-set-away", .property = "layers", .without = "away" },
  { .name = "no-set-remote-net", .property = "in-clear", .without = "remote-net" },
  { .name = "no-set-here", .property = "reach", .without = "here" },
  { .name = "no-set-net", .property = "reach", .without = "net" },
  { .name = "no-set-peer-net", .property = "reach", .without = "peer-net" },
  { .name = "no-set-peer-owned", .property = "reach", .without = "peer-owned" },
  { .name = "no-set-peer-homed", .property = "reach", .without = "peer-homed" },
  { .name = "no-set-peer-guest", .property = "reach", .without = "peer-guest" },
  { .name = "no-set-sought", .property = "direct", .without = "sought" },
  { .name = "no-set-bridge", .property = "reach", .without = "bridge" },
  { .name = "no-set-gateway", .property = "reach", .without = "gateway" },
  { .name = "no-filter", .property = "in-clear", .layers = SIM_NO_FILTER },
  { .name = "no-filter-loops", .property = "loop", .layers = SIM_NO_FILTER },
  { .name = "back-into-the-tunnel", .property = "loop", .arrival = no_stopped_arrives, .layers = SIM_BACK_AGAIN },
  { .name = "no-throw-routes", .property = "reach", .plan = no_throw },
  { .name = "no-relay", .property = "reach", .plan = no_relay },
  { .name = "relay-elsewhere", .property = "wrong-host", .plan = relay_elsewhere },
  { .name = "not-armed", .property = "inbound-first", .plan = not_armed },
  { .name = "hurried-home", .property = "homecoming", .hurried = TRUE },
  { .name = "home-not-admitted", .property = "late-home", .plan = home_not_admitted },
  { .name = "armed-for-all", .property = "reach", .plan = armed_for_all },
  { .name = "armed-forwards", .property = "inbound-first", .plan = armed_forwards },
  { .name = "not-away", .property = "reach", .plan = not_away },
  { .name = "no-straight-answers", .property = "detour", .plan = no_straight_answers },
  { .name = "straight-at-once", .property = "reach", .plan = straight_at_once },
  { .name = "never-straight", .property = "detour", .plan = never_straight },
  { .name = "no-proxies", .property = "reach", .plan = no_proxies },
  { .name = "no-tunnels-wanted", .property = "reach", .plan = no_tunnels },
  { .name = "moved-in-the-same-epoch", .property = "one-owner", .record = moved_in_the_same_epoch },
  { .name = "returned-in-the-same-epoch", .property = "one-owner", .record = returned_in_the_same_epoch },
  { .name = "intent-owns", .property = "given-by-owner", .record = intent_owns },
  { .name = "intent-believed", .property = "reach", .arrival = intent_believed },
  { .name = "moved-to-nobody", .property = "refused", .record = moved_to_nobody },
  { .name = "no-returned", .property = "own-word", .record = no_returned },
  { .name = "no-withdrawn", .property = "leftovers", .record = no_withdrawn },
  { .name = "no-stopped", .property = "leftovers", .record = no_stopped },
  { .name = "liar-not-checked", .property = "attracted", .liar = TRUE, .believed = TRUE },
  { .name = "liar-starts-what-stopped", .property = "attracted", .liar = TRUE, .anywhere = TRUE },
  { .name = "liar-gives-what-is-not-its-own", .property = "attracted", .liar = TRUE, .arrival = writer_not_checked },
  { .name = "liar-announces-without-proof", .property = "misled", .liar = TRUE, .unproven = TRUE },
  { .name = "explained-without-the-filter", .property = "explained", .unexplained = "peer-net" },
  { .name = "last-arrival-wins", .property = "agree", .arrival = last_arrival_wins },
};

static void
test_planted (gconstpointer data)
{
  const SimBug *bug = data;
  g_autoptr (GHashTable) others = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autofree const char **names = NULL;
  g_autofree char *found = NULL;

  for (guint64 seed = 1; seed <= PLANTED_RUNS; seed++)
    {
      g_autoptr (Sim) sim = sim_new (seed, bug);

      if (bug->liar && !sim_set_liar (sim))
        continue;
      sim_run (sim, STEPS);
      if (sim->failure == NULL)
        continue;
      if (!g_str_equal (sim->property, bug->property))
        {
          g_hash_table_add (others, g_strdup (sim->property));
          continue;
        }
      g_test_message ("history %" G_GUINT64_FORMAT ": %s: %s", seed, sim->property, sim->failure);
      return;
    }
  names = (const char **) g_hash_table_get_keys_as_array (others, NULL);
  found = g_strjoinv (" ", (char **) names);
  g_test_message ("in %u histories, the property \"%s\" did not find it; others: %s", PLANTED_RUNS, bug->property, found);
  g_test_fail ();
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/property/histories", test_histories);
  g_test_add_func ("/property/liar", test_liar);
  for (guint i = 0; i < G_N_ELEMENTS (bugs); i++)
    {
      g_autofree char *path = g_strconcat ("/property/planted/", bugs[i].name, NULL);

      g_test_add_data_func (path, &bugs[i], test_planted);
    }
  return g_test_run ();
}
