/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the daemon knows, in the words of the D-Bus API (daemon/data/org.virtrelay1.xml says which keys there are). Pure
 * functions: they only read their arguments. Each gives a floating GVariant; what is not known is left out.
 */
#pragma once

#include "daemon/relay/relay.h"

G_BEGIN_DECLS

/* a{sv} of one item. */
GVariant *vr_bus_record_variant (const VrRecord *record);
GVariant *vr_bus_guest_variant (const VrGuestView *view);
GVariant *vr_bus_host_variant (const VrHostView *view);
GVariant *vr_bus_counter_variant (const VrCounter *counter);

GVariant *vr_bus_explanation_variant (const VrExplanation *explanation);

/* aa{sv}: of VrGuestView by name, of VrHostView by name, of VrRecord and VrCounter in the array's order. */
GVariant *vr_bus_guests_variant (GPtrArray *views);
GVariant *vr_bus_hosts_variant (GPtrArray *views);
GVariant *vr_bus_records_variant (GPtrArray *records);
GVariant *vr_bus_counters_variant (GPtrArray *counters);
GVariant *vr_bus_refused_variant (GPtrArray *views); /* of VrRefusedView */
GVariant *vr_bus_refused_counts_variant (GHashTable *counts); /* a{su} */

/* aa{sv} of VrMigration, in the array's order: no more than the last `newest`, 0: all. */
GVariant *vr_bus_migrations_variant (GPtrArray *migrations, guint newest);

/* as of the array's char *. */
GVariant *vr_bus_texts_variant (GPtrArray *texts);

/*
 * Those of `records` (VrRecord) that Log() answers: of the guest with this uuid (any case) or that ever bore this name,
 * or of all for ""; no more than `newest`, 0: all. (transfer container), in the array's order; NULL: no record is of
 * such a guest.
 */
GPtrArray *vr_bus_select_records (GPtrArray *records, const char *guest, guint newest);

G_END_DECLS
