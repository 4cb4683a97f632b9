/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <locale.h>

#include "cli/cli.h"

int
main (int argc, char **argv)
{
  setlocale (LC_ALL, "");
  return vr_cli_main (argc, argv);
}
