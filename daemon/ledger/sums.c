/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation: what adds up, and what follows if it does not.
 *
 * Within one host counters are read in the order in which a packet passes them, came first, the tap last, and the base that is taken off them the other
 * way round. So as packets go on coming a
 * later one may be ahead, and whatever it lacks is not on its way but gone:
 *
 *   came = handed + relayed + expired + refused     expired: its hop limit ended here, as a marker's does (daemon/path/marker.c), which is no packet
 *                                                   to the guest; refused: by the filter, for a reason that it counts, or by something else, which is the
 *                                                   kernel itself for what is too large for the tunnel: large - large-relayed; it tells their senders
 *   handed <= frames - flooded                      lost by the bridge (frames also hold what was not routed here). At the origin what came out of the tap was
 *                                                   in it, too: its counters are gone before a neighbour on the bridge, whose packets are counted where
 *                                                   bridged ones pass the filter (br_netfilter), sends elsewhere
 *   frames = delivered + tap-dropped + waiting      at the target, or at the origin after an abort: in the tap when all was counted, because the guest
 *                                                   had not read it yet. That is not lost, nor is it known to be got: it is told apart
 *
 * At the origin, whatever waited in the tap when it went is `left`, and lost unless it was sent after the guest: left - resent - unsent, and
 * of the unsent what was not too large for the tunnel: senders of such are told, and send smaller ones. What QEMU took for a guest that it had
 * stopped already no counter shows; the switchover finds it among its copies and re-sends it (it may then be got twice: `duplicates`). Where only the route was changed nobody knows, and the verdict says so.
 *
 * Of a migration that failed after QEMU's stop the target's part says nothing: all that was sent there was kept, and came back.
 *
 * Between the two hosts: relayed + resent + own = arrived + lost on the way. The target reads its counters when they stand still, the origin as soon as
 * it sees the target's part, and then this holds exactly; or, where packets go on coming, after a while, and then two readings differ by what came between
 * them: rate times the time between, and half a second of it for the way. More that arrived than was sent is a fault: some counter lies. Where one of them did not count from the
 * beginning to the end (its daemon was started anew), its own sums hold, and nothing is said of what was between the two. Nor is it where large packets were
 * relayed and the numbers differ: the kernels cut such for the tunnel (GSO, fragments) and join them behind it (GRO), and a packet here is not a packet there.
 */
#include "sums.h"

#include <string.h>

#define WAY_US (G_USEC_PER_SEC / 2)

static void
loss_free (gpointer data)
{
  VrLoss *loss = data;

  g_free (loss->host);
  g_free (loss->mac);
  g_free (loss->where);
  g_free (loss);
}

static void
place (GPtrArray *list, guint64 *sum, const VrLedger *part, const VrLedgerNic *nic, guint64 packets, char *where /* taken */)
{
  VrLoss *loss;

  if (packets == 0)
    {
      g_free (where);
      return;
    }
  loss = g_new0 (VrLoss, 1);
  loss->host = g_strdup (part->writer);
  loss->mac = g_strdup (nic->mac);
  loss->where = where;
  loss->packets = packets;
  g_ptr_array_add (list, loss);
  *sum += packets;
}

static void G_GNUC_PRINTF (5, 6)
lose (VrMigration *m, const VrLedger *part, const VrLedgerNic *nic, guint64 packets, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  place (m->losses, &m->lost, part, nic, packets, g_strdup_vprintf (format, args));
  va_end (args);
}

static guint64
less (guint64 from, guint64 what)
{
  return from > what ? from - what : 0;
}

static guint64
count_of (const VrLedgerNic *nic, VrCount count)
{
  return nic->counts[count]; /* 0 where it was not counted */
}

/* ---- one host ---- */

