/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation
 *
 * Ready means: hooks are taken (main.c starts their listener before the loop runs), and the kernel holds what the plan
 * wants, or libvirt is known to be away: the relay's "ready". A migration log that is away must not hold up the boot of
 * a host, so READY=1 is sent after a grace at the latest; STATUS= then says what is missing.
 *
 * Signs of life come from a timer of the main loop, at half the interval that systemd asks for: a loop that hangs gives
 * none.
 *
 * STATUS= is made of what costs nothing to ask for. The guests are left out: their counters are read from nftables each
 * time, which would keep the loop from a switchover that is due.
 */
#include "daemon/service.h"

#include <systemd/sd-daemon.h>

#define STATUS_DELAY_S 1

struct _VrService {
  VrRelay *relay;
  gboolean relay_ready, told_ready;
  char    *status; /* as told last */
  guint    grace_s, grace_id, status_id, watchdog_id;
};

static void G_GNUC_PRINTF (1, 2)
tell (const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree char *state = g_strdup_vprintf (format, args);
  va_end (args);
  int result = sd_notify (FALSE, state);
  if (result < 0)
    g_info ("systemd was not told \"%s\": %s", state, g_strerror (-result));
}

/* ---- STATUS= ---- */

static void
count_tunnels (GPtrArray *hosts, guint *wanted, guint *up)
{
  *wanted = *up = 0;
  for (guint i = 0; i < hosts->len; i++)
    {
      const VrHostView *view = hosts->pdata[i];
      *wanted += view->wanted;
      *up += view->wanted && view->up;
    }
}

char *
vr_service_status (gboolean ready, GPtrArray *hosts, GPtrArray *troubles)
{
  guint wanted, up;
  count_tunnels (hosts, &wanted, &up);
  GString *status = g_string_new (ready ? NULL : "not ready yet; ");
  g_string_append_printf (status, "%u of %u tunnels up", up, wanted);
  if (troubles->len > 0)
    g_string_append_printf (status, "; %s", (const char *) troubles->pdata[0]);
  if (troubles->len > 1)
    g_string_append_printf (status, " (and %u more, see virt-relay status)", troubles->len - 1);
  g_strdelimit (status->str, "\n", ' '); /* a line of its own would be another variable */
  return g_string_free (status, FALSE);
}

static void
tell_status (VrService *service)
{
  g_autoptr (GPtrArray) hosts = vr_relay_hosts (service->relay);
  g_autoptr (GPtrArray) troubles = vr_relay_troubles (service->relay);
  g_autofree char *status = vr_service_status (service->relay_ready, hosts, troubles);
  if (g_strcmp0 (status, service->status) == 0)
    return;
  tell ("STATUS=%s", status);
  g_free (service->status);
  service->status = g_steal_pointer (&status);
}

static gboolean
on_status_due (gpointer data)
{
  VrService *service = data;
  service->status_id = 0;
  tell_status (service);
  return G_SOURCE_REMOVE;
}

static void
on_changed (VrRelay *relay, VrService *service)
{
  if (service->status_id == 0)
    service->status_id = g_timeout_add_seconds_full (G_PRIORITY_LOW, STATUS_DELAY_S, on_status_due, service, NULL);
}

/* ---- READY=1 ---- */

static void
tell_ready (VrService *service)
{
  g_clear_handle_id (&service->grace_id, g_source_remove);
  tell_status (service);
  if (!service->told_ready)
    tell ("READY=1");
  service->told_ready = TRUE;
}

static void
on_ready (VrRelay *relay, VrService *service)
{
  service->relay_ready = TRUE;
  tell_ready (service);
  g_message ("ready");
}

static gboolean
on_grace_over (gpointer data)
{
  VrService *service = data;
  service->grace_id = 0;
  g_warning ("not ready after %u s; traffic goes on as it was, and virt-relayd goes on trying", service->grace_s);
  tell_ready (service);
  return G_SOURCE_REMOVE;
}

/* ---- the watchdog ---- */

static gboolean
on_watchdog (gpointer data)
{
  tell ("WATCHDOG=1");
  return G_SOURCE_CONTINUE;
}

static guint
start_watchdog (void)
{
  guint64 interval_us = 0;
  if (sd_watchdog_enabled (FALSE, &interval_us) <= 0)
    return 0;
  return g_timeout_add ((guint) MAX (interval_us / 2000, 1), on_watchdog, NULL);
}

/* ---- reload, stop ---- */

void
vr_service_reloading (VrService *service)
{
  tell ("RELOADING=1\nMONOTONIC_USEC=%" G_GINT64_FORMAT, g_get_monotonic_time ());
}

void
vr_service_reloaded (VrService *service)
{
  tell ("READY=1");
}

void
vr_service_stopping (VrService *service)
{
  tell ("STOPPING=1");
}

VrService *
vr_service_new (VrRelay *relay, guint grace_s)
{
  VrService *service = g_new0 (VrService, 1);
  service->relay = relay;
  service->watchdog_id = start_watchdog ();
  service->grace_s = grace_s;
  service->grace_id = g_timeout_add_seconds (grace_s, on_grace_over, service);
  g_signal_connect (relay, "ready", G_CALLBACK (on_ready), service);
  g_signal_connect (relay, "changed", G_CALLBACK (on_changed), service);
  return service;
}

void
vr_service_free (VrService *service)
{
  g_signal_handlers_disconnect_by_data (service->relay, service);
  g_clear_handle_id (&service->grace_id, g_source_remove);
  g_clear_handle_id (&service->status_id, g_source_remove);
  g_clear_handle_id (&service->watchdog_id, g_source_remove);
  g_free (service->status);
  g_free (service);
}
