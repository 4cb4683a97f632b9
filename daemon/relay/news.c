/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What comes from the log: a record enters the book, waits for what it follows, or is refused; and may be what a guest here has to be answered for. */
#include "relay-private.h"

static void
on_log_guest (VrLog *log, VrRecord *record, gpointer data)
{
  VrRelay *self = data;
  VrLocal *local;
  g_autoptr (GError) error = NULL;

  vr_relay_ledger_record (self, record);
  if (!vr_relay_enter (self, record, &error) && error == NULL)
    {
      local = g_hash_table_lookup (self->locals, record->uuid);
      if (local != NULL) /* an intent that is not proven changes nothing, and is looked into all the same */
        vr_relay_doubt (self, local);
      return;
    }
  if (g_error_matches (error, VR_RECORD_ERROR, VR_RECORD_ERROR_REFUSED))
    {
      vr_relay_refuse (self, record, error->message);
      return;
    }
  if (error != NULL)
    g_info ("waits: %s", error->message); /* it may be what this host has to answer */
  else if (self->log_ready && !g_str_equal (record->writer, self->config->host->name))
    vr_relay_say_record (record);
  local = g_hash_table_lookup (self->locals, record->uuid);
  if (local != NULL)
    vr_relay_settle (self, local);
  else
    vr_relay_settle_unseen (self, record->uuid);
  vr_relay_reconcile_soon (self);
}

static void
on_log_host (VrLog *log, VrHost *host, gpointer data)
{
  VrRelay *self = data;
  g_autoptr (GError) error = NULL;

  /* of itself, this host knows better than its own older record */
  if (!g_str_equal (host->name, self->config->host->name) && vr_book_add_host (self->book, host, &error))
    vr_relay_reconcile_soon (self);
  if (error != NULL)
    g_info ("%s", error->message); /* the next look says so */
}

static void
on_log_trouble (VrLog *log, const char *what, gpointer data)
{
  vr_relay_trouble (data, "migration log", *what != '\0' ? what : NULL);
  vr_relay_linger_log (data, *what != '\0');
}

static void
on_log_ready (VrLog *log, gpointer data)
{
  VrRelay *self = data;

  self->log_ready = TRUE;
  vr_book_open (self->book);
  vr_relay_write_host (self);
  vr_relay_settle_all (self);
  vr_relay_reconcile_soon (self);
}

void
vr_relay_news_connect (VrRelay *self)
{
  g_signal_connect_object (self->log, "guest", G_CALLBACK (on_log_guest), self, 0);
  g_signal_connect_object (self->log, "host", G_CALLBACK (on_log_host), self, 0);
  g_signal_connect_object (self->log, "ready", G_CALLBACK (on_log_ready), self, 0);
  g_signal_connect_object (self->log, "trouble", G_CALLBACK (on_log_trouble), self, 0);
}
