/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ledger: from counters to counts, from the parts of a migration to what was lost, and where. */
#include "daemon/ledger/shelf.h"
#include "daemon/ledger/tally.h"

#include <string.h>

#define UUID "c7a5fdbd-edaf-9455-926a-d65c16db1809"
#define MAC "52:54:00:12:34:56"

typedef struct {
  VrCount count;
  guint64 value;
} Counted;

static VrLedger *
part_of (const char *writer, const Counted *counts, guint n)
{
  VrLedger    *part = vr_ledger_new (UUID, "d", 8, "h1", "h3");
  VrLedgerNic *nic = vr_ledger_nic (part, MAC);

  part->writer = g_strdup (writer);
  part->phases[VR_PHASE_COUNTED] = 1700000000000000;
  for (guint i = 0; i < n; i++)
    vr_ledger_count (nic, counts[i].count, counts[i].value);
  return part;
}

/* A migration that lost nothing: 500 came, 100 to the tap before the flip, 4 of them left there and sent again with 2 that QEMU had taken. */
static const Counted at_origin[] = {
  { VR_COUNT_CAME, 500 }, { VR_COUNT_HANDED, 100 }, { VR_COUNT_RELAYED, 400 }, { VR_COUNT_FRAMES, 105 }, { VR_COUNT_FLOODED, 5 },
  { VR_COUNT_DELIVERED, 105 }, { VR_COUNT_TAP_DROPPED, 0 }, { VR_COUNT_LEFT, 0 }, { VR_COUNT_DRAINED, 4 }, { VR_COUNT_RESENT, 6 },
  { VR_COUNT_UNSENT, 0 }, { VR_COUNT_DUPLICATES, 2 }, { VR_COUNT_RATE, 0 },
};
static const Counted at_target[] = {
  { VR_COUNT_CAME, 406 }, { VR_COUNT_HANDED, 406 }, { VR_COUNT_RELAYED, 0 }, { VR_COUNT_ARRIVED, 406 }, { VR_COUNT_FRAMES, 410 },
  { VR_COUNT_FLOODED, 4 }, { VR_COUNT_DELIVERED, 412 }, { VR_COUNT_TAP_DROPPED, 0 }, { VR_COUNT_RATE, 0 },
};

static VrLedger *
origin_part (void)
{
  VrLedger *part = part_of ("h1", at_origin, G_N_ELEMENTS (at_origin));

  part->way = g_strdup ("queues");
  return part;
}

static VrLedger *
target_part (void)
{
  return part_of ("h3", at_target, G_N_ELEMENTS (at_target));
}

static VrMigration *
add_up (VrLedger *origin, VrLedger *target)
{
  g_autoptr (GPtrArray) parts = g_ptr_array_new ();

  g_ptr_array_add (parts, target);
  g_ptr_array_add (parts, origin);
  return vr_migration_new (parts);
}

static void
test_nothing_lost (void)
{
  g_autoptr (VrLedger) origin = origin_part (), target = target_part ();
  g_autoptr (VrMigration) m = add_up (origin, target);

  g_assert_true (m->complete);
  g_assert_cmpuint (m->lost, ==, 0);
  g_assert_cmpuint (m->faults->len, ==, 0);
  g_assert_cmpstr (m->verdict, ==, "nothing lost; at most 2 duplicated");
  g_assert_cmpstr (((VrLedger *) m->parts->pdata[0])->writer, ==, "h1"); /* the origin first */
}

