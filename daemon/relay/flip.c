/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The switchover: at SUSPENDED/MIGRATED the guest's addresses lead into the target's tunnel.
 *
 * As soon as it is known where a guest is going, the plan is asked what it will be once the guest has moved; the routes by which that
 * plan differs are built into one netlink buffer, and so are those that lead here. All the rest that the move needs (filter entries, the tunnel, the
 * target's side) is in the plan already while the guest is leaving. At the event the buffer is sent, between the two passes of
 * switchover/switchover.c, which sees to it that what had reached the taps is not lost; and only then is the record written, the log told and the plan
 * made anew. If there is no buffer, or it went stale, that reconcile does the switchover, a little later.
 *
 * Arming takes memory, copies packets and opens QEMU's queues: it is done anew only if the guest, its taps, the tunnel or where it goes are others
 * than before, and taken back as soon as nobody says any more that the guest leaves.
 */
#include "relay-private.h"

#include "daemon/names.h"

VrFacts *
vr_relay_facts_new (VrRelay *self)
{
  VrFacts       *facts = g_new0 (VrFacts, 1);
  GHashTableIter iter;
  VrLocal       *local;

  facts->self = self->config->host->name;
  facts->bridge = self->config->bridge;
  facts->book = self->book;
  facts->here = g_hash_table_new (g_str_hash, g_str_equal);
  facts->tunnels = vr_tunnels_up (self->tunnels);
  facts->macs = vr_kernel_macs (self->kernel);
  facts->asked = g_hash_table_ref (self->asked);
  vr_relay_path_fill (self, facts);
  vr_relay_linger_fill (self, facts);
  facts->queue_max = (guint) (self->config->queue_memory_mib * G_GUINT64_CONSTANT (1048576) / VR_QUEUE_PACKET_BYTES);
  g_hash_table_iter_init (&iter, self->locals);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &local))
    if (local->here != NULL && local->presence != VR_PRESENCE_ABSENT && local->presence != VR_PRESENCE_HANDED_OVER)
      g_hash_table_insert (facts->here, local->uuid, local->here);
  return facts;
}

void
vr_relay_facts_free (VrFacts *facts)
{
  g_hash_table_unref (facts->here);
  g_hash_table_unref (facts->tunnels);
  g_hash_table_unref (facts->macs);
  g_hash_table_unref (facts->asked);
  g_hash_table_unref (facts->answers);
  g_hash_table_unref (facts->sought);
  g_hash_table_unref (facts->waited);
  g_hash_table_unref (facts->held);
  g_hash_table_unref (facts->changed);
  g_hash_table_unref (facts->lingering);
  g_free (facts);
}

/* The routes of one guest in a plan's guests table that lead somewhere: of VrRoute, owned by the plan. */
static GPtrArray *
guest_routes (const VrPlan *plan, const VrRecord *record)
{
  GPtrArray *routes = g_ptr_array_new ();

  for (guint i = 0; i < plan->routes->len; i++)
    {
      const VrRoute   *route = plan->routes->pdata[i];
      g_autofree char *address = g_strndup (route->destination, strcspn (route->destination, "/"));

      if (route->table != VR_TABLE_GUESTS || route->type != VR_ROUTE_VIA_DEV)
        continue;
      if (vr_record_has_address (record, address))
        g_ptr_array_add (routes, (gpointer) route);
    }
  return routes;
}

/* The neighbours of a plan by which a guest's addresses are reached here: of VrNeighbour, owned by the plan. */
static GPtrArray *
guest_neighbours (const VrPlan *plan, const VrRecord *record)
{
  GPtrArray *neighbours = g_ptr_array_new ();

  for (guint i = 0; i < plan->neighbours->len; i++)
    {
      const VrNeighbour *neighbour = plan->neighbours->pdata[i];

      if (neighbour->mac != NULL && vr_record_has_address (record, neighbour->address))
        g_ptr_array_add (neighbours, (gpointer) neighbour);
    }
  return neighbours;
}

static const char *
name_of (const VrLocal *local)
{
  return local->sighting != NULL ? local->sighting->name : local->uuid;
}

/* ---- armed ---- */

/* How `status` says that packets may be lost or arrive twice; NULL: neither. */
static void
say_way (VrRelay *self, VrLocal *local)
{
  g_autofree char   *about = g_strdup_printf ("switchover of %s", name_of (local)), *what = NULL;
  VrSwitchoverCounts counts = { 0 };

  if (local->switchover != NULL && self->config->lossless)
    vr_switchover_get_counts (local->switchover, &counts);
  for (guint i = 0; what == NULL && i < counts.n_nics; i++)
    if (counts.nics[i].way != VR_WAY_QUEUES)
      what = g_strdup_printf ("%s: by %s: %s", counts.nics[i].tap, vr_switchover_way_to_string (counts.nics[i].way), counts.nics[i].reason);
  vr_relay_trouble (self, about, what);
}

