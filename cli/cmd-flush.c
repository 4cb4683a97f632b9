/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virt-relay flush: everything of virt-relay's out of the kernel. A daemon that runs does it itself, and ends, or it would put everything
 * back; where none runs virt-relayd --flush does it.
 */
#include "cli/cli.h"

#include <stdio.h>
#include <unistd.h>

#include "daemon/names.h"

static gboolean yes;

static const GOptionEntry options[] = {
  { "yes", 'y', 0, G_OPTION_ARG_NONE, &yes, "do not ask", NULL },
  { NULL },
};

static gboolean
is_away (const GError *error)
{
  return error == NULL || g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN)
         || g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER);
}

/* FALSE without error: the user said no. */
static gboolean
confirm (GError **error)
{
  char answer[16] = "";
  if (yes)
    return TRUE;
  if (!isatty (STDIN_FILENO))
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, "nobody can be asked here: say --yes");
      return FALSE;
    }
  printf ("This takes virt-relay's routes, rules, filter and tunnels out of this host, and ends virt-relayd if it runs. Guests that are away from\n"
          "home, or reached through these tunnels, are cut off until virt-relayd is started again. Go on? [y/N] ");
  fflush (stdout);
  if (fgets (answer, sizeof answer, stdin) != NULL && g_ascii_tolower (answer[0]) == 'y')
    return TRUE;
  printf ("nothing was done\n");
  return FALSE;
}

static gboolean
flush_without_daemon (GError **error)
{
  const char *const argv[] = { "virt-relayd", "--flush", NULL };
  g_autoptr (GSubprocess) process = g_subprocess_newv (argv, G_SUBPROCESS_FLAGS_NONE, error);
  if (process == NULL)
    {
      g_prefix_error (error, "virt-relayd --flush cannot be started (is it installed, and are you root?): ");
      return FALSE;
    }
  if (!g_subprocess_wait (process, NULL, error))
    return FALSE;
  return g_subprocess_get_successful (process); /* if not, it said why */
}

static gboolean
run (const VrCall *call, GError **error)
{
  g_autoptr (GError) why = NULL;
  if (!confirm (error))
    return FALSE;
  if (call->service == NULL || !vr_bus_service_call_flush_sync (call->service, NULL, &why))
    {
      if (!is_away (why))
        {
          g_propagate_error (error, g_steal_pointer (&why));
          return FALSE;
        }
      if (!flush_without_daemon (error))
        return FALSE;
    }
  printf (call->json ? "{ \"flushed\" : true }\n"
                     : "nothing of virt-relay's is in the kernel now; systemctl start virt-relayd puts it back\n");
  return TRUE;
}

const VrCommand vr_command_flush = {
  .name = "flush",
  .summary = "take everything of virt-relay's out of the kernel, and end the daemon (root only)",
  .alone = TRUE,
  .options = options,
  .run = run,
};