/* What came, and was neither sent on nor for nobody beyond this host. */
static void
add_refused (VrMigration *m, const VrLedger *part, const VrLedgerNic *nic)
{
  static const struct {
    VrCount     count;
    const char *why;
  } reasons[] = { { VR_COUNT_FOREIGN_SOURCE, "from a source that is not behind the tunnel that they came by" },
                  { VR_COUNT_FOREIGN_DESTINATION, "for a guest that is neither there nor relayed from there" },
                  { VR_COUNT_CIRCLING, "sent away before, and back again" } };
  guint64 large = less (count_of (nic, VR_COUNT_LARGE), count_of (nic, VR_COUNT_LARGE_RELAYED));
  guint64 left = less (count_of (nic, VR_COUNT_CAME), count_of (nic, VR_COUNT_HANDED) + count_of (nic, VR_COUNT_RELAYED) + count_of (nic, VR_COUNT_EXPIRED));

  for (guint i = 0; i < G_N_ELEMENTS (reasons); i++)
    {
      guint64 packets = MIN (left, count_of (nic, reasons[i].count));

      place (m->refusals, &m->refused, part, nic, packets, g_strdup_printf ("at %s (%s)", part->writer, reasons[i].why));
      left -= packets;
    }
  large = MIN (left, large);
  place (m->refusals, &m->refused, part, nic, large, g_strdup_printf ("at %s (too large for the tunnel)", part->writer));
  place (m->refusals, &m->refused, part, nic, left - large,
         g_strdup_printf ("at %s (%s)", part->writer,
                          vr_ledger_knows (nic, VR_COUNT_LARGE)     ? "no way to the guest, or another firewall"
                          : vr_ledger_knows (nic, VR_COUNT_EXPIRED) ? "no way to the guest, too large for the tunnel, or another firewall"
                                                                    : "its virt-relay is older, and does not say why"));
}

static void
add_host (VrMigration *m, const VrLedger *part, const VrLedgerNic *nic)
{
  guint64 frames = count_of (nic, VR_COUNT_FRAMES);

  add_refused (m, part, nic);
  if (g_str_equal (part->writer, m->origin))
    frames = MAX (frames, count_of (nic, VR_COUNT_DELIVERED) + count_of (nic, VR_COUNT_TAP_DROPPED));
  if (vr_ledger_knows (nic, VR_COUNT_FRAMES) && vr_ledger_knows (nic, VR_COUNT_HANDED))
    lose (m, part, nic, less (count_of (nic, VR_COUNT_HANDED), less (frames, count_of (nic, VR_COUNT_FLOODED))),
          "between %s's bridge and the tap", part->writer);
  lose (m, part, nic, count_of (nic, VR_COUNT_TAP_DROPPED), "dropped by %s's tap: its queue was full", part->writer);
}

/* In the tap of the host that the guest runs on. */
static void
add_waiting (VrMigration *m, const VrLedger *part, const VrLedgerNic *nic, guint64 packets)
{
  place (m->waits, &m->waiting, part, nic, packets, g_strdup_printf ("in %s's tap", part->writer));
}

static void
add_origin (VrMigration *m, const VrLedger *part, const VrLedgerNic *nic)
{
  guint64 unsent = count_of (nic, VR_COUNT_UNSENT), large = count_of (nic, VR_COUNT_TOO_LARGE);
  guint64 left = less (count_of (nic, VR_COUNT_LEFT), count_of (nic, VR_COUNT_RESENT) + count_of (nic, VR_COUNT_PUSHED_BACK) + unsent);

  if (m->returned)
    add_waiting (m, part, nic, left);
  else if (part->partial == NULL)
    lose (m, part, nic, left, "in %s's tap after QEMU stopped", part->writer);
  lose (m, part, nic, less (unsent, large), "could not be sent after the guest by %s", part->writer);
  place (m->refusals, &m->refused, part, nic, large,
         g_strdup_printf ("at %s (too large for the tunnel, and in the tap when QEMU stopped)", part->writer));
  m->duplicates += count_of (nic, VR_COUNT_DUPLICATES);
}

static void
add_target (VrMigration *m, const VrLedger *part, const VrLedgerNic *nic)
{
  guint64 out = count_of (nic, VR_COUNT_DELIVERED) + count_of (nic, VR_COUNT_TAP_DROPPED);

  if (vr_ledger_knows (nic, VR_COUNT_FRAMES))
    add_waiting (m, part, nic, less (count_of (nic, VR_COUNT_FRAMES), out));
}

/* ---- between the two ---- */

