/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What vr_explain() tells at a host of the way to each guest, and of the answers, against where the packets go. Of other hosts it concludes, from
 * the log, that the tunnels that both ends want are up; so a way is compared where that is true.
 */
#include "sim.h"

#include "daemon/model/explain.h"

/* Every tunnel on the way is up, at both ends. */
static gboolean
is_open (const Sim *sim, const VrWay *way)
{
  for (guint i = 0; i < way->hops->len; i++)
    {
      const VrHop *hop = way->hops->pdata[i];
      int          here = sim_host_number (hop->host), there = hop->next != NULL ? sim_host_number (hop->next) : -1;

      if (there >= 0 && (!sim->net.up[here][there] || !sim->net.up[there][here]))
        return FALSE;
    }
  return TRUE;
}

static char *
way_to_string (const VrWay *way)
{
  GString *text = g_string_new (vr_outcome_to_string (way->outcome));

  for (guint i = 0; i < way->hops->len; i++)
    g_string_append_printf (text, " %s", ((VrHop *) way->hops->pdata[i])->host);
  return g_string_free (text, FALSE);
}

static gboolean
is_same (const VrWay *way, const SimFate *fate)
{
  if (way->hops->len != fate->n_path)
    return FALSE;
  for (guint i = 0; i < fate->n_path; i++)
    if (atoi (((VrHop *) way->hops->pdata[i])->host + 1) - 1 != fate->path[i])
      return FALSE;
  return TRUE;
}

static void
check_way (Sim *sim, guint host, const VrWay *way, const SimFate *fate)
{
  g_autofree char *told = way_to_string (way), *seen = sim_fate_to_string (fate);

  if (!is_open (sim, way))
    return;
  if ((way->outcome == VR_ARRIVES) != (fate->end == SIM_DELIVERED) || (way->outcome == VR_ARRIVES && !is_same (way, fate)))
    sim_fail (sim, "explained", "%s explains the way from %s to %s: %s; but it is %s", sim->hosts[host].name, way->source, way->destination, told, seen);
}

typedef struct {
  guint guest;
} Question;

static void
ask (Sim *sim, guint host, const VrFacts *facts, gpointer data)
{
  const Question   *question = data;
  const SimStation *station = &sim->net.guests[question->guest];
  const SimBug      blind = { .without = sim->bug != NULL ? sim->bug->unexplained : NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (VrPlan) made = vr_plan_make (facts);
  const VrPlan     *plan = blind.without != NULL ? made : sim->hosts[host].plan; /* counters may have grown since it was applied */
  g_autoptr (VrExplanation) explanation = NULL;
  SimFate           fate;

  sim_plant (&blind, made, facts->self);
  explanation = vr_explain (facts, plan, station->address.text, NULL, &error);
  if (explanation == NULL)
    {
      sim_fail (sim, "explained", "%s cannot explain the way to %s: %s", facts->self, station->address.text, error->message);
      return;
    }
  fate = sim_send_from_neighbour (&sim->net, host, &station->address, SIM_ALL);
  check_way (sim, host, explanation->ways->pdata[0], &fate);
  fate = sim_send_from_guest (&sim->net, question->guest, &sim->net.neighbours[host][station->address.v6], SIM_ALL);
  if (fate.end != SIM_NOBODY) /* its ARP is not answered yet */
    check_way (sim, host, explanation->ways->pdata[1], &fate);
}

void
sim_check_explained (Sim *sim)
{
  sim_plan (sim);
  for (guint h = 0; h < sim->net.n_hosts; h++)
    for (guint i = 0; i < sim->net.n_guests && sim->failure == NULL; i++)
      {
        Question question = { i };

        if (sim->net.guests[i].runs >= 0 && sim_custody (sim, h, i) != NULL)
          sim_with_facts (sim, h, ask, &question);
      }
}