static const struct {
  const char *name;
  gboolean    at_target;
  VrCount     count;
  guint64     value, lost, refused, waiting;
  guint       faults;
  const char *verdict;
} cases[] = {
  { "left-in-the-tap", FALSE, VR_COUNT_LEFT, 9, 3, 0, 0, 0, "3 lost: 3 in h1's tap after QEMU stopped; at most 2 duplicated" },
  { "not-sent", FALSE, VR_COUNT_UNSENT, 1, 1, 0, 0, 0, "1 lost: 1 could not be sent after the guest by h1; at most 2 duplicated" },
  { "too-large", FALSE, VR_COUNT_TOO_LARGE, 1, 0, 1, 0, 0,
    "nothing lost; at most 2 duplicated; 1 refused: 1 at h1 (too large for the tunnel, and in the tap when QEMU stopped)" },
  { "on-the-way", TRUE, VR_COUNT_ARRIVED, 400, 6, 0, 0, 0, "6 lost: 6 on the way from h1 to h3; at most 2 duplicated" },
  { "queue-full", TRUE, VR_COUNT_TAP_DROPPED, 252, 252, 0, 0, 0, "252 lost: 252 dropped by h3's tap: its queue was full; at most 2 duplicated" },
  { "in-the-targets-tap", TRUE, VR_COUNT_DELIVERED, 400, 0, 0, 10, 0, "nothing lost; not read by the guest yet: 10 in h3's tap; at most 2 duplicated" },
  { "in-the-bridge", TRUE, VR_COUNT_FRAMES, 409, 1, 0, 0, 0, "1 lost: 1 between h3's bridge and the tap; at most 2 duplicated" },
  { "refused-by-an-older-one", FALSE, VR_COUNT_CAME, 507, 0, 7, 0, 0,
    "nothing lost; at most 2 duplicated; 7 refused: 7 at h1 (its virt-relay is older, and does not say why)" },
  { "too-many", TRUE, VR_COUNT_ARRIVED, 409, 0, 0, 0, 1,
    "nothing lost; at most 2 duplicated; the sums do not add up: guest d, NIC " MAC ": 409 packets arrived at h3 from h1, which sent 406: 3 too many" },
};

static void
test_case (gconstpointer data)
{
  const guint i = GPOINTER_TO_UINT (data);
  g_autoptr (VrLedger) origin = origin_part (), target = target_part ();
  g_autoptr (VrMigration) m = NULL;

  vr_ledger_count (vr_ledger_nic (cases[i].at_target ? target : origin, MAC), cases[i].count, cases[i].value);
  m = add_up (origin, target);
  g_assert_cmpuint (m->lost, ==, cases[i].lost);
  g_assert_cmpuint (m->refused, ==, cases[i].refused);
  g_assert_cmpuint (m->waiting, ==, cases[i].waiting);
  g_assert_cmpuint (m->faults->len, ==, cases[i].faults);
  g_assert_cmpstr (m->verdict, ==, cases[i].verdict);
}

/* A peer's markers end at the target: they came, and arrived, and are nobody's that was refused. */
static void
test_markers (void)
{
  g_autoptr (VrLedger) origin = origin_part (), target = target_part ();
  VrLedgerNic *out = vr_ledger_nic (origin, MAC), *in = vr_ledger_nic (target, MAC);
  g_autoptr (VrMigration) m = NULL;

  vr_ledger_count (out, VR_COUNT_CAME, 504);
  vr_ledger_count (out, VR_COUNT_RELAYED, 404);
  vr_ledger_count (in, VR_COUNT_CAME, 410);
  vr_ledger_count (in, VR_COUNT_ARRIVED, 410);
  vr_ledger_count (in, VR_COUNT_EXPIRED, 4);
  m = add_up (origin, target);
  g_assert_cmpuint (m->refused, ==, 0);
  g_assert_cmpstr (m->verdict, ==, "nothing lost; at most 2 duplicated");
}

