/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The migration log that the configuration names. */
#pragma once

#include "daemon/config.h"
#include "daemon/log/etcd-client.h"

G_BEGIN_DECLS

/* The log, not started. Waits for the disk. NULL with an error that names what cannot be used. (transfer full) */
VrLog         *vr_open_log (const VrConfig *config, GError **error);

/* engine = etcd only. (transfer full) */
VrEtcdOptions *vr_open_log_options (const VrConfig *config);

/*
 * Is the log there, and may this host read and write it? Nothing is written. Appends a line for each place that was looked at to
 * `lines` (of char *, NULL: not wanted). FALSE with VR_LOG_ERROR if the log cannot be used now: the message says which part fails
 * (name, connection, TLS, log-in, permission, version, quorum), and where. One etcd member that serves is enough. Waits, for seconds
 * where nobody answers.
 */
gboolean       vr_open_log_check (const VrConfig *config, GPtrArray *lines, GError **error);

/*
 * All records of the log that the configuration names, into `file`; all records of `file`, into that log (log/carry.h has the rules).
 * Appends lines for people to `lines`. Beside daemons that run. Waits.
 */
gboolean       vr_export_log (const VrConfig *config, const char *file, GPtrArray *lines, GError **error);
gboolean       vr_import_log (const VrConfig *config, const char *file, GPtrArray *lines, GError **error);

G_END_DECLS
