/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VICI message as a tree: values, lists of values and sections, each under a name, in order. Values are wiped when freed, since some are
 * secrets.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _VrViciMessage VrViciMessage;

VrViciMessage *vr_vici_message_new (void);
void           vr_vici_message_free (VrViciMessage *message);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrViciMessage, vr_vici_message_free)

/* Building. A NULL value, list or blob array adds nothing. Lists are NULL-terminated. */
void           vr_vici_message_add (VrViciMessage *message, const char *name, const char *value);
void           vr_vici_message_add_number (VrViciMessage *message, const char *name, gint64 value);
void           vr_vici_message_add_data (VrViciMessage *message, const char *name, gconstpointer data, gsize len);
void           vr_vici_message_add_list (VrViciMessage *message, const char *name, const char *const *values);
void           vr_vici_message_add_blobs (VrViciMessage *message, const char *name, GBytes *const *blobs);
VrViciMessage *vr_vici_message_add_section (VrViciMessage *message, const char *name); /* (transfer none) */

/* For a decoder: a list that is filled item by item. */
void vr_vici_message_begin_list (VrViciMessage *message, const char *name);
void vr_vici_message_append_item (VrViciMessage *message, gconstpointer data, gsize len); /* to the list begun last */

/* Its bytes on the wire. */
gsize vr_vici_message_len (const VrViciMessage *message);

/* FALSE, VR_VICI_ERROR_INVALID: it has a name or value that VICI cannot carry. what: for the error. */
gboolean vr_vici_message_check (const VrViciMessage *message, const char *what, GError **error);

/* Reading. If a name is there more than once, the first counts. */
const char    *vr_vici_message_get (const VrViciMessage *message, const char *name);      /* NULL: not there */
guint64        vr_vici_message_get_number (const VrViciMessage *message, const char *name, guint base); /* 0: not there, no number */
gboolean       vr_vici_message_is_yes (const VrViciMessage *message, const char *name);
char         **vr_vici_message_get_list (const VrViciMessage *message, const char *name); /* (transfer full), NULL: not there */
VrViciMessage *vr_vici_message_get_section (const VrViciMessage *message, const char *name); /* (transfer none), NULL: not there */
VrViciMessage *vr_vici_message_nth_section (const VrViciMessage *message, guint n, const char **name); /* likewise */

/* Walks through all of it in order. */
typedef enum { VR_VICI_ITEM_VALUE, VR_VICI_ITEM_LIST, VR_VICI_ITEM_SECTION } VrViciItemKind;
typedef struct {
  gsize len;
  char  data[]; /* and a NUL behind */
} VrViciBlob;
typedef struct {
  VrViciItemKind kind;
  char          *name;
  GPtrArray     *values;  /* of VrViciBlob: one for a value, any number for a list */
  VrViciMessage *section;
} VrViciItem;
guint             vr_vici_message_n_items (const VrViciMessage *message);
const VrViciItem *vr_vici_message_item (const VrViciMessage *message, guint n);

G_END_DECLS
