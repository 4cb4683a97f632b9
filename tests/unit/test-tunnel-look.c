/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is made of charon's list of SAs, and what is said when something is wrong. */
#include <string.h>

#include "daemon/tunnel/tunnel-look.h"
#include "daemon/tunnel/tunnel-trouble.h"

static VrViciIkeSa *
ike_new (guint64 id, const char *state, const char *remote)
{
  VrViciIkeSa *ike = g_new0 (VrViciIkeSa, 1);

  ike->unique_id = id;
  ike->state = g_strdup (state);
  ike->remote_host = g_strdup (remote);
  ike->children = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_vici_child_sa_free);
  return ike;
}

/* remote_ts: in words. */
static VrViciIkeSa *
with_child (VrViciIkeSa *ike, const char *state, guint32 if_id, const char *remote_ts)
{
  VrViciChildSa *child = g_new0 (VrViciChildSa, 1);

  child->state = g_strdup (state);
  child->if_id_in = child->if_id_out = if_id;
  child->local_ts = g_strdupv ((char **) vr_tunnel_selectors);
  child->remote_ts = g_strsplit (remote_ts, " ", -1);
  child->install_s = 60;
  g_ptr_array_add (ike->children, child);
  return ike;
}

/* Takes the IKE_SA. */
static VrFsmSa
look_at (VrViciIkeSa *ike, guint64 stale, char **wrong)
{
  static const char *const addresses[] = { "192.0.2.3", "2001:db8::3", NULL };
  const VrTunnelExpected   expected = { 77, addresses, stale };
  g_autoptr (GPtrArray)    sas = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_vici_ike_sa_free);
  g_auto (VrTunnelSight)   sight = { 0 };

  if (ike != NULL)
    g_ptr_array_add (sas, ike);
  vr_tunnel_look (sas, &expected, &sight);
  if (wrong != NULL)
    *wrong = g_steal_pointer (&sight.wrong);
  return sight.sa;
}

#define ANY "0.0.0.0/0 ::/0"
#define ESTABLISHED ike_new (5, "ESTABLISHED", "192.0.2.3")

static void
test_look_right (void)
{
  g_assert_cmpint (look_at (with_child (ESTABLISHED, "INSTALLED", 77, ANY), 0, NULL), ==, VR_FSM_SA_UP);
  g_assert_cmpint (look_at (with_child (ESTABLISHED, "REKEYING", 77, ANY), 0, NULL), ==, VR_FSM_SA_UP);
  g_assert_cmpint (look_at (with_child (ike_new (5, "REKEYING", "2001:db8::3"), "INSTALLED", 77, ANY), 0, NULL), ==, VR_FSM_SA_UP);
}

static void
test_look_nothing (void)
{
  g_assert_cmpint (look_at (NULL, 0, NULL), ==, VR_FSM_SA_NONE);
  g_assert_cmpint (look_at (with_child (ike_new (5, "DELETING", "192.0.2.3"), "INSTALLED", 77, ANY), 0, NULL), ==, VR_FSM_SA_NONE);
  g_assert_cmpint (look_at (ESTABLISHED, 0, NULL), ==, VR_FSM_SA_CHILDLESS);
  g_assert_cmpint (look_at (with_child (ESTABLISHED, "CREATED", 77, ANY), 0, NULL), ==, VR_FSM_SA_CHILDLESS);
  g_assert_cmpint (look_at (ike_new (5, "CONNECTING", "192.0.2.3"), 0, NULL), ==, VR_FSM_SA_CONNECTING);
}

static VrViciIkeSa *
established (guint64 id, gboolean initiator)
{
  VrViciIkeSa *ike = with_child (ike_new (id, "ESTABLISHED", "192.0.2.3"), "INSTALLED", 77, ANY);

  ike->initiator = initiator;
  return ike;
}