static void
test_refused (void)
{
  g_autoptr (VrLedger) origin = origin_part (), target = target_part ();
  VrLedgerNic *out = vr_ledger_nic (origin, MAC), *in = vr_ledger_nic (target, MAC);
  g_autoptr (VrMigration) m = NULL;

  vr_ledger_count (out, VR_COUNT_CAME, 509);
  vr_ledger_count (out, VR_COUNT_FOREIGN_SOURCE, 5);
  vr_ledger_count (out, VR_COUNT_CIRCLING, 1);
  vr_ledger_count (out, VR_COUNT_EXPIRED, 1);
  vr_ledger_count (in, VR_COUNT_EXPIRED, 0);
  vr_ledger_count (in, VR_COUNT_CAME, 409);
  vr_ledger_count (in, VR_COUNT_FOREIGN_DESTINATION, 7); /* by a later reading: some came after came was read */
  m = add_up (origin, target);
  g_assert_cmpuint (m->refused, ==, 11);
  g_assert_cmpuint (m->refusals->len, ==, 4);
  g_assert_cmpstr (((VrLoss *) m->refusals->pdata[3])->host, ==, "h3");
  g_assert_cmpstr (m->verdict, ==,
                   "nothing lost; at most 2 duplicated; 11 refused: 5 at h1 (from a source that is not behind the tunnel that they came by), "
                   "1 at h1 (sent away before, and back again), 2 at h1 (no way to the guest, too large for the tunnel, or another firewall), "
                   "3 at h3 (for a guest that is neither there nor relayed from there)");
}

/* Large ones that came and did not get as far as the filter: the kernel dropped them, and told their senders so. */
static void
test_too_large (void)
{
  g_autoptr (VrLedger) origin = origin_part (), target = target_part ();
  VrLedgerNic *out = vr_ledger_nic (origin, MAC);
  g_autoptr (VrMigration) m = NULL;

  vr_ledger_count (out, VR_COUNT_CAME, 509);
  vr_ledger_count (out, VR_COUNT_EXPIRED, 1);
  vr_ledger_count (out, VR_COUNT_CIRCLING, 2);
  vr_ledger_count (out, VR_COUNT_LARGE, 45);
  vr_ledger_count (out, VR_COUNT_LARGE_RELAYED, 40);
  m = add_up (origin, target);
  g_assert_cmpuint (m->lost, ==, 0);
  g_assert_cmpuint (m->refused, ==, 8);
  g_assert_cmpstr (m->verdict, ==, "nothing lost; at most 2 duplicated; 8 refused: 2 at h1 (sent away before, and back again), "
                                   "5 at h1 (too large for the tunnel), 1 at h1 (no way to the guest, or another firewall)");
}

/*
 * Frames that a neighbour on the bridge sends go on reaching the tap for some milliseconds after the flip, when its counters are gone already; the switchover
 * drains them. What came out of the tap was in it.
 */
static void
test_bridged_late (void)
{
  g_autoptr (VrLedger) origin = origin_part (), target = target_part ();
  VrLedgerNic *out = vr_ledger_nic (origin, MAC);
  g_autoptr (VrMigration) m = NULL, less = NULL;

  vr_ledger_count (out, VR_COUNT_CAME, 515);
  vr_ledger_count (out, VR_COUNT_HANDED, 115);
  vr_ledger_count (out, VR_COUNT_DELIVERED, 120);
  m = add_up (origin, target);
  g_assert_cmpstr (m->verdict, ==, "nothing lost; at most 2 duplicated");
  vr_ledger_count (out, VR_COUNT_DELIVERED, 118);
  less = add_up (origin, target);
  g_assert_cmpstr (less->verdict, ==, "2 lost: 2 between h1's bridge and the tap; at most 2 duplicated");
}

/* QEMU's queues could not be had, so all that it had not taken was left in the tap: what of that could not be sent after the guest is in one place alone. */
static void
test_left_and_unsent (void)
{
  g_autoptr (VrLedger) origin = origin_part (), target = target_part ();
  VrLedgerNic *out = vr_ledger_nic (origin, MAC);
  g_autoptr (VrMigration) m = NULL;

  vr_ledger_count (out, VR_COUNT_LEFT, 10);
  vr_ledger_count (out, VR_COUNT_UNSENT, 4);
  vr_ledger_count (out, VR_COUNT_TOO_LARGE, 3);
  m = add_up (origin, target);
  g_assert_cmpuint (m->lost, ==, 1);
  g_assert_cmpuint (m->refused, ==, 3);
  g_assert_cmpstr (m->verdict, ==, "1 lost: 1 could not be sent after the guest by h1; at most 2 duplicated; "
                                   "3 refused: 3 at h1 (too large for the tunnel, and in the tap when QEMU stopped)");
}

