/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What of a peer is loaded into charon. Several commands make one load; it is done when all have succeeded, and it counts only if
 * nothing changed meanwhile that it is made of.
 *
 * The files of certificates are read here, at each load, so a renewed certificate is used from the next load on. They are small
 * and local: the same kind of file as the configuration.
 */
#include "peer.h"

#include <string.h>

#define REPLAY_WINDOW 1024 /* packets: 32, the default, is less than what several CPUs bring out of order */
#define MAX_FILE (1024 * 1024)

/* One load, or unload, under way. */
typedef struct {
  VrPeer  *peer;
  guint    number;     /* of peer->loads: a job before the last one means nothing */
  guint    definition;
  guint    pending;
  gboolean unload;
  GError  *error;
} Job;

static Job *
job_new (VrPeer *peer, guint commands, gboolean unload)
{
  Job *job = g_new0 (Job, 1);

  job->peer = vr_peer_ref (peer);
  job->number = ++peer->loads;
  job->definition = peer->definition;
  job->pending = commands;
  job->unload = unload;
  return job;
}

static void
job_end (Job *job)
{
  g_autoptr (VrPeer) peer = job->peer;
  g_autoptr (GError) error = job->error;
  gboolean           unload = job->unload, last = job->number == peer->loads;
  gboolean           current = !unload && job->definition == peer->definition;
  gboolean           refused = g_error_matches (error, VR_VICI_ERROR, VR_VICI_ERROR_REFUSED);

  g_free (job);
  if (peer->detached || !last || peer->facts.load != VR_FSM_LOAD_RUNS)
    return;
  g_clear_pointer (&peer->load_error, g_free);
  if (!current)
    peer->facts.load = VR_FSM_LOAD_NONE;
  else if (error == NULL)
    peer->facts.load = VR_FSM_LOAD_DONE;
  else
    {
      peer->facts.load = VR_FSM_LOAD_FAILED;
      peer->load_error = g_strconcat (error->message, refused ? "; are [tunnel] and [host] of the configuration, and the peer's record, right?"
                                                              : "", NULL);
    }
  if (unload)
    {
      peer->facts.sa = VR_FSM_SA_UNKNOWN; /* the peer may have brought one up until now */
      vr_peer_look (peer);
    }
  vr_peer_run (peer);
}

static void
on_answer (GObject *source, GAsyncResult *result, gpointer data)
{
  Job               *job = data;
  g_autoptr (GError) error = NULL;

  if (!vr_vici_finish (VR_VICI (source), result, &error) && job->error == NULL)
    job->error = g_steal_pointer (&error);
  if (--job->pending == 0)
    job_end (job);
}

/* ---- what is loaded ---- */

static GBytes *
read_file (const char *key, const char *path, GError **error)
{
  g_autofree char *contents = NULL;
  gsize            len;

  if (!g_file_get_contents (path, &contents, &len, error))
    {
      g_prefix_error (error, "[tunnel] %s: ", key);
      return NULL;
    }
  if (len == 0 || len > MAX_FILE)
    {
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "[tunnel] %s: %s has %" G_GSIZE_FORMAT " bytes: not a PEM or DER file", key,
                   path, len);
      return NULL;
    }
  return g_bytes_new_take (g_steal_pointer (&contents), len);
}

static char **
split (const char *proposals)
{
  g_auto (GStrv)          words = g_strsplit_set (proposals != NULL ? proposals : "", " ,", -1);
  g_autoptr (GStrvBuilder) all = g_strv_builder_new ();

  for (char **word = words; *word != NULL; word++)
    if (**word != '\0')
      g_strv_builder_add (all, *word);
  return g_strv_builder_end (all);
}

