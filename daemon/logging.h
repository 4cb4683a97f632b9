/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the daemon's messages go: to the journal, with their fields, when stderr is connected to it; else to stderr, a
 * line each, "virt-relayd: warning: tunnel: …".
 */
#pragma once

#include "daemon/model/record.h"

G_BEGIN_DECLS

/*
 * To be called once, before the first message and the first thread. Without `verbose` debugging and informational
 * messages are left out, but for the domains that G_MESSAGES_DEBUG names.
 */
void vr_logging_init (gboolean verbose);

/*
 * What a message is about, as fields of its journal entry (virt-relayd(8) says which); NULL: it is about no such thing. Nothing is kept.
 */
typedef struct {
  const VrRecord *record;                /* VIRT_RELAY_GUEST, _UUID, _STATE, _EPOCH, _OWNER, _HOME, _ORIGIN, _TARGET, _WRITER */
  const char     *peer, *address, *about; /* VIRT_RELAY_PEER, _ADDRESS, _TROUBLE */
} VrLogFields;

void vr_log (GLogLevelFlags level, const VrLogFields *fields, const char *format, ...) G_GNUC_PRINTF (3, 4);

/* One message as a line without its newline; (transfer full). `domain` NULL: none. */
char *vr_logging_format (GLogLevelFlags level, const char *domain, const char *message);

G_END_DECLS
