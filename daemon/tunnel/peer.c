/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. Whatever happens ends in vr_peer_run(): the machine is stepped until it rests, each step's action is started, and
 * what others see (up, trouble) is brought up to date. Actions are commands to charon, whose answers come later and change facts.
 *
 * charon's events only say that it is time to look: the list of SAs is what counts. A timer looks every 5 s in any case, and more
 * often while something is expected to happen. A charon that ends takes its SAs down and can be asked no more; then what its last events
 * said counts. One that is killed says nothing, and leaves its SAs in the kernel.
 *
 * A tunnel whose underlay dies silently is in charon's list until charon has given up asking, which takes minutes, and how often it asks is
 * the same for all its connections, the administrator's too. But its log tells when it has to ask again. From then on the tunnel counts as
 * down for others, though nothing is done to it, until the peer answers, or there is a new IKE_SA.
 *
 * A tunnel that the peer initiated is up for others when the peer has it, too (tunnel-look.c); until then this looks often.
 *
 * Answers outlive the peer: each pending command (this file's look, those of peer-act.c and peer-load.c) holds a reference, and finds it detached.
 */
#include "peer.h"

#include "daemon/model/address.h"
#include "greeting.h"
#include "tunnel-trouble.h"

#include <string.h>

#define LOOK_US (5 * G_USEC_PER_SEC)
#define LOOK_IN_MOTION_US (300 * 1000)
#define LOOK_FOR_GREETING_US (40 * 1000)
#define LEAST_MS 20

VrPeer *
vr_peer_new (const VrPeerEnv *env, const char *name)
{
  VrPeer *peer = g_rc_box_new0 (VrPeer);

  peer->env = env;
  peer->name = g_strdup (name);
  peer->conn = g_strconcat (VR_TUNNEL_CONN_PREFIX, name, NULL);
  peer->local_addrs = g_new0 (char *, 1);
  peer->remote_addrs = g_new0 (char *, 1);
  peer->sas = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_vici_ike_sa_free);
  vr_fsm_init (&peer->fsm, (gint64) env->config->takeover_delay_s * G_USEC_PER_SEC, g_get_monotonic_time ());
  return peer;
}

static void
clear (gpointer data)
{
  VrPeer *peer = data;

  g_free (peer->name);
  g_free (peer->conn);
  g_free (peer->dev);
  g_clear_pointer (&peer->host, vr_host_unref);
  g_strfreev (peer->local_addrs);
  g_strfreev (peer->remote_addrs);
  g_ptr_array_unref (peer->sas);
  g_free (peer->load_error);
  g_free (peer->wrong);
  g_free (peer->link_error);
  g_free (peer->trouble);
  g_free (peer->complaint);
}

VrPeer *
vr_peer_ref (VrPeer *peer)
{
  return g_rc_box_acquire (peer);
}

void
vr_peer_unref (VrPeer *peer)
{
  g_rc_box_release_full (peer, clear);
}

void
vr_peer_drop (VrPeer *peer)
{
  peer->detached = TRUE;
  g_clear_handle_id (&peer->timer, g_source_remove);
  vr_peer_unref (peer);
}

gboolean
vr_peer_is_up (const VrPeer *peer)
{
  return peer->up && !peer->silent && peer->facts.wanted && peer->link_error == NULL;
}

gboolean
vr_peer_is_gone (const VrPeer *peer)
{
  return peer->fsm.state == VR_FSM_GONE;
}

static void
replace (char **text, const char *value)
{
  g_free (*text);
  *text = g_strdup (value);
}

/* ---- looking ---- */

static void
come_up (VrPeer *peer, const VrTunnelSight *sight)
{
  g_autoptr (GError) error = NULL;

  peer->up_since = g_get_real_time () - sight->up_s * G_USEC_PER_SEC;
  if (sight->initiator && peer->dev != NULL && !vr_greeting_send (peer->dev, &error))
    g_info ("tunnel to %s: the peer waits %d s before it sends anything, as it was not told that the tunnel is ready: %s", peer->name,
            VR_TUNNEL_READY_S, error->message);
}