/* Where relaying goes on, two readings differ by what came between them. */
static void
test_relaying_goes_on (void)
{
  g_autoptr (VrLedger) origin = origin_part (), target = target_part ();
  g_autoptr (VrMigration) near = NULL, far = NULL;

  vr_ledger_count (vr_ledger_nic (origin, MAC), VR_COUNT_RATE, 100);
  vr_ledger_count (vr_ledger_nic (target, MAC), VR_COUNT_ARRIVED, 406 - 150);
  target->phases[VR_PHASE_COUNTED] -= G_USEC_PER_SEC;
  near = add_up (origin, target);
  g_assert_cmpuint (near->lost, ==, 0);
  vr_ledger_count (vr_ledger_nic (target, MAC), VR_COUNT_ARRIVED, 406 - 153);
  far = add_up (origin, target);
  g_assert_cmpuint (far->lost, ==, 153);
}

/* Large ones were relayed: the kernels cut them and join them on the way, so neither is anything lost nor does a counter lie. Without large ones both is so. */
static void
test_cut_and_joined (void)
{
  g_autoptr (VrLedger) origin = origin_part (), target = target_part ();
  VrLedgerNic *out = vr_ledger_nic (origin, MAC), *in = vr_ledger_nic (target, MAC);
  guint64      sent = 406, arrived[] = { 900, 100, 406 };

  for (guint i = 0; i < G_N_ELEMENTS (arrived); i++)
    {
      g_autoptr (VrMigration) small = NULL, large = NULL;
      g_autofree char *verdict = g_strdup_printf ("nothing lost; between h1 and h3 nothing is known: large packets are cut and joined there, and of %" G_GUINT64_FORMAT
                                                  " %" G_GUINT64_FORMAT " became; at most 2 duplicated", sent, arrived[i]);
      gboolean same = arrived[i] == sent;

      vr_ledger_count (in, VR_COUNT_ARRIVED, arrived[i]);
      vr_ledger_count (out, VR_COUNT_LARGE_RELAYED, 0);
      small = add_up (origin, target);
      g_assert_cmpuint (small->faults->len + small->losses->len, ==, same ? 0 : 1);
      vr_ledger_count (out, VR_COUNT_LARGE_RELAYED, 40);
      large = add_up (origin, target);
      g_assert_cmpuint (large->faults->len + large->losses->len, ==, 0);
      g_assert_cmpstr (large->verdict, ==, same ? "nothing lost; at most 2 duplicated" : verdict);
    }
}

static void
test_incomplete (void)
{
  g_autoptr (VrLedger) origin = origin_part ();
  g_autoptr (GPtrArray) parts = g_ptr_array_new ();
  g_autoptr (VrMigration) m = NULL;

  g_ptr_array_add (parts, origin);
  m = vr_migration_new (parts);
  g_assert_false (m->complete);
  g_assert_cmpstr (m->verdict, ==, "not known: h3 has not written its part; at most 2 duplicated");
}

/* Aborted after the stop: the guest runs at the origin again, and what is in its tap there it has not read yet, as at a target. */
static void
test_returned (void)
{
  g_autoptr (VrLedger) origin = origin_part ();
  g_autoptr (GPtrArray) parts = g_ptr_array_new ();
  g_autoptr (VrMigration) m = NULL;

  vr_ledger_count (vr_ledger_nic (origin, MAC), VR_COUNT_LEFT, 9);
  origin->phases[VR_PHASE_RETURNED] = 1700000000000000;
  g_ptr_array_add (parts, origin);
  m = vr_migration_new (parts);
  g_assert_cmpuint (m->lost, ==, 0);
  g_assert_cmpuint (m->waiting, ==, 3);
  g_assert_cmpstr (m->verdict, ==, "nothing lost; not read by the guest yet: 3 in h1's tap; at most 2 duplicated");
}

