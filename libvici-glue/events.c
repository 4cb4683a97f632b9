/* SPDX-License-Identifier: GPL-2.0-or-later */
/* charon's events as signals of VrVici. Each event about an SA has one section, named after the connection, with the IKE_SA in it. */
#include "private.h"

const char *const vr_vici_event_names[] = { "ike-updown", "child-updown", "ike-rekey", "child-rekey", "log", "list-sa", NULL };
const char *const vr_vici_stream_names[] = { "list-sa", NULL };

enum { IKE_UPDOWN, CHILD_UPDOWN, IKE_REKEY, CHILD_REKEY, LOG, N_SIGNALS };
static guint signals[N_SIGNALS];

static guint
install (const char *name, guint n, GType first)
{
  /* What is pointed at lives for the emission only, so the boxing that types of our own would do is of no use. */
  return g_signal_new (name, VR_TYPE_VICI, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, n, first, G_TYPE_POINTER, G_TYPE_POINTER);
}

void
vr_vici_install_events (void)
{
  signals[IKE_UPDOWN] = install ("ike-updown", 2, G_TYPE_BOOLEAN);
  signals[CHILD_UPDOWN] = install ("child-updown", 3, G_TYPE_BOOLEAN);
  signals[IKE_REKEY] = install ("ike-rekey", 2, G_TYPE_POINTER);
  signals[CHILD_REKEY] = install ("child-rekey", 3, G_TYPE_POINTER);
  signals[LOG] = g_signal_new ("log", VR_TYPE_VICI, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 3, G_TYPE_STRING, G_TYPE_UINT64,
                               G_TYPE_STRING);
}

static gboolean
emit_updown (VrVici *vici, gboolean child, const char *name, const VrViciMessage *section, gboolean up)
{
  g_autoptr (VrViciIkeSa) ike = vr_vici_ike_sa_decode (name, section);

  if (ike == NULL || ike->children->len != (child ? 1 : 0))
    return FALSE;
  if (child)
    g_signal_emit (vici, signals[CHILD_UPDOWN], 0, up, ike, ike->children->pdata[0]);
  else
    g_signal_emit (vici, signals[IKE_UPDOWN], 0, up, ike);
  return TRUE;
}

static gboolean
emit_ike_rekey (VrVici *vici, const char *name, const VrViciMessage *section)
{
  const VrViciMessage *old_section = vr_vici_message_get_section (section, "old");
  const VrViciMessage *new_section = vr_vici_message_get_section (section, "new");
  g_autoptr (VrViciIkeSa) old = old_section != NULL ? vr_vici_ike_sa_decode (name, old_section) : NULL;
  g_autoptr (VrViciIkeSa) new = new_section != NULL ? vr_vici_ike_sa_decode (name, new_section) : NULL;

  if (old == NULL || new == NULL)
    return FALSE;
  g_signal_emit (vici, signals[IKE_REKEY], 0, old, new);
  return TRUE;
}

static gboolean
emit_child_rekey (VrVici *vici, const char *name, const VrViciMessage *section)
{
  g_autoptr (VrViciIkeSa) ike = vr_vici_ike_sa_decode (name, section);
  const VrViciMessage *children = vr_vici_message_get_section (section, "child-sas");
  const VrViciMessage *child = children != NULL ? vr_vici_message_nth_section (children, 0, NULL) : NULL;
  const VrViciMessage *old_section = child != NULL ? vr_vici_message_get_section (child, "old") : NULL;
  const VrViciMessage *new_section = child != NULL ? vr_vici_message_get_section (child, "new") : NULL;
  g_autoptr (VrViciChildSa) old = old_section != NULL ? vr_vici_child_sa_decode (old_section) : NULL;
  g_autoptr (VrViciChildSa) new = new_section != NULL ? vr_vici_child_sa_decode (new_section) : NULL;

  if (ike == NULL || old == NULL || new == NULL)
    return FALSE;
  g_signal_emit (vici, signals[CHILD_REKEY], 0, ike, old, new);
  return TRUE;
}

/* The only event without sections. Most lines are about charon itself, or about the IKE_SA of nobody known yet. */
static gboolean
emit_log (VrVici *vici, const VrViciMessage *message)
{
  const char *name = vr_vici_message_get (message, "ikesa-name");
  const char *line = vr_vici_message_get (message, "msg");

  if (name != NULL && line != NULL)
    g_signal_emit (vici, signals[LOG], 0, name, vr_vici_message_get_number (message, "ikesa-uniqueid", 10), line);
  return TRUE;
}

gboolean
vr_vici_emit_event (VrVici *vici, const char *event, const VrViciMessage *message)
{
  const char *name;
  const VrViciMessage *section = vr_vici_message_nth_section (message, 0, &name);
  gboolean up = vr_vici_message_is_yes (message, "up");

  if (g_str_equal (event, "log"))
    return emit_log (vici, message);
  if (section == NULL)
    return FALSE;
  if (g_str_equal (event, "ike-updown"))
    return emit_updown (vici, FALSE, name, section, up);
  if (g_str_equal (event, "child-updown"))
    return emit_updown (vici, TRUE, name, section, up);
  if (g_str_equal (event, "ike-rekey"))
    return emit_ike_rekey (vici, name, section);
  return emit_child_rekey (vici, name, section);
}
