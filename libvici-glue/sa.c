/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "private.h"

void
vr_vici_child_sa_free (VrViciChildSa *sa)
{
  if (sa == NULL)
    return;
  g_free (sa->name);
  g_free (sa->state);
  g_free (sa->mode);
  g_strfreev (sa->local_ts);
  g_strfreev (sa->remote_ts);
  g_free (sa);
}

void
vr_vici_ike_sa_free (VrViciIkeSa *sa)
{
  if (sa == NULL)
    return;
  g_free (sa->name);
  g_free (sa->state);
  g_free (sa->local_host);
  g_free (sa->local_id);
  g_free (sa->remote_host);
  g_free (sa->remote_id);
  g_clear_pointer (&sa->children, g_ptr_array_unref);
  g_free (sa);
}

gboolean
vr_vici_child_sa_is_up (const VrViciChildSa *sa)
{
  static const char *const up[] = { "INSTALLED", "UPDATING", "REKEYING", "REKEYED", NULL };

  return g_strv_contains (up, sa->state);
}

static char *
text (const VrViciMessage *section, const char *name)
{
  const char *value = vr_vici_message_get (section, name);

  return g_strdup (value != NULL ? value : "");
}

static char **
list (const VrViciMessage *section, const char *name)
{
  char **values = vr_vici_message_get_list (section, name);

  return values != NULL ? values : g_new0 (char *, 1);
}

VrViciChildSa *
vr_vici_child_sa_decode (const VrViciMessage *section)
{
  VrViciChildSa *sa;

  if (vr_vici_message_get (section, "name") == NULL || vr_vici_message_get (section, "state") == NULL)
    return NULL;
  sa = g_new0 (VrViciChildSa, 1);
  sa->name = text (section, "name");
  sa->unique_id = vr_vici_message_get_number (section, "uniqueid", 10);
  sa->reqid = vr_vici_message_get_number (section, "reqid", 10);
  sa->state = text (section, "state");
  sa->mode = text (section, "mode");
  sa->if_id_in = (guint32) vr_vici_message_get_number (section, "if-id-in", 16);
  sa->if_id_out = (guint32) vr_vici_message_get_number (section, "if-id-out", 16);
  sa->local_ts = list (section, "local-ts");
  sa->remote_ts = list (section, "remote-ts");
  sa->bytes_in = vr_vici_message_get_number (section, "bytes-in", 10);
  sa->packets_in = vr_vici_message_get_number (section, "packets-in", 10);
  sa->bytes_out = vr_vici_message_get_number (section, "bytes-out", 10);
  sa->packets_out = vr_vici_message_get_number (section, "packets-out", 10);
  sa->install_s = vr_vici_message_get_number (section, "install-time", 10);
  return sa;
}

VrViciIkeSa *
vr_vici_ike_sa_decode (const char *name, const VrViciMessage *section)
{
  g_autoptr (VrViciIkeSa) sa = g_new0 (VrViciIkeSa, 1);
  const VrViciMessage *children = vr_vici_message_get_section (section, "child-sas");

  if (vr_vici_message_get (section, "uniqueid") == NULL || vr_vici_message_get (section, "state") == NULL)
    return NULL;
  sa->name = g_strdup (name);
  sa->unique_id = vr_vici_message_get_number (section, "uniqueid", 10);
  sa->state = text (section, "state");
  sa->initiator = vr_vici_message_is_yes (section, "initiator");
  sa->local_host = text (section, "local-host");
  sa->local_id = text (section, "local-id");
  sa->remote_host = text (section, "remote-host");
  sa->remote_id = text (section, "remote-id");
  sa->established_s = vr_vici_message_get_number (section, "established", 10);
  sa->children = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_vici_child_sa_free);
  for (guint i = 0; children != NULL && i < vr_vici_message_n_items (children); i++)
    {
      const VrViciItem *item = vr_vici_message_item (children, i);
      VrViciChildSa *child;

      /* a rekeying's event has the old and the new one a level deeper; its decoder looks there itself */
      if (item->kind != VR_VICI_ITEM_SECTION || vr_vici_message_get_section (item->section, "old") != NULL)
        continue;
      child = vr_vici_child_sa_decode (item->section);
      if (child == NULL)
        return NULL;
      g_ptr_array_add (sa->children, child);
    }
  return g_steal_pointer (&sa);
}