/* What became of the copies at the target is nobody's loss: all came back. */
static void
test_returned_from_target (void)
{
  g_autoptr (VrLedger) origin = origin_part (), target = target_part ();
  g_autoptr (VrMigration) m = NULL;

  origin->phases[VR_PHASE_RETURNED] = 1700000000000000;
  vr_ledger_count (vr_ledger_nic (target, MAC), VR_COUNT_HANDED, 300);
  vr_ledger_count (vr_ledger_nic (target, MAC), VR_COUNT_FRAMES, 10);
  m = add_up (origin, target);
  g_assert_cmpstr (m->verdict, ==, "nothing lost; at most 2 duplicated");
}

static void
test_route_only_says_so (void)
{
  g_autoptr (VrLedger) origin = origin_part (), target = target_part ();
  g_autoptr (VrMigration) m = NULL;

  g_free (origin->way);
  origin->way = g_strdup ("route only");
  m = add_up (origin, target);
  g_assert_nonnull (strstr (m->verdict, "nobody can count"));
}

/* ---- tally ---- */

static void
add_counter (GPtrArray *counters, const char *name, guint64 packets)
{
  VrCounter *counter = g_new0 (VrCounter, 1);

  counter->name = g_strdup (name);
  counter->packets = packets;
  g_ptr_array_add (counters, counter);
}

static void
counter_free (gpointer data)
{
  g_free (((VrCounter *) data)->name);
  g_free (data);
}

static void
test_tally (void)
{
  g_autoptr (GPtrArray) counters = g_ptr_array_new_with_free_func (counter_free);
  g_autoptr (GHashTable) taps = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (VrLedger) part = vr_ledger_new (UUID, "d", 8, "h1", "h3"), base = vr_ledger_new (UUID, "d", 8, "h1", "h3");
  const char *const addresses[] = { "10.9.1.100", "fd00:9:1::100", NULL };
  VrLedgerNic *nic = vr_ledger_nic (part, MAC);
  VrTap tap = { .index = 7, .queue = 10000, .delivered = 40, .dropped = 1 };
  g_autoptr (VrReading) reading = NULL;

  add_counter (counters, "came4 10.9.1.100", 100);
  add_counter (counters, "came6 fd00:9:1::100", 11);
  add_counter (counters, "came4 10.9.1.101", 5000); /* another guest's */
  add_counter (counters, "arrived4 vr-h1 . 10.9.1.100", 60);
  add_counter (counters, "expired6 fd00:9:1::100", 2);
  add_counter (counters, "foreign-source4 10.9.1.100", 3);
  add_counter (counters, "large4 10.9.1.100", 12);
  add_counter (counters, "large-relayed4 10.9.1.100", 7);
  add_counter (counters, "tap-out vnet0", 50);
  add_counter (counters, "tap-flood vnet0", 3);
  g_hash_table_insert (taps, (gpointer) "vnet0", &tap);
  vr_ledger_count (vr_ledger_nic (base, MAC), VR_COUNT_CAME, 10);
  vr_ledger_count (vr_ledger_nic (base, MAC), VR_COUNT_ARRIVED, 70); /* the counter is a new one */
  reading = vr_reading_new (counters, taps);
  vr_tally (nic, vr_ledger_nic (base, MAC), reading, addresses, "vnet0", "vr-h1");
  g_assert_cmpuint (nic->counts[VR_COUNT_CAME], ==, 101);
  g_assert_cmpuint (nic->counts[VR_COUNT_ARRIVED], ==, 60);
  g_assert_cmpuint (nic->counts[VR_COUNT_EXPIRED], ==, 2);
  g_assert_cmpuint (nic->counts[VR_COUNT_FOREIGN_SOURCE], ==, 3);
  g_assert_cmpuint (nic->counts[VR_COUNT_LARGE], ==, 12);
  g_assert_cmpuint (nic->counts[VR_COUNT_LARGE_RELAYED], ==, 7);
  g_assert_false (vr_ledger_knows (nic, VR_COUNT_RELAYED));
  g_assert_cmpuint (nic->counts[VR_COUNT_QUEUE], ==, 10000);
  g_assert_cmpuint (vr_tally_waiting (nic), ==, 9);
}