static void
load_conn (VrPeer *peer, GBytes *certificate, GBytes *ca, GAsyncReadyCallback callback, gpointer data)
{
  const VrConfig *config = peer->env->config;
  g_auto (GStrv)  proposals = split (config->proposals);
  g_auto (GStrv)  esp_proposals = split (config->esp_proposals);
  GBytes *const   certs[] = { certificate, NULL }, *const ca_certs[] = { ca, NULL };
  VrViciChild     child = {
    .name = VR_TUNNEL_CHILD,
    .local_ts = vr_tunnel_selectors,
    .remote_ts = vr_tunnel_selectors,
    .esp_proposals = esp_proposals[0] != NULL ? (const char *const *) esp_proposals : NULL,
    .if_id_in = peer->if_id,
    .if_id_out = peer->if_id,
    .replay_window = REPLAY_WINDOW,
  };
  VrViciConnection conn = {
    .name = peer->conn,
    .local_addrs = (const char *const *) peer->local_addrs,
    .remote_addrs = (const char *const *) peer->remote_addrs,
    .local_id = config->host->identity,
    .remote_id = peer->host->identity,
    .auth = config->auth == VR_AUTH_PSK ? VR_VICI_AUTH_PSK : VR_VICI_AUTH_PUBKEY,
    .certs = certificate != NULL ? certs : NULL,
    .ca_certs = ca != NULL ? ca_certs : NULL,
    .proposals = proposals[0] != NULL ? (const char *const *) proposals : NULL,
    .dpd_delay_s = config->dpd_delay_s,
    .mobike = FALSE,
    .unique = "replace", /* a peer that lost its SAs says so when it comes back, and the old ones are cleared at once */
    .children = &child,
    .n_children = 1,
  };

  vr_vici_load_conn (peer->env->vici, &conn, VR_PEER_TIMEOUT_MS, NULL, callback, data);
}

static void
load_secret (VrPeer *peer, GAsyncReadyCallback callback, gpointer data)
{
  const VrConfig     *config = peer->env->config;
  const char *const   owners[] = { config->host->identity, peer->host->identity, NULL };
  g_autoptr (GBytes) secret = g_bytes_new_static (config->psk, strlen (config->psk));

  vr_vici_load_shared (peer->env->vici, peer->conn, owners, secret, VR_PEER_TIMEOUT_MS, NULL, callback, data);
}

static void
fail (VrPeer *peer, const char *why)
{
  g_free (peer->load_error);
  peer->load_error = g_strdup (why);
  peer->facts.load = VR_FSM_LOAD_FAILED;
}

static void
load_certificates (VrPeer *peer)
{
  const VrConfig    *config = peer->env->config;
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) certificate = read_file ("certificate", config->certificate, &error);
  g_autoptr (GBytes) key = error == NULL ? read_file ("key", config->key, &error) : NULL;
  g_autoptr (GBytes) ca = error == NULL ? read_file ("ca", config->ca, &error) : NULL;
  Job               *job;

  if (error != NULL)
    {
      g_autofree char *why = g_strdup_printf ("%s; put the file there, readable by root, or correct the name in the configuration",
                                              error->message);

      fail (peer, why);
      return;
    }
  job = job_new (peer, 2, FALSE);
  vr_vici_load_key (peer->env->vici, key, VR_PEER_TIMEOUT_MS, NULL, on_answer, job);
  load_conn (peer, certificate, ca, on_answer, job);
}

void
vr_peer_load (VrPeer *peer)
{
  Job *job;

  peer->facts.load = VR_FSM_LOAD_RUNS;
  if (peer->remote_addrs[0] == NULL)
    {
      g_autofree char *own = g_strjoinv (" ", peer->env->config->host->underlay);
      g_autofree char *other = g_strjoinv (" ", peer->host->underlay);
      g_autofree char *why = g_strdup_printf ("this host's underlay (%s) and the peer's (%s) are not both IPv4, nor both IPv6; give "
                                              "[host] underlay of one of them an address of the other's kind", own, other);

      fail (peer, why);
      return;
    }
  if (peer->env->config->auth == VR_AUTH_CERTIFICATE)
    {
      load_certificates (peer);
      return;
    }
  job = job_new (peer, 2, FALSE);
  load_secret (peer, on_answer, job);
  load_conn (peer, NULL, NULL, on_answer, job);
}

void
vr_peer_unload (VrPeer *peer)
{
  gboolean psk = peer->env->config->auth == VR_AUTH_PSK;
  Job     *job = job_new (peer, psk ? 2 : 1, TRUE);

  /* Refusals mean that charon does not have it: all the better. */
  peer->facts.load = VR_FSM_LOAD_RUNS;
  vr_vici_unload_conn (peer->env->vici, peer->conn, VR_PEER_TIMEOUT_MS, NULL, on_answer, job);
  if (psk)
    vr_vici_unload_shared (peer->env->vici, peer->conn, VR_PEER_TIMEOUT_MS, NULL, on_answer, job);
}

void
vr_peer_refresh (VrPeer *peer)
{
  g_autoptr (GBytes) key = NULL;

  if (!peer->env->charon || peer->facts.load != VR_FSM_LOAD_DONE)
    return;
  if (peer->env->config->auth == VR_AUTH_PSK)
    load_secret (peer, NULL, NULL);
  else if ((key = read_file ("key", peer->env->config->key, NULL)) != NULL)
    vr_vici_load_key (peer->env->vici, key, VR_PEER_TIMEOUT_MS, NULL, NULL, NULL);
}
