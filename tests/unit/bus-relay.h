/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What stands behind the D-Bus API in its test: what relay.c, the log and the kernel would answer. */
#pragma once

#include "daemon/bus/bus.h"

extern VrRecord   *the_record;  /* the only guest's */
extern const char *the_trouble; /* NULL: none */
extern gint64      the_hook_us; /* of the last hook's event */
extern gboolean    counters_fail, flush_fails;
extern gboolean    was_flushed;