/* ---- shelf ---- */

static void
test_shelf_keeps_the_latest (void)
{
  g_autoptr (VrShelf) shelf = vr_shelf_new ();
  g_autoptr (VrLedger) early = origin_part (), late = origin_part (), target = target_part ();
  g_autoptr (GPtrArray) all = NULL, by_name = NULL;

  early->seq = 5;
  late->seq = 6;
  vr_ledger_count (vr_ledger_nic (late, MAC), VR_COUNT_LEFT, 9);
  vr_shelf_add (shelf, late);
  vr_shelf_add (shelf, early);
  vr_shelf_add (shelf, target);
  all = vr_shelf_list (shelf, "");
  g_assert_cmpuint (all->len, ==, 1);
  g_assert_cmpuint (((VrMigration *) all->pdata[0])->lost, ==, 3);
  by_name = vr_shelf_list (shelf, "d");
  g_assert_cmpuint (by_name->len, ==, 1);
  g_assert_null (vr_shelf_list (shelf, "e"));
}

static void
test_shelf_is_bounded (void)
{
  g_autoptr (VrShelf) shelf = vr_shelf_new ();
  g_autoptr (GPtrArray) all = NULL;

  for (guint i = 1; i <= 2 * VR_SHELF_MAX; i++)
    {
      g_autoptr (VrLedger) part = origin_part ();

      part->epoch = part->seq = i;
      vr_shelf_add (shelf, part);
    }
  all = vr_shelf_list (shelf, UUID);
  g_assert_cmpuint (all->len, ==, VR_SHELF_MAX);
  g_assert_cmpuint (((VrMigration *) all->pdata[0])->epoch, ==, VR_SHELF_MAX + 1);
}

/* The origin's daemon was started anew: what it did not count is neither lost nor too much, and that is said. */
static void
test_partial (void)
{
  g_autoptr (VrLedger) origin = origin_part (), target = target_part ();
  g_autoptr (VrMigration) m = NULL;
  VrLedgerNic *nic = vr_ledger_nic (origin, MAC);

  origin->partial = g_strdup ("started anew");
  g_clear_pointer (&origin->way, g_free);
  vr_ledger_count (nic, VR_COUNT_RELAYED, 7);
  vr_ledger_count (nic, VR_COUNT_LEFT, 50);
  m = add_up (origin, target);
  g_assert_true (m->complete);
  g_assert_cmpuint (m->faults->len, ==, 0);
  g_assert_cmpuint (m->lost, ==, 0);
  g_assert_nonnull (strstr (m->verdict, "nothing lost of what was counted; h1 did not count all: started anew"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ledger/nothing-lost", test_nothing_lost);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = g_strconcat ("/ledger/", cases[i].name, NULL);

      g_test_add_data_func (path, GUINT_TO_POINTER (i), test_case);
    }
  g_test_add_func ("/ledger/markers", test_markers);
  g_test_add_func ("/ledger/refused", test_refused);
  g_test_add_func ("/ledger/too-large-to-relay", test_too_large);
  g_test_add_func ("/ledger/bridged-late", test_bridged_late);
  g_test_add_func ("/ledger/left-and-unsent", test_left_and_unsent);
  g_test_add_func ("/ledger/relaying-goes-on", test_relaying_goes_on);
  g_test_add_func ("/ledger/cut-and-joined", test_cut_and_joined);
  g_test_add_func ("/ledger/incomplete", test_incomplete);
  g_test_add_func ("/ledger/partial", test_partial);
  g_test_add_func ("/ledger/returned", test_returned);
  g_test_add_func ("/ledger/returned-from-target", test_returned_from_target);
  g_test_add_func ("/ledger/route-only", test_route_only_says_so);
  g_test_add_func ("/ledger/tally", test_tally);
  g_test_add_func ("/ledger/shelf/latest", test_shelf_keeps_the_latest);
  g_test_add_func ("/ledger/shelf/bounded", test_shelf_is_bounded);
  return g_test_run ();
}
