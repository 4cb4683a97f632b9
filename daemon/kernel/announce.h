/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Gratuitous ARP and unsolicited neighbour advertisements. */
#pragma once

#include "link.h"

G_BEGIN_DECLS

/* `link` is the announcement's dev, and up. A bridge sends it out of all its ports. */
gboolean vr_announce (const VrAnnouncement *announcement, const VrLink *link, GError **error);

G_END_DECLS
