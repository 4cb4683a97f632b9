/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. One VrPeer for each peer in the plan (peer.c), and for each that is no longer in it until nothing of it is left in
 * charon. Here is what concerns all of them: the connection to charon, and what others do to charon behind our back.
 *
 * charon forgets every connection when it restarts; VrVici then says "connected", and all peers load again. "swanctl --load-all" takes
 * our connections away without an event, and "swanctl --load-creds --clear" our secrets: so charon's connections are listed
 * each second, and secrets and keys are loaded again each half a minute.
 *
 * What a daemon before this one left behind, and the plan does not want, is recognized by its name: connections, IKE_SAs and
 * interfaces. It is looked for once the plan is known, and charon is there.
 */
#include "tunnels.h"

#include "daemon/names.h"
#include "peer.h"

#define TICK_MS 1000
#define MEND_TICKS 5
#define REFRESH_TICKS 30

struct _VrTunnels {
  GObject     parent_instance;
  VrPeerEnv   env;     /* env.vici: NULL while not started */
  GHashTable *peers;   /* name -> VrPeer */
  GHashTable *told;    /* set of the names that "changed" has to be emitted for, "": charon */
  gboolean    planned; /* vr_tunnels_want() was called */
  char       *trouble; /* of charon, as told last */
  guint       tick, ticks, idle;
};

G_DEFINE_FINAL_TYPE (VrTunnels, vr_tunnels, G_TYPE_OBJECT)

enum { SIGNAL_CHANGED, N_SIGNALS };
static guint signals[N_SIGNALS];

/* ---- telling ---- */

static gboolean
on_idle (gpointer data)
{
  g_autoptr (VrTunnels)  self = g_object_ref (data);
  g_autoptr (GHashTable) told = g_steal_pointer (&self->told);
  GHashTableIter         iter;
  const char            *name;

  self->idle = 0;
  self->told = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_hash_table_iter_init (&iter, told);
  while (g_hash_table_iter_next (&iter, (gpointer *) &name, NULL))
    {
      VrPeer *peer = g_hash_table_lookup (self->peers, name);

      if (peer != NULL && vr_peer_is_gone (peer))
        {
          g_debug ("tunnel %s: nothing of it is left", name);
          g_hash_table_remove (self->peers, name);
        }
      g_signal_emit (self, signals[SIGNAL_CHANGED], 0, *name != '\0' ? name : NULL);
    }
  return G_SOURCE_REMOVE;
}

/* Callers of vr_tunnels_want() must not be told from within the call. */
static void
tell (VrTunnels *self, const char *name)
{
  g_hash_table_add (self->told, g_strdup (name));
  if (self->idle == 0)
    self->idle = g_idle_add_full (G_PRIORITY_DEFAULT, on_idle, self, NULL);
}

static void
on_peer_changed (VrPeer *peer, gpointer data)
{
  tell (data, peer->name);
}

static void
tell_charon (VrTunnels *self)
{
  const char *trouble = self->env.vici != NULL ? vr_vici_trouble (self->env.vici) : NULL;

  if (g_strcmp0 (trouble, self->trouble) == 0)
    return;
  g_free (self->trouble);
  self->trouble = g_strdup (trouble);
  tell (self, "");
}

/* ---- peers ---- */

static VrPeer *
peer_of (VrTunnels *self, const char *name)
{
  VrPeer *peer = g_hash_table_lookup (self->peers, name);

  if (peer != NULL && vr_peer_is_gone (peer))
    {
      g_hash_table_remove (self->peers, name);
      peer = NULL;
    }
  if (peer == NULL)
    {
      peer = vr_peer_new (&self->env, name);
      g_hash_table_insert (self->peers, peer->name, peer);
      if (self->env.charon)
        vr_peer_charon_changed (peer);
    }
  return peer;
}

/* Calls one of vr_peer_*() for each peer. None of them changes the table. */
static void
for_each (VrTunnels *self, void (*func) (VrPeer *peer))
{
  GHashTableIter iter;
  gpointer       peer;

  g_hash_table_iter_init (&iter, self->peers);
  while (g_hash_table_iter_next (&iter, NULL, &peer))
    func (peer);
}

static VrPeer *
peer_of_conn (VrTunnels *self, const char *conn)
{
  if (!g_str_has_prefix (conn, VR_TUNNEL_CONN_PREFIX))
    return NULL;
  return g_hash_table_lookup (self->peers, conn + strlen (VR_TUNNEL_CONN_PREFIX));
}

/* Something of ours in charon: if the plan has no such peer, it is to go. */
static void
adopt (VrTunnels *self, const char *conn)
{
  const char *name = g_str_has_prefix (conn, VR_TUNNEL_CONN_PREFIX) ? conn + strlen (VR_TUNNEL_CONN_PREFIX) : NULL;

  if (name == NULL || !self->planned || !vr_host_name_is_valid (name) || g_hash_table_contains (self->peers, name))
    return;
  g_message ("charon has a connection to %s that nothing needs any more: taking it away", name);
  peer_of (self, name);
}

