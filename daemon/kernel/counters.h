/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the filter's tables counted. Both return (transfer full), of VrCounter; empty while there is no table. Main loop only. */
#pragma once

#include "nft.h"

G_BEGIN_DECLS

GPtrArray *vr_counters_read (VrNft *nft, GError **error);                     /* vr_kernel_counters() */
GPtrArray *vr_tallies_read (VrNft *nft, gboolean backwards, GError **error);  /* vr_kernel_tallies() */

G_END_DECLS