/* How many packets two readings may differ by where relaying goes on. */
static guint64
on_the_way (const VrLedger *origin, const VrLedgerNic *out, const VrLedger *target, const VrLedgerNic *in)
{
  guint64 rate = MAX (count_of (out, VR_COUNT_RATE), count_of (in, VR_COUNT_RATE));
  gint64  apart = ABS (origin->phases[VR_PHASE_COUNTED] - target->phases[VR_PHASE_COUNTED]);

  return rate == 0 ? 0 : rate * (guint64) (apart + WAY_US) / G_USEC_PER_SEC + 2;
}

static void
add_between (VrMigration *m, const VrLedger *origin, const VrLedger *target, const VrLedgerNic *out)
{
  const VrLedgerNic *in = NULL;
  guint64 sent, arrived, slack;

  for (guint i = 0; i < target->nics->len; i++)
    if (g_str_equal (((VrLedgerNic *) target->nics->pdata[i])->mac, out->mac))
      in = target->nics->pdata[i];
  if (origin->partial != NULL || target->partial != NULL)
    return; /* what one of them sent or got uncounted is neither lost nor too much */
  if (in == NULL || !vr_ledger_knows (out, VR_COUNT_RELAYED) || !vr_ledger_knows (in, VR_COUNT_ARRIVED))
    return;
  sent = count_of (out, VR_COUNT_RELAYED) + count_of (out, VR_COUNT_RESENT) + count_of (out, VR_COUNT_OWN);
  arrived = count_of (in, VR_COUNT_ARRIVED);
  slack = on_the_way (origin, out, target, in);
  if (sent <= arrived + slack && arrived <= sent + slack)
    return;
  if (count_of (out, VR_COUNT_LARGE_RELAYED) > 0)
    {
      m->changed_sent += sent;
      m->changed_arrived += arrived;
      return;
    }
  if (sent > arrived)
    lose (m, origin, out, sent - arrived, "on the way from %s to %s", m->origin, m->target);
  else
    g_ptr_array_add (m->faults, g_strdup_printf ("guest %s, NIC %s: %" G_GUINT64_FORMAT " packets arrived at %s from %s, which sent %"
                                                 G_GUINT64_FORMAT ": %" G_GUINT64_FORMAT " too many",
                                                 m->name, out->mac, arrived, m->target, m->origin, sent, arrived - sent));
}

/* ---- all of it ---- */

static int
rank (const VrMigration *m, const VrLedger *part)
{
  return g_str_equal (part->writer, m->origin) ? 0 : g_str_equal (part->writer, m->target) ? 1 : 2;
}

static int
compare_parts (gconstpointer a, gconstpointer b, gpointer data)
{
  const VrLedger *x = *(const VrLedger *const *) a, *y = *(const VrLedger *const *) b;
  int             ranks = rank (data, x) - rank (data, y);

  return ranks != 0 ? ranks : strcmp (x->writer, y->writer);
}

static void
append_places (GString *text, const GPtrArray *losses)
{
  for (guint i = 0; i < losses->len; i++)
    {
      const VrLoss *loss = losses->pdata[i];

      g_string_append_printf (text, "%s%" G_GUINT64_FORMAT " %s", i > 0 ? ", " : "", loss->packets, loss->where);
    }
}

