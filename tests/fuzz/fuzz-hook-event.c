/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as a hook event: refused with an error, or an event that keeps its promises. */
#include "daemon/virt/hook-event.h"

#include <string.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VrHookEvent) event = vr_hook_event_parse ((const char *) data, size, &error);
  g_autofree char *identity = NULL;

  g_assert_true ((event == NULL) == (error != NULL));
  if (event == NULL)
    return 0;
  identity = vr_hook_event_identity (event);
  g_assert_cmpuint (strlen (event->guest), >, 0);
  g_assert_true (g_utf8_validate (identity, -1, NULL));
  g_assert_true (g_utf8_validate (event->reason, -1, NULL));
  g_assert_cmpint (event->time_us, >=, 0);
  g_assert_cmpuint (event->xml_len, <, size);
  g_assert_cmpint (event->xml[event->xml_len], ==, '\0');
  return 0;
}
