/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A migration that fails after QEMU stopped the guest, as the whole relay takes it. */
#include "netns.h"
#include "relay-world.h"

#include "daemon/ledger/sums.h"

static gboolean
is_told (gpointer world)
{
  g_autoptr (GPtrArray) migrations = vr_relay_migrations (((RelayWorld *) world)->relay, "d");

  return migrations->len == 1 && ((VrMigration *) migrations->pdata[0])->returned;
}

/* d goes to h2, and comes back after the stop. */
static void
come_back (RelayWorld *world)
{
  g_autofree char *token = relay_world_token (world);

  relay_world_announce (world, token, 1);
  relay_world_event (world, VR_VIRT_LEAVING);
  relay_world_await (world, VR_STATE_LEAVING, "h2");
  relay_world_event (world, VR_VIRT_SUSPENDED_MIGRATED);
  relay_world_await (world, VR_STATE_MOVED, "h2");
  relay_world_event (world, VR_VIRT_RESUMED_UNPAUSED);
  relay_world_await (world, VR_STATE_RETURNED, NULL);
}

static void
test_ledger (void)
{
  g_autoptr (RelayWorld) world = relay_world_new ();

  come_back (world);
  g_assert_true (wait_for (is_told, world));
}

/* It goes there again, before this was counted to the end */
static void
test_ledger_again (void)
{
  g_autoptr (RelayWorld) world = relay_world_new ();
  g_autofree char *token = NULL;

  come_back (world);
  token = relay_world_token (world);
  relay_world_announce (world, token, 3);
  relay_world_event (world, VR_VIRT_LEAVING);
  g_assert_true (wait_for (is_told, world));
}

/* Called off before the stop: that was no migration, and none is counted when the next one begins. */
static void
test_ledger_called_off (void)
{
  g_autoptr (RelayWorld) world = relay_world_new ();
  g_autofree char *token = relay_world_fail (world), *next = relay_world_token (world);
  g_autoptr (GPtrArray) migrations = NULL;

  relay_world_announce (world, next, 1);
  relay_world_event (world, VR_VIRT_LEAVING);
  relay_world_await (world, VR_STATE_LEAVING, "h2");
  migrations = vr_relay_migrations (world->relay, "d");
  g_assert_cmpuint (migrations->len, ==, 0);
}

int
main (int argc, char **argv)
{
  netns_init (&argc, &argv);
  g_log_set_always_fatal (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL); /* no tunnel comes up: the switchover cannot be prepared */
  netns_add ("/returned/ledger", test_ledger);
  netns_add ("/returned/ledger-again", test_ledger_again);
  netns_add ("/returned/ledger-called-off", test_ledger_called_off);
  return g_test_run ();
}
