/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The relay, theory of operation.
 *
 *   libvirt's events, hooks  ->  guests on this host (events.c, guests.c)  ->  records  ->  the log
 *   the log                  ->  the book
 *   charon, the kernel       ->  which tunnels are up, which interfaces there are
 *                 all of it  ->  reconcile: facts, plan, difference, apply
 *
 * Whatever happens ends in vr_relay_reconcile_soon(): many things at once are one reconcile. Nothing is computed from an event that
 * could not be computed again from the facts, so a missed one costs time and nothing else. The one exception is the switchover
 * (flip.c), which is the same plan, made beforehand, for one guest.
 *
 * Own records enter the book at once and the log when it can take them: what this host knows of its own guests does not wait for
 * a disk.
 */
#include "relay-private.h"

#include "daemon/logging.h"
#include "daemon/names.h"

#define TICK_S 5

G_DEFINE_FINAL_TYPE (VrRelay, vr_relay, G_TYPE_OBJECT)

enum { FLUSHED, TUNNEL_CHANGED, N_SIGNALS };
static guint signals[N_SIGNALS]; /* what say.c does not emit */

/* ---- charon and the kernel ---- */

static void
say_tunnel (VrRelay *self, const char *peer)
{
  gboolean    up = vr_tunnels_is_up (self->tunnels, peer);
  const char *trouble = vr_tunnels_trouble (self->tunnels, peer);

  if (up == g_hash_table_contains (self->up, peer))
    return;
  if (up)
    g_hash_table_add (self->up, g_strdup (peer));
  else
    g_hash_table_remove (self->up, peer);
  vr_log (G_LOG_LEVEL_MESSAGE, &(VrLogFields) { .peer = peer }, "tunnel to %s: %s", peer, up ? "up" : "down");
  g_signal_emit (self, signals[TUNNEL_CHANGED], 0, peer, up, trouble != NULL ? trouble : "");
}

static void
on_tunnel_changed (VrTunnels *tunnels, const char *peer, gpointer data)
{
  VrRelay         *self = data;
  g_autofree char *about = peer != NULL && *peer != '\0' ? g_strdup_printf ("tunnel to %s", peer) : g_strdup ("strongSwan");

  vr_relay_trouble (self, about, vr_tunnels_trouble (tunnels, peer != NULL && *peer != '\0' ? peer : NULL));
  if (peer != NULL && *peer != '\0')
    say_tunnel (self, peer);
  vr_relay_reconcile_soon (self);
}

static void
on_kernel_changed (VrKernel *kernel, gpointer data)
{
  VrRelay *self = data;

  if (self->log_ready)
    vr_relay_write_host (self);
  vr_relay_reconcile_soon (self);
}

static void
on_asked (VrAsking *asking, const char *dev, const char *address, gpointer data)
{
  VrRelay *self = data;

  if (g_hash_table_add (self->asked, g_strdup_printf ("%s %s", dev, address)))
    vr_relay_reconcile_soon (self);
}

static void
check_forwarding (VrRelay *self)
{
  vr_relay_trouble (self, "IPv4 forwarding",
                    vr_kernel_forwarding (self->kernel, FALSE) ? NULL : "is off; sysctl -w net.ipv4.ip_forward=1 turns it on");
  vr_relay_trouble (self, "IPv6 forwarding",
                    vr_kernel_forwarding (self->kernel, TRUE) ? NULL
                                                              : "is off; sysctl -w net.ipv6.conf.all.forwarding=1 turns it on");
}

static gboolean
on_tick (gpointer data)
{
  check_forwarding (data);
  vr_relay_look_for_addresses (data);
  vr_relay_rates_sample (data);
  vr_relay_look_for_refused (data);
  return G_SOURCE_CONTINUE;
}

/* ---- the object ---- */

static void
vr_relay_init (VrRelay *self)
{
  self->book = vr_book_new ();
  self->plan = vr_plan_new ();
  self->locals = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) vr_local_free);
  self->asked = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->answers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->sought = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->direct = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  vr_relay_ledger_init (self);
  self->rates = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->up = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->changed = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->held = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->troubles = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->cancellable = g_cancellable_new ();
  self->reconcile = vr_relay_reconcile;
  vr_relay_refused_init (self);
}

static void
vr_relay_dispose (GObject *object)
{
  VrRelay *self = VR_RELAY (object);

  vr_relay_stop (self);
  g_clear_object (&self->asking);
  g_clear_object (&self->kernel);
  g_clear_object (&self->log);
  g_clear_object (&self->tunnels);
  g_clear_object (&self->virt);
  g_clear_object (&self->hooks);
  G_OBJECT_CLASS (vr_relay_parent_class)->dispose (object);
}

