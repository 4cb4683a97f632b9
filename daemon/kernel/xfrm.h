/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Making and removing interfaces. */
#pragma once

#include "link.h"

G_BEGIN_DECLS

/* `made` (nullable): TRUE if something was created or changed; the table of links is then up to date. */
gboolean vr_xfrm_ensure (VrRtnl *rtnl, VrLinks *links, const char *name, guint32 if_id, const char *alias, guint32 mtu,
                         gboolean *made, GError **error);
gboolean vr_link_remove (VrRtnl *rtnl, VrLinks *links, const char *name, GError **error);

G_END_DECLS
