/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Announcements of a guest that runs here, as the whole relay takes them: which are refused, that it is said at once, and with what cure. */
#include <string.h>

#include "netns.h"
#include "relay-world.h"

#define OTHER "0000000000000000000000000000000000000000000000000000000000000002"

static gboolean
is_refused (gpointer world)
{
  return relay_world_refused (world) > 0;
}

/* Nothing happens to the guest: it is looked into, and said, all the same */
static void
test_without_proof (void)
{
  g_autoptr (RelayWorld) world = relay_world_new ();
  g_autoptr (GPtrArray) views = NULL;
  const VrRefusedView *view;

  relay_world_announce (world, NULL, 1);
  g_assert_true (wait_for (is_refused, world));
  g_assert_cmpuint (relay_world_refused (world), ==, 1);
  g_assert_true (relay_world_says (world, "records of h2"));
  g_assert_true (relay_world_says (world, "lacks virt-relay's metadata? Make that from what virsh dumpxml --migratable d says"));
  views = vr_relay_refused (world->relay);
  g_assert_cmpuint (views->len, ==, 1);
  view = views->pdata[0];
  g_assert_cmpint (view->record->state, ==, VR_STATE_INCOMING);
  g_assert_false (view->waits);
}

static void
test_wrong (void)
{
  g_autoptr (RelayWorld) world = relay_world_new ();

  relay_world_announce (world, OTHER, 1);
  g_assert_true (wait_for (is_refused, world));
  g_assert_true (relay_world_says (world, "libvirt does not migrate it to h2, or not now"));
  relay_world_event (world, VR_VIRT_LEAVING);
  g_assert_false (relay_world_wrote (world, VR_STATE_LEAVING, "h2"));
}

/* What is left of it is nobody's lie */
static void
test_spent (void)
{
  g_autoptr (RelayWorld) world = relay_world_new ();
  g_autofree char *token = relay_world_fail (world);

  for (guint i = 0; i < 3; i++)
    relay_world_event (world, VR_VIRT_CHANGED);
  g_assert_cmpuint (relay_world_refused (world), ==, 0);
  g_assert_false (relay_world_says (world, "records of h2"));
  relay_world_event (world, VR_VIRT_LEAVING); /* to somebody else */
  g_assert_false (relay_world_wrote (world, VR_STATE_LEAVING, "h2"));
}

/* It goes there again, and h2 was given an XML from before: that would be silence, and packets lost */
static void
test_spent_again (void)
{
  g_autoptr (RelayWorld) world = relay_world_new ();
  g_autofree char *token = relay_world_fail (world);

  relay_world_announce (world, token, 1);
  relay_world_event (world, VR_VIRT_LEAVING);
  g_assert_true (wait_for (is_refused, world));
  g_assert_true (relay_world_says (world, "from before its last migration or try? Make that anew from what virsh dumpxml --migratable d says"));
}

static gboolean
is_announced_twice (gpointer world)
{
  g_autoptr (GPtrArray) history = vr_log_history (((RelayWorld *) world)->log, D);
  guint n = 0;

  for (guint i = 0; i < history->len; i++)
    n += ((VrRecord *) history->pdata[i])->state == VR_STATE_INCOMING;
  return n == 2;
}

/* Or it is left over: h2 heard that the guest came back before its QEMU was gone, and announced it once more. While nothing leaves that misleads nobody. */
static void
test_spent_and_staying (void)
{
  g_autoptr (RelayWorld) world = relay_world_new ();
  g_autofree char *token = relay_world_fail (world);

  relay_world_announce (world, token, 1);
  g_assert_true (wait_for (is_announced_twice, world));
  for (guint i = 0; i < 3; i++)
    relay_world_event (world, VR_VIRT_CHANGED);
  g_assert_cmpuint (relay_world_refused (world), ==, 0);
  g_assert_false (relay_world_says (world, "records of h2"));
}

/* ... and with the XML of now it is believed */
static void
test_again (void)
{
  g_autoptr (RelayWorld) world = relay_world_new ();
  g_autofree char *token = relay_world_fail (world), *now = relay_world_token (world);

  relay_world_announce (world, now, 1);
  relay_world_event (world, VR_VIRT_LEAVING);
  relay_world_await (world, VR_STATE_LEAVING, "h2");
  g_assert_cmpuint (relay_world_refused (world), ==, 0);
}

int
main (int argc, char **argv)
{
  netns_init (&argc, &argv);
  g_log_set_always_fatal (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL); /* what is refused is warned of */
  netns_add ("/refused/without-proof", test_without_proof);
  netns_add ("/refused/wrong", test_wrong);
  netns_add ("/refused/spent", test_spent);
  netns_add ("/refused/spent-again", test_spent_again);
  netns_add ("/refused/spent-and-staying", test_spent_and_staying);
  netns_add ("/refused/again", test_again);
  return g_test_run ();
}