static void
see (VrPeer *peer, GPtrArray *sas)
{
  const VrTunnelExpected expected = { peer->if_id, (const char *const *) peer->remote_addrs, peer->stale };
  g_auto (VrTunnelSight) sight = { 0 };

  g_ptr_array_unref (peer->sas);
  peer->sas = g_ptr_array_ref (sas);
  vr_tunnel_look (sas, &expected, &sight);
  if (sight.sa != peer->facts.sa)
    g_debug ("tunnel %s: %u IKE_SAs, the best is of kind %d, ids %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT, peer->name, sas->len,
             sight.sa, sight.oldest, sight.newest);
  peer->facts.sa = sight.sa;
  peer->facts.initiator = sight.initiator;
  peer->keep = sight.keep;
  peer->facts.doubled = sight.keep != 0 && strcmp (peer->env->config->host->name, peer->name) < 0;
  peer->facts.oldest = sight.oldest;
  peer->facts.newest = sight.newest;
  replace (&peer->wrong, sight.wrong);

  if (sight.ready && !peer->up)
    come_up (peer, &sight);
  peer->up = sight.sa == VR_FSM_SA_UP && (peer->up || sight.ready); /* rekeying makes a new one that is not ready, but the old one goes on */
  peer->silent = peer->silent && peer->up && sight.newest == peer->silent_sa;
}

static void
on_listed (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (VrPeer)    peer = data;
  g_autoptr (GError)    error = NULL;
  g_autoptr (GPtrArray) sas = vr_vici_list_sas_finish (VR_VICI (source), result, &error);

  peer->looking = FALSE;
  if (peer->detached)
    return;
  if (sas == NULL)
    g_debug ("tunnel %s: %s", peer->name, error->message);
  else if (peer->env->charon)
    {
      see (peer, sas);
      vr_peer_run (peer);
    }
  if (peer->look_again)
    vr_peer_look (peer);
}

void
vr_peer_look (VrPeer *peer)
{
  peer->look_again = peer->looking;
  if (peer->looking || peer->detached || !peer->env->charon)
    return;
  peer->looking = TRUE;
  peer->looked_at = g_get_monotonic_time ();
  vr_vici_list_sas (peer->env->vici, peer->conn, VR_PEER_TIMEOUT_MS, NULL, on_listed, vr_peer_ref (peer));
}

/* With other eyes, or after a loss. */
static void
see_again (VrPeer *peer)
{
  g_autoptr (GPtrArray) sas = g_ptr_array_ref (peer->sas);

  see (peer, sas);
}

static void
lose_child (GPtrArray *children, guint64 id)
{
  for (guint i = children->len; i > 0; i--)
    if (((VrViciChildSa *) children->pdata[i - 1])->unique_id == id)
      g_ptr_array_remove_index (children, i - 1);
}

void
vr_peer_lost (VrPeer *peer, guint64 ike, guint64 child)
{
  for (guint i = peer->sas->len; i > 0; i--)
    {
      VrViciIkeSa *sa = peer->sas->pdata[i - 1];

      if (sa->unique_id != ike)
        continue;
      if (child == 0)
        g_ptr_array_remove_index (peer->sas, i - 1);
      else
        lose_child (sa->children, child);
    }
  vr_peer_look (peer);
}

/* ---- what others see ---- */

static char *
trouble_text (VrPeer *peer, gint64 now)
{
  const VrTunnelTrouble trouble = {
    .failure = vr_fsm_failure (&peer->fsm, &peer->facts, now),
    .peer = peer->name,
    .address = peer->remote_addrs[0] != NULL ? peer->remote_addrs[0] : "no address",
    .silent = peer->silent,
    .error = peer->load_error,
    .wrong = peer->wrong,
    .line = peer->complaint,
  };

  if (!peer->facts.wanted)
    return NULL;
  if (peer->link_error != NULL)
    return g_strdup_printf ("no interface for the tunnel to %s: %s", peer->name, peer->link_error);
  return vr_tunnel_trouble_text (&trouble);
}

/* A complaint counts for the attempt that it was about: until another attempt fails for another reason, the tunnel is up, or it is old. */
static void
forget_complaint (VrPeer *peer, gint64 now)
{
  gboolean other = peer->fsm.state == VR_FSM_BACKOFF && peer->complained_at < peer->attempted_at && !peer->facts.refused;
  gboolean old = peer->fsm.failure == VR_FSM_FINE && now > peer->complained_at + VR_PEER_COMPLAINT_US;

  if (peer->up || other || old)
    g_clear_pointer (&peer->complaint, g_free);
}

