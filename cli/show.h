/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Printing: tables, times, JSON; and looking things up in the a{sv} of the D-Bus API. All output goes to stdout. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* ---- a{sv} ---- */

const char *vr_item_text (GVariant *item, const char *key, const char *otherwise); /* owned by the item */
gboolean    vr_item_flag (GVariant *item, const char *key);                        /* FALSE if it is not there */
gint64      vr_item_time (GVariant *item, const char *key);                        /* x; 0 if it is not there */
guint64     vr_item_number (GVariant *item, const char *key);                      /* t; 0 if it is not there */
char       *vr_item_list (GVariant *item, const char *key);                        /* as, joined by blanks; "-" if there are none */
char       *vr_item_addresses (GVariant *guest);                                   /* of all its NICs, likewise */

/* ---- words ---- */

/* `text` with control characters made visible: what other hosts wrote must not steer a terminal. */
char *vr_show_text (const char *text);
char *vr_show_number (guint64 number);
char *vr_show_time (gint64 time_us);                 /* local time with milliseconds; "-" for 0 */
char *vr_show_duration (gint64 span_us);             /* the two largest units: "3m 12s" */
char *vr_show_guest_state (GVariant *guest);         /* its state, and the host that it is leaving for */
char *vr_show_tunnel (GVariant *host, gint64 now_us); /* how the tunnel to that host is */

/* ---- colours ---- */

/*
 * What begins a colour, and VR_PLAIN what ends it: "" where stdout is no terminal, or the environment says NO_COLOR or TERM=dumb. (transfer
 * none)
 */
typedef enum { VR_PLAIN, VR_GOOD, VR_WARN, VR_BAD, VR_DIM, VR_BOLD } VrColour;
const char *vr_show_colour (VrColour colour);

/* ---- tables ---- */

/* Columns as wide as their widest cell; the first row is the headings. */
typedef struct _VrTable VrTable;

VrTable *vr_table_new (const char *heading, ...) G_GNUC_NULL_TERMINATED;
void     vr_table_free (VrTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrTable, vr_table_free)

void vr_table_add (VrTable *table, const char *cell, ...) G_GNUC_NULL_TERMINATED; /* as many as headings; made printable */
void vr_table_print (VrTable *table, guint indent);                               /* "none" in place of no rows; a second time only what was added since */

/* ---- JSON ---- */

void vr_show_json (GVariant *value);      /* pretty-printed, a{sv} as objects; takes a floating reference */
void vr_show_json_line (GVariant *value); /* likewise, in one line */
void vr_show_names (GVariant *items);     /* the key "name" of each a{sv}, one a line */

G_END_DECLS