static char *
write_verdict (const VrMigration *m, const VrLedger *origin)
{
  g_autoptr (GString) text = g_string_new (NULL);

  if (!m->complete)
    g_string_append_printf (text, "not known: %s has not written its part", origin == NULL ? m->origin : m->target);
  else if (m->lost == 0)
    g_string_append (text, "nothing lost");
  else
    g_string_append_printf (text, "%" G_GUINT64_FORMAT " lost: ", m->lost);
  if (m->complete)
    append_places (text, m->losses);
  if (m->complete && m->waiting > 0)
    {
      g_string_append (text, "; not read by the guest yet: ");
      append_places (text, m->waits);
    }
  if (m->changed_sent != m->changed_arrived)
    g_string_append_printf (text, "; between %s and %s nothing is known: large packets are cut and joined there, and of %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT
                            " became", m->origin, m->target, m->changed_sent, m->changed_arrived);
  for (guint i = 0; i < m->parts->len; i++)
    {
      const VrLedger *part = m->parts->pdata[i];

      if (part->partial != NULL)
        g_string_append_printf (text, "%s; %s did not count all: %s", i == 0 && m->complete && m->lost == 0 ? " of what was counted" : "",
                                part->writer, part->partial);
    }
  if (m->complete && origin->partial == NULL && g_strcmp0 (origin->way, "route only") == 0 && !m->returned)
    g_string_append (text, "; besides, QEMU may have dropped up to two a queue, which nobody can count");
  if (m->duplicates > 0)
    g_string_append_printf (text, "; at most %" G_GUINT64_FORMAT " duplicated", m->duplicates);
  if (m->refused > 0)
    {
      g_string_append_printf (text, "; %" G_GUINT64_FORMAT " refused: ", m->refused);
      append_places (text, m->refusals);
    }
  if (m->faults->len > 0)
    g_string_append_printf (text, "; the sums do not add up: %s", (char *) m->faults->pdata[0]);
  return g_string_free (g_steal_pointer (&text), FALSE);
}

VrMigration *
vr_migration_new (GPtrArray *parts)
{
  const VrLedger *first = parts->pdata[0], *origin, *target;
  VrMigration    *m = g_new0 (VrMigration, 1);

  m->uuid = g_strdup (first->uuid);
  m->name = g_strdup (first->name);
  m->origin = g_strdup (first->origin);
  m->target = g_strdup (first->target);
  m->epoch = first->epoch;
  m->parts = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_ledger_unref);
  m->losses = g_ptr_array_new_with_free_func (loss_free);
  m->refusals = g_ptr_array_new_with_free_func (loss_free);
  m->waits = g_ptr_array_new_with_free_func (loss_free);
  m->faults = g_ptr_array_new_with_free_func (g_free);
  for (guint i = 0; i < parts->len; i++)
    g_ptr_array_add (m->parts, vr_ledger_ref (parts->pdata[i]));
  g_ptr_array_sort_with_data (m->parts, compare_parts, m);
  origin = vr_migration_part (m, m->origin);
  target = vr_migration_part (m, m->target);
  m->returned = vr_migration_phase (m, VR_PHASE_RETURNED) != 0;
  m->complete = origin != NULL && (target != NULL || m->returned);
  for (guint i = 0; origin != NULL && i < origin->nics->len; i++)
    {
      add_host (m, origin, origin->nics->pdata[i]);
      add_origin (m, origin, origin->nics->pdata[i]);
      if (target != NULL && !m->returned)
        add_between (m, origin, target, origin->nics->pdata[i]);
    }
  for (guint i = 0; target != NULL && !m->returned && i < target->nics->len; i++)
    {
      add_host (m, target, target->nics->pdata[i]);
      add_target (m, target, target->nics->pdata[i]);
    }
  m->verdict = write_verdict (m, origin);
  return m;
}

void
vr_migration_free (VrMigration *m)
{
  if (m == NULL)
    return;
  g_free (m->uuid);
  g_free (m->name);
  g_free (m->origin);
  g_free (m->target);
  g_free (m->verdict);
  g_ptr_array_unref (m->parts);
  g_ptr_array_unref (m->losses);
  g_ptr_array_unref (m->refusals);
  g_ptr_array_unref (m->waits);
  g_ptr_array_unref (m->faults);
  g_free (m);
}

const VrLedger *
vr_migration_part (const VrMigration *m, const char *host)
{
  for (guint i = 0; i < m->parts->len; i++)
    if (g_str_equal (((VrLedger *) m->parts->pdata[i])->writer, host))
      return m->parts->pdata[i];
  return NULL;
}

gint64
vr_migration_phase (const VrMigration *m, VrPhase phase)
{
  gint64 earliest = 0;

  for (guint i = 0; i < m->parts->len; i++)
    {
      gint64 at = ((VrLedger *) m->parts->pdata[i])->phases[phase];

      if (at != 0 && (earliest == 0 || at < earliest))
        earliest = at;
    }
  return earliest;
}
