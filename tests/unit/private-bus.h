/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A message bus of a test's own at an address that stays the same when it goes and comes back, and that dies with the test however
 * that ends. (GTestDBus's cannot be restarted in place, and outlives a test that aborts.)
 */
#pragma once

#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <sys/prctl.h>

#define PRIVATE_BUS_DEADLINE_S 60

typedef struct {
  char        *dir, *path, *address; /* of the socket */
  GSubprocess *daemon;               /* NULL: down */
} PrivateBus;

static inline void
private_bus_init (PrivateBus *bus)
{
  bus->dir = g_dir_make_tmp ("test-bus-XXXXXX", NULL);
  bus->path = g_build_filename (bus->dir, "bus", NULL);
  bus->address = g_strconcat ("unix:path=", bus->path, NULL);
  bus->daemon = NULL;
}

static inline void
private_bus_die_with_test (gpointer data)
{
  prctl (PR_SET_PDEATHSIG, SIGKILL);
}

/* Gives back when it can be connected to. */
/* The socket's file is there a moment before anybody listens on it. */
static inline gboolean
private_bus_answers (PrivateBus *bus)
{
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GSocketAddress) address = g_unix_socket_address_new (bus->path);
  g_autoptr (GSocketConnection) connection = g_socket_client_connect (client, G_SOCKET_CONNECTABLE (address), NULL, NULL);

  return connection != NULL;
}

static inline void
private_bus_up (PrivateBus *bus)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *option = g_strconcat ("--address=", bus->address, NULL);
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDERR_SILENCE);
  g_subprocess_launcher_set_child_setup (launcher, private_bus_die_with_test, NULL, NULL);
  bus->daemon = g_subprocess_launcher_spawn (launcher, &error, "dbus-daemon", "--session", "--nofork", "--nopidfile", "--nosyslog",
                                             option, NULL);
  g_assert_no_error (error);
  for (gint64 end = g_get_monotonic_time () + PRIVATE_BUS_DEADLINE_S * G_USEC_PER_SEC; !private_bus_answers (bus);)
    {
      g_assert_cmpint (g_get_monotonic_time (), <, end);
      g_usleep (5000);
    }
}

static inline void
private_bus_down (PrivateBus *bus)
{
  if (bus->daemon == NULL)
    return;
  g_subprocess_force_exit (bus->daemon);
  g_subprocess_wait (bus->daemon, NULL, NULL);
  g_clear_object (&bus->daemon);
  g_unlink (bus->path);
}

static inline void
private_bus_clear (PrivateBus *bus)
{
  private_bus_down (bus);
  g_assert_cmpint (g_rmdir (bus->dir), ==, 0);
  g_free (bus->dir);
  g_free (bus->path);
  g_free (bus->address);
}
