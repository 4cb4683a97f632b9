/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What systemd is told; a relay of this file's own stands behind it, and a socket of this file's own in systemd's place. */
#include "daemon/service.h"

#include <errno.h>
#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <string.h>

#define DEADLINE_S 20
#define NO_GRACE 3600 /* seconds: the tests end before */

/* ---- the relay behind it ---- */

struct _VrRelay {
  GObject parent;
};
G_DEFINE_TYPE (VrRelay, vr_relay, G_TYPE_OBJECT)

static const char *the_trouble; /* NULL: none */

static void
vr_relay_class_init (VrRelayClass *klass)
{
  g_signal_new ("changed", VR_TYPE_RELAY, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  g_signal_new ("ready", VR_TYPE_RELAY, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
vr_relay_init (VrRelay *relay)
{
}

GPtrArray *
vr_relay_hosts (VrRelay *relay)
{
  return g_ptr_array_new ();
}

GPtrArray *
vr_relay_troubles (VrRelay *relay)
{
  GPtrArray *troubles = g_ptr_array_new ();
  if (the_trouble != NULL)
    g_ptr_array_add (troubles, (char *) the_trouble);
  return troubles;
}

/* ---- the world ---- */

typedef struct {
  GSocket   *socket; /* in systemd's place */
  VrRelay   *relay;
  VrService *service;
} World;

static char *notify_path;

static void
world_set_up (World *world, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GSocketAddress) address = g_unix_socket_address_new (notify_path);
  world->socket = g_socket_new (G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_DATAGRAM, G_SOCKET_PROTOCOL_DEFAULT, &error);
  g_assert_no_error (error);
  g_socket_bind (world->socket, address, TRUE, &error);
  g_assert_no_error (error);
  g_socket_set_blocking (world->socket, FALSE);
  world->relay = g_object_new (VR_TYPE_RELAY, NULL);
  the_trouble = NULL;
}

static void
world_tear_down (World *world, gconstpointer data)
{
  g_clear_pointer (&world->service, vr_service_free);
  g_clear_object (&world->relay);
  g_clear_object (&world->socket);
  g_unlink (notify_path);
}

/* What was told next, while the main loop runs; NULL if nothing is due. */
static char *
told (World *world)
{
  char buffer[4096];
  while (g_main_context_iteration (NULL, FALSE))
    ;
  gssize len = g_socket_receive (world->socket, buffer, sizeof buffer - 1, NULL, NULL);
  return len > 0 ? g_strndup (buffer, len) : NULL;
}

static void
assert_tells (World *world, const char *expected)
{
  g_autofree char *text = NULL;
  for (gint64 end = g_get_monotonic_time () + DEADLINE_S * G_USEC_PER_SEC; text == NULL; text = told (world))
    {
      g_assert_cmpint (g_get_monotonic_time (), <, end);
      g_usleep (2000);
    }
  g_assert_cmpstr (text, ==, expected);
}

static void
assert_tells_nothing_now (World *world)
{
  g_autofree char *text = told (world);
  g_assert_null (text);
}

/* ---- telling ---- */

static void
test_ready (World *world, gconstpointer data)
{
  world->service = vr_service_new (world->relay, NO_GRACE);
  assert_tells_nothing_now (world);
  g_signal_emit_by_name (world->relay, "ready");
  assert_tells (world, "STATUS=0 of 0 tunnels up");
  assert_tells (world, "READY=1");
}

static void
test_ready_after_grace (World *world, gconstpointer data)
{
  world->service = vr_service_new (world->relay, 1);
  the_trouble = "migration log: away";
  assert_tells (world, "STATUS=not ready yet; 0 of 0 tunnels up; migration log: away");
  assert_tells (world, "READY=1");
  the_trouble = NULL;
  g_signal_emit_by_name (world->relay, "ready"); /* the status only: READY=1 was said */
  assert_tells (world, "STATUS=0 of 0 tunnels up");
  assert_tells_nothing_now (world);
}

static void
test_status_changes (World *world, gconstpointer data)
{
  world->service = vr_service_new (world->relay, NO_GRACE);
  the_trouble = "strongSwan: away";
  for (guint i = 0; i < 50; i++)
    g_signal_emit_by_name (world->relay, "changed");
  assert_tells (world, "STATUS=not ready yet; 0 of 0 tunnels up; strongSwan: away");
  assert_tells_nothing_now (world);

  the_trouble = NULL;
  g_signal_emit_by_name (world->relay, "changed");
  assert_tells (world, "STATUS=not ready yet; 0 of 0 tunnels up");
}

/* The second of two changes says nothing new: what comes next is not a status. */
static void
test_status_same (World *world, gconstpointer data)
{
  world->service = vr_service_new (world->relay, 2);
  g_signal_emit_by_name (world->relay, "changed");
  assert_tells (world, "STATUS=not ready yet; 0 of 0 tunnels up");
  g_signal_emit_by_name (world->relay, "changed");
  assert_tells (world, "READY=1");
}

static void
test_reload (World *world, gconstpointer data)
{
  world->service = vr_service_new (world->relay, NO_GRACE);
  vr_service_reloading (world->service);
  g_autofree char *text = told (world);
  g_assert_true (g_str_has_prefix (text, "RELOADING=1\nMONOTONIC_USEC="));
  vr_service_reloaded (world->service);
  assert_tells (world, "READY=1");
}

static void
test_stop (World *world, gconstpointer data)
{
  world->service = vr_service_new (world->relay, NO_GRACE);
  vr_service_stopping (world->service);
  assert_tells (world, "STOPPING=1");
}

static void
test_watchdog (World *world, gconstpointer data)
{
  gint64 begin = g_get_monotonic_time ();

  g_setenv ("WATCHDOG_USEC", "200000", TRUE);
  world->service = vr_service_new (world->relay, NO_GRACE);
  g_unsetenv ("WATCHDOG_USEC");
  for (guint i = 0; i < 5; i++)
    assert_tells (world, "WATCHDOG=1");
  g_assert_cmpint (g_get_monotonic_time () - begin, >=, 400000); /* half the interval each: never much faster */
}

static void
test_no_watchdog (World *world, gconstpointer data)
{
  world->service = vr_service_new (world->relay, 1);
  assert_tells (world, "STATUS=not ready yet; 0 of 0 tunnels up"); /* and no WATCHDOG=1 in the second before */
}

/* ---- the status text ---- */

static void
test_status_text (void)
{
  VrHostView self = { .self = TRUE }, up = { .wanted = TRUE, .up = TRUE }, down = { .wanted = TRUE }, passive = { .up = TRUE };
  g_autoptr (GPtrArray) hosts = g_ptr_array_new ();
  g_autoptr (GPtrArray) troubles = g_ptr_array_new ();
  g_ptr_array_add (hosts, &self);
  g_ptr_array_add (hosts, &up);
  g_ptr_array_add (hosts, &down);
  g_ptr_array_add (hosts, &passive);
  g_ptr_array_add (troubles, (char *) "first\ntrouble");
  g_ptr_array_add (troubles, (char *) "second");
  g_ptr_array_add (troubles, (char *) "third");
  g_autofree char *status = vr_service_status (TRUE, hosts, troubles);
  g_assert_cmpstr (status, ==, "1 of 2 tunnels up; first trouble (and 2 more, see virt-relay status)");
}

#define ADD(path, function) g_test_add ("/service/" path, World, NULL, world_set_up, function, world_tear_down)

int
main (int argc, char **argv)
{
  g_autofree char *dir = g_dir_make_tmp ("test-service-XXXXXX", NULL);
  notify_path = g_build_filename (dir, "notify", NULL);
  g_setenv ("NOTIFY_SOCKET", notify_path, TRUE);
  g_unsetenv ("WATCHDOG_USEC");
  g_unsetenv ("WATCHDOG_PID");
  g_test_init (&argc, &argv, NULL);
  g_log_set_always_fatal (G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL); /* that the grace is over is a warning */
  ADD ("ready", test_ready);
  ADD ("ready-after-grace", test_ready_after_grace);
  ADD ("status-changes", test_status_changes);
  ADD ("status-same", test_status_same);
  ADD ("reload", test_reload);
  ADD ("stop", test_stop);
  ADD ("watchdog", test_watchdog);
  ADD ("no-watchdog", test_no_watchdog);
  g_test_add_func ("/service/status-text", test_status_text);
  int failed = g_test_run ();
  g_rmdir (dir);
  g_free (notify_path);
  return failed;
}
