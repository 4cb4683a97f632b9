/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is signed names all that makes the record's statement: another's proof is of no use to a host, nor its own of another epoch, guest
 * or origin. Its own of the same epoch would be, after a migration that failed: so an owner makes a new token then, and the old one's proofs
 * are spent (relay/stamp.c).
 */
#include "proof.h"

#include <string.h>

gboolean
vr_token_is_valid (const char *text)
{
  return text && strlen (text) == 2 * VR_TOKEN_BYTES && strspn (text, "0123456789abcdef") == 2 * VR_TOKEN_BYTES;
}

char *
vr_proof_make (const char *token, const VrRecord *record)
{
  g_autofree char *text = NULL;

  if (!token)
    return NULL;
  text = g_strdup_printf ("virt-relay 1 %s\n%s\n%" G_GUINT64_FORMAT "\n%s\n%s\n", vr_state_to_string (record->state), record->uuid,
                          record->epoch, record->origin ? record->origin : "", record->writer);
  return g_compute_hmac_for_string (G_CHECKSUM_SHA256, (const guchar *) token, strlen (token), text, -1);
}

static char **
list_of (const char *a, const char *b)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  if (a)
    g_strv_builder_add (builder, a);
  if (b)
    g_strv_builder_add (builder, b);
  return g_strv_builder_end (builder);
}

VrTokens *
vr_tokens_new (const char *carried, const char *written, const char *const *before)
{
  VrTokens *tokens = g_atomic_rc_box_new0 (VrTokens);

  tokens->now = list_of (carried, written);
  tokens->before = before ? g_strdupv ((char **) before) : list_of (NULL, NULL);
  tokens->carried = carried != NULL;
  return tokens;
}

VrTokens *
vr_tokens_ref (VrTokens *tokens)
{
  return g_atomic_rc_box_acquire (tokens);
}

static void
tokens_clear (gpointer data)
{
  VrTokens *tokens = data;

  g_strfreev (tokens->now);
  g_strfreev (tokens->before);
}

void
vr_tokens_unref (VrTokens *tokens)
{
  g_atomic_rc_box_release_full (tokens, tokens_clear);
}

static gboolean
any_proves (char **tokens, const VrRecord *record)
{
  for (; *tokens; tokens++) {
    g_autofree char *proof = vr_proof_make (*tokens, record);

    if (strcmp (proof, record->proof) == 0)
      return TRUE;
  }
  return FALSE;
}

VrProof
vr_tokens_judge (const VrTokens *tokens, const VrRecord *record)
{
  if (!tokens)
    return VR_PROOF_UNKNOWN;
  if (!record->proof)
    return tokens->carried ? VR_PROOF_LACKING : VR_PROOF_UNASKED;
  if (any_proves (tokens->now, record))
    return VR_PROOF_GOOD;
  return any_proves (tokens->before, record) ? VR_PROOF_SPENT : VR_PROOF_WRONG;
}
