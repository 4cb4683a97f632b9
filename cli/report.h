/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ledger as a page for a browser: self-contained, without scripts, light or dark as the reader likes it. Pure. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Of what Migrations() answered, the newest migration first; (transfer full). All text in it is escaped. */
char  *vr_report_page (GVariant *migrations);
gint64 vr_report_phase (GVariant *item, const char *phase); /* of a migration, or a host in it; 0: not seen */

G_END_DECLS