static void
disarm (VrRelay *self, VrLocal *local)
{
  g_clear_pointer (&local->flip, vr_switch_free);
  g_clear_pointer (&local->back, vr_switch_free);
  if (local->switchover == NULL || vr_switchover_is_returning (local->switchover)) /* on_told() sees to it later */
    return;
  g_clear_pointer (&local->switchover, vr_switchover_free);
  say_way (self, local);
}

static const VrNic *
nic_of (const VrRecord *record, const char *mac)
{
  for (guint i = 0; i < record->nics->len; i++)
    if (g_str_equal (((VrNic *) record->nics->pdata[i])->mac, mac))
      return record->nics->pdata[i];
  return NULL;
}

static VrSwitchoverSetup *
setup_of (VrRelay *self, const VrLocal *local, const VrRecord *moved, const char *tunnel)
{
  g_autofree char       *pid_file = g_strdup_printf (VR_QEMU_RUN_DIR "/%s.pid", moved->name);
  g_autoptr (GHashTable) macs = vr_kernel_macs (self->kernel);
  VrSwitchoverSetup     *setup = vr_switchover_setup_new (strchr (moved->name, '/') == NULL ? pid_file : NULL, tunnel);

  setup->copies_memory = (gsize) self->config->copies_memory_mib << 20;
  setup->kept_memory = (gsize) self->config->kept_memory_mib << 20;
  if (!self->config->lossless)
    setup->off = g_strdup ("switched off: [migration] lossless");
  for (guint i = 0; local->here != NULL && i < local->here->nics->len; i++)
    {
      const VrHereNic *here = local->here->nics->pdata[i];
      const VrNic     *nic = nic_of (moved, here->mac);

      if (here->tap != NULL && nic != NULL && nic->addresses[0] != NULL)
        vr_switchover_setup_add_nic (setup, here->tap, here->mac,
                                     g_hash_table_lookup (macs, here->bridge != NULL ? here->bridge : here->tap),
                                     (const char *const *) nic->addresses);
    }
  return setup;
}

