/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Own records: they enter the book at once, and the log when it can take them. */
#include "relay-private.h"

#include "daemon/logging.h"

static void
on_appended (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;

  if (!vr_log_append_finish (VR_LOG (source), result, &error) && !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    g_warning ("migration log: a record was not written: %s", error->message);
}

void
vr_relay_say_record (const VrRecord *record)
{
  vr_log (G_LOG_LEVEL_MESSAGE, &(VrLogFields) { .record = record },
          "guest %s: %s, epoch %" G_GUINT64_FORMAT ", owner %s%s%s%s%s", record->name, vr_state_to_string (record->state),
          record->epoch, record->owner, record->origin != NULL ? ", origin " : "", record->origin != NULL ? record->origin : "",
          record->target != NULL ? ", target " : "", record->target != NULL ? record->target : "");
}

gboolean
vr_relay_enter (VrRelay *self, VrRecord *record, GError **error)
{
  const VrGuest   *guest = vr_book_guest (self->book, record->uuid);
  g_autofree char *before = guest != NULL && guest->custody != NULL ? g_strdup (guest->custody->owner) : NULL;

  if (!vr_book_add_record (self->book, record, error))
    return FALSE;
  guest = vr_book_guest (self->book, record->uuid);
  if (self->log_ready && before != NULL && guest->custody != NULL && !g_str_equal (guest->custody->owner, before))
    vr_relay_say_moved (self, guest->custody, before);
  return TRUE;
}

void
vr_relay_write (VrRelay *self, VrRecord *record)
{
  g_autoptr (GError) error = NULL;

  record->time_us = g_get_real_time ();
  vr_log_append_async (self->log, record, NULL, on_appended, NULL);
  vr_relay_say_record (record);
  if (!vr_relay_enter (self, record, &error) && g_error_matches (error, VR_RECORD_ERROR, VR_RECORD_ERROR_REFUSED))
    vr_relay_refuse (self, record, error->message);
  vr_record_unref (record);
  vr_relay_reconcile_soon (self);
}

void
vr_relay_write_host (VrRelay *self)
{
  const VrHost *before = vr_book_host (self->book, self->config->host->name);
  const VrHost *mine = self->config->host;
  g_autoptr (GHashTable) macs = vr_kernel_macs (self->kernel);
  const char *mac = self->config->bridge != NULL ? g_hash_table_lookup (macs, self->config->bridge) : NULL;
  const char *list[] = { mac, NULL };
  VrHost     *host;

  if (before != NULL && before->seq > 0 && g_strv_equal ((const char *const *) before->macs, list))
    return;
  host = vr_host_new (mine->name);
  g_strfreev (host->underlay);
  host->underlay = g_strdupv (mine->underlay);
  g_strfreev (host->networks);
  host->networks = g_strdupv (mine->networks);
  g_strfreev (host->reach);
  host->reach = g_strdupv (mine->reach);
  g_strfreev (host->macs);
  host->macs = g_strdupv ((char **) list);
  g_free (host->identity);
  host->identity = g_strdup (mine->identity);
  vr_log_append_host_async (self->log, host, NULL, on_appended, NULL);
  vr_book_add_host (self->book, host, NULL);
  vr_host_unref (host);
}
