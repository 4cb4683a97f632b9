/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "address.h"

#include <string.h>

/* Why `address` cannot be a guest's or an underlay's, or NULL if it can. */
static const char *
address_unfit (GInetAddress *address)
{
  const guint8 *bytes = g_inet_address_to_bytes (address);
  gboolean v6 = g_inet_address_get_family (address) == G_SOCKET_FAMILY_IPV6;
  static const guint8 mapped[12] = { [10] = 0xff, [11] = 0xff };

  if (g_inet_address_get_is_any (address) || (!v6 && bytes[0] == 0))
    return "it stands for no host";
  if (g_inet_address_get_is_multicast (address))
    return "it is a multicast address";
  if (g_inet_address_get_is_loopback (address))
    return "it is a loopback address";
  if (g_inet_address_get_is_link_local (address))
    return "it is a link-local address, which no router forwards";
  if (!v6 && bytes[0] >= 240)
    return "it is reserved or a broadcast address";
  if (v6 && memcmp (bytes, mapped, sizeof mapped) == 0)
    return "it is an IPv4 address in IPv6 notation";
  return NULL;
}

static GInetAddress *
address_parse (const char *text, GError **error)
{
  g_autoptr (GInetAddress) address = NULL;
  const char *why;

  /* Newer GLib takes scopes ("fe80::1%eth0"), which mean something on one host only. */
  if (text && !strchr (text, '%'))
    address = g_inet_address_new_from_string (text);
  if (!address) {
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                 "\"%s\" is not an IP address; write it like 10.9.1.100 or fd00:9:1::100", text ? text : "");
    return NULL;
  }
  why = address_unfit (address);
  if (why) {
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "\"%s\" cannot be used here: %s", text, why);
    return NULL;
  }
  return g_steal_pointer (&address);
}

char *
vr_address_canonical (const char *text, GError **error)
{
  g_autoptr (GInetAddress) address = address_parse (text, error);

  return address ? g_inet_address_to_string (address) : NULL;
}

gboolean
vr_address_is_v6 (const char *address)
{
  g_return_val_if_fail (address, FALSE);
  return strchr (address, ':') != NULL;
}

/* Splits "ADDRESS/LENGTH"; LENGTH is 1 to 31 (127 of IPv6): a guest network holds a gateway and a guest. */
static gboolean
network_split (const char *text, char **address, guint *length, GError **error)
{
  const char *slash = text ? strchr (text, '/') : NULL;
  guint max = text && strchr (text, ':') ? 127 : 31;
  guint64 value;

  if (!slash || slash[1] == '0' || !g_ascii_string_to_unsigned (slash + 1, 10, 1, max, &value, NULL)) {
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                 "\"%s\" is not a gateway with its prefix length (1 to %u); write it like 10.9.1.1/24 or fd00:9:1::1/64",
                 text ? text : "", max);
    return FALSE;
  }
  *address = g_strndup (text, slash - text);
  *length = value;
  return TRUE;
}

/* Sets all bits after the first `length` to `bit`. */
static void
bytes_fill (guint8 *bytes, gsize size, guint length, gboolean bit)
{
  for (guint i = length; i < size * 8; i++)
    if (bit)
      bytes[i / 8] |= 0x80 >> i % 8;
    else
      bytes[i / 8] &= ~(0x80 >> i % 8);
}

