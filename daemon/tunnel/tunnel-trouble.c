/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An order to charon to bring a tunnel up says nothing of the outcome, and the list of SAs not why there is none. charon's log does, in
 * words that have been the same for many years; a line that is not in the table only costs a better explanation.
 */
#include "tunnel-trouble.h"

#include <string.h>

#define NO_ANSWER "peer not responding" /* charon gave up asking */
#define LOG " (journalctl -u strongswan, on both hosts, has more)"
#define SECRET "authentication failed: is the secret in psk-file the same on both hosts?"
#define CERTIFICATE "authentication failed: is the certificate valid, is the identity in it, and is it signed by the other host's ca?"
#define PROPOSALS "no algorithms in common: proposals and esp-proposals of both hosts must have one in common that both charons know"
/* charon says the same when it has no connection for who asks: only its own log, over there, tells these apart */
#define PROPOSALS_THERE "charon there refuses: is virt-relayd running there and ready (virt-relay status)? If so, " PROPOSALS \
                        ", and the kernel there must take the tunnel" LOG
#define ALGORITHMS "charon lacks an algorithm: is each of proposals and esp-proposals one that charon has a plugin for? (swanctl --list-algs)"
#define KERNEL "the kernel does not take the tunnel: are esp4, esp6 and xfrm_interface there? (modprobe -a esp4 esp6 xfrm_interface)"
#define OTHER "another connection of strongSwan's answers in our place: does one have the same addresses or identities? (swanctl --list-conns)"

static const VrTunnelComplaint complaints[] = {
  { "MAC mismatched", 2, TRUE, SECRET },
  { "no shared key found", 2, TRUE, SECRET },
  { "no private key found", 2, TRUE, "charon has no key for this host's identity: does the key fit the certificate, and is identity in it?" },
  { "no trusted", 2, TRUE, CERTIFICATE },
  { "signature validation failed", 2, TRUE, CERTIFICATE },
  { "constraint check failed", 2, TRUE, CERTIFICATE },
  { "not confirmed by certificate", 2, FALSE, CERTIFICATE },
  { "certificate invalid (valid from", 2, TRUE, "a certificate is not valid today: renew it, or set the clock right" },
  { "received proposals unacceptable", 2, TRUE, PROPOSALS },
  { "configured DH group", 2, TRUE, ALGORITHMS },
  { "unable to install", 2, TRUE, KERNEL },
  { "unable to add SAD entry", 2, FALSE, KERNEL },
  { "no matching peer config found", 2, TRUE, OTHER },
  { "error writing to socket", 2, FALSE, "the underlay does not take packets for it: is there a route? (ip route get ADDRESS)" },
  { NO_ANSWER, 2, TRUE, "is charon running there, and the path open?" },
  { "received AUTHENTICATION_FAILED", 1, TRUE, "authentication failed: is the secret, or the CA, the same on both hosts?" LOG },
  { "NO_PROPOSAL_CHOSEN", 1, TRUE, PROPOSALS_THERE },
  { "TS_UNACCEPTABLE", 1, TRUE, OTHER },
};

const VrTunnelComplaint *
vr_tunnel_complaint (const char *line)
{
  for (guint i = 0; i < G_N_ELEMENTS (complaints); i++)
    if (strstr (line, complaints[i].part) != NULL)
      return &complaints[i];
  return NULL;
}

VrTunnelSign
vr_tunnel_sign (const char *line)
{
  if (g_str_has_prefix (line, "retransmit ") && strstr (line, " of request ") != NULL)
    return VR_TUNNEL_SILENCE;
  if (g_str_has_prefix (line, "parsed ") && strstr (line, " response ") != NULL)
    return VR_TUNNEL_ANSWER;
  return VR_TUNNEL_NO_SIGN;
}

/* "authentication failed: … (charon: …)" */
static char *
explain (const char *line)
{
  const VrTunnelComplaint *complaint = line != NULL ? vr_tunnel_complaint (line) : NULL;

  if (complaint != NULL)
    return g_strdup_printf ("%s [charon: %s]", complaint->meaning, line);
  if (line != NULL)
    return g_strdup (line);
  return g_strdup ("charon's log says why" LOG);
}

static char *
no_answer (const VrTunnelTrouble *trouble)
{
  const gboolean known = trouble->line == NULL || strstr (trouble->line, NO_ANSWER) != NULL;
  g_autofree char *why = known ? NULL : explain (trouble->line);

  if (why != NULL)
    return g_strdup_printf ("no answer from %s at %s: %s", trouble->peer, trouble->address, why);
  return g_strdup_printf ("no answer from %s at %s (IKE, UDP ports 500 and 4500): is charon running there, and the path open?",
                          trouble->peer, trouble->address);
}

char *
vr_tunnel_trouble_text (const VrTunnelTrouble *trouble)
{
  g_autofree char *why = explain (trouble->line);

  switch (trouble->failure)
    {
    case VR_FSM_FINE:
      if (trouble->silent)
        return g_strdup_printf ("%s at %s does not answer any more, so nothing goes straight to it that can go another way: is the path "
                                "open (ESP, UDP ports 500 and 4500), and charon running there?", trouble->peer, trouble->address);
      if (trouble->line == NULL)
        return NULL;
      return g_strdup_printf ("%s (%s) tried to bring the tunnel up, and failed: %s", trouble->peer, trouble->address, why);
    case VR_FSM_NOT_LOADABLE:
      return g_strdup_printf ("charon does not have the connection to %s: %s", trouble->peer, trouble->error);
    case VR_FSM_NO_ANSWER:
      return no_answer (trouble);
    case VR_FSM_REFUSED:
      if (trouble->line != NULL && strstr (trouble->line, NO_ANSWER) != NULL)
        return no_answer (trouble);
      return g_strdup_printf ("the tunnel to %s (%s) does not come up: %s", trouble->peer, trouble->address, why);
    case VR_FSM_WRONG:
      return g_strdup_printf ("the tunnel to %s (%s) is not as asked for: %s. It is taken down; " OTHER, trouble->peer,
                              trouble->address, trouble->wrong != NULL ? trouble->wrong : "it does not carry everything");
    case VR_FSM_LOST:
      return g_strdup_printf ("the tunnel to %s (%s) went down right after it came up: %s", trouble->peer, trouble->address, why);
    case VR_FSM_N_FAILURES:
      break;
    }
  g_assert_not_reached ();
}
