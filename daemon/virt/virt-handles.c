/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/virt/virt-handles.h"

static VrVirtError
code_of (const virError *last)
{
  switch (last->code)
    {
    case VIR_ERR_NO_DOMAIN:
      return VR_VIRT_ERROR_GONE;
    case VIR_ERR_OPERATION_TIMEOUT:
      return VR_VIRT_ERROR_TIMEOUT;
    default:
      return VR_VIRT_ERROR_CALL;
    }
}

void
vr_virt_set_error (GError **error, virConnectPtr conn, const char *format, ...)
{
  const virError  *last = virGetLastError (); /* before virConnectIsAlive, which resets it */
  VrVirtError      code = last != NULL ? code_of (last) : VR_VIRT_ERROR_CALL;
  g_autofree char *why = g_strdup (last != NULL && last->message != NULL ? last->message : "libvirt did not say why");
  g_autofree char *what = NULL;
  va_list          args;

  va_start (args, format);
  what = g_strdup_vprintf (format, args);
  va_end (args);
  if (virConnectIsAlive (conn) == 0)
    code = VR_VIRT_ERROR_CONNECT;
  g_set_error (error, VR_VIRT_ERROR, code, "cannot %s: %s", what, why);
}