/* Takes them: which one is kept. */
static guint64
keeps (VrViciIkeSa *a, VrViciIkeSa *b)
{
  static const char *const addresses[] = { "192.0.2.3", NULL };
  const VrTunnelExpected   expected = { 77, addresses, 0 };
  g_autoptr (GPtrArray)    sas = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_vici_ike_sa_free);
  g_auto (VrTunnelSight)   sight = { 0 };

  g_ptr_array_add (sas, a);
  g_ptr_array_add (sas, b);
  vr_tunnel_look (sas, &expected, &sight);
  return sight.keep;
}

static void
test_look_several (void)
{
  g_assert_cmpuint (keeps (established (5, TRUE), established (6, FALSE)), ==, 5);
  g_assert_cmpuint (keeps (established (5, FALSE), established (6, TRUE)), ==, 6);
  g_assert_cmpuint (keeps (established (6, TRUE), established (5, TRUE)), ==, 6);
  g_assert_cmpuint (keeps (established (5, FALSE), established (6, FALSE)), ==, 6);
}

static void
test_look_one_that_is_up (void)
{
  g_assert_cmpuint (keeps (established (5, TRUE), ike_new (6, "CONNECTING", "192.0.2.3")), ==, 0);
  g_assert_cmpuint (keeps (established (5, TRUE), ike_new (6, "DELETING", "192.0.2.3")), ==, 0);
}

/* Takes the IKE_SA: does the peer have the tunnel, too? */
static gboolean
is_ready (VrViciIkeSa *ike)
{
  static const char *const addresses[] = { "192.0.2.3", NULL };
  const VrTunnelExpected   expected = { 77, addresses, 0 };
  g_autoptr (GPtrArray)    sas = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_vici_ike_sa_free);
  g_auto (VrTunnelSight)   sight = { 0 };

  g_ptr_array_add (sas, ike);
  vr_tunnel_look (sas, &expected, &sight);
  return sight.ready;
}

static VrViciIkeSa *
just_made (gboolean initiator, guint64 packets_in)
{
  VrViciIkeSa   *ike = established (5, initiator);
  VrViciChildSa *child = ike->children->pdata[0];

  child->install_s = 0;
  child->packets_in = packets_in;
  return ike;
}

/* A responder has the tunnel before the initiator has: what it sent at once would be lost. */
static void
test_look_ready (void)
{
  g_assert_false (is_ready (just_made (FALSE, 0)));
  g_assert_true (is_ready (just_made (FALSE, 1)));
  g_assert_true (is_ready (just_made (TRUE, 0)));
  g_assert_true (is_ready (established (5, FALSE))); /* a minute ago */
  g_assert_false (is_ready (ike_new (5, "ESTABLISHED", "192.0.2.3")));
}

static void
test_look_narrowed (void)
{
  g_autofree char *wrong = NULL;

  g_assert_cmpint (look_at (with_child (ESTABLISHED, "INSTALLED", 77, "10.0.0.0/8 ::/0"), 0, &wrong), ==, VR_FSM_SA_WRONG);
  g_assert_nonnull (strstr (wrong, "10.0.0.0/8 ::/0"));
  g_assert_cmpint (look_at (with_child (ESTABLISHED, "INSTALLED", 77, "0.0.0.0/0"), 0, NULL), ==, VR_FSM_SA_WRONG);
}

static void
test_look_narrowed_here (void)
{
  VrViciIkeSa   *ike = with_child (ESTABLISHED, "INSTALLED", 77, ANY);
  VrViciChildSa *child = ike->children->pdata[0];

  g_strfreev (child->local_ts);
  child->local_ts = g_strsplit ("0.0.0.0/0", " ", -1);
  g_assert_cmpint (look_at (ike, 0, NULL), ==, VR_FSM_SA_WRONG);
}

static void
test_look_other_interface (void)
{
  g_autofree char *wrong = NULL;

  g_assert_cmpint (look_at (with_child (ESTABLISHED, "INSTALLED", 78, ANY), 0, &wrong), ==, VR_FSM_SA_WRONG);
  g_assert_nonnull (strstr (wrong, "78"));
}

