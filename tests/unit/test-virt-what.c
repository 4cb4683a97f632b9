/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libvirt's and QEMU's events in our words: each of them, one by one. */
#include "daemon/virt/virt-what.h"

#include <libvirt/libvirt.h>

#define NOTHING -1

typedef struct {
  const char *name;
  int event, detail, what;
} Lifecycle;

#define CASE(event, detail, what) \
  { #event "/" #detail, VIR_DOMAIN_EVENT_##event, VIR_DOMAIN_EVENT_##event##_##detail, what }

static const Lifecycle lifecycles[] = {
  CASE (STARTED, BOOTED, VR_VIRT_STARTED),
  CASE (STARTED, MIGRATED, VR_VIRT_STARTED_MIGRATED),
  CASE (STARTED, RESTORED, VR_VIRT_STARTED),
  CASE (STARTED, FROM_SNAPSHOT, VR_VIRT_STARTED),
  CASE (STARTED, WAKEUP, VR_VIRT_CHANGED),
  CASE (SUSPENDED, PAUSED, VR_VIRT_SUSPENDED_PAUSED),
  CASE (SUSPENDED, MIGRATED, VR_VIRT_SUSPENDED_MIGRATED),
  CASE (SUSPENDED, IOERROR, VR_VIRT_SUSPENDED_PAUSED),
  CASE (SUSPENDED, WATCHDOG, VR_VIRT_SUSPENDED_PAUSED),
  CASE (SUSPENDED, RESTORED, VR_VIRT_SUSPENDED_PAUSED),
  CASE (SUSPENDED, FROM_SNAPSHOT, VR_VIRT_SUSPENDED_PAUSED),
  CASE (SUSPENDED, API_ERROR, VR_VIRT_SUSPENDED_PAUSED),
  CASE (SUSPENDED, POSTCOPY, VR_VIRT_SUSPENDED_MIGRATED),
  CASE (SUSPENDED, POSTCOPY_FAILED, VR_VIRT_CHANGED),
  CASE (RESUMED, UNPAUSED, VR_VIRT_RESUMED_UNPAUSED),
  CASE (RESUMED, MIGRATED, VR_VIRT_RESUMED_MIGRATED),
  CASE (RESUMED, FROM_SNAPSHOT, VR_VIRT_RESUMED_UNPAUSED),
  CASE (RESUMED, POSTCOPY, VR_VIRT_RESUMED_POSTCOPY),
  CASE (RESUMED, POSTCOPY_FAILED, VR_VIRT_CHANGED),
  CASE (STOPPED, SHUTDOWN, VR_VIRT_STOPPED),
  CASE (STOPPED, DESTROYED, VR_VIRT_STOPPED),
  CASE (STOPPED, CRASHED, VR_VIRT_STOPPED),
  CASE (STOPPED, MIGRATED, VR_VIRT_STOPPED_MIGRATED),
  CASE (STOPPED, SAVED, VR_VIRT_STOPPED),
  CASE (STOPPED, FAILED, VR_VIRT_STOPPED_FAILED),
  CASE (STOPPED, FROM_SNAPSHOT, VR_VIRT_STOPPED),
  CASE (SHUTDOWN, FINISHED, NOTHING),
  CASE (SHUTDOWN, GUEST, NOTHING),
  CASE (PMSUSPENDED, MEMORY, VR_VIRT_CHANGED),
  CASE (CRASHED, PANICKED, VR_VIRT_CHANGED),
  CASE (DEFINED, ADDED, NOTHING),
  CASE (DEFINED, UPDATED, NOTHING),
  CASE (UNDEFINED, REMOVED, NOTHING),
  /* of a libvirt that is not written yet */
  { "STARTED/99", VIR_DOMAIN_EVENT_STARTED, 99, VR_VIRT_STARTED },
  { "SUSPENDED/99", VIR_DOMAIN_EVENT_SUSPENDED, 99, VR_VIRT_SUSPENDED_PAUSED },
  { "RESUMED/99", VIR_DOMAIN_EVENT_RESUMED, 99, VR_VIRT_RESUMED_UNPAUSED },
  { "STOPPED/99", VIR_DOMAIN_EVENT_STOPPED, 99, VR_VIRT_STOPPED },
  { "99/0", 99, 0, NOTHING },
};

static void
test_lifecycle (gconstpointer data)
{
  const Lifecycle *one = data;
  VrVirtWhat       what = VR_VIRT_LEAVING; /* what no lifecycle event is */
  gboolean         known = vr_virt_what_from_lifecycle (one->event, one->detail, &what);

  g_assert_true (known == (one->what != NOTHING));
  g_assert_cmpint (what, ==, known ? one->what : VR_VIRT_LEAVING);
}

typedef struct {
  const char *name, *event, *details;
  int what;
} Qemu;

static const Qemu qemus[] = {
  { "stop", "STOP", NULL, VR_VIRT_QEMU_STOP },
  { "resume", "RESUME", NULL, VR_VIRT_QEMU_RESUME },
  { "cancelled", "MIGRATION", "{\"status\":\"cancelled\"}", VR_VIRT_MIGRATION_CANCELLED },
  { "failed", "MIGRATION", "{\"status\":\"failed\"}", VR_VIRT_MIGRATION_CANCELLED },
  { "cancelling", "MIGRATION", "{\"status\":\"cancelling\"}", NOTHING },
  { "active", "MIGRATION", "{\"status\":\"active\"}", NOTHING },
  { "completed", "MIGRATION", "{\"status\":\"completed\"}", NOTHING },
  { "no-status", "MIGRATION", "{}", NOTHING },
  { "number", "MIGRATION", "{\"status\":7}", NOTHING },
  { "array", "MIGRATION", "[\"failed\"]", NOTHING },
  { "no-details", "MIGRATION", NULL, NOTHING },
  { "garbage", "MIGRATION", "{\"status\":", NOTHING },
  { "empty", "MIGRATION", "", NOTHING },
  { "other", "MIGRATION_PASS", "{\"pass\":1}", NOTHING },
};

static void
test_qemu (gconstpointer data)
{
  const Qemu *one = data;
  VrVirtWhat  what = VR_VIRT_LEAVING;
  gboolean    known = vr_virt_what_from_qemu (one->event, one->details, &what);

  g_assert_true (known == (one->what != NOTHING));
  g_assert_cmpint (what, ==, known ? one->what : VR_VIRT_LEAVING);
}

/* What the mapping understands is what libvirtd is asked for, and nothing else is. */
static void
test_qemu_filter (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (qemus); i++)
    {
      gboolean asked = g_regex_match_simple (VR_VIRT_QEMU_EVENTS, qemus[i].event, 0, 0);

      g_assert_true (asked == !g_str_equal (qemus[i].name, "other"));
    }
}

static void
test_words (void)
{
  g_autoptr (GHashTable) words = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint what = 0; what <= VR_VIRT_CHANGED; what++)
    g_assert_true (g_hash_table_add (words, (char *) vr_virt_what_to_string (what)));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (lifecycles); i++)
    {
      g_autofree char *path = g_strdup_printf ("/virt-what/lifecycle/%s", lifecycles[i].name);

      g_test_add_data_func (path, &lifecycles[i], test_lifecycle);
    }
  for (guint i = 0; i < G_N_ELEMENTS (qemus); i++)
    {
      g_autofree char *path = g_strdup_printf ("/virt-what/qemu/%s", qemus[i].name);

      g_test_add_data_func (path, &qemus[i], test_qemu);
    }
  g_test_add_func ("/virt-what/qemu-filter", test_qemu_filter);
  g_test_add_func ("/virt-what/each-has-its-word", test_words);
  return g_test_run ();
}
