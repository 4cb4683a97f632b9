/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The hosts and guests of a simulated cluster, how they come to be, and how their plans are made. */
#include "sim.h"

#include "daemon/names.h"

#include <string.h>

/* ---- small things ---- */

int
sim_host_number (const char *name)
{
  return name != NULL ? atoi (name + 1) - 1 : -1;
}

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

void
sim_tell_of_host (const Sim *sim, VrBook *book, guint i)
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
  sim->net.refresh = sim_refresh;
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
      sim_tell_of_host (sim, sim->hosts[i].book, k);
  for (guint i = 0; i < sim->net.n_guests; i++)
    make_guest (sim, i);
  return sim;
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
        sim_local_clear (&host->locals[k]);
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

/* In three of four histories the origin relays until all have heard that the guest came home; in the fourth it was in a hurry. */
gboolean
sim_lingers (const Sim *sim, guint host, guint guest)
{
  const VrRecord *custody = sim_custody (sim, host, guest);

  if (sim->seed % 4 == 0 || custody == NULL || !vr_linger_concerns (custody))
    return FALSE;
  for (guint i = 0; i < sim->net.n_hosts; i++)
    if (sim_is_behind (sim, i, guest))
      return TRUE;
  return FALSE;
}

static guint
lingering (const Sim *sim, guint host)
{
  guint set = 0;

  for (guint k = 0; k < sim->net.n_guests; k++)
    set |= (guint) sim_lingers (sim, host, k) << k;
  return set;
}

void
sim_with_facts (Sim *sim, guint i, SimUseFacts use, gpointer data)
{
  SimHost *host = &sim->hosts[i];
  g_autoptr (GHashTable) here = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) vr_here_free);
  g_autoptr (GHashTable) tunnels = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GHashTable) macs = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GHashTable) waited = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GHashTable) late = g_hash_table_new (g_str_hash, g_str_equal);
  g_autofree char       *mac = g_strdup_printf ("02:00:00:00:0%u:01", i + 1);
  VrFacts facts = { .self = host->name, .bridge = "br0", .book = host->book, .here = here, .tunnels = tunnels, .macs = macs,
                    .asked = sim->net.asked[i], .direct = sim->direct, .threshold = SIM_THRESHOLD, .answers = sim->net.answers[i],
                    .sought = sim->net.sought[i], .waited = waited, .lingering = late,
                    .ordered = sim->ordered, .held = host->held, .changed = host->changed };

  g_hash_table_replace (macs, (gpointer) "br0", mac);
  for (guint k = 0; k < sim->net.n_hosts; k++)
    if (sim->net.up[i][k])
      g_hash_table_add (tunnels, sim->hosts[k].name);
  for (guint k = 0; k < sim->net.n_guests; k++)
    {
      const VrRecord *custody = sim_custody (sim, i, k);

      if ((host->lingering & 1U << k) && !(sim->bug != NULL && sim->bug->hurried))
        g_hash_table_add (late, sim->guests[k].uuid);
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

void
sim_refresh (gpointer data, guint i)
{
  Sim     *sim = data;
  SimHost *host = &sim->hosts[i];
  guint    late = host->down ? host->lingering : lingering (sim, i);

  host->dirty = host->dirty || late != host->lingering;
  host->lingering = late;
  if (host->dirty && !(host->down && host->plan != NULL))
    sim_with_facts (sim, i, plan_host, NULL);
}

void
sim_plan (Sim *sim)
{
  for (guint i = 0; i < sim->net.n_hosts; i++)
    sim_refresh (sim, i);
}
