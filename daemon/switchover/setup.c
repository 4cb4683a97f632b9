/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "setup.h"

#include "counts.h"

static void
nic_setup_free (gpointer data)
{
  VrNicSetup *nic = data;

  g_free (nic->tap);
  g_free (nic->mac);
  g_free (nic->gateway_mac);
  g_strfreev (nic->addresses);
  g_free (nic);
}

VrSwitchoverSetup *
vr_switchover_setup_new (const char *pid_file, const char *tunnel)
{
  VrSwitchoverSetup *setup = g_new0 (VrSwitchoverSetup, 1);

  setup->pid_file = g_strdup (pid_file);
  setup->tunnel = g_strdup (tunnel);
  setup->nics = g_ptr_array_new_with_free_func (nic_setup_free);
  return setup;
}

void
vr_switchover_setup_add_nic (VrSwitchoverSetup *setup, const char *tap, const char *mac, const char *gateway_mac,
                             const char *const *addresses)
{
  VrNicSetup *nic;

  if (setup->nics->len == VR_SWITCHOVER_MAX_NICS)
    return;
  nic = g_new0 (VrNicSetup, 1);
  nic->tap = g_strdup (tap);
  nic->mac = g_strdup (mac);
  nic->gateway_mac = g_strdup (gateway_mac);
  nic->addresses = g_strdupv ((char **) addresses);
  g_ptr_array_add (setup->nics, nic);
}

void
vr_switchover_setup_free (VrSwitchoverSetup *setup)
{
  g_ptr_array_unref (setup->nics);
  g_free (setup->pid_file);
  g_free (setup->tunnel);
  g_free (setup->off);
  g_free (setup);
}

static gboolean
nics_are_equal (const VrNicSetup *a, const VrNicSetup *b)
{
  return g_str_equal (a->tap, b->tap) && g_str_equal (a->mac, b->mac) && g_strcmp0 (a->gateway_mac, b->gateway_mac) == 0
         && g_strv_equal ((const char *const *) a->addresses, (const char *const *) b->addresses);
}

gboolean
vr_switchover_setup_equal (const VrSwitchoverSetup *a, const VrSwitchoverSetup *b)
{
  if (g_strcmp0 (a->pid_file, b->pid_file) != 0 || !g_str_equal (a->tunnel, b->tunnel) || g_strcmp0 (a->off, b->off) != 0
      || a->copies_memory != b->copies_memory || a->kept_memory != b->kept_memory || a->nics->len != b->nics->len)
    return FALSE;
  for (guint i = 0; i < a->nics->len; i++)
    if (!nics_are_equal (a->nics->pdata[i], b->nics->pdata[i]))
      return FALSE;
  return TRUE;
}