static void
tell (VrPeer *peer, gboolean was_up, gint64 now)
{
  g_autofree char *old = g_steal_pointer (&peer->trouble);

  forget_complaint (peer, now);
  peer->trouble = trouble_text (peer, now);
  if (was_up != vr_peer_is_up (peer))
    g_message ("tunnel to %s is %s", peer->name, was_up ? "down" : "up");
  if (was_up != vr_peer_is_up (peer) || g_strcmp0 (old, peer->trouble) != 0 || vr_peer_is_gone (peer))
    peer->env->changed (peer, peer->env->data);
}

/* From one look to the next. */
static gint64
look_pause_us (const VrPeer *peer)
{
  if (peer->facts.sa == VR_FSM_SA_UP && !peer->up)
    return LOOK_FOR_GREETING_US;
  return vr_fsm_in_motion (&peer->fsm) ? LOOK_IN_MOTION_US : LOOK_US;
}

static gboolean
on_timer (gpointer data)
{
  VrPeer *peer = data;

  peer->timer = 0;
  if (g_get_monotonic_time () >= peer->looked_at + look_pause_us (peer))
    vr_peer_look (peer);
  vr_peer_run (peer);
  return G_SOURCE_REMOVE;
}

static void
arm (VrPeer *peer, gint64 now)
{
  gint64 wake = vr_fsm_wake (&peer->fsm, &peer->facts, now);

  if (peer->env->charon)
    wake = MIN (wake, peer->looked_at + look_pause_us (peer));
  g_clear_handle_id (&peer->timer, g_source_remove);
  if (wake != G_MAXINT64 && !vr_peer_is_gone (peer))
    peer->timer = g_timeout_add (MAX (LEAST_MS, (wake - now) / 1000 + 1), on_timer, peer);
}

void
vr_peer_run (VrPeer *peer)
{
  gint64      now = g_get_monotonic_time ();
  VrFsmAction action;

  for (;;)
    {
      VrFsmState from = peer->fsm.state;

      if (!vr_fsm_step (&peer->fsm, &peer->facts, now, g_random_double_range (0.75, 1.25), &action))
        break;
      g_debug ("tunnel %s: %s -> %s, %s", peer->name, vr_fsm_state_to_string (from), vr_fsm_state_to_string (peer->fsm.state),
               vr_fsm_action_to_string (action));
      if (peer->fsm.state == VR_FSM_INITIATING)
        peer->attempted_at = now;
      vr_peer_act (peer, action);
    }
  tell (peer, peer->told_up, now);
  peer->told_up = vr_peer_is_up (peer);
  arm (peer, now);
}

/* ---- what happens around it ---- */

static void
ensure_link (VrPeer *peer)
{
  g_autoptr (GError) error = NULL;

  g_clear_pointer (&peer->link_error, g_free);
  if (!vr_kernel_ensure_xfrm (peer->env->kernel, peer->dev, peer->if_id, peer->name, peer->env->config->mtu, &error))
    peer->link_error = g_strdup (error->message);
}

static void
remove_link (VrPeer *peer, const char *dev)
{
  g_autoptr (GError) error = NULL;

  if (dev != NULL && !vr_kernel_remove_link (peer->env->kernel, dev, &error))
    g_warning ("cannot remove the interface %s of the tunnel to %s, whom nothing needs any more: %s", dev, peer->name, error->message);
}

/* Those of `addresses` whose family `others` has too. */
static char **
common (char **addresses, char **others)
{
  g_autoptr (GStrvBuilder) some = g_strv_builder_new ();

  for (char **address = addresses; *address != NULL; address++)
    for (char **other = others; *other != NULL; other++)
      if (vr_address_is_v6 (*address) == vr_address_is_v6 (*other))
        {
          g_strv_builder_add (some, *address);
          break;
        }
  return g_strv_builder_end (some);
}

static gboolean
same_definition (const VrPeer *peer, const VrTunnel *tunnel)
{
  const VrHost *host = tunnel->host;

  return peer->host != NULL && peer->if_id == tunnel->if_id && g_strcmp0 (peer->host->identity, host->identity) == 0
         && g_strv_equal ((const char *const *) peer->host->underlay, (const char *const *) host->underlay);
}

