/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the daemon's messages go: to the journal, with their fields, when stderr is connected to it; else to stderr, a
 * line each, "virt-relayd: warning: tunnel: …".
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * To be called once, before the first message and the first thread. Without `verbose` debugging and informational
 * messages are left out, but for the domains that G_MESSAGES_DEBUG names.
 */
void vr_logging_init (gboolean verbose);

/* One message as a line without its newline; (transfer full). `domain` NULL: none. */
char *vr_logging_format (GLogLevelFlags level, const char *domain, const char *message);

G_END_DECLS
