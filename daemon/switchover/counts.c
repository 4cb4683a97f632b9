/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "counts.h"

static const char *const ways[] = {
  [VR_WAY_QUEUES] = "queues",
  [VR_WAY_COPIES] = "copies",
  [VR_WAY_ROUTE_ONLY] = "route only",
};
G_STATIC_ASSERT (G_N_ELEMENTS (ways) == VR_N_WAYS);

const char *
vr_switchover_way_to_string (VrSwitchoverWay way)
{
  g_return_val_if_fail (way < VR_N_WAYS, NULL);
  return ways[way];
}
