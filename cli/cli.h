/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the commands share: how one is described, and the way from argv to it. */
#pragma once

#include "daemon/data/bus-api.h"

G_BEGIN_DECLS

#define VR_EXIT_OK 0
#define VR_EXIT_ERROR 1
#define VR_EXIT_USAGE 2

/* One call of a command. */
typedef struct {
  VrBusService      *service;  /* virt-relayd; nothing was asked of it yet. NULL only if the command is `alone`, and there is no bus */
  gboolean           json;     /* --json */
  const char *const *operands; /* what follows command and options, UTF-8, NULL-terminated */
} VrCall;

/* A command of virt-relay. */
typedef struct {
  const char         *name;
  const char         *operands; /* for the help, "[GUEST]"; NULL: takes none */
  const char         *summary;  /* one line */
  guint               min_operands, max_operands;
  gboolean            alone; /* it works without a bus, too */
  const GOptionEntry *options;  /* beside --json and --help; NULL: none */
  /*
   * Asks, and prints to stdout. FALSE with the error of a call, or with one of its own whose message is for the user; without an
   * error if all is said already. An error of G_OPTION_ERROR: it was called wrongly.
   */
  gboolean (*run) (const VrCall *call, GError **error);
} VrCommand;

extern const VrCommand vr_command_status;
extern const VrCommand vr_command_guests;
extern const VrCommand vr_command_hosts;
extern const VrCommand vr_command_log;
extern const VrCommand vr_command_migrations;
extern const VrCommand vr_command_explain;
extern const VrCommand vr_command_doctor;
extern const VrCommand vr_command_flush;

/* The whole program; gives its exit status. */
int vr_cli_main (int argc, char **argv);

G_END_DECLS