gboolean
vr_network_parse (const char *text, char **gateway, char **network, GError **error)
{
  g_autofree char *host = NULL, *base = NULL;
  g_autoptr (GInetAddress) address = NULL, first = NULL;
  guint8 bytes[16];
  guint length;
  gsize size;

  if (!network_split (text, &host, &length, error))
    return FALSE;
  address = address_parse (host, error);
  if (!address) {
    g_prefix_error (error, "guest network \"%s\": ", text);
    return FALSE;
  }

  size = g_inet_address_get_native_size (address);
  memcpy (bytes, g_inet_address_to_bytes (address), size);
  bytes_fill (bytes, size, length, TRUE);
  /* A /31 has no broadcast address (RFC 3021). */
  if (size == 4 && length < 31 && memcmp (bytes, g_inet_address_to_bytes (address), size) == 0) {
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                 "\"%s\" names the network's broadcast address; write the gateway's own address before the /", text);
    return FALSE;
  }
  bytes_fill (bytes, size, length, FALSE);
  if (memcmp (bytes, g_inet_address_to_bytes (address), size) == 0) {
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                 "\"%s\" names the network itself; write the gateway's own address before the /", text);
    return FALSE;
  }

  first = g_inet_address_new_from_bytes (bytes, g_inet_address_get_family (address));
  base = g_inet_address_to_string (first);
  if (gateway)
    *gateway = g_inet_address_to_string (address);
  if (network)
    *network = g_strdup_printf ("%s/%u", base, length);
  return TRUE;
}

char *
vr_network_address_before_last (const char *gateway_or_network, guint n)
{
  g_autofree char *base = NULL, *text = NULL;
  g_autoptr (GInetAddress) inside = NULL, found = NULL;
  guint8 bytes[16];
  guint length;
  gsize size;

  if (!network_split (gateway_or_network, &base, &length, NULL))
    return NULL;
  inside = g_inet_address_new_from_string (base);
  size = g_inet_address_get_native_size (inside);
  if (size == 4 && length < 31 && n == 0)
    return NULL;
  memcpy (bytes, g_inet_address_to_bytes (inside), size);
  bytes_fill (bytes, size, length, TRUE);
  for (gsize i = size; i > 0 && n > 0; i--)
    {
      guint borrow = bytes[i - 1] < (n & 0xff);

      bytes[i - 1] -= n & 0xff;
      n = (n >> 8) + borrow;
    }
  found = g_inet_address_new_from_bytes (bytes, g_inet_address_get_family (inside));
  text = g_inet_address_to_string (found);
  return vr_network_contains (gateway_or_network, text) ? g_steal_pointer (&text) : NULL;
}

gboolean
vr_network_contains (const char *gateway_or_network, const char *address)
{
  g_autofree char *base = NULL;
  g_autoptr (GInetAddress) inside = NULL, asked = g_inet_address_new_from_string (address);
  guint8 a[16], b[16];
  guint length;
  gsize size;

  if (!network_split (gateway_or_network, &base, &length, NULL))
    return FALSE;
  inside = g_inet_address_new_from_string (base);
  if (!inside || !asked || g_inet_address_get_family (inside) != g_inet_address_get_family (asked))
    return FALSE;

  size = g_inet_address_get_native_size (inside);
  memcpy (a, g_inet_address_to_bytes (inside), size);
  memcpy (b, g_inet_address_to_bytes (asked), size);
  bytes_fill (a, size, length, FALSE);
  bytes_fill (b, size, length, FALSE);
  return memcmp (a, b, size) == 0;
}

void
vr_net_set (VrNet *net, const char *text)
{
  g_autofree char *base = g_strndup (text, strcspn (text, "/"));
  g_autoptr (GInetAddress) address = g_inet_address_new_from_string (base);
  const char *slash = strchr (text, '/');

  *net = (VrNet) { .size = 4 };
  g_return_if_fail (address);
  net->size = g_inet_address_get_native_size (address);
  memcpy (net->bytes, g_inet_address_to_bytes (address), net->size);
  net->length = slash ? g_ascii_strtoull (slash + 1, NULL, 10) : net->size * 8;
  bytes_fill (net->bytes, net->size, net->length, FALSE);
}

/* Are the first `length` bits the same? */
static gboolean
bits_equal (const guint8 *a, const guint8 *b, guint length)
{
  guint whole = length / 8, rest = length % 8;

  return memcmp (a, b, whole) == 0 && (rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0);
}

gboolean
vr_net_holds (const VrNet *net, const VrNet *other)
{
  return net->size == other->size && net->length <= other->length && bits_equal (net->bytes, other->bytes, net->length);
}

gboolean
vr_net_overlaps (const VrNet *a, const VrNet *b)
{
  return vr_net_holds (a, b) || vr_net_holds (b, a);
}