static void
remove_strange_links (VrTunnels *self, GHashTable *wanted)
{
  g_autoptr (GPtrArray) links = vr_kernel_our_links (self->env.kernel);

  for (guint i = 0; i < links->len; i++)
    {
      g_autoptr (GError) error = NULL;

      if (g_hash_table_contains (wanted, links->pdata[i]))
        continue;
      g_message ("removing the interface %s that nothing needs any more", (const char *) links->pdata[i]);
      if (!vr_kernel_remove_link (self->env.kernel, links->pdata[i], &error))
        g_warning ("cannot remove %s: %s", (const char *) links->pdata[i], error->message);
    }
}

/* ---- charon ---- */

static void
on_conns (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (VrTunnels) self = data;
  g_autoptr (GError)    error = NULL;
  g_auto (GStrv)        conns = vr_vici_list_conns_finish (VR_VICI (source), result, &error);
  GHashTableIter        iter;
  VrPeer               *peer;

  if (conns == NULL || self->env.vici == NULL)
    return; /* the next tick asks again */
  g_hash_table_iter_init (&iter, self->peers);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &peer))
    vr_peer_found (peer, g_strv_contains ((const char *const *) conns, peer->conn));
  for (char **conn = conns; *conn != NULL; conn++)
    adopt (self, *conn);
}

static void
list_conns (VrTunnels *self)
{
  vr_vici_list_conns (self->env.vici, VR_PEER_TIMEOUT_MS, NULL, on_conns, g_object_ref (self));
}

static void
on_sas (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (VrTunnels) self = data;
  g_autoptr (GPtrArray) sas = vr_vici_list_sas_finish (VR_VICI (source), result, NULL);

  for (guint i = 0; sas != NULL && self->env.vici != NULL && i < sas->len; i++)
    adopt (self, ((VrViciIkeSa *) sas->pdata[i])->name);
}

static void
look_for_strange_ones (VrTunnels *self)
{
  if (!self->env.charon || !self->planned)
    return;
  list_conns (self);
  vr_vici_list_sas (self->env.vici, NULL, VR_PEER_TIMEOUT_MS, NULL, on_sas, g_object_ref (self));
}

static void
on_connected (VrVici *vici, gpointer data)
{
  VrTunnels *self = data;

  g_message ("connected to charon");
  self->env.charon = TRUE;
  for_each (self, vr_peer_charon_changed);
  look_for_strange_ones (self);
  tell_charon (self);
}

static void
on_disconnected (VrVici *vici, const GError *why, gpointer data)
{
  VrTunnels *self = data;

  g_message ("lost charon: %s", why->message);
  self->env.charon = FALSE;
  for_each (self, vr_peer_charon_changed);
  tell_charon (self);
}

static void
on_ike_updown (VrVici *vici, gboolean up, const VrViciIkeSa *ike, gpointer data)
{
  VrPeer *peer = peer_of_conn (data, ike->name);

  if (peer != NULL && !up)
    vr_peer_lost (peer, ike->unique_id, 0);
  else if (peer != NULL)
    vr_peer_look (peer);
}

static void
on_child_updown (VrVici *vici, gboolean up, const VrViciIkeSa *ike, const VrViciChildSa *child, gpointer data)
{
  VrPeer *peer = peer_of_conn (data, ike->name);

  if (peer != NULL && !up)
    vr_peer_lost (peer, ike->unique_id, child->unique_id);
  else if (peer != NULL)
    vr_peer_look (peer);
}

static void
look_at (VrTunnels *self, const VrViciIkeSa *ike)
{
  VrPeer *peer = peer_of_conn (self, ike->name);

  if (peer != NULL)
    vr_peer_look (peer);
}

static void
on_ike_rekey (VrVici *vici, const VrViciIkeSa *old, const VrViciIkeSa *new, gpointer data)
{
  look_at (data, new);
}

static void
on_child_rekey (VrVici *vici, const VrViciIkeSa *ike, const VrViciChildSa *old, const VrViciChildSa *new, gpointer data)
{
  look_at (data, ike);
}

static void
on_log (VrVici *vici, const char *conn, guint64 ike, const char *line, gpointer data)
{
  VrPeer *peer = peer_of_conn (data, conn);

  if (peer != NULL)
    vr_peer_hear (peer, ike, line);
}

static gboolean
on_tick (gpointer data)
{
  VrTunnels *self = data;

  self->ticks++;
  tell_charon (self);
  if (self->ticks % MEND_TICKS == 0)
    for_each (self, vr_peer_mend);
  if (self->ticks % REFRESH_TICKS == 0)
    for_each (self, vr_peer_refresh);
  if (self->env.charon)
    list_conns (self);
  return G_SOURCE_CONTINUE;
}

/* ---- public ---- */