static void
test_look_other_interface_one_way (void)
{
  VrViciIkeSa *in = with_child (ESTABLISHED, "INSTALLED", 77, ANY), *out = with_child (ESTABLISHED, "INSTALLED", 77, ANY);

  ((VrViciChildSa *) in->children->pdata[0])->if_id_in = 78;
  ((VrViciChildSa *) out->children->pdata[0])->if_id_out = 78;
  g_assert_cmpint (look_at (in, 0, NULL), ==, VR_FSM_SA_WRONG);
  g_assert_cmpint (look_at (out, 0, NULL), ==, VR_FSM_SA_WRONG);
}

/* A rekeying leaves the old one for a while, which may be in any state. */
static void
test_look_two_children (void)
{
  VrViciIkeSa *ike = with_child (with_child (ESTABLISHED, "INSTALLED", 77, ANY), "DELETED", 77, ANY);

  g_assert_cmpint (look_at (ike, 0, NULL), ==, VR_FSM_SA_UP);
}

static void
test_look_old_address (void)
{
  g_autofree char *wrong = NULL;

  g_assert_cmpint (look_at (with_child (ike_new (5, "ESTABLISHED", "192.0.2.9"), "INSTALLED", 77, ANY), 0, &wrong), ==, VR_FSM_SA_WRONG);
  g_assert_nonnull (strstr (wrong, "192.0.2.9"));
}

static void
test_look_before_the_change (void)
{
  g_assert_cmpint (look_at (with_child (ESTABLISHED, "INSTALLED", 77, ANY), 5, NULL), ==, VR_FSM_SA_WRONG);
  g_assert_cmpint (look_at (with_child (ESTABLISHED, "INSTALLED", 77, ANY), 4, NULL), ==, VR_FSM_SA_UP);
}

/* Of two IKE_SAs the better one counts. */
static void
test_look_two (void)
{
  static const char *const addresses[] = { "192.0.2.3", NULL };
  const VrTunnelExpected   expected = { 77, addresses, 0 };
  g_autoptr (GPtrArray)    sas = g_ptr_array_new_with_free_func ((GDestroyNotify) vr_vici_ike_sa_free);
  g_auto (VrTunnelSight)   sight = { 0 };

  g_ptr_array_add (sas, ike_new (9, "DELETING", "192.0.2.3"));
  g_ptr_array_add (sas, with_child (ESTABLISHED, "INSTALLED", 77, ANY));
  ((VrViciIkeSa *) sas->pdata[1])->initiator = TRUE;
  g_ptr_array_add (sas, with_child (ike_new (6, "ESTABLISHED", "192.0.2.3"), "INSTALLED", 1, ANY));
  vr_tunnel_look (sas, &expected, &sight);
  g_assert_cmpint (sight.sa, ==, VR_FSM_SA_UP);
  g_assert_true (sight.initiator);
  g_assert_cmpuint (sight.oldest, ==, 5);
  g_assert_cmpuint (sight.newest, ==, 9);
  g_assert_cmpuint (sight.up_s, ==, 60);
  g_assert_null (sight.wrong);
}

/* ---- words ---- */

static char *
text (VrFsmFailure failure, const char *line)
{
  const VrTunnelTrouble trouble = { failure, "h3", "192.0.2.3", "load-conn: no such cipher", "it carries only 10.0.0.0/8", line };

  return vr_tunnel_trouble_text (&trouble);
}

static void
assert_text (VrFsmFailure failure, const char *line, const char *pattern)
{
  g_autofree char *words = text (failure, line);

  if (!g_pattern_match_simple (pattern, words))
    g_error ("\"%s\" is not like \"%s\"", words, pattern);
}