static void
redefine (VrPeer *peer, const VrTunnel *tunnel)
{
  char **own = peer->env->config->host->underlay;

  if (peer->host != NULL)
    peer->stale = peer->facts.newest;
  peer->definition++;
  peer->if_id = tunnel->if_id;
  g_strfreev (peer->local_addrs);
  g_strfreev (peer->remote_addrs);
  peer->local_addrs = common (own, tunnel->host->underlay);
  peer->remote_addrs = common (tunnel->host->underlay, own);
  if (peer->facts.load != VR_FSM_LOAD_RUNS)
    peer->facts.load = VR_FSM_LOAD_NONE;
  if (peer->facts.sa != VR_FSM_SA_UNKNOWN)
    see_again (peer);
}

void
vr_peer_want (VrPeer *peer, const VrTunnel *tunnel)
{
  if (g_strcmp0 (peer->dev, tunnel->dev) != 0)
    {
      remove_link (peer, peer->dev);
      replace (&peer->dev, tunnel->dev);
    }
  if (!same_definition (peer, tunnel))
    redefine (peer, tunnel);
  vr_host_ref (tunnel->host);
  g_clear_pointer (&peer->host, vr_host_unref);
  peer->host = tunnel->host;
  ensure_link (peer);
  peer->facts.wanted = TRUE;
  peer->facts.wish = tunnel->wish;
  vr_peer_run (peer);
}

void
vr_peer_unwant (VrPeer *peer)
{
  if (!peer->facts.wanted)
    return;
  remove_link (peer, peer->dev);
  peer->facts.wanted = FALSE;
  peer->facts.wish = VR_TUNNEL_READY;
  vr_peer_run (peer);
}

void
vr_peer_charon_changed (VrPeer *peer)
{
  if (peer->facts.charon && !peer->env->charon)
    see_again (peer);
  peer->facts.charon = peer->env->charon;
  peer->facts.load = VR_FSM_LOAD_NONE;
  peer->facts.sa = VR_FSM_SA_UNKNOWN;
  peer->facts.oldest = peer->facts.newest = peer->stale = 0;
  peer->looking = FALSE;
  vr_peer_look (peer);
  vr_peer_run (peer);
}

void
vr_peer_found (VrPeer *peer, gboolean conn_is_there)
{
  if (conn_is_there || peer->facts.load != VR_FSM_LOAD_DONE)
    return;
  g_message ("charon lost the connection to %s: somebody loaded other connections; loading it again", peer->name);
  peer->facts.load = VR_FSM_LOAD_NONE;
  vr_peer_run (peer);
}

/*
 * Does it say anything of the tunnel that the peer does not answer on this IKE_SA? Not if another one is kept, and this is the one that is too much:
 * of two that were made at once the peer's charon may have dropped that one already.
 */
static gboolean
is_needed (const VrPeer *peer, guint64 ike)
{
  const VrTunnelExpected expected = { peer->if_id, (const char *const *) peer->remote_addrs, peer->stale };

  for (guint i = 0; i < peer->sas->len; i++)
    {
      const VrViciIkeSa *sa = peer->sas->pdata[i];

      if (sa->unique_id == ike)
        return vr_tunnel_judge (sa, &expected, NULL) == VR_FSM_SA_UP && (peer->keep == 0 || peer->keep == ike);
    }
  return TRUE; /* made since the last look */
}

void
vr_peer_hear (VrPeer *peer, guint64 ike, const char *line)
{
  const VrTunnelComplaint *complaint = vr_tunnel_complaint (line);
  VrTunnelSign             sign = vr_tunnel_sign (line);

  if (peer->up && sign == (peer->silent ? VR_TUNNEL_ANSWER : VR_TUNNEL_SILENCE) && (peer->silent || is_needed (peer, ike)))
    {
      peer->silent = !peer->silent;
      peer->silent_sa = peer->facts.newest;
      vr_peer_run (peer);
    }
  if (complaint == NULL)
    return;
  vr_peer_complain (peer, line);
  peer->facts.refused |= complaint->ends_it;
  vr_peer_look (peer);
}

void
vr_peer_mend (VrPeer *peer)
{
  if (peer->link_error == NULL || !peer->facts.wanted)
    return;
  ensure_link (peer);
  vr_peer_run (peer);
}
