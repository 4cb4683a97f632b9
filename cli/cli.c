/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/client.h"

static const VrCommand *const commands[] = {
  &vr_command_status,
  &vr_command_guests,
  &vr_command_hosts,
  &vr_command_log,
  &vr_command_migrations,
  &vr_command_explain,
  &vr_command_doctor,
  &vr_command_flush,
};

static void
print_usage (FILE *out)
{
  fprintf (out, "Usage: virt-relay COMMAND [--json] [OPTION...]\n\n");
  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    {
      g_autofree char *call = g_strjoin (" ", commands[i]->name, commands[i]->operands, NULL);
      gboolean fits = strlen (call) <= 12;
      fprintf (out, "  %-12s%s%*s%s\n", call, fits ? "" : "\n", fits ? 1 : 15, "", commands[i]->summary);
    }
  fprintf (out, "\n  --help, --version; virt-relay COMMAND --help: the command's options. virt-relay(1) is the manual.\n");
}

/* command: whose help has more; NULL: virt-relay's own */
static int G_GNUC_PRINTF (2, 3)
usage_error (const VrCommand *command, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree char *message = g_strdup_vprintf (format, args);
  va_end (args);
  if (command != NULL)
    fprintf (stderr, "virt-relay %s: %s; virt-relay %s --help says how to call it\n", command->name, message, command->name);
  else
    fprintf (stderr, "virt-relay: %s; virt-relay --help says how to call it\n", message);
  return VR_EXIT_USAGE;
}

static const VrCommand *
find_command (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    {
      if (g_str_equal (commands[i]->name, name))
        return commands[i];
    }
  return NULL;
}

/* Output that was lost (a full disk) is an error too. */
static int
finish (gboolean ok, GError *error)
{
  if (!ok && error != NULL)
    {
      g_autofree char *why = vr_client_explain (error);
      fprintf (stderr, "virt-relay: %s\n", why);
      return VR_EXIT_ERROR;
    }
  if (fflush (stdout) != 0 || ferror (stdout))
    {
      fprintf (stderr, "virt-relay: cannot write the answer: %s\n", g_strerror (errno));
      return VR_EXIT_ERROR;
    }
  return ok ? VR_EXIT_OK : VR_EXIT_ERROR;
}

static int
run_command (const VrCommand *command, int argc, char **argv)
{
  VrCall call = { NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GOptionContext) context = g_option_context_new (command->operands);
  g_autofree char *program = g_strconcat ("virt-relay ", command->name, NULL);
  const GOptionEntry common[] = {
    { "json", 0, 0, G_OPTION_ARG_NONE, &call.json, "answer in JSON", NULL },
    { NULL },
  };

  g_set_prgname (program); /* for the help */
  g_option_context_set_summary (context, command->summary);
  g_option_context_add_main_entries (context, common, NULL);
  if (command->options != NULL)
    g_option_context_add_main_entries (context, command->options, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    {
      error->message[0] = g_ascii_tolower (error->message[0]); /* GLib's begin with a capital letter */
      return usage_error (command, "%s", error->message);
    }
  if ((guint) argc - 1 > command->max_operands)
    return usage_error (command, "\"%s\" is one argument too many", argv[1 + command->max_operands]);
  if ((guint) argc - 1 < command->min_operands)
    return usage_error (command, "%s is missing", command->operands);
  for (int i = 1; i < argc; i++)
    {
      if (!g_utf8_validate (argv[i], -1, NULL))
        return usage_error (command, "argument %d is not UTF-8", i);
    }

  call.operands = (const char *const *) argv + 1;
  call.service = vr_client_open (&error);
  if (command->alone)
    g_clear_error (&error);
  gboolean ok = (call.service != NULL || command->alone) && command->run (&call, &error);
  g_clear_object (&call.service);
  if (g_error_matches (error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED))
    return usage_error (command, "%s", error->message);
  return finish (ok, error);
}

int
vr_cli_main (int argc, char **argv)
{
  const char *word = argc > 1 ? argv[1] : NULL;
  if (word == NULL)
    {
      print_usage (stderr);
      return VR_EXIT_USAGE;
    }
  if (argc > 2 && g_str_equal (word, "help") && find_command (argv[2]) != NULL)
    {
      char *help[] = { argv[2], (char *) "--help", NULL };
      return run_command (find_command (argv[2]), 2, help);
    }
  if (g_str_equal (word, "--help") || g_str_equal (word, "-h") || g_str_equal (word, "help"))
    {
      print_usage (stdout);
      return finish (TRUE, NULL);
    }
  if (g_str_equal (word, "--version"))
    {
      printf ("virt-relay %s\n", VR_VERSION);
      return finish (TRUE, NULL);
    }

  const VrCommand *command = find_command (word);
  if (command == NULL && word[0] == '-')
    return usage_error (NULL, "unknown option %s (a command's options come after it)", word);
  if (command == NULL)
    return usage_error (NULL, "unknown command \"%s\"", word);
  return run_command (command, argc - 1, argv + 1);
}
