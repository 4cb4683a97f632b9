/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The inside of the fast path; its users find it in kernel.h. */
#pragma once

#include "link.h"

G_BEGIN_DECLS

/* `keep` is kept alive as long as the switch; `freed` is called with it and the switch when that is freed. */
VrSwitch *vr_switch_new (VrRtnl *rtnl, const VrLinks *links, GPtrArray *neighbours, GPtrArray *routes, GObject *keep,
                         void (*freed) (GObject *keep, VrSwitch *sw), GError **error);

/* Makes it void if a link that it uses is no longer what it was. */
void vr_switch_check (VrSwitch *sw, const VrLinks *links);

G_END_DECLS