static void
vr_relay_finalize (GObject *object)
{
  VrRelay *self = VR_RELAY (object);

  vr_plan_free (self->plan);
  g_hash_table_unref (self->locals);
  g_hash_table_unref (self->asked);
  g_hash_table_unref (self->answers);
  g_hash_table_unref (self->sought);
  g_hash_table_unref (self->direct);
  vr_relay_ledger_clear (self);
  g_hash_table_unref (self->rates);
  g_hash_table_unref (self->up);
  g_hash_table_unref (self->changed);
  g_hash_table_unref (self->held);
  g_hash_table_unref (self->troubles);
  vr_relay_refused_clear (self);
  g_object_unref (self->cancellable);
  vr_book_free (self->book);
  G_OBJECT_CLASS (vr_relay_parent_class)->finalize (object);
}

static void
vr_relay_class_init (VrRelayClass *class)
{
  G_OBJECT_CLASS (class)->dispose = vr_relay_dispose;
  G_OBJECT_CLASS (class)->finalize = vr_relay_finalize;
  g_signal_new ("changed", VR_TYPE_RELAY, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  g_signal_new ("guest-moved", VR_TYPE_RELAY, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 2, G_TYPE_POINTER,
                                       G_TYPE_STRING);
  g_signal_new ("path-changed", VR_TYPE_RELAY, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_POINTER);
  signals[TUNNEL_CHANGED] = g_signal_new ("tunnel-changed", VR_TYPE_RELAY, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 3, G_TYPE_STRING,
                                          G_TYPE_BOOLEAN, G_TYPE_STRING);
  g_signal_new ("trouble", VR_TYPE_RELAY, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 3, G_TYPE_STRING, G_TYPE_STRING,
                                   G_TYPE_BOOLEAN);
  signals[FLUSHED] = g_signal_new ("flushed", VR_TYPE_RELAY, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  g_signal_new ("ready", VR_TYPE_RELAY, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

VrRelay *
vr_relay_new (const VrConfig *config, VrKernel *kernel, VrLog *log, VrTunnels *tunnels, VrVirt *virt, VrHookListener *hooks)
{
  VrRelay *self = g_object_new (VR_TYPE_RELAY, NULL);

  self->config = config;
  self->kernel = g_object_ref (kernel);
  self->log = g_object_ref (log);
  self->tunnels = g_object_ref (tunnels);
  self->virt = g_object_ref (virt);
  self->hooks = g_object_ref (hooks);
  self->asking = vr_asking_new ();
  vr_relay_linger_init (self);
  vr_book_set_trust (self->book, &config->trust);
  vr_book_add_host (self->book, config->host, NULL); /* what this host has, others do not get */
  vr_book_hold (self->book);
  return self;
}

void
vr_relay_start (VrRelay *self)
{
  g_signal_connect_object (self->tunnels, "changed", G_CALLBACK (on_tunnel_changed), self, 0);
  g_signal_connect_object (self->kernel, "changed", G_CALLBACK (on_kernel_changed), self, 0);
  g_signal_connect_object (self->asking, "asked", G_CALLBACK (on_asked), self, 0);
  vr_relay_news_connect (self);
  vr_relay_events_connect (self);
  vr_relay_ledger_connect (self);
  self->tick = g_timeout_add_seconds (TICK_S, on_tick, self);
  check_forwarding (self);
}

void
vr_relay_stop (VrRelay *self)
{
  g_cancellable_cancel (self->cancellable);
  g_clear_handle_id (&self->idle, g_source_remove);
  g_clear_handle_id (&self->due, g_source_remove);
  g_clear_handle_id (&self->tick, g_source_remove);
  g_clear_handle_id (&self->retry, g_source_remove);
  vr_relay_path_stop (self);
  vr_relay_rates_stop (self);
  vr_relay_ledger_stop (self);
  vr_relay_change_stop (self);
}

gboolean
vr_relay_flush (VrRelay *self, GError **error)
{
  g_autoptr (VrPlan) nothing = vr_plan_new ();
  gboolean           done;

  g_message ("flushing: everything of virt-relay's is taken away");
  vr_relay_stop (self);
  self->flushed = TRUE;
  vr_tunnels_want (self->tunnels, nothing->tunnels);
  done = vr_kernel_flush (self->kernel, error);
  g_signal_emit (self, signals[FLUSHED], 0);
  return done;
}

VrLog *
vr_relay_log (VrRelay *self)
{
  return self->log;
}

VrKernel *
vr_relay_kernel (VrRelay *self)
{
  return self->kernel;
}
