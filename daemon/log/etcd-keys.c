/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "etcd-keys.h"

#include "daemon/model/book.h"

#include <string.h>

char *
vr_etcd_key_now (const char *prefix)
{
  return g_strconcat (prefix, "/now/", NULL);
}

char *
vr_etcd_key_history (const char *prefix)
{
  return g_strconcat (prefix, "/history/", NULL);
}

char *
vr_etcd_key_machine (const char *prefix, const char *host)
{
  return g_strconcat (prefix, "/now/", host, "/machine", NULL);
}

gboolean
vr_etcd_key_is_machine (const char *key)
{
  return g_str_has_suffix (key, "/machine") && !strstr (key, "/guest/") && !strstr (key, "/intent/");
}

char *
vr_etcd_key_entry (const char *prefix, const VrEntry *entry)
{
  const char *writer = vr_entry_writer (entry);

  if (entry->host)
    return g_strconcat (prefix, "/now/", writer, "/host", NULL);
  if (entry->ledger)
    return g_strdup_printf ("%s/now/%s/ledger/%s/%" G_GUINT64_FORMAT, prefix, writer, entry->ledger->uuid, entry->ledger->epoch);
  return g_strconcat (prefix, "/now/", writer, vr_state_is_intent (entry->guest->state) ? "/intent/" : "/guest/", entry->guest->uuid, NULL);
}

char *
vr_etcd_key_entry_history (const char *prefix, const VrEntry *entry)
{
  if (!entry->guest)
    return NULL;
  return g_strdup_printf ("%s/history/%s/%s/%016" G_GINT64_MODIFIER "x", prefix, entry->guest->writer, entry->guest->uuid, entry->guest->seq);
}

gboolean
vr_etcd_entry_expires (const VrEntry *entry)
{
  return entry->ledger || (entry->guest && vr_state_is_intent (entry->guest->state));
}

char *
vr_etcd_key_host (const char *prefix, const char *key)
{
  g_autofree char *host = NULL;

  if (!g_str_has_prefix (key, prefix))
    return NULL;
  key += strlen (prefix);
  if (g_str_has_prefix (key, "/now/"))
    key += strlen ("/now/");
  else if (g_str_has_prefix (key, "/history/"))
    key += strlen ("/history/");
  else
    return NULL;
  if (!strchr (key, '/'))
    return NULL;
  host = g_strndup (key, strchr (key, '/') - key);
  return vr_host_name_is_valid (host) ? g_steal_pointer (&host) : NULL;
}

gboolean
vr_etcd_entry_replaces (const VrEntry *entry, const VrEntry *before)
{
  if (!before)
    return TRUE;
  if (entry->guest && before->guest && !vr_state_is_intent (entry->guest->state))
    return vr_record_supersedes (entry->guest, before->guest);
  return vr_entry_seq (entry) > vr_entry_seq (before);
}