VrTunnels *
vr_tunnels_new (VrKernel *kernel, const VrConfig *config)
{
  VrTunnels *self = g_object_new (VR_TYPE_TUNNELS, NULL);

  self->env.kernel = kernel;
  self->env.config = config;
  return self;
}

void
vr_tunnels_start (VrTunnels *self)
{
  g_return_if_fail (self->env.vici == NULL);
  self->env.vici = g_object_new (VR_TYPE_VICI, "uri", self->env.config->vici_uri, "hang-ms", VR_PEER_HANG_MS, NULL);
  g_signal_connect (self->env.vici, "connected", G_CALLBACK (on_connected), self);
  g_signal_connect (self->env.vici, "disconnected", G_CALLBACK (on_disconnected), self);
  g_signal_connect (self->env.vici, "ike-updown", G_CALLBACK (on_ike_updown), self);
  g_signal_connect (self->env.vici, "child-updown", G_CALLBACK (on_child_updown), self);
  g_signal_connect (self->env.vici, "ike-rekey", G_CALLBACK (on_ike_rekey), self);
  g_signal_connect (self->env.vici, "child-rekey", G_CALLBACK (on_child_rekey), self);
  g_signal_connect (self->env.vici, "log", G_CALLBACK (on_log), self);
  self->tick = g_timeout_add (TICK_MS, on_tick, self);
}

void
vr_tunnels_stop (VrTunnels *self)
{
  g_clear_handle_id (&self->tick, g_source_remove);
  g_clear_handle_id (&self->idle, g_source_remove);
  g_hash_table_remove_all (self->peers);
  self->env.charon = FALSE;
  if (self->env.vici == NULL)
    return;
  g_signal_handlers_disconnect_by_data (self->env.vici, self);
  vr_vici_close (self->env.vici);
  g_clear_object (&self->env.vici);
}

void
vr_tunnels_want (VrTunnels *self, GPtrArray *wanted)
{
  g_autoptr (GHashTable) names = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GHashTable) devs = g_hash_table_new (g_str_hash, g_str_equal);
  gboolean               first = !self->planned;
  GHashTableIter         iter;
  VrPeer                *peer;

  for (guint i = 0; i < wanted->len; i++)
    {
      const VrTunnel *tunnel = wanted->pdata[i];

      g_hash_table_add (names, tunnel->peer);
      g_hash_table_add (devs, tunnel->dev);
      vr_peer_want (peer_of (self, tunnel->peer), tunnel);
    }
  g_hash_table_iter_init (&iter, self->peers);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &peer))
    if (!g_hash_table_contains (names, peer->name))
      vr_peer_unwant (peer);
  self->planned = TRUE;
  if (!first)
    return;
  remove_strange_links (self, devs);
  look_for_strange_ones (self);
}

gboolean
vr_tunnels_is_up (VrTunnels *self, const char *name)
{
  const VrPeer *peer = g_hash_table_lookup (self->peers, name);

  return peer != NULL && vr_peer_is_up (peer);
}

GHashTable *
vr_tunnels_up (VrTunnels *self)
{
  GHashTable    *up = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  GHashTableIter iter;
  VrPeer        *peer;

  g_hash_table_iter_init (&iter, self->peers);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &peer))
    if (vr_peer_is_up (peer))
      g_hash_table_add (up, g_strdup (peer->name));
  return up;
}

gint64
vr_tunnels_up_since (VrTunnels *self, const char *name)
{
  const VrPeer *peer = g_hash_table_lookup (self->peers, name);

  return peer != NULL && vr_peer_is_up (peer) ? peer->up_since : 0;
}

const char *
vr_tunnels_trouble (VrTunnels *self, const char *name)
{
  const VrPeer *peer = name != NULL ? g_hash_table_lookup (self->peers, name) : NULL;

  if (name == NULL)
    return self->env.vici != NULL ? vr_vici_trouble (self->env.vici) : NULL;
  return peer != NULL ? peer->trouble : NULL;
}

static void
vr_tunnels_dispose (GObject *object)
{
  vr_tunnels_stop (VR_TUNNELS (object));
  G_OBJECT_CLASS (vr_tunnels_parent_class)->dispose (object);
}

static void
vr_tunnels_finalize (GObject *object)
{
  VrTunnels *self = VR_TUNNELS (object);

  g_hash_table_unref (self->peers);
  g_hash_table_unref (self->told);
  g_free (self->trouble);
  G_OBJECT_CLASS (vr_tunnels_parent_class)->finalize (object);
}

static void
vr_tunnels_class_init (VrTunnelsClass *class)
{
  GObjectClass *object_class = G_OBJECT_CLASS (class);

  object_class->dispose = vr_tunnels_dispose;
  object_class->finalize = vr_tunnels_finalize;
  signals[SIGNAL_CHANGED] = g_signal_new ("changed", VR_TYPE_TUNNELS, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
}

static void
vr_tunnels_init (VrTunnels *self)
{
  self->peers = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) vr_peer_drop);
  self->told = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->env.changed = on_peer_changed;
  self->env.data = self;
}