/* What happened after the event, in one line a NIC, for people. */
static void
on_told (const VrSwitchoverCounts *counts, gpointer data)
{
  const VrLocal *local = data;

  for (guint i = 0; i < counts->n_nics; i++)
    {
      const VrSwitchoverNic *nic = &counts->nics[i];

      g_message ("guest %s: %s: by %s%s%s, %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " packets sent after it (%" G_GUINT64_FORMAT
                 " swallowed or twice), %" G_GUINT64_FORMAT " not sent%s%s, %" G_GUINT64_FORMAT " back",
                 name_of (local), nic->tap, vr_switchover_way_to_string (nic->way), nic->reason[0] != '\0' ? " only: " : "", nic->reason,
                 nic->resent, nic->to_guest, nic->swallowed, nic->not_sent, nic->not_sent_errno != 0 ? ": " : "",
                 nic->not_sent_errno != 0 ? g_strerror (nic->not_sent_errno) : "", nic->pushed_back);
    }
  if (counts->told > 0)
    g_message ("guest %s: %u senders told that their packets are too large for the tunnel to where it goes", name_of (local), counts->told);
  if (counts->returned_ns != 0 && !g_cancellable_is_cancelled (local->relay->cancellable))
    vr_relay_reconcile_soon (local->relay);
}

static void
arm (VrRelay *self, VrLocal *local, const VrRecord *moved, const char *tunnel)
{
  g_autoptr (VrSwitchoverSetup) setup = setup_of (self, local, moved, tunnel);

  if (local->switchover != NULL && vr_switchover_fits (local->switchover, setup))
    return;
  vr_switchover_free (local->switchover);
  local->switchover = vr_switchover_arm (g_steal_pointer (&setup));
  vr_switchover_tell (local->switchover, on_told, local);
  say_way (self, local);
}

/* The plan for when it has moved; NULL: nobody says that it will. */
static VrPlan *
plan_after (VrRelay *self, VrLocal *local, VrRecord *moved)
{
  g_autoptr (VrBook) book = vr_book_copy (self->book);
  g_autoptr (VrFacts) facts = NULL;

  vr_book_add_record (book, moved, NULL);
  facts = vr_relay_facts_new (self);
  facts->book = book;
  g_hash_table_remove (facts->here, local->uuid);
  return vr_plan_make (facts);
}

void
vr_relay_prepare_flip (VrRelay *self, VrLocal *local)
{
  gboolean here = local->presence == VR_PRESENCE_RUNNING || local->presence == VR_PRESENCE_LEAVING;
  g_autoptr (VrRecord) moved = NULL;
  g_autoptr (VrPlan) plan = NULL;
  g_autoptr (GPtrArray) routes = NULL, back = NULL, back_neighbours = NULL;
  g_autoptr (GError) error = NULL;

  if (local->presence == VR_PRESENCE_HANDED_OVER)
    {
      if (local->flip != NULL) /* the event was missed, and libvirt was asked */
        vr_relay_flip (self, local, g_get_real_time ());
      return; /* what is relayed may have to come back */
    }
  if (here) /* nobody told that it runs here again */
    vr_relay_flip_back (self, local);
  moved = here ? vr_custody_next (self->config->host->name, self->book, local->uuid, VR_PRESENCE_HANDED_OVER, local->sighting, FALSE)
               : NULL;
  if (moved == NULL) /* nobody says that it leaves */
    {
      disarm (self, local);
      return;
    }
  plan = plan_after (self, local, moved);
  routes = guest_routes (plan, moved);
  back = guest_routes (self->plan, moved);
  back_neighbours = guest_neighbours (self->plan, moved); /* gone by then: without them the kernel would ask the guest, and let packets wait meanwhile */
  g_clear_pointer (&local->flip, vr_switch_free);
  g_clear_pointer (&local->back, vr_switch_free);
  if (routes->len > 0)
    local->flip = vr_switch_prepare (self->kernel, NULL, routes, &error);
  if (local->flip == NULL)
    {
      if (error != NULL)
        g_info ("guest %s: the switchover to %s cannot be prepared yet: %s", moved->name, moved->target, error->message);
      disarm (self, local);
      return;
    }
  local->back = vr_switch_prepare (self->kernel, back_neighbours, back, NULL); /* NULL: reconcile does it */
  arm (self, local, moved, ((VrRoute *) routes->pdata[0])->dev);
}

/* ---- at the event ---- */

typedef struct {
  VrSwitch *routes;
  gint64    took_ns;
  GError   *error;
} Flip;

static gboolean
commit (gpointer data)
{
  Flip *flip = data;

  return flip->routes != NULL && vr_switch_commit (flip->routes, &flip->took_ns, &flip->error);
}

void
vr_relay_flip (VrRelay *self, VrLocal *local, gint64 event_us)
{
  Flip               flip = { .routes = local->flip };
  VrSwitchoverCounts counts;
  gboolean           done;

  if (local->flip == NULL)
    {
      g_message ("guest %s: handed over without a prepared switchover", name_of (local));
      return;
    }
  done = vr_switchover_run (local->switchover, local->stop_us, event_us, commit, &flip);
  g_clear_pointer (&local->flip, vr_switch_free);
  vr_switchover_get_counts (local->switchover, &counts);
  if (!done)
    {
      g_warning ("guest %s: the prepared switchover failed, the next reconcile does it: %s", name_of (local),
                 flip.error != NULL ? flip.error->message : "");
      g_clear_error (&flip.error);
      return;
    }
  vr_relay_ledger_note (self, local->uuid, VR_PHASE_STOP, local->stop_us);
  vr_relay_ledger_note (self, local->uuid, VR_PHASE_EVENT, event_us);
  vr_relay_ledger_note (self, local->uuid, VR_PHASE_FLIP, counts.flip_end_ns / 1000);
  vr_relay_ledger_switchover (self, local->uuid, &counts);
  /* read by people and by the lab: what happened when */
  g_message ("guest %s: flipped at %" G_GINT64_FORMAT ", event %" G_GINT64_FORMAT ", stop %" G_GINT64_FORMAT " us, took %" G_GINT64_FORMAT
             " ns, with all that goes after it %" G_GINT64_FORMAT " ns, %" G_GUINT64_FORMAT " bytes held", name_of (local),
             counts.flip_end_ns / 1000, event_us, local->stop_us, flip.took_ns, counts.end_ns - counts.begin_ns, counts.memory);
}

void
vr_relay_flip_back (VrRelay *self, VrLocal *local)
{
  Flip flip = { .routes = local->back };

  if (local->switchover == NULL || !vr_switchover_may_return (local->switchover))
    return;
  if (!vr_switchover_return (local->switchover, commit, &flip))
    g_info ("guest %s: the next reconcile flips back%s%s", name_of (local), flip.error != NULL ? ": " : "",
            flip.error != NULL ? flip.error->message : "");
  g_clear_error (&flip.error);
  g_clear_pointer (&local->back, vr_switch_free);
  vr_relay_ledger_note (self, local->uuid, VR_PHASE_RETURNED, g_get_real_time ()); /* now: the next plan takes away what counts the relayed */
}