static void
test_words (void)
{
  g_assert_null (text (VR_FSM_FINE, NULL));
  for (VrFsmFailure failure = VR_FSM_NOT_LOADABLE; failure < VR_FSM_N_FAILURES; failure++)
    assert_text (failure, NULL, "*h3*"); /* all name the peer */
  assert_text (VR_FSM_NO_ANSWER, NULL, "no answer from h3 at 192.0.2.3*500 and 4500*is charon running there*");
  assert_text (VR_FSM_NO_ANSWER, "error writing to socket: Network is unreachable", "no answer from h3*is there a route*unreachable*");
  assert_text (VR_FSM_REFUSED, "establishing IKE_SA failed, peer not responding", "no answer from h3*is charon running there*");
  assert_text (VR_FSM_REFUSED, "received AUTHENTICATION_FAILED notify error", "*h3*authentication failed: *AUTHENTICATION_FAILED*");
  assert_text (VR_FSM_REFUSED, "received NO_PROPOSAL_CHOSEN notify error", "*h3*is virt-relayd running there*no algorithms in common*");
  assert_text (VR_FSM_REFUSED, NULL, "*h3*journalctl*");
  assert_text (VR_FSM_NOT_LOADABLE, NULL, "*h3*no such cipher*");
  assert_text (VR_FSM_WRONG, NULL, "*h3*10.0.0.0/8*");
  assert_text (VR_FSM_FINE, "tried 1 shared key for 'a' - 'b', but MAC mismatched", "h3*authentication failed*psk-file*");
}

static void
test_ordinary_lines (void)
{
  g_assert_null (vr_tunnel_complaint ("authentication of 'h3' with pre-shared key successful"));
  g_assert_null (vr_tunnel_complaint ("parsed IKE_AUTH response 1 [ N(AUTH_FAILED) ]"));
  g_assert_null (vr_tunnel_complaint ("CHILD_SA relay{1} established with SPIs c1_i c2_o and TS 0.0.0.0/0 ::/0 === 0.0.0.0/0 ::/0"));
  g_assert_null (vr_tunnel_complaint ("retransmit 1 of request with message ID 0"));
  g_assert_null (vr_tunnel_complaint ("scheduling rekeying in 13079s"));
}

static void
test_signs (void)
{
  g_assert_cmpint (vr_tunnel_sign ("retransmit 1 of request with message ID 7"), ==, VR_TUNNEL_SILENCE);
  g_assert_cmpint (vr_tunnel_sign ("parsed INFORMATIONAL response 7 [ ]"), ==, VR_TUNNEL_ANSWER);
  g_assert_cmpint (vr_tunnel_sign ("parsed INFORMATIONAL request 3 [ ]"), ==, VR_TUNNEL_NO_SIGN); /* it does not say that it hears us */
  g_assert_cmpint (vr_tunnel_sign ("sending DPD request"), ==, VR_TUNNEL_NO_SIGN);
  g_assert_cmpint (vr_tunnel_sign ("retransmit 1 of response with message ID 7"), ==, VR_TUNNEL_NO_SIGN);
}

#define ADD(path, name) g_test_add_func ("/tunnel/" path, test_##name)

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  ADD ("look/right", look_right);
  ADD ("look/nothing", look_nothing);
  ADD ("look/narrowed", look_narrowed);
  ADD ("look/narrowed-here", look_narrowed_here);
  ADD ("look/other-interface", look_other_interface);
  ADD ("look/other-interface-one-way", look_other_interface_one_way);
  ADD ("look/two-children", look_two_children);
  ADD ("look/old-address", look_old_address);
  ADD ("look/before-the-change", look_before_the_change);
  ADD ("look/two", look_two);
  ADD ("look/several-that-are-up", look_several);
  ADD ("look/one-that-is-up", look_one_that_is_up);
  ADD ("look/ready", look_ready);
  ADD ("words", words);
  ADD ("ordinary-lines", ordinary_lines);
  ADD ("signs", signs);
  return g_test_run ();
}
