/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "checksum.h"

guint16
vr_checksum (gconstpointer data, gsize len)
{
  const guint8 *bytes = data;
  guint64       sum = 0;

  for (gsize i = 0; i < len; i++)
    sum += i % 2 == 0 ? (guint) bytes[i] << 8 : bytes[i];
  while (sum >> 16 != 0)
    sum = (sum & 0xffff) + (sum >> 16);
  return g_htons ((guint16) ~sum);
}
