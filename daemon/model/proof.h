/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proof that a host was given a guest's XML. The stamp in the XML (xml/guest-metadata.h) carries a token that its owner made at random; libvirt
 * gives it to nobody but the host that the guest migrates to. With it that host signs what it says of the guest's coming, and the owner
 * names no other as the target. The token itself is never written anywhere but into the XML. Pure; any thread.
 */
#pragma once

#include "daemon/names.h"
#include "record.h"

G_BEGIN_DECLS

/* Tokens and proofs alike are 64 hexadecimal digits in lower case: 32 random bytes, and HMAC-SHA256. */
#define VR_TOKEN_BYTES (VR_METADATA_TOKEN_LENGTH / 2)
gboolean vr_token_is_valid (const char *text);

/* The proof that belongs into `record` (its state, guest, epoch, origin and writer), made with `token`; g_free(). NULL without token. */
char *vr_proof_make (const char *token, const VrRecord *record);

/* What this host knows of the tokens of a guest that runs here. Immutable, reference counted. */
typedef struct {
  char   **now;     /* in its XML, or being written there: either may be what a target was given */
  char   **before;  /* that were there before */
  gboolean carried; /* the XML is known to carry one, so whoever was given it can prove it */
} VrTokens;

/* `carried`, `written`: in its XML, being written there; NULL: none. `before` NULL: none is known. All copied. */
VrTokens *vr_tokens_new (const char *carried, const char *written, const char *const *before);
VrTokens *vr_tokens_ref (VrTokens *tokens);
void      vr_tokens_unref (VrTokens *tokens);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrTokens, vr_tokens_unref)

typedef enum {
  VR_PROOF_UNKNOWN, /* nothing to judge by: the guest does not run here */
  VR_PROOF_GOOD,  /* its writer was given the XML */
  VR_PROOF_UNASKED, /* no proof, and the XML carries no token: nobody could have one */
  VR_PROOF_LACKING, /* no proof, and the XML carries a token */
  VR_PROOF_SPENT,   /* proven by an earlier token: of a migration that is over */
  VR_PROOF_WRONG,   /* a proof by no token that is known */
} VrProof;

/* `tokens` NULL: UNKNOWN. */
VrProof vr_tokens_judge (const VrTokens *tokens, const VrRecord *record);

G_END_DECLS
