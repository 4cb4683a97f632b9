/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libnftables, and the notifications that tell whether somebody else touched our tables. */
#pragma once

#include "kernel.h"

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

typedef struct _VrNft VrNft;

/* `touched` is called from the main loop when somebody else changed a table called VR_NFT_TABLE, and for no change made
 * here. */
typedef void (*VrNftTouched) (gpointer data);

VrNft    *vr_nft_new (VrNftTouched touched, gpointer data, GError **error);
void      vr_nft_free (VrNft *nft);

/* Did somebody else touch our tables since this was asked last? Reads the notifications that are there. */
gboolean  vr_nft_was_touched (VrNft *nft);

/* All commands as one transaction: all or none. */
gboolean  vr_nft_run (VrNft *nft, const char *commands, GError **error);

/* What a list command says; NULL: error. The text is without counts, and without what sets hold. */
char     *vr_nft_list_text (VrNft *nft, const char *command, GError **error);
JsonNode *vr_nft_list_json (VrNft *nft, const char *command,
                            GError **error); /* checked: its root is {"nftables": [objects]} */
JsonArray *vr_nft_objects (JsonNode *listing);                                /* (transfer none) those objects */
gboolean  vr_nft_has_table (VrNft *nft, const char *family, gboolean *has, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrNft, vr_nft_free)

G_END_DECLS
