/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is to be switched: one guest's NICs, where it goes, and how much memory that may take. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct {
  char  *tap, *mac, *gateway_mac;
  char **addresses;
} VrNicSetup;

typedef struct {
  char      *pid_file;    /* names QEMU's process; NULL: not known */
  char      *tunnel;      /* the interface that leads to the target */
  char      *off;         /* why nothing is to be sent again; NULL: it is */
  gsize      copies_memory; /* bytes, for each NIC */
  gsize      kept_memory;   /* bytes, for the guest: copies of what left for the target, in case it comes back */
  GPtrArray *nics;        /* of VrNicSetup, by vr_switchover_setup_add_nic() */
} VrSwitchoverSetup;

VrSwitchoverSetup *vr_switchover_setup_new (const char *pid_file, const char *tunnel);
/* `gateway_mac`: whose frames come back to it after an abort. NICs beyond VR_SWITCHOVER_MAX_NICS are left out. */
void               vr_switchover_setup_add_nic (VrSwitchoverSetup *setup, const char *tap, const char *mac, const char *gateway_mac,
                                                const char *const *addresses);
gboolean           vr_switchover_setup_equal (const VrSwitchoverSetup *a, const VrSwitchoverSetup *b);
void               vr_switchover_setup_free (VrSwitchoverSetup *setup);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VrSwitchoverSetup, vr_switchover_setup_free)

G_END_DECLS
