/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The folder's errors, and how many of them become one. */
#include "trouble.h"

#include "kernel.h"

G_DEFINE_QUARK (vr-kernel-error-quark, vr_kernel_error)

void
vr_trouble_take (VrTrouble *trouble, GError *error)
{
  if (error == NULL)
    return;
  if (trouble->first == NULL)
    {
      trouble->first = error;
      return;
    }
  g_debug ("%s", error->message);
  trouble->more++;
  g_error_free (error);
}

gboolean
vr_trouble_propagate (VrTrouble *trouble, GError **error)
{
  guint more = trouble->more;

  trouble->more = 0;
  if (trouble->first == NULL)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&trouble->first));
  if (error != NULL && more > 0)
    {
      g_autofree char *text = g_strdup_printf ("%s (and %u more)", (*error)->message, more);

      g_free ((*error)->message);
      (*error)->message = g_steal_pointer (&text);
    }
  return FALSE;
}
